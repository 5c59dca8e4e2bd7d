# SPDX-License-Identifier: GPL-3.0-or-later
"""What native_python decides, and what its scripts do on this machine."""

from __future__ import annotations

import hashlib
import io
import os
import struct
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._native_python import scripts
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._native_python.declaration import (
    Declaration,
    Uv,
    parse_uv,
)
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._native_python.host import (
    OBJECTIONS,
    Host,
    Judged,
    NativePythonError,
    parse_answer,
    parse_judged,
)
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._native_python.plan import (
    Plan,
    describe,
    make_plan,
    question,
)
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._native_python.sources import SOURCES

from tests.simulated_mac.macho import Kind, stub

if TYPE_CHECKING:
    from collections.abc import Callable

SHA256 = "ab" * 32
UV = "uv==0.13.9 --hash=sha256:" + SHA256
ROOT = "/Users/a/.local/share/metalfleet"
STANDALONE = f"{ROOT}/python/cpython-3.12.16+20261110/bin/python3.12"
PYTHON_ORG = "/Library/Frameworks/Python.framework/Versions/3.12/bin/python3.12"
BREWED = "/opt/homebrew/opt/python@3.12/bin/python3.12"
MAC = {"hw.optional.arm64": "1", "machdep.cpu.brand_string": "Apple M1", "hw.model": "MacBookAir10,1"}


def declaration(**changed: Any) -> Declaration:
    options: dict[str, Any] = {
        **dict.fromkeys(("existing", "mirror", "username", "password", "proxy", "ca", "index_url"), ""),
        "root": "~/.local/share/metalfleet",
        "source": "standalone",
        "version": "3.12",
        "archives": {
            "3.12": {"version": "3.12.16", "build": "20261110", "sha256": {"aarch64-apple-darwin": SHA256}},
            "3.9": {"version": "3.9.25", "build": "20251031", "sha256": {}},
        },
        "packages": {"3.12": {"version": "3.12.10", "file": "python-3.12.10-macos11.pkg", "sha256": SHA256}},
        "uv_requirement": UV,
        "minimum_macos": "12.1",
    }
    return Declaration(**{**options, **changed})


def judged(path: str, version: str = "3.12.16") -> Judged:
    return Judged(path, "ok", version, path)


def mac(*candidates: Judged, **known: Any) -> Host:
    base = {"root": ROOT, "system": "Darwin", "machine": "arm64", "uid": "501", "macos": "14.6.1", "sysctl": MAC}
    return Host(**{**base, **known}, candidates=candidates)


def linked(interpreter: Judged, **known: Any) -> dict[str, Any]:
    return {"interpreter": interpreter, "uv": f"{ROOT}/uv/0.13.9/bin/uv", "uv_present": True, **known}


