# SPDX-License-Identifier: GPL-3.0-or-later
"""Environments of conda packages on a simulated Mac, from a channel over HTTP, with TensorFlow on top of them."""

from __future__ import annotations

import json
import platform
import random
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.ansible_runner import playbook
from tests.conda import Channel, Package, of_mac, of_prefix, of_wheel
from tests.index import Index
from tests.integration.conftest import served
from tests.integration.hosts import FETCH, LINKS, ROOT, SETUP, on, on_fleet, said
from tests.integration.processes import BUILDERS, KILLS, SEED, disturbed, durations
from tests.kept import LOCKS, download
from tests.metal import use
from tests.simulated_mac import pythons
from tests.wheels import lock_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.integration.conftest import NewMac
    from tests.integration.environments import SmallWheels
    from tests.simulated_mac.fleet import Fleet

HOSTS = 2


def declared(url: str, tmp_path: Path, **options: Any) -> dict[str, Any]:
    environment = {"name": "lab", "kind": "conda", "conda": {"packages": ["tool"], "channels": [url]}, **options}
    return {"tensorflow_environments": [environment], "tensorflow_locks": str(tmp_path / "locks")}


@pytest.mark.slow("installs TensorFlow by conda")
def test_tensorflow_comes_with_the_gpu_on_top_of_conda_packages(
    mac: NewMac, managed_python_template: str, channel: tuple[Channel, str], tmp_path: Path
) -> None:
    host = mac(f"m1-fresh@{managed_python_template}")
    use(host, "ok")
    variables = declared(channel[1], tmp_path, tensorflow="2.18.1")

    foreseen = on(host, SETUP, "--check", **variables)
    first, again = on(host, SETUP, **variables), on(host, SETUP, **variables)

    assert foreseen.recap[host.name]["changed"] == first.recap[host.name]["changed"] == 1
    assert again.recap[host.name]["changed"] == 0, again.output
    assert "lab: gpu-ok" in again.output
    prefix = said(host, f"{LINKS}/lab/bin/python -c 'import sys, tensorflow; print(sys.prefix)'").strip()
    assert prefix == f"{ROOT}/environments/lab/1"
    assert said(host, f"{LINKS}/lab/bin/tool") == "tool\n"
    assert said(host, f"cat {LINKS}/lab/etc/prefix.txt") == f"prefix={prefix}\n"
    said(host, f"rm {LINKS}/lab/bin/tool; echo damaged >> {LINKS}/lab/lib/python3.*/json/__init__.py")
    repair = on(host, SETUP, **variables)
    assert "file-missing" in repair.output
    assert "file-damaged" in repair.output
    assert on(host, SETUP, "--check", **variables).recap[host.name]["changed"] == 0
    assert host.shim_calls() == []


