# SPDX-License-Identifier: GPL-3.0-or-later
"""What is told of builds while they last, and what becomes of one whose connection is lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.ansible_runner import Result
from tests.index import Fault, Index
from tests.integration.conftest import NewEnvironments
from tests.integration.environments import SmallEnvironment, run_playbook
from tests.integration.hosts import LINKS
from tests.integration.processes import cut_connections, running
from tests.waiting import wait_until

OF_ROOT = "/opt/metalfleet"
Builds = tuple[Future[Result], Callable[[], None]]


def told(environment: SmallEnvironment) -> str:
    """What is said of its build."""
    return f"{environment.mac.name}: tf: downloading, 0 MB of 0 MB\n"


def become_root(environment: SmallEnvironment) -> None:
    """Declare that it belongs to root, where root has a managed Python."""
    environment.sh(
        f"sudo mkdir -p {OF_ROOT}/bin; sudo cp -R $root/python $root/uv {OF_ROOT}; cd {OF_ROOT}; "
        "sudo ln -s $PWD/python/*/bin/python$minor bin/python3; sudo ln -s $PWD/uv/*/bin/uv bin/uv"
    )
    environment.options |= {"root": OF_ROOT, "links": f"{OF_ROOT}/envs", "become": True}


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where Ansible writes at once what it says."""
    path = tmp_path / "log"
    monkeypatch.setenv("ANSIBLE_LOG_PATH", str(path))
    return path


@contextmanager
def told_builds(environments: Mapping[str, SmallEnvironment], log: Path) -> Iterator[Builds]:
    """A run whose downloads stand still, and what lets them go on; all its hosts have been told of."""
    wheels = next(iter(environments.values())).wheels
    lock = wheels.write_lock("another", wheels.alpha, wheels.beta_3)
    with Index(wheels.folder, Fault.STALLED, digests=True) as index, ThreadPoolExecutor(1) as pool:
        for environment in environments.values():
            environment.options |= {"lock": lock, "wheels": None, "index_url": index.url}
            environment.sh("rm -r $root/wheels")
        run = pool.submit(run_playbook, environments.values())
        wait_until(lambda: run.done() or all(told(each) in text_of(log) for each in environments.values()))
        yield run, index.restore


def text_of(log: Path) -> str:
    """What is in a file that need not be there yet."""
    return log.read_text() if log.exists() else ""


def test_builds_are_told_while_they_last(environments: NewEnvironments, log: Path) -> None:
    """Those of root, too, who comes by sudo."""
    hosts = environments(["one", "of-root"])
    become_root(hosts["of-root"])
    with told_builds(hosts, log) as (run, go_on):
        go_on()
        said = run.result().stdout
    for environment in hosts.values():
        assert said.count(told(environment)) == 1
        assert environment.sh(f"ls -A $root {OF_ROOT} | grep progress || true") == ""
    for environment, link in zip(hosts.values(), (f"{LINKS}/tf", f"{OF_ROOT}/envs/tf"), strict=True):
        assert environment.says(link) == "1.0 3.0"
    assert ": tf: " not in run_playbook(hosts.values()).stdout


def test_a_build_whose_connection_is_lost_is_found_by_the_next_run(environments: NewEnvironments, log: Path) -> None:
    [lost] = environments(["lost"]).values()
    with told_builds({"lost": lost}, log) as (run, go_on):
        cut_connections(lost.mac)
        assert run.result().recap[lost.mac.name]["unreachable"] == 1
        go_on()
        wait_until(lambda: not running(lost.mac, lambda _: True))
    assert lost.run().reasons == []
    assert lost.says() == "1.0 3.0"
