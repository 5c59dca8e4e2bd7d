# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""What the agent remembers: what it did and why, what it found last, and in which repairs it failed."""

from __future__ import annotations

import heapq
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.manifest import put
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.safety import set_aside
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import UNLIKE, said_by
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._host.status import status_of
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._json import parse_json
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._moments import MOMENT, written
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._paths import (
    claim_for_writing,
    is_nothing_there,
    open_guard,
    read_regular,
)

HISTORY, STATE, REPORT, GUARD = "history.json", "state.json", "report.json", ".lock"
LOG, PYTHONS, FAILURES = "log", "pythons", "failures"
"""Those that the command's shell script writes: what it says, what became of Pythons, and how often that failed."""
REWRITTEN = (HISTORY, STATE, REPORT, LOG, PYTHONS)
OURS = frozenset({name for file in REWRITTEN for name in (file, f"{file}.new")} | {GUARD, FAILURES})
"""Names in the agent's folder that it makes itself; the second ones are left by a run that was killed."""
KEPT = 100
"""Entries of the history."""
LONGEST = 1000
"""Characters of an entry's text."""
REPAIRED, FAILED, LEFT, ROLLED_BACK, NEW_DOCUMENT = "repaired", "failed", "left", "rolled back", "document"
"""What an event is."""


@dataclass(frozen=True)
class Event:
    """Something that was done, or was not possible."""

    time: str
    what: str
    """REPAIRED, FAILED, LEFT, ROLLED_BACK or NEW_DOCUMENT."""
    environment: str
    """Its name; "" for the whole host."""
    reasons: tuple[str, ...]
    text: str


@dataclass(frozen=True)
class State:
    """As it stands, it is that of an agent that has not run yet."""

    runs: int = 0
    last_run: str = ""
    seconds: float = 0.0
    """Of CPU that the last run took, with all that it started."""
    failed: Mapping[str, int] = field(default_factory=dict)
    """How often the repair of each environment failed in a row."""
    document: str = ""
    """The digest of the document that this holds for."""


def now() -> str:
    """This moment as entries have it."""
    return written(time.time())


class Memory:
    """The files in the agent's folder.

    What cannot be read or written is not remembered: a full disk must not keep the agent from saying what it found.
    """

    def __init__(self, folder: Path, aside: Path) -> None:
        """`aside` is where what is in the place of a file and tells nothing is moved to."""
        self._folder, self._aside = folder, aside

    def history(self) -> list[dict[str, Any]]:
        """All events that are kept, the oldest first."""
        return list(heapq.merge(self._events(), self.of_pythons(), key=lambda each: str(each.get("time"))))[-KEPT:]

    def of_pythons(self) -> list[dict[str, Any]]:
        """Those of Pythons, which the shell script has written: the program may not start without one."""
        with suppress(OSError):
            lines = read_regular(self._folder / PYTHONS).decode("utf-8", "replace").split("\n")
            told = [words for line in lines if len(words := line.split(" ", 2)) == len(("time", "what", "text"))]
            return [
                asdict(Event(time, what, "", (), f"The managed Python: {text}."))
                for time, what, text in told
                if MOMENT.fullmatch(time)
            ]
        return []

    def why_unreadable(self) -> str:
        """Why what is in the history's place tells nothing; "" if it does, or nothing is there."""
        try:
            parse_json(read_regular(self._folder / HISTORY))
        except OSError as error:
            return "" if is_nothing_there(error) else f"{said_by(error, self._folder / HISTORY)}."
        except ValueError:
            return f"{self._folder / HISTORY} is damaged."
        return ""

    def add(self, events: Sequence[Event]) -> None:
        """Keep events. What is only said again, as of a repair that waits, is kept once."""
        history = self._events()
        for event in events:
            told = {**asdict(event), "text": event.text[:LONGEST], "reasons": list(event.reasons)}
            same = [each for each in history if each.get("environment") == event.environment]
            if event.what == REPAIRED or not same or {**same[-1], "time": event.time} != told:
                history.append(told)
        if events:
            self._write(HISTORY, history[-KEPT:])

    def state(self, document: str) -> State:
        """What is known of the runs so far; of failures only those with the same document."""
        read = self._read(STATE)
        state = State(**read) if is_state(read) else State()
        return state if state.document == document else replace(state, failed={}, document=document)

    def keep(self, state: State) -> None:
        """Remember it."""
        self._write(STATE, asdict(state))

    def report(self) -> dict[str, Any]:
        """What the last run found, with its time; nothing if there was none."""
        read = self._read(REPORT)
        try:
            status_of("", read["report"], float(read["seen"]))
        except UNLIKE:  # or it is one of another agent's
            return {}
        return dict(read)

    def keep_report(self, report: Mapping[str, Any]) -> None:
        """Remember what a run has found."""
        self._write(REPORT, {"seen": time.time(), "report": report})

    def _events(self) -> list[dict[str, Any]]:
        read = self._read(HISTORY)
        return [each for each in read if isinstance(each, dict)] if isinstance(read, list) else []

    def _read(self, name: str) -> Any:
        with suppress(OSError, ValueError):
            return parse_json(read_regular(self._folder / name))
        return None

    def _write(self, name: str, data: object) -> None:
        path = self._folder / name
        with suppress(OSError):
            if os.path.lexists(path) and self._read(name) is None:
                set_aside(path, self._aside)
            put(path, json.dumps(data).encode())


def is_state(read: Any) -> bool:
    """Whether what was read is a state: its values are of the kinds that those of a new one are of."""
    kinds = {name: type(value) for name, value in asdict(State()).items()}
    if not isinstance(read, dict) or not read.keys() <= kinds.keys():
        return False
    # pylint: disable=unidiomatic-typecheck # isinstance takes true for a number
    is_alike = all(type(value) is kinds[name] for name, value in read.items())
    return is_alike and all(type(count) is int for count in read.get("failed", {}).values())


@contextmanager
def guarded(folder: Path, *, alone: bool, wait: float) -> Iterator[bool]:
    """Let nobody exchange the agent's files while it runs: runs share the guard, whoever installs has it alone.

    False where it could not be had in time; a folder that cannot be written to has no guard, and needs none. Whoever
    looks at another user's makes nothing there, which that user could not open.
    """
    try:
        if folder.stat().st_uid != os.geteuid():
            yield True
            return
        guard = open_guard(folder / GUARD)
    except OSError:
        yield True
        return
    with guard:
        deadline = time.monotonic() + wait
        while not claim_for_writing(guard, shared=not alone):
            if time.monotonic() > deadline:
                yield False
                return
            time.sleep(0.2)
        yield True
