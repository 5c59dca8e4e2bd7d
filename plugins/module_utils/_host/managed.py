# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""The managed Python and uv of a host, as far as its environments depend on them."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._commands import Commands
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.safety import (
    folders_in_use,
    free_name,
    remove_tree,
    say_stuck,
    what_keeps_it_from_removal,
    why_not_removed,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._host.document import Document
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._host.report import Managed
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._layout import Places
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._python.intact import rescue
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._python.plan import Request, Seen, make_plan
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._python.surplus import surplus
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._python.wanted import linked


def look_at_python(document: Document, commands: Commands) -> Managed:
    """Whether they are as declared, and what of them nothing uses any more. Nothing is known where none is declared."""
    if not document.python:
        return Managed()
    root, request = document.places.root, Request(**document.python)

    def reasons(request: Request, minor: str = "") -> tuple[str, ...]:
        return make_plan(Seen(root, os.uname().sysname, linked(root, minor)), request).reasons

    beside = {minor: reasons(replace(request, version=minor, existing=""), minor) for minor in document.minors}
    keepers = {path: what_keeps_it_from_removal(path) for path in unused(root, document.minors, commands)}
    removable = tuple(str(path) for path, keeper in keepers.items() if keeper is None)
    stuck = {path: f"{keeper} belongs to another user" for path, keeper in keepers.items() if keeper}
    return Managed(
        reasons(request),
        removable,
        # They all use one uv, which comes with the first Python.
        {minor: left for minor, found in beside.items() if (left := tuple(each for each in found if each != "uv"))},
        warnings=tuple(say_stuck(path, why) for path, why in stuck.items()),
    )


def remove_surplus(places: Places, surplus: Iterable[str]) -> list[str]:
    """Remove folders and links that nothing uses any more, after environments were repaired; returns warnings."""
    warnings: list[str] = []

    def remove(folder: Path) -> None:
        if not folder.is_dir() or folder.is_symlink():
            folder.unlink()
            return
        kept = free_name(places.set_aside, folder.name)
        if rescue(folder, kept):
            warnings.append(f"{folder} was removed. What others had put there was moved to {kept}.")
        remove_tree(folder)

    with no_installation(places.root) as is_idle:
        for folder in map(Path, surplus):
            if is_idle:
                warnings += why_not_removed(folder, remove)
            else:
                warnings.append(f"{folder} is left for the next run: a Python is just being installed.")
    return warnings


@contextmanager
def no_installation(root: Path) -> Iterator[bool]:
    """Let no Python be installed meanwhile; false if one is just being installed."""
    with ExitStack() as stack:
        try:
            with suppress(FileNotFoundError, PermissionError):  # nothing was installed, or not by this user
                guard = stack.enter_context((root / "python" / ".lock").open("a"))
                fcntl.flock(guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def unused(root: Path, minors: Iterable[str], commands: Commands) -> list[Path]:
    """What neither a link, nor a generation, nor a process of this user uses; see _python.surplus."""
    folders = surplus(root, minors)
    used = folders_in_use(folders, commands)
    return [folder for folder in folders if folder not in used]
