# SPDX-License-Identifier: GPL-3.0-or-later
"""Playbooks against simulated Macs, and what is on such a host afterwards."""

from __future__ import annotations

import io
import json
import tarfile
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._options import OF_ONE_RUN

from tests.ansible_runner import CHECKOUT, Result, playbook

if TYPE_CHECKING:
    from tests.simulated_mac.fleet import Fleet, Mac

PLAYBOOKS = Path(__file__).with_name("playbooks")
SETUP = CHECKOUT / "playbooks/setup.yml"
INVENTORY = CHECKOUT / "inventory/simulated"
HOME = "/Users/admin"
ROOT = f"{HOME}/.local/share/metalfleet"
LINKS = f"{HOME}/.virtualenvs"


def on_fleet(
    fleet: Fleet, name: Path, *arguments: str | Path, check: bool = True, warns: str = "", **variables: Any
) -> Result:
    """Run a playbook against the simulated Macs of a fleet that are up, with variables set as users set them."""
    environment = {
        "SIMULATED_MAC_FLEET": fleet.name,
        "SIMULATED_MAC_HOME": str(fleet.store.home),
        "ANSIBLE_CALLBACK_RESULT_FORMAT": "json",  # long messages stay on one line
    }
    given = {each: variables.pop(each) for each in OF_ONE_RUN if each in variables}
    extra = ["-e", json.dumps(given)] if given else []
    with tempfile.TemporaryDirectory() as folder:
        declared = Path(folder, "declared.json")
        declared.write_text(json.dumps({"macs": {"vars": variables}}))
        return playbook(
            "-i", INVENTORY, "-i", declared, name, *arguments, *extra, check=check, env=environment, warns=warns
        )


def on(mac: Mac, name: Path, *arguments: str | Path, check: bool = True, **variables: Any) -> Result:
    """Run a playbook against one simulated Mac."""
    return on_fleet(mac.fleet, name, "--limit", mac.name, *arguments, check=check, **variables)


def changes(mac: Mac, *arguments: str) -> int:
    """Run setup.yml and return the number of changed tasks."""
    return on(mac, SETUP, *arguments).recap[mac.name]["changed"]


def said(mac: Mac, command: str) -> str:
    """What a shell line that must succeed printed on the host."""
    result = mac.run(command)
    assert result.returncode == 0, f"{command}: {result.stderr}"
    return result.stdout


def listing(mac: Mac, top: str = "/") -> set[str]:
    """Mode, size, time of change, path and target of everything below a folder of the host. Compiled Python is none."""
    command = f"sudo /.simulated_mac/usr/bin/find {top} -xdev -name __pycache__ -prune -o"
    return set(said(mac, f"{command} -printf '%M %s %T@ %p %l\\n'").splitlines())


def installed(mac: Mac, environment: str) -> dict[str, Any]:
    """What an environment of the host holds, see on_host.py."""
    program = Path(__file__).with_name("on_host.py").read_bytes()
    result = mac.run(f"/.simulated_mac/python -ISE - {environment}", input=program)
    assert result.returncode == 0, result.stderr
    return dict(json.loads(result.stdout))


def send(mac: Mac, folder: Path, to: str) -> None:
    """Copy the files of a folder to the host."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        tar.add(folder, ".")
    mac.run(f"mkdir -p {to} && tar --no-same-owner -xf - -C {to}", input=packed.getvalue(), check=True)
