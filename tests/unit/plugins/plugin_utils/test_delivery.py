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
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._kinds.wanted import Wanted, wheels_wanted
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._kinds.wheels import Stored
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.network import Network
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.platforms import Platform
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils import _delivery
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._controller import folder_of_wheels
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._delivery import (
    DAY,
    ControllerStore,
    archives_for,
    needs_of,
    packed,
    platform_named,
    size_of,
)
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._locks import Locks, Making
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._native_python.data import (
    pinned_pythons,
    pinned_uv,
)
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._native_python.delivery import artifacts_for
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._native_python.sources import Artifact

from tests.conda import Channel, Package
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


def wanted(*wheels: Wheel, platform: Platform = MAC) -> Wanted:
    return wheels_wanted(lock_of(*wheels), platform)


def store_of(folder: Path, index: Index | None = None) -> ControllerStore:
    return ControllerStore(folder / "store", Network(index_url=index.url) if index else None)


def provide(folder: Path, url: str, local_tmp: str, lock: str, system: tuple[int, ...]) -> None:
    """What a process of Ansible does for one host."""
    constants.DEFAULT_LOCAL_TMP = local_tmp
    platform = replace(MAC, system=system)
    ControllerStore(folder / "store", Network(index_url=url)).provide(wheels_wanted(lock, platform))


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
                store_of(tmp_path, index).provide(wanted(*wheels))
            asked = len(index.requests)
        assert len(index.requests) == asked


def test_without_a_network_all_that_is_missing_or_damaged_is_named(tmp_path: Path, wheels: list[Wheel]) -> None:
    with Index(tmp_path / "published", digests=True) as index:
        [alpha] = store_of(tmp_path, index).provide(wanted(wheels[0]))
    alpha.path.write_bytes(alpha.path.read_bytes()[:-1])
    with pytest.raises(MetalfleetError, match=r"lacks alpha 1\.0 \(damaged\), beta 1\.0\. Nothing is fetched"):
        store_of(tmp_path).provide(wanted(*wheels))
    assert store_of(tmp_path).missing(wanted(*wheels)) == ["alpha 1.0 (damaged)", "beta 1.0"]


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
            store.provide(wanted(intel))
        with pytest.raises(MetalfleetError, match=r"beta/stray\.py"):
            store.provide(wanted(loose))
        assert [wheel.pin.name for wheel in store.provide(wanted(both))] == ["gamma"]
        linux = platform_named("linux-x86_64-py3.12", "")
        assert store.provide(wanted(intel, platform=linux))


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


def test_a_store_is_whole_that_was_carried_over_by_a_mac(tmp_path: Path, wheels: list[Wheel]) -> None:
    """On a foreign disk macOS puts a file of its own beside each."""
    with Index(tmp_path / "published", digests=True) as index:
        stored = store_of(tmp_path, index).provide(wanted(*wheels))
    for each in stored:
        each.path.with_name(f"._{each.path.name}").write_bytes(b"\0\5\x16\7")
    (tmp_path / "run/metalfleet-locks").rename(tmp_path / "run/of-the-last-run")
    assert store_of(tmp_path).provide(wanted(*wheels)) == stored
    store = store_of(tmp_path)
    for each in stored:
        os.utime(each.path.parent, (1, 1))
    store.remove(store.unused(1))
    assert list((tmp_path / "store").rglob("*")) == []


def test_what_no_run_has_used_for_days_is_old(tmp_path: Path, wheels: list[Wheel]) -> None:
    with Index(tmp_path / "published", digests=True) as index:
        store = store_of(tmp_path, index)
        alpha, beta = store.provide(wanted(*wheels))
    archive = tmp_path / "store/1/cpython-x.tar.gz"
    archive.parent.mkdir()
    archive.write_bytes(b"")
    part = tmp_path / "store/gamma-1.0-py3-none-any.whl.part"
    part.touch()
    (tmp_path / "store/1/python-x.gz").symlink_to("gone")
    assert size_of(tmp_path / "store") > alpha.path.stat().st_size
    (tmp_path / "store/1/python-x.gz").unlink()
    for path in (alpha.path.parent, archive, part):
        os.utime(path, (time.time() - 3 * DAY,) * 2)
    assert store.unused(4) == []
    old = store.unused(2)
    assert old == sorted([alpha.path, archive, part])
    archive.unlink()  # by another controller
    store.remove(old)
    assert [path for path in (tmp_path / "store").rglob("*") if path.is_file()] == [beta.path]
    assert not archive.parent.exists()


