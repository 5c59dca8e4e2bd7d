# SPDX-License-Identifier: GPL-3.0-or-later
"""The example for AWX names only options, variables and playbooks that exist. AWX itself is not at hand."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.parsing.dataloader import DataLoader
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._options import variables

CHECKOUT = Path(__file__).parents[2]
EXAMPLE = CHECKOUT / "examples/awx"
OPTIONS: dict[str, dict[str, Any]] = yaml.safe_load((CHECKOUT / "tests/awx_options.yml").read_text())
[PLAY] = DataLoader().load_from_file(str(EXAMPLE / "controller.yml"))
TEMPLATED = re.compile(r"\{\{ (?:item\.)?(\w+) \}\}")
PREFIX = "awx.awx."


def calls() -> Iterator[tuple[str, dict[str, Any]]]:
    """Each module with its options, as it is called: for every item of a loop, with the play's variables."""
    for task in PLAY["tasks"]:
        [module] = [key for key in task if key.startswith(PREFIX)]
        for item in task.get("loop", [{}]):
            yield module.removeprefix(PREFIX), filled(task[module], {**PLAY["vars"], **item})


def filled(value: Any, known: dict[str, Any]) -> Any:
    """A value with the variables put in that are known."""
    if isinstance(value, dict):
        return {name: filled(each, known) for name, each in value.items()}
    if isinstance(value, list):
        return [filled(each, known) for each in value]
    if isinstance(value, str):
        return TEMPLATED.sub(lambda match: str(known.get(match[1], match[0])), value)
    return value


CALLS = list(calls())


def named(module: str) -> list[dict[str, Any]]:
    """All that is made by a module."""
    return [options for name, options in CALLS if name == module]


@pytest.mark.parametrize(("module", "options"), CALLS, ids=[f"{name}-{each['name']}" for name, each in CALLS])
def test_awx_takes_each_option(module: str, options: dict[str, Any]) -> None:
    checked = ArgumentSpecValidator(OPTIONS[module]).validate(options)
    assert checked.error_messages == []


def test_each_option_that_does_not_exist_is_found() -> None:
    checked = ArgumentSpecValidator(OPTIONS["job_template"]).validate({"name": "x", "job_slices": 4})
    assert "job_slices" in str(checked.error_messages)


def test_what_is_referred_to_is_made_before() -> None:
    made = {("credential_type", "Machine"), ("organization", "Default")}
    refers = {
        "default_environment": "execution_environment",
        "source_project": "project",
        "unified_job_template": "job_template",
        **{name: name for name in ("credential_type", "inventory", "organization", "project")},
    }
    for module, options in CALLS:
        wanted = {(refers[name], value) for name, value in options.items() if name in refers}
        wanted |= {("credential", name) for name in options.get("credentials", ())}
        assert wanted <= made
        made.add((module, options["name"]))


def test_variables_are_ours() -> None:
    [inventory], [kind] = named("inventory"), named("credential_type")
    assert {*inventory["variables"], *kind["injectors"]["extra_vars"]} <= set(variables())
    fields = {field["id"] for field in kind["inputs"]["fields"]}
    assert {value.strip("{} ") for value in kind["injectors"]["extra_vars"].values()} == fields
    assert set(named("credential")[0]["inputs"]) == fields == set(kind["inputs"]["required"])


def test_each_playbook_is_in_the_project_and_runs_one_of_ours() -> None:
    for template in named("job_template"):
        [play] = yaml.safe_load((EXAMPLE / "project" / template["playbook"]).read_text())
        name = play["ansible.builtin.import_playbook"].removeprefix("metalfleet.tensorflow.")
        assert (CHECKOUT / f"playbooks/{name}.yml").is_file()


def test_schedules_repeat_as_awx_wants_it() -> None:
    rule = r"DTSTART;TZID=[A-Z]\w+/\w+:\d{8}T\d{6} RRULE:FREQ=(DAILY|WEEKLY);INTERVAL=\d+(;BYDAY=[A-Z,]+)?"
    assert len(named("schedule")) == 2
    for schedule in named("schedule"):
        assert re.fullmatch(rule, schedule["rrule"])


def test_the_project_brings_the_collection() -> None:
    wanted = yaml.safe_load((EXAMPLE / "project/collections/requirements.yml").read_text())
    version = yaml.safe_load((CHECKOUT / "galaxy.yml").read_text())["version"]
    assert [each["version"] for each in wanted["collections"]] == [version]
