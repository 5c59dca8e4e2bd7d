# SPDX-License-Identifier: GPL-3.0-or-later
"""How a host's managed Python is started, and how one that hangs is ended, with the real shell."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ansible_collections.metalfleet.tensorflow.plugins.module_utils import _watchdog
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils import _start
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._start import NO_ANSWER, NO_PYTHON, NOTHING, start

ROOT = "~/.local/share/metalfleet"
RUN_IT = '"$python" -I'


def run_shell(text: str, home: Path) -> subprocess.CompletedProcess[str]:
    """What is left running would keep its output open, so that this would not return."""
    return subprocess.run(
        ["/bin/sh", "-c", text], env={"HOME": str(home), "PATH": ""}, capture_output=True, text=True, check=False
    )


def install_python(root: Path, program: str = 'echo "$0" "$@"') -> None:
    """A program that, by default, says by which name it was started."""
    python = root / "bin/python3"
    python.parent.mkdir(parents=True)
    python.write_text(f"#!/bin/sh\n{program}\n")
    python.chmod(0o755)


@pytest.mark.parametrize("root", [ROOT, "~/with 'quotes\" and blanks", "~"])
def test_the_python_of_whoever_runs_the_shell_is_started(root: str, tmp_path: Path) -> None:
    install_python(Path(root.replace("~", str(tmp_path))))
    ran = run_shell(start(root, RUN_IT), tmp_path)
    assert ran.stdout == f"{root.replace('~', str(tmp_path))}/bin/python3 -I\n"
    assert ran.stderr == ""


def test_an_absolute_root_does_not_depend_on_the_home(tmp_path: Path) -> None:
    install_python(tmp_path / "ours")
    ran = run_shell(start(f"{tmp_path}/ours", RUN_IT), Path("/nonexistent"))
    assert ran.stdout == f"{tmp_path}/ours/bin/python3 -I\n"


@pytest.mark.parametrize("blank", [True, False])
def test_a_host_without_a_python_says_so_and_whether_it_has_anything(blank: bool, tmp_path: Path) -> None:
    (tmp_path / ROOT[2:] / ("set-aside" if blank else "environments/tf")).mkdir(parents=True)
    ran = run_shell(start(ROOT, "echo started"), tmp_path)
    assert (ran.returncode, ran.stdout) == (127, "")
    assert NO_PYTHON in ran.stderr
    assert (NOTHING in ran.stderr) is blank


def test_a_pipe_is_no_python(tmp_path: Path) -> None:
    (tmp_path / ROOT[2:] / "bin").mkdir(parents=True)
    os.mkfifo(tmp_path / ROOT[2:] / "bin/python3", 0o755)
    assert run_shell(start(ROOT, RUN_IT), tmp_path).returncode == 127


@pytest.mark.parametrize("status", [0, 1, 137])
def test_its_status_is_that_of_the_command(status: int, tmp_path: Path) -> None:
    install_python(tmp_path / ROOT[2:], f"exit {status}")
    ran = run_shell(start(ROOT, RUN_IT), tmp_path)
    assert (ran.returncode, ran.stderr) == (status, "")


def test_it_reads_what_is_sent(tmp_path: Path) -> None:
    install_python(tmp_path / ROOT[2:], "/bin/cat")
    line = ["/bin/sh", "-c", start(ROOT, RUN_IT)]
    sent = subprocess.run(line, env={"HOME": str(tmp_path)}, capture_output=True, input=b"a module", check=True)
    assert sent.stdout == b"a module"


def shortly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_start, "WATCH", _start.WATCH.replace(":-60}", ":-1}"))


@pytest.mark.parametrize(
    "program",
    [
        "exec /bin/sleep 1000",
        "/bin/sleep 1000",
        "(/bin/sleep 1000; :)",
        "trap '' TERM ALRM INT HUP; while :; do :; done",
    ],
)
def test_one_that_hangs_is_ended(program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shortly(monkeypatch)
    install_python(tmp_path / ROOT[2:], f"echo $$ > {tmp_path}/pid\n{program}")
    ran = run_shell(start(ROOT, RUN_IT), tmp_path)
    assert ran.returncode == 137
    assert NO_ANSWER in ran.stderr
    assert not Path("/proc", (tmp_path / "pid").read_text().strip()).exists()


def test_one_that_has_looked_may_take_its_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shortly(monkeypatch)
    program = (
        f"exec({Path(_watchdog.__file__).read_text()!r})\nend_watchdog()\nimport time; time.sleep(4); print('done')"
    )
    (tmp_path / "program.py").write_text(program)
    install_python(tmp_path / ROOT[2:], f"exec {sys.executable} -I {tmp_path}/program.py")
    begun = time.monotonic()
    ran = run_shell(start(ROOT, RUN_IT), tmp_path)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "done\n", "")
    assert time.monotonic() - begun >= 4
