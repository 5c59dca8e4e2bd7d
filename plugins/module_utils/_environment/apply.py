# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""Carry out a plan: the one place where each of its actions is done."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Callable

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._commands import CommandFailed, Commands
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment import (
    kernel,
    manifest,
    memory,
    safety,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.build import (
    Built,
    ProbeFailed,
    build,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.declaration import Declaration
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.failures import (
    explain_failure,
    was_not_activated,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.observe import list_generations
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.plan import Plan
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.rescue import rescue
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.tools import Tools
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError, Problem
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._layout import Places
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._python.intact import NOBODYS


@dataclass(frozen=True)
class Done:
    """The outcome of a plan."""

    steps: tuple[str, ...] = ()
    """What was done, in order."""
    probe: dict[str, Any] | None = None
    """The probe of a new generation, also of one that was refused."""
    warnings: tuple[str, ...] = ()
    problem: Problem | None = None
    """The failure that stopped the plan."""

    @property
    def has_failed_probe(self) -> bool:
        """Whether a new generation was refused because of its probe."""
        return self.problem is not None and self.probe is not None and not self.probe["ok"]


def apply(declaration: Declaration, plan: Plan, tools: Tools) -> Done:
    """Do what the plan says, in its order, until something fails.

    What was active before stays so until a new generation is complete. What cannot be cleaned up is reported, and does
    not keep an environment from being repaired.
    """
    done = Done()
    for do, target in dict.fromkeys((action.do, action.target) for action in plan.actions):
        try:
            probe, warnings = carry_out(do, target, declaration, tools)
        except ProbeFailed as failed:
            return replace(done, probe=failed.probe, problem=failed.problem)
        except MetalfleetError as refusal:
            return replace(done, problem=refusal.problem)
        except (OSError, CommandFailed) as failure:
            return replace(done, problem=explain_failure(failure, declaration, done.steps).problem)
        done = Done((*done.steps, do), probe or done.probe, (*done.warnings, *warnings))
    return done


def carry_out(
    do: str, target: str, declaration: Declaration, tools: Tools
) -> tuple[dict[str, Any] | None, tuple[str, ...]]:
    """Carry out one action; returns the probe of what was built, and warnings. Raises whatever fails."""
    if do == "build":
        built = build_and_switch(declaration, target, tools)
        return built.probe, built.warnings
    return None, tuple(STEPS[do](declaration, target, tools.commands) or ())


def build_and_switch(declaration: Declaration, number: str, tools: Tools) -> Built:
    """Build a generation and activate it; a failed one is removed.

    Of one that was interrupted the marked folder stays: a program may have been started that still writes there.
    """
    generation = declaration.home / number
    try:
        built = build(generation, declaration, tools)
    except BaseException as failure:
        with contextlib.suppress(OSError):
            (manifest.remove if isinstance(failure, Exception) else manifest.empty)(generation)
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
        safety.set_aside(new, places.set_aside)
    new.symlink_to(generation)
    new.replace(link)


def remove(declaration: Declaration) -> list[str]:
    """Remove the stable path, if it is ours, and every generation; returns warnings."""
    if declaration.link.is_symlink() and declaration.home in declaration.link.readlink().parents:
        declaration.link.unlink()
    warnings: list[str] = []
    for number in list_generations(declaration.home)[0]:
        warnings += remove_generation(declaration.home / str(number), declaration.places)
    with contextlib.suppress(OSError):  # something else is in it, or it is not there
        for name in (*NOBODYS, *memory.FILES):
            (declaration.home / name).unlink(missing_ok=True)
        declaration.home.rmdir()
    return warnings


def remove_surplus(generation: Path, places: Places, commands: Commands) -> list[str]:
    """Remove a generation, unless a process uses it by now; returns warnings."""
    return [] if safety.folders_in_use([generation], commands) else remove_generation(generation, places)


def remove_generation(generation: Path, places: Places) -> list[str]:
    """Remove a complete generation, but not what others have put into it; returns warnings."""
    warnings: list[str] = []

    def take_apart(folder: Path) -> None:
        warnings.extend(rescue(folder, places))
        (folder / manifest.NAME).unlink()  # first: what is half removed must not count as complete
        manifest.remove(folder)

    return [*safety.why_not_removed(generation, take_apart), *warnings]


def set_aside(path: Path, places: Places) -> list[str]:
    """Set something aside; returns the message about it."""
    return [f"{path} was moved to {safety.set_aside(path, places.set_aside)}. Remove it there if nobody needs it."]


STEPS: dict[str, Callable[[Declaration, str, Commands], list[str] | None]] = {
    "set-aside": lambda declared, path, _: set_aside(Path(path), declared.places),
    "switch": lambda declared, number, _: switch(declared.link, declared.home / number, declared.places),
    "remove": lambda declared, _target, _: remove(declared),
    "remove-unfinished": lambda _declared, path, _: safety.why_not_removed(Path(path), manifest.remove),
    "remove-generation": lambda declared, path, commands: remove_surplus(Path(path), declared.places, commands),
    "write-kernel": lambda declared, _target, _: kernel.write_kernel(declared.name, declared.link),
    "remove-kernel": lambda declared, _target, _: kernel.remove_kernel(declared.name),
}
"""The function for each action; it gets the target and returns warnings."""
