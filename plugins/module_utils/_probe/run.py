# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""The probe: whatever becomes of its process, a verdict and, where it is not the one asked for, a diagnosis."""

from __future__ import annotations

import itertools
import re
import shlex
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError, as_sentence
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe import process
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe.diagnosis import Diagnosis, Failure
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe.programs.reporter import QUICK
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe.rules import explain, is_of_session
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe.screen import way_to_screen
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe.verdict import (
    SATISFYING,
    Demand,
    Fault,
    Speed,
    Stage,
    Told,
    conclude,
    of_kind,
    with_faults,
)

if TYPE_CHECKING:
    from pathlib import Path

    from ansible_collections.metalfleet.tensorflow.plugins.module_utils._facts.types import Facts

MAX_LOG_LINES = 40

_DESCRIPTION = re.compile(
    # The oldest plug-ins print their next words without a line break.
    r"Metal device set to: (.+?)\s*(?:systemMemory.*)?$"
    r"|Selected adapter: (.+)$"  # LiteRT, where Vulkan computes
    r"|GPU accelerator\(libLiteRt(Metal)Accelerator\.dylib\) registered"
    r"|Created device /\S*GPU:\d+ with .* name: (.+?), pci bus id: ",
    re.MULTILINE,
)

OWN_SESSION, SCREEN_SESSION = "own", "screen"


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
    litert: str | None
    plugin: str | None
    stages: list[Stage]
    without_kernel: list[str]
    """Operations for which the GPU has no code, so that the CPU does them; known from the level `standard` on."""
    faults: list[Fault]
    """Published faults of such GPUs, and whether they are seen here, too; known from the level `standard` on."""
    speed: Speed
    """GFLOP/s, by `cpu` or `gpu` and then by kind of computation; known from the level `full` on."""
    session: str
    """`own`, or `screen` where macOS offers the GPU only to programs of the session at the Mac's screen."""
    diagnosis: Diagnosis | None
    """Why the verdict is not ok."""
    log: list[str]
    """The last lines that the process printed, of a verdict that is not ok."""
    duration: float
    """Seconds, the interpreter's start included."""
    left_out: list[str]
    """Environment variables that are set here, change what Python or TensorFlow do, and were not handed on."""


def probe(
    environment: Path,
    demand: Demand,
    *,
    level: str = QUICK,
    facts: Facts | None = None,
    passed_on: str | None = None,
    keep_bytecode: bool = False,
) -> ProbeResult:
    """Find out whether an environment can do what is demanded of it.

    Args:
        environment: The environment's folder, or a link to it.
        demand: What it must be able to do.
        level: How much is probed: `quick`, `standard` or `full`.
        facts: Of this host, for the diagnosis.
        passed_on: The version of macOS on which this environment passed its probe when it was built, for the diagnosis.
        keep_bytecode: Whether Python may write what it compiles into the environment: it is the next probe's time.

    Returns:
        The result, whatever becomes of the process.

    Raises:
        MetalfleetError: There is no environment in that place, or it has no interpreter.
    """
    question = _Question(environment, _interpreter_of(environment), demand, facts, passed_on)

    def ask(*way: str) -> _Answer:
        command = (*way, str(question.interpreter))
        return _judge(process.run(command, demand, level, keep_bytecode=keep_bytecode), question)

    answer = ask()
    way = way_to_screen(facts) if answer.failure and is_of_session(answer.failure) else ()
    return _of_both(answer.result, ask(*way), way) if way else answer.result


@dataclass(frozen=True)
class _Question:
    """The probe's demand, and what is known beforehand."""

    environment: Path
    interpreter: Path
    demand: Demand
    facts: Facts | None
    passed_on: str | None


@dataclass(frozen=True)
class _Answer:
    result: ProbeResult
    failure: Failure | None
    """None if the verdict is what was asked for."""
    ending: process.Ending


