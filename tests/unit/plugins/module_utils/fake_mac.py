# SPDX-License-Identifier: GPL-3.0-or-later
"""Macs that are data: programs that answer from values, and files with the headers of Mach-O programs."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._apple_silicon import Kernel
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._commands import (
    CommandExited,
    CommandFailed,
    CommandNotFound,
    Commands,
    Completed,
)

MACHINES = sorted((Path(__file__).parent / "data/machines").glob("*.yml"))

CPU = {"x86_64": (0x01000007, 3), "arm64": (0x0100000C, 0), "arm64e": (0x0100000C, 0x80000002)}

Answer = str | CommandFailed | Callable[[Sequence[str]], str]


class FakeCommands(Commands):
    """Answers by the path of the program, and remembers what it was asked. Any other program is not there."""

    def __init__(self, answers: Mapping[str, Answer] | None = None) -> None:
        self.answers = dict(answers or {})
        self.calls: list[tuple[str, ...]] = []

    def run(self, argv: Sequence[str], **_: Any) -> Completed:
        """What the data says."""
        self.calls.append(tuple(argv))
        program = argv[2] if argv[:2] == ("/usr/bin/arch", "-arm64") else argv[0]
        answer = self.answers.get(program, CommandNotFound(argv, "No such file or directory"))
        if isinstance(answer, CommandFailed):
            raise answer
        return Completed(tuple(argv), 0, answer if isinstance(answer, str) else answer(argv), "")

    @property
    def programs(self) -> set[str]:
        """The programs that were asked for."""
        return {call[0] for call in self.calls}


def exited(rc: int, *, stdout: str = "", stderr: str = "") -> CommandExited:
    """A program that ends with a status other than 0."""
    return CommandExited(Completed(("program",), rc, stdout, stderr))


def load(path: Path) -> dict[str, Any]:
    """A machine's data."""
    machine: dict[str, Any] = yaml.safe_load(path.read_text())
    return machine


def kernel(machine: Mapping[str, Any]) -> Kernel:
    """What uname(2) says there."""
    return Kernel("Darwin", **machine["kernel"])


def commands(machine: Mapping[str, Any]) -> FakeCommands:
    """The machine's programs, as far as the data tells what they say."""
    answers: dict[str, Answer] = {}
    if "sysctl" in machine:
        answers["/usr/sbin/sysctl"] = sysctl(machine["sysctl"])
    if "sw_vers" in machine:
        answers["/usr/bin/sw_vers"] = sw_vers(machine["sw_vers"])
    if "ioreg" in machine:
        answers["/usr/sbin/ioreg"] = ioreg(machine["ioreg"])
    if "system_profiler" in machine:
        answers["/usr/sbin/system_profiler"] = json.dumps(machine["system_profiler"])
    return FakeCommands(answers)


def sysctl(values: Mapping[str, object]) -> Callable[[Sequence[str]], str]:
    """Prints the names that it knows and, as the real one does, ends with 1 if there is one that it does not."""

    def answer(argv: Sequence[str]) -> str:
        known = "".join(f"{name}: {values[name]}\n" for name in argv[1:] if name in values)
        unknown = "".join(f"sysctl: unknown oid '{name}'\n" for name in argv[1:] if name not in values)
        if unknown:
            raise CommandExited(Completed(tuple(argv), 1, known, unknown))
        return known

    return answer


def sw_vers(fields: Mapping[str, str]) -> str:
    """Two tabs from macOS 13 on, one after the long name; one before."""
    tabs = "\t\t" if int(fields["ProductVersion"].split(".")[0]) >= 13 else "\t"
    return "".join(f"{name}:{tabs if len(name) < 16 else chr(9)}{value}\n" for name, value in fields.items())


def ioreg(entries: Sequence[Mapping[str, str | int]]) -> str:
    """Accelerators with their properties, among others that hold misleading words."""
    text = ""
    for entry in entries:
        properties = "".join(f'      "{key}" = {json.dumps(value)}\n' for key, value in entry.items())
        text += (
            "+-o AGXAcceleratorG13X  <class AGXAcceleratorG13X, id 0x100000365, registered, matched, active>\n"
            '    {\n      "IOClass" = "AGXAcceleratorG13X"\n'
            '      "PerformanceStatistics" = {"model"="none","gpu-core-count"=999,"Device Utilization %"=22}\n'
            f"{properties}    }}\n\n"
        )
    return text


def thin(architecture: str) -> bytes:
    """The head of a 64-bit Mach-O program for one architecture."""
    return struct.pack("<4I", 0xFEEDFACF, *CPU[architecture], 2) + bytes(16)


def fat(*architectures: str) -> bytes:
    """The head of a universal Mach-O program."""
    entries = (struct.pack(">5I", *CPU[architecture], 16384, 4096, 14) for architecture in architectures)
    return struct.pack(">2I", 0xCAFEBABE, len(architectures)) + b"".join(entries)


def program(path: Path, content: bytes) -> Path:
    """An executable file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(0o755)
    return path


def python(prefix: Path, version: str, content: bytes, *, header: bool = True) -> Path:
    """An interpreter with its standard library, `python3` as a link to it, and the C header that tells its version."""
    minor = version.rpartition(".")[0]
    interpreter = program(prefix / f"bin/python{minor}", content)
    (prefix / "bin/python3").symlink_to(interpreter.name)
    library = prefix / f"lib/python{minor}"
    library.mkdir(parents=True)
    (library / "os.py").touch()
    if header:
        include = prefix / f"include/python{minor}"
        include.mkdir(parents=True)
        (include / "patchlevel.h").write_text(f'#define PY_MAJOR_VERSION 3\n\n#define PY_VERSION      \t"{version}"\n')
    return interpreter
