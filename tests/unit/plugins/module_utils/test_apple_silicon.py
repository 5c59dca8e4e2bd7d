# SPDX-License-Identifier: GPL-3.0-or-later
"""The facts of machines that are data, of sources that fail or talk nonsense, and of this machine."""

from __future__ import annotations

import json
import os
import platform
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import jsonschema
import pytest
from ansible_collections.metalfleet.tensorflow.plugins.module_utils import _apple_silicon as engine
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._apple_silicon import Kernel, Sysctl
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._commands import Commands, CommandTimedOut
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.plugins.module_utils import fake_mac
from tests.unit.plugins.module_utils.fake_mac import MACHINES, Answer, FakeCommands, exited

SCHEMA = json.loads((Path(__file__).parents[4] / "docs/apple_silicon_facts.schema.json").read_text())

SYSCTL = "/usr/sbin/sysctl"
SW_VERS = "/usr/bin/sw_vers"
IOREG = "/usr/sbin/ioreg"
PROFILER = "/usr/sbin/system_profiler"
XCODE_SELECT = "/usr/bin/xcode-select"
HARMLESS = {SYSCTL, SW_VERS, IOREG, PROFILER, XCODE_SELECT, "/usr/bin/arch"}

M4 = {
    "kernel": {"machine": "arm64", "release": "24.5.0", "version": "RELEASE_ARM64_T6041"},
    "sysctl": {
        "hw.optional.arm64": 1,
        "sysctl.proc_translated": 0,
        "machdep.cpu.brand_string": "Apple M4 Pro",
        "hw.physicalcpu": 14,
        "hw.perflevel0.physicalcpu": 10,
        "hw.perflevel0.name": "Performance",
        "hw.perflevel1.physicalcpu": 4,
        "hw.perflevel1.name": "Efficiency",
        "hw.memsize": 25769803776,
        "hw.model": "Mac16,8",
        "kern.hv_vmm_present": 0,
        "kern.osproductversion": "15.5",
        "kern.osversion": "24F74",
    },
    "sw_vers": {"ProductName": "macOS", "ProductVersion": "15.5", "BuildVersion": "24F74"},
    "ioreg": [{"model": "Apple M4 Pro", "gpu-core-count": 20}],
    "system_profiler": {
        "SPDisplaysDataType": [{"sppci_model": "Apple M4 Pro", "spdisplays_mtlgpufamilysupport": "spdisplays_metal3"}]
    },
}
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
) -> engine.Facts:
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
    """A healthy M4 Pro without developer tools, but for the programs that answer otherwise."""
    commands = fake_mac.commands(M4)
    commands.answers[XCODE_SELECT] = exited(2, stderr="xcode-select: error: Unable to get active developer directory.")
    paths = {Path(path).name: path for path in HARMLESS}
    commands.answers.update({paths[name]: answer for name, answer in (answers or {}).items()})
    return commands


def unknown(facts: engine.Facts) -> dict[str, str]:
    return {entry["source"]: entry["reason"] for entry in facts["unknown"]}


def values(**named: object) -> Sysctl:
    """Sysctl values by names with "__" for "."."""
    return Sysctl({name.replace("__", "."): str(value) for name, value in named.items()}, frozenset())


# Machines


@pytest.mark.parametrize("path", MACHINES, ids=lambda path: path.stem)
def test_machine(path: Path, mac: Path) -> None:
    machine = fake_mac.load(path)
    commands = fake_mac.commands(machine)
    facts = cast("dict[str, Any]", collect(commands, mac, kernel=fake_mac.kernel(machine)))
    assert {key: facts[key] for key in machine["facts"]} == machine["facts"]
    assert commands.programs <= HARMLESS


def test_there_are_machines_of_each_kind() -> None:
    facts = [fake_mac.load(path)["facts"] for path in MACHINES]
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
    commands = m4({"sysctl": fake_mac.sysctl({**cast("dict[str, object]", M4["sysctl"]), "sysctl.proc_translated": 1})})
    facts = collect(commands, mac, kernel=fake_mac.kernel(M4)._replace(machine="x86_64"))
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
    facts = collect(m4({"sysctl": sysctl}), mac)
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


# What kind of machine


