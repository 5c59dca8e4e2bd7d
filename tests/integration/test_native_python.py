# SPDX-License-Identifier: GPL-3.0-or-later
"""The role native_python over SSH, on simulated Macs: every source, and everything that can go wrong on the way."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.metalfleet.tensorflow.plugins.modules import native_python

from tests.ansible_runner import CHECKOUT, Result, playbook
from tests.integration.conftest import NewMac
from tests.integration.hosts import INVENTORY, PLAYBOOKS, ROOT, listing, said
from tests.integration.network import Authority, Server, https_server, proxy_server, running
from tests.simulated_mac import packages
from tests.simulated_mac.fleet import Fleet, Mac
from tests.simulated_mac.macho import Kind, stub

ROLE = PLAYBOOKS / "native_python.yml"
UV = CHECKOUT / "plugins/plugin_utils/_data/uv.txt"
UV_VERSION = re.findall(r"^uv==(\S+)", UV.read_text(), re.MULTILINE)[0]
NOWHERE = "http://127.0.0.1:9"  # port "discard": nothing answers
OFFLINE = {"native_python_index_url": NOWHERE, "native_python_proxy": NOWHERE}
MOST_ROUND_TRIPS = 3
PYTHON_ORG = "/Library/Frameworks/Python.framework/Versions/{0}/bin/python{0}"
SECRET = "only-for-those-who-know"


# --- What the tests share ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def uv_wheel() -> Path:
    """The wheel of the pinned uv for a Mac, fetched once and kept between runs."""
    folder = CHECKOUT / ".cache/test/wheels"
    found = next(folder.glob(f"uv-{UV_VERSION}-*macosx*arm64.whl"), None)
    if found is None:
        options = ["--no-deps", "--only-binary=:all:", "--platform=macosx_11_0_arm64", "--require-hashes"]
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            *options,
            f"--dest={folder}",
            f"--requirement={UV}",
        ]
        subprocess.run(command, check=True)
        found = next(folder.glob(f"uv-{UV_VERSION}-*macosx*arm64.whl"))
    return found


@pytest.fixture
def mirror(fleet: Fleet, uv_wheel: Path, tmp_path: Path) -> Path:
    """A folder on the controller that has everything: the archive, and the wheel of uv."""
    fleet.store.ready()
    folder = tmp_path / "mirror"
    shutil.copytree(fleet.store.archives, folder)
    (folder / "wheels").mkdir()
    shutil.copy(uv_wheel, folder / "wheels")
    return folder


Run = Callable[..., Result]


@pytest.fixture
def run(mirror: Path, tmp_path: Path) -> Run:
    """Run the role against a Mac. Without other variables everything is pushed, and no network can be reached."""

    def run(
        mac: Mac, *arguments: str, check: bool = True, play: Path = ROLE, bare: bool = False, **given: Any
    ) -> Result:
        variables = given if bare else {"native_python_mirror": str(mirror), **OFFLINE, **given}
        command, environment = command_line(mac, tmp_path, play, variables)
        return playbook(*command, *arguments, check=check, env=environment)

    return run


def command_line(mac: Mac, folder: Path, play: Path, variables: dict[str, Any]) -> tuple[list[str], dict[str, str]]:
    """The arguments and the environment of a run. Variables are those of an inventory, as users set them."""
    file = folder / f"inventory-{hashlib.sha256(json.dumps(variables).encode()).hexdigest()[:8]}.json"
    file.write_text(json.dumps({"all": {"hosts": {mac.name: variables}}}))
    environment = {
        "SIMULATED_MAC_FLEET": mac.fleet.name,
        "SIMULATED_MAC_HOME": str(mac.fleet.store.home),
        "ANSIBLE_CALLBACK_RESULT_FORMAT": "json",  # long messages stay on one line
    }
    return ["-i", str(INVENTORY), "-i", str(file), str(play), "--limit", mac.name], environment


def is_in_order(mac: Mac) -> None:
    """The links lead to a native Python and uv that run, nothing is left over, and no shim was ever executed."""
    who = "import platform, sys; print(sys.platform, platform.machine())"
    assert said(mac, f'{ROOT}/bin/python3 -c "{who}"').split() == ["darwin", "arm64"]
    assert said(mac, f"{ROOT}/bin/uv --version").startswith(f"uv {UV_VERSION}")
    assert said(mac, f"ls -d {ROOT}/*/.new.* 2>/dev/null || true") == ""
    assert mac.shim_calls() == []


def four_runs(run: Run, mac: Mac, **variables: Any) -> Result:
    """Check, real, again, again in check; returns the second."""
    before = listing(mac)
    foreseen = run(mac, "--check", "--diff", **variables)
    assert foreseen.recap, foreseen.output
    assert foreseen.recap[mac.name]["changed"] == 1
    assert f"+    uv: {ROOT}/uv/{UV_VERSION}/bin/uv" in foreseen.stdout or f'"uv": "{ROOT}/uv/' in foreseen.stdout
    assert listing(mac) == before
    done = run(mac, "-vvv", **variables)
    assert done.recap[mac.name]["changed"] == 1
    assert len(re.findall(r"^<\S+> SSH: EXEC", done.stdout, re.MULTILINE)) <= MOST_ROUND_TRIPS
    is_in_order(mac)
    settled = listing(mac, ROOT)
    assert run(mac, **variables).recap[mac.name]["changed"] == 0
    assert run(mac, "--check", **variables).recap[mac.name]["changed"] == 0
    assert listing(mac, ROOT) == settled
    return done


def python_of(mac: Mac) -> str:
    """What the stable path leads to, or what its starter names."""
    return said(mac, f"readlink {ROOT}/bin/python3 || sed -n '2s/^# //p' {ROOT}/bin/python3").strip()


def minor(mac: Mac) -> str:
    return mac.fleet.store.python.minor


def archive_pin(mac: Mac) -> dict[str, Any]:
    """What the test bed pins: version, build, sha256."""
    pins: dict[str, dict[str, Any]] = json.loads((mac.fleet.store.archives / "index.json").read_text())
    return pins[minor(mac)]


# --- The sources ------------------------------------------------------------------------------------------------------


def test_standalone_is_pushed_to_a_mac_without_a_network(mac: NewMac, run: Run) -> None:
    host = mac("m1-fresh")
    four_runs(run, host)
    assert python_of(host).startswith(f"{ROOT}/python/cpython-{archive_pin(host)['version']}+")


@pytest.mark.parametrize("profile", ["m5-fresh", "m2-rosetta"])
def test_other_macs_are_served_alike(mac: NewMac, run: Run, profile: str) -> None:
    host = mac(profile)
    assert run(host).recap[host.name]["changed"] == 1
    is_in_order(host)


def test_homebrew_installs_its_formula(mac: NewMac, run: Run) -> None:
    host = mac("m4-homebrew-empty")
    four_runs(run, host, native_python_source="homebrew")
    assert python_of(host) == f"/opt/homebrew/opt/python@{minor(host)}/bin/python{minor(host)}"


def test_homebrew_is_not_run_when_its_python_is_there(mac: NewMac, run: Run) -> None:
    host = mac("m4-homebrew")
    four_runs(run, host, native_python_source="homebrew")
    assert not [call for call in host.calls() if call["argv"][0].endswith("/brew")]


@pytest.mark.parametrize(
    ("profile", "prepare", "arguments", "message"),
    [
        ("m2-rosetta", "", [], "in /usr/local, is the x86_64 one"),
        ("m1-fresh", "", [], "no Homebrew in /opt/homebrew"),
        ("m4-homebrew-empty", "sudo rm -r /Library/Developer", [], "would open a dialog"),
        ("m4-homebrew-empty", "", ["--become", "-e", "native_python_root=/opt/x"], "does not run as root"),
    ],
)
def test_a_homebrew_that_cannot_is_refused_and_never_run(
    mac: NewMac, run: Run, *, profile: str, prepare: str, arguments: list[str], message: str
) -> None:
    host = mac(profile)
    host.run(prepare, check=True)
    result = run(host, *arguments, check=False, native_python_source="homebrew")
    assert message in result.stdout
    assert not [call for call in host.calls() if call["shim"] or call["argv"][0].endswith("/brew")]


@pytest.fixture
def python_org(fleet: Fleet, mirror: Path) -> Callable[..., dict[str, Any]]:
    """Put python.org's package into the mirror, and tell the variables that ask for it."""

    def make(signer: str = packages.PYTHON_SOFTWARE_FOUNDATION) -> dict[str, Any]:
        version = fleet.store.python.version
        path = mirror / version / f"python-{version}-macos11.pkg"
        packages.python_org(fleet.store, path, signer)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        pin = {"version": version, "file": path.name, "sha256": digest}
        return {"native_python_source": "python_org", "native_python_packages": {fleet.store.python.minor: pin}}

    return make


