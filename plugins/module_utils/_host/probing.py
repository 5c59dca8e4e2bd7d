# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""Probes for the environments of this host, whose facts they use."""

from __future__ import annotations

from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._commands import Commands
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._facts.collect import collect
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._facts.types import Facts
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe.run import probe
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe.verdict import Demand, with_usual_gpu


class Prober:
    """Probes environments of this host, see _environment.build.Probe. Facts are collected once, if at all."""

    def __init__(self, root: Path, commands: Commands) -> None:
        self._root, self._commands = root, commands

    @cached_property
    def facts(self) -> Facts:
        """The facts of this host."""
        return collect(self._commands, home=Path.home(), roots=[str(self._root)])

    def __call__(
        self,
        environment: Path,
        demand: Demand,
        /,
        *,
        level: str,
        passed_on: str | None = None,
        first: bool = False,
    ) -> dict[str, Any]:
        """The result as data, with the version of macOS that it holds for."""
        result = probe(
            environment,
            with_usual_gpu(demand, self.facts),
            level=level,
            facts=self.facts,
            passed_on=passed_on,
            keep_bytecode=first,
        )
        return {**asdict(result), "macos": self.facts["macos"]["version"]}
