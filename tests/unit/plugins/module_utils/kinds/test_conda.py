# SPDX-License-Identifier: GPL-3.0-or-later
"""Environments of conda packages on this machine: installed by the real py-rattler, from a channel of our own."""

from __future__ import annotations

import multiprocessing
import os
import random
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.observe import Difference
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.plan import reason_of

from tests.conda import Package, of_prefix
from tests.simulated_mac import pythons
from tests.unit.plugins.module_utils.environment.host import RefusedError
from tests.unit.plugins.module_utils.kinds.conda_host import SUBDIR, CondaHost, engine_wheel, module
from tests.wheels import lock_of, make_wheel

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Package:
    """The conda package of a Python of this machine."""
    engine_wheel()  # while HOME is the user's: what fetches it writes there
    prefix, found = tmp_path_factory.mktemp("python") / "prefix", pythons.find()
    pythons.lay_out(found, prefix)
    return of_prefix(prefix, found.version, SUBDIR)


@pytest.fixture
def host(tmp_path: Path, python: Package, monkeypatch: pytest.MonkeyPatch) -> CondaHost:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    host = CondaHost(tmp_path, python)
    host.bring_python()
    return host


def test_packages_and_wheels_on_top_become_one_environment(host: CondaHost, monkeypatch: pytest.MonkeyPatch) -> None:
    gamma = make_wheel(host.wheels, "gamma", requires="pure")
    lock = host.lock(lock_of(gamma))
    monkeypatch.setenv("CONDA_PKGS_DIRS", str(host.folder / "user-cache"))
    monkeypatch.setenv("RATTLER_CACHE_DIR", str(host.folder / "user-cache"))

    assert host.four_runs(lock=lock) == [["absent"], ["absent"], [], []]

    generation = os.path.realpath(host.link)
    assert (
        host.says("import sys, pure, gamma; print(sys.prefix, pure.VERSION, gamma.VERSION)") == f"{generation} 1.0 1.0"
    )
    prefixes = "import site, sys, sysconfig; print({*site.PREFIXES, sys.base_prefix, sysconfig.get_config_var('base')})"
    assert host.says(prefixes) == f"{{{generation!r}}}"
    assert subprocess.run([host.link / "bin/pure-run"], capture_output=True, text=True, check=True).stdout == "ran\n"
    assert (host.link / "etc/prefix.txt").read_text() == f"prefix={generation}\n"
    assert not (host.folder / "user-cache").exists()
    assert not list((host.folder / "home").rglob("*"))
    files = [path for path in Path(generation).rglob("*") if path.is_file() and not path.is_symlink()]
    assert {path.stat().st_nlink for path in files} == {1}


DRIFT: dict[str, tuple[Callable[[CondaHost], object], str]] = {
    "a file of a package is gone": (lambda host: (host.link / "share/tool.txt").unlink(), "file-missing"),
    "a file has other content": (lambda host: (host.link / "bin/tool").write_text("#!/bin/sh\n:\n"), "file-damaged"),
    "a file into which the prefix was written has other content": (
        lambda host: (host.link / "etc/prefix.txt").write_text("prefix=/elsewhere"),
        "file-damaged",
    ),
    "the record of a package is gone": (
        lambda host: next(host.link.glob("conda-meta/tool-*.json")).unlink(),
        "package-missing",
    ),
    "another package's record": (
        lambda host: (host.link / "conda-meta/more-1.0-0.json").write_text("{}"),
        "package-extra",
    ),
    "the history of conda says more": (
        lambda host: (host.link / "conda-meta/history").write_text("==> 2026 <==\n"),
        "file-damaged",
    ),
    "the interpreter is another": (
        lambda host: host.link.resolve().joinpath(f"bin/python{host.minor}").write_bytes(b"#!/bin/sh\n"),
        "interpreter-changed",
    ),
    "the link to the interpreter leads elsewhere": (
        lambda host: relink(host.link / "bin/python"),
        "interpreter-changed",
    ),
    "a file of the standard library has other content": (
        lambda host: (host.link / f"lib/python{host.minor}/json/__init__.py").write_text("raise SystemExit"),
        "file-damaged",
    ),
    "a start-up module beside the standard library": (
        lambda host: (host.link / f"lib/python{host.minor}/sitecustomize.py").write_text(""),
        "startup-file",
    ),
    "a start-up file": (lambda host: (host.packages / "more.pth").write_text("import os\n"), "startup-file"),
    "a mode": (lambda host: (host.link / "bin/tool").chmod(0o777), "permissions-changed"),
}


def relink(link: Path) -> None:
    link.unlink()
    link.symlink_to("/bin/sh")


@pytest.fixture(scope="module")
def in_order(tmp_path_factory: pytest.TempPathFactory, python: Package) -> CondaHost:
    host = CondaHost(tmp_path_factory.mktemp("host"), python)
    host.bring_python()
    assert host.converge()["reasons"] == ["absent"]
    return host


@pytest.mark.parametrize("name", DRIFT)
def test_drift_is_noticed_and_repaired(in_order: CondaHost, name: str) -> None:
    damage, reason = DRIFT[name]
    assert in_order.converge(check_mode=True)["reasons"] == []

    damage(in_order)

    assert in_order.four_runs(integrity="full") == [[reason], [reason], [], []]
    assert in_order.says("import pure; print(pure.VERSION)") == "1.0"
    assert (in_order.link / "share/tool.txt").read_text() == "1"


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("bin/python3.12", "interpreter-missing"),
        ("bin/python3.13t", "interpreter-missing"),
        ("bin/python3.12-config", "file-missing"),
    ],
)
def test_what_lies_beside_the_interpreter_is_a_file_like_others(path: str, reason: str) -> None:
    assert reason_of(Difference(path, "missing"), "") == reason


