# SPDX-License-Identifier: GPL-3.0-or-later
"""Prove the locks that are shipped: `make check-locks`.

* The pair links, for each of its Pythons (tools/link_check).
* Each lock for Macs can be installed, by uv and from wheels alone, on each macOS that is supported, and each with CUDA
  on Linux. This is planned, not done.
* Its twin for this machine is installed, imports, learns with Keras, and passes the probe: for the newest Python that
  this machine has, or with --every-python for all that it has.

Ends with 1 if anything is not so.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._commands import Commands
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._host.probing import Prober
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._layout import platform_name
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._pairing import Pair
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe.verdict import Demand
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._python.wanted import version_key
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._pairs import default_pair
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._resolver import Target, find_uv, targets
from uv import find_uv_bin

from tools.link_check.check import check
from tools.link_check.wheels import Packages
from tools.locks import CHECKOUT, folder_of

NEWER_MACOS = ("12.7", "13.0", "14.0", "15.0", "26.0", "27.0")
LEARNS = """
import keras, numpy
keras.utils.set_random_seed(1)
inputs = numpy.random.default_rng(1).normal(size=(256, 4)).astype("float32")
model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(1)])
model.compile(optimizer=keras.optimizers.Adam(0.05), loss="mse")
losses = model.fit(inputs, inputs.sum(axis=1), epochs=10, verbose=0).history["loss"]
assert losses[-1] < losses[0] / 10, losses
"""
SECONDS = 900


def check_links(pair: Pair) -> Iterator[str]:
    """What the link check says against the pair."""
    packages = Packages()
    for python in pair.pythons:
        answer = check(packages, f"{pair.package}=={pair.tensorflow}", f"tensorflow-metal=={pair.metal}", python)
        print(f"{pair.name}, Python {python}: {'links' if answer.links else answer.first_failure}", flush=True)
        if not answer.links:
            yield f"it does not link for Python {python}: {answer.first_failure}"


def check_installable(pair: Pair) -> Iterator[str]:
    """What keeps a lock from being installed from wheels on a macOS, or with CUDA on Linux."""
    mac, *others = (target for target in targets().values() if target.has_plugin or target.has_cuda)
    systems = [*((mac, macos) for macos in (pair.least_macos, *NEWER_MACOS)), *((other, "") for other in others)]
    for python in pair.pythons:
        for target, macos in systems:
            lock = folder_of(pair) / f"{target.name}-py{python}.txt"
            said = plan_installation(lock, target, python, macos)
            where = f"macOS {macos}" if macos else "Linux"
            print(f"{lock.name}, {where}: {said or 'can be installed'}", flush=True)
            if said:
                yield f"{lock.name} cannot be installed on {where}: {said}"


def plan_installation(lock: Path, target: Target, python: str, macos: str) -> str:
    """What uv says against installing a lock on a host of a kind; "" if it would do it."""
    with tempfile.TemporaryDirectory() as folder:
        command = [find_uv(), "pip", "install", "--quiet", "--dry-run", "--no-deps", "--only-binary=:all:"]
        command += ["--require-hashes", f"--requirements={lock}", f"--target={folder}", f"--python={sys.executable}"]
        command += [f"--python-version={python}", f"--python-platform={target.target}"]
        variables = {**os.environ, "UV_CACHE_DIR": str(CHECKOUT / ".cache/uv")}
        variables |= {"MACOSX_DEPLOYMENT_TARGET": macos} if macos else {}
        done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False, timeout=SECONDS)
    return " ".join(done.stderr.split()) if done.returncode else ""


def check_twins(pair: Pair, *, every_python: bool) -> Iterator[str]:
    """What is wrong with the locks' twins, as far as this machine has the Pythons for them."""
    checked = 0
    for minor in sorted(pair.pythons, key=version_key, reverse=True):
        lock = folder_of(pair) / f"{platform_name(python=minor)}.txt"
        python = find_python(minor)
        if not python or not lock.is_file():
            print(f"{lock.name}: not run, {'there is no such lock' if python else 'uv finds no such Python here'}")
        elif every_python or not checked:
            checked += 1
            said = run_twin(lock, python)
            print(f"{lock.name}: {said or 'imports, learns, and passes the probe'}", flush=True)
            if said:
                yield f"{lock.name}: {said}"
    if not checked:
        yield "no twin could be run on this machine"


def find_python(minor: str) -> str:
    """An interpreter of this machine; "" if there is none."""
    command = [find_uv_bin(), "python", "find", "--no-python-downloads", "--no-project", minor]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS).stdout.strip()


def run_twin(lock: Path, python: str) -> str:
    """Install a lock of this machine's platform, and use it; returns what went wrong."""
    with tempfile.TemporaryDirectory() as folder:
        environment, cache = Path(folder, "environment"), {"UV_CACHE_DIR": str(CHECKOUT / ".cache/uv")}
        there = str(environment / "bin/python")
        for command in (
            [find_uv(), "venv", "--quiet", "--python", python, str(environment)],
            [find_uv(), "pip", "sync", "--quiet", "--require-hashes", "--python", there, str(lock)],
            [there, "-I", "-c", LEARNS],
        ):
            done = subprocess.run(
                command, env=os.environ | cache, capture_output=True, text=True, check=False, timeout=SECONDS
            )
            if done.returncode:
                return f"{Path(command[0]).name} {command[1]} failed: {done.stderr.strip()[-1000:]}"
        probe = Prober(Path(folder), Commands())(environment, Demand("none", timeout=SECONDS), level="standard")
    return "" if probe["ok"] else str(probe["text"])


def main() -> int:
    """Check everything; returns the exit status."""
    parser = argparse.ArgumentParser(prog="make check-locks", description="Prove the locks that are shipped.")
    parser.add_argument("--every-python", action="store_true", help="run the twins of all Pythons that are here")
    every_python = parser.parse_args().every_python
    pair = default_pair()
    failures = [*check_links(pair), *check_installable(pair), *check_twins(pair, every_python=every_python)]
    for failure in failures:
        print(f"Not proven: {failure}", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
