# SPDX-License-Identifier: GPL-3.0-or-later
"""What native_python decides, and what its scripts do on this machine."""

from __future__ import annotations

import hashlib
import io
import os
import re
import shlex
import shutil
import struct
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._options import SOURCES as NAMES
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._options import variables
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._python import intact
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels import settings
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._native_python import data, failures, scripts
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._native_python.data import Uv, pinned_uv
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._native_python.declaration import (
    Declaration,
    declare,
)
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._native_python.host import (
    OBJECTIONS,
    Host,
    Judged,
    parse_answer,
    parse_judged,
)
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._native_python.on_host import finish
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._native_python.plan import (
    Plan,
    describe,
    make_plan,
    question,
    refuse_no_effect,
)
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._native_python.sources import SOURCES

from tests.simulated_mac.macho import Kind, stub
from tests.waiting import has_ended, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

SHA256 = "ab" * 32
UV = pinned_uv().version
ROOT = "/Users/a/.local/share/metalfleet"
STANDALONE = f"{ROOT}/python/cpython-3.12.16+20261110/bin/python3.12"
PYTHON_ORG = "/Library/Frameworks/Python.framework/Versions/3.12/bin/python3.12"
BREWED = "/opt/homebrew/opt/python@3.12/bin/python3.12"
MAC = {"hw.optional.arm64": "1", "machdep.cpu.brand_string": "Apple M1", "hw.model": "MacBookAir10,1"}


def declaration(**changed: Any) -> Declaration:
    options: dict[str, Any] = {
        **dict.fromkeys(("existing", "mirror", "username", "password", "proxy", "ca", "index_url"), ""),
        "extra_index_urls": [],
        "root": "~/.local/share/metalfleet",
        "source": "standalone",
        "version": "3.12",
        "archives": {
            "3.12": {"version": "3.12.16", "build": "20261110", "sha256": {"aarch64-apple-darwin": SHA256}},
            "3.9": {"version": "3.9.25", "build": "20251031", "sha256": {"another": SHA256}},
        },
        "packages": {"3.12": {"version": "3.12.10", "file": "python-3.12.10-macos11.pkg", "sha256": SHA256}},
        "minimum_macos": "12.1",
        "additional": False,
    }
    return declare({**options, **changed})


def judged(path: str, version: str = "3.12.16") -> Judged:
    return Judged(path, "ok", version, path)


def mac(*candidates: Judged, **known: Any) -> Host:
    base = {
        "root": ROOT,
        "system": "Darwin",
        "machine": "arm64",
        "uid": "501",
        "macos": "14.6.1",
        "sysctl": MAC,
        "home": "/Users/a",
    }
    return Host(**{**base, **known}, candidates=candidates)


