# SPDX-License-Identifier: GPL-3.0-or-later
"""Where locks are found, and what of them is sent."""

from __future__ import annotations

import hashlib
import itertools
import multiprocessing
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from ansible import constants
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.network import Network
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._action import without_none
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._controller import (
    find_file,
    folder_beside_inventory,
    folders_of_users,
)
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._locks import SHIPPED, Locks, Making
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._pairs import default_pair

from tests.index import Index
from tests.wheels import make_wheel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PINNED = f"six==1.17.0 --hash=sha256:{'0' * 64}\n"
DEFAULT_LOCKS = SHIPPED / "tensorflow-{0.tensorflow}-metal-{0.metal}".format(default_pair())
MAC = "macos-arm64-py3.12"


@pytest.fixture(autouse=True)
def run_of_ansible(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Begins a new run of Ansible."""
    numbers = itertools.count()

    def begin() -> None:
        monkeypatch.setattr(constants, "DEFAULT_LOCAL_TMP", str(tmp_path / f"ansible-local-{next(numbers)}"))

    begin()
    return begin


def locks_of(*environments: dict[str, Any], find: Any = Path, making: Making | None = None) -> Locks:
    locks = Locks(find, making or Making(Path("/nonexistent")))
    locks.read(environments)
    return locks


def test_the_default_is_a_lock_for_each_platform() -> None:
    locks = locks_of({"name": "tensorflow"})
    [environment] = locks.with_digests([{"name": "tensorflow"}])
    text = (DEFAULT_LOCKS / f"{MAC}.txt").read_text()
    digest = hashlib.sha256(text.encode()).hexdigest()
    assert environment["lock_digests"][MAC] == digest
    assert locks.texts[digest] == text
    assert locks.pairs[digest] == ("2.18.1", "1.2.0")
    assert environment["lock_digests"]["linux-x86_64-py3.12"] not in locks.pairs


def test_a_lock_of_a_users_own_is_for_any_platform(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text(PINNED)
    declared = {"name": "a", "lock": "mine.txt", "gpu": "none"}
    locks = locks_of(declared, find=lambda lock: tmp_path / lock)
    [environment] = locks.with_digests([declared])
    assert environment["gpu"] == "none"
    assert [locks.texts[digest] for digest in environment["lock_digests"].values()] == [PINNED]
    assert environment["lock_digests"].keys() == {"any"}


def pin(name: str, version: str, marker: str = "") -> str:
    return f"{name}=={version}{f' ; {marker}' if marker else ''} --hash=sha256:{'0' * 64}\n"


@pytest.mark.parametrize(
    ("lock", "pair", "remark"),
    [
        (pin("tensorflow", "2.18.1") + pin("tensorflow-metal", "1.2.0"), ("2.18.1", "1.2.0"), ""),
        (pin("tensorflow", "2.19.1") + pin("tensorflow_metal", "1.2.0"), ("2.19.1", "1.2.0"), "only the probe tells"),
        (pin("tensorflow-macos", "2.12.0") + pin("tensorflow-metal", "0.8.0"), ("2.12.0", "0.8.0"), ""),
        (
            pin("tensorflow", "2.18.1")
            + pin("tensorflow-metal", "1.2.0", "sys_platform == 'darwin'")
            + pin("tensorflow-metal", "9.9", "sys_platform == 'linux'"),
            ("2.18.1", "1.2.0"),
            "",
        ),
        (pin("tensorflow", "2.18.1"), None, ""),
        (pin("tensorflow", "2.18.1") + pin("tensorflow-metal", "1.2.0", "sys_platform == 'linux'"), None, ""),
        (
            pin("tensorflow", "2.18.1")
            + pin("tensorflow-metal", "1.2.0", "python_version >= '3.12'")
            + pin("tensorflow-metal", "1.1.0", "python_version < '3.12'"),
            None,
            "",
        ),
    ],
)
def test_the_pair_of_a_lock_is_what_it_pins_for_macs(
    lock: str, pair: tuple[str, str] | None, remark: str, tmp_path: Path
) -> None:
    (tmp_path / "mine.txt").write_text(lock)
    locks = locks_of({"name": "a", "lock": "mine.txt"}, find=lambda lock: tmp_path / lock)
    assert list(locks.pairs.values()) == ([pair] if pair else [])
    assert len(locks.remarks) == bool(remark)
    assert all(remark in each for each in locks.remarks)
    first = next(iter(locks.rows()))
    assert (first["tensorflow"], first["metal"]) == (pair or ("2.9.0", "0.5.0"))


# --- Locks that are made ---------------------------------------------------------------------------------------------


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    """An index that has TensorFlow and the plug-in in name, and two versions of a package."""
    for name, version in (("tensorflow", "2.18.1"), ("tensorflow_metal", "1.2.0")):
        make_wheel(tmp_path / "wheels", name, version, tag="cp312-cp312-macosx_12_0_arm64")
    for version in ("1.0", "2.0"):
        make_wheel(tmp_path / "wheels", "lab", version)
    with Index(tmp_path / "wheels", digests=True) as serving:
        yield serving


def making(tmp_path: Path, index: Index, **others: Any) -> Making:
    return Making(tmp_path / "locks", Network(index_url=index.url), **others)


def test_a_lock_is_made_where_none_is_and_used_from_then_on(tmp_path: Path, index: Index) -> None:
    declared = {"name": "lab", "packages": ["lab==1.0"]}
    locks = locks_of(declared, making=making(tmp_path, index))
    assert locks.with_digests([declared]) == [{"name": "lab", "lock_digests": {}}]
    assert locks.complete(MAC)
    [environment] = locks.with_digests([declared])
    assert locks.pairs[environment["lock_digests"][MAC]] == ("2.18.1", "1.2.0")
    assert not (tmp_path / "locks").exists()  # as in check mode, until it is to be kept
    locks.keep()
    [written] = (tmp_path / "locks").iterdir()
    assert written.name == f"lab-{MAC}.txt"
    assert written.stat().st_mode & 0o777 == 0o644
    [new] = locks.new
    assert new.say(is_foreseen=True) == f"{written} would be made, with 3 packages."
    assert new.say(is_foreseen=False) == f"{written} was made, with 3 packages. Commit it."

    asked = len(index.requests)
    later = locks_of(declared, making=making(tmp_path, index, is_locked=True))
    assert later.with_digests([declared]) == [environment]
    assert not later.complete(MAC)
    assert len(index.requests) == asked


def test_a_declaration_that_has_changed_is_locked_again_with_the_pins_that_can_stay(
    tmp_path: Path, index: Index, run_of_ansible: Callable[[], None]
) -> None:
    first = locks_of({"name": "lab", "packages": ["lab==1.0"]}, making=making(tmp_path, index))
    first.complete(MAC)
    first.keep()
    run_of_ansible()
    kept = locks_of({"name": "lab", "packages": ["lab"]}, making=making(tmp_path, index))
    assert kept.complete(MAC)
    assert kept.new[0].changes == []
    run_of_ansible()
    changed = locks_of({"name": "lab", "packages": ["lab>1"]}, making=making(tmp_path, index))
    assert changed.complete(MAC)
    assert changed.new[0].changes == ["lab 1.0 -> 2.0"]
    diff = changed.new[0].diff
    assert [line for line in diff["before"].splitlines() if line not in diff["after"]][-1] == "lab==1.0"
    assert "--hash" not in diff["after"]


def test_what_is_to_be_upgraded_and_is_in_no_lock_is_named(tmp_path: Path, index: Index) -> None:
    of_another_host = locks_of({"name": "other", "packages": ["lab"]}, making=making(tmp_path, index))
    of_another_host.complete(MAC)
    of_another_host.keep()
    locks = locks_of({"name": "tensorflow"}, making=making(tmp_path, index))
    assert locks.say_unknown(["all", "Lab", "tensorflow", "metal"]) == []
    [said] = locks.say_unknown(["lab", "labb"])
    assert said.startswith("labb was not upgraded")


def test_where_there_is_no_lock_to_make_nothing_more_is_said_of_upgrades(tmp_path: Path, index: Index) -> None:
    locks = locks_of({"name": "tensorflow"}, making=making(tmp_path, index))
    locks.complete(MAC)
    assert locks.say_unknown(["pandas"]) == []


@pytest.mark.parametrize("damage", ["<<<<<<< HEAD\n", "lab==1.0\n"])
def test_a_made_lock_that_is_damaged_is_named(damage: str, tmp_path: Path, index: Index) -> None:
    declared = {"name": "lab", "packages": ["lab==1.0"]}
    locks = locks_of(declared, making=making(tmp_path, index))
    locks.complete(MAC)
    locks.keep()
    [written] = (tmp_path / "locks").iterdir()
    written.write_text(written.read_text() + damage)
    with pytest.raises(MetalfleetError, match=r"It is \S+/locks/lab-\S+\.txt\. .* or remove it so that it is made"):
        locks_of(declared, making=making(tmp_path, index))


@pytest.mark.parametrize(
    ("is_there", "is_locked", "words"),
    [
        (False, True, "is not there yet, and is not made here: tensorflow_locked is set. Run lock.yml"),
        (True, True, "does not match its declaration any more, and is not made here"),
        (False, False, "the folder of locks cannot be written to"),
    ],
)
def test_what_must_not_be_made_is_refused(  # noqa: PLR0917 - pytest names them
    is_there: bool,
    is_locked: bool,
    words: str,
    tmp_path: Path,
    index: Index,
    monkeypatch: pytest.MonkeyPatch,
    run_of_ansible: Callable[[], None],
) -> None:
    if is_there:
        first = locks_of({"name": "lab", "packages": ["lab==1.0"]}, making=making(tmp_path, index))
        first.complete(MAC)
        first.keep()
        run_of_ansible()
    if not is_locked:
        monkeypatch.setattr(os, "access", lambda *_: False)  # root can write to any folder
    locks = locks_of({"name": "lab", "packages": ["lab"]}, making=making(tmp_path, index, is_locked=is_locked))
    with pytest.raises(MetalfleetError, match=words):
        locks.complete(MAC)


def complete(folder_of_run: str, tmp_path: Path, url: str, package: str) -> str:
    """What a process of a run of Ansible makes."""
    constants.DEFAULT_LOCAL_TMP = folder_of_run
    locks = Locks(Path, Making(tmp_path / "locks", Network(index_url=url)))
    locks.read([{"name": "lab", "packages": [package]}])
    try:
        locks.complete(MAC)
    except MetalfleetError as error:
        return str(error)
    return locks.new[0].after


@pytest.mark.parametrize("works", [True, False])
def test_many_hosts_make_it_resolve_once(
    works: bool, tmp_path: Path, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    package = "lab" if works else "lab>9"
    # Not by forks: a thread of the index might hold a lock at that moment, for ever.
    with multiprocessing.get_context("spawn").Pool(6) as pool:
        answers = pool.starmap(complete, [(constants.DEFAULT_LOCAL_TMP, tmp_path, index.url, package)] * 6)
    assert len(set(answers)) == 1
    assert ("lab==2.0" in answers[0]) == works
    asked = [path for path, _ in index.requests if path.endswith("/lab/")]
    assert len(asked) == (2 if works else 1)  # to resolve, and for the newest version there is


def test_one_environment_is_not_declared_in_two_ways(tmp_path: Path, index: Index) -> None:
    locks_of({"name": "lab", "packages": ["lab==1.0"]}, making=making(tmp_path, index)).complete(MAC)
    other = locks_of({"name": "lab", "packages": ["lab"]}, making=making(tmp_path, index))
    with pytest.raises(MetalfleetError, match=r"lab is declared in two ways .*lab==1.0.*Give the two different names"):
        other.complete(MAC)
    elsewhere = Making(tmp_path / "others", Network(index_url=index.url))
    assert locks_of({"name": "lab", "packages": ["lab"]}, making=elsewhere).complete(MAC)


def test_a_host_with_an_nvidia_gpu_has_locks_of_its_own_unless_the_cpu_is_to_compute(
    tmp_path: Path, index: Index
) -> None:
    for name in ("tensorflow", "tensorflow_cpu"):
        make_wheel(tmp_path / "wheels", name, "2.18.1", tag="cp312-cp312-manylinux_2_17_x86_64")
    declared = [
        {"name": "a", "packages": ["lab"]},
        {"name": "b", "packages": ["lab"], "gpu": "none"},
        {"name": "c", "packages": ["lab"], "metal": "none"},
    ]
    locks = locks_of(*declared, making=making(tmp_path, index, python="3.12"))
    assert locks.complete("linux-x86_64+cuda-py3.12")
    locks.keep()
    cuda, cpu = "linux-x86_64+cuda-py3.12", "linux-x86_64-py3.12"
    assert {path.name for path in (tmp_path / "locks").iterdir()} == {f"a-{cuda}.txt", f"b-{cpu}.txt", f"c-{cpu}.txt"}
    assert [next(iter(each["lock_digests"])) for each in locks.with_digests(declared)] == [cuda, cpu, cpu]
    assert locks.platforms_with(cuda) == [cuda], "which the locks for the CPU do not contradict"
    assert not locks_of(*declared, making=making(tmp_path, index, python="3.12")).complete(cuda)


def test_locks_that_are_there_tell_platforms_and_no_more_than_those(tmp_path: Path) -> None:
    """Else each run would make some more."""
    (tmp_path / "locks").mkdir()
    for name in (f"a-{MAC}", "b-macos-arm64-py3.11", "a-linux-x86_64-py3.10", "c-linux-aarch64-py3.11"):
        (tmp_path / f"locks/{name}.txt").touch()
    making = Making(tmp_path / "locks", python="3.12")
    own = [{"name": name, "packages": ["lab"], "python": "3.11"} for name in "bc"]
    locks = locks_of({"name": "a", "packages": ["lab"]}, *own, making=making)

    assert locks.platforms_with(MAC) == ["linux-aarch64-py3.12", "linux-x86_64-py3.10", MAC]
    assert locks_of(own[0], making=making).platforms_with(MAC) == [MAC]


def test_nothing_is_made_for_a_host_of_which_the_platform_is_not_known(tmp_path: Path, index: Index) -> None:
    locks = locks_of({"name": "lab", "packages": ["lab"]}, making=making(tmp_path, index))
    assert not locks.complete("")
    assert index.requests == []


def test_without_the_plugin_no_gpu_is_asked_for(tmp_path: Path) -> None:
    declared = [{"name": "a", "metal": "none"}, {"name": "b", "metal": "none", "gpu": "preferred"}, {"name": "c"}]
    locks = locks_of(*declared, making=Making(tmp_path))
    assert [each.get("gpu") for each in locks.with_digests(declared)] == ["none", "preferred", None]


# --- Files of users --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "written", "expected"),
    [
        ("fleet/hosts.yml", "", "fleet/metalfleet/locks"),
        ("fleet", "", "metalfleet/locks"),
        ("fleet", "locks", "locks"),
        ("fleet", "{tmp}/elsewhere", "elsewhere"),
    ],
)
def test_made_locks_lie_next_to_the_inventory(source: str, written: str, expected: str, tmp_path: Path) -> None:
    (tmp_path / "fleet").mkdir()
    (tmp_path / "fleet/hosts.yml").touch()
    variables = {"ansible_inventory_sources": [str(tmp_path / source), str(tmp_path / "second")]}
    assert (
        folder_beside_inventory("locks", "tensorflow_locks", written.format(tmp=tmp_path), variables)
        == tmp_path / expected
    )


def test_made_locks_never_lie_in_an_inventory(tmp_path: Path) -> None:
    with pytest.raises(MetalfleetError, match="Ansible would take what is in it for inventories"):
        folder_beside_inventory(
            "locks", "tensorflow_locks", f"{tmp_path}/locks", {"ansible_inventory_sources": [str(tmp_path)]}
        )


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
        ("six==1.17.0\n", False, r"SHA-256.* It is \S+/mine\.txt\."),
        ("# nothing yet\n", False, "is empty"),
        ("@EXPLICIT\nhttps://host/osx-arm64/python-3.12.1-0.conda\n", False, "one of conda packages.*kind: conda"),
        (pin("tensorflow-metal", "1.2.0") + pin("tensorflow-metal-plugin", "1.0"), False, "a file of the same name"),
        (PINNED, True, "no ipykernel"),
    ],
)
def test_a_lock_that_cannot_do_is_refused_here(text: str, jupyter_kernel: bool, words: str, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text(text)
    with pytest.raises(MetalfleetError, match=words):
        locks_of({"name": "a", "lock": "mine.txt", "jupyter_kernel": jupyter_kernel}, find=lambda lock: tmp_path / lock)


@pytest.mark.parametrize("framework", ["tensorflow", "litert"])
def test_a_python_that_no_lock_of_the_collection_is_for_is_refused_here(framework: str) -> None:
    with pytest.raises(MetalfleetError, match=r"no lock with Python 3\.8.*locks with .*3\.10, 3\.11.*\(python\)"):
        locks_of({"name": "a", "framework": framework, "python": "3.8"})
    locks_of({"name": "a", "framework": framework, "python": "3.8", "state": "absent"})
    locks_of({"name": "a", "framework": framework, "python": "3.11"})


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
        locks_of({"name": "a", "lock": "mine.txt"}, find=lambda _: lock)


def test_what_was_not_given_is_not_sent() -> None:
    assert without_none({"a": None, "b": [{"c": None, "d": 1}], "e": {}}) == {"b": [{"d": 1}], "e": {}}
