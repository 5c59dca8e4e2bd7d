# SPDX-License-Identifier: GPL-3.0-or-later
"""The probe's program: stage by stage, does TensorFlow compute in this environment, on the GPU, and right?

PRIVATE to this collection. Nothing here is called: `_probe.py` feeds this file's source to the environment's own
interpreter,

    ENVIRONMENT/bin/python -I -B - FD GPU SECONDS

so it may use the standard library, and of the environment `tensorflow` and `numpy`.

FD is an inherited file descriptor. Each stage writes a line of JSON to it before it begins and another after it, so
that the parent knows where a process was that crashed or hung:

    {"stage": NAME, "state": "begun" | "ok" | "failed", ...}

GPU is `required`, `preferred` or `none`. After SECONDS the process ends itself: the parent, which also keeps the time,
may have been cut off with its connection.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import importlib.metadata
import itertools
import json
import os
import platform
import resource
import signal
import sys
import time
import traceback
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterator

TENSORFLOW_PACKAGES = ("tensorflow", "tensorflow-macos", "tensorflow-cpu")
PLUGIN_PACKAGES = ("tensorflow-metal",)

MAX_ERROR_LENGTH = 4000

# Rows, inner dimension and columns. The last are not multiples of any tile size, where kernels err first.
MATRIX_SIZES = ((1, 1, 1), (3, 5, 7), (127, 255, 33))


class NoGpuError(Exception):
    """TensorFlow lists no GPU."""


class PlacementError(Exception):
    """TensorFlow computed elsewhere than it was told."""


class WrongResultsError(Exception):
    """A result differs from the only correct one."""


class Reporter:
    """Tells the parent what happens, a line of JSON each time."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[dict[str, Any]]:
        """Frame a stage; what its body puts into the dictionary is reported with its success."""
        found: dict[str, Any] = {}
        self._tell(stage=name, state="begun")
        start = time.monotonic()
        try:
            yield found
        except BaseException as error:
            kind, message = type(error).__name__, str(error)[:MAX_ERROR_LENGTH]
            self._tell(stage=name, state="failed", seconds=_seconds_since(start), kind=kind, error=message)
            raise
        self._tell(stage=name, state="ok", seconds=_seconds_since(start), **found)

    def _tell(self, **record: Any) -> None:
        self._stream.write(json.dumps(record) + "\n")
        self._stream.flush()


def _seconds_since(start: float) -> float:
    return round(time.monotonic() - start, 3)


def run_stages(reporter: Reporter, gpu: str) -> None:
    """Run the stages in order; the first that fails raises."""
    with reporter.stage("start") as found:
        found["python"] = platform.python_version()
        found["machine"] = os.uname().machine  # of this process: x86_64 under Rosetta
        found["tensorflow"] = _version_of(TENSORFLOW_PACKAGES)
        found["plugin"] = _version_of(PLUGIN_PACKAGES)

    with reporter.stage("import") as found:
        tensorflow = importlib.import_module("tensorflow")
        found["tensorflow"] = tensorflow.__version__
        # Else an operation that the GPU cannot do would silently be done by the CPU.
        tensorflow.config.set_soft_device_placement(enabled=False)
        if gpu == "none":
            tensorflow.config.set_visible_devices([], "GPU")

    device = "CPU:0"
    if gpu != "none" and _list_gpus(reporter, tensorflow, gpu):
        device = "GPU:0"
        with reporter.stage("create"):
            tensorflow.config.list_logical_devices("GPU")
        with reporter.stage("placement"):
            matrix_product(tensorflow, device, [[1.0]], [[1.0]])

    with reporter.stage("exact"):
        check_matrix_products(tensorflow, device)


def _version_of(packages: tuple[str, ...]) -> str | None:
    for package in packages:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            return importlib.metadata.version(package)
    return None


def _list_gpus(reporter: Reporter, tensorflow: Any, gpu: str) -> bool:
    with reporter.stage("list") as found:
        devices = [device.name for device in tensorflow.config.list_physical_devices("GPU")]
        found["devices"] = devices
        if gpu == "required" and not devices:
            raise NoGpuError("TensorFlow lists no GPU")
    return bool(devices)


def matrix_product(tensorflow: Any, device: str, left: Any, right: Any, **options: bool) -> Any:
    """The product as a NumPy array, computed on this device and nowhere else."""
    with tensorflow.device(f"/{device}"):
        product = tensorflow.linalg.matmul(left, right, **options)
    for place in (product.device, product.backing_device):  # who computed it; whose memory it is in
        if not place.endswith(f"device:{device}"):
            raise PlacementError(f"asked for {device}, TensorFlow used {place}")
    return product.numpy()


def check_matrix_products(tensorflow: Any, device: str) -> None:
    """Compare matrix products with NumPy's integer ones, to the last bit.

    The entries are integers up to 8 and the sums far below 2**24: float32 holds each product and each partial sum
    exactly, whatever the order of summation, and so do the formats of fewer bits that a GPU may take its factors in.
    Any difference is an error of the device, never a matter of rounding.
    """
    numpy = importlib.import_module("numpy")
    random = numpy.random.default_rng(seed=1)
    for rows, inner, columns in MATRIX_SIZES:
        left = random.integers(-8, 9, (rows, inner))
        right = random.integers(-8, 9, (inner, columns))
        expected = left @ right
        for transpose_left, transpose_right in itertools.product((False, True), repeat=2):
            result = matrix_product(
                tensorflow,
                device,
                (left.T if transpose_left else left).astype("float32"),
                (right.T if transpose_right else right).astype("float32"),
                transpose_a=transpose_left,
                transpose_b=transpose_right,
            )
            wrong = int((result != expected).sum())  # not-a-number differs from everything
            if wrong:
                raise WrongResultsError(
                    f"{device}: {wrong} of {expected.size} elements are wrong in a {rows}x{inner} by {inner}x{columns} "
                    f"matrix product (transposed: left {transpose_left}, right {transpose_right})"
                )


def main(descriptor: str, gpu: str, seconds: str) -> NoReturn:
    """Run the stages and end this process: status 0 when all went well, otherwise 1."""
    signal.alarm(int(seconds))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a crash is expected here; its gigabyte on the disk is of no use
    gc.disable()  # importing TensorFlow takes a fifth less time without it
    os.set_inheritable(int(descriptor), False)  # its end of file tells the parent that this very process ended
    status = 1
    with os.fdopen(int(descriptor), "w", encoding="utf-8") as stream:
        try:
            run_stages(Reporter(stream), gpu)
            status = 0
        except BaseException:  # noqa: BLE001 - whatever it was, it has been reported, and ends this process
            traceback.print_exc()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)  # TensorFlow's own shutdown costs a second, and may hang


if __name__ == "__main__":
    main(*sys.argv[1:])
