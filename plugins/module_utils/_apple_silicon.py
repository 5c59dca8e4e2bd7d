# SPDX-License-Identifier: GPL-3.0-or-later
"""What this Mac is: chip, cores, GPU, memory, macOS, Rosetta, developer tools, Pythons, and what is in the way.

`collect` asks each source once, on a Mac four short commands at the same time, and never fails for what one of them
does not tell: a fact that is not known is None, and `unknown` says why. On a Mac with an Intel processor and on Linux
the answers are as true, only more of them are None. The parsers are pure functions that take any text.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypedDict, Union

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._commands import (
    CommandExited,
    CommandFailed,
    Completed,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._interpreters import Interpreter, Machine, Search

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ansible_collections.metalfleet.tensorflow.plugins.module_utils._commands import Commands


# The facts. What each value means, its unit and when it is null: RETURN of the module apple_silicon_facts.


class Chip(TypedDict):
    """`family` is "M" or "A"; `tier` is base, pro, max or ultra."""

    name: str | None
    family: str | None
    generation: int | None
    tier: str | None


class CoreLevel(TypedDict):
    """Cores of one kind."""

    name: str | None
    count: int


class Cores(TypedDict):
    """Physical cores."""

    total: int | None
    levels: list[CoreLevel] | None


class Gpu(TypedDict):
    """The first GPU, and how many there are."""

    model: str | None
    cores: int | None
    metal: str | None
    paravirtual: bool | None
    count: int | None


class MacOS(TypedDict):
    """`extra` is the "(a)" of a rapid security response, `darwin` the kernel's release."""

    version: str | None
    extra: str | None
    build: str | None
    darwin: str | None


class VirtualMachine(TypedDict):
    """`kind` is None for no virtual machine, and for one of an unknown kind."""

    is_virtual: bool | None
    kind: str | None


class Rosetta(TypedDict):
    """Whether x86_64 programs can run here, and whether this process is one."""

    installed: bool
    translated: bool | None


class CommandLineTools(TypedDict):
    """`broken`: a folder is selected, but the tools in it are gone, as after some upgrades of macOS."""

    present: bool | None
    path: str | None
    broken: bool | None


class Homebrew(TypedDict):
    """One installation of Homebrew."""

    prefix: str
    architecture: str


class FreeDisk(TypedDict):
    """Free space for an ordinary user."""

    path: str
    free_bytes: int | None


class Unknown(TypedDict):
    """A source that did not tell what it should."""

    source: str
    reason: str


class Facts(TypedDict):
    """The whole answer."""

    is_apple_silicon: bool | None
    system: str
    architecture: str | None
    chip: Chip
    cores: Cores
    gpu: Gpu
    memory_bytes: int | None
    model: str | None
    macos: MacOS
    virtual_machine: VirtualMachine
    rosetta: Rosetta
    command_line_tools: CommandLineTools
    homebrew: list[Homebrew]
    pythons: list[Interpreter]
    gui_session: bool | None
    disk: list[FreeDisk]
    user_site_plugins: list[str]
    unknown: list[Unknown]


class Kernel(NamedTuple):
    """What uname(2) says. `version` names the kernel's own architecture, in a translated process too."""

    system: str
    release: str
    version: str
    machine: str


def running_kernel() -> Kernel:
    """The kernel of this host."""
    uname = os.uname()
    return Kernel(uname.sysname, uname.release, uname.version, uname.machine)


def collect(
    commands: Commands,
    *,
    home: Path,
    roots: Sequence[str] = (),
    full: bool = False,
    kernel: Kernel | None = None,
    filesystem: Path = Path("/"),
) -> Facts:
    """The facts of this host.

    `roots` are the folders whose free disk space is wanted, there or not yet. `full` also asks system_profiler, which
    takes a good part of a second. `kernel` and `filesystem` are this host's own but for tests.
    """
    kernel = kernel or running_kernel()
    collector_of = _Mac if kernel.system == "Darwin" else _Elsewhere
    return collector_of(commands, kernel, home, filesystem).facts(roots, full=full)


