# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the unit tests, and the published collection, with each supported Python and ansible-core: `make matrix`.

The oldest ansible-core is that of `meta/runtime.yml`, the newest the one that the package index has for the Python. The
rest is as pinned for development.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import yaml
from packaging.specifiers import SpecifierSet

from tools.pythons import find_python

CHECKOUT = Path(__file__).parents[1]
UV = Path(sys.executable).with_name("uv")
PYTHONS = ("3.11", "3.12", "3.13")
TESTS = ("tests/unit", "tests/published")


def oldest_ansible() -> str:
    """The requirement of the oldest ansible-core that the collection supports."""
    runtime = yaml.safe_load((CHECKOUT / "meta/runtime.yml").read_text())
    [least] = SpecifierSet(runtime["requires_ansible"])
    return f"ansible-core=={least.version}"


def make_environment(name: str, python: Path, ansible: str) -> Path:
    """An environment with what development needs, except that its ansible-core is this one."""
    environment = CHECKOUT / ".cache/matrix" / name
    overrides = environment.with_suffix(".override")
    overrides.parent.mkdir(parents=True, exist_ok=True)
    overrides.write_text(f"{ansible}\n")
    wanted = ["--requirement", str(CHECKOUT / "requirements/development.txt"), "--override", str(overrides)]
    for command in (
        ["venv", "--seed", "--clear", "--python", str(python), str(environment)],
        ["pip", "install", "--python", str(environment), "--no-verify-hashes", *wanted],
    ):
        cache = {"UV_CACHE_DIR": str(CHECKOUT / ".cache/uv")}
        subprocess.run([UV, "--quiet", *command], env=os.environ | cache, check=True)
    return environment


def passes(python: str, ansible: str) -> bool:
    """Whether the tests pass; a Python that is not installed is said, and counts as passed."""
    interpreter = find_python(python)
    if interpreter is None:
        print(f"--- Python {python}, {ansible}: left out, no Python {python} is installed")
        return True
    name = f"python-{python}-{ansible.replace('==', '-')}"
    environment = make_environment(name, interpreter, ansible)
    version = subprocess.run(
        [environment / "bin/ansible", "--version"], capture_output=True, text=True, check=True
    ).stdout
    print(f"--- Python {python}, {version.splitlines()[0]}", flush=True)
    command = [str(environment / "bin/pytest"), "-q", "-n", "2", "--dist", "loadfile", *TESTS]
    return subprocess.run(command, cwd=CHECKOUT, check=False).returncode == 0


def main() -> None:
    """Run all, and fail if any failed."""
    results = [passes(python, ansible) for python in PYTHONS for ansible in (oldest_ansible(), "ansible-core")]
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
