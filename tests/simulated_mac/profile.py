# SPDX-License-Identifier: GPL-3.0-or-later
"""What a simulated Mac is: a small data file, and the answers of a Mac's programs rendered from its values.

A profile (NAME.yml anywhere below profiles/) states values: chip, cores, memory, macOS, what is installed.
``Profile.load`` reads and checks one; ``write`` renders it into the files that inside/answer.c, inside/mac_programs.py
and inside/shim.c look up. How answers differ between macOS versions is known from public recordings of real Macs; an
answer that a recording gives word for word can be put into the profile under ``answers``.

A value that is left out or null is not known: sysctl has no value for it, and a program that has nothing else to tell
exits 70. So a profile of a Mac of which only a part was recorded invents nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass, field, fields
from fnmatch import fnmatchcase
from functools import cached_property
from io import StringIO
from pathlib import Path
from typing import Any

from tests.simulated_mac.inside import mac_programs

FOLDER = Path(__file__).parent / "profiles"
BOOT_TIME = 1725357600  # Tue Sep  3 10:00:00 2024
SERIAL_NUMBER = "ZZSIMULATED"
HARDWARE_UUID = "00000000-0000-4000-8000-000000000000"
METAL_OF_MACOS = "of macOS"

Sysctl = dict[str, "str | None"]


class ProfileError(Exception):
    """A profile that cannot be used; the message names it and says why."""


@dataclass(frozen=True)
class Macos:
    """The system: version, build and Darwin release, each as ``sw_vers`` and ``uname -r`` say it.

    ``extra`` is the "(a)" of a rapid security response, ``kernel`` the whole ``uname -v`` (default: a likely one).
    """

    darwin: str
    version: str | None = None
    build: str | None = None
    extra: str = ""
    kernel: str = ""

    @property
    def numbers(self) -> tuple[int, ...]:
        """(14, 6, 1) of 14.6.1; of a system whose version is not known the first number, by its Darwin release."""
        if self.version:
            return tuple(int(part) for part in self.version.split("."))
        darwin = int(self.darwin.split(".")[0])
        return (MACOS_BY_DARWIN.get(darwin, darwin),)

    @property
    def major(self) -> int:
        """14 of 14.6.1."""
        return self.numbers[0]


MACOS_BY_DARWIN = {19: 10, 20: 11, 21: 12, 22: 13, 23: 14, 24: 15, 25: 26}  # from 27 on they are equal


@dataclass(frozen=True)
class Gpu:
    """A GPU as system_profiler lists it. ``metal`` is what that says of its Metal family, such as "Metal 3"."""

    model: str
    cores: int | None = None
    metal: str | None = None


@dataclass(frozen=True)
class Profile:
    """A Mac, by its values. None: not known."""

    description: str
    macos: Macos
    chip: str | None = None
    model: str | None = None
    model_name: str = "Mac"
    cores: Mapping[str, int] | int | None = None  # by level, the fastest first, by the level's own name; or the total
    threads: int | None = None  # an Intel processor's, if it has more than cores
    memory_gb: int | None = None
    gpu_cores: int | None = None  # of Apple Silicon's own GPU
    metal: str | None = METAL_OF_MACOS  # what system_profiler says of that
    gpus: Sequence[Gpu] | None = None  # all that system_profiler lists (default: Apple Silicon's own)
    arch: str = "arm64"
    user: str = "admin"
    gui_session: bool = True
    virtual_machine: bool = False
    rosetta: bool = False
    command_line_tools: str = ""  # their version; empty: not installed
    command_line_tools_lost: bool = False  # selected, but an upgrade of macOS has removed them
    homebrew: Mapping[str, list[str]] = field(default_factory=dict)  # prefix: formulae ("python" is all there is)
    python_org: bool = False
    pythons: Sequence[str] = ()  # more of them: conda, macadmins, pyenv, standalone, uv
    files: Mapping[str, str] = field(default_factory=dict)  # path: text; with "~/" the user's; "#!" makes a program
    sysctl: Sysctl = field(default_factory=dict)  # more names, or other values; null: known, but without a value
    sysctl_unknown: Sequence[str] = ()  # patterns of names that this Mac does not know
    answers: Mapping[str, Any] = field(default_factory=dict)  # word for word, see `answer_files`
    facts: Mapping[str, Any] = field(default_factory=dict)  # what is true of it, for tests of whoever collects facts

    @staticmethod
    def names() -> list[str]:
        """All profiles there are."""
        return sorted(path.stem for path in FOLDER.rglob("*.yml"))

    @classmethod
    def load(cls, name: str) -> Profile:
        """The profile of that name. Raises ``ProfileError`` for one that does not exist or has a wrong key."""
        import yaml  # here, because whoever only asks which hosts are up may have no PyYAML

        path = next(FOLDER.rglob(f"{name}.yml"), None)
        if path is None:
            raise ProfileError(f"no profile {name}; there are: {', '.join(cls.names())}")
        values: dict[str, Any] = yaml.safe_load(path.read_text())
        try:
            values["macos"] = Macos(**values.get("macos", {}))
            values["gpus"] = [Gpu(**gpu) for gpu in values["gpus"]] if values.get("gpus") is not None else None
            return cls(**values)
        except TypeError as error:
            allowed = ", ".join(value.name for value in fields(cls))
            raise ProfileError(f"{path.name}: {error}; a profile has: {allowed}") from error

    @property
    def is_apple_silicon(self) -> bool:
        """Whether the machine is arm64."""
        return self.arch == "arm64"

    @property
    def levels(self) -> Mapping[str, int]:
        """Cores by level; empty if that is not known."""
        return self.cores if isinstance(self.cores, Mapping) else {}

    @property
    def core_count(self) -> int | None:
        """All cores."""
        return sum(self.cores.values()) if isinstance(self.cores, Mapping) else self.cores

    @property
    def listed_gpus(self) -> Sequence[Gpu] | None:
        """What system_profiler lists; a virtual machine, and a Mac with an Intel processor, only what it names."""
        if self.gpus is None and self.gpu_cores and self.chip:
            return [Gpu(self.chip, self.gpu_cores, own_metal(self) if self.metal == METAL_OF_MACOS else self.metal)]
        return self.gpus

    @cached_property
    def kernel(self) -> str:
        """``uname -v``."""
        return self.macos.kernel or f"Darwin Kernel Version {self.macos.darwin}; root:xnu~1/RELEASE_{kernel_kind(self)}"

    def rendered(self) -> dict[str, Any]:
        """Everything that inside/mac_programs.py looks up, as data that JSON can hold."""
        return {
            "arch": self.arch,
            "boot_time": BOOT_TIME,
            "macos": asdict(self.macos),
            "kernel": self.kernel,
            "system_profiler": {arch: reports(self, translated=arch != self.arch) for arch in ("arm64", "x86_64")},
            "ioreg": registry(self),
        }

    def uname_lines(self) -> str:
        """System, release and version, for uname(2); the date is left out, for Linux gives the field 64 characters."""
        version = re.sub(r": \w{3} \w{3} .*?;", ":", self.kernel)
        return f"Darwin\n{self.macos.darwin}\n{version}\n"

    def sysctl_listing(self) -> str:
        """``NAME: VALUE`` lines, for sysctl(8) and sysctlbyname(3). What has no value is a name alone."""
        values = sysctl_values(self).items()
        return "".join(f"{name}\n" if value is None else f"{name}: {value}\n" for name, value in values)


# What a kernel says that it was built for: a family of chips, by the name of the first of them.
KERNEL_KINDS = {
    "M1": "T8103", "M1 Pro": "T6000", "M1 Max": "T6000", "M1 Ultra": "T6000",
    "M2": "T8112", "M2 Pro": "T6020", "M2 Max": "T6020", "M2 Ultra": "T6020",
    "M3": "T8122", "M3 Pro": "T6030", "M3 Max": "T6031", "M3 Ultra": "T6032",
    "M4": "T8132", "M4 Pro": "T6041", "M4 Max": "T6041",
    "M5": "T8142", "M5 Pro": "T6050", "M5 Max": "T6050",
}  # fmt: skip


def kernel_kind(profile: Profile) -> str:
    """ "ARM64_T8103". M1 was T8101 until macOS 12; of chips that nobody has looked at T8103 will do."""
    if not profile.is_apple_silicon:
        return "X86_64"
    chip = (profile.chip or "M1").removeprefix("Apple ")
    kind = "T8101" if chip == "M1" and profile.macos.major <= 12 else KERNEL_KINDS.get(chip, "T8103")
    return f"ARM64_{'VMAPPLE' if profile.virtual_machine else kind}"


# ---------------------------------------------------------------------------------------------------------- sysctl


def text(value: object) -> str | None:
    """As a program prints it; None stays."""
    return None if value is None else f"{value}"


def sysctl_values(profile: Profile) -> Sysctl:
    """The names that tell what the machine is. None: known to this Mac, but without a value."""
    macos, cores = profile.macos, text(profile.core_count)
    threads = text(profile.threads) or cores
    values: Sysctl = {
        "kern.ostype": "Darwin",
        "kern.osrelease": macos.darwin,
        "kern.osrevision": "199506",
        "kern.version": profile.kernel,
        "kern.osversion": macos.build,
        "kern.osproductversion": macos.version,
        "kern.boottime": f"{{ sec = {BOOT_TIME}, usec = 0 }} Tue Sep  3 10:00:00 2024",
        "kern.hv_vmm_present": "1" if profile.virtual_machine else "0",
        "hw.ncpu": threads,
        "hw.byteorder": "1234",
        "hw.memsize": None if profile.memory_gb is None else f"{profile.memory_gb << 30}",
        "hw.activecpu": threads,
        "hw.physicalcpu": cores,
        "hw.physicalcpu_max": cores,
        "hw.logicalcpu": threads,
        "hw.logicalcpu_max": threads,
        "hw.model": profile.model,
        "hw.packages": "1",
        "machdep.cpu.cores_per_package": cores,
        "machdep.cpu.core_count": cores,
        "machdep.cpu.logical_per_package": threads,
        "machdep.cpu.thread_count": threads,
        "machdep.cpu.brand_string": profile.chip,
    }
    values |= APPLE_SILICON_VALUES if profile.is_apple_silicon else INTEL_VALUES
    values |= level_values(profile)
    values |= {name: text(value) for name, value in profile.sysctl.items()}
    unknown = profile.sysctl_unknown
    return {name: value for name, value in values.items() if not any(fnmatchcase(name, each) for each in unknown)}


def level_values(profile: Profile) -> Sysctl:
    """The kinds of cores. They appeared with macOS 12, their names with 15; a single kind has always had a name."""
    values: Sysctl = {}
    levels = profile.levels if profile.macos.major >= 12 else {}
    if levels:
        values["hw.nperflevels"] = f"{len(levels)}"
    for level, (name, count) in enumerate(levels.items()):
        threads = profile.threads if profile.threads and len(levels) == 1 else count
        values |= {f"hw.perflevel{level}.{key}": f"{count}" for key in ("physicalcpu", "physicalcpu_max")}
        values |= {f"hw.perflevel{level}.{key}": f"{threads}" for key in ("logicalcpu", "logicalcpu_max")}
        if profile.macos.major >= 15 or len(levels) == 1:
            values[f"hw.perflevel{level}.name"] = name
    if len(levels) == 1:
        values["hw.perflevel1.physicalcpu"] = values["hw.perflevel1.logicalcpu"] = None
    return values


APPLE_SILICON_VALUES: Sysctl = {
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


def reports(profile: Profile, *, translated: bool) -> dict[str, Report | None]:
    """The data types that system_profiler answers, None for what is not known of this Mac.

    ``translated``: as its x86_64 half does, under Rosetta.
    """
    return {
        "SPHardwareDataType": hardware(profile, translated=translated),
        "SPDisplaysDataType": displays(profile),
    }


def hardware(profile: Profile, *, translated: bool) -> Report | None:
    """The overview. Intel's form has a clock and no split of the cores; so has a translated one, without the chip."""
    if profile.model is None and profile.memory_gb is None:
        return None
    plain = translated or not profile.is_apple_silicon
    chip = {"cpu_type": "Unknown" if translated else intel_name(profile), "current_processor_speed": "2,4 GHz"}
    memory = f"{profile.memory_gb} GB" if profile.memory_gb else None
    item: dict[str, Any] = {
        "_name": "hardware_overview",
        "machine_name": profile.model_name,
        "machine_model": profile.model,
        **({**chip, "packages": 1} if plain else {"chip_type": profile.chip}),
        "number_processors": profile.core_count if plain or profile.virtual_machine else core_split(profile),
        "physical_memory": memory,
        "serial_number": SERIAL_NUMBER,
        "platform_UUID": HARDWARE_UUID,
        "provisioning_UDID": "00000000-0000000000000000",
    }
    split = "" if plain or profile.virtual_machine or not profile.levels else f" ({core_words(profile)})"
    lines = {
        "Model Name": profile.model_name,
        "Model Identifier": profile.model,
        **({"Processor Name": chip["cpu_type"]} if plain else {"Chip": profile.chip}),
        "Total Number of Cores": f"{profile.core_count}{split}" if profile.core_count else None,
        "Memory": memory,
        "Serial Number (system)": SERIAL_NUMBER,
        "Hardware UUID": HARDWARE_UUID,
        "Provisioning UDID": "00000000-0000000000000000",
    }
    return {"json": [known(item)], "text": "Hardware:\n\n    Hardware Overview:\n\n" + indented(lines)}


