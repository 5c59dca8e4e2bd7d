# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""Our programs that use py-rattler, each in a process of its own, without any influence of a user's conda."""

from __future__ import annotations

import inspect
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import ModuleType

    from ansible_collections.metalfleet.tensorflow.plugins.module_utils._commands import Commands

SECONDS = 600.0
KEPT = 64 * 1024 * 1024
"""Most bytes of an answer: there may be many solved packages."""
LEFT_OUT = ("PYTHON", "CONDA_", "MAMBA_", "PIXI_", "RATTLER_")
"""Prefixes of variables that change what Python, conda, or py-rattler do."""


def run_program(
    commands: Commands,
    python: Path,
    program: ModuleType,
    order: Mapping[str, Any],
    *,
    variables: Mapping[str, str],
    home: Path,
) -> dict[str, Any]:
    """Let an interpreter run a program's main() with an order, and return its answer.

    `variables` are those of the process, without what would change its ways; `home` is a folder for what it writes.
    Raises CommandFailed where it gives no answer.
    """
    command = [str(python), "-I", "-B", "-c", f"{inspect.getsource(program)}\nmain()\n"]
    kept = {name: value for name, value in variables.items() if not name.startswith(LEFT_OUT)}
    kept |= dict.fromkeys(("HOME", "XDG_CACHE_HOME", "TMPDIR"), str(home))
    said = commands.run(command, timeout=SECONDS, stdin=json.dumps(order), env=kept, kept=KEPT)
    answer: dict[str, Any] = json.loads(said.stdout)
    return answer
