# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""When the agent leaves something as it is, though it has drifted."""

from __future__ import annotations

import os
from collections.abc import Mapping

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._host.report import Finding

MOST_FAILURES = 3
"""Repairs of an environment that may fail in a row; after them a new document is waited for."""


def why_not_now() -> str:
    """Why nothing is repaired now, whatever has drifted, as the command's shell script says; "" if nothing is."""
    return os.environ.get("METALFLEET_NOT_NOW", "")


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
