# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""Everything that a run must know of one host, in one go: facts, plans, and probes of what is in order."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Any

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._commands import Commands
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment import safety
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.declaration import (
    CONDA,
    VENV,
    Declaration,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.failures import explain_failure
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.observe import (
    Observation,
    find_stuck,
    look_closer,
    observe,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.plan import (
    REBUILT_VERDICTS,
    make_plan,
    perhaps_surplus,
    refuse_missing_driver,
    refuse_unfit_pair,
    remarks,
    worth_a_look,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.tools import Tools
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._host.document import Document
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._host.managed import look_at_python
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._host.probing import Prober
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._host.report import Finding, make_report
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._kinds.conda import Conda
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._kinds.supply import Supply
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._kinds.uv import Uv
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._kinds.venv import Venv
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe.programs.reporter import FULL
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe.verdict import has_framework
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._progress import Progress
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._watchdog import end_watchdog

MOST_LOOKS = 3
"""How often a look is begun."""


def ask(document: Document, tools: Tools | None = None) -> dict[str, Any]:
    """The report of a host on which nothing is changed."""
    prober = Prober(document.places.root, Commands())
    tools = tools or tools_for(document, prober)
    studied = [study(declared, tools) for declared in document.environments]
    managed = look_at_python(document, tools.commands)
    end_watchdog()
    findings = [(doctored if document.doctor else examined)(finding, tools) for finding in studied]
    report = make_report(findings, platform=document.platform, managed=managed, facts=prober.facts)
    if not document.agent:
        return report
    # Imported here because most fleets have no agent.
    from ansible_collections.metalfleet.tensorflow.plugins.module_utils._agent.installed import (  # noqa: PLC0415
        look_at_agent,
    )
    from ansible_collections.metalfleet.tensorflow.plugins.module_utils._agent.report import (  # noqa: PLC0415
        with_agent,
    )

    return with_agent(report, look_at_agent(document, tools.commands))


def tools_for(document: Document, prober: Prober) -> Tools:
    """The helpers for the work on this host."""
    commands, places = Commands(), document.places
    supply = Supply(
        places,
        document.network,
        commands,
        document.built_wheels,
        is_delivered=document.is_delivered,
        progress=Progress(places.root),
    )
    uv = Uv(places.uv, supply, commands)
    return Tools(
        {
            VENV: Venv(uv),
            CONDA: Conda(uv, places.python, document.conda_engine, document.conda_channels),
        },
        supply,
        commands,
        prober,
        macos=lambda: prober.facts["macos"]["version"] or "",
        driver=lambda: prober.facts["nvidia"]["driver"] or "",
    )


def study(declaration: Declaration, tools: Tools) -> Finding:
    """Look at an environment, and plan what has to be done; what is refused is the finding's problem."""
    try:
        seen = steady_look(declaration, tools)
    except OSError as failure:
        return Finding(declaration, problem=explain_failure(failure, declaration).problem)
    return planned(declaration, seen, tools)


def planned(declaration: Declaration, seen: Observation, tools: Tools) -> Finding:
    """The plan for what was observed."""
    warnings = tuple(remarks(declaration, seen))
    try:
        plan = make_plan(declaration, seen, tools.machine)
        if plan.targets("build"):
            refuse_unfit_host(declaration, tools)
        return Finding(declaration, seen, plan, warnings=warnings)
    except MetalfleetError as refusal:
        return Finding(declaration, seen, problem=refusal.problem, warnings=warnings)


def refuse_unfit_host(declaration: Declaration, tools: Tools) -> None:
    """Refuse what could not work on this host. Only that is asked for which matters: it costs time."""
    if declaration.pair or declaration.litert:
        refuse_unfit_pair(declaration, tools.macos())
    if declaration.needs_driver and not tools.driver():
        refuse_missing_driver(declaration)


def steady_look(declaration: Declaration, tools: Tools) -> Observation:
    """The same as look; where something vanishes meanwhile, since another writer is at work, it is begun again."""
    for _again in range(MOST_LOOKS - 1):
        with suppress(FileNotFoundError):
            return look(declaration, tools)
    return look(declaration, tools)


def look(declaration: Declaration, tools: Tools) -> Observation:
    """Observe an environment, as closely as its plan needs it."""
    home, package_of = declaration.home, tools.kinds[declaration.kind].package_of
    python, full = None if declaration.brings_python else declaration.python, declaration.integrity == "full"
    seen = observe(declaration.name, declaration.places, package_of, python=python, everything=full)
    others = worth_a_look(declaration, seen, tools.machine)
    seen = look_closer(seen, home, others, package_of, everything=full)
    doubtful = [str(number) for number in perhaps_surplus(declaration, seen, tools.machine)]
    seen = replace(seen, stuck={**seen.stuck, **find_stuck(home, doubtful, safety.what_keeps_it_from_removal)})
    used = safety.folders_in_use([home / name for name in doubtful if name not in seen.stuck], tools.commands)
    return replace(seen, in_use=frozenset(int(folder.name) for folder in used))


def examined(finding: Finding, tools: Tools) -> Finding:
    """The finding with a probe, and with what has to be done where that cannot be what the files deserve."""
    finding = probed(finding, tools)
    seen, declared = finding.seen, finding.declaration
    if finding.problem or not finding.probe or finding.probe["ok"] or seen.active is None:
        return finding
    verdict = finding.probe["verdict"]
    if verdict in REBUILT_VERDICTS:  # so that it is worth the time
        seen = look_closer(seen, declared.home, [seen.active], tools.kinds[declared.kind].package_of, everything=True)
    again = planned(declared, replace(seen, verdict=verdict), tools)
    return again if again.is_pending else replace(again, probe=finding.probe)


def probed(finding: Finding, tools: Tools) -> Finding:
    """The finding with a probe of what is active, where that is in order and a probe is wanted."""
    declared = finding.declaration
    is_in_order = declared.state != "absent" and not (finding.is_pending or finding.plan.reported)
    if finding.problem or finding.probe or not is_in_order or declared.gpu_check == "none":
        return finding
    return with_probe(finding, declared.gpu_check, tools)


def doctored(finding: Finding, tools: Tools) -> Finding:
    """The finding with the deepest probe of what is active, whatever is declared of probes, and has drifted.

    What is never probed need not hold a framework.
    """
    declared, seen = finding.declaration, finding.seen
    if declared.state == "absent" or seen.active is None:
        return finding
    is_there = has_framework(declared.demand.framework, seen.generations[seen.active].packages)
    return with_probe(finding, FULL, tools) if is_there or declared.gpu_check != "none" else finding


def with_probe(finding: Finding, level: str, tools: Tools) -> Finding:
    """The finding with a probe by the stable path, or with the problem that there is nothing to start."""
    declared = finding.declaration
    try:
        probe = tools.probe(
            declared.link,
            declared.demand,
            level=level,
            passed_on=passed_on(finding.seen),
        )
    except MetalfleetError as refusal:  # an older problem is the better explanation
        return finding if finding.problem else replace(finding, problem=refusal.problem)
    return replace(finding, probe=probe)


def passed_on(seen: Observation) -> str | None:
    """The version of macOS on which the active generation was probed when it was built."""
    built = seen.generations[seen.active].probe if seen.active is not None else None
    return built["macos"] if built else None
