# SPDX-License-Identifier: GPL-3.0-or-later
"""When the agent leaves something as it is, and what it remembers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._agent.keep import after_run, events_of
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._agent.limits import (
    MOST_FAILURES,
    why_left,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._agent.memory import (
    KEPT,
    Event,
    Memory,
    State,
    guarded,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.declaration import Declaration
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.memory import Memory as Remembered
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.observe import Observation
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.plan import Action, Plan
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._host.report import Finding
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._layout import Places
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.index import UNREACHED

TF = Declaration("tf", Places(Path("/ours"), Path("/links")))


def test_what_somebody_went_back_from_and_what_failed_too_often_is_left() -> None:
    forward = Finding(TF, Observation(), Plan((Action("switch", "link-retargeted", "", "2"),)))
    back = replace(forward, seen=Observation(remembered=Remembered(frozenset({2}))))
    assert why_left(forward, {}) == ""
    assert "went back from generation 2" in why_left(back, {})
    assert why_left(forward, {"tf": MOST_FAILURES - 1}) == ""
    assert f"failed {MOST_FAILURES} times" in why_left(forward, {"tf": MOST_FAILURES})


def told(name: str = "tf", **changed: Any) -> dict[str, Any]:
    return {
        "name": name,
        "reasons": ["file-missing"],
        "ok": True,
        "problem": None,
        "plan": [{}],
        "text": "x",
        **changed,
    }


FAILED: dict[str, Any] = {"ok": False, "problem": {"cause": "it is damaged"}}
AWAY: dict[str, Any] = {"ok": False, "problem": {"cause": f"The archive of alpha: the package index {UNREACHED}"}}


@pytest.mark.parametrize(
    ("environment", "what"),
    [
        (told(), ["repaired"]),
        (told(reasons=[]), []),
        (told(**FAILED), ["failed"]),
        (told(ok=False, plan=[]), ["left"]),
        (told(ok=False, reasons=[], plan=[]), ["failed"]),  # as of a GPU that is gone
    ],
)
def test_a_run_is_remembered_by_what_became_of_each_environment(environment: dict[str, Any], what: list[str]) -> None:
    assert [event.what for event in events_of({"environments": [environment]})] == what


@pytest.mark.parametrize(
    ("environment", "count"),
    [(told(**FAILED), 3), (told(), 0), (told(**AWAY), 2), (told(ok=False, plan=[]), 2), (told(reasons=[]), 0)],
)
def test_failures_in_a_row_are_counted_but_not_those_without_a_network(environment: dict[str, Any], count: int) -> None:
    report = {"environments": [environment]}
    state = after_run(State(failed={"tf": 2}), list(events_of(report)), report)
    assert state.failed.get("tf", 0) == count
    assert (state.runs, bool(state.last_run)) == (1, True)


def test_the_history_is_bounded_and_says_nothing_twice(tmp_path: Path) -> None:
    memory = Memory(tmp_path, tmp_path / "aside")
    left = Event("2026-11-20T11:35:12Z", "left", "tf", (), "because")
    memory.add([left])
    memory.add([replace(left, time="2026-11-21T11:35:12Z")])
    assert len(memory.history()) == 1
    memory.add([Event("2026-11-22T11:35:12Z", "repaired", "tf", ("file-missing",), "x" * 9999)] * (KEPT + 5))
    assert len(memory.history()) == KEPT
    assert len(memory.history()[-1]["text"]) < 9999


@pytest.mark.parametrize(
    "content",
    [
        *("", "{", "[1, 2]", '{"runs": 1, "odd": 2}', "null", '{"runs": "1"}', '{"failed": {"tf": "3"}}'),
        *('{"report": {}, "seen": 1}', '{"report": {"environments": [{}], "reasons": []}, "seen": 1}'),
    ],
)
def test_what_cannot_be_read_is_not_remembered(tmp_path: Path, content: str) -> None:
    for name in ("history.json", "state.json", "report.json"):
        (tmp_path / name).write_text(content)
    memory = Memory(tmp_path, tmp_path / "aside")
    assert (memory.history(), memory.report()) == ([], {})
    memory.add([Event("2026-11-20T11:35:12Z", "left", "tf", (), "because")])
    assert len(memory.history()) == 1
    assert memory.state("a") == State(document="a")


def test_another_declaration_makes_failures_forgotten(tmp_path: Path) -> None:
    memory = Memory(tmp_path, tmp_path / "aside")
    memory.keep(State(runs=7, failed={"tf": 3}, document="old"))
    assert memory.state("old").failed == {"tf": 3}
    assert memory.state("new") == State(runs=7, document="new")


def test_a_folder_that_cannot_be_written_to_keeps_nothing_from_being_said(tmp_path: Path) -> None:
    memory = Memory(tmp_path / "nothing", tmp_path / "aside")
    memory.add([Event("", "left", "tf", (), "")])
    memory.keep(State())
    with guarded(tmp_path / "nothing", alone=False, wait=0) as is_free:
        assert is_free


def test_whoever_exchanges_the_agent_is_alone(tmp_path: Path) -> None:
    with guarded(tmp_path, alone=False, wait=0) as run, guarded(tmp_path, alone=False, wait=0) as other_run:
        assert run
        assert other_run
        with guarded(tmp_path, alone=True, wait=0) as installation:
            assert not installation
