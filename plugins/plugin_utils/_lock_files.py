# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""The locks that were made for a user: files in a folder next to the inventory, to be committed.

The second line of each says what it was made from, so that a declaration that has changed is noticed.
"""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._conda.lock import pinned_versions
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._json import parse_json
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._controller import put_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MARK, BUILT = "# declaration: ", "# built: "


class LockFile:
    """The lock of an environment for a platform, which may not be there yet."""

    def __init__(self, folder: Path, environment: str, platform: str) -> None:
        self.path = folder / f"{environment}-{platform}.txt"
        self.platform = platform

    def read(self) -> str:
        """Its text; "" if there is none. Raises MetalfleetError for one that cannot be read."""
        try:
            return self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return ""
        except (OSError, UnicodeDecodeError) as error:
            raise MetalfleetError(
                f"The lock {self.path} cannot be read",
                evidence=str(error),
                remedy="Correct it, or remove it so that it is made again.",
            ) from error

    def write(self, text: str) -> None:
        """Put a new text in its place, in one step. Raises MetalfleetError where that is not possible."""
        try:
            put_file(self.path, text.encode("utf-8"))
        except OSError as error:
            raise MetalfleetError(
                f"The lock {self.path} cannot be written",
                evidence=str(error),
                remedy="Set tensorflow_locks to a folder on the controller that can be written to.",
            ) from error


def find_lock_files(folder: Path, environment: str) -> Iterator[LockFile]:
    """The locks of an environment that are there."""
    for path in sorted(folder.glob(f"{environment}-*-py3.*.txt")):
        platform = path.stem[len(environment) + 1 :]
        if platform.count("-") == 2:  # else it is another environment's, whose name begins with this one's
            yield LockFile(folder, environment, platform)


def heading_of(
    environment: str, platform: str, declaration: dict[str, Any], built: Mapping[str, Mapping[str, str]]
) -> list[str]:
    """The first lines of a lock, without their marks of a comment.

    `built` has by SHA-256 the wheels of the lock that no index has: `file` is the name, `source` the SHA-256 of what
    it was built from.
    """
    return [
        f"The lock of the environment {environment} for {platform}, made by metalfleet.tensorflow: commit it.",
        f"{MARK[2:]}{json.dumps(declaration, sort_keys=True)}",
        *([f"{BUILT[2:]}{json.dumps(built, sort_keys=True)}"] if built else []),
    ]


def declaration_of(text: str) -> dict[str, Any] | None:
    """What a lock was made from, if it says so."""
    return _line_of(text, MARK)


def built_in(text: str) -> dict[str, dict[str, str]]:
    """The wheels of a lock that no index has, as heading_of takes them."""
    return _line_of(text, BUILT) or {}


def _line_of(text: str, mark: str) -> dict[str, Any] | None:
    for line in text.splitlines()[:5]:
        if line.startswith(mark):
            with suppress(ValueError):
                found: dict[str, Any] = parse_json(line[len(mark) :])
                return found
    return None


class WheelFiles:
    """The wheels that were built for locks, in a folder beside them."""

    def __init__(self, folder: Path) -> None:
        self._locks, self._folder = folder, folder / "wheels"

    def read(self, filename: str, sha256: str) -> bytes:
        """A wheel. Raises MetalfleetError where it is not there, or another."""
        with suppress(OSError):
            content = (self._folder / filename).read_bytes()
            if hashlib.sha256(content).hexdigest() == sha256:
                return content
        raise MetalfleetError(
            f"The wheel {self._folder / filename}, which a lock beside it names, is not there, or another one",
            remedy="Restore it, for example from version control, or remove the lock so that both are made again.",
        )

    def built_from(self, source: str) -> tuple[str, bytes] | None:
        """The name and the content of a wheel that was built from a source before, by that one's SHA-256."""
        for path in sorted(self._locks.glob("*.txt")):
            for sha256, built in built_in(path.read_text(encoding="utf-8", errors="replace")).items():
                if built["source"] == source:
                    with suppress(MetalfleetError):
                        return built["file"], self.read(built["file"], sha256)
        return None

    def write(self, filename: str, content: bytes) -> None:
        """Keep a wheel."""
        self._folder.mkdir(parents=True, exist_ok=True)
        new = self._folder / f".{filename}.new"
        new.write_bytes(content)
        new.replace(self._folder / filename)


def versions_of(text: str) -> dict[str, str]:
    """The versions that a lock pins, by package. Of what is not a lock, none."""
    with suppress(MetalfleetError):
        return pinned_versions(text)
    return {}


def changes(before: str, after: str) -> list[str]:
    """What another lock brings, package by package."""
    old, new = versions_of(before), versions_of(after)
    return [
        *(f"{name} {old[name]} -> {new[name]}" for name in sorted(old.keys() & new.keys()) if old[name] != new[name]),
        *(f"{name} {new[name]} added" for name in sorted(new.keys() - old.keys())),
        *(f"{name} {old[name]} removed" for name in sorted(old.keys() - new.keys())),
    ]


def without_hashes(text: str) -> str:
    """A lock as people read it."""
    lines = (line.removesuffix(" \\").partition("#sha256:")[0] for line in text.splitlines() if "--hash=" not in line)
    return "".join(f"{line}\n" for line in lines)


def is_writable(folder: Path) -> bool:
    """Whether files can be put into a folder, which need not be there yet."""
    nearest = next(each for each in (folder, *folder.parents) if each.exists())
    return nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)
