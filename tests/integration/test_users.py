# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose environment it is, who can use it, and that a user's surroundings have no say: setup.yml with small wheels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.ansible_runner import CHECKOUT
from tests.integration.hosts import HOME, LINKS, PLAYBOOKS, ROOT, SETUP, listing, on, said, send
from tests.slow import cases

if TYPE_CHECKING:
    from tests.integration.conftest import NewMac
    from tests.integration.environments import SmallWheels
    from tests.simulated_mac.fleet import Mac

ONCE_MORE = "sets a Mac up once more"
USES_IT = "python -c 'import alpha, beta; print(alpha.VERSION, beta.VERSION)'"


def declare(wheels: SmallWheels, **others: Any) -> dict[str, Any]:
    """Variables that declare the small environment `tf`."""
    environment = {"name": "tf", "lock": wheels.lock, "gpu_check": "none"}
    shared = {"tensorflow_environments": [environment], "tensorflow_wheels": "/opt/wheels", "tensorflow_free_mb": 10}
    return shared | others


@pytest.fixture
def blank(mac: NewMac, small_wheels: SmallWheels) -> Mac:
    """A Mac that has nothing but the wheels, and a second account."""
    host = mac("m1-fresh")
    said(host, "sudo mkdir -p /opt/wheels && sudo chown admin /opt/wheels && sudo sysadminctl -addUser ann")
    send(host, small_wheels.folder, "/opt/wheels")
    return host


def changes_of_three_runs(host: Mac, variables: dict[str, Any]) -> list[int]:
    runs = [on(host, SETUP, *arguments, **variables) for arguments in ((), (), ("--check",))]
    return [run.recap[host.name]["changed"] for run in runs]


def test_another_user_gets_what_is_installed_as_that_user(blank: Mac, small_wheels: SmallWheels) -> None:
    variables = declare(small_wheels, ansible_become=True, ansible_become_user="ann")
    assert changes_of_three_runs(blank, variables) == [2, 0, 0]
    assert said(blank, f"sudo -H -u ann /Users/ann/.virtualenvs/tf/bin/{USES_IT}") == "1.0 2.0\n"
    others = said(blank, "sudo find /Users/ann/.local /Users/ann/.virtualenvs ! -user ann")
    assert others == ""
    assert said(blank, f"ls -d {HOME}/.local {LINKS} 2>/dev/null || true") == ""
    assert blank.shim_calls() == []


@pytest.mark.parametrize("umask", cases(zip(["022", "027", "077"]), ["077"], ONCE_MORE))
def test_every_user_can_use_what_is_installed_for_all(blank: Mac, small_wheels: SmallWheels, umask: str) -> None:
    said(blank, f"echo 'umask {umask}' >> .zshenv; echo 'umask {umask}' | sudo tee -a /var/root/.zshenv >/dev/null")
    places = {"tensorflow_root": "/opt/acme/tf", "tensorflow_links": "/opt/acme/envs"}
    assert changes_of_three_runs(blank, declare(small_wheels, ansible_become=True, **places)) == [2, 0, 0]
    for user in ("ann", "admin"):
        assert said(blank, f"sudo -H -u {user} /opt/acme/envs/tf/bin/{USES_IT}") == "1.0 2.0\n"
    assert said(blank, "sudo find /opt/acme ! -user root") == ""
    refused = blank.run("sudo -H -u ann touch /opt/acme/envs/tf/mine")
    assert refused.returncode != 0


SURROUNDINGS = {
    "noise": "echo 'Welcome to mac-042!'; echo 'JAVA_HOME=/Library/Java'; echo trouble >&2",
    "brackets": "echo '[info] ready'; echo '{ not json'; printf 'no line break'",
    "python": "export PYTHONHOME=/nonexistent PYTHONPATH=/nonexistent PYTHONSTARTUP=/nonexistent PYTHONNOUSERSITE=1",
    "pip": "export PIP_REQUIRE_VIRTUALENV=true PIP_USER=1 PIP_DRY_RUN=1 PIP_TARGET=/nonexistent",
    "path": "export PATH=/usr/bin:/bin",
    "folder": "cd /; umask 077; export SYSTEM_VERSION_COMPAT=1",
}