def test_python_orgs_package_is_installed_by_root_and_linked_by_the_user(
    mac: NewMac, run: Run, python_org: Callable[..., dict[str, Any]]
) -> None:
    host = mac("m1-fresh")
    four_runs(run, host, **python_org())
    assert python_of(host) == PYTHON_ORG.format(minor(host))
    [installed] = [call for call in host.calls() if call["argv"][0] == "/usr/sbin/installer"]
    assert (installed["uid"], installed["rc"]) == (0, 0)
    owners = said(host, f"/.simulated_mac/usr/bin/find {ROOT} -not -user admin")
    assert owners == ""


@pytest.mark.parametrize("signer", ["", "Somebody Else (ABCDE12345)", "Python Software Foundation (BMM5U3QVKX)"])
def test_a_package_that_somebody_else_signed_is_not_installed(
    mac: NewMac, run: Run, python_org: Callable[..., dict[str, Any]], signer: str
) -> None:
    host = mac("m1-fresh")
    result = run(host, check=False, **python_org(signer))
    assert "not signed by the Python Software Foundation (team BMM5U3QVKW)" in result.stdout
    assert not [call for call in host.calls() if call["argv"][0] == "/usr/sbin/installer"]
    assert host.run(f"ls /Library/Frameworks {ROOT}").returncode != 0


