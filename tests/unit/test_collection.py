# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds for the collection as a whole, whatever modules, roles and files it comes to have."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from configparser import ConfigParser
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from ansible_collections.metalfleet.tensorflow.plugins.module_utils import _options
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._handed import with_handed
from packaging.specifiers import SpecifierSet

from tools import matrix

CHECKOUT = Path(__file__).parents[2]
COLLECTION = "metalfleet.tensorflow"
MODULES = sorted(path.stem for path in CHECKOUT.glob("plugins/modules/[!_]*.py"))
PLAYBOOKS = sorted(path.stem for path in CHECKOUT.glob("playbooks/*.yml"))
ROLES = sorted(path.parents[1].name for path in CHECKOUT.glob("roles/*/tasks/main.yml"))
LICENSE_LINE = "SPDX-License-Identifier: GPL-3.0-or-later"

OF_PLAYS = {"tensorflow_hosts", "tensorflow_canary"}
"""Variables that are no role's: Ansible reads a play's hosts before any role."""

Spec = dict[str, Any]


def load(path: str) -> Any:
    return yaml.safe_load((CHECKOUT / path).read_text())


def our_files() -> Iterator[Path]:
    """All files but those that git or the tools made."""
    made = {".ansible", ".cache", ".collections", ".git", ".hypothesis", ".venv", "__pycache__", "metalfleet"}
    for folder, subfolders, names in os.walk(CHECKOUT):
        subfolders[:] = set(subfolders) - made
        yield from (Path(folder, name) for name in names)


def test_there_are_modules_and_roles() -> None:
    assert MODULES
    assert ROLES


# --- Roles -----------------------------------------------------------------------------------------------------------


def where_nothing_is_set(defaults: Spec) -> Spec:
    """A role's defaults where no variable of another role gives them another value."""
    trusted = {name: trust_as_template(each) if isinstance(each, str) else each for name, each in defaults.items()}
    return dict(Templar(loader=DataLoader(), variables={}).template(trusted))


@pytest.mark.parametrize("role", ROLES)
def test_a_roles_defaults_are_those_of_its_argument_specs(role: str) -> None:
    specs = load(f"roles/{role}/meta/argument_specs.yml")["argument_specs"]["main"]["options"]
    defaults = where_nothing_is_set(load(f"roles/{role}/defaults/main.yml"))
    optional = {name for name, option in specs.items() if not option.get("required")}

    assert defaults.keys() <= specs.keys()
    assert optional <= defaults.keys()
    assert {name: specs[name].get("default") for name in optional} == {name: defaults[name] for name in optional}


def role_options(role: str, options: Mapping[str, Any]) -> Spec:
    """Options as a role's variables."""
    return {f"{role}_{name}": option for name, option in options.items()}


@pytest.mark.parametrize(
    ("role", "declared"),
    [
        ("tensorflow", {**_options.DECLARATION, **_options.RUNNING}),
        (
            "native_python",
            {"root": _options.PLACES["root"], **_options.NETWORK, **_options.NATIVE_PYTHON, **_options.DELIVERY},
        ),
        ("tensorflow_agent", _options.AGENT),
    ],
)
def test_a_roles_spec_says_what_the_options_say(role: str, declared: Spec) -> None:
    specified = load(f"roles/{role}/meta/argument_specs.yml")["argument_specs"]["main"]["options"]
    switch = {"tensorflow_agent": {"type": "bool"}} if role == "tensorflow" else {}
    assert comparable(specified) == comparable({**role_options(role, declared), **switch})


def test_every_variable_of_a_role_is_one_that_slips_are_compared_with() -> None:
    specs = [load(f"roles/{role}/meta/argument_specs.yml")["argument_specs"] for role in ROLES]
    named = {name for spec in specs for entry in spec.values() for name in entry["options"]}
    assert named | OF_PLAYS == set(_options.variables())


