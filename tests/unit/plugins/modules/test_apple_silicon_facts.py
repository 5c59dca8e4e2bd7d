# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from ansible.module_utils.testing import patch_module_args
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._facts import collect as engine
from ansible_collections.metalfleet.tensorflow.plugins.modules import apple_silicon_facts as module

from tests.simulated_mac.profile import Profile
from tests.unit.plugins.module_utils.facts import fake_mac

SCHEMA = json.loads((Path(__file__).parents[4] / "docs/apple_silicon_facts.schema.json").read_text())
TYPES = {"str": "string", "bool": "boolean", "int": "integer", "list": "array", "dict": "object"}


def run(capsys: pytest.CaptureFixture[str], **arguments: object) -> dict[str, Any]:
    """The module's result, run in this process."""
    with patch_module_args(arguments), pytest.raises(SystemExit):
        module.main()
    result: dict[str, Any] = json.loads(capsys.readouterr().out)
    return result


@pytest.fixture
def on(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Make this host one of the machines that are data."""

    def become(name: str) -> fake_mac.FakeCommands:
        profile = Profile.load(name)
        commands = fake_mac.commands(profile)
        monkeypatch.setattr(module, "Commands", lambda: commands)
        monkeypatch.setattr(engine, "running_kernel", lambda: fake_mac.kernel(profile))
        return commands

    return become


def test_the_real_host(capsys: pytest.CaptureFixture[str]) -> None:
    result = run(capsys)
    facts = result["ansible_facts"]["apple_silicon"]
    jsonschema.validate(facts, SCHEMA)
    assert [entry["path"] for entry in facts["disk"]] == [str(Path.home() / ".local/share/metalfleet")]
    assert not result.get("changed")
    assert "warnings" not in result


def test_check_mode_is_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    result = run(capsys, _ansible_check_mode=True)
    assert "skipped" not in result
    assert result["ansible_facts"]["apple_silicon"]["system"] == engine.running_kernel().system


@pytest.mark.parametrize(("gather", "metal"), [("quick", None), ("full", "Metal 4")])
def test_gather(capsys: pytest.CaptureFixture[str], on: Any, gather: str, metal: str | None) -> None:
    commands = on("m5-mbp14-24gb-macos26.6.2")
    facts = run(capsys, gather=gather)["ansible_facts"]["apple_silicon"]
    assert facts["gpu"]["metal"] == metal
    assert ("/usr/sbin/system_profiler" in commands.programs) == (gather == "full")


@pytest.mark.parametrize(
    "name", ["m1-air-16gb-macos12-translated", "m4-mini-16gb-macos15", "vm-gh-runner-macos14-arm64"]
)
def test_require_is_met(capsys: pytest.CaptureFixture[str], on: Any, name: str) -> None:
    on(name)
    assert run(capsys, require="apple_silicon")["ansible_facts"]["apple_silicon"]["is_apple_silicon"] is True


def test_require_is_not_met(capsys: pytest.CaptureFixture[str], on: Any) -> None:
    on("intel-i5-1038ng7-sysctl")
    assert run(capsys)["ansible_facts"]["apple_silicon"]["is_apple_silicon"] is False
    result = run(capsys, require="apple_silicon")
    assert result["failed"] is True
    assert result["apple_silicon"]["is_apple_silicon"] is False
    assert result["msg"] == (
        "A Mac with Apple Silicon is required, but this Mac has an Intel processor "
        "(Intel(R) Core(TM) i5-1038NG7 CPU @ 2.00GHz). Take this host out of the play, "
        "or set require to none to go on without this check."
    )


def test_roots(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    roots = [str(tmp_path), str(tmp_path / "not/yet/there")]
    disk = run(capsys, roots=roots)["ansible_facts"]["apple_silicon"]["disk"]
    assert [entry["path"] for entry in disk] == roots
    assert all(entry["free_bytes"] > 0 for entry in disk)


def documented() -> dict[str, Any]:
    returned: dict[str, Any] = yaml.safe_load(module.RETURN)
    facts: dict[str, Any] = returned["ansible_facts"]["contains"]["apple_silicon"]
    return facts


def of_schema(schema: dict[str, Any]) -> object:
    """A schema's tree of keys, with the type of each and whether it may be null."""
    types = schema.get("type", ["string", "null"] if None in schema.get("enum", ()) else "string")
    kinds = set(types if isinstance(types, list) else [types])
    inside = schema.get("properties") or schema.get("items", {}).get("properties") or {}
    return (kinds - {"null"}, "null" in kinds, {key: of_schema(value) for key, value in inside.items()})


def of_documentation(value: dict[str, Any]) -> object:
    """The same, as RETURN has it."""
    inside = {key: of_documentation(inner) for key, inner in value.get("contains", {}).items()}
    nullable = "V(null)" in str(value["description"])
    return ({TYPES[value["type"]]}, nullable, inside)


def test_the_documentation_agrees_with_the_schema() -> None:
    expected = {key: of_schema(value) for key, value in SCHEMA["properties"].items()}
    assert {key: of_documentation(value) for key, value in documented()["contains"].items()} == expected


def samples(value: dict[str, Any]) -> Any:
    """RETURN's samples, put together."""
    if "contains" not in value:
        return value["sample"]
    together = {key: samples(inner) for key, inner in value["contains"].items()}
    return [together] if value["type"] == "list" else together


def test_the_samples_are_such_facts() -> None:
    jsonschema.validate(samples(documented()), SCHEMA)
