# SPDX-License-Identifier: GPL-3.0-or-later
"""Environments for the tests: real ones, and tiny ones with a stand-in for TensorFlow. And what is left out."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.kept import make_litert_environment, make_tensorflow_environment
from tests.slow import IS_RUN

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


@pytest.fixture(scope="session")
def litert_environment() -> Path:
    """An environment with LiteRT, from the collection's own lock, kept like that with TensorFlow."""
    return make_litert_environment()


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
