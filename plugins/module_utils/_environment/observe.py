# SPDX-License-Identifier: GPL-3.0-or-later
"""What is on the host. Nothing is executed, and nothing is changed, not even a time stamp.

What to do about it is the plan's matter. Looking at a generation closely takes time, so that it is done for the active
one only, and for those others of which the plan says that they are worth it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Callable, Optional

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment import files, manifest, safety
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.kernel import read_kernel
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.manifest import Interpreter, Manifest
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.startup import (
    plugins_of_the_user,
    startup_files_elsewhere,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import Problem
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._layout import Places
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._macho import architectures
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._python.wanted import managed_python

PackageOf = Callable[[str], Optional[tuple[str, str]]]
"""A kind's `package_of`."""


@dataclass(frozen=True)
class Difference:
    """A file of a generation that is not as it was built: `missing`, `changed` or `extra`."""

    path: str
    kind: str
    package: tuple[str, str] | None = None
    """The package whose presence the file tells, with its version."""
    architectures: tuple[str, ...] = ()


@dataclass(frozen=True)
class Look:
    """What a close look at a generation has shown."""

    differences: tuple[Difference, ...] = ()
    interpreter: Interpreter | None = None
    """What its bin/python leads to now; None if to nothing."""
    interpreter_architectures: tuple[str, ...] = ()


@dataclass(frozen=True)
class Link:
    """What is at the stable path."""

    target: str
    """Where it leads; the path itself, if it is no link."""
    is_link: bool = True


@dataclass(frozen=True)
class Observation:
    """Everything that a plan is made from. As it stands, it is that of a host that has nothing."""

    link: Link | None = None
    generations: Mapping[int, Manifest] = field(default_factory=dict)
    """The complete ones, by number."""
    unfinished: tuple[str, ...] = ()
    """Names of those that are not complete."""
    others: tuple[str, ...] = ()
    """Names of what else is in their folder."""
    active: int | None = None
    """The complete generation that the stable path leads to."""
    looks: Mapping[int, Look] = field(default_factory=dict)
    """The close looks that were taken."""
    in_use: frozenset[int] = frozenset()
    """Generations that a process uses, as far as that was asked."""
    python: Interpreter | None = None
    """The base interpreter that new generations are made with."""
    startup_files: tuple[str, ...] = ()
    """Outside the generation, on its import path, and not there when it was built."""
    stray_plugins: tuple[str, ...] = ()
    """Folders of plug-ins outside the generation that TensorFlow would load."""
    kernel: str | None = None
    """The text of the Jupyter kernel's specification."""
    obstacles: tuple[Problem, ...] = ()
    """What keeps this user from writing where it would be necessary."""
    free_mb: int | None = None
    """Megabytes that are free on the volume of the generations."""

    def numbers_and(self, *more: int) -> list[int]:
        """The numbers of the complete generations and some more, in order."""
        return sorted({*self.generations, *more})


def observe(name: str, places: Places, package_of: PackageOf, *, everything: bool = False) -> Observation:
    """Look at an environment. With `everything` all files of its active generation are hashed."""
    home = places.generations(name)
    complete, incomplete = list_generations(home)
    link = read_link(places.link(name))
    active = find_active(link, home, complete)
    python = managed_python(places.root)
    built = complete[active] if active is not None else next(reversed(list(complete.values())), None)
    minor = python_minor(home, complete)
    return look_closer(
        Observation(
            link=link,
            generations=complete,
            unfinished=tuple(name for name in incomplete if manifest.was_begun(home / name)),
            others=tuple(name for name in incomplete if not manifest.was_begun(home / name)),
            active=active,
            python=identify_like(python, built.interpreter if built else None),
            startup_files=tuple(new_startup_files(python, built)) if built else (),
            stray_plugins=tuple(plugins_of_the_user(minor)) if minor else (),
            kernel=read_kernel(name),
            obstacles=tuple(safety.find_obstacles(places, home)),
            free_mb=safety.free_mb(home),
        ),
        home,
        [] if active is None else [active],
        package_of,
        everything=everything,
    )


def look_closer(
    seen: Observation, home: Path, numbers: Iterable[int], package_of: PackageOf, *, everything: bool = False
) -> Observation:
    """The same with a close look at some of the complete generations."""
    looks = {
        number: look_at(home / str(number), seen.generations[number], package_of, everything=everything)
        for number in numbers
    }
    return replace(seen, looks={**seen.looks, **looks})


