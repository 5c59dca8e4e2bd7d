# SPDX-License-Identifier: GPL-3.0-or-later
"""The agent keeps a Mac in order while no controller reaches it: its job runs for real, on simulated Macs."""

from __future__ import annotations

import itertools
import json
import re
import signal
import ssl
import subprocess
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from functools import partial
from http.server import ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from tests.ansible_runner import CHECKOUT
from tests.integration.conftest import Quiet
from tests.integration.environments import PLACES, SmallEnvironment, SmallWheels
from tests.integration.hosts import HOME, ROOT, SETUP, four_runs, listing, on, said, send
from tests.integration.network import Authority
from tests.integration.processes import has_open, is_engine, kill, running
from tests.integration.processes import send as send_signal
from tests.integration.test_environment_drift import DRIFTS
from tests.integration.test_managed_python import DAMAGES
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.simulated_mac.fleet import Fleet, Mac

AGENT = CHECKOUT / "playbooks/agent.yml"
PUBLISH = CHECKOUT / "playbooks/publish.yml"
JOB = "gui/501/org.metalfleet.tensorflow"
COMMAND = f"{ROOT}/bin/metalfleet"
DAYS = (date(2026, 12, 1) + timedelta(days=number) for number in itertools.count())


def declare(mac: Mac, wheels: SmallWheels, **changed: Any) -> dict[str, Any]:
    """What an inventory says of a Mac with the agent. Its Python is to be had there, from a folder."""
    pins = json.loads((mac.fleet.store.archives / "index.json").read_text())
    minor = mac.fleet.store.python.minor
    return {
        "tensorflow_environments": [{"name": "tf", "lock": wheels.lock, "gpu_check": "none"}],
        "tensorflow_wheels": f"{HOME}/wheels",
        "tensorflow_free_mb": 10,
        "tensorflow_agent": True,
        "tensorflow_agent_delay": 0,
        "native_python_version": minor,
        "native_python_archives": {minor: pins[minor]},
        "native_python_mirror": f"file://{HOME}/mirror",
        **changed,
    }


@pytest.fixture(scope="module")
def template(fleet: Fleet, small_template: str, small_wheels: SmallWheels) -> str:
    """A Mac that setup.yml has given the agent, in four runs, and that no controller reaches any more."""
    mac = fleet.up({"agent-first": f"m1-fresh@{small_template}"})["agent-first"]
    send(mac, fleet.store.archives, "mirror")
    declared = declare(mac, small_wheels)
    runs = four_runs({"it": mac}, lambda *arguments: {"it": on(mac, SETUP, *arguments, **declared)})["it"]
    assert [run.recap[mac.name]["changed"] for run in runs.said] == [1, 1, 0, 0]
    assert [run.recap[mac.name]["ok"] for run in runs.said] == [3, 3, 1, 1]  # one remote task
    assert all("agent-absent" in run.output and "agent-job" in run.output for run in runs.said[:2])
    runs.assert_checks_changed_nothing()
    assert "bootstrap" in calls_of(mac, "launchctl")
    assert mac.shim_calls() == []
    fleet.snapshot(mac.name, "agent")
    mac.delete()
    return "agent"


@pytest.fixture
def mac(fleet: Fleet, template: str) -> Iterator[Mac]:
    made = fleet["agent"]
    fleet.up({made.name: f"m1-fresh@{template}"})
    yield made
    made.delete()


def calls_of(mac: Mac, program: str) -> list[str]:
    """The first arguments of a program's calls."""
    return [call["argv"][1] for call in mac.calls() if call["argv"][0].endswith(f"/{program}")]


def let_it_run(mac: Mac, *, asleep: bool = False) -> str:
    """A day passes; returns what the job has said since."""
    wait_until_idle(mac)
    before = len(log_of(mac))
    day = next(DAYS)
    assert mac.pass_time(f"{day}T12:00", f"{day}T18:00", asleep=asleep) == 1
    return log_of(mac)[before:]


def start_it(mac: Mac) -> str:
    """Let launchd start the job now, as a process of the Mac's own that is seen from outside; returns what it says."""
    before = len(log_of(mac))
    said(mac, f"launchctl kickstart {JOB}")
    wait_until(lambda: len(log_of(mac)) > before)
    wait_until_idle(mac)
    return log_of(mac)[before:]


