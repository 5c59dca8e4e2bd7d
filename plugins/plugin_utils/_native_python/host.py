# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""What a host is and has, as inspect.sh says it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._python.wanted import Linked

#: Why an interpreter cannot be linked, by the verdict of judge() in common.sh.
OBJECTIONS = {
    "missing": "it is not there",
    "developer-tools": "it belongs to the Command Line Tools; it was not started, as that could open a dialog",
    "script": "it is a script and not a program; it was not started, as it could lead to a shim",
    "foreign": "it has no arm64 code",
    "incomplete": "it has no standard library beside it, as a shim; it was not started",
    "no-pip": "it has no pip",
}


class NativePythonError(Exception):
    """A native Python cannot be had on this host; the message names cause and remedy."""


@dataclass(frozen=True)
class Judged:
    """An interpreter on the host, and what it said of itself if nothing spoke against starting it."""

    path: str = ""
    verdict: str = "missing"
    version: str = ""
    executable: str = ""

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
    uid: str = ""
    macos: str = ""
    sysctl: dict[str, str] = field(default_factory=dict)
    interpreter: Judged = field(default_factory=Judged)
    uv: str = ""
    uv_present: bool = False
    candidates: tuple[Judged, ...] = ()
    receipt: bool = False
    brew: str = ""
    developer_tools: bool = False

    @property
    def is_mac(self) -> bool:
        """Whether it runs macOS."""
        return self.system == "Darwin"

    @property
    def is_apple_silicon(self) -> bool:
        """Whether the machine is, also where the shell is translated."""
        return self.sysctl.get("hw.optional.arm64") == "1"

    @property
    def platform(self) -> str:
        """The name that locks and wheels of this host go by."""
        system = "macos" if self.is_mac else self.system.lower()
        return f"{system}-{'arm64' if self.is_mac and self.is_apple_silicon else self.machine}"

    @property
    def linked(self) -> Linked:
        """The same in the form in which the host's own modules see it."""
        runs = self.interpreter.is_usable
        return Linked(self.interpreter.path, runs, self.interpreter.version, self.uv, self.uv_present)


FLAGS = ("uv_present", "receipt", "developer_tools")


def parse_answer(text: str) -> Host:
    """Read the key=value lines of inspect.sh; a key that is missing keeps its default, and noise is passed over."""
    values: dict[str, Any] = {}
    sysctl: dict[str, str] = {}
    candidates: list[Judged] = []
    for key, separator, value in (line.partition("=") for line in text.splitlines()):
        if key.startswith("sysctl."):
            sysctl[key.removeprefix("sysctl.")] = value
        elif key == "candidate":
            candidates.append(parse_judged(*value.split(":", 1)))
        elif separator:
            values[key] = value == "1" if key in FLAGS else value
    if "root" not in values or "system" not in values:
        raise NativePythonError(f"The host did not answer as a POSIX shell would: {text.strip()[:300]!r}")
    if "interpreter" in values:
        values["interpreter"] = parse_judged(values["interpreter"], values.get("interpreter_judged", ""))
    known = {key: value for key, value in values.items() if key in Host.__dataclass_fields__}
    return Host(**known, sysctl=sysctl, candidates=tuple(candidates))


def parse_judged(path: str, said: str) -> Judged:
    """Read what judge() in common.sh said: VERDICT, or "ok VERSION PIP MACHINE EXECUTABLE"."""
    verdict, *rest = said.split(" ", 4)
    if verdict != "ok" or len(rest) < 4:
        return Judged(path, verdict or "missing")
    version, pip, _, executable = rest
    return Judged(path, "ok" if pip == "1" else "no-pip", version, executable)
