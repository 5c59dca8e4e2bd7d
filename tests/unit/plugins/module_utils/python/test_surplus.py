# SPDX-License-Identifier: GPL-3.0-or-later
"""Which Pythons and uv versions nothing uses any more."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment import manifest
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._python import intact
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._python import surplus as engine


def installed(root: Path, *programs: str) -> None:
    for program in programs:
        path = root / program
        path.parent.mkdir(parents=True)
        path.touch()
        intact.record(path.parents[1])


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root with three Pythons and two versions of uv, the newest of which are linked."""
    minors = ("3.10.1+1/bin/python3.10", "3.12.1+1/bin/python3.12", "3.12.2+1/bin/python3.12")
    installed(tmp_path, *(f"python/cpython-{minor}" for minor in minors), "uv/0.1.0/bin/uv", "uv/0.2.0/bin/uv")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python3").symlink_to(tmp_path / "python/cpython-3.12.2+1/bin/python3.12")
    (tmp_path / "bin/uv").symlink_to(tmp_path / "uv/0.2.0/bin/uv")
    return tmp_path


def names(root: Path) -> list[str]:
    return [str(path.relative_to(root)) for path in engine.surplus(root)]


def test_what_is_neither_linked_nor_used_is_surplus(root: Path) -> None:
    assert names(root) == ["python/cpython-3.10.1+1", "python/cpython-3.12.1+1", "uv/0.1.0"]


def test_an_additional_python_stays_as_long_as_an_environment_asks_for_it(root: Path) -> None:
    (root / "bin/python3.10").symlink_to(root / "python/cpython-3.10.1+1/bin/python3.10")
    assert [str(path.relative_to(root)) for path in engine.surplus(root, ["3.10"])] == [
        "python/cpython-3.12.1+1",
        "uv/0.1.0",
    ]
    assert names(root) == ["bin/python3.10", "python/cpython-3.10.1+1", "python/cpython-3.12.1+1", "uv/0.1.0"]


def test_a_python_stays_as_long_as_the_controller_of_setup_sh_runs_by_it(root: Path) -> None:
    environment = root / "controller/release-0123/environment/bin"
    environment.mkdir(parents=True)
    (environment / "python").symlink_to(root / "python/cpython-3.12.1+1/bin/python3.12")
    assert names(root) == ["python/cpython-3.10.1+1", "uv/0.1.0"]


def test_what_we_have_not_installed_is_nobodys_business(root: Path) -> None:
    (root / "python/cpython-3.10.1+1" / intact.RECORD).unlink()
    assert names(root) == ["python/cpython-3.12.1+1", "uv/0.1.0"]


def test_nothing_is_surplus_where_something_cannot_be_read(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refusing(folder: Any, pattern: str, refused: Any = None) -> list[Path]:
        if refused and pattern.startswith("environments"):
            refused(root / "environments/other", PermissionError(13, "Permission denied"))
        return list(Path(folder).glob(pattern))

    monkeypatch.setattr(engine, "matching", refusing)
    assert names(root) == []


def test_what_a_generations_manifest_names_is_used(root: Path) -> None:
    generation = root / "environments/tf/1"
    generation.mkdir(parents=True)
    interpreter = {"interpreter": {"path": str(root / "python/cpython-3.10.1+1/bin/python3.10")}}
    (generation / manifest.NAME).write_bytes(b"sha256:0\n" + json.dumps(interpreter).encode())
    assert names(root) == ["python/cpython-3.12.1+1", "uv/0.1.0"]
    assert engine.MANIFEST == manifest.NAME


def test_what_a_generation_leads_to_is_used_whatever_its_manifest_says(root: Path) -> None:
    program = root / "environments/tf/1/bin/python"
    program.parent.mkdir(parents=True)
    program.symlink_to(root / "python/cpython-3.12.1+1/bin/python3.12")
    for content in (None, b"", b"sha256:0\nnull", b"\xff"):
        if content is not None:
            (program.parents[1] / manifest.NAME).write_bytes(content)
        assert names(root) == ["python/cpython-3.10.1+1", "uv/0.1.0"]


def test_a_starter_leads_to_what_it_names(root: Path) -> None:
    (root / "bin/python3").unlink()
    (root / "bin/python3").write_text(f"#!/bin/sh\n# {root}/python/cpython-3.12.1+1/bin/python3.12\n")
    assert names(root) == ["python/cpython-3.10.1+1", "python/cpython-3.12.2+1", "uv/0.1.0"]


@pytest.mark.parametrize("link", ["python3", "uv"])
def test_nothing_is_surplus_while_something_is_not_linked(root: Path, link: str) -> None:
    (root / "bin" / link).unlink()
    assert names(root) == []


def test_what_is_being_installed_and_what_is_not_ours_stays(root: Path) -> None:
    installed(root, "python/.new.1.abc/python/bin/python3", "uv/.new.1.abc/uv", "python/theirs/x")
    (root / "python/.lock").touch()
    assert len(names(root)) == 3


def test_a_host_without_anything_has_no_surplus(tmp_path: Path) -> None:
    assert names(tmp_path) == []
