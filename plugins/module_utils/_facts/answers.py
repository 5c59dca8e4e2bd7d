# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""What the programs of a Mac say, and the files of Linux, made into facts: pure functions that take any text.

None stands for what a text does not tell; none of them raises an error.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._json import parse_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ansible_collections.metalfleet.tensorflow.plugins.module_utils._facts.types import (
        Chip,
        CoreLevel,
        Gpu,
        MacOS,
        VirtualMachine,
    )


class Kernel(NamedTuple):
    """What uname(2) says. `version` names the kernel's own architecture, in a translated process too."""

    system: str
    release: str
    version: str
    machine: str


# sysctl

_LEVELS = range(4)  # two or three kinds of cores are known; asking for one more costs nothing
SYSCTL_NAMES = (
    "hw.optional.arm64",
    "sysctl.proc_translated",
    "machdep.cpu.brand_string",
    "hw.cpufamily",
    "hw.cpusubfamily",
    "hw.physicalcpu",
    "machdep.cpu.core_count",
    "hw.ncpu",
    "hw.memsize",
    "hw.model",
    "kern.hv_vmm_present",
    "kern.osproductversion",
    "kern.osversion",
    *(f"hw.perflevel{level}.{what}" for level in _LEVELS for what in ("name", "physicalcpu")),
)

_SYSCTL_LINE = re.compile(r"([a-z]\w*(?:\.\w+)+): (.*)", re.ASCII)
_UNKNOWN_OID = re.compile(r"unknown oid '([^']+)'")

# Apple's <mach/machine.h>: CPUFAMILY_ARM_FIRESTORM_ICESTORM with the subfamilies HG and HS. The first macOS 11 called
# the chip of the only Macs that it ran on "Apple processor".
_PLACEHOLDER = "Apple processor"
_FIRST_CHIPS = {(0x1B588BB3, 2): "Apple M1", (0x1B588BB3, 4): "Apple M1 Pro"}
_CHIP_NAME = re.compile(r"Apple ([A-Z])(\d{1,3})(?!\d)(.*)", re.ASCII)
_TIERS = {"": "base", "Pro": "pro", "Max": "max", "Ultra": "ultra"}
_LAST_GENERATION_WITHOUT_LEVEL_NAMES = 4


class Sysctl(NamedTuple):
    """The values that sysctl gave, and the names that this macOS does not know. A name may be neither: no value."""

    values: Mapping[str, str]
    unknown_names: frozenset[str]

    @property
    def told(self) -> bool:
        """Whether sysctl did its work at all."""
        return bool(self.values or self.unknown_names)

    def why_missing(self, name: str) -> str:
        """The reason that no fact came from this name."""
        if name in self.values:
            return f"not usable: {self.values[name]!r}"
        return "unknown to this macOS" if name in self.unknown_names else "no value"


def parse_sysctl(stdout: str, stderr: str = "") -> Sysctl:
    """The lines of `sysctl name...`."""
    matches = filter(None, map(_SYSCTL_LINE.fullmatch, stdout.splitlines()))
    values = {match.group(1): match.group(2).strip() for match in matches}
    return Sysctl({name: value for name, value in values.items() if value}, frozenset(_UNKNOWN_OID.findall(stderr)))


def number(text: str | None) -> int | None:
    """A positive decimal number; anything else is None."""
    return int(text) if text is not None and re.fullmatch(r"0*[1-9]\d{0,18}", text, re.ASCII) else None


def has_apple_silicon(sysctl: Sysctl, kernel: Kernel) -> bool | None:
    """Never from the process's architecture alone: under Rosetta a process and uname(1) say x86_64."""
    if sysctl.values.get("hw.optional.arm64") == "1" or "RELEASE_ARM64" in kernel.version:
        return True
    if sysctl.values.get("hw.optional.arm64") == "0" or "hw.optional.arm64" in sysctl.unknown_names:
        return False
    if "RELEASE_X86_64" in kernel.version:
        return False
    return True if kernel.machine == "arm64" else None


def is_translated(sysctl: Sysctl, kernel: Kernel, *, apple_silicon: bool | None) -> bool | None:
    """Whether this process runs under Rosetta. Macs without Rosetta do not know the name."""
    if "sysctl.proc_translated" in sysctl.values:
        return sysctl.values["sysctl.proc_translated"] == "1"
    return None if apple_silicon is None else apple_silicon and kernel.machine == "x86_64"


