# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""What a kind of environment must be able to do."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._kinds.wanted import Wanted
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.platforms import Platform


@dataclass(frozen=True)
class Installed:
    """What a lock was installed from."""

    archives: tuple[str, ...]
    """SHA-256 of each package's archive."""
    warnings: tuple[str, ...] = ()


class Claim(NamedTuple):
    """A file that a package says it has brought."""

    path: str
    """Relative to the generation."""
    owner: str
    """The package's normalised name."""
    sha256: str
    """As the package says it; "" if it says none. Of a link it is what `link_to` makes of its target."""


def link_to(target: str) -> str:
    """What stands for the content of a link."""
    return f"link to {target}"


@dataclass(frozen=True)
class Contents:
    """What is installed in a generation, by the packages' own records."""

    packages: dict[str, str]
    """Normalised name to version."""
    claims: tuple[Claim, ...]
    records: dict[str, str]
    """The records themselves, which cannot tell their own digests: path to the package; "" for the kind's own."""


class Kind(Protocol):
    """Installs locks into generations, and reads what is installed there."""

    def prepare(self, generation: Path, *, name: str, python: Path) -> None:
        """Make the generation's folder, which is there, into an environment without packages, for a base interpreter.

        `name` is what a shell shows while the environment is active.
        """

    def install(self, generation: Path, lock: str) -> Installed:
        """Install exactly what the text of a lock names, from archives that are checked by their hashes."""

    def wanted(self, lock: str, platform: Platform) -> Collection[Wanted]:
        """All that a lock is installed from on a host whose managed Python is of a platform. Raises MetalfleetError."""

    def inspect(self, generation: Path) -> Contents:
        """Read what is installed. Raises MetalfleetError for a package that no generation may hold."""

    def refuse_unmet(self, generation: Path) -> None:
        """Refuse a generation whose packages require what is not there. Its files were checked and may be executed."""

    def package_of(self, path: str) -> tuple[str, str] | None:
        """Name and version of the package whose presence a file tells, by its path in a generation."""

    def archives_of(self, lock: str) -> Collection[str]:
        """SHA-256 of every archive that a lock may be installed from."""