PLAYS = {
    **{name: ["everyone"] for name in ("fetch", "lock", "publish", "report")},
    **{name: ["everyone", "unanswered"] for name in ("agent", "audit", "doctor", "remove", "rollback")},
    "setup": ["canaries", "others", "unanswered"],
}
"""The hosts of each playbook's plays; those that talk to hosts ask once more."""


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_a_playbook_works_on_one_group_and_gathers_nothing(playbook: str) -> None:
    plays = load(f"playbooks/{playbook}.yml")
    assert [play["hosts"] for play in plays] == [
        f"{{{{ query('metalfleet.tensorflow.fleet', '{hosts}') }}}}" for hosts in PLAYS[playbook]
    ]
    assert all(play["gather_facts"] is False for play in plays)
    tasks = [each for play in plays for task in play["tasks"] for each in task.get("block", [task])]
    assert all(task["ansible.builtin.import_role"]["rolespec_validate"] is False for task in tasks)


def test_hosts_that_do_not_answer_fail_no_play_but_the_last() -> None:
    for playbook, plays in ((name, load(f"playbooks/{name}.yml")) for name in PLAYS):
        goes_on = [play.get("vars", {}).get("__tensorflow_is_asked_again", False) for play in plays]
        assert goes_on == [True] * (len(plays) - 1) + [False], playbook


# --- Modules ---------------------------------------------------------------------------------------------------------


