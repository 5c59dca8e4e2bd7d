# SPDX-License-Identifier: GPL-3.0-or-later
"""A run as the callback sees it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._fleet.ledger import Ledger
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._fleet.run import REPORTING, Run

from tests.reports import DRIFTED, NOW, report

CONVERGE, ASK = REPORTING
PYTHON = "metalfleet.tensorflow.native_python"
LOST = {"unreachable": True, "msg": "Connection timed out"}


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path)


def asked(run: Run, ledger: Ledger, host: str, told: dict[str, Any]) -> None:
    """The ask as its action does it."""
    run.add(host, ASK, {**told, "ledger": str(ledger.add_report(host, told, NOW))}, NOW)


@pytest.mark.parametrize("result", [{}, {"failed": True, "msg": "no"}, LOST, {"ledger": "/nowhere/ada.json"}])
def test_a_run_without_our_roles_says_nothing(result: dict[str, Any]) -> None:
    run = Run()
    run.add("ada", "ansible.builtin.ping", result, NOW)
    assert run.end(NOW) == []


def test_hosts_lost_in_any_task_are_told_and_kept(ledger: Ledger) -> None:
    run = Run()
    run.add("away", "ansible.builtin.ping", LOST, NOW)
    for host in ("ok", "build", "python"):
        asked(run, ledger, host, report() if host == "ok" else DRIFTED)
    run.add("build", CONVERGE, LOST, NOW + 60)
    run.add("python", PYTHON, LOST, NOW + 60)
    assert run.end(NOW + 60) == [
        "away: never seen: Connection timed out",
        "build, python: not seen for 1 minute: Connection timed out",
        "4 Macs: 1 ok, 3 not seen, some of them never",
    ]
    assert ledger.read("away")["attempt"]["outcome"] == "unreachable"
    assert ledger.read("build")["report"]["reasons"] == ["file-damaged"]
    assert ledger.read("python")["attempt"]["outcome"] == "unreachable"


@pytest.mark.parametrize("action", ["ansible.builtin.ping", PYTHON])
def test_no_answer_of_a_host_says_where_the_ledger_is(ledger: Ledger, tmp_path: Path, action: str) -> None:
    run = Run()
    asked(run, ledger, "ada", report())
    run.add("evil", action, {"ledger": str(tmp_path / "elsewhere/evil.json")}, NOW)
    run.add("bob", ASK, LOST, NOW)
    assert run.end(NOW)[-1] == "2 Macs: 1 ok, 1 never seen"
    assert not (tmp_path / "elsewhere").exists()
    assert ledger.read("bob")["attempt"]["outcome"] == "unreachable"


def test_a_host_that_answers_after_all_is_seen(ledger: Ledger) -> None:
    run = Run()
    run.add("ada", "ansible.builtin.ping", LOST, NOW)
    asked(run, ledger, "ada", report())
    assert run.end(NOW) == ["1 Mac: 1 ok"]


def test_a_task_of_ours_that_fails_is_told(ledger: Ledger) -> None:
    run = Run()
    asked(run, ledger, "ada", DRIFTED)
    run.add("ada", PYTHON, {"failed": True, "msg": "There is no archive."}, NOW)
    assert run.end(NOW) == ["ada: failed: There is no archive.", "1 Mac: 1 failed"]
    assert ledger.read("ada")["attempt"]["message"] == "There is no archive."


def test_without_a_ledger_the_run_is_told_all_the_same() -> None:
    run = Run()
    run.add("ada", ASK, report(), NOW)
    run.add("bob", ASK, {"failed": True, "msg": "No."}, NOW)
    run.add("eve", ASK, LOST, NOW)
    run.add("hidden", ASK, {"censored": "the output has been hidden"}, NOW)
    assert run.end(NOW) == [
        "bob: failed: No.",
        "eve: did not answer: Connection timed out",
        "3 Macs: 1 ok, 1 failed, 1 did not answer",
    ]


REMOVE = "metalfleet.tensorflow.python_environment"


def test_hosts_that_a_run_without_reports_did_not_reach_are_told() -> None:
    run = Run()
    for host in ("away", "late"):
        run.add(host, REMOVE, LOST, NOW)
    run.add("late", REMOVE, {"changed": True}, NOW)
    assert run.end(NOW) == ["away: did not answer: Connection timed out", "1 host: 1 did not answer"]


def test_a_host_that_comes_back_for_the_second_play_is_seen(ledger: Ledger) -> None:
    run = Run()
    lost = ledger.add_attempt("ada", "unreachable", "Connection timed out", NOW)
    run.add("ada", ASK, {**LOST, "ledger": str(lost)}, NOW)
    asked(run, ledger, "ada", report())
    assert run.end(NOW) == ["1 Mac: 1 ok"]


def test_what_check_mode_foresees_is_not_told_as_found(ledger: Ledger) -> None:
    run = Run()
    asked(run, ledger, "ada", DRIFTED)
    run.add("ada", CONVERGE, report(changed=True), NOW)
    assert run.end(NOW)[-1] == "1 Mac: 1 drifted"


def test_a_repair_in_a_run_without_a_ledger_is_told() -> None:
    run = Run()
    run.add("ada", ASK, DRIFTED, NOW)
    run.add("ada", CONVERGE, report(), NOW)
    assert run.end(NOW)[-1] == "1 Mac: 1 ok"
