# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""Whether a folder that we installed is as it was: a record of its files, and what differs from it.

It is also a program that travels alone, to hosts without anything of ours. One that fails is a difference, too: the
folder may be that of the very Python that runs it.

    intact.py record FOLDER     writes FOLDER/metalfleet-files.txt
    intact.py compare FOLDER    prints the first file that is missing or another; nothing if there is none
    intact.py rescue FOLDER TO  moves what others have put there to another folder, and prints the paths
"""

from __future__ import annotations

import os
import stat
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

RECORD = "metalfleet-files.txt"
COMPILED = "__pycache__"
NOBODYS = frozenset({".DS_Store"})
"""Names of files that Finder makes wherever somebody looks."""


def record(folder: Path) -> None:
    """Write down mode, size, time and path of every file; what a compiler writes down for itself is left out."""
    (folder / RECORD).unlink(missing_ok=True)
    lines = [_describe(folder, path) for path in files_of(folder)]
    (folder / RECORD).write_text("\n".join([f"{len(lines)} files", *lines]), "utf-8", "surrogateescape")


def difference(folder: Path) -> str:
    """The first file that is not as it was recorded, or the record itself; "" if all are. More files do not count."""
    try:
        if not stat.S_ISREG((folder / RECORD).stat().st_mode):  # nobody knows who would be waited for
            return RECORD
        count, *lines = (folder / RECORD).read_text("utf-8", "surrogateescape").split("\n")
    except OSError:
        return RECORD
    if count != f"{len(lines)} files":
        return RECORD
    return next((path for line in lines for path in [line.split(" ", 3)[-1]] if _describe(folder, path) != line), "")


def rescue(folder: Path, kept: Path) -> list[str]:
    """Move the files that were not there when the folder was recorded. Returns their paths in it.

    It is for a folder that is to be removed: we delete only what we made.
    """
    try:
        lines = (folder / RECORD).read_text("utf-8", "surrogateescape").split("\n")
    except OSError:
        lines = []
    ours = {RECORD, *(line.split(" ", 3)[-1] for line in lines)}
    strays = [path for path in files_of(folder) if path not in ours and path.rpartition("/")[2] not in NOBODYS]
    for path in strays:
        (kept / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).rename(kept / path)
    return strays


def files_of(folder: Path, ignored: tuple[type[OSError], ...] = ()) -> Iterator[str]:
    """The paths of all that is no folder, except what a compiler makes again. Raises errors that are not ignored."""
    waiting = [""]
    while waiting:
        below = waiting.pop()
        with suppress(*ignored), os.scandir(folder / below) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(f"{below}{entry.name}/")
                elif not (below.endswith(f"{COMPILED}/") and is_compiled(entry.name)):
                    yield below + entry.name


def is_compiled(name: str) -> bool:
    """Whether Python, or Numba, makes a file of this name in a folder for compiled code, and makes it again."""
    return name.endswith((".pyc", ".nbi", ".nbc")) or ".pyc." in name  # the latter while it is written


def _describe(folder: Path, path: str) -> str:
    try:
        status = os.lstat(f"{folder}/{path}")
    except OSError:
        return ""
    # The time of a link says nothing, and not every archive keeps it.
    time = 0 if stat.S_ISLNK(status.st_mode) else status.st_mtime_ns
    return f"{status.st_mode:o} {status.st_size} {time} {path}"


if __name__ == "__main__":
    command, first, *others = sys.argv[1:]
    if command == "record":
        record(Path(first))
    elif command == "compare":
        sys.stdout.write(difference(Path(first)))
    else:
        sys.stdout.write("\n".join(rescue(Path(first), Path(others[0]))))
