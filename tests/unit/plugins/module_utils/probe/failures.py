# SPDX-License-Identifier: GPL-3.0-or-later
"""Failures of a probe and facts of a host, for the tests: what is not said is as on a usual Mac."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._facts.types import Facts, Nvidia, NvidiaGpu
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe.diagnosis import Failure

ENVIRONMENT = Path("/Users/ann/.virtualenvs/tensorflow")
PLUGIN = f"{ENVIRONMENT}/lib/python3.12/site-packages/tensorflow-plugins/libmetal_plugin.dylib"

MAC: Facts = {
    "is_apple_silicon": True,
    "system": "Darwin",
    "architecture": "arm64",
    "chip": {"name": "Apple M2", "family": "M", "generation": 2, "tier": "base"},
    "cores": {"total": 8, "levels": None},
    "gpu": {"model": "Apple M2", "cores": 10, "metal": "Metal 3", "paravirtual": False, "count": 1},
    "nvidia": {"present": False, "driver": None, "gpus": [], "device_nodes": []},
    "memory_bytes": 8 * 2**30,
    "model": "Mac14,3",
    "macos": {"version": "15.6", "extra": None, "build": "24G84", "darwin": "24.6.0"},
    "virtual_machine": {"is_virtual": False, "kind": None},
    "rosetta": {"installed": False, "translated": False},
    "command_line_tools": {"present": False, "path": None, "broken": False},
    "homebrew": [],
    "conda": [],
    "pythons": [],
    "gui_session": True,
    "disk": [],
    "user_site_plugins": [],
    "unknown": [],
}


def mac(**others: Any) -> Facts:
    """A Mac of which some facts are other."""
    facts: Any = {**MAC, **others}
    return facts  # type: ignore[no-any-return]


VIRTUAL_MAC = mac(virtual_machine={"is_virtual": True, "kind": "apple"})
HEADLESS_MAC = mac(gui_session=False)
LINUX = mac(system="Linux", is_apple_silicon=False, gui_session=None, macos=dict.fromkeys(MAC["macos"]))

A100: NvidiaGpu = {
    "name": "NVIDIA A100-SXM4-40GB",
    "uuid": "GPU-1",
    "memory_bytes": 40 * 2**30,
    "compute_capability": "8.0",
    "mig": False,
}
NVIDIA: Nvidia = {
    "present": True,
    "driver": "550.54.14",
    "gpus": [A100],
    "device_nodes": ["/dev/nvidia-uvm", "/dev/nvidia0", "/dev/nvidiactl"],
}


def gpu_server(**others: Any) -> Facts:
    """A Linux host with an NVIDIA GPU, of which some facts are other."""
    return {**LINUX, "architecture": "x86_64", "nvidia": {**NVIDIA, **others}}  # type: ignore[typeddict-item]


def failure(verdict: str = "import-failed", stage: str = "import", **others: Any) -> Failure:
    return Failure(
        **{
            "verdict": verdict,
            "stage": stage,
            "summary": f"Stage {stage} failed: RuntimeError",
            "environment": ENVIRONMENT,
            "interpreter": ENVIRONMENT / "bin/python",
            "tensorflow": "2.18.1",
            "plugin": "1.2.0",
            "plugin_files": [PLUGIN],
            "machine": "arm64",
            **others,
        }
    )
