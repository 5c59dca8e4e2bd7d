# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""The ledger: the controller's memory of every host, one file each, see docs/ledger.schema.json.

An entry has the last report and its time, the last attempt to get one, the last repair, and the speed and the verdicts
that were found last. Whoever adds to it reads it, changes it and puts it back under a lock, so that several controllers
lose nothing.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import re
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.failures import mask
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._host.status import REPAIRED, state_of
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._controller import put_file
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._fleet.untrusted import mapping, mappings, text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

Entry = dict[str, Any]

SCHEMA = 1
ANSWERED, UNREACHABLE = "answered", "unreachable"
"""Outcomes of an attempt to get a report, beside FAILED."""

KEPT = (
    *("ok", "changed", "text", "todo", "reasons", "platform", "managed_python", "environments"),
    "apple_silicon",
)
"""Keys of a report that are kept."""
LARGEST = 2_000_000
"""Most bytes of an entry. A real one has some 20,000."""
LARGEST_NUMBER = 2**63
"""JSON is read elsewhere, too, and Python writes no number of thousands of digits."""
DEEPEST = 40
"""Most levels of nested objects. A real report has some ten."""

MOST_APART = 3600
"""Most seconds by which clocks of controllers differ, or that a run takes."""

_PLAIN = re.compile(r"[a-z0-9_-][a-z0-9._-]{0,99}")


class Ledger:
    """The entries in a folder, which may be missing."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path_of(self, host: str) -> Path:
        """Where a host's entry is."""
        return self._folder / f"{file_name(host)}.json"

    def read(self, host: str) -> Entry:
        """The entry of a host; an empty one where there is none that can be read."""
        entry = _read(self.path_of(host))
        return entry if entry.get("host") == host else {}

    def hosts(self) -> list[str]:
        """The names of all hosts that have an entry."""
        entries = map(_read, self._folder.glob("*.json"))
        return sorted(str(entry["host"]) for entry in entries if "host" in entry)

    def add_report(self, host: str, report: Mapping[str, Any], now: float, secrets: Iterable[str] = ()) -> Path:
        """Keep what a host answered. Raises MetalfleetError where that is not possible."""
        told = cleaned({name: report[name] for name in KEPT if name in report}, secrets)
        return self._change(host, lambda entry: with_report(entry, told, now))

    def add_attempt(self, host: str, outcome: str, message: str, now: float, secrets: Iterable[str] = ()) -> Path:
        """Keep that a host gave no report. Raises MetalfleetError where that is not possible."""
        said = text(cleaned(message, secrets))
        return self._change(host, lambda entry: with_attempt(entry, outcome, said, now))

    def _change(self, host: str, change: Callable[[Entry], Entry]) -> Path:
        path = self.path_of(host)
        try:
            with self._alone():
                entry = {"schema": SCHEMA, "host": host, **change(self.read(host))}
                content = json.dumps(entry, indent=1).encode()
                if len(content) > LARGEST:
                    raise MetalfleetError(f"The report of {host} has {len(content)} bytes and was not kept")
                put_file(path, content)
        except OSError as error:
            raise MetalfleetError(
                f"Reports cannot be kept in {self._folder}",
                evidence=f"{error.strerror or error}.",
                remedy="Set tensorflow_reports to a folder on the controller that can be written to.",
            ) from error
        return path

    @contextmanager
    def _alone(self) -> Iterator[None]:
        self._folder.mkdir(parents=True, exist_ok=True)
        with Path(self._folder, ".lock").open("a", encoding="utf-8") as guard:
            with suppress(OSError):  # some shared disks have no locks; the file is still put there in one step
                fcntl.flock(guard, fcntl.LOCK_EX)
            yield


def _read(path: Path) -> Entry:
    with suppress(OSError, ValueError, RecursionError):
        entry = json.loads(path.read_bytes())
        if isinstance(entry, dict) and entry.get("schema") == SCHEMA:
            return entry
    return {}


