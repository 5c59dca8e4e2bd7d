# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""What is said of a fleet on a terminal: a line for each problem, the worst first, and one for all hosts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._fleet.hosts import (
    NOT_SEEN,
    PROBLEMS,
    STATES,
    Host,
    age,
    worst_first,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

ORDER = (*reversed([state for state in STATES if state != NOT_SEEN]), NOT_SEEN)
"""States as the line for the whole fleet tells them."""
NAMED = 3
"""Hosts that are named where the same is to be said of more."""
LONGEST = 400
"""Characters of a line's text. The rest is in the page."""


def lines(hosts: list[Host], now: float) -> list[str]:
    """All that is said of hosts; nothing of none."""
    return [*problems(hosts, now), whole(hosts, now)] if hosts else []


def problems(hosts: list[Host], now: float) -> list[str]:
    """A line for each problem, once for all hosts that have it."""
    alike: dict[str, list[str]] = {}
    for host in worst_first([host for host in hosts if host.state in PROBLEMS]):
        alike.setdefault(problem(host, now), []).append(host.name)
    return [f"{named(names)}: {said}" for said, names in alike.items()]


def problem(host: Host, now: float) -> str:
    """What is the matter with a host."""
    said = host.text if len(host.text) <= LONGEST else f"{host.text[:LONGEST]}..."
    state = missed([host], now) if host.state == NOT_SEEN else host.state
    return f"{state}: {said}" if said else state


def named(names: list[str]) -> str:
    """Hosts by their names, as far as those fit."""
    others = len(names) - NAMED
    return ", ".join(names) if others <= 1 else f"{', '.join(names[:NAMED])} and {others} others"


def whole(hosts: list[Host], now: float) -> str:
    """The fleet in one line."""
    alike = {state: [host for host in hosts if host.state == state] for state in ORDER}
    parts = (
        f"{len(those)} {missed(those, now) if state == NOT_SEEN else state}" for state, those in alike.items() if those
    )
    return f"{len(hosts)} {what_they_are(hosts)}: {', '.join(parts)}"


def missed(hosts: Iterable[Host], now: float) -> str:
    """For how long hosts were not seen."""
    seen = [host.seen for host in hosts]
    if None in seen:
        return "never seen" if len(set(seen)) == 1 else "not seen, some of them never"
    oldest = min(moment for moment in seen if moment is not None)
    return f"not seen for {'up to ' if len(seen) > 1 else ''}{age(oldest, now)}"


def what_they_are(hosts: list[Host]) -> str:
    """Macs, where none of the hosts is known to be anything else."""
    noun = "host" if any(host.system not in ("Darwin", "") for host in hosts) else "Mac"
    return noun if len(hosts) == 1 else f"{noun}s"
