# SPDX-License-Identifier: GPL-3.0-or-later
"""The proof of the locks can fail."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._pairs import default_pair
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._resolver import targets

from tools.check_locks import find_python, plan_installation, run_twin
from tools.locks import folder_of

LOCK = folder_of(default_pair()) / "macos-arm64-py3.12.txt"
MAC, GPU_SERVER = targets()["macos-arm64"], targets()["linux-x86_64+cuda"]


def test_an_older_macos_than_the_wheels_demand_is_found() -> None:
    assert plan_installation(LOCK, MAC, "3.12", "12.1") == ""
    assert "macosx_12_0_arm64" in plan_installation(LOCK, MAC, "3.12", "11.0")


def test_a_lock_with_cuda_is_for_linux() -> None:
    lock = folder_of(default_pair()) / f"{GPU_SERVER.name}-py3.12.txt"
    assert plan_installation(lock, GPU_SERVER, "3.12", "") == ""
    assert "has no wheels" in plan_installation(lock, MAC, "3.12", "15.0")


def test_another_python_than_the_lock_is_for_is_found() -> None:
    assert "no usable wheels" in plan_installation(LOCK, MAC, "3.13", "15.0")


def test_a_twin_that_lacks_what_it_needs_is_found(tmp_path: Path) -> None:
    lock = tmp_path / "lock.txt"
    lock.write_text("# nothing\n")
    python = find_python("3")
    assert python
    assert "No module named 'keras'" in run_twin(lock, python)