def test_big_wheels_travel_alone_and_small_ones_together(
    tmp_path: Path, wheels: list[Wheel], monkeypatch: pytest.MonkeyPatch
) -> None:
    big, bigger = (make_wheel(tmp_path, name, files={f"{name}/data": os.urandom(size)}) for name, size in SIZES)
    monkeypatch.setattr(_delivery, "BIG", 2000)
    all_of_them = [
        Stored(wanted(wheel).pins[0], wheel.sha256, wheel.path) for wheel in (wheels[0], big, bigger, wheels[1])
    ]
    with packed(all_of_them) as parcels:
        assert [parcel.says for parcel in parcels] == ["bigger 1.0", "big 1.0", "2 small files"]
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
        found = archives_for(json.loads(json.dumps(lacks)), locks, store_of(tmp_path, index))
    assert [wheel.pin.name for wheel in found] == ["beta"]
    assert index.downloads == [wheels[1].path.name]
    locks.built_wheels[wheels[1].sha256] = "sent along"
    assert archives_for(lacks, locks, store_of(tmp_path, index)) == []


def test_conda_packages_are_sent_as_wheels_are(tmp_path: Path, wheels: list[Wheel]) -> None:
    channel = Channel(tmp_path / "channel")
    lines = [channel.add(Package(name, "3.12.1", subdir="osx-arm64")) for name in ("python", "tool")]
    (tmp_path / "lock.txt").write_text("\n".join(["@EXPLICIT", *lines, "@WHEELS", lock_of(wheels[0])]))
    declared = [{"name": "lab", "kind": "conda", "lock": str(tmp_path / "lock.txt"), "gpu_check": "none"}]
    locks = Locks(Path, Making(tmp_path / "locks"))
    locks.read(declared)
    store = store_of(tmp_path)

    needs = needs_of(locks.with_digests(declared), locks, "macos-arm64-py3.13", "14.0")
    assert [(need.minor, store.missing(need.wanted)) for need in needs[1:]] == [
        ("", ["python 3.12.1", "tool 3.12.1"]),
        ("", ["alpha 1.0"]),
        ("3.13", [f"uv {pinned_uv().version}"]),
    ]
    assert [str(need.wanted.platform)[:11] for need in (needs[0], needs[2])] == ["Python 3.13", "Python 3.12"]

    asked = {"locks": [{"lock": needs[1].wanted.lock_sha256, "platform": None, "packages": ["tool"]}]}
    with pytest.raises(MetalfleetError, match=r"lacks tool 3\.12\.1\. Nothing is fetched"):
        archives_for(asked, locks, store)
    with Index(tmp_path / "published", digests=True) as index:
        [tool] = archives_for(asked, locks, ControllerStore(tmp_path / "another", Network(index_url=index.url)))
    assert (tool.path.name, f"#sha256:{tool.sha256}") == ("tool-3.12.1-0.conda", lines[1][-72:])
    os.utime(tool.path.parent, (0, 0))
    assert ControllerStore(tmp_path / "another", None).unused(1) == [tool.path]

    (channel.folder / "osx-arm64/tool-3.12.1-0.conda").write_bytes(b"damaged")
    with pytest.raises(MetalfleetError, match=r"hash of the conda package tool 3\.12\.1 is not the one in the"):
        archives_for(asked, locks, ControllerStore(tmp_path / "third", Network()))
    (channel.folder / "osx-arm64/python-3.12.1-0.conda").unlink()
    asked["locks"][0]["packages"] = ["python"]
    with pytest.raises(MetalfleetError, match=r"python 3\.12\.1 cannot be fetched: the channel has not got it"):
        archives_for(asked, locks, ControllerStore(tmp_path / "third", Network()))
    channel.folder.rename(tmp_path / "away")
    with pytest.raises(MetalfleetError, match=r"its channel is a folder that is not on the machine that fetches it"):
        archives_for(asked, locks, ControllerStore(tmp_path / "fourth", Network()))


@pytest.mark.parametrize("answer", [{}, {"locks": [{}]}, {"locks": 1}, {"locks": [{"lock": "x", "platform": {}}]}])
def test_an_answer_that_makes_no_sense_is_said(answer: dict[str, object], locks: Locks, tmp_path: Path) -> None:
    with pytest.raises(MetalfleetError, match="cannot be understood"):
        archives_for(answer, locks, store_of(tmp_path))


def test_what_cannot_be_packed_is_said(tmp_path: Path, wheels: list[Wheel]) -> None:
    with Index(tmp_path / "published", digests=True) as index:
        stored = store_of(tmp_path, index).provide(wanted(*wheels))
    stored[0].path.unlink()
    with pytest.raises(MetalfleetError, match=r"could not be packed.*No such file.*run again"), packed(stored):
        pass


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
    assert str(needs[1].wanted.platform) == "Python 3.11 on macOS 12.0, arm64"
    shipped = Locks(Path, Making(Path("locks")))
    shipped.read([{"name": "tensorflow"}])
    [default] = shipped.with_digests([{"name": "tensorflow"}])
    tensorflow, _ = needs_of([default], shipped, "linux-x86_64-py3.12", "12.0")
    assert str(tensorflow.wanted.platform).endswith("x86_64")
    assert "tensorflow-cpu" in {pin.name for pin in tensorflow.wanted.pins}
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
    (tmp_path / "fleet/inventory").mkdir(parents=True)
    with pytest.raises(MetalfleetError, match="is inside the inventory .* Set tensorflow_wheel_store to"):
        folder_of_wheels("inventory/wheels", inventory)
