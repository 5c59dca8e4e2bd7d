# SPDX-License-Identifier: GPL-3.0-or-later
"""The Pythons of simulated Macs, made from a CPython of this machine.

``find`` looks for a CPython that can stand in. ``copy`` puts it, as it is, where simulated Macs share it. ``mac_tree``
lays out a Mac's Python: its executable, library and extension modules are Mach-O files that name the copy's files, and
its standard library says that it runs on darwin. ``archive`` packs such a tree the way that standalone builds for
macOS are published.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import pprint
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .elf import use_run_path
from .macho import Kind, stub

MINORS = ("3.12", "3.11")  # the best first: what TensorFlow for Macs is built for
BUILD = "20200101"
PIP = "pip==24.0"  # for a CPython that brings none; later ones need the Keychain
SOURCE = Path(__file__).parent / "inside/darwin"

LEFT_OUT = shutil.ignore_patterns(
    "__pycache__", "test", "tests", "idlelib", "turtledemo", "site-packages", "dist-packages", "config-*", "*.a",
    "sitecustomize.py", "EXTERNALLY-MANAGED", "*.exe",
)  # fmt: skip
# Debian lets its Python install elsewhere; a Mac's does not.
DEBIAN_CHANGES = (
    ("sysconfig.py", "prefix_scheme = 'posix_local'", "prefix_scheme = 'posix_prefix'"),
    (
        "sysconfig.py",
        "'_sysconfigdata_{sys.abiflags}_{multiarch}'",
        "'_sysconfigdata_{sys.abiflags}_darwin_{multiarch}'",
    ),
    ("site.py", '"dist-packages"', '"site-packages"'),
)

ASK = """
import importlib, json, os, platform, sys, sysconfig
import bz2, ctypes, hashlib, lzma, sqlite3, ssl, venv, zlib
settings = importlib.import_module(sysconfig._get_sysconfigdata_name()).build_time_vars
library = os.path.join(settings["LIBDIR"], settings["INSTSONAME"]) if settings.get("Py_ENABLE_SHARED") else None
print(json.dumps({
    "version": platform.python_version(), "executable": os.path.realpath(sys.executable),
    "stdlib": sysconfig.get_path("stdlib"), "library": library, "settings": settings,
    "include": sysconfig.get_path("include"), "conda": os.path.isdir(os.path.join(sys.prefix, "conda-meta")),
}))
"""

ENSUREPIP = '''\
"""Installs the bundled pip: what venv asks of this module."""
import glob, os, runpy, sys
wheel = glob.glob(os.path.join(os.path.dirname(__file__), "_bundled", "pip-*.whl"))[0]
sys.path.insert(0, wheel)
sys.argv = ["pip", "install", "--quiet", "--no-index", "--no-deps", wheel]
runpy.run_module("pip", run_name="__main__", alter_sys=True)
'''


class NoPythonError(Exception):
    """No CPython of this machine can stand in for a Mac's; the message says what to install."""


@dataclass(frozen=True)
class Cpython:
    """A CPython of this machine."""

    version: str
    executable: str
    stdlib: str
    library: str | None  # libpython, if the executable needs it
    settings: dict[str, Any]
    include: str

    @property
    def minor(self) -> str:
        """3.12 of 3.12.1."""
        return self.version.rpartition(".")[0]

    @property
    def tag(self) -> str:
        """312 of 3.12.1."""
        return self.minor.replace(".", "")

    @property
    def linux_suffix(self) -> str:
        """What its extension modules end with."""
        return str(self.settings["EXT_SUFFIX"])


def find() -> Cpython:
    """The best CPython of this machine that really runs and is complete."""
    for minor in MINORS:
        found = find_minor(minor)
        if found:
            return found
    raise NoPythonError(
        "simulated Macs need a CPython 3.12 or 3.11 of this machine, with its standard library, and none was found on "
        "PATH, in /usr/bin, among pyenv's or uv's. Remedy: apt-get install python3.11 python3-venv (Debian 12), or "
        "another way to have one."
    )


def find_minor(minor: str) -> Cpython | None:
    """A CPython of a minor version, if there is one."""
    answers = (_ask(candidate) for candidate in _candidates(minor))
    return next((found for found in answers if found and found.minor == minor), None)


