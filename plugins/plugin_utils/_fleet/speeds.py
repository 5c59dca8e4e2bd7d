# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""The GPU speeds of a fleet by kind of machine, with the outliers of each kind."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._fleet.hosts import Host

ENOUGH = 4
"""Hosts of one kind that are needed to call one of them an outlier."""
SPREADS = 3.5
"""Robust standard deviations that make an outlier (Iglewicz and Hoaglin, 1993)."""
PER_DEVIATION = 1.4826
"""The standard deviation of a normal distribution, by its median absolute deviation."""
LEAST_SHARE = 0.1
"""A host is no outlier if it is nearer to the median than this share of it."""


@dataclass(frozen=True)
class Speed:
    """The speed of one host's GPU, in GFLOP/s."""

    host: str
    gflops: float
    is_outlier: bool


@dataclass(frozen=True)
class Kind:
    """Machines whose GPUs should be equally fast."""

    name: str
    median: float
    speeds: tuple[Speed, ...]

    @property
    def outliers(self) -> list[Speed]:
        """Hosts whose speed is unlike the others'."""
        return [speed for speed in self.speeds if speed.is_outlier]


def kinds_of(hosts: Iterable[Host]) -> list[Kind]:
    """The kinds of machines of which a speed is known, the fastest first."""
    measured: dict[str, list[tuple[str, float]]] = {}
    for host in hosts:
        if host.speed:
            measured.setdefault(host.kind, []).append((host.name, host.speed))
    return sorted((_kind(name, speeds) for name, speeds in measured.items()), key=lambda kind: -kind.median)


def _kind(name: str, measured: list[tuple[str, float]]) -> Kind:
    rates = [rate for _host, rate in measured]
    middle = median(rates)
    spread = PER_DEVIATION * median(abs(rate - middle) for rate in rates)
    limit = max(SPREADS * spread, LEAST_SHARE * middle)
    is_judged = len(rates) >= ENOUGH
    return Kind(
        name,
        middle,
        tuple(Speed(host, rate, is_judged and abs(rate - middle) > limit) for host, rate in sorted(measured)),
    )
