# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""The agent is put on a host, or taken away, and environments are left to it."""

from __future__ import annotations

from typing import Any

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._agent.installed import (
    begin,
    carry_out,
    look_at_agent,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._agent.report import with_agent
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._commands import Commands
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._host.document import Document
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._host.report import DONE, FORESEEN
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._watchdog import end_watchdog

NOTHING = {"ok": True, "changed": False, "reasons": [], "todo": "nothing", "text": []}
"""The report of a host of which nothing else is asked."""


def put_in_order(document: Document, *, check_mode: bool) -> dict[str, Any]:
    """Plan and, unless in check mode, apply; returns the agent's part of a report. Raises MetalfleetError."""
    commands = Commands()
    agent = look_at_agent(document, commands)
    end_watchdog()
    if agent is None:
        raise MetalfleetError(
            "Nothing is declared of the agent",
            remedy="Set tensorflow_agent: true for the hosts that are to have it, or false to remove it.",
        )
    if check_mode:
        return with_agent(NOTHING, agent, FORESEEN)
    done = carry_out(agent, document, commands)
    if done.enabled and done.actions and done.problem is None:
        begin(commands)
    return with_agent(NOTHING, done, DONE)
