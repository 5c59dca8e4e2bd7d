# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""Where a host gets what its environments are installed from, whatever their kind: always by way of its wheel store.

What is missing there the host fetches itself, or the controller brings it before anything is built.
"""

from __future__ import annotations

from base64 import b64decode
from types import MappingProxyType
from typing import TYPE_CHECKING

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._kinds.wheels import (
    Stored,
    WheelStore,
    refuse_missing,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._progress import Progress

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ansible_collections.metalfleet.tensorflow.plugins.module_utils._commands import Commands
    from ansible_collections.metalfleet.tensorflow.plugins.module_utils._kinds.wanted import Wanted
    from ansible_collections.metalfleet.tensorflow.plugins.module_utils._layout import Places
    from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.network import Network


class Supply:
    """The wheel store of a host, and how it is filled."""

    def __init__(
        self,
        places: Places,
        network: Network,
        commands: Commands,
        built_wheels: Mapping[str, str] = MappingProxyType({}),
        *,
        is_delivered: bool = False,
        progress: Progress | None = None,
    ) -> None:
        """`built_wheels` are wheels that no index has: by SHA-256 the name, a blank, and the content in base64.

        With `is_delivered` the controller brings everything else, and nothing is fetched.
        """
        self.store = WheelStore(places.wheels, places.set_aside)
        self._network, self._commands = network, commands
        self._built_wheels, self._is_delivered = built_wheels, is_delivered
        self.progress = progress or Progress()

    def lacks(self, wanted: Wanted) -> dict[str, object] | None:
        """What the controller has to bring, as data for plugin_utils/_delivery; None: nothing."""
        wanted = wanted.without(self._built_wheels)
        names = [pin.name for pin in self.store.look(wanted.pins, wanted.platform).missing]
        platform = wanted.platform.as_data() if wanted.platform else None
        return {"lock": wanted.lock_sha256, "platform": platform, "packages": names} if names else None

    def provide(self, wanted: Wanted) -> tuple[tuple[Stored, ...], tuple[str, ...]]:
        """Whole archives in the store, and what a person should know. Raises MetalfleetError."""
        for digest in self._built_wheels.keys() & {digest for pin in wanted.pins for digest in pin.hashes}:
            filename, _sign, content = self._built_wheels[digest].partition(" ")
            self.store.receive(digest, filename, b64decode(content))
        if self._is_delivered:
            stock = self.store.look(wanted.pins, wanted.platform)
            refuse_missing(stock, "Run setup.yml again, which brings them.")
            return stock.stored, ()
        # Imported here because a host is asked far more often than it installs.
        from ansible_collections.metalfleet.tensorflow.plugins.module_utils._kinds.fetch import fetch  # noqa: PLC0415

        fetched = fetch(self.store, wanted, self._network, self._commands, progress=self.progress)
        return fetched.stored, fetched.warnings
