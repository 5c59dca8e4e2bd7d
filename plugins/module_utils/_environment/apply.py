# SPDX-License-Identifier: GPL-3.0-or-later
"""One place where each thing of a plan is done."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any, Callable

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._commands import CommandFailed
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment import kernel, manifest, safety
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.build import (
    ProbeFailed,
    Tools,
    build,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.declaration import Declaration
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.failures import (
    explain_failure,
    was_not_activated,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.plan import Plan
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError


def apply(declaration: Declaration, plan: Plan, tools: Tools) -> dict[str, Any] | None:
    """Do what the plan says, in its order; returns the probe of a new generation, if there is one.

    What was active before stays so until a new generation is complete. Raises MetalfleetError.
    """
    probe = None
    try:
        for do, target in dict.fromkeys((action.do, action.target) for action in plan.actions):
            if do == "build":
                probe = build_and_switch(declaration, target, tools)
            else:
                STEPS[do](declaration, target, tools)
    except (OSError, CommandFailed) as failure:
        raise explain_failure(failure, declaration) from failure
    return probe


def build_and_switch(declaration: Declaration, number: str, tools: Tools) -> dict[str, Any] | None:
    """Build a generation and activate it; a failed one is removed."""
    generation = declaration.home / number
    try:
        probe = build(generation, declaration, tools)
    except BaseException as failure:
        with contextlib.suppress(OSError):
            safety.remove_tree(generation)
        if isinstance(failure, MetalfleetError) and not isinstance(failure, ProbeFailed):
            raise was_not_activated(failure, declaration) from failure
        raise
    switch(declaration.link, generation)
    return probe


def switch(link: Path, generation: Path) -> None:
    """Point the stable path at a generation with one rename."""
    link.parent.mkdir(parents=True, exist_ok=True)
    new = link.with_name(f".{link.name}.new")
    safety.remove_tree(new)
    new.symlink_to(generation)
    new.replace(link)


def remove(declaration: Declaration) -> None:
    """Remove the stable path, if it is ours, and every generation."""
    if declaration.link.is_symlink() and declaration.link.readlink().parent == declaration.home:
        declaration.link.unlink()
    safety.remove_tree(declaration.home)


def remove_generation(generation: Path, tools: Tools) -> None:
    """Remove one, unless a process uses it by now."""
    if not safety.folders_in_use([generation], tools.commands):
        (generation / manifest.NAME).unlink()  # first: what is half removed must not count as complete
        safety.remove_tree(generation)


STEPS: dict[str, Callable[[Declaration, str, Tools], object]] = {
    "remove-unfinished": lambda declared, name, _: safety.remove_tree(declared.home / name),
    "set-aside": lambda declared, path, _: safety.set_aside(Path(path), declared.places),
    "switch": lambda declared, number, _: switch(declared.link, declared.home / number),
    "remove": lambda declared, _target, _: remove(declared),
    "remove-generation": lambda declared, number, tools: remove_generation(declared.home / number, tools),
    "write-kernel": lambda declared, _target, _: kernel.write_kernel(declared.name, declared.link),
    "remove-kernel": lambda declared, _target, _: kernel.remove_kernel(declared.name),
}
