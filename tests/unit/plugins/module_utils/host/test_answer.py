# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of a host in one go."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._commands import Commands
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.apply import converge
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.build import Builder, Source
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.declaration import (
    Declaration,
    EnvironmentFailed,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._host import answer as engine

from tests.wheels import lock_of, make_wheel

if TYPE_CHECKING:
    from collections.abc import Callable

UV = Path(sys.executable).with_name("uv")
PLATFORM = "macos-arm64-py3.12"


@pytest.fixture
def declaration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Declaration:
    """One environment, built and in order."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    lock = lock_of(make_wheel(tmp_path / "wheels", "alpha"))
    declared = Declaration("tf", tmp_path / "root", tmp_path / "links", Path(sys.executable).resolve(), lock)
    converge(Builder(declared, UV, Source(wheels=str(tmp_path / "wheels")), Commands(), machine=""), check_mode=False)
    return declared


@pytest.fixture
def probe() -> Callable[[Declaration], dict[str, Any]]:
    return lambda declared: {"ok": True, "verdict": f"probed {declared.name}"}


def test_what_is_in_order_is_probed(declaration: Declaration, probe: engine.Probe) -> None:
    (answer,) = engine.look([declaration], probe)
    assert answer.as_data()["reasons"] == []
    assert answer.proof == {"ok": True, "verdict": "probed tf"}


def test_what_has_drifted_is_not_probed(declaration: Declaration, probe: engine.Probe) -> None:
    next(declaration.link.glob("lib/python3.*/site-packages/alpha/__init__.py")).unlink()
    (answer,) = engine.look([declaration], probe)
    assert answer.as_data()["reasons"] == ["file-missing"]
    assert answer.proof is None


def test_nothing_is_probed_where_the_user_leaves_it_out(declaration: Declaration) -> None:
    (answer,) = engine.look([declaration], None)
    assert answer.proof is None


def test_the_digest_of_a_lock_serves_as_well_as_its_text(declaration: Declaration, tmp_path: Path) -> None:
    places = {"root": str(declaration.root), "links": str(declaration.links), "python": str(declaration.python)}
    asked = {"name": "tf", "lock_digests": {PLATFORM: declaration.lock_sha256}}
    (declared,) = engine.declare_all([asked], places, PLATFORM)
    (answer,) = engine.look([declared], None)
    assert answer.plan.actions == ()


def test_a_platform_without_a_lock_is_named() -> None:
    asked = {"name": "tf", "lock_digests": {"linux-x86_64-py3.11": "aa"}}
    with pytest.raises(EnvironmentFailed, match=r"no lock for macos-arm64-py3\.12 .*there are: linux-x86_64-py3\.11"):
        engine.declare_all([asked], {}, PLATFORM)


def test_an_own_lock_serves_any_platform() -> None:
    (declared,) = engine.declare_all([{"name": "tf", "lock_digests": {"any": "aa"}}], {}, PLATFORM)
    assert declared.lock_sha256 == "aa"


def test_an_environment_that_shall_go_needs_no_lock() -> None:
    (declared,) = engine.declare_all([{"name": "tf", "state": "absent"}], {}, PLATFORM)
    assert declared.state == "absent"


def test_of_a_host_without_python_everything_is_foreseen() -> None:
    environments: list[dict[str, Any]] = [{"name": "tf", "lock_digests": {}}, {"name": "old", "state": "absent"}]
    foreseen = engine.foresee(engine.declare_all(environments, {}, None))
    assert foreseen["answered"] is False
    assert foreseen["native_python"] == ["absent"]
    assert {each["name"]: each["reasons"] for each in foreseen["environments"]} == {"tf": ["absent"], "old": []}


def test_reasons_are_those_of_all_each_once() -> None:
    summary = engine.summarise(["uv"], [{"reasons": ["absent", "unfinished"]}, {"reasons": ["absent"]}])
    assert summary["reasons"] == ["uv", "absent", "unfinished"]
