# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""A fleet's summary on a terminal: a line for each problem, the worst first, and one for all hosts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._fleet.hosts import (
    DAY,
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
"""The order of states in the line for the whole fleet."""
NAMED = 3
"""Hosts that are named where the same is to be said of more."""
LONGEST = 600
"""Characters of a line's text. The rest is in the page."""
KEPT_OF_END = 400
"""Those of them that are its end, which is the remedy."""


def lines(hosts: list[Host], now: float, *, remembers: bool = True) -> list[str]:
    """The lines about hosts; none where there are no hosts. `remembers` tells that there is a ledger."""
    return [*problems(hosts, now, remembers), whole(hosts, now, remembers)] if hosts else []


def problems(hosts: list[Host], now: float, remembers: bool) -> list[str]:
    """A line for each problem, once for all hosts that have it."""
    alike: dict[str, list[str]] = {}
    for host in worst_first([host for host in hosts if host.state in PROBLEMS]):
        alike.setdefault(problem(host, now, remembers), []).append(host.name)
    return [f"{named(names)}: {said}" for said, names in alike.items()]


def problem(host: Host, now: float, remembers: bool) -> str:
    """What is the matter with a host."""
    said = host.text if len(host.text) <= LONGEST else in_short(host.worst)
    state = missed([host], now, remembers) if host.state == NOT_SEEN else host.state
    return f"{state}: {said}" if said else state


def in_short(said: str) -> str:
    """A paragraph without its middle, if it is long: the cause comes first, and the remedy last."""
    if len(said) <= LONGEST:
        return said
    beginning = said[: LONGEST - KEPT_OF_END].rpartition(" ")[0]
    return f"{beginning} [...] {said[-KEPT_OF_END:].partition(' ')[2]}"


def named(names: list[str]) -> str:
    """Hosts by their names, as far as those fit."""
    others = len(names) - NAMED
    return ", ".join(names) if others <= 1 else f"{', '.join(names[:NAMED])} and {others} others"


def whole(hosts: list[Host], now: float, remembers: bool = True) -> str:
    """The fleet in one line."""
    alike = {state: [host for host in hosts if host.state == state] for state in ORDER}
    parts = (
        f"{len(those)} {missed(those, now, remembers) if state == NOT_SEEN else state}"
        for state, those in alike.items()
        if those
    )
    return f"{len(hosts)} {what_they_are(hosts)}: {', '.join(parts)}"


def missed(hosts: Iterable[Host], now: float, remembers: bool) -> str:
    """For how long hosts were not seen, as far as that is known."""
    if not remembers:
        return "did not answer"
    seen = [host.seen for host in hosts]
    if None in seen:
        return "never seen" if len(set(seen)) == 1 else "not seen, some of them never"
    oldest = min(moment for moment in seen if moment is not None)
    return f"not seen for {'up to ' if len(seen) > 1 else ''}{age(oldest, now)}"


def how_old(last_run: float, now: float) -> list[str]:
    """A line where what is known is old: hosts that were in order need not be any more."""
    return [f"The last run was {age(last_run, now)} ago: no host was looked at since."] if now - last_run >= DAY else []


def what_they_are(hosts: list[Host]) -> str:
    """Macs, where at least one is known to be one, and none to be anything else."""
    noun = "Mac" if {host.system for host in hosts} - {""} == {"Darwin"} else "host"
    return noun if len(hosts) == 1 else f"{noun}s"
