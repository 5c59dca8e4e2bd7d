# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""py-rattler on the controller: it solves for conda packages, and reads the locks of other tools.

It is brought as a pinned wheel when it is first needed, into a cache folder of its own. The user's own conda
has no influence.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
import zipfile
from contextlib import contextmanager
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
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.failures import (
    DISK_IS_FULL,
    mask,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError, said_by
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._kinds.wanted import wheels_wanted
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.lock import digest_of, normalized
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.platforms import platform_of
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils import _conda_program as program
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._controller import cache_folder
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._lock_making import (
    LONGEST_WORDS,
    Known,
    Solved,
    meaning_of,
    shortened,
)
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._locks import CONDA_ENGINE
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._requests import CONDA_TENSORFLOW, TO_LITERT
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._resolver import Target, in_one_line

PYTHON = Path(sys.executable)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._delivery import ControllerStore
    from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._requests import CondaRequest, Order


class Engine:
    """py-rattler in a process of its own, with an environment's variables; `store` has its wheel, or fetches it."""

    def __init__(self, variables: Mapping[str, str], store: ControllerStore) -> None:
        self._variables, self._store = variables or os.environ, store

    def solve(self, request: CondaRequest, order: Order, target: Target, kept: Mapping[str, str]) -> Solved:
        """Solve what an order requests of conda packages. Raises MetalfleetError."""
        osx = {"__osx": order.oldest_macos} if target.has_plugin else {}
        question = {
            "specs": [f"python {order.python}.*", *request.packages],
            "channels": [place_of(channel, order.environment) for channel in request.channels],
            "subdir": SUBDIRS[target.name],
            "virtual": {**target.virtual, **osx},
            "kept": {name: version for name, version in kept.items() if name != "python"},
            "cache": str(private_cache()),
        }
        try:
            found = self._ask(question)
        except EngineFailed as failure:
            raise explain(order, str(failure)) from failure
        refuse_without_hash(found)
        refuse_second_tensorflow(order, found)
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
                remedy="Make it again with conda-lock or pixi, or use what `conda list --explicit --sha256` prints. An "
                "environment.yml is no lock: declare what it names in conda.packages.",
            ) from failure
        refuse_unproven(path, (each for packages in found.values() for kind in packages.values() for each in kind))
        return {subdir: as_lock(packages) for subdir, packages in found.items()}

    def _ask(self, question: Mapping[str, Any]) -> Any:
        with writable_cache():
            order = {**question, "engine": str(self._bring())}
        with tempfile.TemporaryDirectory() as home:
            try:
                answer = run_program(Commands(), PYTHON, program, order, variables=self._variables, home=Path(home))
            except CommandFailed as failure:
                raise EngineFailed(failure.reason) from failure
        if "failed" in answer:
            refuse_full_disk(answer["failed"])
            raise EngineFailed(mask(answer["failed"]))
        return answer["answer"]

    def _bring(self) -> Path:
        """The folder that py-rattler is in. It is complete, or not there at all."""
        lock = CONDA_ENGINE.read_text("utf-8")
        folder = cache_folder() / f"py-rattler-{digest_of(lock)[:16]}"
        if folder.is_dir():
            return folder
        [wheel] = self._store.provide(wheels_wanted(lock, platform_of(PYTHON, Commands())))
        with tempfile.TemporaryDirectory(dir=folder.parent) as new, zipfile.ZipFile(wheel.path) as archive:
            archive.extractall(new)
            if not folder.is_dir():
                Path(new).rename(folder)
                Path(new).mkdir()  # which is removed
        return folder


def refuse_without_hash(found: Iterable[Mapping[str, Any]]) -> None:
    """Refuse what a channel tells no digest of. Raises MetalfleetError."""
    for each in found:
        if not each["sha256"]:
            raise MetalfleetError(
                f"The channel of {each['name']} {each['version']} tells no SHA-256 of it, so that nobody could tell "
                "whether a file is that package",
                evidence=f"It is {without_credentials(each['url'])}.",
                remedy="Make the channel anew with `conda index`, or name another one that has the package.",
            )


def refuse_second_tensorflow(order: Order, found: Iterable[Mapping[str, Any]]) -> None:
    """Refuse conda's TensorFlow where a package has brought it along, and another comes as a wheel."""
    packages = list(found)
    tensorflow = next((each for each in packages if each["name"] in CONDA_TENSORFLOW), None)
    if tensorflow and order.request.with_tensorflow:
        needing = (each["name"] for each in packages if CONDA_TENSORFLOW & {*each["needs"]})
        who = ", ".join(sorted({*needing} - CONDA_TENSORFLOW)) or "another package"
        raise MetalfleetError(
            f"The environment {order.environment} would have TensorFlow twice: as a wheel, and from conda "
            f"({tensorflow['version']}), where {who} needs it",
            evidence=f"The lock is for {order.platform}.",
            remedy=f"Leave {who} out of conda.packages, or what brings it along, and name what has it as a wheel in "
            "packages.",
        )


