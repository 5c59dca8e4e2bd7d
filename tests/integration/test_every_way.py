# SPDX-License-Identifier: GPL-3.0-or-later
"""Every way to have TensorFlow, from one inventory: wheels, conda packages and LiteRT, on Macs and on Linux."""

from __future__ import annotations

import platform
import sys
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._conda.lock import SUBDIRS

from tests import metal
from tests.ansible_runner import CHECKOUT, playbook
from tests.conda import of_mac, of_prefix, tool
from tests.integration.conftest import served
from tests.integration.hosts import HOME, INVENTORY, LINKS, SETUP, listing, said
from tests.simulated_mac import pythons

if TYPE_CHECKING:
    from pathlib import Path

    from tests.ansible_runner import Result
    from tests.integration.conftest import NewMac
    from tests.simulated_mac.fleet import Fleet

pytestmark = [
    pytest.mark.slow("installs TensorFlow four times"),
    pytest.mark.skipif(sys.platform != "linux", reason="one of the hosts is this machine, and a Linux one"),
]

LOCK = CHECKOUT / "playbooks/lock.yml"
IN_ORDER = {
    "mac-train": {"tensorflow": "gpu-ok, TensorFlow", "lab": "gpu-ok, TensorFlow"},
    "mac-edge": {"edge": "cpu-ok, LiteRT"},
    "localhost": {"tensorflow": "cpu-ok, TensorFlow", "lab": "cpu-ok, TensorFlow", "edge": "cpu-ok, LiteRT"},
}
"""What is said of each environment of each host."""


class Site:
    """A user's folder: the inventory with its variables, and what the collection puts beside it."""

    def __init__(self, folder: Path, fleet: Fleet) -> None:
        self.folder, self._fleet = folder, fleet

    def declare(self, channel: str, python: str) -> None:
        """Write the inventory."""
        lab = {
            "name": "lab",
            "kind": "conda",
            "python": python,
            "conda": {"packages": ["tool"], "channels": [channel]},
            "tensorflow": "2.18.1",
        }
        tensorflow, edge = {"name": "tensorflow"}, {"name": "edge", "framework": "litert"}
        places = {name: str(self.folder / name) for name in ("root", "links")}
        beside = {f"tensorflow_{name}": str(self.folder / "metalfleet" / name) for name in ("locks", "reports")}
        files: dict[str, dict[str, Any]] = {
            "hosts.yml": {
                "tensorflow": {
                    "hosts": {"localhost": {"ansible_connection": "local"}},
                    "children": {"edges": {"hosts": {"mac-edge": None}}},
                }
            },
            "group_vars/tensorflow.yml": {"tensorflow_environments": [tensorflow, lab], **beside},
            "group_vars/edges.yml": {"tensorflow_environments": [edge]},
            "host_vars/localhost.yml": {
                "tensorflow_environments": [tensorflow, lab, edge],
                **{f"tensorflow_{name}": place for name, place in places.items()},
            },
        }
        for name, content in files.items():
            path = self.folder / "inventory" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(yaml.safe_dump(content))

    def run(self, name: Path, *arguments: str) -> Result:
        """Run a playbook for all hosts."""
        simulated = {"SIMULATED_MAC_FLEET": self._fleet.name, "SIMULATED_MAC_HOME": str(self._fleet.store.home)}
        return playbook("-i", INVENTORY, "-i", self.folder / "inventory", name, *arguments, env=simulated)

    def changed(self, name: Path, *arguments: str) -> dict[str, int]:
        """The number of changed tasks by host."""
        return {host: counts["changed"] for host, counts in self.run(name, *arguments).recap.items()}


def test_all_hosts_are_as_declared_after_one_run_and_the_next_changes_nothing(
    fleet: Fleet, mac: NewMac, tmp_path: Path
) -> None:
    train, edge = mac("m1-fresh", "mac-train"), mac("m5-fresh", "mac-edge")
    metal.use(train, "ok")
    python, subdir = pythons.find(), SUBDIRS[f"linux-{platform.machine()}"]
    channel = of_mac(next(fleet.store.archives.glob("*/*.tar.gz")), tmp_path / "conda")
    pythons.lay_out(python, tmp_path / "python")
    channel.add(of_prefix(tmp_path / "python", python.version, subdir))
    channel.add(tool(subdir))
    site, nothing = Site(tmp_path / "site", fleet), dict.fromkeys(IN_ORDER, 0)

    with served(channel.folder) as url:
        site.declare(url, python.minor)
        before = [listing(each, HOME) for each in (train, edge)]
        foreseen = site.changed(SETUP, "--check")
        assert [listing(each, HOME) for each in (train, edge)] == before
        assert {path.name for path in site.folder.glob("*/*")} == {"group_vars", "host_vars", "hosts.yml", "reports"}
        assert foreseen == site.changed(SETUP) == dict.fromkeys(IN_ORDER, 2)
        again = site.run(SETUP)
        assert {host: counts["changed"] for host, counts in again.recap.items()} == nothing
        assert site.changed(SETUP, "--check") == nothing

    output = again.words
    for words in {f"{name}: {verdict}" for each in IN_ORDER.values() for name, verdict in each.items()}:
        assert words in output
    locks = sorted(path.name for path in (site.folder / "metalfleet/locks").iterdir())
    assert locks == [f"lab-{target}-py{python.minor}.txt" for target in (f"linux-{platform.machine()}", "macos-arm64")]
    assert site.changed(LOCK) == nothing, "the channel is gone, and there is a lock for each platform"
    assert len([*(site.folder / "metalfleet/locks").iterdir()]) == len(locks)

    said(train, f"rm {LINKS}/lab/bin/tool; echo >> {LINKS}/tensorflow/lib/python3.*/site-packages/six.py")
    said(edge, f"rm -r {LINKS}/edge/lib/python3.*/site-packages/ai_edge_litert")
    (site.folder / "links/lab/bin/tool").unlink()
    (site.folder / "links/tensorflow").unlink()
    assert site.changed(SETUP) == dict.fromkeys(IN_ORDER, 1)
    assert site.changed(SETUP, "--check") == nothing
    assert said(train, f"{LINKS}/lab/bin/tool") == "tool\n"
    assert [each.shim_calls() for each in (train, edge)] == [[], []]
