# SPDX-License-Identifier: GPL-3.0-or-later
"""What a simulated Mac is: a small data file (NAME.yml anywhere below profiles/, or yours) that states its values.

A value that is left out or null is not known: sysctl has no value for it, and a program that has nothing else to tell
exits 70. So a profile of a Mac of which only a part was recorded invents nothing. What a Mac's programs make of the
values is said in sysctl.py, system_profiler.py and answers.py.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any

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
    pythons: Sequence[str] = ()  # more of them: conda, conda-x86_64, macadmins, pyenv, uv, or a folder for one
    files: Mapping[str, str] = field(default_factory=dict)  # path: text; with "~/" the user's; "#!" makes a program
    sysctl: Sysctl = field(default_factory=dict)  # more names, or other values; null: known, but without a value
    sysctl_unknown: Sequence[str] = ()  # patterns of names that this Mac does not know
    answers: Mapping[str, Any] = field(default_factory=dict)  # word for word, see README.md
    facts: Mapping[str, Any] = field(default_factory=dict)  # what is true of it, for tests of whoever collects facts

    @staticmethod
    def names() -> list[str]:
        """All profiles there are."""
        return sorted(path.stem for path in FOLDER.rglob("*.yml"))

    @classmethod
    def load(cls, name: str) -> Profile:
        """The profile of that name, or in that file, which ends with .yml.

        Raises ``ProfileError`` for one that does not exist or has a wrong key.
        """
        import yaml  # here, because whoever only asks which hosts are up may have no PyYAML

        path = Path(name) if name.endswith(".yml") else next(FOLDER.rglob(f"{name}.yml"), None)
        if path is None or not path.is_file():
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
            return [Gpu(self.chip, self.gpu_cores, self.own_metal if self.metal == METAL_OF_MACOS else self.metal)]
        return self.gpus

    @property
    def own_metal(self) -> str:
        """What a macOS says of Apple Silicon's own GPU: until 12 the chip's family, later only what macOS offers."""
        if self.macos.major < 13:
            generation = re.search(r"M(\d)", self.chip or "")
            return f"Metal GPUFamily Apple {6 + int(generation[1] if generation else 1)}"
        return "Metal 4" if self.macos.major >= 26 else "Metal 3"

    @cached_property
    def kernel(self) -> str:
        """``uname -v``."""
        return self.macos.kernel or f"Darwin Kernel Version {self.macos.darwin}; root:xnu~1/RELEASE_{kernel_kind(self)}"


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


def text(value: object) -> str | None:
    """As a program prints it; None stays."""
    return None if value is None else f"{value}"