class TestPlan:
    def test_a_fresh_mac_gets_everything(self) -> None:
        made = make_plan(mac(), declaration())
        assert made.reasons == ("absent", "uv")
        assert (made.python, made.version) == (STANDALONE, "3.12.16")
        assert made.step
        assert made.step.artifact
        assert made.step.artifact.path == (
            "20261110/cpython-3.12.16+20261110-aarch64-apple-darwin-install_only_stripped.tar.gz"
        )

    def test_a_mac_in_order_gets_nothing(self) -> None:
        made = make_plan(mac(judged(STANDALONE), **linked(judged(STANDALONE))), declaration())
        assert (made.reasons, made.step) == ((), None)

    @pytest.mark.parametrize(
        ("changed", "reasons"),
        [
            ({"interpreter": judged(STANDALONE.replace("16", "15"))}, ("interpreter-changed",)),
            ({"interpreter": Judged(STANDALONE, "status-137")}, ("interpreter-missing",)),
            ({"uv_present": False}, ("uv",)),
            ({"uv": f"{ROOT}/uv/0.13.8/bin/uv"}, ("uv",)),
        ],
    )
    def test_what_is_unpacked_already_is_not_unpacked_again(
        self, changed: dict[str, Any], reasons: tuple[str, ...]
    ) -> None:
        made = make_plan(mac(judged(STANDALONE), **{**linked(judged(STANDALONE)), **changed}), declaration())
        assert (made.reasons, made.step) == (reasons, None)

    @pytest.mark.parametrize("verdict", ["missing", "status-137", "foreign", "incomplete", "no-pip"])
    def test_what_is_unpacked_but_broken_is_unpacked_again(self, verdict: str) -> None:
        broken = Judged(STANDALONE, verdict)
        made = make_plan(mac(broken, **linked(broken)), declaration())
        assert made.reasons == ("interpreter-missing",)
        assert made.step
        assert made.step.how == "unpack"

    def test_an_intel_mac_is_refused_by_name(self) -> None:
        intel = {"machdep.cpu.brand_string": "Intel(R) Core(TM) i7-9750H", "hw.model": "MacBookPro16,1"}
        with pytest.raises(NativePythonError, match=r"no Apple Silicon \(processor: Intel.*MacBookPro16,1"):
            make_plan(mac(machine="x86_64", sysctl=intel), declaration())

    def test_a_translated_shell_does_not_hide_the_chip(self) -> None:
        assert make_plan(mac(machine="x86_64"), declaration()).reasons == ("absent", "uv")
        assert mac(machine="x86_64").platform == "macos-arm64"

    @pytest.mark.parametrize(("macos", "fits"), [("11.7.10", False), ("12.0.1", False), ("12.1", True), ("26.0", True)])
    def test_versions_of_macos_are_compared_as_numbers(self, macos: str, fits: bool) -> None:
        if fits:
            assert make_plan(mac(macos=macos), declaration()).reasons
        else:
            with pytest.raises(NativePythonError, match=f"runs macOS {macos}; at least 12.1"):
                make_plan(mac(macos=macos), declaration())

    def test_an_unknown_version_of_macos_is_not_refused(self) -> None:
        assert make_plan(mac(macos=""), declaration()).reasons

    @pytest.mark.parametrize(
        ("changed", "message"),
        [
            ({"version": "3.8"}, r"native_python_archives has no Python 3\.8; it has: 3\.9, 3\.12"),
            ({"version": "3.9"}, r"3\.9\.25 has no sha256 for aarch64"),
            ({"version": "3.9", "source": "python_org"}, r"native_python_packages has no Python 3\.9; it has: 3\.12"),
        ],
    )
    def test_only_what_is_pinned_is_installed(self, changed: dict[str, Any], message: str) -> None:
        with pytest.raises(NativePythonError, match=message):
            make_plan(mac(), declaration(**changed))

    @pytest.mark.parametrize("requirement", ["uv>=0.13", "uv==0.13.9", "", "uv==1 --hash=md5:00"])
    def test_uv_must_be_pinned_with_a_hash(self, requirement: str) -> None:
        with pytest.raises(NativePythonError, match="must pin one version"):
            make_plan(mac(), declaration(uv_requirement=requirement))

    def test_uv_is_read_as_a_lock_writes_it(self) -> None:
        uv = parse_uv(f"# comment\nuv==0.13.9 \\\n    --hash=sha256:{SHA256} \\\n    --hash=sha256:{'cd' * 32}\n")
        assert uv == Uv("0.13.9", f"uv==0.13.9 --hash=sha256:{SHA256} --hash=sha256:{'cd' * 32}")
        assert uv.digests == {SHA256, "cd" * 32}

    def test_the_difference_tells_where_it_comes_from_without_credentials(self) -> None:
        wanted = declaration(mirror="https://fleet:secret@mirror/pbs/")
        host = mac()
        after = describe(host, make_plan(host, wanted), wanted)["after"]
        assert str(after["from"]).startswith("https://***@mirror/pbs/20261110/cpython-")


class TestPythonOrg:
    WANTED = declaration(source="python_org")

    @pytest.mark.parametrize("version", ["3.12.10", "3.12.11"])
    def test_an_installed_one_is_left_as_it_is(self, version: str) -> None:
        there = judged(PYTHON_ORG, version)
        made = make_plan(mac(there, **linked(there), receipt=True), self.WANTED)
        assert (made.reasons, made.version, made.step) == ((), version, None)

    def test_an_older_one_is_upgraded(self) -> None:
        there = judged(PYTHON_ORG, "3.12.9")
        made = make_plan(mac(there, **linked(there), receipt=True), self.WANTED)
        assert made.reasons == ("interpreter-changed",)
        assert made.step
        assert (made.step.how, made.version) == ("package", "3.12.10")

    def test_one_without_a_receipt_is_not_the_installers(self) -> None:
        there = judged(PYTHON_ORG, "3.12.10")
        made = make_plan(mac(there, **linked(there)), self.WANTED)
        assert made.reasons == ("interpreter-missing",)
        assert made.step