def test_python_orgs_package_needs_root_and_says_so_before_anything_is_done(
    mac: NewMac, run: Run, python_org: Callable[..., dict[str, Any]]
) -> None:
    host = mac("m1-fresh")
    before = listing(host)
    for mode in ([], ["--check"]):
        result = run(host, *mode, check=False, play=PLAYBOOKS / "native_python_module.yml", **python_org())
        assert "needs root. Give this task `become: true`" in result.stdout
    assert listing(host) == before


def test_a_universal_interpreter_is_started_as_arm64_from_a_translated_shell_too(mac: NewMac, run: Run) -> None:
    host = mac("m2-python-org")
    four_runs(run, host, native_python_source="existing")
    assert python_of(host) == PYTHON_ORG.format(minor(host))
    ask = "import platform; print(platform.machine())"
    translated = f"/usr/bin/arch -x86_64 /bin/sh -c '{{}} -c \"{ask}\"'"
    assert said(host, translated.format(PYTHON_ORG.format(minor(host)))).strip() == "x86_64"  # so it matters
    assert said(host, translated.format(f"{ROOT}/bin/python3")).strip() == "arm64"


def test_the_best_existing_interpreter_is_never_a_translated_one(mac: NewMac, run: Run) -> None:
    result = run(mac("m2-rosetta"), check=False, native_python_source="existing")
    assert re.search(r"No native Python .*/usr/local/bin/python3\.\d+: it has no arm64 code", result.stdout)


SHIM = "/usr/bin/python3"


@pytest.mark.parametrize(
    ("disguise", "message"),
    [
        ("true", "it belongs to the Command Line Tools"),
        (f"ln -s {SHIM} python3", "it belongs to the Command Line Tools"),
        (f"cp {SHIM} python3", "it has no standard library beside it"),
        (f"printf '#!/bin/sh\\nexec {SHIM} \"$@\"\\n' > python3; chmod +x python3", "it is a script"),
        ("ln -s python3 python3", "it is not there"),
    ],
)
def test_a_shim_in_any_disguise_is_refused_and_not_started(mac: NewMac, run: Run, disguise: str, message: str) -> None:
    host = mac("m1-fresh")
    host.run(f"mkdir tools && cd tools && {disguise}", check=True)
    named = SHIM if disguise == "true" else "/Users/admin/tools/python3"
    result = run(host, check=False, native_python_source="existing", native_python_existing=named)
    assert f"{named} cannot be used: {message}" in result.stdout
    assert host.shim_calls() == []


