# SPDX-License-Identifier: GPL-3.0-or-later
"""What was built: written last, so that a generation is complete exactly when its manifest is there.

The file has four lines: the digest of all that follows, what identifies the generation, the stamps of its files, and
whose files they are, with their digests. Each line is JSON of its own, and read only by who needs it: most runs compare
stamps, and no more.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment import files

NAME = "metalfleet-manifest.json"
BUILDING = "metalfleet-building"
"""The first file of every generation: a folder that has it, and no manifest, is what a build has left, not a user's."""
SCHEMA = 2

Owned = dict[str, dict[str, str]]
"""Package to its files, by path in the generation, with their SHA-256; what is no package's is that of ""."""


@dataclass(frozen=True)
class Interpreter:
    """The identity of a base interpreter: its real path, and its file."""

    path: str
    size: int
    mtime_ns: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What identifies a generation."""

    folder: str
    """Where it was built; scripts hold this path, so that a copy elsewhere is no generation."""
    lock_sha256: str
    interpreter: Interpreter
    packages: dict[str, str]
    """Normalised name to version."""
    archives: tuple[str, ...]
    """SHA-256 of each archive that it was installed from."""
    startup_elsewhere: list[str]
    """Start-up files outside the generation that were there already, such as a Linux distribution's own."""
    shared: dict[str, list[str]] = field(default_factory=dict)
    """Harmless files that several packages bring with different content, with these packages."""
    probe: dict[str, Any] | None = None
    schema: int = SCHEMA


def identify(python: Path) -> Interpreter | None:
    """The identity of an interpreter; None if there is none."""
    try:
        real = Path(os.path.realpath(python))
        status = real.stat()
        return Interpreter(str(real), status.st_size, status.st_mtime_ns, files.sha256(real))
    except OSError:
        return None


def begin(generation: Path) -> None:
    """Make the folder of a generation, as ours."""
    generation.mkdir(parents=True)
    (generation / BUILDING).touch()


def was_begun(folder: Path) -> bool:
    """Whether a folder is a generation that we began to build, complete or not."""
    return not folder.is_symlink() and (folder / BUILDING).is_file()


def write(generation: Path, manifest: Manifest, tree: files.Tree, owned: Owned) -> None:
    """Put a manifest in place with one rename, after its bytes have reached the disk."""
    body = b"\n".join(json.dumps(part, separators=(",", ":")).encode() for part in (asdict(manifest), tree, owned))
    new = generation / (NAME + ".new")
    with new.open("wb") as out:
        out.write(_digest(body) + b"\n" + body)
        out.flush()
        os.fsync(out.fileno())
    new.replace(generation / NAME)


def read(generation: Path) -> Manifest | None:
    """A generation's manifest; None if it is missing, cut short, edited, of another place, or of another schema."""
    try:
        data = json.loads(_lines(generation)[0])
        manifest = Manifest(**{**data, "interpreter": Interpreter(**data["interpreter"])})
    except (OSError, ValueError, KeyError, TypeError):
        return None
    is_ours = manifest.schema == SCHEMA and manifest.folder == os.path.realpath(generation)
    return manifest if is_ours else None


def read_tree(generation: Path) -> files.Tree:
    """The stamps of a complete generation's files."""
    tree: files.Tree = json.loads(_lines(generation)[1])
    return tree


def read_owned(generation: Path) -> Owned:
    """Whose the files of a complete generation are, and their digests."""
    owned: Owned = json.loads(_lines(generation)[2])
    return owned


def _lines(generation: Path) -> list[bytes]:
    """The three lines after the digest; ValueError if they are not as they were written."""
    digest, _, body = (generation / NAME).read_bytes().partition(b"\n")
    if digest != _digest(body):
        raise ValueError(f"{generation / NAME} is not as it was written")
    return body.split(b"\n")


def _digest(body: bytes) -> bytes:
    return b"sha256:" + hashlib.sha256(body).hexdigest().encode()
