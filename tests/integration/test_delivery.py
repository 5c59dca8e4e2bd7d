# SPDX-License-Identifier: GPL-3.0-or-later
"""Wheels by way of the controller: each comes from the index once, and hosts need nothing but SSH."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.ansible_runner import Result
from tests.index import Index
from tests.integration.conftest import NewMac
from tests.integration.environments import SmallWheels, library
from tests.integration.hosts import FETCH, HOME, LINKS, ROOT, SETUP, four_runs, installed, listing, on, on_fleet, said
from tests.integration.processes import cut_connections, kill_controllers
from tests.simulated_mac.fleet import Fleet, Mac
from tests.waiting import wait_until
from tests.wheels import Wheel, lock_of, make_wheel

NOWHERE = "http://127.0.0.1:1/simple"
USE_IT = f"{LINKS}/tf/bin/python -I -c 'import alpha, beta; print(alpha.VERSION, beta.VERSION)'"


@dataclass
class Site:
    """A controller's wheel store, an index with what it is filled from, and what a user declares."""

    store: Path
    index: Index
    lock: Path
    more: dict[str, Any] = field(default_factory=dict)

    def variables(self, delivery: str = "controller") -> dict[str, Any]:
        return {
            "tensorflow_environments": [{"name": "tf", "lock": str(self.lock), "gpu_check": "none"}],
            "tensorflow_free_mb": 10,
            "tensorflow_delivery": delivery,
            "tensorflow_wheel_store": str(self.store),
            "tensorflow_index_url": self.index.url,
            **self.more,
        }

    def setup(self, mac: Mac, *arguments: str, delivery: str = "controller", **options: Any) -> Result:
        return on(mac, SETUP, *arguments, **{**self.variables(delivery), **options})

    def pin(self, *wheels: Wheel) -> None:
        self.lock.write_text(lock_of(*wheels))

    def whole(self) -> set[str]:
        """The names of the wheels in the controller's store."""
        return {path.name for path in self.store.glob("*/*.whl")}


@pytest.fixture
def site(tmp_path: Path, small_wheels: SmallWheels, uv_wheel: Path) -> Iterator[Site]:
    published = tmp_path / "published"
    shutil.copytree(small_wheels.folder, published)
    shutil.copy(uv_wheel, published)
    with Index(published, digests=True) as index:
        site = Site(tmp_path / "store", index, tmp_path / "lock.txt")
        site.pin(small_wheels.alpha, small_wheels.beta)
        yield site


@pytest.fixture
def host(mac: NewMac, managed_python_template: str) -> Mac:
    """A Mac with the managed Python, so that only wheels have to come."""
    return mac(f"m1-fresh@{managed_python_template}")


def sent(result: Result) -> list[str]:
    """The files that were sent, by what they are called on the way, of a run with -vvv."""
    return [path.rpartition("/")[2].removesuffix(".part") for path in re.findall(r"PUT \S+ TO (\S+)", result.stdout)]


def seen(mac: Mac) -> set[str]:
    """What is in the user's home, without the managed Python, whose first run compiles what it imports."""
    return {line for line in listing(mac, HOME) if "/python/cpython-" not in line}


def stored(mac: Mac) -> set[str]:
    """The files in a host's wheel store."""
    return set(said(mac, f"cd {ROOT}/wheels; find . -type f").split())


def of_store(*wheels: Wheel) -> set[str]:
    return {f"./{wheel.sha256}/{wheel.path.name}" for wheel in wheels}


def test_two_macs_one_download_in_four_runs(
    fleet: Fleet, mac: NewMac, managed_python_template: str, site: Site, small_wheels: SmallWheels
) -> None:
    macs = {host.name: host for host in (mac(f"m1-fresh@{managed_python_template}") for _ in range(2))}
    wheels = (small_wheels.alpha, small_wheels.beta)
    said_in: list[Result] = []

    def run(*arguments: str) -> dict[str, Result]:
        said_in.append(on_fleet(fleet, SETUP, "-vvv", "--limit", ",".join(macs), *arguments, **site.variables()))
        if said_in[1:] == []:
            assert site.index.requests == [], "check mode fetches nothing"
        return dict.fromkeys(macs, said_in[-1])

    for name, runs in four_runs(macs, run).items():
        assert [each.recap[name]["changed"] for each in runs.said] == [1, 1, 0, 0]
        assert [line for line in runs.seen[0] ^ runs.seen[1] if "/python/cpython-" not in line] == []
        assert runs.seen[2] ^ runs.seen[3] == set()
        assert said(macs[name], USE_IT) == "1.0 2.0\n"
        assert stored(macs[name]) == of_store(*wheels)
    assert sorted(site.index.downloads) == sorted(wheel.path.name for wheel in wheels)
    assert site.index.sent == sum(wheel.path.stat().st_size for wheel in wheels)
    assert [sent(each) for each in said_in] == [[], ["wheels.tar"] * 2, [], []]
    for quiet in said_in[2:]:
        assert quiet.output.count("Using module file") == len(macs), "one remote task a host"


