# SPDX-License-Identifier: GPL-3.0-or-later
"""Every Python 3 interpreter in the places where people install them, told from files rather than by running it.

On a Mac without Command Line Tools `/usr/bin/python3` is a shim: running it opens a dialog on the user's screen. A shim
brings no standard library, so only an interpreter that has one beside it is ever run, and only for a patch level that
no file tells.
"""

from __future__ import annotations

import os
import re
import struct
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypedDict

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._commands import CommandFailed
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._macho import architectures as macho_architectures
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._paths import matching

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ansible_collections.metalfleet.tensorflow.plugins.module_utils._commands import Commands

_BIN_FOLDERS = (
    "~/.local/share/metalfleet/python/*/bin",
    "/opt/homebrew/bin",
    "/opt/homebrew/opt/python@3.*/bin",
    "/usr/local/bin",
    "/usr/local/opt/python@3.*/bin",
    "/Library/Frameworks/Python.framework/Versions/3.*/bin",
    "/Library/ManagedFrameworks/Python/Python3.framework/Versions/3.*/bin",
    "~/.local/share/uv/python/*/bin",
    "~/.pyenv/versions/*/bin",
    "~/*conda3/bin",
    "~/*forge/bin",
    "~/*forge3/bin",
    "~/opt/*conda3/bin",
    "/opt/*conda3/bin",
    "/opt/*forge/bin",
    "/opt/*forge3/bin",
    "/opt/homebrew/Caskroom/*/base/bin",
    "/usr/local/Caskroom/*/base/bin",
    "/opt/local/bin",
    "/Library/Developer/CommandLineTools/usr/bin",
    "/Applications/Xcode*.app/Contents/Developer/usr/bin",
    "/usr/bin",
)
"""Where to look, in the order in which interpreters are listed."""

STANDALONE, SHIM, SYSTEM, CONDA, OTHER = "standalone", "clt_shim", "system", "conda", "other"
# The first that is found in an interpreter's real path names its source.
_SOURCES = (
    (r"/\.local/share/metalfleet/python/", STANDALONE),
    (r"/\.local/share/uv/python/", "uv"),
    (r"/\.pyenv/versions/", "pyenv"),
    (r"/Cellar/|^/opt/homebrew/(?!Caskroom/)", "homebrew"),
    (r"^/Library/Frameworks/Python\.framework/", "python_org"),
    (r"^/Library/ManagedFrameworks/Python/", "macadmins"),
    (r"^/Library/Developer/|\.app/Contents/Developer/", "command_line_tools"),
    (r"^/opt/local/", "macports"),
)
SOURCES = (*(source for _, source in _SOURCES), CONDA, SYSTEM, SHIM, OTHER)
"""Every value of `Interpreter["source"]`."""

# Patterns are compiled when one is needed: most Macs need few of them.
# Homebrew, pyenv and uv name their folders after the version.
_VERSION_IN_PATH = r"(?:/Cellar/python@3\.\d+/|/\.pyenv/versions/|/cpython-)(3\.\d+\.\d+)"
_VERSION_IN_HEADER = r'(?m)^#define\s+PY_VERSION\s+"(3\.\d+\.\d+\w*)'
_VERSION_IN_PROPERTY_LIST = r"<key>CFBundleVersion</key>\s*<string>(3\.\d+\.\d+\w*)</string>"
_VERSION = r"3\.\d+\.\d+\w*"
_TELL_VERSION = "import sys; print('.'.join(map(str, sys.version_info[:3])))"

_ELF_MACHINES = {3: "i386", 40: "arm", 62: "x86_64", 183: "aarch64"}


class Interpreter(TypedDict):
    """One interpreter. `version` has three parts, or two where the patch level is not to be had."""

    path: str
    version: str | None
    architectures: list[str]
    universal2: bool
    source: str
    native: bool | None


class Machine(NamedTuple):
    """What interpreters are judged against: `architecture` is the hardware's, "arm64" in a translated process too."""

    system: str
    architecture: str | None


class Unreadable(NamedTuple):
    """An interpreter about which something could not be found out, and why."""

    path: str
    reason: str


