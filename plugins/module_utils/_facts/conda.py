# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""Installations of conda, mamba and micromamba: which they are, for what processor, and their environments.

All of it is told from files, and of the folders that the look for interpreters has come by: nothing is run. On Apple
Silicon the one that matters is the x86_64 installation of an earlier Mac: all that it makes is translated by Rosetta.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Callable

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._layout import PROGRAMS_OF_MAMBA, ROOTS_OF_MAMBA

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from ansible_collections.metalfleet.tensorflow.plugins.module_utils._facts.files import Files
    from ansible_collections.metalfleet.tensorflow.plugins.module_utils._facts.types import Conda

DISTRIBUTIONS = ("anaconda", "miniconda", "miniforge", "mambaforge", "micromamba", "mamba", "conda")
"""Every value of `Conda["distribution"]`."""

# Installers name their folders so; a longer name goes before one that it begins with.
_IN_NAME = "|".join(DISTRIBUTIONS[:-1])
_METAPACKAGE = r"anaconda-(\d|custom-).*\.json"  # not such as anaconda-client, which any installation may have
_MADE_BY = r"(?m)^# cmd: (.+)$"  # conda's history of an environment begins with the command that made it
# Where no installer puts roots, one is known by what it holds: ~/.conda, and a folder of environments only, hold none
# of these. A base environment has the programs that other environments are made with (conda 4.6 and later).
_MARK_OF_BASE = "condabin"
_MARKS_OF_ROOTS = ("conda-meta", _MARK_OF_BASE, "bin/micromamba")

Architectures = Callable[[Path], "list[str] | None"]


def is_of_conda(prefix: Path) -> bool:
    """Whether it is an environment of conda's kind, as the base environment of an installation is too."""
    return os.access(prefix / "conda-meta", os.F_OK)


class Installations:
    """What there is of conda on a host.

    `usual` are the prefixes in the places of installers, `listed` those that the user's list of environments names,
    `pythons` what the interpreters in a prefix hold code for, by its real path.
    """

    def __init__(
        self,
        files: Files,
        *,
        usual: Sequence[Path],
        listed: Sequence[Path],
        pythons: Mapping[Path, Sequence[str]],
        architectures: Architectures,
    ) -> None:
        self._files = files
        self._pythons = pythons
        self._architectures = architectures
        self._usual = _each_once(usual)
        self._listed = {real: place for real, place in _each_once(listed).items() if real not in self._usual}
        self._roots = _each_once(self._places_of_roots())
        self._root_by_name = {name: root for root, place in self._roots.items() for name in (root, place)}
        self._environments = {real: place for real, place in self._prefixes().items() if real not in self._roots}

    def facts(self) -> list[Conda]:
        """One entry for each root. An environment that no root can be told for is in none."""
        owners = {real: self._owner(real, place) for real, place in self._environments.items()}
        return [
            self._describe(root, place, [real for real, owner in owners.items() if owner == root])
            for root, place in self._roots.items()
        ]

    def _prefixes(self) -> dict[Path, Path]:
        return {**self._usual, **self._listed}

    def _places_of_roots(self) -> Iterator[Path]:
        """What installers made, and what else the user's list tells of; it names roots as well as environments."""
        yield from (place for real, place in self._usual.items() if not _around(real, place))
        for root in ROOTS_OF_MAMBA:
            if any(self._files.has(f"{root}/{name}") for name in ("conda-meta", "envs", "bin")):
                yield self._files.place(root)
        around = dict.fromkeys(root for names in self._prefixes().items() for root in _around(*names))
        yield from (root for root in around if _has_any(root, _MARKS_OF_ROOTS))
        others = (place for real, place in self._listed.items() if not _around(real, place))
        yield from (place for place in others if _has_any(place, [_MARK_OF_BASE]))

    def _owner(self, real: Path, place: Path) -> Path | None:
        """The root that an environment lies in, or else the one whose program made it."""
        around = (self._root_by_name.get(root) for root in _around(real, place))
        return next(filter(None, around), None) or self._maker(place)

    def _maker(self, environment: Path) -> Path | None:
        history = self._files.text(self._files.path(environment / "conda-meta/history")) or ""
        command = re.search(_MADE_BY, history)
        made_by = command[1] if command else ""
        for root, place in self._roots.items():
            names = {self._files.path(root), self._files.path(place)}
            if made_by.startswith(tuple(f"{name}/{folder}/" for name in names for folder in ("bin", "condabin"))):
                return root
        return None

    def _describe(self, root: Path, place: Path, environments: Sequence[Path]) -> Conda:
        return {
            "prefix": self._files.path(place),
            "distribution": self._distribution(place),
            "architecture": self._architecture(root, place, environments),
            "environments": [self._files.path(self._environments[each]) for each in environments],
        }

    def _distribution(self, place: Path) -> str:
        """By the name that its installer gave the folder; Homebrew's casks call that `base`. Else by what is in it."""
        folder = place.parent if place.name == "base" else place
        name = re.search(_IN_NAME, folder.name.lower())
        if name and name[0] != "mamba":  # a root of that name is of mamba or micromamba
            return name[0]
        packages = self._files.names(place / "conda-meta", "anaconda-*.json")
        if any(re.fullmatch(_METAPACKAGE, package) for package in packages):
            return "anaconda"
        programs = (each for each in ("conda", "micromamba", "mamba") if self._has(place / "bin" / each))
        return next(programs, name[0] if name else "conda")

    def _has(self, place: Path) -> bool:
        return bool(self._files.has(self._files.path(place)))

    def _architecture(self, root: Path, place: Path, environments: Sequence[Path]) -> str | None:
        """By the first that tells one: its Python; where it has none, its program, or those of its environments."""
        if root in self._pythons:
            return _the_only(self._pythons[root])
        sources = (
            self._of_programs([place / "bin/micromamba", place / "bin/mamba"]),
            self._of_programs(map(self._files.place, PROGRAMS_OF_MAMBA)),
            (architecture for each in environments for architecture in self._pythons.get(each, ())),
        )
        return next((found for found in map(_the_only, sources) if found), None)

    def _of_programs(self, programs: Iterable[Path]) -> Iterator[str]:
        for program in filter(self._files.is_program, programs):
            yield from self._architectures(program) or ()


def _around(real: Path, place: Path) -> list[Path]:
    """The folders in whose `envs` a prefix lies, by the name that was found and by its real path; none for a root."""
    return [name.parents[1] for name in dict.fromkeys((place, real)) if name.parent.name == "envs"]


def _has_any(folder: Path, names: Iterable[str]) -> bool:
    return any(os.access(folder / name, os.F_OK) for name in names)


def _each_once(places: Iterable[Path]) -> dict[Path, Path]:
    """Each place by its real path, by the first name that leads to it."""
    found: dict[Path, Path] = {}
    for place in places:
        found.setdefault(Path(os.path.realpath(place)), place)
    return found


def _the_only(architectures: Iterable[str]) -> str | None:
    """The architecture that all of them are; None for none, and for several."""
    distinct = set(architectures)
    return distinct.pop() if len(distinct) == 1 else None
