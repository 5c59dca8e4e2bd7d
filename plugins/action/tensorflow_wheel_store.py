# SPDX-License-Identifier: GPL-3.0-or-later
"""Fill the wheel store on the controller, and remove what is old from it; no host is touched."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._commands import Commands
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._host.document import read_network
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._kinds.wanted import wheels_wanted
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._layout import platform_name
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._options import STOCKING
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.platforms import platform_of
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._ahead import AheadAction
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._controller import (
    find_file,
    folder_of_wheels,
    folders_of_users,
)
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._delivery import (
    ControllerStore,
    Need,
    in_mb,
    needs_of,
    size_of,
)
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._environments import (
    wanted_python,
    with_certificates,
)
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._native_python.delivery import artifacts_for
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._native_python.urls import is_url
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._pairs import default_pair

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._locks import Locks
    from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._native_python.sources import Artifact


class ActionModule(AheadAction):
    """See plugins/modules/tensorflow_wheel_store.py for the documentation."""

    spec = STOCKING

    def act(self, options: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """Fetch what is missing, and remove what is old, unless in check mode."""
        if options["keep"] is not None and options["keep"] < 1:
            raise MetalfleetError(
                f"tensorflow_wheel_store_keep is {options['keep']}",
                remedy="Give a number of days, 1 or more, or leave it out, so that nothing is removed.",
            )
        folders = list(folders_of_users(task_vars))
        if options["mirror"] and not is_url(options["mirror"]):
            options["mirror"] = str(find_file(options["mirror"], "native_python_mirror", folders, "folder"))
        options = with_certificates(options, folders)
        store = ControllerStore(folder_of_wheels(options["wheel_store"], task_vars), read_network(options))
        locks, platforms = self.locks_and_platforms(options, task_vars)
        needs = find_needs(options, locks, platforms)
        minors = dict.fromkeys(need.minor for need in needs if need.minor and need.platform.startswith("macos"))
        artifacts = artifacts_for(wanted_python(options["python"]), minors)
        missing = [name for need in needs for name in store.missing(need.wanted)]
        missing += [each.path for each in artifacts if not store.has(each)]
        old = store.unused(options["keep"]) if options["keep"] else []
        if not self._task.check_mode:
            locks.keep()
            fill(store, needs, artifacts, options["mirror"])
            store.remove(old)
        removed = [path.name for path in old]
        return {
            "changed": bool(missing or removed or locks.new),
            "wheel_store": str(store.folder),
            "fetched": list(dict.fromkeys(missing)),
            "removed": removed,
            "text": [
                *(lock.say(is_foreseen=self._task.check_mode) for lock in locks.new),
                *self._say(store, needs, [f"Python {minor}" for minor in minors if artifacts], missing, removed),
            ],
            **({"warnings": locks.remarks} if locks.remarks else {}),
        }

    def _say(
        self, store: ControllerStore, needs: list[Need], pythons: list[str], missing: list[str], removed: list[str]
    ) -> list[str]:
        """The message: what was fetched, what was removed, and for what all is there."""
        fetched, gone = ("Would fetch", "Would remove") if self._task.check_mode else ("Fetched", "Removed")
        said = [f"{fetched} {', '.join(dict.fromkeys(missing))}."] if missing else []
        said += [f"{gone} {', '.join(removed)}, which no run has used for long."] if removed else []
        names = ", ".join(dict.fromkeys([*(f"{need.environment} ({need.platform})" for need in needs), *pythons]))
        if names and not self._task.check_mode:
            said.append(f"{store.folder} has all that is needed for {names}: {in_mb(size_of(store.folder))} in all.")
        return said or [f"There is nothing to do for {store.folder}."]


def find_needs(options: Mapping[str, Any], locks: Locks, platforms: Iterable[str]) -> list[Need]:
    """The files that each environment needs on each platform. Makes missing locks."""
    macos = options["oldest_macos"] or default_pair().least_macos
    needs: list[Need] = []
    for platform in platforms:
        locks.complete(platform)
        needs += needs_of(locks.with_digests(options["environments"]), locks, platform, macos)
    return [*needs, *needs_of_controller(locks)]


def needs_of_controller(locks: Locks) -> Iterator[Need]:
    """What reads and makes locks of conda packages, where any are declared: a site without a network has it then."""
    if locks.conda:
        python = Path(sys.executable)
        yield Need(
            "the controller", platform_name(), wheels_wanted(locks.conda_engine, platform_of(python, Commands()))
        )


def fill(store: ControllerStore, needs: list[Need], artifacts: list[Artifact], mirror: str) -> None:
    """Fetch everything that is missing in the store. Raises MetalfleetError."""
    for artifact in artifacts:
        store.provide_archive(artifact, mirror)
    for need in needs:
        store.provide(need.wanted)
