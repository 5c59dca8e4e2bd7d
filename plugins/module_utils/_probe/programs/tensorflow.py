# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""The probe's program for TensorFlow: stage by stage, does it compute in this environment, on the GPU, and right?

Nothing here is called by the engine, which feeds the sources of this module, of `reporter` and of the other
`tensorflow_*` modules to the environment's own interpreter. So they may use the standard library, and of the
environment `tensorflow`, `numpy` and `keras`. Numbers are drawn with fixed seeds, so that each probe does the same.
"""

from __future__ import annotations

import importlib
import itertools
import os
import platform
import sys
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe.programs.reporter import (
    CPU_FAILED,
    FULL,
    QUICK,
    WRONG_RESULTS,
    PlacementError,
    Reporter,
    WrongResultsError,
    refuse_elsewhere,
    run_program,
    version_of,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe.programs.tensorflow_numbers import (
    check_close,
    check_operations,
    check_reported_faults,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe.programs.tensorflow_speed import (
    measure_speed,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe.programs.tensorflow_training import (
    check_keras,
    check_training,
)

STAGES = {
    "start": "import-failed",
    "import": "import-failed",
    "list": "gpu-missing",
    "create": "gpu-unusable",
    "placement": "gpu-unusable",
    "exact": "gpu-unusable",
    "close": "gpu-unusable",
    "ops": "gpu-unusable",
    "known-faults": "gpu-unusable",
    "train": "training-failed",
    "keras": "keras-failed",
    "speed": "gpu-unusable",
}
"""The stages in their order, each with the verdict that it ends in if it fails.

A result that is wrong, in `exact`, `close` or `ops`, is `gpu-wrong-results`. Where the CPU is probed, `import-failed`
stands for both: TensorFlow does not even compute there. The level `quick` goes to `exact`, `standard` to `keras`, and
`full` to the end.
"""

TENSORFLOW_PACKAGES = ("tensorflow", "tensorflow-macos", "tensorflow-cpu")
PLUGIN_PACKAGES = ("tensorflow-metal",)

# Rows, inner dimension and columns. The larger are not multiples of any tile size, where kernels err first;
# the last two are longer than a block of 256 threads, in every direction between them.
MATRIX_SIZES = ((1, 1, 1), (3, 5, 7), (127, 255, 33), (263, 521, 3), (3, 2, 263))


class NoGpuError(Exception):
    """TensorFlow lists no GPU."""


class Values(NamedTuple):
    """3 times 5, as it was computed first, and first in a `tensorflow.function`."""

    eager: float
    traced: float


def run_stages(reporter: Reporter, gpu: str, level: str) -> None:
    """Run the stages of a level in their order; the first that fails raises."""
    with reporter.stage("start") as found:
        found["python"] = platform.python_version()
        found["machine"] = os.uname().machine  # of this process: x86_64 under Rosetta
        found["tensorflow"] = version_of(TENSORFLOW_PACKAGES)
        found["plugin"] = version_of(PLUGIN_PACKAGES)
        found["plugin_files"] = _plugin_files()

    with reporter.stage("import") as found:
        tensorflow = importlib.import_module("tensorflow")
        found["tensorflow"] = tensorflow.__version__
        refuse_elsewhere(tensorflow, "TensorFlow")
        found.update(_cuda_of(tensorflow))
        # Else an operation that the GPU cannot do would silently be done by the CPU.
        tensorflow.config.set_soft_device_placement(enabled=False)
        if gpu == "none":
            tensorflow.config.set_visible_devices([], "GPU")

    on_gpu = gpu != "none" and _list_gpus(reporter, tensorflow, gpu)
    device = "GPU:0" if on_gpu else "CPU:0"
    if on_gpu:
        with reporter.stage("create"):
            _leave_memory_to_others(tensorflow)
            tensorflow.config.list_logical_devices("GPU")
        with reporter.stage("placement"):
            first = first_products(tensorflow, device)

    verdict = "" if on_gpu else CPU_FAILED
    with reporter.stage("exact", verdict=verdict):
        if on_gpu:
            refuse_wrong_values(first, device)
        check_matrix_products(tensorflow, device)

    if level != QUICK:
        run_deep_stages(reporter, tensorflow, device, verdict)
    if level == FULL:
        with reporter.stage("speed", verdict=verdict) as found:
            devices = ["CPU:0", *(["GPU:0"] if on_gpu else [])]
            found["speed"] = {name[:3].lower(): measure_speed(tensorflow, name) for name in devices}

    reporter.end("gpu-ok" if on_gpu else "cpu-ok")


def run_deep_stages(reporter: Reporter, tensorflow: Any, device: str, verdict: str) -> None:
    """What is probed after a build: many operations, training, and Keras. `verdict` stands in for those of stages."""
    if_wrong = verdict or WRONG_RESULTS
    # Else a GPU of NVIDIA multiplies float32 with the precision of half the bits.
    tensorflow.config.experimental.enable_tensor_float_32_execution(enabled=False)
    with reporter.stage("close", verdict=verdict):
        check_close(tensorflow, device, if_wrong)
    with reporter.stage("ops", verdict=verdict) as found:
        found.update(check_operations(tensorflow, device, if_wrong))
    with reporter.stage("known-faults", verdict=verdict) as found:
        found["faults"] = check_reported_faults(tensorflow, device)
    tensorflow.config.set_soft_device_placement(enabled=True)  # as users have it
    with reporter.stage("train") as found:
        found.update(check_training(tensorflow, device))
    with reporter.stage("keras") as found:
        found.update(check_keras(tensorflow))


def _plugin_files() -> list[str]:
    """The libraries that TensorFlow takes for plug-ins, as far as they are on this interpreter's own path."""
    folders = (Path(entry, "tensorflow-plugins") for entry in sys.path)
    return [str(file) for folder in folders if folder.is_dir() for file in sorted(folder.iterdir())]


