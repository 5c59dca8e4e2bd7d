# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""How fast a device multiplies matrices and convolves, in GFLOP/s: figures to compare machines of one kind by.

This runs with the environment's interpreter, see `tensorflow`.
"""

from __future__ import annotations

import importlib
import time
from typing import Any, Callable

LONG_ENOUGH = 0.05
"""Seconds that one computation should take: the clock and the way to the device are small beside that."""
REPETITIONS = 5
SIZES = (128, 256, 512, 1024, 2048, 4096)
"""Rows of a matrix; a convolution has images of a sixteenth of it in each direction."""
CHANNELS = 64


def measure_speed(tensorflow: Any, device: str) -> dict[str, float | None]:
    """GFLOP/s by kind of computation; None where the device has no code for it."""
    return {name: best_of(tensorflow, device, work) for name, work in (("matmul", matmul), ("conv2d", convolution))}


Work = Callable[[Any, int], "tuple[float, Callable[[], Any]]"]


def best_of(tensorflow: Any, device: str, work: Work) -> float | None:
    """The median rate at the smallest size that takes long enough, or at the largest."""
    with tensorflow.device(f"/{device}"):
        try:
            for size in SIZES:
                operations, compute = work(tensorflow, size)
                seconds_of(compute)  # the first call compiles kernels
                if seconds_of(compute) >= LONG_ENOUGH:
                    break
            seconds = sorted(seconds_of(compute) for _again in range(REPETITIONS))[REPETITIONS // 2]
        except tensorflow.errors.OpError:
            return None
    return round(operations / seconds / 1e9, 1)


def seconds_of(compute: Callable[[], Any]) -> float:
    """Until the result is in the memory of the CPU: a GPU goes on computing after the call has returned."""
    start = time.perf_counter()
    compute().numpy()
    return time.perf_counter() - start


def matmul(tensorflow: Any, size: int) -> tuple[float, Callable[[], Any]]:
    """The product of two square matrices."""
    matrix = tensorflow.constant(_random((size, size)))
    return 2.0 * size**3, lambda: tensorflow.linalg.matmul(matrix, matrix)[0, 0]


def convolution(tensorflow: Any, size: int) -> tuple[float, Callable[[], Any]]:
    """A convolution as in the middle of an image network."""
    side = size // 16
    images, kernel = (
        tensorflow.constant(_random(shape)) for shape in ((8, side, side, CHANNELS), (3, 3, CHANNELS, CHANNELS))
    )
    operations = 2.0 * 8 * side**2 * 9 * CHANNELS**2
    return operations, lambda: tensorflow.nn.conv2d(images, kernel, 1, "SAME")[0, 0, 0, 0]


def _random(shape: tuple[int, ...]) -> Any:
    return importlib.import_module("numpy").random.default_rng(seed=8).standard_normal(shape).astype("float32")
