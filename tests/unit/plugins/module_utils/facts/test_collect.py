# SPDX-License-Identifier: GPL-3.0-or-later
"""The facts of machines that are data, of sources that fail or talk nonsense, and of this machine."""

from __future__ import annotations

import json
import os
import platform
import re
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import jsonschema
import pytest
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._commands import Commands, CommandTimedOut, Running
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._facts import collect as engine
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._facts.answers import Kernel
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._facts.types import Facts
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.simulated_mac.profile import Macos, Profile
from tests.unit.plugins.module_utils.facts import fake_mac
from tests.unit.plugins.module_utils.facts.any_text import TEXTS
from tests.unit.plugins.module_utils.facts.fake_mac import RECORDED, Answer, FakeCommands, exited

SCHEMA = json.loads((Path(__file__).parents[5] / "docs/apple_silicon_facts.schema.json").read_text())

SYSCTL = "/usr/sbin/sysctl"
SW_VERS = "/usr/bin/sw_vers"
IOREG = "/usr/sbin/ioreg"
PROFILER = "/usr/sbin/system_profiler"
XCODE_SELECT = "/usr/bin/xcode-select"
ROSETTA = "Library/Apple/usr/libexec/oah/libRosettaRuntime"
HARMLESS = {SYSCTL, SW_VERS, IOREG, PROFILER, XCODE_SELECT, "/usr/bin/arch"}

M4 = Profile(
    description="A healthy M4 Pro without developer tools",
    chip="Apple M4 Pro",
    model="Mac16,8",
    cores={"Performance": 10, "Efficiency": 4},
    gpu_cores=20,
    memory_gb=24,
    macos=Macos(version="15.5", build="24F74", darwin="24.5.0"),
)
LINUX = Kernel("Linux", "6.1.0", "#1 SMP", "x86_64")


@pytest.fixture
def mac(tmp_path: Path) -> Path:
    """The file system of a Mac that has nothing but a home folder and a screen."""
    (tmp_path / "Users/admin").mkdir(parents=True)
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/console").touch()
    return tmp_path


def collect(
    commands: Commands,
    filesystem: Path,
    *,
    kernel: Kernel | None = None,
    full: bool = True,
    roots: tuple[str, ...] = ("/Users/admin",),
) -> Facts:
    facts = engine.collect(
        commands,
        home=Path("/Users/admin"),
        roots=roots,
        full=full,
        kernel=kernel or fake_mac.kernel(M4),
        filesystem=filesystem,
    )
    jsonschema.validate(facts, SCHEMA)
    return facts


def m4(answers: dict[str, Answer] | None = None) -> FakeCommands:
    """The M4 Pro, except for programs that answer something else."""
    commands = fake_mac.commands(M4)
    commands.answers[XCODE_SELECT] = exited(2, stderr="xcode-select: error: Unable to get active developer directory.")
    paths = {Path(path).name: path for path in HARMLESS}
    commands.answers.update({paths[name]: answer for name, answer in (answers or {}).items()})
    return commands


def unknown(facts: Facts) -> dict[str, str]:
    return {entry["source"]: entry["reason"] for entry in facts["unknown"]}


# Machines


@pytest.mark.parametrize("name", RECORDED)
def test_recorded_mac(name: str, mac: Path) -> None:
    profile = Profile.load(name)
    commands = fake_mac.commands(profile)
    if profile.rosetta:
        fake_mac.program(mac / ROSETTA, b"")
    facts = cast("dict[str, Any]", collect(commands, mac, kernel=fake_mac.kernel(profile)))
    assert {key: facts[key] for key in profile.facts} == profile.facts
    assert commands.programs <= HARMLESS


def test_there_are_macs_of_each_kind() -> None:
    facts = [Profile.load(name).facts for name in RECORDED]
    assert {machine["chip"]["generation"] for machine in facts} == {None, 1, 2, 3, 4, 5}
    assert {machine["chip"]["tier"] for machine in facts} == {None, "base", "pro", "max", "ultra"}
    assert {machine["virtual_machine"]["kind"] for machine in facts} == {None, "apple", "vmware"}
    assert {machine["rosetta"]["translated"] for machine in facts} == {False, True}


def test_a_healthy_mac_leaves_nothing_unknown(mac: Path) -> None:
    commands = m4()
    facts = collect(commands, mac)
    assert facts["unknown"] == []
    assert facts["gpu"] == {
        "model": "Apple M4 Pro",
        "cores": 20,
        "metal": "Metal 3",
        "paravirtual": False,
        "count": 1,
    }
    assert engine.unmet_requirement(facts) is None


