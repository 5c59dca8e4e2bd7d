# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs that are cut off, killed, or short of disk, and two at once."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.ansible_runner import CHECKOUT
from tests.integration.conftest import NewMac
from tests.integration.environments import SmallWheels
from tests.integration.fleets import Site, told
from tests.integration.hosts import ROOT, SETUP, said, send
from tests.integration.native_python.shared import OFFLINE, ROLE, Run, command_line, is_in_order
from tests.integration.processes import KILLS, SEED, VICTIMS, connections, cut_connections, meanwhile
from tests.integration.processes import send as send_signal
from tests.simulated_mac.fleet import Mac
from tests.slow import cases
from tests.waiting import PATIENCE, wait_until

Start = Callable[[Mac], "subprocess.Popen[bytes]"]


@pytest.fixture
def start(mirror: Path, tmp_path: Path) -> Iterator[Start]:
    """Start a run and do not wait for it; in a process group of its own."""
    started: list[subprocess.Popen[bytes]] = []

    def start(mac: Mac) -> subprocess.Popen[bytes]:
        arguments, environment = command_line(mac, tmp_path, ROLE, {"native_python_mirror": str(mirror), **OFFLINE})
        controller = subprocess.Popen(
            [Path(sys.executable).with_name("ansible-playbook"), *arguments],
            cwd=CHECKOUT,
            env=os.environ | {"ANSIBLE_CONFIG": str(CHECKOUT / "ansible.cfg")} | environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        started.append(controller)
        return controller

    yield start
    for controller in started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(controller.pid, signal.SIGKILL)
        controller.wait()


# What has just appeared below the root when a run is disturbed, and how many seconds later that happens.
MOMENTS = [
    ("python/.new.*", 0.0),  # nothing is received yet
    ("python/.new.*/python/bin", 0.1),  # the archive is being unpacked
    ("python/cpython-*", 0.0),  # it has got its place
    ("uv/.new.*", 0.2),  # uv is being installed
    ("bin/uv", 0.0),  # the links are being switched
]


def at_each_moment(*quick: str) -> pytest.MarkDecorator:
    """Once for each, of which but some are slow."""
    return pytest.mark.parametrize(("sign", "later"), cases(MOMENTS, quick, "installs a Python twice"))


@at_each_moment("python/.new.*/python/bin", "uv/.new.*")
def test_a_run_whose_connection_is_cut_is_repaired_by_the_next(
    mac: NewMac, run: Run, start: Start, *, sign: str, later: float
) -> None:
    host = mac("m1-fresh")
    controller = start(host)
    wait_until(lambda: is_there(host, sign) or controller.poll() is not None)
    time.sleep(later)
    os.killpg(controller.pid, signal.SIGKILL)
    cut_connections(host)
    run(host)
    is_in_order(host)
    assert run(host).recap[host.name]["changed"] == 0


@at_each_moment("python/cpython-*", "bin/uv")
def test_a_run_whose_processes_on_the_host_are_killed_is_repaired_by_the_next(
    mac: NewMac, run: Run, start: Start, *, sign: str, later: float
) -> None:
    host = mac("m1-fresh")
    controller = start(host)
    host.run(
        f"sh -c 'until ls {ROOT}/{sign} >/dev/null 2>&1; do sleep 0.02; done; sleep {later}; kill -9 -1'"
    )  # all of the user's
    assert controller.wait(PATIENCE) in (0, 2, 4)
    run(host)
    is_in_order(host)
    assert run(host).recap[host.name]["changed"] == 0


@pytest.mark.slow("installs a Python many times")
def test_killed_at_any_moment(mac: NewMac, run: Run, start: Start) -> None:
    """Random victims and moments, while a Mac gets its first Python: the next run always ends well."""
    moments = random.Random(SEED)
    began = time.monotonic()
    start(mac("m1-fresh")).wait(PATIENCE)
    duration = time.monotonic() - began
    print(f"seed {SEED}; an undisturbed bootstrap takes {duration:.2f} s")  # noqa: T201
    for _ in range(KILLS // 5):
        moment, who = moments.uniform(0, duration), moments.choice(list(VICTIMS))
        print(f"{who} after {moment:.3f} s")  # noqa: T201
        host = mac("m1-fresh")
        controller = start(host)
        time.sleep(moment)
        VICTIMS[who](host)
        controller.wait(PATIENCE)
        run(host)
        is_in_order(host)
        assert run(host).recap[host.name]["changed"] == 0, f"SEED={SEED}"


def test_a_full_disk_is_named_and_repaired_once_there_is_room(mac: NewMac, run: Run) -> None:
    host = mac("m1-fresh")
    host.run("mkdir .local", check=True)
    host.limit_disk("/Users/admin/.local", "30m")
    result = run(host, check=False)
    assert "the disk is full" in result.stdout
    assert said(host, f"ls -A {ROOT}/python {ROOT}/uv {ROOT}/bin").split() == [
        f"{ROOT}/bin:", f"{ROOT}/python:", f"{ROOT}/uv:",
    ]  # fmt: skip
    host.unlimit_disk("/Users/admin/.local")
    run(host)
    is_in_order(host)


def is_there(mac: Mac, sign: str) -> bool:
    return any(mac.path(ROOT).glob(sign))


def cut_in_the_middle(mac: Mac) -> None:
    wait_until(lambda: is_there(mac, "python/.new.*"))
    cut_connections(mac)


def cut_at_the_end(mac: Mac) -> None:
    """It has got its Python, and nobody has heard of it."""
    wait_until(lambda: is_there(mac, "uv/.new.*"))  # all that it needs was received
    send_signal(signal.SIGSTOP, connections(mac))
    wait_until(lambda: is_there(mac, "bin/python3"))
    cut_connections(mac)


@pytest.mark.parametrize("cut", [cut_in_the_middle, cut_at_the_end])
def test_a_host_that_is_lost_has_its_turn_once_more(
    mac: NewMac, site: Site, mirror: Path, small_wheels: SmallWheels, cut: Callable[[Mac], None]
) -> None:
    """In the same run of setup.yml, and nothing has failed."""
    host = mac("m1-fresh", "lost")
    send(host, small_wheels.folder, "wheels")
    site.variables |= {"native_python_mirror": str(mirror), **OFFLINE}

    with meanwhile(lambda: cut(host)):
        result = site.run(SETUP, "--limit", "lost")
    assert result.rc == 0, result.output
    assert (result.recap["lost"]["failed"], result.recap["lost"]["ignored"]) == (0, 1)
    assert told(result)[-1] == "1 Mac: 1 set up"
    is_in_order(host)


def test_two_runs_at_once_do_not_harm_each_other(mac: NewMac, run: Run, start: Start) -> None:
    host = mac("m1-fresh")
    both = [start(host), start(host)]
    assert [controller.wait(PATIENCE) for controller in both] == [0, 0]
    is_in_order(host)
    assert run(host).recap[host.name]["changed"] == 0
