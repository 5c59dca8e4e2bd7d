# SPDX-License-Identifier: GPL-3.0-or-later
"""The probe with a stand-in for TensorFlow: what it makes of each way in which a process can end."""

from __future__ import annotations

import dataclasses
import fcntl
import json
import multiprocessing
import os
import re
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe import process
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe import run as engine
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe.run import ProbeResult
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe.verdict import Demand, Told

from tests.hanging import ask_until
from tests.unit.plugins.module_utils.probe.failures import A100, gpu_server
from tests.waiting import has_ended, wait_until

MakeEnvironment = Callable[[str], Path]

WITH_ONE_GPU = """
    from types import SimpleNamespace

    __version__ = "2.18.1"

    def list_logical_devices(kind):
        pass

    sysconfig = SimpleNamespace(get_build_info=dict)
    config = SimpleNamespace(
        set_soft_device_placement=lambda enabled: None,
        list_physical_devices=lambda kind: [SimpleNamespace(name="/physical_device:GPU:0")],
        list_logical_devices=lambda kind: list_logical_devices(kind),
    )
"""


def probe(environment: Path, gpu: str = "required", timeout: float = 60, **options: Any) -> ProbeResult:
    return engine.probe(environment, Demand(gpu, timeout=timeout), **options)


def can_lock(path: Path) -> bool:
    with path.open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def states(result: ProbeResult) -> dict[str, str]:
    return {stage.name: stage.state for stage in result.stages}


def probe_what_hangs(environment: Path, gpu: str = "required", stage: str = "import") -> ProbeResult:
    return ask_until(lambda found: found.stages[-1].name == stage, lambda limit: probe(environment, gpu, limit), 1)


# --- How the process may end ------------------------------------------------------------------------------------------


def test_an_exit_in_the_middle_is_a_failure_of_its_stage(make_environment: MakeEnvironment) -> None:
    result = probe(make_environment("import os; os._exit(0)"))

    assert result.verdict == "import-failed"
    assert result.stages[-1].error == "the interpreter ended with status 0"


def test_a_broken_lock_is_recognised_in_what_hangs(make_environment: MakeEnvironment) -> None:
    blocking = "[mutex.cc : 452] RAW: Lock blocking 0x145bdfb18"
    result = probe_what_hangs(make_environment(f"import time; print({blocking!r}, flush=True); time.sleep(600)"))

    assert result.verdict == "timed-out"
    assert result.diagnosis
    assert "waits for a lock" in result.diagnosis.cause
    assert result.diagnosis.evidence == blocking


def test_what_hangs_is_killed_with_all_that_it_started(make_environment: MakeEnvironment, tmp_path: Path) -> None:
    held_by_all = tmp_path / "lock"
    environment = make_environment(f"""
        import fcntl, os, subprocess, time
        lock = open({str(held_by_all)!r}, "w")
        fcntl.flock(lock, fcntl.LOCK_EX)
        os.set_inheritable(lock.fileno(), True)
        subprocess.Popen(["sleep", "600"], close_fds=False)
        time.sleep(600)
    """)

    result = probe_what_hangs(environment)

    assert result.verdict == "timed-out"
    assert states(result) == {"start": "ok", "import": "timed-out"}
    assert result.diagnosis
    assert re.fullmatch(r"Stage import timed-out: not ended after \d+ s", result.diagnosis.evidence)
    wait_until(lambda: can_lock(held_by_all))


@pytest.mark.parametrize("then", ["raise RuntimeError('done')", "os._exit(0)", "os.kill(os.getpid(), 6)"])
def test_what_was_forked_costs_no_time_and_is_killed(
    make_environment: MakeEnvironment, tmp_path: Path, then: str
) -> None:
    held = tmp_path / "lock"
    environment = make_environment(f"""
        import fcntl, os, time
        wait, ready = os.pipe()
        if os.fork() == 0:
            lock = open({str(held)!r}, "w")
            fcntl.flock(lock, fcntl.LOCK_EX)
            os.write(ready, b".")
            time.sleep(600)
        os.read(wait, 1)
        {then}
    """)

    result = probe(environment, timeout=300)

    assert result.verdict in ("import-failed", "crashed")
    assert result.duration < 100
    wait_until(lambda: can_lock(held))


