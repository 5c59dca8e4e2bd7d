# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""What the agent does: it asks, repairs and goes back with the same engine, plan and report as the modules."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._agent import document as agent_document
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._agent.limits import why_left, why_not_now
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._agent.memory import (
    FAILED,
    LEFT,
    NEW_DOCUMENT,
    REPAIRED,
    ROLLED_BACK,
    Event,
    Memory,
    State,
    now,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._agent.pull import pull
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._commands import Commands
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._host.answer import ask, study, tools_for
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._host.converge import converge
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._host.document import Document
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._host.managed import look_at_python
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._host.probing import Prober
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._host.report import Finding, make_report
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.index import UNREACHED, WEB_PAGE


@dataclass(frozen=True)
class Keeper:
    """The agent below a root folder, of the user whose home this is."""

    root: Path
    home: Path

    @property
    def folder(self) -> Path:
        """The agent's folder."""
        return self.root / "agent"

    @property
    def set_aside(self) -> Path:
        """Where what is in the way is moved to."""
        return self.root / "set-aside"

    @property
    def memory(self) -> Memory:
        """What it remembers."""
        return Memory(self.folder, self.set_aside)

    def read(self) -> tuple[agent_document.AgentDocument, Document]:
        """The document in force, as a file and for the engine. Raises MetalfleetError."""
        told = agent_document.read(self.folder / agent_document.NAME)
        return told, self.read_for_engine(told)

    @property
    def document(self) -> Document:
        """The document in force, for the engine. Raises MetalfleetError."""
        return self.read()[1]

    def read_for_engine(self, told: agent_document.AgentDocument) -> Document:
        """A document for the engine. Raises MetalfleetError for one that cannot be meant here."""
        document = agent_document.document_for(told.options, self.home)
        if os.path.realpath(document.places.root) != os.path.realpath(self.root):
            raise MetalfleetError(
                f"The agent's document is for {document.places.root}, and the agent is in {self.root}",
                remedy="Have it installed there by whoever manages this Mac.",
            )
        return document

    def look(self) -> dict[str, Any]:
        """What differs from the declaration, as far as files tell."""
        document = self.document
        prober = Prober(document.places.root, Commands())
        tools = tools_for(document, prober)
        findings = [study(each, tools) for each in document.environments]
        return make_report(findings, platform=document.platform, managed=look_at_python(document, tools.commands))

    def check(self, *, doctor: bool = False) -> dict[str, Any]:
        """The same, with a probe of what is in order; a doctor probes everything as deeply as can be."""
        document = self.document
        return ask(replace(document, doctor=doctor))

    def repair(self, *, scheduled: bool) -> dict[str, Any]:
        """Put right what has drifted; the job keeps to the limits, a person who asks for it need not."""
        pulled = self.pull()
        told, document = self.read()
        state = self.memory.state(told.digest)

        def hold(finding: Finding) -> str:
            return (why_not_now() or why_left(finding, state.failed)) if scheduled else ""

        tools = tools_for(document, Prober(document.places.root, Commands()))
        # What the controller has to bring is missed when it is needed, by the one environment that needs it.
        fetching = replace(document, is_delivered=False)
        report = converge(fetching, check_mode=False, tools=tools, hold=hold)
        report = with_pythons(report)
        events = [*pulled, *events_of(report)]
        self.memory.add(events)
        self.memory.keep(after_run(state, events, report))
        self.memory.keep_report(report)
        return {**report, "warnings": [*report["warnings"], *(each.text for each in pulled)]}

    def pull(self) -> list[Event]:
        """Put a newer document in force, if there is one; returns what happened. Raises MetalfleetError."""
        told, _document = self.read()
        try:
            said, what = pull(self.folder, told, Commands(), self.read_for_engine), NEW_DOCUMENT
        except MetalfleetError as refusal:
            said, what = str(refusal), FAILED
        return [Event(now(), what, "", (), said)] if said else []

    def roll_back(self, name: str, generation: int | None) -> dict[str, Any]:
        """Go back to an older generation of an environment. Raises MetalfleetError."""
        document = self.document
        declared = {each.name: each for each in document.environments}
        if name not in declared:
            raise MetalfleetError(
                f"No environment is called {name}", evidence=f"There are: {', '.join(declared) or 'none'}."
            )
        back = replace(declared[name], state="rolled_back", generation=generation, gpu_check="none")
        report = converge(replace(document, environments=(back,), python={}), check_mode=False)
        if report["changed"]:
            self.memory.add([Event(now(), ROLLED_BACK, name, ("rolled-back",), report["environments"][0]["text"])])
        return report


def keeper_of(program: Path) -> Keeper:
    """The agent whose program this is: it lies in the agent's folder."""
    return Keeper(program.absolute().parents[1], Path.home())


SAID_OF_PYTHON = {
    FAILED: "The managed Python could not be repaired",
    LEFT: "The managed Python is left as it is",
    REPAIRED: "The managed Python was repaired",
}


def with_pythons(report: Mapping[str, Any]) -> dict[str, Any]:
    """The report with what the command, a shell script, made of the Pythons before it started this program."""
    said = {what: os.environ.get(f"METALFLEET_{what.upper()}", "").strip() for what in SAID_OF_PYTHON}
    text = [f"{SAID_OF_PYTHON[what]}: {told}." for what, told in said.items() if told]
    return {**report, "ok": report["ok"] and not (said[FAILED] or said[LEFT]), "text": [*text, *report["text"]]}


def events_of(report: Mapping[str, Any]) -> Iterator[Event]:
    """What is to be remembered of a run."""
    moment = now()
    for each in report["environments"]:
        name, reasons, text = each["name"], tuple(each["reasons"]), each["text"]
        if not each["ok"]:
            is_left = reasons and not each["problem"] and not each["plan"]
            yield Event(moment, LEFT if is_left else FAILED, name, reasons, text)
        elif reasons:
            yield Event(moment, REPAIRED, name, reasons, text)


def after_run(state: State, events: list[Event], report: Mapping[str, Any]) -> State:
    """What is known after a run. A repair has failed that was begun; one without a network was not."""
    away = {
        each["name"]
        for each in report["environments"]
        if each["problem"] and any(words in each["problem"]["cause"] for words in (UNREACHED, WEB_PAGE))
    }
    failed = {event.environment for event in events if event.what == FAILED and event.reasons} - away
    kept = {event.environment for event in events if event.what == LEFT} | away
    counted = {name: count for name, count in state.failed.items() if name in kept}
    return replace(
        state,
        runs=state.runs + 1,
        last_run=now(),
        seconds=round(cpu_seconds(), 1),
        failed={**counted, **{name: state.failed.get(name, 0) + 1 for name in failed}},
    )


def cpu_seconds() -> float:
    """CPU time of this process and of all that it has waited for."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system
