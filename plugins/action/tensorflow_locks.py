# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the locks of environments on the controller; no host is touched."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._host.document import refuse_double_names
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._layout import platform_name
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._options import LOCKING
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._action import FleetAction
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._controller import folders_of_users
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._environments import (
    locks_of,
    with_certificates,
)

if TYPE_CHECKING:
    from collections.abc import Mapping


class ActionModule(FleetAction):
    """See plugins/modules/tensorflow_locks.py for the documentation."""

    _requires_connection = False
    spec = LOCKING

    def act(self, options: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """Make the locks that are missing, outdated or to be upgraded; write them unless in check mode."""
        refuse_double_names([str(each["name"]) for each in options["environments"]])
        locks = locks_of(with_certificates(options, list(folders_of_users(task_vars))), task_vars)
        usual = platform_name("darwin", python=options["python"]["version"])
        for platform in options["platforms"] or [usual, *sorted(locks.platforms - {usual})]:
            locks.complete(platform, upgrade=frozenset(options["upgrade"]))
        if not self._task.check_mode:
            locks.keep()
        said = [lock.say(is_foreseen=self._task.check_mode) for lock in locks.new]
        return {
            "changed": bool(locks.new),
            "locks": [lock.as_data() for lock in locks.new],
            "text": said or [say_nothing_to_do(locks.depend_on_platform)],
            "diff": [lock.diff for lock in locks.new],
            **({"warnings": locks.remarks} if locks.remarks else {}),
        }

    def _refuse_home_of_root(self, options: Mapping[str, Any]) -> None:
        """This runs on the controller, so root on a host does not matter."""


def say_nothing_to_do(are_requested: bool) -> str:
    """The message where no lock was made."""
    if are_requested:
        return "All locks are as declared."
    return "No environment declares packages, tensorflow or metal: there is no lock to make."
