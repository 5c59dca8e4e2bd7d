# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""The session at the Mac's screen: macOS offers the GPU to some programs there, and not to those of a connection.

`launchctl asuser` starts a program in the session of the user who is logged in at the screen. The program stays the
user's who starts it; only what its session offers is another's (launchctl(1)). macOS allows it to root.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ansible_collections.metalfleet.tensorflow.plugins.module_utils._facts.types import Facts

CONSOLE = Path("/dev/console")
"""Belongs to the user who is logged in at the screen."""


def way_to_screen(facts: Facts | None) -> tuple[str, ...]:
    """The beginning of a command that runs in the session at the screen.

    Empty where nobody is logged in there, or where this user may not enter that session: only root may, and for some
    versions of macOS the one who is logged in.
    """
    if facts is None or facts["system"] != "Darwin" or not facts["gui_session"]:
        return ()
    try:
        owner = CONSOLE.stat().st_uid
    except OSError:  # nobody knows who it is, then
        return ()
    return ("/bin/launchctl", "asuser", str(owner)) if os.geteuid() in (0, owner) else ()
