# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a folder is as it was recorded."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._python import intact


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("bin/python3", "lib/python3/json/__init__.py", "lib/a b.py", "lib/\u00e4.py"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (tmp_path / "bin/python").symlink_to("python3")
    intact.record(tmp_path)
    return tmp_path


def test_what_was_not_touched_is_as_it_was(folder: Path) -> None:
    assert intact.difference(folder) == ""
    intact.record(folder)
    assert intact.difference(folder) == ""


@pytest.mark.parametrize(
    ("harm", "path"),
    [
        ("rm lib/python3/json/__init__.py", "lib/python3/json/__init__.py"),
        ("echo '# more' >> 'lib/a b.py'", "lib/a b.py"),
        ("chmod 0 bin/python3", "bin/python3"),
        ("touch -t 200101010101 lib/\u00e4.py", "lib/\u00e4.py"),
        ("ln -sfn xpython3 bin/python", "bin/python"),
        ("rm 'lib/a b.py'; mkfifo 'lib/a b.py'", "lib/a b.py"),
        ("rm metalfleet-files.txt", intact.RECORD),
        ("echo 5 files > metalfleet-files.txt", intact.RECORD),
        (": > metalfleet-files.txt", intact.RECORD),
    ],
)
def test_what_is_missing_or_another_is_named(folder: Path, harm: str, path: str) -> None:
    subprocess.run(harm, shell=True, check=True, cwd=folder)
    assert intact.difference(folder) == path


def test_what_python_compiles_and_others_add_does_not_count(folder: Path) -> None:
    (folder / "lib/__pycache__").mkdir()
    (folder / "lib/__pycache__/x.pyc").touch()
    (folder / ".DS_Store").touch()
    assert intact.difference(folder) == ""


def test_what_others_have_put_there_is_rescued(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    kept = tmp_path_factory.mktemp("set-aside") / "kept"
    assert intact.rescue(folder, kept) == []
    assert not kept.exists()
    (folder / "lib/site-packages/mine").mkdir(parents=True)
    (folder / "lib/site-packages/mine/work.py").write_text("mine")
    (folder / "lib/a b.py").write_text("edited")
    (folder / "lib/ä.py").chmod(0o600)
    (folder / ".DS_Store").touch()
    (folder / "lib/__pycache__").mkdir()
    for name in ("work.cpython-312.pyc", "work.cpython-312.pyc.1234", "work.f-1.py312.nbi", "mine.txt"):
        (folder / "lib/__pycache__" / name).write_text("mine")
    assert sorted(intact.rescue(folder, kept)) == ["lib/__pycache__/mine.txt", "lib/site-packages/mine/work.py"]
    assert (kept / "lib/site-packages/mine/work.py").read_text() == "mine"
    assert (folder / "lib/a b.py").read_text() == "edited"


def test_without_a_record_everything_is_anothers(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    (folder / intact.RECORD).unlink()
    assert len(intact.rescue(folder, tmp_path_factory.mktemp("set-aside"))) == 5


def test_it_is_a_program_too(folder: Path) -> None:
    def run(command: str) -> str:
        program = [sys.executable, "-I", intact.__file__, command, str(folder)]
        return subprocess.run(program, check=True, capture_output=True, text=True).stdout

    (folder / "lib/a b.py").unlink()
    assert run("compare") == "lib/a b.py"
    assert run("record") == ""
    assert run("compare") == ""


def test_folders_without_end_can_be_recorded(folder: Path) -> None:
    deep = folder / "lib/deep"
    subprocess.run(["mkdir", "-p", deep / "/".join(["d"] * (sys.getrecursionlimit() + 10))], check=True)
    (folder / "lib/deep/x").touch()
    intact.record(folder)
    assert "lib/deep/x" in (folder / intact.RECORD).read_text()
    subprocess.run(["rm", "-rf", deep], check=True)  # pytest's own removal recurses
