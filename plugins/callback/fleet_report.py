# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Print at the end of a run what it found."""

from __future__ import annotations

DOCUMENTATION = r"""
name: fleet_report
type: notification
short_description: Say at a run's end what needs somebody, and keep which hosts did not answer
version_added: 0.1.0
description:
  - Prints, at the end of a run of the roles of this collection, one line for each problem, the worst first, and one
    line for all hosts of the run. A run without them prints nothing.
  - The ledger (see C(tensorflow_reports)) is kept by the actions, without this callback. It adds the hosts that were
    lost in another task, so that the last report of a laptop that sleeps is shown with its age.
  - It works on the controller alone, and adds no task.
requirements:
  - To be enabled in C(ansible.cfg), with C(callbacks_enabled = metalfleet.tensorflow.fleet_report).
author: metalfleet maintainers (@metalfleet)
"""

import time
from typing import Any

from ansible.plugins.callback import CallbackBase
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._fleet.run import Run


class CallbackModule(CallbackBase):
    """See plugins/plugin_utils/_fleet/run.py for what is done."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "metalfleet.tensorflow.fleet_report"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        self._run = Run()

    def v2_runner_on_ok(self, result: Any) -> None:
        """A task has succeeded."""
        self._add(result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        """A task has failed."""
        del ignore_errors
        self._add(result)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        """A host did not answer."""
        self._add(result)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        """The run has ended."""
        del stats
        said = self._run.end(time.time())
        if said:
            self._display.banner("FLEET")
            for line in said:
                self._display.display(line)

    def _add(self, result: Any) -> None:
        name = result.task.resolved_action or result.task.action
        self._run.add(result.host.get_name(), name, result.result, time.time())