def describe_chip(sysctl: Sysctl, name_in_profile: str | None = None) -> Chip:
    """The chip by its own name; where that is a placeholder or missing, by its family."""
    name = sysctl.values.get("machdep.cpu.brand_string") or name_in_profile
    family = re.fullmatch(r"-?\d{1,19}", sysctl.values.get("hw.cpufamily", ""), re.ASCII)
    subfamily = number(sysctl.values.get("hw.cpusubfamily"))
    # Some macOS print the family as a signed number.
    first_chip = _FIRST_CHIPS.get((int(family.group()) & 0xFFFFFFFF, subfamily or 0)) if family else None
    if first_chip is None:
        return parse_chip_name(name)
    if name == _PLACEHOLDER:
        return parse_chip_name(first_chip)
    return {**parse_chip_name(first_chip if name is None else name), "name": name}


def parse_chip_name(name: str | None) -> Chip:
    """Take apart names such as "Apple M4 Pro", "Apple A18 Pro", "Apple M1 (Virtual)"; others are kept as they are."""
    match = _CHIP_NAME.fullmatch(name or "")
    if not match:
        return {"name": name, "family": None, "generation": None, "tier": None}
    tier = _TIERS.get(match.group(3).replace("(Virtual)", "").strip())
    return {"name": name, "family": match.group(1), "generation": int(match.group(2)), "tier": tier}


def core_levels(sysctl: Sysctl, chip: Chip) -> list[CoreLevel] | None:
    """The kinds of cores, the fastest first, by their own names. None if the system does not tell (macOS 11)."""
    levels: list[CoreLevel] = []
    for level in _LEVELS:
        count = number(sysctl.values.get(f"hw.perflevel{level}.physicalcpu"))
        if count is not None:
            levels.append({"name": sysctl.values.get(f"hw.perflevel{level}.name"), "count": count})
    if len(levels) == 2 and not any(level["name"] for level in levels) and _names_are_known(chip):
        return _two_levels(levels[0]["count"], levels[1]["count"])
    return levels or None


def _names_are_known(chip: Chip) -> bool:
    """A macOS that does not name the levels runs on no chip that has other ones than these two."""
    return chip["family"] == "M" and (chip["generation"] or 0) in range(1, _LAST_GENERATION_WITHOUT_LEVEL_NAMES + 1)


def _two_levels(performance: int, efficiency: int) -> list[CoreLevel]:
    return [{"name": "Performance", "count": performance}, {"name": "Efficiency", "count": efficiency}]


def core_count(sysctl: Sysctl, levels: Iterable[CoreLevel] | None, *, apple_silicon: bool) -> int | None:
    """Physical cores. hw.ncpu counts threads: on Apple Silicon that is the same."""
    names = ("hw.physicalcpu", "machdep.cpu.core_count", *(("hw.ncpu",) if apple_silicon else ()))
    counts = (number(sysctl.values.get(name)) for name in names)
    return next(filter(None, counts), None) or sum(level["count"] for level in levels or ()) or None


_VIRTUAL_MODELS = {"VirtualMac": "apple", "VMware": "vmware", "Parallels": "parallels"}


def describe_virtual_machine(sysctl: Sysctl, kernel: Kernel) -> VirtualMachine:
    """By what the hypervisor calls the machine, the kernel built for Apple's, and the kernel's own knowledge."""
    model = sysctl.values.get("hw.model", "")
    kind = next((kind for start, kind in _VIRTUAL_MODELS.items() if model.startswith(start)), None)
    if "VMAPPLE" in kernel.version or "(Virtual)" in sysctl.values.get("machdep.cpu.brand_string", ""):
        kind = "apple"
    hypervisor = sysctl.values.get("kern.hv_vmm_present")
    if kind is not None or hypervisor == "1":
        return {"is_virtual": True, "kind": kind}
    return {"is_virtual": False if hypervisor == "0" or "RELEASE_ARM64_T" in kernel.version else None, "kind": None}


# sw_vers

_MACOS_VERSION = re.compile(r"\d+(\.\d+)*", re.ASCII)
_MACOS_BUILD = re.compile(r"\w+", re.ASCII)


def parse_sw_vers(text: str) -> MacOS:
    """The lines of `sw_vers`: a name, a colon, one tab or two, a value."""
    fields = {name.strip(): value.strip() for name, colon, value in (line.partition(":") for line in text.splitlines())}
    return {
        "version": _matching(_MACOS_VERSION, fields.get("ProductVersion")),
        "extra": fields.get("ProductVersionExtra") or None,
        "build": _matching(_MACOS_BUILD, fields.get("BuildVersion")),
        "darwin": None,
    }