def test_quick_asks_four_programs_once(mac: Path) -> None:
    commands = m4()
    facts = collect(commands, mac, full=False)
    assert sorted(call[0] for call in commands.calls) == sorted([SYSCTL, SW_VERS, IOREG, XCODE_SELECT])
    full = collect(m4(), mac)
    assert facts == {**full, "gpu": {**full["gpu"], "metal": None}, "disk": facts["disk"]}


def test_sysctl_is_asked_by_name_and_never_for_bare_values(mac: Path) -> None:
    commands = m4()
    collect(commands, mac)
    (call,) = (call for call in commands.calls if call[0] == SYSCTL)
    assert not [argument for argument in call if argument.startswith("-")]
    assert len(set(call)) == len(call)


def test_a_translated_process_asks_the_native_profiler(mac: Path) -> None:
    translated = replace(M4, facts={"rosetta": {"translated": True}})
    commands = fake_mac.commands(translated)
    facts = collect(commands, mac, kernel=fake_mac.kernel(translated))
    assert facts["rosetta"]["translated"] is True
    assert facts["architecture"] == "arm64"
    assert ("/usr/bin/arch", "-arm64", PROFILER) in {call[:3] for call in commands.calls}


# Sources that fail


@pytest.mark.parametrize("program", ["sysctl", "sw_vers", "ioreg", "system_profiler", "xcode-select"])
@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (CommandTimedOut(["program"], "no answer within 10 s"), "no answer within 10 s"),
        (exited(1, stderr="it is\nbroken\n"), "exit status 1: broken"),
        (exited(-9), "killed by SIGKILL"),
    ],
)
def test_a_source_that_fails_is_named_and_the_others_are_used(
    mac: Path, program: str, failure: Answer, reason: str
) -> None:
    facts = collect(m4({program: failure}), mac)
    assert unknown(facts) == {program: reason}
    assert facts["is_apple_silicon"] is True
    assert facts["gpu"]["model"] == "Apple M4 Pro"
    assert facts["macos"]["version"] == "15.5"


@pytest.mark.parametrize("program", ["sysctl", "sw_vers", "ioreg", "system_profiler"])
@pytest.mark.parametrize("nonsense", ["", "\ufffd\x00", "{}", "[1, 2]", "hw.memsize: many\n", "ProductVersion:\n"])
def test_nonsense_becomes_unknown(mac: Path, program: str, nonsense: str) -> None:
    facts = collect(m4({program: nonsense}), mac)
    assert facts["is_apple_silicon"] is True
    if (program, nonsense) != ("system_profiler", "{}"):
        assert any(source.startswith(program) for source in unknown(facts))


def test_names_that_a_mac_does_not_know_or_has_no_value_for(mac: Path) -> None:
    known = {"hw.optional.arm64": 1, "hw.memsize": "a lot", "machdep.cpu.brand_string": "Apple M1"}
    said = "".join(f"{name}: {value}\n" for name, value in known.items())
    sysctl = exited(1, stdout=said, stderr="sysctl: unknown oid 'hw.physicalcpu'\n")
    facts = collect(m4({"sysctl": sysctl}), mac, full=False)
    assert unknown(facts) == {
        "sysctl hw.memsize": "not usable: 'a lot'",
        "sysctl hw.physicalcpu": "unknown to this macOS",
        "sysctl hw.model": "no value",
        "sysctl hw.perflevel0.physicalcpu": "no value",
    }


def test_a_physical_mac_without_accelerator_is_worth_a_note(mac: Path) -> None:
    assert unknown(collect(m4({"ioreg": ""}), mac)) == {"ioreg": "it lists no AGXAccelerator"}


def test_the_version_comes_from_the_kernel_when_sw_vers_fails(mac: Path) -> None:
    macos = collect(m4({"sw_vers": exited(1)}), mac)["macos"]
    assert macos == {"version": "15.5", "extra": None, "build": "24F74", "darwin": "24.5.0"}


# What the profiler adds


def test_the_profiler_fills_in_what_macos_11_does_not_tell(mac: Path) -> None:
    hardware = {"chip_type": "Apple M1", "number_processors": "proc 8:4:4"}
    commands = m4(
        {
            "sysctl": fake_mac.sysctl({"hw.optional.arm64": 1, "hw.physicalcpu": 8}),
            "system_profiler": json.dumps({"SPHardwareDataType": [hardware]}),
        }
    )
    facts = collect(commands, mac)
    assert facts["chip"]["name"] == "Apple M1"
    assert facts["cores"] == {
        "total": 8,
        "levels": [{"name": "Performance", "count": 4}, {"name": "Efficiency", "count": 4}],
    }
    assert collect(commands, mac, full=False)["cores"]["levels"] is None