def file_name(host: str) -> str:
    """A file name for a host: never outside the folder, and unique to the host."""
    if _PLAIN.fullmatch(host):
        return host
    # A disk that ignores case would take Mac1 and mac1 for one.
    digest = hashlib.sha256(host.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return f"{re.sub(r'[^A-Za-z0-9_-]', '_', host)[:80]}~{digest}"


def with_report(entry: Entry, report: Mapping[str, Any], now: float) -> Entry:
    """An entry after a host has answered. What an older run says late does not replace what a newer one said."""
    if _is_later(entry.get("seen"), now):
        return entry
    facts = report.get("apple_silicon") or mapping(entry.get("report")).get("apple_silicon")
    known = {**report, "apple_silicon": facts} if facts else dict(report)
    is_repair = state_of(report) == REPAIRED
    return {
        **with_attempt(entry, ANSWERED, "", now),
        "seen": written(now),
        "report": known,
        "repair": {"time": written(now), "reasons": report.get("reasons")} if is_repair else entry.get("repair"),
        "speed": {**mapping(entry.get("speed")), **_measured(report, now)},
        "verdicts": {**mapping(entry.get("verdicts")), **_judged(report, now)},
    }


def with_attempt(entry: Entry, outcome: str, message: str, now: float) -> Entry:
    """An entry after a failed attempt."""
    if _is_later(mapping(entry.get("attempt")).get("time"), now):
        return entry
    nothing: Entry = {"seen": None, "report": None, "repair": None, "speed": {}, "verdicts": {}}
    return {**nothing, **entry, "attempt": {"time": written(now), "outcome": outcome, "message": message}}


def _measured(report: Mapping[str, Any], now: float) -> dict[str, Any]:
    """The speed of each environment in which it was measured: most probes leave that out."""
    found = {}
    for environment in mappings(report.get("environments")):
        rates = mapping(mapping(environment.get("probe")).get("speed"))
        if rates:
            found[str(environment.get("name"))] = {"time": written(now), "rates": rates}
    return found


def _judged(report: Mapping[str, Any], now: float) -> dict[str, Any]:
    """What was found of each environment that was probed; a new generation that was refused is not what is active."""
    found = {}
    for environment in mappings(report.get("environments")):
        probe = mapping(environment.get("probe"))
        if probe and not environment.get("problem"):
            judged = {"verdict": text(probe.get("verdict")), "ok": probe.get("ok") is True}
            found[str(environment.get("name"))] = {"time": written(now), **judged}
    return found


def written(moment: float) -> str:
    """A moment as entries have it: whole seconds, UTC."""
    return datetime.fromtimestamp(int(moment), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def moment_of(value: object) -> float | None:
    """A moment that an entry has, in seconds since 1970."""
    with suppress(ValueError, OverflowError):
        return datetime.strptime(text(value), "%Y-%m-%dT%H:%M:%S%z").timestamp()
    return None


def _is_later(value: object, now: float) -> bool:
    """Whether a moment that an entry has comes after now, as far as clocks differ; any other is of a wrong clock."""
    known = moment_of(value)
    return known is not None and int(now) < known <= now + MOST_APART


def cleaned(data: Any, secrets: Iterable[str] = (), depth: int = 0) -> Any:
    """Data as JSON can hold it, without the secrets and without what is in URLs before the host's name."""
    if depth > DEEPEST:
        return None
    if isinstance(data, str):
        shown = mask(data)
        for secret in filter(None, secrets):
            shown = shown.replace(secret, "***")
        return shown
    if isinstance(data, dict):
        return {str(cleaned(key, secrets)): cleaned(each, secrets, depth + 1) for key, each in data.items()}
    if isinstance(data, (list, tuple)):
        return [cleaned(each, secrets, depth + 1) for each in data]
    if isinstance(data, (int, float)) and not abs(data) <= LARGEST_NUMBER:  # what is not a number at all is not, either
        return None
    return data if data is None or isinstance(data, (bool, int, float)) else str(data)
