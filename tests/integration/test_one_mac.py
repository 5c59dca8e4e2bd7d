# SPDX-License-Identifier: GPL-3.0-or-later
"""setup.sh: a Mac that sets itself up. It is run over SSH as a person types it; no controller is near."""

from __future__ import annotations

import json
import random
import re
import shutil
import subprocess
import tarfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._native_python.data import pinned_pythons
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._native_python.sources import Standalone

from tests.ansible_runner import CHECKOUT, parse_recap
from tests.integration.hosts import LINKS, ROOT, listing, on_fleet, said, send
from tests.integration.network import Authority, https_server, proxy_server, running
from tests.integration.processes import KILLS, SEED
from tests.kept import download
from tests.simulated_mac.profile import FOLDER
from tools.release import script_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.integration.conftest import NewMac
    from tests.simulated_mac.fleet import Fleet, Mac

RELEASE = "metalfleet-tensorflow-0.1.0.tar.gz"
SHIPPED = ("plugins", "roles", "playbooks", "meta", "examples/one-mac", "inventory/local", "requirements", "setup.sh")
CONTROLLER = f"{ROOT}/controller"
DECLARED = "/Users/admin/.config/metalfleet/inventory/group_vars/tensorflow.yml"
EDGE_ENVIRONMENT = {"name": "edge", "framework": "litert"}
EDGE = f"tensorflow_environments: {json.dumps([EDGE_ENVIRONMENT])}\n"
NOTHING = "tensorflow_environments: []\n"
PUBLISHER = Standalone.publisher.removeprefix("https://github.com/")


