# SPDX-License-Identifier: GPL-3.0-or-later
"""Interpreters laid out as their installers do it, in a folder that stands for a Mac's file system."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._commands import (
    Commands,
    CommandTimedOut,
    Completed,
    Running,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._facts import interpreters as engine
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._facts.files import Files
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
    found, unknown = look(filesystem, commands=commands, machine=machine)
    assert unknown == {}
    return found


def look(
    filesystem: Path, *, commands: Commands | None = None, machine: Machine = MAC, roots: Sequence[str] = ()
) -> tuple[list[Interpreter], dict[str, str]]:
    """What is found, and what could not be found out."""
    files = Files(HOME, filesystem)
    found = Search(commands or FakeCommands(), machine, files, roots=roots, seconds=10).interpreters()
    return found, files.unknown


def only(found: list[Interpreter]) -> Interpreter:
    (interpreter,) = found
    return interpreter


@pytest.mark.parametrize(
    ("prefix", "source"),
    [
        ("Users/admin/.local/share/metalfleet/python/3.12.1-20200101", "standalone"),
        ("Users/admin/.local/share/uv/python/cpython-3.12.1-macos-aarch64-none", "uv"),
        ("Users/admin/.pyenv/versions/3.12.1", "pyenv"),
        ("Users/admin/.asdf/installs/python/3.12.1", "asdf"),
        ("Users/admin/.local/share/mise/installs/python/3.12.1", "mise"),
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
        "implementation": "cpython",
        "free_threaded": False,
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


@pytest.mark.parametrize(
    ("root", "environment"),
    [
        ("Users/admin/miniforge3", "Users/admin/miniforge3/envs/work"),
        ("Users/admin/anaconda3", "Users/admin/anaconda3/envs/work"),
        ("Users/admin/.pyenv/versions/miniconda3-24.1", "Users/admin/.pyenv/versions/miniconda3-24.1/envs/work"),
        ("Users/admin/micromamba", "Users/admin/micromamba/envs/work"),
        ("Users/admin/.local/share/mamba", "Users/admin/.local/share/mamba/envs/work"),
        ("opt/miniconda3", "Users/admin/.conda/envs/work"),
        ("opt/miniconda3", "Volumes/data/anywhere"),
    ],
)
def test_environments_of_conda_are_found_each_with_its_architecture(
    tmp_path: Path, root: str, environment: str
) -> None:
    fake_mac.python(tmp_path / root, "3.12.1", ARM64)
    fake_mac.python(tmp_path / environment, "3.10.2", INTEL)
    for prefix in (root, environment):
        (tmp_path / prefix / "conda-meta").mkdir()
    known = tmp_path / "Users/admin/.conda/environments.txt"
    known.parent.mkdir(parents=True, exist_ok=True)
    known.write_text(f"/{environment}\n/gone\n\nnonsense\n")
    found = {python["path"]: (python["source"], python["architectures"]) for python in search(tmp_path)}
    assert found == {
        f"/{root}/bin/python3.12": ("conda", ["arm64"]),
        f"/{environment}/bin/python3.10": ("conda", ["x86_64"]),
    }


def test_a_root_of_micromamba_need_not_hold_a_python(tmp_path: Path) -> None:
    fake_mac.python(tmp_path / "Users/admin/micromamba/envs/work", "3.12.1", ARM64)
    assert only(search(tmp_path))["path"] == "/Users/admin/micromamba/envs/work/bin/python3.12"


@pytest.mark.parametrize(
    "profile", ["Users/admin/.nix-profile", "etc/profiles/per-user/admin", "run/current-system/sw"]
)
def test_nix_keeps_what_its_profiles_link_to_in_its_store(tmp_path: Path, profile: str) -> None:
    store = tmp_path / "nix/store/0a1b2c-python3-3.12.1"
    fake_mac.python(store, "3.12.1", ARM64)
    (tmp_path / profile).mkdir(parents=True)
    (tmp_path / profile / "bin").symlink_to(store / "bin")
    interpreter = only(search(tmp_path))
    assert (interpreter["path"], interpreter["source"]) == (f"/{profile}/bin/python3.12", "nix")


def test_a_folder_that_is_a_link_to_its_neighbour_goes_last(tmp_path: Path) -> None:
    """It leads to another Python after the next installation."""
    installs = tmp_path / "Users/admin/.local/share/mise/installs/python"
    fake_mac.python(installs / "3.12.1", "3.12.1", ARM64)
    for link in ("3", "3.12", "latest"):
        (installs / link).symlink_to("3.12.1")
    assert only(search(tmp_path))["path"].endswith("/python/3.12.1/bin/python3.12")


def test_pypy_is_named(tmp_path: Path) -> None:
    prefix = tmp_path / "Users/admin/.pyenv/versions/pypy3.10-7.3.17"
    interpreter = fake_mac.python(prefix, "3.10.14", ARM64, name="pypy")
    (prefix / "bin/python3").symlink_to(interpreter.name)
    found = only(search(tmp_path))
    assert (found["implementation"], found["version"], found["free_threaded"]) == ("pypy", "3.10.14", False)


def test_pypy_under_the_name_of_another(tmp_path: Path) -> None:
    prefix = tmp_path / "usr/local"
    fake_mac.python(prefix, "3.10.14", ARM64, name="pypy").rename(prefix / "bin/python3.10")
    assert only(search(tmp_path))["implementation"] == "pypy"


def test_what_has_no_library_beside_it_may_be_anything(tmp_path: Path) -> None:
    fake_mac.program(tmp_path / "usr/local/bin/python3.12", ARM64)
    found = only(search(tmp_path))
    assert (found["version"], found["implementation"], found["free_threaded"]) == ("3.12", None, None)


def test_pypy_of_homebrew_has_only_its_own_name(tmp_path: Path) -> None:
    interpreter = fake_mac.python(
        tmp_path / "opt/homebrew/Cellar/pypy3.10/7.3.17/libexec", "3.10.14", ARM64, name="pypy"
    )
    (tmp_path / "opt/homebrew/bin").mkdir(parents=True)
    (tmp_path / "opt/homebrew/bin/pypy3.10").symlink_to(interpreter)
    found = only(search(tmp_path))
    assert (found["path"], found["implementation"]) == ("/opt/homebrew/bin/pypy3.10", "pypy")


def test_graalpy_is_named(tmp_path: Path) -> None:
    prefix = tmp_path / "Users/admin/.pyenv/versions/graalpy-24.1.0"
    fake_mac.program(prefix / "bin/graalpy", ARM64)
    (prefix / "bin/python3").symlink_to("graalpy")
    found = only(search(tmp_path))
    assert (found["implementation"], found["version"], found["free_threaded"]) == ("graalpy", None, None)


def test_a_free_threaded_build_is_named_whatever_link_leads_to_it(tmp_path: Path) -> None:
    prefix = tmp_path / "Users/admin/.pyenv/versions/3.13.1t"
    interpreter = fake_mac.python(prefix, "3.13.1", ARM64, abi="t")
    assert interpreter.name == "python3.13t"
    (prefix / "bin/python3.13").symlink_to("python3.13t")
    found = only(search(tmp_path))
    assert (found["version"], found["free_threaded"], found["implementation"]) == ("3.13.1", True, "cpython")


def test_a_free_threaded_build_under_a_plain_name(tmp_path: Path) -> None:
    prefix = tmp_path / "Users/admin/miniforge3/envs/free"
    fake_mac.python(tmp_path / "Users/admin/miniforge3", "3.12.1", ARM64)
    (tmp_path / "Users/admin/miniforge3/conda-meta").mkdir()
    fake_mac.python(prefix, "3.13.1", ARM64, abi="t").rename(prefix / "bin/python3.13")
    free = {python["version"]: python["free_threaded"] for python in search(tmp_path)}
    assert free == {"3.12.1": False, "3.13.1": True}


def test_plain_and_free_threaded_side_by_side(tmp_path: Path) -> None:
    for framework, abi in (("Python", ""), ("PythonT", "t")):
        prefix = tmp_path / f"Library/Frameworks/{framework}.framework/Versions/3.13"
        fake_mac.python(prefix, "3.13.1", UNIVERSAL2, abi=abi)
    free = {python["path"]: (python["free_threaded"], python["source"]) for python in search(tmp_path)}
    assert free == {
        "/Library/Frameworks/Python.framework/Versions/3.13/bin/python3.13": (False, "python_org"),
        "/Library/Frameworks/PythonT.framework/Versions/3.13/bin/python3.13t": (True, "python_org"),
    }


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
    found, _ = look(tmp_path, roots=roots)
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
        "implementation": None,
        "free_threaded": None,
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
    found, unknown = look(tmp_path, commands=FakeCommands({str(interpreter): "hello"}))
    assert only(found)["version"] == "3.12"
    assert unknown == {"/usr/local/bin/python3.12": "it does not tell its version"}


@pytest.mark.parametrize("failure", [CommandTimedOut(["python3"], "no answer within 10 s"), fake_mac.exited(-9)])
def test_an_interpreter_that_does_not_answer(tmp_path: Path, failure: Answer) -> None:
    interpreter = fake_mac.python(tmp_path / "usr/local", "3.12.1", ARM64, header=False)
    found, unknown = look(tmp_path, commands=FakeCommands({str(interpreter): failure}))
    assert only(found)["version"] == "3.12"
    assert list(unknown) == ["/usr/local/bin/python3.12"]


def test_all_are_started_before_the_first_is_waited_for(tmp_path: Path) -> None:
    for number in range(3):
        prefix = tmp_path / f"Users/admin/.pyenv/versions/{number}"
        fake_mac.python(prefix, "3.12.1", ARM64, header=False)
    order: list[str] = []

    class Ordered(FakeCommands):
        def start(self, argv: Sequence[str], **_: object) -> Running:
            order.append("start")
            return fake_mac.Answered(lambda: self.wait(argv))

        def wait(self, argv: Sequence[str]) -> Completed:
            order.append("wait")
            return Completed(tuple(argv), 0, "3.12.1\n", "")

    assert [python["version"] for python in search(tmp_path, commands=Ordered())] == ["3.12.1"] * 3
    assert order == ["start"] * 3 + ["wait"] * 3


# What would keep a reader waiting


def test_named_pipes_are_not_opened(tmp_path: Path) -> None:
    prefix = tmp_path / "Users/admin/.pyenv/versions/odd"
    fake_mac.python(prefix, "3.12.1", ARM64)
    (prefix / "include/python3.12/patchlevel.h").unlink()
    pipes = [
        prefix / "include/python3.12/patchlevel.h",
        prefix / "Resources/Info.plist",
        tmp_path / "Users/admin/.conda/environments.txt",
        tmp_path / "usr/local/bin/python3",
    ]
    for pipe in pipes:
        pipe.parent.mkdir(parents=True, exist_ok=True)
        os.mkfifo(pipe, 0o755)
    found, unknown = look(tmp_path, commands=FakeCommands({str(prefix / "bin/python3.12"): "3.12.1\n"}))
    assert only(found)["version"] == "3.12.1"
    assert unknown == {"/Users/admin/.conda/environments.txt": "not a regular file"}


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
    found, unknown = look(tmp_path)
    interpreter = only(found)
    assert (interpreter["native"], interpreter["version"]) == (None, "3.12.1")
    assert (interpreter["architectures"], interpreter["universal2"]) == (None, None)
    assert unknown == {"/usr/local/bin/python3.12": "Permission denied"}


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