def test_the_profiler_knows_memory_and_cores_where_sysctl_does_not_tell(mac: Path) -> None:
    hardware = {"chip_type": "Apple M5 Max", "number_processors": "proc 18:6:0:12", "physical_memory": "128 GB"}
    commands = m4(
        {
            "sysctl": exited(1, stdout="hw.optional.arm64: 1\n"),
            "system_profiler": json.dumps({"SPHardwareDataType": [hardware]}),
        }
    )
    facts = collect(commands, mac)
    assert (facts["memory_bytes"], facts["cores"]) == (128 << 30, {"total": 18, "levels": None})
    assert unknown(facts)["sysctl hw.memsize"] == "no value"
    assert "sysctl hw.physicalcpu" not in unknown(facts)
    quick = collect(commands, mac, full=False)
    assert (quick["memory_bytes"], quick["cores"]["total"]) == (None, None)
    assert {"sysctl hw.memsize", "sysctl hw.physicalcpu"} <= unknown(quick).keys()


def test_what_no_source_tells_is_not_no(mac: Path) -> None:
    silent = m4({"sysctl": exited(1, stdout="hw.memsize: 1024\n")})
    facts = collect(silent, mac, kernel=Kernel("Darwin", "24.5.0", "", "x86_64"), full=False)
    assert facts["is_apple_silicon"] is None
    assert facts["virtual_machine"] == {"is_virtual": None, "kind": None}
    assert facts["rosetta"] == {"installed": False, "translated": None}
    assert facts["gpu"]["paravirtual"] is None
    assert {"sysctl hw.optional.arm64", "sysctl kern.hv_vmm_present"} <= unknown(facts).keys()


# Files


def test_command_line_tools(mac: Path) -> None:
    path = "/Library/Developer/CommandLineTools"
    assert collect(m4(), mac)["command_line_tools"] == {"present": False, "path": None, "broken": False}
    selected = m4({"xcode-select": path + "\n"})
    assert collect(selected, mac)["command_line_tools"] == {"present": False, "path": path, "broken": True}
    fake_mac.program(mac / path[1:] / "usr/bin/xcrun", fake_mac.fat("x86_64", "arm64e"))
    assert collect(selected, mac)["command_line_tools"] == {"present": True, "path": path, "broken": False}
    failed = m4({"xcode-select": CommandTimedOut(["xcode-select"], "no answer within 10 s")})
    assert collect(failed, mac)["command_line_tools"] == {"present": None, "path": None, "broken": None}


def test_rosetta(mac: Path) -> None:
    assert collect(m4(), mac)["rosetta"]["installed"] is False
    fake_mac.program(mac / ROSETTA, b"")
    assert collect(m4(), mac)["rosetta"]["installed"] is True


def test_homebrew(mac: Path) -> None:
    assert collect(m4(), mac)["homebrew"] == []
    fake_mac.program(mac / "usr/local/bin/brew", b"#!/bin/bash\n")
    fake_mac.program(mac / "opt/homebrew/bin/brew", b"#!/bin/bash\n")
    assert collect(m4(), mac)["homebrew"] == [
        {"prefix": "/opt/homebrew", "architecture": "arm64"},
        {"prefix": "/usr/local", "architecture": "x86_64"},
    ]


def test_an_intel_conda_on_apple_silicon(mac: Path) -> None:
    fake_mac.python(mac / "Users/admin/miniconda3", "3.12.1", fake_mac.thin("x86_64"))
    (mac / "Users/admin/miniconda3/conda-meta").mkdir()
    facts = collect(m4(), mac, full=False)
    assert facts["conda"] == [
        {
            "prefix": "/Users/admin/miniconda3",
            "distribution": "miniconda",
            "architecture": "x86_64",
            "environments": [],
        }
    ]
    assert (facts["architecture"], [python["native"] for python in facts["pythons"]]) == ("arm64", [False])


@pytest.mark.skipif(os.geteuid() != 0, reason="gives a file to another user")
@pytest.mark.parametrize(("owner", "expected"), [(0, False), (248, False), (501, True)])
def test_who_owns_the_console(mac: Path, owner: int, expected: bool) -> None:
    os.chown(mac / "dev/console", owner, 0)
    assert collect(m4(), mac)["gui_session"] is expected


