# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong while an environment is kept, on simulated Macs, with the real module over SSH.

Whatever happens: what was active stays active and works, the message says what happened, and the next run ends well.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.index import Fault, Index
from tests.integration.conftest import NewEnvironments
from tests.integration.environments import (
    Outcome,
    SmallEnvironment,
    SmallWheels,
    library,
    run_module,
    run_playbook,
)
from tests.integration.hosts import HOME, LINKS, ROOT, listing
from tests.integration.processes import (
    BUILDERS,
    KILLS,
    SEED,
    disturbed,
    durations,
    is_engine,
    is_module,
    kill,
    meanwhile,
    wait_for_process,
)
from tests.simulated_mac import engine
from tests.simulated_mac.fleet import Mac
from tests.simulated_mac.store import SIM
from tests.wheels import make_wheel

HOSTS = 5
ROUNDS = KILLS // HOSTS


@pytest.fixture
def wanted(environment: SmallEnvironment) -> SmallEnvironment:
    """A small environment in order, for which another lock is declared now: the next run builds."""
    return declare_another_lock(environment)


def declare_another_lock(environment: SmallEnvironment) -> SmallEnvironment:
    wheels = environment.wheels
    environment.options["lock"] = wheels.write_lock("another", wheels.alpha, wheels.beta_3)
    return environment


def assert_untouched(environment: SmallEnvironment) -> None:
    """The old one is whole and active, and nothing else is there."""
    environment.assert_in_order()
    assert environment.generations() == ["1"]


def assert_next_run_ends_well(*environments: SmallEnvironment) -> None:
    """It builds what is declared now, and the one after it has nothing to do."""
    hosts = {environment.mac.name: environment for environment in environments}
    assert all("lock-changed" in outcome.reasons for outcome in run_module(hosts).values())
    assert [outcome.reasons for outcome in run_module(hosts, "--check").values()] == [[]] * len(hosts)
    for environment in environments:
        assert environment.says() == "1.0 3.0"
        assert len(environment.generations()) == 2


# --- killed -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Scene:
    """What the run has to do that is disturbed."""

    prepared_by: str = "true"
    state: str = "present"
    builds: bool = False


SCENES = {
    "removal": Scene(state="absent"),
    "repair": Scene("rm $packages/alpha/part7.py"),
    "build": Scene(builds=True),  # after which an older generation is removed
    "rollback": Scene(state="rolled_back"),
}


def test_killed_at_any_moment(environments: NewEnvironments, small_wheels: SmallWheels) -> None:
    """Random victims and moments: the active environment can always be imported, and the next run always ends well.

    `make torture` does it more often.
    """
    hosts = environments(f"killed-{number}" for number in range(HOSTS))
    moments = random.Random(SEED)
    macs = [host.mac for host in hosts.values()]
    declare(hosts, small_wheels, "undisturbed")
    duration = max(durations(macs, lambda: run_module(hosts)))
    print(f"seed {SEED}; an undisturbed build takes up to {duration:.2f} s")  # noqa: T201
    for number, (name, scene) in zip(range(ROUNDS), itertools.cycle(SCENES.items())):
        if scene.builds:
            declare(hosts, small_wheels, f"round-{number}")
        for host in hosts.values():
            host.sh(scene.prepared_by)
        plans = [(moments.uniform(0, duration), moments.choice(list(BUILDERS))) for _ in hosts]
        print(f"round {number}, {name}:", *(f"{who} after {moment:.3f} s;" for moment, who in plans))  # noqa: T201
        with disturbed(macs, plans):
            run_playbook(in_state(hosts, scene.state).values())
        if scene.state == "absent":
            assert failures(run_module(in_state(hosts, "absent"))) == {}
            assert {host.sh("ls -A $root/environments .virtualenvs | grep tf || true") for host in hosts.values()} == {
                ""
            }
        else:
            assert {host.says() for host in hosts.values()} == {"1.0 2.0"}, f"SEED={SEED}"
        assert failures(run_module(hosts)) == {}
        for host in hosts.values():
            host.assert_in_order()
    assert [outcome.reasons for outcome in run_module(hosts, "--check").values()] == [[]] * HOSTS
    assert {len(host.generations()) for host in hosts.values()} <= {1, 2}