class TestHomebrew:
    WANTED = declaration(source="homebrew")
    READY: ClassVar[dict[str, Any]] = {"brew": "/opt/homebrew/bin/brew", "developer_tools": True}

    def test_the_formula_is_installed_once(self) -> None:
        made = make_plan(mac(**self.READY), self.WANTED)
        assert made.step
        assert (made.python, made.step.formula) == (BREWED, "python@3.12")
        assert make_plan(mac(judged(BREWED), **linked(judged(BREWED)), **self.READY), self.WANTED).step is None

    @pytest.mark.parametrize(
        ("changed", "message"),
        [
            ({"brew": "/usr/local/bin/brew"}, "in /usr/local, is the x86_64 one.*without Metal"),
            ({"brew": ""}, "no Homebrew in /opt/homebrew"),
            ({"uid": "0"}, "does not run as root"),
            ({"developer_tools": False}, "would open a dialog"),
        ],
    )
    def test_a_homebrew_that_cannot_is_refused_with_the_reason(self, changed: dict[str, Any], message: str) -> None:
        with pytest.raises(NativePythonError, match=message):
            make_plan(mac(**{**self.READY, **changed}), self.WANTED)


class TestExisting:
    WANTED = declaration(source="existing")

    def test_the_declared_minor_version_comes_first_and_then_the_newest_patch_level(self) -> None:
        seen = [judged("/a", "3.9.25"), judged("/b", "3.12.9"), judged("/c", "3.12.10"), judged("/d", "3.12.10")]
        assert make_plan(mac(*seen), self.WANTED).python == "/c"

    def test_one_that_is_linked_is_kept_while_it_is_of_the_best_minor_version(self) -> None:
        seen = [judged("/b", "3.12.9"), judged("/c", "3.12.10")]
        assert make_plan(mac(*seen, **linked(judged("/b", "3.12.9"))), self.WANTED).reasons == ()
        assert make_plan(mac(*seen, **linked(judged("/a", "3.9.25"))), self.WANTED).python == "/c"

    @pytest.mark.parametrize("verdict", [*OBJECTIONS, "status-1"])
    def test_one_that_cannot_be_used_is_named_with_the_reason(self, verdict: str) -> None:
        seen = Judged("/usr/local/bin/python3.12", verdict)
        with pytest.raises(NativePythonError, match=f"No native Python 3.12 or 3.9 was found.*{seen.path}: it "):
            make_plan(mac(seen), self.WANTED)
        with pytest.raises(NativePythonError, match=f"{seen.path} cannot be used: it "):
            make_plan(mac(seen), declaration(source="existing", existing=seen.path))

    def test_a_named_one_is_linked_by_that_name(self) -> None:
        named = declaration(source="existing", existing="/my/python3")
        assert question(named)["on_mac"] == "/my/python3"
        assert make_plan(mac(Judged("/my/python3", "ok", "3.12.1", "/real/python")), named).python == "/my/python3"


class TestLinux:
    HOST: ClassVar[dict[str, Any]] = {"root": "/r", "system": "Linux", "machine": "x86_64"}

    def test_it_links_what_is_installed(self) -> None:
        shim = Judged(
            "/home/a/.pyenv/shims/python3.12", "ok", "3.12.2", "/home/a/.pyenv/versions/3.12.2/bin/python3.12"
        )
        host = Host(**self.HOST, candidates=(shim,))
        made = make_plan(host, declaration())
        assert (made.python, made.version, made.step) == (shim.executable, "3.12.2", None)
        assert host.platform == "linux-x86_64"

    def test_without_a_python_it_says_what_to_install(self) -> None:
        with pytest.raises(NativePythonError, match="python3-pip"):
            make_plan(Host(**self.HOST), declaration())

    @pytest.mark.parametrize("source", ["python_org", "homebrew"])
    def test_what_only_macs_have_is_refused(self, source: str) -> None:
        with pytest.raises(NativePythonError, match="is for Macs, and this is a Linux host"):
            make_plan(Host(**self.HOST), declaration(source=source))