def list_generations(home: Path) -> tuple[dict[int, Manifest], list[str]]:
    """The complete generations, oldest first, and the names of everything else in their folder."""
    names = sorted(os.listdir(home)) if home.is_dir() else []  # noqa: PTH208 - the names are all that is wanted
    read = {name: manifest.read(home / name) for name in names if name.isdigit()}
    complete = {int(name): built for name, built in read.items() if built}
    return dict(sorted(complete.items())), [name for name in names if not read.get(name)]


def all_complete(places: Places) -> Iterator[Manifest]:
    """The manifests of all environments' complete generations, whoever declares them."""
    for home in places.environments.iterdir() if places.environments.is_dir() else ():
        if home.is_dir():
            yield from list_generations(home)[0].values()


def read_link(path: Path) -> Link | None:
    if path.is_symlink():
        return Link(str(path.readlink()))
    return Link(str(path), is_link=False) if path.exists() else None


def find_active(link: Link | None, home: Path, complete: Mapping[int, Manifest]) -> int | None:
    """The complete generation that a link leads to."""
    target = Path(link.target) if link else home
    number = int(target.name) if target.parent == home and target.name.isdigit() else None
    return number if number in complete else None


def identify_like(python: Path, known: Interpreter | None) -> Interpreter | None:
    """The identity of an interpreter. One whose path, size and time are as known is not hashed again."""
    try:
        real = Path(os.path.realpath(python))
        status = real.stat()
    except OSError:
        return None
    if known and (str(real), status.st_size, status.st_mtime_ns) == (known.path, known.size, known.mtime_ns):
        return known
    return manifest.identify(real)


# ----------------------------------------------------------------------------------------------- files of a generation


def look_at(folder: Path, built: Manifest, package_of: PackageOf, *, everything: bool) -> Look:
    """Compare a complete generation with its manifest."""
    interpreter = folder / "bin" / "python"
    return Look(
        differences=tuple(find_differences(folder, built, package_of, everything=everything)),
        interpreter=identify_like(interpreter, built.interpreter),
        interpreter_architectures=architectures(interpreter) if interpreter.exists() else (),
    )


def find_differences(folder: Path, built: Manifest, package_of: PackageOf, *, everything: bool) -> Iterator[Difference]:
    """Files that are not as they were built. Size and time tell which to hash; with `everything` all are."""
    found, tree = files.walk(folder, ignored=manifest.OURS), built.tree
    suspects = []
    for inside in sorted({*found, *tree}):
        here, then = found.get(inside, {}), tree.get(inside, {})
        if here == then and not everything:
            continue
        for name in sorted({*here, *then}):
            path = f"{inside}/{name}" if inside else name
            kind = compare_stamps(here.get(name), then.get(name), everything=everything)
            if kind == "suspect":
                suspects.append(path)
            elif kind == "changed":
                yield changed(folder, path)
            elif kind:
                yield Difference(path, kind, package_of(path))
    yield from compare_digests(folder, built, suspects)


def compare_stamps(here: files.Stamp | None, then: files.Stamp | None, *, everything: bool) -> str:
    """What two stamps of one file say: a difference's kind, `suspect` if only its content can tell, or nothing."""
    if then is None:
        return "extra"
    if here is None:
        return "missing"
    if len(here) != len(then) or here[0] != then[0]:
        return "changed"  # another size or target, or a link in a file's place
    is_file = len(here) > 1
    return "suspect" if is_file and (everything or here != then) else ""


def compare_digests(folder: Path, built: Manifest, suspects: list[str]) -> Iterator[Difference]:
    """Those of the suspects whose content is another."""
    if not suspects:
        return
    expected = manifest.read_digests(folder, built)
    for path, digest in files.hash_all(folder, suspects).items():
        if digest != expected.get(path):
            yield changed(folder, path)


def changed(folder: Path, path: str) -> Difference:
    found: tuple[str, ...] = ()
    with contextlib.suppress(OSError):
        found = architectures(folder / path)
    return Difference(path, "changed", architectures=found)


# ------------------------------------------------------------------------------------------- what lies outside of it


def new_startup_files(python: Path, built: Manifest) -> list[str]:
    """Start-up files in the base interpreter's library that were not there when a generation was built."""
    return [path for path in startup_files_elsewhere(python) if path not in built.startup_elsewhere]


def python_minor(home: Path, complete: Mapping[int, Manifest]) -> str | None:
    """3.12, from where the newest generation has its packages."""
    for number in sorted(complete, reverse=True):
        for folder in (home / str(number)).glob("lib/python3.*"):
            return folder.name[len("python") :]
    return None
