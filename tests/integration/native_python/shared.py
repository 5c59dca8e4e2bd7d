# SPDX-License-Identifier: GPL-3.0-or-later
"""What tests of the role native_python share: how it is run against a simulated Mac, and what must be true then."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.ansible_runner import CHECKOUT, Result
from tests.integration.hosts import INVENTORY, PLAYBOOKS, ROOT, listing, said
from tests.simulated_mac.fleet import Mac

ROLE = PLAYBOOKS / "native_python.yml"
UV = CHECKOUT / "plugins/plugin_utils/_data/uv.txt"
UV_VERSION = re.findall(r"^uv==(\S+)", UV.read_text(), re.MULTILINE)[0]
NOWHERE = "http://127.0.0.1:9"  # port "discard": nothing answers
OFFLINE = {"native_python_index_url": NOWHERE, "native_python_proxy": NOWHERE}
MOST_ROUND_TRIPS = 3
PYTHON_ORG = "/Library/Frameworks/Python.framework/Versions/{0}/bin/python{0}"
SECRET = "only-for-those-who-know"

Run = Callable[..., Result]
"""Run the role against a Mac, with variables as an inventory sets them."""


def command_line(mac: Mac, folder: Path, play: Path, variables: dict[str, Any]) -> tuple[list[str], dict[str, str]]:
    """The arguments and the environment of a run. Variables are those of an inventory, as users set them."""
    file = folder / f"inventory-{hashlib.sha256(json.dumps(variables).encode()).hexdigest()[:8]}.json"
    file.write_text(json.dumps({"all": {"hosts": {mac.name: variables}}}))
    environment = {
        "SIMULATED_MAC_FLEET": mac.fleet.name,
        "SIMULATED_MAC_HOME": str(mac.fleet.store.home),
        "ANSIBLE_CALLBACK_RESULT_FORMAT": "json",  # long messages stay on one line
    }
    return ["-i", str(INVENTORY), "-i", str(file), str(play), "--limit", mac.name], environment


def is_in_order(mac: Mac) -> None:
    """The links lead to a native Python and uv that run, nothing is left over, and no shim was ever executed."""
    who = "import platform, sys; print(sys.platform, platform.machine())"
    assert said(mac, f'{ROOT}/bin/python3 -c "{who}"').split() == ["darwin", "arm64"]
    assert said(mac, f"{ROOT}/bin/uv --version").startswith(f"uv {UV_VERSION}")
    assert said(mac, f"ls -d {ROOT}/*/.new.* 2>/dev/null || true") == ""
    assert mac.shim_calls() == []


def four_runs(run: Run, mac: Mac, **variables: Any) -> Result:
    """Check, real, again, again in check; returns the second."""
    before = listing(mac)
    foreseen = run(mac, "--check", "--diff", **variables)
    assert foreseen.recap, foreseen.output
    assert foreseen.recap[mac.name]["changed"] == 1
    assert f"+    uv: {ROOT}/uv/{UV_VERSION}/bin/uv" in foreseen.stdout or f'"uv": "{ROOT}/uv/' in foreseen.stdout
    assert listing(mac) == before
    done = run(mac, "-vvv", **variables)
    assert done.recap[mac.name]["changed"] == 1
    assert len(re.findall(r"^<\S+> SSH: EXEC", done.stdout, re.MULTILINE)) <= MOST_ROUND_TRIPS
    is_in_order(mac)
    settled = listing(mac, ROOT)
    assert run(mac, **variables).recap[mac.name]["changed"] == 0
    assert run(mac, "--check", **variables).recap[mac.name]["changed"] == 0
    assert listing(mac, ROOT) == settled
    return done


def python_of(mac: Mac) -> str:
    """What the stable path leads to, or what its starter names."""
    return said(mac, f"readlink {ROOT}/bin/python3 || sed -n '2s/^# //p' {ROOT}/bin/python3").strip()


def minor(mac: Mac) -> str:
    return mac.fleet.store.python.minor


def archive_pin(mac: Mac) -> dict[str, Any]:
    """What the test bed pins: version, build, sha256."""
    pins: dict[str, dict[str, Any]] = json.loads((mac.fleet.store.archives / "index.json").read_text())
    return pins[minor(mac)]