HOSTILE: dict[str, tuple[Package, str]] = {
    "a path through another's link": (
        Package(
            "evil",
            files={"site-packages/pure/x/evil.py": b""},
            noarch="python",
            links={"site-packages/pure/x": ".."},
        ),
        "writes through a link",
    ),
    "a link that leads out": (Package("evil", links={"share/evil": "/etc/passwd"}), "leads out of the environment"),
    "a start-up file": (
        Package("evil", noarch="python", files={"site-packages/evil.pth": b"import os\n"}),
        "would run whenever Python starts",
    ),
    "a file of another package": (Package("evil", files={"share/tool.txt": b"2"}), "share/tool.txt"),
    "another interpreter": (
        Package(
            "evil",
            depends=["python"],
            files={"bin/mine": b"#!/bin/sh\n"},
            programs=frozenset({"bin/mine"}),
            links={"bin/python": "mine"},
        ),
        "brings the file bin/python",
    ),
    "site-packages elsewhere": (
        Package(
            "evil", links={"lib/python3.12/site-packages": "../../share", "lib/python3.11/site-packages": "../../share"}
        ),
        "writes through a link",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_no_package_may_do_is_refused(host: CondaHost, name: str) -> None:
    package, words = HOSTILE[name]
    host.add(package, suffix=".tar.bz2" if "link" in name else ".conda")

    with pytest.raises(RefusedError, match=words):
        host.converge()

    assert not host.link.exists()
    assert not list(host.folder.rglob("evil.*"))
    assert host.generations() == []


def test_an_archive_with_another_hash_is_refused(host: CondaHost) -> None:
    host.add(Package("tool", subdir=SUBDIR, files={"bin/tool": b"#!/bin/sh\n"}), digest="0" * 64)

    with pytest.raises(RefusedError, match="is not the one in the lock"):
        host.converge()

    assert not host.link.exists()


def test_a_damaged_archive_in_the_store_is_fetched_again(host: CondaHost) -> None:
    host.converge()
    stored = next(host.places.wheels.glob("*/pure-*.conda"))
    stored.write_bytes(stored.read_bytes()[:-1] + b"\0")
    (host.link / "share/tool.txt").unlink()

    assert host.converge()["reasons"] == ["file-missing"]

    assert host.says("import pure; print(pure.VERSION)") == "1.0"


def test_a_package_twice_is_refused(host: CondaHost) -> None:
    with pytest.raises(RefusedError, match="has the package pure twice"):
        host.converge(lock=host.lock(lock_of(make_wheel(host.wheels, "pure"))))

    host.add(Package("other-name", noarch="python", files=module("pure")))
    del host.lines["pure"]
    with pytest.raises(RefusedError, match="pure would come from conda and as a wheel"):
        host.converge(lock=host.lock(lock_of(make_wheel(host.wheels, "pure"))))


def test_a_wheel_whose_needs_are_not_met_is_refused(host: CondaHost) -> None:
    with pytest.raises(RefusedError, match="absent-one"):
        host.converge(lock=host.lock(lock_of(make_wheel(host.wheels, "gamma", requires="absent-one"))))


def test_nothing_that_is_not_used_stays(host: CondaHost) -> None:
    host.converge()
    names = {path.name.partition("-")[0] for path in host.places.wheels.glob("*/*")}
    assert names == {"python", "pure", "tool", "py_rattler"}

    del host.lines["tool"]
    host.converge(lock=host.lock(), keep=1)

    assert not list(host.places.wheels.glob("*/tool-*"))
    assert host.generations() == ["2"]


def test_a_package_whose_record_is_gone_hides_no_file_that_another_one_lacks(in_order: CondaHost) -> None:
    next(in_order.link.glob("conda-meta/tool-*.json")).unlink()
    (in_order.packages / "pure/__init__.py").unlink()
    repaired = in_order.converge()
    assert repaired["reasons"] == ["package-missing", "file-missing"]
    assert [action["evidence"].rpartition("/")[2] for action in repaired["plan"]][:2] == ["tool==1.0", "__init__.py"]


def test_killed_at_any_moment(host: CondaHost) -> None:
    """The active environment can always be used, the next run ends well, and nothing half-done stays."""
    start = time.monotonic()
    host.converge()
    duration, seed = time.monotonic() - start, random.randrange(10**6)
    moments = random.Random(seed)
    for number in range(4):
        host.add(Package("tool", build=str(number), subdir=SUBDIR, files={"share/tool.txt": str(number).encode()}))
        process = multiprocessing.get_context("fork").Process(target=host.converge)
        process.start()
        process.join(moments.uniform(0, duration))
        process.kill()
        process.join()
        assert host.says("import pure; print(pure.VERSION)") == "1.0", f"seed {seed}"

        host.converge()

        assert (host.link / "share/tool.txt").read_text() == str(number), f"seed {seed}"
        assert host.converge(check_mode=True)["reasons"] == []
    assert len(host.generations()) <= 2
    assert not list(host.places.wheels.glob("*.part"))
