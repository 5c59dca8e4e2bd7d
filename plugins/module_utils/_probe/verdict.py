# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""The verdict: how a probe ended, in one word, and which demand that word meets."""

from __future__ import annotations

import contextlib
import math
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Dict, Optional  # noqa: UP035

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._json import parse_json
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._layout import CUDA_MACHINES
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe.programs.reporter import WRONG_RESULTS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ansible_collections.metalfleet.tensorflow.plugins.module_utils._facts.types import Facts

TENSORFLOW, LITERT = "tensorflow", "litert"
"""The frameworks that an environment can be for."""
_PACKAGES = {
    TENSORFLOW: re.compile(r"tensorflow(-macos|-cpu|-gpu|-base|-intel)?|tf-nightly.*"),
    LITERT: re.compile("ai-edge-litert.*"),
}

GPU_REQUIRED, GPU_PREFERRED, GPU_NONE = "required", "preferred", "none"

MODEL_FAILED = "model-failed"
"""A user's model cannot be used, also where it crashes LiteRT: no rebuild of the environment would help."""
GPU_OK, GPU_PARAVIRTUAL, GPU_SOFTWARE, CPU_OK = "gpu-ok", "gpu-paravirtual", "gpu-software", "cpu-ok"

SATISFYING: dict[str, tuple[str, ...]] = {
    GPU_REQUIRED: (GPU_OK, GPU_PARAVIRTUAL),
    GPU_PREFERRED: (GPU_OK, GPU_PARAVIRTUAL, GPU_SOFTWARE, CPU_OK),
    GPU_NONE: (CPU_OK,),
}
"""The demands that can be made on the GPU, each with the verdicts that meet it."""


@dataclass(frozen=True)
class Demand:
    """What an environment must be able to do, and how long it may take to show it."""

    gpu: str = ""
    """A key of SATISFYING; "" is what is usual. With `none`, GPUs are hidden. With `preferred` the CPU will do where
    there is no GPU; a GPU that is there must work all the same."""
    framework: str = TENSORFLOW
    models: tuple[str, ...] = ()
    """Files of models that LiteRT must be able to run."""
    known_faults: str = "report"
    """Whether published faults that are seen only are told (`report`), or are wrong results (`fail`)."""
    timeout: float = 120
    """Seconds after which the process is killed."""


FAULTS_STAGE = "known-faults"

_KINDS = {"Paravirtual": GPU_PARAVIRTUAL, "Software": GPU_SOFTWARE, "adapterType=CPU": GPU_SOFTWARE}
"""Words in the names of devices that are no GPU of this machine: a virtual Mac's, and what computes without any."""

FIRST_STAGE, FIRST_VERDICT = "start", "import-failed"
"""Where a process is that has told nothing yet, and what it is if it never does."""


def has_framework(framework: str, packages: Iterable[str]) -> bool:
    """Whether a framework is among packages, by their normalised names."""
    return any(_PACKAGES[framework].fullmatch(name) for name in packages)


@dataclass(frozen=True)
class Stage:
    """One stage that the probe entered."""

    name: str
    state: str
    """`ok`, `failed`, `crashed` or `timed-out`; after any but the first there is no further stage."""
    seconds: float
    error: str | None = None


@dataclass(frozen=True)
class Fault:
    """A wrong result that others have published of a GPU like this one."""

    issue: str
    """Such as tensorflow/tensorflow#71577."""
    what: str
    """What is computed."""
    seen: bool | None
    """Whether it is wrong here, too; None if it could not be computed."""


Speed = Dict[str, Dict[str, Optional[float]]]  # noqa: UP006 - evaluated, also by Python 3.9


@dataclass(frozen=True)
class Fate:
    """How the process ended, and with it the stage in which it was."""

    state: str
    reason: str
    signal: str = ""


@dataclass(frozen=True)
class Told:
    """What the process reported."""

    stages: tuple[Stage, ...] = ()
    """Stages that ended, in their order."""
    current: str = FIRST_STAGE
    """The stage that was begun last."""
    verdict: str = FIRST_VERDICT
    """That of the whole, once it came to its end; before, that of the current stage if it fails."""
    ended: bool = False
    found: dict[str, Any] = field(default_factory=dict)
    """Findings of the stages."""

    def text(self, name: str) -> str | None:
        """A text that was found out."""
        value = self.found.get(name)
        return value if isinstance(value, str) else None

    def texts(self, name: str) -> list[str]:
        """Texts that were found out; none where nothing is known of them."""
        values = self.found.get(name)
        return [value for value in values if isinstance(value, str)] if isinstance(values, list) else []

    @property
    def faults(self) -> list[Fault]:
        """The published faults that were looked for."""
        told = self.found.get("faults")
        faults = [each for each in told if isinstance(each, dict)] if isinstance(told, list) else []
        return [Fault(str(each.get("issue")), str(each.get("what")), _bool(each.get("seen"))) for each in faults]

    @property
    def speed(self) -> Speed:
        """GFLOP/s, by `cpu` or `gpu` and then by kind of computation."""
        told = self.found.get("speed")
        devices = told.items() if isinstance(told, dict) else ()
        return {
            str(device): {
                str(work): float(rate) if isinstance(rate, (int, float)) else None for work, rate in rates.items()
            }
            for device, rates in devices
            if isinstance(rates, dict)
        }


