# SPDX-License-Identifier: GPL-3.0-or-later
"""The probe: does TensorFlow compute in an environment, on the GPU, and right?

PRIVATE to this collection. TensorFlow is never imported here: its import may crash, hang, or print what it likes. The
programs in `programs` do it in a process of their own, started with the environment's interpreter, and this
module turns whatever becomes of that process into a result.
"""

from __future__ import annotations

import contextlib
import inspect
import itertools
import json
import math
import os
import re
import selectors
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, cast

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe.diagnosis import Diagnosis, Failure, diagnose
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe.programs import (
    tensorflow as program_in_environment,
)

GPU_REQUIRED, GPU_PREFERRED, GPU_NONE = "required", "preferred", "none"

SATISFYING_VERDICTS: dict[str, tuple[str, ...]] = {
    GPU_REQUIRED: ("gpu-ok",),
    GPU_PREFERRED: ("gpu-ok", "cpu-ok"),
    GPU_NONE: ("cpu-ok",),
}
"""The demands that can be made on the GPU, each with the verdicts that meet it."""

FIRST_STAGE, LAST_STAGE = "start", "exact"

VERDICT_OF_FAILED_STAGE = {
    "start": "import-failed",
    "import": "import-failed",
    "list": "gpu-missing",
    "create": "gpu-unusable",
    "placement": "gpu-unusable",
    "exact": "gpu-unusable",
}

# Of what the process prints, the beginning and the end are kept: a fatal message is in the one or the other.
MAX_OUTPUT_START = 32 * 1024
MAX_OUTPUT_END = 64 * 1024
MAX_LOG_LINES = 40

SECONDS_TO_DIE = 5


class ProbeError(Exception):
    """There is nothing that could be probed; the message says why and what to do."""


@dataclass(frozen=True)
class Stage:
    """One stage that the probe entered."""

    name: str
    state: str
    """`ok`, `failed`, `crashed` or `timed-out`; after any but the first there is no further stage."""
    seconds: float
    error: str | None = None


@dataclass(frozen=True)
class Device:
    """A GPU that TensorFlow lists."""

    name: str
    """TensorFlow's name for it, such as /physical_device:GPU:0."""
    description: str | None
    """What the plug-in calls it, such as "Apple M2 Pro"; it says so only once the device is created."""


@dataclass(frozen=True)
class ProbeResult:
    """What a probe found out."""

    verdict: str
    ok: bool
    """Whether the verdict meets the demand on the GPU."""
    gpu_visible: bool
    devices: list[Device]
    tensorflow: str | None
    plugin: str | None
    stages: list[Stage]
    diagnosis: Diagnosis | None
    """Of a verdict that is not ok."""
    log: list[str]
    """The last lines that the process printed, of a verdict that is not ok."""
    duration: float
    """Seconds, the interpreter's start included."""


def usual_demand() -> str:
    """What is demanded of the GPU where nobody says it: a Mac must use it, anything else has none."""
    return GPU_REQUIRED if sys.platform == "darwin" else GPU_NONE


def probe(
    environment: Path, gpu: str = GPU_REQUIRED, timeout: float = 120, *, keep_bytecode: bool = False
) -> ProbeResult:
    """Find out whether TensorFlow computes in an environment.

    Args:
        environment: The environment's folder, or a link to it.
        gpu: What is demanded: a key of SATISFYING_VERDICTS. With `none`, GPUs are hidden from TensorFlow. With
            `preferred`, the CPU is probed where there is no GPU; a GPU that is there must work all the same.
        timeout: Seconds after which the process is killed.
        keep_bytecode: Whether Python may write what it compiles into the environment: it is the next probe's time.

    Returns:
        The result, whatever becomes of the process.

    Raises:
        ProbeError: There is no environment in that place, or it has no interpreter.
    """
    interpreter = _interpreter_of(environment)
    ending = _run(interpreter, gpu, timeout, keep_bytecode=keep_bytecode)
    stages = _stages(ending)
    facts: dict[str, Any] = {key: value for record in ending.records for key, value in record.items()}
    devices = facts.get("devices", [])
    verdict = _verdict(stages[-1], on_gpu=bool(devices))
    ok = verdict in SATISFYING_VERDICTS[gpu]
    result = ProbeResult(
        verdict=verdict,
        ok=ok,
        gpu_visible=bool(devices),
        devices=_described(devices, ending.output),
        tensorflow=facts.get("tensorflow"),
        plugin=facts.get("plugin"),
        stages=stages,
        diagnosis=None,
        log=[],
        duration=ending.duration,
    )
    if ok:
        return result
    words = {
        "environment": str(environment),
        "interpreter": str(interpreter),
        "machine": str(facts.get("machine", "(unknown)")),
        "tensorflow": result.tensorflow or "(of unknown version)",
    }
    failure = _failure(result, ending, words)
    return replace(result, diagnosis=diagnose(failure), log=ending.output.splitlines()[-MAX_LOG_LINES:])


