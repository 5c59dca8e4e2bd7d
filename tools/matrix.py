# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the tests that need no Macs with each supported Python and ansible-core: `make matrix`.

They are the unit tests, and the published collection; and for each ansible-core its `ansible-test sanity`. A minor
version of ansible-core is taken as the package index has it newest, the oldest one as `meta/runtime.yml` says it, too.
Arguments choose minor versions: python -m tools.matrix 2.20. The rest is as pinned for development.
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
PUBLISHED_COLLECTION = CHECKOUT / ".cache/published/ansible_collections/metalfleet/tensorflow"
UV = Path(sys.executable).with_name("uv")
TESTS = ("tests/unit", "tests/published")
SUPPORTED = {
    "2.19": ("3.11", "3.12", "3.13"),
    "2.20": ("3.12", "3.13"),
    "2.21": ("3.12", "3.13"),
}
"""The minor versions of ansible-core, each with the Pythons that a controller may have with it."""


def oldest_ansible() -> str:
    """The oldest version of ansible-core that the collection supports."""
    runtime = yaml.safe_load((CHECKOUT / "meta/runtime.yml").read_text())
    [least] = SpecifierSet(runtime["requires_ansible"])
    return str(least.version)


def releases(minor: str) -> list[str]:
    """Of a minor version of ansible-core, the releases to test."""
    oldest = oldest_ansible()
    return [oldest, f"{minor}.*"] if oldest.startswith(f"{minor}.") else [f"{minor}.*"]


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


def passes(python: str, ansible: str, *, with_sanity: bool) -> bool:
    """Whether the tests pass; a Python that is not installed is said, and counts as passed."""
    interpreter = find_python(python)
    if interpreter is None:
        print(f"--- Python {python}, ansible-core {ansible}: left out, no Python {python} is installed")
        return True
    name = f"python-{python}-ansible-core-{ansible.replace('*', 'newest')}"
    environment = make_environment(name, interpreter, f"ansible-core=={ansible}")
    version = subprocess.run(
        [environment / "bin/ansible", "--version"], capture_output=True, text=True, check=True
    ).stdout
    print(f"--- Python {python}, {version.splitlines()[0]}", flush=True)
    commands = [[str(environment / "bin/pytest"), "-q", "-n", "2", *TESTS]]
    if with_sanity:
        commands.append([str(environment / "bin/python"), "-m", "tools.sanity", str(PUBLISHED_COLLECTION)])
    return all(subprocess.run(command, cwd=CHECKOUT, check=False).returncode == 0 for command in commands)


def main() -> None:
    """Run all, and fail if any failed."""
    chosen = sys.argv[1:] or list(SUPPORTED)
    results = [
        # ansible-test has all Pythons of hosts itself, so that one Python of the controller does.
        passes(python, ansible, with_sanity=ansible.endswith("*") and python == SUPPORTED[minor][-1])
        for minor in chosen
        for ansible in releases(minor)
        for python in SUPPORTED[minor]
    ]
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
