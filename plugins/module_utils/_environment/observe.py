# SPDX-License-Identifier: GPL-3.0-or-later
"""What is on the host. Nothing is executed, and nothing is changed, not even a time stamp."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment import files, manifest
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.declaration import Declaration
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.manifest import Interpreter, Manifest
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._macho import architectures

STARTUP_MODULES = frozenset({"sitecustomize.py", "usercustomize.py", "sitecustomize", "usercustomize"})
PLUGIN_FOLDER = "tensorflow-plugins"
IN_SITE_PACKAGES = re.compile(r"lib/python3\.\d+/site-packages/(?P<top>[^/]+)(?P<below>/.*)?")


@dataclass(frozen=True)
class Difference:
    """A file of a generation that is not as it was built: `missing`, `changed` or `extra`."""

    path: str
    kind: str
    architectures: tuple[str, ...] = ()


@dataclass(frozen=True)
class Generation:
    """A complete generation, looked at closely."""

    number: int
    manifest: Manifest
    differences: tuple[Difference, ...] = ()
    interpreter: Interpreter | None = None
    """What its bin/python leads to now; None if to nothing."""
    interpreter_architectures: tuple[str, ...] = ()


@dataclass(frozen=True)
class Observation:
    """Everything that a plan is made from."""

    target: str | None = None
    """What the stable path points at; itself, if it is no link."""
    active: Generation | None = None
    other: Generation | None = None
    """Where the active generation is not what is wanted, another one that is, if there is one."""
    python: Interpreter | None = None
    """The declared base interpreter."""
    numbers: tuple[int, ...] = ()
    unfinished: tuple[str, ...] = ()
    startup_files: tuple[str, ...] = ()
    """Outside the generation, on its import path, and not there when it was built."""
    stray_plugins: tuple[str, ...] = ()
    """Folders of plug-ins outside the generation that TensorFlow would load."""
    kernel: str | None = None
    """The text of the Jupyter kernel's specification."""


def observe(declaration: Declaration) -> Observation:
    """Look at the host."""
    numbers, unfinished = list_generations(declaration.home)
    link = declaration.link
    target = str(link.readlink()) if link.is_symlink() else str(link) if link.exists() else None
    active = None
    if target is not None and Path(target).parent == declaration.home and Path(target).name.isdigit():
        active = look_at(declaration, int(Path(target).name))
    python = identify_like(declaration.python, active.manifest.interpreter if active else None)
    other = find_other(declaration, python, active, numbers)
    minor = python_minor(active or other)
    known = set(active.manifest.startup_elsewhere) if active else set()
    return Observation(
        target=target,
        active=active,
        other=other,
        python=python,
        numbers=numbers,
        unfinished=unfinished,
        startup_files=tuple(path for path in startup_files_elsewhere(declaration.python) if path not in known),
        stray_plugins=tuple(str(path) for path in user_site_plugins(minor)),
        kernel=read_text(kernel_path(declaration.name)),
    )


