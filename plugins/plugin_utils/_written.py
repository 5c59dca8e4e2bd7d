# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""A task's options by the names that its user has written: in our roles those of variables, elsewhere their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._options import variables

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ansible_collections.metalfleet.tensorflow.plugins.module_utils._options import Spec

COLLECTION = "metalfleet.tensorflow."
GROUP, OF_GROUP = "python", "native_python_"
"""The option of some tasks whose own options are variables, too, and how their names begin."""


class Written:
    """The names in a task of the role with that full name; "" is a task in no role."""

    def __init__(self, spec: Spec, role: str) -> None:
        is_ours = role.startswith(COLLECTION)
        group: Spec = spec.get(GROUP, {}).get("options", {}) if is_ours else {}
        own = f"{role.removeprefix(COLLECTION)}_"
        self._grouped = {OF_GROUP + option: option for option in group}
        self._plain = {
            variable_of(option, own) if is_ours else option: option
            for option in spec
            if not (group and option == GROUP)
        }
        self.spec: Spec = {
            **{name: spec[option] for name, option in self._plain.items()},
            **{name: group[option] for name, option in self._grouped.items()},
        }

    def given(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """What was given, by the names that were written; whatever is no option keeps its name."""
        written = {option: name for name, option in self._plain.items()}
        grouped = options.get(GROUP) or {} if self._grouped else {}
        plain = {name: value for name, value in options.items() if not (self._grouped and name == GROUP)}
        return {
            **{written.get(name, name): value for name, value in plain.items()},
            **{OF_GROUP + option: value for option, value in grouped.items()},
        }

    def options(self, written: Mapping[str, Any]) -> dict[str, Any]:
        """The same, complete, by the options' own names."""
        grouped = {option: written[name] for name, option in self._grouped.items()}
        return {
            **{option: written[name] for name, option in self._plain.items()},
            **({GROUP: grouped} if grouped else {}),
        }


def variable_of(option: str, own: str) -> str:
    """The variable of ours by which an option is set in a role whose variables begin with `own`."""
    known = variables()
    names = (f"{prefix}{option}" for prefix in (own, "tensorflow_", OF_GROUP, "tensorflow_wheel_store_"))
    return next((name for name in names if name in known), option)
