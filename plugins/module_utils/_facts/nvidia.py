# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""The NVIDIA GPUs of a Linux host: how the PCI bus, the driver's own files and nvidia-smi are asked and read.

nvidia-smi words what it does not know in a dozen ways, and what is wrong on its standard output.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._facts.files import Files

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ansible_collections.metalfleet.tensorflow.plugins.module_utils._facts.types import Nvidia, NvidiaGpu

BUS = "/sys/bus/pci/devices"
DRIVER = "/proc/driver/nvidia/version"
NODES = re.compile(r"nvidia(?:\d{1,3}|ctl|-uvm)", re.ASCII)
"""Names in /dev that programs open to compute: one for each GPU, and two for all."""
NVIDIA_SMI = tuple(
    f"{folder}/nvidia-smi"
    for folder in ("/usr/bin", "/usr/local/bin", "/usr/local/nvidia/bin", "/run/current-system/sw/bin")
)
"""Where it is: as distributions and NVIDIA install it, in containers of Kubernetes, in NixOS."""

QUERY = ("name", "uuid", "driver_version", "memory.total", "compute_cap", "mig.mode.current")
OLD_QUERY = QUERY[:4]
"""What drivers know that are older than the others: compute_cap came in 2021."""

_VENDOR = "0x10de"
_DISPLAYS = ("0x0300", "0x0302")  # classes of devices: VGA controllers, and GPUs without a display


def has_nvidia_gpu(files: Files | None = None) -> bool:
    """Whether there is one, with a driver or without. The devices of a container are those of its host."""
    files = files or Files(Path())

    def read(device: str, name: str) -> str:
        return (files.text(f"{BUS}/{device}/{name}") or "").strip()

    devices = files.names(files.place(BUS), "*")
    on_bus = (each for each in devices if read(each, "vendor") == _VENDOR)
    return any(read(each, "class").startswith(_DISPLAYS) for each in on_bus) or files.text(DRIVER) is not None


def without_gpu() -> Nvidia:
    """What is known of a host that has none."""
    return {"present": False, "driver": None, "gpus": [], "device_nodes": []}


def device_nodes(files: Files) -> list[str]:
    """Those that are there."""
    names = files.names(files.place("/dev"), "nvidia*")
    return [f"/dev/{name}" for name in names if NODES.fullmatch(name)]


def query(program: str, fields: Sequence[str]) -> list[str]:
    """The command that asks for fields of all GPUs."""
    return [program, f"--query-gpu={','.join(fields)}", "--format=csv,noheader,nounits"]


def parse_driver(text: str) -> str | None:
    """The version in /proc/driver/nvidia/version, of NVIDIA's two kernel modules."""
    match = re.search(r"Kernel Module.*?\s(\d+(?:\.\d+)+)\s", text)
    return match[1] if match else None


def is_old(answer: str) -> bool:
    """Whether nvidia-smi does not know a field that it was asked for."""
    return "is not a valid field to query" in answer


def parse_gpus(answer: str, fields: Sequence[str] = QUERY) -> list[tuple[NvidiaGpu, str | None]] | None:
    """Each GPU with the driver's version; None where nvidia-smi tells of no GPU, nor that there is none."""
    if "No devices were found" in answer:
        return []
    # The name is the first and may hold commas.
    lines = (line.rsplit(",", len(fields) - 1) for line in answer.splitlines())
    rows = [dict(zip(fields, map(_known, line))) for line in lines if len(line) == len(fields)]
    return [(_gpu(row), _version(row["driver_version"])) for row in rows] or None


def reason_of_answer(answer: str) -> str:
    """What nvidia-smi says is wrong, in one line."""
    first = next((line.strip() for line in answer.splitlines() if line.strip()), "")
    return first.rstrip(".") or "it tells nothing"


def _known(value: str) -> str | None:
    """A value; None for [N/A], [Not Supported], [Unknown Error] and the like."""
    value = value.strip()
    return None if not value or value.startswith("[") or value in ("N/A", "ERR!") else value


def _version(text: str | None) -> str | None:
    return text if re.fullmatch(r"\d+(\.\d+)+", text or "", re.ASCII) else None


def _gpu(row: dict[str, str | None]) -> NvidiaGpu:
    memory = re.match(r"(\d{1,9})\b", row.get("memory.total") or "", re.ASCII)
    capability = row.get("compute_cap") or ""
    return {
        "name": row["name"],
        "uuid": row["uuid"],
        "memory_bytes": int(memory[1]) << 20 or None if memory else None,
        "compute_capability": capability if re.fullmatch(r"\d{1,3}\.\d{1,2}", capability, re.ASCII) else None,
        "mig": {"Enabled": True, "Disabled": False}.get(row.get("mig.mode.current") or ""),
    }
