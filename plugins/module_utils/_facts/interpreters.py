# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""Every Python 3 interpreter in the places where people install them, told from files rather than by running it.

On a Mac without Command Line Tools `/usr/bin/python3` is a shim: running it opens a dialog on the user's screen. A shim
brings no standard library, so only an interpreter that has one beside it is ever run, and only for a patch level that
no file tells.
"""

from __future__ import annotations

import os
import re
import struct
import time
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypedDict

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._commands import CommandFailed
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._facts.conda import Installations, is_of_conda
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._facts.files import reason_of, text_of
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._layout import (
    CONDA_ENVIRONMENTS,
    FOLDERS_OF_PYTHONS,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._macho import architectures as macho_architectures
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._paths import head_of_file, matching

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ansible_collections.metalfleet.tensorflow.plugins.module_utils._commands import Commands, Running
    from ansible_collections.metalfleet.tensorflow.plugins.module_utils._facts.files import Files
    from ansible_collections.metalfleet.tensorflow.plugins.module_utils._facts.types import Conda

STANDALONE, SHIM, SYSTEM, CONDA, OTHER = "standalone", "clt_shim", "system", "conda", "other"
# The first that is found in an interpreter's real path names its source.
_SOURCES = (
    (r"/\.local/share/metalfleet/python/", STANDALONE),
    (r"/\.local/share/uv/python/", "uv"),
    (r"/\.pyenv/versions/", "pyenv"),
    (r"/\.asdf/installs/python/", "asdf"),
    (r"/mise/installs/python", "mise"),
    (r"^/nix/store/", "nix"),
    (r"/Cellar/|^/opt/homebrew/(?!Caskroom/)", "homebrew"),
    (r"^/Library/Frameworks/PythonT?\.framework/", "python_org"),
    (r"^/Library/ManagedFrameworks/Python/", "macadmins"),
    (r"^/Library/Developer/|\.app/Contents/Developer/", "command_line_tools"),
    (r"^/opt/local/", "macports"),
)
SOURCES = (*(source for _pattern, source in _SOURCES), CONDA, SYSTEM, SHIM, OTHER)
"""Every value of `Interpreter["source"]`."""

IMPLEMENTATIONS = {"python": "cpython", "pypy": "pypy", "graalpy": "graalpy"}
"""Every value of `Interpreter["implementation"]`, by what the program's name begins with."""

# Patterns are compiled when one is needed: most Macs need few of them.
# Homebrew, pyenv and uv name their folders after the version.
_VERSION_IN_PATH = r"(?:/Cellar/python@3\.\d+/|/\.pyenv/versions/|/cpython-)(3\.\d+\.\d+)"
_INTERPRETER_NAME = r"(?:python|pypy)3(?:\.\d+)?t?"
_VERSION_IN_HEADER = r'(?m)^#define\s+PY_VERSION\s+"(3\.\d+\.\d+\w*)'
_VERSION_IN_PROPERTY_LIST = r"<key>CFBundleVersion</key>\s*<string>(3\.\d+\.\d+\w*)</string>"
_VERSION = r"3\.\d+\.\d+\w*"
_TELL_VERSION = "import sys; print('.'.join(map(str, sys.version_info[:3])))"

_ELF_MACHINES = {3: "i386", 40: "arm", 62: "x86_64", 183: "aarch64"}


class Interpreter(TypedDict):
    """One interpreter. `version` has three parts, or two where the patch level is unknown."""

    path: str
    version: str | None
    implementation: str | None
    free_threaded: bool | None
    architectures: list[str] | None
    universal2: bool | None
    source: str
    native: bool | None


class Machine(NamedTuple):
    """What interpreters are judged against: `architecture` is the hardware's, "arm64" in a translated process too."""

    system: str
    architecture: str | None


class Build(NamedTuple):
    """What the standard library beside a program tells, and where there is none, its name. `library` is its folder."""

    implementation: str | None
    minor: str | None
    free_threaded: bool | None
    library: Path | None