@pytest.mark.parametrize("kind", cases(zip(SURROUNDINGS), ["noise", "python"], ONCE_MORE))
def test_a_users_surroundings_have_no_say(blank: Mac, small_wheels: SmallWheels, kind: str) -> None:
    blank.run("cat >> .zshenv", input=f"{SURROUNDINGS[kind]}\n".encode(), check=True)
    assert changes_of_three_runs(blank, declare(small_wheels)) == [2, 0, 0]
    blank.run("rm ~/.zshenv", check=True)
    assert said(blank, f"{LINKS}/tf/bin/{USES_IT}") == "1.0 2.0\n"
    assert blank.shim_calls() == []


def test_homebrews_own_files_stay_as_they_are(mac: NewMac, small_wheels: SmallWheels) -> None:
    """Its Python has a sitecustomize.py of its own."""
    host = mac("m4-homebrew")
    said(host, "sudo mkdir -p /opt/wheels && sudo chown admin /opt/wheels")
    send(host, small_wheels.folder, "/opt/wheels")
    before = homebrews_files(host)
    assert [entry for entry in before if "sitecustomize.py" in entry]
    variables = declare(small_wheels, native_python_source="homebrew")
    assert changes_of_three_runs(host, variables) == [2, 0, 0]
    said(host, f"rm {LINKS}/tf/lib/python3.*/site-packages/alpha/part7.py")
    assert changes_of_three_runs(host, variables) == [1, 0, 0]
    assert homebrews_files(host) ^ before == set()


def homebrews_files(host: Mac) -> set[str]:
    """Without folders, whose time changes when Python compiles what it imports."""
    return {entry for entry in listing(host, "/opt/homebrew") if not entry.startswith("d")}


def test_a_start_up_file_in_somebody_elses_python_is_said_and_left(mac: NewMac, small_wheels: SmallWheels) -> None:
    host = mac("m4-homebrew")
    said(host, "sudo mkdir -p /opt/wheels && sudo chown admin /opt/wheels")
    send(host, small_wheels.folder, "/opt/wheels")
    variables = declare(small_wheels, native_python_source="homebrew")
    on(host, SETUP, **variables)
    program = "import os; print(os.path.dirname(os.__file__))"
    stray = said(host, f"{ROOT}/bin/python3 -I -c '{program}'").strip() + "/usercustomize.py"
    said(host, f"echo 'mine = 1' > {stray}")
    run = on(host, SETUP, warns="usercustomize.py is new, and runs whenever the Python of", **variables)
    assert run.recap[host.name]["changed"] == 0
    assert "It is not ours: remove it if it is stray" in run.output
    assert said(host, f"cat {stray}") == "mine = 1\n"


def test_a_shim_as_interpreter_is_refused_before_it_is_run(blank: Mac, small_wheels: SmallWheels) -> None:
    refused = on(
        blank, SETUP, "-e", "ansible_python_interpreter=/usr/bin/python3", check=False, **declare(small_wheels)
    )
    assert refused.rc != 0
    assert "shim" in refused.output
    assert blank.shim_calls() == []


def test_a_shim_in_the_inventory_does_no_harm(blank: Mac, small_wheels: SmallWheels) -> None:
    variables = declare(small_wheels, ansible_python_interpreter="/usr/bin/python3")
    assert changes_of_three_runs(blank, variables) == [2, 0, 0]
    assert blank.shim_calls() == []


def test_a_module_alone_runs_by_the_managed_python(blank: Mac) -> None:
    facts = PLAYBOOKS / "facts_alone.yml"
    refused = on(blank, facts, check=False)
    assert "There is no managed Python on this host yet" in refused.output
    on(blank, PLAYBOOKS / "native_python.yml")
    assert '"is_apple_silicon": true' in on(blank, facts, "-v").output
    assert blank.shim_calls() == []


def test_what_must_be_absent_is_absent_from_a_host_that_has_nothing(blank: Mac, small_wheels: SmallWheels) -> None:
    removed = on(blank, CHECKOUT / "playbooks/remove.yml", tensorflow_name="tf")
    assert removed.recap[blank.name]["changed"] == 0
    absent = declare(small_wheels)
    absent["tensorflow_environments"][0]["state"] = "absent"
    assert on(blank, SETUP, **absent).recap[blank.name]["changed"] == 0
    assert said(blank, f"ls -d {HOME}/.local {LINKS} 2>/dev/null || true") == ""
