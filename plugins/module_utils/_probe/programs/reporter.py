# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""Reports of a probe's program to its parent, one line of JSON each.

Each stage writes a line before it begins and another after it, so that the parent knows where a process was that
crashed or hung. The last line says that the program came to its end, and with which verdict:

    {"stage": NAME, "state": "begun" | "ok" | "failed", "verdict": VERDICT IF IT FAILS, ...}
    {"end": VERDICT}

This runs with the environment's interpreter: only the standard library is there.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import resource
import sys
import time
import traceback
from typing import TYPE_CHECKING, Any, Callable, NoReturn, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

QUICK, STANDARD, FULL = "quick", "standard", "full"
"""The levels of a probe. What each holds is for the program of a framework to say."""

WRONG_RESULTS = "gpu-wrong-results"
"""The verdict where a GPU computes, but something else than it should."""

CPU_FAILED = "import-failed"
"""The verdict where the CPU is probed, and does not compute either."""

MAX_ERROR_LENGTH = 4000


class StageFailed(Exception):
    """A stage failed, and what went wrong has a verdict of its own."""

    def __init__(self, message: str, verdict: str) -> None:
        super().__init__(message)
        self.verdict = verdict


class WrongResultsError(StageFailed):
    """A result differs from the right one, by more than its computation allows."""


class WrongPlaceError(Exception):
    """What was imported is not the environment's."""


class PlacementError(Exception):
    """Another device computed than the one that was asked for."""


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


def run_program(run_stages: Callable[[Reporter], None], stages: Mapping[str, str], descriptor: str) -> NoReturn:
    """Run the stages and end this process: status 0 when all went well, otherwise 1.

    `descriptor` is an inherited one, to report on.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a crash is expected here; its gigabyte on the disk is of no use
    gc.disable()  # importing TensorFlow takes a fifth less time without it
    os.set_inheritable(int(descriptor), False)
    status = 1
    with os.fdopen(int(descriptor), "w", encoding="utf-8") as stream:
        try:
            run_stages(Reporter(stream, stages))
            status = 0
        except BaseException:  # noqa: BLE001 - whatever it was, it has been reported, and ends this process
            traceback.print_exc()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)  # the framework's own shutdown costs a second, and may hang


def version_of(packages: tuple[str, ...]) -> str | None:
    """The version of the first of the packages that is installed; None if none is."""
    # Imported here because the engine, which only reads this source, imports the module for it.
    from importlib import metadata  # noqa: PLC0415

    for package in packages:
        with contextlib.suppress(metadata.PackageNotFoundError):
            return metadata.version(package)
    return None


def refuse_elsewhere(module: Any, name: str) -> None:
    """Refuse a framework that is not the environment's, as from a folder that a .pth file adds.

    Raises WrongPlaceError.
    """
    path = str(module.__file__)
    if not path.startswith(f"{sys.prefix}{os.sep}"):
        raise WrongPlaceError(f"{name} was imported from {path}, which is not in {sys.prefix}")


def shortened(text: str) -> str:
    """Its beginning and its end: an error in a graph tells the cause last, after all calls that led to it."""
    if len(text) <= MAX_ERROR_LENGTH:
        return text
    half = MAX_ERROR_LENGTH // 2
    return f"{text[:half]}\n[...]\n{text[-half:]}"


def _seconds_since(start: float) -> float:
    return round(time.monotonic() - start, 3)
