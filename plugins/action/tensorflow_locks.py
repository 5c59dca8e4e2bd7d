# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the locks of environments on the controller; no host is touched."""

from __future__ import annotations

from typing import Any

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._options import LOCKING
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.lock import normalized
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._ahead import AheadAction
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._controller import folders_of_users
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._environments import with_certificates


class ActionModule(AheadAction):
    """See plugins/modules/tensorflow_locks.py for the documentation."""

    spec = LOCKING

    def act(self, options: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """Make the locks that are missing, outdated or to be upgraded; write them unless in check mode."""
        options = with_certificates(options, folders_of_users(task_vars))
        locks, platforms = self.locks_and_platforms(options, task_vars)
        packages = [name.strip() for name in options["upgrade"]]
        upgrade = frozenset(map(normalized, packages))
        for platform in platforms:
            locks.complete(platform, upgrade=upgrade)
        warnings = [*locks.remarks, *locks.say_unknown(packages)]
        if not self._task.check_mode:
            locks.keep()
        said = [lock.say(is_foreseen=self._task.check_mode) for lock in locks.new]
        return {
            "changed": bool(locks.new),
            "locks": [lock.as_data() for lock in locks.new],
            "text": said or [say_nothing_to_do(locks.depend_on_platform)],
            "diff": [lock.diff for lock in locks.new],
            **({"warnings": warnings} if warnings else {}),
        }


def say_nothing_to_do(are_requested: bool) -> str:
    """The message where no lock was made."""
    if are_requested:
        return "All locks are as declared."
    return "No environment declares packages, tensorflow or metal: there is no lock to make."