def describe_macos(told: MacOS, sysctl: Sysctl, kernel: Kernel) -> MacOS:
    """What sw_vers told, and where it did not, the kernel; only sw_vers knows of rapid security responses."""
    return {
        "version": told["version"] or _matching(_MACOS_VERSION, sysctl.values.get("kern.osproductversion")),
        "extra": told["extra"],
        "build": told["build"] or _matching(_MACOS_BUILD, sysctl.values.get("kern.osversion")),
        "darwin": kernel.release,
    }


def _matching(pattern: re.Pattern[str], text: str | None) -> str | None:
    return text if text is not None and pattern.fullmatch(text) else None


# ioreg and system_profiler


class GraphicsProcessor(NamedTuple):
    """One GPU as ioreg or system_profiler lists it."""

    model: str | None
    cores: int | None
    metal: str | None = None


class Profile(NamedTuple):
    """What is used of system_profiler's answer. `gpus` is None if it did not say, [] if it found none.

    `memory` is in bytes, as exact as a number of gigabytes is.
    """

    chip: str | None = None
    model: str | None = None
    levels: list[CoreLevel] | None = None
    cores: int | None = None
    memory: int | None = None
    gpus: list[GraphicsProcessor] | None = None


def parse_ioreg(text: str) -> list[GraphicsProcessor]:
    """The accelerators in `ioreg -rc AGXAccelerator -d 1`, each a heading "+-o ..." and its properties."""
    entries = re.split(r"^\+-o ", text, flags=re.MULTILINE)[1:]
    return [
        GraphicsProcessor(_property(entry, "model"), number(_property(entry, "gpu-core-count"))) for entry in entries
    ]


def _property(entry: str, name: str) -> str | None:
    """A property of its own line, that is not one inside another property's dictionary."""
    match = re.search(rf'^[ |]*"{name}" = <?"?([^"<>\n]+)', entry, re.MULTILINE)
    return match.group(1).strip() or None if match else None


def parse_profile(text: str) -> Profile | None:
    """`system_profiler -json SPHardwareDataType SPDisplaysDataType`; None if the text is not a JSON object."""
    try:
        answer = parse_json(text)
    except ValueError:
        return None
    if not isinstance(answer, dict):
        return None
    hardware = next(iter(_items(answer, "SPHardwareDataType")), {})
    gpus = [_graphics_processor(item) for item in _items(answer, "SPDisplaysDataType")]
    return Profile(
        chip=_text(hardware, "chip_type") or _text(hardware, "cpu_type", unless="Unknown"),
        model=_text(hardware, "machine_model"),
        levels=_levels_in_profile(_text(hardware, "number_processors")),
        cores=_cores_in_profile(hardware.get("number_processors")),
        memory=_memory_in_profile(_text(hardware, "physical_memory")),
        gpus=gpus if "SPDisplaysDataType" in answer else None,
    )


def _items(answer: Mapping[str, Any], data_type: str) -> list[dict[str, Any]]:
    items = answer.get(data_type)
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def _text(item: Mapping[str, Any], key: str, *, unless: str = "") -> str | None:
    value = item.get(key)
    return value if isinstance(value, str) and value not in ("", unless) else None


def _levels_in_profile(processors: str | None) -> list[CoreLevel] | None:
    """Only "proc 8:4:4" has one meaning: total, performance, efficiency. The forms with four numbers have two."""
    match = re.fullmatch(r"proc (\d{1,4}):(\d{1,4}):(\d{1,4})", processors or "", re.ASCII)
    total, performance, efficiency = map(int, match.groups()) if match else (0, 0, 0)
    return _two_levels(performance, efficiency) if 0 < total == performance + efficiency else None


def _cores_in_profile(processors: object) -> int | None:
    """All forms, "proc 10:4:6:0" too, begin with the total; of an Intel processor and a virtual machine it is all."""
    return number(re.sub(r"^proc (\d+)(:\d+)+$", r"\1", str(processors)))


def _memory_in_profile(memory: str | None) -> int | None:
    """Of "16 GB" and the like: binary units, whatever they are called."""
    match = re.fullmatch(r"(\d{1,5}) ([MGT])B", memory or "", re.ASCII)
    return int(match.group(1)) << {"M": 20, "G": 30, "T": 40}[match.group(2)] or None if match else None