class TestAnswer:
    def test_unknown_keys_and_noise_are_passed_over(self) -> None:
        host = parse_answer("Welcome!\nroot=/r\nsystem=Darwin\nmachine=arm64\nsysctl.hw.optional.arm64=1\nx=1\n")
        assert host == Host("/r", "Darwin", "arm64", sysctl={"hw.optional.arm64": "1"})

    def test_interpreters_are_read_with_what_they_said(self) -> None:
        text = "root=/r\nsystem=Darwin\nmachine=arm64\ninterpreter=/p\ninterpreter_judged=status-137\nreceipt=1\n"
        host = parse_answer(text + "candidate=/a b/python3.12:ok 3.12.1 1 arm64 /real path/python3.12\n")
        assert host.interpreter == Judged("/p", "status-137")
        assert host.candidates == (Judged("/a b/python3.12", "ok", "3.12.1", "/real path/python3.12"),)
        assert host.receipt

    @pytest.mark.parametrize("said", ["", "ok", "ok 3.12", "ok 3.12.1 1 arm64"])
    def test_half_an_answer_is_no_good_interpreter(self, said: str) -> None:
        assert parse_judged("/p", said).version == ""

    def test_a_host_that_is_no_posix_shell_is_an_error(self) -> None:
        with pytest.raises(NativePythonError, match="did not answer"):
            parse_answer("This account is not available.")


class TestSecrets:
    WANTED = declaration(
        mirror="https://user:in%20url@mirror/x", proxy="http://token@proxy:3128", username="u", password="separate"
    )

    def test_whatever_may_not_be_shown_is_masked(self) -> None:
        text = self.WANTED.mask("https://user:in%20url@mirror/x in url separate token http://a:b@c/")
        assert text == "https://***@mirror/x *** *** *** http://***@c/"

    def test_nothing_is_masked_where_nothing_is_secret(self) -> None:
        assert declaration(mirror="https://mirror/x").mask("https://mirror/x") == "https://mirror/x"

    def test_secrets_are_only_in_what_the_script_reads(self) -> None:
        [script] = scripts.scripts_for(mac(), make_plan(mac(), self.WANTED), self.WANTED)
        assert "separate" not in script.command
        assert b"separate" in script.standard_input

    def test_curls_configuration_can_hold_any_password(self) -> None:
        assert scripts.curl_quoted('a"b\\c') == 'a\\"b\\\\c'


class TestFailures:
    PLAN = Plan(STANDALONE, "3.12.16", parse_uv(UV), ("absent",))

    def explain(self, status: int, said: str, **changed: Any) -> str:
        wanted = declaration(**changed)
        return scripts.explain_failure(status, said, make_plan(mac(), wanted), mac(), wanted)

    def test_a_full_disk_is_named_whatever_failed(self) -> None:
        text = self.explain(24, "tar: write error: No space left on device")
        assert "the disk is full" in text
        assert ROOT in text

    def test_a_failed_download_names_the_url_without_credentials(self) -> None:
        text = self.explain(22, "curl: (22) https://u:secret@m/x", mirror="https://u:secret@m/x")
        assert "secret" not in text
        assert "https://***@m/x/20261110/cpython" in text

    def test_every_status_of_the_scripts_is_explained(self) -> None:
        text = (scripts.SCRIPTS / "common.sh").read_text(encoding="utf-8")
        lines = [line for line in text.splitlines() if line.startswith(("NOT_STORED=", "NO_BREW="))]
        statuses = {int(part.partition("=")[2]) for line in lines for part in line.split()}
        assert statuses == set(scripts.FAILURES)

    def test_a_status_that_nobody_knows_is_told(self) -> None:
        assert "ended with status 1. Run again" in self.explain(1, "")