def intel_name(profile: Profile) -> str | None:
    """ "6-Core Intel Core i7", of "Intel(R) Core(TM) i7-9750H CPU @ 2.60GHz"."""
    found = re.match(r"Intel\(R\) (Core|Xeon)\(\w+\) (i\d|\w+)", profile.chip or "")
    return f"{profile.core_count}-Core Intel {found[1]} {found[2]}" if found else profile.chip


def core_split(profile: Profile) -> str | None:
    """Total and counts per level. From macOS 26.3 the third kind has a field, from 27 in another order."""
    if not profile.levels:
        return None
    count = {"Super": 0, "Performance": 0, "Efficiency": 0, **profile.levels}
    best, slow = count["Super"] or count["Performance"], count["Efficiency"]
    if profile.macos.numbers >= (27,):
        split = [count["Super"], count["Performance"], slow]
    elif profile.macos.numbers >= (26, 3):
        split = [best, slow, count["Performance"] if count["Super"] else 0]
    else:
        split = [best, slow]
    return "proc " + ":".join(map(str, [profile.core_count, *split]))


def core_words(profile: Profile) -> str:
    """ "4 performance and 4 efficiency"; with capitals from macOS 26.5 on."""
    words = [f"{count} {name}" for name, count in profile.levels.items()]
    joined = " and ".join([", ".join(words[:-1]), words[-1]] if words[1:] else words)
    return joined if profile.macos.numbers >= (26, 5) else joined.lower()