def _cuda_of(tensorflow: Any) -> dict[str, Any]:
    """The release of CUDA that TensorFlow was built for, "" for none, and the GPUs that it has code for."""
    built = tensorflow.sysconfig.get_build_info()
    cuda = str(built.get("cuda_version", "")) if built.get("is_cuda_build") else ""
    return {"cuda": cuda, "capabilities": list(built.get("cuda_compute_capabilities", ())) if cuda else []}


def _leave_memory_to_others(tensorflow: Any) -> None:
    """Else TensorFlow takes all memory of every NVIDIA GPU, while others may compute there."""
    if _cuda_of(tensorflow)["cuda"]:
        for gpu in tensorflow.config.list_physical_devices("GPU"):
            tensorflow.config.experimental.set_memory_growth(gpu, True)


def _list_gpus(reporter: Reporter, tensorflow: Any, gpu: str) -> bool:
    with reporter.stage("list") as found:
        devices = [device.name for device in tensorflow.config.list_physical_devices("GPU")]
        found["devices"] = devices
        if gpu == "required" and not devices:
            raise NoGpuError("TensorFlow lists no GPU")
    return bool(devices)


def first_products(tensorflow: Any, device: str) -> Values:
    """The calls that compile kernels and set the device up."""
    numpy = importlib.import_module("numpy")
    # Arrays, for numbers a function would know beforehand, and multiply once and for all on the CPU.
    left, right = numpy.array([[3.0]], "float32"), numpy.array([[5.0]], "float32")
    eager, traced = (matrix_product(tensorflow, device, left, right, traced=each) for each in (False, True))
    return Values(float(eager[0][0]), float(traced[0][0]))


def refuse_wrong_values(first: Values, device: str) -> None:
    """Refuse a first product that is wrong: it may be the only one. Raises WrongResultsError."""
    for name, value in zip(("first product", "first product in a tensorflow.function"), first):
        if value != 15:
            raise WrongResultsError(f"{device}: the {name} is {value}, not 15", verdict=WRONG_RESULTS)


def matrix_product(
    tensorflow: Any, device: str, left: Any, right: Any, *, traced: bool = False, **options: bool
) -> Any:
    """The product as a NumPy array, computed on this device and nowhere else; `traced` is in a tensorflow.function."""
    multiply = tensorflow.function(tensorflow.linalg.matmul) if traced else tensorflow.linalg.matmul
    with tensorflow.device(f"/{device}"):
        product = multiply(left, right, **options)
    for place in (product.device, product.backing_device):  # who computed it; whose memory it is in
        if not place.endswith(f"device:{device}"):
            raise PlacementError(f"asked for {device}, TensorFlow used {place}")
    return product.numpy()


def check_matrix_products(tensorflow: Any, device: str) -> None:
    """Compare matrix products with NumPy's integer ones, to the last bit.

    The entries are integers up to 8 and the sums far below 2**24: float32 holds each product and each partial sum
    exactly, whatever the order of summation, and so do the formats of fewer bits that a GPU may take its factors in.
    Any difference is an error of the device, never a matter of rounding. Each is computed twice, and the largest also
    in a tensorflow.function.
    """
    random = importlib.import_module("numpy").random.default_rng(seed=1)
    for rows, inner, columns in MATRIX_SIZES:
        left = random.integers(-8, 9, (rows, inner))
        right = random.integers(-8, 9, (inner, columns))
        is_last = (rows, inner, columns) == MATRIX_SIZES[-1]
        for transpose_left, transpose_right in itertools.product((False, True), repeat=2):
            for traced in (False, False, True) if is_last else (False, False):
                result = matrix_product(
                    tensorflow,
                    device,
                    (left.T if transpose_left else left).astype("float32"),
                    (right.T if transpose_right else right).astype("float32"),
                    traced=traced,
                    transpose_a=transpose_left,
                    transpose_b=transpose_right,
                )
                where = " in a tensorflow.function" if traced else ""
                refuse_wrong_product(
                    result,
                    left @ right,
                    device,
                    f"a {rows}x{inner} by {inner}x{columns} matrix product{where} (transposed: left {transpose_left}, "
                    f"right {transpose_right})",
                )


def refuse_wrong_product(result: Any, expected: Any, device: str, what: str) -> None:
    """Refuse one of which any element is another. Raises WrongResultsError."""
    wrong = int((result != expected).sum())  # not-a-number differs from everything
    if wrong:
        raise WrongResultsError(
            f"{device}: {wrong} of {expected.size} elements are wrong in {what}",
            verdict=WRONG_RESULTS if device.startswith("GPU") else CPU_FAILED,
        )


def main(descriptor: str, gpu: str, level: str) -> NoReturn:
    """Run the stages, see run_program.

    `gpu` is `required`, `preferred` or `none`, `level` is `quick`, `standard` or `full`.
    """
    run_program(lambda reporter: run_stages(reporter, gpu, level), STAGES, descriptor)
