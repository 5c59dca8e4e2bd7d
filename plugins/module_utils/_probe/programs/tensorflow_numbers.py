# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""What the probe for TensorFlow compares with float64 on the CPU: products, and the operations that models are made of.

This runs with the environment's interpreter, see `tensorflow`.
"""

from __future__ import annotations

import importlib
import re
from typing import Any

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe.programs.reporter import WrongResultsError
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe.programs.tensorflow_operations import (
    Case,
    operations,
    reported_faults,
)

UNIT_ROUNDOFF = 2.0**-23
"""Of float32, for a processor that may round either way; one that rounds to the nearest errs by half of it."""

TOLERANCE = 1e-3
"""How far a float32 result may be from the float64 one, relative to the largest number in it.

Sums of the lengths here are off by some 1e-5 when they are rounded in the worst order, and functions such as exp by
1e-6 with a GPU's fast mathematics. A kernel that is wrong is off by a tenth or more.
"""

NO_KERNEL = (
    r"(?:Could not satisfy (?:explicit )?device specification|no supported kernel|No OpKernel was registered"
    r"|No registered '\w+' OpKernel)"
)
"""How TensorFlow says that a device has no code for an operation."""


def check_close(tensorflow: Any, device: str, verdict: str) -> None:
    """Hold products of random float32 matrices to the bound for sums of products in any order.

    |computed - exact| <= g |A||B|, with g = nu / (1 - nu) for inner dimension n and unit roundoff u: N. J. Higham,
    Accuracy and Stability of Numerical Algorithms, 2nd edition, section 3.5. Raises WrongResultsError.
    """
    numpy = importlib.import_module("numpy")
    random = numpy.random.default_rng(seed=2)
    for rows, inner, columns in ((64, 64, 64), (129, 1025, 65)):
        left, right = (random.standard_normal(shape).astype("float32") for shape in ((rows, inner), (inner, columns)))
        with tensorflow.device(f"/{device}"):
            result = tensorflow.linalg.matmul(left, right).numpy()
        exact = left.astype("float64") @ right.astype("float64")
        share = inner * UNIT_ROUNDOFF / (1 - inner * UNIT_ROUNDOFF)
        bound = share * (abs(left).astype("float64") @ abs(right).astype("float64"))
        excess = float(numpy.max(abs(result - exact) / bound))
        if not excess <= 1:  # pylint: disable=unnecessary-negation # not-a-number is wrong, too
            raise WrongResultsError(
                f"{device}: a {rows}x{inner} by {inner}x{columns} product is {excess:.3g} times as far from the exact "
                "one as rounding can bring it",
                verdict=verdict,
            )


def check_operations(tensorflow: Any, device: str, verdict: str) -> dict[str, Any]:
    """Compare operations in float32 on the device with the same in float64 on the CPU.

    Returns how many were compared, and the names of those for which the device has no code: with the placement that
    users have, the CPU does these. Raises WrongResultsError for the first that is wrong.
    """
    without_kernel = []
    cases = list(operations(tensorflow))
    for case in cases:
        try:
            error = error_of(tensorflow, device, case)
        except tensorflow.errors.OpError as raised:
            if not has_no_kernel(tensorflow, raised):
                raise
            without_kernel.append(case.name)
            continue
        if not error <= TOLERANCE:  # pylint: disable=unnecessary-negation # not-a-number is wrong, too
            raise WrongResultsError(
                f"{device}: {case.name} is off by {error:.3g} of its largest value", verdict=verdict
            )
    return {"operations": len(cases) - len(without_kernel), "without_kernel": without_kernel}


def has_no_kernel(tensorflow: Any, error: Exception) -> bool:
    """Whether an operation failed because the device has no code for it, or for it with these arguments."""
    return isinstance(error, tensorflow.errors.UnimplementedError) or bool(re.search(NO_KERNEL, str(error)))


def error_of(tensorflow: Any, device: str, case: Case) -> float:
    """The largest difference between both results, relative to the largest number in the right one."""
    numpy = importlib.import_module("numpy")
    right = evaluate(tensorflow, "CPU:0", "float64", case)
    result = evaluate(tensorflow, device, "float32", case)
    if result.shape != right.shape:
        return float("inf")
    scale = float(numpy.max(abs(right), initial=0)) or 1.0
    return float(numpy.max(abs(result - right), initial=0)) / scale


def evaluate(tensorflow: Any, device: str, precision: str, case: Case) -> Any:
    """The result as an array of float64."""
    with tensorflow.device(f"/{device}"):
        tensors = [
            tensorflow.constant(array.astype(precision) if array.dtype.kind == "f" else array) for array in case.arrays
        ]
        return case.compute(*tensors).numpy().astype("float64")


def check_reported_faults(tensorflow: Any, device: str) -> list[dict[str, Any]]:
    """Wrong results that others have published, each with whether it is seen here, too.

    `seen` is None where the device cannot compute it at all.
    """
    return [
        {"issue": issue, "what": case.name, "seen": is_seen(tensorflow, device, case)}
        for issue, case in reported_faults(tensorflow).items()
    ]


def is_seen(tensorflow: Any, device: str, case: Case) -> bool | None:
    """Whether a result is wrong; None if there is none."""
    try:
        return not error_of(tensorflow, device, case) <= TOLERANCE  # pylint: disable=unnecessary-negation # as above
    except tensorflow.errors.OpError:
        return None
