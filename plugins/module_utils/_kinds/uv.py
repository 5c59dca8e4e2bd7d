# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""uv on a host: installs wheels from the wheel store, with settings of ours only, whatever its user has configured."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._kinds.protocol import Installed
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._kinds.record import refuse_unrecorded
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._kinds.wanted import wheels_wanted
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._kinds.wheels import requirements_of, uv_arguments
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._progress import counted
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.platforms import platform_of

if TYPE_CHECKING:
    from pathlib import Path

    from ansible_collections.metalfleet.tensorflow.plugins.module_utils._commands import Commands
    from ansible_collections.metalfleet.tensorflow.plugins.module_utils._kinds.supply import Supply

TO_START = 120.0  # seconds for what starts an interpreter, and does nothing else
TO_INSTALL = 600.0  # seconds for unpacking on the slowest disk
CACHE = ".uv"


class Uv:
    """The uv of a host, and what it installs from."""

    def __init__(self, program: Path, supply: Supply, commands: Commands) -> None:
        self._program, self.supply, self.commands = program, supply, commands

    def install(
        self, generation: Path, lock: str, listing: Path, python: Path, *command: str, called: str = ""
    ) -> Installed:
        """Get the wheels that the text of a lock pins for an interpreter, list them in a file, let uv install them.

        `command` says how; it names the list. `called` is what they are together, for people. Nothing is built, and
        nothing else is taken.
        """
        stored, warnings = self.supply.provide(wheels_wanted(lock, platform_of(python, self.commands)))
        refuse_unrecorded((wheel.pin.name, wheel.path) for wheel in stored)
        listing.write_text(requirements_of(stored), encoding="utf-8")
        self.supply.progress.say(f"installing {called or counted(len(stored), 'wheel')}")
        arguments = (*uv_arguments(stored, generation / CACHE), "--python", str(python))
        self.run(generation, *command, *arguments, timeout=TO_INSTALL)
        return Installed(tuple(wheel.sha256 for wheel in stored), warnings)

    def run(self, generation: Path, *arguments: str, timeout: float) -> None:
        """Run it with a cache in a generation, which is gone afterwards. Raises CommandFailed."""
        cache = generation / CACHE
        try:
            self.commands.run([str(self._program), "--quiet", *arguments], timeout=timeout, env=variables(cache))
        finally:
            shutil.rmtree(cache, ignore_errors=True)


def variables(cache: Path) -> dict[str, str]:
    """The variables of uv's process: ours without what would change uv's or Python's ways."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("UV_", "PYTHON", "VIRTUAL_ENV"))}
    return {
        **ours,
        "UV_CACHE_DIR": str(cache),
        "UV_NO_CONFIG": "1",
        "UV_OFFLINE": "1",
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_PYTHON_SEARCH_PATH": "/nonexistent",
    }
