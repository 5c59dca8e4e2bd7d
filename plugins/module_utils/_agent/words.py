# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""What a user of the Mac is told, who need not know Ansible: the engine's texts, with what can be done on the Mac."""

from __future__ import annotations

import re

MANAGER = "whoever manages this Mac"

SAID = (
    (
        r"Run remove\.yml with `-e tensorflow_name=NAME`, then setup\.yml with `native_python_source: standalone`",
        f"Ask {MANAGER} to have it built anew with a standalone Python",
    ),
    (
        r"set `tensorflow_oldest_macos` to the version of this one and run lock\.yml",
        f"ask {MANAGER} for a lock for the macOS of this Mac",
    ),
    (r"make the lock again, with lock\.yml -e tensorflow_upgrade=all", f"ask {MANAGER} for a new lock"),
    (r"[Rr]un setup\.yml with on_drift: repair to repair it", f"Ask {MANAGER} to have it repaired"),
    (r"Run setup\.yml, or the role metalfleet\.tensorflow\.native_python before this task", "Run metalfleet repair"),
    (r"\brun setup\.yml( again)?", "run metalfleet repair"),
    (r"\bRun setup\.yml( again)?", "Run metalfleet repair"),
    (r"-e tensorflow_rebuild=\S+ asks for it", f"Ask {MANAGER}"),
    (r", or choose other folders \(tensorflow_root, tensorflow_links\)", ""),
    (r"\s*\((?:tensorflow|native_python)_\w+(?:, (?:tensorflow|native_python)_\w+)*\)", ""),
    (r", or set tensorflow_free_mb to require less", ""),
    (r"\bRun again with -vvv to see more", "metalfleet doctor says more"),
    (r"\bdoctor\.yml", "metalfleet doctor"),
)
"""What the controller's user is told, and in its place the user of the Mac."""
VARIABLE = re.compile(r"(?<![\w./-])(?:tensorflow|native_python)_[a-z_]+\b(?![./-])")


def for_user(text: str) -> str:
    """A text without what only a controller has."""
    for pattern, words in SAID:
        text = re.sub(pattern, words, text)
    named = dict.fromkeys(VARIABLE.findall(text))
    return f"{text} Only {MANAGER} can set {' or '.join(named)}." if named else text
