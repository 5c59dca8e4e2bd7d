# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""The controller's wheel store: filled once for all hosts, and what leaves it was checked.

STORE/SHA256/numpy-1.26.4-....whl as on a host, and beside them the archives of Pythons as below a mirror,
STORE/20261110/cpython-....tar.gz, so that the store is a mirror for native_python.

Whether a pair links is not checked again: the pairing table knows it of each pair that a lock may pin, and a wheel of
the locked hash is the one that was looked at.
"""

from __future__ import annotations

import os
import tarfile
import tempfile
import time
import zipfile
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible import constants
from ansible.utils.display import Display
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._commands import Commands
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.build import NATIVE_SUFFIXES
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.declaration import CONDA
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._kinds.fetch import disk_errors, fetch
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._kinds.incoming import ARCHIVE, name_on_the_way
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._kinds.record import UNREADABLE, refuse_unrecorded
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._kinds.wheels import (
    Stored,
    WheelStore,
    refuse_missing,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._layout import (
    python_of,
    target_of,
    with_python,
    without_cuda,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._macho import SLICES_SIZE, parse_architectures
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._paths import CHUNK, open_regular, sha256_of
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.lock import parse_lock
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.network import Network
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.platforms import Platform
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.settings import sources_of
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.web import (
    FetchFailed,
    Web,
    chunks,
    retried,
)
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._native_python.data import pinned_uv
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._native_python.urls import is_url
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._requests import MAC
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._this_run import once

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.lock import Pin
    from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._locks import Locks
    from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._native_python.sources import Artifact

STORE_IS_ALL = (
    "Nothing is fetched, because tensorflow_delivery is store. Run fetch.yml where an index can be reached and carry "
    "the folder over, or set tensorflow_delivery: controller."
)
BIG = 20 * 1000 * 1000
"""Bytes from which a wheel travels alone, so that an interrupted transfer goes on behind it."""
DAY = 24 * 60 * 60
ANY_MACOS = "99"
GLIBC = (2, 28)
"""What locks for Linux are made for, see _data/resolution.yml."""
LINUX = {**MAC, "sys_platform": "linux", "platform_system": "Linux"}


class ControllerStore:
    """Wheels and archives in a folder on the controller. Without a `network` nothing is fetched."""

    def __init__(self, folder: Path, network: Network | None) -> None:
        self.folder, self._network = folder, network
        self.wheels = WheelStore(folder, folder / "set-aside")

    @property
    def may_fetch(self) -> bool:
        """Whether what is missing may be fetched."""
        return self._network is not None

    def provide(self, pins: Sequence[Pin], platform: Platform) -> list[Stored]:
        """Whole and checked wheels of these pins; what is missing is fetched. Raises MetalfleetError.

        One process of a run does it for all hosts.
        """
        ready = once([str(self.folder), *_key(pins, platform)], lambda: self._checked(pins, platform))
        return [Stored(pin, ready[pin.name][0], Path(ready[pin.name][1])) for pin in pins]

    def _checked(self, pins: Sequence[Pin], platform: Platform) -> dict[str, tuple[str, str]]:
        stock = self.wheels.look(pins, platform)
        if self._network is None:
            refuse_missing(stock, STORE_IS_ALL)
        elif stock.missing:
            say(f"Fetching {count(stock.missing)} for {platform} into {self.folder}")
            fetched = fetch(self.wheels, stock.missing, platform, self._network, Commands())
            stock = replace(stock, stored=(*stock.stored, *fetched.stored))
            size = sum(wheel.path.stat().st_size for wheel in fetched.stored)
            say(f"Fetched {count(fetched.stored)}, {in_mb(size)}")
        refuse_unrecorded((wheel.pin.name, wheel.path) for wheel in stock.stored)
        for wheel in stock.stored:
            if platform.is_mac:
                refuse_foreign_code(wheel, platform.machine)
            note_use(wheel.path.parent)
        return {wheel.pin.name: (wheel.sha256, str(wheel.path)) for wheel in stock.stored}

    def missing(self, pins: Sequence[Pin], platform: Platform) -> list[str]:
        """Those that are not there, or not whole, for people."""
        return once(
            ["missing", str(self.folder), *_key(pins, platform)],
            lambda: self.wheels.look(pins, platform).named_missing,
        )

    def has(self, artifact: Artifact) -> bool:
        """Whether an archive is there and whole."""
        path = self.folder / artifact.path
        return path.is_file() and sha256_of(path) == artifact.sha256

    def provide_archive(self, artifact: Artifact, mirror: str) -> None:
        """Have an archive there, from a mirror (a URL or a folder; empty: the publisher). Raises MetalfleetError."""
        once(["archive", str(self.folder), *artifact], lambda: self._provide_archive(artifact, mirror))

    def _provide_archive(self, artifact: Artifact, mirror: str) -> bool:
        path = self.folder / artifact.path
        if not self.has(artifact):
            if self._network is None:
                raise MetalfleetError(f"The wheel store {self.folder} lacks {artifact.path}", remedy=STORE_IS_ALL)
            say(f"Fetching {artifact.path} into {self.folder}")
            with disk_errors(self.folder):
                path.parent.mkdir(parents=True, exist_ok=True)
                with tempfile.TemporaryDirectory(dir=path.parent) as folder:
                    new = Path(folder, path.name)
                    fetch_archive(artifact, mirror, self._network, new)
                    new.replace(path)
        note_use(path)
        return True

    def unused(self, days: int) -> list[Path]:
        """The wheels and archives that no run has used for some days."""
        before = time.time() - days * DAY
        wheels = [path for path in self.folder.glob("*/*.whl") if path.parent.stat().st_mtime < before]
        archives = [path for path in self.folder.glob("*/*python-*") if path.stat().st_mtime < before]
        return sorted([*wheels, *(path for path in archives if path.suffix in (".gz", ".pkg"))])

    def remove(self, files: Iterable[Path]) -> None:
        """Remove wheels and archives, with the folders that are empty then."""
        with disk_errors(self.folder):
            for path in files:
                path.unlink()
                with suppress(OSError):
                    path.parent.rmdir()


def _key(pins: Iterable[Pin], platform: Platform) -> list[Any]:
    """What tells one request for wheels from another; what else a platform says of itself does not matter."""
    return [str(platform), sorted(digest for pin in pins for digest in pin.hashes)]


def note_use(path: Path) -> None:
    """Let it be known that a run has needed this, unless it lies where nobody may write."""
    with suppress(OSError):
        os.utime(path)


def say(text: str) -> None:
    """Tell the person at the terminal what takes long."""
    Display().display(text)


def count(wheels: Sequence[object]) -> str:
    """How many, for people."""
    return f"{len(wheels)} wheel{'s' * (len(wheels) != 1)}"


def in_mb(size: float) -> str:
    """Bytes for people."""
    return f"{size / 1e6:.0f} MB"


def refuse_foreign_code(wheel: Stored, machine: str) -> None:
    """Every native library of a wheel must hold code for a Mac's processor. Raises MetalfleetError."""
    with zipfile.ZipFile(wheel.path) as archive:
        for name in archive.namelist():
            if name.endswith(NATIVE_SUFFIXES):
                found = architectures_in(archive, name, wheel)
                if found and machine not in found:
                    raise MetalfleetError(
                        f"The wheel of {wheel.pin} holds code for {', '.join(found)}, not for {machine}, so that it "
                        "was not sent",
                        evidence=f"It is {name} in {wheel.path}.",
                        remedy="Use a lock that was made for this platform, or another version.",
                    )


