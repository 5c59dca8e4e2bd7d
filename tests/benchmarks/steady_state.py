# SPDX-License-Identifier: GPL-3.0-or-later
"""What it takes to find that nothing is to be done: setup.yml beside a conventional playbook and a pyinfra deploy.

All of them look at the same simulated Macs, on which each has converged its own environment before. Every run opens
its SSH connections itself; the files of hosts and controller are in the page cache.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

from tests import metal
from tests.ansible_runner import parse_recap
from tests.benchmarks import CACHE, CHECKOUT
from tests.benchmarks.stopwatch import CommandFailedError, Timing, measure
from tests.benchmarks.table import interleaved, show
from tests.kept import LOCKS
from tests.simulated_mac.fleet import Fleet
from tests.simulated_mac.state import ssh_options

CONVENTIONAL = Path(__file__).parent / "conventional"
FLEET = "benchmarks"
PING = "playbook with one ping"
BIN = Path(sys.executable).parent
FEW_HOSTS = 16
"""The alternatives are measured up to here: beyond, one of their runs takes minutes."""
WITHOUT_PROBE = [{"name": "tensorflow", "gpu_check": "none"}]


@dataclass(frozen=True)
class Contender:
    """One way to ask; `command` is for these hosts, `is_steady` says of its output that nothing was done."""

    name: str
    command: Callable[[Sequence[str]], list[str]]
    is_steady: Callable[[str], bool]

    def run(self, hosts: Sequence[str]) -> Timing:
        """Ask these hosts. Raises CommandFailedError also if something was done."""
        with tempfile.TemporaryDirectory(prefix="cp.") as sockets:
            log = Path(sockets, "log")
            env = {
                "ANSIBLE_CONFIG": str(CHECKOUT / "ansible.cfg"),
                "ANSIBLE_NOCOLOR": "1",
                "ANSIBLE_SSH_CONTROL_PATH_DIR": sockets,
                "PYTHONPATH": str(CHECKOUT),
                "SIMULATED_MAC_FLEET": FLEET,
            }
            timing = measure(self.command(hosts), log, env)
            if not self.is_steady(output := log.read_text()):
                raise CommandFailedError(f"{self.name} did something:\n{output[-3000:]}")
        return timing


def playbook(path: Path, *arguments: str) -> Callable[[Sequence[str]], list[str]]:
    """The command that runs a playbook of the checkout on some hosts."""
    start = [str(BIN / "ansible-playbook"), "-i", str(CHECKOUT / "inventory/simulated"), str(path), *arguments]
    return lambda hosts: [*start, "--limit", ",".join(hosts)]


def nothing_changed(output: str) -> bool:
    """Whether Ansible's recap says so, of every host."""
    return all(counts["changed"] == 0 for counts in parse_recap(output).values())


def contenders(fleet: Fleet, *, verify: bool) -> list[Contender]:
    """Those that make an environment, ours first; `verify` lets each import TensorFlow and ask for the GPU."""
    python = host_python(fleet)
    pins = LOCKS / f"macos-arm64-py{fleet.store.python.minor}.txt"
    tags = [] if verify else ["--skip-tags=verify"]
    ours = [] if verify else ["--extra-vars", json.dumps({"tensorflow_environments": WITHOUT_PROBE})]
    settings = {"ansible_python_interpreter": python, "conventional_python": python, "conventional_pins": str(pins)}
    variables = [f"--extra-vars={name}={value}" for name, value in settings.items()]
    data = [f"--data=python={python}", f"--data=pins={pins}", f"--data=verify={'yes' if verify else ''}"]
    pyinfra = [str(pyinfra_program()), "--yes", f"--chdir={CONVENTIONAL}", *data, "inventory.py", "deploy.py"]
    return [
        Contender("setup.yml", playbook(CHECKOUT / "playbooks/setup.yml", *ours), nothing_changed),
        Contender("conventional playbook", playbook(CONVENTIONAL / "site.yml", *variables, *tags), nothing_changed),
        # pyinfra always calls pip for a list of requirements, and counts that.
        Contender(
            "pyinfra deploy",
            lambda hosts: [*pyinfra, *(f"--limit={host}" for host in hosts)],
            lambda output: not re.search(r"^    Grand total\s+\d+\s+\S+\s+\d", output, re.MULTILINE),
        ),
    ]