def test_a_link_to_a_shim_in_our_own_place_is_repaired_and_not_started(mac: NewMac, run: Run) -> None:
    host = mac("m1-fresh")
    host.run(f"mkdir -p {ROOT}/bin && ln -s {SHIM} {ROOT}/bin/python3", check=True)
    run(host)
    is_in_order(host)


def test_an_intel_mac_is_refused_and_left_alone(mac: NewMac, run: Run) -> None:
    host = mac("intel")
    before = listing(host)
    assert "no Apple Silicon (processor: Intel" in run(host, check=False).stdout
    assert listing(host) == before


# --- Upgrades and repairs ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def ready(fleet: Fleet, uv_wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A profile with a template: a fresh Mac on which the role has run."""
    host = fleet.up({"to-be-ready": "m1-fresh"})["to-be-ready"]
    folder = tmp_path_factory.mktemp("ready")
    shutil.copytree(fleet.store.archives, folder / "mirror")
    shutil.copy(uv_wheel, folder / "mirror")
    variables = {"native_python_mirror": str(folder / "mirror"), **OFFLINE}
    arguments, environment = command_line(host, folder, ROLE, variables)
    playbook(*arguments, env=environment)
    fleet.snapshot(host.name, "ready")
    host.delete()
    return "m1-fresh@ready"


def test_an_upgrade_is_a_new_folder_and_environments_of_the_old_one_keep_working(
    mac: NewMac, run: Run, mirror: Path, ready: str
) -> None:
    host = mac(ready)
    old, pin = python_of(host), archive_pin(host)
    host.run(f"{ROOT}/bin/python3 -m venv --without-pip environment", check=True)
    newer = mirror / "20210101"
    newer.mkdir()
    archive = next((mirror / pin["build"]).iterdir())
    shutil.copy(archive, newer / archive.name.replace(pin["build"], newer.name))
    pins = {minor(host): {**pin, "build": newer.name}}
    assert run(host, native_python_archives=pins).recap[host.name]["changed"] == 1
    is_in_order(host)
    assert python_of(host) == old.replace(pin["build"], newer.name)
    assert said(host, "environment/bin/python -c 'import sys; print(sys.base_prefix)'").strip() in old
    assert run(host, native_python_archives=pins).recap[host.name]["changed"] == 0


def test_damage_is_repaired(mac: NewMac, run: Run, ready: str) -> None:
    host = mac(ready)
    for damage in (
        f"rm -r {ROOT}/python",
        f"rm {ROOT}/python/*/lib/python3.*/os.py",
        f"cp /dev/null {ROOT}/python/*/bin/python3.1[0-9]",
        f"rm {ROOT}/bin/python3",
        f"rm {ROOT}/bin/uv",
        f"chmod -x {ROOT}/uv/*/bin/uv",
        f"cp /dev/null {ROOT}/uv/*/bin/uv",
        f"rm -r {ROOT}/python/*/lib/python3*/json",
        f"echo syntax error >> $(echo {ROOT}/python/*/lib/python3*/statistics.py)",
        f"rm {ROOT}/bin/python3; mkdir {ROOT}/bin/python3; touch {ROOT}/bin/python3/theirs",
    ):
        host.run(f"sh -c '{damage}'", check=True)
        assert run(host, "--check").recap[host.name]["changed"] == 1, damage
        assert run(host).recap[host.name]["changed"] == 1, damage
        is_in_order(host)
    assert run(host).recap[host.name]["changed"] == 0
    assert said(host, f"find {ROOT}/set-aside -type f").split() == [f"{ROOT}/set-aside/python3/theirs"]


# --- Archives that are no good ----------------------------------------------------------------------------------------


def test_a_damaged_archive_is_refused_before_it_is_sent(mac: NewMac, run: Run, mirror: Path) -> None:
    host = mac("m1-fresh")
    archive = next(mirror.glob("*/cpython-*"))
    archive.write_bytes(archive.read_bytes()[:-100])
    for mode in (["--check"], []):
        assert "is damaged or another one" in run(host, *mode, check=False).stdout
    assert host.run(f"ls {ROOT}").returncode != 0


