# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""What a ledger's entry says of a host, in the form that all reports of a fleet are made from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._host.status import (
    CHANGED,
    DRIFTED,
    FAILED,
    OK,
    REPAIRED,
    SET_UP,
    EnvironmentStatus,
    Status,
    is_drift,
    state_of,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._progress import counted
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._fleet.ledger import (
    MOST_APART,
    UNREACHABLE,
    moment_of,
)
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._fleet.untrusted import (
    mapping,
    mappings,
    number,
    text,
    texts,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

NOT_SEEN = "not seen"
STATES = (FAILED, DRIFTED, NOT_SEEN, SET_UP, REPAIRED, CHANGED, OK)
"""Every state of a host, the worst first."""
PROBLEMS = (FAILED, DRIFTED, NOT_SEEN)
"""States that need somebody."""

DAY = 86400


@dataclass(frozen=True)
class Environment:
    """One environment of a host."""

    name: str
    verdict: str
    ok: bool
    reasons: tuple[str, ...]
    evidence: tuple[str, ...]
    """Reasons of its drift, with their evidence."""
    text: str
    cause: str
    shown_by: str
    remedy: str
    tensorflow: str
    plugin: str
    litert: str
    speed: float | None
    """GFLOP/s of the GPU when it multiplies matrices, as last measured."""

    @property
    def version(self) -> str:
        """The version of TensorFlow or LiteRT."""
        return self.tensorflow or (f"LiteRT {self.litert}" if self.litert else "")


@dataclass(frozen=True)
class Host:
    """One host. What is not known is "" or None."""

    name: str
    state: str
    text: str
    """What needs somebody, in one paragraph."""
    environments: tuple[Environment, ...] = ()
    chip: str = ""
    gpu_cores: int | None = None
    model: str = ""
    system: str = ""
    macos: str = ""
    python: str = ""
    free_bytes: float | None = None
    reasons: tuple[str, ...] = ()
    seen: float | None = None
    """When it last answered."""
    tried: float | None = None
    """When a run last tried to reach it."""
    repaired: float | None = None
    repaired_because: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """The kind of machine, with which GPU speeds are compared."""
        cores = f", GPU with {self.gpu_cores} cores" if self.gpu_cores else ""
        return f"{self.chip or 'unknown chip'}{cores}"

    @property
    def verdicts(self) -> tuple[str, ...]:
        """The verdicts of its environments, each once."""
        return tuple(dict.fromkeys(each.verdict for each in self.environments if each.verdict))

    def text_of(self, environment: Environment) -> str:
        """What is to be said of an environment; where the last attempt gave no report of it, what that said instead."""
        return environment.text if environment.text and environment.text in self.text else self.text

    @property
    def is_told(self) -> bool:
        """Whether what is to be said of it is on an environment that is not ok."""
        return any(not each.ok and each.text and each.text in self.text for each in self.environments)

    @property
    def worst(self) -> str:
        """The paragraph that `text` begins with, if it is on an environment; else all of it."""
        return next(
            (each.text for each in self.environments if each.text and self.text.startswith(each.text)), self.text
        )

    @property
    def speed(self) -> float | None:
        """The GPU's speed in its fastest environment."""
        return max((each.speed for each in self.environments if each.speed), default=None)

    @property
    def status(self) -> Status:
        """Its status for other programs."""
        environments = tuple(
            EnvironmentStatus(each.name, each.ok, each.verdict, each.reasons, self.text_of(each), each.speed)
            for each in self.environments
        )
        return Status(self.name, self.state, environments, self.reasons, self.seen, self.text)


def host_of(name: str, entry: Mapping[str, Any]) -> Host:
    """What is known of a host; its entry is empty where there is none."""
    attempt, report = mapping(entry.get("attempt")), mapping(entry.get("report"))
    facts, repair = mapping(report.get("apple_silicon")), mapping(entry.get("repair"))
    environments = tuple(environment_of(each, entry) for each in mappings(report.get("environments")))
    said = text(attempt.get("message")) if attempt.get("outcome") in (FAILED, UNREACHABLE) else ""
    cores = number(mapping(facts.get("gpu")).get("cores"))
    free = (number(disk.get("free_bytes")) for disk in mappings(facts.get("disk")))
    return Host(
        name=text(name),
        state=state_with_attempt(attempt, report),
        text=said or " ".join(texts(report.get("text"))),
        environments=environments,
        chip=text(mapping(facts.get("chip")).get("name")),
        gpu_cores=int(cores) if cores else None,
        model=text(facts.get("model")),
        system=text(facts.get("system")),
        macos=text(mapping(facts.get("macos")).get("version")),
        python=text(report.get("platform")).rpartition("-py")[2],
        free_bytes=min((each for each in free if each is not None), default=None),
        reasons=texts(report.get("reasons")),
        seen=moment_of(entry.get("seen")),
        tried=moment_of(attempt.get("time")),
        repaired=moment_of(repair.get("time")),
        repaired_because=texts(repair.get("reasons")),
    )


def environment_of(told: Mapping[str, Any], entry: Mapping[str, Any]) -> Environment:
    """One environment of a report."""
    probe, problem = mapping(told.get("probe")), mapping(told.get("problem"))
    explained = problem or mapping(probe.get("diagnosis"))
    name = text(told.get("name"))
    measured = mapping(mapping(mapping(entry.get("speed")).get(name)).get("rates"))
    plan = (each for each in mappings(told.get("plan")) if is_drift(text(each.get("do")), text(each.get("reason"))))
    return Environment(
        name=name,
        verdict=text(told.get("verdict")),
        ok=told.get("ok") is True,
        reasons=texts(told.get("reasons")),
        evidence=tuple(f"{text(each.get('reason'))}: {text(each.get('evidence'))}" for each in plan),
        text=text(told.get("text")),
        cause=text(explained.get("cause")),
        shown_by=text(explained.get("evidence")),
        remedy=text(explained.get("remedy")),
        tensorflow=text(probe.get("tensorflow")),
        plugin=text(probe.get("plugin")),
        litert=text(probe.get("litert")),
        speed=number(mapping(measured.get("gpu")).get("matmul")),
    )


def state_with_attempt(attempt: Mapping[str, Any], report: Mapping[str, Any]) -> str:
    """The state of a host in a word of STATES."""
    if attempt.get("outcome") == FAILED:
        return FAILED
    return state_of(report) if report and attempt.get("outcome") != UNREACHABLE else NOT_SEEN


def age(moment: float | None, now: float) -> str:
    """How long ago something was, in words."""
    if moment is None:
        return "never"
    seconds = max(now - moment, 0)
    for name, length in (("day", DAY), ("hour", 3600), ("minute", 60)):
        count = int(seconds // length)
        if count:
            return counted(count, name)
    return "less than a minute"


def last_moment(hosts: Iterable[Host], now: float) -> float:
    """The moment of which a report tells: that of the last run. Where nothing is new it is the same, byte by byte.

    What comes after now, as far as clocks differ, is of a wrong clock.
    """
    moments = (moment for host in hosts for moment in (host.seen, host.tried) if moment is not None)
    return max((moment for moment in moments if moment <= now + MOST_APART), default=now)


def worst_first(hosts: list[Host]) -> list[Host]:
    """Hosts in the order in which somebody should look at them; of those not seen, the longest absent first."""
    return sorted(hosts, key=lambda host: (STATES.index(host.state), _since(host), host.name))


def _since(host: Host) -> float:
    return (host.seen or 0) if host.state == NOT_SEEN else 0
