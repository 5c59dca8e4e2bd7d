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
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._kinds.wheels import refuse_missing
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.lock import parse_lock


class Venv:
    """The kind `venv`: wheels only, each checked by the lock's hash."""

    def __init__(self, uv: Uv, *, is_delivered: bool = False) -> None:
        """With `is_delivered` the controller brings all wheels that are not sent with the module; none is fetched."""
        self._uv, self._is_delivered = uv, is_delivered

    def prepare(self, generation: Path, *, name: str, python: Path) -> None:
        """Make a virtual environment that holds nothing but a start-up file of ours."""
        # Only absolute interpreters: uv would otherwise execute every python on PATH, shims included.
        options = ("--allow-existing", "--python", str(python), "--prompt", name)
        self._uv.run(generation, "venv", *options, str(generation), timeout=TO_START)
        (site_packages(generation) / OUR_FILE).write_text(OUR_LINE, encoding="utf-8")

    def install(self, generation: Path, lock: str) -> Installed:
        """Install the lock by way of the wheel store."""
        python, wheels = generation / "bin" / "python", generation / WHEELS
        if self._is_delivered:
            refuse_missing(self._uv.stock(parse_lock(lock), python)[0], "Run setup.yml again, which brings them.")
        return self._uv.install(generation, parse_lock(lock), wheels, python, "pip", "sync", str(wheels))

    def lacks(self, lock: str, python: Path) -> dict[str, object] | None:
        """The packages whose wheels are not in the store, or not whole, and for which platform they must be."""
        stock, platform = self._uv.stock(parse_lock(lock), python)
        names = [pin.name for pin in stock.missing]
        return {"platform": platform.as_data(), "packages": names} if names else None

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
