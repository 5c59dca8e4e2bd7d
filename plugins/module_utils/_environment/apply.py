# SPDX-License-Identifier: GPL-3.0-or-later
"""One place where each thing of a plan is done."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Callable

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._commands import CommandFailed, Commands
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment import kernel, manifest, safety
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.build import (
    Built,
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
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._layout import Places


@dataclass(frozen=True)
class Done:
    """What came of a plan."""

    probe: dict[str, Any] | None = None
    """That of a new generation, if there is one."""
    warnings: tuple[str, ...] = ()


def apply(declaration: Declaration, plan: Plan, tools: Tools) -> Done:
    """Do what the plan says, in its order. Raises MetalfleetError.

    What was active before stays so until a new generation is complete. What cannot be cleaned up is said, and does not
    keep an environment from being repaired.
    """
    try:
        return carry_out(declaration, plan, tools)
    except (OSError, CommandFailed) as failure:
        raise explain_failure(failure, declaration) from failure


def carry_out(declaration: Declaration, plan: Plan, tools: Tools) -> Done:
    """The same, with failures as they come."""
    done = Done()
    for do, target in dict.fromkeys((action.do, action.target) for action in plan.actions):
        if do == "build":
            built = build_and_switch(declaration, target, tools)
            done = Done(built.probe, (*done.warnings, *built.warnings))
        elif do in CLEANING:
            done = Done(done.probe, (*done.warnings, *clean(do, Path(target), tools.commands)))
        else:
            STEPS[do](declaration, target)
    return done


def build_and_switch(declaration: Declaration, number: str, tools: Tools) -> Built:
    """Build a generation and activate it; a failed one is removed."""
    generation = declaration.home / number
    try:
        built = build(generation, declaration, tools)
    except BaseException as failure:
        with contextlib.suppress(OSError):
            safety.remove_tree(generation)
        if isinstance(failure, MetalfleetError) and not isinstance(failure, ProbeFailed):
            raise was_not_activated(failure, declaration) from failure
        raise
    switch(declaration.link, generation, declaration.places)
    return built


def switch(link: Path, generation: Path, places: Places) -> None:
    """Point the stable path at a generation with one rename."""
    link.parent.mkdir(parents=True, exist_ok=True)
    new = link.with_name(f".{link.name}.new")
    if new.is_symlink():  # of a run that was killed
        new.unlink()
    elif new.exists():
        safety.set_aside(new, places)
    new.symlink_to(generation)
    new.replace(link)


def remove(declaration: Declaration) -> None:
    """Remove the stable path, if it is ours, and every generation."""
    if declaration.link.is_symlink() and declaration.link.readlink().parent == declaration.home:
        declaration.link.unlink()
    for folder in sorted(declaration.home.iterdir()) if declaration.home.is_dir() else []:
        if manifest.was_begun(folder):
            safety.remove_tree(folder)
    with contextlib.suppress(OSError):  # something else is in it, or it is not there
        declaration.home.rmdir()


def clean(do: str, folder: Path, commands: Commands) -> list[str]:
    """Remove what an environment is as declared without; returns warnings."""
    remove = partial(remove_generation, commands=commands) if do == "remove-generation" else safety.remove_tree
    return safety.why_not_removed(folder, remove)


def remove_generation(generation: Path, commands: Commands) -> None:
    """Remove one, unless a process uses it by now."""
    if not safety.folders_in_use([generation], commands):
        (generation / manifest.NAME).unlink()  # first: what is half removed must not count as complete
        safety.remove_tree(generation)


CLEANING = ("remove-unfinished", "remove-generation")

STEPS: dict[str, Callable[[Declaration, str], object]] = {
    "set-aside": lambda declared, path: safety.set_aside(Path(path), declared.places),
    "switch": lambda declared, number: switch(declared.link, declared.home / number, declared.places),
    "remove": lambda declared, _: remove(declared),
    "write-kernel": lambda declared, _: kernel.write_kernel(declared.name, declared.link),
    "remove-kernel": lambda declared, _: kernel.remove_kernel(declared.name),
}
