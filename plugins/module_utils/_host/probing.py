# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""The probe as environments need it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._facts.types import Facts
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe.run import probe
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe.verdict import usual_gpu


class HostProbe:
    """Lets TensorFlow compute in environments of this host; see _environment.build.Probe."""

    def __init__(self, collect: Callable[[], Facts]) -> None:
        self._collect = collect

    @cached_property
    def facts(self) -> Facts:
        """What this host is, asked once, and only where somebody needs it."""
        return self._collect()

    def __call__(
        self,
        environment: Path,
        /,
        *,
        gpu: str | None,
        level: str,
        timeout: float,
        first: bool,
        passed_on: str | None = None,
    ) -> dict[str, Any]:
        """The result as data, with its text for people, and the version of macOS that it holds for."""
        result = probe(
            environment,
            gpu=gpu or usual_gpu(self.facts),
            level=level,
            timeout=timeout,
            facts=self.facts,
            passed_on=passed_on,
            keep_bytecode=first,
        )
        return {**asdict(result), "text": result.text, "macos": self.facts["macos"]["version"]}