def test_what_a_host_has_is_neither_fetched_nor_sent(host: Mac, site: Site, small_wheels: SmallWheels) -> None:
    site.setup(host)
    site.index.requests.clear()
    said(host, f"rm {LINKS}/tf/lib/python3.*/site-packages/beta/__init__.py")
    repaired = site.setup(host, "-vvv")
    assert (repaired.recap[host.name]["changed"], sent(repaired)) == (1, [])
    assert repaired.output.count("Using module file") == 2  # it is asked, and it repairs

    beta = f"{ROOT}/wheels/{small_wheels.beta.sha256}/{small_wheels.beta.path.name}"
    said(
        host,
        f"printf X | dd of={beta} bs=1 seek=100 conv=notrunc; rm {LINKS}/tf/lib/python3.*/site-packages/alpha/*.so",
    )
    repaired = site.setup(host, "-vvv")
    assert (repaired.recap[host.name]["changed"], sent(repaired)) == (1, ["wheels.tar"])
    assert installed(host, f"{LINKS}/tf")["wrong"] == []
    assert said(host, f"shasum -a 256 {beta}").split()[0] == small_wheels.beta.sha256
    assert site.index.requests == []


def test_a_repair_from_the_hosts_own_store_asks_no_index(host: Mac, site: Site) -> None:
    site.setup(host, delivery="index")
    assert len(site.index.downloads) == 2
    site.index.requests.clear()
    said(host, f"rm {LINKS}/tf/lib/python3.*/site-packages/beta/__init__.py")
    assert site.setup(host, delivery="index").recap[host.name]["changed"] == 1
    assert site.index.requests == []
    assert said(host, USE_IT) == "1.0 2.0\n"


def test_a_damaged_wheel_on_the_controller_is_fetched_again_or_named(
    host: Mac, site: Site, small_wheels: SmallWheels
) -> None:
    on(host, FETCH, **site.variables())
    damaged = site.store / small_wheels.beta.sha256 / small_wheels.beta.path.name
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"!")
    before = seen(host)
    refused = site.setup(host, delivery="store", check=False)
    assert refused.rc != 0
    assert f"The wheel store {site.store} lacks beta 2.0 (damaged)" in refused.words
    assert seen(host) == before

    site.index.downloads.clear()
    assert site.setup(host).recap[host.name]["changed"] == 1
    assert site.index.downloads == [small_wheels.beta.path.name]
    assert said(host, USE_IT) == "1.0 2.0\n"


def test_native_code_for_another_processor_does_not_leave_the_controller(host: Mac, site: Site) -> None:
    files = {"alpha/__init__.py": b"", "alpha/native.so": library("x86_64")}
    site.pin(make_wheel(site.lock.parent / "published", "alpha", "1.1", files, tag="py3-none-macosx_11_0_arm64"))
    before = seen(host)
    refused = site.setup(host, "-vvv", check=False)
    assert refused.rc != 0
    assert "The wheel of alpha 1.1 holds code for x86_64, not for arm64, so that it was not sent" in refused.words
    assert (sent(refused), seen(host)) == ([], before)


def test_a_fresh_mac_without_a_network_gets_everything_from_a_store_that_was_carried_over(
    mac: NewMac, site: Site, uv_wheel: Path
) -> None:
    fresh = mac("m1-fresh")
    refused = on(fresh, FETCH, check=False, tensorflow_wheel_store_keep=0, **site.variables())
    assert "tensorflow_wheel_store_keep is 0. Give a number of days, 1 or more" in refused.words
    assert (refused.rc, site.store.exists()) == (2, False)
    foreseen = on(fresh, FETCH, "--check", **site.variables())
    assert foreseen.recap[fresh.name]["changed"] == 1
    assert not site.store.exists()
    filled = on(fresh, FETCH, **site.variables())
    assert re.search(rf"{site.store} has all that is needed for tf \(.*, Python 3\.\d+: \d+ MB in all", filled.words)
    assert [uv_wheel.name in site.whole(), len(site.whole())] == [True, 3]
    [archive] = site.store.glob("*/cpython-*.tar.gz")
    assert on(fresh, FETCH, **site.variables()).recap[fresh.name]["changed"] == 0
    assert len(site.index.downloads) == 3

    old = site.store / ("0" * 64) / "gone-1.0-py3-none-any.whl"
    old.parent.mkdir()
    old.write_bytes(b"")
    os.utime(old.parent, (0, 0))
    pruned = on(fresh, FETCH, tensorflow_wheel_store_keep=1, **site.variables())
    assert f"Removed {old.name}" in pruned.words
    assert [uv_wheel.name in site.whole(), len(site.whole())] == [True, 3]
    assert fresh.calls() == []

    carried = site.store.rename(site.store.with_name("disk"))
    offline = Site(carried, site.index, site.lock, {"tensorflow_index_url": NOWHERE, "native_python_mirror": NOWHERE})
    site.index.requests.clear()
    hidden = [carried.parent / "beta.whl", carried.parent / "archive"]
    beta = next(carried.glob("*/beta-2.0*.whl"))
    archive = carried / archive.relative_to(site.store)
    for path, away in zip((beta, archive), hidden, strict=True):
        path.rename(away)
    before = listing(fresh)
    refused = offline.setup(fresh, delivery="store", check=False)
    assert refused.rc != 0
    assert f"The wheel store {carried} lacks beta 2.0, {archive.relative_to(carried)}" in refused.words
    assert "Run fetch.yml" in refused.words
    assert listing(fresh) == before

    for path, away in zip((beta, archive), hidden, strict=True):
        away.rename(path)
    runs = [offline.setup(fresh, *mode, delivery="store") for mode in (("--check",), (), (), ("--check",))]
    assert [run.recap[fresh.name]["changed"] for run in runs] == [2, 2, 0, 0]
    assert said(fresh, USE_IT) == "1.0 2.0\n"
    assert site.index.requests == []
    assert fresh.shim_calls() == []


