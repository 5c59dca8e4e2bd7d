# SPDX-License-Identifier: GPL-3.0-or-later
"""Where locks are found, and what of them is sent."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._controller import find_file, folders_of_users
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._environments import without_none
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._locks import DEFAULT_LOCKS, Locks

PINNED = f"six==1.17.0 --hash=sha256:{'0' * 64}\n"


def test_the_default_is_a_lock_for_each_platform() -> None:
    locks = Locks(Path)
    [environment] = locks.with_digests([{"name": "tensorflow"}])
    text = (DEFAULT_LOCKS / "macos-arm64-py3.12.txt").read_text()
    digest = hashlib.sha256(text.encode()).hexdigest()
    assert environment["lock_digests"]["macos-arm64-py3.12"] == digest
    assert locks.texts[digest] == text


def test_a_lock_of_a_users_own_is_for_any_platform(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text(PINNED)
    locks = Locks(lambda lock: tmp_path / lock)
    [environment] = locks.with_digests([{"name": "a", "lock": "mine.txt", "gpu": "none"}])
    assert environment["gpu"] == "none"
    assert [locks.texts[digest] for digest in environment["lock_digests"].values()] == [PINNED]
    assert environment["lock_digests"].keys() == {"any"}


@pytest.mark.parametrize("kept_in", ["inventory", "", "inventory/group", "playbooks", "playbooks/files"])
def test_a_relative_path_begins_at_the_inventory_or_the_playbook(kept_in: str, tmp_path: Path) -> None:
    lock = tmp_path / kept_in / "locks/mine.txt"
    lock.parent.mkdir(parents=True)
    lock.touch()
    (tmp_path / "inventory").mkdir(exist_ok=True)
    inventory = tmp_path / "inventory" / ("group" if kept_in == "inventory/group" else "")
    variables = {"ansible_inventory_sources": [str(inventory)], "playbook_dir": str(tmp_path / "playbooks")}
    assert find_file("locks/mine.txt", "lock", folders_of_users(variables)) == lock


@pytest.mark.parametrize(
    ("text", "jupyter_kernel", "words"),
    [
        ("version = 1\nrequires-python = '>=3.10'\n", False, "uv.lock"),
        ("six==1.17.0\n", False, "SHA-256"),
        ("# nothing yet\n", False, "is empty"),
        (PINNED, True, "no ipykernel"),
    ],
)
def test_a_lock_that_cannot_do_is_refused_here(text: str, jupyter_kernel: bool, words: str, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text(text)
    with pytest.raises(MetalfleetError, match=words):
        Locks(lambda lock: tmp_path / lock).with_digests(
            [{"name": "a", "lock": "mine.txt", "jupyter_kernel": jupyter_kernel}]
        )


def test_an_absolute_path_is_taken_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").touch()
    assert find_file(str(tmp_path / "mine.txt"), "lock", [Path("/nonexistent")]) == tmp_path / "mine.txt"


def test_a_lock_that_is_nowhere_is_an_error_that_says_where_it_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(
        MetalfleetError, match=f"no.txt, which lock names, is not there.*{tmp_path}/no.txt.*absolute path"
    ):
        find_file("no.txt", "lock", [tmp_path])


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_lock_that_cannot_be_read_is_an_error(content: bytes | None, tmp_path: Path) -> None:
    lock = tmp_path / "mine.txt"
    if content is None:
        lock.mkdir()
    else:
        lock.write_bytes(content)
    with pytest.raises(MetalfleetError, match="cannot be read"):
        Locks(lambda _: lock).with_digests([{"name": "a", "lock": "mine.txt"}])


def test_what_was_not_given_is_not_sent() -> None:
    assert without_none({"a": None, "b": [{"c": None, "d": 1}], "e": {}}) == {"b": [{"d": 1}], "e": {}}
