# SPDX-License-Identifier: GPL-3.0-or-later
"""A company's network, what users set, and what surrounds them."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.metalfleet.tensorflow.plugins.modules import native_python

from tests.integration.conftest import NewMac
from tests.integration.hosts import ROOT, listing, said
from tests.integration.native_python.shared import SECRET, UV_VERSION, Run, archive_pin, is_in_order, minor
from tests.integration.network import Authority, Server, https_server, proxy_server, running
from tests.simulated_mac.macho import Kind, stub

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
    mac: NewMac, run: Run, ready: str, company: Company, *, index: str, cause: str
) -> None:
    host = mac(ready)
    host.run(f"rm -r {ROOT}/uv", check=True)
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
    assert "is a web page (HTML), as login portals send" in pushed.stdout


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
        ({"native_python_version": 3.1}, "version is the number 3.1, not text"),
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
    assert "it did not answer in time, and was stopped" in run(host, check=False, **named).stdout
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
