# SPDX-License-Identifier: GPL-3.0-or-later
"""The probe with a stand-in for TensorFlow: what it makes of each way in which a process can end."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe import run as engine
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe.diagnosis import Failure, diagnose
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe.programs import tensorflow as program_source
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe.run import ProbeError, ProbeResult, probe
from hypothesis import given
from hypothesis import strategies as st

MakeEnvironment = Callable[[str], Path]

WITH_ONE_GPU = """
    from types import SimpleNamespace

    __version__ = "2.18.1"

    def list_logical_devices(kind):
        pass

    config = SimpleNamespace(
        set_soft_device_placement=lambda enabled: None,
        list_physical_devices=lambda kind: [SimpleNamespace(name="/physical_device:GPU:0")],
        list_logical_devices=lambda kind: list_logical_devices(kind),
    )
"""


def can_lock(path: Path) -> bool:
    with path.open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def wait_until(condition: Callable[[], bool], seconds: float = 5) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return condition()


def states(result: ProbeResult) -> dict[str, str]:
    return {stage.name: stage.state for stage in result.stages}


# --- What the import may do ------------------------------------------------------------------------------------------

# As the loaders of macOS and Linux and TensorFlow's own code word them.
PLUGIN = "/Users/ann/.virtualenvs/metal/lib/python3.12/site-packages/tensorflow-plugins/libmetal_plugin.dylib"
IMPORT_ERRORS = {
    "symbol-not-found": (
        (
            f"dlopen({PLUGIN}, 0x0006): Symbol not found: __ZN3tsl8internal10LogMessageC1EPKcii\n"
            f"  Referenced from: <0000> {PLUGIN}\n  Expected in:     <0000> /x/_pywrap_tensorflow_internal.so"
        ),
        f"The plug-in {PLUGIN} does not link",
        "Symbol not found: __ZN3tsl8internal10LogMessageC1EPKcii",
    ),
    "flat-namespace": (
        f"dlopen({PLUGIN}, 0x0006): symbol not found in flat namespace '_TF_GetInputPropertiesList'",
        f"The plug-in {PLUGIN} does not link",
        "_TF_GetInputPropertiesList",
    ),
    "library-not-loaded": (
        (
            f"dlopen({PLUGIN}, 0x0006): Library not loaded: @rpath/_pywrap_tensorflow_internal.so\n"
            f"  Referenced from: <0000> {PLUGIN}\n  Reason: tried: '/x/_pywrap_tensorflow_internal.so' (no such file)"
        ),
        f"The plug-in {PLUGIN} does not link",
        "@rpath/_pywrap_tensorflow_internal.so",
    ),
    "architecture": (
        (
            "dlopen(/x/_pywrap_tensorflow_internal.so, 0x0002): tried: '/x/_pywrap_tensorflow_internal.so' "
            "(mach-o file, but is an incompatible architecture (have 'x86_64', need 'arm64'))"
        ),
        "native code for another processor",
        "have 'x86_64', need 'arm64'",
    ),
    "architecture-macos-11": (
        "dlopen(/x/_a.so, 6): no suitable image found.  Did find:\n\t/x/_a.so: mach-o, but wrong architecture",
        "native code for another processor",
        "/x/_a.so: mach-o, but wrong architecture",
    ),
    "plugin-of-another-architecture": (
        (
            f"dlopen({PLUGIN}, 0x0006): tried: '{PLUGIN}' (mach-o file, but is an incompatible architecture "
            "(have (x86_64), need (arm64e)))"
        ),
        "native code for another processor",
        "have (x86_64), need (arm64e)",
    ),
    "two-plugins": (
        "INTERNAL: platform is already registered with name: METAL",
        "Two plug-ins register the same device",
        "already registered with name: METAL",
    ),
    "numpy": (
        "A module that was compiled using NumPy 1.x cannot be run in\nNumPy 2.1.0 as it may crash.",
        "NumPy is not of the release",
        "compiled using NumPy 1.x",
    ),
    "no-tensorflow": ("No module named 'tensorflow'", "TensorFlow is not installed", "No module named 'tensorflow'"),
    "dependency": ("No module named 'opt_einsum'", "module opt_einsum", "No module named 'opt_einsum'"),
    "damaged": ("/x/_pywrap_tensorflow_internal.so: file too short", "is damaged", "file too short"),
    "whatever": ("the moon is full", "TensorFlow does not work", "RuntimeError: the moon is full"),
}


@pytest.mark.parametrize(("message", "cause", "evidence"), IMPORT_ERRORS.values(), ids=IMPORT_ERRORS.keys())
def test_a_failed_import_is_explained(
    make_environment: MakeEnvironment, message: str, cause: str, evidence: str
) -> None:
    result = probe(make_environment(f"raise RuntimeError({message!r})"))

    assert (result.verdict, result.ok, states(result)) == ("import-failed", False, {"start": "ok", "import": "failed"})
    assert result.diagnosis
    assert cause in result.diagnosis.cause
    assert evidence in result.diagnosis.evidence
    assert "\n" not in result.diagnosis.evidence
    assert result.diagnosis.remedy


@pytest.mark.parametrize(
    ("name", "printed", "cause"),
    [
        ("SIGILL", "", "an instruction that the processor does not have"),
        ("SIGKILL", "", "killed from outside"),
        ("SIGSEGV", "", "crashed in stage import (SIGSEGV)"),
        ("SIGABRT", "libc++abi: terminating due to uncaught exception: mutex lock failed: Invalid", "waits for a lock"),
        ("SIGABRT", "No supported GPU was found.", "Metal offers no GPU to this session"),
        ("SIGABRT", "F0000 00:00:17 1 x.cc:3] Check failed: a == b", "gave up in stage import (SIGABRT)"),
        (
            "SIGABRT",
            "F0000 0:0 1 x.cc:746] Check failed: tensorflow::RegisterPluggableDevicePlugin(h) is OK (INTERNAL: old)",
            "refuse each other",
        ),
    ],
)
def test_a_crash_is_named_by_its_signal(make_environment: MakeEnvironment, name: str, printed: str, cause: str) -> None:
    result = probe(
        make_environment(f"import os, signal; print({printed!r}, flush=True); os.kill(os.getpid(), signal.{name})")
    )

    assert result.verdict == "crashed"
    assert result.stages[-1].name == "import"
    assert result.stages[-1].error == f"ended by {name}"
    assert result.diagnosis
    assert cause in result.diagnosis.cause
    assert (printed or name) in result.diagnosis.evidence


def test_an_exit_in_the_middle_is_a_failure_of_its_stage(make_environment: MakeEnvironment) -> None:
    result = probe(make_environment("import os; os._exit(0)"))

    assert result.verdict == "import-failed"
    assert result.stages[-1].error == "the interpreter ended with status 0"


def test_a_broken_lock_is_recognised_in_what_hangs(make_environment: MakeEnvironment) -> None:
    blocking = "[mutex.cc : 452] RAW: Lock blocking 0x145bdfb18"
    result = probe(make_environment(f"import time; print({blocking!r}, flush=True); time.sleep(60)"), timeout=1)

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
        subprocess.Popen(["sleep", "60"], close_fds=False)
        time.sleep(60)
    """)

    result = probe(environment, timeout=1)

    assert result.verdict == "timed-out"
    assert states(result) == {"start": "ok", "import": "timed-out"}
    assert 1 <= result.duration < 3
    assert result.diagnosis
    assert result.diagnosis.evidence == "stage import timed-out: not ended after 1 s"
    assert wait_until(lambda: can_lock(held_by_all))


