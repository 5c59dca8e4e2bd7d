# SPDX-License-Identifier: GPL-3.0-or-later
"""What one command takes: `python -m tests.benchmarks.stopwatch LOG COMMAND...` prints seconds as JSON.

Wall time ends with the command. CPU time is that of the command and of all processes that it started on this machine,
also of those that left it behind, such as the masters of shared SSH connections: this process adopts them, ends them
and waits for them. What runs in the simulated hosts was not started by the command and does not count there. It is told
apart, as what the whole machine did meanwhile beside the command, which is right on a machine without other work.
Memory is the most that these processes had together, looked at twice a second; what they share counts once.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
SECONDS_BETWEEN_LOOKS = 0.5


@dataclass(frozen=True)
class Timing:
    """Seconds, where nothing else is said."""

    wall: float
    cpu: float
    others: float = 0.0
    """Processor time of everything else on this machine meanwhile: of the simulated hosts."""
    memory: float = 0.0
    """Megabytes."""


class CommandFailedError(Exception):
    """A measured command failed; the message ends with what it said."""


def measure(command: list[str], log: Path, env: dict[str, str] | None = None) -> Timing:
    """Run a command, its output into `log`, and return what it took. Raises CommandFailedError."""
    watch = [sys.executable, "-m", __name__, str(log), *command]
    result = subprocess.run(watch, env=os.environ | (env or {}), stdout=subprocess.PIPE, text=True, check=False)
    if result.returncode:
        raise CommandFailedError(f"{' '.join(command)} failed:\n{log.read_text()[-3000:]}")
    return Timing(**json.loads(result.stdout))


def run(command: list[str], log: Path) -> Timing | None:
    """Do the measuring, in a process that has no other children; None if the command failed."""
    if ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError("cannot adopt what the command leaves behind")
    with log.open("w") as output, watched_memory() as most:
        begin, busy = time.perf_counter(), machine_seconds()
        status = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, check=False).returncode
        wall, busy = time.perf_counter() - begin, machine_seconds() - busy
    end_children()
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = usage.ru_utime + usage.ru_stime
    return None if status else Timing(wall, cpu, max(busy - cpu, 0.0), most() / 1e6)


@contextmanager
def watched_memory() -> Iterator[Callable[[], int]]:
    """Tells the most bytes that all processes below this one had together until the end."""
    looks, is_over = [0], threading.Event()

    def watch() -> None:
        while not is_over.wait(SECONDS_BETWEEN_LOOKS):
            looks.append(sum(map(memory_of, psutil.Process().children(recursive=True))))

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield lambda: max(looks)
    finally:
        is_over.set()
        watching.join()


def memory_of(process: psutil.Process) -> int:
    """Bytes of one process; of what several share, its part."""
    with suppress(psutil.Error):
        return int(process.memory_full_info().pss)
    return 0


def machine_seconds() -> float:
    """Processor time that this machine has used since it started: user, nice and system, see proc(5)."""
    ticks = Path("/proc/stat").read_text().split()[1:4]
    return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


def end_children() -> None:
    """End what the command left behind. A child that ends may leave us children of its own."""
    while children := Path(f"/proc/self/task/{os.getpid()}/children").read_text().split():
        for pid in map(int, children):
            os.kill(pid, signal.SIGTERM)
            os.waitpid(pid, 0)


if __name__ == "__main__":
    timing = run(sys.argv[2:], Path(sys.argv[1]))
    if timing is None:
        sys.exit(1)
    print(json.dumps(asdict(timing)))
