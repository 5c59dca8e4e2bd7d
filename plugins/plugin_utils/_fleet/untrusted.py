# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""Values that a host sent, turned into the expected types: whatever a host answers, no report may break."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

LONGEST = 2000
"""Most characters of one text."""


def text(value: object) -> str:
    """A text in one line; "" for what is none.

    Characters that are not seen go: a terminal would obey some of them, others turn the direction of writing around,
    and XML has no place for most.
    """
    if not isinstance(value, str):
        return ""
    cut = value if len(value) <= LONGEST else f"{value[:LONGEST]}..."
    words = cut.split()
    if not all(map(str.isprintable, words)):
        words = ["".join(filter(str.isprintable, word)) for word in words]
    return " ".join(filter(None, words))


def number(value: object) -> float | None:
    """A size or a speed: a number that can be compared and drawn."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if is_number and 0 <= value < 1e18 else None  # type: ignore[arg-type, operator]


def texts(value: object) -> tuple[str, ...]:
    """The texts of a list."""
    return tuple(filter(None, map(text, value))) if isinstance(value, list) else ()


def mapping(value: object) -> Mapping[str, Any]:
    """An object; one without anything for what is none."""
    return value if isinstance(value, Mapping) else {}


def mappings(value: object) -> tuple[Mapping[str, Any], ...]:
    """The objects of a list."""
    return tuple(each for each in value if isinstance(each, Mapping)) if isinstance(value, list) else ()
