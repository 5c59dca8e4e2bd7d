# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""The ledger: the controller's memory of every host, one file each, see docs/ledger.schema.json.

An entry has the last report and its time, the last attempt to get one, the last repair, and the speed and the verdicts
that were found last. Whoever adds to it reads it, changes it and puts it back under a lock, so that several controllers
lose nothing.
Anybody may have put anything there, or hold the lock: no run waits for long or ends because of that.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import platform
import re
import stat
import time
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.failures import mask
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.safety import set_aside
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError, said_by
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._host.status import REPAIRED, state_of
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._json import parse_json
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._moments import written
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._paths import (
    claim_for_writing,
    head_of_file,
    is_nothing_there,
)
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._agent.meanwhile import last_repair
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._controller import put_file
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._fleet.untrusted import mapping, mappings, text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from io import FileIO

Entry = dict[str, Any]

SCHEMA = 1
ANSWERED, UNREACHABLE = "answered", "unreachable"
"""Outcomes of an attempt to get a report, beside FAILED."""

KEPT = (
    *("ok", "changed", "text", "todo", "reasons", "platform", "managed_python", "environments"),
    *("apple_silicon", "agent"),
)
"""Keys of a report that are kept."""
LARGEST = 2_000_000
"""Most bytes of an entry. A real one has some 20,000."""
LARGEST_NUMBER = 2**63
"""JSON is read elsewhere, too, and Python writes no number of thousands of digits."""
DEEPEST = 40
"""Most levels of nested objects. A real report has some ten."""

SECONDS_TO_WAIT = 10.0
"""For the lock. It is held for milliseconds, unless a controller stands still or somebody else has taken it."""
_PAUSE = 0.02
_LONGEST_NAME = 200

MOST_APART = 3600
"""Most seconds by which clocks of controllers differ, or that a run takes."""

MOST_LATE = 60
"""Most seconds by which a run keeps a report late, since it has waited for the lock."""

_PLAIN = re.compile(r"[a-z0-9_-][a-z0-9._-]{0,99}")


class Damaged(Exception):
    """What is in the place of an entry is none; the text says why."""


