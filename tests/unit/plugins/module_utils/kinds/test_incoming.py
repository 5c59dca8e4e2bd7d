# SPDX-License-Identifier: GPL-3.0-or-later
"""What the controller has brought, whole or not, on its way into the wheel store."""

from __future__ import annotations

import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._kinds.incoming import (
    ARCHIVE,
    name_on_the_way,
    take_in,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._kinds.wheels import WheelStore

from tests.wheels import Wheel, make_wheel


@pytest.fixture
def store(tmp_path: Path) -> WheelStore:
    (tmp_path / "store").mkdir()
    return WheelStore(tmp_path / "store", tmp_path / "set-aside")


@pytest.fixture
def wheels(tmp_path: Path) -> list[Wheel]:
    return [make_wheel(tmp_path / "published", name) for name in ("alpha", "beta", "gamma")]


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "cut off": lambda content: content[:-5],
    "changed": lambda content: content[:-1] + b"!",
    "empty": lambda _: b"",
}


def on_the_way(wheel: Wheel) -> str:
    return name_on_the_way(wheel.sha256, wheel.path.name)


def pack(path: Path, wheels: list[Wheel]) -> None:
    with tarfile.open(path, "w") as tar:
        for wheel in wheels:
            tar.add(wheel.path, on_the_way(wheel))


def kept(store: WheelStore) -> set[str]:
    """All files in the store."""
    return {path.relative_to(store.folder).as_posix() for path in store.folder.rglob("*") if not path.is_dir()}


def places(*wheels: Wheel) -> set[str]:
    return {f"{wheel.sha256}/{wheel.path.name}" for wheel in wheels}


def test_whole_wheels_are_taken_in_alone_and_from_an_archive(store: WheelStore, wheels: list[Wheel]) -> None:
    (store.folder / on_the_way(wheels[0])).write_bytes(wheels[0].path.read_bytes())
    pack(store.folder / ARCHIVE, wheels[1:])
    take_in(store, store.folder)
    assert kept(store) == places(*wheels)
    for wheel in wheels:
        place = store.folder / wheel.sha256 / wheel.path.name
        assert (place.read_bytes(), place.stat().st_mode & 0o777) == (wheel.path.read_bytes(), 0o644)


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_what_did_not_come_whole_is_forgotten(
    store: WheelStore, wheels: list[Wheel], damage: Callable[[bytes], bytes]
) -> None:
    for wheel in wheels[:2]:
        (store.folder / on_the_way(wheel)).write_bytes(wheel.path.read_bytes())
    part = store.folder / on_the_way(wheels[0])
    part.write_bytes(damage(part.read_bytes()))
    take_in(store, store.folder)
    assert kept(store) == places(wheels[1])


@pytest.mark.parametrize("tenths", range(10))
def test_of_an_archive_that_was_cut_off_the_whole_wheels_are_taken(
    store: WheelStore, wheels: list[Wheel], tenths: int
) -> None:
    archive = store.folder / ARCHIVE
    pack(archive, wheels)
    with tarfile.open(archive) as tar:
        ends = [member.offset_data + member.size for member in tar]
    left = ends[-1] * tenths // 10
    archive.write_bytes(archive.read_bytes()[:left])
    whole = [wheel for wheel, end in zip(wheels, ends, strict=True) if end <= left - left % 512]
    take_in(store, store.folder)
    assert places(*whole) <= kept(store) <= places(*wheels)


def test_from_another_folder_copies_are_taken_and_nothing_is_removed_there(
    store: WheelStore, wheels: list[Wheel], tmp_path: Path
) -> None:
    incoming = tmp_path / "incoming"
    incoming.mkdir()
    (incoming / on_the_way(wheels[0])).write_bytes(wheels[0].path.read_bytes())
    (incoming / "AnsiballZ_x.py").write_text("another's")
    pack(incoming / ARCHIVE, wheels[1:])
    take_in(store, incoming)
    assert kept(store) == places(*wheels)
    assert len(list(incoming.iterdir())) == 3


def test_names_that_lead_elsewhere_are_passed_over(store: WheelStore, wheels: list[Wheel], tmp_path: Path) -> None:
    with tarfile.open(store.folder / ARCHIVE, "w") as tar:
        for name in (f"../{on_the_way(wheels[0])}", str(tmp_path / on_the_way(wheels[0])), "note.txt"):
            tar.add(wheels[0].path, name)
        link = tarfile.TarInfo(on_the_way(wheels[1]))
        link.type, link.linkname = tarfile.SYMTYPE, str(wheels[1].path)
        tar.addfile(link)
        tar.add(wheels[2].path, on_the_way(wheels[2]))
    take_in(store, store.folder)
    assert kept(store) == places(wheels[2])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["published", "store"]


def test_where_nothing_has_come_nothing_is_made(tmp_path: Path) -> None:
    take_in(WheelStore(tmp_path / "store", tmp_path / "set-aside"), tmp_path / "store")
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_wheel_gives_way_and_parts_are_pruned(store: WheelStore, wheels: list[Wheel]) -> None:
    old = store.folder / wheels[0].sha256 / wheels[0].path.name
    old.parent.mkdir()
    old.write_text("damaged")
    (store.folder / on_the_way(wheels[0])).write_bytes(wheels[0].path.read_bytes())
    take_in(store, store.folder)
    assert old.read_bytes() == wheels[0].path.read_bytes()
    (store.folder / on_the_way(wheels[1])).write_text("of a run that was killed")
    (store.folder / ARCHIVE).write_text("of another")
    assert store.prune({wheels[0].sha256}) == []
    assert kept(store) == places(wheels[0])


def test_what_is_brought_goes_through_no_link(store: WheelStore, wheels: list[Wheel], tmp_path: Path) -> None:
    users = tmp_path / "mine"
    users.write_text("mine")
    (store.folder / on_the_way(wheels[0])).symlink_to(users)
    pack(store.folder / ARCHIVE, wheels)

    take_in(store, store.folder)

    assert users.read_text() == "mine"
    assert kept(store) == places(*wheels)


def test_an_archive_that_makes_no_sense_is_forgotten(store: WheelStore, wheels: list[Wheel]) -> None:
    entry = tarfile.TarInfo("x")
    entry.pax_headers = {"GNU.sparse.map": "a,b"}
    with tarfile.open(store.folder / ARCHIVE, "w", format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(entry)

    take_in(store, store.folder)

    assert kept(store) == set()
