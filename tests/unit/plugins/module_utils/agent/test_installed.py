# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of the agent itself."""

from __future__ import annotations

import errno
import json
import os
import shutil
from base64 import b64encode
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._agent import document
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._agent.installed import (
    COMMAND,
    DOCUMENT,
    PROGRAM,
    PYTHONS,
    Agent,
    Seen,
    Wanted,
    carry_out,
    files_of,
    plan,
    refused,
    remove,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._agent.launchd import Launchd, job
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._agent.report import with_agent
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._commands import Commands
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment import safety
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.plan import Action
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._host.document import Document
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._host.report import ASKED, DONE, FORESEEN
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._layout import Places

PLACES = Places(Path("/ours"), Path("/links"))
FILES = {COMMAND: "1", "agent/metalfleet.pyz": "2", DOCUMENT: "3"}
WANTED = Wanted(True, FILES, ("11:30",), 60)
JOB = job(PLACES.root / COMMAND, ("11:30",), 60)
NOTHING = {"ok": True, "changed": False, "reasons": [], "todo": "nothing", "text": ["tf: as declared."]}
ABSENT = Agent(True, (Action("write-agent", "agent-absent", "it is not there"),))


@pytest.mark.parametrize(
    ("seen", "reasons"),
    [
        (Seen(), ["agent-absent", "agent-job"]),
        (Seen(FILES, JOB, True), []),
        (Seen(FILES, JOB, None), []),  # nobody is logged in at the screen
        (Seen(FILES, JOB, False), ["agent-job"]),
        (Seen(FILES, {**JOB, "Nice": 0}, True), ["agent-job"]),
        (Seen(FILES, None, False), ["agent-job"]),
        (Seen({**FILES, DOCUMENT: "9"}, JOB, True), ["agent-document"]),
        (Seen({**FILES, "agent/metalfleet.pyz": ""}, JOB, True), ["agent-changed"]),
        (Seen({**FILES, "agent/mine": "9"}, JOB, True), ["agent-changed"]),
        (Seen({COMMAND: "1"}, JOB, True), ["agent-document", "agent-changed"]),
    ],
)
def test_each_difference_has_its_reason(seen: Seen, reasons: list[str]) -> None:
    assert [action.reason for action in plan(WANTED, seen, PLACES)] == reasons


@pytest.mark.parametrize("seen", [Seen({COMMAND: "1"}), Seen({}, JOB)])
def test_what_is_left_of_one_that_is_not_declared_is_removed(seen: Seen) -> None:
    assert [action.reason for action in plan(Wanted(False), seen, PLACES)] == ["agent-undeclared"]
    assert list(plan(Wanted(False), Seen(), PLACES)) == []


def link_to_a_folder(path: Path) -> None:
    """As somebody does who moves things elsewhere."""
    elsewhere = path.parents[path.parts[::-1].index("root")] / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "mine").write_text("mine")
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    path.symlink_to(elsewhere)


