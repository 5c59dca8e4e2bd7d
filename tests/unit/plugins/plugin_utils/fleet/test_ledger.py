# SPDX-License-Identifier: GPL-3.0-or-later
"""What the controller remembers of a host."""

from __future__ import annotations

import errno
import fcntl
import json
import multiprocessing
import os
import signal
import socket
from collections.abc import Callable
from dataclasses import fields
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._moments import written
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe.diagnosis import Diagnosis
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe.run import Device, ProbeResult
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe.verdict import Fault, Stage
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._fleet.ledger import (
    LARGEST,
    Ledger,
    cleaned,
    file_name,
    moment_of,
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
def said() -> list[str]:
    """The warnings."""
    return []


@pytest.fixture
def ledger(tmp_path: Path, said: list[str]) -> Ledger:
    return Ledger(tmp_path / "metalfleet/reports", said.append)


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


def test_what_comes_late_does_not_replace_what_is_newer(ledger: Ledger, said: list[str]) -> None:
    ledger.add_report("ada", report(), NOW)
    ledger.add_report("ada", DRIFTED, NOW - 60)
    ledger.add_attempt("ada", "unreachable", "", NOW - 30)
    entry = ledger.read("ada")
    assert (entry["report"]["ok"], entry["attempt"]["outcome"], said) == (True, "answered", [])
    ledger.add_report("ada", DRIFTED, NOW - 1800)  # no run waits so long for the lock
    assert ledger.read("ada") == entry
    [warning] = said
    assert f"of {written(NOW)}, and here it is {written(NOW - 1800)}. Correct the clock" in warning


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
    "content",
    [
        *(b"", b"{", b"[]", b"null", b"[" * 9999, b"\xff\xfe", b'{"schema": 1}', b'{"schema": 0, "host": "ada"}'),
        *(b'{"schema": 1, "host": "grace"}', b'{"schema": "1", "host": "ada"}', b'{"schema": 1, "host": ["ada"]}'),
        b" " * (LARGEST + 1),
    ],
    ids=lambda content: repr(content[:40]),
)
def test_a_damaged_entry_is_set_aside(ledger: Ledger, said: list[str], content: bytes) -> None:
    path = ledger.path_of("ada")
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    assert (ledger.read("ada"), ledger.hosts()) == ({}, [])
    assert "cannot be used" in said.pop()
    ledger.add_report("ada", report(), NOW)
    assert_entry_is_valid(ledger.read("ada"))
    kept = path.with_name("set-aside") / "1-ada.json"
    assert kept.read_bytes() == content
    [warning] = said
    assert f"What the ledger knew of ada is lost: {path} cannot be used, for it " in warning
    assert f"It was moved to {kept}" in warning


