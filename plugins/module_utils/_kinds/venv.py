# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""Virtual environments of wheels, made with uv."""

from __future__ import annotations

import os
import re
import shutil
from base64 import b64decode
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._commands import Commands
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.files import COMPILED
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.startup import OUR_FILE, OUR_LINE
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._kinds.protocol import Claim, Contents, Installed
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._kinds.record import (
    NAME as RECORD,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._kinds.record import (
    distribution_of,
    parse_record,
    refuse_unrecorded,
    sha256_said,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._kinds.wheels import (
    WheelStore,
    requirements_of,
    uv_arguments,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._layout import Places
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._paths import read_regular
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.lock import parse_lock
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.network import Network
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.platforms import platform_of

TO_START = 120.0  # seconds for what starts an interpreter, and does nothing else
TO_INSTALL = 600.0  # seconds for unpacking on the slowest disk
WHEELS = "metalfleet-wheels.txt"
"""In a generation: the wheels that it was installed from."""
CACHE = ".uv"
_METADATA = re.compile(r"lib/python3\.\d+/site-packages/([^/]+\.dist-info)/METADATA")


class Venv:
    """The kind `venv`: wheels only, each checked by the lock's hash."""

    def __init__(
        self,
        places: Places,
        network: Network,
        commands: Commands,
        built_wheels: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """`built_wheels` are wheels that no index has: by SHA-256 the name, a blank, and the content in base64."""
        self._uv, self._network, self._commands = places.uv, network, commands
        self._built_wheels = built_wheels
        self._store = WheelStore(places.wheels, places.set_aside)

    def prepare(self, generation: Path, *, name: str, python: Path) -> None:
        """Make a virtual environment that holds nothing but a start-up file of ours."""
        # Only absolute interpreters: uv would otherwise execute every python on PATH, shims included.
        options = ("--allow-existing", "--python", str(python), "--prompt", name)
        self._run(generation, "venv", *options, str(generation), timeout=TO_START)
        (site_packages(generation) / OUR_FILE).write_text(OUR_LINE, encoding="utf-8")

    def install(self, generation: Path, lock: str) -> Installed:
        """Install the lock by way of the wheel store."""
        python, wheels = generation / "bin" / "python", generation / WHEELS
        # Imported here because a host is asked far more often than it installs.
        from ansible_collections.metalfleet.tensorflow.plugins.module_utils._kinds.fetch import fetch  # noqa: PLC0415

        platform = platform_of(python, self._commands)
        pins = parse_lock(lock).pins_for(platform.markers)
        for digest in self._built_wheels.keys() & {digest for pin in pins for digest in pin.hashes}:
            filename, _, content = self._built_wheels[digest].partition(" ")
            self._store.receive(digest, filename, b64decode(content))
        fetched = fetch(self._store, pins, platform, self._network, self._commands)
        refuse_unrecorded((wheel.pin.name, wheel.path) for wheel in fetched.wheels)
        wheels.write_text(requirements_of(fetched.wheels), encoding="utf-8")
        sync = ("pip", "sync", *uv_arguments(fetched.wheels, generation / CACHE), "--python", str(python), str(wheels))
        self._run(generation, *sync, timeout=TO_INSTALL)
        return Installed(tuple(wheel.sha256 for wheel in fetched.wheels), fetched.warnings)

    def inspect(self, generation: Path) -> Contents:
        """Read the metadata and the RECORD of every distribution."""
        packages = site_packages(generation)
        found, records = {}, {WHEELS: ""}
        claims: list[Claim] = []
        for folder in sorted(entry.name for entry in os.scandir(packages)):
            distribution = distribution_of(folder)
            if distribution:
                found[distribution[0]] = distribution[1]
                record = packages / folder / RECORD
                records[record.relative_to(generation).as_posix()] = distribution[0]
                claims += recorded(generation, record, *distribution)
        return Contents(found, tuple(claims), records)

    def refuse_unmet(self, generation: Path) -> None:
        """Let uv compare what the installed packages require with what is installed."""
        python = str(generation / "bin" / "python")
        self._run(generation, "pip", "check", "--python", python, timeout=TO_START)

    def package_of(self, path: str) -> tuple[str, str] | None:
        """A distribution is there if its metadata is."""
        match = _METADATA.fullmatch(path)
        return distribution_of(match.group(1)) if match else None

    def archives_of(self, lock: str) -> Collection[str]:
        """The wheels' hashes, whatever platform they are for."""
        return parse_lock(lock).hashes

    def prune(self, archives: Collection[str]) -> list[str]:
        """Remove other wheels from the store."""
        return self._store.prune(archives)

    def _run(self, generation: Path, *arguments: str, timeout: float) -> None:
        """Run uv with settings of ours only, whatever its user has configured."""
        cache = generation / CACHE
        self._commands.run([str(self._uv), "--quiet", *arguments], timeout=timeout, env=variables(cache))
        shutil.rmtree(cache)


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


def site_packages(generation: Path) -> Path:
    """Where a generation's packages are."""
    found = sorted(generation.glob("lib/python3.*/site-packages"))
    if not found:
        raise MetalfleetError(f"uv made no site-packages in {generation}", remedy="Run again with -vvv to see more.")
    return found[0]


def recorded(generation: Path, record: Path, name: str, version: str) -> Iterator[Claim]:
    """What the RECORD of an installed distribution lists, but for compiled Python, which Python itself replaces."""
    inside = record.parents[1].relative_to(generation).as_posix()
    for listed, digest in read_record(record, f"{name} {version}").items():
        path = os.path.normpath(f"{inside}/{listed}")
        if path.startswith(("../", "/")):
            raise MetalfleetError(
                f"The wheel of {name} {version} writes outside the environment ({listed})",
                remedy="Remove it from the lock.",
            )
        if COMPILED not in path.split("/") and path != record.relative_to(generation).as_posix():
            yield Claim(path, name, sha256_said(generation / path, digest))


def read_record(record: Path, distribution: str) -> dict[str, str]:
    """Digest by path. Raises MetalfleetError."""
    try:
        return parse_record(read_regular(record).decode())
    except (OSError, ValueError) as error:
        raise MetalfleetError(
            f"{distribution} was installed without a RECORD that can be read",
            evidence=f"{record}: {error}.",
            remedy="Remove it from the lock, or use another version.",
        ) from error
