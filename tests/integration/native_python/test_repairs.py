# SPDX-License-Identifier: GPL-3.0-or-later
"""What is damaged or upgraded is replaced by a new folder, and archives that are no good are refused."""

from __future__ import annotations

import hashlib
import shutil
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import NewMac
from tests.integration.hosts import ROOT, said
from tests.integration.native_python.shared import Run, archive_pin, is_in_order, minor, python_of
from tests.simulated_mac.fleet import Mac
from tests.simulated_mac.macho import Kind, stub

# --- Upgrades and repairs ---------------------------------------------------------------------------------------------


@pytest.mark.slow("installs a Python twice")
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
