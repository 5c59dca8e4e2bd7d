# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""What the agent of a host did while no controller looked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._agent.memory import FAILED, REPAIRED
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._moments import MOMENT
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._fleet.untrusted import (
    mapping,
    mappings,
    text,
    texts,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

LONGEST = 200
"""Characters of why a repair failed."""


def last_repair(report: Mapping[str, Any]) -> dict[str, Any] | None:
    """The agent's last repair, as a ledger's entry has one; None if it has made none."""
    repairs = [each for each in history(report) if each.get("what") == REPAIRED]
    return (
        {"time": text(repairs[-1].get("time")), "reasons": list(texts(repairs[-1].get("reasons")))} if repairs else None
    )


def say_meanwhile(report: Mapping[str, Any], since: str) -> str:
    """What a person is told of it; `since` is when the host was seen before, "" is never."""
    new = [each for each in history(report) if text(each.get("time")) > since]
    said = [say_repairs([each for each in new if each.get("what") == REPAIRED])]
    failed = [each for each in new if each.get("what") == FAILED]
    if failed and failed[-1] is new[-1]:
        said.append(f"It could not repair all ({text(failed[-1].get('text'))[:LONGEST]})")
    known = [each for each in said if each]
    return f"{'. '.join(known)}." if known else ""


def say_repairs(repairs: list[Mapping[str, Any]]) -> str:
    """How often what was repaired, and why."""
    if not repairs:
        return ""
    names = ", ".join(dict.fromkeys(text(each.get("environment")) or "the managed Python" for each in repairs))
    reasons = ", ".join(dict.fromkeys(reason for each in repairs for reason in texts(each.get("reasons"))))
    times = "once" if len(repairs) == 1 else f"{len(repairs)} times"
    why = f" ({reasons})" if reasons else ""
    last = text(repairs[-1].get("time"))
    return f"Meanwhile the agent has repaired {names} {times}{why}, the last time at {last}"


def history(report: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    """What the agent remembers, the oldest first."""
    told = mappings(mapping(report.get("agent")).get("history"))
    return sorted((each for each in told if MOMENT.fullmatch(text(each.get("time")))), key=lambda each: each["time"])
