# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's wheel store: what gets in, what leaves it, and how often an index is asked."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import tarfile
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from ansible import constants
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._kinds.incoming import ARCHIVE
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._kinds.wheels import Stored
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.lock import Pin, parse_lock
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.network import Network
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.platforms import Platform
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils import _delivery
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._controller import folder_of_wheels
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._delivery import (
    DAY,
    ControllerStore,
    needs_of,
    packed,
    platform_named,
    wheels_for,
)
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._locks import Locks, Making
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._native_python.data import pinned_pythons
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._native_python.delivery import artifacts_for
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._native_python.sources import Artifact

from tests.index import Fault, Index
from tests.simulated_mac.macho import Kind, stub
from tests.wheels import Wheel, lock_of, make_wheel

MAC = platform_named("macos-arm64-py3.12", "14.6")


@pytest.fixture(autouse=True)
def _of_this_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "run").mkdir()
    monkeypatch.setattr(constants, "DEFAULT_LOCAL_TMP", str(tmp_path / "run"))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)


@pytest.fixture
def wheels(tmp_path: Path) -> list[Wheel]:
    return [make_wheel(tmp_path / "published", name) for name in ("alpha", "beta")]


def pins_of(*wheels: Wheel) -> list[Pin]:
    return parse_lock(lock_of(*wheels)).pins_for(MAC.markers)


def store_of(folder: Path, index: Index | None = None) -> ControllerStore:
    return ControllerStore(folder / "store", Network(index_url=index.url) if index else None)


def provide(folder: Path, url: str, local_tmp: str, lock: str, system: tuple[int, ...]) -> None:
    """What a process of Ansible does for one host."""
    constants.DEFAULT_LOCAL_TMP = local_tmp
    platform = replace(MAC, system=system)
    ControllerStore(folder / "store", Network(index_url=url)).provide(parse_lock(lock).pins_for(MAC.markers), platform)


def test_processes_of_one_run_fetch_each_wheel_once(tmp_path: Path, wheels: list[Wheel]) -> None:
    with Index(tmp_path / "published", Fault.SLOW, digests=True) as index:
        spawn = multiprocessing.get_context("spawn")
        processes = [
            spawn.Process(target=provide, args=(tmp_path, index.url, str(tmp_path / "run"), lock_of(*wheels), system))
            for system in ((14, 6), (14, 6), (15, 1))
        ]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert sorted(index.downloads) == sorted(wheel.path.name for wheel in wheels)


def test_what_failed_is_not_tried_again_in_the_same_run(tmp_path: Path, wheels: list[Wheel]) -> None:
    with Index(tmp_path / "published", Fault.REFUSED) as index:
        for _ in range(2):
            with pytest.raises(MetalfleetError, match="access was refused"):
                store_of(tmp_path, index).provide(pins_of(*wheels), MAC)
            asked = len(index.requests)
        assert len(index.requests) == asked


def test_without_a_network_all_that_is_missing_or_damaged_is_named(tmp_path: Path, wheels: list[Wheel]) -> None:
    with Index(tmp_path / "published", digests=True) as index:
        [alpha] = store_of(tmp_path, index).provide(pins_of(wheels[0]), MAC)
    alpha.path.write_bytes(alpha.path.read_bytes()[:-1])
    with pytest.raises(MetalfleetError, match=r"lacks alpha 1\.0 \(damaged\), beta 1\.0\. Nothing is fetched"):
        store_of(tmp_path).provide(pins_of(*wheels), MAC)
    assert store_of(tmp_path).missing(pins_of(*wheels), MAC) == ["alpha 1.0 (damaged)", "beta 1.0"]


