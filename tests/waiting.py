# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting for what takes a moment on an idle machine, and longer on one that has other work to do."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Found = TypeVar("Found")
PATIENCE = 600.0
"""Seconds after which a thing that takes one is held for something that will never come."""
BETWEEN_LOOKS = 0.02
"""Seconds between two looks. A look takes a millisecond or two, which others need as well."""


def wait_until(look: Callable[[], Found], every: float = BETWEEN_LOOKS) -> Found:
    """Look until there is something, and return it; `every` is more seconds where a look is dear."""
    deadline = time.monotonic() + PATIENCE
    while not (found := look()):
        assert time.monotonic() < deadline, f"what was waited for did not come within {PATIENCE:.0f} s"
        time.sleep(every)
    return found


def has_ended(pid: int) -> bool:
    """Whether a process runs no more, be it that nobody has waited for it yet."""
    status = Path("/proc", str(pid), "status")
    try:
        return "(zombie)" in status.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