def test_a_damaged_wheel_of_uv_is_refused_before_it_is_sent(mac: NewMac, run: Run, mirror: Path) -> None:
    host = mac("m1-fresh")
    next(mirror.glob("wheels/*")).write_bytes(b"damaged")
    assert "The wheel of uv is damaged" in run(host, check=False).stdout
    assert host.run(f"ls {ROOT}").returncode != 0


def stand_in(mirror: Path, host: Mac, interpreter: bytes) -> dict[str, Any]:
    """Put an archive with another interpreter into the mirror, and tell the variables that pin it."""
    version = archive_pin(host)["version"]
    tree = mirror / "tree/python"
    library = tree / f"lib/python{minor(host)}/os.py"
    program = tree / f"bin/python{minor(host)}"
    for path, content in ((library, b""), (program, interpreter)):
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
    program.chmod(0o755)
    archive = mirror / f"20220101/cpython-{version}+20220101-aarch64-apple-darwin-install_only_stripped.tar.gz"
    archive.parent.mkdir()
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(tree, "python")
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    pin = {"version": version, "build": "20220101", "sha256": {"aarch64-apple-darwin": digest}}
    return {"native_python_archives": {minor(host): pin}}


@pytest.mark.parametrize(
    ("interpreter", "messages"),
    [
        (stub(Kind.EXECUTABLE, {"arm64": ["/bin/sh", "-c", "kill -9 $$"]}), ["exit status 137", "codesign --force"]),
        (
            stub(Kind.EXECUTABLE, {"arm64": ["/bin/sh", "-c", "echo no dyld >&2; exit 6"]}),
            ["it does not start (exit status 6)", "no dyld"],
        ),
        (stub(Kind.EXECUTABLE, {"arm64": ["/bin/sh", "-c", "echo hello"]}), ["does not answer as a Python does"]),
        (stub(Kind.EXECUTABLE, {"x86_64": ["/bin/sh", "-c", "exit 0"]}), ["does not run", "it has no arm64 code"]),
    ],
)
def test_an_interpreter_that_does_not_run_is_named_and_what_was_linked_stays(
    mac: NewMac, run: Run, mirror: Path, ready: str, *, interpreter: bytes, messages: list[str]
) -> None:
    host = mac(ready)
    before = python_of(host)
    result = run(host, check=False, **stand_in(mirror, host, interpreter))
    for message in messages:
        assert message in result.stdout
    assert python_of(host) == before
    is_in_order(host)


# --- Interruptions ----------------------------------------------------------------------------------------------------


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
at_each_moment = pytest.mark.parametrize(("sign", "later"), MOMENTS, ids=[sign for sign, _ in MOMENTS])


@at_each_moment
def test_a_run_whose_connection_is_cut_is_repaired_by_the_next(
    mac: NewMac, run: Run, start: Start, *, sign: str, later: float
) -> None:
    host = mac("m1-fresh")
    controller = start(host)
    while controller.poll() is None and not any(host.path(ROOT).glob(sign)):
        time.sleep(0.002)
    time.sleep(later)
    os.killpg(controller.pid, signal.SIGKILL)
    host.run("sudo sh -c 'kill -9 $(pgrep -f \"[a]dmin@notty\")'")  # the host's side of all its connections
    run(host)
    is_in_order(host)
    assert run(host).recap[host.name]["changed"] == 0


@at_each_moment
def test_a_run_whose_processes_on_the_host_are_killed_is_repaired_by_the_next(
    mac: NewMac, run: Run, start: Start, *, sign: str, later: float
) -> None:
    host = mac("m1-fresh")
    controller = start(host)
    host.run(
        f"sh -c 'until ls {ROOT}/{sign} >/dev/null 2>&1; do :; done; sleep {later}; kill -9 -1'"
    )  # all of the user's
    assert controller.wait(60) in (0, 2, 4)
    run(host)
    is_in_order(host)
    assert run(host).recap[host.name]["changed"] == 0


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


def test_two_runs_at_once_do_not_harm_each_other(mac: NewMac, run: Run, start: Start) -> None:
    host = mac("m1-fresh")
    both = [start(host), start(host)]
    assert [controller.wait(120) for controller in both] == [0, 0]
    is_in_order(host)
    assert run(host).recap[host.name]["changed"] == 0


# --- A company's network ----------------------------------------------------------------------------------------------