def list_generations(home: Path) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Numbers of the generations with a whole manifest, and names of everything else in their folder: killed builds."""
    names = sorted(entry.name for entry in os.scandir(home)) if home.is_dir() else []
    complete = {name for name in names if name.isdigit() and manifest.is_whole(home / name)}
    return tuple(sorted(map(int, complete))), tuple(name for name in names if name not in complete)


def look_at(declaration: Declaration, number: int) -> Generation | None:
    """Compare a generation with its manifest; None if it has none that can be trusted."""
    folder = declaration.home / str(number)
    built = manifest.read(folder)
    if built is None:
        return None
    interpreter = folder / "bin" / "python"
    return Generation(
        number=number,
        manifest=built,
        differences=tuple(find_differences(folder, built, everything=declaration.integrity == "full")),
        interpreter=identify_like(interpreter, built.interpreter),
        interpreter_architectures=architectures(interpreter) if interpreter.exists() else (),
    )


def find_other(
    declaration: Declaration, python: Interpreter | None, active: Generation | None, numbers: tuple[int, ...]
) -> Generation | None:
    """A generation to switch to without a build: the one asked for, or the newest that is declared and whole."""
    if declaration.state == "rolled_back":
        wanted = rolled_back_to(declaration, numbers)
        return look_at(declaration, wanted) if wanted in numbers and not (active and active.number == wanted) else None
    if declaration.state == "absent" or (active and is_wanted(declaration, python, active)):
        return None
    for number in sorted(numbers, reverse=True):
        if not (active and active.number == number):
            generation = look_at(declaration, number)
            if generation and is_wanted(declaration, python, generation):
                return generation
    return None


def rolled_back_to(declaration: Declaration, numbers: tuple[int, ...]) -> int | None:
    """The generation to go back to: the declared one, or the one before the newest; None if there is none before it."""
    return declaration.generation or max(numbers[:-1], default=None)


def is_wanted(declaration: Declaration, python: Interpreter | None, generation: Generation) -> bool:
    """Whether a generation is the declared one, and as it was built."""
    built = generation.manifest
    return (
        built.lock_sha256 == declaration.lock_sha256
        and built.interpreter == python == generation.interpreter
        and not generation.differences
    )


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


def find_differences(folder: Path, built: Manifest, everything: bool) -> Iterator[Difference]:
    """Files that are not as they were built. Size and time tell which to hash; with `everything` all are."""
    found = files.walk(folder, ignored=frozenset({manifest.NAME}))
    suspects = []
    for inside in sorted({*found, *built.tree}):
        here, then = found.get(inside, {}), built.tree.get(inside, {})
        if here == then and not everything:
            continue
        for name in sorted({*here, *then}):
            path = f"{inside}/{name}" if inside else name
            kind = compare_stamps(here.get(name), then.get(name), everything)
            if kind == "suspect":
                suspects.append(path)
            elif kind == "changed":
                yield changed(folder, path)
            elif kind:
                yield Difference(path, kind)
    yield from compare_digests(folder, built, suspects)


def compare_stamps(here: files.Stamp | None, then: files.Stamp | None, everything: bool) -> str:
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
    packages = files.site_packages(folder)
    expected = {**built.others, **(digests_by_records(folder, packages, built) if packages else {})}
    for path, digest in files.hash_all(folder, suspects).items():
        if digest != expected.get(path):
            yield changed(folder, path)


def digests_by_records(folder: Path, packages: Path, built: Manifest) -> dict[str, str]:
    """Digests of the wheels' files by path in the generation. A RECORD that is not the installed one proves nothing."""
    expected = {}
    inside = packages.relative_to(folder).as_posix()
    for metadata_folder, digest in built.records.items():
        expected[f"{inside}/{metadata_folder}/RECORD"] = digest
        try:
            if files.sha256(packages / metadata_folder / "RECORD") == digest:
                for path, file_digest in files.recorded_digests(packages, metadata_folder).items():
                    expected[os.path.normpath(f"{inside}/{path}")] = file_digest
        except OSError:
            continue
    return expected


def changed(folder: Path, path: str) -> Difference:
    try:
        return Difference(path, "changed", architectures(folder / path))
    except OSError:
        return Difference(path, "changed")


# ------------------------------------------------------------------------------------------- what lies outside of it


def python_minor(generation: Generation | None) -> str | None:
    """3.12, from where a generation has its packages."""
    folders = generation.manifest.tree if generation else {}
    inside = next((folder for folder in folders if folder.startswith("lib/python3.")), None)
    return inside.split("/")[1][len("python") :] if inside else None


def runs_at_startup(path: str) -> bool:
    """Whether a file of a generation, by its path in it, is run or read whenever its Python starts (CPython's site.py).

    A start-up module may be a package, compiled, or native, too.
    """
    match = IN_SITE_PACKAGES.fullmatch(path)
    if match is None:
        return path == "pyvenv.cfg"
    is_pth = match["top"].endswith(".pth") and not match["below"]
    return is_pth or match["top"].partition(".")[0] in STARTUP_MODULES


def startup_files_elsewhere(python: Path) -> list[str]:
    """Start-up modules in the base interpreter's standard library, which every environment made from it imports."""
    prefix = Path(os.path.realpath(python)).parents[1]
    return sorted(str(path) for name in STARTUP_MODULES for path in prefix.glob(f"lib/python3.*/{name}"))


def user_site_plugins(minor: str | None) -> list[Path]:
    """Plug-in folders in the user's site-packages: TensorFlow looks there even from an isolated environment.

    Source: tensorflow/__init__.py since 2.19 adds site.getusersitepackages() to the folders that it scans; the places
    are those of CPython's site.py for macOS framework builds and for all others.
    """
    if minor is None:
        return []
    home = Path.home()
    sites = [
        home / f"Library/Python/{minor}/lib/python/site-packages",
        home / f".local/lib/python{minor}/site-packages",
    ]
    return [site / PLUGIN_FOLDER for site in sites if (site / PLUGIN_FOLDER).is_dir()]


def kernel_path(name: str) -> Path:
    """The specification of an environment's Jupyter kernel, in the user's own folder of Jupyter's data."""
    data = "Library/Jupyter" if sys.platform == "darwin" else ".local/share/jupyter"
    return Path.home() / data / "kernels" / name / "kernel.json"


def kernel_text(declaration: Declaration) -> str:
    """What the specification says: it names the stable path, so that it holds for every generation."""
    specification: dict[str, Any] = {
        "argv": [f"{declaration.link}/bin/python", "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": declaration.name,
        "language": "python",
        "metadata": {"metalfleet": True},
    }
    return json.dumps(specification, indent=1) + "\n"


def read_text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
