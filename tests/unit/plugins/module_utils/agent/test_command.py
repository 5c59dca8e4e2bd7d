# SPDX-License-Identifier: GPL-3.0-or-later
"""The agent's command line, whatever it writes to and finds: one line, an exit status, and nothing is lost."""

from __future__ import annotations

import io
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._agent.command import last_tries, main
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._agent.keep import keeper_of, with_pythons
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._agent.memory import Event, Memory

REPAIRED = Event("2026-11-20T11:35:12Z", "repaired", "tf", ("file-missing",), "tf: repaired (/Users/zoë/x)")


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """The program in an agent's folder."""
    (tmp_path / "agent").mkdir()
    return tmp_path / "agent" / "metalfleet.pyz"


@pytest.fixture
def memory(program: Path) -> Memory:
    return keeper_of(program).memory


def test_what_cannot_be_written_is_said(
    program: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        assert main(["history"], program) == 3
        full.write("once more, when Python ends")
    assert capsys.readouterr().err == "metalfleet: the output cannot be used: No space left on device.\n"


def test_whoever_has_seen_enough_is_told_nothing(
    program: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as pipe:
        monkeypatch.setattr(sys, "stdout", pipe)
        assert main(["history"], program) == 3
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("line", "status"), [("nonsense", 2), ("rollback", 2), ("status", 3)])
def test_the_exit_status_is_right_where_not_even_a_complaint_can_be_written(
    program: Path, monkeypatch: pytest.MonkeyPatch, line: str, status: int
) -> None:
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr(sys, "stderr", full)
        try:
            ended: Any = main(line.split(), program)
        except SystemExit as end:
            ended = end.code
    assert ended == status


@pytest.mark.parametrize(
    ("language", "shown"), [("ascii", rb"zo\xeb"), ("euc_jp", b"zo\x8f\xab\xb3"), ("utf-8", b"zo\xc3\xab")]
)
def test_a_name_is_shown_in_every_language(
    program: Path, memory: Memory, monkeypatch: pytest.MonkeyPatch, language: str, shown: bytes
) -> None:
    memory.add([REPAIRED])
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding=language))
    assert main(["history"], program) == 0
    assert shown in written.getvalue()


# ----------------------------------------------------------------------------------------------------------- memories


def put(path: Path, kind: str) -> None:
    """Put something there that no history is."""
    if kind == "folder":
        path.mkdir()
    elif kind == "FIFO":
        os.mkfifo(path)
    else:
        path.write_text(kind)


@pytest.mark.parametrize("kind", ["folder", "FIFO", "", "[{"])
def test_a_history_that_cannot_be_read_is_not_called_empty_and_is_kept(
    program: Path, memory: Memory, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    history = program.with_name("history.json")
    put(history, kind)
    assert main(["history"], program) == 3
    said = capsys.readouterr().err
    assert "its history cannot be read" in said
    assert said.count("\n") == 1
    memory.add([REPAIRED])
    assert main(["history"], program) == 0
    [kept] = (program.parents[1] / "set-aside").iterdir()
    assert kept.name == "1-history.json"
    assert not kept.is_file() or kept.read_text() == kind


def test_what_became_of_pythons_is_part_of_the_history(program: Path, memory: Memory) -> None:
    memory.add([REPAIRED])
    program.with_name("pythons").write_bytes(
        b"cut off\n"
        b"2026-11-19T11:00:00Z failed python3 (damaged json; curl: (6) \xff)\n"
        b"2026-11-21T11:00:00Z repaired python3 (x)\n"
    )
    assert [(each["what"], each["environment"], each["text"]) for each in memory.history()] == [
        ("failed", "", "The managed Python: python3 (damaged json; curl: (6) \ufffd)."),
        ("repaired", "tf", REPAIRED.text),
        ("repaired", "", "The managed Python: python3 (x)."),
    ]
    memory.add([REPAIRED])
    assert len(json.loads(program.with_name("history.json").read_text())) == 2


def test_what_could_not_be_repaired_is_said_with_what_is_not_in_order() -> None:
    def event(what: str, name: str) -> dict[str, Any]:
        return {"time": "T", "what": what, "environment": name, "text": f"{what} {name or 'Python'}"}

    environments = [{"name": "a", "ok": False}, {"name": "b", "ok": True}, {"name": "c", "ok": False}]
    events = [event("failed", name) for name in ("a", "b", "c", "")] + [event("repaired", "c")]
    report = {"environments": environments, "todo": "environments"}
    assert list(last_tries(report, events)) == ["When the agent last tried, at T: failed a"]
    assert list(last_tries({**report, "todo": "python"}, events))[1:] == [
        "When the agent last tried, at T: failed Python"
    ]


@pytest.mark.parametrize(("what", "ok"), [("FAILED", False), ("LEFT", False), ("REPAIRED", True)])
def test_a_report_says_what_became_of_pythons(monkeypatch: pytest.MonkeyPatch, what: str, *, ok: bool) -> None:
    report = {"ok": True, "text": ["tf: as declared."]}
    assert with_pythons(report) == report
    monkeypatch.setenv(f"METALFLEET_{what}", "python3 (why) ")
    told = with_pythons(report)
    assert told["ok"] is ok
    assert told["text"][0].endswith(": python3 (why).")
    assert told["text"][1:] == report["text"]
    assert with_pythons({**report, "ok": False})["ok"] is False


def test_whoever_looks_at_another_users_agent_makes_nothing_there(
    program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert main(["history"], program) == 0
    assert list(program.parent.iterdir()) == []
