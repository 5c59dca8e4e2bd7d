# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""A Mac that nobody touches falls asleep, in the middle of a build, too."""

from __future__ import annotations

import os
from contextlib import suppress

CAFFEINATE = "/usr/bin/caffeinate"
# Whoever kept our output open would keep Ansible waiting.
_SILENT = [
    (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDWR, 0),
    (os.POSIX_SPAWN_DUP2, 0, 1),
    (os.POSIX_SPAWN_DUP2, 0, 2),
]


def stay_awake() -> None:
    """Keep the host from falling asleep for as long as this process lives, however that ends.

    Where a lid is closed or the battery is empty, a Mac sleeps all the same.
    """
    with suppress(OSError):  # Linux has no such program
        argv = [CAFFEINATE, "-i", "-w", str(os.getpid())]
        # pylint: disable-next=ansible-bad-function # it outlives this call
        os.posix_spawn(CAFFEINATE, argv, os.environ, file_actions=_SILENT)