def wait_until_idle(mac: Mac) -> None:
    """Where agent.yml has changed anything, the job begins at once."""
    wait_until(lambda: "= running" not in mac.run(f"launchctl print {JOB}").stdout, every=0.2)


def log_of(mac: Mac) -> str:
    return said(mac, f"cat {ROOT}/agent/log 2>/dev/null || true")


def metalfleet(mac: Mac, arguments: str, status: int = 0, **environment: str) -> str:
    """What the command says to a user, who knows nothing of Ansible."""
    variables = "".join(f"{name}={value} " for name, value in environment.items())
    result = mac.run(f"{variables}{COMMAND} {arguments}")
    text = result.stdout + result.stderr
    assert result.returncode == status, text
    for word in ("Traceback", ".yml", "nsible", "tensorflow_free", "-e tensorflow"):
        assert word not in text
    return text


TEN = (
    "rm $packages/alpha/part7.py",
    "echo damaged >> $packages/alpha/part8.py",
    "mkfifo $packages/pipe",
    "chmod 000 $packages/alpha/native.so",
    "echo 'import os' > $packages/evil.pth",
    "rm -r $packages/beta",
    "mkdir -p $home/7/bin; echo mine > $home/7/bin/work",
    ": > $root/uv/*/bin/uv",
    "echo x >> $(ls $root/wheels/*/alpha-1.0-*.whl)",
    "rm -r $root/python/*/lib/python3*/json",
)
"""Drift of ten kinds, made on one Mac; the last one is that no program in Python can read a document any more."""


def test_ten_things_that_broke_are_repaired_without_a_controller(mac: Mac, small_wheels: SmallWheels) -> None:
    environment = SmallEnvironment(mac, small_wheels)
    for each in TEN:
        environment.sh(each)
    assert "managed Python, or the agent, is damaged" in metalfleet(mac, "status", 3)

    assert "tf: repaired" in let_it_run(mac, asleep=True)
    environment.assert_in_order()
    assert environment.sh("cat $root/set-aside/*/bin/work") == "mine\n"
    assert said(mac, f"{ROOT}/bin/python3 -c 'import json'; {ROOT}/bin/uv --version").startswith("uv ")
    assert "tf: as declared" in metalfleet(mac, "status")
    history = metalfleet(mac, "history")
    for word in ("The managed Python: python3", "tf: repaired", "file-missing", "file-damaged"):
        assert word in history

    again = on(mac, SETUP, **declare(mac, small_wheels))
    assert again.recap[mac.name]["changed"] == 0
    assert "Meanwhile the agent has repaired the managed Python, tf 2 times" in again.output


def test_where_nothing_has_drifted_nothing_changes(mac: Mac) -> None:
    places = f"{ROOT}/environments {ROOT}/bin {ROOT}/uv {ROOT}/wheels {HOME}/.virtualenvs {HOME}/Library"
    before = listing(mac, places)
    assert "tf: as declared" in let_it_run(mac)
    assert listing(mac, places) == before
    assert "Nothing was done yet" in metalfleet(mac, "history")


def test_on_its_battery_a_mac_repairs_nothing(mac: Mac, small_wheels: SmallWheels) -> None:
    environment = SmallEnvironment(mac, small_wheels)
    environment.sh("rm $packages/alpha/part7.py")

    environment.sh(": > $root/uv/*/bin/uv")

    mac.unplug(39)
    assert let_it_run(mac).count("its battery, which is at 39%") == 2
    assert metalfleet(mac, "report --format jamf") == "<result>drifted: tf file-missing</result>\n"
    assert "left: The managed Python: python3 (uv is not as declared" in metalfleet(mac, "history")
    status = metalfleet(mac, "status", 1)
    for name in ("tf: has drifted", "The managed Python: python3 (uv is not as declared"):
        assert re.search(rf"When the agent last tried, at \S+: {re.escape(name)}.*its battery, which is at 39%", status)
    mac.unplug(40)
    assert "tf: repaired" in let_it_run(mac)
    environment.assert_in_order()
    assert environment.sh("$root/bin/uv --version").startswith("uv ")
    mac.plug_in()


