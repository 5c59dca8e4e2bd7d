# SPDX-License-Identifier: GPL-3.0-or-later
"""Put the agent on a host, or take it away; environments are left to it."""

from __future__ import annotations

from typing import Any

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._agent.alone import NOTHING
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._host.report import FORESEEN
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._layout import platform_name
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._action import EndedBadly, NoPython, NoPythonYet
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._environments import (
    EnvironmentsAction,
    platform_of,
)


class ActionModule(EnvironmentsAction):
    """See plugins/modules/tensorflow_agent.py for the documentation."""

    module = "tensorflow_agent"
    sends_locks = True
    keeps_report = False

    def _report_without_answer(self, answer: NoPython | EndedBadly, document: dict[str, Any]) -> dict[str, Any]:
        """In check mode native_python has foreseen before that a Python would be there."""
        if not self._task.check_mode:
            if isinstance(answer, EndedBadly):
                raise MetalfleetError(
                    answer.text, remedy="Run the role metalfleet.tensorflow.native_python, which repairs it."
                )
            raise NoPythonYet
        platform = platform_name("darwin", python=document["python"]["version"])
        if isinstance(answer, NoPython):
            platform = platform_of(answer, document)
        return self._with_agent(dict(NOTHING), document, platform, FORESEEN)
