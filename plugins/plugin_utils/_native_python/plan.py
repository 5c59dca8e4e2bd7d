# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""What has to be done to a host, and why: made without changing anything."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._python.wanted import (
    find_reasons,
    minor_of,
    version_key,
    wanted,
)
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._native_python.declaration import (
    Declaration,
    Uv,
    parse_uv,
)
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._native_python.host import Host, NativePythonError
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._native_python.sources import (
    EXISTING,
    SOURCES,
    Step,
    pin_of,
)


class Plan(NamedTuple):
    """What has to be done to a host, and why (reason codes; none: nothing)."""

    python: str
    version: str
    uv: Uv
    reasons: tuple[str, ...]
    step: Step | None = None


def question(declaration: Declaration) -> dict[str, str]:
    """The assignments of inspect.sh."""
    return {
        "root": declaration.root,
        "source": declaration.source,
        "minor": declaration.version,
        "on_mac": ":".join(SOURCES[declaration.source].places(declaration)),
        "elsewhere": ":".join(EXISTING.places_elsewhere(declaration)),
    }


def make_plan(host: Host, declaration: Declaration) -> Plan:
    """Decide what a host needs; changes nothing. Raises NativePythonError where it cannot have that."""
    refuse_unsuitable(host, declaration)
    uv = parse_uv(declaration.uv_requirement)
    name = declaration.source if host.is_mac else "existing"
    source = SOURCES[name]
    python, at_least = wanted(
        Path(host.root),
        name,
        declaration.version,
        system=host.system,
        pins={declaration.version: pin_of(declaration, source.pins)} if source.pins else {},
        existing=declaration.existing,
    )
    there = choose(host, declaration, python, at_least)
    step = None if there else source.step(host, declaration)
    path, version = there or (str(python), step.version if step else "")
    reasons = find_reasons(host.linked, path, uv.version, at_least=at_least)
    if step and not set(reasons) - {"uv"}:
        reasons.insert(0, "interpreter-missing")
    return Plan(path, version, uv, tuple(reasons), step)


def refuse_unsuitable(host: Host, declaration: Declaration) -> None:
    """Raise NativePythonError where no source can help."""
    if not host.is_mac:
        if declaration.source in {"python_org", "homebrew"}:
            raise NativePythonError(
                f"native_python_source: {declaration.source} is for Macs, and this is a {host.system} host. Leave it "
                "at standalone, which links an interpreter that is installed there."
            )
        return
    if not host.is_apple_silicon:
        chip = host.sysctl.get("machdep.cpu.brand_string", "unknown")
        raise NativePythonError(
            f"This Mac has no Apple Silicon (processor: {chip}; model: {host.sysctl.get('hw.model', 'unknown')}). "
            "A native arm64 Python and Apple's Metal plug-in need an M-series Mac. Nothing was downloaded or changed. "
            "Take this host out of the play, for example with --limit."
        )
    if host.macos and version_key(host.macos) < version_key(declaration.minimum_macos):
        raise NativePythonError(
            f"This Mac runs macOS {host.macos}; at least {declaration.minimum_macos} is needed. Nothing was downloaded "
            "or changed. Update macOS, or take this host out of the play, for example with --limit."
        )


def choose(host: Host, declaration: Declaration, python: str | None, at_least: str) -> tuple[str, str] | None:
    """Path and version of the interpreter to link, if it is there: the wanted one, or where any will do the best.

    An interpreter that is linked already is kept as long as the best one is of the same minor version.
    """
    usable = [each for each in host.candidates if each.is_usable]
    if python is not None:
        pinned_is_complete = declaration.source != "python_org" or host.receipt
        fitting = [each for each in usable if version_key(each.version) >= version_key(at_least)]
        return next(((python, each.version) for each in fitting if each.path == python and pinned_is_complete), None)
    order = {minor: place for place, minor in enumerate(reversed(declaration.minors))}
    rank = {each: (order.get(minor_of(each.version), -1), version_key(each.version)) for each in usable}
    best = max(usable, key=lambda each: rank[each], default=None)
    if best and host.interpreter.is_usable and minor_of(host.interpreter.version) == minor_of(best.version):
        return host.interpreter.path, host.interpreter.version
    # Elsewhere than on a Mac the path may be that of a shim, as pyenv's.
    return (best.path if host.is_mac else best.executable, best.version) if best else None


def describe(host: Host, plan: Plan, declaration: Declaration) -> dict[str, dict[str, str | None]]:
    """Ansible's diff: what is linked now, and what will be, with where it comes from."""
    before = {"python": host.interpreter.path or None, "uv": host.uv if host.uv_present else None}
    after: dict[str, str | None] = {"python": plan.python, "uv": f"{host.root}/uv/{plan.uv.version}/bin/uv"}
    if plan.step and plan.step.artifact:
        after["from"] = declaration.mask(plan.step.artifact.url(declaration.mirror))
    elif plan.step:
        after["from"] = f"brew install {plan.step.formula}"
    return {"before": before, "after": after}
