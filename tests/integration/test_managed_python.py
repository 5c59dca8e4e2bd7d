# SPDX-License-Identifier: GPL-3.0-or-later
"""The managed Python and uv are kept in order as environments are: each damage on a Mac of its own, in four runs.

Check must say it without failing, and change nothing; the real run repairs it, and the next two find nothing to do.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.ansible_runner import Result
from tests.integration.environments import PLACES, SAID, SmallWheels
from tests.integration.hosts import HOME, SETUP, FourRuns, four_runs, on_fleet, said
from tests.simulated_mac.fleet import Fleet, Mac
from tests.slow import IS_RUN, cases

SPY = "echo ran >> $HOME/spy"


@dataclass(frozen=True)
class Damage:
    """A shell line that makes it, which also knows the managed Python's folder as $python, and what is said of it."""

    made_by: str
    says: str


DAMAGES = {
    "nothing": Damage("true", ""),
    # The standard library
    "needed-by-us": Damage("rm -r $python/lib/python3*/json", "No module named 'json'"),
    "needed-by-every-start": Damage("rm -r $python/lib/python3*/encodings", "No module named 'encodings'"),
    "needed-by-others": Damage("rm -r $python/lib/python3*/asyncio", "interpreter-damaged"),
    "syntax": Damage("echo syntax error >> $python/lib/python3*/statistics.py", "interpreter-damaged"),
    "closed": Damage("chmod 000 $python/lib/python3*/statistics.py", "interpreter-damaged"),
    "closed-folder": Damage("chmod 000 $python/lib/python3*/asyncio", "interpreter-damaged"),
    "fifo": Damage("cd $python/lib/python3*; rm statistics.py; mkfifo statistics.py", "interpreter-damaged"),
    "with-a-users-package": Damage(
        "cd $python/lib/python3*; mkdir site-packages/mine; echo mine > site-packages/mine/work.py; rm -r asyncio",
        "interpreter-damaged",
    ),
    "with-a-package-of-root": Damage(
        "cd $python/lib/python3*; sudo mkdir site-packages/mine; echo mine | sudo tee site-packages/mine/work.py; "
        "rm -r asyncio",
        "interpreter-damaged",
    ),
    "startup-module": Damage("echo 'mine = 1' > $(echo $python/lib/python3*)/sitecustomize.py", "startup-file"),
    # Programs
    "link-is-a-folder": Damage(
        "cd $root/bin; rm python3; mkdir python3; echo mine > python3/work", "managed Python is missing"
    ),
    "link-is-a-fifo": Damage("cd $root/bin; rm python3; mkfifo python3", "managed Python is missing"),
    "link-gone": Damage("rm $root/bin/python3", "managed Python is missing"),
    "not-executable": Damage("chmod -x $python/bin/python3.*", "managed Python is missing"),
    "python-cut": Damage("cd $python/bin; head -c 1000 python3.?? > cut; cat cut > python3.??; rm cut", "interpreter"),
    "python-hangs": Damage(
        "cd $root/bin; rm python3; printf '#!/bin/sh\\nsleep 5000\\n' > python3; chmod +x python3",
        "no answer within 60 s",
    ),
    "uv-empty": Damage(": > $root/uv/*/bin/uv", "uv"),
    "uv-gone": Damage("rm -r $root/uv", "uv"),
    "uv-is-another-program": Damage(f"printf '#!/bin/sh\\n{SPY}\\n' > $root/uv/*/bin/uv", "uv"),
    "record-gone": Damage("rm $python/metalfleet-files.txt", "interpreter-damaged"),
}  # fmt: skip


@dataclass(frozen=True)
class Repaired:
    """A host that was damaged, and what became of it."""

    mac: Mac
    runs: FourRuns[Result]


def declare(wheels: SmallWheels) -> dict[str, Any]:
    environment = {"name": "tf", "lock": wheels.lock, "gpu_check": "none"}
    return {"tensorflow_environments": [environment], "tensorflow_wheels": f"{HOME}/wheels", "tensorflow_free_mb": 10}


QUICK = (
    *("nothing", "needed-by-us", "syntax", "fifo", "with-a-users-package", "with-a-package-of-root", "startup-module"),
    *("link-is-a-folder", "python-hangs", "uv-is-another-program"),
)
WANTED = {name: damage for name, damage in DAMAGES.items() if name in QUICK or IS_RUN}


@pytest.fixture(scope="module")
def repaired(fleet: Fleet, small_template: str, small_wheels: SmallWheels) -> Iterator[dict[str, Repaired]]:
    """The damages, each on its Mac, after check, real, again, and again in check."""
    macs = fleet.up({f"python-{name}": f"m1-fresh@{small_template}" for name in WANTED})
    for name, damage in WANTED.items():
        said(
            macs[f"python-{name}"], f"{PLACES} python=$(echo $HOME/.local/share/metalfleet/python/*); {damage.made_by}"
        )

    def run(*arguments: str) -> dict[str, Result]:
        limit = ["--limit", ",".join(macs)]
        result = on_fleet(fleet, SETUP, *limit, *arguments, check=False, warns=SAID, **declare(small_wheels))
        return dict.fromkeys(macs, result)

    runs = four_runs(macs, run)
    yield {name: Repaired(macs[f"python-{name}"], runs[f"python-{name}"]) for name in WANTED}
    for mac in macs.values():
        mac.delete()


@pytest.mark.parametrize(("name", "damage"), cases(DAMAGES.items(), QUICK, "repairs many Pythons"))
def test_each_damage_is_found_and_repaired(repaired: dict[str, Repaired], name: str, damage: Damage) -> None:
    host, runs = repaired[name].mac, repaired[name].runs
    counts = [run.recap[host.name] for run in runs.said]
    assert [count["failed"] for count in counts] == [0, 0, 0, 0], runs.said[1].output
    assert [count["unreachable"] + count["ignored"] for count in counts] == [0, 0, 0, 0]
    assert [count["changed"] > 0 for count in counts] == [bool(damage.says)] * 2 + [False, False]
    assert re.search(rf"\[{host.name}\](?:(?!\n\w+: \[).)*{damage.says}", runs.said[0].output, re.DOTALL)
    runs.assert_checks_changed_nothing()
    assert said(host, f"{PLACES}; $root/bin/python3 -I -c 'import asyncio, json, statistics; print(1)'") == "1\n"
    assert said(host, f"{PLACES}; $root/bin/uv --version").startswith("uv ")
    assert said(host, f"{PLACES}; $link/bin/python -I -c 'import alpha, asyncio, statistics; print(2)'") == "2\n"
    assert said(host, "pgrep -f '[s]leep 5000' || true") == ""
    assert host.shim_calls() == []


def test_nothing_that_another_put_there_was_run(repaired: dict[str, Repaired]) -> None:
    assert said(repaired["uv-is-another-program"].mac, "cat spy 2>/dev/null || true") == ""


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("link-is-a-folder", "*/work"),
        ("with-a-users-package", "*/lib/python3*/site-packages/mine/work.py"),
        ("with-a-package-of-root", "*/rest/lib/python3*/site-packages/mine/work.py"),
    ],
)
def test_what_is_a_users_own_is_kept(repaired: dict[str, Repaired], name: str, path: str) -> None:
    assert said(repaired[name].mac, f"{PLACES}; cat $root/set-aside/{path}") == "mine\n"
