# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""Variables that were set under a name that is nearly right."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST_SLIPS = 2
"""Letters by which a slip differs from what was meant."""


def find_slip(names: Iterable[str], known: Iterable[str]) -> tuple[str, str] | None:
    """The first name that is not known but at most two letters away from one that is, with that one."""
    right = set(known)
    of_length: dict[int, list[tuple[str, tuple[str, str, str]]]] = {}
    for meant in sorted(right):
        for length in range(len(meant) - MOST_SLIPS, len(meant) + MOST_SLIPS + 1):
            of_length.setdefault(length, []).append((meant, _parts(meant)))
    for name in names:
        if name not in right and not name.startswith("_"):
            for meant, pieces in of_length.get(len(name), ()):
                # A slip leaves one of three parts as it is: cheap to see, and nearly never true of other names.
                if any(piece in name for piece in pieces) and distance(name, meant) <= MOST_SLIPS:
                    return name, meant
    return None


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that is at most two letters away, if there is one."""
    return min(
        (each for each in known if distance(name, each) <= MOST_SLIPS),
        key=lambda each: distance(name, each),
        default=None,
    )


def _parts(name: str) -> tuple[str, str, str]:
    third = len(name) // 3
    return name[:third], name[third : 2 * third], name[2 * third :]


def distance(one: str, other: str) -> int:
    """How many letters must be added, removed or exchanged (Levenshtein); more than MOST_SLIPS is not counted."""
    if abs(len(one) - len(other)) > MOST_SLIPS:
        return MOST_SLIPS + 1
    row = list(range(len(other) + 1))
    for number, letter in enumerate(one, 1):
        before, row[0] = row[0], number
        for place, wanted in enumerate(other, 1):
            before, row[place] = row[place], min(row[place] + 1, row[place - 1] + 1, before + (letter != wanted))
    return row[-1]
