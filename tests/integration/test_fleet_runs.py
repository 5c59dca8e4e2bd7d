# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs over many Macs: some sleep, some fall asleep in the middle, some come back; and canaries are changed first."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path
from typing import Any

from tests.ansible_runner import CHECKOUT, Result
from tests.integration.conftest import NewMac
from tests.integration.environments import SmallWheels
from tests.integration.fleets import AUDIT, NOT_THERE, Site, told
from tests.integration.hosts import LINKS, SETUP, said
from tests.integration.processes import (
    freeze,
    is_engine,
    is_module,
    kill,
    meanwhile,
    running,
    thaw,
    wait_for_process,
)
from tests.simulated_mac.fleet import Mac
from tests.simulated_mac.state import ssh_options
from tests.waiting import wait_until
from tests.wheels import make_wheel

DOCTOR, REMOVE, ROLLBACK = (CHECKOUT / f"playbooks/{name}.yml" for name in ("doctor", "remove", "rollback"))
QUICK_TO_NOTICE = {
    "ansible_ssh_args": "-o ControlMaster=auto -o ControlPersist=60s -o ServerAliveInterval=1 -o ServerAliveCountMax=2",
    "ansible_timeout": 3,
}
USE_IT = f"{LINKS}/tf/bin/python -I -B -c 'import beta; print(beta.VERSION)'"


def is_caffeinate(command: str) -> bool:
    return "/usr/bin/caffeinate" in command


def declare(site: Site, wheels: SmallWheels, name: str, *pinned: Any) -> None:
    """Another lock, so that every host has to build."""
    [environment] = site.variables["tensorflow_environments"]
    environment["lock"] = wheels.write_lock(name, *pinned)


def comes_late(site: Site, mac: Mac, times: int) -> None:
    """Let a host refuse the first connections."""
    gate = shlex.join([sys.executable, str(Path(__file__).with_name("gate.py")), str(site.folder / "gate"), str(times)])
    options = [option for option in ssh_options(mac.fleet.store.key) if option.startswith("-o")]
    site.hosts[mac.name] = {
        "ansible_ssh_common_args": " ".join(["-F none", *options, "-o", shlex.quote(f"ProxyCommand={gate} %h %p")])
    }


def test_one_sleeps_one_comes_back_and_one_falls_asleep_in_the_middle(
    site: Site, mac: NewMac, small_template: str, small_wheels: SmallWheels
) -> None:
    whole, late, lost = (mac(f"m1-fresh@{small_template}", name) for name in ("whole", "late", "lost"))
    site.variables |= QUICK_TO_NOTICE
    comes_late(site, late, times=1)
    declare(site, small_wheels, "newer", small_wheels.alpha, small_wheels.beta_3)

    def fall_asleep() -> None:
        wait_for_process(lost, is_engine)
        wait_for_process(lost, is_caffeinate)
        freeze(lost)

    with meanwhile(fall_asleep):
        result = site.run(SETUP)
    assert result.rc == 0, result.output
    assert told(result)[-1].startswith("4 Macs: 2 changed, 2 not seen, some of them never")
    assert {name: (counts["failed"], counts["unreachable"]) for name, counts in result.recap.items()} == dict.fromkeys(
        ("whole", "late", "lost", NOT_THERE), (0, 0)
    )
    assert site.entry("lost")["attempt"]["outcome"] == "unreachable"
    assert [said(each, USE_IT) for each in (whole, late)] == ["3.0\n", "3.0\n"]

    # Killed while it sleeps, the module takes with it what kept the Mac awake.
    kill(lost, is_module)
    thaw(lost)
    wait_until(lambda: not running(lost, is_caffeinate))
    assert said(lost, USE_IT) == "2.0\n"
    assert told(site.run(SETUP, "--check"))[-1].endswith("2 ok, 1 drifted, 1 never seen")
    assert told(site.run(SETUP))[-1] == "4 Macs: 2 ok, 1 repaired, 1 never seen"
    assert said(lost, USE_IT) == "3.0\n"
    calls = [call["argv"][:3] for call in lost.calls() if is_caffeinate(call["argv"][0])]
    assert calls
    assert {tuple(call) for call in calls} == {("/usr/bin/caffeinate", "-i", "-w")}


def first_ones(result: Result) -> set[str]:
    """The hosts on which something was done before all others had their turn."""
    before, _, _ = result.stdout.partition("PLAY [TensorFlow environments")
    return set(re.findall(r"^changed: \[(\S+)\]", before, re.MULTILINE))


def test_canaries_are_changed_first_and_a_broken_one_saves_the_others(
    site: Site, mac: NewMac, small_template: str, small_wheels: SmallWheels, tmp_path: Path
) -> None:
    first, second, third = (mac(f"m1-fresh@{small_template}", name) for name in ("first", "second", "third"))
    site.canaries = [NOT_THERE]
    declare(site, small_wheels, "broken", small_wheels.alpha, make_wheel(tmp_path, "nowhere"))
    for _ in range(2):
        broken = site.run(SETUP, tensorflow_canary=1)
        assert broken.rc == 2
        assert broken.recap.keys() == {NOT_THERE, "first"}
        assert "The canary first is worse than before this run" in broken.output
        assert "doctor.yml --limit first" in broken.output
        assert told(broken)[-1] == "2 Macs: 1 failed, 1 never seen"
    assert second.calls() == third.calls() == []
    assert said(first, USE_IT) == "2.0\n"

    declare(site, small_wheels, "right", small_wheels.alpha, small_wheels.beta_3)
    assert site.run(SETUP, "--limit", "third", "--check", tensorflow_canary=1).recap.keys() == {"third"}
    runs = [site.run(SETUP, *mode, tensorflow_canary="50%") for mode in (["--check"], [], [], ["--check"])]
    assert [run.rc for run in runs] == [0] * 4
    assert [first_ones(run) for run in runs] == [{"first", "second"}, {"first", "second"}, set(), set()]
    for name in ("first", "second", "third"):
        assert [run.recap[name]["changed"] for run in runs] == [1, 1, 0, 0]
    assert told(runs[1])[-1] == "4 Macs: 3 changed, 1 never seen"
    assert said(third, USE_IT) == "3.0\n"


def test_every_playbook_goes_on_where_a_host_does_not_answer(site: Site, mac: NewMac, small_template: str) -> None:
    host = mac(f"m1-fresh@{small_template}", "whole")
    runs = {
        "audit": site.run(AUDIT),
        "doctor": site.run(DOCTOR, "--limit", NOT_THERE),
        "rollback": site.run(ROLLBACK, "--limit", NOT_THERE, tensorflow_name="tf"),
        "remove": site.run(REMOVE, tensorflow_name="tf"),
    }
    for name, run in runs.items():
        assert run.rc == 0, f"{name}: {run.output}"
        assert (run.recap[NOT_THERE]["unreachable"], run.recap[NOT_THERE]["ignored"]) == (0, 2)
        assert any(line.startswith(f"{NOT_THERE}: ") for line in told(run))
    assert told(runs["remove"])[-1] == "1 host: 1 did not answer"
    assert said(host, f"ls {LINKS}") == ""

    site.variables["tensorflow_unreachable"] = "fail"
    failed = site.run(AUDIT, "--limit", NOT_THERE)
    assert (failed.rc, failed.recap[NOT_THERE]["unreachable"]) == (4, 1)
    site.variables["tensorflow_unreachable"] = "ignore"
    assert "tensorflow_unreachable is 'ignore'. Set it to one of: report, fail." in site.run(AUDIT).output