def linked(interpreter: Judged, **known: Any) -> dict[str, Any]:
    return {"interpreter": interpreter, "uv": f"{ROOT}/uv/{UV}/bin/uv", "uv_version": UV, **known}


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
            ({"uv_version": ""}, ("uv",)),
            ({"uv": f"{ROOT}/uv/0.1.8/bin/uv"}, ("uv",)),
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
        with pytest.raises(MetalfleetError, match=r"no Apple Silicon \(processor: Intel.*MacBookPro16,1"):
            make_plan(mac(machine="x86_64", sysctl=intel), declaration())

    def test_a_translated_shell_does_not_hide_the_chip(self) -> None:
        assert make_plan(mac(machine="x86_64"), declaration()).reasons == ("absent", "uv")
        assert mac(machine="x86_64").platform == "macos-arm64"

    @pytest.mark.parametrize(("macos", "fits"), [("11.7.10", False), ("12.0.1", False), ("12.1", True), ("26.0", True)])
    def test_versions_of_macos_are_compared_as_numbers(self, macos: str, fits: bool) -> None:
        if fits:
            assert make_plan(mac(macos=macos), declaration()).reasons
        else:
            with pytest.raises(MetalfleetError, match=f"runs macOS {macos}; at least 12.1"):
                make_plan(mac(macos=macos), declaration())

    def test_an_unknown_version_of_macos_is_not_refused(self) -> None:
        assert make_plan(mac(macos=""), declaration()).reasons

    @pytest.mark.parametrize(
        ("changed", "message"),
        [
            (
                {"version": "3.13"},
                r"no pinned Python 3\.13 for .* There are: 3\.9, 3\.10, 3\.11, 3\.12\. .* in native_python_archives\.",
            ),
            ({"version": "3.9"}, r"Python 3\.9 has no sha256 for aarch64.*missing\. .* in native_python_archives\."),
            (
                {"version": "3.9", "source": "python_org"},
                r"no pinned Python 3\.9 .*python_org\. There are: 3\.11, 3\.12\. .* in native_python_packages\.",
            ),
        ],
    )
    def test_only_what_is_pinned_is_installed(self, changed: dict[str, Any], message: str) -> None:
        with pytest.raises(MetalfleetError, match=message):
            make_plan(mac(), declaration(**changed))

    def test_what_is_damaged_is_installed_again_in_its_place(self) -> None:
        damaged = Judged(STANDALONE, "damaged", damage="lib/python3.12/json/__init__.py")
        seen = mac(damaged, **linked(damaged))
        made = make_plan(seen, declaration())
        assert made.reasons == ("interpreter-damaged",)
        assert made.step

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
        with pytest.raises(MetalfleetError, match=message):
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
        with pytest.raises(
            MetalfleetError, match=f"No native Python 3.12 or 3.11 or 3.10 or 3.9 was found.*{seen.path}: it "
        ):
            make_plan(mac(seen), self.WANTED)
        with pytest.raises(MetalfleetError, match=f"{seen.path} cannot be used: it "):
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
        with pytest.raises(MetalfleetError, match="python3-pip"):
            make_plan(Host(**self.HOST), declaration())

    @pytest.mark.parametrize("source", ["python_org", "homebrew"])
    def test_what_only_macs_have_is_refused(self, source: str) -> None:
        with pytest.raises(MetalfleetError, match="is for Macs, and this is a Linux host"):
            make_plan(Host(**self.HOST), declaration(source=source))


def marked(*lines: str) -> str:
    return "\n".join(
        ["", "metalfleet: begin", "root=/r", "system=Darwin", "machine=arm64", *lines, "metalfleet: end", ""]
    )


class TestAnswer:
    def test_unknown_keys_and_noise_are_passed_over(self) -> None:
        noise = "Welcome!\nroot=/evil\n[INFO] started\nmachine=x86_64 and no newline"
        host = parse_answer(noise + marked("sysctl.hw.optional.arm64=1", "[x]", "x=1") + "{}\nsystem=Linux\n")
        assert host == Host("/r", "Darwin", "arm64", sysctl={"hw.optional.arm64": "1"})

    def test_interpreters_are_read_with_what_they_said(self) -> None:
        host = parse_answer(
            marked(
                *("interpreter=/p", "interpreter_judged=status-137", "receipt=1", "candidate=2:/b/python3.12:missing"),
                "candidate=1:/a b/python3.12:ok cpython 3.12.1 1 arm64 /real path/python3.12",
            )
        )
        assert host.interpreter == Judged("/p", "status-137")
        assert host.candidates == (
            Judged("/a b/python3.12", "ok", "3.12.1", "/real path/python3.12"),
            Judged("/b/python3.12", "missing"),
        )
        assert host.receipt

    @pytest.mark.parametrize(
        ("said", "verdict"),
        [
            *(("", "missing"), ("ok", "garbage"), ("ok 3.12", "garbage"), ("ok cpython 3.12.1 1 arm64", "garbage")),
            ("ok pypy 3.11.13 1 arm64 /p", "other-kind"),
            ("ok cpython-without-lock 3.13.1 1 arm64 /p", "other-kind"),
            ("ok cpython 3.12.1 0 arm64 /p", "no-pip"),
            ("damaged lib/a b.py", "damaged"),
        ],
    )
    def test_only_a_whole_answer_of_a_plain_python_is_a_good_one(self, said: str, verdict: str) -> None:
        found = parse_judged("/p", said)
        assert (found.verdict, found.is_usable) == (verdict, False)
        assert found.objection in OBJECTIONS.values()

    @pytest.mark.parametrize("text", ["This account is not available.", marked()[:-20], ""])
    def test_a_host_that_is_no_posix_shell_is_an_error(self, text: str) -> None:
        with pytest.raises(MetalfleetError, match="did not answer"):
            parse_answer(text)

    @pytest.mark.parametrize(
        ("machine", "sysctl", "is_one"),
        [
            ("arm64", {}, True),
            ("x86_64", {"hw.optional.arm64": "1"}, True),
            ("x86_64", {"machdep.cpu.brand_string": "Apple M1"}, True),
            ("x86_64", {"machdep.cpu.brand_string": "Intel(R) Core(TM) i7-9750H"}, False),
            ("x86_64", {"hw.optional.arm64": "0"}, False),
            ("x86_64", {}, None),
        ],
    )
    def test_what_a_mac_does_not_tell_is_not_known(
        self, machine: str, sysctl: dict[str, str], is_one: bool | None
    ) -> None:
        assert Host("/r", "Darwin", machine, sysctl=sysctl).is_apple_silicon is is_one

    def test_a_mac_that_does_not_tell_is_not_called_an_intel(self) -> None:
        with pytest.raises(MetalfleetError, match="unknown whether this Mac has Apple Silicon"):
            make_plan(mac(machine="x86_64", sysctl={}), declaration())


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


