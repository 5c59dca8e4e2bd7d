# SPDX-License-Identifier: GPL-3.0-or-later
"""What the controller remembers of a host."""

from __future__ import annotations

import json
import multiprocessing
import os
from dataclasses import fields
from pathlib import Path

import pytest
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe.diagnosis import Diagnosis
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe.run import Device, ProbeResult
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe.verdict import Fault, Stage
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._fleet.ledger import (
    LARGEST,
    Ledger,
    cleaned,
    file_name,
    moment_of,
    written,
)

from tests.reports import (
    BROKEN,
    DOCS,
    DRIFTED,
    HOSTILE,
    NOW,
    REPAIRED,
    assert_entry_is_valid,
    environment,
    probe,
    report,
)

EVIL_NAMES = [
    "../../etc/passwd",
    "/etc/passwd",
    "..",
    ".",
    "",
    "a/b",
    ".hidden",
    "a\x00b",
    "Mac1",
    "é",
    "x" * 300,
    *HOSTILE,
]


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "metalfleet/reports")


def test_of_a_host_that_nobody_has_seen_nothing_is_known(ledger: Ledger) -> None:
    assert (ledger.read("ada"), ledger.hosts()) == ({}, [])


@pytest.mark.parametrize("told", [report(), DRIFTED, BROKEN, REPAIRED])
def test_an_entry_is_as_documented(ledger: Ledger, told: dict[str, object]) -> None:
    ledger.add_report("ada", told, NOW)
    assert_entry_is_valid(ledger.read("ada"))
    ledger.add_attempt("ada", "unreachable", "asleep", NOW + 60)
    assert_entry_is_valid(ledger.read("ada"))
    ledger.add_attempt("grace", "failed", "no", NOW)
    assert_entry_is_valid(ledger.read("grace"))


def test_who_does_not_answer_keeps_the_last_report(ledger: Ledger) -> None:
    ledger.add_report("ada", DRIFTED, NOW)
    ledger.add_attempt("ada", "unreachable", "Connection timed out", NOW + 60)
    entry = ledger.read("ada")
    assert (entry["seen"], entry["report"]["reasons"]) == (written(NOW), ["file-damaged"])
    assert entry["attempt"] == {"time": written(NOW + 60), "outcome": "unreachable", "message": "Connection timed out"}


def test_facts_speed_and_repair_outlast_reports_without_them(ledger: Ledger) -> None:
    ledger.add_report("ada", report(environment(probe=probe(speed=3000.0))), NOW)
    ledger.add_report("ada", REPAIRED, NOW + 60)
    later = report()
    del later["apple_silicon"]
    ledger.add_report("ada", later, NOW + 120)
    entry = ledger.read("ada")
    assert entry["report"]["apple_silicon"]["chip"]["name"] == "Apple M2 Pro"
    assert entry["repair"] == {"time": written(NOW + 60), "reasons": ["file-missing"]}
    assert entry["speed"]["tensorflow"] == {"time": written(NOW), "rates": {"gpu": {"matmul": 3000.0, "conv2d": None}}}


def test_only_drift_is_repaired(ledger: Ledger) -> None:
    for number, reason in enumerate(("absent", "lock-changed", "asked")):
        ledger.add_report("ada", report(environment("tensorflow", reason), changed=True), NOW + number)
    assert ledger.read("ada")["repair"] is None


def test_verdicts_outlast_reports_without_a_probe_and_with_a_refused_one(ledger: Ledger) -> None:
    refused = environment(ok=False, probe=probe("gpu-missing"), problem={"cause": "", "evidence": "", "remedy": ""})
    ledger.add_report("ada", report(environment()), NOW)
    ledger.add_report("ada", DRIFTED, NOW + 60)
    ledger.add_report("ada", report(refused), NOW + 120)
    assert ledger.read("ada")["verdicts"] == {"tensorflow": {"time": written(NOW), "verdict": "gpu-ok", "ok": True}}
    ledger.add_report("ada", BROKEN, NOW + 180)
    assert ledger.read("ada")["verdicts"]["tensorflow"]["ok"] is False


def test_what_comes_late_does_not_replace_what_is_newer(ledger: Ledger) -> None:
    ledger.add_report("ada", report(), NOW)
    ledger.add_report("ada", DRIFTED, NOW - 60)
    ledger.add_attempt("ada", "unreachable", "", NOW - 30)
    entry = ledger.read("ada")
    assert (entry["report"]["ok"], entry["attempt"]["outcome"]) == (True, "answered")


@pytest.mark.parametrize("name", EVIL_NAMES)
def test_no_name_of_a_host_leads_out_of_the_folder(ledger: Ledger, name: str) -> None:
    path = ledger.add_report(name, report(), NOW)
    assert path.parent == ledger.path_of("ada").parent
    assert len(path.name) <= 120
    assert path.name not in (".json", "..json")
    if "\ud800" not in name:
        assert ledger.read(name)["host"] == name
        assert ledger.hosts() == [name]


