# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""From requirements to a lock: uv, run for the platform of other machines, and what its answer is made into.

It resolves to wheels only: nothing is ever built on a host. Of a package a lock has the hashes of those wheels that the
platform can install, a twentieth of all.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import tomllib
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._conda.lock import EXPLICIT, WHEELS
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._layout import CUDA
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._pairing import NO_PLUGIN, Pair
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._python.wanted import version_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_YANKED = re.compile(r"^warning: (`[^`]+` is yanked.*)$", re.MULTILINE)

LITERT_PACKAGE = "ai-edge-litert"
RESOLUTION = Path(__file__).with_name("_data") / "resolution.yml"


@dataclass(frozen=True)
class Package:
    """A package of a lock: its version and the sha256 digests of the wheels that may be installed."""

    name: str
    version: str
    digests: frozenset[str]

    @property
    def pin(self) -> str:
        """The requirement that admits this version only."""
        return f"{self.name}=={self.version}"

    @property
    def entry(self) -> str:
        """The package's lines in a hashed requirements list."""
        return " \\\n    ".join([self.pin, *(f"--hash=sha256:{digest}" for digest in sorted(self.digests))])


@dataclass(frozen=True)
class Target:
    """A kind of host: the name that its locks go by without the Python, and uv's name for it."""

    name: str
    target: str
    has_plugin: bool = False
    """Whether the Metal plug-in goes with TensorFlow there."""
    tensorflow: str = ""
    """The package in which TensorFlow comes there; "" is that of the pairing table."""
    virtual: Mapping[str, str] = field(default_factory=dict, compare=False)
    """What conda's solver takes for installed there, by name: a version, or a version=build."""

    @property
    def has_cuda(self) -> bool:
        """Whether it is a host with an NVIDIA GPU."""
        return self.name.endswith(CUDA)


@dataclass(frozen=True)
class LiteRT:
    """The LiteRT of the collection's own locks."""

    version: str
    pythons: tuple[str, ...]
    least_macos: str
    constraints: Mapping[str, str]
    """Limits that hold beside those which packages declare, each with its reason."""

    @property
    def requirement(self) -> str:
        """What is resolved."""
        return f"{LITERT_PACKAGE}=={self.version}"

    @property
    def folder(self) -> str:
        """The name of its locks' folder."""
        return f"litert-{self.version}"


@dataclass(frozen=True)
class Source:
    """A package of which a lock has no wheel yet: its source, to be built."""

    name: str
    version: str
    url: str = field(repr=False)
    """Or a path. It may hold credentials."""
    sha256: str


class Resolved(NamedTuple):
    """What requirements were resolved to."""

    packages: list[Package]
    sources: list[Source]
    yanked: tuple[str, ...] = ()
    """Those of all, as uv names them, that their authors have withdrawn, with the reason."""

    @property
    def versions(self) -> dict[str, str]:
        """By package."""
        return {package.name: package.version for package in self.packages}


