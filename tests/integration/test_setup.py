# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole way: setup.yml over SSH, from a Mac that has nothing to TensorFlow on its GPU, and what stops it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests import metal
from tests.ansible_runner import CHECKOUT, playbook
from tests.integration.hosts import HOME, LINKS, ROOT, SETUP, changes, installed, listing, on, on_fleet, said

if TYPE_CHECKING:
    from tests.integration.conftest import NewMac
    from tests.simulated_mac.fleet import Fleet, Mac

TENSORFLOW = f"{LINKS}/tensorflow"
LOCKS = CHECKOUT / "plugins/plugin_utils/_data/locks/tensorflow-2.18.1-metal-1.2.0"


def lock_for(mac: Mac) -> Path:
    """The collection's lock for the Python that simulated Macs have here."""
    return LOCKS / f"macos-arm64-py{mac.fleet.store.python.minor}.txt"


@pytest.fixture
def ready(mac: NewMac, converged: str) -> Mac:
    """A Mac on which everything is in order."""
    host = mac(f"m1-fresh@{converged}")
    metal.use(host, "ok")
    return host


def test_the_environment_holds_what_the_lock_says_and_all_of_it_is_native(ready: Mac) -> None:
    holds = installed(ready, TENSORFLOW)
    lock = lock_for(ready).read_text(encoding="utf-8")
    pinned = {line.split()[0].replace("==", "-") for line in lock.splitlines() if not line.startswith(("#", " "))}
    assert {name.lower().replace("_", "-") for name in holds["packages"]} == {name.lower() for name in pinned}
    assert holds["wrong"] == []
    assert holds["checked"] > 10_000
    assert holds["libraries"] > 90
    assert holds["foreign"] == []
    assert holds["linked_elsewhere"] == []
    for package in ("tensorflow", "tensorflow_metal"):
        assert all(tag.endswith("_arm64") and "macosx" in tag for tag in holds["tags"][package])


def test_what_is_in_order_costs_one_remote_task_and_leaves_no_trace(ready: Mac) -> None:
    before = listing(ready, HOME)
    result = on(ready, SETUP, "-vvv")
    assert result.output.count("Using module file") == 1
    assert result.output.count("SSH: EXEC ssh") == 1
    assert (result.recap[ready.name]["ok"], result.recap[ready.name]["changed"]) == (1, 0)
    assert f"{ready.name}: tensorflow: gpu-ok" in result.stdout
    assert listing(ready, HOME) == before


def test_drift_is_mended_and_proven_again(ready: Mac) -> None:
    said(ready, f"rm {TENSORFLOW}/lib/python3.*/site-packages/six.py && rm {ROOT}/bin/uv")
    assert [changes(ready, "--check"), changes(ready), changes(ready), changes(ready, "--check")] == [2, 2, 0, 0]
    assert installed(ready, TENSORFLOW)["wrong"] == []


@pytest.mark.parametrize(("variant", "verdict"), [("zero_devices", "gpu-missing"), ("wrong", "gpu-wrong-results")])
def test_a_gpu_that_does_not_do_its_work_fails_the_last_task(ready: Mac, variant: str, verdict: str) -> None:
    metal.use(ready, variant)
    # It is so already, so that nothing keeps the run from going on behind a canary.
    result = on(ready, SETUP, check=False, tensorflow_canary=1)
    assert result.rc != 0
    assert result.recap[ready.name]["rescued"] == 1
    last_task = result.stdout.rpartition("\nTASK [")[2]
    assert "Assert that the GPU is visible, used, and right" in last_task
    assert f"tensorflow: {verdict}" in last_task
    assert "restart the Mac" in last_task
    metal.use(ready, "ok")
    assert changes(ready) == 0


def test_a_new_environment_that_fails_its_probe_is_not_activated_and_the_canary_saves_the_others(
    ready: Mac, mac: NewMac, converged: str, tmp_path: Path
) -> None:
    other = mac(f"m1-fresh@{converged}", "other")
    lock = tmp_path / "lock.txt"
    shutil.copy(lock_for(ready), lock)
    with lock.open("a") as text:
        text.write("# another lock\n")
    before = said(ready, f"readlink {TENSORFLOW}")
    metal.use(ready, "zero_devices")
    declared = [{"name": "tensorflow", "lock": str(lock)}]
    pair = ["--limit", f"{ready.name},{other.name}"]
    result = on_fleet(ready.fleet, SETUP, *pair, check=False, tensorflow_environments=declared, tensorflow_canary=1)
    assert result.rc != 0
    assert "did not pass its probe: gpu-missing" in result.output
    assert f"The canary {ready.name} is worse than before this run" in result.stdout.rpartition("\nTASK [")[2]
    assert (list(result.recap), other.calls()) == ([ready.name], [])
    assert said(ready, f"readlink {TENSORFLOW}") == before


def test_audit_tells_drift_and_changes_nothing(ready: Mac) -> None:
    audit = CHECKOUT / "playbooks/audit.yml"
    assert on(ready, audit).rc == 0
    said(ready, f"sed -i '$ a # damaged' {TENSORFLOW}/lib/python3.*/site-packages/six.py")
    before = listing(ready, HOME)
    result = on(ready, audit, check=False)
    assert result.rc != 0
    assert re.search(r"file-damaged: lib/python3\.1\d/site-packages/six\.py", result.output)
    assert listing(ready, HOME) == before


