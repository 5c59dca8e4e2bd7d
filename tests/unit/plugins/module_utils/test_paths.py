# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._paths import matching


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("opt/python@3.9/bin", "opt/python@3.12/bin", "opt/python@2/bin", "opt/python@3.13/lib", "aa"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "opt/python@3.file").touch()
    (tmp_path / "opt/python@3.gone").symlink_to("nowhere")
    return tmp_path


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("opt/python@3.*/bin", ["opt/python@3.12/bin", "opt/python@3.9/bin"]),
        ("opt/*/bin", ["opt/python@2/bin", "opt/python@3.12/bin", "opt/python@3.9/bin"]),
        ("opt/*9/bin", ["opt/python@3.9/bin"]),
        ("opt/python@2", ["opt/python@2"]),
        ("a*a", ["aa"]),
        ("aa*a", []),
        ("not/there/*", []),
        ("opt/python@3.g*", []),
    ],
)
def test_matching(folder: Path, pattern: str, found: list[str]) -> None:
    assert [str(path.relative_to(folder)) for path in matching(folder, pattern)] == found
