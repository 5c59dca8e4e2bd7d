# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""Environments of conda packages, installed by py-rattler, with wheels on top of them.

py-rattler is a wheel like others, pinned by hash. It is unpacked for a build and removed afterwards: there is nothing
to be kept in order. The user's own conda has no influence.
"""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import sys
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._commands import CommandExited
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._conda.lock import (
    SUBDIRS,
    parse_conda_lock,
    refuse_other_platform,
    wheels_in,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._conda.process import run_program
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.failures import DISK_IS_FULL
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.safety import free_mb
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.startup import (
    OUR_FILE,
    OUR_LINE_OF_ITS_OWN_PYTHON,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._kinds.distributions import (
    WHEELS,
    distributions,
    installed_wheels,
    package_of,
    site_packages,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._kinds.protocol import (
    Claim,
    Contents,
    Installed,
    link_to,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._kinds.uv import TO_START, Uv
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._kinds.wanted import (
    Wanted,
    conda_packages_wanted,
    conda_wanted,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._layout import platform_name, target_of
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._paths import each_folder, read_regular, sha256_of
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._progress import counted
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._python.intact import COMPILED
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.lock import normalized, parse_lock
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.platforms import Platform

RECORDS = "conda-meta"
"""In a generation: a record of each conda package."""
ENGINE = ".rattler"
"""In a generation while it is built: py-rattler, its home, and what it unpacks."""
OLDEST_PYTHON = (3, 10)
"""The oldest that py-rattler runs on."""
_RECORD = re.compile(rf"{RECORDS}/(?P<name>[^/]+)-(?P<version>[^-/]+)-[^-/]+\.json")
_UNSOUND = re.compile(r"^The package `([^`]+)` ", re.MULTILINE)
"""How uv tells of a package for which something is missing, or that is incomplete itself."""


class Conda:
    """The kind `conda`: conda packages and, on top of them, wheels, each checked by the lock's hash."""

    def __init__(self, uv: Uv, python: Path, engine: str, channels: Collection[str] = ()) -> None:
        """`python` is the managed one, `engine` the lock of py-rattler.

        `channels` are URLs with the credentials that those of a lock lack.
        """
        self._uv, self._python, self._engine, self._channels = uv, python, engine, tuple(channels)

    def prepare(self, generation: Path, *, name: str, python: Path) -> None:
        """Nothing: the packages bring everything, their Python too."""

    def install(self, generation: Path, lock: str) -> Installed:
        """Install the conda packages, then the wheels."""
        subdir, workshop = refuse_unfit(lock), generation / ENGINE
        workshop.mkdir()
        engine = self._unpack_engine(generation)
        archives, warnings = self._uv.supply.provide(conda_packages_wanted(lock, self._channels))
        self._link(generation, subdir, [str(archive.path) for archive in archives])
        shutil.rmtree(workshop)
        (site_packages(generation) / OUR_FILE).write_text(OUR_LINE_OF_ITS_OWN_PYTHON, encoding="utf-8")
        wheels = self._install_wheels(generation, lock)
        return Installed(
            (*engine.archives, *(archive.sha256 for archive in archives), *wheels.archives),
            (*engine.warnings, *warnings, *wheels.warnings),
        )

    def _unpack_engine(self, generation: Path) -> Installed:
        folder, listing = generation / ENGINE / "engine", generation / ENGINE / "engine.txt"
        command = ("pip", "install", "--no-deps", "--target", str(folder), "-r", str(listing))
        return self._uv.install(generation, self._engine, listing, self._python, *command, called="py-rattler")

    def _link(self, generation: Path, subdir: str, archives: list[str]) -> None:
        """Let py-rattler install archives from the store."""
        # Imported here because it takes others along that a host has no need of which is only asked.
        from ansible_collections.metalfleet.tensorflow.plugins.module_utils._conda import program  # noqa: PLC0415

        self._uv.supply.progress.say(f"installing {counted(len(archives), 'conda package')}")
        workshop = generation / ENGINE
        order = {
            "engine": str(workshop / "engine"),
            "archives": archives,
            "prefix": str(generation),
            "subdir": subdir,
            "cache": str(workshop / "cache"),
        }
        answer = run_program(self._uv.commands, self._python, program, order, variables=os.environ, home=workshop)
        if "refused" in answer:
            raise MetalfleetError(
                f"The conda package {answer['refused']}",
                remedy="Leave it out, or take another version or channel of it.",
            )
        if "failed" in answer and is_disk_full(answer["failed"], generation):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(generation))
        if "failed" in answer:
            raise MetalfleetError(
                "The conda packages could not be installed",
                evidence=f"py-rattler says: {answer['failed']}",
                remedy="If the disk is in order, take other versions of the packages that it names.",
            )

    def _install_wheels(self, generation: Path, lock: str) -> Installed:
        listing, names = generation / WHEELS, {pin.name for pin in wheels_in(lock).pins}
        if not names:
            listing.touch()
            return Installed(())
        there = {name for name, _version in distributions(generation).values()}
        refuse_replaced(sorted(there & names))
        command = ("pip", "install", "--no-deps", "-r", str(listing))
        return self._uv.install(generation, lock, listing, generation / "bin" / "python", *command)

    def wanted(self, lock: str, platform: Platform) -> Collection[Wanted]:
        """py-rattler for the managed Python, the conda packages, and the wheels for the Python among these."""
        refuse_unfit(lock)
        return conda_wanted(lock, platform, self._engine, self._channels)

    def inspect(self, generation: Path) -> Contents:
        """Read the records of the conda packages, then those of the wheels."""
        refuse_links_outside(generation)
        packages, claims, records = {}, list[Claim](), {f"{RECORDS}/history": "", "CACHEDIR.TAG": ""}
        for path in sorted((generation / RECORDS).glob("*.json")):
            record = read_conda_record(path)
            name = normalized(record["name"])
            packages[name] = record["version"]
            records[path.relative_to(generation).as_posix()] = name
            claims += claims_of(generation, record, name)
        records[(site_packages(generation) / OUR_FILE).relative_to(generation).as_posix()] = ""
        wheels = installed_wheels(generation, {claim.path for claim in claims})
        return Contents({**packages, **wheels.packages}, (*claims, *wheels.claims), {**records, **wheels.records})

    def refuse_unmet(self, generation: Path) -> None:
        """Let uv compare what the wheels require with what is installed. What conda brings is its solver's matter."""
        try:
            self._uv.run(generation, "pip", "check", "--python", str(generation / "bin" / "python"), timeout=TO_START)
        except CommandExited as failure:
            listed = {pin.name for pin in parse_lock(read_regular(generation / WHEELS).decode()).pins}
            unsound = {normalized(name) for name in _UNSOUND.findall(failure.completed.stderr)}
            if unsound & listed or not unsound:
                raise

    def package_of(self, path: str) -> tuple[str, str] | None:
        """A conda package is there if its record is, a wheel if its metadata is."""
        match = _RECORD.fullmatch(path)
        return (normalized(match["name"]), match["version"]) if match else package_of(path)

    def archives_of(self, lock: str) -> Collection[str]:
        """The hashes of packages, wheels, and of py-rattler."""
        return parse_conda_lock(lock).hashes | parse_lock(self._engine).hashes


