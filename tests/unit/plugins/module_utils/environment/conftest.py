# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts on which nothing is there yet, and on which an environment is in order."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.unit.plugins.module_utils.environment.host import Host


@pytest.fixture
def new_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    host = Host(tmp_path)
    host.bring_python()
    return host


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A host's folder with a cache and nothing else, to save time."""
    folder = tmp_path_factory.mktemp("template")
    host = Host(folder)
    host.bring_python()
    host.converge()
    for made in ("root/environments", "root/bin", "links"):
        shutil.rmtree(folder / made)
    return folder


@pytest.fixture
def host(new_host: Host, template: Path, tmp_path: Path) -> Host:
    """A host on which everything is in order."""
    shutil.copytree(template, tmp_path, dirs_exist_ok=True, symlinks=True)
    assert new_host.converge()["reasons"] == ["absent"]
    return new_host
