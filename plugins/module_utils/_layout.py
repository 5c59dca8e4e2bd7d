# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""Every path on a host, and the name of its platform."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

DEFAULT_ROOT = "~/.local/share/metalfleet"
DEFAULT_LINKS = "~/.virtualenvs"


@dataclass(frozen=True)
class Places:
    """The folders on a host that we write to. Both are absolute.

    `root` is ours alone. `links` is shared with the user: only the links that we made are ours.
    """

    root: Path
    links: Path

    @property
    def environments(self) -> Path:
        """A folder for each environment, with its generations."""
        return self.root / "environments"

    @property
    def wheels(self) -> Path:
        """The host's wheel store."""
        return self.root / "wheels"

    @property
    def set_aside(self) -> Path:
        """Where what is in the way is moved to."""
        return self.root / "set-aside"

    @property
    def pythons(self) -> Path:
        """A folder for each Python that we unpacked."""
        return self.root / "python"

    @property
    def python(self) -> Path:
        """What starts the managed Python: a link, or a starter script."""
        return self.root / "bin" / "python3"

    @property
    def uv(self) -> Path:
        """A link to the pinned uv."""
        return self.root / "bin" / "uv"

    def generations(self, name: str) -> Path:
        """The folder of an environment's generations."""
        return self.environments / name

    def link(self, name: str) -> Path:
        """The stable path of an environment."""
        return self.links / name


def platform_name(system: str = sys.platform, machine: str = "", python: str = "") -> str:
    """The name that locks go by, such as macos-arm64-py3.12; of this process where nothing is said.

    `system` is Python's sys.platform, `machine` that of uname, `python` a minor version.
    """
    machine = machine or os.uname().machine
    python = python or f"{sys.version_info.major}.{sys.version_info.minor}"
    return f"{'macos-arm64' if system == 'darwin' else f'{system}-{machine}'}-py{python}"