class TestOptions:
    @pytest.mark.parametrize(
        ("changed", "message"),
        [
            ({"version": "3.1x"}, "native_python_version is '3.1x'"),
            ({"version": "3.12.16"}, r'a minor version\. Write it in quotes, such as "3\.12"'),
            ({"archives": {3.1: {}}}, "its key 3.1 is not a minor version in quotes"),
            ({"archives": {"3.12": {"version": "3.12.1"}}}, "does not say version, build, sha256"),
            ({"archives": {"3.12": "3.12.1"}}, "does not say"),
            ({"archives": {"3.12": {"version": "3.11.1", "build": 1, "sha256": {}}}}, "does not say"),
            ({"archives": {"3.12": {"version": "3.11.1", "build": 1, "sha256": {"a": "b"}}}}, "no full version of it"),
            ({"root": "$HOME/x"}, "native_python_root has the character '\\$'"),
            ({"root": "~ann/x"}, "names another user's home"),
            ({"root": "x/y"}, "is relative"),
            ({"root": ""}, "native_python_root is empty"),
            ({"existing": "python3"}, "native_python_existing is relative"),
            ({"existing": "/opt/../bin/python3"}, r"goes up again by '\.\.'"),
        ],
    )
    def test_what_cannot_be_meant_is_refused_in_one_paragraph(self, changed: dict[str, Any], message: str) -> None:
        with pytest.raises(MetalfleetError, match=message) as refused:
            make_plan(mac(), declaration(**changed))
        assert "\n" not in str(refused.value)
        assert refused.value.problem.remedy

    def test_a_home_is_understood_for_an_interpreter_too(self) -> None:
        named = declaration(source="existing", existing="~/.pyenv//versions/3.12.1/bin/python3.12")
        there = judged("/Users/a/.pyenv/versions/3.12.1/bin/python3.12", "3.12.1")
        made = make_plan(mac(there, **linked(there)), named)
        assert (made.reasons, made.python) == ((), there.path)

    def test_a_root_has_one_spelling(self) -> None:
        assert question(declaration(root="~/x//y/"))["root"] == "~/x/y"

    def test_a_users_pins_are_on_top_of_the_collections(self) -> None:
        own = {"archives": {"3.13": {"version": "3.13.1", "build": 1, "sha256": {"a": "b"}}}}
        assert data.pins_of("standalone", own).keys() == {*data.pinned_pythons()["archives"], "3.13"}
        assert data.pins_of("homebrew", own) == {}
        assert data.other_minors(own, "3.11")[0] == "3.13"

    def test_every_pin_of_the_collection_is_valid(self) -> None:
        for option, pins in data.pinned_pythons().items():
            assert data.checked_pins(option, pins) == pins
        assert pinned_uv().requirement.startswith(f"uv=={UV} --hash=sha256:")
        assert len(pinned_uv().digests) == 4

    def test_hashes_may_be_written_in_capitals(self) -> None:
        pin = {"version": "3.12.16", "build": "20261110", "sha256": {"aarch64-apple-darwin": SHA256.upper()}}
        step = make_plan(mac(), declaration(archives={"3.12": pin})).step
        assert step
        assert step.artifact
        assert step.artifact.sha256 == SHA256

    def test_credentials_go_to_the_mirror_and_the_index_and_to_nobody_else(self) -> None:
        given = {"username": "fleet", "password": "p@ss/word"}
        wanted = declaration(
            **given,
            mirror="https://mirror/pbs",
            index_url="https://index/simple",
            extra_index_urls=["https://index/more", "https://elsewhere/simple", "https://mirror/pypi"],
        )
        said = "https://fleet:p%40ss%2Fword@"
        assert wanted.indexes == [
            *(said + "index/simple", said + "index/more", "https://elsewhere/simple", said + "mirror/pypi")
        ]
        [script] = scripts.scripts_for(mac(), make_plan(mac(), declaration(**given)), declaration(**given))
        assert script.variables["user"] == ""
        assert "p%40ss" not in wanted.mask(" ".join(wanted.indexes))


