# SPDX-License-Identifier: GPL-3.0-or-later
"""The role on a simulated Mac: what it asks of the Mac, in which order, and that it dares nothing on a fresh one.

Not shown, since it is not simulated: that the Dock hides itself. `defaults` only gives the answers of mac.yml: what was
written is not read back, so a second run writes it again. No formula other than Python's can be installed.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..fleet import Mac, temporary_fleet  # noqa: TID252 - the package may have any name

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def mac() -> Iterator[Mac]:
    with temporary_fleet("workstation") as fleet:
        yield fleet.up({"mini": str(HERE / "mac.yml")})["mini"]


def run_role(mac: Mac, folder: Path) -> str:
    """What the playbook says."""
    inventory = mac.fleet.inventory()
    formulae = [f"python@{mac.fleet.store.python.minor}"]  # the test bed has that of one Python
    variables = {"ansible_python_interpreter": "/usr/local/bin/python3", "workstation_formulae": formulae}
    inventory["macs"]["hosts"] = inventory["_meta"]["hostvars"]
    inventory["macs"]["vars"] |= variables
    file = folder / "inventory.json"
    file.write_text(json.dumps({"macs": inventory["macs"]}))
    playbook = str(Path(sys.executable).with_name("ansible-playbook"))
    command = [playbook, "-i", str(file), str(HERE / "workstation.yml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def calls(mac: Mac, program: str) -> list[str]:
    """The calls of a Mac's program."""
    return [" ".join(call["argv"][1:]) for call in mac.calls() if Path(call["argv"][0]).name == program]


def test_it_sets_what_it_should_and_installs_what_is_missing_once(mac: Mac, tmp_path: Path) -> None:
    first, second = run_role(mac, tmp_path), run_role(mac, tmp_path)

    assert "changed=2" in first
    assert "changed=1" in second  # the Dock's setting, see above
    python = f"python@{mac.fleet.store.python.minor}"
    assert calls(mac, "brew") == ["list --versions", f"install --quiet {python}", "list --versions"]
    assert mac.run(f"/opt/homebrew/opt/{python}/bin/python3 -c 'import sys; print(sys.platform)'").stdout == "darwin\n"
    dock = "com.apple.dock autohide"
    assert calls(mac, "defaults") == [f"read {dock}", f"write {dock} -bool true"] * 2
    assert mac.shim_calls() == []
