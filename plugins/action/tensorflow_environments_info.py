# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask a host for its report."""

from __future__ import annotations

from typing import Any

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._host.doctor import tell
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._options import ASKING
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._environments import EnvironmentsAction
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._progress import say


class ActionModule(EnvironmentsAction):
    """See plugins/modules/tensorflow_environments_info.py for the documentation."""

    module = "tensorflow_environments_info"
    sends_locks = False
    spec = ASKING

    def act(self, options: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """Return the report, for doctor.yml with its text for people."""
        report = super().act(options, task_vars)
        if options["doctor"] and "environments" in report:
            return {**report, "doctor": tell(report)}
        if report.get("ok") and not self._task.no_log:  # nobody else says so: see the role's tasks
            for line in report["text"]:
                say(str(task_vars["inventory_hostname"]), line)
        return report
