# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a fleet's report, and that nothing a host says is more than text in them."""

from __future__ import annotations

import csv
import io
import json
import plistlib
import re
import sqlite3
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._options import REPORT_FORMATS
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._fleet.hosts import Host, host_of, worst_first
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._fleet.ledger import with_attempt
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._fleet.render import FORMATS, Files, render
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._fleet.summary import lines

from tests.reports import (
    BROKEN,
    DRIFTED,
    NOW,
    REPAIRED,
    asleep,
    assert_fleet_is_valid,
    entry_of,
    environment,
    hostile_values,
    probe,
    report,
    some_fleet,
    with_everything_hostile,
)

SAMPLE = re.compile(r'metalfleet_\w+\{((?:\w+="(?:[^"\\\n]|\\.)*",?)*)\} -?[\d.e+]+')
CASE = {
    "ada": entry_of(report()),
    "bob": entry_of(DRIFTED),
    "cyd": entry_of(BROKEN),
    "dan": asleep(report(), 9),
    "eve": {},
    "fay": entry_of(REPAIRED),
    "gil": entry_of(report(ok=False, environments=[], text=["The managed Python is missing."])),
}


def fleet(entries: dict[str, dict[str, Any]]) -> list[Host]:
    return worst_first([host_of(name, entry) for name, entry in entries.items()])


def rendered(entries: dict[str, dict[str, Any]]) -> Files:
    return render(fleet(entries), REPORT_FORMATS, NOW)


@pytest.fixture(scope="module")
def files() -> Files:
    return rendered(CASE)


def test_every_format_that_can_be_asked_for_is_there() -> None:
    assert list(FORMATS) == REPORT_FORMATS
    assert render(fleet(CASE), ["csv"], NOW).keys() == {"fleet.csv"}


def test_json_is_as_documented(files: Files) -> None:
    told = json.loads(files["fleet.json"])
    assert_fleet_is_valid(told)
    assert [host["name"] for host in told["hosts"]] == ["cyd", "bob", "gil", "eve", "dan", "fay", "ada"]
    assert told["counts"] == {
        "failed": 1, "drifted": 2, "not seen": 2, "set up": 0, "repaired": 1, "changed": 0, "ok": 1,
    }  # fmt: skip


def test_csv_has_a_row_for_each_environment(files: Files) -> None:
    rows = {row["host"]: row for row in csv.DictReader(io.StringIO(files["fleet.csv"].decode()))}
    assert rows.keys() == CASE.keys()
    assert (rows["bob"]["state"], rows["bob"]["reasons"], rows["bob"]["seen"]) == (
        *("drifted", "file-damaged", "2026-11-29T22:29:20Z"),
    )
    assert rows["ada"]["tensorflow"] == "2.18.1"
    assert rows["gil"]["text"] == "The managed Python is missing."


def test_csv_of_no_host_is_empty() -> None:
    assert render([], ["csv"], NOW)["fleet.csv"].strip() == b""


def test_junit_fails_what_is_not_ok_and_skips_what_was_not_seen(files: Files) -> None:
    root = ET.fromstring(files["fleet-junit.xml"])
    counts = {
        suite.get("name"): tuple(suite.get(count) for count in ("tests", "failures", "skipped")) for suite in root
    }
    assert counts == {
        "ada": ("2", "0", "0"),
        "fay": ("2", "0", "0"),
        "bob": ("2", "1", "0"),
        "cyd": ("2", "1", "0"),
        "gil": ("1", "1", "0"),
        "dan": ("1", "0", "1"),
        "eve": ("1", "0", "1"),
    }
    # The xUnit plug-in of Jenkins holds files to its junit-10.xsd.
    assert {suite.get("errors") for suite in root} == {"0"}
    [failure] = root.findall("testsuite[@name='cyd']/testcase/failure")
    assert (failure.get("message"), failure.text) == ("gpu-missing", "tensorflow: gpu-missing. The GPU is gone.")


