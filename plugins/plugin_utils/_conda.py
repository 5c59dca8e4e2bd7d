# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""py-rattler on the controller: it solves for conda packages, and reads the locks of other tools.

It is brought as a pinned wheel when it is first needed, into a cache folder of its own. Nothing of the user's conda
has a say.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._commands import CommandFailed, Commands
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._conda.lock import (
    EXPLICIT,
    SUBDIRS,
    WHEELS,
    without_credentials,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._conda.process import run_program
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.failures import mask
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.lock import normalized
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils import _conda_program as program
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._controller import cache_folder
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._lock_making import (
    Known,
    Solved,
    meaning_of,
    shortened,
)
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._locks import CONDA_ENGINE
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._resolver import (
    Resolver,
    Target,
    conda_engine,
    find_uv,
    in_one_line,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._requests import CondaRequest, Order


class Engine:
    """py-rattler in a process of its own. `resolver` knows where wheels come from."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver

    def solve(self, request: CondaRequest, order: Order, target: Target, kept: Mapping[str, str]) -> Solved:
        """Solve what an order requests of conda packages. Raises MetalfleetError."""
        osx = {"__osx": order.oldest_macos} if target.has_plugin else {}
        question = {
            "specs": [f"python {order.python}.*", *request.packages],
            "channels": [place_of(channel, order.environment) for channel in request.channels],
            "subdir": SUBDIRS[target.name],
            "virtual": {**target.virtual, **osx},
            "kept": {name: version for name, version in kept.items() if name != "python"},
            "cache": str(cache_folder() / "repodata"),
        }
        try:
            found = self._ask(question)
        except EngineFailed as failure:
            raise explain(order, str(failure)) from failure
        lines = sorted(f"{without_credentials(each['url'])}#sha256:{each['sha256']}" for each in found)
        of_python = {each["name"]: each["version"] for each in found if each["is_for_python"]}
        return Solved(tuple(lines), of_python)

    def read(self, path: Path) -> dict[str, str]:
        """The locks, by conda's name of the platform, that a lock of conda-lock or pixi comes to."""
        try:
            found: dict[str, Any] = self._ask({"path": str(path)})
        except EngineFailed as failure:
            raise MetalfleetError(
                f"The lock {path} cannot be read",
                evidence=f"py-rattler says: {failure}",
                remedy="Make it anew with conda-lock or pixi, or use what `conda list --explicit --sha256` prints.",
            ) from failure
        return {subdir: as_lock(packages) for subdir, packages in found.items()}

    def _ask(self, question: Mapping[str, Any]) -> Any:
        order = {**question, "engine": str(self._bring())}
        python, variables = Path(sys.executable), self._resolver.settings or os.environ
        with tempfile.TemporaryDirectory() as home:
            try:
                answer = run_program(Commands(), python, program, order, variables=variables, home=Path(home))
            except CommandFailed as failure:
                raise EngineFailed(failure.reason) from failure
        if "failed" in answer:
            raise EngineFailed(mask(answer["failed"]))
        return answer["answer"]

    def _bring(self) -> Path:
        """The folder that py-rattler is in. It is complete, or not there at all."""
        lock = CONDA_ENGINE.read_bytes()
        folder = cache_folder() / f"py-rattler-{hashlib.sha256(lock).hexdigest()[:16]}"
        if folder.is_dir():
            return folder
        folder.parent.mkdir(parents=True, exist_ok=True)
        new = Path(tempfile.mkdtemp(dir=folder.parent))
        options = ("--quiet", "--no-deps", "--require-hashes", "--target", str(new), "--python", sys.executable)
        command = [find_uv(), "pip", "install", *self._resolver.options, *options, "-r", str(CONDA_ENGINE)]
        process = subprocess.run(
            command, env=self._resolver.settings or None, capture_output=True, text=True, check=False
        )
        try:
            if process.returncode:
                raise MetalfleetError(
                    f"{conda_engine().requirement}, with which conda packages are solved on the controller, cannot be "
                    "installed",
                    evidence=f"uv says: {in_one_line(mask(process.stderr))}",
                    remedy="Correct tensorflow_index_url, or what pip and uv are configured with here.",
                )
            if not folder.is_dir():
                new.rename(folder)
        finally:
            shutil.rmtree(new, ignore_errors=True)
        return folder


class EngineFailed(Exception):
    """py-rattler could not do what was asked; the text is what it said."""


def place_of(channel: str, environment: str) -> str:
    """A channel as py-rattler takes it: a name, or a URL."""
    if "://" in channel or re.fullmatch(r"[A-Za-z0-9][\w.-]*(/[\w.-]+)*", channel):
        return channel
    folder = Path(channel).expanduser()
    if not folder.is_absolute() or not folder.is_dir():
        raise MetalfleetError(
            f"The channel {without_credentials(channel)} of the environment {environment} is no name, no URL, and no "
            "folder that is there",
            remedy="Correct conda.channels: a folder is named by its absolute path.",
        )
    return folder.as_uri()


def as_lock(packages: Mapping[str, Iterable[Mapping[str, str]]]) -> str:
    """The text of a lock with these conda packages and wheels."""
    lines = [f"{without_credentials(each['url'])}#sha256:{each['sha256']}" for each in packages["conda"]]
    wheels = [
        f"{normalized(each['name'])}=={each['version']} --hash=sha256:{each['sha256']}" for each in packages["wheels"]
    ]
    return "\n".join([EXPLICIT, *lines, *([WHEELS, *wheels] if wheels else []), ""])


def explain(order: Order, said: str) -> MetalfleetError:
    """What a person is told where nothing was solved."""
    return meaning_of(said, KNOWN, order, f"py-rattler says: {shortened(said)}")


KNOWN = (
    Known(
        r"__osx >=(?P<macos>[\d.]+)",
        "A conda package {where} needs macOS {macos}, and the lock is for macOS {oldest} and newer",
        'Leave it out, or take an older version; or set tensorflow_oldest_macos: "{macos}", where all Macs that have '
        "the environment have that.",
    ),
    Known(
        r"\b(401|403)\b|Unauthorized|Forbidden",
        "A channel refuses access, so that nothing can be solved {where}",
        "Correct the credentials in conda.channels.",
    ),
    Known(
        r"No candidates were found|no candidates|does not exist|not found in",
        "No channel has a package that is wanted {where}",
        "Correct its name or version in conda.packages, or name the channel that has it in conda.channels.",
    ),
    Known(
        r"(?i)error sending request|failed to fetch|connection|404|dns",
        "A channel cannot be reached from the controller, so that nothing can be solved {where}",
        "Correct conda.channels or tensorflow_proxy, and check the network.",
    ),
    Known(
        r"(?i)cannot solve|conflict|unsatisf",
        "The conda packages {where} cannot live together",
        "Change conda.packages so that they agree, or leave versions open.",
    ),
    Known(
        r"(?i)invalid|unable to parse|failed to parse|unexpected",
        "A package {where} is not written as conda writes it",
        "Write it in conda.packages such as numpy, numpy=1.26, or numpy>=1.26,<3.",
    ),
    Known(
        r"",
        "The conda packages {where} could not be solved",
        "Correct conda.packages and conda.channels.",
    ),
)
