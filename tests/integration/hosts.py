# SPDX-License-Identifier: GPL-3.0-or-later
"""Playbooks against simulated Macs, and what is on such a host afterwards."""

from __future__ import annotations

import io
import json
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._options import OF_ONE_RUN

from tests.ansible_runner import CHECKOUT, Result, playbook
from tests.simulated_mac import engine
from tests.simulated_mac.store import SIM

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.simulated_mac.fleet import Fleet, Mac

PLAYBOOKS = Path(__file__).with_name("playbooks")
SETUP, FETCH = CHECKOUT / "playbooks/setup.yml", CHECKOUT / "playbooks/fetch.yml"
INVENTORY = CHECKOUT / "inventory/simulated"
HOME = "/Users/admin"
ROOT = f"{HOME}/.local/share/metalfleet"
LINKS = f"{HOME}/.virtualenvs"

T = TypeVar("T")


@dataclass(frozen=True)
class FourRuns(Generic[T]):
    """What check, real, again, and again in check said, and the files of a host before and after each check."""

    said: list[T]
    seen: list[set[str]]

    def assert_checks_changed_nothing(self) -> None:
        """Neither the first, which foresees a repair, nor the last."""
        before_first, after_first, before_last, after_last = self.seen
        assert before_first ^ after_first == set()
        assert before_last ^ after_last == set()


def four_runs(macs: Mapping[str, Mac], run: Callable[..., Mapping[str, T]]) -> dict[str, FourRuns[T]]:
    """Let `run` keep hosts in order: check, real, again, again in check. It returns what was said of each host."""

    def look() -> dict[str, set[str]]:
        return {name: listing(mac, HOME) for name, mac in macs.items()}

    looks, said_in = [look()], [run("--check")]
    looks += [look()]
    said_in += [run(), run()]
    looks += [look()]
    said_in += [run("--check")]
    looks += [look()]
    return {name: FourRuns([said[name] for said in said_in], [seen[name] for seen in looks]) for name in macs}


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
    """Mode, size, time of change, path and target of everything below folders of the host. Compiled Python is none.

    It is looked at from outside: of the tests' processor time a tenth went into logging in for it.
    """
    find = [f"/{SIM}/usr/bin/find", *top.split(), "-xdev", "-name", "__pycache__", "-prune", "-o"]
    return set(engine.enter(mac.pid, [*find, "-printf", "%M %s %T@ %p %l\\n"]).splitlines())


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
