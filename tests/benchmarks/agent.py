# SPDX-License-Identifier: GPL-3.0-or-later
"""What the agent costs a Mac: processor time of its job, with all that it starts, on a simulated Mac with TensorFlow.

A Mac is asked the same by `time metalfleet repair --scheduled`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from statistics import median
from typing import Any

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._options import AGENT as AGENT_OPTIONS

from tests import metal
from tests.benchmarks import CHECKOUT
from tests.benchmarks.steady_state import FLEET, WITHOUT_PROBE, Contender, playbook
from tests.benchmarks.table import interleaved, show
from tests.simulated_mac.fleet import Fleet, Mac

ROOT = "~/.local/share/metalfleet"
JOB = f"/bin/sh {ROOT}/bin/metalfleet repair --scheduled"
PROBED = [{"name": "tensorflow"}]
AGENT: dict[str, Any] = {"tensorflow_agent": True, "tensorflow_probe_timeout": 600}
TIMES_A_DAY = len(AGENT_OPTIONS["times"]["default"])


def apply(name: str, environments: list[dict[str, Any]]) -> None:
    """Run a playbook for the one Mac, with the agent and these environments declared."""
    declared = json.dumps({**AGENT, "tensorflow_environments": environments})
    Contender(name, playbook(CHECKOUT / "playbooks" / name, "--extra-vars", declared), lambda _: True).run(["model"])


@contextmanager
def mac_with_agent() -> Iterator[Mac]:
    """A Mac that setup.yml has given TensorFlow and the agent."""
    fleet = Fleet(FLEET)
    fleet.delete()  # what a killed run left
    try:
        mac = fleet.up({"model": "m1-fresh"})["model"]
        metal.use(mac, "ok")
        apply("setup.yml", PROBED)
        yield mac
    finally:
        fleet.delete()


def seconds(mac: Mac, expected: str) -> float:
    """Processor time of one run of the job. Raises RuntimeError if it did something else than expected."""
    said = mac.run(f": >{ROOT}/agent/log; {JOB}; times; cat {ROOT}/agent/log >&2", check=True)
    if expected not in said.stderr:
        raise RuntimeError(f"The job did something else:\n{said.stderr}")
    spent = re.findall(r"(\d+)m([\d.]+)s", said.stdout.splitlines()[-1])
    return sum(60 * int(minutes) + float(rest) for minutes, rest in spent)


def repaired(mac: Mac) -> float:
    """The same of one that has a file to put back."""
    mac.run("rm ~/.virtualenvs/tensorflow/lib/python3*/site-packages/six.py", check=True)
    return seconds(mac, "tensorflow: repaired")


def main(runs: int) -> None:
    """Measure and print."""
    with mac_with_agent() as mac:
        sides: dict[str, Callable[[], float]] = {
            "nothing has drifted, quick probe": partial(seconds, mac, "tensorflow: gpu-ok"),
            "a repair from the wheel store, standard probe": partial(repaired, mac),
        }
        figures = interleaved(sides, runs)
        apply("agent.yml", WITHOUT_PROBE)
        seconds(mac, "tensorflow: as declared")
        bare: dict[str, Callable[[], float]] = {
            "nothing has drifted, no probe": partial(seconds, mac, "tensorflow: as declared")
        }
        figures |= interleaved(bare, runs)
    rows = [[name, f"{median(each):.1f}", f"{TIMES_A_DAY * median(each):.1f}"] for name, each in figures.items()]
    show(
        f"The agent's job, one environment of TensorFlow on this machine's CPU, medians of {runs} runs",
        ["", "CPU s", "a day"],
        rows,
    )
