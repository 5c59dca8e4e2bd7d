# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""How a failed probe is explained: what a rule gets to know, and what it says. The knowledge itself is in `rules`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Callable

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import Problem
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe.verdict import TENSORFLOW

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ansible_collections.metalfleet.tensorflow.plugins.module_utils._facts.types import Facts

MAX_EVIDENCE_LENGTH = 500
LAST_LINES = 3

_FATAL_LINE = re.compile(
    r"^(?:F\d{4} |.*: F |Fatal Python error|libc\+\+abi|dyld|LLVM ERROR|OMP: Error|.*failed assertion).*", re.MULTILINE
)
_SYSTEM_VOLUME = "/System/Volumes/Preboot/Cryptexes/OS"
_PLUGIN_FILE = re.compile(r"(/[^\n,:()'\"]*/tensorflow-plugins)/[^\s,:()'\"]+")


@dataclass(frozen=True)
class Failure:
    """What there is to judge by. What is not known is None, or empty."""

    verdict: str
    stage: str
    """The stage in which the probe ended."""
    summary: str
    """How it ended, in one line."""
    environment: Path
    interpreter: Path
    error: str = ""
    """What the program raised, or how it ended otherwise; empty where a signal or the time limit ended it."""
    has_raised: bool = True
    """Whether the program itself told the error; otherwise what it printed says more."""
    printed: str = ""
    """Everything that the process printed."""
    signal: str = ""
    """Name of the signal that ended the process, such as SIGSEGV."""
    framework: str = TENSORFLOW
    """What the environment is for."""
    tensorflow: str | None = None
    litert: str | None = None
    plugin: str | None = None
    """Version of the installed Metal plug-in."""
    plugin_files: Sequence[str] = ()
    """The plug-ins' libraries on the interpreter's path."""
    cuda: str | None = None
    """The release of CUDA that TensorFlow was built for; "" is none."""
    capabilities: Sequence[str] = ()
    """The GPUs that the build has code for, as CUDA names them: sm_80, compute_90."""
    machine: str | None = None
    """What the interpreter runs as: x86_64 under Rosetta."""
    has_gpu: bool = True
    """Whether TensorFlow listed a GPU, so that it was to compute there."""
    facts: Facts | None = None
    passed_on: str | None = None
    """The version of macOS on which this very environment passed its probe when it was built."""

    @property
    def stray_plugins(self) -> str | None:
        """The folder of a plug-in that is named in the error or the output, and is not this environment's."""
        own = (f"{self.environment}/", f"{self.environment.resolve()}/")
        # macOS tries every path a second time below its own volume, where nothing of a user's is.
        text = f"{self.error}\n{self.printed}".replace(_SYSTEM_VOLUME, "")
        for match in _PLUGIN_FILE.finditer(text):
            if not match[0].startswith(own):
                return match[1]
        return None

    @property
    def last_words(self) -> str:
        """The line with which native code gave up, else the last lines, as one."""
        if fatal := _FATAL_LINE.search(self.printed):
            return fatal[0].strip()
        lines = [line.strip() for line in self.printed.splitlines() if line.strip()]
        return " / ".join(lines[-LAST_LINES:])


@dataclass(frozen=True)
class Diagnosis(Problem):
    """Why a probe did not end well."""

    source: str = ""
    """Where others have published the same failure: an issue, as owner/repository#number. Empty if nowhere."""


Condition = Callable[[Failure], bool]


@dataclass(frozen=True)
class Rule:
    """A known failure. It fits when all that it asks for is so.

    Its texts may name, in braces, groups of its pattern and the words that `rules` has.
    """

    cause: str
    remedy: str
    frameworks: tuple[str, ...] = (TENSORFLOW,)
    verdicts: tuple[str, ...] = ()
    stages: tuple[str, ...] = ()
    signals: tuple[str, ...] = ()
    pattern: str = ""
    """Searched in what the program raised, then in what was printed. The evidence is the group `evidence`, if there is
    one, else the line where the match begins."""
    when: tuple[Condition, ...] = ()
    raised: bool = False
    """Whether the pattern is searched only in what the program raised: a traceback also prints older errors."""
    source: str = ""
    """See Diagnosis."""
    of_session: bool = False
    """Whether programs of the session at the Mac's screen may not meet this failure."""

    def asks_for(self, failure: Failure) -> bool:
        """Whether everything fits except the pattern."""
        return (
            failure.framework in self.frameworks
            and (not self.verdicts or failure.verdict in self.verdicts)
            and (not self.stages or failure.stage in self.stages)
            and (not self.signals or failure.signal in self.signals)
            and all(condition(failure) for condition in self.when)
        )


@dataclass(frozen=True)
class Match:
    """The rule that explains a failure, and where its pattern matched."""

    rule: Rule
    place: re.Match[str] | None
    """None if the rule has no pattern."""


def find(failure: Failure, rules: Sequence[Rule]) -> Match:
    """Find the rule that explains a failure.

    What the program raised says more than what was printed before, which may be an old warning; and either says more
    than the stage alone. Among rules that are equal in this, the first of the table is taken.

    Args:
        failure: How a probe ended that did not end well.
        rules: The table; one of its rules without a pattern must fit every failure.
    """
    fitting = [rule for rule in rules if rule.asks_for(failure)]
    for text in (failure.error, failure.printed):
        for rule in fitting:
            is_searched = rule.pattern and not (rule.raised and text is failure.printed)
            place = re.search(rule.pattern, text, re.MULTILINE) if is_searched else None
            if place:
                return Match(rule, place)
    return Match(next(rule for rule in fitting if not rule.pattern), None)


def describe(match: Match, failure: Failure, words: Mapping[str, str]) -> Diagnosis:
    """Say what a failure means; `words` is what the rules' texts may name."""
    rule, place = match.rule, match.place
    words = {**words, **(_groups(place) if place else {})}
    evidence = _evidence(place) if place else _how_it_ended(failure)
    return Diagnosis(
        cause=rule.cause.format(**words),
        evidence=evidence[:MAX_EVIDENCE_LENGTH],
        remedy=rule.remedy.format(**words),
        source=rule.source,
    )


def _groups(match: re.Match[str]) -> dict[str, str]:
    return {name: text for name, text in match.groupdict().items() if text is not None}


def _evidence(match: re.Match[str]) -> str:
    if line := match.groupdict().get("evidence"):
        return line.strip()
    text = match.string
    start = text.rfind("\n", 0, match.start()) + 1
    end = text.find("\n", match.start())
    return text[start : end if end >= 0 else len(text)].strip()


def _how_it_ended(failure: Failure) -> str:
    if (failure.error and failure.has_raised) or not failure.last_words:
        return failure.summary
    return f"{failure.summary}; its last words: {failure.last_words}"
