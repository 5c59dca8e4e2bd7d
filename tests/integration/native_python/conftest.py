# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the role native_python: a mirror that has everything, and a way to run the role."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.ansible_runner import Result, playbook
from tests.integration.native_python.shared import OFFLINE, ROLE, Run, command_line
from tests.simulated_mac.fleet import Fleet, Mac


@pytest.fixture
def mirror(fleet: Fleet, uv_wheel: Path, tmp_path: Path) -> Path:
    """A folder on the controller that has everything: the archive, and the wheel of uv."""
    fleet.store.ready()
    folder = tmp_path / "mirror"
    shutil.copytree(fleet.store.archives, folder)
    (folder / "wheels").mkdir()
    shutil.copy(uv_wheel, folder / "wheels")
    return folder


@pytest.fixture
def run(mirror: Path, tmp_path: Path) -> Run:
    """Run the role against a Mac. Without other variables everything is pushed, and no network can be reached."""

    def run(
        mac: Mac, *arguments: str, check: bool = True, play: Path = ROLE, bare: bool = False, **given: Any
    ) -> Result:
        variables = given if bare else {"native_python_mirror": str(mirror), **OFFLINE, **given}
        command, environment = command_line(mac, tmp_path, play, variables)
        return playbook(*command, *arguments, check=check, env=environment)

    return run


@pytest.fixture(scope="session")
def ready(fleet: Fleet, uv_wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A profile with a template: a fresh Mac on which the role has run."""
    host = fleet.up({"to-be-ready": "m1-fresh"})["to-be-ready"]
    folder = tmp_path_factory.mktemp("ready")
    shutil.copytree(fleet.store.archives, folder / "mirror")
    shutil.copy(uv_wheel, folder / "mirror")
    variables = {"native_python_mirror": str(folder / "mirror"), **OFFLINE}
    arguments, environment = command_line(host, folder, ROLE, variables)
    playbook(*arguments, env=environment)
    fleet.snapshot(host.name, "ready")
    host.delete()
    return "m1-fresh@ready"
