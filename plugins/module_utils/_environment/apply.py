# SPDX-License-Identifier: GPL-3.0-or-later
"""One place where each thing of a plan is done."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._commands import (
    CommandExited,
    CommandFailed,
    Commands,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment import manifest
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.build import Builder, DamagedFiles
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.declaration import (
    Declaration,
    EnvironmentFailed,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.failures import (
    explain_failure,
    what_is_active,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.observe import (
    Observation,
    kernel_path,
    kernel_text,
    list_generations,
    observe,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.plan import (
    Plan,
    describe,
    locked_packages,
    make_plan,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LOCK_WAIT = 600.0  # seconds


def converge(builder: Builder, check_mode: bool) -> dict[str, Any]:
    """Plan and, unless in check mode, apply; returns what the module returns."""
    try:
        return attempt(builder, check_mode)
    except (OSError, CommandFailed, DamagedFiles) as failure:
        raise EnvironmentFailed(explain_failure(failure, builder.declaration)) from failure


def attempt(builder: Builder, check_mode: bool) -> dict[str, Any]:
    """The same, with failures as they come."""
    declaration = builder.declaration
    seen = observe(declaration)
    plan = make_plan(declaration, seen, builder.machine)
    proof = None
    if plan.actions and not check_mode:
        refuse_bad_places(declaration)
        with one_writer(declaration):
            seen = observe(declaration)  # another writer may have been at work until now
            plan = make_plan(declaration, seen, builder.machine)
            apply(builder, plan)
            proof = builder.prove() if declaration.probe and declaration.state != "absent" else None
    return {**report(declaration, seen, plan), "probe": proof}


def foresee(declaration: Declaration) -> dict[str, Any]:
    """What `converge` would answer in check mode on a host that has nothing."""
    nothing = Observation()
    return {**report(declaration, nothing, make_plan(declaration, nothing)), "probe": None}


def report(declaration: Declaration, seen: Observation, plan: Plan) -> dict[str, Any]:
    """What the module returns."""
    changed = bool(plan.actions)
    return {
        "changed": changed,
        "name": declaration.name,
        "path": str(declaration.link),
        "plan": plan.as_data(),
        "reasons": plan.reasons,
        "packages": locked_packages(declaration.lock) if declaration.state == "present" else {},
        "diff": describe(declaration, seen, plan) if changed else {},
    }


def apply(builder: Builder, plan: Plan) -> None:
    """Do what the plan says, in its order. What was active before stays so until a new generation is complete."""
    for do, target in dict.fromkeys((action.do, action.target) for action in plan.actions):
        STEPS[do](builder, target)


def remove_unfinished(builder: Builder, name: str) -> None:
    """Remove what a killed build left."""
    remove_tree(builder.declaration.home / name)


def set_aside(builder: Builder, path: str) -> None:
    """Move a stray file or folder out of Python's way; nothing of a user's is ever deleted."""
    folder = builder.declaration.root / "set-aside"
    folder.mkdir(parents=True, exist_ok=True)
    number = sum(1 for _ in folder.iterdir()) + 1
    shutil.move(path, folder / f"{number}-{Path(path).name}")


def build(builder: Builder, number: str) -> None:
    """Build a generation and activate it; a failed one is removed."""
    declaration = builder.declaration
    generation = declaration.home / number
    refuse_full_disk(declaration)
    try:
        builder.build(generation)
    except BaseException:
        with contextlib.suppress(OSError):
            remove_tree(generation)
        raise
    switch(builder, number)
    prune(declaration, builder.commands)


def switch(builder: Builder, number: str) -> None:
    """Point the stable path at a generation with one rename."""
    link = builder.declaration.link
    link.parent.mkdir(parents=True, exist_ok=True)
    if link.exists() and not link.is_symlink():
        raise EnvironmentFailed(
            f"{link} is in the way: it is not a link that this collection made. "
            "Move it away, or declare the environment under another name."
        )
    new = link.with_name(f".{link.name}.new")
    new.unlink(missing_ok=True)
    new.symlink_to(builder.declaration.home / number)
    new.replace(link)


def remove(builder: Builder, _target: str) -> None:
    """Remove the stable path, if it is ours, and every generation."""
    declaration = builder.declaration
    if declaration.link.is_symlink() and declaration.link.readlink().parent == declaration.home:
        declaration.link.unlink()
    remove_tree(declaration.home)


def write_kernel(builder: Builder, _target: str) -> None:
    """Register the environment with Jupyter."""
    declaration = builder.declaration
    if "ipykernel" not in locked_packages(declaration.lock):
        raise EnvironmentFailed(
            f"The environment {declaration.name} is to be a Jupyter kernel, but its lock has no ipykernel. "
            "Add ipykernel to the lock, or leave jupyter_kernel out."
        )
    path = kernel_path(declaration.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(".kernel.json.new")
    new.write_text(kernel_text(declaration), encoding="utf-8")
    new.replace(path)


def remove_kernel(builder: Builder, _target: str) -> None:
    """Take the environment's kernel out of Jupyter's list."""
    remove_tree(kernel_path(builder.declaration.name).parent)


STEPS: dict[str, Callable[[Builder, str], None]] = {
    "remove-unfinished": remove_unfinished,
    "set-aside": set_aside,
    "build": build,
    "switch": switch,
    "remove": remove,
    "write-kernel": write_kernel,
    "remove-kernel": remove_kernel,
}


def prune(declaration: Declaration, commands: Commands) -> None:
    """Remove generations beyond `keep`, oldest first, but none that a running process uses."""
    numbers, _ = list_generations(declaration.home)
    surplus = [declaration.home / str(number) for number in numbers[: -declaration.keep]]
    used = folders_in_use(surplus, commands) if surplus else set()
    for generation in surplus:
        if generation not in used:
            (generation / manifest.NAME).unlink()  # first: what is half removed must not count as complete
            remove_tree(generation)


def folders_in_use(folders: list[Path], commands: Commands) -> set[Path]:
    """Those of the folders that a process of this user has open files, libraries or its working folder in.

    Where that cannot be found out, all of them.
    """
    try:
        opened = opened_files(commands)
    except (OSError, CommandFailed):
        return set(folders)
    return {
        folder for folder in folders if any(path.startswith(f"{folder}/") or path == str(folder) for path in opened)
    }


def opened_files(commands: Commands) -> set[str]:
    """Paths that this user's processes have open: from lsof on a Mac, from /proc on Linux."""
    if sys.platform == "darwin":
        return {line[1:] for line in list_with_lsof(commands).splitlines() if line.startswith("n/")}
    opened: set[str] = set()
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            opened.update(
                line.split(None, 5)[-1] for line in (process / "maps").read_text().splitlines() if "/" in line
            )
            opened.update(str(link.readlink()) for link in [process / "cwd", *(process / "fd").iterdir()])
    return opened


