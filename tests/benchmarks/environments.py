# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine of python_environment beside the bare work that it cannot do without, with the real TensorFlow of Linux.

Everything is in the page cache, written data is on the disk before the next build begins. A figure is the least of
several runs: whatever else this machine does can only add to it.
"""

from __future__ import annotations

import csv
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._commands import Commands
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.apply import switch
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.build import build
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.declaration import Declaration
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.tools import Tools
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._host.answer import study
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._host.probing import Prober
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._kinds.supply import Supply
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._kinds.uv import Uv
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._kinds.venv import Venv
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._layout import Places
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.network import Network
from uv import find_uv_bin

from tests.benchmarks import CACHE
from tests.benchmarks.table import interleaved, show
from tests.kept import LOCKS

UV = find_uv_bin()
SHORT_WORK = 3  # what takes no seconds is done more often


def find_python() -> tuple[Path, Path]:
    """An interpreter that TensorFlow has wheels for, and the lock for it."""
    python = output_of(UV, "python", "find", "--system", "--no-python-downloads", ">=3.9,<3.13")
    minor = output_of(python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])")
    return Path(python), LOCKS / f"linux-{platform.machine()}-py{minor}.txt"


def output_of(*command: str) -> str:
    """What a command that must succeed printed."""
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


def fetch_wheels(python: Path, lock: Path) -> Path:
    """The folder with the lock's wheels, filled at the first time."""
    folder = CACHE / f"wheels-{lock.stem}"
    folder.mkdir(parents=True, exist_ok=True)
    pip = [sys.executable, "-m", "pip", "--python", str(python), "--quiet", "--disable-pip-version-check"]
    limits = ["--no-deps", "--only-binary=:all:", "--require-hashes", f"--find-links={folder}"]
    subprocess.run([*pip, "download", *limits, f"--dest={folder}", f"--requirement={lock}"], check=True)
    return folder


@contextmanager
def workshop() -> Iterator[Path]:
    """A folder for what is built here."""
    folder = CACHE / "environments"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def seconds(work: Callable[[], object]) -> float:
    """How long a piece of work takes."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


# ------------------------------------------------------------------------------------------------------- the bare work


def recorded_paths(environment: Path) -> list[str]:
    """Every file that a RECORD of the environment lists."""
    paths = []
    for record in environment.glob("lib/python3.*/site-packages/*.dist-info/RECORD"):
        with record.open(newline="") as lines:
            paths += [str(record.parents[1] / row[0]) for row in csv.reader(lines)]
    return paths


def stat_all(paths: list[str]) -> None:
    """Ask the system for the stamp of each file."""
    for path in paths:
        os.stat(path)  # noqa: PTH116 -- the barest way


def read_all(paths: list[str]) -> None:
    """Read every byte, with as many threads as help."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(lambda path: len(Path(path).read_bytes()), paths, chunksize=64))