def test_conda_packages_come_by_way_of_the_controller(
    mac: NewMac, managed_python_template: str, channel: tuple[Channel, str], small_wheels: SmallWheels, tmp_path: Path
) -> None:
    """From a channel that is a folder there, then from a store alone, without a network and without the channel."""
    host, store = mac(f"m1-fresh@{managed_python_template}"), tmp_path / "store"
    lock, folder = tmp_path / "lab.txt", tmp_path / "channel"
    shutil.copytree(channel[0].folder, folder)
    lines = [line.replace(channel[0].url, folder.as_uri()) for line in channel[0].lines]
    lock.write_text("\n".join(["@EXPLICIT", *lines, "@WHEELS", lock_of(small_wheels.beta)]))
    variables: dict[str, Any] = {
        "tensorflow_environments": [{"name": "lab", "kind": "conda", "lock": str(lock), "gpu_check": "none"}],
        "tensorflow_delivery": "controller",
        "tensorflow_wheel_store": str(store),
    }

    refused = on(host, SETUP, check=False, **{**variables, "tensorflow_delivery": "index"})
    assert "its channel is a folder that is not on the machine that fetches it" in refused.output
    assert f"has no {folder}" in refused.output
    said(host, f"rm -r {ROOT}/wheels")

    with Index(small_wheels.folder, digests=True) as index:
        variables["tensorflow_extra_index_urls"] = [index.url]
        runs = [on(host, SETUP, *mode, **variables) for mode in (("--check",), (), (), ("--check",))]
    assert [run.recap[host.name]["changed"] for run in runs] == [1, 1, 0, 0], [run.output for run in runs]
    names = sorted(path.name.partition("-")[0] for path in store.glob("*/*"))
    assert names == ["beta", "py_rattler", "python", "tool"]
    assert said(host, f"{LINKS}/lab/bin/tool") == "tool\n"
    to_fetch = on(host, FETCH, "--check", **variables).output
    assert "uv " in to_fetch
    assert "py-rattler" in to_fetch, "for the controller itself"
    assert "tool 1.0" not in to_fetch

    folder.rename(tmp_path / "away")
    offline = {**variables, "tensorflow_delivery": "store", "tensorflow_index_url": "http://127.0.0.1:1/simple"}
    said(host, f"rm {LINKS}/lab/bin/tool {ROOT}/wheels/*/tool-*")
    repaired = on(host, SETUP, **offline)
    assert repaired.recap[host.name]["changed"] == 1, repaired.output
    assert said(host, f"{LINKS}/lab/bin/tool") == "tool\n"

    [tool] = store.glob("*/tool-*")
    tool.write_bytes(b"damaged")
    said(host, f"rm {LINKS}/lab/bin/tool {ROOT}/wheels/*/tool-*")
    lacking = on(host, SETUP, check=False, **offline)
    assert f"The wheel store {store} lacks tool 1.0 (damaged). Nothing is fetched" in lacking.output


