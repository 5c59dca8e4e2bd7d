# SPDX-License-Identifier: GPL-3.0-or-later
"""What doctor.yml says of a host."""

from __future__ import annotations

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._host.doctor import tell_machine

from tests.unit.plugins.module_utils.probe.failures import A100, LINUX, gpu_server


def test_the_gpus_of_nvidia_are_told() -> None:
    others = {"name": None, "memory_bytes": None, "compute_capability": None, "mig": None}
    said = list(tell_machine(gpu_server(gpus=[{**A100, "mig": True}, {**A100, **others}])))
    assert said[1:] == [
        "    NVIDIA's driver: 550.54.14. Device nodes: /dev/nvidia-uvm, /dev/nvidia0, /dev/nvidiactl.",
        "    NVIDIA GPU: NVIDIA A100-SXM4-40GB, 40 GB of memory, compute capability 8.0, divided into several (MIG).",
        "    NVIDIA GPU: of unknown name.",
    ]


def test_a_gpu_without_a_driver_is_told() -> None:
    said = list(tell_machine(gpu_server(driver=None, gpus=None, device_nodes=[])))
    assert said[1:] == ["    NVIDIA's driver: none is loaded. Device nodes: none."]


def test_the_conda_of_an_intel_mac_is_told() -> None:
    intel, native = (
        {"prefix": f"/Users/ada/{name}", "distribution": name, "architecture": architecture, "environments": []}
        for name, architecture in (("miniconda", "x86_64"), ("miniforge", "arm64"))
    )
    said = " ".join(tell_machine({**LINUX, "is_apple_silicon": True, "conda": [intel, native]}))
    assert "The miniconda in /Users/ada/miniconda is that of an Intel Mac" in said
    assert "miniforge" not in said


def test_a_host_without_one_is_told_nothing_of_it() -> None:
    assert not any("NVIDIA" in line for line in tell_machine(LINUX))
