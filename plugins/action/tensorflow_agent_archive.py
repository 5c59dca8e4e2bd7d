# SPDX-License-Identifier: GPL-3.0-or-later
"""Publish what agents are installed from that no controller reaches, and their newer documents; no host is touched."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._layout import platform_name
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._options import PUBLISHING
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._agent.files import make_agent
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._agent.publishing import publication
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._controller import (
    folder_beside_inventory,
    folders_of_users,
    put_files,
)
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._environments import (
    EnvironmentsAction,
    locks_of,
    with_certificates,
)

if TYPE_CHECKING:
    from collections.abc import Mapping


class ActionModule(EnvironmentsAction):
    """See plugins/modules/tensorflow_agent_archive.py for the documentation."""

    _requires_connection = False
    module = "tensorflow_agent_archive"
    sends_locks = True
    keeps_report = False
    spec = PUBLISHING

    def act(self, options: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """Write the files, unless in check mode."""
        written = options.pop("agent_archives")
        del options["on_failure"]
        folder = folder_beside_inventory("agents", "tensorflow_agent_archives", written, task_vars)
        self._declare(options, task_vars)
        options = with_certificates(self._declared, list(folders_of_users(task_vars)))
        locks = locks_of(options, task_vars)
        locks.complete(platform_name("darwin", python=options["python"]["version"]))
        document = self._document({**options, "agent": {}}, locks)
        made = make_agent(options, document, self._key)
        host, private = str(task_vars["inventory_hostname"]), self._private
        files = publication(folder, host, made, private, int(time.time()))
        if not self._task.check_mode:
            locks.keep()
            put_files(files.new, "The agent's files", "tensorflow_agent_archives")
        return {
            "changed": bool(files.new or locks.new),
            "archive": str(files.archive),
            "sha256": files.sha256,
            "text": [f"{files.archive} has the SHA-256 {files.sha256}."],
        }

    def _refuse_home_of_root(self, options: Mapping[str, Any]) -> None:
        """No user of a host is concerned."""