def failures(outcomes: Mapping[str, Outcome]) -> dict[str, str]:
    """What is said of each host on which something failed."""
    return {name: outcome.message for name, outcome in outcomes.items() if outcome.failed}


def declare(hosts: Mapping[str, SmallEnvironment], wheels: SmallWheels, name: str) -> None:
    """A lock of another name, with the same wheels."""
    lock = wheels.write_lock(name, wheels.alpha, wheels.beta)
    for host in hosts.values():
        host.options["lock"] = lock


def in_state(hosts: Mapping[str, SmallEnvironment], state: str) -> dict[str, SmallEnvironment]:
    """The same environments, declared in another state."""
    declared = {name: SmallEnvironment(host.mac, host.wheels) for name, host in hosts.items()}
    for name, host in hosts.items():
        declared[name].options = {**host.options, "state": state}
    return declared


def test_uv_is_killed(wanted: SmallEnvironment) -> None:
    def kill_uv() -> None:
        wait_for_process(wanted.mac, is_engine)
        kill(wanted.mac, is_engine)

    with meanwhile(kill_uv):
        message = wanted.run().message
    assert "killed by SIGKILL" in message
    assert "still in use" in message
    assert_untouched(wanted)
    assert_next_run_ends_well(wanted)


def test_the_module_is_killed_and_uv_lives_on(wanted: SmallEnvironment) -> None:
    def kill_module() -> None:
        wait_for_process(wanted.mac, is_engine)
        kill(wanted.mac, is_module)

    with meanwhile(kill_module):
        run_playbook([wanted])
    assert wanted.says() == "1.0 2.0"
    assert_next_run_ends_well(wanted)


# --- no space, no leave -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("place", "size"), [("environments/new", "1m"), ("wheels", "40k")])
def test_the_disk_is_full_in_the_middle_of_a_build(environment: SmallEnvironment, place: str, size: str) -> None:
    environment.sh(f"mkdir -p $root/{place}")
    environment.mac.limit_disk(f"{ROOT}/{place}", size)
    new = {"name": "new", "free_mb": 0}
    message = environment.run(**new).message
    assert "the disk is full" in message.lower()
    assert "Nothing was activated" in message
    assert environment.sh("ls -A $root/environments/new $link/..").split().count("new") == 0
    environment.mac.unlimit_disk(f"{ROOT}/{place}")
    assert environment.run(**new).reasons == ["absent"]
    assert environment.run(**new).reasons == []
    assert_untouched(environment)


def test_a_disk_too_full_for_a_build_is_refused_before_it(environment: SmallEnvironment) -> None:
    environment.sh("mkdir -p $root/environments/new")
    environment.mac.limit_disk(f"{ROOT}/environments/new", "5m")
    assert "has 5 MB free, and a build needs 10" in environment.run(name="new").message
    assert environment.sh("ls -A $root/environments/new") == ""


TAKEN = {
    "folder": "mkdir -p .virtualenvs/new; echo mine > .virtualenvs/new/work",
    "link": "mkdir mine; echo mine > mine/work; ln -s $HOME/mine .virtualenvs/new",
}


def test_a_stable_path_that_is_taken_is_refused_beforehand(environments: NewEnvironments) -> None:
    """Also in check mode, in the same words, and nothing is built."""
    hosts = environments(TAKEN)
    for name, host in hosts.items():
        host.sh(TAKEN[name])
        host.options["name"] = "new"
    before = {name: listing(host.mac, ROOT) for name, host in hosts.items()}
    foreseen, done = run_module(hosts, "--check"), run_module(hosts)
    for name, host in hosts.items():
        assert ".virtualenvs/new is in the way" in done[name].message
        assert foreseen[name].message == done[name].message
        assert listing(host.mac, ROOT) == before[name]
        assert host.sh("cat .virtualenvs/new/work") == "mine\n"


