# SPDX-License-Identifier: GPL-3.0-or-later
"""The wheel store, filled from real indexes on this machine, and installed from by the real uv."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._commands import Commands
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._kinds.wheels import (
    Fetched,
    Stock,
    WheelStore,
    requirements_of,
    uv_arguments,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.lock import parse_lock
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.platforms import Platform, platform_of
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.settings import Network
from uv import find_uv_bin

from tests.integration.index import Fault, Index
from tests.wheels import Wheel, lock_of, make_wheel


@dataclass(frozen=True)
class Host:
    """A wheel store, and the platform that its wheels are for."""

    store: WheelStore
    platform: Platform

    def fetch(self, lock: str, network: Network) -> Fetched:
        pins = parse_lock(lock).pins_for(self.platform.markers)
        return self.store.fetch(pins, self.platform, network, Commands())

    def look(self, lock: str) -> Stock:
        return self.store.look(parse_lock(lock).pins_for(self.platform.markers), self.platform)

    def path_of(self, wheel: Wheel) -> Path:
        return self.store.folder / wheel.sha256 / wheel.path.name


@pytest.fixture(scope="session")
def platform() -> Platform:
    return platform_of(Path(sys.executable), Commands())


@pytest.fixture
def host(tmp_path: Path, platform: Platform) -> Host:
    return Host(WheelStore(tmp_path / "root/wheels", tmp_path / "root/set-aside"), platform)


@pytest.fixture
def wheels(tmp_path: Path) -> list[Wheel]:
    return [make_wheel(tmp_path / "published", name) for name in ("alpha", "beta")]


def test_uv_installs_from_the_store_and_asks_nobody(host: Host, wheels: list[Wheel], tmp_path: Path) -> None:
    make_wheel(tmp_path / "published", "alpha", "2.0")
    with Index(tmp_path / "published") as index:
        fetched = host.fetch(lock_of(*wheels), Network(index_url=index.url))
    environment = tmp_path / "environment"
    uv = find_uv_bin()
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, environment], check=True)
    lock = tmp_path / "requirements.txt"
    lock.write_text(requirements_of(fetched.wheels))
    where = [f"--python={environment}/bin/python", f"--cache-dir={tmp_path}/cache", str(lock)]
    subprocess.run([uv, "pip", "sync", "--quiet", *uv_arguments(fetched.wheels), *where], check=True)
    imported = "import alpha, beta; print(alpha.VERSION, beta.VERSION)"
    answer = subprocess.run([environment / "bin/python", "-c", imported], check=True, stdout=subprocess.PIPE, text=True)
    assert answer.stdout.split() == ["1.0", "1.0"]


def test_a_second_fetch_asks_nobody(host: Host, wheels: list[Wheel], tmp_path: Path) -> None:
    with Index(tmp_path / "published") as index:
        host.fetch(lock_of(*wheels), Network(index_url=index.url))
    with Index(tmp_path / "published", Fault.GONE) as index:
        fetched = host.fetch(lock_of(*wheels), Network(index_url=index.url))
    assert {stored.path for stored in fetched.wheels} == {host.path_of(wheel) for wheel in wheels}
    assert host.look(lock_of(*wheels)).missing == ()


def test_prune_keeps_what_is_named_and_what_is_not_ours(host: Host, wheels: list[Wheel], tmp_path: Path) -> None:
    with Index(tmp_path / "published") as index:
        host.fetch(lock_of(*wheels), Network(index_url=index.url))
    theirs = host.store.folder / "notes"
    theirs.mkdir()
    kept, _ = wheels
    assert host.store.prune({kept.sha256}) == []
    assert sorted(path.name for path in host.store.folder.iterdir()) == sorted([kept.sha256, "notes"])
    assert [pin.name for pin in host.look(lock_of(*wheels)).missing] == ["beta"]