@cache
def documentation() -> dict[str, Any]:
    """What ansible-doc reads, by the full names of the modules."""
    names = [f"{COLLECTION}.{module}" for module in MODULES]
    process = subprocess.run(
        [Path(sys.executable).with_name("ansible-doc"), "--json", "--type", "module", *names],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (process.returncode, process.stderr) == (0, "")
    pages: dict[str, Any] = json.loads(process.stdout)
    return pages


@pytest.mark.parametrize("module", MODULES)
def test_ansible_doc_accepts_the_documentation(module: str) -> None:
    page = documentation()[f"{COLLECTION}.{module}"]
    assert page["doc"]["short_description"]
    assert {"check_mode", "diff_mode", "idempotent", "platform"} <= page["doc"]["attributes"].keys()
    assert page["return"]
    runs_on_hosts = "def main" in text_of(f"plugins/modules/{module}.py")
    assert ("Python 3.9 to 3.13 on the host" in page["doc"].get("requirements", [])) is runs_on_hosts
    assert any(f"{COLLECTION}.{module}" in task for task in yaml.safe_load(page["examples"]))


@pytest.mark.parametrize(("kind", "name"), [("callback", "fleet_report"), ("lookup", "fleet")])
def test_ansible_doc_accepts_other_plugins(kind: str, name: str) -> None:
    process = subprocess.run(
        [Path(sys.executable).with_name("ansible-doc"), "--json", "--type", kind, f"{COLLECTION}.{name}"],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (process.returncode, process.stderr) == (0, "")
    assert json.loads(process.stdout)[f"{COLLECTION}.{name}"]["doc"]["short_description"]


def argument_spec(module: str) -> Spec:
    """What the module's action takes, and what the module is handed: every module has an action."""
    action = import_module(f"ansible_collections.{COLLECTION}.plugins.action.{module}").ActionModule
    is_handed = "read_handed" in text_of(f"plugins/modules/{module}.py")
    return dict(with_handed(action.spec) if is_handed else action.spec)


def comparable(options: Spec) -> Spec:
    """Those sides of options that documentation and argument_spec both tell, with Ansible's defaults spelled out."""
    return {
        name: {
            "type": option.get("type", "str"),
            "elements": option.get("elements"),
            "required": option.get("required", False),
            "default": option.get("default"),
            "choices": option.get("choices"),
            "aliases": option.get("aliases", []),
            "options": comparable(option.get("suboptions") or option.get("options") or {}),
        }
        for name, option in options.items()
    }


@pytest.mark.parametrize("module", MODULES)
def test_the_documented_options_are_those_of_the_argument_spec(module: str) -> None:
    documented = documentation()[f"{COLLECTION}.{module}"]["doc"].get("options", {})
    assert comparable(documented) == comparable(argument_spec(module))


def test_nothing_is_left_out_of_what_reviewers_check() -> None:
    """The rules for collections of the Ansible package forbid to ignore findings such as undocumented-parameter."""
    assert list(CHECKOUT.glob("tests/sanity/ignore-*.txt")) == []


# --- Tested, and documented ------------------------------------------------------------------------------------------


@cache
def text_of(*patterns: str) -> str:
    """All that these files say."""
    files = sorted(path for pattern in patterns for path in CHECKOUT.glob(pattern) if path != Path(__file__))
    return "\n".join(path.read_text() for path in files)


def is_told(name: str, *patterns: str) -> bool:
    """Whether a name stands by itself somewhere in these files."""
    return bool(re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text_of(*patterns)))


TESTS = ("tests/unit/**/*.py", "tests/integration/**/*.py", "tests/integration/playbooks/*.yml", "molecule/*/*.yml")
DOCUMENTS = ("README.md", "docs/*.md")


@pytest.mark.parametrize("name", sorted({*MODULES, *ROLES, *(f"{each}.yml" for each in PLAYBOOKS)}))
def test_every_module_role_and_playbook_is_tested_and_documented(name: str) -> None:
    assert is_told(name, *TESTS, "roles/*/tasks/*.yml")  # what a role calls is tested with it
    assert is_told(name, *DOCUMENTS)


def constants(node: ast.AST | None) -> set[str]:
    """The texts that an expression may be."""
    if isinstance(node, ast.IfExp):
        return constants(node.body) | constants(node.orelse)
    return {node.value} if isinstance(node, ast.Constant) and isinstance(node.value, str) else set()


def reasons_in(source: str) -> set[str]:
    """The reason codes that a planner may give."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Yield(value=ast.Tuple(elts=[reason, _])):
                found |= constants(reason)
            case ast.Assign(targets=[ast.Name(id="reason" | "REASON")]):
                found |= constants(node.value)
            case ast.Call(func=ast.Attribute(value=ast.Name(id="reasons"), attr="append"), args=[reason]):
                found |= constants(reason)
            case ast.Call(func=ast.Name(id="Action"), args=[_, reason, *_]):
                found |= constants(reason)
            case ast.FunctionDef(name="reason_of"):
                found |= {
                    text for each in ast.walk(node) if isinstance(each, ast.Return) for text in constants(each.value)
                }
    return found


def test_every_reason_code_is_tested_and_documented() -> None:
    given = reasons_in(
        text_of(
            "plugins/module_utils/_environment/plan.py",
            "plugins/module_utils/_python/surplus.py",
            "plugins/module_utils/_agent/installed.py",
        )
    )
    rows = re.findall(r"^\| (`[^|]*) \|[^|]*\|[^|]*\|$", text_of("docs/drift.md").partition("\n## ")[0], re.MULTILINE)
    documented = {code for row in rows for code in re.findall(r"`([a-z-]+)`", row)}

    assert given == documented
    assert [code for code in sorted(given) if not is_told(code, *TESTS)] == []


def test_every_reason_for_another_python_is_tested_and_documented() -> None:
    given = reasons_in(text_of("plugins/module_utils/_python/wanted.py"))
    section = text_of("docs/native_python.md").partition("\n## What is done, and why\n")[2].partition("\n## ")[0]
    documented = set(re.findall(r"^\| `([a-z-]+)` \|", section, re.MULTILINE))

    assert given == documented
    assert [code for code in sorted(given) if not is_told(code, *TESTS)] == []


def test_every_verdict_is_tested_and_documented() -> None:
    verdict = re.compile(r"(?:gpu|cpu)-[a-z-]+|(?:import|keras|training|model)-failed|crashed|timed-out")
    module = documentation()[f"{COLLECTION}.tensorflow_gpu_info"]["return"]["verdict"]["description"]
    documented = set(re.findall(r"V\((\S+)\): ", "\n".join(module)))
    tree = ast.parse(text_of("plugins/module_utils/_probe/[!_]*.py", "plugins/module_utils/_probe/programs/*.py"))
    given = {text for node in ast.walk(tree) for text in constants(node) if verdict.fullmatch(text)}

    assert given == documented
    assert [each for each in sorted(given) if not (is_told(each, *TESTS) and is_told(each, *DOCUMENTS))] == []


# --- Files -----------------------------------------------------------------------------------------------------------


def test_every_license_that_is_named_is_there() -> None:
    named = {
        name for path in our_files() for name in re.findall(rb"SPDX-License-Identifier: ([\w.-]+)", path.read_bytes())
    }
    assert {name.decode() for name in named} == {path.stem for path in CHECKOUT.glob("LICENSES/*.txt")}
    assert (CHECKOUT / "LICENSES/GPL-3.0-or-later.txt").read_bytes() == (CHECKOUT / "LICENSE").read_bytes()


def test_every_program_names_its_license() -> None:
    unlicensed = [
        str(path.relative_to(CHECKOUT))
        for path in our_files()
        if path.suffix in {".py", ".c", ".h", ".sh"}
        and path.stat().st_size
        and not any(LICENSE_LINE in line for line in path.read_text().splitlines()[:2])
    ]
    assert unlicensed == []


def test_what_modules_and_plugins_share_says_that_it_is_private() -> None:
    """The rules for collections of the Ansible package demand it of what others are not to import."""
    shared = [
        path for folder in ("module_utils", "plugin_utils") for path in CHECKOUT.glob(f"plugins/{folder}/**/*.py")
    ]
    assert shared
    silent = [path for path in shared if path.stat().st_size and "\n# PRIVATE: " not in path.read_text()]
    assert silent == []


@pytest.mark.parametrize("private", [CHECKOUT, Path.home()], ids=["checkout", "home"])
def test_no_file_names_a_path_of_the_machine_where_it_was_written(private: Path) -> None:
    mention = re.compile(rf"(?<![\w.~]){re.escape(str(private))}(?![\w-])".encode())
    assert [str(path.relative_to(CHECKOUT)) for path in our_files() if mention.search(path.read_bytes())] == []


CONFIGS = ["ansible.cfg", "examples/one-mac/ansible.cfg", "examples/awx/project/ansible.cfg"]


@pytest.mark.parametrize("config", CONFIGS)
def test_an_inventory_that_cannot_be_read_is_no_smaller_fleet(config: str) -> None:
    settings = ConfigParser()
    settings.read(CHECKOUT / config)
    assert settings.getboolean("inventory", "any_unparsed_is_failed")


@pytest.mark.parametrize("config", CONFIGS)
def test_a_mac_that_falls_asleep_is_noticed_within_a_minute(config: str) -> None:
    settings = ConfigParser()
    settings.read(CHECKOUT / config)
    options = dict(re.findall(r"-o (\w+)=(\w+)", settings["ssh_connection"]["ssh_args"]))
    assert int(options["ServerAliveInterval"]) * int(options["ServerAliveCountMax"]) <= 60
    # Keep-alives are the shared connection's. One that is dead must not be what the next run begins with.
    assert (options["ControlMaster"], int(options["ControlPersist"].rstrip("s")) <= 60) == ("auto", True)


# --- Versions --------------------------------------------------------------------------------------------------------


def test_every_supported_ansible_is_tested_for_each_change_and_each_week() -> None:
    workflow = load(".github/workflows/ci.yml")
    assert workflow["jobs"]["ansible-core"]["strategy"]["matrix"]["core"] == list(matrix.SUPPORTED)
    assert {"pull_request", "schedule"} <= workflow[True].keys()  # YAML takes `on` for true
    assert matrix.oldest_ansible().startswith(f"{min(matrix.SUPPORTED)}.")


def test_the_pinned_ansible_is_one_that_the_collection_supports() -> None:
    supported = SpecifierSet(load("meta/runtime.yml")["requires_ansible"])
    pins = re.findall(r"^ansible-core==(\S+)", (CHECKOUT / "requirements/controller.txt").read_text(), re.MULTILINE)
    assert pins
    assert all(supported.contains(pin) for pin in pins)
    environment = load("execution-environment.yml")["dependencies"]["ansible_core"]["package_pip"]
    assert environment.removeprefix("ansible-core==") in pins


def test_the_changelog_tells_of_this_version() -> None:
    released = load("changelogs/changelog.yaml")["releases"]
    told = [path.name for path in CHECKOUT.glob("changelogs/fragments/*.yml")]
    assert load("galaxy.yml")["version"] in released or told


@pytest.mark.parametrize("module", MODULES)
def test_nothing_was_added_in_a_version_that_is_not_out(module: str) -> None:
    added = documentation()[f"{COLLECTION}.{module}"]["doc"]["version_added"]
    assert SpecifierSet(f"<={load('galaxy.yml')['version']}").contains(added)
