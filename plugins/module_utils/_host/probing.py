# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""The probe as environments need it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import Problem
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe.run import probe, usual_demand


def run_probe(environment: Path, *, gpu: str | None, level: str, timeout: float, first: bool) -> dict[str, Any]:
    """Let TensorFlow compute in an environment; see _environment.build.Probe."""
    del level  # there is one so far
    result = asdict(probe(environment, gpu or usual_demand(), timeout, keep_bytecode=first))
    return {**result, "text": describe(result)}


def describe(result: dict[str, Any]) -> str:
    """The verdict, with what was used or, if it is not what was demanded, why."""
    if result["ok"]:
        plugin = f", plug-in {result['plugin']}" if result["plugin"] else ""
        return f"{result['verdict']}, TensorFlow {result['tensorflow']}{plugin}."
    return f"{result['verdict']}. {Problem(**result['diagnosis']).text}"
