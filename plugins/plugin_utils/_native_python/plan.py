# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""What has to be done to a host, and what brings what is missing: made without changing anything."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._python import plan as planner
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._python.wanted import find_reasons, version_key
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._native_python.data import Uv, pinned_uv
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._native_python.declaration import Declaration
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._native_python.host import Host
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._native_python.sources import (
    EXISTING,
    SOURCES,
    Step,
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
        "link": declaration.link,
        "source": declaration.source,
        "minor": declaration.version,
        "on_mac": ":".join(SOURCES[declaration.source].places(declaration)),
        "elsewhere": ":".join(EXISTING.places_elsewhere(declaration)),
    }


def make_plan(host: Host, declaration: Declaration) -> Plan:
    """Decide what a host needs; changes nothing. Raises MetalfleetError where it cannot have that."""
    refuse_unsuitable(host, declaration)
    source = SOURCES[declaration.source] if host.is_mac else EXISTING
    seen = host.seen
    if declaration.source == "python_org" and not host.receipt:
        seen = replace(seen, candidates=())  # what is there is not the installer's, or only a part of it
    made = planner.make_plan(seen, declaration.request(host.home))
    step = None if made.is_there else source.step(host, declaration)
    return Plan(made.python or "", step.version if step else made.version, pinned_uv(), made.reasons, step)


def refuse_unsuitable(host: Host, declaration: Declaration) -> None:
    """Raise MetalfleetError where no source can help."""
    if not host.is_mac:
        if declaration.source in {"python_org", "homebrew"}:
            raise MetalfleetError(
                f"native_python_source: {declaration.source} is for Macs, and this is a {host.system} host",
                remedy="Leave it at standalone, which links an interpreter that is installed there.",
            )
        return
    if host.is_apple_silicon is False:
        chip = host.sysctl.get("machdep.cpu.brand_string", "unknown")
        raise MetalfleetError(
            f"This Mac has no Apple Silicon (processor: {chip}; model: {host.sysctl.get('hw.model', 'unknown')})",
            evidence="A native arm64 Python and Apple's Metal plug-in need an M-series Mac. Nothing was downloaded or "
            "changed.",
            remedy="Take this host out of the play, for example with --limit.",
        )
    if host.is_apple_silicon is None:
        raise MetalfleetError(
            "It is unknown whether this Mac has Apple Silicon",
            evidence="/usr/sbin/sysctl hw.optional.arm64 said nothing. Nothing was downloaded or changed.",
            remedy="Run that command on the Mac, as the same user, to see why.",
        )
    if host.macos and version_key(host.macos) < version_key(declaration.minimum_macos):
        raise MetalfleetError(
            f"This Mac runs macOS {host.macos}; at least {declaration.minimum_macos} is needed",
            evidence="Nothing was downloaded or changed.",
            remedy="Update macOS, or take this host out of the play, for example with --limit.",
        )


def refuse_no_effect(after: Host, plan: Plan, declaration: Declaration) -> None:
    """Raise MetalfleetError where a host is not as it was to be made."""
    left = find_reasons(after.linked, plan.python, plan.uv.version)
    if left:
        raise MetalfleetError(
            "Everything was installed, but it is not in use",
            evidence=f"What is left to do: {', '.join(left)}. {after.root}/bin/{declaration.link} leads to "
            f"{after.interpreter.path or 'nothing'}, {after.root}/bin/uv to {after.uv or 'nothing'}.",
            remedy=f"See on the host whether another program changes {declaration.root}, and run again.",
        )


def describe(host: Host, plan: Plan, declaration: Declaration) -> dict[str, dict[str, str | None]]:
    """Ansible's diff: what is linked now, and what will be, with where it comes from."""
    before = {"python": host.interpreter.path or None, "uv": host.uv or None}
    after: dict[str, str | None] = {"python": plan.python, "uv": f"{host.root}/uv/{plan.uv.version}/bin/uv"}
    if plan.step and plan.step.artifact:
        after["from"] = declaration.mask(plan.step.artifact.url(declaration.mirror))
    elif plan.step:
        after["from"] = f"brew install {plan.step.formula}"
    return {"before": before, "after": after}
