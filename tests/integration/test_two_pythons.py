# SPDX-License-Identifier: GPL-3.0-or-later
"""Two minor versions of Python on one Mac: each is there where an environment asks for it, and gone when none does."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.hosts import HOME, LINKS, ROOT, SETUP, FourRuns, four_runs, on, said
from tests.wheels import lock_of, make_wheel

if TYPE_CHECKING:
    from tests.ansible_runner import Result
    from tests.integration.conftest import NewMac
    from tests.simulated_mac.fleet import Fleet, Mac


@pytest.fixture
def minors(fleet: Fleet) -> tuple[str, str]:
    """That which runs the modules, and another one."""
    fleet.store.ready()
    if fleet.store.second_python is None:
        pytest.skip("this machine has one CPython only that could stand in for those of Macs")
    return fleet.store.python.minor, fleet.store.second_python.minor


@pytest.fixture
def company(fleet: Fleet, minors: tuple[str, str], tmp_path: Path) -> dict[str, Any]:
    """Variables: a mirror that has both Pythons, and a folder of wheels on the controller."""
    del minors
    pins: dict[str, Any] = {}
    for archives in (fleet.store.archives, fleet.store.second_archives):
        pins |= json.loads((archives / "index.json").read_text())
        shutil.copytree(archives, tmp_path / "mirror", dirs_exist_ok=True)
    lock = tmp_path / "lock.txt"
    lock.write_text(lock_of(make_wheel(tmp_path / "wheels", "alpha")))
    return {
        "native_python_archives": pins,
        "native_python_mirror": str(tmp_path / "mirror"),
        "tensorflow_wheels": f"{HOME}/wheels",
        "lock": str(lock),
    }


def declare(company: dict[str, Any], **pythons: str) -> dict[str, Any]:
    """Variables with environments by name, each with its Python; "" for none, "absent" for one that shall go."""
    environments = [
        {"name": name, "gpu_check": "none"}
        | ({"state": "absent"} if python == "absent" else {"lock": company["lock"]})
        | ({"python": python} if python not in ("", "absent") else {})
        for name, python in pythons.items()
    ]
    return {**company, "tensorflow_environments": environments}


def minor_of(mac: Mac, name: str) -> str:
    program = "import alpha, sys; print('%d.%d' % sys.version_info[:2])"
    return said(mac, f'{LINKS}/{name}/bin/python -I -c "{program}"').strip()


def pythons(mac: Mac) -> list[str]:
    """What is linked, and what is installed."""
    return said(mac, f"cd {ROOT}; ls bin; ls -A python | grep -v lock | sed 's/[.][0-9]*[+].*//'").split()


def test_each_environment_has_its_python_and_what_nobody_asks_for_goes(
    mac: NewMac, company: dict[str, Any], minors: tuple[str, str]
) -> None:
    main, other = minors
    host = with_wheels(mac("m1-fresh"), company)
    variables = declare(company, plain="", same=main, old=other)
    runs = setup_four_times(host, variables)
    # The first Python, the second one, and the environments.
    assert [each.recap[host.name]["changed"] for each in runs.said] == [3, 3, 0, 0]
    assert [minor_of(host, name) for name in ("plain", "same", "old")] == [main, main, other]
    both = sorted([f"cpython-{main}", f"cpython-{other}"])
    assert pythons(host) == ["python3", f"python3.{other[2:]}", "uv", *both]

    said(host, f"rm {ROOT}/bin/python{other}")
    assert on(host, SETUP, "--check", **variables).recap[host.name]["changed"] == 1
    assert on(host, SETUP, **variables).recap[host.name]["changed"] == 1
    assert on(host, SETUP, **variables).recap[host.name]["changed"] == 0
    said(host, f"rm -r {ROOT}/python/cpython-{other}*/lib/python{other}/asyncio")
    repaired = on(host, SETUP, **variables)
    assert repaired.recap[host.name]["changed"] > 0
    assert minor_of(host, "old") == other
    assert on(host, SETUP, **variables).recap[host.name]["changed"] == 0

    moved = declare(company, plain="", same=main, old="absent")
    assert on(host, SETUP, "--check", **moved).recap[host.name]["changed"] == 1
    assert on(host, SETUP, **moved).recap[host.name]["changed"] == 1
    assert pythons(host) == ["python3", "uv", f"cpython-{main}"]
    assert on(host, SETUP, **moved).recap[host.name]["changed"] == 0
    assert [minor_of(host, name) for name in ("plain", "same")] == [main, main]
    assert host.shim_calls() == []


@pytest.mark.slow("sets a Mac up once more")
def test_the_python_that_runs_the_modules_and_a_further_one_can_change_places(
    mac: NewMac, company: dict[str, Any], minors: tuple[str, str]
) -> None:
    main, other = minors
    host = with_wheels(mac("m1-fresh"), company)
    variables = declare(company, one=main, two=other)
    on(host, SETUP, **variables, native_python_version=main)
    folders = sorted([f"cpython-{main}", f"cpython-{other}"])
    generations = said(host, f"ls -d {ROOT}/environments/*/*")
    for now, then in ((other, main), (main, other)):
        swapped = setup_four_times(host, {**variables, "native_python_version": now})
        # What bin/python3 leads to, the link that is new, and the one that is not needed any more.
        assert [each.recap[host.name]["changed"] for each in swapped.said] == [3, 3, 0, 0]
        assert pythons(host) == ["python3", f"python3.{then[2:]}", "uv", *folders]
        assert said(host, f'{ROOT}/bin/python3 -c "import sys; print(sys.version[:4])"').strip() == now
        assert [minor_of(host, name) for name in ("one", "two")] == [main, other]
    assert said(host, f"ls -d {ROOT}/environments/*/*") == generations
    variables["native_python_version"] = main

    for lost in (f"{ROOT}/python", f"{ROOT}/python {ROOT}/bin"):
        said(host, f"rm -r {lost}")
        assert on(host, SETUP, **variables).recap[host.name]["failed"] == 0
        assert [minor_of(host, name) for name in ("one", "two")] == [main, other]
        assert on(host, SETUP, **variables).recap[host.name]["changed"] == 0
    assert host.shim_calls() == []


def with_wheels(host: Mac, company: dict[str, Any]) -> Mac:
    """The host, with the wheels that the lock names."""
    wheel = Path(company["lock"]).parent / "wheels/alpha-1.0-py3-none-any.whl"
    said(host, "mkdir wheels")
    host.run(f"cat > wheels/{wheel.name}", input=wheel.read_bytes(), check=True)
    return host


def setup_four_times(host: Mac, variables: dict[str, Any]) -> FourRuns[Result]:
    """Check, setup, again, check; no check has changed anything."""

    def run(*arguments: str) -> dict[str, Result]:
        return {"it": on(host, SETUP, *arguments, **variables)}

    runs: FourRuns[Result] = four_runs({"it": host}, run)["it"]
    runs.assert_checks_changed_nothing()
    return runs
