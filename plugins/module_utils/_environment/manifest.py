# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""What was built: written last, so that a generation is complete exactly when its manifest is there.

It has three lines: the digest of what follows, what identifies the generation, and the stamps of its files. Whose files
they are, with their digests, is in a file of its own, for it is needed only where a stamp differs.
"""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment import files, safety
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._json import parse_json
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._paths import is_folder, read_regular, sha256_of
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._python.intact import NOBODYS

NAME = "metalfleet-manifest.json"
FILES = "metalfleet-files.json"
NOT_TOLD = (NAME, FILES, ".lock")
"""At the top of a generation, what a manifest does not tell: itself, and what uv makes where it looks."""
BUILDING = "metalfleet-building"
"""The first file of every generation: a folder that has it, and no manifest, is what a build has left, not a user's."""
SCHEMA = 3

Owned = dict[str, dict[str, str]]
"""Package to its files and links, by path in the generation, with their SHA-256, or `link to` and the target.

What is no package's is that of "".
"""


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
    """The path where it was built; scripts hold this path, so that a copy elsewhere is no generation."""
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
    decisive: dict[str, str] = field(default_factory=dict)
    """SHA-256 of the few files that decide what all others do, by path: they are hashed on every look."""
    schema: int = SCHEMA
    files_sha256: str = ""
    """SHA-256 of the file that lists the owners of files."""
    tree_json: bytes = field(default=b"{}", repr=False, compare=False)

    @property
    def tree(self) -> files.Tree:
        """The stamps of its files."""
        tree: files.Tree = json.loads(self.tree_json)
        return tree


def identify(python: Path) -> Interpreter | None:
    """The identity of an interpreter; None if there is none."""
    try:
        real = Path(os.path.realpath(python))
        status = real.stat()
        return Interpreter(str(real), status.st_size, status.st_mtime_ns, sha256_of(real))
    except OSError:
        return None


def walk(generation: Path) -> files.Tree:
    """Everything in a generation that its manifest lists."""
    tree = files.walk(generation, ignored=NOBODYS)
    for name in NOT_TOLD:
        tree.get("", {}).pop(name, None)
    return tree


def begin(generation: Path) -> None:
    """Make the folder of a generation, marked as ours."""
    generation.mkdir(parents=True)
    (generation / BUILDING).touch()


def remove(generation: Path) -> None:
    """Remove the folder of a generation, its mark last: what is left by whoever was killed meanwhile is still ours."""
    with suppress(PermissionError):  # remove_tree makes it writable
        empty(generation)
    safety.remove_tree(generation)


def empty(generation: Path) -> None:
    """Remove everything from the folder of a generation but its mark."""
    for path in generation.iterdir() if is_folder(generation) else ():
        if path.name != BUILDING:
            safety.remove_tree(path)


def is_unfinished(folder: Path) -> bool:
    """Whether a folder is what a build of ours has left: begun, and without a manifest.

    Raises OSError where that cannot be told.
    """
    return is_folder(folder) and _is_there(folder / BUILDING) and not _is_there(folder / NAME)


def _is_there(path: Path) -> bool:
    """Unlike Path.exists(), it does not take what may not be looked at for absent."""
    try:
        path.lstat()
    except FileNotFoundError:
        return False
    return True


def write(generation: Path, manifest: Manifest, tree: files.Tree, owned: Owned) -> None:
    """Write a manifest with one rename, after its bytes have reached the disk."""
    owned_json = _as_json(owned)
    put(generation / FILES, owned_json)
    head = {**asdict(manifest), "files_sha256": _digest(owned_json)}
    del head["tree_json"]
    body = _as_json(head) + b"\n" + _as_json(tree)
    put(generation / NAME, _digest(body).encode() + b"\n" + body)


def is_number(name: str) -> bool:
    """Whether a name is one that a generation has."""
    return name.isascii() and name.isdigit()


def read(generation: Path) -> Manifest | None:
    """A generation's manifest; None if it is missing, cut short, edited, of another place, or of another schema."""
    try:
        digest, body = read_regular(generation / NAME).split(b"\n", 1)
        if digest.decode() != _digest(body):
            return None
        head, tree = body.split(b"\n")
        data = parse_json(head)
        manifest = Manifest(**{**data, "interpreter": Interpreter(**data["interpreter"]), "tree_json": tree})
    except (OSError, ValueError, KeyError, TypeError):
        return None
    is_ours = manifest.schema == SCHEMA and manifest.folder == os.path.realpath(generation)
    return manifest if is_ours else None


def read_owned(generation: Path, manifest: Manifest) -> Owned:
    """Whose its files are, with their digests; nothing, if what says so is not as it was written."""
    try:
        owned_json = read_regular(generation / FILES)
        owned: Owned = parse_json(owned_json)
    except (OSError, ValueError):
        return {}
    return owned if _digest(owned_json) == manifest.files_sha256 else {}


def _as_json(data: object) -> bytes:
    return json.dumps(data, separators=(",", ":")).encode()


def put(path: Path, content: bytes) -> None:
    """Give a file its content with one rename, after the bytes have reached the disk."""
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)  # a link would lead elsewhere, and a FIFO would be waited for
    with new.open("xb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
    new.replace(path)


def _digest(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()
