# SPDX-License-Identifier: GPL-3.0-or-later
"""Entries of a ledger as real hosts leave them, and as a hostile one would; and the schemas that they are held to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._fleet.hosts import DAY
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._fleet.ledger import with_attempt, with_report
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

DOCS = Path(__file__).parents[1] / "docs"
NOW = 1_796_000_000.0
"""29 November 2026, in the evening."""

HOSTILE = (
    *("<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "\"'><svg/onload=alert(1)>", "</style></title>"),
    *(
        '=HYPERLINK("http://evil.example")',
        "@SUM(1)",
        'x;=HYPERLINK("http://evil.example");"@SUM(1)"; -1',
        "\x1b[2J\x1b[31mred",
        "\u202egnp.exe",
        "a\x00b\x07\x0b",
        "\ud800",
    ),
    *("{{ 7 * 7 }}", "]]>", "\n\rTwo lines", 'x"} 1\nmetalfleet_evil 1', "&lt;b&gt;", "A" * 100_000),
)


def schema(name: str) -> Draft202012Validator:
    """The validator for a schema of docs/, which may name the others."""
    contents = {path.name: json.loads(path.read_text()) for path in DOCS.glob("*.schema.json")}
    registry: Registry[Any] = Registry().with_resources(
        (each, Resource.from_contents(content)) for each, content in contents.items()
    )
    return Draft202012Validator(contents[name], registry=registry)


def assert_entry_is_valid(entry: dict[str, Any]) -> None:
    """An entry is what docs/ledger.schema.json says."""
    assert [error.message for error in schema("ledger.schema.json").iter_errors(entry)] == []


def assert_fleet_is_valid(fleet: dict[str, Any]) -> None:
    """A fleet's JSON is what docs/fleet.schema.json says."""
    assert [error.message for error in schema("fleet.schema.json").iter_errors(fleet)] == []


def facts(chip: str = "Apple M2 Pro", cores: int = 19, macos: str = "15.6", free: int = 200) -> dict[str, Any]:
    """The facts of a Mac."""
    return {
        "is_apple_silicon": True,
        "system": "Darwin",
        "architecture": "arm64",
        "chip": {"name": chip, "family": "M", "generation": 2, "tier": "pro"},
        "cores": {"total": 12, "levels": None},
        "gpu": {"model": chip, "cores": cores, "metal": "Metal 3", "paravirtual": False, "count": 1},
        "memory_bytes": 16 * 2**30,
        "model": "Mac14,9",
        "macos": {"version": macos, "extra": None, "build": "24G84", "darwin": "24.6.0"},
        "virtual_machine": {"is_virtual": False, "kind": None},
        "rosetta": {"installed": False, "translated": False},
        "command_line_tools": {"present": False, "path": None, "broken": False},
        "homebrew": [],
        "pythons": [],
        "gui_session": True,
        "disk": [{"path": "/Users/ada", "free_bytes": free * 2**30}],
        "user_site_plugins": [],
        "nvidia": {"present": False, "driver": None, "gpus": None, "device_nodes": []},
        "conda": [],
        "unknown": [],
    }


def probe(verdict: str = "gpu-ok", speed: float | None = None) -> dict[str, Any]:
    """What a probe found."""
    ok = verdict == "gpu-ok"
    diagnosis = {"cause": "The GPU is gone", "evidence": "no devices", "remedy": "Restart the Mac", "source": ""}
    return {
        "verdict": verdict,
        "ok": ok,
        "text": f"{verdict}, TensorFlow 2.18.1, plug-in 1.2.0.",
        "gpu_visible": ok,
        "devices": [{"name": "/physical_device:GPU:0", "description": "Apple M2 Pro"}],
        "tensorflow": "2.18.1",
        "litert": None,
        "plugin": "1.2.0",
        "stages": [{"name": "import", "state": "ok", "seconds": 1.5, "error": None}],
        "without_kernel": [],
        "faults": [],
        "speed": {} if speed is None else {"gpu": {"matmul": speed, "conv2d": None}},
        "session": "own",
        "diagnosis": None if ok else diagnosis,
        "log": [],
        "duration": 2.5,
        "left_out": [],
        "macos": "15.6",
    }


