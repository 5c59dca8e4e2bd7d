# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""Whether a run has made a host worse, which is what canaries are for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._host.status import is_broken
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe.verdict import CPU_OK, GPU_OK, GPU_SOFTWARE
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._fleet.untrusted import mapping, mappings

if TYPE_CHECKING:
    from collections.abc import Mapping

WITHOUT_GPU = (GPU_SOFTWARE, CPU_OK)
"""Verdicts that are a loss to whoever had the GPU."""


def worsened(before: Mapping[str, Any], report: Mapping[str, Any], declared: object) -> list[str]:
    """The names of the environments that are worse than the ledger knew them; `before` is its entry of then.

    `declared` are the environments as the task was given them.
    """
    known = mapping(before.get("verdicts"))
    given_up = {each.get("name") for each in mappings(declared) if "none" in (each.get("gpu"), each.get("metal"))}
    return [
        name
        for environment in mappings(report.get("environments"))
        if is_worse(
            mapping(known.get(name := str(environment.get("name")))), environment, wants_gpu=name not in given_up
        )
    ]


def is_worse(known: Mapping[str, Any], environment: Mapping[str, Any], *, wants_gpu: bool) -> bool:
    """Whether it has failed and had not before, or the CPU does what the GPU did.

    Where nothing was known of it, only a failure counts.
    """
    if is_broken(environment):
        return known.get("ok") is not False
    return wants_gpu and known.get("verdict") == GPU_OK and environment.get("verdict") in WITHOUT_GPU
