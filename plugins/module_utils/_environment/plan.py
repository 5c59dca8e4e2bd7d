# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""What must be done to one environment, and why. Pure: made from data, it changes nothing and asks nothing.

All policy is here: which generation is wanted, what is drift, what is repaired and what only reported, what is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._conda.lock import (
    SUBDIRS,
    pinned_versions,
    remedy_for,
    said_of_intel,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment import kernel, safety
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.declaration import (
    CONDA,
    Declaration,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.manifest import (
    Interpreter,
    Manifest,
    is_number,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.memory import Memory
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.observe import (
    Difference,
    Look,
    Observation,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.startup import (
    PLUGIN_FOLDER,
    runs_at_startup,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._layout import platform_name, target_of
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._pairing import (
    Machine,
    refuse_unfit,
    refuse_unfit_litert,
)


@dataclass(frozen=True)
class Action:
    """One thing to do, the code of the reason, what shows it, and what it is done to."""

    do: str
    """`set-aside`, `build`, `switch`, `remove-unfinished`, `remove-generation`, `remove`, `write-kernel` or
    `remove-kernel`."""
    reason: str
    evidence: str
    target: str = ""


@dataclass(frozen=True)
class Plan:
    """Actions in the order in which they are done; none, if host and declaration agree."""

    actions: tuple[Action, ...] = ()
    reported: tuple[Action, ...] = ()
    """What would be done, but is only reported, because on_drift says so."""

    @property
    def reasons(self) -> list[str]:
        """The reason codes of everything that was found, each once."""
        return list(dict.fromkeys(action.reason for action in (*self.actions, *self.reported)))

    def targets(self, do: str) -> list[str]:
        """The targets of one kind of action, each once."""
        return list(dict.fromkeys(action.target for action in self.actions if action.do == do))

    def as_data(self) -> list[dict[str, str]]:
        return [asdict(action) for action in self.actions]


def make_plan(declaration: Declaration, seen: Observation, machine: str = "") -> Plan:
    """Compare declaration and host. `machine` is the architecture that native code must have; empty: any.

    Raises MetalfleetError for what cannot or must not be done, as far as that can be known beforehand.
    """
    before, after = plan_incomplete(declaration.home, seen)
    wanted = tuple(PLANS[declaration.state](declaration, seen, machine))
    # Removal comes last, for it takes the folder of all that as well.
    plan = Plan((*before, *after, *wanted) if declaration.state == "absent" else (*before, *wanted, *after))
    if is_reported_only(declaration, seen, plan):
        plan = Plan(reported=plan.actions)
    refuse_impossible(declaration, seen, plan)
    return plan


def is_reported_only(declaration: Declaration, seen: Observation, plan: Plan) -> bool:
    """Whether the user wants to know of drift, but not to have it repaired: one that is not there is built first."""
    was_built = seen.link is not None and "absent" not in plan.reasons
    is_wanted = declaration.state == "present" and not declaration.rebuild
    return declaration.on_drift == "report" and is_wanted and was_built


def plan_incomplete(home: Path, seen: Observation) -> tuple[list[Action], list[Action]]:
    """What is not a complete generation has to go, before and after everything else; a user's own is set aside."""
    before: list[Action] = []
    after: list[Action] = []
    for name in (each for each in (*seen.unfinished, *seen.others) if each not in seen.stuck):
        path = f"{home}/{name}"
        do = "remove-unfinished" if name in seen.unfinished else "set-aside"
        # The active generation, if its manifest is gone, may be in use until there is another.
        is_active = seen.link is not None and seen.link.target == path
        (after if is_active else before).append(Action(do, "unfinished", path, path))
    return before, after


def plan_removal(declaration: Declaration, seen: Observation, _machine: str) -> Iterator[Action]:
    """Remove what is ours."""
    target = seen.link.target if seen.link and leads_into(seen, declaration.home) else ""
    is_removable = seen.has_folder and not seen.stuck
    if target or is_removable or any(str(number) not in seen.stuck for number in seen.generations):
        yield Action("remove", "declared-absent", target or str(declaration.home))
    yield from plan_kernel(declaration, seen)


def plan_rollback(declaration: Declaration, seen: Observation, _machine: str) -> Iterator[Action]:
    """Switch to an older generation that is whole."""
    wanted = rolled_back_to(declaration, seen)
    if wanted is None or wanted not in seen.generations:
        there = ", ".join(map(str, seen.generations)) or "none"
        raise MetalfleetError(
            f"The environment {declaration.name} has no complete generation {wanted or 'before the newest'} to go back "
            f"to. The complete ones are: {there}. What is active was not touched"
        )
    if seen.active == wanted:
        return
    look = seen.looks[wanted]
    if look.differences or look.interpreter != seen.generations[wanted].interpreter:
        damaged = ", ".join(difference.text for difference in look.differences[:3]) or "its interpreter is gone"
        raise MetalfleetError(
            f"Generation {wanted} of the environment {declaration.name} is not whole any more ({damaged}). What is "
            "active was not touched",
            remedy="Choose another generation, or run setup.yml, which builds a new one.",
        )
    now = seen.active if seen.active is not None else seen.link.target if seen.link else "nothing"
    yield Action("switch", "rolled-back", f"from generation {now} to generation {wanted}", str(wanted))


def plan_presence(declaration: Declaration, seen: Observation, machine: str) -> Iterator[Action]:
    """Make the stable path lead to the declared generation."""
    for path in (*seen.startup_files, *seen.stray_plugins):
        reason = "stray-plugin" if path in seen.stray_plugins else "startup-file"
        yield Action("set-aside", reason, path, path)
    drift = list(find_drift(declaration, seen, machine))
    other = find_other(declaration, seen) if drift and not is_rebuild(drift) else None
    number = other or next_number(seen)
    for reason, evidence in drift:
        yield Action("switch" if other else "build", reason, evidence, str(number))
    yield from plan_kernel(declaration, seen)
    if drift:
        yield from plan_surplus(declaration, seen, number, drift[0][0])
    elif seen.active is not None:
        yield from plan_surplus(declaration, seen, seen.active, "")


def plan_kernel(declaration: Declaration, seen: Observation) -> Iterator[Action]:
    """Write or remove the Jupyter kernel."""
    is_wanted = declaration.jupyter_kernel and declaration.state == "present"
    as_written = seen.kernel == kernel.kernel_text(declaration.name, declaration.link)
    is_ours = seen.kernel is not None and kernel.is_ours(seen.kernel, declaration.link)
    if is_wanted and not as_written:
        yield Action("write-kernel", "kernel-changed", "the kernel's specification is missing or another")
    elif not is_wanted and is_ours:
        yield Action("remove-kernel", "kernel-changed", "a kernel of this environment is there but not declared")


def plan_surplus(declaration: Declaration, seen: Observation, active: int, cause: str) -> Iterator[Action]:
    """Remove what is beyond `keep`. What is so only since `active` is built has the cause of that."""
    already = set(surplus(seen, seen.active, declaration.keep)) if seen.active is not None else set()
    for number in surplus(seen, active, declaration.keep):
        if number not in seen.in_use and str(number) not in seen.stuck:
            reason = cause if cause and number not in already else "surplus-generation"
            evidence = f"generation {number} is beyond keep: {declaration.keep}"
            yield Action("remove-generation", reason, evidence, str(declaration.home / str(number)))


_INTERPRETER = re.compile(r"bin/python[\d.]*t?")  # and not such as python3-config
REBUILT_VERDICTS = ("import-failed", "crashed")
PLANS = {"present": plan_presence, "absent": plan_removal, "rolled_back": plan_rollback}


# ------------------------------------------------------------------------------------------------- which generation


def worth_a_look(declaration: Declaration, seen: Observation, machine: str = "") -> list[int]:
    """Other complete generations that could be switched to, so that their files must be compared."""
    if declaration.state == "rolled_back":
        wanted = rolled_back_to(declaration, seen)
        return [wanted] if wanted in seen.generations and wanted is not None else []
    drift = [] if declaration.state == "absent" else list(find_drift(declaration, seen, machine))
    if not drift or is_rebuild(drift):
        return []
    return [
        number
        for number, built in seen.generations.items()
        if number not in seen.looks and is_declared(declaration, seen, built)
    ]


def perhaps_surplus(declaration: Declaration, seen: Observation, machine: str = "") -> list[int]:
    """Complete generations that are to be removed unless a process uses them, or something keeps this user from it."""
    if declaration.state != "present":
        return list(seen.generations) if declaration.state == "absent" else []
    plan = list(plan_presence(declaration, replace(seen, in_use=frozenset()), machine))
    return [int(Path(action.target).name) for action in plan if action.do == "remove-generation"]


def rolled_back_to(declaration: Declaration, seen: Observation) -> int | None:
    """The generation to go back to: the declared one, or the newest before the newest that nobody has rolled back from.

    None if there is none.
    """
    older = [number for number in seen.numbers_and()[:-1] if number not in seen.remembered.left]
    return max(older, default=None) if declaration.generation is None else declaration.generation


def find_other(declaration: Declaration, seen: Observation) -> int | None:
    """The newest generation beside the active one that is as declared, and whole."""
    for number in sorted(seen.looks, reverse=True):
        built, look = seen.generations[number], seen.looks[number]
        is_whole = look.interpreter == built.interpreter and not look.differences
        if number != seen.active and is_whole and is_declared(declaration, seen, built):
            return number
    return None


def is_declared(declaration: Declaration, seen: Observation, built: Manifest) -> bool:
    """Whether a generation was built from what is declared."""
    is_of_python = declaration.brings_python or built.interpreter == seen.python
    return built.lock_sha256 == declaration.lock_sha256 and is_of_python


def next_number(seen: Observation) -> int:
    """A number that no generation has, complete or not."""
    return max(seen.numbers_and(0, *(int(name) for name in (*seen.unfinished, *seen.others) if is_number(name)))) + 1


def surplus(seen: Observation, active: int, keep: int) -> list[int]:
    """Generations beyond those that stay: the active one and the best others.

    What was active last is better than what is newer; what is damaged, or was rolled back from, is worse than all.
    """

    def worth(number: int) -> tuple[bool, bool, int]:
        is_damaged = number in seen.looks and bool(seen.looks[number].differences)
        return not is_damaged and number not in seen.remembered.left, number == seen.active, number

    others = sorted((number for number in seen.numbers_and(active) if number != active), key=worth)
    return sorted(others[: max(len(others) - (keep - 1), 0)])


def to_remember(seen: Observation, plan: Plan, *, probe_failed: bool = False) -> Memory:
    """What is to be remembered once a plan was carried out, or once its new generation has failed the probe."""
    numbers = {int(number) for number in plan.targets("switch")}
    left = {*seen.remembered.left} - numbers
    if "rolled-back" in plan.reasons and seen.active is not None:
        left.add(seen.active)
    in_vain = seen.remembered.in_vain
    if probe_failed and "probe-failed" in plan.reasons:
        in_vain = what_failed(seen)
    return Memory(frozenset(left & seen.generations.keys()), in_vain)


# ------------------------------------------------------------------------------------------- where each reason is found


def find_drift(declaration: Declaration, seen: Observation, machine: str) -> Iterator[tuple[str, str]]:
    """Reason codes with their evidence: why the stable path does not lead to the declared environment, as built."""
    if seen.link is None:
        yield "absent", f"{declaration.link} does not exist"
    elif Path(seen.link.target).parent != declaration.home:
        yield "link-retargeted", f"{declaration.link} leads to {seen.link.target}"
    elif seen.active is None:
        name = Path(seen.link.target).name
        reason = "unfinished" if name in (*seen.unfinished, *seen.others) else "absent"
        yield reason, f"{seen.link.target} is not a complete generation"
    else:
        built, look = seen.generations[seen.active], seen.looks[seen.active]
        drift = [
            *lock_drift(declaration, seen, built),
            *interpreter_drift(declaration, built, look, seen.python, machine),
            *file_drift(built, look, machine),
        ]
        yield from drift or probe_drift(seen)
    if declaration.rebuild:
        yield "asked", f"a new generation of {declaration.name} was asked for"


def is_rebuild(drift: list[tuple[str, str]]) -> bool:
    """Whether a new generation is needed, though an older one may be whole and as declared."""
    return any(reason in ("probe-failed", "asked") for reason, _why in drift)


def probe_drift(seen: Observation) -> Iterator[tuple[str, str]]:
    """One whose files are all as they were built, and that cannot be used: what we cannot see may be damaged.

    Other verdicts are not the files' fault: no rebuild brings a GPU.
    """
    if seen.verdict in REBUILT_VERDICTS and seen.remembered.in_vain != what_failed(seen):
        yield "probe-failed", f"the probe ended as {seen.verdict}, though every file is as it was built"


def what_failed(seen: Observation) -> tuple[str, ...]:
    """What tells one failure of the active generation from another: its lock, its interpreter, the verdict."""
    built = seen.generations[seen.active] if seen.active is not None else None
    return (built.lock_sha256, built.interpreter.sha256, seen.verdict) if built else ()


def lock_drift(declaration: Declaration, seen: Observation, built: Manifest) -> Iterator[tuple[str, str]]:
    """Another lock is declared; where what is declared was built already, the link has to be put back."""
    if built.lock_sha256 != declaration.lock_sha256:
        other = find_other(declaration, seen)
        if other:
            yield "link-retargeted", f"{declaration.link} leads to generation {seen.active}, not {other}"
        else:
            yield "lock-changed", f"{built.lock_sha256[:12]} was built, {declaration.lock_sha256[:12]} is declared"


def interpreter_drift(
    declaration: Declaration, built: Manifest, look: Look, python: Interpreter | None, machine: str
) -> Iterator[tuple[str, str]]:
    found, then = look.interpreter, built.interpreter
    if found is None:
        yield "interpreter-missing", f"{declaration.link}/bin/python leads to nothing"
    elif machine and look.interpreter_architectures and machine not in look.interpreter_architectures:
        yield "wrong-architecture", f"{found.path}: {', '.join(look.interpreter_architectures)}, not {machine}"
    elif found != then:
        yield "interpreter-changed", f"{found.path} is not the file that the environment was built with"
    elif python != then and not declaration.brings_python:
        now = python.path if python else "missing"
        yield "interpreter-changed", f"built with {then.path}, the managed Python is {now}"


def file_drift(built: Manifest, look: Look, machine: str) -> Iterator[tuple[str, str]]:
    """Say of each differing file what it means; files of one kind are one reason, packages are named."""
    gone, versions, there = package_drift(built, look)
    if gone:
        yield "package-missing", enumerate_some([*gone.values()])
    if versions:
        yield "package-version", enumerate_some([*versions.values()])
    if there:
        yield "package-extra", enumerate_some([*there.values()])
    by_reason: dict[str, list[str]] = {}
    for difference in look.differences:
        reason = reason_of(difference, machine)
        # Whose a missing file was is known, of a new one it is not.
        is_of_lost = reason == "file-missing" and difference.owner in {*gone, *versions}
        is_of_new = reason == "package-extra" and bool(versions or there)
        if not (is_of_lost or is_of_new):
            by_reason.setdefault(reason, []).append(difference.text)
    for reason, found in by_reason.items():
        yield reason, enumerate_some(found)


def package_drift(built: Manifest, look: Look) -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
    """Packages that are missing, there in another version than was built, and extra: by name, what is said of each."""
    then, found = built.packages, dict(built.packages)
    for kind in ("missing", "extra"):
        for difference in look.differences:
            if difference.package and difference.kind == kind:
                name, version = difference.package
                if kind == "extra":
                    found[name] = version
                else:
                    found.pop(name, None)
    missing = {name: f"{name}=={version}" for name, version in then.items() if name not in found}
    versions = {
        name: f"{name}: {then[name]} was built, {version} is there"
        for name, version in found.items()
        if then.get(name, version) != version
    }
    return missing, versions, {name: f"{name}=={version}" for name, version in found.items() if name not in then}


def reason_of(difference: Difference, machine: str) -> str:
    """The reason code of one differing file."""
    if difference.kind == "permissions":
        return "permissions-changed"
    if difference.kind == "missing":
        return "interpreter-missing" if _INTERPRETER.fullmatch(difference.path) else "file-missing"
    if runs_at_startup(difference.path):
        return "startup-file"
    if difference.kind == "extra":
        return "stray-plugin" if f"/{PLUGIN_FOLDER}/" in difference.path else "package-extra"
    if _INTERPRETER.fullmatch(difference.path):
        return "interpreter-changed"
    foreign = machine and difference.architectures and machine not in difference.architectures
    return "wrong-architecture" if foreign else "file-damaged"


def enumerate_some(items: list[str], limit: int = 5) -> str:
    rest = len(items) - limit
    return ", ".join(items[:limit]) + (f" and {rest} more" if rest > 0 else "")


# ----------------------------------------------------------------------------------------------- what is only said


def remarks(declaration: Declaration, seen: Observation) -> list[str]:
    """Warnings about what is left as it is."""
    return [
        *say_in_vain(declaration, seen),
        *(
            f"{path} is new, and runs whenever the Python of {declaration.name} starts. It is not ours: remove it if "
            "it is stray."
            for path in seen.startup_files_of_others
        ),
        *(
            say_stuck(declaration.home / name, keeper, is_ours=name not in seen.others)
            for name, keeper in seen.stuck.items()
        ),
    ]


def say_in_vain(declaration: Declaration, seen: Observation) -> Iterator[str]:
    """The warning that a rebuild has not helped, and is not tried again."""
    if seen.verdict in REBUILT_VERDICTS and seen.remembered.in_vain == what_failed(seen):
        yield (
            f"{declaration.name} was rebuilt because of {seen.verdict}, which did not help: it is not tried again. "
            f"-e tensorflow_rebuild={declaration.name} asks for it."
        )


def say_stuck(path: Path, keeper: str, *, is_ours: bool) -> str:
    """Warnings about what cannot be removed or set aside."""
    if is_ours:
        return safety.say_stuck(path, f"{keeper} belongs to another user")
    return f"{path} lies among the generations. It is another user's, so that it cannot be set aside: move it away."


# ------------------------------------------------------------------------------------------------------ what is refused


def refuse_impossible(declaration: Declaration, seen: Observation, plan: Plan) -> None:
    """Refuse before anything is done what would fail in the middle, or harm what is a user's own."""
    does = {action.do for action in plan.actions}
    if does & {"build", "switch"}:
        refuse_link_of_others(declaration, seen)
    if does & {"build", "write-kernel"} and declaration.lock:
        pinned_versions(declaration.lock)  # refuses what is not a lock
    if does & {"build", "write-kernel"} and declaration.jupyter_kernel:
        refuse_impossible_kernel(declaration, seen)
    if does and seen.obstacles:
        safety.refuse(seen.obstacles[0])
    if declaration.state == "present" and does & {"build", "switch"} and not declaration.has_lock:
        refuse_missing_lock(declaration)
    if "build" in does and seen.free_mb is not None and seen.free_mb < declaration.free_mb:
        raise MetalfleetError(
            f"The disk is full: {declaration.places.root} has {seen.free_mb} MB free, and a build needs "
            f"{declaration.free_mb}",
            remedy="Free some space, or set tensorflow_free_mb to require less.",
        )


def refuse_impossible_kernel(declaration: Declaration, seen: Observation) -> None:
    """Refuse a Jupyter kernel that could not be started, or not be written without harm to a user's own."""
    if declaration.lock:
        kernel.refuse_lock_without_ipykernel(declaration.name, declaration.lock)
    if seen.kernel_obstacle:
        safety.refuse(seen.kernel_obstacle)
    if seen.kernel is not None and kernel.is_of_others(seen.kernel, declaration.link):
        kernel.refuse_kernel_of_others(declaration.name)


def refuse_unfit_pair(declaration: Declaration, macos: str = "") -> None:
    """Refuse what could not be imported, or not be installed, on a Mac; `macos` is its version, "" is not known."""
    if declaration.pair:
        machine = Machine(declaration.minor, macos)
        refuse_unfit(declaration.pair, declaration.pairs, machine, allow_untested=declaration.allow_untested)
    if declaration.litert:
        refuse_unfit_litert(declaration.litert, declaration.litert_releases, Machine(declaration.minor, macos))


def refuse_missing_driver(declaration: Declaration) -> None:
    """Before gigabytes are fetched: without a driver no GPU of NVIDIA's is found, whatever is built."""
    raise MetalfleetError(
        f"The environment {declaration.name} must use this host's NVIDIA GPU, and no driver of NVIDIA's is loaded",
        remedy="Install the driver with the packages of the system, restart the host and run again. To compute on "
        "the CPU, declare gpu: none.",
    )


def refuse_missing_lock(declaration: Declaration) -> None:
    """An environment cannot be built for a platform that its locks were not made for."""
    there, platform = declaration.lock_platforms, declaration.platform or platform_name()
    target = target_of(platform)
    raise MetalfleetError(
        f"There is no lock for {platform} for the environment {declaration.name}",
        evidence=f"There are locks for: {', '.join(there) or 'none'}. {said_of_intel(there)}",
        remedy=remedy_for(SUBDIRS.get(target, target))
        if declaration.kind == CONDA
        else "Declare a lock of your own (lock), or a Python that has one (python, or native_python_version for all).",
    )


def refuse_link_of_others(declaration: Declaration, seen: Observation) -> None:
    """A link is ours if it leads below our root, or if we have made this environment before: then it was retargeted."""
    link = seen.link
    is_ours = link is None or (link.is_link and (seen.generations or leads_into(seen, declaration.places.root)))
    if not is_ours and link is not None:
        what = f"a link to {link.target}" if link.is_link else "not a link"
        raise MetalfleetError(
            f"{declaration.link} is in the way: it was not made by this collection",
            evidence=f"It is {what}.",
            remedy="Move it away, or declare the environment under another name.",
        )


def leads_into(seen: Observation, folder: Path) -> bool:
    """Whether the stable path is a link to something below a folder."""
    return seen.link is not None and seen.link.is_link and folder in Path(seen.link.target).parents


# ----------------------------------------------------------------------------------------------------------- reporting


def describe(declaration: Declaration, seen: Observation, plan: Plan) -> dict[str, Any]:
    """Ansible's diff: the state before, the state after, and why."""
    before: dict[str, Any] = {"state": "absent"}
    if seen.link is not None:
        before = {"state": "present", "link": seen.link.target}
        if seen.active is not None:
            before |= facts_of(seen.generations[seen.active])
    after: dict[str, Any] = {"state": "absent"}
    if declaration.state != "absent":
        number = next(iter([*plan.targets("build"), *plan.targets("switch")]), None)
        target = f"{declaration.home}/{number}" if number else before.get("link")
        after = {**before, "state": "present", "link": target}
        if plan.targets("build"):
            after |= {"lock_sha256": declaration.lock_sha256, "packages": pinned_versions(declaration.lock)}
        elif number:
            after |= facts_of(seen.generations[int(number)])
    return {"before": before, "after": {**after, "because": [f"{a.reason}: {a.evidence}" for a in plan.actions]}}


def facts_of(built: Manifest) -> dict[str, Any]:
    return {"lock_sha256": built.lock_sha256, "packages": built.packages}
