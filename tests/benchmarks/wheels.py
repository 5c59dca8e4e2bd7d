# SPDX-License-Identifier: GPL-3.0-or-later
"""The first installation: ours, by way of the wheel store, beside uv's own with an empty cache.

Once from the index that this machine's own configuration names, once from one on this machine. Written data is on the
disk before the next side begins. A figure is the least of several runs.
"""

from __future__ import annotations

import functools
import hashlib
import html
import http.server
import os
import resource
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._commands import Commands
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._kinds.fetch import fetch
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._kinds.wanted import wheels_wanted
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._kinds.wheels import (
    Stored,
    WheelStore,
    requirements_of,
    uv_arguments,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.network import Network
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.platforms import platform_of

from tests.benchmarks import CACHE
from tests.benchmarks.environments import UV, find_python
from tests.benchmarks.table import interleaved, show

FOLDER = CACHE / "wheels"
LOG = "sent.txt"


@dataclass(frozen=True)
class Timing:
    """Seconds: of the clock, and of all processors."""

    wall: float
    cpu: float


def timed(work: Callable[[], object]) -> Timing:
    """How long a piece of work takes, in an empty environment's presence and with nothing left to write."""
    os.sync()
    begin, used = time.perf_counter(), cpu_seconds()
    work()
    return Timing(time.perf_counter() - begin, cpu_seconds() - used)


def cpu_seconds() -> float:
    """Of this process and those that it waited for."""
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def sync(environment: Path, lock: Path, arguments: Sequence[str]) -> None:
    """Let uv install a lock."""
    where = ["--python", str(environment / "bin/python"), str(lock)]
    subprocess.run([UV, "pip", "sync", "--quiet", *arguments, *where], check=True)


class Sides:
    """Both ways to install a lock from one index (empty: as this machine is configured)."""

    def __init__(self, python: Path, lock: Path, index: str) -> None:
        self.lock, self.index = lock, index
        self.wanted = wheels_wanted(lock.read_text(), platform_of(python, Commands()))
        self.python = python
        self.environment, self.cache = FOLDER / "environment", FOLDER / "cache"
        self.store = WheelStore(FOLDER / "store", FOLDER / "set-aside")

    def fetch(self) -> tuple[Stored, ...]:
        """All wheels into the store."""
        return fetch(self.store, self.wanted, Network(index_url=self.index), Commands()).stored

    def install(self, wheels: tuple[Stored, ...]) -> None:
        """From the store."""
        lock = FOLDER / "lock.txt"
        lock.write_text(requirements_of(wheels))
        sync(self.environment, lock, uv_arguments(wheels, self.cache))
        shutil.rmtree(self.cache)

    def ours(self) -> Timing:
        """Fetch and install."""
        self.clean()
        return timed(lambda: self.install(self.fetch()))

    def fetching(self) -> Timing:
        """The first part of that."""
        self.clean()
        return timed(self.fetch)

    def uvs(self) -> Timing:
        """The same by uv alone, which keeps what it fetched in its cache."""
        self.clean()
        arguments = ["--require-hashes", "--only-binary=:all:", f"--cache-dir={self.cache}"]
        arguments += [f"--default-index={self.index}"] if self.index else []
        return timed(lambda: sync(self.environment, self.lock, arguments))

    def clean(self) -> None:
        """As on a host that has nothing."""
        for path in (self.environment, self.cache, self.store.folder):
            shutil.rmtree(path, ignore_errors=True)
        subprocess.run([UV, "venv", "--quiet", "--python", str(self.python), str(self.environment)], check=True)


@dataclass(frozen=True)
class LocalIndex:
    """An index on this machine, and the file to which it adds the size of each file that it sends."""

    url: str
    log: Path

    def sent(self) -> int:
        """Bytes of all wheels so far, whole or not."""
        return sum(map(int, self.log.read_text().split()))


@contextmanager
def local_index(wheels: Sequence[Path]) -> Iterator[LocalIndex]:
    """An index of these wheels, by a process of its own."""
    folder = FOLDER / "index"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "files").mkdir(parents=True)
    for wheel in wheels:
        shutil.copy(wheel, folder / "files")
        page = folder / "simple" / wheel.name.partition("-")[0].replace("_", "-").lower() / "index.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
        page.write_text(f'<a href="../../files/{html.escape(wheel.name)}#sha256={digest}">{wheel.name}</a>')
    command = [sys.executable, "-m", __name__, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        yield LocalIndex(f"http://127.0.0.1:{server.stdout.readline().strip()}/simple", folder / LOG)


def serve(folder: str) -> None:
    """Serve a folder as long as whoever started this process holds its standard input; prints the port."""

    log = Path(folder, LOG)
    log.touch()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def copyfile(self, source: Any, outputfile: Any) -> None:
            if self.path.startswith("/files/"):
                with log.open("a") as file:
                    file.write(f"{os.fstat(source.fileno()).st_size}\n")
            super().copyfile(source, outputfile)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder))
    print(server.server_port, flush=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()


def main(runs: int) -> None:
    """Measure and print."""
    python, lock = find_python()
    FOLDER.mkdir(parents=True, exist_ok=True)
    configured = Sides(python, lock, "")
    wheels = [Path(shutil.copy(wheel.path, FOLDER)) for wheel in configured.fetch()]
    with local_index(wheels) as index:
        for place, sides in (
            ("the configured index", configured),
            ("an index on this machine", Sides(python, lock, index.url)),
        ):
            ways = {
                "fetch and install": sides.ours,
                "only the fetching": sides.fetching,
                "uv pip sync, cold": sides.uvs,
            }
            timings = interleaved(ways, runs)
            best = {way: min(found, key=lambda timing: timing.wall) for way, found in timings.items()}
            bare = best["uv pip sync, cold"]
            rows = [
                [way, f"{best[way].wall:.1f}", f"{best[way].cpu:.1f}", f"{best[way].wall / bare.wall:.2f}"]
                for way in ways
            ]
            title = (
                f"{len(wheels)} wheels of {lock.stem} from {place}, least of {runs} runs, load {os.getloadavg()[0]:.1f}"
            )
            show(title, ["", "wall s", "CPU s", "x wall"], rows)
    shutil.rmtree(FOLDER)


if __name__ == "__main__":
    serve(sys.argv[1])
