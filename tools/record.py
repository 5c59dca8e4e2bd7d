# SPDX-License-Identifier: GPL-3.0-or-later
"""Record this machine for the tests: PYTHONPATH=.collections:. python3 -m tools.record FILE.

Writes as JSON the facts that `apple_silicon_facts` collects here, and beside them word for word what each program said
that was asked for them. Made for real Macs; whoever adds a profile to tests/simulated_mac reads it. Serial numbers are
left out. Standard library only: it may be run by the managed Python.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._commands import (
    CommandExited,
    CommandFailed,
    Commands,
    Completed,
    Running,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._facts.collect import collect
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._layout import DEFAULT_ROOT

Answer = dict[str, Any]

PERSONAL = re.compile(r'("(?:serial_number|platform_UUID|provisioning_UDID)"\s*:\s*")[^"]*')
"""What system_profiler tells that is of this one machine."""


class Overheard(Running):
    """A program that was started, whose answer somebody else hears, too."""

    def __init__(self, running: Running, hear: Callable[[Completed], None]) -> None:
        self._running, self._hear = running, hear

    def result(self) -> Completed:
        """See Running."""
        try:
            completed = self._running.result()
        except CommandExited as exited:
            self._hear(exited.completed)
            raise
        self._hear(completed)
        return completed


class Recorder(Commands):
    """Runs programs, and keeps what each has said."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []

    def start(self, argv: Sequence[str], **options: Any) -> Running:
        """See Commands."""
        try:
            return Overheard(super().start(argv, **options), self._keep)
        except CommandFailed as failure:
            self.answers.append({"argv": list(argv), "failed": failure.reason})
            raise

    def _keep(self, completed: Completed) -> None:
        said = {"stdout": completed.stdout, "stderr": completed.stderr}
        masked = {name: PERSONAL.sub(r"\1left out", text) for name, text in said.items()}
        self.answers.append({"argv": list(completed.argv), "rc": completed.rc, **masked})


def record(home: Path) -> Answer:
    """What this machine is, and said."""
    recorder = Recorder()
    facts = collect(recorder, home=home, roots=[DEFAULT_ROOT], full=True)
    return {"uname": list(os.uname()), "answers": recorder.answers, "facts": facts}


def main() -> None:
    """Write the file."""
    Path(sys.argv[1]).write_text(json.dumps(record(Path.home()), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
