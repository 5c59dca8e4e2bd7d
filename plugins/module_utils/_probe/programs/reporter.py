# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""What every probe's program tells its parent, a line of JSON each time.

Each stage writes a line before it begins and another after it, so that the parent knows where a process was that
crashed or hung. The last line says that the program came to its end, and with which verdict:

    {"stage": NAME, "state": "begun" | "ok" | "failed", "verdict": VERDICT IF IT FAILS, ...}
    {"end": VERDICT}

This runs with the environment's interpreter: only the standard library is there.
"""

from __future__ import annotations

import contextlib
import json
import time
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

QUICK, STANDARD, FULL = "quick", "standard", "full"
"""The levels of a probe. What each holds is for the program of a framework to say."""

WRONG_RESULTS = "gpu-wrong-results"
"""The verdict where a GPU computes, but something else than it should."""

MAX_ERROR_LENGTH = 4000


class StageFailed(Exception):
    """A stage failed, and what went wrong has a verdict of its own."""

    def __init__(self, message: str, verdict: str) -> None:
        super().__init__(message)
        self.verdict = verdict


class WrongResultsError(StageFailed):
    """A result differs from the right one, by more than its computation allows."""


class Reporter:
    """Tells the parent what happens. `stages` holds the verdict that each stage ends in if it fails."""

    def __init__(self, stream: TextIO, stages: Mapping[str, str]) -> None:
        self._stream = stream
        self._stages = stages

    @contextlib.contextmanager
    def stage(self, name: str, *, verdict: str = "") -> Iterator[dict[str, Any]]:
        """Frame a stage; what its body puts into the dictionary is reported with its success.

        `verdict` stands in for the one that the stage usually ends in if it fails.
        """
        found: dict[str, Any] = {}
        verdict = verdict or self._stages[name]
        self._tell(stage=name, state="begun", verdict=verdict)
        start = time.monotonic()
        try:
            yield found
        except BaseException as error:
            self._tell(
                stage=name,
                state="failed",
                verdict=error.verdict if isinstance(error, StageFailed) else verdict,
                seconds=_seconds_since(start),
                error=shortened(f"{type(error).__name__}: {error}"),
            )
            raise
        self._tell(stage=name, state="ok", verdict=verdict, seconds=_seconds_since(start), found=found)

    def end(self, verdict: str) -> None:
        """Say that all stages were passed. Without this, a program that exits early would pass for a good one."""
        self._tell(end=verdict)

    def _tell(self, **record: Any) -> None:
        self._stream.write(f"\n{json.dumps(record)}\n")  # on a line of its own, whatever others have written there
        self._stream.flush()


def shortened(text: str) -> str:
    """Its beginning and its end: an error in a graph tells the cause last, after all calls that led to it."""
    if len(text) <= MAX_ERROR_LENGTH:
        return text
    half = MAX_ERROR_LENGTH // 2
    return f"{text[:half]}\n[...]\n{text[-half:]}"


def _seconds_since(start: float) -> float:
    return round(time.monotonic() - start, 3)
