# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[3] / "tools/find_python.sh"

# The script's question, which versions would do, is an interpreter's second argument.
WORKS = '[ "$2" = {version} ] && echo {path}'
BROKEN = "echo 'pyenv: no such command' >&2; exit 127"


def find_python(*arguments: str, path: tuple[Path, ...] = ()) -> subprocess.CompletedProcess[str]:
    search = os.pathsep.join([*map(str, path), "/usr/bin", "/bin"])
    return subprocess.run([SCRIPT, *arguments], env={"PATH": search}, capture_output=True, text=True, check=False)


def interpreter(path: Path, program: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{program}\n")
    path.chmod(0o755)
    return path


def test_the_newest_wins_wherever_it_is(tmp_path: Path) -> None:
    old = interpreter(tmp_path / "first/python3.12", WORKS.format(version="3.12", path="/opt/python3.12"))
    new = interpreter(tmp_path / "second/python3", WORKS.format(version="3.13", path="/opt/python3.13"))
    assert find_python(path=(old.parent, new.parent)).stdout == "/opt/python3.13\n"


def test_what_does_not_run_is_passed_over(tmp_path: Path) -> None:
    shim = interpreter(tmp_path / "shims/python3.13", BROKEN)
    good = interpreter(tmp_path / "bin/python3.13", WORKS.format(version="3.13", path="/opt/python3.13"))
    assert find_python(path=(shim.parent, good.parent)).stdout == "/opt/python3.13\n"


def test_a_named_interpreter_is_the_only_one_considered(tmp_path: Path) -> None:
    better = interpreter(tmp_path / "bin/python3.13", WORKS.format(version="3.13", path="/opt/python3.13"))
    broken = interpreter(tmp_path / "bin/broken", BROKEN)
    result = find_python(str(broken), path=(better.parent,))
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith(f"{broken} is not a working Python 3.11, 3.12 or 3.13")


def test_a_virtual_environment_is_not_built_on_another() -> None:
    result = find_python(sys.executable)
    assert result.returncode == 0, result.stderr
    assert not Path(result.stdout.strip()).is_relative_to(sys.prefix)
