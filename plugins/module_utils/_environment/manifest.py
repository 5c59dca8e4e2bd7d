# SPDX-License-Identifier: GPL-3.0-or-later
"""What was built: written last, so that a generation exists exactly when its manifest does."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment import files

NAME = "metalfleet-manifest.json"
SCHEMA = 1


@dataclass(frozen=True)
class Interpreter:
    """The identity of a base interpreter: its real path, and its file."""

    path: str
    size: int
    mtime_ns: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """A generation as it was when it was complete."""

    name: str
    lock_sha256: str
    interpreter: Interpreter
    packages: dict[str, str]
    """Normalised name to version."""
    records: dict[str, str]
    """Metadata folder to the SHA-256 of its RECORD, which has those of the wheel's files."""
    others: dict[str, str]
    """Path to SHA-256 of every file that no RECORD lists with a hash."""
    startup_elsewhere: list[str]
    """Start-up files outside the generation that were there already, such as a Linux distribution's own."""
    tree: files.Tree
    probe: dict[str, Any] | None = None
    schema: int = field(default=SCHEMA)


def identify(python: Path) -> Interpreter | None:
    """The identity of an interpreter; None if there is none."""
    try:
        real = Path(os.path.realpath(python))
        status = real.stat()
        return Interpreter(str(real), status.st_size, status.st_mtime_ns, files.sha256(real))
    except OSError:
        return None


def read(generation: Path) -> Manifest | None:
    """A generation's manifest; None if it is missing, cut short, edited, or of a schema that we do not write."""
    try:
        data = json.loads(_read_whole(generation))
        return (
            Manifest(**{**data, "interpreter": Interpreter(**data["interpreter"])})
            if data["schema"] == SCHEMA
            else None
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def is_whole(generation: Path) -> bool:
    """Whether a generation has a manifest, as it was written."""
    try:
        _read_whole(generation)
    except (OSError, ValueError):
        return False
    return True


def write(generation: Path, manifest: Manifest) -> None:
    """Put a manifest in place with one rename, after its bytes have reached the disk."""
    data = {**vars(manifest), "interpreter": vars(manifest.interpreter)}
    body = json.dumps(data, separators=(",", ":")).encode()
    new = generation / (NAME + ".new")
    with new.open("wb") as out:
        out.write(_digest(body) + b"\n" + body)
        out.flush()
        os.fsync(out.fileno())
    new.replace(generation / NAME)


def _read_whole(generation: Path) -> bytes:
    """What follows the digest; ValueError if that is another."""
    digest, _, body = (generation / NAME).read_bytes().partition(b"\n")
    if digest != _digest(body):
        raise ValueError(f"{generation / NAME} is not as it was written")
    return body


def _digest(body: bytes) -> bytes:
    return b"sha256:" + hashlib.sha256(body).hexdigest().encode()
