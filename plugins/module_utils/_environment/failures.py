# SPDX-License-Identifier: GPL-3.0-or-later
"""Words for what went wrong: cause, remedy, evidence, and what is in use meanwhile."""

from __future__ import annotations

import re

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._commands import CommandExited
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.declaration import Declaration

MAX_EVIDENCE = 2000  # characters

#: What uv's or the system's words mean: pattern, cause, remedy.
KNOWN = (
    (
        r"^\S+: killed by \w+$",
        "a program was killed by the system or a user",
        "Run again; if the Mac was short of memory, end other programs first.",
    ),
    (
        r"[Hh]ash mismatch",
        "a wheel's hash is not the one in the lock",
        "The index served another file, or the lock is wrong: correct or re-make the lock, and check the index.",
    ),
    (r"No space left on device|Errno 28", "the disk is full", "Free some space on the volume of {root} and run again."),
    (
        r"Failed to extract archive|Bad CRC",
        "a wheel arrived damaged",
        "Run again; if it happens again, check the network and the index.",
    ),
    (
        r"not as the wheel's RECORD says",
        "files of freshly fetched wheels are not what they should be",
        "Check the disk and the index, remove {root}/cache and run again.",
    ),
    (
        r"no wheels? with a matching|only has wheels|No solution found|no usable wheels|can't be installed",
        "a package of the lock has no wheel for this Python and system",
        "Use a lock that was made for this platform and Python.",
    ),
    (
        r"In .--require-hashes. mode",
        "the lock is not complete",
        "Every requirement must be pinned with == and have its --hash lines.",
    ),
    (
        r"error sending request|Failed to fetch|dns error|timed out|no answer within|[Cc]onnection",
        "the package index could not be reached",
        "Check the network, the proxy and the index's URL (tensorflow_index_url), and run again.",
    ),
    (r"Permission denied|Read-only file system", "the folder is not writable", "Make {root} writable for this user."),
)


def explain_failure(failure: Exception, declaration: Declaration) -> str:
    """One message for a person."""
    said = failure.completed.stderr if isinstance(failure, CommandExited) else ""
    evidence = mask(said.strip() or str(failure))
    cause, remedy = "something failed that is not known here", "Run again with -vvv to see more."
    for pattern, known_cause, known_remedy in KNOWN:
        if re.search(pattern, evidence):
            cause, remedy = known_cause, known_remedy.format(root=declaration.root)
            break
    return (
        f"The environment {declaration.name} was not changed: {cause}. {remedy} {what_is_active(declaration)} "
        f"Evidence: {evidence[-MAX_EVIDENCE:]}"
    )


def what_is_active(declaration: Declaration) -> str:
    """What a user has after a failure."""
    return "What was active before is still in use." if declaration.link.is_symlink() else "Nothing was activated."


def mask(text: str) -> str:
    """Hide user name and password of every URL in a text."""
    return re.sub(r"(\w+://)[^/@\s]+@", r"\1***@", text)
