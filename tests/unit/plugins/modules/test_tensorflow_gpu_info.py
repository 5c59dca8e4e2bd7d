# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module adds to the probe: options in, results out, and a clear failure where there is nothing to probe."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.testing import patch_module_args
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._options import GPU
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe import run as engine
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe.diagnosis import Diagnosis
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe.programs.tensorflow import STAGES
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe.rules import RULES
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe.verdict import SATISFYING, Stage
from ansible_collections.metalfleet.tensorflow.plugins.modules import tensorflow_gpu_info

from tests.hanging import ask_until

MakeEnvironment = Callable[[str], Path]

RETURN = yaml.safe_load(tensorflow_gpu_info.RETURN)


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Callable[..., dict[str, Any]]:
    """Run the module as Ansible would; the answer has `rc` added."""

    def run(**options: object) -> dict[str, Any]:
        with patch_module_args(options), pytest.raises(SystemExit) as ended:
            tensorflow_gpu_info.main()
        answer: dict[str, Any] = json.loads(capfd.readouterr().out)
        return answer | {"rc": ended.value.code}

    return run


@pytest.mark.parametrize("check_mode", [False, True])
def test_a_bad_verdict_is_a_result_not_a_failure(
    run: Callable[..., dict[str, Any]], make_environment: MakeEnvironment, check_mode: bool
) -> None:
    environment = make_environment("raise RuntimeError('the moon is full')")

    answer = run(environment=str(environment), _ansible_check_mode=check_mode)

    assert (answer["rc"], answer["changed"]) == (0, False)
    assert (answer["verdict"], answer["ok"], answer["gpu_visible"]) == ("import-failed", False, False)
    assert answer["diagnosis"]["evidence"].endswith("the moon is full")
    assert [stage["name"] for stage in answer["stages"]] == ["start", "import"]


def test_the_options_reach_the_probe(run: Callable[..., dict[str, Any]], make_environment: MakeEnvironment) -> None:
    hides_gpus = """
        import time
        from types import SimpleNamespace
        __version__ = "2.18.1"
        sysconfig = SimpleNamespace(get_build_info=dict)
        config = SimpleNamespace(
            set_soft_device_placement=lambda enabled: None,
            set_visible_devices=lambda devices, kind: time.sleep(600),
        )
    """

    environment, limits = str(make_environment(hides_gpus)), list[int]()

    def ask(limit: int) -> dict[str, Any]:
        limits.append(limit)
        return run(environment=environment, gpu="none", timeout=limit)

    answer = ask_until(lambda found: found["stages"][-1]["name"] == "import", ask, 1)

    assert (answer["verdict"], answer["stages"][-1]["name"]) == ("timed-out", "import")
    assert f"after {limits[-1]} s" in answer["diagnosis"]["evidence"]


def test_the_users_home_may_be_written_short(
    run: Callable[..., dict[str, Any]], make_environment: MakeEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = make_environment("raise RuntimeError")
    monkeypatch.setenv("HOME", str(environment.parent))

    assert run(environment="~/environment")["verdict"] == "import-failed"


def test_where_there_is_no_environment_it_fails(run: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    answer = run(environment=str(tmp_path / "none"))

    assert (answer["rc"], answer["failed"]) == (1, True)
    assert f"There is no environment {tmp_path}/none. Name the folder of one" in answer["msg"]


def test_all_that_is_returned_is_documented() -> None:
    def names(part: type) -> set[str]:
        return {field.name for field in fields(part)}

    assert RETURN.keys() == names(engine.ProbeResult)
    assert RETURN["stages"]["contains"].keys() == names(Stage)
    assert RETURN["devices"]["contains"].keys() == names(engine.Device)
    assert RETURN["diagnosis"]["contains"].keys() == names(Diagnosis)


def test_all_verdicts_and_demands_are_documented() -> None:
    bad = {*STAGES.values(), *(verdict for rule in RULES for verdict in rule.verdicts)}
    good = {verdict for verdicts in SATISFYING.values() for verdict in verdicts}
    documented = re.findall(r"^V\(([\w-]+)\):", "\n".join(RETURN["verdict"]["description"]), re.MULTILINE)

    assert set(documented) == bad | good
    assert list(SATISFYING) == GPU


def test_all_stages_are_documented() -> None:
    documented = re.findall(
        r"^V\(([\w-]+)\):", "\n".join(RETURN["stages"]["contains"]["name"]["description"]), re.MULTILINE
    )

    assert documented == list(STAGES)
