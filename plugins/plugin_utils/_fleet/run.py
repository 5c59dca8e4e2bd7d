# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""One run over a fleet, as a callback sees it: it knows also of the hosts that did not answer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._host.status import FAILED
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._fleet.hosts import host_of
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._fleet.ledger import (
    UNREACHABLE,
    Entry,
    Ledger,
    with_attempt,
    with_report,
)
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._fleet.summary import lines

if TYPE_CHECKING:
    from collections.abc import Mapping

OURS = "metalfleet.tensorflow."
REPORTING = (f"{OURS}tensorflow_environments", f"{OURS}tensorflow_environments_info")
"""The actions whose results are reports, and which keep them in the ledger."""


class Run:
    """The outcome of each host of a run."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}
        self._missed: dict[str, str] = {}
        """What the connections to hosts said that were lost by a task which keeps no reports."""
        self._is_ours = False
        """Whether any of those tasks is ours."""
        self._folder: Path | None = None
        """Where the actions keep their reports."""

    def add(self, host: str, action: str, result: Mapping[str, Any], now: float) -> None:
        """Note the result of a task."""
        if action in REPORTING and "ledger" in result:  # of any other it may be what a host said
            path = Path(str(result["ledger"]))
            self._folder = path.parent
            self._entries[host] = Ledger(path.parent).read(host)
            self._missed.pop(host, None)
        elif result.get("unreachable"):
            self._missed[host] = said_in(result)
            self._is_ours |= action.startswith(OURS)
        elif action.startswith(OURS):
            self._missed.pop(host, None)
            self._add_unkept(host, action, result, now)

    def _add_unkept(self, host: str, action: str, result: Mapping[str, Any], now: float) -> None:
        """A task of ours that has put nothing into the ledger: it keeps no reports, cannot write, or only foresees."""
        if action in REPORTING and "environments" in result:
            if host not in self._entries or not self._folder:
                self._entries[host] = with_report({}, result, now)
        elif result.get("failed") and (action in REPORTING or host in self._entries):
            self._try(host, FAILED, said_in(result), now)

    def _try(self, host: str, outcome: str, message: str, now: float) -> None:
        """Note that a task gave no report, which no action has kept."""
        if self._folder:
            try:
                Ledger(self._folder).add_attempt(host, outcome, message, now)
                self._entries[host] = Ledger(self._folder).read(host)
                return
            except MetalfleetError:  # nobody waits for the lock again; the actions have warned of it
                self._folder = None
        self._entries[host] = with_attempt(self._entries.get(host, {}), outcome, message, now)

    def end(self, now: float) -> list[str]:
        """The summary at the end of a run; nothing where no task of ours ran."""
        if not self._entries and not self._is_ours:
            return []
        for host, message in self._missed.items():
            self._try(host, UNREACHABLE, message, now)
        hosts = [host_of(name, entry) for name, entry in self._entries.items()]
        return lines(hosts, now, remembers=self._folder is not None)


def said_in(result: Mapping[str, Any]) -> str:
    """The message of a failed task."""
    return str(result.get("msg") or "")