@pytest.mark.slow("installs a Python by conda many times")
def test_killed_at_any_moment(
    fleet: Fleet, mac: NewMac, managed_python_template: str, channel: tuple[Channel, str], tmp_path: Path
) -> None:
    """What is active can always be used, the next run ends well, and nothing half-done stays."""
    macs, moments = [mac(f"m1-fresh@{managed_python_template}") for _ in range(HOSTS)], random.Random(SEED)
    lock, limit = tmp_path / "lab.txt", ["--limit", ",".join(each.name for each in macs)]
    declared: dict[str, Any] = {
        "tensorflow_environments": [{"name": "lab", "kind": "conda", "lock": str(lock), "gpu_check": "none"}],
        "tensorflow_free_mb": 100,
    }

    def declare(number: int) -> None:
        tool = Package("tool", build=str(number), subdir="osx-arm64", files={"share/tool.txt": str(number).encode()})
        lines = [line for line in channel[0].lines if "/tool-" not in line]
        text = "\n".join(["@EXPLICIT", *lines, channel[0].add(tool), ""])
        lock.write_text(text.replace(channel[0].url, channel[1]))

    def tools() -> set[str]:
        return {said(each, f"cat {LINKS}/lab/share/tool.txt; {LINKS}/lab/bin/python -c pass") for each in macs}

    declare(0)
    duration = max(durations(macs, lambda: on_fleet(fleet, SETUP, *limit, **declared)))
    for number in range(1, KILLS // 10 + 1):
        declare(number)
        plans = [(moments.uniform(0, duration), moments.choice(list(BUILDERS))) for _ in macs]
        print(f"seed {SEED}, round {number}:", *(f"{who} after {moment:.3f} s;" for moment, who in plans))  # noqa: T201
        with disturbed(macs, plans):
            on_fleet(fleet, SETUP, *limit, check=False, **declared)
        assert tools() <= {str(number - 1), str(number)}
        on_fleet(fleet, SETUP, *limit, **declared)
        assert tools() == {str(number)}
    last = on_fleet(fleet, SETUP, "--check", *limit, **declared)
    for each in macs:
        assert last.recap[each.name]["changed"] == 0
        assert said(each, f"ls -d {ROOT}/environments/lab/[0-9]* | wc -l").strip() in {"1", "2"}
        assert said(each, f"ls -d {ROOT}/wheels/*.part {ROOT}/environments/lab/*/.rattler 2>/dev/null || true") == ""


def wheels_for(platform_name: str, minor: str, *tags: str) -> list[Path]:
    """The wheels that the collection's lock for a platform pins, without the plug-in, fetched once."""
    lock = LOCKS / f"{platform_name}-py{minor}.txt"
    folder = download(lock.stem, lock, f"--python-version={minor}", *(f"--platform={tag}" for tag in tags))
    return [wheel for wheel in sorted(folder.glob("*.whl")) if not wheel.name.startswith("tensorflow_metal")]


def fill(channel: Channel, wheels: Iterable[Path], minor: str, subdir: str) -> dict[str, Any]:
    """Make packages of wheels, and declare an environment of all of them."""
    packages = [of_wheel(wheel, minor, subdir) for wheel in wheels]
    for package in packages:
        channel.add(package)
    names = {"packages": [package.name for package in packages], "channels": [channel.url]}
    return {"name": "lab", "kind": "conda", "python": minor, "conda": names}


@pytest.mark.slow("makes a channel of real size")
@pytest.mark.skipif(sys.platform != "linux", reason="its wheels are for Linux")
def test_conda_s_own_tensorflow_computes_on_the_cpu_of_linux(tmp_path: Path) -> None:
    """A channel of real size in a folder, of the wheels of TensorFlow, on this machine itself."""
    python, machine = pythons.find(), platform.machine()
    subdir = "linux-64" if machine == "x86_64" else "linux-aarch64"
    channel = Channel(tmp_path / "channel")
    pythons.lay_out(python, tmp_path / "python")
    channel.add(of_prefix(tmp_path / "python", python.version, subdir))
    environment = fill(channel, wheels_for(f"linux-{machine}", python.minor), python.minor, subdir)
    places = {f"tensorflow_{name}": str(tmp_path / name) for name in ("root", "links", "locks")}
    variables = {"tensorflow_environments": [environment], **places}
    inventory = tmp_path / "inventory.json"
    hosts = {"localhost": {"ansible_connection": "local"}}
    inventory.write_text(json.dumps({"tensorflow": {"hosts": hosts, "vars": variables}}))

    first, again = (playbook("-i", inventory, SETUP) for _ in range(2))

    assert "lab: cpu-ok" in again.output, first.output
    assert again.recap["localhost"]["changed"] == 0


@pytest.mark.slow("makes a channel of real size")
def test_conda_s_own_tensorflow_computes_on_the_cpu_of_a_mac(
    mac: NewMac, managed_python_template: str, tmp_path: Path
) -> None:
    """A channel of real size over HTTP. Where the GPU is required it is refused, before anything is built."""
    host = mac(f"m1-fresh@{managed_python_template}")
    minor, archive = host.fleet.store.python.minor, next(host.fleet.store.archives.glob("*/*.tar.gz"))
    channel = of_mac(archive, tmp_path)
    wheels = wheels_for("macos-arm64", minor, *(f"macosx_{version}_0_arm64" for version in (11, 12, 13)))
    environment = fill(channel, wheels, minor, "osx-arm64")
    with served(channel.folder) as url:
        environment["conda"]["channels"] = [url]
        variables: dict[str, Any] = {
            "tensorflow_environments": [environment],
            "tensorflow_locks": str(tmp_path / "locks"),
        }
        refused = on(host, SETUP, check=False, **variables)
        environment["gpu"] = "none"
        runs = [on(host, SETUP, *mode, **variables) for mode in (("--check",), (), (), ("--check",))]

    assert "gpu: none" in refused.output
    assert refused.recap[host.name]["changed"] == 0
    assert [run.recap[host.name]["changed"] for run in runs] == [1, 1, 0, 0]
    assert "lab: cpu-ok" in runs[2].output
    assert host.shim_calls() == []