def test_no_console(mac: Path) -> None:
    (mac / "dev/console").unlink()
    facts = collect(m4(), mac)
    assert facts["gui_session"] is None
    assert unknown(facts) == {"/dev/console": "No such file or directory"}


def test_plugins_in_user_sites(mac: Path) -> None:
    home = mac / "Users/admin"
    fake_mac.program(home / ".local/lib/python3.12/site-packages/tensorflow-plugins/libmetal_plugin.dylib", b"")
    fake_mac.program(home / "Library/Python/3.9/lib/python/site-packages/tensorflow-plugins/other.dylib", b"")
    fake_mac.program(home / ".local/lib/python3.11/site-packages/tensorflow-plugins/.DS_Store", b"")
    fake_mac.program(home / ".local/lib/python3.10/site-packages/tensorflow-plugins", b"")
    assert collect(m4(), mac)["user_site_plugins"] == [
        "/Users/admin/.local/lib/python3.12/site-packages/tensorflow-plugins",
        "/Users/admin/Library/Python/3.9/lib/python/site-packages/tensorflow-plugins",
    ]


def test_disk_space_of_a_folder_that_is_not_there_yet(mac: Path) -> None:
    roots = ("/Users/admin/.local/share/metalfleet", "/Users/admin")
    disk = collect(m4(), mac, roots=roots)["disk"]
    assert [entry["path"] for entry in disk] == list(roots)
    assert all((entry["free_bytes"] or 0) > 0 for entry in disk)


def test_pythons_that_cannot_be_asked_are_noted(mac: Path) -> None:
    fake_mac.python(mac / "usr/local", "3.12.1", fake_mac.thin("arm64"), header=False)
    facts = collect(m4(), mac)
    assert [python["version"] for python in facts["pythons"]] == ["3.12"]
    assert unknown(facts) == {"/usr/local/bin/python3.12": "No such file or directory"}


class HangingCommands(Commands):
    """The M4 Pro's programs, real processes that hang in place of some of them."""

    def __init__(self, hanging: str) -> None:
        self._hanging = re.compile(hanging)
        self._others = m4()

    def start(self, argv: Sequence[str], **options: Any) -> Running:
        if self._hanging.search(argv[0]):
            return super().start(["/bin/sh", "-c", "sleep 60 & wait"], **options)
        return self._others.start(argv, **options)


PROGRAMS = {"sysctl", "sw_vers", "ioreg", "xcode-select"}
PYTHONS = {f"/Users/admin/.pyenv/versions/{number}/bin/python3.12" for number in range(6)}


@pytest.mark.parametrize(
    ("hanging", "named"),
    [("/python3", PYTHONS), (f"/({'|'.join(sorted(PROGRAMS))})$", PROGRAMS), ("", PROGRAMS | PYTHONS)],
)
def test_however_much_hangs_it_is_waited_for_once(
    mac: Path, monkeypatch: pytest.MonkeyPatch, hanging: str, named: set[str]
) -> None:
    monkeypatch.setattr(engine, "QUICK_SECONDS", 1)
    for path in PYTHONS:
        fake_mac.python((mac / path[1:]).parents[1], "3.12.1", fake_mac.thin("arm64"), header=False)
    started = time.monotonic()
    facts = collect(HangingCommands(hanging), mac, full=False)
    assert time.monotonic() - started < 30  # seconds; one after the other they would take minutes
    assert [python["version"] for python in facts["pythons"]] == ["3.12"] * len(PYTHONS)
    assert {source for source, reason in unknown(facts).items() if reason.startswith("no answer within")} == named


@pytest.fixture
def as_nobody() -> Iterator[None]:
    """Root may enter every folder, so this process is somebody else for a while."""
    if os.geteuid() != 0:
        yield
        return
    os.setresuid(65534, 65534, 0)
    yield
    os.setresuid(0, 0, 0)


