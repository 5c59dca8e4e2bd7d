# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""Environment markers, such as `python_version < "3.11" and sys_platform == "darwin"`, as the standard defines them."""

from __future__ import annotations

import operator
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Callable

if TYPE_CHECKING:
    from collections.abc import Mapping

VARIABLES = frozenset(
    (
        *("os_name", "sys_platform", "platform_machine", "platform_python_implementation", "platform_release"),
        *("platform_system", "platform_version", "python_version", "python_full_version", "implementation_name"),
        *("implementation_version", "extra"),
    )
)
_TOKEN = re.compile(r"""\s*("[^"]*"|'[^']*'|===?|~=|!=|<=|>=|<|>|[A-Za-z_]\w*|[()])""")
_ORDERS: dict[str, Callable[..., bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "===": operator.eq,
    "!=": operator.ne,
}


def is_marker(text: str) -> bool:
    """Whether a text is a marker."""
    with suppress(ValueError):
        applies(text, dict.fromkeys(VARIABLES, "0"))
        return True
    return False


def applies(marker: str, variables: Mapping[str, str]) -> bool:
    """Whether a marker holds where its variables have these values. Raises ValueError if it is none."""
    reader = _Reader(marker, variables)
    result = reader.either()
    if reader.tokens:
        raise ValueError(marker)
    return result


class _Reader:
    """Evaluates a marker while it reads it."""

    def __init__(self, marker: str, variables: Mapping[str, str]) -> None:
        self.tokens = _tokens(marker)
        self.variables = variables

    def either(self) -> bool:
        result = self.both()
        while self._take("or"):
            result = self.both() or result
        return result

    def both(self) -> bool:
        result = self.one()
        while self._take("and"):
            result = self.one() and result
        return result

    def one(self) -> bool:
        if not self._take("("):
            return self.comparison()
        result = self.either()
        if not self._take(")"):
            raise ValueError("a bracket is not closed")
        return result

    def comparison(self) -> bool:
        left, relation = self.value(), self._next()
        if relation == "in":
            return left in self.value()
        if relation == "not" and self._take("in"):
            return left not in self.value()
        return _compare(left, relation, self.value())

    def value(self) -> str:
        token = self._next()
        if token[0] in "\"'":
            return token[1:-1]
        if token not in VARIABLES:
            raise ValueError(token)
        return self.variables.get(token, "")

    def _next(self) -> str:
        if not self.tokens:
            raise ValueError("the marker ends too early")
        return self.tokens.pop(0)

    def _take(self, token: str) -> bool:
        if self.tokens[:1] != [token]:
            return False
        self.tokens.pop(0)
        return True


def _tokens(marker: str) -> list[str]:
    tokens, position = [], 0
    marker = marker.rstrip()
    while position < len(marker):
        found = _TOKEN.match(marker, position)
        if found is None:
            raise ValueError(marker)
        tokens.append(found[1])
        position = found.end()
    return tokens


def _compare(left: str, relation: str, right: str) -> bool:
    """Compare as versions where both are, else as texts."""
    ours, theirs = _release(left), _release(right.removesuffix(".*"))
    if ours is None or theirs is None:
        if relation not in _ORDERS:
            raise ValueError(relation)
        return _ORDERS[relation](left, right)
    if relation == "~=":
        return ours >= theirs and ours[: len(theirs) - 1] == theirs[:-1]
    if relation not in _ORDERS:
        raise ValueError(relation)
    length = max(len(ours), len(theirs))
    ours, theirs = (release + (0,) * (length - len(release)) for release in (ours, theirs))
    if right.endswith(".*"):
        shown = right.count(".")
        ours, theirs = ours[:shown], theirs[:shown]
    return _ORDERS[relation](ours, theirs)


def _release(version: str) -> tuple[int, ...] | None:
    """The numbers of a version; what follows them, such as rc1, is no matter of markers."""
    found = re.match(r"v?(\d+(?:\.\d+)*)(?=$|[-+._]?[a-z])", version)
    return tuple(map(int, found[1].split("."))) if found else None
