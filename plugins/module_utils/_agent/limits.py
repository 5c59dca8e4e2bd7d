# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""When the agent leaves something as it is, though it has drifted."""

from __future__ import annotations

import re
from collections.abc import Mapping

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._commands import CommandFailed, Commands
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._host.report import Finding

MOST_FAILURES = 3
"""Repairs of an environment that may fail in a row; after them a new document is waited for."""


def battery_charge(commands: Commands) -> int | None:
    """Percent that are left while this Mac runs on its battery; None if it is plugged in, has none, or does not say."""
    try:
        said = commands.run(["/usr/bin/pmset", "-g", "batt"]).stdout
    except CommandFailed:
        return None
    charge = re.search(r"\b(\d+)%", said)
    return int(charge[1]) if charge and "'Battery Power'" in said else None


def why_not_now(commands: Commands, least_charge: int) -> str:
    """Why nothing is repaired now, whatever has drifted; "" if nothing speaks against it."""
    charge = battery_charge(commands)
    if charge is None or charge >= least_charge:
        return ""
    return f"the Mac runs on its battery, which is at {charge}% (repairs need {least_charge}%)"


def why_left(finding: Finding, failed: Mapping[str, int]) -> str:
    """Why an environment that has drifted is left as it is; "" if it is to be repaired."""
    name = finding.declaration.name
    targets = {int(number) for number in finding.plan.targets("switch")}
    if targets and targets <= finding.seen.remembered.left:
        return f"somebody went back from generation {min(targets)}, and only metalfleet repair goes forward again"
    if failed.get(name, 0) >= MOST_FAILURES:
        return (
            f"its repair has failed {failed[name]} times and is not tried again until another declaration comes, or "
            "somebody runs metalfleet repair; metalfleet history says how it failed"
        )
    return ""
