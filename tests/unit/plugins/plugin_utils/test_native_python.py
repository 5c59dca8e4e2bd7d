# SPDX-License-Identifier: GPL-3.0-or-later
"""What native_python decides, and what its scripts do on this machine."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tarfile
from typing import TYPE_CHECKING, Any

import pytest
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils import _native_python as engine

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SHA256 = "ab" * 32
ARCHIVES: dict[str, Any] = {
    "3.12": {"version": "3.12.16", "build": "20261110", "sha256": {"aarch64-apple-darwin": SHA256}},
    "3.9": {"version": "3.9.25", "build": "20251031", "sha256": {}},
}
UV = "uv==0.13.9 --hash=sha256:" + SHA256
MAC = {"hw.optional.arm64": "1", "machdep.cpu.brand_string": "Apple M1", "hw.model": "MacBookAir10,1"}
PYTHON = "/Users/a/.local/share/metalfleet/python/cpython-3.12.16+20261110/bin/python3.12"
ROOT = "/Users/a/.local/share/metalfleet"


def mac(**known: Any) -> engine.Host:
    return engine.Host(
        **{"root": ROOT, "system": "Darwin", "machine": "arm64", "macos": "14.6.1", "sysctl": MAC, **known}
    )


def ready_mac(**known: Any) -> engine.Host:
    in_order = {"interpreter": PYTHON, "interpreter_status": 0, "uv": f"{ROOT}/uv/0.13.9/bin/uv", "uv_present": True}
    return mac(**{**in_order, **known})


def plan(host: engine.Host, version: str = "3.12") -> engine.Plan:
    return engine.make_plan(host, version, ARCHIVES, "12.1", UV)


class TestPlan:
    def test_a_fresh_mac_gets_everything(self) -> None:
        made = plan(mac())
        assert made.reasons == ("absent", "uv")
        assert made.python == PYTHON
        assert made.archive is not None
        assert made.archive.path == (
            "20261110/cpython-3.12.16+20261110-aarch64-apple-darwin-install_only_stripped.tar.gz"
        )

    def test_a_mac_in_order_gets_nothing(self) -> None:
        assert plan(ready_mac()).reasons == ()

    @pytest.mark.parametrize(
        ("changed", "reasons"),
        [
            ({"interpreter": PYTHON.replace("16", "15")}, ("interpreter-changed",)),
            ({"interpreter_status": 137}, ("interpreter-missing",)),
            ({"uv_present": False}, ("uv",)),
            ({"uv": f"{ROOT}/uv/0.13.8/bin/uv"}, ("uv",)),
        ],
    )
    def test_each_difference_has_its_reason(self, changed: dict[str, Any], reasons: tuple[str, ...]) -> None:
        assert plan(ready_mac(**changed)).reasons == reasons

    def test_an_intel_mac_is_refused_by_name(self) -> None:
        intel = {"machdep.cpu.brand_string": "Intel(R) Core(TM) i7-9750H", "hw.model": "MacBookPro16,1"}
        with pytest.raises(engine.NativePythonError, match=r"no Apple Silicon \(processor: Intel.*MacBookPro16,1"):
            plan(mac(machine="x86_64", sysctl=intel))

    def test_a_translated_shell_does_not_hide_the_chip(self) -> None:
        assert plan(mac(machine="x86_64")).reasons == ("absent", "uv")
        assert mac(machine="x86_64").platform == "macos-arm64"

    @pytest.mark.parametrize(("macos", "fits"), [("11.7.10", False), ("12.0.1", False), ("12.1", True), ("26.0", True)])
    def test_versions_of_macos_are_compared_as_numbers(self, macos: str, fits: bool) -> None:
        if fits:
            assert plan(mac(macos=macos)).reasons
        else:
            with pytest.raises(engine.NativePythonError, match=f"runs macOS {macos}; at least 12.1"):
                plan(mac(macos=macos))

    def test_an_unknown_version_of_macos_is_not_refused(self) -> None:
        assert plan(mac(macos="")).reasons

    def test_an_undeclared_python_is_named_with_those_that_are(self) -> None:
        with pytest.raises(engine.NativePythonError, match=r"no Python 3\.8; it has 3\.9, 3\.12"):
            plan(mac(), "3.8")

    def test_an_archive_without_hash_is_not_used(self) -> None:
        with pytest.raises(engine.NativePythonError, match=r"3\.9 has no sha256"):
            plan(mac(), "3.9")

    def test_linux_links_what_is_installed(self) -> None:
        host = engine.Host("/r", "Linux", "x86_64", existing="/usr/bin/python3.11", existing_version="3.11.2")
        made = plan(host)
        assert (made.python, made.version, made.archive) == ("/usr/bin/python3.11", "3.11.2", None)
        assert host.platform == "linux-x86_64"

    def test_linux_without_a_python_says_what_to_install(self) -> None:
        with pytest.raises(engine.NativePythonError, match="python3-pip"):
            plan(engine.Host("/r", "Linux", "x86_64"))

    @pytest.mark.parametrize("requirement", ["uv>=0.13", "uv==0.13.9", "", "uv==1 --hash=md5:00"])
    def test_uv_must_be_pinned_with_a_hash(self, requirement: str) -> None:
        with pytest.raises(engine.NativePythonError, match="must pin one version"):
            engine.make_plan(mac(), "3.12", ARCHIVES, "12.1", requirement)

    def test_uv_is_read_as_a_lock_writes_it(self) -> None:
        uv = engine.parse_uv(f"# comment\nuv==0.13.9 \\\n    --hash=sha256:{SHA256} \\\n    --hash=sha256:{SHA256}\n")
        assert uv == engine.Uv("0.13.9", f"uv==0.13.9 --hash=sha256:{SHA256} --hash=sha256:{SHA256}")


class TestAnswer:
    def test_unknown_keys_and_noise_are_passed_over(self) -> None:
        host = engine.parse_answer("Welcome!\nroot=/r\nsystem=Darwin\nmachine=arm64\nsysctl.hw.optional.arm64=1\nx=1\n")
        assert host == engine.Host("/r", "Darwin", "arm64", sysctl={"hw.optional.arm64": "1"})

    def test_a_host_that_is_no_posix_shell_is_an_error(self) -> None:
        with pytest.raises(engine.NativePythonError, match="did not answer"):
            engine.parse_answer("This account is not available.")


class TestFailures:
    def test_a_full_disk_is_named_whatever_failed(self) -> None:
        text = engine.explain_failure(21, "tar: write error: No space left on device", ROOT, "")
        assert "the disk is full" in text
        assert ROOT in text

    def test_credentials_of_the_mirror_are_masked(self) -> None:
        text = engine.explain_failure(22, "curl: https://u:secret@m/x failed", ROOT, "https://u:secret@m/x")
        assert "secret" not in text
        assert "https://***@m/x" in text

    def test_every_status_of_the_script_is_explained(self) -> None:
        script = (engine.SCRIPTS / "install.sh").read_text(encoding="utf-8")
        assignments = next(line for line in script.splitlines() if line.startswith("BAD_HASH="))
        assert {int(part.partition("=")[2]) for part in assignments.split()} == set(engine.FAILURES)

    def test_a_damaged_archive_is_not_sent(self, tmp_path: Path) -> None:
        archive = engine.choose_archive("3.12", ARCHIVES)
        path = tmp_path / archive.path
        path.parent.mkdir()
        path.write_bytes(b"damaged")
        with pytest.raises(engine.NativePythonError, match="damaged: .* has SHA-256"):
            engine.local_archive(str(tmp_path), archive)

    def test_a_missing_archive_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(engine.NativePythonError, match=r"cannot be read: .*install_only_stripped.tar.gz"):
            engine.local_archive(str(tmp_path), engine.choose_archive("3.12", ARCHIVES))


@pytest.fixture
def archive(tmp_path: Path) -> Callable[[str], tuple[bytes, str]]:
    """Make an archive of the published shape whose interpreter is a shell script."""

    def make(interpreter: str) -> tuple[bytes, str]:
        tree = tmp_path / "archive" / "python" / "bin"
        tree.mkdir(parents=True, exist_ok=True)
        (tree / "python3.12").write_text(interpreter)
        (tree / "python3.12").chmod(0o755)
        path = tmp_path / "archive.tar.gz"
        with tarfile.open(path, "w:gz") as tar:
            tar.add(tree.parent, "python")
        content = path.read_bytes()
        return content, hashlib.sha256(content).hexdigest()

    return make


RUNS = f'#!/bin/sh\nexec "{sys.executable}" "$@"\n'
"""An interpreter as install.sh calls it."""


class TestInstall:
    """install.sh itself, run by this machine's shell; uv is there already, so that no index is needed."""

    @pytest.fixture(autouse=True)
    def _uv_is_there(self, tmp_path: Path) -> None:
        uv = tmp_path / "root" / "uv" / "0.13.9" / "bin" / "uv"
        uv.parent.mkdir(parents=True)
        uv.write_text("#!/bin/sh\n")
        uv.chmod(0o755)

    def install(self, root: Path, content: bytes, sha256: str, **changed: str) -> subprocess.CompletedProcess[bytes]:
        python = f"{root}/python/cpython-3.12.16+1/bin/python3.12"
        variables = {
            "root": str(root),
            "python": python,
            "uv_version": "0.13.9",
            "name": "cpython-3.12.16+1",
            "url": "",
        }
        variables |= {"uv_requirement": UV, "index_url": "", "sha256": sha256, **changed}
        return subprocess.run(
            engine.command("install.sh"),
            shell=True,
            input=engine.standard_input(content, **variables),
            capture_output=True,
            check=False,
        )

    def test_everything_is_in_place_and_linked(
        self, tmp_path: Path, archive: Callable[[str], tuple[bytes, str]]
    ) -> None:
        root = tmp_path / "root"
        done = self.install(root, *archive(RUNS))
        assert (done.returncode, done.stderr) == (0, b"")
        assert str((root / "bin/python3").readlink()) == f"{root}/python/cpython-3.12.16+1/bin/python3.12"
        assert str((root / "bin/uv").readlink()) == f"{root}/uv/0.13.9/bin/uv"
        assert [entry.name for entry in (root / "python").iterdir()] == ["cpython-3.12.16+1"]

    def test_a_damaged_archive_leaves_nothing(
        self, tmp_path: Path, archive: Callable[[str], tuple[bytes, str]]
    ) -> None:
        root = tmp_path / "root"
        content, sha256 = archive(RUNS)
        done = self.install(root, content[:-7], sha256)
        assert done.returncode == 20
        assert sha256.encode() in done.stderr
        assert list((root / "python").iterdir()) == []
        assert not (root / "bin/python3").is_symlink()

    def test_a_killed_interpreter_is_told_by_its_status(
        self, tmp_path: Path, archive: Callable[[str], tuple[bytes, str]]
    ) -> None:
        done = self.install(tmp_path / "root", *archive("#!/bin/sh\nkill -9 $$\n"))
        assert done.returncode == 23
        assert b"exit status 137" in done.stderr
        assert list((tmp_path / "root/python").iterdir()) == []

    def test_a_broken_installation_of_the_same_name_is_replaced(
        self, tmp_path: Path, archive: Callable[[str], tuple[bytes, str]]
    ) -> None:
        root = tmp_path / "root"
        broken = root / "python/cpython-3.12.16+1/bin/python3.12"
        broken.parent.mkdir(parents=True)
        broken.write_text("#!/bin/sh\nexit 1\n")
        broken.chmod(0o755)
        assert self.install(root, *archive(RUNS)).returncode == 0
        assert broken.read_text() == RUNS

    def test_what_a_killed_run_left_is_removed_and_what_a_living_one_has_is_kept(
        self, tmp_path: Path, archive: Callable[[str], tuple[bytes, str]]
    ) -> None:
        root = tmp_path / "root"
        ended = subprocess.Popen(["/bin/true"])
        ended.wait()
        dead, alive = root / f"python/.new.{ended.pid}.abc", root / f"python/.new.{os.getpid()}.abc"
        dead.mkdir(parents=True)
        alive.mkdir()
        self.install(root, *archive(RUNS))
        assert not dead.exists()
        assert alive.exists()

    def test_the_archive_comes_from_a_url(self, tmp_path: Path, archive: Callable[[str], tuple[bytes, str]]) -> None:
        _, sha256 = archive(RUNS)
        done = self.install(tmp_path / "root", b"", sha256, url=(tmp_path / "archive.tar.gz").as_uri())
        assert done.returncode == 0, done.stderr
        missing = self.install(tmp_path / "other", b"", sha256, url=(tmp_path / "none.tar.gz").as_uri())
        assert missing.returncode == 22
