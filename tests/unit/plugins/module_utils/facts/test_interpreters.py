# SPDX-License-Identifier: GPL-3.0-or-later
"""Interpreters laid out as their installers do it, in a folder that stands for a Mac's file system."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._commands import Commands, CommandTimedOut
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._facts import interpreters as engine
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._facts.interpreters import (
    Interpreter,
    Machine,
    Search,
)
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.plugins.module_utils.facts import fake_mac
from tests.unit.plugins.module_utils.facts.fake_mac import Answer, FakeCommands, fat, thin

ARM64, INTEL, UNIVERSAL2 = thin("arm64"), thin("x86_64"), fat("x86_64", "arm64")
MAC = Machine("Darwin", "arm64")
HOME = Path("/Users/admin")


def search(filesystem: Path, *, commands: Commands | None = None, machine: Machine = MAC) -> list[Interpreter]:
    """What is found, and nothing else may be wrong with it."""
    looking = Search(commands or FakeCommands(), machine, home=HOME, filesystem=filesystem)
    found = looking.interpreters()
    assert looking.unreadable == []
    return found


def only(found: list[Interpreter]) -> Interpreter:
    (interpreter,) = found
    return interpreter


@pytest.mark.parametrize(
    ("prefix", "source"),
    [
        ("Users/admin/.local/share/metalfleet/python/3.12.1-20200101", "standalone"),
        ("Users/admin/.local/share/uv/python/cpython-3.12.1-macos-aarch64-none", "uv"),
        ("Users/admin/.pyenv/versions/3.12.1", "pyenv"),
        ("Library/Frameworks/Python.framework/Versions/3.12", "python_org"),
        ("Library/ManagedFrameworks/Python/Python3.framework/Versions/3.12", "macadmins"),
        ("opt/local", "macports"),
        ("opt/homebrew", "homebrew"),
        ("usr/local", "other"),
    ],
)
def test_a_place_tells_the_source(tmp_path: Path, prefix: str, source: str) -> None:
    fake_mac.python(tmp_path / prefix, "3.12.1", ARM64)
    assert only(search(tmp_path)) == {
        "path": f"/{prefix}/bin/python3.12",
        "version": "3.12.1",
        "architectures": ["arm64"],
        "universal2": False,
        "source": source,
        "native": True,
    }


@pytest.mark.parametrize(
    "prefix", ["Users/admin/miniconda3", "Users/admin/miniforge3", "opt/homebrew/Caskroom/miniforge/base"]
)
def test_conda_is_told_by_its_own_folder(tmp_path: Path, prefix: str) -> None:
    fake_mac.python(tmp_path / prefix, "3.12.1", INTEL)
    (tmp_path / prefix / "conda-meta").mkdir()
    interpreter = only(search(tmp_path))
    assert (interpreter["source"], interpreter["native"]) == ("conda", False)


def test_homebrew_is_found_once_through_all_its_links(tmp_path: Path) -> None:
    keg = tmp_path / "opt/homebrew/Cellar/python@3.12/3.12.1_1"
    prefix = keg / "Frameworks/Python.framework/Versions/3.12"
    fake_mac.python(prefix, "3.12.1", ARM64, header=False)
    (keg / "bin").mkdir()
    (keg / "bin/python3.12").symlink_to("../Frameworks/Python.framework/Versions/3.12/bin/python3.12")
    (tmp_path / "opt/homebrew/opt").mkdir()
    (tmp_path / "opt/homebrew/opt/python@3.12").symlink_to("../Cellar/python@3.12/3.12.1_1")
    (tmp_path / "opt/homebrew/bin").mkdir()
    for name in ("python3", "python3.12"):
        (tmp_path / "opt/homebrew/bin" / name).symlink_to("../Cellar/python@3.12/3.12.1_1/bin/python3.12")
    interpreter = only(search(tmp_path))
    assert (interpreter["path"], interpreter["source"]) == ("/opt/homebrew/bin/python3.12", "homebrew")
    assert interpreter["version"] == "3.12.1"  # the keg is named after it


def test_python_org_through_usr_local(tmp_path: Path) -> None:
    prefix = tmp_path / "Library/Frameworks/Python.framework/Versions/3.12"
    fake_mac.python(prefix, "3.12.1", UNIVERSAL2)
    fake_mac.program(prefix / "bin/python3.12-intel64", INTEL)
    fake_mac.program(prefix / "bin/python3.12-config", b"#!/bin/sh\n")
    (tmp_path / "usr/local/bin").mkdir(parents=True)
    link = "../../../Library/Frameworks/Python.framework/Versions/3.12/bin/python3.12"
    (tmp_path / "usr/local/bin/python3").symlink_to(link)
    interpreter = only(search(tmp_path))
    assert (interpreter["path"], interpreter["source"]) == ("/usr/local/bin/python3", "python_org")
    assert (interpreter["universal2"], interpreter["native"]) == (True, True)
    assert only(search(tmp_path, machine=Machine("Darwin", "x86_64")))["native"] is True


def test_several_versions_keep_their_order(tmp_path: Path) -> None:
    for version in ("3.11.7", "3.12.1"):
        fake_mac.python(tmp_path / "Users/admin/.pyenv/versions" / version, version, ARM64)
    fake_mac.python(tmp_path / "Users/admin/.local/share/metalfleet/python/3.12", "3.12.1", ARM64)
    assert [(found["source"], found["version"]) for found in search(tmp_path)] == [
        ("standalone", "3.12.1"),
        ("pyenv", "3.11.7"),
        ("pyenv", "3.12.1"),
    ]


def test_managed_pythons_under_other_roots_come_first(tmp_path: Path) -> None:
    for prefix in ("Users/admin/.local/share/metalfleet/python/3.12", "opt/ours/python/3.11", "data/python/3.11"):
        fake_mac.python(tmp_path / prefix, f"{Path(prefix).name}.1", ARM64)
    (tmp_path / "opt/linked").symlink_to(tmp_path / "data")
    roots = ["/opt/ours", "/opt/linked", "/not/there"]
    found = Search(FakeCommands(), MAC, home=HOME, roots=roots, filesystem=tmp_path).interpreters()
    assert [(interpreter["path"], interpreter["source"]) for interpreter in found] == [
        ("/opt/ours/python/3.11/bin/python3.11", "standalone"),
        ("/opt/linked/python/3.11/bin/python3.11", "standalone"),
        ("/Users/admin/.local/share/metalfleet/python/3.12/bin/python3.12", "standalone"),
    ]


# What is never run


def test_the_shim_is_neither_run_nor_believed(tmp_path: Path) -> None:
    fake_mac.program(tmp_path / "usr/bin/python3", fat("x86_64", "arm64e"))
    (tmp_path / "usr/local/bin").mkdir(parents=True)
    (tmp_path / "usr/local/bin/python3").symlink_to("../../bin/python3")
    commands = FakeCommands()
    assert only(search(tmp_path, commands=commands)) == {
        "path": "/usr/local/bin/python3",
        "version": None,
        "architectures": ["x86_64", "arm64e"],
        "universal2": False,
        "source": "clt_shim",
        "native": None,
    }
    assert commands.calls == []


def test_the_real_python_of_the_command_line_tools(tmp_path: Path) -> None:
    tools = tmp_path / "Library/Developer/CommandLineTools"
    prefix = tools / "Library/Frameworks/Python3.framework/Versions/3.9"
    fake_mac.python(prefix, "3.9.6", fat("x86_64", "arm64e"), header=False)
    (prefix / "Resources").mkdir()
    (prefix / "Resources/Info.plist").write_text(
        '<?xml version="1.0"?>\n<plist version="1.0"><dict>\n<key>CFBundleName</key>\n<string>Python</string>\n'
        "<key>CFBundleVersion</key>\n\t<string>3.9.6</string>\n</dict></plist>\n"
    )
    (tools / "usr/bin").mkdir(parents=True)
    (tools / "usr/bin/python3").symlink_to("../../Library/Frameworks/Python3.framework/Versions/3.9/bin/python3.9")
    interpreter = only(search(tmp_path))
    assert (interpreter["source"], interpreter["version"]) == ("command_line_tools", "3.9.6")
    assert interpreter["native"] is True


@pytest.mark.parametrize(
    ("content", "with_library"),
    [
        (ARM64, False),  # what has no standard library may be a copy of the shim
        (b"#!/bin/sh\nexec python3\n", True),
        (INTEL, True),  # would need Rosetta
    ],
)
def test_what_could_be_a_shim_is_not_run(tmp_path: Path, content: bytes, with_library: bool) -> None:
    if with_library:
        fake_mac.python(tmp_path / "usr/local", "3.12.1", content, header=False)
    else:
        fake_mac.program(tmp_path / "usr/local/bin/python3.12", content)
    commands = FakeCommands()
    assert only(search(tmp_path, commands=commands))["version"] == "3.12"
    assert commands.calls == []


def test_a_script_is_of_no_architecture(tmp_path: Path) -> None:
    fake_mac.program(tmp_path / "usr/local/bin/python3", b"#!/bin/sh\n")
    interpreter = only(search(tmp_path))
    assert (interpreter["architectures"], interpreter["native"], interpreter["version"]) == ([], None, None)


# What is run, at most once


def test_a_patch_level_that_no_file_tells_is_asked_for_once(tmp_path: Path) -> None:
    interpreter = fake_mac.python(tmp_path / "usr/local", "3.12.1", ARM64, header=False)
    commands = FakeCommands({str(interpreter): "3.12.1\n"})
    assert only(search(tmp_path, commands=commands))["version"] == "3.12.1"
    assert [call[:3] for call in commands.calls] == [(str(interpreter), "-I", "-S")]


def test_an_answer_that_is_no_version(tmp_path: Path) -> None:
    interpreter = fake_mac.python(tmp_path / "usr/local", "3.12.1", ARM64, header=False)
    assert only(search(tmp_path, commands=FakeCommands({str(interpreter): "hello"})))["version"] == "3.12"


@pytest.mark.parametrize("failure", [CommandTimedOut(["python3"], "no answer within 10 s"), fake_mac.exited(-9)])
def test_an_interpreter_that_does_not_answer(tmp_path: Path, failure: Answer) -> None:
    interpreter = fake_mac.python(tmp_path / "usr/local", "3.12.1", ARM64, header=False)
    looking = Search(FakeCommands({str(interpreter): failure}), MAC, home=HOME, filesystem=tmp_path)
    assert only(looking.interpreters())["version"] == "3.12"
    assert [unreadable.path for unreadable in looking.unreadable] == ["/usr/local/bin/python3.12"]


# What is left out


def test_virtual_environments_are_left_out(tmp_path: Path) -> None:
    versions = tmp_path / "Users/admin/.pyenv/versions"
    base = fake_mac.python(versions / "3.12.1", "3.12.1", ARM64)
    (versions / "work/bin").mkdir(parents=True)
    (versions / "work/bin/python3").symlink_to(base)
    (versions / "copied/bin").mkdir(parents=True)
    fake_mac.program(versions / "copied/bin/python3", ARM64)
    for name in ("work", "copied"):
        (versions / name / "pyvenv.cfg").touch()
    assert only(search(tmp_path))["path"] == "/Users/admin/.pyenv/versions/3.12.1/bin/python3.12"


def test_what_is_no_program_is_left_out(tmp_path: Path) -> None:
    folder = tmp_path / "usr/local/bin"
    fake_mac.program(folder / "python3.11", ARM64).chmod(0o644)
    (folder / "python3.12").symlink_to("nowhere")
    (folder / "python3").symlink_to("python3")
    (folder / "python3.13").mkdir()
    (tmp_path / "opt").write_text("not a folder")
    assert search(tmp_path) == []


def test_an_interpreter_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> tuple[str, ...]:
        raise PermissionError(13, "Permission denied", str(path))

    fake_mac.python(tmp_path / "usr/local", "3.12.1", ARM64)
    monkeypatch.setattr(engine, "macho_architectures", refuse)
    looking = Search(FakeCommands(), MAC, home=HOME, filesystem=tmp_path)
    interpreter = only(looking.interpreters())
    assert (interpreter["native"], interpreter["version"]) == (None, "3.12.1")
    assert looking.unreadable == [("/usr/local/bin/python3.12", "Permission denied")]


def test_an_unknown_machine(tmp_path: Path) -> None:
    fake_mac.python(tmp_path / "usr/local", "3.12.1", ARM64)
    assert only(search(tmp_path, machine=Machine("Darwin", None)))["native"] is None


# Files that tell


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ('#define PY_VERSION      \t"3.12.1"\n', "3.12.1"),
        ('/* */\n#define PY_MAJOR_VERSION 3\n#define PY_VERSION "3.15.0a2+"\n', "3.15.0a2"),
        ('#define PY_VERSION "2.7.18"\n', None),
        ("#define PY_VERSION_HEX 0x030c01f0\n", None),
    ],
)
def test_version_in_a_header(text: str, version: str | None) -> None:
    assert engine.version_in_header(text) == version


@given(st.text(), st.sampled_from(["", '#define PY_VERSION "3.', "<key>CFBundleVersion</key> <string>3."]), st.binary())
def test_any_content(text: str, start: str, head: bytes) -> None:
    version = engine.version_in_header(start + text) or engine.version_in_property_list(start + text)
    assert version is None or version.startswith("3.")
    assert len(engine.parse_elf(b"\x7fELF" + head)) <= 1


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"\x7fELF\x02\x01\x01" + bytes(11) + b"\x3e\x00", ("x86_64",)),
        (b"\x7fELF\x02\x01\x01" + bytes(11) + b"\xb7\x00", ("aarch64",)),
        (b"\x7fELF\x02\x02\x01" + bytes(11) + b"\x00\x16", ("elf22",)),
        (b"\x7fELF\x02\x01", ()),
        (ARM64, ()),
    ],
)
def test_elf(head: bytes, expected: tuple[str, ...]) -> None:
    assert engine.parse_elf(head) == expected


@pytest.mark.skipif(sys.platform == "darwin", reason="of Linux")
def test_on_linux_elf_counts(tmp_path: Path) -> None:
    content = Path(os.path.realpath(sys.executable)).read_bytes()[:64]
    fake_mac.program(tmp_path / "usr/bin/python3.12", content)
    interpreter = only(search(tmp_path, machine=Machine("Linux", os.uname().machine)))
    assert (interpreter["source"], interpreter["native"]) == ("system", True)


def test_the_sources_are_those_of_the_documentation() -> None:
    documentation = Path(engine.__file__).parents[2] / "modules/apple_silicon_facts.py"
    text = documentation.read_text()
    assert all(f"V({source})" in text for source in engine.SOURCES)