class Ledger:
    """The entries in a folder, which may be missing."""

    def __init__(
        self, folder: Path, warn: Callable[[str], None] = lambda _: None, *, wait: float = SECONDS_TO_WAIT
    ) -> None:
        """`warn` is told what a person should know of what was found there."""
        self._folder, self._warn, self._wait = folder, warn, wait

    def path_of(self, host: str) -> Path:
        """Where a host's entry is."""
        return self._folder / f"{file_name(host)}.json"

    def read(self, host: str) -> Entry:
        """The entry of a host; an empty one where there is none, or none that can be used."""
        try:
            return entry_at(self.path_of(host))
        except Damaged as damage:
            self._warn(f"{say_damaged(host, self.path_of(host), damage)} The next run sets it aside.")
        except MetalfleetError as refusal:
            self._warn(str(refusal))
        return {}

    def hosts(self) -> list[str]:
        """The names of all hosts that have an entry."""
        found = []
        for path in self._folder.glob("*.json"):
            with suppress(Damaged, MetalfleetError):
                found += [entry["host"]] if (entry := entry_at(path)) else []
        return sorted(found)

    def add_report(self, host: str, report: Mapping[str, Any], now: float, secrets: Iterable[str] = ()) -> Path:
        """Keep what a host answered. Raises MetalfleetError where that is not possible."""
        told = cleaned({name: report[name] for name in KEPT if name in report}, secrets)
        return self._change(host, lambda entry: with_report(entry, told, now), now)

    def add_attempt(self, host: str, outcome: str, message: str, now: float, secrets: Iterable[str] = ()) -> Path:
        """Keep that a host gave no report. Raises MetalfleetError where that is not possible."""
        said = text(cleaned(message, secrets))
        return self._change(host, lambda entry: with_attempt(entry, outcome, said, now), now)

    def _change(self, host: str, change: Callable[[Entry], Entry], now: float) -> Path:
        path = self.path_of(host)
        try:
            with self._alone():
                known = self._known(host)
                changed = change(known)
                if changed is known:
                    self._warn_of_clock(host, mapping(known.get("attempt")).get("time"), now)
                entry = {"schema": SCHEMA, "host": host, **changed}
                content = json.dumps(entry, indent=1).encode()
                if len(content) > LARGEST:
                    raise MetalfleetError(f"The report of {host} has {len(content)} bytes and was not kept")
                put_file(path, content)
        except (OSError, ValueError) as error:
            raise MetalfleetError(
                f"Reports cannot be kept in {self._folder}",
                evidence=f"{why_not_kept(error)}.",
                remedy="Set tensorflow_reports to a folder on the controller that can be written to.",
            ) from error
        return path

    def _warn_of_clock(self, host: str, known: object, now: float) -> None:
        """Whoever comes later by no more than this is another run at the same time."""
        moment = moment_of(known)
        if moment is not None and moment > now + MOST_LATE:
            self._warn(
                f"What was found on {host} was not kept: what the ledger has of it is of {known}, and here it is "
                f"{written(now)}. Correct the clock of the controller that is wrong."
            )

    def _known(self, host: str) -> Entry:
        """The entry of a host that is going to be changed. What is none is set aside."""
        path = self.path_of(host)
        try:
            return cleaned(entry_at(path))  # type: ignore[no-any-return]
        except Damaged as damage:
            kept = set_aside(path, self._folder / "set-aside")
            self._warn(
                f"{say_damaged(host, path, damage)} It was moved to {kept}, and a new entry was begun. Remove it there "
                "if nobody needs it."
            )
            return {}

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the lock. Raises MetalfleetError where somebody else does, and OSError."""
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / ".lock"
        # What is in the lock is overwritten: where the folder is shared, a link may lead to any file of this user.
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o644)
        with os.fdopen(descriptor, "r+b", buffering=0) as guard:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise OSError(errno.EINVAL, "not a regular file", str(path))
            with suppress(OSError):  # whoever may write to the folder may take the lock, whatever umask this user has
                os.fchmod(descriptor, stat.S_IMODE(self._folder.stat().st_mode) & 0o666)
            self._wait_for(guard, path)
            guard.truncate(0)  # of one that was killed
            guard.write(f"process {os.getpid()} on {platform.node()}".encode())
            try:
                yield
            finally:
                guard.truncate(0)

    def _wait_for(self, guard: FileIO, path: Path) -> None:
        deadline = time.monotonic() + self._wait
        while not claim_for_writing(guard):
            if time.monotonic() > deadline:
                holder = text((guard.read(_LONGEST_NAME) or b"").decode(errors="replace"))
                raise MetalfleetError(
                    "The report was not kept, for the ledger was in use all the time",
                    evidence=f"{holder or 'Another program'} held the lock {path} for {self._wait:g} s, which "
                    "controllers need for milliseconds.",
                    remedy=f"End that process; on its machine this tells which it is: lsof {path}",
                )
            time.sleep(_PAUSE)


def why_not_kept(error: OSError | ValueError) -> str:
    """What a disk said, and of which file; of anything else what it says itself."""
    if isinstance(error, OSError) and error.filename:
        return said_by(error, error.filename)
    return str(getattr(error, "strerror", None) or error)


def entry_at(path: Path) -> Entry:
    """The entry in a file; an empty one where there is none.

    Raises Damaged for what is none, and MetalfleetError for what must stay as it is.
    """
    try:
        content = head_of_file(path, LARGEST + 1)
    except OSError as error:
        if is_nothing_there(error):
            return {}
        if error.errno in (errno.EINVAL, errno.ENXIO):
            raise Damaged("it is not a regular file") from error
        raise MetalfleetError(
            f"The ledger's entry {path} cannot be read",
            evidence=f"{error.strerror}.",
            remedy="Make it readable for the user that Ansible runs as, or remove it.",
        ) from error
    if len(content) > LARGEST:
        raise Damaged(f"it has more than {LARGEST} bytes")
    try:
        entry = parse_json(content)
    except ValueError as error:
        raise Damaged("it is not JSON in UTF-8") from error
    schema = entry.get("schema") if isinstance(entry, dict) else None
    if isinstance(schema, int) and schema > SCHEMA:
        raise MetalfleetError(
            f"The ledger's entry {path} is one of a newer release of this collection, which this one cannot add to",
            remedy="Use that release on this controller, too, or set tensorflow_reports to a folder of its own.",
        )
    if schema != SCHEMA or not isinstance(entry.get("host"), str) or file_name(entry["host"]) != path.stem:
        raise Damaged("it is not the entry of this host")
    return dict(entry)


def say_damaged(host: str, path: Path, damage: Damaged) -> str:
    """What is said of something in the place of an entry."""
    return f"What the ledger knew of {host} is lost: {path} cannot be used, for {damage}."


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
    repair = {"time": written(now), "reasons": report.get("reasons")} if is_repair else entry.get("repair")
    return {
        **with_attempt(entry, ANSWERED, "", now),
        "seen": written(now),
        "report": known,
        "repair": latest(repair, last_repair(report), now=now),
        "speed": {**mapping(entry.get("speed")), **_measured(report, now)},
        "verdicts": {**mapping(entry.get("verdicts")), **_judged(report, now)},
    }


def latest(*repairs: object, now: float) -> Mapping[str, Any] | None:
    """The last of some repairs. One after now, as far as clocks differ, is of a wrong clock: it would stay."""
    dated = [(moment_of(each.get("time")), each) for each in map(mapping, repairs)]
    known = [(moment, each) for moment, each in dated if moment is not None and moment <= now + MOST_APART]
    return max(known, key=lambda one: one[0])[1] if known else None


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


def moment_of(value: object) -> float | None:
    """A moment that an entry has, in seconds since 1970."""
    with suppress(ValueError, OverflowError):
        moment = datetime.fromisoformat(text(value))
        return moment.timestamp() if moment.tzinfo else None
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
