# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""An environment's Jupyter kernel, in the user's own Jupyter folder."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from pathlib import Path
from typing import Any

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._conda.lock import pinned_versions
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.manifest import put
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError, Problem
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._json import parse_json
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._paths import read_regular

MARK = "metalfleet"
"""In a specification's metadata: the stable path of the environment that it was written for."""


def kernel_path(name: str) -> Path:
    """The specification of an environment's kernel."""
    data = "Library/Jupyter" if sys.platform == "darwin" else ".local/share/jupyter"
    return Path.home() / data / "kernels" / name / "kernel.json"


def kernel_text(name: str, link: Path) -> str:
    """What the specification says: it names the stable path, so that it holds for every generation."""
    specification: dict[str, Any] = {
        "argv": [f"{link}/bin/python", "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": name,
        "language": "python",
        "metadata": {MARK: str(link)},
    }
    return json.dumps(specification, indent=1) + "\n"


def look_at_kernel(name: str) -> tuple[str | None, Problem | None]:
    """The specification that is there, if any, and what keeps this user from reading or writing it, if anything."""
    path = kernel_path(name)
    there = next(each for each in (path, *path.parents) if os.path.lexists(each))
    folder, text = path.parent if there == path else there, None
    try:
        text = read_regular(path).decode(errors="replace") if there == path else None
        is_open = folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)
    except OSError:
        is_open = False
    if is_open:
        return text, None
    return text, Problem(
        f"The Jupyter kernel {name} cannot be written by user {os.geteuid()}: {there} is in the way, or closed to it",
        remedy=f"Make {folder} this user's own (chown), or leave jupyter_kernel out.",
    )


def is_ours(text: str, link: Path) -> bool:
    """Whether a specification has our mark of the environment at this stable path, whatever else was changed in it."""
    try:
        return bool(parse_json(text)["metadata"][MARK] == str(link))
    except (ValueError, KeyError, TypeError):
        return False


def is_of_others(text: str, link: Path) -> bool:
    """Whether a specification starts something that is not the environment at this stable path."""
    try:
        specification = parse_json(text)
        return bool(specification["argv"]) and not is_ours(text, link)
    except (ValueError, KeyError, TypeError, AttributeError):
        return False  # such a file starts nothing


def refuse_kernel_of_others(name: str) -> None:
    """Refuse to overwrite a kernel of the user's own."""
    path = kernel_path(name)
    raise MetalfleetError(
        f"There already is a Jupyter kernel {name} that this environment does not own",
        evidence=f"It is {path}.",
        remedy=f"Remove it with `jupyter kernelspec remove {name}`, declare the environment under another name, or "
        "leave jupyter_kernel out.",
    )


def refuse_lock_without_ipykernel(name: str, lock: str) -> None:
    """Refuse a kernel that could not be started."""
    if "ipykernel" not in pinned_versions(lock):
        raise MetalfleetError(
            f"The environment {name} must be a Jupyter kernel, but its lock has no ipykernel",
            remedy="Add ipykernel to the lock, or leave jupyter_kernel out.",
        )


def write_kernel(name: str, link: Path) -> None:
    """Register the environment with Jupyter."""
    path = kernel_path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    put(path, kernel_text(name, link).encode())


def remove_kernel(name: str) -> None:
    """Remove the environment's kernel; other files beside it stay."""
    path = kernel_path(name)
    path.unlink()
    with contextlib.suppress(OSError):  # not empty
        path.parent.rmdir()
