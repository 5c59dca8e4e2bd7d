# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""The controller's wheel store: filled once for all hosts, and what leaves it was checked.

STORE/SHA256/numpy-1.26.4-....whl as on a host, conda packages too, and beside them the archives of Pythons as below a
mirror, STORE/20261110/cpython-....tar.gz, so that the store is a mirror for native_python.

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
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.declaration import (
    VENV,
    WITH_PYTHON,
    lock_platform,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError, said_by
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._kinds.fetch import disk_errors, fetch
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._kinds.incoming import ARCHIVE, name_on_the_way
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._kinds.record import UNREADABLE, refuse_unrecorded
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._kinds.wanted import (
    WANTED,
    Wanted,
    conda_packages_wanted,
    wheels_wanted,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._kinds.wheels import (
    PART,
    Stored,
    WheelStore,
    find_archives,
    refuse_missing,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._layout import python_of, target_of, without_cuda
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._macho import SLICES_SIZE, parse_architectures
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._paths import CHUNK, open_regular, sha256_of
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._progress import counted
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

    from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._locks import Locks
    from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._native_python.sources import Artifact

STORE_IS_ALL = (
    "Nothing is fetched, because tensorflow_delivery is store. Run fetch.yml where an index can be reached and carry "
    "the folder over, or set tensorflow_delivery: controller."
)
BIG = 20 * 1000 * 1000
"""Bytes from which an archive travels alone, so that an interrupted transfer goes on behind it."""
DAY = 24 * 60 * 60
ANY_MACOS = "99"
GLIBC = (2, 28)
"""What locks for Linux are made for, see _data/resolution.yml."""
LINUX = {**MAC, "sys_platform": "linux", "platform_system": "Linux"}


class ControllerStore:
    """Wheels, conda packages, and archives of Pythons. Without a `network` nothing is fetched."""

    def __init__(self, folder: Path, network: Network | None) -> None:
        self.folder, self._network = folder, network
        self.store = WheelStore(folder, folder / "set-aside")

    @property
    def may_fetch(self) -> bool:
        """Whether what is missing may be fetched."""
        return self._network is not None

    def provide(self, wanted: Wanted) -> list[Stored]:
        """Whole and checked archives; what is missing is fetched. Raises MetalfleetError.

        One process of a run does it for all hosts.
        """
        ready = once([str(self.folder), *_key(wanted)], lambda: self._checked(wanted))
        return [Stored(pin, ready[pin.name][0], Path(ready[pin.name][1])) for pin in wanted.pins]

    def _checked(self, wanted: Wanted) -> dict[str, tuple[str, str]]:
        stock = self.store.look(wanted.pins, wanted.platform)
        if self._network is None:
            refuse_missing(stock, STORE_IS_ALL)
        elif stock.missing:
            say(f"Fetching {count(stock.missing, wanted.platform)} into {self.folder}")
            fetched = fetch(self.store, wanted.only([pin.name for pin in stock.missing]), self._network, Commands())
            stock = replace(stock, stored=(*stock.stored, *fetched.stored))
            size = sum(each.path.stat().st_size for each in fetched.stored)
            say(f"Fetched {in_mb(size)}")
        if wanted.platform:
            refuse_unrecorded((wheel.pin.name, wheel.path) for wheel in stock.stored)
        for each in stock.stored:
            if wanted.platform and wanted.platform.is_mac:
                refuse_foreign_code(each, wanted.platform.machine)
            note_use(each.path.parent)
        return {each.pin.name: (each.sha256, str(each.path)) for each in stock.stored}

    def missing(self, wanted: Wanted) -> list[str]:
        """Those that are not there, or not whole, for people."""
        return once(
            ["missing", str(self.folder), *_key(wanted)],
            lambda: self.store.look(wanted.pins, wanted.platform).named_missing,
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
        """What no run has used for some days, and what was fetched in part so long ago."""
        before = time.time() - days * DAY
        used = {path: path.parent for path in find_archives(self.folder)}
        used |= {path: path for path in self.folder.glob("*/*python-*") if path.suffix in (".gz", ".pkg")}
        used |= {path: path for path in self.folder.glob(f"*{PART}")}
        return sorted(path for path, noted in used.items() if last_use(noted) < before)

    def remove(self, files: Iterable[Path]) -> None:
        """Remove files, with the folders that are empty then."""
        with disk_errors(self.folder):
            for path in files:
                path.unlink(missing_ok=True)  # another controller may share the store
                if path.parent != self.folder:
                    with suppress(OSError):
                        path.parent.rmdir()


def _key(wanted: Wanted) -> list[Any]:
    """What tells one request from another; what else a platform says of itself does not matter."""
    return [str(wanted.platform), sorted(digest for pin in wanted.pins for digest in pin.hashes)]


def note_use(path: Path) -> None:
    """Let it be known that a run has needed this, unless it lies where nobody may write."""
    with suppress(OSError):
        os.utime(path)


def last_use(path: Path) -> float:
    """When a run has last needed this; now, where somebody is taking it away."""
    with suppress(OSError):
        return path.stat().st_mtime
    return time.time()


def size_of(folder: Path) -> int:
    """The bytes of all that is in a wheel store, as far as it stays there."""
    size = 0
    for path in folder.glob("*/*"):
        with suppress(OSError):
            size += path.lstat().st_size
    return size


def say(text: str) -> None:
    """Tell the person at the terminal what takes long."""
    Display().display(text)


def count(archives: Sequence[object], platform: Platform | None) -> str:
    """How many, and of what, for people."""
    many = counted(len(archives), "wheel" if platform else "conda package")
    return f"{many} for {platform}" if platform else many


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
    """What an environment is installed from on a platform."""

    environment: str
    platform: str
    wanted: Wanted
    minor: str = ""
    """The minor version of the managed Python that it needs; "" where it needs none."""


def needs_of(environments: Iterable[Mapping[str, Any]], locks: Locks, platform: str, macos: str) -> list[Need]:
    """What the present ones of environments with digests need, and uv. Raises MetalfleetError where one has no lock."""
    needs: list[Need] = []
    for each in environments:
        if each.get("state") != "absent":
            needs += needs_of_one(each, locks, platform, macos)
    managed = platform_named(platform, macos)
    uv = Need("uv", platform, wheels_wanted(pinned_uv().requirement, managed), python_of(platform))
    return [*needs, uv] if needs else []


def needs_of_one(environment: Mapping[str, Any], locks: Locks, platform: str, macos: str) -> Iterator[Need]:
    """What a present environment needs. Raises MetalfleetError."""
    name, of_it = environment["name"], lock_platform(environment, platform)
    digest = environment["lock_digests"].get("any") or environment["lock_digests"].get(of_it)
    if digest is None:
        raise MetalfleetError(
            f"The environment {name} has no lock for {of_it}",
            remedy="Leave that platform out of tensorflow_platforms, or choose another native_python_version.",
        )
    kind = environment.get("kind") or VENV
    minor = "" if kind in WITH_PYTHON else python_of(of_it)
    managed = platform_named(of_it if minor else platform, macos)
    for wanted in WANTED[kind](locks.texts[digest], managed, locks.conda_engine, locks.channels):
        yield Need(name, of_it, wanted.without(locks.built_wheels), minor)


def platform_named(name: str, macos: str) -> Platform:
    """The platform of hosts whose locks go by a name, for a version of macOS."""
    system, _sign, machine = target_of(without_cuda(name)).partition("-")
    python, is_mac = python_of(name), system == "macos"
    markers = {
        **(MAC if is_mac else LINUX),
        "platform_machine": machine,
        "platform_release": "",
        "platform_version": "",
    }
    system_version = numbers(macos) if is_mac else GLIBC
    return Platform((), machine, system_version, is_mac, markers=markers).with_python(f"{python}.0")


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


def archives_for(lacks: Mapping[str, Any], locks: Locks, store: ControllerStore) -> list[Stored]:
    """What a host says that it lacks, each once. Raises MetalfleetError where it is not available."""
    found: dict[str, Stored] = {}
    for wanted in _requests(lacks, locks):
        found |= {each.sha256: each for each in store.provide(wanted)}
    return list(found.values())


def _requests(lacks: Mapping[str, Any], locks: Locks) -> list[Wanted]:
    """What a host names, of each lock."""
    try:
        return [
            _wanted_of(locks.texts[each["lock"]], each["platform"], locks).only(each["packages"])
            for each in lacks["locks"]
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise MetalfleetError(
            "What the host says that it lacks cannot be understood",
            evidence=f"It is {str(lacks)[:300]}.",
            remedy="Look at what runs on the host as the managed Python, and run again.",
        ) from error


def _wanted_of(lock: str, platform: Mapping[str, Any] | None, locks: Locks) -> Wanted:
    """What may be sent of a lock: its wheels for a platform, or its conda packages."""
    if platform is None:
        return conda_packages_wanted(lock, locks.channels)
    return wheels_wanted(lock, Platform.from_data(platform)).without(locks.built_wheels)


@contextmanager
def packed(stored: Iterable[Stored]) -> Iterator[list[Parcel]]:
    """Wheels and conda packages as they are sent: each big one alone, the biggest first, all others in one archive.

    Raises MetalfleetError.
    """
    with tempfile.TemporaryDirectory(dir=constants.DEFAULT_LOCAL_TMP) as folder:
        try:
            parcels = _pack(list(stored), Path(folder, ARCHIVE))
        except OSError as error:
            raise MetalfleetError(
                "What the host lacks could not be packed on the controller",
                evidence=f"{said_by(error, folder)}.",
                remedy=f"Free space on the volume of {folder} if that is full, and run again: what has left the wheel "
                "store meanwhile is fetched again.",
            ) from error
        yield parcels


def _pack(stored: Sequence[Stored], archive: Path) -> list[Parcel]:
    """Put the small ones into an archive; says what is sent. Raises OSError."""
    sizes = {each: each.path.stat().st_size for each in stored}
    big = sorted((each for each in sizes if sizes[each] > BIG), key=lambda each: -sizes[each])
    small = [each for each in sizes if sizes[each] <= BIG]
    parcels = [Parcel(each.path, name_on_the_way(each.sha256, each.path.name), str(each.pin)) for each in big]
    if small:
        with tarfile.open(archive, "w") as tar:
            for each in small:
                tar.add(each.path, name_on_the_way(each.sha256, each.path.name))
        parcels.append(Parcel(archive, ARCHIVE, f"{len(small)} small files"))
    return parcels


def announce(host: str, parcels: Sequence[Parcel], number: int) -> None:
    """Say how much of how much a host has got, and what is next, where that is worth a line."""
    total, sent = sum(each.size for each in parcels), sum(each.size for each in parcels[:number])
    if total > BIG:
        rest = f"; next is {parcels[number].says}, {in_mb(parcels[number].size)}" if number < len(parcels) else ""
        say(f"{host}: {in_mb(sent)} of {in_mb(total)} are there{rest}")
