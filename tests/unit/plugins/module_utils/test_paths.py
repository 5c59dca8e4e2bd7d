# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._paths import each_folder, head_of_file, matching


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("opt/python@3.9/bin", "opt/python@3.12/bin", "opt/python@2/bin", "opt/python@3.13/lib", "aa"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "opt/python@3.file").touch()
    (tmp_path / "opt/python@3.gone").symlink_to("nowhere")
    return tmp_path


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("opt/python@3.*/bin", ["opt/python@3.12/bin", "opt/python@3.9/bin"]),
        ("opt/*/bin", ["opt/python@2/bin", "opt/python@3.12/bin", "opt/python@3.9/bin"]),
        ("opt/*9/bin", ["opt/python@3.9/bin"]),
        ("opt/python@2", ["opt/python@2"]),
        ("a*a", ["aa"]),
        ("aa*a", []),
        ("not/there/*", []),
        ("opt/python@3.g*", []),
    ],
)
def test_matching(folder: Path, pattern: str, found: list[str]) -> None:
    assert [str(path.relative_to(folder)) for path in matching(folder, pattern)] == found


def test_what_is_refused_is_told(folder: Path) -> None:
    def refuse(path: Path, error: OSError) -> None:
        refused[str(path.relative_to(folder))] = str(error.strerror)

    refused: dict[str, str] = {}
    (folder / "opt/python@3.loop").symlink_to("python@3.loop")
    assert len(matching(folder, "opt/python@3*/bin", refuse)) == 2
    assert refused == {}
    long = "x" * 300
    assert matching(folder, f"opt/{long}", refuse) == []
    assert refused == {f"opt/{long}": "File name too long"}


def test_each_folder_is_visited_with_what_is_in_it(folder: Path) -> None:
    (folder / "aa/link").symlink_to(folder)
    found = {path: (sorted(folders), sorted(others)) for path, folders, others in each_folder(folder)}
    assert len(found) == 11
    assert found[f"{folder}/aa"] == ([], ["link"])
    assert found[f"{folder}/opt"] == (
        ["python@2", "python@3.12", "python@3.13", "python@3.9"],
        ["python@3.file", "python@3.gone"],
    )


def test_folders_that_are_left_out_or_cannot_be_entered_are_not_visited(folder: Path) -> None:
    refused: list[str] = []
    visited = []
    for path, folders, _others in each_folder(folder, lambda path, _: refused.append(path.name)):
        visited.append(Path(path).name)
        if "opt" in folders:
            folders.remove("opt")
            (folder / "aa").rmdir()
    assert (visited, refused) == ([folder.name], ["aa"])


def test_the_head_of_a_file(folder: Path) -> None:
    (folder / "file").write_bytes(b"0123456789")
    assert head_of_file(folder / "file", 4) == b"0123"
    assert head_of_file(folder / "file", 99) == b"0123456789"


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("pipe", "not a regular file"),
        ("link", "not a regular file"),
        ("folder", "not a regular file"),
        ("device", "not a regular file"),
        ("nothing", "No such file"),
    ],
)
def test_only_a_regular_file_has_a_head(folder: Path, kind: str, reason: str) -> None:
    os.mkfifo(folder / "pipe")
    (folder / "link").symlink_to("pipe")
    (folder / "folder").mkdir()
    (folder / "device").symlink_to("/dev/zero")
    with pytest.raises(OSError, match=reason):
        head_of_file(folder / kind, 4)
