# SPDX-License-Identifier: GPL-3.0-or-later
"""What site.yml does, as a deploy of pyinfra 3. Given from outside: python, pins and verify, as --data."""

from __future__ import annotations

from pyinfra import host  # type: ignore[import-not-found]
from pyinfra.api import DeployError  # type: ignore[import-not-found]
from pyinfra.facts.server import Command, Home  # type: ignore[import-not-found]
from pyinfra.operations import files, pip, server  # type: ignore[import-not-found]

COUNT_GPUS = "import sys, tensorflow as tf; sys.exit(not tf.config.list_physical_devices('GPU'))"


def require(what: str, command: str, *wanted: str) -> None:
    """Refuse a host on which a command does not say what is wanted."""
    said = host.get_fact(Command, command)
    if not all(word in said for word in wanted):
        raise DeployError(f"{what}: {command} says {said!r}")


python = host.data.python
require("Apple Silicon", "sysctl hw.optional.arm64 sysctl.proc_translated", "arm64: 1", "proc_translated: 0")
require("macOS 12.1 or newer", 'test "$(sw_vers -productVersion | cut -d. -f1)" -ge 13 && echo yes', "yes")
require("a native Python", f"{python} -c 'import platform; print(platform.machine())'", "arm64")

home = f"{host.get_fact(Home)}/tensorflow"
venv = f"{home}/venv"
kernel = f"{host.get_fact(Home)}/Library/Jupyter/kernels/tensorflow-conventional"
values = {"conventional_python": python, "conventional_venv": venv}

for folder in (home, kernel):
    files.directory(name="Make the folders", path=folder, mode="755")
files.put(name="Copy the pinned set", src=host.data.pins, dest=f"{home}/requirements.txt", mode="644")
pip.venv(name="Make the virtual environment", path=venv, python=python)
pip.packages(
    name="Install the pinned set",
    requirements=f"{home}/requirements.txt",
    virtualenv=venv,
    _env={"PIP_DISABLE_PIP_VERSION_CHECK": "1"},
)
files.template(
    name="Register the Jupyter kernel",
    src="templates/kernel.json.j2",
    dest=f"{kernel}/kernel.json",
    mode="644",
    **values,
)
files.template(
    name="Leave a note for those who work there",
    src="templates/note.txt.j2",
    dest=f"{home}/README.txt",
    mode="644",
    **values,
)
if host.data.verify:
    server.shell(name="Import TensorFlow and require a GPU", commands=[f'{venv}/bin/python -c "{COUNT_GPUS}"'])
