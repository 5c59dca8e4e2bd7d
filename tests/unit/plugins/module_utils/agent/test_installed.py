# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of the agent itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._agent.installed import (
    COMMAND,
    DOCUMENT,
    Agent,
    Seen,
    Wanted,
    plan,
    refused,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._agent.launchd import job
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._agent.report import with_agent
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.plan import Action
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
