# SPDX-License-Identifier: GPL-3.0-or-later
"""The GPUs of NVIDIA: hosts that are data, with the answers that nvidia-smi gives there, and the driver's own files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._commands import CommandTimedOut
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._facts import nvidia
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._facts.files import Files
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._facts.types import Facts
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.plugins.module_utils.facts.fake_mac import Answer, FakeCommands, exited, program
from tests.unit.plugins.module_utils.facts.test_collect import LINUX, collect, unknown

NVIDIA_SMI = "/usr/bin/nvidia-smi"
DRIVER = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  Sat Aug 19 01:15:15 UTC 2023\nGCC version:  gcc\n"
OPEN_DRIVER = (
    "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  550.54.14  Release Build  (dvs-builder@U16-I1)  "
    "Thu Feb 22 01:25:25 UTC 2024\n"
)
A100 = {
    "name": "NVIDIA A100-SXM4-40GB",
    "uuid": "GPU-5f3c1a2b-0c1d-4e5f-8a9b-1c2d3e4f5a6b",
    "memory_bytes": 40960 << 20,
    "compute_capability": "8.0",
    "mig": False,
}
NO_DRIVER = (
    "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that the latest NVIDIA "
    "driver is installed and running.\n\n"
)
MISMATCH = "Failed to initialize NVML: Driver/library version mismatch\nNVML library version: 535.113\n"
LOST = (
    "Unable to determine the device handle for GPU 0000:01:00.0: GPU is lost.  Reboot the system to recover this GPU\n"
)


class Host:
    """The file system of a Linux host, and its programs."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.commands = folder, FakeCommands()

    def write(self, path: str, text: str = "") -> None:
        place = self.folder / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)

    def plug(self, address: str, vendor: str, of_class: str) -> None:
        self.write(f"{nvidia.BUS}/{address}/vendor", f"{vendor}\n")
        self.write(f"{nvidia.BUS}/{address}/class", f"{of_class}\n")

    def smi(self, answer: Answer) -> None:
        program(self.folder / NVIDIA_SMI.lstrip("/"), b"")
        self.commands.answers[NVIDIA_SMI] = answer

    def facts(self) -> Facts:
        return collect(self.commands, self.folder, kernel=LINUX)

    @property
    def has_gpu(self) -> bool:
        return nvidia.has_nvidia_gpu(Files(Path("/"), self.folder))


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """One with two GPUs, and a driver."""
    host = Host(tmp_path)
    host.plug("0000:00:1f.0", "0x8086", "0x060100")
    host.plug("0000:00:04.0", "0x10de", "0x030200")
    host.plug("0000:00:05.0", "0x10de", "0x030000")
    host.write(nvidia.DRIVER, DRIVER)
    for name in ("nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm", "nvidia-uvm-tools", "nvidia-modeset", "null"):
        host.write(f"/dev/{name}")
    return host


def test_a_gpu_server(host: Host) -> None:
    host.smi(
        "NVIDIA A100-SXM4-40GB, GPU-5f3c1a2b-0c1d-4e5f-8a9b-1c2d3e4f5a6b, 535.104.05, 40960, 8.0, Disabled\n"
        "NVIDIA A100-SXM4-40GB, GPU-6, 535.104.05, 40960, 8.0, Enabled\n"
    )
    facts = host.facts()
    assert facts["nvidia"] == {
        "present": True,
        "driver": "535.104.05",
        "gpus": [A100, {**A100, "uuid": "GPU-6", "mig": True}],
        "device_nodes": ["/dev/nvidia-uvm", "/dev/nvidia0", "/dev/nvidia1", "/dev/nvidiactl"],
    }
    assert "nvidia-smi" not in unknown(facts)
    assert host.commands.calls == [
        (
            NVIDIA_SMI,
            "--query-gpu=name,uuid,driver_version,memory.total,compute_cap,mig.mode.current",
            "--format=csv,noheader,nounits",
        )
    ]


def gpu(name: str, gigabytes: float | None, capability: str | None, mig: bool | None = None) -> dict[str, Any]:
    memory = None if gigabytes is None else int(gigabytes * 1024) << 20
    return {"name": name, "uuid": "GPU-1", "memory_bytes": memory, "compute_capability": capability, "mig": mig}


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("NVIDIA GeForce RTX 4090, GPU-1, 550.54.14, 24576, 8.9, [N/A]\n", gpu("NVIDIA GeForce RTX 4090", 24, "8.9")),
        ("Tesla T4, GPU-1, 510.47.03, 15360 MiB, 7.5, [Not Supported]\n", gpu("Tesla T4", 15, "7.5")),
        ("NVIDIA GB10, GPU-1, 580.95.05, [N/A], 12.1, [N/A]\n", gpu("NVIDIA GB10", None, "12.1")),
        ("NVIDIA H200, GPU-1, 570.1, [Unknown Error], 9.0, Disabled", gpu("NVIDIA H200", None, "9.0", mig=False)),
        ("A, B, GPU-1, 570.1, 1024, [GPU requires reset], N/A\n", gpu("A, B", 1, None)),
        ("\n", None),
        ("a warning\n", None),
    ],
)
def test_what_nvidia_smi_does_not_know_is_not_known(host: Host, answer: str, expected: dict[str, Any] | None) -> None:
    host.smi(answer)
    assert host.facts()["nvidia"]["gpus"] == (expected and [expected])