def refuse_unproven(path: Path, packages: Iterable[Mapping[str, str]]) -> None:
    """Refuse the lock of another tool with a package that has no digest. Raises MetalfleetError."""
    for each in packages:
        if not each["sha256"]:
            raise MetalfleetError(
                f"The lock {path} has no SHA-256 of {each['name']}, without which nobody could tell whether a file is "
                "that package",
                evidence=f"It comes from {without_credentials(each['url'])}.",
                remedy="Make the lock again, for packages of channels and indexes alone: what lies in a folder or in "
                "git is put on an index as a wheel, and named by its version.",
            )


class EngineFailed(Exception):
    """py-rattler could not do what was asked; the text is what it said."""


@contextmanager
def writable_cache() -> Iterator[None]:
    """Our cache folder is there, and what keeps us from writing to it is told. Raises MetalfleetError."""
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        refuse_full_disk(str(error))
        raise MetalfleetError(
            f"The controller's cache folder {folder} cannot be written to",
            evidence=f"{said_by(error, folder)}.",
            remedy="Make it writable for you, or let XDG_CACHE_HOME name another place.",
        ) from error


def private_cache() -> Path:
    """The folder of what py-rattler knows of channels, with their credentials: for nobody else."""
    with writable_cache():
        folder = cache_folder() / "repodata"
        folder.mkdir(mode=0o700, exist_ok=True)
        folder.chmod(0o700)
    return folder


def refuse_full_disk(said: str) -> None:
    """Raise MetalfleetError if that is what a program, or the system, speaks of."""
    if re.search(DISK_IS_FULL, said):
        raise MetalfleetError(
            "The disk of the controller is full, so that no conda packages can be solved",
            evidence=f"What was said: {in_one_line(mask(said))[-LONGEST_WORDS:]}",
            remedy=f"Free space on the volumes of {cache_folder()} and {tempfile.gettempdir()}, and run again.",
        )


OF_CONDA = {
    "defaults": "Write the URL that is meant, https://repo.anaconda.com/pkgs/main, whose terms companies have to agree "
    "to; or leave it out, and name conda-forge in conda.channels.",
    "nodefaults": "Leave it out: no channel is used but those of conda.channels.",
    "local": "Name the folder by its absolute path.",
}
"""Channels that are none of a server, with what to write."""


def place_of(channel: str, environment: str) -> str:
    """A channel as py-rattler takes it: a name, or a URL."""
    if channel in OF_CONDA:
        raise MetalfleetError(
            f"The channel {channel} of the environment {environment} is a name that conda alone understands",
            remedy=OF_CONDA[channel],
        )
    if re.match(r"(https?|file)://", channel) or re.fullmatch(r"[A-Za-z0-9][\w.-]*(/[\w.-]+)*", channel):
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
        r"failed to (parse repodata|extract repodata|parse digest|decode )",
        "The list of packages of a channel (repodata.json) is damaged, so that nothing can be solved {where}",
        "Make it anew where the channel is made, with `conda index`; or log in to the network, or clear what a proxy "
        "on the way to it has kept.",
    ),
    Known(
        r"could not find subdir '(?P<subdir>[^']*)' in channel",
        "A channel has no folder {subdir}, so that nothing can be solved {where}",
        "Correct conda.channels, or make the channel anew with `conda index`: it has a folder for each platform, and "
        "noarch, each with a repodata.json.",
    ),
    Known(
        r"__osx >=(?P<macos>[\d.]+)",
        "A conda package {where} needs macOS {macos}, and the lock is for macOS {oldest} and newer",
        'Leave it out, or take an older version; or set tensorflow_oldest_macos: "{macos}", where all Macs that have '
        "the environment have that.",
    ),
    Known(
        r"candidate not in requested channel: '(?P<channel>[^']*)'",
        "The channel {channel}, from which alone a package is wanted {where}, is not asked, or has not got it",
        "Name {channel} in conda.channels, or leave it out of conda.packages.",
    ),
    Known(
        r"\b(401|403)\b|Unauthorized|Forbidden",
        "A channel refuses access, so that nothing can be solved {where}",
        "Correct the credentials in conda.channels.",
    ),
    Known(
        r"No candidates were found for python (?P<minor>3\.\d+)",
        "No channel has Python {minor}, which is wanted {where}",
        "Declare one that a channel has (python), or name the channel that has it in conda.channels.",
    ),
    Known(
        r"No candidates were found for tflite[-_]runtime",
        "No channel has tflite_runtime, which is wanted {where}: it is not developed any more, and LiteRT succeeds it",
        TO_LITERT,
    ),
    Known(
        r"No candidates were found|no candidates|does not exist|not found in",
        "No channel has a package that is wanted {where}",
        "Correct its name or version in conda.packages, or name the channel that has it in conda.channels.",
    ),
    Known(
        r"(?i)error sending request|failed to fetch|connection|404|dns|HTTP status|redirect",
        "A channel cannot be reached from the controller, so that nothing can be solved {where}",
        "Correct conda.channels or tensorflow_proxy, and check the network.",
    ),
    Known(
        r"(?i)cannot solve|conflict|unsatisf",
        "The conda packages {where} conflict with each other",
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