def test_drift_that_is_only_to_be_reported_is_left(ready: Mac) -> None:
    said(ready, f"rm {TENSORFLOW}/lib/python3.*/site-packages/six.py")
    declared = [{"name": "tensorflow", "on_drift": "report"}]
    result = on(ready, SETUP, check=False, tensorflow_environments=declared)
    assert result.rc != 0
    assert "has drifted and was left as it is, because on_drift is report (file-missing" in result.output
    assert result.recap[ready.name]["changed"] == 0


@pytest.mark.slow("builds TensorFlow once more")
def test_back_and_forward_and_gone(ready: Mac) -> None:
    one: dict[str, Any] = {"tensorflow_name": "tensorflow"}
    first = f"{ROOT}/environments/tensorflow/1/lib/python3.*/site-packages"
    said(ready, f"mv {first}/six.py six.py")
    assert changes(ready) == 1
    damaged = on(ready, CHECKOUT / "playbooks/rollback.yml", check=False, **one)
    assert damaged.rc != 0
    assert re.search(r"not whole any more \(lib/python3\.1\d/site-packages/six\.py\)", damaged.output)
    assert said(ready, f"readlink {TENSORFLOW}") == f"{ROOT}/environments/tensorflow/2\n"
    said(ready, f"mv six.py $(echo {first})/six.py")
    back = [
        on(ready, CHECKOUT / "playbooks/rollback.yml", *check, **one) for check in (["--check"], [], [], ["--check"])
    ]
    assert [run.recap[ready.name]["changed"] for run in back] == [1, 1, 0, 0]
    assert said(ready, f"readlink {TENSORFLOW}") == f"{ROOT}/environments/tensorflow/1\n"
    removed = on(ready, CHECKOUT / "playbooks/remove.yml", **one)
    assert removed.recap[ready.name]["changed"] == 1
    assert said(ready, f"ls {LINKS}; ls {ROOT}/environments") == ""


@pytest.mark.parametrize("choice", [("--skip-tags", "verify"), ("--tags", "environments"), ("--tags", "verify")])
def test_no_tag_hides_a_failure_or_does_half_of_the_work(ready: Mac, choice: tuple[str, str]) -> None:
    metal.use(ready, "zero_devices")
    result = on(ready, SETUP, *choice, check=False)
    ran = result.recap.get(ready.name, {"ok": 0})
    assert result.rc != 0 or ran["ok"] == 0, result.output


def test_a_probe_that_is_left_out_is_not_made(ready: Mac) -> None:
    metal.use(ready, "zero_devices")
    result = on(ready, SETUP, tensorflow_environments=[{"name": "tensorflow", "gpu_check": "none"}])
    assert "not probed" in result.output
    assert result.recap[ready.name]["changed"] == 0


def test_limit_touches_nobody_else(ready: Mac, mac: NewMac) -> None:
    other = mac("m1-fresh")
    result = on(ready, SETUP)
    assert list(result.recap) == [ready.name]
    assert [call for call in other.calls() if "sysctl" in call["argv"][0]] == []


def test_a_damaged_archive_is_not_sent_and_a_whole_one_repairs(mac: NewMac, tmp_path: Path) -> None:
    fresh = mac("m1-fresh")
    mirror = tmp_path / "mirror"
    shutil.copytree(fresh.fleet.store.archives, mirror)
    archive = next(mirror.glob("*/*.tar.gz"))
    content = bytearray(archive.read_bytes())
    content[len(content) // 2] ^= 1
    archive.write_bytes(content)
    before = listing(fresh, HOME)
    result = on(fresh, SETUP, check=False, native_python_mirror=str(mirror))
    assert result.rc != 0
    assert archive.name in result.output
    assert "damaged" in result.output
    assert listing(fresh, HOME) == before
    on(fresh, CHECKOUT / "tests/integration/playbooks/native_python.yml")
    assert said(fresh, f"{ROOT}/bin/python3 -c 'import platform; print(platform.machine())'") == "arm64\n"


@pytest.mark.slow("builds TensorFlow once more")
def test_several_macs_at_once(fleet: Fleet, mac: NewMac, converged: str) -> None:
    names = [mac(f"m1-fresh@{converged}", f"several-{number}").name for number in range(3)]
    for name in names:
        metal.use(fleet[name], "ok")
    said(fleet[names[0]], f"rm {TENSORFLOW}/lib/python3.*/site-packages/six.py")
    result = on_fleet(fleet, SETUP, "--limit", ",".join(names))
    assert [result.recap[name]["changed"] for name in names] == [1, 0, 0]


def test_this_machine(tmp_path: Path) -> None:
    """What `make setup` does, with a home of its own: Linux's TensorFlow, which computes."""
    home = {"HOME": str(tmp_path)}
    first = playbook("-i", "inventory/local", SETUP, env=home)
    assert "cpu-ok, TensorFlow 2.18.1" in first.output
    assert first.recap["localhost"]["changed"] == 2
    assert playbook("-i", "inventory/local", SETUP, env=home).recap["localhost"]["changed"] == 0
    assert (tmp_path / ".virtualenvs/tensorflow/bin/python").exists()
