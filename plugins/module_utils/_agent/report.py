# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""The agent's part of a host's report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._agent.installed import Agent
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._host.report import (
    ASKED,
    DONE,
    FORESEEN,
    legible,
    say_reasons,
)


def with_agent(report: Mapping[str, Any], agent: Agent | None, carried: str = ASKED) -> dict[str, Any]:
    """The report with what is known of the agent, where anything is declared of it; `carried` is of its plan."""
    if agent is None:
        return dict(report)
    is_pending = bool(agent.actions) and carried == ASKED
    has_changed = bool(agent.actions) and carried in (FORESEEN, DONE) and agent.problem is None
    ok = agent.problem is None and not is_pending
    said = say(agent, carried)
    text = [*([] if report["ok"] and not ok else report["text"]), *([said] if said else [])]
    changed = {
        "agent": {
            "enabled": agent.enabled,
            "ok": ok,
            "reasons": agent.reasons,
            "plan": [asdict(action) for action in agent.actions],
            "problem": asdict(agent.problem) if agent.problem else None,
            "text": said,
            **agent.memory,
        },
        "ok": report["ok"] and ok,
        "changed": report["changed"] or has_changed,
        "reasons": list(dict.fromkeys([*report["reasons"], *agent.reasons])),
        "todo": "environments" if report["todo"] == "nothing" and is_pending else report["todo"],
        "text": text,
    }
    whole: dict[str, Any] = legible({**report, **changed})
    return {**whole, "diff": with_diff(report.get("diff") or {}, agent)} if has_changed else whole


def with_diff(diff: Mapping[str, Any], agent: Agent) -> dict[str, Any]:
    """Ansible's diff with what is, or would be, put right."""
    found = {action.reason: action.evidence for action in agent.actions}
    after = {"agent": {"enabled": agent.enabled}}
    return {"before": {**diff.get("before", {}), "agent": found}, "after": {**diff.get("after", {}), **after}}


def say(agent: Agent, carried: str) -> str:
    """What a person is told of it; "" where nothing is to be said."""
    if agent.problem:
        return agent.problem.text
    why = say_reasons(agent.actions)
    if agent.actions and carried == ASKED:
        if not agent.enabled:
            return f"The agent is still there ({why}). Run setup.yml to remove it."
        return f"The agent is not as declared ({why}). Run setup.yml to install or repair it."
    if agent.actions:
        what = "installed" if agent.enabled else "removed"
        return f"The agent {'would be' if carried == FORESEEN else 'was'} {what} ({why})."
    if agent.is_waiting:
        return "The agent's job begins when its user logs in at the Mac's screen."
    return ""
