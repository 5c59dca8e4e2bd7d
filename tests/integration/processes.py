# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes of a simulated Mac, seen and killed from outside, one by one; and those of the controller."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from tests.simulated_mac.fleet import Mac

SEED = int(os.environ.get("SEED") or 20261123)
KILLS = int(os.environ.get("KILLS") or 20)
"""How often a test kills that chooses victims and moments at random, which `make torture` sets."""


def running(mac: Mac, wanted: Callable[[str], bool]) -> list[int]:
    """Ids of the host's processes whose command line is wanted, without those of its sshd."""
    commands = {pid: command_of(pid) for pid in descendants(mac.pid)}
    return [pid for pid, line in commands.items() if line and not line.startswith("launchd") and wanted(line)]


def wait_for_process(mac: Mac, wanted: Callable[[str], bool]) -> list[int]:
    """Wait until there is such a process."""
    return wait_until(lambda: running(mac, wanted))


def send(number: signal.Signals, pids: Iterable[int]) -> None:
    """Send a signal to processes, any of which may have ended since it was seen."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def kill(mac: Mac, wanted: Callable[[str], bool]) -> None:
    """Kill such processes with SIGKILL, until none is left."""
    while found := running(mac, wanted):
        send(signal.SIGKILL, found)


def connections(mac: Mac) -> list[int]:
    """Ids of the processes that are the host's side of its SSH connections."""
    return [pid for pid in descendants(mac.pid) if "@notty" in command_of(pid)]


def cut_connections(mac: Mac) -> None:
    """Kill the host's side of all its SSH connections, with SIGKILL."""
    while found := connections(mac):
        send(signal.SIGKILL, found)


@contextmanager
def meanwhile(act: Callable[[], object]) -> Iterator[None]:
    """Do something while the body runs; it must have ended well."""
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(act)
        yield
        future.result()


def freeze(mac: Mac) -> None:
    """Let a host do nothing any more, as one that fell asleep."""
    stopped: set[int] = set()
    while others := {mac.pid, *descendants(mac.pid)} - stopped:  # born since
        send(signal.SIGSTOP, others)
        stopped |= others


def thaw(mac: Mac) -> None:
    """Wake it."""
    # All are listed before the first wakes: whoever is awake may end, and its children are elsewhere then.
    send(signal.SIGCONT, [mac.pid, *descendants(mac.pid)])


def kill_controllers() -> None:
    """Kill every run of Ansible that this test has started, with SIGKILL."""
    # All are listed before the first is killed: whoever is killed has no children any more.
    send(signal.SIGKILL, [pid for pid in descendants(os.getpid()) if "ansible-playbook" in command_of(pid)])


def is_module(command: str) -> bool:
    """Whether a command line is that of our module, or of what it runs by its own Python."""
    return "metalfleet/bin/python3" in command


def is_engine(command: str) -> bool:
    """Whether it is that of what installs packages: uv, or the program that py-rattler runs in."""
    return "metalfleet/bin/uv" in command or (is_module(command) and " -B -c " in command)


VICTIMS: dict[str, Callable[[Mac], None]] = {
    "everything": lambda mac: kill(mac, lambda _: True),
    "connection": cut_connections,
    "controller": lambda _: kill_controllers(),
}
"""What can be killed of any run."""
BUILDERS: dict[str, Callable[[Mac], None]] = {
    **VICTIMS,
    "module": lambda mac: kill(mac, lambda command: is_module(command) and not is_engine(command)),
    "engine": lambda mac: kill(mac, is_engine),
}
"""What can be killed of one that builds environments."""


@contextmanager
def disturbed(macs: Sequence[Mac], plans: Sequence[tuple[float, str]]) -> Iterator[None]:
    """Kill one of BUILDERS for each host, some seconds after its module started, if the run lasts so long.

    Afterwards nothing is left that would go on installing on its own.
    """
    has_ended = threading.Event()

    def kill_after(mac: Mac, seconds: float, who: str) -> None:
        wait_until(lambda: running(mac, is_module) or has_ended.is_set())
        has_ended.wait(seconds)
        BUILDERS[who](mac)

    with ThreadPoolExecutor(len(macs)) as pool:
        killed = [pool.submit(kill_after, mac, *plan) for mac, plan in zip(macs, plans, strict=True)]
        try:
            yield
        finally:
            has_ended.set()
        for each in killed:
            each.result()
    wait_until(lambda: not any(running(mac, is_engine) for mac in macs))  # nothing may go on installing


def durations(macs: Sequence[Mac], run: Callable[[], object]) -> list[float]:
    """Seconds that the module takes on each host in an undisturbed run, from its start to its end."""

    def duration(mac: Mac) -> float:
        wait_for_process(mac, is_module)
        start = time.monotonic()
        wait_until(lambda: not running(mac, is_module))
        return time.monotonic() - start

    with ThreadPoolExecutor(len(macs)) as pool:
        watched = [pool.submit(duration, mac) for mac in macs]
        run()
        return [each.result() for each in watched]


def descendants(pid: int) -> Iterator[int]:
    """Children, and theirs; whatever ends meanwhile has none."""
    with contextlib.suppress(OSError):
        for child in map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()):
            yield child
            yield from descendants(child)


def has_open(pid: int, path: str) -> bool:
    """Whether a process of a host has a file of that host open, whose path ends here with the one that it has there."""
    with contextlib.suppress(OSError):
        return any(str(link.readlink()).endswith(path) for link in Path(f"/proc/{pid}/fd").iterdir())
    return False


def command_of(pid: int) -> str:
    """A process's command line; empty if it has ended."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    return ""
