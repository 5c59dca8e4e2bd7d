# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""Trees of files: walking them fast, and hashing them with threads.

Nobody knows what a user, a program or a damaged disk has put into a folder of ours. So nothing is opened that is no
regular file or folder, and what cannot be read is said to be so; it is no reason to fail.
"""

from __future__ import annotations

import os
import shutil
import stat
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._paths import each_folder, sha256_of
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._python.intact import COMPILED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Stamp = list[Any]
"""What is known of an entry without opening it, as JSON has it: its mode with the bits of its type, its user's number;
then, of a file, size in bytes and mtime in nanoseconds; of a symbolic link, its target; of a folder that cannot be
looked into, UNREADABLE."""
Tree = dict[str, dict[str, Stamp]]
"""Folder, relative to the top, to its entries by name; its own stamp has the name FOLDER."""

FOLDER = ""
UNREADABLE = None
DEEPEST = 64
"""Folders in folders. What lies deeper is not looked at: each level holds a descriptor, of which a Mac allows 256."""


def walk(top: Path, ignored: frozenset[str] = frozenset()) -> Tree:
    """Everything in a folder with its stamp, except compiled Python and ignored names of files."""
    tree: Tree = {}
    _walk(str(top), None, "", ignored, tree)
    return tree


def _walk(name: str, parent: int | None, inside: str, ignored: frozenset[str], tree: Tree) -> None:
    """By descriptors: looking a file up in an open folder costs half of looking its whole path up."""
    try:
        if inside.count("/") >= DEEPEST:
            raise PermissionError  # noqa: TRY301 - nobody may look into it, so that it is one that cannot be looked into
        folder = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
    except FileNotFoundError:  # it has gone meanwhile
        return
    except PermissionError:
        status = os.stat(name, dir_fd=parent, follow_symlinks=False)
        tree[inside] = {FOLDER: [status.st_mode, status.st_uid, UNREADABLE]}
        return
    try:
        tree[inside], folders = _entries(folder, ignored)
        for child in folders:
            _walk(child, folder, f"{inside}/{child}" if inside else child, ignored, tree)
    finally:
        os.close(folder)


def _entries(folder: int, ignored: frozenset[str]) -> tuple[dict[str, Stamp], list[str]]:
    """The stamps in an open folder, and the names of the folders in it."""
    status = os.fstat(folder)
    found: dict[str, Stamp] = {FOLDER: [status.st_mode, status.st_uid]}
    folders = []
    with os.scandir(folder) as entries:
        for entry in entries:
            name = entry.name
            if name in ignored and not entry.is_dir(follow_symlinks=False):
                continue
            if entry.is_file(follow_symlinks=False):
                status = entry.stat(follow_symlinks=False)
                found[name] = [status.st_mode, status.st_uid, status.st_size, status.st_mtime_ns]
            elif entry.is_dir(follow_symlinks=False):
                if name != COMPILED:
                    folders.append(name)
            else:
                status = entry.stat(follow_symlinks=False)
                target = [os.readlink(name, dir_fd=folder)] if entry.is_symlink() else []
                found[name] = [status.st_mode, status.st_uid, *target]
    return found, folders


def is_regular(stamp: Stamp) -> bool:
    """Whether a stamp is that of a regular file."""
    return stat.S_ISREG(stamp[0])


def paths(tree: Tree) -> Iterator[tuple[str, Stamp]]:
    """The files, links and odd entries of a tree as relative paths with their stamps."""
    for folder, entries in tree.items():
        for name, stamp in entries.items():
            if name != FOLDER:
                yield (f"{folder}/{name}" if folder else name), stamp


def links(tree: Tree) -> Iterator[tuple[str, str]]:
    """The symbolic links of a tree, each with its target."""
    for path, stamp in paths(tree):
        if stat.S_ISLNK(stamp[0]):
            yield path, stamp[2]


def hash_all(top: Path, relative: Iterable[str]) -> dict[str, str]:
    """SHA-256 of many files; "" of what cannot be read, or is not a regular file.

    hashlib lets go of the interpreter's lock, so threads use every core.
    """

    def digest(path: str) -> str:
        with suppress(OSError):
            return sha256_of(top / path)
        return ""

    wanted = list(relative)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return dict(zip(wanted, pool.map(digest, wanted, chunksize=64)))


def remove_bytecode(top: Path) -> None:
    """Remove compiled Python, which would run instead of the sources without having been checked."""
    for above, folders, others in each_folder(top):
        compiled = Path(above, COMPILED)
        if COMPILED in folders:
            folders.remove(COMPILED)
            shutil.rmtree(compiled)
        elif COMPILED in others and compiled.is_dir():  # a link to a folder
            compiled.unlink()
