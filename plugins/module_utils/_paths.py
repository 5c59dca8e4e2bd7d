# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""Files by simple patterns.

The standard library's glob compiles a regular expression for each name, which takes longer than to look.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def matching(folder: Path, pattern: str) -> list[Path]:
    """What lies at a relative path in which names may have one star each, such as `opt/python@3.*/bin`, in order.

    A folder that is not there, or may not be read, holds nothing.
    """
    found = [folder]
    for name in pattern.split("/"):
        found = [path / child for path in found for child in _children(path, name)]
    return [path for path in found if os.access(path, os.F_OK)]


def _children(folder: Path, name: str) -> list[str]:
    before, star, after = name.partition("*")
    if not star:
        return [name]
    try:
        names = os.listdir(folder)  # noqa: PTH208 - the names are all that is wanted
    except OSError:
        return []
    least = len(before) + len(after)
    return sorted(
        child for child in names if child.startswith(before) and child.endswith(after) and len(child) >= least
    )
