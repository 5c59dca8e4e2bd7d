# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "tools/system_packages.sh"

ALL_THERE = "echo installed"
NO_ZSH = '[ "$4" != zsh ] && echo installed'
ORDINARY_USER = "echo 1000"


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """Stands before the system's programs on the PATH; a test puts its own answers there."""
    put(tmp_path, "uname", "echo Linux")
    put(tmp_path, "id", ORDINARY_USER)
    put(tmp_path, "apt-get", f"touch {tmp_path}/apt-get-was-called")
    return tmp_path


def put(folder: Path, name: str, program: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{program}\n")
    (folder / name).chmod(0o755)


def run(programs: Path) -> subprocess.CompletedProcess[str]:
    result = subprocess.run(
        [SCRIPT], env={"PATH": f"{programs}:/usr/bin:/bin"}, capture_output=True, text=True, check=False
    )
    assert not (programs / "apt-get-was-called").exists()
    return result


def test_it_is_silent_when_everything_is_there(programs: Path) -> None:
    put(programs, "dpkg-query", ALL_THERE)
    result = run(programs)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_an_ordinary_user_is_told_what_to_type(programs: Path) -> None:
    put(programs, "dpkg-query", NO_ZSH)
    result = run(programs)
    assert result.returncode == 1
    assert result.stderr.endswith("sudo apt-get install --no-install-recommends zsh\n")


def test_another_system_is_told_that_it_will_not_do(programs: Path) -> None:
    put(programs, "uname", "echo Darwin")
    result = run(programs)
    assert result.returncode == 1
    assert "need Linux" in result.stderr