def architectures_in(archive: zipfile.ZipFile, name: str, wheel: Stored) -> tuple[str, ...]:
    """The processors that a library in a wheel has code for. Raises MetalfleetError."""
    try:
        with archive.open(name) as library:
            return tuple(parse_architectures(library.read(SLICES_SIZE)))
    except UNREADABLE as error:
        raise MetalfleetError(
            f"The wheel of {wheel.pin} cannot be read, so that it was not sent",
            evidence=f"{name} in {wheel.path}: {error}.",
            remedy="Use another version: a wheel of the locked hash was made so.",
        ) from error


def fetch_archive(artifact: Artifact, mirror: str, network: Network, path: Path) -> None:
    """Write a pinned archive to a path. The publisher is told no password. Raises MetalfleetError."""
    url = artifact.url(mirror)
    if is_url(url):
        known = network if mirror else replace(network, username="", password="")
        place = replace(known, index_url=mirror or artifact.publisher, extra_index_urls=(), wheels="")
        web = Web(sources_of(place), Commands())
        try:
            retried(lambda: _download(web, url, path), lambda: path.stat().st_size if path.exists() else 0)
        except FetchFailed as failure:
            raise MetalfleetError(
                f"{artifact.path} could not be fetched",
                evidence=failure.reason,
                remedy="Check the network of the controller, native_python_mirror, its credentials, "
                "native_python_proxy and native_python_ca.",
            ) from failure
    else:
        try:
            with open_regular(url) as source, path.open("wb") as target:
                while chunk := source.read(CHUNK):
                    target.write(chunk)
        except OSError as error:
            raise MetalfleetError(
                f"{url} cannot be read",
                evidence=str(error),
                remedy="Put it there, or let native_python_mirror name another place.",
            ) from error
    computed = sha256_of(path)
    if computed != artifact.sha256:
        raise MetalfleetError(
            f"The SHA-256 of {artifact.path} is not the pinned one, so that it was not used",
            evidence=f"It is {computed}; the pinned one is {artifact.sha256}.",
            remedy="Replace the file on the mirror by its publisher's, or correct the pin.",
        )


