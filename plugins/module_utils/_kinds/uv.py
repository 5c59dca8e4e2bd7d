# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""uv on a host: installs wheels from the wheel store, with settings of ours only, whatever its user has configured."""

from __future__ import annotations

import os
import shutil
from base64 import b64decode
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._kinds.protocol import Installed
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._kinds.record import refuse_unrecorded
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._kinds.wheels import (
    Stock,
    WheelStore,
    requirements_of,
    uv_arguments,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.platforms import Platform, platform_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ansible_collections.metalfleet.tensorflow.plugins.module_utils._commands import Commands
    from ansible_collections.metalfleet.tensorflow.plugins.module_utils._layout import Places
    from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.lock import Lock
    from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.network import Network

TO_START = 120.0  # seconds for what starts an interpreter, and does nothing else
TO_INSTALL = 600.0  # seconds for unpacking on the slowest disk
CACHE = ".uv"


class Uv:
    """The uv of a host, and the wheels that it installs from."""

    def __init__(
        self,
        places: Places,
        network: Network,
        commands: Commands,
        built_wheels: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """`built_wheels` are wheels that no index has: by SHA-256 the name, a blank, and the content in base64."""
        self.network, self.commands = network, commands
        self.store = WheelStore(places.wheels, places.set_aside)
        self._uv, self._built_wheels = places.uv, built_wheels

    def stock(self, lock: Lock, python: Path) -> tuple[Stock, Platform]:
        """What of a lock for an interpreter is in the store, without wheels that are sent with the module."""
        platform = platform_of(python, self.commands)
        pins = [pin for pin in lock.pins_for(platform.markers) if not pin.hashes & self._built_wheels.keys()]
        return self.store.look(pins, platform), platform

    def install(self, generation: Path, lock: Lock, listing: Path, python: Path, *command: str) -> Installed:
        """Fetch the wheels that a lock pins for an interpreter, list them in a file, and let uv install them.

        `command` says how; it names the list. Nothing is built, and nothing else is taken.
        """
        # Imported here because a host is asked far more often than it installs.
        from ansible_collections.metalfleet.tensorflow.plugins.module_utils._kinds.fetch import fetch  # noqa: PLC0415

        platform = platform_of(python, self.commands)
        pins = lock.pins_for(platform.markers)
        for digest in self._built_wheels.keys() & {digest for pin in pins for digest in pin.hashes}:
            filename, _, content = self._built_wheels[digest].partition(" ")
            self.store.receive(digest, filename, b64decode(content))
        fetched = fetch(self.store, pins, platform, self.network, self.commands)
        refuse_unrecorded((wheel.pin.name, wheel.path) for wheel in fetched.stored)
        listing.write_text(requirements_of(fetched.stored), encoding="utf-8")
        arguments = (*uv_arguments(fetched.stored, generation / CACHE), "--python", str(python))
        self.run(generation, *command, *arguments, timeout=TO_INSTALL)
        return Installed(tuple(wheel.sha256 for wheel in fetched.stored), fetched.warnings)

    def run(self, generation: Path, *arguments: str, timeout: float) -> None:
        """Run it with a cache in a generation, which is gone afterwards. Raises CommandFailed."""
        cache = generation / CACHE
        try:
            self.commands.run([str(self._uv), "--quiet", *arguments], timeout=timeout, env=variables(cache))
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
