# SPDX-License-Identifier: GPL-3.0-or-later
"""The agent's program: the same bytes each time, and one that every Python of a host starts."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._agent.build import MAIN, packed, program
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._native_python.scripts import MODULE_UTILS_SENT

PYENV = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
FOUND = {path.parts[-3].rpartition(".")[0]: path for path in sorted(PYENV.glob("versions/3.*/bin/python3"))}
PYTHONS = {minor: FOUND[minor] for minor in ("3.9", "3.10", "3.11", "3.12", "3.13") if minor in FOUND}

SHA256 = "2331a1739e3e94fb68321665857ac1f08c92174fe1395963e73750919e47cdc3"
"""Of the two sources below; whoever changes how they are packed gives every Mac of every fleet another agent."""


def test_the_same_sources_make_the_same_bytes(tmp_path: Path) -> None:
    sources = {"b/c.py": b"1\n", "a.py": b"2\n"}
    made = packed(sources)
    assert packed(dict(reversed(sources.items()))) == made
    assert hashlib.sha256(made).hexdigest() == SHA256


def test_another_process_makes_the_same() -> None:
    line = (
        "import hashlib; from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._agent import build; "
        "print(hashlib.sha256(build.program()).hexdigest())"
    )
    other = subprocess.run(
        [sys.executable, "-c", line],
        env={**os.environ, "PYTHONHASHSEED": "1", "TZ": "Asia/Tokyo", "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert other.stdout.strip() == hashlib.sha256(program()).hexdigest()


@pytest.mark.parametrize(("minor", "python"), [*PYTHONS.items(), ("own", Path(sys.executable))])
def test_it_starts_with_each_python_of_a_host(tmp_path: Path, minor: str, python: Path) -> None:
    agent = tmp_path / "agent" / "metalfleet.pyz"
    agent.parent.mkdir()
    agent.write_bytes(program())

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        line = [str(python), "-I", "-S", str(agent), *arguments]
        return subprocess.run(line, capture_output=True, text=True, check=False, cwd=tmp_path)

    helped = run("--help")
    assert (helped.returncode, helped.stderr) == (0, "")
    assert "rollback" in helped.stdout
    without = run("status")
    assert (without.returncode, without.stdout) == (3, "")
    assert without.stderr.startswith("metalfleet: The agent has no document")
    assert run("history").stdout == "Nothing was done yet.\n"
    for bad in ("nonsense", "report --format pdf"):
        refused = run(*bad.split())
        assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)


def test_a_python_that_is_damaged_is_known_by_an_exit_status(tmp_path: Path) -> None:
    broken = tmp_path / "broken.pyz"
    broken.write_bytes(
        packed({f"{MODULE_UTILS_SENT}/_agent/command.py": b"import nothing\n", "__main__.py": MAIN.read_bytes()})
    )
    said = subprocess.run([sys.executable, "-I", "-S", broken], capture_output=True, text=True, check=False)
    assert (said.returncode, said.stdout, said.stderr) == (4, "", "")


CLEANS_UP = """
import os, signal

def main(*_):
    try:
        os.kill(os.getpid(), signal.SIGINT)
    finally:
        os.kill(os.getpid(), signal.SIGINT)
        print("cleaned up")
"""


@pytest.mark.parametrize("begins", ["", "main()\n"])
def test_what_cleans_up_is_not_interrupted(tmp_path: Path, begins: str) -> None:
    """While it is imported, or while it runs; the shell script lets it begin without Ctrl-C."""
    made = {f"{MODULE_UTILS_SENT}/_agent/command.py": (CLEANS_UP + begins).encode(), "__main__.py": MAIN.read_bytes()}
    (tmp_path / "made.pyz").write_bytes(packed(made))
    line = f"trap '' INT; {sys.executable} -I -S {tmp_path}/made.pyz"
    said = subprocess.run(["/bin/sh", "-c", line], capture_output=True, text=True, check=False)
    assert said.stdout == "cleaned up\n"
    assert ("interrupted. Nothing half-done is in use." in said.stderr) == bool(begins)