def _download(web: Web, url: str, path: Path) -> None:
    with web.opened(url, {}) as response, path.open("wb") as target:
        for chunk in chunks(response):
            target.write(chunk)


# ------------------------------------------------------------------------------------------------------ what is needed


@dataclass(frozen=True)
class Need:
    """The wheels that an environment is installed from on a platform."""

    environment: str
    platform: str
    pins: tuple[Pin, ...]
    suits: Platform


def needs_of(environments: Iterable[Mapping[str, Any]], locks: Locks, platform: str, macos: str) -> list[Need]:
    """What the present ones of environments with digests need, and uv. Raises MetalfleetError where one has no lock."""
    needs: list[Need] = []
    for each in environments:
        if each.get("state") == "absent" or each.get("kind") == CONDA:  # whose packages hosts download themselves
            continue
        of_it = with_python(platform, str(each.get("python") or ""))
        digest = each["lock_digests"].get("any") or each["lock_digests"].get(of_it)
        if digest is None:
            raise MetalfleetError(
                f"The environment {each['name']} has no lock for {of_it}",
                remedy="Leave that platform out of tensorflow_platforms, or choose another native_python_version.",
            )
        suits = platform_named(of_it, macos)
        pins = parse_lock(locks.texts[digest]).pins_for(suits.markers)
        needs.append(Need(each["name"], of_it, without_built(pins, locks.built_wheels), suits))
    uv = Need("uv", platform, tuple(parse_lock(pinned_uv().requirement).pins), platform_named(platform, macos))
    return [*needs, uv] if needs else []


def without_built(pins: Iterable[Pin], built_wheels: Mapping[str, str]) -> tuple[Pin, ...]:
    """The pins whose wheels an index has; those that were built here are sent with the module."""
    return tuple(pin for pin in pins if not pin.hashes & built_wheels.keys())


