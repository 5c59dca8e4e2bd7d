# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""What a run is doing on a host, left in a file for whoever waits for it.

A module answers once, at its end; a build takes minutes. The controller reads the file meanwhile. Nothing depends on
it: where it cannot be written, the run goes on.
"""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from pathlib import Path

NAME = ".progress"
"""In the root folder."""
SECONDS_BETWEEN = 1.0
"""How often it is told how far a step is."""


class Progress:
    """Tells what the one writer is doing, as long as its context lasts. Without a folder nobody is told."""

    def __init__(self, root: Path | None = None) -> None:
        self._path = root / NAME if root else None
        self._alone = threading.Lock()
        self._subject, self._step, self._next = "", "", 0.0

    def begin(self, subject: str) -> None:
        """Name what is worked on from now on."""
        self._subject, self._step = subject, ""

    def say(self, step: str, detail: str = "") -> None:
        """Tell a step as it begins, and now and then how far it is. Threads may do so at once."""
        with self._alone:
            now = time.monotonic()
            if step != self._step or now >= self._next:
                self._step, self._next = step, now + SECONDS_BETWEEN
                said = f"{step}, {detail}" if detail else step
                self._write(f"{os.getpid()} {self._subject}: {said}\n")

    def __enter__(self) -> None:
        """What a run that was killed has left is replaced when there is something to tell."""

    def __exit__(self, *_: object) -> None:
        """Nothing is done any more."""
        if self._path:
            with suppress(OSError):
                self._path.unlink()

    def _write(self, line: str) -> None:
        """Put it there in one step, for it is read at any time."""
        if not self._path:
            return
        new = self._path.with_name(f"{NAME}.new")
        with suppress(OSError):
            new.unlink(missing_ok=True)
            descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(line)
            new.replace(self._path)


def counted(number: int, what: str) -> str:
    """How many of what, for people."""
    return f"{number} {what}{'s' * (number != 1)}"
