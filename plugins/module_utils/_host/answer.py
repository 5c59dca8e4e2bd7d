# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""Everything that a run must know of one host, in one go: plans, and proofs of what is in order."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Callable

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.build import NATIVE_ARCHITECTURE
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.declaration import (
    Declaration,
    EnvironmentFailed,
    declare,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.observe import (
    Observation,
    observe,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.plan import Plan, make_plan

if TYPE_CHECKING:
    from collections.abc import Mapping

Probe = Callable[[Declaration], "dict[str, Any]"]


@dataclass(frozen=True)
class Answer:
    """What is known of one environment."""

    declaration: Declaration
    plan: Plan
    proof: dict[str, Any] | None

    def as_data(self) -> dict[str, Any]:
        """As the module returns it."""
        return {
            "name": self.declaration.name,
            "state": self.declaration.state,
            "path": str(self.declaration.link),
            "reasons": self.plan.reasons,
            "plan": self.plan.as_data(),
            "probe": self.proof,
        }


def platform_name() -> str:
    """The name that locks for this host go by, such as macos-arm64-py3.12."""
    machine = os.uname().machine
    system = "macos-arm64" if sys.platform == "darwin" else f"{sys.platform}-{machine}"
    return f"{system}-py{sys.version_info.major}.{sys.version_info.minor}"


def declare_all(
    environments: list[dict[str, Any]], common: Mapping[str, Any], platform: str | None
) -> list[Declaration]:
    """Declarations from what a user declares. `platform` chooses among digests of locks; None: the host has no Python.

    Raises EnvironmentFailed where there is no lock for this platform.
    """
    return [
        declare({**common, **environment, "lock_digest": choose_lock(environment, platform)})
        for environment in environments
    ]


def choose_lock(environment: dict[str, Any], platform: str | None) -> str:
    """The digest of the lock for a platform. An environment with a lock of its own has one for any."""
    digests = environment.get("lock_digests") or {}
    if platform is None or environment.get("state") == "absent":
        return ""
    if platform not in digests and "any" not in digests:
        known = ", ".join(sorted(digests)) or "none"
        raise EnvironmentFailed(
            f"There is no lock for {platform} for the environment {environment['name']}; there are: {known}. "
            "Declare a lock of your own (lock), or a Python that has one (native_python_version)."
        )
    return str(digests.get("any") or digests[platform])


def look(declarations: list[Declaration], probe: Probe | None) -> list[Answer]:
    """Plan every environment, and probe those for which nothing has to be done."""
    answers = []
    for declaration in declarations:
        plan = make_plan(declaration, observe(declaration), NATIVE_ARCHITECTURE)
        in_order = declaration.state == "present" and not plan.actions
        answers.append(Answer(declaration, plan, probe(declaration) if probe and in_order else None))
    return answers


def summarise(native: list[str], environments: list[dict[str, Any]], *, answered: bool = True) -> dict[str, Any]:
    """The part of the module's result that says what has to be done."""
    reasons = dict.fromkeys([*native, *(reason for each in environments for reason in each["reasons"])])
    return {"answered": answered, "reasons": list(reasons), "native_python": native, "environments": environments}


def foresee(declarations: list[Declaration]) -> dict[str, Any]:
    """What a host answers on which no Python of ours runs: everything has to be done."""
    answers = [Answer(declared, make_plan(declared, Observation()), None) for declared in declarations]
    return summarise(["absent"], [answer.as_data() for answer in answers], answered=False)
