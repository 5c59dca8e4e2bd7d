# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""Make all environments of a host what is declared, in one go."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Any, Callable

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._agent import installed
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._agent.report import with_agent
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._commands import Commands
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment import memory
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.apply import apply
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.observe import all_complete
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.plan import Plan, to_remember
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.safety import one_writer
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.tools import Tools
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._host.answer import (
    examined,
    probed,
    study,
    tools_for,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._host.awake import stay_awake
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._host.delivery import find_lacks
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._host.document import Document
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._host.managed import look_at_python, remove_surplus
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._host.probing import Prober
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._host.report import (
    DONE,
    FORESEEN,
    Finding,
    Managed,
    make_report,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._layout import platform_name, python_of
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._watchdog import end_watchdog

Hold = Callable[[Finding], str]
"""Says why an environment that has drifted is left as it is; "" where it is not."""


def converge(
    document: Document,
    *,
    check_mode: bool,
    with_diff: bool = False,
    tools: Tools | None = None,
    hold: Hold = lambda _: "",
) -> dict[str, Any]:
    """Plan and, unless in check mode, apply; returns the report. What fails does not stop the other environments.

    Where the controller has to bring something first, it says what, and does nothing.
    """
    prober = Prober(document.places.root, Commands())
    tools = tools or tools_for(document, prober)
    studied = [study(declared, tools) for declared in document.environments]
    managed = look_at_python(document, tools.commands)
    agent = installed.look_at_agent(document, tools.commands)
    end_watchdog()
    findings = [held(examined(finding, tools), hold) for finding in studied]
    lacks = {} if check_mode or not document.is_delivered else find_lacks(document, findings, tools)
    if lacks:
        return {"changed": False, "lacks": lacks, "warnings": []}
    warnings: list[str] = []
    if check_mode:
        findings = [replace(finding, carried=FORESEEN) for finding in findings]
        managed = replace(managed, carried=FORESEEN)
    elif managed.surplus or any(finding.is_pending for finding in findings):
        findings, managed, warnings = carry_out(document, findings, managed, tools, hold)
    if agent and not check_mode:
        agent = installed.carry_out(agent, document, tools.commands)
    report = make_report(
        [probed(finding, tools) for finding in findings],
        platform=document.platform,
        managed=managed,
        facts=prober.facts,
        warnings=warnings,
        with_diff=with_diff,
    )
    return with_agent(report, agent, FORESEEN if check_mode else DONE)


def held(finding: Finding, hold: Hold) -> Finding:
    """The finding; nothing is done to it where there is a reason to leave it as it is."""
    why = hold(finding) if finding.is_pending else ""
    return replace(finding, plan=Plan(reported=finding.plan.actions), left=why) if why else finding


def carry_out(
    document: Document, findings: list[Finding], managed: Managed, tools: Tools, hold: Hold
) -> tuple[list[Finding], Managed, list[str]]:
    """Repair what has to be repaired, as the only writer, and clean up; returns warnings, too."""
    try:
        refuse_another_python(document)
        with one_writer(document.places), tools.supply.progress:
            stay_awake()
            # Another writer may have been at work until now.
            done = [repaired(held(again(finding, tools), hold), tools) for finding in findings]
            surplus = look_at_python(document, tools.commands).surplus
            warnings = [*prune_archives(document, tools), *remove_surplus(document.places, surplus)]
            return done, replace(managed, carried=DONE), warnings
    except MetalfleetError as refusal:
        refused = [replace(each, problem=refusal.problem) if each.is_pending else each for each in findings]
        is_said = any(each.is_pending for each in findings)
        return refused, managed, [] if is_said else [refusal.problem.text]


def refuse_another_python(document: Document) -> None:
    """What is declared is meant for the Python that is to run this module; nothing is built by another one."""
    now, wanted = platform_name(), document.platform
    if now != wanted:
        raise MetalfleetError(
            f"The managed Python is {python_of(now)}, and {python_of(wanted)} is declared",
            remedy="Run setup.yml, or the role metalfleet.tensorflow.native_python before this task.",
        )


def again(finding: Finding, tools: Tools) -> Finding:
    """The finding as it is now; a probe is good for as long as nothing else has changed."""
    now = study(finding.declaration, tools)
    if now.is_pending or now.problem or finding.is_pending:
        return examined(now, tools)
    return replace(now, probe=finding.probe)


def prune_archives(document: Document, tools: Tools) -> list[str]:
    """Keep the archives that generations or declared locks need, and remove the others; returns warnings."""
    keep = {archive for built in all_complete(document.places) for archive in built.archives}
    for declared in document.environments:
        with suppress(MetalfleetError):  # what is not a lock names nothing
            keep.update(tools.kinds[declared.kind].archives_of(declared.lock))
    return tools.supply.store.prune(keep)


def repaired(finding: Finding, tools: Tools) -> Finding:
    """Carry the plan out; the finding says what came of it."""
    if not finding.is_pending:
        return finding
    tools.supply.progress.begin(finding.declaration.name)
    done = apply(finding.declaration, finding.plan, tools)
    if done.steps or done.has_failed_probe:
        remember(finding, probe_failed=done.has_failed_probe)
    return replace(
        finding,
        carried=DONE if done.steps else finding.carried,
        problem=done.problem,
        probe=done.probe,
        warnings=(*finding.warnings, *done.warnings),
    )


def remember(finding: Finding, *, probe_failed: bool = False) -> None:
    """Remember what later runs need; without it they know less."""
    declared, seen = finding.declaration, finding.seen
    remembered = to_remember(seen, finding.plan, probe_failed=probe_failed)
    if declared.state != "absent" and remembered != seen.remembered:
        with suppress(OSError):
            memory.write(declared.home, remembered)