@pytest.mark.skipif(not hasattr(os, "setresuid"), reason="macOS cannot change back")
def test_folders_that_may_not_be_entered(as_nobody: None) -> None:
    with tempfile.TemporaryDirectory() as folder:
        filesystem = Path(folder)
        links = ["usr/local/bin/python3", "usr/local/bin/brew", "Library/Apple/usr", "opt/homebrew", "dev/console"]
        for link in links:
            (filesystem / link).parent.mkdir(parents=True, exist_ok=True)
            (filesystem / link).symlink_to(filesystem / "closed/file")
        (filesystem / "Users/admin/.local").mkdir(parents=True)
        (filesystem / "Users/admin/.local/share").symlink_to(filesystem / "closed")
        (filesystem / "closed").mkdir(mode=0)
        facts = collect(m4({"xcode-select": "/closed/Xcode\n"}), filesystem, roots=("/closed/away",))
        (filesystem / "closed").chmod(0o700)
    assert (facts["pythons"], facts["homebrew"], facts["rosetta"]["installed"]) == ([], [], None)
    assert facts["command_line_tools"] == {"present": None, "path": "/closed/Xcode", "broken": None}
    refused = {"closed", "Users/admin/.local/share", "dev/console", "opt/homebrew", "Library/Apple/usr"}
    refused |= {"usr/local/bin/python3", "usr/local/bin/brew"}
    assert unknown(facts) == {f"/{path}": "Permission denied" for path in refused}
    assert (facts["disk"][0]["free_bytes"] or 0) > 0


@pytest.mark.skipif(not hasattr(os, "setresuid"), reason="macOS cannot change back")
def test_a_closed_folder_is_noted_once_for_all_that_may_be_in_it(as_nobody: None) -> None:
    with tempfile.TemporaryDirectory() as folder:
        filesystem = Path(folder)
        (filesystem / "dev").mkdir()
        (filesystem / "dev/console").touch()
        closed = [filesystem / "Users/admin" / name for name in (".local", ".pyenv/versions", ".conda", "miniforge3")]
        for each in closed:
            each.mkdir(parents=True)
            each.chmod(0)
        facts = collect(m4(), filesystem)
        for each in closed:
            each.chmod(0o700)
    assert facts["pythons"] == []
    assert unknown(facts) == {f"/{each.relative_to(filesystem)}": "Permission denied" for each in closed}


# Elsewhere


def test_linux(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/cpuinfo").write_text(
        "processor\t: 0\nmodel name\t: AMD EPYC 7763\nflags\t\t: fpu sse2 hypervisor\n\n"
    )
    (tmp_path / "proc/meminfo").write_text("MemTotal:       16384 kB\nMemFree:         1024 kB\n")
    for cpu, siblings in enumerate(["0-1", "0-1", "2-3", "2-3"]):
        topology = tmp_path / f"sys/devices/system/cpu/cpu{cpu}/topology"
        topology.mkdir(parents=True)
        (topology / "thread_siblings_list").write_text(siblings + "\n")
    commands = FakeCommands()
    facts = collect(commands, tmp_path, kernel=LINUX)
    assert (facts["is_apple_silicon"], facts["architecture"]) == (False, "x86_64")
    assert facts["chip"] == {"name": "AMD EPYC 7763", "family": None, "generation": None, "tier": None}
    assert facts["cores"] == {"total": 2, "levels": None}
    assert facts["memory_bytes"] == 16 << 20
    assert facts["virtual_machine"] == {"is_virtual": True, "kind": None}
    assert unknown(facts) == {"/sys/class/dmi/id/product_name": "No such file or directory"}
    assert commands.calls == []


def test_conda_on_linux(tmp_path: Path) -> None:
    elf = b"\x7fELF\x02\x01\x01" + bytes(11) + b"\xb7\x00"
    fake_mac.python(tmp_path / "opt/miniforge3", "3.12.1", elf)
    (tmp_path / "opt/miniforge3/conda-meta").mkdir()
    facts = collect(FakeCommands(), tmp_path, kernel=LINUX._replace(machine="aarch64"))
    assert [(root["distribution"], root["architecture"]) for root in facts["conda"]] == [("miniforge", "aarch64")]


def test_linux_on_a_mac_with_apple_silicon(tmp_path: Path) -> None:
    """The device tree knows the Mac; /proc/cpuinfo of ARM has neither a name nor flags."""
    (tmp_path / "proc/device-tree").mkdir(parents=True)
    (tmp_path / "proc/device-tree/model").write_text("Apple MacBook Pro (14-inch, M1 Pro, 2021)\0")
    (tmp_path / "proc/cpuinfo").write_text("processor\t: 0\nCPU implementer\t: 0x61\nCPU part\t: 0x024\n")
    (tmp_path / "proc/meminfo").write_text("MemTotal:       16384 kB\n")
    facts = collect(FakeCommands(), tmp_path, kernel=LINUX._replace(machine="aarch64"))
    assert facts["chip"] == {"name": "Apple M1 Pro", "family": "M", "generation": 1, "tier": "pro"}
    assert facts["model"] == "Apple MacBook Pro (14-inch, M1 Pro, 2021)"
    assert facts["virtual_machine"] == {"is_virtual": False, "kind": None}
    assert facts["is_apple_silicon"] is False
    assert unknown(facts) == {"/sys/devices/system/cpu": "it lists no processors"}