class TestFilesOfTheController:
    def test_a_damaged_archive_is_not_sent(self, tmp_path: Path) -> None:
        wanted = declaration(mirror=str(tmp_path))
        plan = make_plan(mac(), wanted)
        assert plan.step
        assert plan.step.artifact
        path = tmp_path / plan.step.artifact.path
        path.parent.mkdir()
        path.write_bytes(b"damaged")
        with pytest.raises(NativePythonError, match=r"damaged: .* has SHA-256 .* declared is abab"):
            scripts.scripts_for(mac(), plan, wanted)

    @pytest.mark.parametrize(
        ("option", "message"),
        [
            ("mirror", r"install_only_stripped.tar.gz .*correct native_python_mirror"),
            ("ca", "correct native_python_ca"),
        ],
    )
    def test_a_missing_file_is_named(self, tmp_path: Path, option: str, message: str) -> None:
        wanted = declaration(**{option: str(tmp_path / "none")})
        with pytest.raises(NativePythonError, match=message):
            scripts.scripts_for(mac(), make_plan(mac(), wanted), wanted)

    def test_the_wheel_of_the_hosts_platform_is_sent_if_it_is_whole(self, tmp_path: Path) -> None:
        (tmp_path / "wheels").mkdir()
        for tag in ("macosx_11_0_arm64", "macosx_10_12_x86_64", "manylinux_2_17_x86_64.manylinux2014_x86_64"):
            (tmp_path / f"wheels/uv-0.13.9-py3-none-{tag}.whl").write_bytes(tag.encode())
        uv = Uv("0.13.9", f"uv==0.13.9 --hash=sha256:{hashlib.sha256(b'macosx_11_0_arm64').hexdigest()}")
        sent = scripts.local_wheel(str(tmp_path), uv, "macos-arm64")
        assert sent == {"uv-0.13.9-py3-none-macosx_11_0_arm64.whl": b"macosx_11_0_arm64"}
        assert scripts.local_wheel(str(tmp_path), uv, "linux-aarch64") == {}
        assert scripts.local_wheel("https://mirror", uv, "macos-arm64") == {}
        with pytest.raises(NativePythonError, match="wheel of uv is damaged: .*manylinux"):
            scripts.local_wheel(str(tmp_path), uv, "linux-x86_64")

    def test_files_come_out_of_the_stream_as_they_went_in(self) -> None:
        with tarfile.open(fileobj=io.BytesIO(scripts.tar_of({"a": b"1", "b": b""}))) as tar:
            assert [(member.name, member.size, member.mode) for member in tar] == [("a", 1, 0o600), ("b", 0, 0o600)]


