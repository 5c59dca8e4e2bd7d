# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""The wheel store: locked wheels and conda packages as files, each in a folder that is called by its SHA-256.

    STORE/0a1b.../numpy-1.26.4-cp312-cp312-macosx_11_0_arm64.whl     a whole wheel
    STORE/numpy-1.26.4-cp312-cp312-macosx_11_0_arm64.whl.part        what has been fetched of one so far
    STORE/0a1b...-numpy-1.26.4-...whl.part, STORE/wheels.tar.part    what the controller brings, see incoming.py

A wheel gets into its folder whole, by one rename. uv installs from the folders of a lock's wheels and sees no others.
"""

from __future__ import annotations

import os
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.safety import set_aside
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._paths import (
    claim_for_writing,
    is_folder,
    open_regular,
    sha256_of,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.platforms import parse_wheel_name

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.lock import Pin
    from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.platforms import Platform

PART = ".part"
"""How the name of a file ends that a wheel is written to while it comes."""
ARCHIVES = (".whl", ".conda", ".tar.bz2")
"""How the names of what is stored end."""
BESIDE = "._"
"""How the names begin that macOS gives to what a foreign disk cannot hold of a file, such as its attributes."""
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Stored:
    """A whole archive in the store: a wheel, or a conda package."""

    pin: Pin
    sha256: str
    path: Path


@dataclass(frozen=True)
class Stock:
    """Which wheels of some pins are in the store, and which pins have none there that is whole."""

    stored: tuple[Stored, ...]
    missing: tuple[Pin, ...]
    folder: Path

    @property
    def named_missing(self) -> list[str]:
        """The missing ones for people; one that is there and not whole is damaged."""
        there = {path.parent.name for path in find_archives(self.folder)}
        damaged = {pin for pin in self.missing if pin.hashes & there}
        return [f"{pin} (damaged)" if pin in damaged else str(pin) for pin in self.missing]


class WheelStore:
    """The wheels in a folder. What is in the way there and not ours is moved to `set_aside`."""

    def __init__(self, folder: Path, set_aside: Path) -> None:
        self.folder, self.set_aside = folder, set_aside

    def look(self, pins: Iterable[Pin], platform: Platform | None) -> Stock:
        """Hash what is there of these pins for a platform; None is for conda packages, whose names say nothing of it.

        Changes nothing, and never waits for an odd entry.
        """
        pins = list(pins)
        with ThreadPoolExecutor(os.cpu_count() or 1) as workers:
            found = list(workers.map(lambda pin: self.stored(pin, platform), pins))
        missing = [pin for pin, stored in zip(pins, found) if stored is None]
        return Stock(tuple(stored for stored in found if stored), tuple(missing), self.folder)

    def prune(self, keep: Collection[str]) -> list[str]:
        """Remove wheels other than those with the SHA-256 in `keep`, and what was fetched in part.

        Returns warnings: what could not be removed, and why. What is not ours stays.
        """
        warnings: list[str] = []
        try:
            entries = list(os.scandir(self.folder))
        except FileNotFoundError:
            return []
        except OSError as error:
            return [f"{self.folder} cannot be read ({error.strerror}), so that no old wheels were removed."]
        for entry in entries:
            is_part = entry.name.endswith(tuple(f"{suffix}{PART}" for suffix in (*ARCHIVES, ".tar")))
            if is_part or (_DIGEST.fullmatch(entry.name) and entry.name not in keep):
                try:
                    _remove_ours(Path(entry.path))
                except OSError as error:
                    warnings.append(
                        f"{entry.path} could not be removed ({error.strerror}). It is no longer needed: remove it."
                    )
        return warnings

    def receive(self, sha256: str, filename: str, content: bytes) -> None:
        """Keep a wheel that was sent along, unless it is there. Whoever installs from it compares its hash."""
        path = self.folder / sha256 / filename
        if not path.is_file() or sha256_of(path) != sha256:
            self.folder.mkdir(parents=True, exist_ok=True)
            path, _warnings = self.place(sha256, filename)
            part = self.folder / f"{sha256}.whl{PART}"
            part.write_bytes(content)
            part.replace(path)

    def place(self, sha256: str, filename: str) -> tuple[Path, list[str]]:
        """Where a whole wheel goes, free of what was there, and what had to be moved away for it."""
        home, warnings = self.folder / sha256, []
        if not is_folder(home):
            warnings += self.clear(home)
        home.mkdir(exist_ok=True)
        for name in os.listdir(home):  # noqa: PTH208
            if name.endswith(ARCHIVES):
                warnings += self.clear(home / name)
        return home / filename, warnings

    def clear(self, path: Path) -> list[str]:
        """Take away what is at a path of ours: a folder, which may hold anything, is kept elsewhere."""
        if not is_folder(path):
            path.unlink(missing_ok=True)
            return []
        return [f"{path} is not a wheel. It was moved to {set_aside(path, self.set_aside)}."]

    def stored(self, pin: Pin, platform: Platform | None) -> Stored | None:
        """The whole wheel of a pin, if it is there."""
        return next((stored for digest in sorted(pin.hashes) for stored in self._whole(pin, digest, platform)), None)

    def _whole(self, pin: Pin, digest: str, platform: Platform | None) -> Iterator[Stored]:
        """The wheel in a digest's folder, if it is the only one there, of this pin, for this platform, and whole."""
        home = self.folder / digest
        if not is_folder(home):
            return
        with suppress(OSError):
            found = os.listdir(home)  # noqa: PTH208
            names = [name for name in found if name.endswith(ARCHIVES) and not name.startswith(BESIDE)]
            if len(names) == 1 and _suits(names[0], pin, platform):
                path = home / names[0]
                if not path.is_symlink() and sha256_of(path) == digest:
                    yield Stored(pin, digest, path)


