# SPDX-License-Identifier: GPL-3.0-or-later
"""A GPU that macOS offers only to the session at the Mac's screen: where that is tried, and what is said of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._facts.types import Facts
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe import run, screen
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe.run import ProbeResult
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe.screen import way_to_screen
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe.verdict import Demand

from tests.conftest import MakeEnvironment
from tests.unit.plugins.module_utils.probe.failures import HEADLESS_MAC, LINUX, MAC, VIRTUAL_MAC, mac

WAY = ("/usr/bin/env", "AT_SCREEN=1")
"""Stands in for launchctl."""

TENSORFLOW = """
    import os
    from types import SimpleNamespace

    __version__ = "2.18.1"
    gpus = [SimpleNamespace(name="/physical_device:GPU:0")] if os.environ.get("AT_SCREEN") else []

    def create(kind):
        raise RuntimeError("it cannot be opened")

    sysconfig = SimpleNamespace(get_build_info=dict)
    config = SimpleNamespace(
        set_soft_device_placement=lambda enabled: None,
        list_physical_devices=lambda kind: gpus,
        list_logical_devices=create,
    )
"""


@pytest.fixture
def with_plugin(make_environment: MakeEnvironment) -> Path:
    """An environment that lists a GPU at the screen only, and cannot open it."""
    environment = make_environment(TENSORFLOW)
    site_packages = next(environment.glob("lib/python3*/site-packages"))
    (site_packages / "tensorflow-plugins").mkdir()
    (site_packages / "tensorflow-plugins/libmetal_plugin.dylib").touch()
    info = site_packages / "tensorflow_metal-1.2.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tensorflow-metal\nVersion: 1.2.0\n")
    return environment


def probe(environment: Path, monkeypatch: pytest.MonkeyPatch, way: tuple[str, ...], facts: Facts = MAC) -> ProbeResult:
    monkeypatch.setattr(run, "way_to_screen", lambda _facts: way)
    return run.probe(environment, Demand("required"), facts=facts)


def test_what_gets_further_at_the_screen_is_the_result(with_plugin: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = probe(with_plugin, monkeypatch, WAY)

    assert (result.verdict, result.session, result.stages[-1].name) == ("gpu-unusable", "screen", "create")
    assert "the session at the Mac's screen, where the probe ran (`/usr/bin/env AT_SCREEN=1`)" in result.text


def test_what_ends_no_better_at_the_screen_is_said_once(with_plugin: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = probe(with_plugin, monkeypatch, ("/usr/bin/env",))

    assert (result.verdict, result.session, result.stages[-1].name) == ("gpu-missing", "own", "list")
    assert "In the session at the Mac's screen (`/usr/bin/env`) it ended no better." in result.text
    assert result.duration > sum(stage.seconds for stage in result.stages)


def test_a_session_that_is_closed_to_the_probe_is_named(with_plugin: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse = "echo 'Could not switch to audit session 0x1: 1: Operation not permitted' >&2; exit 1"

    result = probe(with_plugin, monkeypatch, ("/bin/sh", "-c", refuse))

    assert (result.verdict, result.session) == ("gpu-missing", "own")
    assert "said: Could not switch to audit session 0x1: 1: Operation not permitted." in result.text
    assert result.diagnosis
    assert result.diagnosis.text in result.text


@pytest.mark.parametrize(
    ("source", "way"),
    [("raise RuntimeError('the moon is full')", WAY), (TENSORFLOW, ())],
    ids=["another failure", "no way there"],
)
def test_otherwise_it_is_not_tried(
    make_environment: MakeEnvironment, monkeypatch: pytest.MonkeyPatch, source: str, way: tuple[str, ...]
) -> None:
    result = probe(make_environment(source), monkeypatch, way)

    assert "at the Mac's screen" not in result.text
    assert result.session == "own"


@pytest.mark.parametrize("facts", [MAC, VIRTUAL_MAC])
@pytest.mark.parametrize("user", [0, 501])
def test_root_and_who_is_logged_in_may_go_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, facts: Facts, user: int
) -> None:
    console = tmp_path / "console"
    console.touch()
    monkeypatch.setattr(screen, "CONSOLE", console)
    monkeypatch.setattr(os, "geteuid", lambda: 0 if user == 0 else console.stat().st_uid)

    assert way_to_screen(facts) == ("/bin/launchctl", "asuser", str(console.stat().st_uid))


@pytest.mark.parametrize("facts", [None, LINUX, HEADLESS_MAC, mac(gui_session=None)])
def test_there_is_no_way_where_nobody_is(facts: Facts | None) -> None:
    assert way_to_screen(facts) == ()


def test_another_user_may_not_go_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(screen, "CONSOLE", tmp_path)
    monkeypatch.setattr(os, "geteuid", lambda: tmp_path.stat().st_uid + 1)

    assert way_to_screen(MAC) == ()


def test_a_lost_console_is_nobodys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(screen, "CONSOLE", tmp_path / "none")

    assert way_to_screen(MAC) == ()