def floors(fleet: Fleet) -> list[Contender]:
    """What nobody can be faster than: a playbook without a task or with one, and one SSH connection a host."""
    python = f"--extra-vars=ansible_python_interpreter={host_python(fleet)}"

    def ssh(hosts: Sequence[str]) -> list[str]:
        options = shlex.join(ssh_options(fleet.store.key))
        macs = [fleet[host] for host in hosts]
        lines = (f'ssh {options} -p {mac.port} {mac.state.user}@{mac.address} true & pids="$pids $!"' for mac in macs)
        return ["sh", "-c", "\n".join([*lines, "for pid in $pids; do wait $pid || exit; done"])]

    return [
        Contender(PING, playbook(CONVENTIONAL / "ping.yml", python), nothing_changed),
        Contender("playbook without a task", playbook(CONVENTIONAL / "nothing.yml"), nothing_changed),
        Contender("ssh host true", ssh, lambda output: not output),
    ]


def host_python(fleet: Fleet) -> str:
    """The native Python that the alternatives need to find on a host."""
    return f"/opt/homebrew/bin/python{fleet.store.python.minor}"


def pyinfra_program() -> Path:
    """pyinfra, from its pinned list, in an environment of its own."""
    environment, pins = CACHE / "pyinfra", CONVENTIONAL / "pyinfra.txt"
    installed = environment / "installed.txt"
    if not installed.is_file() or installed.read_text() != pins.read_text():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(environment)], check=True)
        install = [environment / "bin/pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes"]
        subprocess.run([*map(str, install), f"--requirement={pins}"], check=True)
        installed.write_text(pins.read_text())
    return environment / "bin/pyinfra"


@contextmanager
def converged_fleet(count: int) -> Iterator[tuple[Fleet, list[str]]]:
    """Simulated Macs that all contenders have converged: one by work, the others as clones of it."""
    fleet = Fleet(FLEET)
    fleet.delete()  # what a killed run left
    try:
        model = fleet.up({"model": "m4-homebrew"})["model"]
        metal.use(model, "ok")
        # What ansible.builtin.pip asks of the Python that runs it.
        model.run(f"{host_python(fleet)} -m pip install -q --user --break-system-packages packaging", check=True)
        for contender in contenders(fleet, verify=True):
            converge = Contender(contender.name, contender.command, lambda _: True)
            print(f"converging with {contender.name}: {converge.run(['model']).wall:.0f} s", flush=True)
        fleet.snapshot("model", "converged")
        model.delete()
        names = [f"mac{number}" for number in range(1, count + 1)]
        for mac in fleet.up(dict.fromkeys(names, "m4-homebrew@converged")).values():
            metal.use(mac, "ok")
        yield fleet, names
    finally:
        fleet.delete()


def timed(group: Sequence[Contender], hosts: Sequence[str], runs: int) -> dict[str, list[Timing]]:
    """What each contender takes, after a first run that fills the page cache."""
    for contender in group:
        contender.run(hosts)
    return interleaved({contender.name: partial(contender.run, hosts) for contender in group}, runs)


def compare(title: str, group: Sequence[Contender], hosts: Sequence[str], runs: int) -> None:
    """Measure each contender on these hosts and print the medians, and how often ours fits into them."""
    figures = {
        name: tuple(median(getattr(each, field) for each in those) for field in ("wall", "cpu", "others"))
        for name, those in timed(group, hosts, runs).items()
    }
    our_wall, our_cpu, _ = figures[group[0].name]
    rows = [
        [name, f"{wall:.2f}", f"{wall / our_wall:.1f}", f"{cpu:.2f}", f"{cpu / our_cpu:.1f}", f"{others:.2f}"]
        for name, (wall, cpu, others) in figures.items()
    ]
    show(title, ["", "wall s", "x", "controller's CPU s", "x", "hosts' CPU s"], rows)


def main(host_counts: Sequence[int], runs: int) -> None:
    """Print a table for each number of hosts, with and without verification."""
    with converged_fleet(max(host_counts)) as (fleet, names):
        for count in host_counts:
            about = f"{count} simulated Mac{'s' * (count > 1)}, median of {runs} runs that open their connections"
            full, quick = (contenders(fleet, verify=verify) for verify in (True, False))
            if count > FEW_HOSTS:
                full, quick = full[:1], quick[:1]
            compare(f"Steady state without a probe, {about}", [*quick, *floors(fleet)], names[:count], runs)
            compare(f"Steady state with a probe, {about}", [*full, *floors(fleet)], names[:count], runs)