def test_a_transfer_that_was_killed_goes_on_behind_what_has_arrived(host: Mac, site: Site, tmp_path: Path) -> None:
    published = tmp_path / "published"
    big = [
        make_wheel(published, name, files={f"{name}/data": random.Random(name).randbytes(size * 1_000_000)})
        for name, size in (("first", 60), ("second", 50), ("third", 40))
    ]
    site.pin(*big)
    on(host, FETCH, **site.variables())
    arriving = host.folder / "upper" / f"{ROOT}/wheels/{big[1].sha256}-{big[1].path.name}.part".lstrip("/")

    def kill_once_it_arrives() -> None:
        wait_until(arriving.exists)
        kill_controllers()
        cut_connections(host)

    killer = threading.Thread(target=kill_once_it_arrives)
    killer.start()
    killed = site.setup(host, check=False)
    killer.join()
    assert killed.rc == -signal.SIGKILL

    again = site.setup(host, "-vvv")
    assert again.recap[host.name]["changed"] == 1
    names = [f"{wheel.sha256}-{wheel.path.name}" for wheel in big]
    assert names[0] not in sent(again)
    assert names[2] in sent(again)
    assert "are there; next is third 1.0, 40 MB" in again.words
    assert stored(host) == of_store(*big)
    assert len(site.index.downloads) == len([*big, "uv"])


def test_a_host_that_takes_no_file_says_why(host: Mac, site: Site) -> None:
    said(host, f"mkdir -p {ROOT}/wheels; ln -s /dev/full {ROOT}/wheels/wheels.tar.part")
    result = site.setup(host, check=False, warns="transfer mechanism failed")
    assert result.rc == 2
    assert "2 small files could not be sent to the host. " in result.words
    assert "No space left on device" in result.words
    assert f"Check that the volume of {ROOT}/wheels on the host has room" in result.words
    assert said(host, f"ls -d {LINKS} || true") == ""


def test_what_is_sent_for_another_user_belongs_to_that_user(host: Mac, site: Site) -> None:
    places = {"tensorflow_root": "/opt/acme/tf", "tensorflow_links": "/opt/acme/envs"}
    installed_for_all = site.setup(
        host, ansible_become=True, native_python_mirror=str(host.fleet.store.archives), **places
    )
    assert installed_for_all.recap[host.name]["changed"] == 2
    assert said(host, "/opt/acme/envs/tf/bin/python -c 'import beta; print(beta.VERSION)'") == "2.0\n"
    assert said(host, "sudo find /opt/acme ! -user root; ls -A .ansible/tmp") == ""


def test_what_is_sent_for_a_user_without_rights_belongs_to_that_user(host: Mac, site: Site) -> None:
    """Ansible lets that user read it by an access list."""
    said(host, "sudo sysadminctl -addUser ann 2>&1")
    python = {"native_python_mirror": str(host.fleet.store.archives)}
    installed = site.setup(host, ansible_become=True, ansible_become_user="ann", **python)
    assert installed.recap[host.name]["changed"] == 2
    imports = "python -c 'import beta; print(beta.VERSION)'"
    assert said(host, f"sudo -H -u ann /Users/ann/.virtualenvs/tf/bin/{imports}") == "2.0\n"
    assert said(host, "sudo find /Users/ann/.local /Users/ann/.virtualenvs ! -user ann") == ""
    assert said(host, f"sudo find /var/tmp/ -name 'ansible*'; ls -d {LINKS} 2>/dev/null || true") == ""


def test_an_index_that_is_gone_is_said_once_and_changes_nothing(host: Mac, site: Site) -> None:
    before = seen(host)
    refused = site.setup(host, check=False, tensorflow_index_url=NOWHERE)
    assert refused.rc != 0
    assert "the package index could not be reached" in refused.words
    assert seen(host) == before
