# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""What this Mac is: chip, cores, GPU, memory, macOS, Rosetta, developer tools, Pythons, and what is in the way.

`collect` asks each source once, on a Mac four short commands at the same time, and never fails for what one of them
does not tell: a fact that is not known is None, and `unknown` says why. On a Mac with an Intel processor and on Linux
the answers are as true, only more of them are None. How an answer is read: see answers.py. However many of the programs
and interpreters hang, a quick look takes little more than QUICK_SECONDS, a full one than PROFILER_SECONDS.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Union

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._commands import (
    CommandExited,
    CommandFailed,
    Completed,
    Running,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._facts import nvidia
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._facts.answers import (
    SYSCTL_NAMES,
    GraphicsProcessor,
    Kernel,
    Profile,
    Sysctl,
    core_count,
    core_levels,
    describe_chip,
    describe_gpu,
    describe_linux_chip,
    describe_linux_virtual_machine,
    describe_macos,
    describe_virtual_machine,
    has_apple_silicon,
    is_translated,
    linux_memory,
    number,
    parse_ioreg,
    parse_profile,
    parse_sw_vers,
    parse_sysctl,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._facts.files import Files, reason_of, text_of
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._facts.interpreters import (
    Interpreter,
    Machine,
    Search,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ansible_collections.metalfleet.tensorflow.plugins.module_utils._commands import Commands
    from ansible_collections.metalfleet.tensorflow.plugins.module_utils._facts.types import (
        CommandLineTools,
        Conda,
        Facts,
        FreeDisk,
        Homebrew,
        MacOS,
        Nvidia,
        Unknown,
        VirtualMachine,
    )

QUICK_SECONDS = 10
"""For all programs of a quick look together, and the interpreters that must be asked: they run at the same time."""
PROFILER_SECONDS = 60
"""For system_profiler, from the same moment on."""


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

    `roots` are where environments and managed Pythons lie, there or not yet: their free disk space is wanted, and
    those Pythons. `full` also asks system_profiler, which takes a good part of a second. `kernel` and `filesystem` are
    this host's own, except in tests.
    """
    kernel = kernel or running_kernel()
    collector_of = _Mac if kernel.system == "Darwin" else _Elsewhere
    return collector_of(commands, kernel, Files(home, filesystem), roots).facts(full=full)


def unmet_requirement(facts: Facts) -> str | None:
    """Why this host is not an Apple Silicon Mac, in a sentence for a person; None if it is one."""
    if facts["is_apple_silicon"]:
        return None
    if facts["system"] != "Darwin":
        return f"this host runs {facts['system']}, not macOS"
    if facts["is_apple_silicon"] is None:
        reasons = "; ".join(f"{unknown['source']}: {unknown['reason']}" for unknown in facts["unknown"])
        return f"it could not be determined whether this Mac has Apple Silicon ({reasons})"
    return f"this Mac has an Intel processor ({facts['chip']['name'] or facts['model'] or 'of unknown name'})"


# Collecting

Started = Union[Running, CommandFailed]
Answer = Union[Completed, CommandFailed]
"""What a program said, or why it did not."""


class _Collector:
    """What is the same on every system. A subclass knows where its system keeps the rest."""

    def __init__(self, commands: Commands, kernel: Kernel, files: Files, roots: Sequence[str]) -> None:
        self._commands = commands
        self._kernel = kernel
        self._files = files
        self._roots = roots
        self._deadline = time.monotonic() + QUICK_SECONDS

    def _start(self, argv: Sequence[str], timeout: float) -> Started:
        """All are started before the first is waited for: none needs another's answer."""
        try:
            return self._commands.start(argv, timeout=timeout)
        except CommandFailed as failure:
            return failure

    def _note(self, source: str, reason: str) -> None:
        """Say why something is not known; what was said of that source before is nearer to the cause."""
        self._files.unknown.setdefault(source, reason)

    def _unknown(self) -> list[Unknown]:
        return [{"source": source, "reason": reason} for source, reason in self._files.unknown.items()]

    def _pythons(self, architecture: str | None) -> tuple[list[Interpreter], list[Conda]]:
        """The interpreters, and the installations of conda, which the same look comes by."""
        machine = Machine(self._kernel.system, architecture)
        left = self._deadline - time.monotonic()
        search = Search(self._commands, machine, self._files, roots=self._roots, seconds=left)
        return search.interpreters(), search.conda()

    def _homebrew(self, architectures: Mapping[str, str]) -> list[Homebrew]:
        """Those of the prefixes that hold a Homebrew; it accepts one architecture in each."""
        return [
            {"prefix": prefix, "architecture": architecture}
            for prefix, architecture in architectures.items()
            if self._files.has(prefix + "/bin/brew")
        ]

    def _free_disk(self, root: str) -> FreeDisk:
        """The free space where `root` is or would be made: that of its nearest parent that is there."""
        folder = self._files.place(root)
        nearest = next(place for place in (folder, *folder.parents) if os.access(place, os.F_OK))
        try:
            return {"path": root, "free_bytes": shutil.disk_usage(nearest).free}
        except OSError as error:
            self._note(f"free disk space of {root}", reason_of(error))
            return {"path": root, "free_bytes": None}

    def _user_site_plugins(self) -> list[str]:
        """Folders of TensorFlow plug-ins in user sites: TensorFlow loads them into isolated environments too."""
        sites = (".local/lib/python3.*/site-packages", "Library/Python/3.*/lib/python/site-packages")
        folders = (folder for site in sites for folder in self._files.matching("~", f"{site}/tensorflow-plugins"))
        return [
            self._files.path(folder)
            for folder in folders
            if any(_LIBRARIES.intersection(Path(name).suffixes) for name in self._files.names(folder, "*"))
        ]


class _Mac(_Collector):
    def facts(self, *, full: bool) -> Facts:
        asked = {program: self._start(argv, QUICK_SECONDS) for program, argv in _QUICK.items()}
        sysctl = self._sysctl(_answer(asked["sysctl"]))
        apple = has_apple_silicon(sysctl, self._kernel)
        architecture = {True: "arm64", False: "x86_64", None: None}[apple]
        translated = is_translated(sysctl, self._kernel, apple_silicon=apple)
        profiler = self._start_profiler(translated=bool(translated)) if full else None
        pythons, conda = self._pythons(architecture)  # while the slower programs are still at work
        profile = self._profile(_answer(profiler)) if profiler else Profile()
        chip = describe_chip(sysctl, profile.chip)
        levels = core_levels(sysctl, chip) or profile.levels
        total = core_count(sysctl, levels, apple_silicon=bool(apple)) or profile.cores
        virtual = describe_virtual_machine(sysctl, self._kernel)
        ioreg = _answer(asked["ioreg"])
        accelerators = self._accelerators(ioreg, expected=virtual["is_virtual"] is False) if apple else None
        memory = number(sysctl.values.get("hw.memsize"))
        model = sysctl.values.get("hw.model") or profile.model
        needed: dict[str, object] = {
            "hw.optional.arm64": apple,
            "kern.hv_vmm_present": virtual["is_virtual"],
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
            "nvidia": nvidia.without_gpu(),
            "memory_bytes": memory or profile.memory,
            "model": model,
            "macos": self._macos(_answer(asked["sw_vers"]), sysctl),
            "virtual_machine": virtual,
            "rosetta": {"installed": apple is not False and self._files.has(_ROSETTA), "translated": translated},
            "command_line_tools": self._command_line_tools(_answer(asked["xcode-select"])),
            "homebrew": self._homebrew({"/opt/homebrew": "arm64", "/usr/local": "x86_64"}),
            "conda": conda,
            "pythons": pythons,
            "gui_session": self._gui_session(),
            "disk": [self._free_disk(root) for root in self._roots],
            "user_site_plugins": self._user_site_plugins(),
            "unknown": self._unknown(),
        }

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

    def _start_profiler(self, *, translated: bool) -> Started:
        """A translated system_profiler does not know the chip: it is started as the native one."""
        native = ("/usr/bin/arch", "-arm64") if translated else ()
        return self._start([*native, *_PROFILER], PROFILER_SECONDS)

    def _profile(self, answer: Answer) -> Profile:
        said = self._said("system_profiler", answer)
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
        return describe_macos(told, sysctl, self._kernel)

    def _command_line_tools(self, answer: Answer) -> CommandLineTools:
        if isinstance(answer, CommandExited) and answer.completed.rc == _NOTHING_SELECTED:
            return {"present": False, "path": None, "broken": False}
        path = (self._said("xcode-select", answer) or "").strip()
        if re.fullmatch(r"/[^\0\n]*", path):
            tools = [self._files.has(f"{path}/usr/bin/{tool}") for tool in ("xcrun", "git")]
            present = True if any(tools) else None if None in tools else False
            return {"present": present, "path": path, "broken": None if present is None else not present}
        if isinstance(answer, Completed):
            self._note("xcode-select", "it tells no path")
        return {"present": None, "path": None, "broken": None}

    def _gui_session(self) -> bool | None:
        """The console belongs to who is logged in at the screen, to root while nobody is."""
        try:
            return self._files.place("/dev/console").stat().st_uid >= _FIRST_USER_ID
        except OSError as error:
            self._note("/dev/console", reason_of(error))
            return None


class _Elsewhere(_Collector):
    """Linux; on another system the files that are read are not there, and so the facts are not known."""

    def facts(self, *, full: bool) -> Facts:  # noqa: ARG002 - there is no slow source here
        asked = self._start_nvidia_smi(nvidia.QUERY)
        pythons, conda = self._pythons(self._kernel.machine)
        cpuinfo = self._read(_CPUINFO)
        model = self._model()
        chip = describe_linux_chip(cpuinfo, model)
        if chip["name"] is None:
            self._note(_CPUINFO, "it names no processor")
        return {
            "is_apple_silicon": False,
            "system": self._kernel.system,
            "architecture": self._kernel.machine,
            "chip": chip,
            "cores": {"total": self._core_count(), "levels": None},
            "gpu": {"model": None, "cores": None, "metal": None, "paravirtual": None, "count": None},
            "nvidia": self._nvidia(asked),
            "memory_bytes": self._memory(),
            "model": model,
            "macos": {"version": None, "extra": None, "build": None, "darwin": None},
            "virtual_machine": self._virtual_machine(cpuinfo, model),
            "rosetta": {"installed": False, "translated": False},
            "command_line_tools": {"present": False, "path": None, "broken": False},
            "homebrew": self._homebrew({"/home/linuxbrew/.linuxbrew": self._kernel.machine}),
            "conda": conda,
            "pythons": pythons,
            "gui_session": None,
            "disk": [self._free_disk(root) for root in self._roots],
            "user_site_plugins": self._user_site_plugins(),
            "unknown": self._unknown(),
        }

    def _start_nvidia_smi(self, fields: Sequence[str]) -> Started | None:
        """Ask it, in the time that is left; None where there is no GPU."""
        if not nvidia.has_nvidia_gpu(self._files):
            return None
        there = (path for path in nvidia.NVIDIA_SMI if self._files.is_program(self._files.place(path)))
        program = next(there, nvidia.NVIDIA_SMI[0])
        return self._start(nvidia.query(program, fields), max(self._deadline - time.monotonic(), 0))

    def _nvidia(self, asked: Started | None) -> Nvidia:
        if asked is None:
            return nvidia.without_gpu()
        fields: Sequence[str] = nvidia.QUERY
        said = self._said_of_gpus(asked)
        if said is not None and nvidia.is_old(said):
            fields = nvidia.OLD_QUERY
            said = self._said_of_gpus(self._start_nvidia_smi(fields) or asked)
        gpus = None if said is None else nvidia.parse_gpus(said, fields)
        if said is not None and not gpus:
            self._note("nvidia-smi", nvidia.reason_of_answer(said))
        told = next((version for _gpu, version in gpus or () if version), None)
        return {
            "present": True,
            "driver": nvidia.parse_driver(self._files.text(nvidia.DRIVER) or "") or told,
            "gpus": None if gpus is None else [gpu for gpu, _version in gpus],
            "device_nodes": nvidia.device_nodes(self._files),
        }

    def _said_of_gpus(self, asked: Started) -> str | None:
        """What nvidia-smi printed, also where it failed: it says there why."""
        answer = _answer(asked)
        if isinstance(answer, CommandExited):
            return answer.completed.stdout or answer.completed.stderr
        if isinstance(answer, CommandFailed):
            self._note("nvidia-smi", answer.reason)
            return None
        return answer.stdout

    def _read(self, path: str) -> str:
        try:
            return text_of(self._files.place(path))
        except OSError as error:
            self._note(path, reason_of(error))
            return ""

    def _model(self) -> str | None:
        """By the firmware's table, or by the device tree, which Linux on a Mac with Apple Silicon has."""
        for path in (_PRODUCT_NAME, _DEVICE_TREE_MODEL):
            with suppress(OSError):
                model = text_of(self._files.place(path)).strip("\0 \n")
                if model:
                    return model
        self._read(_PRODUCT_NAME)  # notes why it is not there
        self._note(_PRODUCT_NAME, "it names no product")
        return None

    def _memory(self) -> int | None:
        memory = linux_memory(self._read(_MEMINFO))
        if memory is None:
            self._note(_MEMINFO, "it tells no MemTotal")
        return memory

    def _virtual_machine(self, cpuinfo: str, model: str | None) -> VirtualMachine:
        virtual = describe_linux_virtual_machine(cpuinfo, model)
        if virtual["is_virtual"] is None:
            self._note("virtual machine", f"neither {_CPUINFO} nor the model's name tells")
        return virtual

    def _core_count(self) -> int | None:
        """Each core has one list of the threads that share it."""
        folder = "/sys/devices/system/cpu"
        cpus = [cpu for cpu in self._files.names(self._files.place(folder), "cpu*") if cpu[3:].isdigit()]
        lists = {self._read(f"{folder}/{cpu}/topology/thread_siblings_list") for cpu in cpus} - {""}
        if not cpus:
            self._note(folder, "it lists no processors")
        return len(lists) or None


def _answer(started: Started) -> Answer:
    try:
        return started if isinstance(started, CommandFailed) else started.result()
    except CommandFailed as failure:
        return failure


# The programs

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
_CPUINFO = "/proc/cpuinfo"
_MEMINFO = "/proc/meminfo"
_PRODUCT_NAME = "/sys/class/dmi/id/product_name"
_DEVICE_TREE_MODEL = "/proc/device-tree/model"
_FIRST_USER_ID = 500  # of a person; the system's own accounts have lower numbers
_LIBRARIES = {".so", ".dylib"}  # what TensorFlow loads of a folder of plug-ins
