# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""What a lock is installed from, as data: wheels for a platform, and conda packages, each from its URL.

Whoever has archives to bring, the host itself or its controller, begins here.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Callable

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._conda.lock import (
    parse_conda_lock,
    wheels_in,
    with_credentials,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.declaration import CONDA, VENV
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.lock import Pin, digest_of
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.platforms import Platform


@dataclass(frozen=True)
class Wanted:
    """Archives that a lock pins."""

    lock_sha256: str
    """That of the lock's text."""
    pins: tuple[Pin, ...]
    platform: Platform | None = None
    """What wheels must suit. It is None for conda packages, of which each is for one platform."""
    urls: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Where conda packages are, by their SHA-256. URLs may hold credentials."""

    def only(self, names: Collection[str]) -> Wanted:
        """Those of some packages."""
        return replace(self, pins=tuple(pin for pin in self.pins if pin.name in names))

    def without(self, digests: Collection[str]) -> Wanted:
        """Those that are none of some archives."""
        return replace(self, pins=tuple(pin for pin in self.pins if not pin.hashes & {*digests}))


def wheels_wanted(lock: str, platform: Platform) -> Wanted:
    """The wheels of a lock of either kind, by its text. Raises MetalfleetError."""
    return Wanted(digest_of(lock), tuple(wheels_in(lock).pins_for(platform.markers)), platform)


def conda_packages_wanted(lock: str, channels: Collection[str] = ()) -> Wanted:
    """The conda packages of a lock, by its text; `channels` are URLs with the credentials that those of a lock lack.

    Raises MetalfleetError.
    """
    archives = parse_conda_lock(lock).archives
    pins = tuple(Pin(archive.name, archive.version, frozenset({archive.sha256})) for archive in archives)
    urls = {archive.sha256: with_credentials(archive.url, channels) for archive in archives}
    return Wanted(digest_of(lock), pins, urls=urls)


def venv_wanted(lock: str, platform: Platform, _engine: str = "", _channels: Collection[str] = ()) -> list[Wanted]:
    """All that an environment of wheels is installed from, for its Python. Raises MetalfleetError."""
    return [wheels_wanted(lock, platform)]


def conda_wanted(lock: str, managed: Platform, engine: str, channels: Collection[str] = ()) -> list[Wanted]:
    """All that an environment of conda packages is installed from: py-rattler too, and wheels for its own Python.

    `engine` is the lock of py-rattler, which runs on a managed Python of a platform. Raises MetalfleetError.
    """
    own = managed.with_python(parse_conda_lock(lock).python_version)
    return [wheels_wanted(engine, managed), conda_packages_wanted(lock, channels), wheels_wanted(lock, own)]


WANTED: Mapping[str, Callable[[str, Platform, str, Collection[str]], list[Wanted]]] = {
    VENV: venv_wanted,
    CONDA: conda_wanted,
}
"""The same by kind, for the controller: the platform is that of the managed Python which the kind has need of."""