def _candidates(minor: str) -> Iterator[Path]:
    folders = [*os.environ.get("PATH", "").split(":"), "/usr/local/bin", "/usr/bin"]
    yield from (Path(folder, f"python{minor}") for folder in folders if folder)
    yield Path(getattr(sys, "_base_executable", sys.executable))
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    uv = Path(os.environ.get("UV_PYTHON_INSTALL_DIR") or Path.home() / ".local/share/uv/python")
    yield from sorted(pyenv.glob(f"versions/{minor}.*/bin/python{minor}"), reverse=True)
    yield from sorted(uv.glob(f"cpython-{minor}*/bin/python{minor}"), reverse=True)


def _ask(executable: Path) -> Cpython | None:
    """What the interpreter says of itself; None if it does not run, lacks a module, or is conda's."""
    if not os.access(executable, os.X_OK):
        return None
    answer = subprocess.run([executable, "-I", "-c", ASK], capture_output=True, text=True, check=False)
    if answer.returncode:
        return None
    facts = json.loads(answer.stdout)
    return None if facts.pop("conda") else Cpython(**facts)


def copy(python: Cpython, home: Path) -> None:
    """The CPython as it is, in a folder of its own from where it also runs elsewhere; compiled, to start fast."""
    lay_out(python, home)
    subprocess.run([home / f"bin/python{python.minor}", "-m", "compileall", "-q", home / "lib"], check=True)


def lay_out(python: Cpython, home: Path) -> None:
    """The same, as sources."""
    (home / "bin").mkdir(parents=True)
    executable = home / f"bin/python{python.minor}"
    shutil.copy(python.executable, executable)
    if python.library:
        (home / "lib").mkdir()
        shutil.copy(python.library, home / "lib")
        use_run_path(executable, "$ORIGIN/../lib")
    shutil.copytree(python.stdlib, home / f"lib/python{python.minor}", ignore=LEFT_OUT)


def mac_tree(python: Cpython, stand_in: str, archs: Sequence[str], prefix: Path) -> None:
    """A Mac's Python under ``prefix``. ``stand_in`` is the folder of the copy, as seen from inside a simulated Mac."""
    lib = prefix / f"lib/python{python.minor}"
    shutil.copytree(python.stdlib, lib, ignore=LEFT_OUT)
    for module in sorted((lib / "lib-dynload").glob("*.so")):
        elf = f"{stand_in}/lib/python{python.minor}/lib-dynload/{module.name}"
        module.unlink()
        name = module.name.removesuffix(python.linux_suffix).removesuffix(".so")
        _write_stub(module.with_name(f"{name}.cpython-{python.tag}-darwin.so"), Kind.BUNDLE, archs, elf)
    program = f"python{python.minor}"
    _write_stub(prefix / "bin" / program, Kind.EXECUTABLE, archs, f"{stand_in}/bin/{program}")
    for name in ("python3", "python"):
        (prefix / "bin" / name).symlink_to(program)
    if python.library:
        elf = f"{stand_in}/lib/{Path(python.library).name}"
        _write_stub(prefix / f"lib/libpython{python.minor}.dylib", Kind.LIBRARY, archs, elf)
    if Path(python.include).is_dir():
        shutil.copytree(python.include, prefix / f"include/python{python.minor}")
    (prefix / "share").mkdir()
    _become_darwin(python, lib, archs)
    _install_pip(lib)


