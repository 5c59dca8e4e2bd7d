# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""Looking at files of which nobody knows what they are."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from pathlib import Path

CHUNK = 256 * 1024


def open_regular(path: Path) -> BinaryIO:
    """A regular file to read. Raises OSError, also for what is none: it never waits for a FIFO or device."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "no regular file", str(path))
    return os.fdopen(descriptor, "rb")


def sha256_of(path: Path) -> str:
    """The SHA-256 of a regular file. Raises OSError."""
    digest = hashlib.sha256()
    with open_regular(path) as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def is_folder(path: Path) -> bool:
    """Whether a folder itself is there, not a link to one."""
    try:
        return stat.S_ISDIR(path.lstat().st_mode)
    except OSError:
        return False