def _interpreter_of(environment: Path) -> Path:
    """The path by which an environment's Python is started: not resolved, or it would not be the environment's."""
    if not environment.is_dir():
        raise ProbeError(f"there is no environment {environment}; name the folder of one, such as ~/.virtualenvs/metal")
    interpreter = environment / "bin" / "python"
    if interpreter.exists():
        return interpreter
    if interpreter.is_symlink():
        problem = f"its interpreter {interpreter} is a link to {interpreter.readlink()}, which is gone"
    else:
        problem = f"it has no {interpreter}"
    raise ProbeError(f"{environment} is not a usable environment: {problem}; build the environment again")


# --- what the process tells


@dataclass(frozen=True)
class _Fate:
    """How the process ended, and with it the stage in which it was."""

    state: str
    reason: str
    signal: str = ""


@dataclass(frozen=True)
class _Ending:
    """All that is known of the process once it is gone."""

    records: list[dict[str, Any]]
    """What it reported: see programs.tensorflow."""
    output: str
    """What it printed."""
    fate: _Fate
    duration: float


def _stages(ending: _Ending) -> list[Stage]:
    """The stages it entered; the last one tells how it ended."""
    stages = [
        Stage(r["stage"], r["state"], r["seconds"], f"{r['kind']}: {r['error']}" if r["state"] == "failed" else None)
        for r in ending.records
        if r["state"] != "begun"
    ]
    if stages and (stages[-1].state == "failed" or stages[-1].name == LAST_STAGE):
        return stages
    current = ending.records[-1]["stage"] if ending.records else FIRST_STAGE
    done = [stage for stage in stages if stage.name != current]
    seconds = round(ending.duration - sum(stage.seconds for stage in done), 3)
    return [*done, Stage(current, ending.fate.state, seconds, ending.fate.reason)]


def _verdict(last: Stage, *, on_gpu: bool) -> str:
    if last.state == "ok":
        return "gpu-ok" if on_gpu else "cpu-ok"
    if last.state != "failed":
        return last.state
    if last.name == LAST_STAGE and not on_gpu:
        return "import-failed"  # TensorFlow as such does not work
    if (last.error or "").startswith(program_in_environment.WrongResultsError.__name__):
        return "gpu-wrong-results"
    return VERDICT_OF_FAILED_STAGE[last.name]


def _described(devices: list[str], output: str) -> list[Device]:
    """The devices with the names that the plug-in printed, in the same order, as it created them."""
    # The oldest plug-ins print their next words without a line break.
    descriptions = re.findall(r"Metal device set to: (.+?)\s*(?:systemMemory.*)?$", output, re.MULTILINE)
    return [Device(*both) for both in itertools.zip_longest(devices, descriptions[: len(devices)])]


def _failure(result: ProbeResult, ending: _Ending, words: dict[str, str]) -> Failure:
    last = result.stages[-1]
    error = last.error or ""
    return Failure(
        verdict=result.verdict,
        stage=last.name,
        summary=f"stage {last.name} {last.state}: {error.partition(chr(10))[0]}",
        text=f"{error}\n{ending.output}",
        signal=ending.fate.signal,
        plugin=result.plugin,
        words=words,
    )


# --- the process


