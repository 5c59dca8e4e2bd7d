# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""The wheel store: locked wheels as files, each in a folder that is called by its SHA-256.

    STORE/0a1b.../numpy-1.26.4-cp312-cp312-macosx_11_0_arm64.whl     a whole wheel
    STORE/numpy-1.26.4-cp312-cp312-macosx_11_0_arm64.whl.part        what has been fetched of one so far

A wheel gets into its folder whole, by one rename. uv installs from the folders of a lock's wheels and sees no others.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import re
import stat
import sys
import threading
import time
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Callable, TypeVar

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._paths import (
    CHUNK,
    is_folder,
    open_regular,
    sha256_of,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.index import (
    Finder,
    Found,
    RemoteFile,
    explain_fetch,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.platforms import parse_wheel_name
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.settings import Network, sources_of
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.web import (
    SECONDS_WITHOUT_PROGRESS,
    BadRange,
    FetchFailed,
    OutOfOrder,
    Unreachable,
    Web,
    chunks,
    local_path,
    masked,
    retried,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from ansible_collections.metalfleet.tensorflow.plugins.module_utils._commands import Commands
    from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.lock import Pin
    from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.platforms import Platform

AT_ONCE = 8
MAX_WHEEL = 16 * 1024**3
_DIGEST = re.compile(r"[0-9a-f]{64}")
_PART = ".part"
_DISK_IS_FULL = (errno.ENOSPC, errno.EDQUOT)
_WAIT = 0.1  # seconds between looks at what another writer fetches

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Stored:
    """A whole wheel in the store."""

    pin: Pin
    sha256: str
    path: Path


@dataclass(frozen=True)
class Stock:
    """Which wheels of some pins are in the store, and which pins have none there that is whole."""

    stored: tuple[Stored, ...]
    missing: tuple[Pin, ...]


@dataclass(frozen=True)
class Fetched:
    """All wheels that were asked for, and what a person should know."""

    wheels: tuple[Stored, ...]
    warnings: tuple[str, ...]


class WheelStore:
    """The wheels in a folder. What is in the way there and not ours is moved to `set_aside`."""

    def __init__(self, folder: Path, set_aside: Path) -> None:
        self.folder, self.set_aside = folder, set_aside

    def look(self, pins: Iterable[Pin], platform: Platform) -> Stock:
        """Hash what is there of these pins for a platform. Changes nothing, and never waits for an odd entry."""
        pins = list(pins)
        with ThreadPoolExecutor(os.cpu_count() or 1) as workers:
            found = list(workers.map(lambda pin: self.stored(pin, platform), pins))
        missing = [pin for pin, stored in zip(pins, found) if stored is None]
        return Stock(tuple(stored for stored in found if stored), tuple(missing))

    def fetch(self, pins: Iterable[Pin], platform: Platform, network: Network, commands: Commands) -> Fetched:
        """Bring what is missing of these pins into the store. Raises MetalfleetError; what came so far stays."""
        stock = self.look(pins, platform)
        if not stock.missing:
            return Fetched(stock.stored, ())
        sources = sources_of(network)
        web = Web(sources, commands)
        with _disk_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            found = _in_threads(Finder(web, sources, platform).find, stock.missing)
            # Whoever takes longest begins first.
            found.sort(key=lambda each: -(each.files[0].size or 0))
            bringer = _Bringer(self, web, platform)
            brought = _in_threads(bringer.bring, found, bringer.stop)
        return Fetched((*stock.stored, *brought), (*sources.warnings, *bringer.warnings))

    def prune(self, keep: Collection[str]) -> list[str]:
        """Remove wheels other than those with the SHA-256 in `keep`, and what was fetched in part.

        Returns warnings: what could not be removed, and why. What is not ours stays.
        """
        warnings: list[str] = []
        try:
            entries = list(os.scandir(self.folder))
        except FileNotFoundError:
            return []
        except OSError as error:
            return [f"{self.folder} cannot be read ({error.strerror}), so that no old wheels were removed."]
        for entry in entries:
            if entry.name.endswith(f".whl{_PART}") or (_DIGEST.fullmatch(entry.name) and entry.name not in keep):
                try:
                    _remove_ours(Path(entry.path))
                except OSError as error:
                    warnings.append(
                        f"{entry.path} could not be removed ({error.strerror}). It is no longer needed: remove it."
                    )
        return warnings

    def place(self, sha256: str, filename: str) -> tuple[Path, list[str]]:
        """Where a whole wheel goes, free of what was there, and what had to be moved away for it."""
        home, warnings = self.folder / sha256, []
        if not is_folder(home):
            warnings += self.clear(home)
        home.mkdir(exist_ok=True)
        for name in os.listdir(home):  # noqa: PTH208
            if name.endswith(".whl"):
                warnings += self.clear(home / name)
        return home / filename, warnings

    def clear(self, path: Path) -> list[str]:
        """Take away what is at a path of ours: a folder, which may hold anything, is kept elsewhere."""
        if not is_folder(path):
            path.unlink(missing_ok=True)
            return []
        self.set_aside.mkdir(parents=True, exist_ok=True)
        number = 1
        while os.path.lexists(target := self.set_aside / f"{path.name}.{number}"):
            number += 1
        path.rename(target)
        return [f"{path} is no wheel. It was moved to {target}."]

    def stored(self, pin: Pin, platform: Platform) -> Stored | None:
        """The whole wheel of a pin, if it is there."""
        return next((stored for digest in sorted(pin.hashes) for stored in self._whole(pin, digest, platform)), None)

    def _whole(self, pin: Pin, digest: str, platform: Platform) -> Iterator[Stored]:
        """The wheel in a digest's folder, if it is the only one there, of this pin, for this platform, and whole."""
        home = self.folder / digest
        if not is_folder(home):
            return
        with suppress(OSError):
            wheels = [name for name in os.listdir(home) if name.endswith(".whl")]  # noqa: PTH208
            name = parse_wheel_name(wheels[0]) if len(wheels) == 1 else None
            if name and name.name == pin.name and platform.rank(name) is not None:
                path = home / wheels[0]
                if not path.is_symlink() and sha256_of(path) == digest:
                    yield Stored(pin, digest, path)


def requirements_of(wheels: Iterable[Stored]) -> str:
    """A requirements file of exactly these wheels, for uv."""
    return "".join(f"{wheel.pin.name}=={wheel.pin.version} --hash=sha256:{wheel.sha256}\n" for wheel in wheels)


def uv_arguments(wheels: Iterable[Stored], cache: Path) -> list[str]:
    """Arguments with which uv sees these wheels and no others, and needs nobody.

    `cache` is a folder on the environment's volume. It must be removed as soon as uv is done: uv unpacks into it and
    gives the environment the same files, by links, since a copy costs as much as all the rest. Once the cache is gone,
    the environment shares nothing with anybody.
    """
    return [
        *("--offline", "--no-index", "--no-config", "--require-hashes", "--only-binary=:all:"),
        *(f"--cache-dir={cache}", f"--link-mode={'clone' if sys.platform == 'darwin' else 'hardlink'}"),
        *(f"--find-links={wheel.path.parent}" for wheel in wheels),
    ]


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


class _Bringer:
    """Fetches files into a store. May be used by several threads."""

    def __init__(self, store: WheelStore, web: Web, platform: Platform) -> None:
        self._store, self._web, self._platform = store, web, platform
        self.warnings: list[str] = []
        self._is_stopped = threading.Event()

    def stop(self) -> None:
        """Let all threads end soon."""
        self._is_stopped.set()

    def bring(self, found: Found) -> Stored:
        """A wheel into the store: of several files that may be meant, the first whose hash is in the lock."""
        pin, digest = found.pin, ""
        for file in found.files:
            try:
                stored, digest = self._bring_file(pin, file)
            except FetchFailed as failure:
                raise explain_fetch(failure, f"The wheel of {pin} cannot be fetched") from failure
            if stored:
                return stored
        raise MetalfleetError(
            f"The hash of the wheel of {pin} is not the one in the lock",
            evidence=f"{masked(found.files[-1].url)} has the SHA-256 {digest}.",
            remedy="The index gave another file than the lock names, or the lock is wrong: check the index (and a "
            "proxy on the way to it), or make the lock anew.",
        )

    def _bring_file(self, pin: Pin, file: RemoteFile) -> tuple[Stored | None, str]:
        """What is in the store then, if the lock names it, and the file's SHA-256."""
        part = self._store.folder / f"{file.filename}{_PART}"
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
                if _lock(handle) and _is_at(handle, part):
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
        arrival = _Arrival(handle, file.size if file.size is not None else MAX_WHEEL)
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
                    raise OutOfOrder(f"{masked(file.url)} answered a web page instead of a wheel")
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


def _lock(handle: BinaryIO) -> bool:
    """Whether this process alone may write to it from now on; true also where a file system knows no locks."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in (errno.ENOLCK, errno.ENOTSUP):
            raise
    return True


def _is_at(handle: BinaryIO, path: Path) -> bool:
    """Whether the path still leads to this file: another process may have finished or removed it."""
    try:
        return os.path.samestat(os.fstat(handle.fileno()), path.lstat())
    except FileNotFoundError:
        return False


def _remove_ours(path: Path) -> None:
    """Remove what may be ours: a file, or a folder as far as there are wheels in it. Raises OSError."""
    if not is_folder(path):
        if path.name.endswith(_PART) and _is_being_written(path):
            return
        path.unlink()
        return
    for name in os.listdir(path):  # noqa: PTH208
        if (name.endswith(".whl") or name == ".DS_Store") and not is_folder(path / name):
            (path / name).unlink()
    path.rmdir()


def _is_being_written(path: Path) -> bool:
    with suppress(OSError), open_regular(path) as handle:
        return not _lock(handle)
    return False


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _disk_errors(folder: Path) -> Iterator[None]:
    """Say what the disk says in words for a person."""
    try:
        yield
    except OSError as error:
        evidence = f"{error.filename or folder}: {error.strerror}."
        if error.errno in _DISK_IS_FULL:
            raise MetalfleetError(
                "The disk is full", evidence=evidence, remedy=f"Free space on the volume of {folder} and run again."
            ) from error
        raise MetalfleetError(
            f"The wheel store {folder} cannot be written to",
            evidence=evidence,
            remedy=f"Make {folder} writable for this user and run again.",
        ) from error
