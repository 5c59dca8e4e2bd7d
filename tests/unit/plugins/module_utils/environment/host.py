# SPDX-License-Identifier: GPL-3.0-or-later
"""A host for tests of environments: a folder with the real uv, and small wheels of our own."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._commands import Commands, Completed
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment import memory
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.declaration import Declaration
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.tools import Tools
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._host.converge import converge
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._host.document import Document
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._kinds.supply import Supply
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._kinds.uv import Uv
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._kinds.venv import Venv
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._layout import Places
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe.verdict import Demand
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.network import Network

from tests.wheels import lock_of, make_wheel

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

UV = Path(sys.executable).with_name("uv")
INTERPRETER = Path(os.path.realpath(sys.executable))


class RecordingCommands(Commands):
    """Runs everything for real, and remembers it."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.environments: list[Mapping[str, str]] = []

    def run(self, argv: Sequence[str], *, env: Mapping[str, str] | None = None, **others: Any) -> Completed:
        self.calls.append(list(argv))
        self.environments.append(env or {})
        return super().run(argv, env=env, **others)

    @property
    def builds(self) -> int:
        return sum("venv" in call for call in self.calls)


class RefusedError(Exception):
    """The report has a problem; `environment` is its entry."""

    def __init__(self, environment: dict[str, Any]) -> None:
        super().__init__(environment["text"])
        self.environment = environment


class Host:
    """A host's folder in which environments are made, as the module makes them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.wheels = folder / "wheels"
        self.commands = RecordingCommands()
        self.network = Network(wheels=str(self.wheels))
        self.machine = ""
        self.is_delivered = False
        packages = (make_wheel(self.wheels, "alpha"), make_wheel(self.wheels, "beta", "2.0"))
        self.declaration = Declaration("tf", Places(folder / "root", folder / "links"), lock_of(*packages), free_mb=1)

    def bring_python(self, interpreter: Path = INTERPRETER) -> None:
        """The managed Python and uv, as links."""
        for entry, target in ((self.places.python, interpreter), (self.places.uv, UV)):
            entry.parent.mkdir(parents=True, exist_ok=True)
            entry.unlink(missing_ok=True)
            entry.symlink_to(target)

    @property
    def places(self) -> Places:
        return self.declaration.places

    @property
    def tools(self) -> Tools:
        kinds = {"venv": Venv(Uv(self.places.uv, self.supply, self.commands))}
        return Tools(kinds, self.supply, self.commands, self.probe, self.machine)

    @property
    def supply(self) -> Supply:
        return Supply(self.places, self.network, self.commands, is_delivered=self.is_delivered)

    def report(self, *, check_mode: bool = False, **changed: Any) -> dict[str, Any]:
        document = Document(self.places, (replace(self.declaration, **changed),))
        return converge(document, check_mode=check_mode, with_diff=True, tools=self.tools)

    def converge(self, *, check_mode: bool = False, **changed: Any) -> dict[str, Any]:
        """The environment's part of the report. Raises RefusedError for one that has a problem."""
        report = self.report(check_mode=check_mode, **changed)
        [environment] = report["environments"]
        if environment["problem"]:
            raise RefusedError(environment)
        assert report["changed"] == bool(environment["plan"])
        return dict(environment)

    def probe(self, _environment: Path, _demand: Demand, **_how: Any) -> dict[str, Any]:
        return {"ok": True, "verdict": "gpu-ok", "duration": 1.0, "macos": "15.5", "text": "gpu-ok."}

    def four_runs(self, **changed: Any) -> list[list[str]]:
        """Check, real, again, again in check: the reasons of each."""
        return [self.converge(check_mode=check, **changed)["reasons"] for check in (True, False, False, True)]

    @property
    def link(self) -> Path:
        return self.declaration.link

    @property
    def packages(self) -> Path:
        return next(self.link.glob("lib/python3.*/site-packages"))

    def imports(self) -> str:
        """What the environment says when it is used."""
        program = "import alpha, beta; print(alpha.VERSION, beta.VERSION)"
        return subprocess.run(
            [self.link / "bin/python", "-B", "-c", program], capture_output=True, text=True, check=False
        ).stdout

    def generations(self) -> list[str]:
        return sorted({entry.name for entry in self.declaration.home.iterdir()} - memory.FILES)