@pytest.mark.slow("takes minutes")
def test_a_generation_that_somebody_went_back_from_is_not_switched_to(mac: Mac, small_wheels: SmallWheels) -> None:
    environment = SmallEnvironment(mac, small_wheels)
    environment.options["lock"] = small_wheels.write_lock("newer", small_wheels.alpha, small_wheels.beta_3)
    newer = declare(mac, small_wheels)
    newer["tensorflow_environments"][0]["lock"] = environment.options["lock"]
    assert on(mac, SETUP, **newer).recap[mac.name]["changed"] == 1
    assert environment.says() == "1.0 3.0"
    assert "rolled back" in metalfleet(mac, "rollback tf")
    assert environment.says() == "1.0 2.0"
    assert "somebody went back" in let_it_run(mac)
    assert environment.says() == "1.0 2.0"
    metalfleet(mac, "repair")
    assert environment.says() == "1.0 3.0"


@pytest.mark.slow("takes minutes")
def test_a_repair_that_fails_three_times_waits_for_another_declaration(mac: Mac, small_wheels: SmallWheels) -> None:
    environment = SmallEnvironment(mac, small_wheels)
    environment.sh("rm $packages/alpha/part7.py; rm -r $root/wheels; mv wheels away; mkdir wheels")
    before = environment.generations()
    for _ in range(3):
        assert "alpha" in let_it_run(mac)
    assert "has failed 3 times" in let_it_run(mac)
    assert environment.generations() == before
    assert "failed: tf" in metalfleet(mac, "history")

    environment.sh("rmdir wheels; mv away wheels")
    assert "has failed 3 times" in let_it_run(mac)
    on(mac, AGENT, **declare(mac, small_wheels, tensorflow_free_mb=11))  # whereupon it begins at once
    wait_until_idle(mac)
    assert "tf: repaired" in log_of(mac)
    environment.assert_in_order()


@pytest.mark.slow("takes minutes")
def test_what_is_only_to_be_reported_is_left(mac: Mac, small_wheels: SmallWheels) -> None:
    declared = declare(mac, small_wheels)
    declared["tensorflow_environments"][0]["on_drift"] = "report"
    on(mac, SETUP, **declared)
    environment = SmallEnvironment(mac, small_wheels)
    environment.sh("rm $packages/alpha/part7.py")
    assert "was left as it is" in let_it_run(mac)
    assert metalfleet(mac, "check", 1).count("file-missing") == 1
    assert environment.sh("ls $packages/alpha/part7.py || true") == ""


@pytest.mark.slow("takes minutes")
def test_a_full_disk_leaves_what_is_there(mac: Mac, small_wheels: SmallWheels) -> None:
    environment = SmallEnvironment(mac, small_wheels)
    environment.sh("rm $packages/alpha/part7.py")
    on(mac, AGENT, **declare(mac, small_wheels, tensorflow_free_mb=99_000_000))
    assert "The disk is full" in let_it_run(mac)
    assert environment.generations() == ["1"]
    assert "The disk is full" in metalfleet(mac, "repair", 1)


def test_a_run_that_was_killed_is_gone_on_with(mac: Mac, small_wheels: SmallWheels) -> None:
    environment = SmallEnvironment(mac, small_wheels)
    environment.sh("rm $packages/alpha/part7.py")
    said(mac, f"launchctl kickstart {JOB}")
    building = mac.folder / "upper" / f"{ROOT}/environments/tf/2".lstrip("/")
    wait_until(building.exists)
    kill(mac, lambda command: "metalfleet.pyz" in command or is_engine(command))
    wait_until_idle(mac)
    assert environment.generations() == ["1", "2"]
    assert environment.sh("readlink $link; ls $home/2/metalfleet-manifest.json 2>&1 || true").count("No such file") == 1

    let_it_run(mac)
    environment.assert_in_order()
    assert environment.generations()[0] == "1"
    assert len(environment.generations()) == 2


Run = Callable[[], str]


def at_once(mac: Mac, first: Run, second: Run, *, agent_is: int, guard: str) -> tuple[str, str]:
    """What two runs say, of which the first is stopped while it has a guard, until the second waits for that."""

    def holders(number: int) -> list[int]:
        wanted = running(mac, lambda command: ("metalfleet.pyz" in command) == (agent_is == number))
        return [pid for pid in wanted if has_open(pid, f"{ROOT}/{guard}")]

    with ThreadPoolExecutor() as pool:
        begun = pool.submit(first)
        wait_until(lambda: bool(holders(1)))
        stopped = holders(1)
        send_signal(signal.SIGSTOP, stopped)
        waiting = pool.submit(second)
        wait_until(lambda: bool(holders(2)))
        assert not begun.done()
        send_signal(signal.SIGCONT, stopped)
        return begun.result(), waiting.result()