class Search:
    """One look through a host's files.

    `roots` are folders whose `python` folder holds managed Pythons, beside the usual one in `home`. `filesystem` is the
    folder that all files lie in, "/" but for tests.
    """

    def __init__(
        self,
        commands: Commands,
        machine: Machine,
        *,
        home: Path,
        roots: Sequence[str] = (),
        filesystem: Path = Path("/"),
    ) -> None:
        self._commands = commands
        self._machine = machine
        self._home = home
        self._filesystem = filesystem
        self._managed = [self._place(root) / "python" for root in roots]
        self.unreadable: list[Unreadable] = []

    def interpreters(self) -> list[Interpreter]:
        """All that there are, each once whatever links lead to it, by the first name found.

        A name with a minor version goes before `python3`, which moves on with upgrades. Virtual environments are not
        interpreters of their own. `native` is None for a shim and for a script, as what they start is not known.
        """
        names: dict[Path, Path] = {}
        for name in self._names():
            real = Path(os.path.realpath(name))
            if os.access(real, os.X_OK) and real.is_file():
                names.setdefault(real, name)
        return [self._interpreter(self._seen(name), real) for real, name in names.items()]

    def _names(self) -> Iterator[Path]:
        managed = (matching(folder, "*/bin") for folder in self._managed)
        for folder in chain(*managed, *map(self._folders, _BIN_FOLDERS)):
            if not os.access(folder.parent / "pyvenv.cfg", os.F_OK):
                yield from filter(_is_interpreter_name, reversed(matching(folder, "python3*")))

    def _folders(self, pattern: str) -> list[Path]:
        if pattern.startswith("~/"):
            return matching(self._place(self._home), pattern[2:])
        return matching(self._filesystem, pattern[1:])

    def _place(self, path: str | Path) -> Path:
        return self._filesystem / str(path).lstrip("/")

    def _seen(self, path: Path) -> str:
        """The path as the host sees it."""
        return "/" + os.path.relpath(path, self._filesystem)

    def _interpreter(self, path: str, file: Path) -> Interpreter:
        prefix = file.parent.parent
        source = self._source(self._seen(file), prefix)
        architectures = self._architectures(path, file)
        native = _runs_natively(architectures, self._machine.architecture) if architectures and source != SHIM else None
        return {
            "path": path,
            "version": None if source == SHIM else self._version(path, file, may_run=bool(native)),
            "architectures": architectures,
            "universal2": {"arm64", "x86_64"} <= set(architectures),
            "source": source,
            "native": native,
        }

    def _source(self, real_path: str, prefix: Path) -> str:
        if any(prefix.parent == Path(os.path.realpath(folder)) for folder in self._managed):
            return STANDALONE
        if (prefix / "conda-meta").is_dir():
            return CONDA
        if real_path.startswith("/usr/bin/"):
            return SHIM if self._machine.system == "Darwin" else SYSTEM
        return next((source for pattern, source in _SOURCES if re.search(pattern, real_path)), OTHER)

    def _architectures(self, path: str, file: Path) -> list[str]:
        try:
            return list(macho_architectures(file) if self._machine.system == "Darwin" else _elf_architectures(file))
        except OSError as error:
            self.unreadable.append(Unreadable(path, error.strerror or str(error)))
            return []

    def _version(self, path: str, file: Path, *, may_run: bool) -> str | None:
        minor = _minor_version(file)
        if minor is None:
            return None
        told = _version_from_files(file.parent.parent, minor) or _first(_VERSION_IN_PATH, str(file))
        if told is None and may_run and _has_standard_library(file.parent.parent, minor):
            told = self._ask_version(path, file)
        return told or minor

    def _ask_version(self, path: str, file: Path) -> str | None:
        try:
            answer = self._commands.run([str(file), "-I", "-S", "-c", _TELL_VERSION]).stdout.strip()
        except CommandFailed as failure:
            self.unreadable.append(Unreadable(path, failure.reason))
            return None
        return answer if re.fullmatch(_VERSION, answer, re.ASCII) else None


def _is_interpreter_name(path: Path) -> bool:
    """Not python3-config, not python3.13t (another ABI), not python3.12-intel64 (one half of its neighbour)."""
    return re.fullmatch(r"python3(\.\d+)?", path.name, re.ASCII) is not None


def _minor_version(file: Path) -> str | None:
    """The real file's name tells it nearly always; else the only standard library beside it."""
    in_name = _first(r"^python(3\.\d+)$", file.name)
    libraries = [path.parent.name[len("python") :] for path in matching(file.parent.parent, "lib/python3.*/os.py")]
    return in_name or (libraries[0] if len(libraries) == 1 else None)


def _has_standard_library(prefix: Path, minor: str) -> bool:
    return os.access(prefix / f"lib/python{minor}/os.py", os.F_OK)


def _version_from_files(prefix: Path, minor: str) -> str | None:
    """From the C header, or from a framework's property list (Apple's own builds have no include folder)."""
    for header in (prefix / f"include/python{minor}/patchlevel.h", prefix / "Headers/patchlevel.h"):
        with suppress(OSError):
            return version_in_header(_text(header))
    with suppress(OSError):
        return version_in_property_list(_text(prefix / "Resources/Info.plist"))
    return None


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8", errors="replace")


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
    with path.open("rb", buffering=0) as file:
        return parse_elf(file.read(20))


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