@pytest.mark.parametrize(
    ("sysctl", "kernel", "expected"),
    [
        (values(hw__optional__arm64=1), Kernel("Darwin", "20", "RELEASE_ARM64_T8101", "x86_64"), True),
        (values(hw__optional__arm64=1), Kernel("Darwin", "20", "", "x86_64"), True),
        (values(hw__optional__arm64=0), Kernel("Darwin", "20", "", "x86_64"), False),
        (Sysctl({}, frozenset({"hw.optional.arm64"})), Kernel("Darwin", "20", "", "x86_64"), False),
        (values(), Kernel("Darwin", "20", "RELEASE_ARM64_T8101", "x86_64"), True),
        (values(), Kernel("Darwin", "20", "RELEASE_X86_64", "x86_64"), False),
        (values(), Kernel("Darwin", "20", "", "arm64"), True),
        (values(), Kernel("Darwin", "20", "", "x86_64"), None),
    ],
)
def test_apple_silicon_is_not_told_by_the_process(sysctl: Sysctl, kernel: Kernel, expected: bool | None) -> None:
    assert engine.has_apple_silicon(sysctl, kernel) is expected


@pytest.mark.parametrize(
    ("sysctl", "machine", "apple", "expected"),
    [
        (values(sysctl__proc_translated=1), "x86_64", True, True),
        (values(sysctl__proc_translated=0), "arm64", True, False),
        (values(), "x86_64", True, True),
        (values(), "arm64", True, False),
        (values(), "x86_64", False, False),
        (values(), "x86_64", None, None),
    ],
)
def test_translated(sysctl: Sysctl, machine: str, apple: bool | None, expected: bool | None) -> None:
    assert engine.is_translated(sysctl, Kernel("Darwin", "20", "", machine), apple_silicon=apple) is expected


@pytest.mark.parametrize(
    ("sysctl", "version", "expected"),
    [
        (values(hw__model="VirtualMac2,1"), "", {"is_virtual": True, "kind": "apple"}),
        (values(machdep__cpu__brand_string="Apple M4 Max (Virtual)"), "", {"is_virtual": True, "kind": "apple"}),
        (values(), "RELEASE_ARM64_VMAPPLE", {"is_virtual": True, "kind": "apple"}),
        (values(hw__model="VMware20,1", kern__hv_vmm_present=1), "", {"is_virtual": True, "kind": "vmware"}),
        (values(hw__model="Parallels-ARM"), "", {"is_virtual": True, "kind": "parallels"}),
        (values(hw__model="iMac20,1", kern__hv_vmm_present=1), "", {"is_virtual": True, "kind": None}),
        (values(hw__model="iMac20,1", kern__hv_vmm_present=0), "", {"is_virtual": False, "kind": None}),
        (values(hw__model="iMac20,1"), "", {"is_virtual": False, "kind": None}),
        (values(), "RELEASE_ARM64_T6000", {"is_virtual": False, "kind": None}),
        (values(), "", {"is_virtual": None, "kind": None}),
    ],
)
def test_virtual_machines(sysctl: Sysctl, version: str, expected: engine.VirtualMachine) -> None:
    assert engine.describe_virtual_machine(sysctl, Kernel("Darwin", "20", version, "arm64")) == expected


@pytest.mark.parametrize(
    ("name", "family", "generation", "tier"),
    [
        ("Apple M1", "M", 1, "base"),
        ("Apple M2 Pro", "M", 2, "pro"),
        ("Apple M3 Max", "M", 3, "max"),
        ("Apple M3 Ultra", "M", 3, "ultra"),
        ("Apple M12 Max (Virtual)", "M", 12, "max"),
        ("Apple M1 (Virtual)", "M", 1, "base"),
        ("Apple A18 Pro", "A", 18, "pro"),
        ("Apple A12Z", "A", 12, None),
        ("Apple M7 Extreme", "M", 7, None),
        ("Apple processor", None, None, None),
        ("Apple", None, None, None),
        ("VirtualApple @ 2.50GHz", None, None, None),
        ("Intel(R) Core(TM) i7-9750H CPU @ 2.60GHz", None, None, None),
        (None, None, None, None),
    ],
)
def test_chip_names(name: str | None, family: str | None, generation: int | None, tier: str | None) -> None:
    assert engine.parse_chip_name(name) == {"name": name, "family": family, "generation": generation, "tier": tier}


def test_a_placeholder_stays_where_the_family_is_not_known() -> None:
    sysctl = values(machdep__cpu__brand_string="Apple processor", hw__cpufamily=-634136515, hw__cpusubfamily=2)
    assert engine.describe_chip(sysctl)["name"] == "Apple processor"


def test_a_name_is_believed_before_the_family() -> None:
    sysctl = values(machdep__cpu__brand_string="Apple M1 (Virtual)", hw__cpufamily=458787763, hw__cpusubfamily=4)
    assert engine.describe_chip(sysctl) == {
        "name": "Apple M1 (Virtual)",
        "family": "M",
        "generation": 1,
        "tier": "base",
    }


