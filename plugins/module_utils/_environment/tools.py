# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""What the work on environments is done with."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Protocol

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._commands import Commands
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._kinds.protocol import Kind
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._kinds.supply import Supply
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe.verdict import Demand

NATIVE_ARCHITECTURE = "arm64" if sys.platform == "darwin" else ""
"""What native code must hold: on a Mac its own; elsewhere nothing is demanded, for wheels are not Mach-O there."""


class Probe(Protocol):
    """Lets the framework of an environment compute; returns a result as data, with `ok`, `verdict` and `text`."""

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
        """Probe an environment.

        `passed_on` is the version of macOS on which it was probed when it was built. With `first`, what Python compiles
        on the way is kept: it makes every later probe faster.
        """


@dataclass(frozen=True)
class Tools:
    """What the work is done with. Tests hand in others."""

    kinds: Mapping[str, Kind]
    """By the name that declarations have for them."""
    supply: Supply
    commands: Commands
    probe: Probe
    machine: str = NATIVE_ARCHITECTURE
    """The architecture that native code must have; empty: any."""
    macos: Callable[[], str] = lambda: ""
    """Tells the version of macOS; "" is not known."""
    driver: Callable[[], str] = lambda: ""
    """Tells the version of NVIDIA's driver; "" where none is loaded."""
