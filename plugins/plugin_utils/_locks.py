# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""Locks on the controller: the collection's own, and those that users name."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.kernel import (
    refuse_lock_without_ipykernel,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.lock import parse_lock
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._controller import read_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

DEFAULT_LOCKS = Path(__file__).with_name("_data") / "locks" / "tensorflow-2.18.1-metal-1.2.0"
"""One lock for each platform and Python, made by tools/locks.py."""

Digests = dict[str, str]
"""SHA-256 of each lock that an environment may have, by platform; "any" for one that is used as it is."""


class Locks:
    """The locks of one host's environments. `find` turns the path that a user wrote into one that is there."""

    def __init__(self, find: Callable[[str], Path]) -> None:
        self._find = find
        self.texts: dict[str, str] = {}
        """Each lock by its SHA-256."""

    def with_digests(self, environments: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """The declared environments, each with the digests of its locks."""
        return [{**each, "lock_digests": self._digests(each)} for each in environments]

    def _digests(self, environment: Mapping[str, Any]) -> Digests:
        if environment.get("lock"):
            digest = self._read(self._find(environment["lock"]))
            # What is no lock is refused here, before the host is touched.
            if not parse_lock(self.texts[digest]).pins:
                raise MetalfleetError(
                    f"The lock of the environment {environment['name']} is empty",
                    remedy="Make it with `uv pip compile --generate-hashes`.",
                )
            digests = {"any": digest}
        else:
            digests = {path.stem: self._read(path) for path in sorted(DEFAULT_LOCKS.glob("*.txt"))}
        if environment.get("jupyter_kernel"):
            refuse_lock_without_ipykernel(environment["name"], self.texts[next(iter(digests.values()))])
        return digests

    def _read(self, path: Path) -> str:
        text = read_text(path, "lock")
        digest = hashlib.sha256(text.encode()).hexdigest()
        self.texts[digest] = text
        return digest
