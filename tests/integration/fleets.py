# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs over several Macs of which not all are there, and what is said of them at the end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.ansible_runner import CHECKOUT
from tests.integration.hosts import HOME, on_fleet

if TYPE_CHECKING:
    from tests.ansible_runner import Result
    from tests.integration.environments import SmallWheels
    from tests.simulated_mac.fleet import Fleet

AUDIT, REPORT = CHECKOUT / "playbooks/audit.yml", CHECKOUT / "playbooks/report.yml"
NOT_THERE = "ada"
"""A host of the inventory on whose port nobody listens."""


def told(result: Result) -> list[str]:
    """What the callback said at the end."""
    _, _, said_at_the_end = result.stdout.partition("\nFLEET ***")
    return said_at_the_end.strip().splitlines()[1:]


class Site:
    """A user's folder with the declaration, and playbooks run for it."""

    def __init__(self, fleet: Fleet, folder: Path, wheels: SmallWheels) -> None:
        self.fleet, self.folder = fleet, folder
        environment = {"name": "tf", "lock": wheels.lock, "gpu_check": "none"}
        self.variables: dict[str, Any] = {
            "tensorflow_environments": [environment],
            "tensorflow_wheels": f"{HOME}/wheels",
            "tensorflow_free_mb": 10,
            "tensorflow_reports": str(folder / "reports"),
            "tensorflow_report_folder": str(folder / "report"),
        }
        self.canaries: list[str] = []
        """The hosts of the group canary."""
        self.hosts: dict[str, Any] = {NOT_THERE: {"ansible_host": "127.0.0.1", "ansible_port": 1}}

    def run(self, name: Path, *arguments: str, **of_this_run: Any) -> Result:
        """Run a playbook for the simulated Macs and the hosts that are not there."""
        inventory = self.folder / "hosts.json"
        groups = {"macs": {"hosts": self.hosts}, "canary": {"hosts": {name: {} for name in self.canaries}}}
        inventory.write_text(json.dumps(groups))
        variables = {**self.variables, **of_this_run}
        return on_fleet(self.fleet, name, "-i", inventory, *arguments, check=False, **variables)

    def entry(self, host: str) -> dict[str, Any]:
        """What the ledger has of a host."""
        return dict(json.loads((self.folder / f"reports/{host}.json").read_text()))
