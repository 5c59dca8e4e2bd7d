# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""What is remembered of an environment from run to run, in the folder of its generations."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.manifest import put
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._json import parse_json
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._paths import read_regular

NAME = "metalfleet-memory.json"
FILES = frozenset({NAME, f"{NAME}.new"})
"""Names beside the generations; the second is left by a run that was killed."""


@dataclass(frozen=True)
class Memory:
    """As it stands, it is that of an environment of which there is nothing to remember."""

    left: frozenset[int] = frozenset()
    """Generations that a user has rolled back from: they are not as good as they are new."""
    in_vain: tuple[str, ...] = ()
    """Lock, interpreter and verdict of an environment for which a rebuild did not help."""


def read(home: Path) -> Memory:
    """What is remembered; nothing, if it is missing or damaged, for that costs no more than a rebuild in vain."""
    with suppress(OSError, ValueError, KeyError, TypeError, OverflowError):
        data = parse_json(read_regular(home / NAME))
        return Memory(frozenset(map(int, data["left"])), tuple(map(str, data["in_vain"])))
    return Memory()


def write(home: Path, memory: Memory) -> None:
    """Remember it, if there is anything to remember."""
    if memory == Memory():
        (home / NAME).unlink(missing_ok=True)
    else:
        put(home / NAME, json.dumps({"left": sorted(memory.left), "in_vain": memory.in_vain}).encode())
