# SPDX-License-Identifier: GPL-3.0-or-later
"""ansible-runner, by which AWX runs playbooks: four slices of a fleet at once, each a run of its own, one ledger."""

from __future__ import annotations

import json
import os
import shutil
import sys
import threading
from pathlib import Path
from typing import Any

import ansible_runner  # type: ignore[import-untyped]
import pytest

from tests.ansible_runner import CHECKOUT
from tests.reports import assert_entry_is_valid

PROJECT = CHECKOUT / "examples/awx/project"
SLICES, HOSTS = 4, 3
SHARED = "in-each-slice"


class Slices:
    """A fleet of this machine under many names, divided as AWX divides one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def start(self, playbook: str, number: int) -> tuple[threading.Thread, ansible_runner.Runner]:
        """Run a playbook for one slice; returns the thread that waits for it, and its run."""
        names = [SHARED, *(f"mac-{number}-{each}" for each in range(HOSTS))]
        private = self.folder / f"slice-{number}"
        shutil.copytree(PROJECT, private / "project", dirs_exist_ok=True)
        hosts = {name: {"tensorflow_root": str(self.folder / "roots" / name)} for name in names}
        places = {"tensorflow_reports": "reports", "tensorflow_report_folder": "report"}
        common = {"ansible_connection": "local", **{name: str(self.folder / each) for name, each in places.items()}}
        (private / "inventory").mkdir(exist_ok=True)
        (private / "inventory/hosts.json").write_text(json.dumps({"tensorflow": {"hosts": hosts, "vars": common}}))
        variables = {
            "ANSIBLE_COLLECTIONS_PATH": str(CHECKOUT / ".collections"),
            "ANSIBLE_HOME": str(self.folder / "home"),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        }
        return ansible_runner.run_async(  # type: ignore[no-any-return]
            private_data_dir=str(private), playbook=playbook, quiet=True, envvars=variables
        )

    def run(self, playbook: str, count: int = SLICES) -> list[tuple[int, str]]:
        """Run it for slices at once; the status of each, and what it said."""
        started = [self.start(playbook, number) for number in range(count)]
        for thread, _ in started:
            thread.join()
        return [(run.rc, said_by(run)) for _, run in started]

    def files(self) -> set[str]:
        """All that is in the ledger's folder."""
        return {path.name for path in (self.folder / "reports").iterdir()}

    def entry(self, host: str) -> dict[str, Any]:
        """What the ledger has of a host."""
        return dict(json.loads((self.folder / f"reports/{host}.json").read_text()))


def said_by(run: ansible_runner.Runner) -> str:
    """All that it wrote."""
    with run.stdout as stdout:
        return str(stdout.read())


@pytest.fixture
def slices(tmp_path: Path) -> Slices:
    return Slices(tmp_path)


def test_four_slices_at_once_lose_nothing(slices: Slices) -> None:
    for status, said in slices.run("audit.yml"):
        assert status == 2, said  # nobody has what is declared
        assert "\n4 hosts: 4 drifted" in said
        assert "WARNING" not in said
    everybody = [SHARED, *(f"mac-{number}-{each}" for number in range(SLICES) for each in range(HOSTS))]
    assert slices.files() == {".lock", *(f"{name}.json" for name in everybody)}
    for name in everybody:
        entry = slices.entry(name)
        assert_entry_is_valid(entry)
        assert (entry["attempt"]["outcome"], entry["report"]["reasons"]) == ("answered", ["absent"])
    # Nothing of a run stays in the project, which is a checkout.
    project = slices.folder / "slice-0/project"
    assert {path.relative_to(project) for path in project.rglob("*")} == {
        path.relative_to(PROJECT) for path in PROJECT.rglob("*")
    }

    [(status, said)] = slices.run("report.yml", 1)
    assert status == 0, said
    assert (slices.folder / "report/fleet.html").is_file()
