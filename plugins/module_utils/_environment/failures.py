# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""Errors of actions that failed: cause, evidence, remedy, and what is in use now."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._commands import CommandExited
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.declaration import Declaration
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError, as_sentence

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_EVIDENCE = 2000  # characters

DISK_IS_FULL = r"[Nn]o space left on device|[Dd]isk quota exceeded|(Errno|os error) (28|69|122)\b"
"""How programs tell of it."""

#: What the words of uv or of the system mean: pattern, cause, remedy. The first that fits is the answer.
KNOWN = (
    (
        r"^\S+: killed by \w+$|signal: \d+ \(SIG(KILL|TERM)\)",
        "a program was killed by the system or a user",
        "Run again; if the host was short of memory, quit other programs first.",
    ),
    (
        DISK_IS_FULL,
        "the disk is full",
        "Free some space on the volume of {root} and run again.",
    ),
    (
        r"Permission denied|Read-only file system|Operation not permitted",
        "the folder is not writable",
        "Make {root} and everything in it writable for this user.",
    ),
    (
        r"Failed to extract archive|Bad CRC",
        "a wheel is damaged",
        "Make the lock with another version of that package: the wheel itself is faulty.",
    ),
    (
        r"Failed to install: .*(Not a directory|File exists|Is a directory)",
        "packages of the lock bring the same path, one as a file and one as a folder",
        "Remove one of them from the lock.",
    ),
    (
        r"Failed to install: (?!.*os error)",
        "a wheel cannot be installed as it was made",
        "Remove it from the lock, or use another version of that package.",
    ),
    (
        r"Not a directory|File exists|Is a directory|Errno (17|20|21)\b",
        "a file or folder is in the way",
        "Move it away and run again.",
    ),
    (
        r"requires `[^`]*`, but|requires Python|is incompatible with",
        "packages of the lock require others that it does not have",
        "Add them to the lock, in a version that is allowed.",
    ),
    (
        r"no answer within",
        "a program did not end in time",
        "See what it waits for on the host, and run again.",
    ),
)

UNKNOWN = ("something failed that is not known here", "Run again with -vvv to see more.")


def explain_failure(failure: Exception, declaration: Declaration, steps: Sequence[str] = ()) -> MetalfleetError:
    """What people read about a failed command or system call; `steps` is what was done before."""
    said = failure.completed.stderr if isinstance(failure, CommandExited) else ""
    evidence = " ".join(mask(said.strip() or str(failure)).split())
    known = ((cause, remedy) for pattern, cause, remedy in KNOWN if re.search(pattern, evidence))
    cause, remedy = next(known, UNKNOWN)
    return MetalfleetError(
        f"The environment {declaration.name} was {'only partly' if steps else 'not'} changed: {cause}. "
        f"{what_is_active(declaration, steps)}",
        evidence=f"What was said: {evidence[-MAX_EVIDENCE:]}",
        remedy=remedy.format(root=declaration.places.root),
    )


def was_not_activated(refusal: MetalfleetError, declaration: Declaration) -> MetalfleetError:
    """The error for a refused generation, with what is in use now."""
    problem = refusal.problem
    return MetalfleetError(
        f"{as_sentence(problem.cause)} {what_is_active(declaration)}",
        evidence=problem.evidence,
        remedy=problem.remedy,
    )


def what_is_active(declaration: Declaration, steps: Sequence[str] = ()) -> str:
    """What is in use after a failure; `steps` is what was done before."""
    if {"build", "switch"} & {*steps}:
        return "What it was switched to is in use."
    return "What was active before is still in use." if declaration.link.is_symlink() else "Nothing was activated."


def mask(text: str) -> str:
    """Hide user name and password of every URL in a text, and the token that follows the host of a conda channel."""
    return re.sub(r"\b(\w+://[^/\s]+/t/)[^/\s]+", r"\1***", re.sub(r"\b(\w+://)[^/\s]+@", r"\1***@", text))
