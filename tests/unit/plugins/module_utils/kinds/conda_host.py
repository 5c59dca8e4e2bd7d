# SPDX-License-Identifier: GPL-3.0-or-later
"""A host for tests of environments of conda packages: this machine, with the real py-rattler."""

from __future__ import annotations

import platform
import subprocess
from dataclasses import replace
from pathlib import Path

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._conda.lock import SUBDIRS
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.tools import Tools
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._kinds.conda import Conda
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._kinds.uv import Uv

from tests.ansible_runner import CHECKOUT
from tests.conda import Channel, Package
from tests.kept import download
from tests.unit.plugins.module_utils.environment.host import Host

SUBDIR = SUBDIRS[f"linux-{platform.machine()}"]
LISTING = CHECKOUT / "plugins/plugin_utils/_data/py-rattler.txt"
ENGINE = LISTING.read_text()


def engine_wheel() -> Path:
    """The wheel of py-rattler for this machine, fetched once."""
    return next(download("py-rattler", LISTING).glob("*.whl"))


class CondaHost(Host):
    """A host's folder, with a channel of which the lock names some packages."""

    def __init__(self, folder: Path, python: Package) -> None:
        super().__init__(folder)
        (self.wheels / engine_wheel().name).symlink_to(engine_wheel())
        self.channel = Channel(folder / "channel")
        self.minor = python.version.rpartition(".")[0]
        self.lines = {"python": self.channel.add(python)}
        self.add(Package("pure", noarch="python", files=module("pure"), entry_points=["pure-run = pure:main"]))
        on_linux = {"share/terminfo/E/Eterm": b"1", "share/terminfo/e/eterm": b"2"}  # as conda's ncurses has
        files = {"bin/tool": b"#!/bin/sh\n", "share/tool.txt": b"1", **on_linux}
        self.add(Package("tool", subdir=SUBDIR, files=files))

    def add(self, package: Package, *, suffix: str = ".conda", digest: str = "") -> None:
        """Put a package into the channel and into the lock, whose digest may be another."""
        line = self.channel.add(package, suffix=suffix)
        self.lines[package.name] = f"{line.partition('#')[0]}#sha256:{digest}" if digest else line
        self.declaration = replace(self.declaration, kind="conda", lock=self.lock())

    def lock(self, wheels: str = "") -> str:
        """The lock of everything, with wheels on top."""
        return "\n".join(["@EXPLICIT", *self.lines.values(), *(["@WHEELS", wheels] if wheels else []), ""])

    @property
    def tools(self) -> Tools:
        """With the one kind."""
        uv = Uv(self.places.uv, self.supply, self.commands)
        kinds = {"conda": Conda(uv, self.places.python, ENGINE)}
        return Tools(kinds, self.supply, self.commands, self.probe, self.machine)

    def says(self, program: str) -> str:
        """What a program prints that the environment's Python runs."""
        command = [str(self.link / "bin/python"), "-B", "-c", program]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def module(name: str, text: str = "VERSION = '1.0'\ndef main(): print('ran')\n") -> dict[str, bytes]:
    """The files of a package for all Pythons."""
    return {
        f"site-packages/{name}/__init__.py": text.encode(),
        f"site-packages/{name}-1.0.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n".encode(),
        f"site-packages/{name}-1.0.dist-info/INSTALLER": b"conda\n",
    }
