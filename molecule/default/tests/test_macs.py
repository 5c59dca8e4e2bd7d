# SPDX-License-Identifier: GPL-3.0-or-later
"""What setup.yml must have made of each simulated Mac, asked over SSH as its user."""

from __future__ import annotations

import json
from typing import Any

import pytest
import testinfra.host

testinfra_hosts = ["ansible://macs"]

MACH_O_64_BIT, ARM64 = "feedfacf", "0100000c"  # mach-o/loader.h, mach/machine.h
COMPUTE = """
import json, tensorflow as tf
with tf.device("/GPU:0"):
    product = tf.matmul(tf.ones((2, 3)), tf.ones((3, 2)))
gpus = [device.name for device in tf.config.list_physical_devices("GPU")]
print(json.dumps([tf.__version__, gpus, product.device[-6:], product.numpy().tolist()]))
"""
COMPARE_WITH_RECORD = """
import base64, hashlib, json, sys
from importlib.metadata import distribution
wheel = distribution(sys.argv[1])
recorded = [path for path in wheel.files if path.hash]
def digest(path):
    return base64.urlsafe_b64encode(hashlib.new(path.hash.mode, path.read_binary()).digest()).rstrip(b"=").decode()
differing = [str(path) for path in recorded if digest(path) != path.hash.value]
tags = [line[5:] for line in wheel.read_text("WHEEL").splitlines() if line.startswith("Tag: ")]
print(json.dumps({"files": len(recorded), "differing": differing, "tags": tags}))
"""


@pytest.fixture(scope="module")
def environment(host: testinfra.host.Host) -> str:
    return f"{host.check_output('echo $HOME')}/.virtualenvs/tensorflow"


def answer(host: testinfra.host.Host, python: str, program: str, *arguments: str) -> Any:
    """What a Python program on the host printed as JSON in its last line."""
    words = " %s" * len(arguments)
    return json.loads(host.check_output(f"%s -I -c %s{words}", python, program, *arguments).splitlines()[-1])


def test_python_is_native(host: testinfra.host.Host, environment: str) -> None:
    interpreter = host.check_output("readlink -f %s", f"{environment}/bin/python")
    assert host.check_output("od -A n -N 8 -t x4 %s", interpreter).split() == [MACH_O_64_BIT, ARM64]
    says = "import json, platform, sys; print(json.dumps([sys.platform, platform.machine()]))"
    assert answer(host, f"{environment}/bin/python", says) == ["darwin", "arm64"]


def test_python_comes_from_where_it_was_declared_to(host: testinfra.host.Host, environment: str) -> None:
    interpreter = host.check_output("readlink -f %s", f"{environment}/bin/python")
    is_from_homebrew = interpreter.startswith("/opt/homebrew/")
    assert is_from_homebrew == (host.check_output("hostname") == "m4")


def test_tensorflow_computes_on_the_gpu(host: testinfra.host.Host, environment: str) -> None:
    version, gpus, device, product = answer(host, f"{environment}/bin/python", COMPUTE)
    assert version == "2.18.1"
    assert gpus == ["/physical_device:GPU:0"]
    assert device == ":GPU:0"
    assert product == [[3.0, 3.0], [3.0, 3.0]]


@pytest.mark.parametrize("package", ["tensorflow", "tensorflow-metal"])
def test_files_are_those_of_the_real_wheel(host: testinfra.host.Host, environment: str, package: str) -> None:
    wheel = answer(host, f"{environment}/bin/python", COMPARE_WITH_RECORD, package)
    assert wheel["files"], "its RECORD lists nothing"
    assert wheel["differing"] == []
    assert all(tag.endswith("_arm64") for tag in wheel["tags"])
