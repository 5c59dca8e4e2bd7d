# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""What all processes of one run of Ansible share: each host has one of its own."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

from ansible import constants
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

T = TypeVar("T")


def once(key: object, work: Callable[[], T]) -> T:
    """What this or another process of this run has made of a piece of work, also where it failed.

    Key and result are such as JSON can hold. Raises MetalfleetError, if that is what the work has raised.
    """
    with of_this_run(key) as file:
        answer = _left_in(file)
        if not answer:
            try:
                answer = {"result": work()}
            except MetalfleetError as error:
                answer = {"problem": asdict(error.problem)}
            _leave(answer, Path(file.name))
    if "problem" in answer:
        raise MetalfleetError(**answer["problem"])
    result: T = answer["result"]
    return result


def _left_in(file: TextIO) -> dict[str, Any]:
    """What another process has left there; nothing if it was ended as it wrote."""
    with suppress(ValueError):
        answer = json.load(file)
        return answer if isinstance(answer, dict) else {}
    return {}


def _leave(answer: Mapping[str, Any], path: Path) -> None:
    """Leave it for the others. Where the disk is full they do the work, too, and what it came to is still said."""
    try:
        path.write_text(json.dumps(answer), encoding="utf-8")
    except OSError:
        with suppress(OSError):
            os.truncate(path, 0)


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