def test_a_process_that_closes_its_descriptors_is_not_taken_for_ended(make_environment: MakeEnvironment) -> None:
    environment = make_environment("import os, time; os.closerange(1, 100); time.sleep(600)")

    result = probe_what_hangs(environment)

    assert (result.verdict, states(result)) == ("timed-out", {"start": "ok", "import": "timed-out"})


def test_what_others_write_on_the_descriptor_does_no_harm(make_environment: MakeEnvironment) -> None:
    environment = make_environment("""
        import os
        for descriptor in range(3, 20):
            try:
                os.write(descriptor, b'42\\n[]\\n{"stage": []}\\n{"end": null}\\n' + b"x" * 10)
            except OSError:
                pass
        raise RuntimeError("the moon is full")
    """)

    result = probe(environment)

    assert (result.verdict, result.stages[0].name) == ("import-failed", "start")


def test_a_hanging_interpreter_is_ended_in_time(make_environment: MakeEnvironment) -> None:
    environment = make_environment("")
    replace_interpreter(environment, b"#!/bin/sh\nsleep 600\n")

    result = probe(environment, timeout=1)

    assert (result.verdict, states(result)) == ("timed-out", {"start": "timed-out"})
    assert result.duration < 100


def test_nobody_waits_for_a_process_that_was_left_behind(make_environment: MakeEnvironment) -> None:
    environment = make_environment("""
        import subprocess
        raise RuntimeError(subprocess.Popen(["sleep", "600"], start_new_session=True, close_fds=False).pid)
    """)

    result = probe(environment)

    error = result.stages[-1].error
    assert error
    os.kill(int(error.split()[1]), signal.SIGKILL)
    assert result.verdict == "import-failed"
    assert result.duration < 100