def _write_stub(path: Path, kind: Kind, archs: Sequence[str], elf: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(stub(kind, {arch: [elf] for arch in archs}, name=f"@rpath/{path.name}"))
    path.chmod(0o755)


def _become_darwin(python: Cpython, lib: Path, archs: Sequence[str]) -> None:
    """The standard library of a Mac's Python: what it says of itself, and no word about Linux."""
    for settings in lib.glob("_sysconfigdata_*.py"):
        settings.unlink()
    lib.joinpath("_sysconfigdata__darwin_darwin.py").write_text(_settings(python, archs))
    shutil.copy(SOURCE / "_scproxy.py", lib)
    shutil.copy(SOURCE / "_simulated_darwin.py", lib / "encodings")
    with (lib / "encodings/__init__.py").open("a") as encodings:
        encodings.write("\nfrom . import _simulated_darwin\n")
        if "dist-packages" in (lib / "site.py").read_text():  # or the frozen site would be used, not the file
            encodings.write("import _imp\n_imp._override_frozen_modules_for_tests(-1)\n")
    for name, debian, original in DEBIAN_CHANGES:
        path = lib / name
        path.write_text(path.read_text().replace(debian, original))


def _settings(python: Cpython, archs: Sequence[str]) -> str:
    """The build settings of a Mac's CPython, over those of the Linux one; paths as standalone builds have them."""
    prefix = str(python.settings["prefix"])
    variables = {
        key: value.replace(prefix, "/install") if isinstance(value, str) and len(prefix) > 4 else value
        for key, value in python.settings.items()
    }
    variables |= {
        "CC": "clang",
        "EXT_SUFFIX": f".cpython-{python.tag}-darwin.so",
        "INSTSONAME": f"libpython{python.minor}.dylib",
        "LDLIBRARY": f"libpython{python.minor}.dylib",
        "MACHDEP": "darwin",
        "MACOSX_DEPLOYMENT_TARGET": "10.13" if "x86_64" in archs else "11.0",
        "MULTIARCH": "darwin",
        "SOABI": f"cpython-{python.tag}-darwin",
    }
    return f'"""Build settings."""\nbuild_time_vars = {pprint.pformat(variables, width=120)}\n'


def _install_pip(lib: Path) -> None:
    """Pip in site-packages; and bundled, for ``python -m venv``, where Debian has taken that out."""
    bundled = lib / "ensurepip/_bundled"
    if not any(bundled.glob("pip-*.whl")):
        shutil.rmtree(bundled.parent, ignore_errors=True)
        bundled.mkdir(parents=True)
        (bundled.parent / "__init__.py").touch()
        (bundled.parent / "__main__.py").write_text(ENSUREPIP)
        _fetch_pip(bundled)
    with zipfile.ZipFile(next(bundled.glob("pip-*.whl"))) as wheel:
        wheel.extractall(lib / "site-packages")


def _fetch_pip(folder: Path) -> None:
    """A wheel of pip, packed again from what uv installs (uv cannot download a wheel as it is)."""
    name = f"{PIP.replace('==', '-')}-py3-none-any.whl"
    with tempfile.TemporaryDirectory() as target, zipfile.ZipFile(folder / name, "w") as wheel:
        command = ["pip", "install", "--quiet", "--no-config", "--no-deps", "--target", target]
        subprocess.run([find_uv(), *command, "--python", sys.executable, PIP], check=True)
        for path in sorted(Path(target).rglob("*")):
            inside = path.relative_to(target).as_posix()
            if path.is_file() and inside.startswith("pip") and "__pycache__" not in inside:
                wheel.writestr(zipfile.ZipInfo(inside), path.read_bytes())


def find_uv() -> str:
    """The uv beside this interpreter, or on PATH."""
    beside = Path(sys.executable).with_name("uv")
    found = str(beside) if beside.exists() else shutil.which("uv")
    if not found:
        raise NoPythonError("simulated Macs need uv. Remedy: pip install uv.")
    return found


def archive(python: Cpython, tree: Path, folder: Path) -> None:
    """``tree`` as ``python/`` in FOLDER/BUILD/cpython-...tar.gz, and FOLDER/index.json with its version and hash.

    The same tree always gives the same bytes. A good archive with the right hash is replaced in one step.
    """
    triple = "aarch64-apple-darwin"
    path = folder / BUILD / f"cpython-{python.version}+{BUILD}-{triple}-install_only_stripped.tar.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    with (
        new.open("wb") as file,
        gzip.GzipFile("", "wb", 6, file, mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w") as tar,
    ):
        tar.add(tree, "python", filter=_anonymous)
    digest = hashlib.sha256(new.read_bytes()).hexdigest()
    new.rename(path)
    index = {python.minor: {"version": python.version, "build": BUILD, "sha256": {triple: digest}}}
    (folder / "index.json").write_text(json.dumps(index, indent=1) + "\n")


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Without owner and time; tarfile adds a folder's files in sorted order."""
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    member.mtime = 1577836800  # 1 January 2020, as BUILD says
    return member