def displays(profile: Profile) -> Report | None:
    """The GPUs, in the order given."""
    if profile.listed_gpus is None:
        return None
    shown = "".join(f"    {gpu.model}:\n\n{indented(gpu_lines(gpu))}" for gpu in profile.listed_gpus)
    return {"json": [gpu_item(gpu) for gpu in profile.listed_gpus], "text": f"Graphics/Displays:\n\n{shown}"}


def gpu_item(gpu: Gpu) -> dict[str, Any]:
    """A GPU in JSON."""
    key, value, *_ = metal_support(gpu.metal) if gpu.metal else ("spdisplays_metal", None)
    item = {
        "_name": gpu.model,
        key: value,
        "spdisplays_vendor": f"sppci_vendor_{vendor(gpu)[0]}",
        "sppci_bus": f"spdisplays_{'builtin' if is_built_in(gpu) else 'pcie_device'}",
        "sppci_cores": text(gpu.cores),
        "sppci_device_type": "spdisplays_gpu",
        "sppci_model": gpu.model,
    }
    return known(item)


def gpu_lines(gpu: Gpu) -> dict[str, str | None]:
    """A GPU in words."""
    *_, label, words = metal_support(gpu.metal) if gpu.metal else ("Metal", None)
    return {
        "Chipset Model": gpu.model,
        "Type": "GPU",
        "Bus": "Built-In" if is_built_in(gpu) else "PCIe",
        "Total Number of Cores": text(gpu.cores),
        "Vendor": "{} ({})".format(*vendor(gpu)),
        label: words,
    }