def test_why_the_last_run_failed_is_said_although_an_older_report_is_there(tmp_path: Path) -> None:
    """Of a host that was drifted, and one that was in order."""
    why = "The declaration is not valid."
    entries = {name: with_attempt(entry_of(told), "failed", why, NOW) for name, told in OLDER.items()}
    entries["new"] = with_attempt({}, "failed", why, NOW)
    found = rendered(entries)
    rows = list(csv.DictReader(io.StringIO(found["fleet.csv"].decode())))
    assert [(row["state"], row["text"]) for row in rows] == [("failed", why)] * 3
    cases = ET.fromstring(found["fleet-junit.xml"]).findall("testsuite/testcase[@name='host']/failure")
    assert [case.text for case in cases] == [why] * 3
    (tmp_path / "status.sqlite").write_bytes(found["metalfleet.sqlite"])
    connection = sqlite3.connect(tmp_path / "status.sqlite")
    assert connection.execute("SELECT DISTINCT state, text FROM metalfleet_tensorflow").fetchall() == [("failed", why)]
    connection.close()


OLDER = {"bob": DRIFTED, "ada": report()}


def test_prometheus_reads_metrics(files: Files) -> None:
    text = files["metalfleet.prom"].decode()
    assert 'metalfleet_host_ok{host="ada"} 1\n' in text
    assert 'metalfleet_host_ok{host="dan"} 0\n' in text
    assert 'metalfleet_host_state{host="dan",state="not seen"} 1\n' in text
    assert 'metalfleet_environment_drift{host="bob",environment="tensorflow",reason="file-damaged"} 1\n' in text
    assert 'metalfleet_host_seen_timestamp_seconds{host="eve"}' not in text


def test_a_page_allows_itself_nothing_but_its_own_style_and_script(files: Files) -> None:
    page = files["fleet.html"].decode()
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy
    assert policy[1].count("&#39;sha256-") == 2
    assert policy[1].startswith("default-src &#39;none&#39;;")
    assert "unsafe" not in policy[1]
    assert re.findall(r'(?:src|href|action)="(?!#)', page) == []
    assert " style=" not in page


# --- A host is not to be trusted -------------------------------------------------------------------------------------


class Tags(HTMLParser):
    """The elements of a page with their attributes, without those of SVG."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, frozenset[str]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, frozenset(name for name, _ in attrs)))


FULL = entry_of(
    report(
        environment(
            ok=False, probe=probe("gpu-missing", speed=900.0), problem={"cause": "c", "evidence": "e", "remedy": "r"}
        ),
        environment("second", "file-damaged", ok=False),
    )
)


@pytest.fixture(scope="module")
def harmless() -> set[tuple[str, frozenset[str]]]:
    """What elements a page has where nobody means harm."""
    entries = {**CASE, "full": FULL, **some_fleet(200)}
    return set(Tags(rendered(entries)["fleet.html"].decode()).found)


@pytest.mark.parametrize("evil", hostile_values(), ids=lambda evil: repr(evil)[:20].encode("ascii", "replace").decode())
def test_whatever_a_host_says_is_text(evil: Any, harmless: set[tuple[str, frozenset[str]]], tmp_path: Path) -> None:
    entries = {f"host-{number}": each for number, each in enumerate(with_everything_hostile(FULL, evil))}
    if isinstance(evil, str):
        entries[evil] = FULL
    found = rendered(entries)

    page = found["fleet.html"].decode()
    assert set(Tags(page).found) <= harmless
    assert page.count("<script") == 1
    told = json.loads(found["fleet.json"], parse_constant=pytest.fail)
    assert_fleet_is_valid(told)
    for row in csv.reader(io.StringIO(found["fleet.csv"].decode())):
        assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in row)
    for row in csv.reader(io.StringIO(found["fleet.csv"].decode()), delimiter=";", quoting=csv.QUOTE_NONE):
        assert not any(re.match(r'["\s]*[=+@-]', cell) for cell in row)
    ET.fromstring(found["fleet-junit.xml"])
    samples = [line for line in found["metalfleet.prom"].decode().splitlines() if not line.startswith("#")]
    assert [line for line in samples if not SAMPLE.fullmatch(line)] == []
    assert len({line.rpartition("}")[0] for line in samples}) == len(samples)
    (tmp_path / "status.sqlite").write_bytes(found["metalfleet.sqlite"])
    connection = sqlite3.connect(tmp_path / "status.sqlite")
    assert {host for (host,) in connection.execute("SELECT host FROM metalfleet_tensorflow")} == {
        host["name"] for host in told["hosts"]
    }
    connection.close()
    for path, content in found.items():
        assert ".." not in path
        if path.startswith("munki/"):
            plistlib.loads(content)
        if path.startswith("jamf/"):
            assert ET.fromstring(content).tag == "result"
    assert all(line.isprintable() for line in lines(fleet(entries), NOW))