def listen(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


OBSTACLES: dict[str, Callable[[Path], object]] = {
    "FIFO": os.mkfifo,
    "folder": Path.mkdir,
    "endless": lambda path: path.symlink_to("/dev/zero"),
    "socket": listen,
}


@pytest.mark.parametrize("obstacle", OBSTACLES)
def test_what_is_no_file_holds_nobody_up(ledger: Ledger, said: list[str], obstacle: str) -> None:
    path = ledger.path_of("ada")
    path.parent.mkdir(parents=True)
    OBSTACLES[obstacle](path)
    assert (ledger.read("ada"), ledger.hosts()) == ({}, [])
    ledger.add_report("ada", report(), NOW)
    assert ledger.read("ada")["seen"] == written(NOW)
    assert os.path.lexists(path.with_name("set-aside") / "1-ada.json")
    assert "it is not a regular file" in said[-1]


@pytest.mark.parametrize("obstacle", OBSTACLES)
def test_a_lock_that_is_no_file_is_said(ledger: Ledger, obstacle: str) -> None:
    lock = ledger.path_of("ada").with_name(".lock")
    lock.parent.mkdir(parents=True)
    OBSTACLES[obstacle](lock)
    with pytest.raises(MetalfleetError, match=rf"Reports cannot be kept in .*{lock}: "):
        ledger.add_report("ada", report(), NOW)


def test_a_lock_that_leads_elsewhere_changes_nothing_there(ledger: Ledger, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("mine")
    precious.chmod(0o600)
    lock = ledger.path_of("ada").with_name(".lock")
    lock.parent.mkdir(parents=True)
    lock.symlink_to(precious)
    with pytest.raises(MetalfleetError, match="Reports cannot be kept"):
        ledger.add_report("ada", report(), NOW)
    assert (precious.read_text(), precious.stat().st_mode & 0o777) == ("mine", 0o600)


@pytest.mark.parametrize("target", ["nowhere", "ada.json"], ids=["missing", "itself"])
def test_a_link_that_leads_nowhere_is_no_entry(ledger: Ledger, said: list[str], target: str) -> None:
    path = ledger.path_of("ada")
    path.parent.mkdir(parents=True)
    path.symlink_to(target)
    ledger.add_report("ada", report(), NOW)
    assert (ledger.read("ada")["seen"], said) == (written(NOW), [])


def test_an_entry_of_a_newer_release_stays_as_it_is(ledger: Ledger, said: list[str]) -> None:
    path = ledger.path_of("ada")
    path.parent.mkdir(parents=True)
    path.write_text('{"schema": 2, "host": "ada"}')
    assert ledger.read("ada") == {}
    assert "newer release" in said[0]
    with pytest.raises(MetalfleetError, match="newer release"):
        ledger.add_report("ada", report(), NOW)
    assert path.read_text() == '{"schema": 2, "host": "ada"}'


def test_an_entry_that_may_not_be_read_stays_as_it_is(
    ledger: Ledger, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = ledger.add_report("ada", report(), NOW)

    def refuse(*_: object) -> bytes:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(f"{Ledger.__module__}.head_of_file", refuse)  # root may read everything
    with pytest.raises(MetalfleetError, match=r"cannot be read.*Permission denied"):
        ledger.add_report("ada", report(), NOW + 60)
    assert ledger.read("ada") == {}
    assert "Make it readable" in said[0]
    monkeypatch.undo()
    assert ledger.read("ada")["seen"] == written(NOW)
    assert path.exists()


def test_what_is_too_deep_in_an_entry_is_cut(ledger: Ledger) -> None:
    path = ledger.add_report("ada", report(), NOW)
    entry = json.loads(path.read_text())
    path.write_text(json.dumps(entry)[:-1] + ', "more": ' + "[" * 900 + "]" * 900 + "}")
    ledger.add_attempt("ada", "failed", "", NOW + 60)
    assert ledger.read("ada")["attempt"]["outcome"] == "failed"


def hold(path: Path, holds: Event, says: bytes) -> None:
    with path.open("r+b") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.truncate(0)
        lock.write(says)
        lock.flush()
        holds.set()
        signal.pause()


@pytest.mark.parametrize(
    ("says", "holder"), [(b"", "Another program"), (b"process 7 on mac\x1b[2J\xff", "process 7 on mac")]
)
def test_who_holds_the_lock_is_not_waited_for_without_end(tmp_path: Path, says: bytes, holder: str) -> None:
    ledger = Ledger(tmp_path, wait=0.1)
    ledger.add_report("ada", report(), NOW)
    lock = tmp_path / ".lock"
    assert lock.read_bytes() == b""
    context = multiprocessing.get_context("fork")
    holds = context.Event()
    process = context.Process(target=hold, args=(lock, holds, says))
    process.start()
    try:
        holds.wait()
        with pytest.raises(MetalfleetError, match=rf"{holder}.* held the lock .*for 0.1 s.*lsof {lock}") as refused:
            ledger.add_report("ada", report(), NOW + 60)
        assert str(refused.value).isprintable()
        assert ledger.read("ada")["seen"] == written(NOW)
    finally:
        process.kill()
        process.join()
    ledger.add_report("ada", report(), NOW + 60)  # a lock ends with whoever holds it
    assert ledger.read("ada")["seen"] == written(NOW + 60)


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


def test_a_folder_of_several_users_has_a_lock_for_all_of_them(tmp_path: Path) -> None:
    for mode in (0o700, 0o755, 0o2775):
        folder = tmp_path / oct(mode)
        folder.mkdir()
        folder.chmod(mode)
        Ledger(folder).add_report("ada", report(), NOW)
        assert (folder / ".lock").stat().st_mode & 0o777 == mode & 0o666


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


@pytest.mark.parametrize("wrong", [{"time": "2099-01-01T00:00:00Z", "reasons": []}, {"time": "never"}, "damaged", 5])
def test_a_repair_that_nobody_can_have_made_yet_is_none(ledger: Ledger, wrong: object) -> None:
    """Of the agent, on a Mac whose clock is wrong; or in an entry that somebody has edited."""
    path = ledger.add_report("ada", report(), NOW)
    path.write_text(json.dumps({**json.loads(path.read_text()), "repair": wrong}))
    history = [{"time": "2099-01-01T00:00:00Z", "what": "repaired", "environment": "tf", "reasons": ["file-damaged"]}]
    ledger.add_report("ada", {**report(), "agent": {"history": history}}, NOW + 60)
    assert ledger.read("ada")["repair"] is None
    ledger.add_report("ada", REPAIRED, NOW + 120)
    assert ledger.read("ada")["repair"]["time"] == written(NOW + 120)


@pytest.mark.parametrize("number", [10**5000, float("nan"), float("inf")], ids=["long", "none", "infinite"])
def test_a_number_that_no_other_program_reads_is_left_out(ledger: Ledger, number: float) -> None:
    ledger.add_report("ada", {**report(), "todo": number}, NOW)
    assert ledger.read("ada")["report"]["todo"] is None
