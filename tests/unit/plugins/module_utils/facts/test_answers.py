# SPDX-License-Identifier: GPL-3.0-or-later
"""What programs say, made into facts: answers of known forms, and any text."""

from __future__ import annotations

import json

import pytest
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._facts import answers
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._facts.answers import Kernel, Sysctl
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._facts.types import VirtualMachine
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.plugins.module_utils.facts.any_text import JSON, TEXTS


def values(**named: object) -> Sysctl:
    """Sysctl values by names with "__" for "."."""
    return Sysctl({name.replace("__", "."): str(value) for name, value in named.items()}, frozenset())


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
        (values(hw__optional__arm64="many"), Kernel("Darwin", "20", "", "x86_64"), None),
    ],
)
def test_apple_silicon_is_not_told_by_the_process(sysctl: Sysctl, kernel: Kernel, expected: bool | None) -> None:
    assert answers.has_apple_silicon(sysctl, kernel) is expected


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
    assert answers.is_translated(sysctl, Kernel("Darwin", "20", "", machine), apple_silicon=apple) is expected


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
        (values(hw__model="iMac20,1"), "", {"is_virtual": None, "kind": None}),
        (values(), "RELEASE_ARM64_T6000", {"is_virtual": False, "kind": None}),
        (values(), "", {"is_virtual": None, "kind": None}),
    ],
)
def test_virtual_machines(sysctl: Sysctl, version: str, expected: VirtualMachine) -> None:
    assert answers.describe_virtual_machine(sysctl, Kernel("Darwin", "20", version, "arm64")) == expected


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
    assert answers.parse_chip_name(name) == {"name": name, "family": family, "generation": generation, "tier": tier}


def test_a_placeholder_stays_where_the_family_is_not_known() -> None:
    sysctl = values(machdep__cpu__brand_string="Apple processor", hw__cpufamily=-634136515, hw__cpusubfamily=2)
    assert answers.describe_chip(sysctl)["name"] == "Apple processor"


