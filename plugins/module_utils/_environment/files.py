# SPDX-License-Identifier: GPL-3.0-or-later
"""Trees of files: walking them fast, hashing them with threads, and what wheels say of theirs."""

from __future__ import annotations

import base64
import csv
import hashlib
import os
import re
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


def site_packages(environment: Path) -> Path | None:
    """The folder of an environment's packages; None if there is none."""
    return next(iter(sorted(environment.glob("lib/python3.*/site-packages"))), None)


def distribution_of(metadata_folder: str) -> tuple[str, str] | None:
    """Normalised name (PEP 503) and version from a metadata folder's name (PEP 376); None if it is none."""
    if not metadata_folder.endswith(".dist-info"):
        return None
    name, _, version = metadata_folder[: -len(".dist-info")].partition("-")
    return re.sub(r"[-_.]+", "-", name).lower(), version


def recorded_digests(packages: Path, metadata_folder: str) -> dict[str, str]:
    """Path relative to the packages' folder, to hexadecimal SHA-256, of what a wheel's RECORD lists with a hash.

    Compiled Python, which some wheels bring, is left out as in `walk`: Python itself replaces it.
    Source: https://packaging.python.org/specifications/recording-installed-packages/ (urlsafe base64 without padding).
    """
    with (packages / metadata_folder / "RECORD").open(encoding="utf-8", newline="") as record:
        return {
            row[0]: base64.urlsafe_b64decode(row[1][len("sha256=") :] + "=").hex()
            for row in csv.reader(record)
            if len(row) > 1 and row[1].startswith("sha256=") and "__pycache__" not in row[0]
        }
