# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a run has made a host worse."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._fleet.canaries import worsened

from tests.reports import BROKEN, entry_of, environment, probe, report

WELL, ON_CPU = report(), report(environment(probe={**probe("cpu-ok"), "ok": True}))
PROBLEM = {"cause": "It cannot be built.", "evidence": "", "remedy": ""}
REFUSED = report(environment(ok=False, probe=probe("gpu-missing"), problem=PROBLEM))
NOT_BUILT = report(environment(ok=False, problem=PROBLEM))
NOT_PROBED = report(environment("tensorflow", "lock-changed", ok=False))


@pytest.mark.parametrize(
    ("before", "after", "is_worse"),
    [
        (WELL, WELL, False),
        (WELL, BROKEN, True),
        (WELL, REFUSED, True),
        (WELL, NOT_BUILT, True),
        (WELL, NOT_PROBED, False),
        (WELL, ON_CPU, True),
        (ON_CPU, WELL, False),
        (ON_CPU, ON_CPU, False),
        (ON_CPU, BROKEN, True),
        (BROKEN, BROKEN, False),
        (BROKEN, NOT_BUILT, False),
        (BROKEN, WELL, False),
        # What was active before a new generation was refused still is.
        (REFUSED, REFUSED, True),
        (NOT_PROBED, NOT_BUILT, True),
        (None, WELL, False),
        (None, ON_CPU, False),
        (None, BROKEN, True),
    ],
)
def test_the_verdicts_before_and_after(before: dict[str, Any] | None, after: dict[str, Any], is_worse: bool) -> None:
    assert worsened(entry_of(before) if before else {}, after, []) == ["tensorflow"] * is_worse


@pytest.mark.parametrize("declared", [{"gpu": "none"}, {"metal": "none"}])
def test_who_gives_the_gpu_up_is_not_worse(declared: dict[str, str]) -> None:
    assert worsened(entry_of(WELL), ON_CPU, [{"name": "tensorflow", **declared}]) == []
    assert worsened(entry_of(WELL), ON_CPU, [{"name": "another", **declared}]) == ["tensorflow"]


def test_each_environment_is_compared_with_itself() -> None:
    after = report(environment("one", ok=False, problem=PROBLEM), environment("two"), environment("new"))
    assert worsened(entry_of(report(environment("one"), environment("two"))), after, None) == ["one"]
