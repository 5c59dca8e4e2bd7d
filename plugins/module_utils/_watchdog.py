# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""The watchdog that ends a module whose look at the host hangs: the shell that starts the module sets it up."""

from __future__ import annotations

import os
import signal
from contextlib import suppress

VARIABLE = "METALFLEET_WATCHDOG"
"""Environment variable with the number of its process."""


def end_watchdog() -> None:
    """Say that the look has ended: what comes now has limits of its own. Without a watchdog it does nothing."""
    with suppress(KeyError, ValueError, OSError):
        os.kill(int(os.environ.pop(VARIABLE)), signal.SIGTERM)