def platform_named(name: str, macos: str) -> Platform:
    """The platform of hosts whose locks go by a name, for a version of macOS."""
    system, _, machine = target_of(without_cuda(name)).partition("-")
    python, is_mac = python_of(name), system == "macos"
    markers = {
        **(MAC if is_mac else LINUX),
        "platform_machine": machine,
        "platform_release": "",
        "platform_version": "",
    }
    full = f"{python}.0"
    return Platform(
        python=numbers(python),
        machine=machine,
        system=numbers(macos) if is_mac else GLIBC,
        is_mac=is_mac,
        markers={**markers, "python_version": python, "python_full_version": full, "implementation_version": full},
    )


def numbers(version: str) -> tuple[int, ...]:
    """A version that has nothing but numbers."""
    return tuple(int(part) for part in version.split(".") if part.isdigit())


# ------------------------------------------------------------------------------------------------------- what is sent


@dataclass(frozen=True)
class Parcel:
    """A file that is sent, and what it is called on the way."""

    path: Path
    name: str
    says: str
    """What is in it, for people."""

    @property
    def size(self) -> int:
        """In bytes."""
        return self.path.stat().st_size


def wheels_for(lacks: Mapping[str, Any], locks: Locks, store: ControllerStore) -> list[Stored]:
    """What a host says that it lacks, each wheel once. Raises MetalfleetError where it is not to be had."""
    found: dict[str, Stored] = {}
    for wanted, platform in _requests(lacks, locks):
        found |= {wheel.sha256: wheel for wheel in store.provide(wanted, platform)}
    return list(found.values())


def _requests(lacks: Mapping[str, Any], locks: Locks) -> list[tuple[list[Pin], Platform]]:
    """The pins that a host names, of each lock, and for which platform."""
    try:
        platforms = [Platform.from_data(each["platform"]) for each in lacks["locks"]]
        return [
            ([pin for pin in _pins_to_send(each["lock"], platform, locks) if pin.name in each["packages"]], platform)
            for each, platform in zip(lacks["locks"], platforms, strict=True)
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise MetalfleetError(
            "What the host says that it lacks cannot be understood",
            evidence=f"It is {str(lacks)[:300]}.",
            remedy="Look at what runs on the host as the managed Python, and run again.",
        ) from error


def _pins_to_send(digest: str, platform: Platform, locks: Locks) -> tuple[Pin, ...]:
    return without_built(parse_lock(locks.texts[digest]).pins_for(platform.markers), locks.built_wheels)


@contextmanager
def packed(wheels: Iterable[Stored]) -> Iterator[list[Parcel]]:
    """Wheels as they are sent: each big one alone, the biggest first, and all others in one archive."""
    sizes = {wheel: wheel.path.stat().st_size for wheel in wheels}
    big = sorted((wheel for wheel in sizes if sizes[wheel] > BIG), key=lambda wheel: -sizes[wheel])
    small = [wheel for wheel in sizes if sizes[wheel] <= BIG]
    parcels = [Parcel(wheel.path, name_on_the_way(wheel.sha256, wheel.path.name), str(wheel.pin)) for wheel in big]
    with tempfile.TemporaryDirectory(dir=constants.DEFAULT_LOCAL_TMP) as folder:
        if small:
            archive = Path(folder, ARCHIVE)
            with tarfile.open(archive, "w") as tar:
                for wheel in small:
                    tar.add(wheel.path, name_on_the_way(wheel.sha256, wheel.path.name))
            parcels.append(Parcel(archive, ARCHIVE, count(small)))
        yield parcels


def announce(host: str, parcels: Sequence[Parcel], number: int) -> None:
    """Say how much of how much a host has got, and what is next, where that is worth a line."""
    total, sent = sum(each.size for each in parcels), sum(each.size for each in parcels[:number])
    if total > BIG:
        rest = f"; next is {parcels[number].says}, {in_mb(parcels[number].size)}" if number < len(parcels) else ""
        say(f"{host}: {in_mb(sent)} of {in_mb(total)} of wheels are there{rest}")
