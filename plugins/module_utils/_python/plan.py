# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""What must be done to a host's managed Python and uv, and why. Pure: made from data, it changes nothing, asks nothing.

The host plans with what its files tell; the controller's action native_python, which also starts interpreters, with
what they said. Both plan here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._python.wanted import (
    Linked,
    Wanted,
    find_reasons,
    link_to,
    minor_of,
    target_of,
    version_key,
    version_of,
    wanted,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True)
class Request:
    """The Python and uv that a declaration asks for."""

    source: str
    version: str
    """The minor version."""
    uv_version: str
    pins: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Those of the source, by minor version."""
    existing: str = ""
    others: tuple[str, ...] = ()
    """Other minor versions that will do where one is looked for, the best first."""


class Interpreter(NamedTuple):
    """An interpreter that can be used."""

    path: str
    version: str
    executable: str
    """What it calls itself; another path where the first one is that of a launcher, as pyenv's."""


@dataclass(frozen=True)
class Seen:
    """What there is on a host."""

    root: Path
    system: str
    linked: Linked
    candidates: tuple[Interpreter, ...] | None = None
    """Usable interpreters in the places of the source. None: nobody has looked, and what is linked will do."""


class Plan(NamedTuple):
    """What has to be done, as reason codes; none if everything is as it must be."""

    reasons: tuple[str, ...]
    python: str | None
    """The interpreter to link; None: the one that is linked."""
    version: str
    """Its version; "" if it is not there, or nothing tells."""
    is_there: bool
    """Whether it is on the host, as far as somebody has looked; else it must be brought first."""


def make_plan(seen: Seen, request: Request) -> Plan:
    """Compare host and declaration. Raises MetalfleetError where nothing is pinned for the declared minor version."""
    python, at_least = interpreter_for(request, seen.root, seen.system)
    found = choose(seen, request, python, at_least)
    is_there = found is not None or seen.candidates is None
    target = found.path if found else python
    reasons = find_reasons(seen.linked, target, request.uv_version, at_least=at_least)
    if not is_there and not set(reasons) - {"uv"}:
        reasons.insert(0, "interpreter-missing")
    return Plan(tuple(reasons), target, found.version if found else "", is_there)


def interpreter_for(request: Request, root: Path, system: str) -> Wanted:
    """See wanted."""
    return wanted(root, request.source, request.version, system=system, pins=request.pins, existing=request.existing)


def next_minor(root: Path, system: str, request: Request) -> str:
    """The minor version of the Python that is to take the place of the linked one; "" where that stays linked.

    Raises MetalfleetError, as make_plan does.
    """
    python = interpreter_for(request, root, system).python
    if python is None or python == target_of(link_to(root)):
        return ""
    return minor_of(version_of(python)) or request.version


def choose(seen: Seen, request: Request, python: str | None, at_least: str) -> Interpreter | None:
    """The interpreter to link, if it was seen: the wanted one, or where any will do the best.

    An interpreter that is linked already is kept as long as the best one is of the same minor version.
    """
    usable = seen.candidates or ()
    if python is not None:
        fitting = (each for each in usable if version_key(each.version) >= version_key(at_least))
        return next((each for each in fitting if each.path == python), None)
    order = {minor: -place for place, minor in enumerate((request.version, *request.others))}
    unknown = -len(order)
    best = max(
        usable,
        key=lambda each: (order.get(minor_of(each.version), unknown), version_key(each.version)),
        default=None,
    )
    linked = seen.linked
    if best and linked.python_runs and not linked.damage and minor_of(linked.version) == minor_of(best.version):
        return Interpreter(linked.python, linked.version, linked.python)
    # Elsewhere than on a Mac the path may be that of a launcher.
    return best._replace(path=best.path if seen.system == "Darwin" else best.executable) if best else None
