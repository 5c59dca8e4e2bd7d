# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""A look at a host's files that remembers what it could not see."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._paths import (
    children,
    closed_folder,
    head_of_file,
    is_nothing_there,
    is_there,
    matching,
)

_LONGEST_TEXT = 1024 * 1024  # bytes; what is read here is far shorter


class Files:
    """The files of one host, by the paths that the host has for them.

    `filesystem` is the folder that all of them lie in: "/" except in tests.
    """

    def __init__(self, home: Path, filesystem: Path = Path("/")) -> None:
        self._home = home
        self._filesystem = filesystem
        self.unknown: dict[str, str] = {}
        """What could not be found out, and why, by path."""

    def place(self, path: str | Path) -> Path:
        """Where this process finds what the host has at `path`. A leading "~" is the user's home."""
        text = str(path)
        if text == "~" or text.startswith("~/"):
            text = f"{self._home}{text[1:]}"
        return self._filesystem / text.lstrip("/")

    def path(self, place: Path) -> str:
        """The host's path of a place."""
        return "/" + os.path.relpath(place, self._filesystem)

    def note(self, place: Path, error: OSError) -> None:
        """Remember that something could not be looked at: by the closed folder, once for all that lies in it."""
        self.unknown[self.path(closed_folder(place))] = reason_of(error)

    def has(self, path: str) -> bool | None:
        """Whether anything is at that path; None where that cannot be told."""
        place = self.place(path)
        try:
            return is_there(place)
        except OSError as error:
            self.note(place, error)
            return None

    def is_program(self, place: Path) -> bool:
        """Whether it is a file that can be executed."""
        try:
            return stat.S_ISREG(os.stat(place).st_mode) and os.access(place, os.X_OK)  # noqa: PTH116
        except OSError as error:
            if not is_nothing_there(error):
                self.note(place, error)
            return False

    def names(self, folder: Path, pattern: str) -> list[str]:
        """The names in a folder that a pattern with one star fits."""
        return children(folder, pattern, self.note)

    def matching(self, folder: str | Path, pattern: str) -> list[Path]:
        """The places below one of the host's folders that a pattern with stars fits."""
        return matching(self.place(folder), pattern, self.note)

    def text(self, path: str) -> str | None:
        """The text of a regular file, however it is encoded; None where there is none."""
        place = self.place(path)
        try:
            return text_of(place)
        except OSError as error:
            if not is_nothing_there(error):
                self.note(place, error)
            return None


def text_of(place: Path) -> str:
    """The text of a regular file, however it is encoded. Raises OSError."""
    return head_of_file(place, _LONGEST_TEXT).decode("utf-8", "replace")


def reason_of(error: OSError) -> str:
    """Without the error's number and path."""
    return error.strerror or str(error)