def shell(code: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run shell code after common.sh, with this machine's sh."""
    text = (scripts.SCRIPTS / "common.sh").read_text(encoding="utf-8") + code
    return subprocess.run(["/bin/sh", "-c", text, "sh", *arguments], capture_output=True, text=True, check=False)


class TestLooking:
    """common.sh: what may be started, from files alone."""

    @pytest.mark.parametrize(
        ("content", "found"),
        [
            (stub(Kind.EXECUTABLE, {"arm64": ["/x"]}), "arm64"),
            (stub(Kind.EXECUTABLE, {"arm64e": ["/x"]}), "arm64"),
            (stub(Kind.EXECUTABLE, {"x86_64": ["/x"]}), "x86_64"),
            (stub(Kind.EXECUTABLE, {"x86_64": ["/x"], "arm64": ["/y"]}), "x86_64 arm64"),
            (struct.pack(">IIIIIII", 0xCAFEBABE, 1, 18, 0, 0, 0, 0), "other"),
            (b"#!/bin/sh\n", ""),
            (b"", ""),
            (b"\xca\xfe\xba\xbe\x00\x00\x00\x34" + b"\1" * 200, "other " * 8),  # a Java class
        ],
    )
    def test_processors_are_read_from_the_header(self, tmp_path: Path, content: bytes, found: str) -> None:
        (tmp_path / "file").write_bytes(content)
        assert shell('architectures "$1"', tmp_path / "file").stdout.strip() == found.strip()

    def test_a_chain_of_links_is_followed_to_its_end(self, tmp_path: Path) -> None:
        (tmp_path / "cellar/bin").mkdir(parents=True)
        (tmp_path / "cellar/bin/python3.12").touch()
        (tmp_path / "opt").symlink_to("cellar")
        (tmp_path / "bin").mkdir()
        (tmp_path / "bin/python3.12").symlink_to("../opt/bin/python3.12")
        (tmp_path / "bin/python3").symlink_to(tmp_path / "bin/python3.12")
        assert shell('follow "$1"', tmp_path / "bin/python3").stdout.strip() == f"{tmp_path}/cellar/bin/python3.12"

    @pytest.mark.parametrize(
        ("objection", "architecture", "library"),
        [("", "arm64", True), ("incomplete", "arm64", False), ("foreign", "x86_64", True), ("script", None, True)],
    )
    def test_only_a_native_interpreter_with_its_library_may_be_started(
        self, tmp_path: Path, objection: str, architecture: str | None, library: bool
    ) -> None:
        program = tmp_path / "bin/python3.12"
        program.parent.mkdir()
        program.write_bytes(stub(Kind.EXECUTABLE, {architecture: ["/x"]}) if architecture else b"#!/bin/sh\n")
        if library:
            (tmp_path / "lib/python3.12").mkdir(parents=True)
            (tmp_path / "lib/python3.12/os.py").touch()
        assert shell('system=Darwin; objection "$1"', program).stdout.strip() == objection

    def test_links_into_the_developer_tools_are_objected_to_without_reading_them(self, tmp_path: Path) -> None:
        (tmp_path / "python3").symlink_to("/usr/bin/env")
        assert shell('system=Darwin; objection "$1"', tmp_path / "python3").stdout.strip() == "developer-tools"

    def test_a_line_that_was_cut_off_is_not_evaluated(self) -> None:
        script = scripts.Script("inspect.sh", {"root": "/"}, {})
        cut = subprocess.run(
            script.command, shell=True, input=b"root='/Users/a", capture_output=True, check=False, text=False
        )
        assert (cut.returncode, cut.stdout) == (1, b"")


class TestInspect:
    def test_it_says_what_this_machine_has(self, tmp_path: Path) -> None:
        wanted = declaration(root=str(tmp_path / "a root"), source="existing", existing=sys.executable)
        script = scripts.Script("inspect.sh", question(wanted), {})
        done = subprocess.run(
            script.command, shell=True, input=script.standard_input, capture_output=True, check=True, text=False
        )
        host = parse_answer(done.stdout.decode())
        assert (host.root, host.system, host.uid) == (wanted.root, os.uname().sysname, str(os.getuid()))
        assert host.candidates == (judged(sys.executable, "{}.{}.{}".format(*sys.version_info)),)
        assert host.interpreter == Judged()


@pytest.fixture
def archive(tmp_path: Path) -> Callable[[str], bytes]:
    """Make an archive of the published shape whose interpreter is a shell script."""

    def make(interpreter: str) -> bytes:
        tree = tmp_path / "archive" / "python" / "bin"
        tree.mkdir(parents=True, exist_ok=True)
        (tree / "python3.12").write_text(interpreter)
        (tree / "python3.12").chmod(0o755)
        path = tmp_path / "archive.tar.gz"
        with tarfile.open(path, "w:gz") as tar:
            tar.add(tree.parent, "python")
        return path.read_bytes()

    return make


RUNS = f'#!/bin/sh\nexec "{sys.executable}" "$@"\n'
"""An interpreter as install.sh calls it."""


@pytest.mark.skipif(sys.platform != "linux", reason="a script is no interpreter on a Mac")
class TestInstall:
    """install.sh itself, run by this machine's shell; uv is there already, so that no index is needed."""

    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        uv = tmp_path / "root" / "uv" / "0.13.9" / "bin" / "uv"
        uv.parent.mkdir(parents=True)
        uv.write_text("#!/bin/sh\n")
        uv.chmod(0o755)
        return tmp_path / "root"

    def install(
        self, root: Path, content: bytes, sha256: str = "", **changed: str
    ) -> subprocess.CompletedProcess[bytes]:
        digest = sha256 or hashlib.sha256(content).hexdigest()
        variables = {"root": str(root), "python": f"{root}/python/cpython-3.12.16+1/bin/python3.12", "step": "unpack"}
        variables |= {"uv_version": "0.13.9", "index_url": "", "sha256": digest, "url": "", "user": "", "proxy": ""}
        files = {"finish.py": (scripts.SCRIPTS / "finish.py").read_bytes(), "requirements.txt": UV.encode()}
        files |= {} if "url" in changed else {"artifact": content}
        script = scripts.Script("install.sh", {**variables, **changed}, files)
        return subprocess.run(
            script.command, shell=True, input=script.standard_input, capture_output=True, check=False, text=False
        )

    def unpacked(self, root: Path) -> list[str]:
        return [entry.name for entry in (root / "python").iterdir() if entry.name != ".lock"]

    def test_everything_is_in_place_and_linked(self, root: Path, archive: Callable[[str], bytes]) -> None:
        done = self.install(root, archive(RUNS))
        assert (done.returncode, done.stderr) == (0, b"")
        assert str((root / "bin/python3").readlink()) == f"{root}/python/cpython-3.12.16+1/bin/python3.12"
        assert str((root / "bin/uv").readlink()) == f"{root}/uv/0.13.9/bin/uv"
        assert self.unpacked(root) == ["cpython-3.12.16+1"]

    def test_a_damaged_archive_leaves_nothing(self, root: Path, archive: Callable[[str], bytes]) -> None:
        content = archive(RUNS)
        digest = hashlib.sha256(content).hexdigest()
        done = self.install(root, content[:-7], digest)
        assert done.returncode == 20
        assert digest.encode() in done.stderr
        assert self.unpacked(root) == []
        assert not (root / "bin/python3").is_symlink()

    @pytest.mark.parametrize(("interpreter", "status"), [("kill -9 $$", 25), ("echo broken >&2; exit 3", 23)])
    def test_an_interpreter_that_does_not_run_is_not_put_in_place(
        self, root: Path, archive: Callable[[str], bytes], interpreter: str, status: int
    ) -> None:
        done = self.install(root, archive(f"#!/bin/sh\n{interpreter}\n"))
        assert done.returncode == status
        assert (b"broken" in done.stderr) == (status == 23)
        assert self.unpacked(root) == []

    def test_a_broken_installation_of_the_same_name_is_replaced(
        self, root: Path, archive: Callable[[str], bytes]
    ) -> None:
        broken = root / "python/cpython-3.12.16+1/bin/python3.12"
        broken.parent.mkdir(parents=True)
        broken.write_text("#!/bin/sh\nexit 1\n")
        broken.chmod(0o755)
        assert self.install(root, archive(RUNS)).returncode == 0
        assert broken.read_text() == RUNS
        assert self.unpacked(root) == ["cpython-3.12.16+1"]

    def test_what_a_killed_run_left_is_removed_and_what_a_living_one_has_is_kept(
        self, root: Path, archive: Callable[[str], bytes]
    ) -> None:
        ended = subprocess.Popen(["/bin/true"])
        ended.wait()
        dead = [root / f"{folder}/.new.{ended.pid}.abc" for folder in ("python", "uv", "bin")]
        alive = root / f"python/.new.{os.getpid()}.abc"
        for folder in [*dead, alive]:
            folder.mkdir(parents=True)
        assert self.install(root, archive(RUNS)).returncode == 0
        assert not any(folder.exists() for folder in dead)
        assert alive.exists()

    def test_a_stream_that_was_cut_off_leaves_nothing(self, root: Path, archive: Callable[[str], bytes]) -> None:
        line = scripts.Script("install.sh", {"root": str(root), "python": "/p", "step": "unpack"}, {})
        whole = scripts.Script("install.sh", line.variables, {"finish.py": b"x" * 5000, "artifact": archive(RUNS)})
        for length in (1024, 4000):
            first = whole.standard_input.index(b"\n") + 1
            cut = whole.standard_input[: first + length]
            done = subprocess.run(line.command, shell=True, input=cut, capture_output=True, check=False, text=False)
            assert done.returncode in (20, 21)
        assert self.unpacked(root) == []

    def test_the_archive_comes_from_a_url(self, root: Path, archive: Callable[[str], bytes], tmp_path: Path) -> None:
        digest = hashlib.sha256(archive(RUNS)).hexdigest()
        done = self.install(root, b"", digest, url=(tmp_path / "archive.tar.gz").as_uri())
        assert done.returncode == 0, done.stderr
        missing = self.install(tmp_path / "other", b"", digest, url=(tmp_path / "none.tar.gz").as_uri())
        assert missing.returncode == 22


def test_every_source_is_documented() -> None:
    from ansible_collections.metalfleet.tensorflow.plugins.module_utils._python.wanted import SOURCES as NAMES

    assert tuple(SOURCES) == NAMES