def environment(name: str = "tensorflow", *reasons: str, ok: bool = True, **changed: Any) -> dict[str, Any]:
    """One environment of a report."""
    plan = [{"do": "build", "reason": reason, "evidence": f"{reason} it is", "target": "2"} for reason in reasons]
    found = changed.pop("probe", probe() if ok else None)
    return {
        "name": name,
        "state": "present",
        "path": f"/Users/ada/.virtualenvs/{name}",
        "reasons": list(reasons),
        "plan": plan,
        "verdict": found["verdict"] if found else None,
        "probe": found,
        "problem": None,
        "ok": ok,
        "text": f"{name}: {'gpu-ok' if ok else 'has drifted'}.",
        "warnings": [],
        **changed,
    }


def report(*environments: dict[str, Any], **changed: Any) -> dict[str, Any]:
    """A host's report."""
    told = list(environments) or [environment()]
    return {
        "ok": all(each["ok"] for each in told),
        "changed": False,
        "text": [each["text"] for each in told],
        "todo": "nothing",
        "reasons": list(dict.fromkeys(reason for each in told for reason in each["reasons"])),
        "platform": "macos-arm64-py3.12",
        "managed_python": {"reasons": [], "surplus": [], "minors": []},
        "environments": told,
        "apple_silicon": facts(),
        **changed,
    }


DRIFTED = report(environment("tensorflow", "file-damaged", ok=False))
BROKEN = report(environment(ok=False, probe=probe("gpu-missing"), text="tensorflow: gpu-missing. The GPU is gone."))
REPAIRED = report(environment("tensorflow", "file-missing"), changed=True)


def entry_of(told: dict[str, Any], days: float = 0.1) -> dict[str, Any]:
    """The entry of a host that answered some days ago."""
    return with_report({}, told, NOW - days * DAY)


def asleep(told: dict[str, Any], days: float) -> dict[str, Any]:
    """The entry of a host that answered some days ago, and did not today."""
    return with_attempt(entry_of(told, days), "unreachable", "Connection timed out", NOW)


def some_fleet(count: int) -> dict[str, dict[str, Any]]:
    """Entries by host, of every kind; none of them is hostile."""
    return {f"mac-{number}.example.com": _some_entry(number) for number in range(count)}


CHIPS = (("Apple M1", 8), ("Apple M2 Pro", 19), ("Apple M4", 10), ("Apple M3 Ultra", 80))
SLOW = 97
"""Every so-maniest host has a GPU that is slower than those of its kind."""


def _some_entry(number: int) -> dict[str, Any]:
    chip, cores = CHIPS[number % len(CHIPS)]
    speed = cores * (150 + number % 7) * (0.5 if number % SLOW == 3 else 1)
    known = {"apple_silicon": facts(chip, cores, f"15.{number % 7}", 20 + number % 300)}
    told = report(environment(probe=probe(speed=speed)), **known)
    if number % 40 == 10:
        return entry_of({**DRIFTED, **known})
    if number % 40 == 20:
        return entry_of({**BROKEN, **known})
    return asleep(told, 2 + number % 9) if number % 40 == 30 else entry_of(told, number % 5)


def hostile_values() -> list[Any]:
    """What a host may put in the place of anything."""
    return [*HOSTILE, None, [], {}, [[]], 10**30, float("nan"), -1, True, {"a": {"b": []}}, [None, 3, "x"]]


def with_everything_hostile(value: Any, evil: Any) -> list[Any]:
    """Data with one part after the other replaced."""
    if isinstance(value, dict):
        return [
            {**value, key: changed}
            for key, each in value.items()
            for changed in [evil, *with_everything_hostile(each, evil)]
        ]
    if isinstance(value, list):
        return [
            [*value[:place], changed, *value[place + 1 :]]
            for place, each in enumerate(value)
            for changed in [evil, *with_everything_hostile(each, evil)]
        ]
    return []
