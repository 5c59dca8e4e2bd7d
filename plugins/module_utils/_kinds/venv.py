# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""Virtual environments of wheels, made with uv."""

from __future__ import annotations

import base64
import csv
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._commands import Commands
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.startup import OUR_FILE, OUR_LINE
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._kinds.protocol import Claim, Contents
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._layout import Places

TO_START = 120.0  # seconds for what starts an interpreter and downloads nothing
TO_INSTALL = 3600.0  # seconds; a slow index needs its time for hundreds of megabytes
LOCK_COPY = "metalfleet-lock.txt"
_METADATA = re.compile(r"lib/python3\.\d+/site-packages/([^/]+\.dist-info)/METADATA")


@dataclass(frozen=True)
class Source:
    """Where uv gets wheels: an index (empty: uv's default), or a folder or URL of wheels, and then no index."""

    index_url: str = ""
    wheels: str = ""


class Venv:
    """The kind `venv`: wheels only, each checked by the lock's hash."""

    def __init__(self, places: Places, source: Source, commands: Commands) -> None:
        self._uv, self._cache, self._source, self._commands = places.uv, places.root / "cache/uv", source, commands

    def prepare(self, generation: Path, *, name: str, python: Path) -> None:
        """Make a virtual environment that holds nothing but a start-up file of ours."""
        # Only absolute interpreters: uv would otherwise execute every python on PATH, shims included.
        self._run(
            "venv", "--python", str(python), "--prompt", name, "--allow-existing", str(generation), timeout=TO_START
        )
        (site_packages(generation) / OUR_FILE).write_text(OUR_LINE, encoding="utf-8")

    def install(self, generation: Path, lock: str) -> None:
        """Install the lock, hash-checked, from wheels only; refuse it if its packages require others."""
        copy, python = generation / LOCK_COPY, str(generation / "bin" / "python")
        copy.write_text(lock, encoding="utf-8")
        options = ("--require-hashes", "--only-binary", ":all:", "--python", python)
        self._run("pip", "sync", *options, str(copy), timeout=TO_INSTALL)
        self._run("pip", "check", "--python", python, timeout=TO_START)

    def inspect(self, generation: Path) -> Contents:
        """Read the metadata and the RECORD of every distribution."""
        packages = site_packages(generation)
        found = {}
        claims: list[Claim] = []
        for folder in sorted(entry.name for entry in os.scandir(packages)):
            distribution = distribution_of(folder)
            if distribution:
                found[distribution[0]] = distribution[1]
                claims += recorded(generation, packages, folder, *distribution)
        return Contents(found, tuple(claims))

    def package_of(self, path: str) -> tuple[str, str] | None:
        """A distribution is there if its metadata is."""
        match = _METADATA.fullmatch(path)
        return distribution_of(match.group(1)) if match else None

    def forget(self, packages: list[str]) -> None:
        """Remove packages from uv's cache, so that they are fetched anew."""
        self._run("cache", "clean", *packages, timeout=TO_START)

    def _run(self, *arguments: str, timeout: float) -> None:
        """Run uv with settings of ours only, whatever its user has configured."""
        self._commands.run([str(self._uv), "--quiet", *arguments], timeout=timeout, env=self._variables())

    def _variables(self) -> dict[str, str]:
        """This process's variables without what would change uv's or Python's ways."""
        ours = {
            name: value for name, value in os.environ.items() if not name.startswith(("UV_", "PYTHON", "VIRTUAL_ENV"))
        }
        ours |= {
            "UV_CACHE_DIR": str(self._cache),
            "UV_NO_CONFIG": "1",
            "UV_PYTHON_DOWNLOADS": "never",
            "UV_PYTHON_SEARCH_PATH": "/nonexistent",
            "UV_SYSTEM_CERTS": "1",
            # Never hard links: a damaged file would damage the cache, and the repair would bring the damage back. uv's
            # "clone" falls back to them where a volume cannot clone; its "copy" clones by itself on APFS, for that is
            # how Rust copies a file there (std::fs::copy: fclonefileat, then fcopyfile).
            "UV_LINK_MODE": "copy",
        }
        # Through the environment, for a URL may hold credentials and a process list shows arguments.
        if self._source.index_url:
            ours["UV_DEFAULT_INDEX"] = self._source.index_url
        if self._source.wheels:
            ours |= {"UV_FIND_LINKS": self._source.wheels, "UV_NO_INDEX": "1"}
        return ours


def site_packages(generation: Path) -> Path:
    """Where a generation's packages are."""
    found = sorted(generation.glob("lib/python3.*/site-packages"))
    if not found:
        raise MetalfleetError(f"uv made no site-packages in {generation}", remedy="Run again with -vvv to see more.")
    return found[0]


def distribution_of(folder: str) -> tuple[str, str] | None:
    """Normalised name (PEP 503) and version from a metadata folder's name (PEP 376); None if it is none."""
    if not folder.endswith(".dist-info"):
        return None
    name, _, version = folder[: -len(".dist-info")].partition("-")
    return re.sub(r"[-_.]+", "-", name).lower(), version


def recorded(generation: Path, packages: Path, folder: str, name: str, version: str) -> Iterator[Claim]:
    """What a distribution's RECORD lists with a hash.

    Compiled Python, which some wheels bring, is left out: Python itself replaces it.
    Source: https://packaging.python.org/specifications/recording-installed-packages/ (urlsafe base64 without padding).
    """
    inside = packages.relative_to(generation).as_posix()
    with (packages / folder / "RECORD").open(encoding="utf-8", newline="") as record:
        for row in csv.reader(record):
            if len(row) > 1 and row[1].startswith("sha256=") and "__pycache__" not in row[0]:
                path = os.path.normpath(f"{inside}/{row[0]}")
                if path.startswith(("../", "/")):
                    raise MetalfleetError(
                        f"The wheel of {name} {version} writes outside the environment ({row[0]})",
                        remedy="Remove it from the lock.",
                    )
                yield Claim(path, name, base64.urlsafe_b64decode(row[1][len("sha256=") :] + "=").hex())