def test_variables_that_change_what_tensorflow_does_are_left_out_and_named(
    make_environment: MakeEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [each for each in os.environ if each.startswith(process.LEFT_OUT)]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("TF_USE_LEGACY_KERAS", "yes")
    monkeypatch.setenv("XLA_FLAGS", "--secret")
    environment = make_environment("import os; raise RuntimeError(sorted(os.environ))")

    result = probe(environment)

    assert result.left_out == ["TF_USE_LEGACY_KERAS", "XLA_FLAGS"]
    assert "XLA_FLAGS" not in (result.stages[-1].error or "")
    assert "secret" not in json.dumps(dataclasses.asdict(result))


@pytest.mark.parametrize("keep", [True, False])
def test_bytecode_is_written_only_where_it_is_wanted(make_environment: MakeEnvironment, keep: bool) -> None:
    environment = make_environment("")
    probe(environment, "none", keep_bytecode=keep)
    assert any(environment.rglob("__pycache__")) is keep


def test_a_probe_does_not_outlive_a_process_that_is_killed(make_environment: MakeEnvironment, tmp_path: Path) -> None:
    told = tmp_path / "told"
    environment = make_environment(f"""
        import os, pathlib, subprocess, time
        child = subprocess.Popen(["sleep", "600"]).pid
        new = pathlib.Path({str(told)!r} + ".new")
        new.write_text(f"{{os.getpid()}} {{child}}")
        new.rename({str(told)!r})
        time.sleep(600)
    """)
    parent = multiprocessing.get_context("fork").Process(target=probe, args=[environment])
    parent.start()
    wait_until(told.exists)

    parent.kill()
    parent.join()

    for each in told.read_text().split():
        wait_until(partial(has_ended, int(each)))


def test_a_flood_of_output_does_no_harm(make_environment: MakeEnvironment) -> None:
    environment = make_environment("""
        print("libmetal_plugin: platform is already registered")
        for _ in range(200_000):
            print("x" * 100)
        raise RuntimeError
    """)

    result = probe(environment)

    assert result.diagnosis
    assert result.diagnosis.evidence == "libmetal_plugin: platform is already registered"
    assert len(result.log) == engine.MAX_LOG_LINES


def test_of_much_output_the_beginning_and_the_end_are_kept(tmp_path: Path) -> None:
    output = tmp_path / "output"
    output.write_bytes(b"first" + bytes(3_000_000) + b"last")
    kept = bytearray()

    with output.open("rb") as source:
        while process._read_some(source.fileno(), kept):
            assert len(kept) <= process.MAX_OUTPUT_START + process.MAX_OUTPUT_END + len(b"\n[...]\n")

    assert kept.startswith(b"first")
    assert kept.endswith(b"last")


# --- What the environment may be -------------------------------------------------------------------------------------


def test_an_interpreter_killed_at_its_start_is_a_matter_of_its_signature(make_environment: MakeEnvironment) -> None:
    environment = make_environment("")
    interpreter = replace_interpreter(environment, b"#!/bin/sh\nkill -KILL $$\n")

    result = probe(environment)

    assert (result.verdict, states(result)) == ("crashed", {"start": "crashed"})
    assert result.diagnosis
    assert "code signature" in result.diagnosis.cause
    assert f"`codesign --force --sign - {interpreter}`" in result.diagnosis.remedy


def test_an_interpreter_that_does_not_read_its_program_is_a_failed_start(make_environment: MakeEnvironment) -> None:
    environment = make_environment("")
    replace_interpreter(environment, b"#!/bin/sh\nexit 3\n")

    result = probe(environment)

    assert (result.verdict, result.stages[-1].error) == ("import-failed", "the interpreter ended with status 3")


def test_an_interpreter_for_another_machine_cannot_be_started(make_environment: MakeEnvironment) -> None:
    environment = make_environment("")
    replace_interpreter(environment, b"\xca\xfe\xba\xbe")

    result = probe(environment)

    assert (result.verdict, states(result)) == ("import-failed", {"start": "failed"})
    assert result.diagnosis
    assert "another processor" in result.diagnosis.cause


def replace_interpreter(environment: Path, content: bytes) -> Path:
    interpreter = environment / "bin/python"
    interpreter.unlink()
    interpreter.write_bytes(content)
    interpreter.chmod(0o755)
    return interpreter


def test_there_must_be_an_environment(tmp_path: Path) -> None:
    with pytest.raises(MetalfleetError, match=f"There is no environment {tmp_path}/none"):
        probe(tmp_path / "none")


def test_an_environment_must_have_an_interpreter(tmp_path: Path) -> None:
    with pytest.raises(MetalfleetError, match=rf"It has no {tmp_path}/bin/python\. Run setup\.yml"):
        probe(tmp_path)


def test_a_lost_interpreter_is_named(make_environment: MakeEnvironment) -> None:
    environment = make_environment("")
    (environment / "bin/python").unlink()
    (environment / "bin/python").symlink_to("/gone/python3.12")

    with pytest.raises(MetalfleetError, match="a link to /gone/python3.12, which is gone"):
        probe(environment)


def test_a_link_to_the_environment_will_do(make_environment: MakeEnvironment, tmp_path: Path) -> None:
    environment = make_environment("raise RuntimeError(__file__)")
    link = tmp_path / "link"
    link.symlink_to(environment)

    assert "site-packages/tensorflow.py" in (probe(link).stages[-1].error or "")


# --- What the process gets, and leaves -------------------------------------------------------------------------------


def test_variables_that_change_python_or_tensorflow_do_not_reach_it(
    make_environment: MakeEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PYTHONPATH", "PYTHONUSERBASE", "TF_XLA_FLAGS", "KERAS_BACKEND", "__PYVENV_LAUNCHER__"):
        monkeypatch.setenv(name, "/elsewhere")
    monkeypatch.setenv("HOME", "/home/ann")
    environment = make_environment("import json, os; raise RuntimeError(json.dumps(dict(os.environ)))")

    error = probe(environment).stages[-1].error

    assert error
    seen = json.loads(error.partition(" ")[2])
    assert "/elsewhere" not in seen.values()
    assert (seen["HOME"], seen["TF_CPP_MIN_LOG_LEVEL"], seen["LC_ALL"]) == ("/home/ann", "0", "C")


def test_keras_is_hidden_only_where_it_is_not_probed(make_environment: MakeEnvironment) -> None:
    environment = make_environment("import os; raise RuntimeError(os.environ.get('TF_USE_LEGACY_KERAS'))")

    assert probe(environment, level="quick").stages[-1].error == "RuntimeError: 1"
    assert probe(environment, level="standard").stages[-1].error == "RuntimeError: None"


def test_nothing_is_written_into_the_environment(make_environment: MakeEnvironment) -> None:
    environment = make_environment("raise RuntimeError")
    before = sorted(environment.rglob("*"))

    probe(environment)

    assert sorted(environment.rglob("*")) == before


# --- What the GPU must and may do ------------------------------------------------------------------------------------


CUDA = """
    built = {"is_cuda_build": True, "cuda_version": "12.5.1", "cuda_compute_capabilities": ["sm_80", "compute_90"]}
    sysconfig = SimpleNamespace(get_build_info=lambda: built)
    config.experimental = SimpleNamespace(
        set_memory_growth=lambda gpu, enabled: print("Another program keeps the memory of", gpu.name, enabled)
    )
"""


def test_the_build_is_compared_with_the_gpu(make_environment: MakeEnvironment) -> None:
    without_gpus = f"{WITH_ONE_GPU}{CUDA}    config.list_physical_devices = lambda kind: []\n"
    too_old = gpu_server(gpus=[{**A100, "compute_capability": "6.1"}])

    result = probe(make_environment(without_gpus), facts=too_old)

    assert result.verdict == "gpu-missing"
    assert result.diagnosis
    assert "built for sm_80, compute_90, and the compute capability of the GPU is 6.1" in result.diagnosis.cause


def test_an_nvidia_gpu_is_named_and_its_memory_left_to_others(make_environment: MakeEnvironment) -> None:
    created = (
        "I0000 gpu_device.cc:2022] Created device /job:localhost/replica:0/task:0/device:GPU:0 with 38364 MB memory:  "
        "-> device: 0, name: NVIDIA A100-SXM4-40GB, pci bus id: 0000:00:04.0, compute capability: 8.0"
    )
    result = probe(make_environment(f"{WITH_ONE_GPU.replace('pass', f'print({created!r})')}{CUDA}"), facts=gpu_server())

    assert [device.description for device in result.devices] == ["NVIDIA A100-SXM4-40GB"]
    assert "Another program keeps the memory of /physical_device:GPU:0 True" in result.log


def test_a_gpu_that_cannot_be_opened_is_unusable(make_environment: MakeEnvironment) -> None:
    broken = "raise RuntimeError('INTERNAL: no such luck')"
    result = probe(make_environment(WITH_ONE_GPU.replace("pass", broken)))

    assert (result.verdict, result.gpu_visible) == ("gpu-unusable", True)
    assert states(result) == {"start": "ok", "import": "ok", "list": "ok", "create": "failed"}
    assert result.diagnosis
    assert result.diagnosis.cause == "The GPU is listed, but cannot be opened."
    assert "no such luck" in result.diagnosis.evidence


@pytest.mark.parametrize("gpu", ["required", "preferred"])
def test_a_gpu_that_does_not_answer_times_out_in_its_stage(make_environment: MakeEnvironment, gpu: str) -> None:
    environment = make_environment(WITH_ONE_GPU.replace("pass", "import time; time.sleep(600)"))
    result = probe_what_hangs(environment, gpu, "create")

    assert (result.verdict, result.ok) == ("timed-out", False)
    assert result.stages[-1].name == "create"
    assert result.diagnosis
    assert "in stage create" in result.diagnosis.cause


@pytest.mark.parametrize(
    ("printed", "description"),
    [
        (
            "2026-01-02 03:04:05.6: I metal_plugin/src/device/metal_device.cc:1154] Metal device set to: Apple M4",
            "Apple M4",
        ),
        ("Metal device set to: Apple M1 Ultra\n\nsystemMemory: 128.00 GB", "Apple M1 Ultra"),
        (
            "Metal device set to: AMD Radeon Pro 560XsystemMemory: 16.00 GB\nmaxCacheSize: 2.00 GB",
            "AMD Radeon Pro 560X",
        ),
        ("", None),
    ],
)
def test_the_gpu_is_described_in_the_plugins_words(printed: str, description: str | None) -> None:
    device, second = engine._described(["/physical_device:GPU:0", "/physical_device:GPU:1"], printed)

    assert (device.name, device.description) == ("/physical_device:GPU:0", description)
    assert second.description is None


# --- What is told ----------------------------------------------------------------------------------------------------


def test_a_bad_verdict_is_told_in_a_paragraph(make_environment: MakeEnvironment) -> None:
    result = probe(make_environment("raise RuntimeError('the moon is full')"))

    assert result.diagnosis
    assert result.text == f"import-failed. {result.diagnosis.text}"
    assert "Stage import failed: RuntimeError: the moon is full." in result.text


def test_a_good_verdict_is_told_in_a_line() -> None:
    told = Told(found={"tensorflow": "2.18.1", "plugin": "1.2.0"})

    assert engine._praise("gpu-ok", told) == "gpu-ok, TensorFlow 2.18.1, plug-in 1.2.0."
    assert engine._praise("cpu-ok", Told(found={"tensorflow": "2.18.1"})) == "cpu-ok, TensorFlow 2.18.1."