def test_a_name_is_believed_before_the_family() -> None:
    sysctl = values(machdep__cpu__brand_string="Apple M1 (Virtual)", hw__cpufamily=458787763, hw__cpusubfamily=4)
    assert answers.describe_chip(sysctl) == {
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
    found = answers.core_levels(Sysctl(dict(reversed(sysctl.items())), frozenset()), answers.parse_chip_name(chip))
    assert found == [{"name": name, "count": count} for name, (_, count) in zip(expected, levels, strict=True)]


def test_hyperthreads_are_not_cores() -> None:
    assert answers.core_count(values(hw__ncpu=8), None, apple_silicon=False) is None
    assert answers.core_count(values(hw__ncpu=8), None, apple_silicon=True) == 8


def test_sysctl_text_with_errors_in_between() -> None:
    text = """\
hw.model: Mac14,9
sysctl: unknown oid 'hw.x'
vm.swapusage: total = 5,00M  used: 4,25M
hw.empty:\x20
hw.memsize 1
"""
    errors = "sysctl: unknown oid 'hw.x'\nsysctl: unknown oid 'hw.y'\n"
    assert answers.parse_sysctl(text, errors) == (
        {"hw.model": "Mac14,9", "vm.swapusage": "total = 5,00M  used: 4,25M"},
        frozenset({"hw.x", "hw.y"}),
    )


@pytest.mark.parametrize("text", [None, "", "0", "-8", "8,5", "8 ", "\N{ARABIC-INDIC DIGIT EIGHT}", "9" * 5000])
def test_what_is_no_number(text: str | None) -> None:
    assert answers.number(text) is None


@given(st.integers(min_value=1, max_value=1 << 60))
def test_numbers(number: int) -> None:
    assert answers.number(str(number)) == number


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
    assert answers.metal_text(key) == text


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
    assert answers.parse_ioreg(text) == [("Apple M1", 7, None), (None, None, None)]


@pytest.mark.parametrize(
    ("processors", "counts"),
    [("proc 8:4:4", (4, 4)), ("proc 10:4:6:0", None), ("proc 10:0:4:6", None), ("proc 8:4:5", None), (8, None)],
)
def test_levels_from_the_profiler_only_where_they_have_one_meaning(
    processors: object, counts: tuple[int, int] | None
) -> None:
    profile = answers.parse_profile(json.dumps({"SPHardwareDataType": [{"number_processors": processors}]}))
    assert profile is not None
    assert profile.levels == (
        counts and [{"name": "Performance", "count": counts[0]}, {"name": "Efficiency", "count": counts[1]}]
    )


@given(stdout=TEXTS, stderr=TEXTS)
def test_any_text_from_sysctl(stdout: str, stderr: str) -> None:
    sysctl = answers.parse_sysctl(stdout, stderr)
    assert all(name in stdout and value in stdout for name, value in sysctl.values.items())
    assert all(f"unknown oid '{name}'" in stderr for name in sysctl.unknown_names)


@given(st.dictionaries(st.sampled_from(answers.SYSCTL_NAMES), st.integers(min_value=0).map(str), min_size=1))
def test_sysctl_lines_are_read_back(values: dict[str, str]) -> None:
    assert answers.parse_sysctl("".join(f"{name}: {value}\n" for name, value in values.items())).values == values


@given(TEXTS)
def test_any_text_from_sw_vers(text: str) -> None:
    macos = answers.parse_sw_vers(text)
    assert all(value is None or value in text for value in (macos["version"], macos["extra"], macos["build"]))


@given(TEXTS)
def test_any_text_from_ioreg(text: str) -> None:
    assert len(answers.parse_ioreg(text)) == sum(line.startswith("+-o ") for line in text.split("\n"))


@given(JSON)
def test_any_json_from_the_profiler(answer: object) -> None:
    profile = answers.parse_profile(json.dumps(answer))
    assert (profile is None) == (not isinstance(answer, dict))


@given(TEXTS)
def test_any_text_from_the_profiler(text: str) -> None:
    profile = answers.parse_profile(text)
    assert profile is None or isinstance(profile, answers.Profile)


def test_json_that_is_too_deep() -> None:
    assert answers.parse_profile("[" * 100_000) is None


@given(st.text())
def test_any_chip_name(name: str) -> None:
    assert answers.parse_chip_name(name)["name"] == name
    assert answers.metal_text(name) == name or name.startswith(("spdisplays_", "metal", "mtl"))


@pytest.mark.parametrize(
    ("hardware", "cores", "memory"),
    [
        ({"number_processors": "proc 8:4:4", "physical_memory": "16 GB"}, 8, 16 << 30),
        ({"number_processors": "proc 10:4:6:0", "physical_memory": "512 GB"}, 10, 512 << 30),
        ({"number_processors": "proc 10:0:4:6", "physical_memory": "1 TB"}, 10, 1 << 40),
        ({"number_processors": 6, "physical_memory": "1536 MB"}, 6, 1536 << 20),
        ({"number_processors": True, "physical_memory": 16}, None, None),
        ({"number_processors": "many", "physical_memory": "a lot"}, None, None),
        ({"number_processors": "proc 0:0:0", "physical_memory": "0 GB"}, None, None),
        ({}, None, None),
    ],
)
def test_cores_and_memory_in_a_profile(hardware: dict[str, object], cores: int | None, memory: int | None) -> None:
    profile = answers.parse_profile(json.dumps({"SPHardwareDataType": [hardware]}))
    assert profile is not None
    assert (profile.cores, profile.memory) == (cores, memory)


ARM_CPUINFO = "processor\t: 0\nCPU implementer\t: 0x61\nFeatures\t: fp asimd\n"


@pytest.mark.parametrize(
    ("model", "chip", "virtual"),
    [
        ("Apple Mac mini (M1, 2020)", ("Apple M1", 1, "base"), (False, None)),
        ("Apple MacBook Pro (14-inch, M1 Pro, 2021)", ("Apple M1 Pro", 1, "pro"), (False, None)),
        ("Apple iMac (24-inch, 2x USB-C, M1, 2021)", ("Apple M1", 1, "base"), (False, None)),
        ("Apple Mac Pro (M2 Ultra, 2023)", ("Apple M2 Ultra", 2, "ultra"), (False, None)),
        ("Apple Virtualization Generic Platform", (None, None, None), (True, "apple")),
        ("VMware20,1", (None, None, None), (True, "vmware")),
        ("Parallels ARM Virtual Machine", (None, None, None), (True, "parallels")),
        ("QEMU Virtual Machine", (None, None, None), (True, None)),
        ("linux,dummy-virt", (None, None, None), (True, None)),
        ("Raspberry Pi 4 Model B Rev 1.4", (None, None, None), (None, None)),
        (None, (None, None, None), (None, None)),
    ],
)
def test_linux_on_arm(
    model: str | None, chip: tuple[str | None, int | None, str | None], virtual: tuple[bool | None, str | None]
) -> None:
    described = answers.describe_linux_chip(ARM_CPUINFO, model)
    assert (described["name"], described["generation"], described["tier"]) == chip
    machine = answers.describe_linux_virtual_machine(ARM_CPUINFO, model)
    assert (machine["is_virtual"], machine["kind"]) == virtual


@given(TEXTS, st.none() | st.text())
def test_any_text_from_proc(text: str, model: str | None) -> None:
    name = answers.describe_linux_chip(text, model)["name"]
    assert name is None or name in text or name.removeprefix("Apple ") in (model or "")
    assert answers.describe_linux_virtual_machine(text, model)["is_virtual"] in (None, True, False)
    assert (answers.linux_memory(text) or 0) % 1024 == 0