class Company:
    """A server with the mirror and an index, for the user "fleet", and a proxy before it, for the user "staff"."""

    def __init__(self, server: Server, proxy: Server, certificates: Path) -> None:
        self.server = server
        self.proxy = proxy
        self.variables = {
            "native_python_mirror": f"https://{server.address}",
            "native_python_username": "fleet",
            "native_python_password": SECRET,
            "native_python_index_url": f"https://{server.address}/simple",
            "native_python_proxy": f"http://staff:proxy-{SECRET}@{proxy.address}",
            "native_python_ca": str(certificates),
        }


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def company(mirror: Path, authority: Authority) -> Iterator[Company]:
    index = mirror / "simple/uv"
    index.mkdir(parents=True)
    wheel = next(mirror.glob("wheels/*.whl"))
    wheel.rename(index / wheel.name)
    (index / "index.html").write_text(f'<a href="{wheel.name}">{wheel.name}</a>')
    with (
        running(https_server(mirror, authority, "fleet", SECRET)) as server,
        running(proxy_server("staff", f"proxy-{SECRET}")) as proxy,
    ):
        yield Company(server, proxy, authority.ca)


def command_lines() -> str:
    """Of all processes, those on the simulated Macs too."""
    lines = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it has ended
            lines.append(process.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return "\n".join(lines)


def test_proxy_certificates_and_passwords_serve_and_never_show(mac: NewMac, run: Run, company: Company) -> None:
    host = mac("m1-fresh")
    seen: list[str] = []
    company.server.while_serving = lambda: seen.append(command_lines())
    shown = [run(host, "-vvvv", *mode, "--diff", **company.variables) for mode in (["--check"], [])]
    asked = [request.split("/")[1] for request in company.server.requests]
    assert asked == [archive_pin(host)["build"], "simple", "simple"]
    assert set(company.proxy.requests) == {company.server.address}
    is_in_order(host)
    assert run(host, **company.variables).recap[host.name]["changed"] == 0
    assert "curl -q --config" in seen[0]  # so it was looked at the right moment
    for text in [*(result.output for result in shown), *seen, json.dumps(host.calls())]:
        assert SECRET not in text
    assert host.run(f"grep -rl {SECRET} . /private/tmp /private/var/log").stdout == ""


def test_credentials_in_the_mirrors_url_serve_too(mac: NewMac, run: Run, company: Company) -> None:
    host = mac("m1-fresh")
    mirror = f"https://fleet:{SECRET}@{company.server.address}"
    urls = {"native_python_mirror": mirror, "native_python_index_url": f"{mirror}/simple"}
    separate = {"native_python_username": "", "native_python_password": ""}
    result = run(host, "-vvvv", "--diff", **{**company.variables, **urls, **separate})
    assert SECRET not in result.output
    assert f"https://***@{company.server.address}" in result.output
    is_in_order(host)


@pytest.mark.parametrize(
    ("changed", "evidence"),
    [
        ({"native_python_password": f"wrong-{SECRET}"}, "HTTP 401"),
        ({"native_python_ca": ""}, "certificate"),
        ({"native_python_proxy": f"http://staff:wrong-{SECRET}@PROXY"}, "from the proxy 407"),
        ({"native_python_proxy": f"http://staff:{SECRET}@127.0.0.1:9"}, "127.0.0.1"),
    ],
)
def test_what_keeps_the_archive_away_is_told_without_secrets(
    mac: NewMac, run: Run, company: Company, changed: dict[str, str], evidence: str
) -> None:
    host = mac("m1-fresh")
    changed = {key: value.replace("PROXY", company.proxy.address) for key, value in changed.items()}
    result = run(host, "-vvvv", check=False, **{**company.variables, **changed})
    assert "could not be downloaded. The host said: " in result.stdout
    assert evidence in result.stdout
    assert SECRET not in result.output
    assert said(host, f"ls -A {ROOT}/python") == ""


@pytest.mark.parametrize(
    ("index", "cause"),
    [
        (f"https://fleet:wrong-{SECRET}@SERVER/simple", "The package index or the proxy refuses the credentials"),
        (f"https://fleet:{SECRET}@127.0.0.1:9/x", "The package index cannot be reached from the host"),
        ("https://SERVER/empty", "The package index has no wheel of the pinned uv for this host"),
    ],
)
def test_what_keeps_uv_away_is_told_without_secrets(
    mac: NewMac, run: Run, company: Company, index: str, cause: str
) -> None:
    host = mac("m1-fresh")
    changed = {"native_python_index_url": index.replace("SERVER", company.server.address)}
    result = run(host, "-vvvv", check=False, **{**company.variables, **changed})
    assert f"No native Python was installed: {cause[0].lower()}{cause[1:]}" in result.stdout, result.stdout[-3000:]
    assert "tensorflow_index_url" in result.stdout
    assert SECRET not in result.output


def test_an_archive_that_a_server_has_damaged_is_refused_by_its_hash(
    mac: NewMac, run: Run, mirror: Path, company: Company
) -> None:
    host = mac("m1-fresh")
    archive = next(mirror.glob("*/cpython-*"))
    archive.write_bytes(archive.read_bytes()[:-100] + b"x" * 100)
    result = run(host, check=False, **company.variables)
    assert re.search(r"the SHA-256 of what came from https://[^ ]* is not the pinned one", result.stdout)
    assert said(host, f"ls -A {ROOT}/python") == ""


def test_a_portals_web_page_is_named_as_what_it_is(mac: NewMac, run: Run, mirror: Path, company: Company) -> None:
    host = mac("m1-fresh")
    next(mirror.glob("*/cpython-*")).write_text("<!doctype html>\n<html><head><title>Sign in</title></head></html>")
    result = run(host, check=False, **company.variables)
    assert re.search(r"instead of the file, https://[^ ]* sent a web page \(HTML\)", result.stdout)
    pushed = run(host, check=False)
    assert "is a web page (HTML), as a login portal sends it" in pushed.stdout


# --- What users set, and what surrounds them --------------------------------------------------------------------------


def test_what_is_set_for_tensorflow_serves_here_too(mac: NewMac, run: Run, company: Company) -> None:
    host = mac("m1-fresh")
    set_for_both = ("index_url", "proxy", "ca", "username", "password")
    variables = {f"tensorflow_{name}": company.variables[f"native_python_{name}"] for name in set_for_both}
    variables |= {"tensorflow_root": "~/elsewhere/metalfleet"}
    variables |= {"native_python_mirror": company.variables["native_python_mirror"]}
    result = run(host, bare=True, **variables)
    assert result.recap[host.name]["changed"] == 1
    assert said(host, "elsewhere/metalfleet/bin/uv --version").startswith(f"uv {UV_VERSION}")
    assert set(company.proxy.requests) == {company.server.address}
    assert run(host, bare=True, **variables).recap[host.name]["changed"] == 0


SURROUNDINGS = """\
echo "[INFO] Welcome to $(hostname)"
echo root=/evil
printf 'no newline'
printf '[1, 2]' >&2
umask 077
cd /tmp
export PATH=/usr/bin:/bin PYTHONHOME=/nonexistent PYTHONPATH=/nonexistent CDPATH=/
export PIP_REQUIRE_VIRTUALENV=true PIP_USER=1 PIP_TARGET=/tmp/x SYSTEM_VERSION_COMPAT=1
"""
HABITS_OF_PIP = "[global]\nrequire-virtualenv = true\nprefix = /tmp/y\nconstraint = /tmp/none.txt\ndry-run = true\n"


def test_the_users_start_up_files_and_habits_do_not_matter(mac: NewMac, run: Run) -> None:
    host = mac("m1-fresh")
    host.run("tee .zshenv", input=SURROUNDINGS.encode(), check=True)
    host.run("mkdir -p /Users/admin/.config/pip && tee /Users/admin/.config/pip/pip.conf", input=HABITS_OF_PIP.encode())
    host.run("printf 'include\noutput = x\n' > /Users/admin/.curlrc")
    assert run(host).recap[host.name]["changed"] == 1
    assert run(host).recap[host.name]["changed"] == 0
    host.run("rm /Users/admin/.zshenv", check=True)
    is_in_order(host)
    assert said(host, f"stat -c %a {ROOT}/bin {ROOT}/python/cpython-*").split() == ["755", "755"]
    host.run("tee .config/pip/pip.conf", input=b"broken\n[", check=True)
    host.run(f"rm -r {ROOT}/uv", check=True)
    run(host)
    is_in_order(host)


@pytest.mark.parametrize(
    ("variables", "complaint"),
    [
        ({"native_python_root": "$HOME/x"}, "native_python_root has the character"),
        ({"native_python_root": "~admin/x"}, "native_python_root names another user's home"),
        ({"native_python_root": "x"}, "native_python_root is relative"),
        ({"native_python_root": ""}, "native_python_root is empty"),
        ({"native_python_existing": "bin/python3"}, "native_python_existing is relative"),
        ({"native_python_version": 3.1}, "version is the number 3.1, not a text"),
        ({"native_python_version": "3.13"}, "There is no pinned Python 3.13"),
        ({"native_python_source": "brew"}, "standalone, python_org, homebrew, existing"),
        ({"native_python_mirror": "nowhere/at/all"}, "which native_python_mirror names, is not there"),
        ({"native_python_ca": "none.pem"}, "which native_python_ca names, is not there"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_paragraph(
    mac: NewMac, run: Run, variables: dict[str, Any], complaint: str
) -> None:
    host = mac("m1-fresh")
    before = listing(host)
    for mode in (["--check"], []):
        result = run(host, *mode, check=False, **variables)
        assert complaint in result.stdout
        assert "Traceback" not in result.output
        assert result.recap[host.name]["failed"] == 1
    assert listing(host) == before


def test_a_home_is_understood_in_every_path(mac: NewMac, run: Run) -> None:
    host = mac("m4-homebrew")
    python = f"/opt/homebrew/opt/python@{minor(host)}/bin/python{minor(host)}"
    host.run(f"mkdir bin && ln -s {python} bin/mine", check=True)
    variables = {"native_python_existing": "~/bin/mine", "native_python_root": "~/my/"}
    variables |= {"native_python_source": "existing"}
    assert run(host, **variables).recap[host.name]["changed"] == 1
    assert run(host, **variables).recap[host.name]["changed"] == 0
    assert said(host, "readlink my/bin/python3").strip() == "/Users/admin/bin/mine"
    assert said(host, "ls -d '~' 2>/dev/null || true") == ""


def test_an_interpreter_that_hangs_is_left_alone_and_not_left_behind(mac: NewMac, run: Run) -> None:
    host = mac("m1-fresh")
    host.run("mkdir -p tools/bin tools/lib/python3.12 && touch tools/lib/python3.12/os.py", check=True)
    hanging = stub(Kind.EXECUTABLE, {"arm64": ["/bin/sh", "-c", "sleep 4321"]})
    host.run("tee tools/bin/python3 >/dev/null && chmod +x tools/bin/python3", input=hanging, check=True)
    named = {"native_python_source": "existing", "native_python_existing": "~/tools/bin/python3"}
    assert "it did not answer in time, and was ended" in run(host, check=False, **named).stdout
    assert host.run("pgrep -f 'sleep 432[1]'").stdout == ""


# --- The documentation ------------------------------------------------------------------------------------------------


EXAMPLES = yaml.safe_load(native_python.EXAMPLES)


@pytest.mark.parametrize("task", EXAMPLES, ids=[task["name"] for task in EXAMPLES])
def test_the_modules_examples_run(mac: NewMac, run: Run, mirror: Path, tmp_path: Path, task: dict[str, Any]) -> None:
    """In check mode, for their addresses are examples; with folder, pins and version of this test bed."""
    host = mac("m4-homebrew")
    options = dict(task["metalfleet.tensorflow.native_python"] or {})
    if options.get("mirror", "").startswith("/"):
        pins = {"archives": {minor(host): archive_pin(host)}, "version": minor(host)}
        options |= {"mirror": str(mirror), **pins}
    if "existing" in options:
        options["existing"] = options["existing"].replace("3.12", minor(host))
    (tmp_path / "example-ca.pem").write_text("")
    play = {"hosts": "macs", "gather_facts": False, "vars": {"vault_artifacts_password": SECRET}}
    tasks = [{**task, "metalfleet.tensorflow.native_python": options}]
    (tmp_path / "example.yml").write_text(yaml.safe_dump([{**play, "name": "An example", "tasks": tasks}]))
    result = run(host, "--check", play=tmp_path / "example.yml")
    assert result.recap[host.name]["changed"] == 1
