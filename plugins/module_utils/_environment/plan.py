# SPDX-License-Identifier: GPL-3.0-or-later
"""What must be done to one environment, and why. Pure: made from data, it changes nothing and asks nothing."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment import files
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.declaration import (
    Declaration,
    EnvironmentFailed,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.manifest import Interpreter
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.observe import (
    PLUGIN_FOLDER,
    Difference,
    Generation,
    Observation,
    kernel_text,
    rolled_back_to,
    runs_at_startup,
)


@dataclass(frozen=True)
class Action:
    """One thing to do, the code of the reason, what shows it, and what it is done to."""

    do: str
    """`set-aside`, `build`, `switch`, `remove-unfinished`, `remove`, `write-kernel` or `remove-kernel`."""
    reason: str
    evidence: str
    target: str = ""


@dataclass(frozen=True)
class Plan:
    """Actions in the order in which they are done; none, if host and declaration agree."""

    actions: tuple[Action, ...] = ()

    @property
    def reasons(self) -> list[str]:
        """The reason codes, each once."""
        return list(dict.fromkeys(action.reason for action in self.actions))

    def targets(self, do: str) -> list[str]:
        """What is to be done in one way, each once."""
        return list(dict.fromkeys(action.target for action in self.actions if action.do == do))

    def as_data(self) -> list[dict[str, str]]:
        return [asdict(action) for action in self.actions]


def make_plan(declaration: Declaration, seen: Observation, machine: str = "") -> Plan:
    """Compare declaration and host. `machine` is the architecture that native code must have; empty: any."""
    if declaration.state == "absent":
        actions = list(plan_removal(declaration, seen))
    elif declaration.state == "rolled_back":
        actions = list(plan_rollback(declaration, seen))
    else:
        actions = list(plan_presence(declaration, seen, machine))
    before: list[Action] = []
    after: list[Action] = []
    for name in seen.unfinished:
        path = f"{declaration.home}/{name}"
        # The active generation, if its manifest is gone, may be in use until there is another.
        (after if path == seen.target else before).append(Action("remove-unfinished", "unfinished", path, name))
    return Plan((*before, *actions, *after))


def plan_removal(declaration: Declaration, seen: Observation) -> Iterator[Action]:
    if seen.numbers or (seen.target or "").startswith(f"{declaration.home}/"):
        yield Action("remove", "declared-absent", seen.target or str(declaration.home))
    yield from plan_kernel(declaration, seen)


def plan_rollback(declaration: Declaration, seen: Observation) -> Iterator[Action]:
    """Switch to an older generation that is whole."""
    if seen.other is None:
        wanted = rolled_back_to(declaration, seen.numbers)
        if seen.active and seen.active.number == wanted:
            return
        raise EnvironmentFailed(
            f"The environment {declaration.name} has no complete generation {wanted or 'before the newest'} to go back "
            f"to. There are: {', '.join(map(str, seen.numbers)) or 'none'}. What is active was not touched."
        )
    if seen.other.differences or seen.other.interpreter != seen.other.manifest.interpreter:
        damaged = ", ".join(difference.path for difference in seen.other.differences[:3]) or "its interpreter is gone"
        raise EnvironmentFailed(
            f"Generation {seen.other.number} of the environment {declaration.name} is not whole any more ({damaged}). "
            "Choose another generation, or run setup.yml, which builds a new one. What is active was not touched."
        )
    number = str(seen.other.number)
    yield Action("switch", "rolled-back", f"{seen.target} -> {declaration.home / number}", number)


def plan_presence(declaration: Declaration, seen: Observation, machine: str) -> Iterator[Action]:
    for path in (*seen.startup_files, *seen.stray_plugins):
        reason = "stray-plugin" if path in seen.stray_plugins else "startup-file"
        yield Action("set-aside", reason, path, path)
    for reason, evidence in find_drift(declaration, seen, machine):
        if seen.other:
            yield Action("switch", reason, evidence, str(seen.other.number))
        else:
            yield Action("build", reason, evidence, str(next_number(seen)))
    yield from plan_kernel(declaration, seen)


def plan_kernel(declaration: Declaration, seen: Observation) -> Iterator[Action]:
    wanted = declaration.jupyter_kernel and declaration.state == "present"
    if wanted and seen.kernel != kernel_text(declaration):
        yield Action("write-kernel", "kernel-changed", "the kernel's specification is missing or another")
    elif not wanted and seen.kernel is not None and seen.kernel == kernel_text(declaration):
        yield Action("remove-kernel", "kernel-changed", "a kernel of this environment is there but not declared")


def next_number(seen: Observation) -> int:
    """A number that no generation, complete or not, has."""
    return max([*seen.numbers, *(int(name) for name in seen.unfinished if name.isdigit())], default=0) + 1


# ------------------------------------------------------------------------------------------- where each reason is found


def find_drift(declaration: Declaration, seen: Observation, machine: str) -> Iterator[tuple[str, str]]:
    """Reason codes with their evidence: why the stable path does not lead to the declared environment, as built."""
    if seen.target is None:
        yield "absent", f"{declaration.link} does not exist"
    elif Path(seen.target).parent != declaration.home:
        yield "link-retargeted", f"{declaration.link} leads to {seen.target}"
    elif seen.active is None:
        name = Path(seen.target).name
        is_there = name in seen.unfinished or name in map(str, seen.numbers)
        reason = "unfinished" if is_there else "absent"
        yield reason, f"{seen.target} is no complete generation"
    elif seen.other and seen.active.manifest.lock_sha256 != declaration.lock_sha256:
        yield "link-retargeted", f"{declaration.link} leads to generation {seen.active.number}, not {seen.other.number}"
    else:
        yield from lock_drift(declaration, seen.active)
        yield from interpreter_drift(declaration, seen.active, seen.python, machine)
        yield from file_drift(seen.active, machine)


def lock_drift(declaration: Declaration, active: Generation) -> Iterator[tuple[str, str]]:
    built = active.manifest.lock_sha256
    if built != declaration.lock_sha256:
        yield "lock-changed", f"{built[:12]} was built, {declaration.lock_sha256[:12]} is declared"


def interpreter_drift(
    declaration: Declaration, active: Generation, python: Interpreter | None, machine: str
) -> Iterator[tuple[str, str]]:
    built = active.manifest.interpreter
    if active.interpreter is None:
        yield "interpreter-missing", f"{declaration.link}/bin/python leads to nothing"
    elif machine and active.interpreter_architectures and machine not in active.interpreter_architectures:
        yield (
            "wrong-architecture",
            f"{active.interpreter.path}: {', '.join(active.interpreter_architectures)}, not {machine}",
        )
    elif active.interpreter != built:
        yield "interpreter-changed", f"{active.interpreter.path} is not the file that the environment was built with"
    elif python != built:
        yield "interpreter-changed", f"built with {built.path}, declared is {os.path.realpath(declaration.python)}"


def file_drift(active: Generation, machine: str) -> Iterator[tuple[str, str]]:
    """Say of each differing file what it means; files of one kind are one reason, packages are named."""
    gone, there, versions = package_drift(active)
    if gone:
        yield "package-missing", enumerate_some(gone)
    if versions:
        yield "package-version", enumerate_some(versions)
    if there:
        yield "package-extra", enumerate_some(there)
    by_reason: dict[str, list[str]] = {}
    for difference in active.differences:
        reason = reason_of(difference, machine)
        if not (reason in ("file-missing", "package-extra") and (gone or there or versions)):
            by_reason.setdefault(reason, []).append(difference.path)
    for reason, found in by_reason.items():
        yield reason, enumerate_some(found)


def package_drift(active: Generation) -> tuple[list[str], list[str], list[str]]:
    """Distributions that are missing, extra, and there in another version than was built."""
    metadata = re.compile(r"lib/python3\.\d+/site-packages/([^/]+\.dist-info)/METADATA$")
    built, found = active.manifest.packages, dict(active.manifest.packages)
    for kind in ("missing", "extra"):
        for difference in active.differences:
            match = metadata.match(difference.path)
            package = files.distribution_of(match.group(1)) if match else None
            if package and difference.kind == kind:
                if kind == "extra":
                    found[package[0]] = package[1]
                else:
                    found.pop(package[0], None)
    missing = [f"{name}=={version}" for name, version in built.items() if name not in found]
    extra = [f"{name}=={version}" for name, version in found.items() if name not in built]
    other = [
        f"{name}: {built[name]} was built, {version} is there"
        for name, version in found.items()
        if built.get(name, version) != version
    ]
    return missing, extra, other


def reason_of(difference: Difference, machine: str) -> str:
    """The reason code of one differing file."""
    if difference.kind == "missing":
        return "interpreter-missing" if difference.path.startswith("bin/python") else "file-missing"
    if runs_at_startup(difference.path):
        return "startup-file"
    if difference.kind == "extra":
        return "stray-plugin" if f"/{PLUGIN_FOLDER}/" in difference.path else "package-extra"
    if difference.path.startswith("bin/python"):
        return "interpreter-changed"
    foreign = machine and difference.architectures and machine not in difference.architectures
    return "wrong-architecture" if foreign else "file-damaged"


def enumerate_some(items: list[str], limit: int = 5) -> str:
    rest = len(items) - limit
    return ", ".join(items[:limit]) + (f" and {rest} more" if rest > 0 else "")


# ----------------------------------------------------------------------------------------------------------- reporting


def describe(declaration: Declaration, seen: Observation, plan: Plan) -> dict[str, Any]:
    """Ansible's diff: the state before, the state after, and why."""
    before: dict[str, Any] = {"state": "absent"}
    if seen.target is not None:
        before = {"state": "present", "link": seen.target}
        if seen.active:
            before |= {"lock_sha256": seen.active.manifest.lock_sha256, "packages": seen.active.manifest.packages}
    after: dict[str, Any] = {"state": "absent"}
    if declaration.state != "absent":
        number = next(iter([*plan.targets("build"), *plan.targets("switch")]), None)
        after = {**before, "state": "present", "link": f"{declaration.home}/{number}" if number else seen.target}
        if plan.targets("build"):
            after |= {"lock_sha256": declaration.lock_sha256, "packages": locked_packages(declaration.lock)}
        elif seen.other:
            after |= {"lock_sha256": seen.other.manifest.lock_sha256, "packages": seen.other.manifest.packages}
    return {"before": before, "after": {**after, "because": [f"{a.reason}: {a.evidence}" for a in plan.actions]}}


def locked_packages(lock: str) -> dict[str, str]:
    """Names and versions that a lock pins, for people to read; what is installed is uv's business."""
    pins = re.findall(r"^([A-Za-z0-9][\w.-]*)==([^\s;\\]+)", lock, re.MULTILINE)
    return {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in pins}