@pytest.mark.parametrize("agent_is", [1, 2])
def test_agent_and_controller_at_once_write_one_after_the_other(
    mac: Mac, small_wheels: SmallWheels, agent_is: int
) -> None:
    environment = SmallEnvironment(mac, small_wheels)
    environment.sh("rm $packages/alpha/part7.py")

    def setup() -> str:
        return on(mac, SETUP, **declare(mac, small_wheels)).output

    job = partial(start_it, mac)
    runs: tuple[Run, Run] = (job, setup) if agent_is == 1 else (setup, job)
    first, second = at_once(mac, *runs, agent_is=agent_is, guard=".writer")
    assert "repaired" in first
    assert "tf: as declared" in second
    environment.assert_in_order()
    assert environment.generations() == ["1", "2"]
    assert on(mac, SETUP, **declare(mac, small_wheels)).recap[mac.name]["changed"] == 0


@pytest.mark.slow("takes minutes")
def test_whoever_removes_the_agent_waits_until_it_has_ended(mac: Mac, small_wheels: SmallWheels) -> None:
    environment = SmallEnvironment(mac, small_wheels)
    environment.sh("rm $packages/alpha/part7.py")

    def remove() -> str:
        return on(mac, AGENT, **declare(mac, small_wheels, tensorflow_agent=False)).output

    _, removed = at_once(mac, partial(start_it, mac), remove, agent_is=1, guard="agent/.lock")
    assert "agent-undeclared" in removed
    environment.assert_in_order()
    assert said(mac, f"ls -d {ROOT}/agent {COMMAND} 2>/dev/null || true") == ""


def test_documents_that_must_not_be_followed_are_refused(mac: Mac, small_wheels: SmallWheels) -> None:
    environment = SmallEnvironment(mac, small_wheels)
    environment.sh("rm $packages/alpha/part7.py; cp $root/agent/document.json whole")
    for change, words in (
        ('s/"schema": 1/"schema": 2/', "made for a newer agent"),
        ("s/{//", "is damaged"),
        ('s/"gpu_check": "none"/"gpu_check": "full"/', "changed by hand"),
    ):
        environment.sh(f"sed '{change}' whole > $root/agent/document.json")
        assert words in let_it_run(mac)
        assert words in metalfleet(mac, "repair", 3)
        assert metalfleet(mac, "check", 3).count("\n") == 1
    assert environment.generations() == ["1"]

    repaired = on(mac, AGENT, **declare(mac, small_wheels))
    assert "agent-document" in repaired.output
    wait_until_idle(mac)
    environment.assert_in_order()


def test_the_command_is_for_people_who_do_not_know_ansible(mac: Mac) -> None:
    for name in ("status", "check", "repair", "doctor", "rollback", "history", "report"):
        assert name in metalfleet(mac, "--help")
    for bad in ("", "nonsense", "rollback", "report --format pdf", "repair --soon"):
        assert metalfleet(mac, bad, 2).count("\n") == 1
    assert "No environment is called x" in metalfleet(mac, "rollback x", 3)
    assert json.loads(metalfleet(mac, "report"))["report"]["ok"] is True
    assert "<key>metalfleet_ok</key>" in metalfleet(mac, "report --format munki")
    assert 'metalfleet_host_ok{host="agent"} 1' in metalfleet(mac, "report --format prometheus")
    said(mac, f"mkdir bin; ln -s {COMMAND} bin/mf; cd bin; ln -s mf again; ./again status")


def test_the_command_ends_in_one_line_wherever_it_is_run(mac: Mac) -> None:
    assert mac.run(f"{COMMAND} status >&- 2>&- <&-").returncode == 0
    for line, status in {
        f"{COMMAND} status >/dev/full": 3,
        f"sudo {COMMAND} repair": 3,
        f"sudo {COMMAND} rollback tf": 3,
        f"sudo {COMMAND} uninstall": 3,
    }.items():
        done = mac.run(line)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (status, "", 1)
    for line in (
        f"mkdir gone; cd gone; rmdir ../gone; {COMMAND} status 2>/dev/null",  # where a shell complains by itself
        f"env -i /bin/sh {COMMAND} status",
        f"HOME=/nonexistent LC_ALL=ja_JP.eucJP /bin/sh {COMMAND} status",
        f"sudo {COMMAND} doctor && sudo {COMMAND} report && {COMMAND} status",
    ):
        assert "tf: as declared" in said(mac, line)
    assert said(mac, f"sudo find {HOME} -user root") == ""


