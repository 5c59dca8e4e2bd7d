# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""What is on the host. Nothing is executed, and nothing is changed, not even a time stamp.

What to do about it is the plan's matter. Looking at a generation closely takes time, so that it is done for the active
one only, and for those others of which the plan says that they are worth it.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Callable, Optional

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment import (
    files,
    kernel,
    manifest,
    memory,
    safety,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.manifest import Interpreter, Manifest
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.startup import (
    plugins_of_the_user,
    startup_files_elsewhere,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import Problem
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._layout import Places
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._macho import architectures
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._paths import is_folder
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._python.intact import NOBODYS
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._python.wanted import managed_python

PackageOf = Callable[[str], Optional[tuple[str, str]]]
"""A kind's `package_of`."""


@dataclass(frozen=True)
class Difference:
    """An entry of a generation that is not as it was built."""

    path: str
    kind: str
    """`missing`, `changed`, `extra` or, of mode and owner, `permissions`."""
    package: tuple[str, str] | None = None
    """The package whose presence the file tells, with its version."""
    architectures: tuple[str, ...] = ()
    detail: str = ""
    """What differs, where the kind does not say it."""
    owner: str = ""
    """The package that had brought a file which is missing, as far as that is known."""

    @property
    def text(self) -> str:
        """The evidence in words."""
        return f"{self.path} ({self.detail})" if self.detail else self.path


@dataclass(frozen=True)
class Look:
    """The result of a close look at a generation."""

    differences: tuple[Difference, ...] = ()
    interpreter: Interpreter | None = None
    """What its bin/python leads to now; None if to nothing."""
    interpreter_architectures: tuple[str, ...] = ()


@dataclass(frozen=True)
class Link:
    """The state of the stable path."""

    target: str
    """Where it leads; the path itself, if it is not a link."""
    is_link: bool = True


@dataclass(frozen=True)
class Observation:
    """Everything that a plan is made from. The defaults are those of a host that has nothing."""

    link: Link | None = None
    has_folder: bool = False
    """Whether there is a folder of generations, be it empty."""
    generations: Mapping[int, Manifest] = field(default_factory=dict)
    """The complete ones, by number."""
    unfinished: tuple[str, ...] = ()
    """Names of those that are not complete."""
    others: tuple[str, ...] = ()
    """Names of what else is in their folder."""
    stuck: Mapping[str, str] = field(default_factory=dict)
    """Of what is to be removed or set aside, that which this user cannot: name to what in it keeps it there."""
    active: int | None = None
    """The complete generation that the stable path leads to."""
    looks: Mapping[int, Look] = field(default_factory=dict)
    """The close looks that were taken."""
    remembered: memory.Memory = field(default_factory=memory.Memory)
    """What is remembered from earlier runs."""
    verdict: str = ""
    """The verdict of the active generation's probe, if that failed."""
    in_use: frozenset[int] = frozenset()
    """Generations that a process uses, as far as that was asked."""
    python: Interpreter | None = None
    """The base interpreter that new generations are made with; None if there is none, or if they bring their own."""
    startup_files: tuple[str, ...] = ()
    """In the library of a base interpreter of ours, and not there when the generation was built."""
    startup_files_of_others: tuple[str, ...] = ()
    """The same in an interpreter that is somebody else's, such as Homebrew's."""
    stray_plugins: tuple[str, ...] = ()
    """Folders of plug-ins outside the generation that TensorFlow would load."""
    kernel: str | None = None
    """The text of the Jupyter kernel's specification."""
    kernel_obstacle: Problem | None = None
    """What keeps this user from reading or writing it."""
    obstacles: tuple[Problem, ...] = ()
    """What keeps this user from writing where it would be necessary."""
    free_mb: int | None = None
    """Megabytes that are free on the volume of the generations."""

    def numbers_and(self, *more: int) -> list[int]:
        """The numbers of the complete generations and some more, in order."""
        return sorted({*self.generations, *more})


def observe(
    name: str, places: Places, package_of: PackageOf, *, python: str | None = "", everything: bool = False
) -> Observation:
    """Look at an environment, and at the managed Python that it is to be made with (see wanted.link_to).

    `python` is None where generations bring their own. With `everything` all files of its active generation are hashed.
    """
    home = places.generations(name)
    kernel_text, kernel_obstacle = kernel.look_at_kernel(name)
    complete, incomplete = list_generations(home)
    unfinished = [entry for entry in incomplete if is_unfinished(home / entry)]
    others = [entry for entry in incomplete if entry not in unfinished]
    link = read_link(places.link(name))
    active = find_active(link, home, complete)
    interpreter = managed_python(places.root, python or "")
    built = complete[active] if active is not None else next(reversed(list(complete.values())), None)
    minor = python_minor(home, complete, interpreter)
    startup_files = tuple(new_startup_files(interpreter, built)) if built and python is not None else ()
    real = Path(os.path.realpath(interpreter))
    is_ours = Path(os.path.realpath(places.root)) in real.parents
    is_replaced = built is not None and built.interpreter.path != str(real)  # as by an upgrade of Homebrew's
    return look_closer(
        Observation(
            link=link,
            has_folder=os.path.lexists(home),
            generations=complete,
            unfinished=tuple(unfinished),
            others=tuple(others),
            stuck={
                **find_stuck(home, unfinished, safety.what_keeps_it_from_removal),
                **find_stuck(home, others, safety.what_keeps_it_in_place),
            },
            active=active,
            remembered=memory.read(home),
            python=identify_like(interpreter, built.interpreter if built else None) if python is not None else None,
            startup_files=startup_files if is_ours else (),
            startup_files_of_others=() if is_ours or is_replaced else startup_files,
            stray_plugins=tuple(plugins_of_the_user(minor)) if minor else (),
            kernel=kernel_text,
            kernel_obstacle=kernel_obstacle,
            obstacles=tuple(safety.find_obstacles(places, home)),
            free_mb=safety.free_mb(home),
        ),
        home,
        [] if active is None else [active],
        package_of,
        everything=everything,
    )


def is_unfinished(folder: Path) -> bool:
    """Whether a build of ours has left it; what cannot be looked into is not known to be."""
    try:
        return manifest.is_unfinished(folder)
    except OSError:
        return False


def find_stuck(home: Path, names: Iterable[str], what_keeps: Callable[[Path], Path | None]) -> dict[str, str]:
    """Those of the entries of a folder that something keeps there, with what that is."""
    found = {name: what_keeps(home / name) for name in names}
    return {name: str(keeper) for name, keeper in found.items() if keeper}


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
    """The complete generations, oldest first, and the names of everything else in their folder that is somebody's."""
    names = sorted(set(os.listdir(home)) - NOBODYS - memory.FILES) if home.is_dir() else []  # noqa: PTH208 - names are enough
    read = {name: manifest.read(home / name) for name in names if manifest.is_number(name) and is_folder(home / name)}
    complete = {int(name): built for name, built in read.items() if built}
    return dict(sorted(complete.items())), [name for name in names if not read.get(name)]


def all_complete(places: Places) -> Iterator[Manifest]:
    """The manifests of all environments' complete generations, whoever declares them."""
    for home in places.environments.iterdir() if places.environments.is_dir() else ():
        with contextlib.suppress(PermissionError):
            yield from list_generations(home)[0].values()


def read_link(path: Path) -> Link | None:
    if path.is_symlink():
        return Link(str(path.readlink()))
    return Link(str(path), is_link=False) if path.exists() else None


def find_active(link: Link | None, home: Path, complete: Mapping[int, Manifest]) -> int | None:
    """The complete generation that a link leads to."""
    target = Path(link.target) if link else home
    number = int(target.name) if target.parent == home and manifest.is_number(target.name) else None
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
    differences = find_differences(folder, built, package_of, everything=everything)
    return Look(
        differences=tuple(with_owners(list(differences), folder, built)),
        interpreter=identify_like(interpreter, built.interpreter),
        interpreter_architectures=architectures_of(interpreter),
    )


def find_differences(folder: Path, built: Manifest, package_of: PackageOf, *, everything: bool) -> Iterator[Difference]:
    """What is not as it was built. Stamps tell what to hash beside the decisive files; with `everything` all are."""
    found, tree = manifest.walk(folder), built.tree
    closed = [inside for inside, entries in found.items() if files.UNREADABLE in entries[files.FOLDER]]
    suspects = set(built.decisive)
    for inside in sorted({*found, *tree}):
        here, then = found.get(inside, {}), tree.get(inside, {})
        if (here == then and not everything) or is_below(inside, closed):
            continue
        for name in [files.FOLDER] if inside in closed else sorted({*here, *then}):
            path = "/".join(part for part in (inside, name) if part) or "."
            kind, detail = compare_stamps(here.get(name), then.get(name))
            if kind == "suspect" or (not kind and everything and files.is_regular(here[name])):
                suspects.add(path)
            elif kind and (name != files.FOLDER or inside in closed or kind == "permissions"):
                suspects.discard(path)
                yield describe(folder, path, kind, detail, package_of)
    yield from compare_digests(folder, built, {path for path in suspects if not is_below(path, closed)}, package_of)


def with_owners(differences: list[Difference], folder: Path, built: Manifest) -> Iterator[Difference]:
    """The same; missing files with the packages that had brought them."""
    is_asked = any(each.kind == "missing" for each in differences)
    owned = manifest.read_owned(folder, built) if is_asked else {}
    owners = {path: owner for owner, digests in owned.items() for path in digests}
    for each in differences:
        yield replace(each, owner=owners.get(each.path, "")) if each.kind == "missing" else each


def is_below(path: str, folders: Iterable[str]) -> bool:
    """Whether a path lies in one of the folders, and is none of them."""
    return any(path.startswith(f"{folder}/" if folder else "") and path != folder for folder in folders)


def compare_stamps(here: files.Stamp | None, then: files.Stamp | None) -> tuple[str, str]:
    """What two stamps of one entry say: a difference's kind and detail; `suspect` if only its content can tell."""
    if here is None or then is None:
        return ("missing" if here is None else "extra"), ""
    if files.UNREADABLE in here:
        return "permissions", "it cannot be looked into"
    (mode, owner, *content), (mode_then, owner_then, *content_then) = here, then
    if stat.S_IFMT(mode) != stat.S_IFMT(mode_then) or content[:1] != content_then[:1]:
        return "changed", ""  # another kind of entry, another size, or another target
    if mode != mode_then:
        return "permissions", f"mode {stat.S_IMODE(mode):o}, not {stat.S_IMODE(mode_then):o}"
    if owner != owner_then:
        return "permissions", f"it belongs to user {owner}, not {owner_then}"
    return ("suspect" if content != content_then else ""), ""


def compare_digests(folder: Path, built: Manifest, suspects: set[str], package_of: PackageOf) -> Iterator[Difference]:
    """Those of the suspects whose content is another."""
    owned = manifest.read_owned(folder, built) if suspects - built.decisive.keys() else {}
    expected = {path: digest for digests in owned.values() for path, digest in digests.items()} | built.decisive
    for path, digest in files.hash_all(folder, sorted(suspects)).items():
        if not digest:
            yield describe(folder, path, "permissions", "it cannot be read", package_of)
        elif digest != expected.get(path):
            yield describe(folder, path, "changed", "", package_of)


def describe(folder: Path, path: str, kind: str, detail: str, package_of: PackageOf) -> Difference:
    """A difference, with what its path and its content tell."""
    package = package_of(path) if kind in ("missing", "extra") else None
    return Difference(path, kind, package, architectures_of(folder / path) if kind == "changed" else (), detail)


def architectures_of(file: Path) -> tuple[str, ...]:
    """Those of its native code; none, if there is none or it cannot be read."""
    with contextlib.suppress(OSError):
        return architectures(file)
    return ()


# ------------------------------------------------------------------------------------------- what lies outside of it


def new_startup_files(python: Path, built: Manifest) -> list[str]:
    """Start-up files in the base interpreter's library that were not there when a generation was built."""
    return [path for path in startup_files_elsewhere(python) if path not in built.startup_elsewhere]


def python_minor(home: Path, complete: Mapping[int, Manifest], interpreter: Path) -> str | None:
    """3.12, from where the newest generation has its packages, or its Python its library; None if neither is there."""
    base = Path(os.path.realpath(interpreter)).parents[1]
    for prefix in (*(home / str(number) for number in sorted(complete, reverse=True)), base):
        for folder in sorted(
            prefix.glob("lib/python3.*"), reverse=True
        ):  # conda's 3.1x has a link lib/python3.1 as well
            return folder.name[len("python") :]
    return None
