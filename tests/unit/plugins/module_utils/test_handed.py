# SPDX-License-Identifier: GPL-3.0-or-later
"""What a module is handed by its action: the whole document, valid to its last key, and no word of it said again."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._handed import to_hand
from ansible_collections.metalfleet.tensorflow.plugins.modules import (
    python_environment,
    tensorflow_agent,
    tensorflow_environments,
    tensorflow_environments_info,
)

MODULES = [
    (python_environment, {"name": "edge"}),
    (tensorflow_agent, {}),
    (tensorflow_environments, {}),
    (tensorflow_environments_info, {}),
]
SECRET = "open sesame"


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Callable[..., dict[str, Any]]:
    """Run a module as Ansible would."""

    def run(module: ModuleType, options: dict[str, Any]) -> dict[str, Any]:
        with patch_module_args(options), pytest.raises(SystemExit):
            module.main()
        answer: dict[str, Any] = json.loads(capfd.readouterr().out)
        return answer

    return run


@pytest.mark.parametrize(("module", "required"), MODULES)
def test_a_module_without_its_action_says_so(
    run: Callable[..., dict[str, Any]], module: ModuleType, required: dict[str, Any]
) -> None:
    answer = run(module, required)
    assert answer["failed"]
    assert "started without its action" in answer["msg"]


@pytest.mark.parametrize(("module", "required"), MODULES)
@pytest.mark.parametrize("wrong", [{"colour": "red"}, {"probe_timeout": "soon"}, {"environments": [{"nam": "x"}]}])
def test_what_is_handed_is_valid_to_its_last_key(
    run: Callable[..., dict[str, Any]], module: ModuleType, required: dict[str, Any], wrong: dict[str, Any]
) -> None:
    answer = run(module, {**required, **to_hand({**required, **wrong})})
    assert answer["failed"]
    assert "is not valid" in answer["msg"]


@pytest.mark.parametrize(("module", "required"), MODULES)
def test_secrets_are_not_said_again(
    run: Callable[..., dict[str, Any]], module: ModuleType, required: dict[str, Any]
) -> None:
    handed = {**required, "password": SECRET, "root": f"/Users/ada/Desktop/{SECRET}"}  # the refusal tells the folder
    answer = run(module, {**required, **to_hand(handed)})
    assert answer["failed"]
    assert "Choose another folder" in answer["msg"]
    assert SECRET not in json.dumps(answer)