def test_a_python_that_hangs_is_not_waited_for_and_is_repaired(mac: Mac) -> None:
    said(mac, "printf '#!/bin/sh\\nexec sleep 1000\\n' >sleeps; chmod 755 sleeps")
    said(mac, f"ln -sf $PWD/sleeps {ROOT}/bin/python3")
    told = metalfleet(mac, "status", 3, METALFLEET_SECONDS="2")
    assert told == "metalfleet: The managed Python did not answer within 2 s. Run metalfleet repair.\n"
    assert "The managed Python was repaired: python3 (" in metalfleet(mac, "repair")
    assert "tf: as declared" in metalfleet(mac, "status")


def test_a_python_that_could_not_be_repaired_is_told_everywhere(mac: Mac, small_wheels: SmallWheels) -> None:
    said(mac, f"rm -r {ROOT}/python/*/lib/python3*/json; mv mirror away")
    let_it_run(mac)
    assert "does not work, and could not be repaired: python3 (it lacks a file" in metalfleet(mac, "status", 3)
    assert metalfleet(mac, "repair", 3).count("\n") == 1
    said(mac, "mv away mirror")
    told = on(mac, SETUP, **declare(mac, small_wheels)).output
    assert "It could not repair all (The managed Python: python3 (it lacks a file" in told
    assert "failed: The managed Python: python3 (it lacks a file" in metalfleet(mac, "history")
    assert metalfleet(mac, "status").count("lacks") == 0


def test_what_is_changed_of_the_agent_is_drift_and_it_is_removed_without_a_trace(
    mac: Mac, small_wheels: SmallWheels
) -> None:
    declared = declare(mac, small_wheels)
    said(mac, f"echo >> {ROOT}/agent/metalfleet.pyz; echo mine > {ROOT}/agent/notes; launchctl bootout {JOB}")
    found = on(mac, CHECKOUT / "playbooks/audit.yml", check=False, **declared)
    assert "agent-changed: agent/metalfleet.pyz, agent/notes" in found.output
    assert "agent-job: launchd does not know its job" in found.output
    assert on(mac, SETUP, **declared).recap[mac.name]["changed"] == 1
    assert said(mac, f"cat {ROOT}/set-aside/*notes") == "mine\n"
    assert "not running" in said(mac, f"launchctl print {JOB}")

    gone = declare(mac, small_wheels, tensorflow_agent=False)
    runs = four_runs({"it": mac}, lambda *arguments: {"it": on(mac, AGENT, *arguments, **gone)})["it"]
    assert [run.recap[mac.name]["changed"] for run in runs.said] == [1, 1, 0, 0]
    assert said(mac, f"ls -d {ROOT}/agent {COMMAND} Library/LaunchAgents/* 2>/dev/null || true") == ""
    assert mac.run(f"launchctl print {JOB}").returncode == 113
    assert mac.pass_time("2026-12-30T00:00", "2026-12-31T00:00") == 0


def test_a_password_is_refused(mac: Mac, small_wheels: SmallWheels) -> None:
    secret = declare(mac, small_wheels, tensorflow_index_url="https://ada:sesame@index.example/simple")
    refused = on(mac, SETUP, check=False, **secret)
    assert "The agent cannot be given a password, and tensorflow_index_url has one" in refused.output
    assert "sesame" not in refused.output


# ------------------------------------------------------------------------------------------ without any controller


class Site:
    """A web site with what publish.yml writes, and what an inventory says of hosts that fetch it."""

    def __init__(self, folder: Path, address: str, authority: Authority) -> None:
        self.folder, self.url = folder, f"https://{address}"
        key = folder.with_name("signing")
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
        self.variables = {
            "tensorflow_ca": str(authority.ca),
            "tensorflow_agent_archives": str(folder),
            "tensorflow_agent_document_url": f"{self.url}/agent.json",
            "tensorflow_agent_signing_key": str(key),
        }

    def publish(self, mac: Mac, declared: dict[str, Any]) -> str:
        """Let the controller write everything; returns the archive's SHA-256."""
        published = on(mac, PUBLISH, **declared)
        assert on(mac, PUBLISH, **declared).recap[mac.name]["changed"] == 0
        return str(re.findall(r"SHA-256 ([0-9a-f]{64})", published.output)[0])


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    folder = tmp_path / "site"
    folder.mkdir()
    authority = Authority(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.certificate, authority.key)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield Site(folder, f"127.0.0.1:{server.server_port}", authority)
        server.shutdown()


