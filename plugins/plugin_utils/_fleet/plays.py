# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""Which hosts the plays of our playbooks work on: all that are meant, some of them first, and some once more.

Ansible does the rest: a play's `hosts` and `serial` are its own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ansible.utils.helpers import pct_to_int
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

GROUP, CANARY_GROUP = "tensorflow", "canary"
NOBODY = ["all:!all"]
"""A pattern for no host: an empty list is one for all."""
PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
"""Names that a pattern may have as they are."""

REPORT = "tensorflow_report"
REGISTERED = (REPORT, "__tensorflow_done", "__native_python_done")
"""Where the roles' tasks leave what a host answered."""


@dataclass(frozen=True)
class Fleet:
    """The hosts of a run."""

    groups: Mapping[str, Sequence[str]]
    pattern: str | None
    """What was given with tensorflow_hosts."""
    canary: str
    """What was given with tensorflow_canary; "" is nothing."""
    matching: Callable[[str], list[str]]
    """The names of the hosts that a pattern means."""
    variables_of: Callable[[str], Mapping[str, Any]]
    """The variables of a host."""

    def everyone(self) -> list[str]:
        """All hosts that are meant, as a pattern."""
        if self.pattern:
            if not self.matching(self.pattern):
                raise MetalfleetError(
                    f"tensorflow_hosts is {self.pattern!r}, and no host of the inventory matches that",
                    remedy="Name hosts or groups of the inventory; ansible-inventory --graph shows them.",
                )
            return [self.pattern]
        if GROUP not in self.groups:
            raise MetalfleetError(
                f'The inventory has no group "{GROUP}"',
                remedy="Put the hosts that must have TensorFlow into a group of that name, or say which are meant with "
                "-e tensorflow_hosts=PATTERN.",
            )
        return [GROUP]

    def canaries(self) -> list[str]:
        """Those same hosts in the order in which they become canaries; nobody, where none was asked for."""
        if not self.canary:
            return NOBODY
        if not re.fullmatch(r"[1-9]\d{0,5}%?", self.canary, re.ASCII):
            raise MetalfleetError(
                f"tensorflow_canary is {self.canary!r}",
                remedy="Give a number of hosts, such as -e tensorflow_canary=1, or a share, such as 10%.",
            )
        names = dict.fromkeys(self._names())
        first = [name for name in self.groups.get(CANARY_GROUP, ()) if name in names]
        return patterns_of(dict.fromkeys([*first, *names]))

    def missing_canaries(self, hosts: Sequence[str]) -> int:
        """How many of these hosts still have to answer before all others may be changed."""
        answered = [name for name in hosts if (report := self._report(name)) and not report.get("unreachable")]
        return int(pct_to_int(self.canary, len(hosts))) - len(answered)

    def others(self) -> list[str]:
        """Everyone but the canaries that are in order."""
        if not self.canary:
            return self.everyone()
        return patterns_of(name for name in self._names() if self._report(name).get("ok") is not True)

    def unanswered(self) -> list[str]:
        """Those who have not answered yet."""
        return patterns_of(name for name in self._names() if self._has_not_answered(name))

    def _names(self) -> list[str]:
        return self.matching(",".join(self.everyone()))

    def _report(self, name: str) -> Mapping[str, Any]:
        report: Mapping[str, Any] = self.variables_of(name).get(REPORT) or {}
        return report

    def _has_not_answered(self, name: str) -> bool:
        variables = self.variables_of(name)
        return any((variables.get(each) or {}).get("unreachable") is True for each in REGISTERED)


def patterns_of(names: Iterable[str]) -> list[str]:
    """Patterns that mean exactly these hosts: Ansible divides a name at a space, and takes signs for rules."""
    return [name if PLAIN.fullmatch(name) else f"~^{''.join(map(_escaped, name))}$" for name in names] or NOBODY


def _escaped(character: str) -> str:
    return character if character.isalnum() else f"\\U{ord(character):08x}"
