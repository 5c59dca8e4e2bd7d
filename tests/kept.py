# SPDX-License-Identifier: GPL-3.0-or-later
"""What tests download and install once, and keep between runs in .cache/test."""

from __future__ import annotations

import fcntl
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.ansible_runner import CHECKOUT

CACHE = CHECKOUT / ".cache"
KEPT = CACHE / "test"
LOCKS = CHECKOUT / "plugins/plugin_utils/_data/locks/tensorflow-2.18.1-metal-1.2.0"


def kept(folder: Path, content: str, make: Callable[[Path], None]) -> Path:
    """A folder that `make` fills unless it was filled for the same content: wholly, and by one process at a time."""
    complete = folder / "complete"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not complete.is_file() or complete.read_text() != content:
            shutil.rmtree(folder, ignore_errors=True)
            make(folder)
            complete.write_text(content)
    return folder


def download(name: str, listing: Path, *options: str) -> Path:
    """A folder with the wheels of a list with hashes that pip finds for these options; by default for this machine."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", *options]

    def make(folder: Path) -> None:
        arguments = [f"--dest={folder}", "--require-hashes", f"--requirement={listing}"]
        subprocess.run([*command, *arguments], check=True)

    return kept(KEPT / "wheels" / name, "\n".join([*options, listing.read_text()]), make)


# --- Environments, made by uv


def make_tensorflow_environment(kind: str = "") -> Path:
    """An environment with TensorFlow, from the collection's own lock. `kind` is +cuda for the build for NVIDIA GPUs."""
    return _locked_environment(LOCKS, ">=3.9,<3.13", kind)


def make_litert_environment() -> Path:
    """An environment with LiteRT, from the collection's own lock."""
    [locks] = LOCKS.parent.glob("litert-*")
    return _locked_environment(locks, ">=3.10,<3.14")


def _locked_environment(locks: Path, pythons: str, kind: str = "") -> Path:
    python = _python(pythons, "3.12")
    version = _output_of(python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])")
    lock = locks / f"linux-{platform.machine()}{kind}-py{version}.txt"
    command = ("sync", "--require-hashes", "--link-mode=copy", str(lock))
    return _environment(f"{locks.name}{kind}-py{version}", python, lock.read_text(), *command)


def make_environment_of(tensorflow: str, *others: str) -> Path:
    """An environment with another version of the CPU build, as the index has it today, and further requirements."""
    requirements = (f"tensorflow-cpu=={tensorflow}", *others)
    return _environment(
        f"tensorflow-{tensorflow}", _python("3.10", "3.10"), "\n".join(requirements), "install", *requirements
    )


def _python(wanted: str, fetched: str) -> str:
    """An interpreter that is wanted; where this machine has none, uv fetches one."""
    found = _uv("python", "find", "--system", "--no-python-downloads", wanted, check=False)
    if found:
        return found
    _uv("python", "install", fetched)
    return _uv("python", "find", "--managed-python", fetched)


def _environment(name: str, python: str, content: str, *command: str) -> Path:
    """The environment of this name, made by `uv pip` with this command unless it has this content already."""

    def make(environment: Path) -> None:
        _uv("venv", "--python", python, str(environment))
        interpreter = str(environment / "bin/python")
        # Compiled, or each import would compile TensorFlow anew.
        _uv("pip", *command, "--compile-bytecode", "--python", interpreter)

    return kept(KEPT / "environments" / name, content, make)


def _uv(*arguments: str, check: bool = True) -> str:
    uv = Path(sys.executable).with_name("uv")
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    variables = {
        "PATH": os.pathsep.join([os.environ["PATH"], *map(str, pyenv.glob("versions/*/bin"))]),
        "UV_CACHE_DIR": str(CACHE / "uv"),
        "UV_PYTHON_INSTALL_DIR": str(CACHE / "test" / "pythons"),
    }
    process = subprocess.run([uv, *arguments], env=os.environ | variables, capture_output=True, text=True, check=False)
    if check and process.returncode:
        pytest.fail(f"uv {' '.join(arguments)} ended with {process.returncode}:\n{process.stderr}", pytrace=False)
    return process.stdout.strip() if process.returncode == 0 else ""


def _output_of(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
