# SPDX-License-Identifier: GPL-3.0-or-later
"""What a simulated Mac is: a small data file, and the answers of a Mac's programs rendered from its values.

A profile (profiles/NAME.yml) states values: chip, cores, memory, macOS, what is installed. ``Profile.load`` reads and
checks one; ``Profile.rendered`` turns it into the answers that inside/mac_programs.py and inside/shim.c look up. How
answers differ between macOS versions is known from public recordings of real Macs; an answer that a recording gives
word for word can be put into the profile under ``answers``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "profiles"
BOOT_TIME = 1725357600  # Tue Sep  3 10:00:00 2024
SERIAL_NUMBER = "ZZSIMULATED"
HARDWARE_UUID = "00000000-0000-4000-8000-000000000000"

Sysctl = dict[str, "str | None"]


class ProfileError(Exception):
    """A profile that cannot be used; the message names it and says why."""


@dataclass(frozen=True)
class Macos:
    """The system: version, build and Darwin release, each as ``sw_vers`` and ``uname -r`` say it.

    ``extra`` is the "(a)" of a rapid security response, ``kernel`` the whole ``uname -v``.
    """

    version: str
    build: str
    darwin: str
    kernel: str
    extra: str = ""

    @property
    def major(self) -> int:
        """14 of 14.6.1."""
        return int(self.version.split(".")[0])


@dataclass(frozen=True)
class Profile:
    """A Mac, by its values. Cores are counted per level, the fastest first, by the level's own name."""

    description: str
    model: str
    model_name: str
    chip: str
    cores: Mapping[str, int]
    memory_gb: int
    macos: Macos
    gpu_cores: int | None = None
    arch: str = "arm64"
    user: str = "admin"
    virtual_machine: bool = False
    rosetta: bool = False
    command_line_tools: str = ""  # their version; empty: not installed
    homebrew: Mapping[str, list[str]] = field(default_factory=dict)  # prefix: formulae ("python" is all there is)
    python_org: bool = False
    sysctl: Sysctl = field(default_factory=dict)  # more names, or other values; null: known, but without a value
    answers: Mapping[str, Any] = field(default_factory=dict)  # "sw_vers -buildVersion": text, or stdout, stderr, rc

    @classmethod
    def load(cls, name: str) -> Profile:
        """The profile of that name. Raises ``ProfileError`` for one that does not exist or has a wrong key."""
        import yaml  # here, because whoever only asks which hosts are up may have no PyYAML

        path = FOLDER / f"{name}.yml"
        if not path.is_file():
            known = ", ".join(sorted(profile.stem for profile in FOLDER.glob("*.yml")))
            raise ProfileError(f"no profile {name}; there are: {known}")
        values: dict[str, Any] = yaml.safe_load(path.read_text())
        try:
            return cls(**{**values, "macos": Macos(**values.get("macos", {}))})
        except TypeError as error:
            allowed = ", ".join(value.name for value in fields(cls))
            raise ProfileError(f"{path.name}: {error}; a profile has: {allowed}") from error

    @property
    def is_apple_silicon(self) -> bool:
        """Whether the machine is arm64."""
        return self.arch == "arm64"

    @property
    def core_count(self) -> int:
        """All cores."""
        return sum(self.cores.values())

    def rendered(self) -> dict[str, Any]:
        """Everything that the programs inside look up, as data that JSON can hold."""
        return {
            "arch": self.arch,
            "macos": asdict(self.macos),
            "kernel": self.macos.kernel,
            "boot_time": BOOT_TIME,
            "sysctl": sysctl_values(self),
            "system_profiler": {arch: reports(self, translated=arch != self.arch) for arch in ("arm64", "x86_64")},
            "ioreg": registry(self),
            "answers": verbatim({**DEFAULT_ANSWERS, **self.answers}),
        }

    def uname_lines(self) -> str:
        """System, release and version, for uname(2); the date is left out, for Linux gives the field 64 characters."""
        version = re.sub(r": \w{3} \w{3} .*?;", ":", self.macos.kernel)
        return f"Darwin\n{self.macos.darwin}\n{version}\n"

    def sysctl_listing(self) -> str:
        """``NAME: VALUE`` lines, for sysctlbyname(3)."""
        return "".join(f"{key}: {value}\n" for key, value in sysctl_values(self).items() if value is not None)


