# SPDX-License-Identifier: GPL-3.0-or-later
"""What bounds a fleet: the controller's time, processors and memory for each host on which nothing is to be done.

The measure is a playbook with one ping, the least that Ansible can do for a host. All sides look at the same simulated
Macs, ours with the ledger and the callback. Nothing is probed: the hosts share this machine, and each would take its
processors for seconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

from tests.benchmarks.steady_state import FEW_HOSTS, PING, contenders, converged_fleet, floors, timed
from tests.benchmarks.stopwatch import Timing
from tests.benchmarks.table import show

COLUMNS = ["", "wall s", "x ping", "CPU s", "x ping", "CPU s a host", "MB", "MB a host", "hosts' CPU s"]


def main(host_counts: Sequence[int], runs: int) -> None:
    """Print a table for each number of hosts."""
    with converged_fleet(max(host_counts)) as (fleet, names):
        ours, *others = contenders(fleet, verify=False)
        for count in host_counts:
            group = [ours, *(others if count <= FEW_HOSTS else ()), *floors(fleet)]
            about = f"{count} simulated Mac{'s' * (count > 1)}, median of {runs} runs that open their connections"
            taken = {name: middle(those) for name, those in timed(group, names[:count], runs).items()}
            show(f"The controller's share, {about}", COLUMNS, rows(taken, count))


def middle(timings: Sequence[Timing]) -> Timing:
    """The median of each figure."""
    wall, cpu, others, memory = (
        median(getattr(each, field) for each in timings) for field in ("wall", "cpu", "others", "memory")
    )
    return Timing(wall, cpu, others, memory)


def rows(taken: Mapping[str, Timing], hosts: int) -> list[list[str]]:
    """The table's rows."""
    ping = taken[PING]
    return [
        [
            name,
            *(f"{each.wall:.2f}", f"{each.wall / ping.wall:.2f}", f"{each.cpu:.2f}", f"{each.cpu / ping.cpu:.2f}"),
            *(f"{each.cpu / hosts:.3f}", f"{each.memory:.0f}", f"{each.memory / hosts:.1f}"),
            f"{each.others:.2f}",
        ]
        for name, each in taken.items()
    ]