class TestEffect:
    PLAN = Plan(STANDALONE, "3.12.16", pinned_uv(), ("absent", "uv"))

    def test_what_was_done_must_be_there(self) -> None:
        refuse_no_effect(mac(**linked(judged(STANDALONE))), self.PLAN, declaration())
        with pytest.raises(
            MetalfleetError, match=r"not in use\. .*left to do: interpreter-changed, uv\. .*leads to /p"
        ):
            refuse_no_effect(mac(interpreter=judged("/p")), self.PLAN, declaration())


class TestFailures:
    def explain(self, status: int, said: str, **changed: Any) -> str:
        wanted = declaration(**changed)
        return str(failures.explain(status, said, make_plan(mac(), wanted), mac(), wanted))

    def test_a_full_disk_is_named_whatever_failed(self) -> None:
        text = self.explain(24, "tar: write error: No space left on device")
        assert "the disk is full" in text
        assert ROOT in text

    def test_a_failed_download_names_the_url_without_credentials(self) -> None:
        text = self.explain(22, "curl: (22) https://u:secret@m/x", mirror="https://u:secret@m/x")
        assert "secret" not in text
        assert "https://***@m/x/20261110/cpython" in text

    @pytest.mark.parametrize(
        ("status", "said", "cause"),
        [
            (24, "Could not find an activated virtualenv (required).", "uv could not be installed"),
            (24, "WARNING: ... NewConnectionError(...)\nERROR: No matching distribution found", "cannot be reached"),
            (24, "ERROR: No matching distribution found for uv", "has no wheel of the pinned uv for this host"),
            (
                24,
                f"{finish.SAYS_NO_INDEX}\nERROR: No matching distribution found for uv",
                "says no-index, and no other place",
            ),
            (24, "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES", "another uv under the pinned version"),
            (24, "WARNING: 401 Error, Credentials not correct", "refuses the credentials"),
            (24, "SSLError(SSLCertVerificationError", "does not accept the certificate"),
            (21, "mkdir: /r/python: Not a directory", "a file or folder is in the way below"),
            (21, "mkdir: /r: Permission denied", "could not be written"),
            (29, "tar: Unrecognized archive format", "the archive could not be unpacked"),
        ],
    )
    def test_the_cause_is_named_as_what_it_is(self, status: int, said: str, cause: str) -> None:
        assert cause in self.explain(status, said)

    def test_an_interpreters_verdict_is_told_in_words(self) -> None:
        text = self.explain(23, "dyld: no\n/r/bin/python3: foreign\n[motd]\n")
        assert "The host said: dyld: no /r/bin/python3: it has no arm64 code [motd]." in text

    def test_every_status_of_the_scripts_is_explained(self) -> None:
        text = (scripts.SCRIPTS / "common.sh").read_text(encoding="utf-8")
        lines = [line for line in text.splitlines() if line.startswith(("BAD_HASH=", "NOT_UNPACKED="))]
        statuses = {int(part.partition("=")[2]) for line in lines for part in line.split()}
        assert statuses == set(failures.FAILURES)

    def test_a_status_that_nobody_knows_is_told(self) -> None:
        assert "ended with status 1. Run again" in self.explain(1, "")

    def test_remedies_name_options_that_there_are(self) -> None:
        remedies = [remedy for _, remedy in failures.FAILURES.values()] + [each[3] for each in failures.SAID]
        named = {name for remedy in remedies for name in re.findall(r"\b(?:native_python|tensorflow)_\w+", remedy)}
        assert named <= set(variables())


