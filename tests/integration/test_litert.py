# SPDX-License-Identifier: GPL-3.0-or-later
"""LiteRT: the probe with the real one, and environments for it on a simulated Mac."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe.run import ProbeResult, probe
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe.verdict import Demand

from tests.ansible_runner import CHECKOUT
from tests.integration.hosts import LINKS, SETUP, on, said
from tests.integration.variants import clone

if TYPE_CHECKING:
    from tests.integration.conftest import NewMac

SOFTWARE_GPU = Path("/usr/lib/chromium/vk_swiftshader_icd.json")
"""Vulkan's description of SwiftShader, which computes on the CPU: Debian's chromium brings it."""

CPU_STAGES = ["start", "import", "interpreter", "compiled"]


def ask(environment: Path, gpu: str = "preferred", *models: Path) -> ProbeResult:
    return probe(environment, Demand(gpu, framework="litert", models=tuple(map(str, models)), timeout=300))


@pytest.fixture
def without_gpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Vulkan finds nothing on this machine, whatever it has."""
    monkeypatch.setenv("VK_ICD_FILENAMES", str(tmp_path / "none.json"))


pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="the tests' LiteRT is for Linux"),
    pytest.mark.usefixtures("without_gpu"),
]


def test_it_computes_on_the_cpu_where_there_is_no_gpu(litert_environment: Path) -> None:
    result = ask(litert_environment)

    assert (result.verdict, result.ok, result.gpu_visible) == ("cpu-ok", True, False), result
    assert [stage.name for stage in result.stages] == [*CPU_STAGES, "accelerator"]
    assert result.litert
    assert result.text == f"cpu-ok, LiteRT {result.litert}."
    assert [stage.name for stage in ask(litert_environment, "none").stages] == CPU_STAGES


def test_a_gpu_that_is_demanded_and_missing_is_explained(litert_environment: Path) -> None:
    result = ask(litert_environment, "required")

    assert (result.verdict, result.ok) == ("gpu-missing", False)
    assert result.diagnosis
    assert "finds no GPU here" in result.diagnosis.cause
    assert "No adapters found" in result.diagnosis.evidence


