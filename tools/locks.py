# SPDX-License-Identifier: GPL-3.0-or-later
"""Resolve every pinned list of this collection: `make locks`.

Reads `locks.yml`, the default pair of the pairing table, `requirements/*.in`, and `_data/resolution.yml`, asks the
package index through uv, and writes

* `requirements/*.txt` for the controller: one list for all of its Pythons and systems, by environment markers;
* `plugins/plugin_utils/_data/uv.txt`: the controller's release of uv for the hosts;
* `plugins/plugin_utils/_data/py-rattler.txt`: what installs conda packages;
* `plugins/plugin_utils/_data/locks/PAIR/PLATFORM-pyVERSION.txt`: the default lock of an environment;
* `plugins/plugin_utils/_data/locks/litert-VERSION/PLATFORM-pyVERSION.txt`: that of one for LiteRT.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._pairing import Pair
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._pairs import default_pair
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._resolver import (
    Package,
    Resolver,
    Target,
    conda_engine,
    constraints_for,
    rendered,
    requirements_of,
    shipped_litert,
    targets,
)

CHECKOUT = Path(__file__).parents[1]
REQUIREMENTS = CHECKOUT / "requirements"
LOCKS = CHECKOUT / "plugins/plugin_utils/_data/locks"
HOSTS_UV = CHECKOUT / "plugins/plugin_utils/_data/uv.txt"
CONDA_ENGINE = CHECKOUT / "plugins/plugin_utils/_data/py-rattler.txt"
LEAST_CONTROLLER_PYTHON = "3.11"
DO_NOT_EDIT = "Made by `make locks`. Do not edit."


def pinned_version(name: str, requirements: str) -> str:
    """The version at which a requirements list pins `name`."""
    match = re.search(rf"^{re.escape(name)}==(\S+)", requirements, re.MULTILINE)
    if not match:
        raise LookupError(f"{name} is not pinned in the list")
    return match[1]


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
        write(REQUIREMENTS / f"{name}.txt", f"# Made by `make locks` from {name}.in. Do not edit.\n{listing.stdout}")


def lock_uv(resolver: Resolver, platforms: Iterable[Target]) -> None:
    """Write the list that gives the hosts the controller's release of uv."""
    version = pinned_version("uv", (REQUIREMENTS / "controller.txt").read_text())
    package = for_all(resolver, platforms, f"uv=={version}", LEAST_CONTROLLER_PYTHON)
    heading = ["uv for the hosts, for every platform that has a lock of TensorFlow.", DO_NOT_EDIT]
    write(HOSTS_UV, rendered(heading, [package]))


def lock_conda_engine(resolver: Resolver, platforms: Iterable[Target]) -> None:
    """Write the list of what installs conda packages."""
    engine = conda_engine()
    heading = ["What installs conda packages, for every platform that has a lock of TensorFlow.", DO_NOT_EDIT]
    write(CONDA_ENGINE, rendered(heading, [for_all(resolver, platforms, engine.requirement, engine.python)]))


def for_all(resolver: Resolver, platforms: Iterable[Target], requirement: str, python: str) -> Package:
    """One package that needs no other, with its wheels for all platforms."""
    found = [
        package
        for platform in platforms
        for package in resolver.wheels([requirement], target=platform, python=python).packages
    ]
    digests = frozenset[str]().union(*(package.digests for package in found))
    return Package(found[0].name, found[0].version, digests)


def lock_pair(resolver: Resolver, pair: Pair, platforms: Iterable[Target]) -> None:
    """Write the locks of a pair; the first platform decides the versions, the others follow it."""
    for python in pair.pythons:
        limits = [*constraints_for(pair.tensorflow)]
        for platform in platforms:
            wanted = requirements_of(pair, platform)
            packages = resolver.wheels(
                wanted, target=platform, python=python, constraints=limits, oldest_macos=pair.least_macos
            ).packages
            heading = [f"{', '.join(wanted)} for Python {python} on {platform.name}.", DO_NOT_EDIT]
            write(folder_of(pair) / f"{platform.name}-py{python}.txt", rendered(heading, packages))
            limits += [package.pin for package in packages] if platform.has_plugin else []


def lock_litert(resolver: Resolver, platforms: Iterable[Target]) -> None:
    """Write the locks of LiteRT."""
    litert = shipped_litert()
    for python in litert.pythons:
        for platform in platforms:
            if platform.has_cuda:  # of which LiteRT makes no use
                continue
            packages = resolver.wheels(
                [litert.requirement],
                target=platform,
                python=python,
                constraints=litert.constraints,
                oldest_macos=litert.least_macos,
            ).packages
            heading = [f"{litert.requirement} for Python {python} on {platform.name}.", DO_NOT_EDIT]
            write(LOCKS / litert.folder / f"{platform.name}-py{python}.txt", rendered(heading, packages))


def main() -> None:
    """Make all lists."""
    data: dict[str, Any] = yaml.safe_load(Path(__file__).with_suffix(".yml").read_text())
    resolver = Resolver(
        {**os.environ, "UV_CACHE_DIR": str(CHECKOUT / ".cache/uv")}, (f"--exclude-newer={data['as_of']}",)
    )
    platforms = list(targets().values())

    lock_controller(resolver)
    lock_uv(resolver, platforms)
    lock_conda_engine(resolver, platforms)
    lock_pair(resolver, default_pair(), platforms)
    lock_litert(resolver, platforms)


if __name__ == "__main__":
    main()