@contextmanager
def read_only(mac: Mac, folder: str) -> Iterator[None]:
    """A folder of the host as a volume that nobody can write to, not even root."""
    mount = f"/{SIM}/usr/bin/mount"
    engine.enter(mac.pid, [mount, "--bind", folder, folder])
    engine.enter(mac.pid, [mount, "-o", "remount,bind,ro", folder])
    yield
    engine.enter(mac.pid, [mount, "-o", "remount,bind,rw", folder])


@pytest.mark.parametrize("folder", [ROOT, LINKS])
def test_a_folder_that_is_read_only(wanted: SmallEnvironment, folder: str) -> None:
    with read_only(wanted.mac, folder):
        for mode in (["--check"], []):
            assert f"{folder} cannot be written by user 501" in wanted.run(*mode).message
        assert wanted.run(lock=wanted.wheels.lock).reasons == []  # nothing to do, so nothing to write
        assert_untouched(wanted)
    assert_next_run_ends_well(wanted)


def test_folders_of_another_user(wanted: SmallEnvironment) -> None:
    """As one that was run with become leaves them."""
    wanted.sh("sudo chown -R root $root/environments")
    assert "cannot be written by user" in wanted.run().message
    wanted.sh("sudo chown -R admin $root/environments")
    assert_untouched(wanted)
    assert_next_run_ends_well(wanted)


# --- the index --------------------------------------------------------------------------------------------------------


UNREACHABLE = "the package index could not be reached"
CAUSES = {
    Fault.TRUNCATED: UNREACHABLE,
    Fault.WRONG: "is not the one in the lock",
    Fault.MISSING: "the package index lists a file that it does not have",
    Fault.BROKEN: "the package index does not work as it should",
    Fault.GONE: UNREACHABLE,
}


def take_from(environment: SmallEnvironment, index: Index) -> None:
    """Declare that wheels come from an index, on a host that has none in its store."""
    environment.options |= {"wheels": None, "index_url": index.url}
    environment.sh("rm -r $root/wheels")


def test_an_index_that_misbehaves(environments: NewEnvironments, small_wheels: SmallWheels) -> None:
    """Each host has an index of its own, each with its fault, until all are sound."""
    hosts = environments(fault.name.lower() for fault in CAUSES)
    with ExitStack() as stack:
        indexes = [stack.enter_context(Index(small_wheels.folder, fault)) for fault in CAUSES]
        for host, index in zip(hosts.values(), indexes, strict=True):
            take_from(declare_another_lock(host), index)
        outcomes = run_module(hosts)
        for fault, cause in CAUSES.items():
            outcome = outcomes[fault.name.lower()]
            assert cause in outcome.message
            assert "still in use" in outcome.message
            assert "secret" not in str(outcome.answer)
        for host, index in zip(hosts.values(), indexes, strict=True):
            assert_untouched(host)
            index.restore()
        assert_next_run_ends_well(*hosts.values())


def test_an_index_that_is_slow(wanted: SmallEnvironment) -> None:
    with Index(wanted.wheels.folder, Fault.SLOW) as index:
        take_from(wanted, index)
        assert_next_run_ends_well(wanted)


def test_a_repair_downloads_no_wheel(wanted: SmallEnvironment) -> None:
    with Index(wanted.wheels.folder) as index:
        take_from(wanted, index)
        assert_next_run_ends_well(wanted)
        assert len(index.downloads) == 2
        wanted.sh("rm $packages/alpha/part7.py")
        assert wanted.run().reasons == ["file-missing"]
        assert len(index.downloads) == 2
        assert wanted.says() == "1.0 3.0"


# --- others at work ---------------------------------------------------------------------------------------------------


def test_two_runs_at_once(wanted: SmallEnvironment) -> None:
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(run_module, {"it": wanted}) for _ in range(2)]
        reasons = [run.result()["it"].reasons for run in runs]
    assert sorted(reasons) == [[], ["lock-changed"]]
    assert wanted.says() == "1.0 3.0"
    assert wanted.generations() == ["1", "2"]


LATE_IMPORTS = """
import alpha, pathlib, time
pathlib.Path("began").touch()
while not pathlib.Path("switched").exists():
    time.sleep(0.05)
from alpha import part9
import beta
print(part9.NUMBER, beta.VERSION)
"""