def unmet_requirement(facts: Facts) -> str | None:
    """Why this host is not an Apple Silicon Mac, in a sentence for a person; None if it is one."""
    if facts["is_apple_silicon"]:
        return None
    if facts["system"] != "Darwin":
        return f"this host runs {facts['system']}, not macOS"
    if facts["is_apple_silicon"] is None:
        reasons = "; ".join(f"{unknown['source']}: {unknown['reason']}" for unknown in facts["unknown"])
        return f"it could not be found out whether this Mac has Apple Silicon ({reasons})"
    return f"this Mac has an Intel processor ({facts['chip']['name'] or facts['model'] or 'of unknown name'})"


# Collecting

Answer = Union[Completed, CommandFailed]
"""What a program said, or why it did not."""


class _Collector:
    """What is the same on every system. A subclass knows where its system keeps the rest."""

    def __init__(self, commands: Commands, kernel: Kernel, home: Path, filesystem: Path) -> None:
        self._commands = commands
        self._kernel = kernel
        self._home = home
        self._filesystem = filesystem
        self._unknown: list[Unknown] = []

    def _note(self, source: str, reason: str) -> None:
        self._unknown.append({"source": source, "reason": reason})

    def _place(self, path: str | Path) -> Path:
        return self._filesystem / str(path).lstrip("/")

    def _has(self, path: str) -> bool:
        """Unlike Path.exists, no error where a folder on the way may not be entered."""
        return os.access(self._place(path), os.F_OK)

    def _pythons(self, architecture: str | None) -> list[Interpreter]:
        machine = Machine(self._kernel.system, architecture)
        search = Search(self._commands, machine, home=self._home, filesystem=self._filesystem)
        interpreters = search.interpreters()
        for path, reason in search.unreadable:
            self._note(path, reason)
        return interpreters

    def _homebrew(self, architectures: Mapping[str, str]) -> list[Homebrew]:
        """Those of the prefixes that hold a Homebrew; it accepts one architecture in each."""
        return [
            {"prefix": prefix, "architecture": architecture}
            for prefix, architecture in architectures.items()
            if self._has(prefix + "/bin/brew")
        ]

    def _free_disk(self, root: str) -> FreeDisk:
        """The free space where `root` is or would be made: that of its nearest parent that is there."""
        folder = self._place(root)
        nearest = next(place for place in (folder, *folder.parents) if os.access(place, os.F_OK))
        try:
            return {"path": root, "free_bytes": shutil.disk_usage(nearest).free}
        except OSError as error:
            self._note(f"free disk space of {root}", _reason(error))
            return {"path": root, "free_bytes": None}

    def _user_site_plugins(self) -> list[str]:
        """Folders of TensorFlow plug-ins in user sites: TensorFlow loads them into isolated environments too."""
        sites = (".local/lib/python3.*/site-packages", "Library/Python/3.*/lib/python/site-packages")
        home = self._place(self._home)
        folders = (folder for site in sites for folder in sorted(home.glob(f"{site}/tensorflow-plugins")))
        return [
            "/" + os.path.relpath(folder, self._filesystem)
            for folder in folders
            if any(_LIBRARIES.intersection(file.suffixes) for file in folder.glob("*"))
        ]