def _run(interpreter: Path, gpu: str, timeout: float, *, keep_bytecode: bool) -> _Ending:
    """Run the stages in a process of their own, and wait until it is gone."""
    start = time.monotonic()
    reports, reporting = os.pipe()
    own_limit = str(math.ceil(timeout) + SECONDS_TO_DIE)
    try:
        process = subprocess.Popen(
            [str(interpreter), "-I", *([] if keep_bytecode else ["-B"]), "-", str(reporting), gpu, own_limit],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=(reporting,),
            start_new_session=True,  # a process group of its own, to be killed as a whole
            env=_variables(),
        )
    except OSError as error:
        os.close(reports)
        fate = _Fate("failed", f"{interpreter} cannot be started: {error.strerror}")
        return _Ending([], "", fate, _seconds_since(start))
    finally:
        os.close(reporting)
    output = cast("IO[bytes]", process.stdout)
    with os.fdopen(reports, "rb", buffering=0), output:
        # An interpreter that died at once does not read its program.
        with contextlib.suppress(BrokenPipeError), cast("IO[bytes]", process.stdin) as program:
            program.write(inspect.getsource(program_in_environment).encode())
        reported, printed, in_time = _listen(reports, output.fileno(), start + timeout)
        _end(process, in_time=in_time)
        with contextlib.suppress(BlockingIOError):
            _read_some(output.fileno(), printed)
    return _Ending(
        records=_records(reported),
        output=printed.decode(errors="replace"),
        fate=_fate(process.returncode) if in_time else _Fate("timed-out", f"not ended after {timeout:g} s"),
        duration=_seconds_since(start),
    )


def _variables() -> dict[str, str]:
    """The environment variables of the process: ours without any that change what Python or TensorFlow do."""
    # -I makes Python ignore PYTHON*, but site and sysconfig read PYTHONUSERBASE all the same; a framework build of
    # Python hands __PYVENV_LAUNCHER__ to its children, who then take themselves for another interpreter.
    # TensorFlow 2.19 and later look for plug-ins in the folders of all installation schemes of sysconfig, the user's
    # own too, whatever site.ENABLE_USER_SITE says (see the end of tensorflow/__init__.py). No option of Python stops
    # that, and none should: a stray plug-in there breaks the user's imports, so the probe has to meet it.
    dropped = ("PYTHON", "__PYVENV", "TF_", "KERAS_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    return {
        **kept,
        "LC_ALL": "C",  # the loader's messages are matched by their words
        "TF_CPP_MIN_LOG_LEVEL": "0",  # the plug-in names the GPU at the lowest level
        "TF_USE_LEGACY_KERAS": "1",  # else `import tensorflow` imports Keras, a tenth of its time, not needed here
    }


def _listen(reports: int, output: int, deadline: float) -> tuple[bytearray, bytearray, bool]:
    """Read what the process reports and prints until it ends; the last value says whether it did before the deadline.

    The reports end with the process itself; what it prints can be held open by a process that it has left behind.
    """
    read = {reports: bytearray(), output: bytearray()}
    os.set_blocking(output, False)
    with selectors.DefaultSelector() as selector:
        for source in read:
            selector.register(source, selectors.EVENT_READ)
        while reports in selector.get_map() and time.monotonic() < deadline:
            for key, _ in selector.select(deadline - time.monotonic()):
                if not _read_some(key.fd, read[key.fd]):
                    selector.unregister(key.fd)
        in_time = reports not in selector.get_map()
    return read[reports], read[output], in_time


def _read_some(source: int, buffer: bytearray) -> bool:
    """Read once into the bounded buffer; false at the end of the file."""
    chunk = os.read(source, 1024 * 1024)
    buffer += chunk
    if len(buffer) > MAX_OUTPUT_START + MAX_OUTPUT_END:
        buffer[MAX_OUTPUT_START:-MAX_OUTPUT_END] = b"\n[...]\n"
    return bool(chunk)


def _end(process: subprocess.Popen[bytes], *, in_time: bool) -> None:
    """Make sure that the process is gone, with its group if it was not in time."""
    if in_time:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(SECONDS_TO_DIE)
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS refuses a group of zombies
            os.killpg(process.pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):  # nothing ends one that is stuck in a driver
            process.wait(SECONDS_TO_DIE)


def _records(reported: bytearray) -> list[dict[str, Any]]:
    records = []
    for line in reported.splitlines():
        with contextlib.suppress(ValueError):  # the last line of a killed process may be cut off
            records.append(json.loads(line))
    return records


def _fate(returncode: int) -> _Fate:
    """What a return code, as subprocess has it, means for a process that ended in the middle of a stage."""
    if returncode >= 0:
        return _Fate("failed", f"the interpreter ended with status {returncode}")
    name = _signal_name(-returncode)
    return _Fate("crashed", f"ended by {name}", name)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _seconds_since(start: float) -> float:
    return round(time.monotonic() - start, 3)
