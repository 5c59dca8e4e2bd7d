# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""Pythons and uv versions of ours that nothing uses any more."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._paths import matching, read_regular
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._python.intact import RECORD
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._python.wanted import target_of

if TYPE_CHECKING:
    from collections.abc import Iterator

REASON = "surplus-python"
MANIFEST = "metalfleet-manifest.json"


def surplus(root: Path) -> list[Path]:
    """Folders below a root that hold a Python or a uv which neither a link nor a generation leads to.

    Nothing is surplus while nothing is linked: then it is not known what is in use.
    """
    linked = [target_of(root / "bin" / name) for name in ("python3", "uv")]
    if not all(linked):
        return []
    used = {os.path.realpath(program) for program in (*linked, *_interpreters(root))}
    installed = [*matching(root, "python/cpython-*"), *matching(root, "uv/*")]
    return [folder for folder in installed if _is_ours(folder) and not any(_lies_in(path, folder) for path in used)]


def _interpreters(root: Path) -> Iterator[str]:
    """What the generations of every environment, also unfinished ones, lead to, and what their manifests name."""
    for generation in matching(root, "environments/*/*"):
        yield str(generation / "bin" / "python")
        with suppress(OSError, ValueError, LookupError, TypeError):
            # The first line is its digest, the second identifies it, what follows are its files.
            head = read_regular(generation / MANIFEST).split(b"\n", 2)[1]
            yield str(json.loads(head)["interpreter"]["path"])


def _is_ours(folder: Path) -> bool:
    """Whether we have installed it; not what an installation is just making."""
    return not folder.name.startswith(".") and not folder.is_symlink() and (folder / RECORD).is_file()


def _lies_in(path: str, folder: Path) -> bool:
    return path.startswith(os.path.realpath(folder) + os.sep)