class _Mac(_Collector):
    def facts(self, roots: Sequence[str], *, full: bool) -> Facts:
        answers = self._ask_all(_QUICK)
        sysctl = self._sysctl(answers["sysctl"])
        apple = has_apple_silicon(sysctl, self._kernel)
        architecture = {True: "arm64", False: "x86_64", None: None}[apple]
        translated = is_translated(sysctl, self._kernel, apple_silicon=apple)
        profile = self._profile(translated=bool(translated)) if full else Profile()
        chip = describe_chip(sysctl, profile.chip)
        levels = core_levels(sysctl, chip) or profile.levels
        total = core_count(sysctl, levels, apple_silicon=bool(apple))
        virtual = describe_virtual_machine(sysctl, self._kernel)
        accelerators = self._accelerators(answers["ioreg"], expected=virtual["is_virtual"] is False) if apple else None
        memory = number(sysctl.values.get("hw.memsize"))
        model = sysctl.values.get("hw.model") or profile.model
        needed: dict[str, object] = {
            "machdep.cpu.brand_string": chip["name"],
            "hw.physicalcpu": total,
            "hw.memsize": memory,
            "hw.model": model,
        }
        if apple:
            needed["hw.perflevel0.physicalcpu"] = levels
        self._note_missing(sysctl, needed)
        return {
            "is_apple_silicon": apple,
            "system": self._kernel.system,
            "architecture": architecture,
            "chip": chip,
            "cores": {"total": total, "levels": levels},
            "gpu": describe_gpu(accelerators, profile.gpus, is_virtual=virtual["is_virtual"]),
            "memory_bytes": memory,
            "model": model,
            "macos": self._macos(answers["sw_vers"], sysctl),
            "virtual_machine": virtual,
            "rosetta": {"installed": bool(apple) and self._has(_ROSETTA), "translated": translated},
            "command_line_tools": self._command_line_tools(answers["xcode-select"]),
            "homebrew": self._homebrew({"/opt/homebrew": "arm64", "/usr/local": "x86_64"}),
            "pythons": self._pythons(architecture),
            "gui_session": self._gui_session(),
            "disk": [self._free_disk(root) for root in roots],
            "user_site_plugins": self._user_site_plugins(),
            "unknown": self._unknown,
        }

    def _ask_all(self, programs: Mapping[str, Sequence[str]]) -> dict[str, Answer]:
        """Ask all at once: none needs another's answer, and each takes most of its time to start."""
        with ThreadPoolExecutor(len(programs)) as pool:
            return dict(zip(programs, pool.map(self._ask, programs.values())))

    def _ask(self, argv: Sequence[str], timeout: float = 10) -> Answer:
        try:
            return self._commands.run(argv, timeout=timeout)
        except CommandFailed as failure:
            return failure

    def _said(self, program: str, answer: Answer) -> str | None:
        """What the program printed; None with a note if it did not do its work."""
        if isinstance(answer, CommandFailed):
            self._note(program, answer.reason)
            return None
        return answer.stdout

    def _sysctl(self, answer: Answer) -> Sysctl:
        """It exits with 1 when one of the names is unknown, and prints the others all the same."""
        completed = answer.completed if isinstance(answer, CommandExited) else answer
        sysctl = Sysctl({}, frozenset())
        if isinstance(completed, Completed):
            sysctl = parse_sysctl(completed.stdout, completed.stderr)
        if not sysctl.told:
            self._note("sysctl", answer.reason if isinstance(answer, CommandFailed) else "it tells nothing")
        return sysctl

    def _note_missing(self, sysctl: Sysctl, needed: Mapping[str, object]) -> None:
        if sysctl.told:
            for name, value in needed.items():
                if value is None:
                    self._note(f"sysctl {name}", sysctl.why_missing(name))

    def _profile(self, *, translated: bool) -> Profile:
        """A translated system_profiler does not know the chip: it is started as the native one."""
        native = ("/usr/bin/arch", "-arm64") if translated else ()
        said = self._said("system_profiler", self._ask([*native, *_PROFILER], timeout=60))
        profile = parse_profile(said) if said is not None else Profile()
        if profile is None:
            self._note("system_profiler", "its answer is not the JSON that was asked for")
        return profile or Profile()

    def _accelerators(self, answer: Answer, *, expected: bool) -> list[GraphicsProcessor] | None:
        said = self._said("ioreg", answer)
        if said is None:
            return None
        accelerators = parse_ioreg(said)
        if expected and not accelerators:
            self._note("ioreg", "it lists no AGXAccelerator")
        return accelerators

    def _macos(self, answer: Answer, sysctl: Sysctl) -> MacOS:
        said = self._said("sw_vers", answer)
        told = parse_sw_vers(said or "")
        if said is not None and told["version"] is None:
            self._note("sw_vers", "it tells no ProductVersion")
        return {
            "version": told["version"] or _matching(_MACOS_VERSION, sysctl.values.get("kern.osproductversion")),
            "extra": told["extra"],
            "build": told["build"] or _matching(_MACOS_BUILD, sysctl.values.get("kern.osversion")),
            "darwin": self._kernel.release,
        }

    def _command_line_tools(self, answer: Answer) -> CommandLineTools:
        if isinstance(answer, CommandExited) and answer.completed.rc == _NOTHING_SELECTED:
            return {"present": False, "path": None, "broken": False}
        path = (self._said("xcode-select", answer) or "").strip()
        if re.fullmatch(r"/[^\0\n]*", path):
            present = any(self._has(f"{path}/usr/bin/{tool}") for tool in ("xcrun", "git"))
            return {"present": present, "path": path, "broken": not present}
        if isinstance(answer, Completed):
            self._note("xcode-select", "it tells no path")
        return {"present": None, "path": None, "broken": None}

    def _gui_session(self) -> bool | None:
        """The console belongs to who is logged in at the screen, to root while nobody is."""
        try:
            return self._place("/dev/console").stat().st_uid >= _FIRST_USER_ID
        except OSError as error:
            self._note("/dev/console", _reason(error))
            return None