@pytest.fixture(scope="module")
def stick(fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with setup.sh, a release that pins the test bed's Python, and the archive of that."""
    fleet.store.ready()
    folder = tmp_path_factory.mktemp("stick")
    collection = folder / "collection"
    for name in (*SHIPPED, "galaxy.yml"):
        source, target = CHECKOUT / name, collection / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    archives = json.loads((fleet.store.archives / "index.json").read_text())
    pins = json.dumps({**pinned_pythons(), "archives": archives}, indent=1)
    (collection / "plugins/plugin_utils/_data/pythons.json").write_text(pins)
    defaults = collection / "roles/native_python/defaults/main.yml"
    [minor] = archives
    defaults.write_text(defaults.read_text().replace('version: "3.12"', f'version: "{minor}"'))
    with tarfile.open(folder / RELEASE, "w:gz") as tar:
        tar.add(collection, ".")
    shutil.rmtree(collection)
    shutil.copy(CHECKOUT / "setup.sh", folder)
    shutil.copytree(fleet.store.archives, folder / "pythons")
    return folder


@dataclass
class Internet:
    """What a Mac reaches by a proxy: a site with setup.sh and its release, and the publisher of Pythons."""

    line: str
    """What a person types."""
    asked: list[str]
    """The paths that were asked for."""
    certificates: bytes


@pytest.fixture
def internet(stick: Path, tmp_path: Path) -> Iterator[Internet]:
    authority = Authority(tmp_path, "github.com")
    site = tmp_path / "site"
    shutil.copytree(stick / "pythons", site / PUBLISHER)
    shutil.copy(stick / RELEASE, site)
    (site / "setup.sh").write_text(script_for(stick / RELEASE, f"https://github.com/{RELEASE}"))
    with running(https_server(site, authority, "", "")) as server, running(proxy_server("", "")) as proxy:
        proxy.elsewhere = {"github.com:443": server.address}
        export = f"export https_proxy=http://{proxy.address} no_proxy=.pypi.org,pypi.org,files.pythonhosted.org"
        line = f"{export}; curl -fsSL https://github.com/setup.sh | sh"
        yield Internet(line, server.requests, authority.ca.read_bytes())


def declare(mac: Mac, text: str = EDGE) -> None:
    mac.run(f"mkdir -p {Path(DECLARED).parent} && cat > {DECLARED}", input=text.encode(), check=True)


def recap(output: str) -> dict[str, int]:
    """The counts of a playbook's run on the Mac itself."""
    found = parse_recap(output)
    assert "localhost" in found, output
    return found["localhost"]


KEPT = f"{ROOT}/python {CONTROLLER}/release-* {CONTROLLER}/playbook {LINKS}"
"""What a run that changes nothing leaves as it was."""
BEING_INSTALLED = f"{CONTROLLER}/.new.*/controller/environment"


def test_one_line_sets_a_fresh_mac_up_and_keeps_it_so(mac: NewMac, internet: Internet) -> None:
    host, line = mac("m5-fresh"), internet.line
    host.run("sudo tee -a /private/etc/ssl/certs/ca-certificates.crt", input=internet.certificates, check=True)
    declare(host)
    host.run(f"sh -c '({line}) & until ls -d {BEING_INSTALLED}; do :; done; kill -9 -1'")
    assert said(host, f"ls -A {CONTROLLER}/.new.*").split() != []

    first = said(host, line)
    settled = listing(host, said(host, f"echo {KEPT}"))
    again = said(host, line)

    assert "cpu-ok, LiteRT 2.3.0" in " ".join(first.split())
    assert (recap(first)["changed"], recap(again)["changed"]) == (2, 0)
    assert "Installing" not in again
    assert listing(host, said(host, f"echo {KEPT}")) == settled
    assert said(host, f"ls -A {CONTROLLER}").split() == ["ansible", "playbook", *release_of(host)]
    pin = next(iter(json.loads((host.fleet.store.archives / "index.json").read_text()).values()))
    [archive] = {path for path in internet.asked if "cpython" in path}
    assert archive.startswith(f"/{PUBLISHER}/{pin['build']}/cpython-{pin['version']}+")

    said(host, f"rm {LINKS}/edge/lib/python3.*/site-packages/ai_edge_litert/interpreter.py")
    said(host, f"rm {CONTROLLER}/release-*/environment/lib/python3.*/site-packages/ansible/__init__.py")
    repaired = said(host, line)
    assert "Installing Ansible" in repaired
    assert "file-missing" in repaired
    assert recap(said(host, f"{CONTROLLER}/playbook audit"))["failed"] == 0
    assert host.shim_calls() == []

    assert "edge: removed" in said(host, f"{line} -s -- --remove")
    assert host.run(f"ls -d {ROOT} {LINKS}/edge").stdout == ""
    assert said(host, f"cat {DECLARED}") == EDGE
    assert "is not there" in host.run(f"{line} -s -- --remove").stderr


def release_of(mac: Mac) -> list[str]:
    return said(mac, f"cd {CONTROLLER} && ls -d release-*").split()


@pytest.fixture(scope="module")
def fresh(fleet: Fleet, stick: Path) -> Mac:
    """For those who leave nothing behind."""
    host = fleet.up({"fresh": "m1-fresh"})["fresh"]
    send(host, stick, "stick")
    declare(host, NOTHING)
    return host


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        ("sudo sh stick/setup.sh", "This runs as root"),
        ("sh stick/setup.sh --form stick", "There is no option --form."),
        ("sh stick/setup.sh --from", "--from needs a value."),
        ("sh stick/setup.sh --from .ssh", "There is no collection in /Users/admin/.ssh."),
        ("sh < stick/setup.sh", "It is not known where the collection is."),
        (f"sh stick/setup.sh --from stick/{RELEASE} --sha256 0123", "not 0123, so it was not used"),
        ("sh stick/setup.sh --from https://127.0.0.1:9/x.tar.gz", "A release from a URL needs its SHA-256."),
        (
            "sh stick/setup.sh --from https://127.0.0.1:9/x.tar.gz --sha256 0123",
            "https://127.0.0.1:9/x.tar.gz could not be downloaded",
        ),
        (
            f"https_proxy=http://127.0.0.1:9 sh stick/setup.sh --from stick/{RELEASE}",
            f"https://github.com/{PUBLISHER}/",
        ),
        (
            "mkdir bad; ln stick/*.* bad; cp stick/*/*/*.gz bad; echo >> bad/c*.gz; sh bad/setup.sh",
            "is not the pinned one",
        ),
        ("rm -rf .local; mkdir -m 555 .local; sh stick/setup.sh", "could not be written"),
    ],
)
def test_what_cannot_be_done_is_said_with_a_remedy(fresh: Mac, line: str, cause: str) -> None:
    result = fresh.run(line)
    assert result.returncode == 1, result.stdout
    problem, remedy = result.stderr.splitlines()[-2:]
    assert problem.startswith("setup.sh: ")
    assert cause in problem
    assert remedy.startswith("    ")
    assert fresh.run(f"chmod -f 755 .local; find {ROOT} -name '.new*' -o -name 'cpython-*'").stdout == ""
    assert fresh.shim_calls() == []


def test_an_intel_mac_is_refused_and_left_alone(mac: NewMac, stick: Path) -> None:
    host = mac("intel")
    send(host, stick, "stick")
    before = listing(host)
    assert "This Mac has no Apple Silicon (its processor: Intel" in host.run("sh stick/setup.sh").stderr
    assert listing(host) == before


def test_a_full_disk_is_named(fresh: Mac) -> None:
    fresh.run("mkdir -p .local", check=True)
    fresh.limit_disk("/Users/admin/.local", "30m")
    assert "The disk is full: 30 MB are free" in fresh.run("sh stick/setup.sh").stderr
    fresh.unlimit_disk("/Users/admin/.local")


def test_linux_is_told_what_serves_there() -> None:
    for shell in ("dash", "bash"):
        told = subprocess.run([shell, CHECKOUT / "setup.sh"], capture_output=True, text=True, check=False)
        assert "This machine is not a Mac." in told.stderr
        assert "make setup" in told.stderr


def test_the_help_names_every_option() -> None:
    told = subprocess.run(["sh", CHECKOUT / "setup.sh", "--help"], capture_output=True, text=True, check=True).stdout
    options = set(re.findall(r"^ +(--\w+)(?: \| (--\w+))?\)", (CHECKOUT / "setup.sh").read_text(), re.MULTILINE))
    assert {each for pair in options for each in pair if each} == set(re.findall(r"^  (--\w+)", told, re.MULTILINE))


