# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""What the controller brings, on its way into the host's wheel store: what is big alone, all else in one archive.

Each is a file that may have come in part. What is whole by its hash gets into the store, everything else is forgotten.
"""

from __future__ import annotations

import re
import shutil
import tarfile
from contextlib import suppress
from typing import TYPE_CHECKING, BinaryIO

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._kinds.fetch import disk_errors
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._kinds.wheels import ARCHIVES, PART, WheelStore
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._paths import is_folder, sha256_of

if TYPE_CHECKING:
    from pathlib import Path

ARCHIVE = f"wheels.tar{PART}"
_NAME = rf"[A-Za-z0-9_.!+%~-]+(?:{'|'.join(map(re.escape, ARCHIVES))})"
_ARRIVAL = re.compile(rf"([0-9a-f]{{64}})-({_NAME}){re.escape(PART)}")


def name_on_the_way(sha256: str, filename: str) -> str:
    """What a wheel or a conda package is called that is brought."""
    return f"{sha256}-{filename}{PART}"


def take_in(store: WheelStore, incoming: Path) -> None:
    """Put what has come whole into the store. `incoming` may be its own folder. Raises MetalfleetError."""
    with disk_errors(store.folder):
        if not is_folder(incoming):
            return
        store.folder.mkdir(parents=True, exist_ok=True)
        if incoming != store.folder:
            _copy(incoming, store.folder)
        archive = store.folder / ARCHIVE
        if archive.is_file():
            _unpack(archive, store.folder)
            archive.unlink()
        for part in sorted(store.folder.iterdir()):
            found = _ARRIVAL.fullmatch(part.name)
            if found and part.is_file() and not part.is_symlink():
                _place(part, store, *found.groups())


def _copy(incoming: Path, folder: Path) -> None:
    """Copies belong to the user that this runs as; what was sent belongs to the one that logged in."""
    for file in incoming.iterdir():
        if file.is_file() and (file.name == ARCHIVE or _ARRIVAL.fullmatch(file.name)):
            with file.open("rb") as content, _new_file(folder / file.name) as copy:
                shutil.copyfileobj(content, copy)


def _unpack(archive: Path, folder: Path) -> None:
    """What is in an archive, as far as that goes: one that was cut off has fewer, or the last in part."""
    with suppress(tarfile.TarError, EOFError, ValueError), tarfile.open(archive) as tar:
        for member in tar:
            content = tar.extractfile(member) if member.isreg() and _ARRIVAL.fullmatch(member.name) else None
            if content:
                with _new_file(folder / member.name) as part:
                    shutil.copyfileobj(content, part)


def _new_file(path: Path) -> BinaryIO:
    """A file of its own at a path of ours, whatever lies there: a link is not followed."""
    path.unlink(missing_ok=True)
    return path.open("xb")


def _place(part: Path, store: WheelStore, sha256: str, filename: str) -> None:
    if sha256_of(part) == sha256:
        path, _warnings = store.place(sha256, filename)
        part.chmod(0o644)
        part.replace(path)
    else:
        part.unlink()
