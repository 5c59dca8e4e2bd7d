# SPDX-License-Identifier: GPL-3.0-or-later
"""Probes of what hangs, on a machine that may be busy."""

from __future__ import annotations

from collections.abc import Callable

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe.run import ProbeResult

LONGEST = 200.0  # seconds


def probe_until_it_hangs(probe: Callable[[float], ProbeResult], stage: str, timeout: float) -> ProbeResult:
    """Probe with more and more time, until the machine, as busy as it is, gets as far as the stage that hangs.

    ``probe`` takes a time limit in seconds; the first is ``timeout``.
    """
    while (result := probe(timeout)).stages[-1].name != stage and timeout < LONGEST:
        timeout *= 2
    return result