VENDORS = (
    ("Apple", "Apple", "0x106b"), ("Intel", "Intel", "0x8086"), ("Radeon|AMD", "AMD", "0x1002"),
    ("GeForce|NVIDIA", "NVIDIA", "0x10de"),
)  # fmt: skip


def vendor(gpu: Gpu) -> tuple[str, str]:
    """Name and number of who made it."""
    return next(((name, number) for words, name, number in VENDORS if re.search(words, gpu.model)), ("Other", "0x0"))


def is_built_in(gpu: Gpu) -> bool:
    """Whether it is a part of the processor."""
    return vendor(gpu)[0] in ("Apple", "Intel")


METAL_SUPPORT = (
    (r"Metal (\d+)", "spdisplays_mtlgpufamilysupport", r"spdisplays_metal\1", "Metal Support", "{}"),
    (r"Metal GPUFamily Apple (\d+)", "spdisplays_metalfamily", r"spdisplays_mtlgpufamilyapple\1",
     "Metal Family", "Supported, {}"),
    (r"Metal GPUFamily macOS (\d+)", "spdisplays_metalfamily", r"spdisplays_mtlgpufamilymac\1",
     "Metal Family", "Supported, {}"),
    (r"macOS GPUFamily(\d) v(\d)", "spdisplays_metal", r"spdisplays_metalfeaturesetfamily\1\2",
     "Metal", "Supported, feature set {}"),
    (r"supported", "spdisplays_metal", "spdisplays_supported", "Metal", "Supported"),
)  # fmt: skip