@dataclass(frozen=True)
class Resolver:
    """uv, with where it looks: `settings` are variables of its environment, `options` go before all others."""

    settings: Mapping[str, str] = field(default_factory=dict, repr=False)
    options: tuple[str, ...] = ()
    mixes_indexes: bool = False
    """Whether it takes the best version that any of several indexes has."""

    def compile(
        self, *arguments: str | Path, settings: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run `uv pip compile` for wheels only; its output is the list. Raises ResolutionFailed with what uv said."""
        command = [find_uv(), "pip", "compile", "--no-header", "--no-annotate", "--only-binary=:all:"]
        command += [*self.options, "--python", sys.executable, "--no-python-downloads", *map(str, arguments)]
        variables = {**(self.settings or os.environ), **(settings or {})}
        process = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
        if process.returncode:
            raise ResolutionFailed(process.stderr)
        return process

    def wheels(
        self,
        requirements: Iterable[str],
        *,
        target: Target,
        python: str,
        constraints: Iterable[str] = (),
        preferred: Mapping[str, str] | None = None,
        oldest_macos: str = "",
        build: Iterable[str] = (),
        with_dependencies: bool = True,
    ) -> Resolved:
        """Resolve requirements to the wheels for a minor version of Python.

        `preferred` are versions by package that are kept where possible; `build` names packages of which the source
        is taken.
        """
        with tempfile.TemporaryDirectory() as folder:
            wanted, limits, pylock = (Path(folder, name) for name in ("requirements.in", "limits.txt", "pylock.toml"))
            wanted.write_text("\n".join(requirements), "utf-8")
            limits.write_text("\n".join(constraints), "utf-8")
            if preferred:
                pylock.write_text(as_pylock(preferred), "utf-8")
            said = self.compile(
                wanted,
                f"--constraints={limits}",
                f"--python-platform={target.target}",
                f"--python-version={python}",
                "--format=pylock.toml",
                f"--output-file={pylock}",  # of which uv keeps what it can
                *(f"--no-binary={name}" for name in build),
                *([] if with_dependencies else ["--no-deps"]),
                settings={"MACOSX_DEPLOYMENT_TARGET": oldest_macos} if oldest_macos else {},
            )
            content = pylock.read_text("utf-8")
            return Resolved(packages_of(content), sources_in(content), tuple(_YANKED.findall(said.stderr)))


class ResolutionFailed(Exception):
    """uv found no solution, or could not look for one; the text is what it said."""


def find_uv() -> str:
    """The uv beside this Ansible, or on the PATH. Raises MetalfleetError where there is none."""
    try:
        from uv import find_uv_bin  # noqa: PLC0415 - it may be missing, which is said below

        return str(find_uv_bin())
    except (ImportError, FileNotFoundError):
        from shutil import which  # noqa: PLC0415

        found = which("uv")
    if found:
        return found
    raise MetalfleetError(
        "Packages are resolved by uv on the controller, and there is none",
        evidence=f"It was looked for beside {sys.executable} and on the PATH.",
        remedy="Install it where Ansible is: pip install uv.",
    )


def packages_of(pylock: str) -> list[Package]:
    """Read the packages of a `pylock.toml` that uv made for one platform: it names the wheels that fit there."""
    return [
        Package(entry["name"], entry["version"], frozenset(wheel["hashes"]["sha256"] for wheel in entry["wheels"]))
        for entry in tomllib.loads(pylock)["packages"]
        if "wheels" in entry
    ]


def sources_in(pylock: str) -> list[Source]:
    """Those of its packages for which it names a source and no wheel."""
    return [
        Source(
            entry["name"],
            entry["version"],
            entry["sdist"].get("url") or entry["sdist"]["path"],
            entry["sdist"]["hashes"]["sha256"],
        )
        for entry in tomllib.loads(pylock)["packages"]
        if "wheels" not in entry
    ]


def as_pylock(versions: Mapping[str, str]) -> str:
    """As much of a `pylock.toml` as uv needs to prefer these versions."""
    packages = (f'[[packages]]\nname = "{name}"\nversion = "{version}"\n' for name, version in versions.items())
    return "".join(['lock-version = "1.0"\ncreated-by = "uv"\n', *packages])


def rendered(heading: Iterable[str], packages: Iterable[Package], conda: Iterable[str] = ()) -> str:
    """Write packages as a hashed requirements list under the lines of a heading, every time in the same order.

    Below the lines of `conda` packages, if there are any, they are the wheels on top of these.
    """
    entries = [package.entry for package in sorted(packages, key=lambda package: package.name)]
    below = [EXPLICIT, *conda, *([WHEELS] if entries else [])] if conda else []
    return "\n".join([*(f"# {line}" for line in heading), *below, *entries, ""])


def requirements_of(pair: Pair, target: Target) -> list[str]:
    """What TensorFlow, and where it goes with it the plug-in, are called on a target. Versions may be "", for any."""
    version = f"=={pair.tensorflow}" if pair.tensorflow else ""
    plugin = [f"tensorflow-metal=={pair.metal}"] if target.has_plugin and pair.metal != NO_PLUGIN else []
    return [f"{target.tensorflow or pair.package}{version}", *plugin]


def targets() -> dict[str, Target]:
    """All kinds of hosts that locks can be made for, by name."""
    return {name: Target(name, **fields) for name, fields in _resolution()["platforms"].items()}


def shipped_litert() -> LiteRT:
    """What an environment for LiteRT holds, unless it has a lock of the user's own."""
    data = _resolution()["litert"]
    constraints = {each["requirement"]: each["reason"] for each in data["constraints"]}
    return LiteRT(data["version"], tuple(data["pythons"]), data["least_macos"], constraints)


class CondaEngine(NamedTuple):
    """What solves for conda packages and installs them."""

    requirement: str
    python: str
    """The oldest minor version that it runs on."""


def conda_engine() -> CondaEngine:
    """The one that is pinned."""
    data = _resolution()["conda"]
    return CondaEngine(data["engine"], data["python"])


def constraints_for(tensorflow: str) -> dict[str, str]:
    """The limits that hold beside those which packages declare, each with its reason.

    `tensorflow` is its version; "" is not known.
    """
    return {
        each["requirement"]: each["reason"]
        for each in _resolution()["constraints"]
        if "before" not in each or (tensorflow and version_key(tensorflow) < version_key(each["before"]))
    }


def in_one_line(words: str) -> str:
    """What uv said, without its frames, line breaks and hints."""
    words = words.partition("\nhint:")[0]
    words = re.sub(r"[^\x00-\x7f]|^\s*(error|cause):", " ", words, flags=re.MULTILINE)
    return " ".join(words.split())


@cache
def _resolution() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(RESOLUTION.read_text(encoding="utf-8"))
    return content
