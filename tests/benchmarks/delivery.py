# SPDX-License-Identifier: GPL-3.0-or-later
"""The first installation on several Macs at once: each downloads for itself, or the controller does for all.

All sides install the same lock from one index on this machine, which counts the bytes of files that it sends. Hosts
have a Python and uv, and nothing else; the controller's wheel store is empty.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._kinds.wanted import wheels_wanted
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.network import Network
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._delivery import ControllerStore, platform_named

from tests.benchmarks import CACHE, CHECKOUT
from tests.benchmarks.steady_state import CONVENTIONAL, FLEET, WITHOUT_PROBE, Contender, host_python, playbook
from tests.benchmarks.stopwatch import Timing
from tests.benchmarks.table import interleaved, show
from tests.benchmarks.wheels import LocalIndex, local_index
from tests.kept import LOCKS
from tests.simulated_mac.fleet import Fleet

STORE = CACHE / "delivery"
PROFILE, TEMPLATE = "m4-homebrew", "with-python"
NATIVE_PYTHON = CHECKOUT / "tests/integration/playbooks/native_python.yml"


@dataclass(frozen=True)
class Taken:
    """What a first installation took."""

    timing: Timing
    downloaded: int
    """Bytes of files from the index."""


def contenders(fleet: Fleet, lock: Path, index: str) -> list[Contender]:
    """The ways, ours first."""
    python = host_python(fleet)
    common = {"tensorflow_environments": WITHOUT_PROBE, "tensorflow_index_url": index}
    ways = {way: {**common, "tensorflow_delivery": way, "tensorflow_wheel_store": str(STORE)} for way in WAYS}
    ours = [
        Contender(title, playbook(CHECKOUT / "playbooks/setup.yml", "--extra-vars", json.dumps(ways[way])), anything)
        for way, title in WAYS.items()
    ]
    settings = {"ansible_python_interpreter": python, "conventional_python": python, "conventional_pins": str(lock)}
    variables = [f"--extra-vars={name}={value}" for name, value in settings.items()]
    site = playbook(CONVENTIONAL / "site.yml", *variables, "--skip-tags=verify")
    return [*ours, Contender("conventional playbook", site, anything)]


WAYS = {"controller": "setup.yml, by the controller", "index": "setup.yml, each host for itself"}


def anything(_: str) -> bool:
    """Any output will do: something is done, after all."""
    return True


@contextmanager
def fleet_with_python() -> Iterator[Fleet]:
    """A fleet with a template of a Mac that has the managed Python, and what ansible.builtin.pip asks for."""
    fleet = Fleet(FLEET)
    fleet.delete()  # what a killed run left
    try:
        model = fleet.up({"model": PROFILE})["model"]
        model.run(f"{host_python(fleet)} -m pip install -q --user --break-system-packages packaging", check=True)
        Contender("native_python", playbook(NATIVE_PYTHON), anything).run(["model"])
        fleet.snapshot("model", TEMPLATE)
        model.delete()
        yield fleet
    finally:
        fleet.delete()


def install(contender: Contender, fleet: Fleet, count: int, index: LocalIndex) -> Taken:
    """Install on Macs that have nothing, and take them away again."""
    shutil.rmtree(STORE, ignore_errors=True)
    names = [f"mac{number}" for number in range(1, count + 1)]
    macs = fleet.up(dict.fromkeys(names, f"{PROFILE}@{TEMPLATE}"))
    try:
        settings = f"[global]\nindex-url = {index.url}\n"
        for mac in macs.values():
            mac.run("mkdir -p .config/pip && cat > .config/pip/pip.conf", input=settings.encode(), check=True)
        before = index.sent()
        return Taken(contender.run(names), index.sent() - before)
    finally:
        for mac in macs.values():
            mac.delete()


def wheels_of(lock: Path) -> list[Path]:
    """The wheels that a Mac installs from a lock, fetched at the first time."""
    wanted = wheels_wanted(lock.read_text(), platform_named(lock.stem, "14.0"))
    return [wheel.path for wheel in ControllerStore(CACHE / "wheels-of-macs", Network()).provide(wanted)]


def main(host_counts: Sequence[int], runs: int) -> None:
    """Print a table for each number of hosts."""
    with fleet_with_python() as fleet:
        lock = LOCKS / f"macos-arm64-py{fleet.store.python.minor}.txt"
        wheels = wheels_of(lock)
        total = sum(wheel.stat().st_size for wheel in wheels)
        with local_index(wheels) as index:
            for count in host_counts:
                sides: dict[str, Callable[[], Taken]] = {
                    contender.name: partial(install, contender, fleet, count, index)
                    for contender in contenders(fleet, lock, index.url)
                }
                best = {
                    name: min(taken, key=lambda each: each.timing.wall)
                    for name, taken in interleaved(sides, runs).items()
                }
                about = f"{total / 1e6:.0f} MB of wheels, {count} simulated Macs, least of {runs} runs"
                show(
                    f"First installation of {about}",
                    ["", "MB from the index", "sets", "wall s", "controller's CPU s", "hosts' CPU s"],
                    [[name, *figures(taken, total)] for name, taken in best.items()],
                )
    shutil.rmtree(STORE, ignore_errors=True)


def figures(taken: Taken, total: int) -> list[str]:
    """A row of the table."""
    timing = taken.timing
    seconds = (f"{timing.wall:.1f}", f"{timing.cpu:.1f}", f"{timing.others:.1f}")
    return [f"{taken.downloaded / 1e6:.0f}", f"{taken.downloaded / total:.2f}", *seconds]
