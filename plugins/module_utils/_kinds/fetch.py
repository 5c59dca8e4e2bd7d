# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""Fetching what is missing in the wheel store: several files at once, each continued where it was interrupted."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import threading
import time
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, BinaryIO, Callable, Protocol, TypeVar

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._conda import channels
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError, said_by
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._kinds.wheels import (
    PART,
    Stored,
    WheelStore,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._paths import CHUNK, claim_for_writing, open_regular
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels import index
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.index import Finder, Found, RemoteFile
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.settings import Sources, sources_of
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.web import (
    SECONDS_WITHOUT_PROGRESS,
    BadRange,
    FetchFailed,
    NotThere,
    OutOfOrder,
    Unreachable,
    Web,
    WebPage,
    chunks,
    local_path,
    masked,
    retried,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from ansible_collections.metalfleet.tensorflow.plugins.module_utils._commands import Commands
    from ansible_collections.metalfleet.tensorflow.plugins.module_utils._kinds.wanted import Wanted
    from ansible_collections.metalfleet.tensorflow.plugins.module_utils._progress import Progress
    from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.lock import Pin
    from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.network import Network
    from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.platforms import Platform

AT_ONCE = 8
MAX_WHEEL = 16 * 1024**3
_DISK_IS_FULL = (errno.ENOSPC, errno.EDQUOT)
_WAIT = 0.1  # seconds between looks at what another writer fetches

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Fetched:
    """All archives that were asked for, and what a person should know."""

    stored: tuple[Stored, ...]
    warnings: tuple[str, ...]


def fetch(
    store: WheelStore, wanted: Wanted, network: Network, commands: Commands, *, progress: Progress | None = None
) -> Fetched:
    """Bring what is missing of what is wanted into the store. Raises MetalfleetError; what came so far stays."""
    stock = store.look(wanted.pins, wanted.platform)
    if not stock.missing:
        return Fetched(stock.stored, ())
    sources = sources_of(network)
    web = Web(sources, commands)
    with disk_errors(store.folder):
        store.folder.mkdir(parents=True, exist_ok=True)  # before anybody is asked for anything
        found = _find(stock.missing, wanted, web, sources)
        bringer = _Bringer(store, web, wanted.platform, _Tally(found, progress))
        brought = _in_threads(bringer.bring, found, bringer.stop)
        return Fetched((*stock.stored, *brought), (*sources.warnings, *bringer.warnings))


def _find(pins: Sequence[Pin], wanted: Wanted, web: Web, sources: Sources) -> list[Found]:
    """Which files the pins mean."""
    if wanted.platform is None:
        return [
            Found(pin, (RemoteFile(url.rpartition("/")[2], url, digest),))
            for pin in pins
            for digest, url in wanted.urls.items()
            if digest in pin.hashes
        ]
    found = _in_threads(Finder(web, sources, wanted.platform).find, pins)
    # Whoever takes longest begins first.
    return sorted(found, key=lambda each: -(each.files[0].size or 0))


class _Stopped(Exception):
    """Another thread has failed, so that this one need not go on."""


def _in_threads(work: Callable[[T], R], items: Sequence[T], stop: Callable[[], None] = lambda: None) -> list[R]:
    """The results in order. The first failure is raised, after `stop` told the other threads."""
    with ThreadPoolExecutor(AT_ONCE) as workers:
        tasks = [workers.submit(work, item) for item in items]
        try:
            wait(tasks, return_when=FIRST_EXCEPTION)
            for task in tasks:
                if task.done():
                    task.result()
            return [task.result() for task in tasks]
        except BaseException:
            stop()
            for task in tasks:
                task.cancel()
            raise


class _Words(Protocol):
    """What a person is told, in the terms of where archives come from."""

    def explain_unfetched(self, pin: Pin, url: str, failure: FetchFailed, /) -> MetalfleetError:
        """An archive could not be fetched."""

    def explain_hash(self, pin: Pin, url: str, sha256: str, /) -> MetalfleetError:
        """An archive is another than the lock names."""


class _Bringer:
    """Fetches files into a store. May be used by several threads."""

    def __init__(self, store: WheelStore, web: Web, platform: Platform | None, tally: _Tally) -> None:
        self._store, self._web, self._platform, self._tally = store, web, platform, tally
        self._words: _Words = channels if platform is None else index
        self.warnings: list[str] = []
        self._is_stopped = threading.Event()

    def stop(self) -> None:
        """Let all threads end soon."""
        self._is_stopped.set()

    def bring(self, found: Found) -> Stored:
        """An archive into the store: of several files that may be meant, the first whose hash is in the lock."""
        digest = ""
        for file in found.files:
            try:
                stored, digest = self._bring_file(found.pin, file)
            except FetchFailed as failure:
                raise self._words.explain_unfetched(found.pin, file.url, failure) from failure
            if stored:
                return stored
        raise self._words.explain_hash(found.pin, found.files[-1].url, digest)

    def _bring_file(self, pin: Pin, file: RemoteFile) -> tuple[Stored | None, str]:
        """What is in the store then, if the lock names it, and the file's SHA-256."""
        part = self._store.folder / f"{file.filename}{PART}"
        with self._sole_writer(part) as handle:
            # Another process may have brought it meanwhile.
            stored = self._store.stored(pin, self._platform)
            if stored is None:
                digest = self._download(pin, file, handle)
                if digest in pin.hashes:
                    os.fsync(handle.fileno())
                    target, warnings = self._store.place(digest, file.filename)
                    part.replace(target)
                    _sync_folder(target.parent)
                    self.warnings += warnings
                    return Stored(pin, digest, target), digest
            part.unlink()
            return stored, stored.sha256 if stored else digest

    @contextmanager
    def _sole_writer(self, part: Path) -> Iterator[BinaryIO]:
        """The file that a wheel is written to while it comes, which no other process writes to meanwhile."""
        changed, size = time.monotonic(), -1
        while True:
            if os.path.lexists(part) and not stat.S_ISREG(part.lstat().st_mode):
                self.warnings += self._store.clear(part)
            with _opened_for_writing(part) as handle:
                if claim_for_writing(handle) and _is_at(handle, part):
                    yield handle
                    return
                now = os.fstat(handle.fileno()).st_size
            if now != size:
                changed, size = time.monotonic(), now
            if time.monotonic() - changed > SECONDS_WITHOUT_PROGRESS:
                raise MetalfleetError(
                    f"Another process has been fetching {part} without progress for {SECONDS_WITHOUT_PROGRESS:g} s",
                    remedy="End that process and run again.",
                )
            self._pause()

    def _pause(self) -> None:
        if self._is_stopped.wait(_WAIT):
            raise _Stopped

    def _download(self, pin: Pin, file: RemoteFile, handle: BinaryIO) -> str:
        """Write a file's content, going on with what is there of it. Returns its SHA-256."""
        arrival = self._tally.of(_Arrival(handle, file.size if file.size is not None else MAX_WHEEL))
        self._receive(file, arrival)
        if arrival.is_patched and arrival.digest not in pin.hashes:  # the parts may be of different files
            arrival.restart()
            self._receive(file, arrival)
        return arrival.digest

    def _receive(self, file: RemoteFile, arrival: _Arrival) -> None:
        path = local_path(file.url)
        if path is None:
            retried(lambda: self._receive_remote(file, arrival), lambda: arrival.size)
            return
        arrival.restart()
        try:
            with open_regular(path) as source:
                self._write(iter(lambda: source.read(CHUNK), b""), arrival)
        except FileNotFoundError as error:
            raise NotThere(f"{path} is not there") from error
        except OSError as error:
            if error.errno in _DISK_IS_FULL:
                raise
            raise Unreachable(f"{path}: {error.strerror}") from error

    def _receive_remote(self, file: RemoteFile, arrival: _Arrival) -> None:
        if arrival.size == file.size:
            return
        headers = {"Range": f"bytes={arrival.size}-"} if arrival.size else {}
        try:
            with self._web.opened(file.url, headers) as response:
                if "html" in (response.headers.get("Content-Type") or ""):
                    raise WebPage(f"{masked(file.url)} answered a web page instead of the file")
                if response.status == HTTPStatus.PARTIAL_CONTENT:
                    arrival.is_patched = True
                else:
                    arrival.restart()
                self._write(chunks(response), arrival)
        except BadRange:
            arrival.restart()
            raise

    def _write(self, content: Iterable[bytes], arrival: _Arrival) -> None:
        for chunk in content:
            if self._is_stopped.is_set():
                raise _Stopped
            arrival.append(chunk)
            self._tally.tell()


class _Tally:
    """How much has come of all that is fetched."""

    def __init__(self, missing: Iterable[Found], progress: Progress | None) -> None:
        self._progress = progress
        self._sizes = [each.files[0].size for each in missing]
        self._arrivals: list[_Arrival] = []
        self.tell()

    def of(self, arrival: _Arrival) -> _Arrival:
        """Count a file that begins to come."""
        self._arrivals.append(arrival)
        return arrival

    def tell(self) -> None:
        """Say it to whoever waits."""
        if self._progress:
            total = "" if None in self._sizes else f" of {_in_mb(sum(filter(None, self._sizes)))}"
            come = sum(arrival.size for arrival in self._arrivals)
            self._progress.say("downloading", f"{_in_mb(come)}{total}")


def _in_mb(size: int) -> str:
    return f"{size / 1e6:.0f} MB"


class _Arrival:
    """A file that comes: what is there of it, hashed."""

    def __init__(self, handle: BinaryIO, limit: int) -> None:
        self._handle, self._limit = handle, limit
        self._hash, self.size = hashlib.sha256(), 0
        handle.seek(0)
        while chunk := handle.read(CHUNK):
            self._hash.update(chunk)
            self.size += len(chunk)
        if self.size > limit:
            self.restart()
        self.is_patched = self.size > 0
        """Whether it came in several parts."""

    @property
    def digest(self) -> str:
        """The SHA-256 of what has come."""
        return self._hash.hexdigest()

    def append(self, chunk: bytes) -> None:
        """Raises OutOfOrder where there comes more than may."""
        self.size += len(chunk)
        if self.size > self._limit:
            raise OutOfOrder(f"more than the {self._limit} bytes come that the index speaks of")
        self._hash.update(chunk)
        rest = memoryview(chunk)
        while rest:  # a disk that is nearly full takes a part
            rest = rest[self._handle.write(rest) :]

    def restart(self) -> None:
        """Forget what is there."""
        self._handle.seek(0)
        self._handle.truncate()
        self._hash, self.size, self.is_patched = hashlib.sha256(), 0, False


@contextmanager
def _opened_for_writing(path: Path) -> Iterator[BinaryIO]:
    """A regular file, new or with what it holds."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o644)
    with os.fdopen(descriptor, "r+b", buffering=0) as handle:
        yield handle


def _is_at(handle: BinaryIO, path: Path) -> bool:
    """Whether the path still leads to this file: another process may have finished or removed it."""
    try:
        return os.path.samestat(os.fstat(handle.fileno()), path.lstat())
    except FileNotFoundError:
        return False


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Say what the disk says in words for a person."""
    try:
        yield
    except OSError as error:
        evidence = f"{said_by(error, folder)}."
        if error.errno in _DISK_IS_FULL:
            raise MetalfleetError(
                "The disk is full", evidence=evidence, remedy=f"Free space on the volume of {folder} and run again."
            ) from error
        raise MetalfleetError(
            f"The wheel store {folder} cannot be written to",
            evidence=evidence,
            remedy=f"Make {folder} writable for this user and run again.",
        ) from error
