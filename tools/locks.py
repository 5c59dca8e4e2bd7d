# SPDX-License-Identifier: GPL-3.0-or-later
"""Resolve every pinned list of this collection: `make locks`.

Reads `locks.yml`, the default pair of the pairing table, and `requirements/*.in`, asks the package index through uv,
and writes

* `requirements/*.txt` for the controller: one list for all of its Pythons and systems, by environment markers;
* `plugins/plugin_utils/_data/uv.txt`: the controller's release of uv for the hosts;
* `plugins/plugin_utils/_data/locks/PAIR/PLATFORM-pyVERSION.txt`: the default lock of an environment.

What goes to hosts holds the hashes of those wheels only that the platform can install, a twentieth of all hashes.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from uv import find_uv_bin

from tools.pairing.table import DEFAULT, Pair, read_table

CHECKOUT = Path(__file__).parents[1]
REQUIREMENTS = CHECKOUT / "requirements"
LOCKS = CHECKOUT / "plugins/plugin_utils/_data/locks"
HOSTS_UV = CHECKOUT / "plugins/plugin_utils/_data/uv.txt"
LEAST_CONTROLLER_PYTHON = "3.11"


@dataclass(frozen=True)
class Platform:
    """A kind of host: uv's name for it, and its requirements with `{tensorflow}` and `{metal}` to fill in."""

    name: str
    target: str
    requirements: Sequence[str]
    least_macos: str = ""

    def requirements_for(self, pair: Pair) -> list[str]:
        """The requirements of `pair` on this platform."""
        return [line.format(tensorflow=pair.tensorflow, metal=pair.metal) for line in self.requirements]


@dataclass(frozen=True)
class Package:
    """A package of a lock: its version and the sha256 digests of the wheels that may be installed."""

    name: str
    version: str
    digests: frozenset[str]

    @property
    def pin(self) -> str:
        """The requirement that admits this version only."""
        return f"{self.name}=={self.version}"

    @property
    def entry(self) -> str:
        """The package's lines in a hashed requirements list."""
        return " \\\n    ".join([self.pin, *(f"--hash=sha256:{digest}" for digest in sorted(self.digests))])


@dataclass(frozen=True)
class Resolver:
    """uv with the state of the package index on one day."""

    as_of: str

    def compile(self, *arguments: str | Path, environment: Mapping[str, str] | None = None) -> str:
        """Run `uv pip compile` for wheels only and return what it prints; its own message stands if it fails."""
        command = [find_uv_bin(), "pip", "compile", "--quiet", "--no-header", "--no-annotate", "--only-binary=:all:"]
        command += [f"--exclude-newer={self.as_of}", "--python", sys.executable, "--no-python-downloads"]
        settings = {"UV_CACHE_DIR": str(CHECKOUT / ".cache/uv"), **(environment or {})}
        process = subprocess.run(
            [*command, *map(str, arguments)], env=os.environ | settings, stdout=subprocess.PIPE, text=True, check=True
        )
        return process.stdout

    def wheels(
        self, requirements: Iterable[str], *, constraints: Iterable[str] = (), platform: Platform, python: str
    ) -> list[Package]:
        """Resolve `requirements` to the wheels for `python` on `platform`."""
        with tempfile.TemporaryDirectory() as folder:
            wanted, limits = Path(folder, "requirements.in"), Path(folder, "constraints.txt")
            wanted.write_text("\n".join(requirements))
            limits.write_text("\n".join(constraints))
            pylock = self.compile(
                wanted,
                f"--constraints={limits}",
                f"--python-platform={platform.target}",
                f"--python-version={python}",
                "--format=pylock.toml",
                environment={"MACOSX_DEPLOYMENT_TARGET": platform.least_macos} if platform.least_macos else {},
            )
        return packages_of(pylock)


