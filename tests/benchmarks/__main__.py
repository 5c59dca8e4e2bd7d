# SPDX-License-Identifier: GPL-3.0-or-later
"""The command: python -m tests.benchmarks, or one of the names that --help lists."""

from __future__ import annotations

import argparse
import os
import platform
from collections.abc import Callable, Sequence
from importlib.metadata import version

from tests.benchmarks import agent, delivery, environments, facts, probe, report, scale, steady_state, wheels

BENCHMARKS: dict[str, Callable[[Sequence[int], int], None]] = {
    "agent": lambda _, runs: agent.main(runs),
    "delivery": delivery.main,
    "environments": lambda _, runs: environments.main(runs),
    "facts": lambda _hosts, _runs: facts.main(),
    "probe": lambda _, runs: probe.main(runs),
    "report": lambda _, runs: report.main(runs),
    "scale": scale.main,
    "steady-state": steady_state.main,
    "wheels": lambda _, runs: wheels.main(runs),
}
"""Each is told the numbers of hosts, and how often each side is measured."""


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks", description="Measure this collection beside what a user would pick instead."
    )
    parser.add_argument("what", nargs="?", choices=list(BENCHMARKS), help="default: all")
    parser.add_argument("--hosts", type=int, nargs="+", default=[1, 8], help="numbers of simulated Macs (1 8)")
    parser.add_argument("--runs", type=int, default=3, help="interleaved runs of each side (3)")
    return parser.parse_args()


def main() -> None:
    """Measure and print."""
    options = arguments()
    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    print(f"{os.cpu_count()} cores, {platform.system()}, load {load}; ", end="")
    print(f"ansible-core {version('ansible-core')}, uv {version('uv')}, Python {platform.python_version()}")
    print("Hosts and controller share this machine. Sides take turns.")
    for name, benchmark in BENCHMARKS.items():
        if options.what in (None, name):
            benchmark(options.hosts, options.runs)


if __name__ == "__main__":
    main()
