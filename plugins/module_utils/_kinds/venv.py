# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""Virtual environments of wheels, made with uv."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.startup import OUR_FILE, OUR_LINE
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._kinds.distributions import (
    WHEELS,
    installed_wheels,
    package_of,
    site_packages,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._kinds.protocol import Contents, Installed
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._kinds.uv import TO_START, Uv
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._kinds.wanted import Wanted, venv_wanted
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.lock import parse_lock
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.platforms import Platform


class Venv:
    """The kind `venv`: wheels only, each checked by the lock's hash."""

    def __init__(self, uv: Uv) -> None:
        self._uv = uv

    def prepare(self, generation: Path, *, name: str, python: Path) -> None:
        """Make a virtual environment that holds nothing but a start-up file of ours."""
        # Only absolute interpreters: uv would otherwise execute every python on PATH, shims included.
        options = ("--allow-existing", "--python", str(python), "--prompt", name)
        self._uv.run(generation, "venv", *options, str(generation), timeout=TO_START)
        (site_packages(generation) / OUR_FILE).write_text(OUR_LINE, encoding="utf-8")

    def install(self, generation: Path, lock: str) -> Installed:
        """Install the lock by way of the wheel store."""
        python, wheels = generation / "bin" / "python", generation / WHEELS
        return self._uv.install(generation, lock, wheels, python, "pip", "sync", str(wheels))

    def wanted(self, lock: str, platform: Platform) -> Collection[Wanted]:
        """The wheels."""
        return venv_wanted(lock, platform)

    def inspect(self, generation: Path) -> Contents:
        """Read the metadata and the RECORD of every distribution."""
        return installed_wheels(generation)

    def refuse_unmet(self, generation: Path) -> None:
        """Let uv compare what the installed packages require with what is installed."""
        python = str(generation / "bin" / "python")
        self._uv.run(generation, "pip", "check", "--python", python, timeout=TO_START)

    def package_of(self, path: str) -> tuple[str, str] | None:
        """A distribution is there if its metadata is."""
        return package_of(path)

    def archives_of(self, lock: str) -> Collection[str]:
        """The wheels' hashes, whatever platform they are for."""
        return parse_lock(lock).hashes
