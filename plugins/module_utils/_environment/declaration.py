# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""What is declared for a host."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._layout import Places, with_python, without_cuda
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._pairing import LiteRT, Pair
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe.verdict import (
    GPU_NONE,
    GPU_REQUIRED,
    LITERT,
    Demand,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.lock import digest_of

if TYPE_CHECKING:
    from collections.abc import Mapping

VENV, CONDA = "venv", "conda"
"""The kinds of environments."""
WITH_PYTHON = frozenset({CONDA})
"""Those whose generations have a Python of their own; all others are made with the managed one."""
SAME_NAMES = (
    *("name", "kind", "state", "generation", "lock_digest", "platform", "lock_platforms"),
    *("on_drift", "integrity", "keep", "rebuild", "jupyter_kernel", "gpu_check", "free_mb"),
    *("has_cuda", "python", "minor", "pair", "pairs", "allow_untested", "litert", "litert_releases"),
)
"""Options that are fields of a declaration, as they are."""

FREE_MB, FREE_MB_WITH_CUDA = 3500, 8500
"""What is usually asked for: the wheels, which are kept, what they hold, and some more."""


@dataclass(frozen=True)
class Declaration:
    """One environment, as declared."""

    name: str
    places: Places
    lock: str = ""
    """The text of the lock."""
    kind: str = VENV
    """How it is built; one of the kinds in `_kinds`."""
    lock_digest: str = ""
    """The lock's SHA-256, where a plan is made without the text."""
    platform: str = ""
    """The name that its lock goes by on this host, where there is none."""
    lock_platforms: tuple[str, ...] = ()
    """The platforms that there are locks for, where none is for this one."""
    python: str = ""
    """The minor version of the managed Python that it is made with; "" is the one that runs our modules. Of a kind that
    brings its own it is "", too."""
    minor: str = ""
    """The same, never empty, for the choice of a pair."""
    pair: Pair | None = None
    """The row of the pair that the lock pins, on a Mac."""
    pairs: tuple[Pair, ...] = ()
    """Rows of other pairs, to suggest."""
    litert: LiteRT | None = None
    """The release of LiteRT that the lock pins, on a Mac."""
    litert_releases: tuple[LiteRT, ...] = ()
    """Other releases, to suggest."""
    allow_untested: bool = False
    """Whether a pair is taken of which it is not known that it links."""
    state: str = "present"
    """`present`, `absent` or `rolled_back`."""
    generation: int | None = None
    """With `rolled_back`, the generation wanted; None is the one before the newest."""
    on_drift: str = "repair"
    """`repair`, or `report`, which leaves an environment that was built as it is."""
    startup_files_of: tuple[str, ...] = ("setuptools",)
    """Distributions that may bring files which run whenever Python starts."""
    integrity: str = "quick"
    """`quick` hashes the files whose size or time differs, `full` all of them."""
    rebuild: bool = False
    """Whether a new generation is asked for, in this run."""
    keep: int = 2
    """Complete generations that stay, the active one included."""
    jupyter_kernel: bool = False
    has_cuda: bool = False
    """Whether its lock is one for an NVIDIA GPU."""
    free_mb: int = FREE_MB
    """Megabytes that must be free before a build."""
    demand: Demand = field(default_factory=Demand)
    """What a probe must find."""
    gpu_check: str = "quick"
    """How much a probe computes; `none` leaves it out."""

    @property
    def brings_python(self) -> bool:
        """Whether its generations have a Python of their own; else they are made with the managed one."""
        return self.kind in WITH_PYTHON

    @property
    def needs_driver(self) -> bool:
        """Whether it needs NVIDIA's driver."""
        return self.has_cuda and self.demand.gpu in ("", GPU_REQUIRED) and self.gpu_check != "none"

    @property
    def home(self) -> Path:
        """The folder of this environment's generations."""
        return self.places.generations(self.name)

    @property
    def link(self) -> Path:
        """The stable path."""
        return self.places.link(self.name)

    @property
    def has_lock(self) -> bool:
        """Whether there is a lock for this platform."""
        return bool(self.lock or self.lock_digest)

    @property
    def lock_sha256(self) -> str:
        """The SHA-256 of the lock."""
        return self.lock_digest or digest_of(self.lock)


def declare(options: dict[str, Any], places: Places) -> Declaration:
    """A declaration from the options of one environment; what was not given has its default.

    Raises MetalfleetError for what cannot be meant.
    """
    given = {name: options[name] for name in SAME_NAMES if options.get(name) is not None}
    declaration = Declaration(
        places=places,
        lock=options.get("lock_text") or "",
        demand=read_demand(options),
        startup_files_of=tuple(options.get("startup_files_of") or Declaration.startup_files_of),
        **given,
    )
    refuse_bad_name(declaration.name)
    refuse_bad_python(declaration.name, declaration.python)
    if declaration.keep < 1:
        raise MetalfleetError(
            f"The environment {declaration.name} cannot have keep: {declaration.keep}, which is the number of "
            "generations that stay, the active one included",
            remedy="Declare keep with 1 or more, or leave it out.",
        )
    return declaration


def lock_platform(environment: Mapping[str, Any], platform: str) -> str:
    """The name that an environment's lock goes by on a host of a platform.

    It may have another Python, and make no use of an NVIDIA GPU.
    """
    of_it = platform if may_use_cuda(environment) else without_cuda(platform)
    return with_python(of_it, str(environment.get("python") or ""))


def is_named_as_its_host(environment: Mapping[str, Any]) -> bool:
    """Whether an environment's lock goes by the name of the host's platform, so that it tells that."""
    return may_use_cuda(environment) and not environment.get("python")


def may_use_cuda(environment: Mapping[str, Any]) -> bool:
    """Whether an environment is another one on a host with an NVIDIA GPU."""
    return environment.get("gpu") != GPU_NONE and environment.get("framework") != LITERT


def read_demand(options: Mapping[str, Any]) -> Demand:
    """What is demanded of an environment; what was not given has its default."""
    given = {name: options[name] for name in ("gpu", "framework", "known_faults") if options.get(name) is not None}
    timeout = options.get("probe_timeout") or Demand.timeout
    return Demand(**given, models=tuple(options.get("models") or ()), timeout=timeout)


def refuse_bad_python(environment: str, python: str) -> None:
    """Refuse what is not a minor version; "" is any."""
    if python and not re.fullmatch(r"3\.\d+", python):
        raise MetalfleetError(
            f"python: {python} of the environment {environment} is not a minor version",
            remedy='Write it in quotes, such as "3.11".',
        )


def refuse_bad_name(name: str) -> None:
    """A name is that of a folder, of a link, and of a Jupyter kernel, and appears in the first lines of scripts."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name):
        raise MetalfleetError(
            f"{name!r} cannot be the name of an environment",
            remedy="Use up to 64 letters, digits, dots, dashes and underscores, a letter or digit first.",
        )