def verbatim(answers: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Answers in the one form that the programs know."""
    empty = {"stdout": "", "stderr": "", "rc": 0}
    return {call: {**empty, **({"stdout": said} if isinstance(said, str) else said)} for call, said in answers.items()}


# ---------------------------------------------------------------------------------------------------------- sysctl


def sysctl_values(profile: Profile) -> Sysctl:
    """The names that tell what the machine is. None: known to this Mac, but without a value."""
    macos, cores = profile.macos, profile.core_count
    values: Sysctl = {
        "kern.ostype": "Darwin",
        "kern.osrelease": macos.darwin,
        "kern.osrevision": "199506",
        "kern.version": macos.kernel,
        "kern.osversion": macos.build,
        "kern.osproductversion": macos.version,
        "kern.boottime": f"{{ sec = {BOOT_TIME}, usec = 0 }} Tue Sep  3 10:00:00 2024",
        "kern.hv_vmm_present": "1" if profile.virtual_machine else "0",
        "hw.ncpu": f"{cores}",
        "hw.byteorder": "1234",
        "hw.memsize": f"{profile.memory_gb << 30}",
        "hw.activecpu": f"{cores}",
        "hw.physicalcpu": f"{cores}",
        "hw.physicalcpu_max": f"{cores}",
        "hw.logicalcpu": f"{cores}",
        "hw.logicalcpu_max": f"{cores}",
        "hw.model": profile.model,
        "hw.packages": "1",
        "machdep.cpu.cores_per_package": f"{cores}",
        "machdep.cpu.core_count": f"{cores}",
        "machdep.cpu.logical_per_package": f"{cores}",
        "machdep.cpu.thread_count": f"{cores}",
        "machdep.cpu.brand_string": profile.chip,
    }
    values |= apple_silicon_values(profile) if profile.is_apple_silicon else INTEL_VALUES
    return {**values, **{key: None if value is None else f"{value}" for key, value in profile.sysctl.items()}}


def apple_silicon_values(profile: Profile) -> Sysctl:
    """What only Apple Silicon has. Levels of cores appeared with macOS 12, their names with macOS 15."""
    values: Sysctl = {
        "hw.optional.arm64": "1",
        "hw.optional.neon": "1",
        "hw.pagesize": "16384",
        "hw.cachelinesize": "128",
        "hw.cputype": "16777228",
        "hw.cpusubtype": "2",
        "hw.cpu64bit_capable": "1",
        "hw.tbfrequency": "24000000",
        "hw.cpufrequency": None,
        "sysctl.proc_translated": "0",
    }
    if profile.macos.major < 12:
        return values
    values["hw.nperflevels"] = f"{len(profile.cores)}"
    for level, (name, count) in enumerate(profile.cores.items()):
        for key in ("physicalcpu", "physicalcpu_max", "logicalcpu", "logicalcpu_max"):
            values[f"hw.perflevel{level}.{key}"] = f"{count}"
        if profile.macos.major >= 15:
            values[f"hw.perflevel{level}.name"] = name
    if len(profile.cores) == 1:
        values["hw.perflevel1.physicalcpu"] = values["hw.perflevel1.logicalcpu"] = None
    return values


INTEL_VALUES: Sysctl = {
    "hw.pagesize": "4096",
    "hw.cachelinesize": "64",
    "hw.cputype": "7",
    "hw.cpusubtype": "8",
    "hw.cpu64bit_capable": "1",
    "hw.optional.x86_64": "1",
    "hw.optional.avx2_0": "1",
    "machdep.cpu.vendor": "GenuineIntel",
    "machdep.cpu.family": "6",
}

# ------------------------------------------------------------------------------------------------- system_profiler

Report = dict[str, Any]  # "text" and "json", as system_profiler gives one data type


def reports(profile: Profile, *, translated: bool) -> dict[str, Report]:
    """The data types that system_profiler answers; ``translated``: as its x86_64 half does, under Rosetta."""
    return {
        "SPHardwareDataType": hardware(profile, translated=translated),
        "SPDisplaysDataType": displays(profile),
    }


def hardware(profile: Profile, *, translated: bool) -> Report:
    """The overview. Intel's form has a clock and no split of the cores; so has a translated one, without the chip."""
    plain = translated or not profile.is_apple_silicon
    chip = {"cpu_type": "Unknown" if translated else intel_name(profile), "current_processor_speed": "2,4 GHz"}
    counted = profile.core_count if plain or profile.virtual_machine else f"proc {core_split(profile)}"
    item: dict[str, Any] = {
        "_name": "hardware_overview",
        "machine_name": profile.model_name,
        "machine_model": profile.model,
        **({**chip, "packages": 1} if plain else {"chip_type": profile.chip}),
        "number_processors": counted,
        "physical_memory": f"{profile.memory_gb} GB",
        "serial_number": SERIAL_NUMBER,
        "platform_UUID": HARDWARE_UUID,
        "provisioning_UDID": "00000000-0000000000000000",
    }
    cores = f"{profile.core_count}" if isinstance(counted, int) else f"{profile.core_count} ({core_words(profile)})"
    lines = {
        "Model Name": profile.model_name,
        "Model Identifier": profile.model,
        **({"Processor Name": chip["cpu_type"]} if plain else {"Chip": profile.chip}),
        "Total Number of Cores": cores,
        "Memory": f"{profile.memory_gb} GB",
        "Serial Number (system)": SERIAL_NUMBER,
        "Hardware UUID": HARDWARE_UUID,
        "Provisioning UDID": "00000000-0000000000000000",
    }
    return {"json": [item], "text": "Hardware:\n\n    Hardware Overview:\n\n" + indented(lines)}


def intel_name(profile: Profile) -> str:
    """ "6-Core Intel Core i7", of "Intel(R) Core(TM) i7-9750H CPU @ 2.60GHz"."""
    family = re.search(r"i\d|Xeon", profile.chip)
    return f"{profile.core_count}-Core Intel Core {family[0] if family else ''}".strip()


def core_split(profile: Profile) -> str:
    """Total and counts per level. From macOS 26.3 the third kind has a field, from 27 in another order."""
    count = {"Super": 0, "Performance": 0, "Efficiency": 0, **profile.cores}
    version = tuple(int(part) for part in profile.macos.version.split("."))
    total, best = profile.core_count, count["Super"] or count["Performance"]
    if version >= (27,):
        return f"{total}:{count['Super']}:{count['Performance']}:{count['Efficiency']}"
    if version >= (26, 3):
        return f"{total}:{best}:{count['Efficiency']}:{count['Performance'] if count['Super'] else 0}"
    return f"{total}:{best}:{count['Efficiency']}"


def core_words(profile: Profile) -> str:
    """ "4 performance and 4 efficiency"; with capitals from macOS 26.5 on."""
    version = tuple(int(part) for part in profile.macos.version.split("."))
    words = " and ".join(f"{count} {name}" for name, count in profile.cores.items())
    return words if version >= (26, 5) else words.lower()


def displays(profile: Profile) -> Report:
    """The built-in GPU; without one (Intel's here, and virtual machines) an empty list."""
    if not profile.gpu_cores:
        return {"json": [], "text": "Graphics/Displays:\n\n"}
    key, value, label, text = metal_support(profile)
    item = {
        "_name": profile.chip,
        key: value,
        "spdisplays_vendor": "sppci_vendor_Apple",
        "sppci_bus": "spdisplays_builtin",
        "sppci_cores": f"{profile.gpu_cores}",
        "sppci_device_type": "spdisplays_gpu",
        "sppci_model": profile.chip,
    }
    lines = {
        "Chipset Model": profile.chip,
        "Type": "GPU",
        "Bus": "Built-In",
        "Total Number of Cores": f"{profile.gpu_cores}",
        "Vendor": "Apple (0x106b)",
        label: text,
    }
    return {"json": [item], "text": f"Graphics/Displays:\n\n    {profile.chip}:\n\n{indented(lines)}"}


def metal_support(profile: Profile) -> tuple[str, str, str, str]:
    """JSON key and value, text label and value of what says which Metal there is; renamed with macOS 13."""
    if profile.macos.major < 13:
        generation = re.search(r"M(\d)", profile.chip)
        family = 6 + int(generation[1] if generation else 1)
        return ("spdisplays_metalfamily", f"spdisplays_mtlgpufamilyapple{family}",
                "Metal Family", f"Supported, Metal GPUFamily Apple {family}")  # fmt: skip
    metal = 4 if profile.macos.major >= 26 else 3
    return "spdisplays_mtlgpufamilysupport", f"spdisplays_metal{metal}", "Metal Support", f"Metal {metal}"


def indented(lines: Mapping[str, str]) -> str:
    """A block of system_profiler's text."""
    return "".join(f"      {label}: {value}\n" for label, value in lines.items()) + "\n"


# ------------------------------------------------------------------------------------------------ ioreg and others


def registry(profile: Profile) -> list[dict[str, Any]]:
    """The entries of the I/O registry that ioreg can be asked for."""
    entries = [
        {
            "class": "IOPlatformExpertDevice",
            "ancestors": ["IOService"],
            "properties": {
                "model": profile.model,
                "IOPlatformSerialNumber": SERIAL_NUMBER,
                "IOPlatformUUID": HARDWARE_UUID,
            },
        }
    ]
    if profile.gpu_cores:
        name = "AGXAccelerator" + (re.sub(r"\D", "", profile.chip) or "")
        entries.append(
            {
                "class": name,
                "ancestors": ["AGXAccelerator", "IOAccelerator", "IOService"],
                "properties": {"IOClass": name, "model": profile.chip, "gpu-core-count": profile.gpu_cores},
            }
        )
    return entries


# What Ansible's own fact gathering asks of any Mac.
DEFAULT_ANSWERS: dict[str, Any] = {
    "vm_stat": (
        "Mach Virtual Memory Statistics: (page size of 16384 bytes)\n"
        "Pages free:                               64712.\n"
        "Pages active:                            196993.\n"
        "Pages inactive:                          194622.\n"
        "Pages speculative:                         1744.\n"
        "Pages throttled:                              0.\n"
        "Pages wired down:                         53323.\n"
    ),
    "ifconfig -a": (
        "lo0: flags=8049<UP,LOOPBACK,RUNNING,MULTICAST> mtu 16384\n"
        "\tinet 127.0.0.1 netmask 0xff000000\n"
        "\tinet6 ::1 prefixlen 128\n"
        "en0: flags=8863<UP,BROADCAST,SMART,RUNNING,SIMPLEX,MULTICAST> mtu 1500\n"
        "\tether 02:00:00:00:00:01\n"
        "\tinet 192.0.2.20 netmask 0xffffff00 broadcast 192.0.2.255\n"
        "\tmedia: autoselect\n"
        "\tstatus: active\n"
    ),
    "route -n get default": (
        "   route to: default\ndestination: default\n       mask: default\n    gateway: 192.0.2.1\n  interface: en0\n"
        "      flags: <UP,GATEWAY,DONE,STATIC,PRCLONING,GLOBAL>\n"
    ),
    "route -n get -inet6 default": {"stderr": "route: writing to routing socket: not in table\n", "rc": 1},
    "mount": "/dev/disk3s1s1 on / (apfs, sealed, local, read-only, journaled)\n",
}


def write(profile: Profile, folder: Path) -> None:
    """Render a profile into the folder that the host's programs read."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "profile.json").write_text(json.dumps(profile.rendered(), indent=1))
    (folder / "arch").write_text(f"{profile.arch}\n")
    (folder / "uname").write_text(profile.uname_lines())
    (folder / "sysctl").write_text(profile.sysctl_listing())
