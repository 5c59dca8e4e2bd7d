# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""Build a new generation at its final path, check it file by file, probe it, and complete it with its manifest."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment import files, manifest
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.declaration import Declaration
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.failures import what_is_active
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.startup import (
    is_decisive,
    runs_at_startup,
    startup_files_elsewhere,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.tools import Tools
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._kinds.protocol import (
    Claim,
    Contents,
    Installed,
    link_to,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._macho import architectures
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._paths import spelled_on_a_mac
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe.programs.reporter import FULL, STANDARD
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._python.intact import NOBODYS
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._python.wanted import managed_python

NATIVE_SUFFIXES = (".so", ".dylib")
DEVELOPERS_FOLDERS = frozenset({"benchmarks", "doc", "docs", "example", "examples", "scripts", "test", "tests"})
"""Packages' sources have them beside the package. Some wheels bring them by mistake, and no program imports them."""
DOCUMENT_SUFFIXES = ("", ".cfg", ".in", ".json", ".lock", ".md", ".rst", ".toml", ".txt", ".yaml", ".yml")


class ProbeFailed(MetalfleetError):
    """A new generation does not compute as demanded."""

    def __init__(self, declaration: Declaration, probe: dict[str, Any]) -> None:
        super().__init__(
            f"A new generation was built, but did not pass its probe: {probe['text']} {what_is_active(declaration)}"
        )
        self.probe = probe


@dataclass(frozen=True)
class Built:
    """Warnings about a new generation."""

    probe: dict[str, Any] | None
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Checked:
    """The result of checking all files of a generation."""

    tree: files.Tree
    owned: manifest.Owned
    shared: dict[str, list[str]]
    """Harmless files that several packages bring with different content, with these packages."""
    decisive: dict[str, str]
    """SHA-256 of every file by its path."""


def build(generation: Path, declaration: Declaration, tools: Tools) -> Built:
    """Make a complete generation. Raises whatever failed; the caller removes what is there then."""
    python = Path(os.path.realpath(managed_python(declaration.places.root, declaration.python)))
    if not python.exists():
        version = f"Python {declaration.python}" if declaration.python else "Python"
        with_version = f" with version: {declaration.python} and additional: true" if declaration.python else ""
        raise MetalfleetError(
            f"The managed {version}, which the environment {declaration.name} is made with, is missing",
            remedy=f"Run setup.yml, or metalfleet.tensorflow.native_python{with_version}.",
        )
    installed, contents, checked = fill(generation, declaration, python, tools)
    probe = probe_new(generation, declaration, tools)
    interpreter = manifest.identify(generation / "bin" / "python")
    if interpreter is None:
        raise MetalfleetError(f"The interpreter {python} vanished during the build", remedy="Run again.")
    complete = manifest.Manifest(
        folder=os.path.realpath(generation),
        lock_sha256=declaration.lock_sha256,
        interpreter=interpreter,
        packages=contents.packages,
        archives=installed.archives,
        startup_elsewhere=[] if declaration.brings_python else startup_files_elsewhere(python),
        shared=checked.shared,
        decisive=checked.decisive,
        probe={key: probe[key] for key in ("verdict", "duration", "macos")} if probe else None,
    )
    manifest.write(generation, complete, checked.tree, checked.owned)
    return Built(probe, (*installed.warnings, *map(say_shared, checked.shared, checked.shared.values())))


def fill(generation: Path, declaration: Declaration, python: Path, tools: Tools) -> tuple[Installed, Contents, Checked]:
    """Install the lock, and check the result."""
    manifest.begin(generation)
    kind = tools.kinds[declaration.kind]
    kind.prepare(generation, name=declaration.name, python=python)
    bare = {path for path, _stamp in files.paths(files.walk(generation))}
    installed = kind.install(generation, declaration.lock)
    tools.supply.progress.say("checking")
    files.remove_bytecode(generation)
    contents = kind.inspect(generation)
    refuse_startup_files(contents.claims, declaration.startup_files_of)
    if tools.machine:  # on Linux they are two files, such as terminfo/E/Eterm and terminfo/e/eterm of conda's ncurses
        refuse_one_path_in_two_spellings(contents.claims, {*bare, *contents.records})
    checked = check(generation, contents, bare)
    refuse_foreign_code(generation, checked.tree, tools.machine)
    kind.refuse_unmet(generation)
    return installed, contents, checked


def probe_new(generation: Path, declaration: Declaration, tools: Tools) -> dict[str, Any] | None:
    """Probe a new generation, more thoroughly than what was built before."""
    if declaration.gpu_check == "none":
        return None
    tools.supply.progress.say("probing")
    result = tools.probe(
        generation,
        declaration.demand,
        level=FULL if declaration.gpu_check == FULL else STANDARD,
        first=True,
    )
    if not result["ok"]:
        raise ProbeFailed(declaration, result)
    return result


# ------------------------------------------------------------------------------------------------------------ checking


def check(generation: Path, contents: Contents, bare: set[str]) -> Checked:
    """Hash every file and compare it with what its package says of it. `bare` are the environment's own."""
    tree = manifest.walk(generation)
    digests = files.hash_all(generation, [path for path, stamp in files.paths(tree) if files.is_regular(stamp)])
    found = {**digests, **{path: link_to(target) for path, target in files.links(tree)}}
    claims: dict[str, list[Claim]] = {}
    for claim in contents.claims:
        if Path(claim.path).name not in NOBODYS:
            claims.setdefault(claim.path, []).append(claim)
    refuse_unknown((path for path, _stamp in files.paths(tree)), {*bare, *claims, *contents.records})
    # First, for whoever writes another's record can claim another's files.
    for path in sorted(contents.records.keys() & claims.keys()):
        refuse_file_of_the_environment(claims[path][0].owner, path)
    damaged, owned, shared = {}, dict(contents.records), {}
    for path, claimed in claims.items():
        refuse_conflict(path, claimed, is_bare=path in bare)
        owner = next((claim.owner for claim in claimed if claim.sha256 == found.get(path)), None)
        if owner is None:
            damaged[path] = claimed[0].owner
        else:
            owned[path] = owner
        if len({claim.sha256 for claim in claimed}) > 1:
            shared[path] = [claim.owner for claim in claimed]
    if damaged:
        raise MetalfleetError(
            f"Freshly installed files of {', '.join(sorted(set(damaged.values())))} are not what their packages say",
            evidence=f"They are {', '.join(sorted(damaged)[:5])}.",
            remedy="If the disk is in order, remove these packages from the lock: they contradict themselves.",
        )
    decisive = {path: digest for path, digest in digests.items() if is_decisive(path)}
    return Checked(tree, by_owner(found, owned), shared, decisive)


def refuse_unknown(paths: Iterable[str], known: Collection[str]) -> None:
    """Of every file it must be known whose it is: else nobody could tell it from a stray one."""
    unknown = sorted(path for path in paths if path not in known)
    if unknown:
        raise MetalfleetError(
            "The new generation has files that no package of the lock brings",
            evidence=f"They are {', '.join(unknown[:5])}.",
            remedy="Run again; if it happens again, report it with the lock.",
        )


def refuse_one_path_in_two_spellings(claims: Iterable[Claim], bare: Iterable[str]) -> None:
    """On a Mac's volume both are one file: whoever is installed last wins. `bare` are the environment's own."""
    own = {spelled_on_a_mac(path): path for path in bare}
    seen: dict[str, Claim] = {}
    for claim in claims:
        if own.get(spelled_on_a_mac(claim.path), claim.path) != claim.path:
            refuse_file_of_the_environment(claim.owner, claim.path)
        other = seen.setdefault(spelled_on_a_mac(claim.path), claim)
        if other.path != claim.path:
            owners = sorted({other.owner, claim.owner})
            raise MetalfleetError(
                f"The packages {' and '.join(owners)} bring {other.path} and {claim.path}, which are one file on most "
                "Macs",
                remedy="Remove one of them from the lock.",
            )


def by_owner(digests: Mapping[str, str], owners: Mapping[str, str]) -> manifest.Owned:
    """The digests of all files and links, those of each package together; what is no package's is that of ""."""
    owned: manifest.Owned = {}
    for path, digest in digests.items():
        owned.setdefault(owners.get(path, ""), {})[path] = digest
    return owned


def refuse_conflict(path: str, claims: list[Claim], *, is_bare: bool) -> None:
    """No package may replace a file of the environment itself, nor one of another package that could do harm."""
    differing = [claim for claim in claims if claim.sha256 != claims[0].sha256]
    if is_bare:
        refuse_file_of_the_environment(claims[0].owner, path)
    if differing and not is_harmless(path):
        raise MetalfleetError(
            f"The package {claims[0].owner} brings the file {path}, which the package {differing[0].owner} has, too",
            remedy="Remove one of them from the lock.",
        )


def refuse_file_of_the_environment(owner: str, path: str) -> NoReturn:
    """No package may bring what makes an environment one, such as bin/python, or another package's RECORD."""
    raise MetalfleetError(
        f"The package {owner} brings the file {path}, which the environment itself has",
        remedy="Remove it from the lock.",
    )


def say_shared(path: str, owners: list[str]) -> str:
    """What people read about a harmless file that several packages bring."""
    return f"{', '.join(owners)} each bring another {path}. No program uses it, so that this does no harm."


def is_harmless(path: str) -> bool:
    """Whether a file is for people only: a document at the top beside packages, or in a folder for developers there."""
    inside = path.partition("/site-packages/")[2] or path
    if runs_at_startup(path):
        return False
    if "/" in inside:
        return inside.partition("/")[0].lower() in DEVELOPERS_FOLDERS
    return Path(inside).suffix.lower() in DOCUMENT_SUFFIXES


def refuse_startup_files(claims: Iterable[Claim], allowed: Iterable[str]) -> None:
    """A package whose files run whenever Python starts must be declared."""
    for claim in claims:
        if runs_at_startup(claim.path) and claim.owner not in allowed:
            raise MetalfleetError(
                f"The package {claim.owner} brings the file {Path(claim.path).name}, which would run whenever Python "
                "starts",
                remedy=f"If that is wanted, add {claim.owner} to startup_files_of.",
            )


def refuse_foreign_code(generation: Path, tree: files.Tree, machine: str) -> None:
    """Every native library must hold code for this machine."""
    for path, stamp in files.paths(tree) if machine else ():
        if path.endswith(NATIVE_SUFFIXES) and files.is_regular(stamp):
            found = architectures(generation / path)
            if found and machine not in found:
                raise MetalfleetError(
                    f"{path} holds code for {', '.join(found)}, not for {machine}",
                    remedy="Use a lock that was made for this platform.",
                )