def test_nobody_waits_for_a_process_that_was_left_behind(make_environment: MakeEnvironment) -> None:
    environment = make_environment("""
        import subprocess
        raise RuntimeError(subprocess.Popen(["sleep", "60"], start_new_session=True, close_fds=False).pid)
    """)

    result = probe(environment)

    error = result.stages[-1].error
    assert error
    os.kill(int(error.split()[1]), signal.SIGKILL)
    assert result.verdict == "import-failed"
    assert result.duration < 10


@pytest.mark.parametrize("keep", [True, False])
def test_bytecode_is_written_only_where_it_is_wanted(make_environment: MakeEnvironment, keep: bool) -> None:
    environment = make_environment("")
    probe(environment, "none", keep_bytecode=keep)
    assert any(environment.rglob("__pycache__")) is keep


def test_a_probe_whose_parent_is_gone_ends_itself(make_environment: MakeEnvironment) -> None:
    environment = make_environment("import time; time.sleep(60)")
    reports, reporting = os.pipe()
    program = Path(str(program_source.__file__))
    with program.open() as source, os.fdopen(reports):
        process = subprocess.Popen(
            [environment / "bin/python", "-I", "-B", "-", str(reporting), "required", "1"],
            stdin=source,
            pass_fds=[reporting],
        )
        os.close(reporting)
        assert process.wait(timeout=10) == -signal.SIGALRM


def test_a_flood_of_output_does_no_harm(make_environment: MakeEnvironment) -> None:
    environment = make_environment("""
        print("libmetal_plugin: already registered")
        for _ in range(200_000):
            print("x" * 100)
        raise RuntimeError
    """)

    result = probe(environment)

    assert result.diagnosis
    assert result.diagnosis.evidence == "libmetal_plugin: already registered"
    assert len(result.log) == engine.MAX_LOG_LINES


def test_of_much_output_the_beginning_and_the_end_are_kept(tmp_path: Path) -> None:
    output = tmp_path / "output"
    output.write_bytes(b"first" + bytes(3_000_000) + b"last")
    kept = bytearray()

    with output.open("rb") as source:
        while engine._read_some(source.fileno(), kept):
            assert len(kept) <= engine.MAX_OUTPUT_START + engine.MAX_OUTPUT_END + len(b"\n[...]\n")

    assert kept.startswith(b"first")
    assert kept.endswith(b"last")


def test_an_end_between_two_stages_is_laid_to_the_earlier() -> None:
    records: list[dict[str, Any]] = [
        {"stage": "start", "state": "begun"},
        {"stage": "start", "state": "ok", "seconds": 0.1},
    ]
    ending = engine._Ending(records, "", engine._Fate("crashed", "ended by SIGKILL", "SIGKILL"), 0.5)

    assert engine._stages(ending) == [engine.Stage("start", "crashed", 0.5, "ended by SIGKILL")]