def _graphics_processor(item: Mapping[str, Any]) -> GraphicsProcessor:
    """The key of the Metal family has changed twice."""
    keys = ("spdisplays_mtlgpufamilysupport", "spdisplays_metalfamily", "spdisplays_metal")
    metal = next((value for value in (_text(item, key) for key in keys) if value), None)
    return GraphicsProcessor(
        model=_text(item, "sppci_model") or _text(item, "_name"),
        cores=number(_text(item, "sppci_cores")),
        metal=metal_text(metal) if metal else None,
    )


_METAL_TEXTS = (
    (r"metal(\d+)", r"Metal \1"),  # macOS 13 and later
    (r"mtlgpufamilyapple(\d+)", r"Metal GPUFamily Apple \1"),  # macOS 11 and 12
    (r"mtlgpufamilymac(\d+)", r"Metal GPUFamily macOS \1"),
    (r"metalfeaturesetfamily(\d)(\d)", r"macOS GPUFamily\1 v\2"),  # macOS 10
)


def metal_text(key: str) -> str:
    """What macOS shows for a Metal family's key, such as "Metal 3"; an unknown key without its prefix."""
    key = key.removeprefix("spdisplays_")
    for pattern, text in _METAL_TEXTS:
        match = re.fullmatch(pattern, key, re.ASCII)
        if match:
            return match.expand(text)
    return key


def describe_gpu(
    accelerators: Sequence[GraphicsProcessor] | None,
    listed: Sequence[GraphicsProcessor] | None,
    *,
    is_virtual: bool | None,
) -> Gpu:
    """From ioreg's Apple accelerators and system_profiler's list, each None if it was not asked or failed."""
    first = next(iter(accelerators or ()), GraphicsProcessor(None, None))
    shown = next(iter(listed or ()), GraphicsProcessor(None, None))
    model = first.model or shown.model
    count = max(len(accelerators or ()), len(listed or ()))
    return {
        "model": model,
        "cores": first.cores or shown.cores,
        "metal": shown.metal,
        "paravirtual": _is_paravirtual(model, accelerators, is_virtual=is_virtual),
        "count": None if count == 0 and listed is None else count,
    }


def _is_paravirtual(
    model: str | None, accelerators: Sequence[GraphicsProcessor] | None, *, is_virtual: bool | None
) -> bool | None:
    """A virtual machine on Apple Silicon has no accelerator of its own, whether its display shows one or not."""
    if model is not None and "Paravirtual" in model:
        return True
    if accelerators is not None and is_virtual:
        return not accelerators
    return False if accelerators or is_virtual is False else None


# Linux


# The device tree of a Mac with Apple Silicon is called "Apple Mac mini (M1, 2020)", "Apple Mac Studio (M1 Ultra, 2022)"
# and so on: arch/arm64/boot/dts/apple in Linux.
_APPLE_MODEL = re.compile(r"Apple .*\b(M\d{1,2}(?: Pro| Max| Ultra)?), \d{4}\)", re.ASCII)
_VIRTUAL_PRODUCTS = {"Apple Virtualization": "apple", "VMware": "vmware", "Parallels": "parallels"}


def describe_linux_chip(cpuinfo: str, model: str | None) -> Chip:
    """By the "model name" in /proc/cpuinfo, which no ARM processor has; of a Mac by its device tree."""
    match = re.search(r"^model name\s*:\s*(\S.*)$", cpuinfo, re.MULTILINE)
    apple = _APPLE_MODEL.match(model or "")
    return parse_chip_name(match.group(1).strip() if match else f"Apple {apple.group(1)}" if apple else None)


def describe_linux_virtual_machine(cpuinfo: str, model: str | None) -> VirtualMachine:
    """By the model's name, and by the flag that a hypervisor shows its guests; no ARM processor has such flags."""
    model = model or ""
    kind = next((kind for start, kind in _VIRTUAL_PRODUCTS.items() if model.startswith(start)), None)
    if kind or re.search(r"(?i)virt|\bKVM\b|\bQEMU\b", model):
        return {"is_virtual": True, "kind": kind}
    flags = re.search(r"^flags\s*:(.*)$", cpuinfo, re.MULTILINE)
    if flags:
        return {"is_virtual": "hypervisor" in flags.group(1).split(), "kind": None}
    return {"is_virtual": False if _APPLE_MODEL.match(model) else None, "kind": None}


def linux_memory(meminfo: str) -> int | None:
    """MemTotal of /proc/meminfo, in bytes."""
    match = re.search(r"^MemTotal:\s+(\d{1,15}) kB$", meminfo, re.MULTILINE | re.ASCII)
    return int(match.group(1)) * 1024 if match else None