@pytest.mark.parametrize(
    ("chip", "levels", "expected"),
    [
        ("Apple M6", [("Super", 2), ("Performance", 4), ("Efficiency", 4)], ["Super", "Performance", "Efficiency"]),
        ("Apple M5 Max", [("Super", 6), ("Performance", 12)], ["Super", "Performance"]),
        ("Apple M9", [("Quick", 1), ("Calm", 2), ("Lazy", 3), ("Asleep", 4)], ["Quick", "Calm", "Lazy", "Asleep"]),
        ("Intel Core", [("Standard", 8)], ["Standard"]),
        ("Apple M2", [(None, 4), (None, 4)], ["Performance", "Efficiency"]),
        ("Apple M5", [(None, 4), (None, 6)], [None, None]),
        ("Apple M1 (Virtual)", [(None, 4)], [None]),
    ],
)
def test_levels_have_their_own_names(
    chip: str, levels: list[tuple[str | None, int]], expected: list[str | None]
) -> None:
    sysctl = {f"hw.perflevel{at}.physicalcpu": str(count) for at, (_, count) in enumerate(levels)}
    sysctl |= {f"hw.perflevel{at}.name": name for at, (name, _) in enumerate(levels) if name}
    found = engine.core_levels(Sysctl(dict(reversed(sysctl.items())), frozenset()), engine.parse_chip_name(chip))
    assert found == [{"name": name, "count": count} for name, (_, count) in zip(expected, levels, strict=True)]


def test_hyperthreads_are_not_cores() -> None:
    assert engine.core_count(values(hw__ncpu=8), None, apple_silicon=False) is None
    assert engine.core_count(values(hw__ncpu=8), None, apple_silicon=True) == 8


# Text


def test_sysctl_text_with_errors_in_between() -> None:
    text = """\
hw.model: Mac14,9
sysctl: unknown oid 'hw.x'
vm.swapusage: total = 5,00M  used: 4,25M
hw.empty:\x20
hw.memsize 1
"""
    errors = "sysctl: unknown oid 'hw.x'\nsysctl: unknown oid 'hw.y'\n"
    assert engine.parse_sysctl(text, errors) == (
        {"hw.model": "Mac14,9", "vm.swapusage": "total = 5,00M  used: 4,25M"},
        frozenset({"hw.x", "hw.y"}),
    )


@pytest.mark.parametrize("text", [None, "", "0", "-8", "8,5", "8 ", "\N{ARABIC-INDIC DIGIT EIGHT}", "9" * 5000])
def test_what_is_no_number(text: str | None) -> None:
    assert engine.number(text) is None


@given(st.integers(min_value=1, max_value=1 << 60))
def test_numbers(number: int) -> None:
    assert engine.number(str(number)) == number


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("spdisplays_metal4", "Metal 4"),
        ("spdisplays_metal12", "Metal 12"),
        ("spdisplays_mtlgpufamilyapple7", "Metal GPUFamily Apple 7"),
        ("spdisplays_mtlgpufamilymac2", "Metal GPUFamily macOS 2"),
        ("spdisplays_metalfeaturesetfamily21", "macOS GPUFamily2 v1"),
        ("spdisplays_supported", "supported"),
        ("spdisplays_hologram", "hologram"),
        ("Metal 5", "Metal 5"),
    ],
)
def test_metal_texts(key: str, text: str) -> None:
    assert engine.metal_text(key) == text


def test_ioreg_with_two_accelerators_and_a_model_in_angle_brackets() -> None:
    text = """\
+-o AGXAcceleratorG13G  <class AGXAcceleratorG13G>
  | {
  |   "model" = <"Apple M1">
  |   "gpu-core-count" = 7
  | }

+-o Other
    {
    }
"""
    assert engine.parse_ioreg(text) == [("Apple M1", 7, None), (None, None, None)]


@pytest.mark.parametrize(
    ("processors", "counts"),
    [("proc 8:4:4", (4, 4)), ("proc 10:4:6:0", None), ("proc 10:0:4:6", None), ("proc 8:4:5", None), (8, None)],
)
def test_levels_from_the_profiler_only_where_they_have_one_meaning(
    processors: object, counts: tuple[int, int] | None
) -> None:
    profile = engine.parse_profile(json.dumps({"SPHardwareDataType": [{"number_processors": processors}]}))
    assert profile is not None
    assert profile.levels == (
        counts and [{"name": "Performance", "count": counts[0]}, {"name": "Efficiency", "count": counts[1]}]
    )


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
    fake_mac.program(mac / "Library/Apple/usr/libexec/oah/libRosettaRuntime", b"")
    assert collect(m4(), mac)["rosetta"]["installed"] is True


