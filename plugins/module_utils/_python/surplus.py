# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""Pythons and uv versions of ours that nothing uses any more."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._json import parse_json
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._paths import matching, read_regular
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._python.intact import RECORD
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._python.wanted import link_to, target_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

REASON = "surplus-python"
MANIFEST = "metalfleet-manifest.json"


def surplus(root: Path, minors: Iterable[str] = ()) -> list[Path]:
    """What below a root nothing uses: folders of a Python or a uv to which no link, generation or controller leads.

    Links to additional Pythons are, too, except those for the `minors` that environments ask for. Nothing is surplus
    while nothing is linked: then it is not known what is in use.
    """
    linked = [target_of(root / "bin" / name) for name in ("python3", "uv")]
    if not all(linked):
        return []
    wanted = [link_to(root, minor) for minor in minors]
    links = [link for link in matching(root, "bin/python3.*") if link not in wanted]
    closed: list[Path] = []
    interpreters = list(_interpreters(root, closed))
    if closed:  # who knows what that uses
        return links
    used = {os.path.realpath(program) for program in (*linked, *map(target_of, wanted), *interpreters)}
    installed = [*matching(root, "python/cpython-*"), *matching(root, "uv/*")]
    unused = (folder for folder in installed if not any(_lies_in(path, folder) for path in used))
    return [*links, *(folder for folder in unused if _is_ours(folder))]


def _interpreters(root: Path, closed: list[Path]) -> Iterator[str]:
    """What the generations of every environment, also unfinished ones, lead to, and what their manifests name.

    The same of the controllers that setup.sh made. `closed` gets what could not be looked into.
    """
    for controller in matching(root, "controller/release-*", lambda path, _: closed.append(path)):
        yield str(controller / "environment/bin/python")
    for generation in matching(root, "environments/*/*", lambda path, _: closed.append(path)):
        yield str(generation / "bin" / "python")
        with suppress(OSError, ValueError, LookupError, TypeError):
            # The first line is its digest, the second identifies it, what follows are its files.
            head = read_regular(generation / MANIFEST).split(b"\n", 2)[1]
            yield str(parse_json(head)["interpreter"]["path"])


def _is_ours(folder: Path) -> bool:
    """Whether we have installed it; not what an installation is just making."""
    return not folder.name.startswith(".") and not folder.is_symlink() and (folder / RECORD).is_file()


def _lies_in(path: str, folder: Path) -> bool:
    return path.startswith(os.path.realpath(folder) + os.sep)