@pytest.mark.slow("takes minutes")
def test_a_newer_document_is_followed_if_it_is_signed(mac: Mac, small_wheels: SmallWheels, site: Site) -> None:
    declared = declare(mac, small_wheels, **site.variables)
    on(mac, AGENT, **declared)
    environment = SmallEnvironment(mac, small_wheels)
    site.publish(mac, declared)
    assert "newer document" not in let_it_run(mac)
    old = {path.name: path.read_bytes() for path in site.folder.iterdir()}

    newer = declare(mac, small_wheels, tensorflow_agent_times=["12:15"], **site.variables)
    lock = small_wheels.write_lock("pulled", small_wheels.alpha, small_wheels.beta_3)
    newer["tensorflow_environments"][0]["lock"] = lock
    site.publish(mac, newer)
    signature = site.folder / "agent.json.sig"
    good = signature.read_bytes()
    for wrong in (b"", old["agent.json.sig"]):
        signature.write_bytes(wrong)
        assert "was refused, and the one in force stays" in let_it_run(mac)
        assert environment.says() == "1.0 2.0"
    signature.write_bytes(good)
    assert "A newer document is in force" in let_it_run(mac)
    assert environment.says() == "1.0 3.0"

    for name, content in old.items():
        (site.folder / name).write_bytes(content)
    assert "is older than" in let_it_run(mac)
    assert environment.says() == "1.0 3.0"
    assert "was refused" in metalfleet(mac, "history")
    assert "every day at 12:15" in metalfleet(mac, "install")
    wait_until_idle(mac)
    # The controller declares the same by now, and has nothing to do.
    assert on(mac, SETUP, **newer).recap[mac.name]["changed"] == 0


@pytest.mark.slow("takes minutes")
def test_an_mdm_installs_the_agent_on_a_mac_that_no_controller_reaches(
    fleet: Fleet, template: str, small_wheels: SmallWheels, site: Site
) -> None:
    mac = fleet.up({"agent": "m1-fresh"})["agent"]
    try:
        send(mac, small_wheels.folder, "wheels")
        send(mac, fleet.store.archives, "mirror")
        digest = site.publish(mac, declare(mac, small_wheels, **site.variables))
        send(mac, site.folder, "site")
        documented = (CHECKOUT / "docs/agent.md").read_text()
        script = re.search(r"```bash\n(#!/bin/sh\n.*?)```", documented, re.DOTALL)
        assert script
        program = script[1].replace("https://www.example.com/agents/laptops.tar", f"file://{HOME}/site/agent.tar")
        program = re.sub(r"sha256=.*", f"sha256={digest}", program)
        assert mac.run("sudo /bin/sh", input=program.replace(digest, "0" * 64).encode()).returncode != 0
        assert said(mac, f"ls {ROOT} 2>/dev/null || true") == ""
        installed = mac.run("sudo /bin/sh", input=program.encode())
        assert installed.returncode == 0, installed.stdout + installed.stderr
        assert "The agent works every day at 11:30, 16:30, and has begun" in installed.stdout
        wait_until(lambda: "tf: set up" in log_of(mac), every=0.2)
        SmallEnvironment(mac, small_wheels).assert_in_order()
        assert "The agent is removed" in metalfleet(mac, "uninstall")
        assert said(mac, "ls Library/LaunchAgents") == ""
    finally:
        mac.delete()


# ------------------------------------------------------------------------------------------------------ make test-all


GONE_WITH_THE_PYTHON = ("interpreter-upgraded", "interpreter-exchanged")
"""Drifts after which an environment is in order again as soon as its interpreter is, which the job repairs first."""


@pytest.mark.slow("takes minutes")
@pytest.mark.parametrize("name", DRIFTS)
def test_each_drift_is_repaired_by_the_job(mac: Mac, small_wheels: SmallWheels, name: str) -> None:
    environment, drift = SmallEnvironment(mac, small_wheels), DRIFTS[name]
    if drift.options:
        declared = declare(mac, small_wheels)
        declared["tensorflow_environments"][0] |= drift.options
        on(mac, AGENT, **declared)
        wait_until_idle(mac)
    environment.sh(drift.made_by)
    let_it_run(mac)
    environment.assert_in_order()
    told = metalfleet(mac, "history")
    if name in GONE_WITH_THE_PYTHON:
        assert environment.generations() == ["1"]
        assert "The managed Python: python3" in told
    else:
        assert environment.generations() == drift.generations
        assert all(reason in told for reason in drift.reasons)
    assert metalfleet(mac, "status").startswith("Declared on ")


