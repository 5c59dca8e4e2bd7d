# SPDX-License-Identifier: GPL-3.0-or-later
"""The probe of an environment beside a bare `import tensorflow` in the same environment.

Both as whole processes, on the CPU of this machine, with all bytecode compiled beforehand.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe.programs.reporter import (
    FULL,
    QUICK,
    STANDARD,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe.run import probe
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe.verdict import Demand

from tests.benchmarks.table import interleaved, show
from tests.kept import make_tensorflow_environment

BARE = "import tensorflow"


def bare_import(environment: Path) -> float:
    """Seconds that the import takes, with the interpreter's start and end."""
    start = time.perf_counter()
    subprocess.run([environment / "bin/python", "-I", "-c", BARE], capture_output=True, check=True)
    return time.perf_counter() - start


def probed(environment: Path, level: str) -> float:
    """Seconds that a probe takes."""
    start = time.perf_counter()
    result = probe(environment, Demand("none", timeout=600), level=level)
    if not result.ok:
        raise RuntimeError(result.text)
    return time.perf_counter() - start


def main(runs: int) -> None:
    """Measure and print."""
    environment = make_tensorflow_environment()
    sides: dict[str, Callable[[], float]] = {
        BARE: lambda: bare_import(environment),
        **{f"probe, {level}": partial(probed, environment, level) for level in (QUICK, STANDARD, FULL)},
    }
    seconds = {name: median(times) for name, times in interleaved(sides, runs).items()}
    rows = [[name, f"{took:.2f}", f"{took / seconds[BARE]:.2f}"] for name, took in seconds.items()]
    show(f"The probe: TensorFlow on this machine's CPU, medians of {runs} turns", ["s", "whole", "of the import"], rows)