def test_homebrew(mac: Path) -> None:
    assert collect(m4(), mac)["homebrew"] == []
    fake_mac.program(mac / "usr/local/bin/brew", b"#!/bin/bash\n")
    fake_mac.program(mac / "opt/homebrew/bin/brew", b"#!/bin/bash\n")
    assert collect(m4(), mac)["homebrew"] == [
        {"prefix": "/opt/homebrew", "architecture": "arm64"},
        {"prefix": "/usr/local", "architecture": "x86_64"},
    ]


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
    assert (facts["pythons"], facts["homebrew"], facts["rosetta"]["installed"]) == ([], [], False)
    assert facts["command_line_tools"] == {"present": False, "path": "/closed/Xcode", "broken": True}
    assert unknown(facts) == {"/dev/console": "Permission denied"}
    assert (facts["disk"][0]["free_bytes"] or 0) > 0


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


PROFILER_KEYS = st.sampled_from(
    [
        *("SPHardwareDataType", "SPDisplaysDataType", "chip_type", "cpu_type", "number_processors", "machine_model"),
        *("sppci_model", "sppci_cores", "_name", "spdisplays_metal", "spdisplays_metalfamily"),
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(PROFILER_KEYS, inner, max_size=4),
    max_leaves=12,
)
WORDS = st.sampled_from([*engine.SYSCTL_NAMES, "ProductVersion", "BuildVersion", "\n+-o x", '"model"', "MemTotal"])
LINES = st.lists(st.tuples(WORDS, st.sampled_from([": ", ":\t\t", " = ", "="]), st.integers().map(str) | st.text()))
TEXTS = (
    st.text()
    | st.binary().map(lambda content: content.decode(errors="replace"))
    | LINES.map(lambda lines: "\n".join(map("".join, lines)))
    | JSON.map(json.dumps)
)


@given(answers=st.fixed_dictionaries({Path(path).name: TEXTS for path in HARMLESS}), kernel=st.text())
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_whatever_the_sources_say_the_facts_keep_their_form(mac: Path, answers: dict[str, Answer], kernel: str) -> None:
    facts = collect(m4(answers), mac, kernel=Kernel("Darwin", "24", kernel, "arm64"))
    engine.unmet_requirement(facts)


@given(stdout=TEXTS, stderr=TEXTS)
def test_any_text_from_sysctl(stdout: str, stderr: str) -> None:
    sysctl = engine.parse_sysctl(stdout, stderr)
    assert all(name in stdout and value in stdout for name, value in sysctl.values.items())
    assert all(f"unknown oid '{name}'" in stderr for name in sysctl.unknown_names)


@given(st.dictionaries(st.sampled_from(engine.SYSCTL_NAMES), st.integers(min_value=0).map(str), min_size=1))
def test_sysctl_lines_are_read_back(values: dict[str, str]) -> None:
    assert engine.parse_sysctl("".join(f"{name}: {value}\n" for name, value in values.items())).values == values


@given(TEXTS)
def test_any_text_from_sw_vers(text: str) -> None:
    macos = engine.parse_sw_vers(text)
    assert all(value is None or value in text for value in (macos["version"], macos["extra"], macos["build"]))


@given(TEXTS)
def test_any_text_from_ioreg(text: str) -> None:
    assert len(engine.parse_ioreg(text)) == sum(line.startswith("+-o ") for line in text.split("\n"))


@given(JSON)
def test_any_json_from_the_profiler(answer: object) -> None:
    profile = engine.parse_profile(json.dumps(answer))
    assert (profile is None) == (not isinstance(answer, dict))


@given(TEXTS)
def test_any_text_from_the_profiler(text: str) -> None:
    profile = engine.parse_profile(text)
    assert profile is None or isinstance(profile, engine.Profile)


def test_json_that_is_too_deep() -> None:
    assert engine.parse_profile("[" * 100_000) is None


@given(st.text())
def test_any_chip_name(name: str) -> None:
    assert engine.parse_chip_name(name)["name"] == name
    assert engine.metal_text(name) == name or name.startswith(("spdisplays_", "metal", "mtl"))


@given(TEXTS)
def test_any_text_from_proc(text: str) -> None:
    name = engine.linux_chip_name(text)
    assert name is None or name in text
    assert engine.linux_is_virtual(text) in (None, True, False)
    assert (engine.linux_memory(text) or 0) % 1024 == 0
