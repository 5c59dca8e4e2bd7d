# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""The report: what is known of one host after a run, as data and in words for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.declaration import Declaration
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.observe import Observation
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.plan import (
    Action,
    Plan,
    describe,
    make_plan,
    refuse_unfit_pair,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import Problem, as_sentence
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._host.document import Document, read_document
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._host.status import (
    DECLARED,
    is_drift,
    what_was_done,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._layout import platform_name
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._python.surplus import REASON as SURPLUS

UNKNOWN = "unknown"
ASKED, FORESEEN, DONE = "asked", "foreseen", "done"
"""The outcome of a plan: not carried out, foreseen by check mode, or carried out."""


@dataclass(frozen=True)
class Finding:
    """All that is known of one environment."""

    declaration: Declaration
    seen: Observation = field(default_factory=Observation)
    """What was there before anything was done."""
    plan: Plan = field(default_factory=Plan)
    carried: str = ASKED
    problem: Problem | None = None
    """The problem that keeps it from being usable as declared."""
    probe: Mapping[str, Any] | None = None
    """The probe of what is active now, or of the new generation that was refused."""
    warnings: tuple[str, ...] = ()
    left: str = ""
    """Why what has drifted is left as it is, if not because on_drift says so."""

    @property
    def is_pending(self) -> bool:
        """Whether something still has to be done, and can be."""
        return bool(self.plan.actions) and self.carried != DONE and self.problem is None

    @property
    def has_changed(self) -> bool:
        """In Ansible's sense: something was done, or would be if it were not check mode."""
        is_foreseen = self.carried == FORESEEN and bool(self.plan.actions) and self.problem is None
        return self.carried == DONE or is_foreseen

    @property
    def ok(self) -> bool:
        """Whether it is as declared, or will be, and computes as demanded."""
        computes = self.probe is None or bool(self.probe["ok"])
        is_left = bool(self.plan.reported) or (bool(self.plan.actions) and self.carried == ASKED)
        return self.problem is None and computes and not is_left

    def as_data(self) -> dict[str, Any]:
        """The environment's part of the report."""
        return {
            "name": self.declaration.name,
            "state": self.declaration.state,
            "path": str(self.declaration.link),
            "reasons": self.plan.reasons,
            "plan": self.plan.as_data(),
            "verdict": self.probe["verdict"] if self.probe else None,
            "probe": dict(self.probe) if self.probe else None,
            "problem": asdict(self.problem) if self.problem else None,
            "ok": self.ok,
            "text": f"{self.declaration.name}: {as_sentence(say(self))}",
            "warnings": list(self.warnings),
        }


@dataclass(frozen=True)
class Managed:
    """What is known of the managed Python and uv."""

    reasons: tuple[str, ...] = ()
    """Why native_python has to repair uv, or the Python that runs our modules."""
    surplus: tuple[str, ...] = ()
    """What of those nothing uses any more, which is removed together with what environments leave behind."""
    additional: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Why it has to bring or repair Pythons beside that one, by minor version."""
    carried: str = ASKED
    warnings: tuple[str, ...] = ()

    @property
    def codes(self) -> list[str]:
        """All reasons, each once."""
        additional = (reason for reasons in self.additional.values() for reason in reasons)
        return list(dict.fromkeys([*self.reasons, *additional, *([SURPLUS] if self.surplus else [])]))

    @property
    def is_in_order(self) -> bool:
        """Whether native_python has nothing to do."""
        return not self.reasons and not self.additional


def make_report(
    findings: Sequence[Finding],
    *,
    platform: str | None,
    managed: Managed,
    facts: Mapping[str, Any] | None = None,
    warnings: Sequence[str] = (),
    with_diff: bool = False,
) -> dict[str, Any]:
    """The report of a host."""
    environments = [finding.as_data() for finding in findings]
    todo = what_is_left(findings, managed)
    # What check mode foresees of the Python is native_python's work, which came before or will.
    is_left = managed.carried != FORESEEN and (todo == "python" or bool(managed.surplus and managed.carried == ASKED))
    host = list(say_of_python(managed, todo))
    codes = [*managed.codes, *(reason for each in environments for reason in each["reasons"])]
    report: dict[str, Any] = {
        "changed": any(finding.has_changed for finding in findings)
        or bool(managed.surplus and managed.carried != ASKED),
        "platform": platform,
        "managed_python": {
            "reasons": managed.codes,
            "surplus": list(managed.surplus),
            "minors": list(managed.additional),
        },
        "environments": environments,
        "reasons": list(dict.fromkeys(codes)),
        "todo": todo,
        "ok": not is_left and all(finding.ok for finding in findings),
        "text": worth_saying(host, environments),
        "warnings": [*warnings, *managed.warnings, *(warning for finding in findings for warning in finding.warnings)],
    }
    if facts is not None:
        report["apple_silicon"] = dict(facts)
    diff = differences(findings) if with_diff else {}
    said: dict[str, Any] = legible({**report, "diff": diff} if diff else report)
    return said


def legible(data: Any) -> Any:
    """The same without what no text may hold: a name on a disk need not be UTF-8, and is then said in escapes."""
    if isinstance(data, str):
        return data.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    if isinstance(data, Mapping):
        return {legible(key): legible(value) for key, value in data.items()}
    return [legible(each) for each in data] if isinstance(data, (list, tuple)) else data


def foresee(options: Mapping[str, Any], *, platform: str = "", carried: str = ASKED) -> dict[str, Any]:
    """The report of a host that has nothing of ours yet, from the options that its module would be handed.

    `platform` is the name that the host's locks will go by, `carried` is FORESEEN in check mode of what would carry the
    plans out.
    """
    document, nothing = read_document(options, platform), Observation()
    # Which Python the host will get is not certain everywhere: where there is no lock for it, the plan gets any.
    declared = [replace(each, lock_digest=each.lock_digest or UNKNOWN) for each in document.environments]
    for each in declared:
        if each.state == "present":
            refuse_unfit_pair(each)
    findings = [Finding(each, nothing, make_plan(each, nothing), carried) for each in declared]
    managed = nothing_managed(document) if wants_python(document) and carried == ASKED else Managed()
    return make_report(findings, platform=None, managed=managed, with_diff=True)


def without_python(options: Mapping[str, Any], text: str, *, carried: str = ASKED) -> dict[str, Any]:
    """The report of a host whose managed Python gave no answer; `text` says how it ended.

    Nothing is known of any Python there, so that all are asked for. With `carried` FORESEEN, native_python's check has
    said before that it would be repaired.
    """
    document = read_document(options, platform_name(python=options["python"]["version"]))
    report = make_report([], platform=None, managed=nothing_managed(document))
    is_foreseen = carried == FORESEEN
    remedy = "It would be repaired first." if is_foreseen else "Run setup.yml to repair it."
    return {**report, "todo": "python", "ok": is_foreseen, "text": [f"{as_sentence(text)} {remedy}"]}


def nothing_managed(document: Document) -> Managed:
    """What is to be brought where nothing is there, or nothing is known."""
    return Managed(("absent",), additional=dict.fromkeys(document.minors, ("absent",)))


def wants_python(document: Document) -> bool:
    """Whether any environment needs the managed Python; to have none, nobody does."""
    return any(declared.state == "present" for declared in document.environments)


def what_is_left(findings: Sequence[Finding], managed: Managed) -> str:
    """What has to be done next: `python`, `environments`, or `nothing`."""
    if not managed.is_in_order and any(finding.declaration.state == "present" for finding in findings):
        return "python"
    is_surplus = bool(managed.surplus) and managed.carried != DONE
    return "environments" if is_surplus or any(finding.is_pending for finding in findings) else "nothing"


def worth_saying(host: list[str], environments: Sequence[Mapping[str, Any]]) -> list[str]:
    """What needs somebody's attention, the worst first; where nothing does, what was found."""
    # Where a Python has to come first, to say of environments that they are not there either would not help.
    others = [each for each in environments if not (host and each["reasons"] == ["absent"] and not each["problem"])]
    found = [*host, *worst_first([each for each in others if not each["ok"]])]
    return found or worst_first(environments) or ["No environment is declared."]


def worst_first(environments: Iterable[Mapping[str, Any]]) -> list[str]:
    """The paragraphs of those that have a problem, that are not in order, and of all others."""
    ranked = sorted(environments, key=lambda each: (each["problem"] is None, each["ok"]))
    return [each["text"] for each in ranked]


def differences(findings: Iterable[Finding]) -> dict[str, Any]:
    """Ansible's diff of everything that was, or would be, changed."""
    changes = {
        finding.declaration.name: describe(finding.declaration, finding.seen, finding.plan)
        for finding in findings
        if finding.has_changed
    }
    if not changes:
        return {}
    return {side: {name: change[side] for name, change in changes.items()} for side in ("before", "after")}


# --------------------------------------------------------------------------------------------------------- for people


def say(finding: Finding) -> str:
    """What people read about one environment, without its name."""
    if finding.problem:
        return finding.problem.text
    if finding.plan.reported:
        why = finding.left or "on_drift is report"
        remedy = "" if finding.left else ". Run setup.yml with on_drift: repair to repair it"
        return f"has drifted and was left as it is, because {why} ({say_reasons(finding.plan.reported)}){remedy}"
    if finding.plan.actions and finding.carried != DONE:
        return say_what_is_to_do(finding)
    parts = [SAID_OF_STATE[finding.declaration.state](finding)]
    if finding.probe:
        parts.append(str(finding.probe["text"]))
    return " ".join(as_sentence(part) for part in parts if part) or "as declared"


DONE_TO = {"absent": "removed", "rolled_back": "rolled back"}
"""What is done to an environment of a state; to one that is present it depends on the reasons."""


def say_what_is_to_do(finding: Finding) -> str:
    """The text for one that is not as declared yet."""
    why = say_reasons(finding.plan.actions)
    state, reasons = finding.declaration.state, finding.plan.reasons
    if finding.carried == FORESEEN:
        return f"would be {DONE_TO.get(state) or what_was_done(reasons)} ({why})"
    if state == "absent":
        return f"is still there ({why}). Run setup.yml to remove it"
    if "absent" in reasons and not finding.seen.generations:
        return "not set up yet. Run setup.yml"
    if set(reasons) <= DECLARED:
        return f"is not as declared any more ({why}). Run setup.yml to change it"
    return f"has drifted ({why}). Run setup.yml to repair it"


def say_reasons(actions: Iterable[Action]) -> str:
    """Each reason with what shows it."""
    told = (action for action in actions if is_drift(action.do, action.reason))
    return "; ".join(dict.fromkeys(f"{action.reason}: {action.evidence}" for action in told))


def say_of_present(finding: Finding) -> str:
    """What was done, if anything was."""
    if finding.plan.actions:
        return f"{what_was_done(finding.plan.reasons)} ({say_reasons(finding.plan.actions)})"
    return "" if finding.probe else "as declared. It was not probed"


def say_of_absent(finding: Finding) -> str:
    return "removed" if finding.plan.actions else "not there, so there is nothing to remove"


def say_of_rolled_back(finding: Finding) -> str:
    switched = next((action for action in finding.plan.actions if action.do == "switch"), None)
    return f"rolled back {switched.evidence}" if switched else f"generation {finding.seen.active} is active already"


SAID_OF_STATE = {"present": say_of_present, "absent": say_of_absent, "rolled_back": say_of_rolled_back}


def say_of_python(managed: Managed, todo: str) -> Iterator[str]:
    """Of the managed Pythons and uv."""
    is_foreseen = managed.carried == FORESEEN
    if todo == "python" and managed.reasons:
        why = ", ".join(managed.reasons)
        if is_foreseen:
            yield (
                f"The managed Python or uv would be repaired first ({why}). After that, the environments are checked "
                "again."
            )
        elif managed.reasons == ("absent",):
            yield "Not set up yet: there is no managed Python. Run setup.yml."
        else:
            yield f"The managed Python or uv is not as declared ({why}). Run setup.yml to repair it."
    if todo == "python" and managed.reasons != ("absent",):
        for minor, reasons in managed.additional.items():
            python = f"Python {minor}, which an environment asks for,"
            why = ", ".join(reasons)
            if is_foreseen:
                yield f"{python} would be installed or repaired first ({why})."
            else:
                yield f"{python} is not as declared ({why}). Run setup.yml to install or repair it."
    if managed.surplus and managed.carried == ASKED:
        yield f"Nothing uses {', '.join(managed.surplus)} any more ({SURPLUS}). Run setup.yml to remove it."
