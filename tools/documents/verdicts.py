# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/verdicts.md: every verdict, and every cause and remedy that the probe knows, from its own rules."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import yaml
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe import rules
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe.diagnosis import Failure, Rule

from tools.documents.variables import meaning

if TYPE_CHECKING:
    from collections.abc import Mapping

MODULE = "ansible_collections.metalfleet.tensorflow.plugins.modules.tensorflow_gpu_info"
HEADING = """\
# Verdicts and remedies

<!-- Made by `make pages`. Do not edit. -->

A [probe](probe.md) ends with one of these verdicts:

| verdict | meaning |
|---|---|
"""
CAUSES = """
Where that is not what `gpu` asks for, the report says the cause, the line that shows it, and the remedy. These are all
causes that it knows, and what it says to each; words in capitals stand for what it found on the host. `#` links to
where others have published the same failure.
"""
IN_CAPITALS = (
    *("environment", "interpreter", "stage", "signal", "framework", "version", "litert", "plugin"),
    *("stray_plugins", "plugins_of_user", "driver", "newer_driver", "nodes", "gpus", "cuda", "capabilities"),
    *("guarded", "lost", "other", "replaced", "library", "elsewhere", "package", "file", "operation"),
)
"""What a rule's texts take from the host and from what was printed."""


def page() -> str:
    """The whole page."""
    return "\n".join([HEADING + "\n".join(verdicts()), CAUSES, *causes()])


def verdicts() -> list[str]:
    """A row for each verdict, as the module's documentation says it."""
    described = yaml.safe_load(import_module(MODULE).RETURN)["verdict"]["description"]
    lines = [meaning({"description": line}) for line in described if line.startswith("V(")]
    return [f"| {verdict} | {text[0].upper()}{text[1:]} |" for verdict, text in (line.split(": ", 1) for line in lines)]


def causes() -> list[str]:
    """A table for the rules of each set of verdicts, in the order of the rules."""
    tables: dict[str, dict[tuple[str, str], str]] = {}
    for rule in rules.RULES:
        tensorflow = rules.USUAL_PAIR[0] if is_of_usual_pair(rule) else ""
        texts = (filled_in(rule.cause, tensorflow), filled_in(rule.remedy, tensorflow))
        tables.setdefault(verdicts_of(rule), {}).setdefault(texts, link(rule.source))
    return [table(title, rows) for title, rows in tables.items()]


def table(title: str, rows: Mapping[tuple[str, str], str]) -> str:
    """The causes and remedies below one heading."""
    lines = [f"| {cause} | {remedy} | {source} |" for (cause, remedy), source in rows.items()]
    return "\n".join([f"## {title}", "", "| cause | remedy | |", "|---|---|---|", *lines, ""])


def verdicts_of(rule: Rule) -> str:
    """The verdicts that a rule explains."""
    return ", ".join(f"`{verdict}`" for verdict in rule.verdicts) or ("`crashed`" if rule.signals else "Any")


def filled_in(text: str, tensorflow: str) -> str:
    """A rule's text with what is known without a host."""
    found = {name: name.upper() for name in IN_CAPITALS} | {"tensorflow": "TENSORFLOW"}
    return text.format(**rules.words_for(failure_of(tensorflow)) | found)


def failure_of(tensorflow: str) -> Failure:
    """A failure of which no more is known."""
    nowhere = Path()
    plugin = rules.USUAL_PAIR[1]
    return Failure("", "", "", nowhere, nowhere, tensorflow=tensorflow, plugin=plugin, cuda=None)


def is_of_usual_pair(rule: Rule) -> bool:
    """Whether a rule is for the collection's own pair alone."""
    usual, other = failure_of(rules.USUAL_PAIR[0]), failure_of("")
    return any(condition(usual) and not condition(other) for condition in rule.when)


def link(source: str) -> str:
    """Where others have published the failure."""
    if not source:
        return ""
    repository, number = source.split("#")
    return f"[#](https://github.com/{repository}/issues/{number})"