def refuse_unfit(lock: str) -> str:
    """Refuse what cannot be installed on this host, and say what conda calls its platform. Raises MetalfleetError."""
    refuse_old_python()
    subdir = SUBDIRS[target_of(platform_name())]
    refuse_other_platform(parse_conda_lock(lock), subdir)
    return subdir


def is_disk_full(said: str, folder: Path) -> bool:
    """Whether that is why py-rattler failed: it often tells only what came of it, such as that an archive ends."""
    free = free_mb(folder)
    return bool(re.search(DISK_IS_FULL, said)) or (free is not None and free < 1)


def refuse_old_python() -> None:
    """py-rattler runs on the managed Python, which is that of this process."""
    if sys.version_info < OLDEST_PYTHON:
        raise MetalfleetError(
            "Conda packages are installed by py-rattler, which needs Python "
            f"{'.'.join(map(str, OLDEST_PYTHON))} or newer",
            evidence=f"The managed Python is {sys.version_info.major}.{sys.version_info.minor}.",
            remedy="Set native_python_version to a newer one. The environment's own Python may be any.",
        )


def read_conda_record(path: Path) -> dict[str, Any]:
    """What conda-meta says of a package that was just installed."""
    record: dict[str, Any] = json.loads(read_regular(path))
    return record


def claims_of(generation: Path, record: dict[str, Any], name: str) -> Iterator[Claim]:
    """The files of a package. Those into which the prefix was written are taken as they are: a Mac signs them again."""
    for entry in record["paths_data"]["paths"]:
        path = entry["_path"]
        if COMPILED not in path.split("/"):
            digest = entry.get("sha256", "")
            if entry["path_type"] == "softlink":
                digest = link_to(str((generation / path).readlink()))
            elif "prefix_placeholder" in entry:
                digest = sha256_of(generation / path)
            yield Claim(path, name, digest)
            if "original_path" in entry:  # py-rattler has moved it out of the way of another package's
                yield Claim(entry["original_path"], name, digest)


def refuse_links_outside(generation: Path) -> None:
    """What a link leads to belongs to the environment, or nobody would notice that it changes."""
    top = os.path.realpath(generation)
    for folder, _folders, others in each_folder(generation):
        for name in others:
            path = Path(folder, name)
            if path.is_symlink() and not os.path.realpath(path).startswith(f"{top}/"):
                raise MetalfleetError(
                    "A conda package brings a link that leads out of the environment",
                    evidence=f"{path.relative_to(generation)} leads to {path.readlink()}.",
                    remedy="Leave that package out, or take another version of it.",
                )


def refuse_replaced(names: Collection[str]) -> None:
    """A package comes from conda or as a wheel: of two that are mixed nobody could tell whose a file is."""
    if names:
        raise MetalfleetError(
            f"{', '.join(names)} would come from conda and as a wheel, too",
            remedy="Leave it out of conda.packages, or of packages.",
        )