def find_archives(folder: Path) -> list[Path]:
    """The wheels and conda packages in a wheel store's folder, whole or not."""
    return sorted(path for path in folder.glob("*/*") if path.name.endswith(ARCHIVES))


def _suits(filename: str, pin: Pin, platform: Platform | None) -> bool:
    """Whether a file is, by its name, a wheel of a pin for a platform, or where there is none a conda package."""
    if platform is None:
        return not filename.endswith(".whl")
    name = parse_wheel_name(filename)
    return name is not None and name.name == pin.name and platform.rank(name) is not None


def refuse_missing(stock: Stock, remedy: str) -> None:
    """Refuse to go on without archives that must be there. Raises MetalfleetError that names them."""
    if stock.missing:
        raise MetalfleetError(f"The wheel store {stock.folder} lacks {', '.join(stock.named_missing)}", remedy=remedy)


def requirements_of(wheels: Iterable[Stored]) -> str:
    """A requirements file of exactly these wheels, for uv."""
    return "".join(f"{wheel.pin.name}=={wheel.pin.version} --hash=sha256:{wheel.sha256}\n" for wheel in wheels)


def uv_arguments(wheels: Iterable[Stored], cache: Path) -> list[str]:
    """Arguments with which uv sees these wheels and no others, and needs nobody.

    `cache` is a folder on the environment's volume. It must be removed as soon as uv is done: uv unpacks into it and
    gives the environment the same files, by links, since a copy costs as much as all the rest. Once the cache is gone,
    the environment shares nothing with anybody.
    """
    return [
        *("--offline", "--no-index", "--no-config", "--require-hashes", "--only-binary=:all:"),
        *(f"--cache-dir={cache}", f"--link-mode={'clone' if sys.platform == 'darwin' else 'hardlink'}"),
        *(f"--find-links={wheel.path.parent}" for wheel in wheels),
    ]


def _remove_ours(path: Path) -> None:
    """Remove what may be ours: a file, or a folder as far as there are wheels in it. Raises OSError."""
    if not is_folder(path):
        if path.name.endswith(PART) and _is_being_written(path):
            return
        path.unlink()
        return
    for name in os.listdir(path):  # noqa: PTH208
        if (name.endswith(ARCHIVES) or name == ".DS_Store") and not is_folder(path / name):
            (path / name).unlink()
    path.rmdir()


def _is_being_written(path: Path) -> bool:
    with suppress(OSError), open_regular(path) as handle:
        return not claim_for_writing(handle)
    return False