class Search:
    """One look through a host's files.

    `roots` are folders whose `python` folder holds managed Pythons, beside the usual one in the home. What could not be
    found out is noted in `files`. After `seconds` no interpreter is waited for any more, however many were asked.
    """

    def __init__(
        self, commands: Commands, machine: Machine, files: Files, *, roots: Sequence[str], seconds: float
    ) -> None:
        self._commands = commands
        self._machine = machine
        self._files = files
        self._roots = roots
        self._managed = [Path(os.path.realpath(files.place(root) / "python")) for root in roots]
        self._deadline = time.monotonic() + seconds

    def interpreters(self) -> list[Interpreter]:
        """All that there are, each once whatever links lead to it, by the first name found.

        A name with a minor version goes before `python3`, which moves on with upgrades. Virtual environments are not
        interpreters of their own, environments of conda are. `native` is None for a shim and for a script, as what
        they start is not known.
        """
        return list(self._found.values())

    def conda(self) -> list[Conda]:
        """Each installation of conda, mamba and micromamba, once whatever links lead to it, by the first name found."""
        usual, listed = (
            [folder.parent for folder in folders if is_of_conda(folder.parent)]
            for folders in (self._usual_folders, self._listed_folders)
        )
        pythons: dict[Path, list[str]] = {}
        for file, each in self._found.items():
            pythons.setdefault(file.parent.parent, []).extend(each["architectures"] or [])
        installations = Installations(
            self._files,
            usual=usual,
            listed=listed,
            pythons=pythons,
            architectures=lambda program: self._architectures(self._files.path(program), program),
        )
        return installations.facts()

    @cached_property
    def _found(self) -> dict[Path, Interpreter]:
        names: dict[Path, str] = {}
        for name in filter(self._files.is_program, self._names()):
            names.setdefault(Path(os.path.realpath(name)), self._files.path(name))
        interpreters = {file: self._interpreter(path, file) for file, path in names.items()}
        self._ask_versions(interpreters)
        return interpreters

    def _names(self) -> Iterator[Path]:
        for folder in dict.fromkeys([*self._usual_folders, *self._listed_folders]):
            if not os.access(folder.parent / "pyvenv.cfg", os.F_OK):
                names = reversed(self._files.names(folder, "p*"))
                yield from (folder / name for name in names if re.fullmatch(_INTERPRETER_NAME, name, re.ASCII))

    @cached_property
    def _usual_folders(self) -> list[Path]:
        """Folders of programs. A link to one of its neighbours, such as `3.12` or `latest`, moves on: it goes last."""
        found = [folder for root in self._roots for folder in self._files.matching(root, "python/*/bin")]
        for pattern in FOLDERS_OF_PYTHONS:
            top, _sign, rest = pattern.partition("/")
            for folder in sorted(self._files.matching(top or "/", rest), key=lambda folder: folder.parent.is_symlink()):
                found.append(folder)
                if is_of_conda(folder.parent):
                    found += self._folders_of_environments(folder.parent)
        return found

    @cached_property
    def _listed_folders(self) -> list[Path]:
        """Those in the user's environments of conda, wherever they lie."""
        lines = (self._files.text(CONDA_ENVIRONMENTS) or "").splitlines()
        prefixes = [line for line in lines if line.startswith("/") and "\0" not in line]
        return [self._files.place(prefix) / "bin" for prefix in prefixes]

    def _folders_of_environments(self, root: Path) -> list[Path]:
        """Environments without a program count too: one of conda is there as soon as it has its records."""
        return [prefix / "bin" for prefix in matching(root, "envs/*", self._files.note)]

    def _interpreter(self, path: str, file: Path) -> Interpreter:
        source = self._source(self._files.path(file), file.parent.parent)
        architectures = self._architectures(path, file)
        known = source != SHIM and architectures != []  # of a script nobody knows what it starts
        build = _build_of(file)
        return {
            "path": path,
            "version": None if source == SHIM else _version(file, build),
            "implementation": build.implementation if known else None,
            "free_threaded": build.free_threaded if known else None,
            "architectures": architectures,
            "universal2": None if architectures is None else {"arm64", "x86_64"} <= set(architectures),
            "source": source,
            "native": _runs_natively(architectures, self._machine.architecture) if architectures and known else None,
        }

    def _source(self, real_path: str, prefix: Path) -> str:
        if prefix.parent in self._managed:
            return STANDALONE
        if is_of_conda(prefix):
            return CONDA
        if real_path.startswith("/usr/bin/"):
            return SHIM if self._machine.system == "Darwin" else SYSTEM
        return next((source for pattern, source in _SOURCES if re.search(pattern, real_path)), OTHER)

    def _architectures(self, path: str, file: Path) -> list[str] | None:
        try:
            return list(macho_architectures(file) if self._machine.system == "Darwin" else _elf_architectures(file))
        except OSError as error:
            self._files.unknown[path] = reason_of(error)
            return None

    def _ask_versions(self, interpreters: dict[Path, Interpreter]) -> None:
        """Ask those whose patch level no file told. All are started before the first is waited for."""
        asked = [(each, self._start(each, file)) for file, each in interpreters.items() if _may_be_asked(each, file)]
        for interpreter, running in asked:
            interpreter["version"] = self._answer(interpreter, running) or interpreter["version"]

    def _start(self, interpreter: Interpreter, file: Path) -> Running | None:
        left = max(self._deadline - time.monotonic(), 0)
        try:
            return self._commands.start([str(file), "-I", "-S", "-c", _TELL_VERSION], timeout=left)
        except CommandFailed as failure:
            self._files.unknown[interpreter["path"]] = failure.reason
            return None

    def _answer(self, interpreter: Interpreter, running: Running | None) -> str | None:
        try:
            answer = running.result().stdout.strip() if running else ""
        except CommandFailed as failure:
            self._files.unknown[interpreter["path"]] = failure.reason
            return None
        if re.fullmatch(_VERSION, answer, re.ASCII):
            return answer
        self._files.unknown.setdefault(interpreter["path"], "it does not tell its version")
        return None