def hash_all(paths: list[str]) -> None:
    """Hash every byte, with as many threads as help."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(lambda path: hashlib.sha256(Path(path).read_bytes()).digest(), paths, chunksize=64))


def bare_build(places: Places, wheels: Path, lock: Path, link_mode: str, environment: Path) -> None:
    """What a build cannot do without: uv, and a hash of each file."""
    env, python = os.environ | {"UV_CACHE_DIR": str(cache_of(places))}, str(environment / "bin/python")
    exactly = ["--require-hashes", "--only-binary", ":all:", "--no-index", "--find-links", str(wheels)]
    for words in (
        ["venv", "--python", str(places.python), str(environment)],
        ["pip", "sync", *exactly, "--link-mode", link_mode, "--python", python, str(lock)],
    ):
        subprocess.run([UV, "--quiet", *words], env=env, check=True)
    hash_all(recorded_paths(environment))


# -------------------------------------------------------------------------------------------------------- side by side


@dataclass(frozen=True)
class Comparison:
    """The least seconds of two sides."""

    name: str
    ours: float
    bare: float


def compare(name: str, ours: Callable[[], float], bare: Callable[[], float], runs: int) -> Comparison:
    """Let both sides take turns; each returns its seconds."""
    timings = interleaved({"ours": ours, "bare": bare}, runs)
    return Comparison(name, min(timings["ours"]), min(timings["bare"]))


def make_places(root: Path, python: Path) -> Places:
    """A root folder with the two links to what is in use."""
    places = Places(root, root / "links")
    places.python.parent.mkdir(parents=True)
    places.python.symlink_to(python)
    places.uv.symlink_to(UV)
    return places


def tools_for(places: Places, wheels: Path) -> Tools:
    """What our builds are made with."""
    commands = Commands()
    supply = Supply(places, Network(wheels=str(wheels)), commands)
    return Tools({"venv": Venv(Uv(places.uv, supply, commands))}, supply, commands, Prober(places.root, commands))


def cache_of(places: Places) -> Path:
    """Where uv, used barely, keeps what it has unpacked."""
    return places.root / "cache/uv"


def compare_builds(declaration: Declaration, wheels: Path, lock: Path, runs: int) -> Iterator[Comparison]:
    """A build with nothing on the host, and one from what that has left: our wheel store, and uv's cache."""
    beside = make_places(declaration.places.root / "bare", declaration.places.python.resolve())
    tools = tools_for(declaration.places, wheels)

    def timed(places: Places, make: Callable[[Path], object], *, cold: bool) -> float:
        generation = places.generations(declaration.name) / "1"
        generation.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(generation, ignore_errors=True)
        for kept in (places.wheels, cache_of(places)) if cold else ():
            shutil.rmtree(kept, ignore_errors=True)
        os.sync()
        return seconds(partial(make, generation))

    for name, link_mode, cold in (
        ("first build / uv pip sync and hashing", "copy", True),
        ("build from the store / uv pip sync from its cache and hashing", "copy", False),
        ("build from the store / the same with hard links", "hardlink", False),
    ):
        our_build = partial(timed, declaration.places, partial(build, declaration=declaration, tools=tools), cold=cold)
        bare_one = partial(timed, beside, partial(bare_build, beside, wheels, lock, link_mode), cold=cold)
        yield compare(name, our_build, bare_one, runs)


def compare_plans(declaration: Declaration, runs: int) -> Iterator[Comparison]:
    """Plans of an environment in which nothing has drifted."""
    paths = recorded_paths(declaration.link.resolve())
    tools = tools_for(declaration.places, Path())

    def plan(integrity: str) -> None:
        if actions := study(replace(declaration, integrity=integrity), tools).plan.actions:
            raise RuntimeError(f"nothing should have drifted: {actions}")

    for name, integrity, bare in (
        ("plan / stat of all recorded files", "quick", stat_all),
        ("plan with integrity: full / reading all", "full", read_all),
        ("plan with integrity: full / hashing all", "full", hash_all),
    ):
        our_plan, bare_work = partial(plan, integrity), partial(bare, paths)
        yield compare(name, partial(seconds, our_plan), partial(seconds, bare_work), runs * SHORT_WORK)


def main(runs: int) -> None:
    """Build, plan, and print the table."""
    python, lock = find_python()
    wheels = fetch_wheels(python, lock)
    with workshop() as folder:
        places = make_places(folder / "root", python)
        declaration = Declaration("tensorflow", places, lock.read_text(), gpu_check="none")
        comparisons = [*compare_builds(declaration, wheels, lock, runs)]
        switch(declaration.link, declaration.home / "1", places)
        comparisons += compare_plans(declaration, runs)
        paths = recorded_paths(declaration.link.resolve())
        size = sum(Path(path).stat().st_size for path in paths)
    rows = [[each.name, f"{each.ours:.2f}", f"{each.bare:.2f}", f"{each.ours / each.bare:.2f}"] for each in comparisons]
    title = f"Environment of {lock.stem}: {len(paths)} files, {size / 1e9:.1f} GB, least of {runs} or more runs"
    show(title, ["", "ours s", "bare s", "x"], rows)