def list_with_lsof(commands: Commands) -> str:
    """The names of this user's open files. lsof exits with 1 if any process ended while it looked; its list is good."""
    try:
        command = ["/usr/sbin/lsof", "-w", "-n", "-P", "-u", str(os.getuid()), "-F", "n"]
        return commands.run(command, timeout=60).stdout
    except CommandExited as exited:
        if not exited.completed.stdout:
            raise
        return exited.completed.stdout


def remove_tree(path: Path) -> None:
    """Remove a folder or file; none there is as good."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


# --------------------------------------------------------------------------------------------------- before anything


def refuse_bad_places(declaration: Declaration) -> None:
    """Refuse, before anything is done, a place where an environment could not be made or would not work."""
    for place in (declaration.root, declaration.links):
        parent = next(folder for folder in (place, *place.parents) if folder.exists())
        if not os.access(parent, os.W_OK | os.X_OK):
            raise EnvironmentFailed(
                f"{place} cannot be written by user {os.geteuid()}. Make it writable, or choose another folder "
                "(tensorflow_root, tensorflow_links)."
            )
        if os.geteuid() == 0 and parent.stat().st_uid != 0:
            raise EnvironmentFailed(
                f"{place} lies in a folder of another user, who could not change there what root makes. "
                "Run without become, or choose a folder of root's (tensorflow_root, tensorflow_links)."
            )


def refuse_full_disk(declaration: Declaration) -> None:
    declaration.home.mkdir(parents=True, exist_ok=True)
    free_mb = shutil.disk_usage(declaration.home).free // 1_000_000
    if free_mb < declaration.free_mb:
        raise EnvironmentFailed(
            f"The disk is full: {declaration.root} has {free_mb} MB free, and a build needs {declaration.free_mb}. "
            f"Free some space, or set free_mb if you know better. {what_is_active(declaration)}"
        )


@contextlib.contextmanager
def one_writer(declaration: Declaration, wait: float = LOCK_WAIT) -> Iterator[None]:
    """Hold this environment's lock file; a second writer waits, and fails after `wait` seconds."""
    folder = declaration.home.parent
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f".{declaration.name}.writer").open("w", encoding="utf-8") as lock_file:
        deadline = time.monotonic() + wait
        while True:
            try:
                fcntl.flock(lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise EnvironmentFailed(
                        f"Another run has been working on the environment {declaration.name} for {wait:.0f} seconds. "
                        "Wait until it has ended and run again."
                    ) from None
                time.sleep(0.2)
        yield