def test_linux_in_a_virtual_machine_on_a_mac(tmp_path: Path) -> None:
    for path, text in {
        "sys/class/dmi/id/product_name": "Apple Virtualization Generic Platform\n",
        "proc/cpuinfo": "processor\t: 0\nCPU implementer\t: 0x61\nCPU part\t: 0x000\n",
        "proc/meminfo": "nonsense\n",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    facts = collect(FakeCommands(), tmp_path, kernel=LINUX._replace(machine="aarch64"))
    assert facts["virtual_machine"] == {"is_virtual": True, "kind": "apple"}
    assert facts["chip"]["name"] is None
    assert unknown(facts) == {
        "/proc/cpuinfo": "it names no processor",
        "/proc/meminfo": "it tells no MemTotal",
        "/sys/devices/system/cpu": "it lists no processors",
    }


def test_an_arm_machine_that_tells_nothing_of_itself(tmp_path: Path) -> None:
    unknown_of_arm = unknown(collect(FakeCommands(), tmp_path, kernel=LINUX._replace(machine="aarch64")))
    missing = "No such file or directory"
    assert {unknown_of_arm[path] for path in ("/proc/cpuinfo", "/sys/class/dmi/id/product_name")} == {missing}
    assert unknown_of_arm["virtual machine"] == "neither /proc/cpuinfo nor the model's name tells"


def test_a_system_that_we_know_nothing_of(tmp_path: Path) -> None:
    facts = collect(FakeCommands(), tmp_path, kernel=Kernel("FreeBSD", "14.0", "", "amd64"))
    assert facts["is_apple_silicon"] is False
    assert facts["memory_bytes"] is None
    assert {"/proc/cpuinfo", "/proc/meminfo", "/sys/devices/system/cpu"} <= unknown(facts).keys()


def test_this_machine() -> None:
    facts = engine.collect(Commands(), home=Path.home(), roots=[str(Path.home())])
    jsonschema.validate(facts, SCHEMA)
    assert facts["system"] == platform.system()
    assert (facts["memory_bytes"] or 0) > 1 << 28
    assert facts["chip"]["name"] or platform.machine() not in ("x86_64", "arm64")
    running = os.path.realpath(sys.executable)
    assert all(python["native"] for python in facts["pythons"] if os.path.realpath(python["path"]) == running)


@pytest.mark.parametrize(
    ("kernel", "sysctl", "expected"),
    [
        (LINUX, {}, "this host runs Linux, not macOS"),
        (
            Kernel("Darwin", "22.6.0", "RELEASE_X86_64", "x86_64"),
            {"machdep.cpu.brand_string": "Intel(R) Core(TM) i7-9750H CPU @ 2.60GHz"},
            "this Mac has an Intel processor (Intel(R) Core(TM) i7-9750H CPU @ 2.60GHz)",
        ),
    ],
)
def test_why_a_host_is_not_apple_silicon(mac: Path, kernel: Kernel, sysctl: dict[str, object], expected: str) -> None:
    facts = collect(m4({"sysctl": fake_mac.sysctl(sysctl)}), mac, kernel=kernel)
    assert engine.unmet_requirement(facts) == expected


def test_why_it_is_not_known_whether_a_host_is_apple_silicon(mac: Path) -> None:
    failed = m4({"sysctl": CommandTimedOut(["sysctl"], "no answer within 10 s")})
    problem = engine.unmet_requirement(collect(failed, mac, kernel=Kernel("Darwin", "24.5.0", "", "x86_64")))
    assert problem is not None
    assert "sysctl: no answer within 10 s" in problem


# Any text


@given(answers=st.fixed_dictionaries({Path(path).name: TEXTS for path in HARMLESS}), kernel=st.text())
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_whatever_the_sources_say_the_facts_keep_their_form(mac: Path, answers: dict[str, Answer], kernel: str) -> None:
    facts = collect(m4(answers), mac, kernel=Kernel("Darwin", "24", kernel, "arm64"))
    engine.unmet_requirement(facts)
