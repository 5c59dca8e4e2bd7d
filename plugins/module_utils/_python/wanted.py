# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""Whether the managed Python and uv of a host are those that are wanted.

Below the root folder `bin/python3` and `bin/uv` lead to what is in use. `bin/python3` is a symbolic link or, for an
interpreter with code for several processors, a starter: a script that starts it as arm64, and names it on line 2.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._facts.interpreters import version_in_header

if TYPE_CHECKING:
    from collections.abc import Mapping

SOURCES = ("standalone", "python_org", "homebrew", "existing")
"""The ways to come to an interpreter."""
PYTHON_ORG_PYTHON = "/Library/Frameworks/Python.framework/Versions/{0}/bin/python{0}"
"""Where python.org's installer puts it; it has no other place. Source: https://docs.python.org/3/using/mac.html"""
HOMEBREW_PYTHON = "/opt/homebrew/opt/python@{0}/bin/python{0}"
"""Homebrew's stable path on Apple Silicon, which leads to the installed patch level."""
STARTER_SIZE = 4096
"""More bytes than a starter has, in case that the file is something else."""


class Linked(NamedTuple):
    """What the two links lead to; "" where there is no link."""

    python: str
    python_runs: bool
    """Whether the interpreter can be started, as far as whoever filled this in could tell."""
    version: str
    """The interpreter's full version; "" if nothing tells it."""
    uv: str
    uv_runs: bool


def linked(root: Path) -> Linked:
    """Read the links below a root folder (absolute, no "~"), without executing anything."""
    python, uv = _target(root / "bin" / "python3"), _target(root / "bin" / "uv")
    return Linked(python, _can_execute(python), _version(python), uv, _can_execute(uv))


def managed_python(root: Path) -> Path:
    """The interpreter that `bin/python3` starts, for who must know its file; the entry itself if there is none."""
    return Path(linked(root).python or root / "bin" / "python3")


class Wanted(NamedTuple):
    """The interpreter that a declaration asks for. `python` is None where any that is linked and runs will do."""

    python: str | None
    at_least: str = ""
    """The lowest version, for an interpreter that is upgraded in its place."""


def wanted(
    root: Path, source: str, minor: str, *, system: str, pins: Mapping[str, Mapping[str, Any]], existing: str = ""
) -> Wanted:
    """The interpreter that is wanted below `root` on a host whose operating system is `system` ("Darwin", "Linux"...).

    `source` is one of SOURCES. `pins` has the pins of that source by minor version: `version`, for standalone `build`
    too. `existing` is the path that a user named. Raises KeyError where nothing is pinned for the minor version.
    """
    if source == "existing" or system != "Darwin":
        return Wanted(existing or None)
    if source == "homebrew":
        return Wanted(HOMEBREW_PYTHON.format(minor))
    if source == "python_org":
        return Wanted(PYTHON_ORG_PYTHON.format(minor), pins[minor]["version"])
    return Wanted(str(standalone_python(root, pins[minor]["version"], str(pins[minor]["build"]))))


def standalone_python(root: Path, version: str, build: str) -> Path:
    """Where a standalone interpreter is unpacked to. A build has a folder of its own, so an upgrade is a new path."""
    return root / "python" / f"cpython-{version}+{build}" / "bin" / f"python{minor_of(version)}"


def find_reasons(linked: Linked, python: str | None, uv_version: str, *, at_least: str = "") -> list[str]:
    """Why a host's Python and uv have to be mended, as codes, in the order of mending; [] if they are as they must be.

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


def _target(entry: Path) -> str:
    with suppress(OSError):
        if entry.is_symlink():
            return str(entry.parent / entry.readlink())
        lines = entry.read_bytes()[:STARTER_SIZE].decode(errors="replace").splitlines()
        return lines[1][2:] if len(lines) > 1 and lines[1].startswith("# /") else ""
    return ""


def _can_execute(path: str) -> bool:
    return os.access(path, os.X_OK)


def _version(python: str) -> str:
    """From the C header that every complete Python brings: prefix/include/pythonX.Y/patchlevel.h."""
    real = Path(os.path.realpath(python))
    for header in sorted(real.parent.parent.glob("include/python3.*/patchlevel.h")):
        with suppress(OSError):
            return version_in_header(header.read_text(encoding="utf-8", errors="replace")) or ""
    return ""