def packages_of(pylock: str) -> list[Package]:
    """Read the packages of a `pylock.toml` that uv made for one platform: it names the wheels that fit there."""
    return [
        Package(entry["name"], entry["version"], frozenset(wheel["hashes"]["sha256"] for wheel in entry["wheels"]))
        for entry in tomllib.loads(pylock)["packages"]
    ]


def rendered(heading: str, packages: Iterable[Package]) -> str:
    """Write packages as a hashed requirements list under a heading, every time in the same order."""
    entries = (package.entry for package in sorted(packages, key=lambda package: package.name))
    return "\n".join([f"# {heading}", "# Made by `make locks`. Do not edit.", *entries, ""])


def pinned_version(name: str, requirements: str) -> str:
    """The version at which a requirements list pins `name`."""
    match = re.search(rf"^{re.escape(name)}==(\S+)", requirements, re.MULTILINE)
    if not match:
        raise LookupError(f"{name} is not pinned in the list")
    return match[1]


def default_pair() -> Pair:
    """The pair whose locks are shipped: that of the pairing table."""
    return next(pair for pair in read_table()[1] if pair.status == DEFAULT)


def folder_of(pair: Pair) -> Path:
    """Where the locks of a pair lie."""
    return LOCKS / f"tensorflow-{pair.tensorflow}-metal-{pair.metal}"


def write(path: Path, text: str) -> None:
    """Write a list and say so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    print(path.relative_to(CHECKOUT))


def lock_controller(resolver: Resolver) -> None:
    """Write the controller's lists; that for development holds everything of the smaller one, at the same versions."""
    universal = ["--universal", f"--python-version={LEAST_CONTROLLER_PYTHON}", "--generate-hashes"]
    smaller = REQUIREMENTS / "controller.txt"
    for name, constraints in (("controller", []), ("development", [f"--constraints={smaller}"])):
        listing = resolver.compile(REQUIREMENTS / f"{name}.in", *universal, "--emit-build-options", *constraints)
        write(REQUIREMENTS / f"{name}.txt", f"# Made by `make locks` from {name}.in. Do not edit.\n{listing}")


def lock_uv(resolver: Resolver, platforms: Iterable[Platform]) -> None:
    """Write the list that gives the hosts the controller's release of uv."""
    version = pinned_version("uv", (REQUIREMENTS / "controller.txt").read_text())
    wheels = [
        package
        for platform in platforms
        for package in resolver.wheels([f"uv=={version}"], platform=platform, python=LEAST_CONTROLLER_PYTHON)
    ]
    package = Package("uv", version, frozenset[str]().union(*(wheel.digests for wheel in wheels)))
    write(HOSTS_UV, rendered("uv for the hosts, for every platform that has a lock of TensorFlow.", [package]))


def lock_pair(resolver: Resolver, pair: Pair, platforms: Sequence[Platform], constraints: Sequence[str]) -> None:
    """Write the locks of a pair; the first platform decides the versions, the others follow it."""
    for python in pair.pythons:
        limits = list(constraints)
        for platform in platforms:
            wanted = platform.requirements_for(pair)
            packages = resolver.wheels(wanted, constraints=limits, platform=platform, python=python)
            heading = f"{', '.join(wanted)} for Python {python} on {platform.name}."
            write(folder_of(pair) / f"{platform.name}-py{python}.txt", rendered(heading, packages))
            if platform is platforms[0]:
                limits += [package.pin for package in packages]


def main() -> None:
    """Make all lists anew."""
    data: dict[str, Any] = yaml.safe_load(Path(__file__).with_suffix(".yml").read_text())
    resolver = Resolver(data["as_of"])
    platforms = [Platform(name, **fields) for name, fields in data["platforms"].items()]
    constraints = [constraint["requirement"] for constraint in data["constraints"]]

    lock_controller(resolver)
    lock_uv(resolver, platforms)
    lock_pair(resolver, default_pair(), platforms, constraints)


if __name__ == "__main__":
    main()
