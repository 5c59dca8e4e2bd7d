# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""What all processes of one run of Ansible share: each host has one of its own."""

from __future__ import annotations

import fcntl
import hashlib
import json
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from ansible import constants

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def of_this_run(key: object) -> Iterator[TextIO]:
    """A file that all processes of this run of Ansible share, one at a time; `key` tells it from others.

    Ansible makes the folder for a run, and removes it.
    """
    folder = Path(constants.DEFAULT_LOCAL_TMP) / "metalfleet-locks"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    name = hashlib.sha256(json.dumps(key).encode()).hexdigest()
    with (folder / name).open("a+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        yield file
