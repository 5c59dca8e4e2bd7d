# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""The probe's process: a program of ours, run by an environment's interpreter, and what becomes of it.

TensorFlow is never imported here: its import may crash, hang, or print what it likes. The programs in `programs` do it
in a process of their own, and this module turns whatever becomes of that process into a result.
"""

from __future__ import annotations

import contextlib
import inspect
import itertools
import math
import os
import re
import selectors
import shutil
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, cast

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError, Problem
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe.diagnosis import Failure
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe.programs import (
    reporter,
    tensorflow,
    tensorflow_numbers,
    tensorflow_operations,
    tensorflow_speed,
    tensorflow_training,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe.programs.reporter import QUICK
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe.rules import explain
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe.verdict import (
    SATISFYING,
    Fate,
    Fault,
    Speed,
    Stage,
    Told,
    conclude,
    of_kind,
    read_reports,
    with_faults,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import ModuleType

    from ansible_collections.metalfleet.tensorflow.plugins.module_utils._facts.types import Facts

# Of what the process prints, the beginning and the end are kept: a fatal message is in the one or the other.
MAX_OUTPUT_START = 32 * 1024
MAX_OUTPUT_END = 64 * 1024
MAX_LOG_LINES = 40

SECONDS_TO_DIE = 5
SECONDS_BETWEEN_LOOKS = 0.1

PROGRAM = (
    reporter,
    tensorflow_operations,
    tensorflow_numbers,
    tensorflow_training,
    tensorflow_speed,
    tensorflow,
)
"""What runs in the environment: each module after those that it imports. The last has the main function."""

LEFT_OUT = ("PYTHON", "__PYVENV", "TF_", "KERAS_", "XLA_", "PROTOCOL_BUFFERS_")
"""How variables begin that change what Python or TensorFlow do."""

NOWHERE = f"{os.devnull}/nowhere"
"""A folder that nobody can make."""


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
    text: str
    """The verdict for a person: a line, or where it is not ok a paragraph with the diagnosis."""
    gpu_visible: bool
    devices: list[Device]
    tensorflow: str | None
    plugin: str | None
    stages: list[Stage]
    without_kernel: list[str]
    """Operations for which the GPU has no code, so that the CPU does them; known from the level `standard` on."""
    faults: list[Fault]
    """Published faults of such GPUs, and whether they are seen here, too; known from the level `standard` on."""
    speed: Speed
    """GFLOP/s, by `cpu` or `gpu` and then by kind of computation; known from the level `full` on."""
    diagnosis: Problem | None
    """Of a verdict that is not ok."""
    log: list[str]
    """The last lines that the process printed, of a verdict that is not ok."""
    duration: float
    """Seconds, the interpreter's start included."""
    left_out: list[str]
    """Environment variables that are set here, change what Python or TensorFlow do, and were not handed on."""


def probe(
    environment: Path,
    *,
    gpu: str,
    level: str = QUICK,
    known_faults: str = "report",
    timeout: float,
    facts: Facts | None = None,
    passed_on: str | None = None,
    keep_bytecode: bool = False,
) -> ProbeResult:
    """Find out whether TensorFlow computes in an environment.

    Args:
        environment: The environment's folder, or a link to it.
        gpu: What is demanded: a key of SATISFYING. With `none`, GPUs are hidden from TensorFlow. With `preferred`, the
            CPU is probed where there is no GPU; a GPU that is there must work all the same.
        level: How much is probed: `quick`, `standard` or `full`.
        known_faults: Whether published faults that are seen only are told (`report`), or are wrong results (`fail`).
        timeout: Seconds after which the process is killed.
        facts: Of this host, for the diagnosis.
        passed_on: The version of macOS on which this environment passed its probe when it was built, for the diagnosis.
        keep_bytecode: Whether Python may write what it compiles into the environment: it is the next probe's time.

    Returns:
        The result, whatever becomes of the process.

    Raises:
        MetalfleetError: There is no environment in that place, or it has no interpreter.
    """
    interpreter = _interpreter_of(environment)
    ending = _run(interpreter, gpu, level, timeout, keep_bytecode=keep_bytecode)
    told = ending.told
    devices = _described(told.texts("devices"), ending.output)
    verdict, stages = conclude(told, ending.fate, ending.duration)
    if known_faults == "fail":
        verdict, stages = with_faults(verdict, stages, told.faults)
    verdict = of_kind(verdict, devices[0].description if devices else None)
    ok = verdict in SATISFYING[gpu]
    last = stages[-1]
    problem = (
        None
        if ok
        else explain(
            Failure(
                verdict=verdict,
                stage=last.name,
                summary=f"Stage {last.name} {last.state}: {_telling_line(last.error or '')}",
                environment=environment,
                interpreter=interpreter,
                error=(last.error or "") if last.state == "failed" else "",
                printed=ending.output,
                signal=ending.fate.signal,
                tensorflow=told.text("tensorflow"),
                plugin=told.text("plugin"),
                plugin_files=told.texts("plugin_files"),
                machine=told.text("machine"),
                facts=facts,
                passed_on=passed_on,
            )
        )
    )
    return ProbeResult(
        verdict=verdict,
        ok=ok,
        text=f"{verdict}. {problem.text}" if problem else _praise(verdict, told),
        gpu_visible=bool(devices),
        devices=devices,
        tensorflow=told.text("tensorflow"),
        plugin=told.text("plugin"),
        stages=stages,
        without_kernel=told.texts("without_kernel"),
        faults=told.faults,
        speed=told.speed,
        diagnosis=problem,
        log=[] if ok else ending.output.splitlines()[-MAX_LOG_LINES:],
        duration=ending.duration,
        left_out=sorted(name for name in os.environ if name.startswith(LEFT_OUT)),
    )


