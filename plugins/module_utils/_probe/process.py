# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""The probe's process: a program of ours, run by an environment's interpreter, and what becomes of it.

TensorFlow is never imported here: its import may crash, hang, or print what it likes. The programs in `programs` do it
in a process of their own.
"""

from __future__ import annotations

import contextlib
import inspect
import os
import selectors
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from types import ModuleType
from typing import IO, TYPE_CHECKING, cast  # pylint: disable=unused-import # cast takes texts

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._commands import Program, signal_name
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe.programs import (
    litert,
    reporter,
    tensorflow,
    tensorflow_numbers,
    tensorflow_operations,
    tensorflow_speed,
    tensorflow_training,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe.programs.reporter import QUICK
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe.verdict import (
    LITERT,
    TENSORFLOW,
    Demand,
    Fate,
    Told,
    read_reports,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# Of what the process prints, the beginning and the end are kept: a fatal message is in the one or the other.
MAX_OUTPUT_START = 32 * 1024
MAX_OUTPUT_END = 64 * 1024

SECONDS_TO_DIE = 5
SECONDS_BETWEEN_LOOKS = 0.1

PROGRAMS: dict[str, tuple[ModuleType, ...]] = {
    TENSORFLOW: (
        reporter,
        tensorflow_operations,
        tensorflow_numbers,
        tensorflow_training,
        tensorflow_speed,
        tensorflow,
    ),
    LITERT: (reporter, litert),
}
"""What runs in the environment for a framework: each module after those that it imports; the last has main()."""

LEFT_OUT = ("PYTHON", "__PYVENV", "TF_", "KERAS_", "XLA_", "PROTOCOL_BUFFERS_", "DYLD_")
"""How variables begin that change what Python or TensorFlow do."""

NOWHERE = f"{os.devnull}/nowhere"
"""A folder that cannot exist."""


@dataclass(frozen=True)
class Ending:
    """What is known of the process once it has ended."""

    told: Told
    output: str
    """What it printed."""
    fate: Fate
    duration: float
    """Seconds, the interpreter's start included."""


def run(interpreter: Sequence[str], demand: Demand, level: str, *, keep_bytecode: bool = False) -> Ending:
    """Run the program in a process of its own, and wait until that is gone with all that it started and wrote.

    Args:
        interpreter: The command that starts the environment's Python, without arguments for it.
        demand: What the environment must be able to do.
        level: How much is probed: `quick`, `standard` or `full`.
        keep_bytecode: Whether Python may write what it compiles into the environment.
    """
    start = time.monotonic()
    try:
        folder = tempfile.mkdtemp(prefix="metalfleet-probe-")  # ours, for the process may die before it tidies up
    except OSError as error:
        return _not_started(interpreter, error, start)
    timeout = demand.timeout
    options = ["-I", *([] if keep_bytecode else ["-B"])]
    reports, reporting = os.pipe()
    try:
        with os.fdopen(reports, "rb", buffering=0):
            command = [*interpreter, *options, "-", str(reporting), demand.gpu, level, *demand.models]
            process = _start(command, PROGRAMS[demand.framework], reporting, {**_variables(level), "TMPDIR": folder})
            with cast("IO[bytes]", process.stdout) as output:
                reported, printed, in_time = _listen(process, reports, output.fileno(), start + timeout)
    except OSError as error:
        return _not_started(interpreter, error, start)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return Ending(
        told=read_reports(reported),
        output=printed.decode(errors="replace"),
        fate=_fate(process.returncode) if in_time else Fate("timed-out", f"not ended after {timeout:g} s"),
        duration=_seconds_since(start),
    )


def _not_started(interpreter: Sequence[str], error: OSError, start: float) -> Ending:
    fate = Fate("failed", f"{interpreter[-1]} cannot be started: {error.strerror}")
    return Ending(Told(), "", fate, _seconds_since(start))


def _start(command: list[str], program: Sequence[ModuleType], reporting: int, variables: Mapping[str, str]) -> Program:
    """Start the program, which alone has the descriptor for its reports then. Raises OSError."""
    try:
        # From a file, for a pipe would block us where an interpreter hangs at its start.
        with tempfile.TemporaryFile() as source:
            source.write(_source_of(*program).encode())
            source.seek(0)
            return Program(
                command,
                stdin=source,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=(reporting,),
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
    left_out_here = left_out()
    kept = {name: value for name, value in os.environ.items() if name not in left_out_here}
    variables = {
        **kept,
        "LC_ALL": "C",  # the loader's messages are matched by their words
        "TF_CPP_MIN_LOG_LEVEL": "0",  # the plug-in names the GPU at the lowest level
        "KERAS_HOME": NOWHERE,  # else Keras writes its settings into the user's home
    }
    if level == QUICK:
        variables["TF_USE_LEGACY_KERAS"] = "1"  # else the import of Keras, not needed here, costs a tenth of the time
    return variables


def left_out() -> list[str]:
    """The names of the environment variables that are set here, and that the process does without."""
    return sorted(name for name in os.environ if name.startswith(LEFT_OUT))


def _listen(process: Program, reports: int, output: int, deadline: float) -> tuple[bytearray, bytearray, bool]:
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
                for key, _events in selector.select(SECONDS_BETWEEN_LOOKS):
                    if not _read_some(key.fd, read[key.fd]):
                        selector.unregister(key.fd)
        in_time = process.poll() is not None
    finally:
        process.kill_group()
        _wait(process, SECONDS_TO_DIE)  # nothing ends one that is stuck in a driver
        process.is_over()
    for source, buffer in read.items():
        with contextlib.suppress(BlockingIOError):
            _read_some(source, buffer)
    return read[reports], read[output], in_time


def _wait(process: Program, seconds: float) -> None:
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
    name = signal_name(-returncode)
    return Fate("crashed", f"ended by {name}", name)


def _seconds_since(start: float) -> float:
    return round(time.monotonic() - start, 3)
