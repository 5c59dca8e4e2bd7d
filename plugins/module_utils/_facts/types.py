# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""The form of the facts. What each value means, its unit and when it is null: RETURN of apple_silicon_facts.

For the eyes of type checkers only: on a host nobody imports this.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from ansible_collections.metalfleet.tensorflow.plugins.module_utils._facts.interpreters import Interpreter


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


class NvidiaGpu(TypedDict):
    """`compute_capability` is such as "8.6", `mig` whether the GPU is divided into several."""

    name: str | None
    uuid: str | None
    memory_bytes: int | None
    compute_capability: str | None
    mig: bool | None


class Nvidia(TypedDict):
    """`present` is the hardware, `driver` the version of what is loaded; `gpus` are those that the driver tells of."""

    present: bool
    driver: str | None
    gpus: list[NvidiaGpu] | None
    device_nodes: list[str]


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

    installed: bool | None
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


class Conda(TypedDict):
    """One installation of conda, mamba or micromamba: its root, and the prefixes of its environments."""

    prefix: str
    distribution: str
    architecture: str | None
    environments: list[str]


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
    nvidia: Nvidia
    memory_bytes: int | None
    model: str | None
    macos: MacOS
    virtual_machine: VirtualMachine
    rosetta: Rosetta
    command_line_tools: CommandLineTools
    homebrew: list[Homebrew]
    conda: list[Conda]
    pythons: list[Interpreter]
    gui_session: bool | None
    disk: list[FreeDisk]
    user_site_plugins: list[str]
    unknown: list[Unknown]
