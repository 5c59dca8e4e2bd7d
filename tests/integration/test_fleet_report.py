# SPDX-License-Identifier: GPL-3.0-or-later
"""The ledger and what is told of it, of a fleet in which one Mac is damaged, one sleeps and one was never there."""

from __future__ import annotations

import json
import os
from pathlib import Path

from tests.ansible_runner import playbook
from tests.integration.conftest import NewMac
from tests.integration.environments import PLACES
from tests.integration.fleets import AUDIT, NOT_THERE, REPORT, Site, told
from tests.integration.hosts import SETUP, on_fleet, said
from tests.reports import assert_entry_is_valid, assert_fleet_is_valid


def test_a_fleet_is_told_of_and_remembered(site: Site, mac: NewMac, small_template: str) -> None:
    whole, grace = (mac(f"m1-fresh@{small_template}", name) for name in ("whole", "grace"))

    result = site.run(AUDIT)
    assert told(result)[-1] == "3 Macs: 2 ok, 1 never seen"
    assert result.stdout.count(": tf: as declared.") == 2
    assert (site.entry(NOT_THERE)["report"], site.entry(NOT_THERE)["attempt"]["outcome"]) == (None, "unreachable")
    entry = site.entry("grace")
    assert_entry_is_valid(entry)
    assert (entry["attempt"]["outcome"], entry["report"]["ok"], entry["repair"]) == ("answered", True, None)
    assert entry["report"]["apple_silicon"]["chip"]["name"] == "Apple M1"

    said(grace, f"{PLACES}; rm $packages/alpha/part7.py")
    first, second, last = told(site.run(AUDIT))
    assert first.startswith("grace: drifted: tf: has drifted (file-missing: ")
    assert second.startswith(f"{NOT_THERE}: never seen: ")
    assert last == "3 Macs: 1 ok, 1 drifted, 1 never seen"

    # What check mode foresees is no observation; what was found is.
    assert told(site.run(SETUP, "--check"))[-1] == last
    assert site.entry("grace")["report"]["reasons"] == ["file-missing"]

    assert told(site.run(SETUP))[-1] == "3 Macs: 1 ok, 1 repaired, 1 never seen"
    entry = site.entry("grace")
    assert_entry_is_valid(entry)
    assert entry["repair"] == {"time": entry["seen"], "reasons": ["file-missing"]}
    assert told(site.run(SETUP))[-1] == "3 Macs: 2 ok, 1 never seen"

    site.hosts["grace"] = {"ansible_host": grace.address, "ansible_port": grace.port}
    grace.stop()
    said_of_grace = next(line for line in told(site.run(AUDIT)) if line.startswith("grace: "))
    assert said_of_grace.startswith("grace: not seen for less than a minute: ")
    entry = site.entry("grace")
    assert_entry_is_valid(entry)
    assert (entry["attempt"]["outcome"], entry["report"]["ok"]) == ("unreachable", True)

    whole.stop()
    formats = ["html", "csv", "json", "junit", "jamf", "munki", "prometheus", "osquery"]
    site.hosts["whole"] = {"ansible_host": whole.address, "ansible_port": whole.port}
    site.variables["tensorflow_report_formats"] = formats
    foreseen = site.run(REPORT, "--check")
    assert (foreseen.rc, (site.folder / "report").exists()) == (0, False)
    assert f"The report would be written to {site.folder}/report: fleet.html," in foreseen.words
    result = site.run(REPORT)
    assert result.rc == 0, result.output
    named = "fleet.html, fleet.csv, fleet.json, fleet-junit.xml, jamf, munki, metalfleet.prom, metalfleet.sqlite"
    assert f"The report is in {site.folder}/report: {named}." in result.words
    assert [sum(counts["changed"] for counts in run.recap.values()) for run in (result, site.run(REPORT))] == [1, 0]
    assert sum(counts["unreachable"] for counts in result.recap.values()) == 0
    fleet_told = json.loads((site.folder / "report/fleet.json").read_text())
    assert_fleet_is_valid(fleet_told)
    states = {host["name"]: host["state"] for host in fleet_told["hosts"]}
    assert states == {"whole": "ok", "grace": "not seen", NOT_THERE: "not seen"}
    written = {str(path.relative_to(site.folder / "report")) for path in (site.folder / "report").rglob("*.*")}
    assert written == {
        *("fleet.html", "fleet.csv", "fleet.json", "fleet-junit.xml", "metalfleet.prom", "metalfleet.sqlite"),
        *(f"jamf/{host}.txt" for host in states),
        *(f"munki/{host}.plist" for host in states),
    }


def test_a_ledger_that_cannot_be_written_is_a_warning(site: Site, mac: NewMac, small_template: str) -> None:
    host = mac(f"m1-fresh@{small_template}", "whole")
    (site.folder / "reports").touch()
    result = on_fleet(site.fleet, AUDIT, "--limit", host.name, warns="Reports cannot be kept in", **site.variables)
    assert result.output.count("Set tensorflow_reports to a folder on the controller") == 1
    assert told(result) == ["1 Mac: 1 ok"]

    (site.folder / "reports").unlink()
    (site.folder / "reports").mkdir()
    os.mkfifo(site.folder / "reports/whole.json")
    result = on_fleet(site.fleet, AUDIT, "--limit", host.name, warns="What the ledger knew of", **site.variables)
    assert result.output.count("It was moved to") == 1
    assert told(result) == ["1 Mac: 1 ok"]
    assert site.entry("whole")["attempt"]["outcome"] == "answered"
    assert (site.folder / "reports/set-aside/1-whole.json").is_fifo()


def test_what_is_refused_is_kept_next_to_the_inventory_without_secrets(tmp_path: Path) -> None:
    (tmp_path / "hosts.json").write_text(
        json.dumps(
            {
                "tensorflow": {
                    "hosts": {"localhost": {"ansible_connection": "local"}},
                    "vars": {
                        "tensorflow_environments": [{"name": "tf", "lock": "of-hunter2.txt"}],
                        "tensorflow_username": "ada",
                        "tensorflow_password": "hunter2",
                    },
                }
            }
        )
    )
    result = playbook("-i", tmp_path / "hosts.json", AUDIT, check=False)
    assert told(result)[-1] == "1 host: 1 failed"
    kept = (tmp_path / "metalfleet/reports/localhost.json").read_text()
    assert_entry_is_valid(json.loads(kept))
    assert "The file of-***.txt, which lock names, is not there" in kept
    assert "hunter2" not in kept