def metal_support(metal: str) -> tuple[str, str, str, str]:
    """JSON key and value, text label and value of what says which Metal there is; renamed with macOS 11 and 13."""
    for pattern, key, value, label, words in METAL_SUPPORT:
        found = re.fullmatch(pattern, metal)
        if found:
            return key, found.expand(value), label, words.format(metal)
    raise ProfileError(f"no macOS says {metal!r} of a GPU's Metal; they say such as 'Metal 3'")


def own_metal(profile: Profile) -> str:
    """What a macOS says of Apple Silicon's own GPU: until 12 the chip's family, later only what macOS offers."""
    if profile.macos.major < 13:
        generation = re.search(r"M(\d)", profile.chip or "")
        return f"Metal GPUFamily Apple {6 + int(generation[1] if generation else 1)}"
    return "Metal 4" if profile.macos.major >= 26 else "Metal 3"


def known(item: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is not known."""
    return {key: value for key, value in item.items() if value is not None}


def indented(lines: Mapping[str, str | None]) -> str:
    """A block of system_profiler's text, without what is not known."""
    return "".join(f"      {label}: {value}\n" for label, value in lines.items() if value is not None) + "\n"


# ------------------------------------------------------------------------------------------------ ioreg and others


def registry(profile: Profile) -> list[dict[str, Any]] | None:
    """The entries of the I/O registry that ioreg can be asked for; None: not known, for the GPU is not."""
    platform = {
        "class": "IOPlatformExpertDevice",
        "ancestors": ["IOService"],
        "properties": {
            "model": profile.model,
            "IOPlatformSerialNumber": SERIAL_NUMBER,
            "IOPlatformUUID": HARDWARE_UUID,
        },
    }
    if profile.virtual_machine or not profile.is_apple_silicon:
        return [platform]
    if not profile.gpu_cores:
        return None
    generation = re.search(r"M(\d+)", profile.chip or "")
    name = f"AGXAcceleratorG{12 + int(generation[1] if generation else 1)}"
    properties = known({"IOClass": name, "model": profile.chip, "gpu-core-count": profile.gpu_cores})
    ancestors = ["AGXAccelerator", "IOAccelerator", "IOService"]
    return [platform, {"class": name, "ancestors": ancestors, "properties": properties}]


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

# What is asked so often that it is rendered at once: a Mac answers it within a few milliseconds.
COMMON_CALLS = ("sw_vers", "sw_vers -productVersion", "ioreg -rc AGXAccelerator -d 1")


def write(profile: Profile, folder: Path) -> None:
    """Render a profile into the folder that the host's programs read."""
    (folder / "answers").mkdir(parents=True, exist_ok=True)
    (folder / "profile.json").write_text(json.dumps(profile.rendered(), indent=1))
    (folder / "arch").write_text(f"{profile.arch}\n")
    (folder / "uname").write_text(profile.uname_lines())
    (folder / "sysctl").write_text(profile.sysctl_listing())
    for old in (folder / "answers").iterdir():
        old.unlink()
    for call, content in answer_files(profile):
        (folder / "answers" / f"{fnv1a(call.encode()):016x}").write_bytes(content)


def answer_files(profile: Profile) -> Iterator[tuple[str, bytes]]:
    """The calls that are answered word for word, each with the content of its file, see inside/answer.c.

    A profile maps command lines (``sw_vers -buildVersion``), or their first words and a star (``ioreg *``), to what the
    program prints: text, or a mapping of ``stdout``, ``stderr``, ``rc`` and ``seconds`` (that it takes).
    """
    said = {**rendered_answers(profile), **DEFAULT_ANSWERS, **profile.answers}
    for call, answer in said.items():
        given = {"stdout": answer} if isinstance(answer, str) else answer
        stdout, stderr = (given.get(stream, "").encode() for stream in ("stdout", "stderr"))
        head = f"{given.get('rc', 0)} {int(given.get('seconds', 0) * 1000)} {len(stdout)}\n"
        yield call, head.encode() + stdout + stderr


def rendered_answers(profile: Profile) -> dict[str, str]:
    """Those of the common calls to whose program the profile gives no answer of its own."""
    data, answers = profile.rendered(), {}
    given = {call.split()[0] for call in profile.answers}
    for call in COMMON_CALLS:
        program, *arguments = call.split()
        answer = mac_programs.SIMULATED[f"/usr/{'bin' if program == 'sw_vers' else 'sbin'}/{program}"]
        with redirect_stdout(StringIO()) as printed:
            if program not in given and answer(data, arguments) == 0:
                answers[call] = printed.getvalue()
    return answers


def fnv1a(data: bytes) -> int:
    """The 64-bit hash that names the files of answers."""
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 % (1 << 64)
    return value
