# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""Looking at files of which nothing is known: by simple patterns, and without ever being held up.

The standard library's glob compiles a regular expression for each name, which takes longer than to look.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import stat
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import IO, BinaryIO, Callable, Union

CHUNK = 256 * 1024
NO_LOCKS = (errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK, errno.ENOSYS)
"""How a file system says that it knows no locks."""
AnyPath = Union[str, "os.PathLike[str]"]
Refused = Callable[[Path, OSError], None]
"""Called with a path that could not be looked at, and why."""


def is_nothing_there(error: OSError) -> bool:
    """Whether the error only says that there is nothing: no such name, or a link that leads nowhere."""
    return error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)


def is_there(path: AnyPath) -> bool:
    """Whether anything is at that path, behind links. Raises OSError where that cannot be told."""
    try:
        os.stat(path)  # noqa: PTH116 - asked of dozens of paths
    except OSError as error:
        if not is_nothing_there(error):
            raise
        return False
    return True


def spelled_on_a_mac(path: str) -> str:
    """One spelling for all paths that are one on a Mac's volume: case and the coding of accents make no difference.

    Source: Apple, "File System Details": APFS is by default case-insensitive and normalization-insensitive.
    """
    return unicodedata.normalize("NFC", path).casefold()


def children(folder: AnyPath, name: str, refused: Refused | None = None) -> list[str]:
    """The names in a folder that fit one with a star, in order."""
    before, _sign, after = name.partition("*")
    try:
        names = os.listdir(folder)  # noqa: PTH208 - the names are all that is wanted
    except OSError as error:
        if refused and not is_nothing_there(error):
            refused(Path(folder), error)
        return []
    least = len(before) + len(after)
    return sorted(
        child for child in names if child.startswith(before) and child.endswith(after) and len(child) >= least
    )


def matching(folder: AnyPath, pattern: str, refused: Refused | None = None) -> list[Path]:
    """What lies at a relative path in which names may have one star each, such as `opt/python@3.*/bin`, in order.

    A folder that is not there holds nothing. One that cannot be looked into neither, but `refused` is told.
    """
    found = [os.fspath(folder).rstrip("/")]  # texts: to join paths takes longer than to look
    for name in pattern.split("/"):
        if "*" in name:
            found = [f"{path}/{child}" for path in found for child in children(path or "/", name, refused)]
        else:
            found = [f"{path}/{name}" for path in found]
    return [Path(path) for path in found if _is_there(path, refused)]


def _is_there(path: str, refused: Refused | None) -> bool:
    try:
        return is_there(path)
    except OSError as error:
        if refused:
            refused(Path(path), error)
        return False


def each_folder(top: AnyPath, refused: Refused | None = None) -> Iterator[tuple[str, list[str], list[str]]]:
    """Each folder below `top`, itself the first: its path, the names of its folders, and of all else in it.

    Folders that are taken out of their list are not visited. Those that cannot be looked into are left out, and
    `refused` is told. It is os.walk without a recursion, which that has before Python 3.12: folders may have no end.
    """
    waiting = [os.fspath(top)]
    while waiting:
        path = waiting.pop()
        folders: list[str] = []
        others: list[str] = []
        try:
            with os.scandir(path) as entries:
                for entry in entries:
                    (folders if entry.is_dir(follow_symlinks=False) else others).append(entry.name)
        except OSError as error:
            if refused:
                refused(Path(path), error)
            continue
        yield path, folders, others
        waiting += [f"{path}/{name}" for name in folders]


def closed_folder(path: Path) -> Path:
    """The first folder on the way to `path` that may not be entered; `path` itself where there is none."""
    return next((folder for folder in reversed(path.parents) if not os.access(folder, os.X_OK)), path)


def is_folder(path: AnyPath) -> bool:
    """Whether a folder itself is there, not a link to one."""
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode)
    except OSError:
        return False


def open_guard(path: AnyPath) -> BinaryIO:
    """A file that is only there to be locked. Raises OSError, also for a FIFO, which would keep a writer waiting."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC, 0o666), "wb")


def claim_for_writing(handle: IO[bytes], *, shared: bool = False) -> bool:
    """Whether this process alone may write to a file from now on; true also where a file system knows no locks.

    With `shared`, others may have the file like that, but nobody alone.
    """
    try:
        fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
    return True


def open_regular(path: AnyPath) -> BinaryIO:
    """A regular file to read. Raises OSError, also for what is none: a FIFO would keep a reader waiting for ever."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    return os.fdopen(descriptor, "rb")


def read_regular(path: AnyPath) -> bytes:
    """The content of a regular file. Raises OSError where there is none."""
    with open_regular(path) as file:
        return file.read()


def head_of_file(path: AnyPath, size: int) -> bytes:
    """At most `size` bytes from the beginning of a regular file. Raises OSError where there is none."""
    with open_regular(path) as file:
        return file.read(size)


def sha256_of(path: AnyPath) -> str:
    """The SHA-256 of a regular file. Raises OSError."""
    return digest_of(path, "sha256")


def digest_of(path: AnyPath, algorithm: str) -> str:
    """The digest of a regular file by an algorithm that hashlib knows. Raises OSError."""
    digest = hashlib.new(algorithm)
    with open_regular(path) as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