class _Elsewhere(_Collector):
    """Linux; on another system the files that are read are not there, and so the facts are not known."""

    def facts(self, roots: Sequence[str], *, full: bool) -> Facts:  # noqa: ARG002 - there is no slow source here
        cpuinfo = self._read("/proc/cpuinfo")
        return {
            "is_apple_silicon": False,
            "system": self._kernel.system,
            "architecture": self._kernel.machine,
            "chip": {"name": linux_chip_name(cpuinfo), "family": None, "generation": None, "tier": None},
            "cores": {"total": self._core_count(), "levels": None},
            "gpu": {"model": None, "cores": None, "metal": None, "paravirtual": None, "count": None},
            "memory_bytes": linux_memory(self._read("/proc/meminfo")),
            "model": self._read("/sys/class/dmi/id/product_name").strip() or None,
            "macos": {"version": None, "extra": None, "build": None, "darwin": None},
            "virtual_machine": {"is_virtual": linux_is_virtual(cpuinfo), "kind": None},
            "rosetta": {"installed": False, "translated": False},
            "command_line_tools": {"present": False, "path": None, "broken": False},
            "homebrew": self._homebrew({"/home/linuxbrew/.linuxbrew": self._kernel.machine}),
            "pythons": self._pythons(self._kernel.machine),
            "gui_session": None,
            "disk": [self._free_disk(root) for root in roots],
            "user_site_plugins": self._user_site_plugins(),
            "unknown": self._unknown,
        }

    def _read(self, path: str) -> str:
        try:
            return self._place(path).read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            self._note(path, _reason(error))
            return ""

    def _core_count(self) -> int | None:
        """Each core has one list of the threads that share it."""
        folder = "/sys/devices/system/cpu"
        cpus = [path.name for path in self._place(folder).glob("cpu[0-9]*")]
        lists = {self._read(f"{folder}/{cpu}/topology/thread_siblings_list") for cpu in cpus} - {""}
        if not cpus:
            self._note(folder, "it lists no processors")
        return len(lists) or None


def _reason(error: OSError) -> str:
    return error.strerror or str(error)


# The programs

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
# None of these is a shim; xcode-select opens a dialog for --install only.
_QUICK = {
    "sysctl": ["/usr/sbin/sysctl", *SYSCTL_NAMES],
    "sw_vers": ["/usr/bin/sw_vers"],
    "ioreg": ["/usr/sbin/ioreg", "-rc", "AGXAccelerator", "-d", "1"],
    "xcode-select": ["/usr/bin/xcode-select", "-p"],
}
_NOTHING_SELECTED = 2  # xcode-select's exit status
_PROFILER = ["/usr/sbin/system_profiler", "-json", "SPHardwareDataType", "SPDisplaysDataType"]

# The files