def _interpreter_of(environment: Path) -> Path:
    """The path by which an environment's Python is started: not resolved, or it would not be the environment's."""
    if not environment.is_dir():
        raise MetalfleetError(
            f"There is no environment {environment}",
            remedy="Name the folder of one, such as ~/.virtualenvs/tensorflow, or run setup.yml to get one",
        )
    interpreter = environment / "bin" / "python"
    if interpreter.exists():
        return interpreter
    if interpreter.is_symlink():
        evidence = f"{interpreter} is a link to {interpreter.readlink()}, which is gone"
    else:
        evidence = f"It has no {interpreter}"
    raise MetalfleetError(
        f"{environment} is not a usable environment",
        evidence=evidence,
        remedy="Run setup.yml: it rebuilds the environment",
    )


def _telling_line(error: str) -> str:
    """What an error says in one line. One in a graph tells the cause after the calls that led to it."""
    first, *others = [line for line in error.splitlines() if line and not line[0].isspace()] or [""]
    reasons = [line for line in others if not line.startswith(("Detected at node", "[..."))]
    return f"{first} {reasons[0]}" if first.endswith(":") and reasons else first


def _praise(verdict: str, told: Told) -> str:
    plugin = told.text("plugin")
    faults = (
        f" It shows a known fault: {each.what} comes out wrong ({each.issue})." for each in told.faults if each.seen
    )
    versions = f"TensorFlow {told.text('tensorflow')}{f', plug-in {plugin}' if plugin else ''}"
    return f"{verdict}, {versions}.{''.join(faults)}"


def _described(devices: list[str], output: str) -> list[Device]:
    """The devices with the names that the plug-in printed, in the same order, as it created them."""
    # The oldest plug-ins print their next words without a line break.
    descriptions = re.findall(r"Metal device set to: (.+?)\s*(?:systemMemory.*)?$", output, re.MULTILINE)
    return [Device(*both) for both in itertools.zip_longest(devices, descriptions[: len(devices)])]


# --- the process


@dataclass(frozen=True)
class _Ending:
    """All that is known of the process once it is gone."""

    told: Told
    output: str
    """What it printed."""
    fate: Fate
    duration: float


def _run(interpreter: Path, gpu: str, level: str, timeout: float, *, keep_bytecode: bool) -> _Ending:
    """Run the program in a process of its own, and wait until that is gone with all that it started and wrote."""
    start = time.monotonic()
    try:
        folder = tempfile.mkdtemp(prefix="metalfleet-probe-")  # ours, for the process may die before it tidies up
    except OSError as error:
        return _not_started(interpreter, error, start)
    own_limit = str(math.ceil(timeout) + SECONDS_TO_DIE)
    options = ["-I", *([] if keep_bytecode else ["-B"])]
    reports, reporting = os.pipe()
    try:
        with os.fdopen(reports, "rb", buffering=0):
            command = [str(interpreter), *options, "-", str(reporting), gpu, level, own_limit]
            process = _start(command, reporting, {**_variables(level), "TMPDIR": folder})
            with cast("IO[bytes]", process.stdout) as output:
                reported, printed, in_time = _listen(process, reports, output.fileno(), start + timeout)
    except OSError as error:
        return _not_started(interpreter, error, start)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return _Ending(
        told=read_reports(reported),
        output=printed.decode(errors="replace"),
        fate=_fate(process.returncode) if in_time else Fate("timed-out", f"not ended after {timeout:g} s"),
        duration=_seconds_since(start),
    )


