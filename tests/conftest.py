# SPDX-License-Identifier: GPL-3.0-or-later
"""Environments for the tests: real ones with TensorFlow, and tiny ones with a stand-in for it."""

from __future__ import annotations

import fcntl
import os
import platform
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.slow import IS_RUN

CHECKOUT = Path(__file__).parents[1]
CACHE = CHECKOUT / ".cache"
ENVIRONMENTS = CACHE / "test" / "environments"
LOCKS = CHECKOUT / "plugins/plugin_utils/_data/locks/tensorflow-2.18.1-metal-1.2.0"

MakeEnvironment = Callable[[str], Path]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out what is slow."""
    for item in items:
        slow = item.get_closest_marker("slow")
        if slow and not IS_RUN:
            item.add_marker(pytest.mark.skip(reason=f"{slow.args[0]}: make test-all does it"))


@pytest.fixture(scope="session")
def tensorflow_environment() -> Path:
    """An environment with the CPU build of TensorFlow, from the collection's own lock.

    It is installed once and kept between runs, for all tests: use it, or a `clone` of it, but do not change it.
    """
    if sys.platform != "linux":
        pytest.skip("the CPU build of TensorFlow is for Linux")
    return make_tensorflow_environment()


def make_tensorflow_environment(kind: str = "") -> Path:
    """The same, for those who are no tests. `kind` is +cuda for the build for NVIDIA GPUs."""
    python = _python(">=3.9,<3.13", "3.12")
    version = _output_of(python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])")
    lock = LOCKS / f"linux-{platform.machine()}{kind}-py{version}.txt"
    command = ("sync", "--require-hashes", "--link-mode=copy", str(lock))
    return _environment(f"{LOCKS.name}{kind}-py{version}", python, lock.read_text(), *command)


@pytest.fixture(scope="session")
def litert_environment() -> Path:
    """An environment with LiteRT, from the collection's own lock, kept like that with TensorFlow."""
    python = _python(">=3.10,<3.14", "3.12")
    version = _output_of(python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])")
    [lock] = LOCKS.parent.glob(f"litert-*/linux-{platform.machine()}-py{version}.txt")
    command = ("sync", "--require-hashes", "--link-mode=copy", str(lock))
    return _environment(f"{lock.parent.name}-py{version}", python, lock.read_text(), *command)


def make_environment_of(tensorflow: str, *others: str) -> Path:
    """An environment with another version of the CPU build, as the package index has it today, kept like the usual.

    `others` are further requirements.
    """
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
    environment = ENVIRONMENTS / name
    complete = environment / "complete"
    with _sole_writer(environment):
        if not complete.is_file() or complete.read_text() != content:
            shutil.rmtree(environment, ignore_errors=True)
            _uv("venv", "--python", python, str(environment))
            interpreter = str(environment / "bin/python")
            # Compiled, or each import would compile TensorFlow anew.
            _uv("pip", *command, "--compile-bytecode", "--python", interpreter)
            complete.write_text(content)
    return environment


@contextmanager
def _sole_writer(environment: Path) -> Iterator[None]:
    """Two test runs at once must not build the same environment."""
    environment.parent.mkdir(parents=True, exist_ok=True)
    with environment.with_name(f"{environment.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


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


@pytest.fixture
def make_environment(tmp_path: Path) -> MakeEnvironment:
    """Make an environment in which `import tensorflow` runs this source instead."""

    def make(tensorflow: str) -> Path:
        environment = tmp_path / "environment"
        site_packages = environment / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
        site_packages.mkdir(parents=True)
        (site_packages / "tensorflow.py").write_text(textwrap.dedent(tensorflow))
        base = Path(sys.executable).resolve()
        (environment / "bin").mkdir()
        (environment / "bin/python").symlink_to(base)
        (environment / "pyvenv.cfg").write_text(f"home = {base.parent}\ninclude-system-site-packages = false\n")
        return environment

    return make