@pytest.fixture(scope="session")
def ansible_wheels(fleet: Fleet) -> Path:
    """The wheels of the controller's list for a Mac, as a person downloads them; kept between runs."""
    for_mac = ["--platform=macosx_12_0_arm64", f"--python-version={fleet.store.python.minor}"]
    return download("controller", CHECKOUT / "requirements/controller.txt", *for_mac)


ALONE = "https_proxy=http://127.0.0.1:9 sh stick/setup.sh"
"""Without a network: nobody listens there."""


@pytest.fixture
def prepared(mac: NewMac, stick: Path, ansible_wheels: Path) -> Callable[..., Mac]:
    """Makes Macs with a stick that has Ansible, as docs/one_mac.md says, and a declaration."""

    def new(profile: str, declared: str) -> Mac:
        host = mac(profile)
        send(host, stick, "stick")
        send(host, ansible_wheels, "stick/wheels")
        declare(host, declared)
        return host

    return new


def assert_order(mac: Mac) -> None:
    """A further run changes nothing, and nothing is left over."""
    assert recap(said(mac, ALONE))["changed"] == 0
    assert said(mac, f"ls -A {CONTROLLER}").split() == ["ansible", "playbook", *release_of(mac)]
    assert said(mac, f"find {ROOT} -name '.new*'") == ""
    assert mac.shim_calls() == []


@pytest.mark.slow("copies all wheels")
def test_a_mac_without_a_network_is_set_up_from_a_folder(
    fleet: Fleet, prepared: Callable[..., Mac], tmp_path: Path
) -> None:
    from_store = "tensorflow_delivery: store\ntensorflow_wheel_store: /Users/admin/stick/store\n"
    host = prepared("m5-fresh", EDGE + from_store)
    platform = f"macos-arm64-py{fleet.store.python.minor}"
    on_fleet(
        fleet,
        CHECKOUT / "playbooks/fetch.yml",
        tensorflow_environments=[EDGE_ENVIRONMENT],
        tensorflow_wheel_store=str(tmp_path / "store"),
        tensorflow_platforms=platform,
    )
    said(host, "rm -r stick/pythons")  # the store has it, too
    send(host, tmp_path / "store", "stick/store")

    first = said(host, ALONE)

    assert "cpu-ok, LiteRT 2.3.0" in " ".join(first.split())
    assert recap(first)["changed"] == 2
    assert_order(host)


@pytest.mark.slow("builds an environment twice")
def test_what_hosted_runners_do_with_the_developer_tools_hidden(mac: NewMac, stick: Path, tmp_path: Path) -> None:
    """`make hosted-fresh`, on a simulated Mac: it damages and repairs, and leaves what there was to see."""
    profile = tmp_path / "with-tools.yml"
    profile.write_text((FOLDER / "m5-fresh.yml").read_text() + "command_line_tools: 16.2.0.0.1.1733547573\n")
    host = mac(str(profile), "with-tools")
    declare(host, EDGE.replace("edge", "tensorflow"))
    send(host, stick, "stick")
    ours = ".collections/ansible_collections/metalfleet"
    said(host, f"mkdir -p checkout/{ours} && tar -xzf stick/{RELEASE} -C checkout && cp -R stick/pythons checkout")
    said(host, f"ln -s ../../.. checkout/{ours}/tensorflow")
    for folder in (".ci", "tools"):
        send(host, CHECKOUT / folder, f"checkout/{folder}")

    result = host.run("cd checkout && .ci/as-fresh .ci/keeps-in-order sh setup.sh")

    assert result.returncode == 0, result.stdout + result.stderr
    assert host.shim_calls() == []
    assert said(host, "ls /Library/Developer/CommandLineTools/usr/bin/git")  # the tools are back
    runs = {"first.txt", "again.txt", "repair.txt", "after-repair.txt"}
    assert set(said(host, "ls checkout/evidence").split()) == runs | {"machine.json", "reports"}
    machine = json.loads(said(host, "cat checkout/evidence/machine.json"))
    assert machine["facts"]["chip"]["name"] == "Apple M5"
    assert machine["facts"]["command_line_tools"]["present"] is False
    assert {answer["argv"][0] for answer in machine["answers"]} >= {"/usr/sbin/sysctl", "/usr/sbin/system_profiler"}
    assert "cpu-ok" in said(host, "cat checkout/evidence/reports/*.json")


@pytest.mark.slow("installs Ansible many times")
def test_killed_at_any_moment(prepared: Callable[..., Mac]) -> None:
    """Whatever of the user was killed when: the next run ends well."""
    moments = random.Random(SEED)
    began = time.monotonic()
    said(prepared("m1-fresh", NOTHING), ALONE)
    duration = time.monotonic() - began
    for _ in range(KILLS // 5):
        moment = moments.uniform(0, duration)
        print(f"seed {SEED}: killed after {moment:.3f} of {duration:.2f} s")  # noqa: T201
        host = prepared("m1-fresh", NOTHING)
        host.run(f"sh -c '({ALONE}) & sleep {moment}; kill -9 -1'")
        said(host, ALONE)
        assert_order(host)
        host.stop()
