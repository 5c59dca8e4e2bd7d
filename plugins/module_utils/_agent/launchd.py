# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""The agent's job: launchd starts it at certain times of the day, and on wake if the Mac was asleep then.

Of root's agent it is a daemon of the system, of another user's one of that user's session at the screen: only there is
the GPU certain to be offered. Where that user is not logged in, launchd finds the job when that happens.
"""

from __future__ import annotations

import os
import plistlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._commands import CommandFailed, Commands
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.manifest import put
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._paths import read_regular
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe.screen import CONSOLE

LABEL = "org.metalfleet.tensorflow"
LAUNCHCTL = "/bin/launchctl"
SECONDS = 30


def job(command: Path, times: Sequence[str], delay: int) -> dict[str, Any]:
    """The job as launchd reads it, see launchd.plist(5)."""
    at = [dict(zip(("Hour", "Minute"), map(int, each.split(":")))) for each in times]
    return {
        "Label": LABEL,
        "ProgramArguments": ["/bin/sh", str(command), "repair", "--scheduled"],
        "EnvironmentVariables": {"METALFLEET_DELAY": str(delay)},
        "StartCalendarInterval": at,
        "ProcessType": "Background",
        "LowPriorityIO": True,
        "Nice": 10,
    }


class Launchd:
    """launchd, as far as the user of this process is concerned."""

    def __init__(self, commands: Commands, home: Path) -> None:
        self._commands, self._uid = commands, os.geteuid()
        folder = Path("/Library/LaunchDaemons") if self._uid == 0 else home / "Library/LaunchAgents"
        self.path = folder / f"{LABEL}.plist"
        self._domain = "system" if self._uid == 0 else f"gui/{self._uid}"
        self._service = f"{self._domain}/{LABEL}"

    def read(self) -> Mapping[str, Any] | None:
        """The job's file; None if there is none, or none that can be read."""
        with suppress(OSError, plistlib.InvalidFileException, ValueError):
            written: dict[str, Any] = plistlib.loads(read_regular(self.path))
            return written
        return None

    @property
    def has_session(self) -> bool:
        """Whether the job can be loaded now: a user's only while that user is logged in at the screen."""
        try:
            return self._uid in (0, CONSOLE.stat().st_uid)
        except OSError:
            return False

    @property
    def is_loaded(self) -> bool:
        """Whether launchd knows the job."""
        with suppress(CommandFailed):
            self._commands.run([LAUNCHCTL, "print", self._service], timeout=SECONDS)
            return True
        return False

    def load(self, wanted: Mapping[str, Any]) -> None:
        """Write the job's file and let launchd know it, in the place of what it knew. Raises MetalfleetError."""
        self.unload()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        put(self.path, plistlib.dumps(dict(wanted)))
        self.path.chmod(0o644)  # launchd takes none that others may write to
        if not self.has_session:
            return
        try:
            self._commands.run([LAUNCHCTL, "bootstrap", self._domain, str(self.path)], timeout=SECONDS)
        except CommandFailed as failure:
            raise MetalfleetError(
                "launchd does not take the agent's job",
                evidence=f"launchctl bootstrap {self._domain} {self.path}: {failure.reason}.",
                remedy="See System Settings, General, Login Items, whether it is switched off there; launchctl enable "
                f"{self._service} switches it on again.",
            ) from failure

    def start(self) -> None:
        """Let the job run now, without waiting for it."""
        with suppress(CommandFailed):  # it runs at its time anyway
            self._commands.run([LAUNCHCTL, "kickstart", self._service], timeout=SECONDS)

    def unload(self) -> None:
        """Let launchd forget the job, and end it if it runs."""
        if self.is_loaded:
            with suppress(CommandFailed):  # it ended meanwhile; one that stays is seen by the next look
                self._commands.run([LAUNCHCTL, "bootout", self._service], timeout=SECONDS)

    def remove(self) -> None:
        """The same, and remove its file."""
        self.unload()
        self.path.unlink(missing_ok=True)
