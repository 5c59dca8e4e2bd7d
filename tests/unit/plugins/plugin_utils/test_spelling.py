# SPDX-License-Identifier: GPL-3.0-or-later
"""Which variables are taken for slips of ours, and which are nobody's business."""

from __future__ import annotations

import pytest
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._options import variables
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._spelling import distance, find_slip
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("tensorflow_enviroments", "tensorflow_environments"),
        ("tensorflow_environment", "tensorflow_environments"),
        ("tensorlow_root", "tensorflow_root"),
        ("tensorflow_index_ulr", "tensorflow_index_url"),
        ("tensorflow_link", "tensorflow_links"),
        ("tensorflow_host", "tensorflow_hosts"),
        ("native_pyhton_source", "native_python_source"),
        ("Tensorflow_root", "tensorflow_root"),
    ],
)
def test_a_name_that_is_nearly_right_is_a_slip(written: str, meant: str) -> None:
    assert find_slip(["ansible_host", written], variables()) == (written, meant)


@pytest.mark.parametrize(
    "name",
    [
        *variables(),
        "tensorflow_serving_port",
        "native_python",
        "tensorflow",
        "root",
        "__tensorflow_root",
        "ansible_user",
    ],
)
def test_other_names_are_nobodys_business(name: str) -> None:
    assert find_slip([name], variables()) is None


@given(st.sampled_from(variables()), st.data())
def test_any_two_letters_that_are_left_out_are_a_slip(name: str, data: st.DataObject) -> None:
    gone = data.draw(st.sets(st.integers(0, len(name) - 1), min_size=1, max_size=2))
    written = "".join(letter for place, letter in enumerate(name) if place not in gone)
    slip = find_slip([written], variables())
    if written in variables():
        assert slip is None
    else:
        assert written.startswith("_") or (slip and distance(written, slip[1]) <= 2)


@pytest.mark.parametrize(
    ("one", "other", "letters"),
    [("", "", 0), ("root", "rot", 1), ("rot", "root", 1), ("ulr", "url", 2), ("a", "abcd", 3)],
)
def test_the_distance_of_two_names(one: str, other: str, letters: int) -> None:
    assert distance(one, other) == letters
