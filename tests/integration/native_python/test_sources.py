# SPDX-License-Identifier: GPL-3.0-or-later
"""The role native_python over SSH, on simulated Macs: every source."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import NewMac
from tests.integration.hosts import PLAYBOOKS, ROOT, listing, said
from tests.integration.native_python.shared import (
    PYTHON_ORG,
    Run,
    archive_pin,
    four_runs,
    is_in_order,
    minor,
    python_of,
)
from tests.simulated_mac import packages
from tests.simulated_mac.fleet import Fleet
from tests.slow import cases


def test_standalone_is_pushed_to_a_mac_without_a_network(mac: NewMac, run: Run) -> None:
    host = mac("m1-fresh")
    four_runs(run, host)
    assert python_of(host).startswith(f"{ROOT}/python/cpython-{archive_pin(host)['version']}+")


@pytest.mark.parametrize(
    "profile", cases(zip(["m2-rosetta", "m5-fresh"]), ["m2-rosetta"], "installs a Python once more")
)
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