def _not_started(interpreter: Path, error: OSError, start: float) -> _Ending:
    fate = Fate("failed", f"{interpreter} cannot be started: {error.strerror}")
    return _Ending(Told(), "", fate, _seconds_since(start))


def _start(command: list[str], reporting: int, variables: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start the program, which alone has the descriptor for its reports then. Raises OSError."""
    try:
        # From a file, for a pipe would block us where an interpreter hangs at its start.
        with tempfile.TemporaryFile() as source:
            source.write(_source_of(*PROGRAM).encode())
            source.seek(0)
            return subprocess.Popen(
                command,
                stdin=source,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=(reporting,),
                start_new_session=True,  # a process group of its own, to be killed as a whole
                env=variables,
            )
    finally:
        os.close(reporting)


def _source_of(*modules: ModuleType) -> str:
    """A Python program that holds the modules under their own names, so that they can import each other.

    It ends with a call of the last one's main() with its arguments.
    """
    sources = {module.__name__: inspect.getsource(module) for module in modules}
    return f"""\
import sys, types
for name, source in {sources!r}.items():
    module = sys.modules[name] = types.ModuleType(name)
    exec(compile(source, name.rpartition(".")[2] + ".py", "exec"), module.__dict__)
module.main(*sys.argv[1:])
"""


def _variables(level: str) -> dict[str, str]:
    """The environment variables of the process: ours without any that change what Python or TensorFlow do."""
    # -I makes Python ignore PYTHON*, but site and sysconfig read PYTHONUSERBASE all the same; a framework build of
    # Python hands __PYVENV_LAUNCHER__ to its children, who then take themselves for another interpreter.
    # TensorFlow 2.19 and later look for plug-ins in the folders of all installation schemes of sysconfig, the user's
    # own too, whatever site.ENABLE_USER_SITE says (see the end of tensorflow/__init__.py). No option of Python stops
    # that, and none should: a stray plug-in there breaks the user's imports, so the probe has to meet it.
    kept = {name: value for name, value in os.environ.items() if not name.startswith(LEFT_OUT)}
    variables = {
        **kept,
        "LC_ALL": "C",  # the loader's messages are matched by their words
        "TF_CPP_MIN_LOG_LEVEL": "0",  # the plug-in names the GPU at the lowest level
        "KERAS_HOME": NOWHERE,  # else Keras writes its settings into the user's home
    }
    if level == QUICK:
        variables["TF_USE_LEGACY_KERAS"] = "1"  # else the import of Keras, not needed here, costs a tenth of the time
    return variables


def _listen(
    process: subprocess.Popen[bytes], reports: int, output: int, deadline: float
) -> tuple[bytearray, bytearray, bool]:
    """Read what the process reports and prints until it ends; the last value says whether it did before the deadline.

    Afterwards it is gone, with its process group. What counts is the process itself: its descriptors can be held open
    by others that it has left behind, and can be closed while it goes on.
    """
    read = {reports: bytearray(), output: bytearray()}
    try:
        with selectors.DefaultSelector() as selector:
            for source in read:
                os.set_blocking(source, False)
                selector.register(source, selectors.EVENT_READ)
            while process.poll() is None and time.monotonic() < deadline:
                if not selector.get_map():
                    _wait(process, deadline - time.monotonic())
                for key, _ in selector.select(SECONDS_BETWEEN_LOOKS):
                    if not _read_some(key.fd, read[key.fd]):
                        selector.unregister(key.fd)
        in_time = process.poll() is not None
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS refuses a group of zombies
            os.killpg(process.pid, signal.SIGKILL)
        _wait(process, SECONDS_TO_DIE)  # nothing ends one that is stuck in a driver
    for source, buffer in read.items():
        with contextlib.suppress(BlockingIOError):
            _read_some(source, buffer)
    return read[reports], read[output], in_time


def _wait(process: subprocess.Popen[bytes], seconds: float) -> None:
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(seconds)


def _read_some(source: int, buffer: bytearray) -> bool:
    """Read once into the bounded buffer; false at the end of the file."""
    chunk = os.read(source, 1024 * 1024)
    buffer += chunk
    if len(buffer) > MAX_OUTPUT_START + MAX_OUTPUT_END:
        buffer[MAX_OUTPUT_START:-MAX_OUTPUT_END] = b"\n[...]\n"
    return bool(chunk)


def _fate(returncode: int) -> Fate:
    """What a return code, as subprocess has it, means for a process that ended in the middle of a stage."""
    if returncode >= 0:
        return Fate("failed", f"the interpreter ended with status {returncode}")
    name = _signal_name(-returncode)
    return Fate("crashed", f"ended by {name}", name)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _seconds_since(start: float) -> float:
    return round(time.monotonic() - start, 3)