@pytest.mark.parametrize("python", ["$link/bin/python", "$home/1/bin/python"])
def test_a_process_goes_on_in_the_old_generation(wanted: SmallEnvironment, python: str) -> None:
    """Whatever it imports after the switch."""
    with ThreadPoolExecutor(1) as pool:
        old = pool.submit(wanted.sh, f"{python} -I -B -c '{LATE_IMPORTS}'")
        wanted.sh("until [ -e began ]; do sleep 0.1; done")
        assert_next_run_ends_well(wanted)
        wanted.sh("touch switched")
        assert old.result().split() == ["9", "2.0"]


def test_a_generation_that_a_process_uses_is_kept(environment: SmallEnvironment) -> None:
    wheels = environment.wheels
    environment.options["keep"] = 1
    with ThreadPoolExecutor(1) as pool:
        user = pool.submit(environment.sh, "cd $home/1 && touch ~/began && until [ -e ~/over ]; do sleep 0.1; done")
        environment.sh("until [ -e began ]; do sleep 0.1; done")
        for number in range(2):
            environment.run(lock=wheels.write_lock(f"keep-{number}", wheels.alpha, wheels.beta))
        assert environment.generations() == ["1", "3"]
        environment.sh("touch over")
        user.result()
    environment.run(lock=wheels.write_lock("keep-3", wheels.alpha, wheels.beta))
    assert environment.generations() == ["4"]


# --- declarations and wheels ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["../tf", "a b", "$(touch evil)", "é"])
def test_a_name_with_odd_characters_is_refused(environment: SmallEnvironment, name: str) -> None:
    before, calls = listing(environment.mac, HOME), environment.mac.calls()
    assert "cannot be the name of an environment" in environment.run(name=name).message
    assert listing(environment.mac, HOME) == before
    assert environment.mac.calls() == calls


REFUSED = {
    "pth": {"evil.pth": b"import os\n"},
    "pth-as-data": {"evil-1.0.data/purelib/evil.pth": b"import os\n"},
    "sitecustomize": {"sitecustomize.py": b""},
    "sitecustomize-package": {"sitecustomize/__init__.py": b""},
    "another-wheels-file": {"alpha/__init__.py": b"VERSION = 'evil'\n"},
    "configuration": {"evil-1.0.data/data/pyvenv.cfg": b"home = /usr/bin\n"},
    "interpreter": {"evil-1.0.data/data/bin/python": b"#!/bin/sh\n"},
    "activation": {"evil-1.0.data/scripts/activate": b"touch evil\n"},
    "intel": {"evil/native.so": library("x86_64")},
}
HARMLESS = {  # uv leaves such files out
    "outside": {"../../../../../evil.py": b""},
    "outside-by-data": {"evil-1.0.data/data/../../../evil.py": b""},
    "absolute": {"/Users/admin/evil.py": b""},
}


def test_hostile_wheels(environments: NewEnvironments, tmp_path: Path) -> None:
    hosts = environments([*REFUSED, *HARMLESS])
    for name, files in {**REFUSED, **HARMLESS}.items():
        bring_evil(hosts[name], tmp_path / name, files)
    outcomes = run_module(hosts)
    for name in REFUSED:
        assert "evil" in outcomes[name].message
        assert_untouched(hosts[name])
    assert [outcomes[name].reasons for name in HARMLESS] == [["lock-changed"]] * len(HARMLESS)
    for host in hosts.values():
        assert host.says() == "1.0 2.0"
        assert host.sh("sudo find / -xdev -name 'evil*.p*'") == ""


def bring_evil(environment: SmallEnvironment, folder: Path, files: Mapping[str, bytes]) -> None:
    """Put a wheel onto the host, and declare that it be installed."""
    wheels = environment.wheels
    evil = make_wheel(folder, "evil", files={"evil/__init__.py": b"", **files})
    environment.mac.run(f"cat > wheels/{evil.path.name}", input=evil.path.read_bytes(), check=True)
    environment.options["lock"] = wheels.write_lock(f"evil-{folder.name}", wheels.alpha, wheels.beta, evil)