def test_no_two_hosts_share_a_file_even_where_case_does_not_count() -> None:
    names = [*EVIL_NAMES, "mac1", "MAC1", "a_b", "a.b", "A.b"]
    assert len({file_name(name).lower() for name in names}) == len(set(names))
    assert file_name("mac-ada.example.com") == "mac-ada.example.com"


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "null", '{"schema": 99, "host": "ada"}', '{"schema": 1}', "[" * 9999]
)
def test_a_damaged_entry_is_begun_anew(ledger: Ledger, content: str) -> None:
    path = ledger.path_of("ada")
    path.parent.mkdir(parents=True)
    path.write_text(content)
    assert ledger.read("ada") == {}
    ledger.hosts()
    ledger.add_report("ada", report(), NOW)
    assert_entry_is_valid(ledger.read("ada"))


def test_secrets_are_not_kept(ledger: Ledger) -> None:
    said = "https://ada:hunter2@pypi.example/simple refused tops3cret"
    told = report(environment(text=said, problem={"cause": said, "evidence": "", "remedy": ""}), text=[said])
    path = ledger.add_report("ada", told, NOW, ["tops3cret", ""])
    ledger.add_attempt("ada", "failed", said, NOW, ["tops3cret"])
    kept = path.read_text()
    assert "https://***@pypi.example/simple refused ***" in kept
    assert "hunter2" not in kept
    assert "tops3cret" not in kept


def test_what_is_not_of_a_report_is_not_kept(ledger: Ledger) -> None:
    ledger.add_report("ada", {**report(), "invocation": {"password": "x"}, "doctor": ["..."], "diff": {}}, NOW)
    assert ledger.read("ada")["report"].keys() == report().keys()


def test_a_report_without_end_is_refused(ledger: Ledger) -> None:
    ledger.add_report("ada", report(), NOW)
    with pytest.raises(MetalfleetError, match="was not kept"):
        ledger.add_report("ada", report(text=["x" * LARGEST]), NOW + 60)
    assert ledger.read("ada")["seen"] == written(NOW)


def test_data_of_any_depth_is_cut() -> None:
    deep: object = "end"
    for _ in range(900):
        deep = [deep]
    assert "end" not in json.dumps(cleaned(deep))
    assert cleaned({"a": float("inf"), "b": (1, "x")}) == {"a": None, "b": [1, "x"]}


@pytest.mark.parametrize("text", ["", "yesterday", "2026-11-29", None, 5, "9" * 50])
def test_what_is_no_moment_is_none(text: object) -> None:
    assert moment_of(text) is None


@pytest.mark.parametrize("obstacle", ["a file", "read-only"])
def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path, obstacle: str) -> None:
    folder = tmp_path / "reports"
    if obstacle == "a file":
        folder.touch()
    elif os.geteuid() == 0:
        folder = Path("/proc/metalfleet")  # nothing else is closed to root
    else:
        tmp_path.chmod(0o500)
    with pytest.raises(MetalfleetError, match=r"Reports cannot be kept in .*Set tensorflow_reports to"):
        Ledger(folder).add_report("ada", report(), NOW)


TURNS = 40


def work(folder: Path, number: int) -> None:
    ledger = Ledger(folder)
    for turn in range(TURNS):
        name = f"env-{number}-{turn}"
        ledger.add_report("ada", report(environment(name, probe=probe(speed=1.0))), NOW)


def test_two_controllers_at_once_lose_nothing(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=work, args=(tmp_path, number)) for number in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * 4
    kept = Ledger(tmp_path).read("ada")
    assert kept["speed"].keys() == {f"env-{number}-{turn}" for number in range(4) for turn in range(TURNS)}
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", "ada.json"]


def test_the_schema_has_all_that_a_probe_returns() -> None:
    documented = json.loads((DOCS / "ledger.schema.json").read_text())["$defs"]["probe"]["properties"]
    assert documented.keys() == {each.name for each in fields(ProbeResult)} | {"macos"}
    for name, part in (("stages", Stage), ("faults", Fault), ("devices", Device)):
        assert documented[name]["items"]["properties"].keys() == {each.name for each in fields(part)}
    assert documented["diagnosis"]["anyOf"][0]["properties"].keys() == {each.name for each in fields(Diagnosis)}


def test_a_wrong_clock_silences_no_host(ledger: Ledger) -> None:
    ledger.add_report("ada", report(), NOW + 10 * 365 * 86400)
    ledger.add_report("ada", {**report(), "ok": False}, NOW)
    assert ledger.read("ada")["report"]["ok"] is False


@pytest.mark.parametrize("number", [10**5000, float("nan"), float("inf")], ids=["long", "none", "infinite"])
def test_a_number_that_no_other_program_reads_is_left_out(ledger: Ledger, number: float) -> None:
    ledger.add_report("ada", {**report(), "todo": number}, NOW)
    assert ledger.read("ada")["report"]["todo"] is None