def test_a_report_that_was_cut_off_is_left_out() -> None:
    assert engine._records(bytearray(b'{"stage": "start"}\n{"stage": "im')) == [{"stage": "start"}]


# --- What the environment may be -------------------------------------------------------------------------------------


def test_an_interpreter_killed_at_its_start_is_a_matter_of_its_signature(make_environment: MakeEnvironment) -> None:
    environment = make_environment("")
    interpreter = replace_interpreter(environment, b"#!/bin/sh\nkill -KILL $$\n")

    result = probe(environment)

    assert (result.verdict, states(result)) == ("crashed", {"start": "crashed"})
    assert result.diagnosis
    assert "code signature" in result.diagnosis.cause
    assert result.diagnosis.remedy == f"codesign --force --sign - {interpreter}"


def test_an_interpreter_that_does_not_read_its_program_is_a_failed_start(
    make_environment: MakeEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = make_environment("")
    replace_interpreter(environment, b"#!/bin/sh\nexit 3\n")

    def source_when_it_is_gone(_: object) -> str:
        time.sleep(0.5)
        return "pass"

    monkeypatch.setattr("inspect.getsource", source_when_it_is_gone)

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
    with pytest.raises(ProbeError, match=f"there is no environment {tmp_path}/none"):
        probe(tmp_path / "none")


def test_an_environment_must_have_an_interpreter(tmp_path: Path) -> None:
    with pytest.raises(ProbeError, match=f"it has no {tmp_path}/bin/python; build the environment again"):
        probe(tmp_path)


def test_a_lost_interpreter_is_named(make_environment: MakeEnvironment) -> None:
    environment = make_environment("")
    (environment / "bin/python").unlink()
    (environment / "bin/python").symlink_to("/gone/python3.12")

    with pytest.raises(ProbeError, match="a link to /gone/python3.12, which is gone"):
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


def test_nothing_is_written_into_the_environment(make_environment: MakeEnvironment) -> None:
    environment = make_environment("raise RuntimeError")
    before = sorted(environment.rglob("*"))

    probe(environment)

    assert sorted(environment.rglob("*")) == before


# --- What the GPU must and may do ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("system", "demand"), [("darwin", "required"), ("linux", "none")])
def test_a_mac_must_use_its_gpu_unless_told_otherwise(
    monkeypatch: pytest.MonkeyPatch, system: str, demand: str
) -> None:
    monkeypatch.setattr("sys.platform", system)

    assert engine.usual_demand() == demand


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
    result = probe(make_environment(WITH_ONE_GPU.replace("pass", "import time; time.sleep(60)")), gpu=gpu, timeout=2)

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


def test_wrong_results_of_the_cpu_are_not_laid_to_the_gpu() -> None:
    last = engine.Stage("exact", "failed", 0.1, "WrongResultsError: CPU:0: 1 of 1 elements are wrong")

    assert engine._verdict(last, on_gpu=True) == "gpu-wrong-results"
    assert engine._verdict(last, on_gpu=False) == "import-failed"


# --- Diagnosis -------------------------------------------------------------------------------------------------------


@given(
    verdict=st.sampled_from(
        ["gpu-wrong-results", "gpu-unusable", "gpu-missing", "import-failed", "crashed", "timed-out"]
    ),
    stage=st.sampled_from([*engine.VERDICT_OF_FAILED_STAGE]),
    text=st.text() | st.sampled_from([message for message, _, _ in IMPORT_ERRORS.values()]),
    signal_name=st.sampled_from(["", "SIGSEGV", "SIGKILL", "SIGILL", "signal 77"]),
    plugin=st.sampled_from([None, "1.2.0"]),
)
def test_every_failure_has_a_diagnosis(
    verdict: str, stage: str, text: str, signal_name: str, plugin: str | None
) -> None:
    words = {"environment": "/e", "interpreter": "/e/bin/python", "machine": "arm64", "tensorflow": "2.18.1"}
    diagnosis = diagnose(Failure(verdict, stage, "how it ended", text, signal_name, plugin, words))

    assert diagnosis.cause.endswith(".")
    assert diagnosis.evidence
    assert diagnosis.remedy


def test_the_plugin_is_not_blamed_where_there_is_none() -> None:
    words = {"environment": "/e", "interpreter": "/e/bin/python", "machine": "x86_64", "tensorflow": "2.18.1"}
    diagnosis = diagnose(Failure("crashed", "exact", "ended by SIGSEGV", "", "SIGSEGV", None, words))

    assert "plug-in" not in diagnosis.cause + diagnosis.remedy


@pytest.mark.parametrize("number", [9, 11, 4])
def test_signals_have_names(number: int) -> None:
    assert engine._signal_name(number).startswith("SIG")


@pytest.mark.skipif(sys.platform != "linux", reason="real-time signals")
def test_a_signal_without_a_name_keeps_its_number() -> None:
    assert engine._signal_name(40) == "signal 40"