def test_code_for_another_processor_and_files_without_a_digest_stay(tmp_path: Path) -> None:
    intel = make_wheel(tmp_path / "published", "alpha", files={"alpha/x.so": stub(Kind.BUNDLE, {"x86_64": ["/x"]})})
    both = make_wheel(
        tmp_path / "published", "gamma", files={"gamma/x.so": stub(Kind.BUNDLE, {"x86_64": ["/x"], "arm64": ["/x"]})}
    )
    loose = make_wheel(tmp_path / "published", "beta")
    with zipfile.ZipFile(loose.path, "a") as archive:
        archive.writestr("beta/stray.py", "")
    with Index(tmp_path / "published", digests=True) as index:
        store = store_of(tmp_path, index)
        with pytest.raises(MetalfleetError, match=r"alpha 1\.0 holds code for x86_64, not for arm64.*alpha/x\.so"):
            store.provide(pins_of(intel), MAC)
        with pytest.raises(MetalfleetError, match=r"beta/stray\.py"):
            store.provide(pins_of(loose), MAC)
        assert [wheel.pin.name for wheel in store.provide(pins_of(both), MAC)] == ["gamma"]
        linux = platform_named("linux-x86_64-py3.12", "")
        assert store.provide(pins_of(intel), linux)


def test_an_archive_comes_from_a_folder_or_an_index_once_and_whole(tmp_path: Path) -> None:
    published = tmp_path / "published"
    (published / "1").mkdir(parents=True)
    (published / "1/cpython-x.tar.gz").write_bytes(b"python")
    artifact = Artifact("1/cpython-x.tar.gz", hashlib.sha256(b"python").hexdigest(), "http://127.0.0.1:1")
    with pytest.raises(MetalfleetError, match=r"lacks 1/cpython-x\.tar\.gz"):
        store_of(tmp_path).provide_archive(artifact, "")
    with Index(published) as index:
        store = store_of(tmp_path, index)
        wrong = artifact._replace(sha256="0" * 64)
        with pytest.raises(MetalfleetError, match="SHA-256 of 1/cpython-x.tar.gz is not the pinned one"):
            store.provide_archive(wrong, str(published))
        assert not store.has(artifact)
        with pytest.raises(MetalfleetError, match="cannot be read"):
            store.provide_archive(artifact._replace(sha256="1" * 64), str(tmp_path / "elsewhere"))
        (tmp_path / "run/metalfleet-locks").rename(tmp_path / "run/of-the-last-run")
        store.provide_archive(artifact, f"http://user:secret@{index.address}/files")
        assert store.has(artifact)
        (tmp_path / "run/metalfleet-locks").rename(tmp_path / "run/of-another-run")
        store.provide_archive(artifact, f"http://{index.address}/files")
        assert index.downloads == ["cpython-x.tar.gz"]
        assert index.requests[0][1] == "user:secret"
    assert [path.name for path in (tmp_path / "store/1").iterdir()] == ["cpython-x.tar.gz"]


def test_what_no_run_has_used_for_days_is_old(tmp_path: Path, wheels: list[Wheel]) -> None:
    with Index(tmp_path / "published", digests=True) as index:
        store = store_of(tmp_path, index)
        alpha, beta = store.provide(pins_of(*wheels), MAC)
    archive = tmp_path / "store/1/cpython-x.tar.gz"
    archive.parent.mkdir()
    archive.write_bytes(b"")
    for path in (alpha.path.parent, archive):
        os.utime(path, (time.time() - 3 * DAY,) * 2)
    assert store.unused(4) == []
    assert store.unused(2) == sorted([alpha.path, archive])
    store.remove(store.unused(2))
    assert [path for path in (tmp_path / "store").rglob("*") if path.is_file()] == [beta.path]
    assert not archive.parent.exists()


def test_big_wheels_travel_alone_and_small_ones_together(
    tmp_path: Path, wheels: list[Wheel], monkeypatch: pytest.MonkeyPatch
) -> None:
    big, bigger = (make_wheel(tmp_path, name, files={f"{name}/data": os.urandom(size)}) for name, size in SIZES)
    monkeypatch.setattr(_delivery, "BIG", 2000)
    all_of_them = [Stored(pins_of(wheel)[0], wheel.sha256, wheel.path) for wheel in (wheels[0], big, bigger, wheels[1])]
    with packed(all_of_them) as parcels:
        assert [parcel.says for parcel in parcels] == ["bigger 1.0", "big 1.0", "2 wheels"]
        assert parcels[0].name == f"{bigger.sha256}-{bigger.path.name}.part"
        assert parcels[2].name == ARCHIVE
        with tarfile.open(parcels[2].path) as tar:
            assert tar.getnames() == [f"{wheel.sha256}-{wheel.path.name}.part" for wheel in wheels]
    with packed(all_of_them[1:2]) as parcels:
        assert len(parcels) == 1


