# SPDX-License-Identifier: GPL-3.0-or-later
"""Run `ansible-test sanity` on the published collection: python -m tools.sanity COLLECTION-FOLDER.

ansible-test looks at what git knows of the folder, tests with every Python on the PATH, keeps environments in the home
folder, fetches pip from a site of its own, and tells pip nothing of the environment's settings. So it gets a copy that
is a repository, the Pythons of this machine, and a home in `.cache` with this machine's settings of pip and with a
stand-in that takes pip from Python itself. The first run asks the package index; later ones need no network.
"""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from configparser import RawConfigParser
from pathlib import Path
from types import SimpleNamespace

from ansible_test._internal.python_requirements import get_venv_packages

from tools.pythons import folders_of_pythons

CHECKOUT = Path(__file__).parents[1]
HOME = CHECKOUT / ".cache/ansible-test"
COPY = HOME / "ansible_collections/metalfleet/tensorflow"
STAND_IN = """\
# Made by tools/sanity.py.
import subprocess, sys

options = [each for each in sys.argv[1:] if each not in ("--no-setuptools", "--no-wheel")]
for command in (["ensurepip", "--default-pip"], ["pip", "install", *options]):
    subprocess.run([sys.executable, "-m", *command], check=True)
"""


def settings_of_pip() -> RawConfigParser:
    """What pip is told on this machine by variables and files, those for single commands aside."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    listing = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    settings = dict(line.split("=", 1) for line in listing.splitlines())
    parser = RawConfigParser()
    parser["global"] = {
        name.removeprefix(section): ast.literal_eval(value)
        for section in ("global.", ":env:.")  # a variable outranks a file
        for name, value in settings.items()
        if name.startswith(section)
    }
    return parser


def prepare_home() -> None:
    """Put pip's settings and the stand-in where ansible-test looks for them."""
    version = get_venv_packages(SimpleNamespace(version="{}.{}".format(*sys.version_info)))["pip"]
    stand_in = HOME / f".ansible/test/cache/get_pip_{version.replace('.', '_')}.py"
    stand_in.parent.mkdir(parents=True, exist_ok=True)
    stand_in.write_text(STAND_IN)

    settings = HOME / ".config/pip/pip.conf"
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.touch(mode=0o600)  # an index may be named with its password
    with settings.open("w") as file:
        settings_of_pip().write(file)


def prepare_copy(collection: Path) -> None:
    """Copy the collection."""
    shutil.rmtree(COPY, ignore_errors=True)
    shutil.copytree(collection, COPY)
    subprocess.run(["git", "init", "--quiet", COPY], check=True)


def main() -> None:
    """Run it, and end as it ends."""
    prepare_home()
    prepare_copy(Path(sys.argv[1]))
    path = os.pathsep.join([str(Path(sys.executable).parent), *folders_of_pythons(), os.environ["PATH"]])
    process = subprocess.run(
        ["ansible-test", "sanity"], cwd=COPY, env=os.environ | {"HOME": str(HOME), "PATH": path}, check=False
    )
    sys.exit(process.returncode)


if __name__ == "__main__":
    main()
