# SPDX-License-Identifier: GPL-3.0-or-later
"""The command: python -m tests.benchmarks, or one of the names that --help lists."""

from __future__ import annotations

import argparse
import os
import platform
from importlib.metadata import version

from tests.benchmarks import delivery, environments, facts, probe, report, steady_state, wheels


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks", description="Measure this collection beside what a user would pick instead."
    )
    everything = ["delivery", "environments", "facts", "probe", "report", "steady-state", "wheels"]
    parser.add_argument("what", nargs="?", choices=everything, help="default: all")
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
    if options.what in (None, "delivery"):
        delivery.main(options.hosts, options.runs)
    if options.what in (None, "environments"):
        environments.main(options.runs)
    if options.what in (None, "facts"):
        facts.main()
    if options.what in (None, "probe"):
        probe.main(options.runs)
    if options.what in (None, "report"):
        report.main(options.runs)
    if options.what in (None, "steady-state"):
        steady_state.main(options.hosts, options.runs)
    if options.what in (None, "wheels"):
        wheels.main(options.runs)


if __name__ == "__main__":
    main()
