# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""The probe's program for TensorFlow: stage by stage, does it compute in this environment, on the GPU, and right?

Nothing here is called by the engine, which feeds the sources of this module and of `reporter` to the environment's own
interpreter. So it may use the standard library, and of the environment `tensorflow` and `numpy`.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import itertools
import os
import platform
import resource
import signal
import sys
import traceback
from pathlib import Path
from typing import Any, NoReturn

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe.programs.reporter import (
    Reporter,
    StageFailed,
)

STAGES = {
    "start": "import-failed",
    "import": "import-failed",
    "list": "gpu-missing",
    "create": "gpu-unusable",
    "placement": "gpu-unusable",
    "exact": "gpu-unusable",
    "keras": "keras-failed",
}
"""The stages in their order, each with the verdict that it ends in if it fails."""

WRONG_RESULTS = "gpu-wrong-results"
CPU_FAILED = "import-failed"
"""The verdict where TensorFlow does not even compute on the CPU."""

TENSORFLOW_PACKAGES = ("tensorflow", "tensorflow-macos", "tensorflow-cpu")
PLUGIN_PACKAGES = ("tensorflow-metal",)

# Rows, inner dimension and columns. The larger are not multiples of any tile size, where kernels err first;
# the last two are longer than a block of 256 threads, in every direction between them.
MATRIX_SIZES = ((1, 1, 1), (3, 5, 7), (127, 255, 33), (263, 521, 3), (3, 2, 263))


class NoGpuError(Exception):
    """TensorFlow lists no GPU."""


class PlacementError(Exception):
    """TensorFlow computed elsewhere than it was told."""


class WrongResultsError(StageFailed):
    """A result differs from the only correct one."""


def run_stages(reporter: Reporter, gpu: str, level: str) -> None:
    """Run the stages of a level in their order; the first that fails raises."""
    with reporter.stage("start") as found:
        found["python"] = platform.python_version()
        found["machine"] = os.uname().machine  # of this process: x86_64 under Rosetta
        found["tensorflow"] = _version_of(TENSORFLOW_PACKAGES)
        found["plugin"] = _version_of(PLUGIN_PACKAGES)
        found["plugin_files"] = _plugin_files()

    with reporter.stage("import") as found:
        tensorflow = importlib.import_module("tensorflow")
        found["tensorflow"] = tensorflow.__version__
        # Else an operation that the GPU cannot do would silently be done by the CPU.
        tensorflow.config.set_soft_device_placement(enabled=False)
        if gpu == "none":
            tensorflow.config.set_visible_devices([], "GPU")

    on_gpu = gpu != "none" and _list_gpus(reporter, tensorflow, gpu)
    device = "GPU:0" if on_gpu else "CPU:0"
    if on_gpu:
        with reporter.stage("create"):
            tensorflow.config.list_logical_devices("GPU")
        with reporter.stage("placement"):
            first = float(matrix_product(tensorflow, device, [[3.0]], [[5.0]])[0][0])

    with reporter.stage("exact", verdict="" if on_gpu else CPU_FAILED):
        if on_gpu and first != 15:  # the call that compiles kernels and sets the device up may err alone
            raise WrongResultsError(f"{device}: the first product is {first}, not 15", verdict=WRONG_RESULTS)
        check_matrix_products(tensorflow, device)

    if level == "standard":
        with reporter.stage("keras"):
            check_keras(tensorflow)

    reporter.end("gpu-ok" if on_gpu else "cpu-ok")


def _version_of(packages: tuple[str, ...]) -> str | None:
    # Imported here because the engine, which only reads this source, imports the module for it.
    from importlib import metadata  # noqa: PLC0415

    for package in packages:
        with contextlib.suppress(metadata.PackageNotFoundError):
            return metadata.version(package)
    return None


def _plugin_files() -> list[str]:
    """The libraries that TensorFlow takes for plug-ins, as far as they are on this interpreter's own path."""
    folders = (Path(entry, "tensorflow-plugins") for entry in sys.path)
    return [str(file) for folder in folders if folder.is_dir() for file in sorted(folder.iterdir())]


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
                    f"matrix product (transposed: left {transpose_left}, right {transpose_right})",
                    verdict=WRONG_RESULTS if device.startswith("GPU") else CPU_FAILED,
                )


def check_keras(tensorflow: Any) -> None:
    """Let a tiny model of the Keras that users import compute once, with the placement of operations that they have."""
    numpy = importlib.import_module("numpy")
    tensorflow.config.set_soft_device_placement(enabled=True)
    importlib.import_module("keras")  # its error is the cause, which `tensorflow.keras` hides behind one of its own
    keras = tensorflow.keras
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, activation="relu")])
    kernel, bias = numpy.array([[1.0, -2.0], [3.0, 4.0], [5.0, -6.0]]), numpy.array([7.0, 8.0])
    model.set_weights([kernel, bias])
    inputs = numpy.array([[1.0, 2.0, 3.0], [-4.0, -5.0, -6.0]])
    result = numpy.asarray(model(inputs))
    expected = numpy.maximum(inputs @ kernel + bias, 0)
    if not numpy.array_equal(result, expected):
        raise WrongResultsError(f"Keras: {result.tolist()} instead of {expected.tolist()}", verdict=STAGES["keras"])


def main(descriptor: str, gpu: str, level: str, seconds: str) -> NoReturn:
    """Run the stages and end this process: status 0 when all went well, otherwise 1.

    `descriptor` is an inherited one, to report on. `gpu` is `required`, `preferred` or `none`, `level` is `quick` or
    `standard`. After `seconds` the process ends itself: the parent, which also keeps the time, may have been cut off
    with its connection.
    """
    signal.alarm(int(seconds))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a crash is expected here; its gigabyte on the disk is of no use
    gc.disable()  # importing TensorFlow takes a fifth less time without it
    os.set_inheritable(int(descriptor), False)
    status = 1
    with os.fdopen(int(descriptor), "w", encoding="utf-8") as stream:
        try:
            run_stages(Reporter(stream, STAGES), gpu, level)
            status = 0
        except BaseException:  # noqa: BLE001 - whatever it was, it has been reported, and ends this process
            traceback.print_exc()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)  # TensorFlow's own shutdown costs a second, and may hang
