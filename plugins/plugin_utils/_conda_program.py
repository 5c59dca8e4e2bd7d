# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""A program that asks py-rattler for the controller, in a process of its own. It imports nothing of ours.

What it is to do comes as JSON on its standard input, and the answer goes as JSON to its standard output.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

SECONDS_TO_SOLVE = 300


def main() -> None:
    """Answer one question."""
    order = json.loads(sys.stdin.read())
    sys.path.insert(0, order.pop("engine"))
    answer: dict[str, Any]
    try:
        answer = {"answer": asyncio.run(solve(**order)) if "specs" in order else read(**order)}
    except Exception as error:  # noqa: BLE001 - py-rattler has a class for each thing that goes wrong
        answer = {"failed": " ".join(str(error).split()) or type(error).__name__}
    json.dump(answer, sys.stdout)
    sys.stdout.flush()
    os._exit(0)  # threads of py-rattler may still run, and let an interpreter crash that ends meanwhile


async def solve(
    *, specs: list[str], channels: list[str], subdir: str, virtual: dict[str, str], kept: dict[str, str], cache: str
) -> list[dict[str, Any]]:
    """The packages that satisfy what is wanted; versions that are `kept` stay, where that is possible."""
    from rattler import Channel, Gateway, MatchSpec, exceptions  # noqa: PLC0415 - it lies in a folder just named
    from rattler import solve as ask  # noqa: PLC0415

    async def packages(constraints: list[str]) -> Any:
        return await ask(
            sources=[Channel(channel) for channel in channels],
            specs=[MatchSpec(spec) for spec in specs],
            gateway=Gateway(cache_dir=Path(cache)),
            platforms=[subdir, "noarch"],
            virtual_packages=list(virtual_packages(virtual)),
            constraints=[MatchSpec(constraint) for constraint in constraints],
            timeout=dt.timedelta(seconds=SECONDS_TO_SOLVE),
        )

    try:
        found = await packages([f"{name} =={version}" for name, version in kept.items()])
    except exceptions.SolverError:
        if not kept:
            raise
        found = await packages([])
    return [described(record) for record in found]


def virtual_packages(virtual: dict[str, str]) -> Iterable[Any]:
    """What a solver takes for installed; each has a version, or a version=build."""
    from rattler import BuildString, GenericVirtualPackage, PackageName, Version  # noqa: PLC0415

    for name, said in virtual.items():
        version, _sign, build = said.partition("=")
        yield GenericVirtualPackage(PackageName(name), Version(version), BuildString(build or "0"))


def described(record: Any) -> dict[str, Any]:
    """What a lock must know of a package."""
    needs = sorted({spec.split()[0] for spec in record.depends})
    return {
        "name": record.name.normalized,
        "version": str(record.version),
        "url": str(record.url),
        "sha256": record.sha256.hex() if record.sha256 else "",
        "needs": needs,
        "is_for_python": "python" in needs or "python_abi" in needs,
    }


def read(path: str) -> dict[str, Any]:
    """What a lock of conda-lock or pixi holds, by platform."""
    from rattler import LockFile  # noqa: PLC0415

    lock = LockFile.from_path(Path(path))
    environments = dict(lock.environments())
    if "default" not in environments and len(environments) != 1:
        raise LookupError(f"it has several environments ({', '.join(sorted(environments))}), and none called default")
    environment = environments.get("default") or next(iter(environments.values()))
    found = {}
    for platform in environment.platforms():
        conda: list[dict[str, Any]] = []
        wheels: list[dict[str, Any]] = []
        for package in environment.packages(platform) or ():
            entry = {
                "name": package.name,
                "version": str(package.version),
                "url": package.location,
                "sha256": digest_of(package),
            }
            (wheels if hasattr(package, "requires_dist") else conda).append(entry)
        found[str(platform)] = {"conda": conda, "wheels": wheels}
    return found


def digest_of(package: Any) -> str:
    """The SHA-256 of a package in a lock; "" where it has none, as of a folder or of git."""
    try:
        return str(package.hashes.sha256.hex())
    except AttributeError:  # which py-rattler itself raises there
        return ""
