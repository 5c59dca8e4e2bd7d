# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""Which wheels suit an interpreter, by their file names."""

from __future__ import annotations

import json
import os
import re
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.lock import normalized

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ansible_collections.metalfleet.tensorflow.plugins.module_utils._commands import Commands

Version = tuple[int, ...]
Rank = tuple[int, int, Version]

_ASK = """
import json, os, platform, sys, sysconfig
def system():
    if sys.platform == "darwin":
        return platform.mac_ver()[0]
    try:
        return os.confstr("CS_GNU_LIBC_VERSION").split()[-1]
    except (ValueError, AttributeError):
        return ""
full = platform.python_version()
print(json.dumps({
    "system": system(),
    "free_threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
    "markers": {
        "os_name": os.name, "sys_platform": sys.platform, "platform_machine": platform.machine(),
        "platform_python_implementation": platform.python_implementation(), "platform_release": platform.release(),
        "platform_system": platform.system(), "platform_version": platform.version(),
        "python_version": "%d.%d" % sys.version_info[:2], "python_full_version": full,
        "implementation_name": sys.implementation.name, "implementation_version": full,
    },
}))
"""
_WHEEL = re.compile(
    r"(?P<name>[A-Za-z0-9_.]+)-(?P<version>[A-Za-z0-9_.!+]+)(-\d[A-Za-z0-9_.]*)?"
    r"-(?P<tags>[A-Za-z0-9_.]+-[A-Za-z0-9_.]+-[A-Za-z0-9_.]+)\.whl"
)
_OLD_MANYLINUX = {"manylinux1": (2, 5), "manylinux2010": (2, 12), "manylinux2014": (2, 17)}


@dataclass(frozen=True)
class WheelName:
    """What a wheel's file name says."""

    name: str
    """As PEP 503 normalizes it."""
    version: str
    tags: tuple[tuple[str, str, str], ...]

    def is_version(self, version: str) -> bool:
        """Whether it is of this version, in whatever spelling."""
        return _comparable(self.version) == _comparable(version)


@dataclass(frozen=True)
class Platform:
    """What a wheel must suit: CPython on macOS, or on Linux with glibc."""

    python: Version
    """Such as (3, 12)."""
    machine: str
    system: Version
    """The version of macOS, or of glibc."""
    is_mac: bool
    free_threaded: bool = False
    markers: Mapping[str, str] = field(default_factory=dict)
    """The values of the variables of environment markers."""

    def __str__(self) -> str:
        system, python = ".".join(map(str, self.system)), ".".join(map(str, self.python))
        threads = " (free-threaded)" if self.free_threaded else ""
        return f"Python {python}{threads} on {'macOS' if self.is_mac else 'Linux with glibc'} {system}, {self.machine}"

    def as_data(self) -> dict[str, object]:
        """As JSON can hold it."""
        return asdict(self)

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Platform:
        """What as_data() gave, after its way through JSON."""
        return cls(**{**data, "python": tuple(data["python"]), "system": tuple(data["system"])})

    def with_python(self, version: str) -> Platform:
        """The same with another Python, by its whole version."""
        minor = ".".join(version.split(".")[:2])
        markers = {"python_version": minor, "python_full_version": version, "implementation_version": version}
        return replace(self, python=_numbers(minor), free_threaded=False, markers={**self.markers, **markers})

    def rank(self, wheel: WheelName) -> Rank | None:
        """How well a wheel suits, the greater the better; None if it does not."""
        ranks = [rank for tag in wheel.tags for rank in [self._rank_of_tag(*tag)] if rank is not None]
        return max(ranks, default=None)

    def _rank_of_tag(self, python: str, abi: str, platform: str) -> Rank | None:
        code, system = self._rank_of_code(python, abi), self._rank_of_system(platform)
        return None if code is None or system is None else (code, *system)

    def _rank_of_code(self, python: str, abi: str) -> int | None:
        major, minor = self.python[:2]
        found = re.fullmatch(r"(cp|py)(\d)(\d*)", python)
        if not found or int(found[2]) != major or int(found[3] or 0) > minor:
            return None
        is_ours = found[1] == "cp" and int(found[3] or -1) == minor
        if is_ours and abi == f"cp{major}{minor}{'t' if self.free_threaded else ''}":
            return 4
        if found[1] == "cp" and abi == "abi3" and not self.free_threaded:
            return 3
        if abi == "none" and is_ours:
            return 2
        return 1 if abi == "none" and found[1] == "py" else None

    def _rank_of_system(self, platform: str) -> tuple[int, Version] | None:
        if platform == "any":
            return 0, ()
        if self.is_mac:
            return self._rank_of_mac(platform)
        if platform == f"linux_{self.machine}":
            return 1, ()
        base = platform[: -len(self.machine) - 1] if platform.endswith(f"_{self.machine}") else ""
        found = re.fullmatch(r"manylinux_(\d+)_(\d+)", base)
        needs = (int(found[1]), int(found[2])) if found else _OLD_MANYLINUX.get(base)
        return (1, needs) if needs and needs <= self.system[:2] else None

    def _rank_of_mac(self, platform: str) -> tuple[int, Version] | None:
        found = re.fullmatch(r"macosx_(\d+)_(\d+)_(\w+)", platform)
        if not found or found[3] not in (self.machine, "universal2"):
            return None
        needs = (int(found[1]), int(found[2]))
        if needs[0] >= 11 and needs[1]:  # such wheels exist for nobody: pip and uv take none
            return None
        return (2 if found[3] == self.machine else 1, needs) if needs <= (*self.system, 0)[:2] else None


def parse_wheel_name(filename: str) -> WheelName | None:
    """What a file name says, if it is a wheel's."""
    found = _WHEEL.fullmatch(filename)
    if not found:
        return None
    pythons, abis, platforms = (part.split(".") for part in found["tags"].split("-"))
    tags = tuple((python, abi, platform) for python in pythons for abi in abis for platform in platforms)
    return WheelName(normalized(found["name"]), found["version"], tags)


def platform_of(python: Path, commands: Commands) -> Platform:
    """The platform of an interpreter, as it says itself. Raises CommandFailed, or ValueError for a strange answer."""
    # With this variable a Mac names an old macOS to its programs.
    env = {name: value for name, value in os.environ.items() if name != "SYSTEM_VERSION_COMPAT"}
    answer = json.loads(commands.run([str(python), "-I", "-S", "-c", _ASK], timeout=60, env=env).stdout)
    markers = answer["markers"]
    return Platform(
        python=_numbers(markers["python_version"]),
        machine=markers["platform_machine"],
        system=_numbers(answer["system"]),
        is_mac=markers["sys_platform"] == "darwin",
        free_threaded=answer["free_threaded"],
        markers=markers,
    )


def _numbers(version: str) -> Version:
    return tuple(int(part) for part in version.split(".") if part.isdigit())


def _comparable(version: str) -> str:
    """A version in one of its spellings, enough to tell whether a file name is of a locked version."""
    public, plus, local = version.lower().partition("+")
    numbers = re.match(r"v?((?:\d+!)?[\d.]*)", public)
    release = numbers[1] if numbers else ""
    rest = re.sub(r"[-_.]", "", public[numbers.end() if numbers else 0 :])
    return re.sub(r"(\.0)+$", "", release.rstrip(".")) + rest + plus + re.sub(r"[-_]", ".", local)
