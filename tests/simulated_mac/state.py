# SPDX-License-Identifier: GPL-3.0-or-later
"""What is kept about a host between commands, and the inventory made of it. Standard library only, for hosts.py."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

TOP = Path(__file__).parents[len(__name__.split(".")) - 1]  # the folder from which this package is imported


def default_home() -> Path:
    """$SIMULATED_MAC_HOME, or .cache/simulated_mac of the folder from which this package is imported."""
    return Path(os.environ.get("SIMULATED_MAC_HOME") or TOP / ".cache/simulated_mac").absolute()


@dataclass
class State:
    """A host that was made. ``pid`` and ``started`` name its process while it is up, ``started`` in clock ticks."""

    profile: str
    user: str
    templates: list[str] = field(default_factory=list)  # the uppermost first
    address: str = ""
    port: int = 0
    pid: int = 0
    started: int = 0

    @classmethod
    def read(cls, host: Path) -> State:
        """The state of the host in this folder."""
        return cls(**json.loads((host / "state.json").read_text()))

    def write(self, host: Path) -> None:
        """Keep the state, in one step."""
        new = host / "state.json.new"
        new.write_text(json.dumps(asdict(self), indent=1))
        new.rename(host / "state.json")

    @property
    def is_up(self) -> bool:
        """Whether its process still is the one that was started."""
        return self.pid > 0 and start_time(self.pid) == self.started


def start_time(pid: int) -> int:
    """When a process started, in clock ticks since boot; 0 if there is none, or only its remains. See proc(5)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return 0 if fields[0] == "Z" else int(fields[19])


def ssh_options(key: Path) -> list[str]:
    """Options that keep simulated Macs out of the user's known hosts and ssh configuration."""
    settings = ("IdentitiesOnly=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR")
    return ["-F", "none", "-i", str(key), *(f"-o{setting}" for setting in settings)]


def inventory(home: Path, fleet: str) -> dict[str, Any]:
    """A dynamic inventory of the hosts of a fleet that are up, in the form that Ansible asks scripts for."""
    hosts = {}
    for path in sorted((home / "fleets" / fleet / "hosts").glob("*/state.json")):
        state = State.read(path.parent)
        if state.is_up:
            hosts[path.parent.name] = {
                "ansible_host": state.address,
                "ansible_port": state.port,
                "ansible_user": state.user,
            }
    options = [option for option in ssh_options(home / "id_ed25519") if option.startswith("-o")]
    shared = {
        "ansible_ssh_private_key_file": str(home / "id_ed25519"),
        "ansible_ssh_common_args": " ".join(["-F none", *options]),
    }
    return {"_meta": {"hostvars": hosts}, "macs": {"hosts": list(hosts), "vars": shared}}


def archives(home: Path) -> dict[str, Any]:
    """The standalone Pythons in the mirror ``archives/``, by version; none before the first host was made."""
    index = home / "archives/index.json"
    listed: dict[str, Any] = json.loads(index.read_text()) if index.exists() else {}
    return listed