class TestFilesOfTheController:
    def test_a_damaged_archive_is_not_sent(self, tmp_path: Path) -> None:
        wanted = declaration(mirror=str(tmp_path))
        plan = make_plan(mac(), wanted)
        assert plan.step
        assert plan.step.artifact
        path = tmp_path / plan.step.artifact.path
        path.parent.mkdir()
        path.write_bytes(b"damaged")
        with pytest.raises(
            MetalfleetError, match=r"is damaged or another one\. .*pinned one is abab.*from https://git"
        ):
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
        with pytest.raises(MetalfleetError, match=message):
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
        with pytest.raises(MetalfleetError, match="wheel of uv is damaged: .*manylinux"):
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
        cut = sh(script.command, script.program + b"root='/Users/a")
        assert (cut.returncode, cut.stdout) == (1, b"")

    def test_a_script_that_was_cut_off_does_nothing(self, tmp_path: Path) -> None:
        script = scripts.Script("install.sh", {"root": str(tmp_path / "root")}, {})
        for length in (10, len(script.program) // 2, len(script.program) - 3):
            sh(script.command, script.program[:length])
        assert not (tmp_path / "root").exists()


def sh(command: str, read: bytes, shell: str = "/bin/sh", **variables: str) -> subprocess.CompletedProcess[bytes]:
    """Run a command as sshd has a login shell do it."""
    environment = {**os.environ, **variables}
    return subprocess.run([shell, "-c", command], input=read, capture_output=True, check=False, env=environment)


@pytest.mark.skipif(sys.platform != "linux", reason="a script is no interpreter on a Mac")
class TestJudge:
    """common.sh: what an interpreter says of itself."""

    def judge(self, tmp_path: Path, content: str, seconds: str = "20") -> str:
        program = tmp_path / "bin/python3.12"
        program.parent.mkdir()
        program.write_text(f"#!/bin/sh\n{content}\n")
        program.chmod(0o755)
        return shell(f'root=/r system=Linux SECONDS_TO_ANSWER={seconds}; judge "$1"', program).stdout.strip()

    @pytest.mark.parametrize(
        ("content", "verdict"),
        [
            ("exit 0", "garbage"),
            ("echo hello", "garbage"),
            ("printf 'python cpython 3.12.1 1 arm64 /p\\nand more'", "garbage"),
            ("echo; echo python cpython 3.12.1 1 arm64 /p", "garbage"),
            ("exit 3", "status-3"),
            ("kill -9 $$", "status-137"),
            (f'exec "{sys.executable}" "$@"', "ok cpython {}.{}.{} 1".format(*sys.version_info)),
        ],
    )
    def test_only_what_answers_as_a_python_is_one(self, tmp_path: Path, content: str, verdict: str) -> None:
        assert self.judge(tmp_path, content).startswith(verdict)

    def test_a_folder_is_no_interpreter(self, tmp_path: Path) -> None:
        assert shell('judge "$1"', tmp_path).stdout.strip() == "missing"

    def test_one_that_hangs_is_ended_with_all_that_it_started(self, tmp_path: Path) -> None:
        started = tmp_path / "started"
        content = f"sleep 987 & echo $! > {started}; trap '' HUP; while :; do sleep 986; done"
        assert self.judge(tmp_path, content, seconds="1") == "timed-out"
        wait_until(lambda: has_ended(int(started.read_text())))


class TestInspect:
    def test_it_says_what_this_machine_has(self, tmp_path: Path) -> None:
        wanted = declaration(root=str(tmp_path / "a root"), source="existing", existing=sys.executable)
        script = scripts.inspection(wanted)
        host = parse_answer(sh(script.command, script.standard_input).stdout.decode())
        assert (host.root, host.system, host.uid) == (wanted.root, os.uname().sysname, str(os.getuid()))
        assert host.candidates == (judged(sys.executable, "{}.{}.{}".format(*sys.version_info)),)
        assert host.interpreter == Judged()

    @pytest.mark.parametrize("login_shell", ["tcsh", "csh", "zsh", "bash", "dash"])
    @pytest.mark.parametrize("become", [False, True])
    def test_any_login_shell_will_do(self, tmp_path: Path, login_shell: str, *, become: bool) -> None:
        program = shutil.which(login_shell)
        if not program:
            pytest.skip(f"there is no {login_shell} here")
        script = scripts.inspection(declaration(root=str(tmp_path / "a root")))
        command = f"/bin/sh -c {shlex.quote(script.command)}"  # as Ansible does, and once more as its become does
        command = f"/bin/sh -c {shlex.quote(command)}" if become else command
        done = sh(command, script.standard_input, program, HOME=str(tmp_path))
        assert parse_answer(done.stdout.decode()).root == str(tmp_path / "a root"), done

    def test_what_start_up_files_have_set_does_not_matter(self, tmp_path: Path) -> None:
        script = scripts.inspection(declaration(root=str(tmp_path), source="existing", existing=sys.executable))
        set_before = {"PATH": "/nonexistent", "PYTHONHOME": "/nonexistent", "CDPATH": "/", "LC_ALL": "de_DE.UTF-8"}
        before = "umask 077; cd /tmp; printf 'Welcome [to] root=/evil'; "
        done = sh(before + script.command, script.standard_input, **set_before)
        host = parse_answer(done.stdout.decode())
        assert host.root == str(tmp_path)
        assert [each.verdict for each in host.candidates] == ["ok"]


@pytest.fixture
def archive(tmp_path: Path) -> Callable[[str], bytes]:
    """Make an archive of the published shape whose interpreter is a shell script."""

    def make(interpreter: str) -> bytes:
        tree = tmp_path / "archive" / "python" / "bin"
        tree.mkdir(parents=True, exist_ok=True)
        (tree / "python3.12").write_text(interpreter)
        (tree / "python3.12").chmod(0o755)
        (tree / "more.py").write_text("")
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
        uv = tmp_path / "root" / "uv" / UV / "bin" / "uv"
        uv.parent.mkdir(parents=True)
        uv.write_text(f"#!/bin/sh\necho uv {UV}\n")
        uv.chmod(0o755)
        intact.record(uv.parents[1])
        return tmp_path / "root"

    def install(
        self, root: Path, content: bytes, sha256: str = "", **changed: str
    ) -> subprocess.CompletedProcess[bytes]:
        digest = sha256 or hashlib.sha256(content).hexdigest()
        variables = {"root": str(root), "python": f"{root}/python/cpython-3.12.16+1/bin/python3.12", "step": "unpack"}
        variables |= dict.fromkeys(("index_url", "extra_index_urls", "url", "user", "proxy"), "")
        variables |= {"link": "python3", "uv_version": UV, "sha256": digest}
        files = {"finish.py": (scripts.SCRIPTS / "finish.py").read_bytes(), "intact.py": scripts.INTACT.read_bytes()}
        files |= {"requirements.txt": pinned_uv().requirement.encode()}
        files |= {} if "url" in changed else {"artifact": content}
        script = scripts.Script("install.sh", {**variables, **changed}, files)
        return sh(script.command, script.standard_input)

    def unpacked(self, root: Path) -> list[str]:
        return [entry.name for entry in (root / "python").iterdir() if entry.name != ".lock"]

    def test_everything_is_in_place_and_linked(self, root: Path, archive: Callable[[str], bytes]) -> None:
        done = self.install(root, archive(RUNS))
        assert (done.returncode, done.stderr) == (0, b"")
        python = f"{root}/python/cpython-3.12.16+1/bin/python3.12"
        assert str((root / "bin/python3").readlink()) == python
        assert str((root / "bin/uv").readlink()) == f"{root}/uv/{UV}/bin/uv"
        assert self.unpacked(root) == ["cpython-3.12.16+1"]
        after = parse_answer(done.stdout.decode())
        assert (after.interpreter.path, after.interpreter.is_usable, after.uv_version) == (python, True, UV)
        assert intact.difference(root / "python/cpython-3.12.16+1") == ""

    def test_what_is_in_the_way_of_a_link_is_set_aside_and_said(
        self, root: Path, archive: Callable[[str], bytes]
    ) -> None:
        (root / "bin/python3/theirs").mkdir(parents=True)
        (root / "bin/uv").write_text("theirs")
        (root / "set-aside/uv").mkdir(parents=True)
        done = self.install(root, archive(RUNS))
        assert parse_answer(done.stdout.decode()).set_aside == (f"{root}/set-aside/uv.1", f"{root}/set-aside/python3")
        assert (root / "set-aside/uv.1").read_text() == "theirs"
        assert (root / "set-aside/python3/theirs").is_dir()
        assert (root / "bin/python3").is_symlink()

    def test_a_file_in_the_way_of_a_folder_is_named(self, root: Path, archive: Callable[[str], bytes]) -> None:
        (root / "python").write_text("theirs")
        done = self.install(root, archive(RUNS))
        assert (done.returncode, str(root / "python").encode() in done.stderr) == (21, True)

    def test_a_damaged_archive_leaves_nothing(self, root: Path, archive: Callable[[str], bytes]) -> None:
        content = archive(RUNS)
        digest = hashlib.sha256(content).hexdigest()
        done = self.install(root, content[:-7], digest)
        assert done.returncode == 20
        assert digest.encode() in done.stderr
        assert self.unpacked(root) == []
        assert not (root / "bin/python3").is_symlink()

    def test_a_web_page_instead_of_an_archive_is_named(self, root: Path) -> None:
        done = self.install(root, b"\n<!DOCTYPE HTML><html><title>Sign in</title></html>", "ab" * 32)
        assert done.returncode == 28

    def test_a_pinned_file_that_is_no_archive_is_not_a_full_disk(self, root: Path) -> None:
        done = self.install(root, b"this is no archive")
        assert (done.returncode, b"tar" in done.stderr) == (29, True)

    @pytest.mark.parametrize(
        ("interpreter", "status"), [("kill -9 $$", 25), ("echo broken >&2; exit 3", 23), ("echo nonsense", 23)]
    )
    def test_an_interpreter_that_does_not_run_is_not_put_in_place(
        self, root: Path, archive: Callable[[str], bytes], interpreter: str, status: int
    ) -> None:
        done = self.install(root, archive(f"#!/bin/sh\n{interpreter}\n"))
        assert done.returncode == status
        assert (b"broken" in done.stderr) == ("broken" in interpreter)
        assert self.unpacked(root) == []

    def test_a_damaged_installation_of_the_same_name_is_replaced(
        self, root: Path, archive: Callable[[str], bytes]
    ) -> None:
        content = archive(RUNS)
        assert self.install(root, content).returncode == 0
        installation = root / "python/cpython-3.12.16+1"
        (installation / "bin/more.py").unlink()
        assert intact.difference(installation) == "bin/more.py"
        done = self.install(root, content)
        assert parse_answer(done.stdout.decode()).set_aside == ()
        assert intact.difference(installation) == ""
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
        variables = {"root": str(root), "python": "/p", "step": "unpack"}
        script = scripts.Script("install.sh", variables, {"finish.py": b"x" * 5000, "artifact": archive(RUNS)})
        first = script.standard_input.index(b"\n", len(script.program)) + 1
        for length in (1024, 4000):
            done = sh(script.command, script.standard_input[: first + length])
            assert done.returncode == 34
        assert self.unpacked(root) == []

    def test_the_archive_comes_from_a_url(self, root: Path, archive: Callable[[str], bytes], tmp_path: Path) -> None:
        digest = hashlib.sha256(archive(RUNS)).hexdigest()
        done = self.install(root, b"", digest, url=(tmp_path / "archive.tar.gz").as_uri())
        assert done.returncode == 0, done.stderr
        missing = self.install(tmp_path / "other", b"", digest, url=(tmp_path / "none.tar.gz").as_uri())
        assert missing.returncode == 22


class TestSettingsOfPip:
    """finish.py: what counts of the user's settings, and what does not."""

    HABITS = "require-virtualenv = true\nuser = true\nprefix = /x\ntarget = /y\nconstraint = /z\ndry-run = true\n"
    INDEXES = "index_url = https://index\nextra-index-url =\n  https://a\n  https://b\n"
    FIXED: ClassVar[dict[str, str]] = {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INPUT": "1"}

    @pytest.fixture
    def config(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        theirs = [name for name in os.environ if name.startswith(("PIP_", "UV_")) or name.endswith("_CA_BUNDLE")]
        for name in theirs:
            monkeypatch.delenv(name)
        monkeypatch.setenv("UV_NO_CONFIG", "1")
        monkeypatch.setattr(settings, "_files_of_pip", lambda _: iter([tmp_path / "pip.conf"]))
        for name in ("index_url", "extra_index_urls", "proxy"):
            monkeypatch.setenv(name, "")
        return tmp_path / "pip.conf"

    def pip(self) -> dict[str, str]:
        made: dict[str, str] = finish.environment_of_pip()
        return {name: value for name, value in made.items() if name.startswith(("PIP_", "PYTHON"))}

    def test_what_is_sent_for_it_needs_nothing_else(self, tmp_path: Path) -> None:
        for path in scripts.SETTINGS:
            copy = tmp_path / scripts.MODULE_UTILS_SENT / path
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes((scripts.MODULE_UTILS / path).read_bytes())
        program = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import {settings.__name__} as it; it.sources_of"
        subprocess.run([sys.executable, "-I", "-S", "-c", program], check=True)

    def test_where_packages_come_from_counts_and_habits_do_not(
        self, config: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        config.write_text(f"[global]\n{self.HABITS}{self.INDEXES}cert = /ca\nproxy = http://proxy\n")
        monkeypatch.setenv("PIP_REQUIRE_VIRTUALENV", "true")
        monkeypatch.setenv("PYTHONHOME", "/nonexistent")
        monkeypatch.setenv("PIP_CERT", "/other")
        assert self.pip() == {
            **self.FIXED,
            "PIP_INDEX_URL": "https://index",
            "PIP_EXTRA_INDEX_URL": "https://a https://b",
            "PIP_PROXY": "http://proxy",
            "PIP_CERT": "/other",
        }

    def test_a_broken_file_says_nothing(self, config: Path) -> None:
        for content in (b"index-url = https://no-section\n", b"\xff\xfe", b"[global\n"):
            config.write_bytes(content)
            assert "PIP_CERT" not in self.pip()

    def test_what_is_declared_replaces_the_users(self, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        theirs = "index-url = https://theirs\nfind-links = /theirs\nno-index = true\nproxy = http://p\n"
        config.write_text(f"[global]\n{theirs}")
        monkeypatch.setenv("index_url", "https://ours")
        monkeypatch.setenv("extra_index_urls", "https://more")
        assert self.pip() == {
            **self.FIXED,
            "PIP_INDEX_URL": "https://ours",
            "PIP_EXTRA_INDEX_URL": "https://more",
            "PIP_PROXY": "http://p",
        }


def test_every_source_is_documented() -> None:
    assert list(SOURCES) == NAMES
