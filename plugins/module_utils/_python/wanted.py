# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""What a host's links lead to, which interpreter a declaration asks for, and how the two differ.

Below the root folder `bin/python3` and `bin/uv` lead to what is in use; `bin/python3.N` to a further Python that an
environment asks for. They are symbolic links or, for an interpreter with code for several processors, starters: scripts
that start it as arm64, and name it on line 2.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._facts.interpreters import version_in_header
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._options import PIN_OPTIONS
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._paths import head_of_file, matching, read_regular
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._python.intact import difference

if TYPE_CHECKING:
    from collections.abc import Mapping

PYTHON_ORG_PYTHON = "/Library/Frameworks/Python.framework/Versions/{0}/bin/python{0}"
"""Where python.org's installer puts it; it has no other place. Source: https://docs.python.org/3/using/mac.html"""
HOMEBREW_PYTHON = "/opt/homebrew/opt/python@{0}/bin/python{0}"
"""Homebrew's stable path on Apple Silicon, which leads to the installed patch level."""
STARTER_SIZE = 4096
"""More bytes than a starter has, in case that the file is something else."""


class Linked(NamedTuple):
    """What the two links lead to; "" where there is nothing. Something else than a link leads to itself."""

    python: str
    python_runs: bool
    """Whether the interpreter can be started, as far as whoever filled this in could tell."""
    version: str
    """The interpreter's full version; "" if nothing tells it."""
    uv: str
    uv_runs: bool
    """Whether uv can be started, and is as we installed it."""
    damage: str = ""
    """The first file of an interpreter that we installed which is not as it was; "" if all are."""


def linked(root: Path, minor: str = "") -> Linked:
    """Read the links below a root folder (absolute, no "~"), without executing anything; see link_to."""
    python, uv = target_of(link_to(root, minor)), target_of(root / "bin" / "uv")
    uv_runs = _can_execute(uv) and not _damage(root / "uv", uv)
    return Linked(python, _can_execute(python), version_of(python), uv, uv_runs, _damage(root / "python", python))


def link_to(root: Path, minor: str = "") -> Path:
    """What starts a managed Python: the one that runs our modules, or the additional one of a minor version."""
    return root / "bin" / f"python{minor or 3}"


def managed_python(root: Path, minor: str = "") -> Path:
    """The interpreter that such a link starts, for who must know its file.

    Where an additional one is not linked, it is what will be linked again, if that is there; else the link itself.
    """
    link = link_to(root, minor)
    installed = matching(root, f"python/cpython-{minor}.*/bin/python{minor}") if minor else []
    return Path(target_of(link) or max(installed, key=lambda path: version_key(str(path)), default=link))


class Wanted(NamedTuple):
    """The interpreter that a declaration asks for. `python` is None where any that is linked and runs will do."""

    python: str | None
    at_least: str = ""
    """The lowest version, for an interpreter that is upgraded in its place."""


def wanted(
    root: Path, source: str, minor: str, *, system: str, pins: Mapping[str, Mapping[str, Any]], existing: str = ""
) -> Wanted:
    """The interpreter that is wanted below `root` on a host whose operating system is `system` ("Darwin", "Linux"...).

    `pins` has the pins of the source by minor version: `version`, for standalone `build` too. `existing` is the path
    that a user named. Raises MetalfleetError where nothing is pinned for the minor version.
    """
    if source == "existing" or system != "Darwin":
        return Wanted(str(Path(existing).expanduser()) if existing else None)
    if source == "homebrew":
        return Wanted(HOMEBREW_PYTHON.format(minor))
    pin = pin_of(pins, source, minor)
    if source == "python_org":
        return Wanted(PYTHON_ORG_PYTHON.format(minor), pin["version"])
    return Wanted(str(standalone_python(root, pin["version"], str(pin["build"]))))


def pin_of(pins: Mapping[str, Mapping[str, Any]], source: str, minor: str) -> Mapping[str, Any]:
    """What is pinned for a minor version. Raises MetalfleetError, with those that there are."""
    if minor in pins:
        return pins[minor]
    known = ", ".join(sorted(pins, key=version_key)) or "none"
    raise MetalfleetError(
        f"There is no pinned Python {minor} for native_python_source: {source}",
        evidence=f"There are: {known}.",
        remedy="Declare one of them (native_python_version, or python of an environment), or pin it in "
        f"native_python_{PIN_OPTIONS[source]}.",
    )


def standalone_python(root: Path, version: str, build: str) -> Path:
    """Where a standalone interpreter is unpacked to. A build has a folder of its own, so an upgrade is a new path."""
    return root / "python" / f"cpython-{version}+{build}" / "bin" / f"python{minor_of(version)}"


def find_reasons(linked: Linked, python: str | None, uv_version: str, *, at_least: str = "") -> list[str]:
    """Why a host's Python and uv have to be repaired, as codes, in the order of repair; [] if they are as they must be.

    `python` is the path of the wanted interpreter; None accepts whichever is linked. `at_least` is for an interpreter
    that is upgraded in its place: its lowest version.
    """
    reasons = []
    if not linked.python:
        reasons.append("absent")
    elif python is not None and linked.python != python:
        reasons.append("interpreter-changed")
    elif not linked.python_runs:
        reasons.append("interpreter-missing")
    elif linked.damage:
        reasons.append("interpreter-damaged")
    elif at_least and version_key(linked.version) < version_key(at_least):
        reasons.append("interpreter-changed")
    if not linked.uv_runs or Path(linked.uv).parts[-4:] != ("uv", uv_version, "bin", "uv"):
        reasons.append("uv")
    return reasons


def minor_of(version: str) -> str:
    """3.12.16 -> 3.12."""
    return ".".join(version.split(".")[:2])


def version_key(version: str) -> tuple[int, ...]:
    """For comparing versions as numbers: 9 comes before 12.1, and "" before everything."""
    return tuple(int(part) for part in re.findall(r"\d+", version))


def target_of(entry: Path) -> str:
    """What a link or a starter leads to; itself, if it is something else, and "" if there is nothing."""
    with suppress(OSError):
        if entry.is_symlink():
            return str(entry.parent / entry.readlink())
        lines = head_of_file(entry, STARTER_SIZE).decode(errors="replace").splitlines()
        if len(lines) > 1 and lines[1].startswith("# /"):
            return lines[1][2:]
    return str(entry) if os.path.lexists(entry) else ""


def _damage(folder: Path, program: str) -> str:
    """What is wrong with an installation of ours, by a program in its bin; "" for what lies elsewhere."""
    home = Path(program).parent.parent
    return difference(home) if Path(os.path.normpath(home)).parent == folder else ""


def _can_execute(path: str) -> bool:
    return os.path.isfile(path) and os.access(path, os.X_OK)  # noqa: PTH113 - a path, not a Path, is at hand


def version_of(python: str) -> str:
    """From the C header that every complete Python brings, prefix/include/pythonX.Y/patchlevel.h; "" without it."""
    real = Path(os.path.realpath(python))
    for header in sorted(real.parent.parent.glob("include/python3.*/patchlevel.h")):
        with suppress(OSError):
            return version_in_header(read_regular(header).decode(errors="replace")) or ""
    return ""