SIZES = (("big", 3000), ("bigger", 4000))


@pytest.fixture
def locks(tmp_path: Path, wheels: list[Wheel]) -> Locks:
    (tmp_path / "lock.txt").write_text(lock_of(*wheels))
    locks = Locks(Path, Making(tmp_path / "locks"))
    locks.read([{"name": "tf", "lock": str(tmp_path / "lock.txt")}])
    return locks


def test_a_host_is_sent_what_it_says_that_it_lacks(tmp_path: Path, wheels: list[Wheel], locks: Locks) -> None:
    [digest] = locks.texts
    lacks = {"folder": "/x", "locks": [{"lock": digest, "platform": MAC.as_data(), "packages": ["beta"]}] * 2}
    with Index(tmp_path / "published", digests=True) as index:
        found = wheels_for(json.loads(json.dumps(lacks)), locks, store_of(tmp_path, index))
    assert [wheel.pin.name for wheel in found] == ["beta"]
    assert index.downloads == [wheels[1].path.name]
    locks.built_wheels[wheels[1].sha256] = "sent along"
    assert wheels_for(lacks, locks, store_of(tmp_path, index)) == []


@pytest.mark.parametrize("answer", [{}, {"locks": [{}]}, {"locks": 1}, {"locks": [{"lock": "x", "platform": {}}]}])
def test_an_answer_that_makes_no_sense_is_said(answer: dict[str, object], locks: Locks, tmp_path: Path) -> None:
    with pytest.raises(MetalfleetError, match="cannot be understood"):
        wheels_for(answer, locks, store_of(tmp_path))


def test_a_platform_survives_its_way_through_json() -> None:
    assert Platform.from_data(json.loads(json.dumps(MAC.as_data()))) == MAC


def test_what_is_needed_is_that_of_each_platform(locks: Locks) -> None:
    declared = locks.with_digests([{"name": "tf"}, {"name": "tf", "state": "absent"}, {"name": "tf", "python": "3.11"}])
    needs = needs_of(declared, locks, "macos-arm64-py3.12", "12.0")
    assert [(need.environment, need.platform) for need in needs] == [
        ("tf", "macos-arm64-py3.12"),
        ("tf", "macos-arm64-py3.11"),
        ("uv", "macos-arm64-py3.12"),
    ]
    assert str(needs[1].suits) == "Python 3.11 on macOS 12.0, arm64"
    shipped = Locks(Path, Making(Path("locks")))
    shipped.read([{"name": "tensorflow"}])
    [default] = shipped.with_digests([{"name": "tensorflow"}])
    tensorflow, _ = needs_of([default], shipped, "linux-x86_64-py3.12", "12.0")
    assert tensorflow.suits.markers["platform_machine"] == "x86_64"
    assert "tensorflow-cpu" in {pin.name for pin in tensorflow.pins}
    with pytest.raises(MetalfleetError, match="tensorflow has no lock for macos-arm64-py3.14"):
        needs_of([default], shipped, "macos-arm64-py3.14", "12.0")
    assert needs_of([], locks, "macos-arm64-py3.12", "12.0") == []


def test_pythons_that_macs_are_sent() -> None:
    pins = pinned_pythons()
    sent = artifacts_for({"source": "standalone", "pins": pins["archives"]}, ["3.11", "3.12"])
    assert [each.sha256 for each in sent] == [pins["archives"][m]["sha256"]["aarch64-apple-darwin"] for m in MINORS]
    [package] = artifacts_for({"source": "python_org", "pins": pins["packages"]}, ["3.12"])
    assert package.sha256 == pins["packages"]["3.12"]["sha256"]
    assert artifacts_for({"source": "homebrew", "pins": {}}, ["3.12"]) == []


MINORS = ("3.11", "3.12")


def test_where_the_store_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    inventory = {"ansible_inventory_sources": [str(tmp_path / "fleet/inventory")]}
    assert folder_of_wheels("", inventory) == tmp_path / "metalfleet/wheels"
    assert folder_of_wheels("wheels", inventory) == tmp_path / "fleet/wheels"
    assert folder_of_wheels("/srv/wheels", inventory) == Path("/srv/wheels")
