# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""A report in few words: the state of a host, and of each of its environments."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

OK, SET_UP, REPAIRED, CHANGED, DRIFTED, FAILED = "ok", "set up", "repaired", "changed", "drifted", "failed"
"""States that a report can tell of a host; FAILED is what another run of setup.yml does not put right by itself."""

SURPLUS_GENERATION = "surplus-generation"
DECLARED = {"lock-changed", SURPLUS_GENERATION, "kernel-changed", "asked"}
"""Reasons that come of a change of the declaration, as a rule."""


@dataclass(frozen=True)
class EnvironmentStatus:
    """One environment in few words."""

    name: str
    ok: bool
    verdict: str = ""
    reasons: tuple[str, ...] = ()
    text: str = ""
    gflops: float | None = None
    """Of the GPU when it multiplies matrices, where that was measured."""


@dataclass(frozen=True)
class Status:
    """A host in few words."""

    host: str
    state: str
    environments: tuple[EnvironmentStatus, ...] = ()
    reasons: tuple[str, ...] = ()
    seen: float | None = None
    """When it was looked at, in seconds since 1970."""
    text: str = ""
    """What is to be said of it, for people."""

    @property
    def ok(self) -> bool:
        """Whether it was as declared, and computed as demanded."""
        return self.state in (OK, SET_UP, REPAIRED, CHANGED)


def status_of(host: str, report: Mapping[str, Any], seen: float) -> Status:
    """The status of a host from its report."""
    return Status(
        host,
        state_of(report),
        tuple(environment_status_of(each) for each in report["environments"]),
        tuple(report["reasons"]),
        seen,
        " ".join(report["text"]),
    )


def environment_status_of(environment: Mapping[str, Any]) -> EnvironmentStatus:
    """The status of one environment of a report."""
    speed = (environment["probe"] or {}).get("speed") or {}
    return EnvironmentStatus(
        environment["name"],
        environment["ok"],
        environment["verdict"] or "",
        tuple(environment["reasons"]),
        environment["text"],
        speed.get("gpu", {}).get("matmul"),
    )


def state_of(report: Mapping[str, Any]) -> str:
    """The state of a host from its report, which may have any other form where a host was not to be trusted."""
    told = report.get("environments")
    environments = [each for each in told if isinstance(each, Mapping)] if isinstance(told, list) else []
    if report.get("ok") is not True:
        return FAILED if any(map(is_broken, environments)) else DRIFTED
    if report.get("changed") is not True:
        return OK
    reasons = [each.get("reasons") for each in environments]
    done = what_was_done([str(code) for codes in reasons if isinstance(codes, list) for code in codes])
    return CHANGED if done == CHANGED_AS_DECLARED else done


def is_broken(environment: Mapping[str, Any]) -> bool:
    """Whether an environment cannot be made as declared, or does not compute as demanded."""
    probe = environment.get("probe")
    return bool(environment.get("problem")) or (isinstance(probe, Mapping) and probe.get("ok") is not True)


def is_drift(do: str, reason: str) -> bool:
    """Whether an action of a plan tells of a difference; it does not where a new generation will leave one too many."""
    return do != "remove-generation" or reason == SURPLUS_GENERATION


CHANGED_AS_DECLARED = "changed as declared"


def what_was_done(reasons: Iterable[str]) -> str:
    """A plan that was carried out, in a word: only drift is repaired."""
    codes = set(reasons)
    if "absent" in codes:
        return SET_UP
    return CHANGED_AS_DECLARED if codes <= DECLARED else REPAIRED