@pytest.mark.slow("takes minutes")
@pytest.mark.parametrize("name", DAMAGES)
def test_each_damage_to_the_managed_python_is_repaired_by_the_job(
    mac: Mac, small_wheels: SmallWheels, name: str
) -> None:
    said(mac, f"{PLACES} python=$(echo {ROOT}/python/*); {DAMAGES[name].made_by}")
    let_it_run(mac)
    assert said(mac, f"{PLACES}; $root/bin/python3 -I -c 'import asyncio, json, statistics; print(1)'") == "1\n"
    assert said(mac, f"{PLACES}; $root/bin/uv --version").startswith("uv ")
    assert mac.shim_calls() == []


@pytest.mark.slow("takes minutes")
def test_what_hosted_runners_do_with_the_agent(mac: Mac) -> None:
    """The very script, with the names of small things; setup.yml was run from elsewhere."""
    script = (CHECKOUT / ".ci/by-the-agent").read_text()
    small = {"virtualenvs/tensorflow": "virtualenvs/tf", "repaired: tensorflow": "repaired: tf"}
    for name, other in {**small, "six.py": "alpha/part7.py"}.items():
        assert script.count(name) == 1
        script = script.replace(name, other)
    said(mac, "mkdir -p checkout/.ci checkout/.venv/bin; cp /bin/echo checkout/.venv/bin/ansible-playbook")
    done = mac.run("cat >checkout/.ci/by-the-agent; /bin/sh checkout/.ci/by-the-agent", input=script.encode())
    assert done.returncode == 0, done.stdout + done.stderr
    assert "tensorflow_agent=true" in done.stdout
    assert "repaired: tf: repaired" in said(mac, "cat checkout/evidence/agent-history.txt")
    assert json.loads(said(mac, "cat checkout/evidence/agent.json"))["report"]["ok"] is True
    assert "runs = 1" in said(mac, "cat checkout/evidence/agent-job.txt")
    assert "tf: repaired" in said(mac, "cat checkout/evidence/agent-log.txt")


@pytest.mark.slow("takes minutes")
def test_two_users_of_a_mac_have_an_agent_each(mac: Mac, small_wheels: SmallWheels) -> None:
    said(mac, "sudo sysadminctl -addUser ann && sudo cp -R wheels mirror /Users/Shared && chmod 755 .")
    declared = declare(
        mac,
        small_wheels,
        ansible_become=True,
        ansible_become_user="ann",
        tensorflow_wheels="/Users/Shared/wheels",
        native_python_mirror="file:///Users/Shared/mirror",
    )
    assert on(mac, SETUP, **declared).recap[mac.name]["changed"] == 2
    again = on(mac, SETUP, **declared)
    assert again.recap[mac.name]["changed"] == 0
    assert "begins when its user logs in" in again.output
    root = "/Users/ann/.local/share/metalfleet"
    said(mac, "sudo rm $(echo /Users/ann/.virtualenvs/tf/lib/python3*/site-packages/alpha/part7.py)")
    told = said(mac, f"sudo -H -u ann {root}/bin/metalfleet repair")
    assert "tf: repaired" in told
    SmallEnvironment(mac, small_wheels).assert_in_order()


@pytest.mark.slow("takes minutes")
def test_the_agent_of_the_whole_mac_is_a_daemon(mac: Mac, small_wheels: SmallWheels) -> None:
    places = {"tensorflow_root": "/opt/metalfleet", "tensorflow_links": "/opt/metalfleet/envs"}
    declared = declare(mac, small_wheels, ansible_become=True, **places)
    on(mac, SETUP, **declared)
    assert on(mac, SETUP, **declared).recap[mac.name]["changed"] == 0
    said(mac, "sudo rm $(echo /opt/metalfleet/envs/tf/lib/python3*/site-packages/alpha/part7.py)")
    assert mac.pass_time("2026-12-29T12:00", "2026-12-29T18:00") == 2  # the user's has a turn, too
    assert "tf: repaired" in said(mac, "cat /opt/metalfleet/agent/log")
    assert "tf: as declared" in said(mac, "/opt/metalfleet/bin/metalfleet status")