def with_faults(verdict: str, stages: list[Stage], faults: Iterable[Fault]) -> tuple[str, list[Stage]]:
    """The verdict and the stages where a published fault that is seen is to count as a wrong result."""
    seen = [f"{each.what} comes out wrong ({each.issue})" for each in faults if each.seen]
    if not seen:
        return verdict, stages
    until = [stage.name for stage in stages].index(FAULTS_STAGE)
    failed = replace(stages[until], state="failed", error="; ".join(seen))
    return WRONG_RESULTS, [*stages[:until], failed]


def of_kind(verdict: str, description: str | None, framework: str) -> str:
    """A verdict with the kind of the GPU in it; `description` is what the framework calls the GPU."""
    if verdict != GPU_OK:
        return verdict
    if not description:
        # LiteRT always names what computes, and takes what is no GPU for one.
        return GPU_SOFTWARE if framework == LITERT else verdict
    return next((kind for word, kind in _KINDS.items() if word in description), verdict)


def with_usual_gpu(demand: Demand, facts: Facts) -> Demand:
    """The demand, with what is usual on such a host where it says nothing of the GPU."""
    return demand if demand.gpu else replace(demand, gpu=usual_gpu(facts, demand.framework))


def usual_gpu(facts: Facts, framework: str) -> str:
    """What is demanded of the GPU where nobody says it: with TensorFlow a Mac must use it, a virtual one may have none.

    So must a Linux host with an NVIDIA GPU. For the small models that LiteRT is made for, the CPU is as good.
    """
    if framework == LITERT:
        return GPU_PREFERRED
    if facts["system"] != "Darwin":
        return GPU_REQUIRED if has_cuda(facts) else GPU_NONE
    virtual = facts["virtual_machine"]["is_virtual"] or facts["gpu"]["paravirtual"]
    return GPU_PREFERRED if virtual else GPU_REQUIRED


def has_cuda(facts: Facts) -> bool:
    """Whether there is an NVIDIA GPU, and TensorFlow for it on the package index."""
    return facts["nvidia"]["present"] and facts["architecture"] in CUDA_MACHINES


def has_code_for(capabilities: Iterable[str], gpu: str) -> bool:
    """Whether a build runs on an NVIDIA GPU of a compute capability, such as "8.6".

    Code for sm_80 runs on 8.0 and on what came later of the same first number, of compute_80 on all that came later:
    the driver translates it.
    """
    major, minor = map(int, gpu.split("."))
    found = (re.fullmatch(r"(sm|compute)_(\d+)(\d)", each, re.ASCII) for each in capabilities)
    known = ((each[1], int(each[2]), int(each[3])) for each in found if each)
    return any((first, second) <= (major, minor) and (first == major or kind != "sm") for kind, first, second in known)


LEAST_DRIVERS = {"11": "450.80.02", "12": "525.60.13", "13": "580.65.06"}
"""The oldest driver for a major release of CUDA: NVIDIA's notes on minor version compatibility."""


def least_driver(cuda: str | None) -> str:
    """The oldest driver that a build for a release of CUDA works with; "" is not known."""
    return LEAST_DRIVERS.get((cuda or "").partition(".")[0], "")


def read_reports(reported: bytes | bytearray) -> Told:
    """What the program's lines say, see programs.reporter. Other lines are left out: anyone may write there."""
    told = Told()
    for line in reported.splitlines():
        with contextlib.suppress(ValueError, TypeError, LookupError):
            told = _add(told, parse_json(line))
    return told


def _add(told: Told, record: dict[str, Any]) -> Told:
    """Raises ValueError, TypeError or LookupError if this is no record."""
    if "end" in record:
        return replace(told, verdict=_text(record["end"]), ended=True)
    name, state, verdict = (_text(record[key]) for key in ("stage", "state", "verdict"))
    told = replace(told, current=name, verdict=verdict)
    if state == "begun":
        return told
    error = None if state == "ok" else _text(record["error"])
    stage = Stage(name, "ok" if error is None else "failed", _seconds(record["seconds"]), error)
    return replace(told, stages=(*told.stages, stage), found={**told.found, **record.get("found", {})})


def _bool(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _seconds(value: object) -> float:
    if not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError
    return float(value)


def conclude(told: Told, fate: Fate, duration: float) -> tuple[str, list[Stage]]:
    """The verdict, and the stages that the process entered; the last of them tells how it ended."""
    stages = list(told.stages)
    if told.ended or (stages and stages[-1].state == "failed"):
        return told.verdict, stages
    # It ended in the middle of the current stage, or before it could begin the next.
    done = [stage for stage in stages if stage.name != told.current]
    seconds = round(duration - sum(stage.seconds for stage in done), 3)
    is_stages_own = fate.state == "failed" or (fate.state == "crashed" and told.verdict == MODEL_FAILED)
    verdict = told.verdict if is_stages_own else fate.state
    return verdict, [*done, Stage(told.current, fate.state, seconds, fate.reason)]