def test_an_older_driver_is_asked_for_what_it_knows(host: Host) -> None:
    def answer(argv: Sequence[str]) -> str:
        if "compute_cap" in argv[1]:
            raise exited(2, stdout='Field "compute_cap" is not a valid field to query.\n\n')
        return "GeForce GTX 1080 Ti, GPU-1, 440.33.01, 11264\n"

    host.smi(answer)
    facts = host.facts()
    assert facts["nvidia"]["gpus"] == [gpu("GeForce GTX 1080 Ti", 11, None)]
    assert "nvidia-smi" not in unknown(facts)
    assert len(host.commands.calls) == 2


@pytest.mark.parametrize(
    ("answer", "gpus", "reason"),
    [
        ("No devices were found\n", [], "No devices were found"),
        (exited(6, stdout="No devices were found\n"), [], "No devices were found"),
        (exited(9, stdout=NO_DRIVER), None, NO_DRIVER.strip().rstrip(".")),
        (exited(18, stdout=MISMATCH), None, "Failed to initialize NVML: Driver/library version mismatch"),
        (exited(15, stdout=LOST), None, LOST.strip()),
        (exited(127, stderr="libnvidia-ml.so.1: not found\n"), None, "libnvidia-ml.so.1: not found"),
        (exited(-6), None, "it tells nothing"),
        (CommandTimedOut([NVIDIA_SMI], "no answer within 10 s"), None, "no answer within 10 s"),
    ],
)
def test_why_nvidia_smi_tells_of_no_gpu(host: Host, answer: Answer, gpus: list[Any] | None, reason: str) -> None:
    host.smi(answer)
    facts = host.facts()
    assert (facts["nvidia"]["gpus"], facts["nvidia"]["driver"]) == (gpus, "535.104.05")
    assert unknown(facts)["nvidia-smi"] == reason


def test_a_gpu_without_a_driver(host: Host) -> None:
    (host.folder / nvidia.DRIVER.lstrip("/")).unlink()
    facts = host.facts()
    assert facts["nvidia"]["present"]
    assert (facts["nvidia"]["driver"], facts["nvidia"]["gpus"]) == (None, None)
    assert unknown(facts)["nvidia-smi"] == "No such file or directory"


def test_only_a_gpu_of_nvidia_is_one(tmp_path: Path) -> None:
    host = Host(tmp_path)
    assert not host.has_gpu
    host.plug("0000:00:02.0", "0x8086", "0x030000")  # Intel's
    host.plug("0000:01:00.1", "0x10de", "0x040300")  # sound
    host.plug("0000:05:00.0", "0x10de", "0x068000")  # what connects GPUs
    assert not host.has_gpu
    facts = host.facts()
    assert facts["nvidia"] == nvidia.without_gpu()
    assert host.commands.calls == []


def test_a_loaded_driver_says_enough_where_the_bus_is_hidden(tmp_path: Path) -> None:
    host = Host(tmp_path)
    host.write(nvidia.DRIVER, OPEN_DRIVER)
    assert host.has_gpu
    assert host.facts()["nvidia"]["driver"] == "550.54.14"


@pytest.mark.parametrize(("text", "version"), [(DRIVER, "535.104.05"), (OPEN_DRIVER, "550.54.14"), ("nonsense", None)])
def test_the_driver_names_its_version(text: str, version: str | None) -> None:
    assert nvidia.parse_driver(text) == version


@given(st.text() | st.lists(st.text(), min_size=6, max_size=6).map(",".join))
def test_whatever_nvidia_smi_says_it_is_read(text: str) -> None:
    for read in (nvidia.parse_gpus, nvidia.parse_driver, nvidia.reason_of_answer, nvidia.is_old):
        call: Callable[[str], object] = read
        call(text)


def test_any_answer_leaves_the_facts_in_their_form(host: Host) -> None:
    for answer in ("\0", ",,,,,", "x, y, z, 0, 1.x, Maybe", "a, b, 1, 99999999999999, 8.0, Enabled"):
        host.smi(answer)
        assert host.facts()["nvidia"]["present"]
