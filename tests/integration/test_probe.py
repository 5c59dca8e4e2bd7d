# SPDX-License-Identifier: GPL-3.0-or-later
"""The probe with the real TensorFlow, on the CPU and with each variant of the Metal plug-in's stand-in."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe import run as engine
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe.programs.tensorflow import STAGES
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe.run import ProbeResult
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe.verdict import Demand

from tests.fake_metal.build import VARIANTS, BuildError, compile_plugin
from tests.hanging import ask_until
from tests.integration.variants import EXPECTED, Expected, clone, processes_of, with_plugin
from tests.waiting import wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the stand-in is for Linux")

MakeEnvironment = Callable[[str], Path]


def probe(environment: Path, gpu: str = "required", timeout: float = 120, **options: Any) -> ProbeResult:
    known_faults = options.pop("known_faults", "report")
    return engine.probe(environment, Demand(gpu, known_faults=known_faults, timeout=timeout), **options)


@pytest.fixture
def plugged(tensorflow_environment: Path, tmp_path: Path) -> MakeEnvironment:
    """Make an environment with the real TensorFlow and a variant of the plug-in."""
    return lambda variant: with_plugin(tensorflow_environment, variant, Path(tempfile.mkdtemp(dir=tmp_path)))


def test_each_variant_is_expected_to_do_something() -> None:
    assert EXPECTED.keys() == set(VARIANTS)


@pytest.mark.parametrize(("variant", "expected"), EXPECTED.items(), ids=EXPECTED.keys())
def test_each_variant_gets_its_verdict_and_diagnosis(
    plugged: MakeEnvironment, variant: str, expected: Expected
) -> None:
    environment = plugged(variant)

    result = ask_until(
        lambda found: found.stages[-1].name == expected.stage,
        lambda limit: probe(environment, timeout=limit, level=expected.level),
        8 if expected.verdict == "timed-out" else 300,
    )

    wait_until(lambda: not processes_of(environment / "bin/python"))
    assert (result.verdict, result.stages[-1].name) == (expected.verdict, expected.stage), result
    assert (result.tensorflow, result.plugin) == ("2.18.1", "1.2.0")
    assert result.gpu_visible == (expected.stage not in ("import", "list"))
    assert result.ok == (expected.verdict in ("gpu-ok", "gpu-paravirtual"))
    assert result.duration < 300
    assert (result.diagnosis is None) == result.ok
    if result.diagnosis:
        assert expected.cause in result.diagnosis.cause
        assert expected.evidence in result.diagnosis.evidence


def test_a_plugin_that_is_loaded_twice_is_found_out(plugged: MakeEnvironment) -> None:
    environment = plugged("ok")
    [plugin] = environment.glob("lib/python3*/site-packages/tensorflow-plugins/*")
    shutil.copy(plugin, plugin.with_name("libmetal_plugin_copy.so"))

    result = probe(environment)

    assert (result.verdict, result.stages[-1].name) == ("crashed", "import"), result
    assert result.diagnosis
    assert "Two plug-ins" in result.diagnosis.cause


def test_a_full_probe_tells_all_that_it_found(plugged: MakeEnvironment) -> None:
    result = probe(plugged("wrong_filters"), level="full")

    assert [stage.name for stage in result.stages] == list(STAGES)
    assert {fault.issue: fault.seen for fault in result.faults}["tensorflow/tensorflow#71577"] is True
    assert "a known fault: a convolution with more than 65,536 filters comes out wrong" in result.text
    assert probe(plugged("ok"), level="standard", known_faults="fail").ok
    asked = probe(plugged("wrong_filters"), level="standard", known_faults="fail")
    assert (asked.verdict, asked.stages[-1].name) == ("gpu-wrong-results", "known-faults")
    assert asked.diagnosis
    assert "#71577" in asked.diagnosis.evidence
    assert "softmax" in result.without_kernel
    assert "conv2d" not in result.without_kernel
    assert result.speed.keys() == {"cpu", "gpu"}
    assert all(rate and rate > 0 for rates in result.speed.values() for rate in rates.values())


@pytest.mark.parametrize("variant", ["ok", "garbage"])
def test_a_gpu_that_works_is_described(plugged: MakeEnvironment, variant: str) -> None:
    result = probe(plugged(variant))

    assert [stage.name for stage in result.stages] == ["start", "import", "list", "create", "placement", "exact"]
    assert all(stage.state == "ok" for stage in result.stages)
    assert [(device.name, device.description) for device in result.devices] == [
        ("/physical_device:GPU:0", "fake_metal (host memory, no GPU)")
    ]


def test_without_a_plugin_only_the_cpu_can_be_had(tensorflow_environment: Path) -> None:
    required = probe(tensorflow_environment, "required")
    preferred = probe(tensorflow_environment, "preferred")
    none = probe(tensorflow_environment, "none")

    assert (required.verdict, required.ok) == ("gpu-missing", False)
    assert required.diagnosis
    assert "tensorflow-metal is not installed" in required.diagnosis.cause
    assert (preferred.verdict, preferred.ok) == ("cpu-ok", True)
    assert (none.verdict, none.ok) == ("cpu-ok", True)
    assert [stage.name for stage in none.stages] == ["start", "import", "exact"]


@pytest.mark.parametrize(
    ("variant", "verdict", "ok"), [("zero_devices", "cpu-ok", True), ("wrong", "gpu-wrong-results", False)]
)
def test_a_preferred_gpu_may_be_missing_but_not_wrong(
    plugged: MakeEnvironment, variant: str, verdict: str, ok: bool
) -> None:
    result = probe(plugged(variant), "preferred")

    assert (result.verdict, result.ok) == (verdict, ok)


def test_a_gpu_that_is_not_wanted_is_not_used(plugged: MakeEnvironment) -> None:
    result = probe(plugged("wrong"), "none")

    assert (result.verdict, result.ok, result.gpu_visible) == ("cpu-ok", True, False)


def test_what_others_install_into_the_environment_is_not_taken_for_its_own(
    tensorflow_environment: Path, tmp_path: Path
) -> None:
    environment, elsewhere = clone(tensorflow_environment, tmp_path / "environment"), tmp_path / "elsewhere"
    site_packages = next(environment.glob("lib/python3*/site-packages"))
    elsewhere.mkdir()
    (site_packages / "tensorflow").rename(elsewhere / "tensorflow")
    (site_packages / "others.pth").write_text(f"{elsewhere}\n")

    result = probe(environment, "none")

    assert (result.verdict, result.stages[-1].name) == ("import-failed", "import")
    assert result.diagnosis
    assert f"another TensorFlow than that of {environment}: {elsewhere}/" in result.diagnosis.cause


# --- Keras -----------------------------------------------------------------------------------------------------------


def test_keras_computes_on_either_device(plugged: MakeEnvironment, tensorflow_environment: Path) -> None:
    on_cpu = probe(tensorflow_environment, "none", level="standard")
    on_gpu = probe(plugged("ok"), level="standard")

    assert on_cpu.without_kernel == []
    assert [fault.seen for fault in on_cpu.faults] == [False] * 3
    assert (on_cpu.verdict, on_cpu.stages[-1].name, on_cpu.stages[-1].state) == ("cpu-ok", "keras", "ok"), on_cpu
    assert (on_gpu.verdict, on_gpu.stages[-1].name, on_gpu.stages[-1].state) == ("gpu-ok", "keras", "ok"), on_gpu


@pytest.mark.parametrize(("package", "cause"), [("keras", "Keras is missing"), ("optree", "module optree")])
def test_an_environment_without_keras_is_found_out(
    tensorflow_environment: Path, tmp_path: Path, package: str, cause: str
) -> None:
    environment = clone(tensorflow_environment, tmp_path / "environment")
    next(environment.glob(f"lib/python3*/site-packages/{package}")).unlink()

    result = probe(environment, "none", level="standard")

    assert (result.verdict, result.ok, result.stages[-1].name) == ("keras-failed", False, "keras")
    assert result.diagnosis
    assert cause in result.diagnosis.cause


# --- Traces ----------------------------------------------------------------------------------------------------------


def test_a_check_leaves_nothing_behind(
    tensorflow_environment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = clone(tensorflow_environment, tmp_path / "environment")
    home, temporary = tmp_path / "home", tmp_path / "temporary"
    for variable, folder in (("HOME", home), ("TMPDIR", temporary)):
        folder.mkdir()
        monkeypatch.setenv(variable, str(folder))
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    before = sorted(tmp_path.rglob("*"))

    assert probe(environment, "none", level="quick").ok
    assert probe(environment, "none", level="standard").ok

    assert sorted(tmp_path.rglob("*")) == before


# --- Death from outside ----------------------------------------------------------------------------------------------


def test_a_process_killed_from_outside_has_crashed(plugged: MakeEnvironment) -> None:
    environment = plugged("hang_kernel")
    results: list[ProbeResult] = []
    probing = threading.Thread(target=lambda: results.append(probe(environment)))
    probing.start()
    process = wait_until(lambda: processes_of(environment / "bin/python"))[0]
    wait_until(lambda: "libmetal_plugin.so" in Path(f"/proc/{process}/maps").read_text())

    os.kill(process, signal.SIGKILL)
    probing.join()

    assert results[0].verdict == "crashed"
    assert results[0].diagnosis
    assert "killed from outside" in results[0].diagnosis.cause
    assert "SIGKILL" in results[0].diagnosis.evidence


# --- The stand-in itself ---------------------------------------------------------------------------------------------


@pytest.fixture
def tensorflow_package(tensorflow_environment: Path) -> Path:
    return next(tensorflow_environment.glob("lib/python3*/site-packages/tensorflow"))


def test_it_compiles_without_a_warning(
    tensorflow_package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CC", "cc -Werror")
    compile_plugin("ok", tensorflow_package, tmp_path / "new/libmetal_plugin.so")

    assert [path.name for path in (tmp_path / "new").iterdir()] == ["libmetal_plugin.so"]


def test_no_compiler_is_a_clear_error(
    tensorflow_package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BuildError, match="no C compiler: install gcc or clang"):
        compile_plugin("ok", tensorflow_package, tmp_path / "libmetal_plugin.so")


def test_what_does_not_compile_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"stream_executor\.h"):
        compile_plugin("ok", tmp_path / "no-tensorflow", tmp_path / "out/libmetal_plugin.so")

    assert list((tmp_path / "out").iterdir()) == []


def test_there_are_no_other_variants(tensorflow_package: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no variant 'fast'; there are ok, "):
        compile_plugin("fast", tensorflow_package, tmp_path / "libmetal_plugin.so")