_ROSETTA = "/Library/Apple/usr/libexec/oah/libRosettaRuntime"  # what an installation of Rosetta brings
_FIRST_USER_ID = 500  # of a person; the system's own accounts have lower numbers
_LIBRARIES = {".so", ".dylib"}  # what TensorFlow loads of a folder of plug-ins


# sysctl

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
    if "hw.optional.arm64" in sysctl.values or "hw.optional.arm64" in sysctl.unknown_names:
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
    if kind is not None or sysctl.values.get("kern.hv_vmm_present") == "1":
        return {"is_virtual": True, "kind": kind}
    return {"is_virtual": False if sysctl.told or "RELEASE_ARM64_T" in kernel.version else None, "kind": None}


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


def _matching(pattern: re.Pattern[str], text: str | None) -> str | None:
    return text if text is not None and pattern.fullmatch(text) else None


# ioreg and system_profiler


class GraphicsProcessor(NamedTuple):
    """One GPU as ioreg or system_profiler lists it."""

    model: str | None
    cores: int | None
    metal: str | None = None


class Profile(NamedTuple):
    """What is used of system_profiler's answer. `gpus` is None if it did not say, [] if it found none."""

    chip: str | None = None
    model: str | None = None
    levels: list[CoreLevel] | None = None
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
        answer = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(answer, dict):
        return None
    hardware = next(iter(_items(answer, "SPHardwareDataType")), {})
    gpus = [_graphics_processor(item) for item in _items(answer, "SPDisplaysDataType")]
    return Profile(
        chip=_text(hardware, "chip_type") or _text(hardware, "cpu_type", unless="Unknown"),
        model=_text(hardware, "machine_model"),
        levels=_levels_in_profile(_text(hardware, "number_processors")),
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


def _graphics_processor(item: Mapping[str, Any]) -> GraphicsProcessor:
    """The key of the Metal family has changed twice."""
    keys = ("spdisplays_mtlgpufamilysupport", "spdisplays_metalfamily", "spdisplays_metal")
    metal = next((value for value in (_text(item, key) for key in keys) if value), None)
    return GraphicsProcessor(
        model=_text(item, "sppci_model") or _text(item, "_name"),
        cores=number(_text(item, "sppci_cores")),
        metal=metal_text(metal) if metal else None,
    )


_METAL_TEXTS = tuple(
    (re.compile(pattern, re.ASCII), text)
    for pattern, text in (
        (r"metal(\d+)", r"Metal \1"),  # macOS 13 and later
        (r"mtlgpufamilyapple(\d+)", r"Metal GPUFamily Apple \1"),  # macOS 11 and 12
        (r"mtlgpufamilymac(\d+)", r"Metal GPUFamily macOS \1"),
        (r"metalfeaturesetfamily(\d)(\d)", r"macOS GPUFamily\1 v\2"),  # macOS 10
    )
)


def metal_text(key: str) -> str:
    """What macOS shows for a Metal family's key, such as "Metal 3"; an unknown key without its prefix."""
    key = key.removeprefix("spdisplays_")
    for pattern, text in _METAL_TEXTS:
        match = pattern.fullmatch(key)
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


def linux_chip_name(cpuinfo: str) -> str | None:
    """The "model name" in /proc/cpuinfo, which not every processor has."""
    match = re.search(r"^model name\s*:\s*(\S.*)$", cpuinfo, re.MULTILINE)
    return match.group(1).strip() if match else None


def linux_is_virtual(cpuinfo: str) -> bool | None:
    """By the flag that a hypervisor shows its guests; None where the processor has no such list (ARM)."""
    match = re.search(r"^flags\s*:(.*)$", cpuinfo, re.MULTILINE)
    return "hypervisor" in match.group(1).split() if match else None


def linux_memory(meminfo: str) -> int | None:
    """MemTotal of /proc/meminfo, in bytes."""
    match = re.search(r"^MemTotal:\s+(\d{1,15}) kB$", meminfo, re.MULTILINE | re.ASCII)
    return int(match.group(1)) * 1024 if match else None