@pytest.mark.skipif(not SOFTWARE_GPU.exists(), reason="there is no SwiftShader here: Debian's chromium has it")
def test_what_stands_in_for_a_gpu_is_none(litert_environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VK_ICD_FILENAMES", str(SOFTWARE_GPU))

    preferred, required = ask(litert_environment), ask(litert_environment, "required")

    assert (preferred.verdict, preferred.ok) == ("gpu-software", True), preferred
    assert [stage.name for stage in preferred.stages] == [*CPU_STAGES, "accelerator", "exact"]
    assert (required.verdict, required.ok) == ("gpu-software", False)
    assert required.diagnosis
    assert "adapterType=CPU" in required.diagnosis.evidence


def test_models_of_the_user_are_run(litert_environment: Path, tmp_path: Path) -> None:
    model, broken = tmp_path / "model.tflite", tmp_path / "broken.tflite"
    program = (
        "from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe.programs import litert;"
        f"open({str(model)!r}, 'wb').write(litert.make_model(litert.make_layer()))"
    )
    run_in(litert_environment, program)
    broken.write_text("no model")

    assert ask(litert_environment, "none", model).stages[-1].name == "models"
    os.mkfifo(tmp_path / "pipe.tflite")
    for wrong, words in (
        (broken, f"The file {broken} is no model of LiteRT, or is damaged"),
        (tmp_path / "none.tflite", "is not there"),
        (tmp_path / "pipe.tflite", "is not there, or cannot be read"),
    ):
        result = ask(litert_environment, "none", model, wrong)
        assert (result.verdict, result.ok) == ("model-failed", False)
        assert result.diagnosis
        assert words in result.diagnosis.cause


def run_in(environment: Path, program: str) -> None:
    """Run a program that may use the collection's code with an environment's Python."""

    subprocess.run(
        [environment / "bin/python", "-c", program],
        env={**os.environ, "PYTHONPATH": str(CHECKOUT / ".collections")},
        check=True,
    )


@pytest.mark.parametrize(
    ("damage", "verdict", "stage"),
    [
        ("raise RuntimeError('the moon is full')", "import-failed", "import"),
        ("import os; os.kill(os.getpid(), 11)", "crashed", "import"),
    ],
)
def test_what_goes_wrong_is_pinned_to_its_stage(
    litert_environment: Path, tmp_path: Path, damage: str, verdict: str, stage: str
) -> None:
    environment = clone(litert_environment, tmp_path / "environment")
    package = next(environment.glob("lib/python3*/site-packages/ai_edge_litert"))
    package.unlink()
    package.mkdir()
    (package / "__init__.py").write_text(damage)

    result = ask(environment, "none")

    assert (result.verdict, result.stages[-1].name) == (verdict, stage)


WRAPPED = """
import importlib.util
from ai_edge_litert.hardware_accelerator import HardwareAccelerator
spec = importlib.util.spec_from_file_location("real", {real!r})
real = importlib.util.module_from_spec(spec)
spec.loader.exec_module(real)
class CompiledModel:
    @staticmethod
    def from_buffer(model, hardware_accel):
        made = real.CompiledModel.from_buffer(model, hardware_accel=HardwareAccelerator.CPU)
        if hardware_accel == HardwareAccelerator.GPU:
            {gpu}
        return made
"""
"""Stands between the probe and LiteRT: what is called the GPU is the CPU, and does something else."""
METAL = "print('GPU accelerator(libLiteRtMetalAccelerator.dylib) registered.')"
NO_ACCELERATOR = "GPU accelerator could not be loaded"


@pytest.mark.parametrize(
    ("gpu", "verdict", "cause"),
    [
        (f"{METAL}; made.is_fully_accelerated = lambda: True", "gpu-ok", ""),
        ("made.is_fully_accelerated = lambda: True", "gpu-software", ""),
        (f"{METAL}; made.run_by_index = lambda *_: None", "gpu-wrong-results", "does not compute a small model right"),
        (f"{METAL}; made.is_fully_accelerated = lambda: False", "gpu-unusable", "does not compute a small model right"),
        (f"raise RuntimeError('{NO_ACCELERATOR}')", "gpu-missing", "finds no GPU here, or has no accelerator for it"),
        (f"{METAL}; import os; made.run_by_index = lambda *_: os.abort()", "crashed", "SIGABRT"),
    ],
)
def test_an_accelerator_that_is_missing_or_wrong_is_told(
    litert_environment: Path, tmp_path: Path, gpu: str, verdict: str, cause: str
) -> None:
    environment = clone(litert_environment, tmp_path / "environment")
    package = next(environment.glob("lib/python3*/site-packages/ai_edge_litert"))
    real = package.resolve()
    package.unlink()
    package.mkdir()
    (package / "__init__.py").write_text(f"__path__.append({str(real)!r})")
    (package / "compiled_model.py").write_text(WRAPPED.format(real=str(real / "compiled_model.py"), gpu=gpu))

    result = ask(environment, "required")

    assert (result.verdict, result.ok) == (verdict, verdict == "gpu-ok"), result
    assert cause in (result.diagnosis.cause if result.diagnosis else "")


EDGE = {"name": "edge", "framework": "litert"}


def test_a_mac_that_is_too_old_is_refused_before_the_build(mac: NewMac) -> None:
    host = mac("m1-fresh")

    run = on(host, SETUP, check=False, tensorflow_environments=[EDGE])

    assert "LiteRT 2.3.0 needs macOS 15.2 or newer, not 14.6.1" in run.words
    assert said(host, "ls ~/.local/share/metalfleet").split() == ["bin", "python", "uv"]


def test_an_environment_is_set_up_and_kept_in_order(mac: NewMac, tmp_path: Path) -> None:
    host = mac("m5-fresh")
    declared: dict[str, Any] = {"tensorflow_environments": [EDGE]}

    first, again = on(host, SETUP, **declared), on(host, SETUP, **declared)

    assert again.recap[host.name]["changed"] == 0
    for run in (first, again):
        assert "edge: " in run.output
        assert "cpu-ok, LiteRT 2." in run.output
    said(host, f"rm {LINKS}/edge/lib/python3.*/site-packages/ai_edge_litert/interpreter.py")
    assert "file-missing" in on(host, SETUP, **declared).output
    assert on(host, SETUP, "--check", **declared).recap[host.name]["changed"] == 0
    declared = {"tensorflow_environments": [{**EDGE, "packages": ["six"]}], "tensorflow_locks": str(tmp_path)}
    changed, again = on(host, SETUP, **declared), on(host, SETUP, **declared)
    assert "lock-changed" in changed.output
    assert again.recap[host.name]["changed"] == 0
    assert said(host, f"ls -d {LINKS}/edge/lib/python3.*/site-packages/six.py")
    assert host.shim_calls() == []