def _build_of(file: Path) -> Build:
    library = _library_of(file)
    word, minor, free = _parts_of((library or file).name)
    told = library is not None or word != "python"  # anything may be called python
    return Build(
        implementation=IMPLEMENTATIONS.get(word) if told else None,
        minor=minor,
        free_threaded=free if library or free else None,
        library=library,
    )


def _library_of(file: Path) -> Path | None:
    """The standard library that goes with a program's name, or the only one that there is beside it."""
    folder = file.parent.parent / "lib"
    word, minor, _free_threaded = _parts_of(file.name)
    if minor:
        names = [file.name, f"{file.name}t", f"pypy{minor}"]
        return next((folder / name for name in names if os.access(folder / name / "os.py", os.F_OK)), None)
    found = matching(folder, f"{word}3.*/os.py")
    return found[0].parent if len(found) == 1 else None


def _parts_of(name: str) -> tuple[str, str | None, bool]:
    """Of a name like python3.13t: the word, the minor version, and whether it is free-threaded (from 3.13 on)."""
    minor = _first(r"^[a-z]+(3\.\d+)t?$", name)
    return _first(r"^([a-z]+)", name) or "", minor, minor is not None and name.endswith("t")


def _may_be_asked(interpreter: Interpreter, file: Path) -> bool:
    """One that runs here and has its standard library beside it: without one it may be a copy of the shim."""
    lacks_patch_level = (interpreter["version"] or "").count(".") == 1
    return lacks_patch_level and bool(interpreter["native"]) and _build_of(file).library is not None


def _version(file: Path, build: Build) -> str | None:
    if build.minor is None:
        return None
    library = build.library.name if build.library else file.name
    return _version_from_files(file.parent.parent, library) or _first(_VERSION_IN_PATH, str(file)) or build.minor


def _version_from_files(prefix: Path, library: str) -> str | None:
    """From the C header, or from a framework's property list (Apple's own builds have no include folder)."""
    for header in (prefix / f"include/{library}/patchlevel.h", prefix / "Headers/patchlevel.h"):
        with suppress(OSError):
            return version_in_header(text_of(header))
    with suppress(OSError):
        return version_in_property_list(text_of(prefix / "Resources/Info.plist"))
    return None


def version_in_header(text: str) -> str | None:
    """PY_VERSION of a patchlevel.h, such as "3.12.1", without the "+" of an unreleased build."""
    return _first(_VERSION_IN_HEADER, text)


def version_in_property_list(text: str) -> str | None:
    """CFBundleVersion of a framework's Info.plist, if that is XML and the value is a Python version of three parts."""
    return _first(_VERSION_IN_PROPERTY_LIST, text)


def _first(pattern: str, text: str) -> str | None:
    match = re.search(pattern, text, re.ASCII)
    return match.group(1) if match else None


def _elf_architectures(path: Path) -> tuple[str, ...]:
    """The processor of an ELF file by the kernel's name for it; () if it is not ELF. Raises OSError."""
    return parse_elf(head_of_file(path, 20))


def parse_elf(head: bytes) -> tuple[str, ...]:
    """Like `architectures` of _macho, for the head of an ELF file."""
    if len(head) < 20 or head[:4] != b"\x7fELF":
        return ()
    (machine,) = struct.unpack_from(">H" if head[5] == 2 else "<H", head, 18)
    return (_ELF_MACHINES.get(machine, f"elf{machine}"),)


def _runs_natively(architectures: list[str], machine: str | None) -> bool | None:
    """None if the machine is not known. An arm64 processor runs arm64e too."""
    if machine is None:
        return None
    return machine in architectures or (machine == "arm64" and "arm64e" in architectures)
