# SPDX-License-Identifier: GPL-3.0-or-later
"""Trees of files: walking them fast, and hashing them with threads."""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Stamp = list[Any]
"""[size in bytes, mtime in nanoseconds], or [target] of a symbolic link: as JSON has it."""
Tree = dict[str, dict[str, Stamp]]
"""Folder, relative to the top, to the files in it by name."""

READ_SIZE = 1 << 20


def walk(top: Path, ignored: frozenset[str] = frozenset()) -> Tree:
    """Every file below a folder with its stamp, but for caches of compiled Python and files of an ignored name."""
    tree: Tree = {}
    with _opened(str(top)) as folder:
        _walk(folder, "", ignored, tree)
    return tree


def _walk(folder: int, inside: str, ignored: frozenset[str], tree: Tree) -> None:
    """By descriptors: looking a file up in an open folder costs half of looking its whole path up."""
    files: dict[str, Stamp] = {}
    folders = []
    with os.scandir(folder) as entries:
        for entry in entries:
            name = entry.name
            if entry.is_file(follow_symlinks=False):
                if name not in ignored:
                    status = entry.stat(follow_symlinks=False)
                    files[name] = [status.st_size, status.st_mtime_ns]
            elif entry.is_symlink():
                files[name] = [os.readlink(name, dir_fd=folder)]
            elif name != "__pycache__":
                folders.append(name)
    if files:
        tree[inside] = files
    for name in folders:
        with _opened(name, folder) as child:
            _walk(child, f"{inside}/{name}" if inside else name, ignored, tree)


@contextmanager
def _opened(folder: str, parent: int | None = None) -> Iterator[int]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY, dir_fd=parent)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def paths(tree: Tree) -> Iterator[tuple[str, Stamp]]:
    """The files of a tree as relative paths with their stamps."""
    for folder, files in tree.items():
        for name, stamp in files.items():
            yield (f"{folder}/{name}" if folder else name), stamp


def sha256(path: Path) -> str:
    """Hexadecimal digest of a file."""
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        while block := file.read(READ_SIZE):
            digest.update(block)
    return digest.hexdigest()


def hash_all(top: Path, relative: Iterable[str]) -> dict[str, str]:
    """Digests of many files. hashlib lets go of the interpreter's lock, so threads use every core."""
    wanted = list(relative)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return dict(zip(wanted, pool.map(lambda path: sha256(top / path), wanted, chunksize=64)))
