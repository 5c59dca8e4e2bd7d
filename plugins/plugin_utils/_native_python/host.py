# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""Facts of a host, as the scripts in on_host report them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._python.plan import Interpreter, Seen
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._python.wanted import Linked

BEGIN, END = "metalfleet: begin", "metalfleet: end"
"""Lines around what our scripts print. Outside of them may be whatever the user's start-up files print."""

#: Why an interpreter cannot be linked, by the verdict of judge() in common.sh.
OBJECTIONS = {
    "missing": "it is not there",
    "developer-tools": "it belongs to the Command Line Tools; it was not started, as that could open a dialog",
    "script": "it is a script and not a program; it was not started, as it could lead to a shim",
    "foreign": "it has no arm64 code",
    "incomplete": "it has no standard library beside it, as a shim; it was not started",
    "no-pip": "it has no pip",
    "garbage": "it starts, but does not answer as a Python does",
    "timed-out": "it did not answer in time, and was stopped",
    "damaged": "it lacks a file, or has another one than was installed",
    "other-kind": "it is PyPy or a build without the global lock, for which TensorFlow has no wheels",
}
PLAIN = "cpython"


@dataclass(frozen=True)
class Judged:
    """An interpreter on the host, and what it said of itself if nothing spoke against starting it."""

    path: str = ""
    verdict: str = "missing"
    version: str = ""
    executable: str = ""
    damage: str = ""
    """The first file that is not as it was installed."""

    @property
    def is_usable(self) -> bool:
        """Whether it runs, and natively, and can install uv."""
        return self.verdict == "ok"

    @property
    def objection(self) -> str:
        """Why it is not usable, in words."""
        default = f"it does not start (exit status {self.verdict.removeprefix('status-')})"
        return OBJECTIONS.get(self.verdict, default)


@dataclass(frozen=True)
class Host:
    """What inspect.sh said."""

    root: str
    system: str
    machine: str
    home: str = ""
    uid: str = ""
    macos: str = ""
    sysctl: dict[str, str] = field(default_factory=dict)
    interpreter: Judged = field(default_factory=Judged)
    uv: str = ""
    uv_version: str = ""
    candidates: tuple[Judged, ...] = ()
    receipt: bool = False
    brew: str = ""
    developer_tools: bool = False
    set_aside: tuple[str, ...] = ()

    @property
    def is_mac(self) -> bool:
        """Whether it runs macOS."""
        return self.system == "Darwin"

    @property
    def is_apple_silicon(self) -> bool | None:
        """Whether the machine is, also where the shell is translated; None if the host does not tell."""
        said, chip = self.sysctl.get("hw.optional.arm64"), self.sysctl.get("machdep.cpu.brand_string")
        if said is not None or self.machine == "arm64":
            return said == "1" or self.machine == "arm64"
        return None if chip is None else chip.startswith("Apple")  # Intel's do not know the other name

    @property
    def platform(self) -> str:
        """The name of this host's platform."""
        system = "macos" if self.is_mac else self.system.lower()
        return f"{system}-{'arm64' if self.is_mac else self.machine}"

    @property
    def seen(self) -> Seen:
        """The same facts in the form that the planner takes."""
        usable = [Interpreter(each.path, each.version, each.executable) for each in self.candidates if each.is_usable]
        return Seen(Path(self.root), self.system, self.linked, tuple(usable))

    @property
    def linked(self) -> Linked:
        """What the links lead to, and whether that works."""
        python = self.interpreter
        runs = python.is_usable or bool(python.damage)
        return Linked(python.path, runs, python.version, self.uv, bool(self.uv_version), python.damage)


FLAGS = ("receipt", "developer_tools")


def parse_answer(text: str) -> Host:
    """Read the key=value lines of a script; a key that is missing keeps its default, and noise is passed over."""
    values: dict[str, Any] = {}
    sysctl: dict[str, str] = {}
    candidates: dict[int, Judged] = {}
    set_aside: list[str] = []
    for key, separator, value in (line.partition("=") for line in between_marks(text)):
        if key.startswith("sysctl."):
            sysctl[key.removeprefix("sysctl.")] = value
        elif key == "candidate":
            number, path, said = value.split(":", 2)
            candidates[int(number)] = parse_judged(path, said)
        elif key == "set_aside":
            set_aside.append(value)
        elif separator:
            values[key] = value == "1" if key in FLAGS else value
    if "root" not in values or "system" not in values:
        raise MetalfleetError(
            "The host did not answer as a POSIX shell would",
            evidence=f"It said: {text.strip()[:300]!r}.",
            remedy="Log in as the same user with ssh: /bin/sh must start there, and start-up files must not end the "
            "session.",
        )
    if "interpreter" in values:
        values["interpreter"] = parse_judged(values["interpreter"], values.get("interpreter_judged", ""))
    known = {key: value for key, value in values.items() if key in Host.__dataclass_fields__}
    found = tuple(candidates[number] for number in sorted(candidates))
    return Host(**known, sysctl=sysctl, candidates=found, set_aside=tuple(set_aside))


def between_marks(text: str) -> list[str]:
    """The lines that our script printed; those of a script that did not come to its end are none."""
    match = re.search(rf"^{BEGIN}$\n(.*?)^{END}$", text.replace("\r\n", "\n"), re.MULTILINE | re.DOTALL)
    return match[1].splitlines() if match else []


def parse_judged(path: str, said: str) -> Judged:
    """Read what judge() in common.sh said: "ok KIND VERSION PIP MACHINE EXECUTABLE", or why not."""
    verdict, *rest = said.split(" ", 5)
    if verdict == "damaged":
        return Judged(path, verdict, damage=" ".join(rest))
    if verdict != "ok":
        return Judged(path, verdict or "missing")
    if len(rest) < 5:
        return Judged(path, "garbage")
    kind, version, pip, _machine, executable = rest
    if kind != PLAIN:
        return Judged(path, "other-kind", version)
    return Judged(path, "ok" if pip == "1" else "no-pip", version, executable)
