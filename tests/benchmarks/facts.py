# SPDX-License-Identifier: GPL-3.0-or-later
"""What it takes to learn what a Mac is: apple_silicon_facts beside ansible.builtin.setup, with their defaults.

Two figures for each: a whole task, as a user waits for it, and the module's process on the host, with all that it
starts, without controller and SSH. Most of both is Ansible's: the start of Python and the code that comes with every
module. ansible.builtin.ping has nothing but that, so what a module takes beyond ping is its own.

The modules take turns, on one simulated Mac. The fastest of many turns is the one that this machine's other work has
disturbed least. The simulation's programs answer within 2 ms; a Mac's take longer, and setup waits for seven of them
one after another, apple_silicon_facts for four at the same time.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from statistics import median
from xml.etree import ElementTree as ET

from tests.ansible_runner import playbook
from tests.benchmarks import CHECKOUT
from tests.benchmarks.table import show
from tests.simulated_mac.fleet import Fleet, Mac

EMPTY, OURS, THEIRS = MODULES = (
    "ansible.builtin.ping",
    "metalfleet.tensorflow.apple_silicon_facts",
    "ansible.builtin.setup",
)
PYTHON = "/opt/homebrew/bin/python3"
# Runs on the host: the modules that Ansible left there, in turns; prints [wall, CPU] in seconds for each by file name.
ON_HOST = """
import glob, json, os, resource, subprocess, sys, time
modules = {os.path.basename(path): path for path in glob.glob(os.path.expanduser("~/.ansible/tmp/*/AnsiballZ_*.py"))}
used = lambda: sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])
times = {name: [] for name in modules}
for turn in range(int(sys.argv[1])):
    for name, path in modules.items():
        wall, cpu = time.perf_counter(), used()
        subprocess.run([sys.executable, path], stdout=subprocess.DEVNULL, check=True)
        times[name].append([time.perf_counter() - wall, used() - cpu])
print(json.dumps(times))
"""


def run_tasks(fleet: Fleet, turns: int, **settings: str) -> dict[str, list[float]]:
    """The seconds that each task with one of the modules takes, by module."""
    tasks = [{"name": module, module: {}} for _ in range(turns) for module in MODULES]
    with tempfile.TemporaryDirectory() as folder:
        play = Path(folder, "facts.json")
        play.write_text(json.dumps([{"name": "Facts", "hosts": "macs", "gather_facts": False, "tasks": tasks}]))
        settings |= {"SIMULATED_MAC_FLEET": fleet.name, "ANSIBLE_CALLBACKS_ENABLED": "ansible.builtin.junit"}
        inventory = CHECKOUT / "inventory/simulated"
        interpreter = f"ansible_python_interpreter={PYTHON}"
        playbook("-i", inventory, play, "-e", interpreter, env={**settings, "JUNIT_OUTPUT_DIR": folder})
        [report] = Path(folder).glob("*.xml")
        cases = list(ET.parse(report).iter("testcase"))
    return {
        module: [float(case.attrib["time"]) for case in cases if module in case.attrib["name"]] for module in MODULES
    }


def run_on_host(mac: Mac, turns: int) -> dict[str, tuple[float, float]]:
    """The least wall time and the least CPU time of the modules' processes, in seconds."""
    run_tasks(mac.fleet, 1, ANSIBLE_KEEP_REMOTE_FILES="1", ANSIBLE_PIPELINING="0")
    times = json.loads(mac.run(f"{PYTHON} - {turns}", input=ON_HOST.encode(), check=True).stdout)
    found = {module: times[f"AnsiballZ_{module.rpartition('.')[2]}.py"] for module in MODULES}
    return {module: (min(wall for wall, _ in turn), min(cpu for _, cpu in turn)) for module, turn in found.items()}


def main(turns: int = 30) -> None:
    """Measure and print."""
    fleet = Fleet("benchmarks-facts")
    fleet.delete()  # what a killed run left
    try:
        mac = fleet.up({"facts": "m4-homebrew"})["facts"]
        run_tasks(fleet, 1)  # opens the connection
        tasks, processes = run_tasks(fleet, turns), run_on_host(mac, turns)
    finally:
        fleet.delete()
    rows = []
    for module in MODULES:
        wall, cpu = processes[module]
        own = [figure - empty for figure, empty in zip(processes[module], processes[EMPTY], strict=True)]
        theirs = [figure - empty for figure, empty in zip(processes[THEIRS], processes[EMPTY], strict=True)]
        seconds = [median(tasks[module]), min(tasks[module]), wall, cpu, *own]
        shares = [f"{100 * mine / other:.0f} %" for mine, other in zip(own, theirs, strict=True)]
        rows.append([module, *(f"{figure * 1000:.0f}" for figure in seconds), *shares])
    columns = ["ms", "task, median", "fastest", "on the host", "CPU", "beyond ping", "CPU", "of setup's", "CPU"]
    show(f"What this Mac is: facts of one simulated Mac, {turns} turns", columns, rows)


if __name__ == "__main__":
    main()
