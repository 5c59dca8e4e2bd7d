# SPDX-License-Identifier: GPL-3.0-or-later
"""Macs that are data: programs that answer as a simulated Mac's do, and files with the headers of Mach-O programs."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._commands import (
    CommandExited,
    CommandFailed,
    CommandNotFound,
    Commands,
    Completed,
    Running,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._facts.answers import Kernel

from tests.simulated_mac import answers
from tests.simulated_mac.inside import mac_programs
from tests.simulated_mac.profile import FOLDER, Profile
from tests.simulated_mac.sysctl import values as sysctl_values

RECORDED = sorted(path.stem for path in (FOLDER / "recorded").glob("*.yml"))
"""The profiles of Macs whose answers somebody has recorded, with the facts that follow from those."""

IOREG = "/usr/sbin/ioreg"

CPU = {"x86_64": (0x01000007, 3), "arm64": (0x0100000C, 0), "arm64e": (0x0100000C, 0x80000002)}

Answer = str | CommandFailed | Callable[[Sequence[str]], str]


class Answered(Running):
    """A program that is not run."""

    def __init__(self, result: Callable[[], Completed]) -> None:
        self.result = result  # type: ignore[method-assign]


class FakeCommands(Commands):
    """Answers by the path of the program, and remembers what it was asked. Any other program is not there."""

    def __init__(self, answers: Mapping[str, Answer] | None = None) -> None:
        self.answers = dict(answers or {})
        self.calls: list[tuple[str, ...]] = []

    def start(self, argv: Sequence[str], **_: Any) -> Running:
        """What the data says."""
        return Answered(lambda: self._result(argv))

    def _result(self, argv: Sequence[str]) -> Completed:
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


def kernel(profile: Profile) -> Kernel:
    """What uname(2) says there."""
    return Kernel("Darwin", profile.macos.darwin, profile.kernel, process_architecture(profile))


def process_architecture(profile: Profile) -> str:
    """What our process runs as."""
    return "x86_64" if profile.facts.get("rosetta", {}).get("translated") else profile.arch


def commands(profile: Profile) -> FakeCommands:
    """The Mac's programs, with the answers that a simulated Mac of this profile gives."""
    values = sysctl_values(profile)
    if process_architecture(profile) != profile.arch:
        values["sysctl.proc_translated"] = "1"
    rendered = answers.rendered(profile)
    programs = {path: simulated(path, rendered) for path in ("/usr/bin/sw_vers", IOREG, "/usr/sbin/system_profiler")}
    return FakeCommands({"/usr/sbin/sysctl": sysctl(values), **programs})


def simulated(path: str, rendered: dict[str, Any]) -> Callable[[Sequence[str]], str]:
    """A program of the simulated Mac, run in this process."""

    def answer(argv: Sequence[str]) -> str:
        arguments = argv[argv.index(path) + 1 :]
        with redirect_stdout(StringIO()) as printed:
            status = mac_programs.SIMULATED[path](rendered, list(arguments))
        if status != 0:
            raise CommandExited(Completed(tuple(argv), status or mac_programs.NOT_SIMULATED, printed.getvalue(), ""))
        return printed.getvalue()

    return answer


def sysctl(values: Mapping[str, object]) -> Callable[[Sequence[str]], str]:
    """Prints the names that have a value; like the real one, ends with 1 if there is a name that it does not know."""

    def answer(argv: Sequence[str]) -> str:
        told = "".join(f"{name}: {values[name]}\n" for name in argv[1:] if values.get(name) is not None)
        unknown = "".join(f"sysctl: unknown oid '{name}'\n" for name in argv[1:] if name not in values)
        if unknown:
            raise CommandExited(Completed(tuple(argv), 1, told, unknown))
        return told

    return answer


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


def python(
    prefix: Path, version: str, content: bytes, *, header: bool = True, name: str = "python", abi: str = ""
) -> Path:
    """An interpreter with its standard library, `python3` as a link to it, and the C header that tells its version.

    PyPy has another name; a free-threaded build has "t" behind it.
    """
    full_name = f"{name}{version.rpartition('.')[0]}{abi}"
    interpreter = program(prefix / "bin" / full_name, content)
    (prefix / f"bin/{name}3").symlink_to(interpreter.name)
    library = prefix / "lib" / full_name
    library.mkdir(parents=True)
    (library / "os.py").touch()
    if header:
        include = prefix / "include" / full_name
        include.mkdir(parents=True)
        (include / "patchlevel.h").write_text(f'#define PY_MAJOR_VERSION 3\n\n#define PY_VERSION      \t"{version}"\n')
    return interpreter
