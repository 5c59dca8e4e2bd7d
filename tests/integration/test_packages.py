# SPDX-License-Identifier: GPL-3.0-or-later
"""Environments of which the packages are declared: their locks are made on the controller, and used from then on."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.ansible_runner import CHECKOUT, playbook
from tests.index import Index
from tests.integration.hosts import (
    HOME,
    LINKS,
    ROOT,
    SETUP,
    FourRuns,
    four_runs,
    installed,
    listing,
    on,
    said,
)
from tests.wheels import lock_of, make_source, make_wheel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.ansible_runner import Result
    from tests.integration.conftest import NewMac
    from tests.simulated_mac.fleet import Mac

LAB = f"{LINKS}/lab"


@dataclass
class Company:
    """An index with TensorFlow and the plug-in in name, and a folder for locks."""

    index: Index
    wheels: Path
    locks: Path

    def set_up(self, mac: Mac, *arguments: str, check: bool = True, **environment: Any) -> Result:
        """Run setup.yml with one environment declared."""
        declared = [{"name": "lab", "gpu_check": "none", **environment}]
        return on(
            mac,
            SETUP,
            *arguments,
            check=check,
            tensorflow_environments=declared,
            tensorflow_index_url=self.index.url,
            tensorflow_locks=str(self.locks),
        )


@pytest.fixture
def company(tmp_path: Path) -> Iterator[Company]:
    wheels = tmp_path / "wheels"
    for minor in ("310", "311", "312"):
        for version in ("2.18.1", "2.17.1", "2.20.0"):
            make_wheel(wheels, "tensorflow", version, tag=f"cp{minor}-cp{minor}-macosx_12_0_arm64")
        make_wheel(wheels, "tensorflow_metal", "1.2.0", tag=f"cp{minor}-cp{minor}-macosx_12_0_arm64", files={})
    for version in ("1.0", "2.0"):
        make_wheel(wheels, "alpha", version, requires="beta")
    make_wheel(wheels, "beta")
    make_source(wheels, "promised")
    make_wheel(wheels, "picky", requires="tensorflow>=3")
    with Index(wheels, digests=True) as index:
        yield Company(index, wheels, tmp_path / "metalfleet/locks")


@pytest.fixture
def ready(mac: NewMac, managed_python_template: str) -> Mac:
    """A Mac with the managed Python, which has compiled what it needs for an answer."""
    host = mac(f"m1-fresh@{managed_python_template}")
    said(host, f"{ROOT}/bin/python3 -I -S -c 'import ctypes'")
    return host


def platform(mac: Mac) -> str:
    return f"macos-arm64-py{mac.fleet.store.python.minor}"


def holds(mac: Mac) -> set[str]:
    inside = installed(mac, LAB)
    assert (inside["wrong"], inside["foreign"], inside["linked_elsewhere"]) == ([], [], [])
    return set(inside["packages"])


def test_four_runs_from_a_name_to_an_environment_and_to_another_declaration(ready: Mac, company: Company) -> None:
    lock = company.locks / f"lab-{platform(ready)}.txt"
    seen: list[bool] = []
    declared: dict[str, Any] = {"packages": ["alpha==1.0", "promised"], "build": ["promised"]}

    def run(*arguments: str) -> dict[str, Result]:
        seen.append(lock.exists())
        return {"it": company.set_up(ready, *arguments, "--diff", **declared)}

    runs: FourRuns[Result] = four_runs({"it": ready}, run)["it"]
    runs.assert_checks_changed_nothing()
    assert [each.recap[ready.name]["changed"] for each in runs.said] == [1, 1, 0, 0]
    assert seen == [False, False, True, True]  # check mode has written nothing
    foreseen, done = runs.said[0].words, runs.said[1].words
    assert f"{lock} would be made, with 5 packages" in foreseen
    assert "+alpha==1.0" in foreseen
    assert f"{lock} was made, with 5 packages. Commit it." in done
    packages = {"alpha-1.0", "beta-1.0", "promised-1.0", "tensorflow-2.18.1", "tensorflow_metal-1.2.0"}
    assert holds(ready) == packages
    pinned = re.findall(r"^(\S+)==(\S+)", lock.read_text(), re.MULTILINE)
    assert {f"{name.replace('-', '_')}-{version}" for name, version in pinned} == packages

    before = lock.read_text()
    changed = company.set_up(ready, packages=["alpha>1", "beta"])
    assert "alpha 1.0 -> 2.0" in changed.words
    assert "alpha-2.0" in holds(ready)
    asked = len(company.index.requests)
    assert company.set_up(ready, packages=["alpha>1", "beta"]).recap[ready.name]["changed"] == 0
    assert len(company.index.requests) == asked
    made = lock.read_text()
    lock.unlink()  # as in a clone of a folder where nobody has committed it
    kept = company.set_up(ready, packages=["alpha>1", "beta"])
    assert kept.recap[ready.name]["changed"] == 1
    assert f"{lock} was made, with 4 packages. Commit it." in kept.words
    assert lock.read_text() == made
    lock.write_text(before)  # as somebody's merge may do
    again = company.set_up(ready, **declared)
    assert again.recap[ready.name]["changed"] == 1
    assert "alpha-1.0" in holds(ready)


def test_what_cannot_be_had_is_said_before_the_host_is_touched(mac: NewMac, company: Company) -> None:
    fresh = mac("m1-fresh")
    before = listing(fresh)
    for declared, said_of_it in (
        ({"packages": ["picky"]}, "conflict with each other, or with TensorFlow"),
        ({"packages": ["nobodys"]}, "No index has nobodys, which is wanted"),
        ({"tensorflow": "2.20.0"}, "the plug-in does not link"),
    ):
        refused = company.set_up(fresh, check=False, **declared)
        assert refused.recap[fresh.name]["failed"] == 1
        assert said_of_it in refused.words
        assert listing(fresh) == before
    foreseen = company.set_up(fresh, "--check", tensorflow="2.20.0", metal="none")
    assert "with 1 package." in foreseen.words
    assert listing(fresh) == before
    assert not company.locks.exists()


def test_locks_are_made_and_upgraded_without_a_host(company: Company, tmp_path: Path) -> None:
    hosts: dict[str, Any] = {"nowhere.invalid": {}, "elsewhere.invalid": {}}
    variables = {
        "tensorflow_environments": [{"name": "lab", "packages": ["alpha<2"]}, {"name": "plain"}],
        "tensorflow_index_url": company.index.url,
        "tensorflow_platforms": ["macos-arm64-py3.12", "macos-arm64-py3.11"],
    }

    def lock(*arguments: str) -> Result:
        inventory = tmp_path / "hosts.json"
        inventory.write_text(json.dumps({"tensorflow": {"hosts": hosts, "vars": variables}}))
        return playbook("-i", inventory, CHECKOUT / "playbooks/lock.yml", *arguments)

    files = [company.locks / f"lab-macos-arm64-py3.{minor}.txt" for minor in (12, 11)]
    assert "would be made, with 4 packages" in lock("--check").words
    assert not company.locks.exists()
    assert "was made, with 4 packages" in lock().words
    assert sorted(company.locks.iterdir()) == sorted(files)
    assert {line["changed"] for line in lock().recap.values()} == {0}

    make_wheel(company.wheels, "beta", "1.1")
    assert {line["changed"] for line in lock().recap.values()} == {0}
    assert "(beta 1.0 -> 1.1)" in lock("-e", "tensorflow_upgrade=all").words
    assert all("beta==1.1" in file.read_text() for file in files)
    variables["tensorflow_environments"] = [{"name": "lab", "packages": ["alpha"]}]
    assert "alpha==1.0" in files[0].read_text()
    assert {line["changed"] for line in lock("-e", "tensorflow_upgrade=beta").recap.values()} == {1}
    assert "alpha==1.0" in files[0].read_text()  # which is not what was to be upgraded


def test_a_pair_that_does_not_link_is_never_fetched(ready: Mac, company: Company, tmp_path: Path) -> None:
    """Resolved without care, as most people do: the newest of both."""
    tag = f"cp{ready.fleet.store.python.minor.replace('.', '')}"
    lock = tmp_path / "mine.txt"
    wheels = [
        make_wheel(company.wheels, name, version, tag=f"{tag}-{tag}-macosx_12_0_arm64", files={})
        for name, version in (("tensorflow", "2.20.0"), ("tensorflow_metal", "1.2.0"))
    ]
    lock.write_text(lock_of(*wheels))
    for arguments in ([], ["--check"]):
        refused = company.set_up(ready, *arguments, check=False, lock=str(lock))
        assert refused.rc != 0
        unusable = "TensorFlow 2.20.0 with tensorflow-metal 1.2.0 cannot be imported: the plug-in does not link"
        assert unusable in refused.words
        assert 'Declare tensorflow: "2.18.1" and metal: "1.2.0"' in refused.words
    assert company.index.downloads == []
    assert said(ready, f"ls -A {ROOT}/environments 2>/dev/null; ls -A {HOME}/.virtualenvs 2>/dev/null; true") == ""
