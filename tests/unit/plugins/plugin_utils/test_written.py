# SPDX-License-Identifier: GPL-3.0-or-later
"""Options are called in messages what their user has called them."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._options import (
    ADDITIONAL,
    ASKING,
    DECLARATION,
    DELIVERY,
    ENVIRONMENTS,
    LOCKING,
    NATIVE_PYTHON,
    NETWORK,
    REPORTING,
    STOCKING,
    variables,
)
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._written import Written

TENSORFLOW, PYTHON = "metalfleet.tensorflow.tensorflow", "metalfleet.tensorflow.native_python"


def test_in_the_role_each_option_that_a_user_sets_has_its_variables_name() -> None:
    names = Written(ENVIRONMENTS, TENSORFLOW).spec
    assert {f"tensorflow_{name}" for name in DECLARATION} <= names.keys()
    assert {"native_python_source", "native_python_version", "native_python_archives"} <= names.keys()
    assert names.keys() - set(variables()) == {"on_failure"}
    names = Written({**NATIVE_PYTHON, **ADDITIONAL, **NETWORK, **DELIVERY}, PYTHON).spec
    assert names.keys() - {"additional"} == {f"native_python_{name}" for name in (*NATIVE_PYTHON, *NETWORK, *DELIVERY)}


@pytest.mark.parametrize(
    ("spec", "others"), [(ASKING, {"on_failure", "doctor"}), (LOCKING, set()), (STOCKING, set()), (REPORTING, set())]
)
def test_what_only_the_role_itself_sets_keeps_its_name(spec: dict[str, Any], others: set[str]) -> None:
    assert Written(spec, TENSORFLOW).spec.keys() - set(variables()) == others


@pytest.mark.parametrize("role", ["", "somebodys_role", "other.tensorflow.tensorflow"])
def test_in_a_users_own_task_an_option_has_its_own_name(role: str) -> None:
    written = Written(ENVIRONMENTS, role)
    assert written.spec == ENVIRONMENTS
    given = {"delivery": "index", "python": {"version": "3.12"}, "more": 1}
    assert written.given(given) == given


@pytest.mark.parametrize("role", ["", TENSORFLOW])
def test_what_was_given_comes_back(role: str) -> None:
    written = Written(ENVIRONMENTS, role)
    complete = {name: f"value of {name}" for name in ENVIRONMENTS if name != "python"}
    complete |= {"python": {name: f"value of {name}" for name in ENVIRONMENTS["python"]["options"]}}  # type: ignore[dict-item]
    assert written.options(written.given(complete)) == complete


def test_what_is_no_option_is_told_as_it_was_written() -> None:
    given = Written(ENVIRONMENTS, TENSORFLOW).given({"colour": 1, "delivery": 2, "python": {"verson": 3}})
    assert Written(ENVIRONMENTS, TENSORFLOW).given({"python": {}}) == {}
    assert given == {"colour": 1, "tensorflow_delivery": 2, "native_python_verson": 3}
