# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/variables.md: every variable that a user may set, from the roles' argument specs."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import yaml
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._options import OF_ONE_RUN

from tools.documents.site import CHECKOUT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Options = dict[str, dict[str, Any]]

HEADING = """\
# Every variable

<!-- Made by `make pages`. Do not edit. -->

Set them in the inventory, in `group_vars` or `host_vars`. Only those [of one run](#of-one-run) are given with `-e`: a
variable given with `-e` outranks everything that the inventory sets. A name that is nearly one of these is an error.
"""
_OPTION = re.compile(r"\b(?:RV|[OV])\(([^)=]+)(?:=([^)]*))?\)")
_WORDS = re.compile(r"\b[CM]\(([^)#]+)(?:#\w+)?\)")


def page() -> str:
    """The whole page."""
    tensorflow, native_python = specs("tensorflow"), specs("native_python")
    fleet = tensorflow["main"]
    environment = fleet["tensorflow_environments"]["options"]
    others = {name: option for entry in tensorflow.values() for name, option in entry.items() if name not in fleet}
    for_playbooks = {name: option for name, option in others.items() if name not in OF_ONE_RUN}
    one_run = {name: option for name, option in {**fleet, **others}.items() if name in OF_ONE_RUN}
    one_run["tensorflow_hosts"] = {
        "type": "str",
        "default": "tensorflow",
        "description": "Hosts that the playbook works on, as a pattern of Ansible's.",
    }
    one_run["tensorflow_canary"] = {
        "type": "str",
        "description": "How many hosts go first, such as V(1) or V(10%), see [a run over many Macs](fleet.md).",
    }
    lasting = {name: option for name, option in fleet.items() if name not in OF_ONE_RUN}
    return "\n".join(
        [
            HEADING,
            section("An environment", "The keys of each entry of `tensorflow_environments`.", environment),
            section("All environments of a host", "", lasting),
            section("Playbooks", "For `lock.yml`, `fetch.yml`, `publish.yml` and `report.yml`.", for_playbooks),
            section("Of one run", "Given on the command line, with `-e`.", one_run),
            section("The managed Python", "", native_python["main"]),
            section("The agent", "See [the agent](agent.md).", specs("tensorflow_agent")["main"]),
        ]
    )


def specs(role: str) -> dict[str, Options]:
    """The options of each entry point of a role."""
    loaded = yaml.safe_load((CHECKOUT / f"roles/{role}/meta/argument_specs.yml").read_text())
    return {entry: spec["options"] for entry, spec in loaded["argument_specs"].items()}


def section(title: str, text: str, options: Mapping[str, Mapping[str, Any]]) -> str:
    """A heading with a table of options."""
    head = ["| variable | type | default | meaning |", "|---|---|---|---|"]
    introduction = [text, ""] if text else []
    return "\n".join([f"## {title}", "", *introduction, *head, *rows(options), ""])


def rows(options: Mapping[str, Mapping[str, Any]], prefix: str = "") -> Iterable[str]:
    """A row for each option, with those that lie in it below; the environments have a section of their own."""
    for name, option in options.items():
        cells = [f"`{prefix}{name}`", kind(option), default(option), meaning(option)]
        yield f"| {' | '.join(cells)} |"
        if name != "tensorflow_environments":
            yield from rows(option.get("options", {}), f"{prefix}{name}.")


def kind(option: Mapping[str, Any]) -> str:
    """The type, or what can be chosen."""
    choices = ", ".join(f"`{choice}`" for choice in option.get("choices", ()))
    if option["type"] == "list":
        return f"list of {choices or option['elements']}"
    return choices or str(option["type"])


def default(option: Mapping[str, Any]) -> str:
    """The default as one would write it."""
    if option.get("required"):
        return "required"
    value = option.get("default")
    return "" if value in (None, "") else f"`{value if isinstance(value, str) else json.dumps(value)}`"


def meaning(option: Mapping[str, Any]) -> str:
    """The description as Markdown, on one line."""
    description = option["description"]
    text = description if isinstance(description, str) else " ".join(description)
    text = _WORDS.sub(r"`\1`", text)
    return _OPTION.sub(lambda found: f"`{found[1]}: {found[2]}`" if found[2] else f"`{found[1]}`", text)