def _judge(ending: process.Ending, question: _Question) -> _Answer:
    """The result of an ended process, for the demand."""
    told = ending.told
    devices = _described(told.texts("devices"), ending.output)
    verdict, stages = conclude(told, ending.fate, ending.duration)
    if question.demand.known_faults == "fail":
        verdict, stages = with_faults(verdict, stages, told.faults)
    verdict = of_kind(verdict, devices[0].description if devices else None, question.demand.framework)
    ok = verdict in SATISFYING[question.demand.gpu]
    failure = None if ok else _failure(verdict, stages[-1], ending, question)
    diagnosis = explain(failure) if failure else None
    result = ProbeResult(
        verdict=verdict,
        ok=ok,
        text=_complaint(verdict, diagnosis) if diagnosis else _praise(verdict, told),
        gpu_visible=bool(devices),
        devices=devices,
        tensorflow=told.text("tensorflow"),
        litert=told.text("litert"),
        plugin=told.text("plugin"),
        stages=stages,
        without_kernel=told.texts("without_kernel"),
        faults=told.faults,
        speed=told.speed,
        session=OWN_SESSION,
        diagnosis=diagnosis,
        log=[] if ok else ending.output.splitlines()[-MAX_LOG_LINES:],
        duration=ending.duration,
        left_out=process.left_out(),
    )
    return _Answer(result, failure, ending)


def _failure(verdict: str, last: Stage, ending: process.Ending, question: _Question) -> Failure:
    return Failure(
        verdict=verdict,
        stage=last.name,
        summary=f"Stage {last.name} {last.state}: {_telling_line(last.error or '')}",
        environment=question.environment,
        interpreter=question.interpreter,
        error=(last.error or "") if last.state == "failed" else "",
        has_raised=last.name in [stage.name for stage in ending.told.stages],
        printed=ending.output,
        signal=ending.fate.signal,
        framework=question.demand.framework,
        tensorflow=ending.told.text("tensorflow"),
        litert=ending.told.text("litert"),
        plugin=ending.told.text("plugin"),
        plugin_files=ending.told.texts("plugin_files"),
        cuda=ending.told.text("cuda"),
        capabilities=ending.told.texts("capabilities"),
        machine=ending.told.text("machine"),
        has_gpu=bool(ending.told.texts("devices")),
        facts=question.facts,
        passed_on=question.passed_on,
    )


def _of_both(own: ProbeResult, screen: _Answer, way: tuple[str, ...]) -> ProbeResult:
    """What a probe in this session that got no GPU, and another in the session at the Mac's screen, say together."""
    command, seconds = f"`{shlex.join(way)}`", own.duration + screen.ending.duration
    if not screen.ending.told.stages:
        words = screen.ending.output.strip().splitlines()[-1:] or ["nothing"]
        chosen, note = own, f"The session at the Mac's screen was not open to the probe: {command} said: {words[0]}"
    elif screen.result.ok or len(screen.result.stages) > len(own.stages):
        chosen = replace(screen.result, session=SCREEN_SESSION)
        note = (
            f"This holds for the session at the Mac's screen, where the probe ran ({command}): macOS offers the GPU to "
            "no program of a connection"
        )
    else:
        chosen, note = own, f"In the session at the Mac's screen ({command}) it ended no better"
    return replace(_with_note(chosen, as_sentence(note)), duration=round(seconds, 3))


def _with_note(result: ProbeResult, note: str) -> ProbeResult:
    if not result.diagnosis:
        return replace(result, text=f"{result.text} {note}")
    diagnosis = replace(result.diagnosis, evidence=f"{as_sentence(result.diagnosis.evidence)} {note}")
    return replace(result, diagnosis=diagnosis, text=_complaint(result.verdict, diagnosis))


def _complaint(verdict: str, diagnosis: Diagnosis) -> str:
    return f"{verdict}. {diagnosis.text}"


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
    litert = told.text("litert")
    framework = f"LiteRT {litert}" if litert else f"TensorFlow {told.text('tensorflow')}"
    return f"{verdict}, {framework}{f', plug-in {plugin}' if plugin else ''}.{''.join(faults)}"


def _described(devices: list[str], output: str) -> list[Device]:
    """The devices with the names that the framework printed, in the same order, as it created them."""
    descriptions = [next(filter(None, names)) for names in _DESCRIPTION.findall(output)]
    return [Device(*both) for both in itertools.zip_longest(devices, descriptions[: len(devices)])]
