# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host must have."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._python.wanted import managed_python

DEFAULT_ROOT = "~/.local/share/metalfleet"
DEFAULT_LINKS = "~/.virtualenvs"
SAME_NAMES = (
    *("name", "state", "generation", "lock_digest", "integrity", "keep", "jupyter_kernel", "free_mb"),
    *("probe", "gpu", "probe_timeout"),
)
"""Options of the module that are fields of a declaration."""

GUARDED_FOLDERS = frozenset({"Desktop", "Documents", "Downloads", "Mobile Documents"})
"""Folders that macOS guards (TCC): sshd's children are refused there unless an administrator allowed it."""


class EnvironmentFailed(Exception):
    """The environment could not be brought to its declaration; the message names cause, evidence and remedy."""

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.details = details


@dataclass(frozen=True)
class Declaration:
    """One environment, as declared. Paths are absolute on the host."""

    name: str
    root: Path
    links: Path
    python: Path
    """The base interpreter."""
    lock: str = ""
    """The text of the lock."""
    lock_digest: str = ""
    """Its SHA-256, where a plan is made without the text."""
    state: str = "present"
    """`present`, `absent` or `rolled_back`."""
    generation: int | None = None
    """With `rolled_back`, the generation wanted; None is the one before the active one."""
    startup_files_of: tuple[str, ...] = ("setuptools",)
    """Distributions that may bring files which run whenever Python starts."""
    integrity: str = "quick"
    """`quick` hashes the files whose size or time differs, `full` all of them."""
    keep: int = 2
    """Complete generations that stay, the active one included."""
    jupyter_kernel: bool = False
    free_mb: int = 200
    """Megabytes that must be free before a build."""
    gpu: str | None = None
    """What a probe of a new generation must find before it is activated; None: what is usual on this platform."""
    probe: bool = False
    """Whether a new generation is probed before it is activated."""
    probe_timeout: float = 120
    """Seconds."""

    @property
    def home(self) -> Path:
        """The folder of this environment's generations."""
        return self.root / "environments" / self.name

    @property
    def link(self) -> Path:
        """The stable path."""
        return self.links / self.name

    @property
    def lock_sha256(self) -> str:
        """What tells one lock from another."""
        return self.lock_digest or hashlib.sha256(self.lock.encode()).hexdigest()


def declare(options: dict[str, Any]) -> Declaration:
    """A declaration from the options of the module python_environment; what was not given has its default.

    Raises EnvironmentFailed for a name or place that no environment can have.
    """
    given = {name: options[name] for name in SAME_NAMES if options.get(name) is not None}
    root = Path(options.get("root") or DEFAULT_ROOT)
    declaration = Declaration(
        root=root,
        links=Path(options.get("links") or DEFAULT_LINKS),
        python=Path(options.get("python") or managed_python(root)),
        lock=options.get("lock_text") or "",
        startup_files_of=tuple(options.get("startup_files_of") or Declaration.startup_files_of),
        **given,
    )
    refuse_bad_name(declaration.name)
    for place in (declaration.root, declaration.links):
        refuse_bad_path(str(place))
    return declaration


def refuse_bad_name(name: str) -> None:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name):
        raise EnvironmentFailed(
            f"{name!r} cannot be the name of an environment: use up to 64 letters, digits, dots, dashes and "
            "underscores, a letter or digit first."
        )


def refuse_bad_path(path: str) -> None:
    """Blanks break the first lines of scripts; macOS keeps programs out of some folders of a user's home."""
    if re.search(r"\s", path):
        raise EnvironmentFailed(f"{path!r} has blanks in it, with which scripts of an environment cannot be started.")
    guarded = next((part for part in Path(path).parts if part in GUARDED_FOLDERS), None)
    if guarded:
        raise EnvironmentFailed(
            f"{path} lies below {guarded}, which macOS keeps from programs that were started over SSH. "
            "Choose another folder (tensorflow_root, tensorflow_links)."
        )
