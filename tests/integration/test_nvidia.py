# SPDX-License-Identifier: GPL-3.0-or-later
"""The CUDA build of TensorFlow, from the collection's own lock, on a machine without an NVIDIA GPU."""

from __future__ import annotations

import platform
import sys
from pathlib import Path

import pytest
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._facts.types import Facts
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._layout import CUDA, CUDA_MACHINES
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe.run import probe
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe.verdict import Demand

from tests.kept import make_tensorflow_environment
from tests.unit.plugins.module_utils.probe.failures import A100, gpu_server

NODE = Path("/dev/nvidiactl")

pytestmark = [
    pytest.mark.slow("installs gigabytes"),
    pytest.mark.skipif(sys.platform != "linux" or platform.machine() not in CUDA_MACHINES, reason="there is no build"),
    pytest.mark.skipif(NODE.exists(), reason="this machine may have a GPU"),
]


@pytest.fixture(scope="module")
def environment() -> Path:
    return make_tensorflow_environment(CUDA)


def test_it_computes_on_the_cpu(environment: Path) -> None:
    result = probe(environment, Demand("none", timeout=600), level="standard")

    assert (result.verdict, result.stages[-1].name) == ("cpu-ok", "keras"), result


@pytest.mark.parametrize(
    ("facts", "cause"),
    [
        (gpu_server(driver=None, gpus=None, device_nodes=[]), "no driver of NVIDIA's is loaded"),
        (gpu_server(device_nodes=[]), "The files are missing by which programs reach an NVIDIA GPU"),
        (gpu_server(driver="470.256.02"), "NVIDIA's driver 470.256.02 is too old for CUDA 12.5.1"),
        (
            gpu_server(gpus=[{**A100, "compute_capability": "3.7"}]),
            "built for sm_60, sm_70, sm_80, sm_89, compute_90, and the compute capability of the GPU is 3.7",
        ),
        (gpu_server(), "NVIDIA's driver 550.54.14 is loaded, but offers no GPU"),
    ],
)
def test_what_it_says_without_a_driver_is_explained(facts: Facts, cause: str, environment: Path) -> None:
    result = probe(environment, Demand("required", timeout=600), facts=facts)

    assert (result.verdict, result.stages[-1].name) == ("gpu-missing", "list"), result
    assert result.diagnosis
    assert cause in result.diagnosis.cause
    assert "failed call to cuInit" in result.diagnosis.evidence
