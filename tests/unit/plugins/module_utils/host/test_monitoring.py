# SPDX-License-Identifier: GPL-3.0-or-later
"""A report as the programs read it that manage and watch Macs, made on the Mac itself."""

from __future__ import annotations

import plistlib
import sqlite3
from pathlib import Path

import pytest
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._host.monitoring import (
    jamf,
    munki,
    osquery,
    prometheus,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._host.status import status_of

from tests.reports import BROKEN, DRIFTED, NOW, REPAIRED, environment, probe, report


@pytest.mark.parametrize(
    ("told", "said"),
    [
        (report(), "ok"),
        (REPAIRED, "repaired"),
        (DRIFTED, "drifted: tensorflow file-damaged"),
        (BROKEN, "failed: tensorflow gpu-missing"),
        (report(environment("<a&b>", "absent", ok=False)), "drifted: &lt;a&amp;b&gt; absent"),
    ],
)
def test_jamf_shows_the_state_and_why(told: dict[str, object], said: str) -> None:
    assert jamf(status_of("ada", told, NOW)) == f"<result>{said}</result>\n"


def test_munki_gets_conditions() -> None:
    told = report(environment(), environment("lab", "file-damaged", ok=False))
    assert plistlib.loads(munki(status_of("ada", told, NOW)).encode()) == {
        "metalfleet_ok": False,
        "metalfleet_state": "drifted",
        "metalfleet_reasons": ["file-damaged"],
        "metalfleet_environments": ["tensorflow", "lab"],
        "metalfleet_environments_ok": ["tensorflow"],
        "metalfleet_verdicts": ["gpu-ok"],
    }


def test_prometheus_gets_metrics() -> None:
    told = report(environment(probe=probe(speed=2900.5)))
    assert [line for line in prometheus([status_of("ada", told, NOW)]).splitlines() if "#" not in line] == [
        'metalfleet_host_ok{host="ada"} 1',
        'metalfleet_host_state{host="ada",state="ok"} 1',
        'metalfleet_host_seen_timestamp_seconds{host="ada"} 1796000000',
        'metalfleet_environment_ok{host="ada",environment="tensorflow",verdict="gpu-ok"} 1',
        'metalfleet_environment_gpu_gflops{host="ada",environment="tensorflow"} 2900.5',
    ]
    assert prometheus([]) == ""


def test_osquery_gets_a_row_for_each_environment(tmp_path: Path) -> None:
    path = tmp_path / "status.sqlite"
    bare = report(ok=False, environments=[], reasons=["absent"])
    path.write_bytes(osquery([status_of("ada", DRIFTED, NOW), status_of("bob", bare, NOW)]))
    connection = sqlite3.connect(path)
    assert connection.execute(
        "SELECT host, state, environment, ok, reasons, seen FROM metalfleet_tensorflow"
    ).fetchall() == [
        ("ada", "drifted", "tensorflow", 0, "file-damaged", int(NOW)),
        ("bob", "drifted", "", 0, "absent", int(NOW)),
    ]
    connection.close()