def folder(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.mkdir()
    (path / "mine").write_text("mine")


def pipe(path: Path) -> None:
    path.unlink(missing_ok=True)
    os.mkfifo(path)


def file(path: Path) -> None:
    shutil.rmtree(path)
    path.write_text("mine")


def theirs(folder: Path, places: Places) -> list[str]:
    """What others' files say."""
    kept = [path for top in (folder / "elsewhere", places.set_aside) for path in top.rglob("*") if path.is_file()]
    return [path.read_text() for path in kept]


@pytest.mark.parametrize(
    ("name", "put_there"),
    [
        ("agent", link_to_a_folder),
        ("agent", file),
        ("agent/python", link_to_a_folder),
        ("agent/python", file),
        ("agent/metalfleet.pyz", folder),
        ("agent/metalfleet.pyz", pipe),
        ("agent/metalfleet.pyz.new", pipe),
        ("agent/document.json", link_to_a_folder),
        ("agent/history.json", folder),
        ("agent/log", pipe),
        ("agent/log", link_to_a_folder),
        ("agent/.lock", pipe),
        ("bin/metalfleet", folder),
    ],
)
def test_whatever_has_the_place_of_its_files_is_found_once_and_set_aside(
    tmp_path: Path, name: str, put_there: Callable[[Path], None]
) -> None:
    places = Places(tmp_path / "root", tmp_path / "links")
    content = document.content_of({}, {})
    contents = {COMMAND: b"1", "agent/metalfleet.pyz": b"2", "agent/python/install.sh": b"3"}
    files = {path: sha256(each).hexdigest() for path, each in contents.items()}
    sent = {**contents, DOCUMENT: json.dumps(content).encode()}
    wanted = {
        "enabled": True,
        "files": {**files, DOCUMENT: document.digest_of(content)},
        "contents": {path: b64encode(each).decode() for path, each in sent.items()},
    }
    declared = Document(places, (), platform="macos-arm64-py3.12", agent=wanted)
    write = Agent(True, (Action("write-agent", "agent-changed", ""),))
    assert carry_out(write, declared, Commands()).problem is None
    assert dict(files_of(places)) == wanted["files"]

    put_there(places.root / name)
    assert dict(files_of(places)) != wanted["files"]
    assert carry_out(write, declared, Commands()).problem is None
    assert dict(files_of(places)) == wanted["files"]
    assert put_there is pipe or theirs(tmp_path, places) == ["mine"]


def test_the_job_is_in_the_background_at_its_times() -> None:
    assert job(Path("/r/bin/metalfleet"), ("09:05", "23:30"), 0)["StartCalendarInterval"] == [
        {"Hour": 9, "Minute": 5},
        {"Hour": 23, "Minute": 30},
    ]
    assert JOB["ProgramArguments"] == ["/bin/sh", "/ours/bin/metalfleet", "repair", "--scheduled"]
    assert (JOB["ProcessType"], JOB["LowPriorityIO"]) == ("Background", True)


@pytest.mark.parametrize(
    ("carried", "expected"),
    [
        (ASKED, {"ok": False, "changed": False, "todo": "environments"}),
        (FORESEEN, {"ok": True, "changed": True, "todo": "nothing"}),
        (DONE, {"ok": True, "changed": True, "todo": "nothing"}),
    ],
)
def test_the_report_tells_what_became_of_the_plan(carried: str, expected: dict[str, Any]) -> None:
    report = with_agent(NOTHING, ABSENT, carried)
    assert {name: report[name] for name in expected} == expected
    assert report["reasons"] == ["agent-absent"]
    assert report["agent"]["ok"] is expected["ok"]


def test_nothing_is_told_of_one_of_which_nothing_is_declared() -> None:
    assert with_agent(NOTHING, None) == NOTHING


def test_elsewhere_than_on_a_mac_it_is_refused() -> None:
    report = with_agent(NOTHING, refused(WANTED, "linux-x86_64-py3.12"), DONE)
    assert (report["ok"], report["changed"]) == (False, False)
    assert "for Macs" in report["text"][0]
    assert with_agent(NOTHING, refused(Wanted(False), "linux-x86_64-py3.12"))["ok"]


def installed(root: Path) -> Path:
    """An agent that has run; returns its folder."""
    for name in (COMMAND, PROGRAM, DOCUMENT, f"{PYTHONS}/install.sh", "agent/log", "agent/document.json.new"):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("ours")
    return root / "agent"


@pytest.mark.parametrize(
    ("name", "put_there"),
    [
        ("agent/mine", folder),
        ("agent", file),
        ("agent", link_to_a_folder),
        ("agent/mine", link_to_a_folder),
        ("bin/metalfleet", folder),
    ],
)
def test_what_others_put_among_its_files_outlives_it(
    tmp_path: Path, name: str, put_there: Callable[[Path], None]
) -> None:
    places = Places(tmp_path / "root", tmp_path / "links")
    agent = installed(places.root)
    put_there(places.root / name)
    remove(agent, places.set_aside, Launchd(Commands(), tmp_path))
    assert not os.path.lexists(agent)
    assert not os.path.lexists(places.root / COMMAND)
    assert theirs(tmp_path, places) == ["mine"]


def test_one_that_cannot_be_removed_is_said_with_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    agent = installed(tmp_path)

    def refuse(path: Path) -> None:
        raise OSError(errno.EROFS, "Read-only file system", str(path))

    monkeypatch.setattr(safety, "remove_tree", refuse)
    with pytest.raises(MetalfleetError, match=f"{agent}: Read-only file system"):
        remove(agent, tmp_path / "set-aside", Launchd(Commands(), tmp_path))
