# SPDX-License-Identifier: GPL-3.0-or-later
"""The Pythons of this machine, for the tests that want several."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

KNOWN = ("3.9", "3.10", "3.11", "3.12", "3.13", "3.14")


def find_python(version: str) -> Path | None:
    """The interpreter of this minor version, if one is installed."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    # Before the PATH, which may have pyenv's shims: they fail for a version that is installed but not chosen.
    path = os.pathsep.join([*map(str, pyenv.glob("versions/*/bin")), os.environ["PATH"]])
    process = subprocess.run(
        [Path(sys.executable).with_name("uv"), "python", "find", "--system", "--no-python-downloads", version],
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    return Path(process.stdout.strip()) if process.returncode == 0 else None


def folders_of_pythons() -> list[str]:
    """Where the interpreters lie, for a PATH."""
    return [str(found.parent) for found in map(find_python, KNOWN) if found]
