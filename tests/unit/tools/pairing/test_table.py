# SPDX-License-Identifier: GPL-3.0-or-later
"""The pairing table: what is made of answers, and what a reviewer is shown."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._pairing import LiteRT, Pair
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._resolver import shipped_litert

from tools.link_check.check import Answer, Symbol
from tools.pairing.page import PAGE, render
from tools.pairing.table import Judgements, differences, pairs_of, read_judgements, read_table

JUDGEMENTS = Judgements(
    default={"tensorflow": "2.18.1", "metal": "1.2.0"},
    oldest_tensorflow="2.9",
    documented=[{"tensorflow": "2.18", "metal": "1.2"}],
    faults=[{"issue": "#1", "tensorflow": ["2.18"], "says": "x"}, {"issue": "#2", "metal": ["1.1"], "says": "y"}],
    others=[],
)


def answer(tensorflow: str, metal: str, python: str = "312", plugin_python: str = "", failure: str = "") -> Answer:
    return Answer(
        f"tensorflow-{tensorflow}-cp{python}-cp{python}-macosx_12_0_arm64.whl",
        f"tensorflow_metal-{metal}-cp{plugin_python or python}-cp{plugin_python or python}-macosx_12_0_arm64.whl",
        f"3.{python[1:]}",
        links=not failure,
        first_failure=failure,
        missing_libraries=(),
        missing_symbols=(Symbol("_x", "x", "y"),) if failure else (),
        least_macos="12.1",
    )


def test_a_row_says_what_all_wheels_of_a_pair_say() -> None:
    answers = [answer("2.18.1", "1.2.0", python) for python in ("39", "310", "312")]
    alone, pair = pairs_of([*answers, answer("2.18.1", "1.2.0", "313", plugin_python="312")], JUDGEMENTS, {})
    assert pair == Pair(
        "2.18.1", "1.2.0", "tensorflow", ("3.9", "3.10", "3.12"), "12.1", links=True, first_failure="",
        missing_symbols=0, status="default", faults=("#1",),
    )  # fmt: skip
    pythons = ("3.9", "3.10", "3.12", "3.13")
    assert alone == Pair("2.18.1", "none", "tensorflow", pythons, "12.0", links=True, status="supported")


def test_what_a_pair_is_good_for() -> None:
    answers = [answer("2.18.0", "1.2.0"), answer("2.19.1", "1.2.0"), answer("2.18.1", "1.1.0", failure="no")]
    assert [(pair.tensorflow, pair.metal, pair.status, pair.faults) for pair in pairs_of(answers, JUDGEMENTS, {})] == [
        ("2.18.0", "none", "supported", ()),
        ("2.18.0", "1.2.0", "supported", ("#1",)),
        ("2.18.1", "none", "supported", ()),
        ("2.18.1", "1.1.0", "broken", ()),
        ("2.19.1", "none", "supported", ()),
        ("2.19.1", "1.2.0", "links-only", ()),
    ]


def test_wheels_that_contradict_each_other_are_no_row() -> None:
    with pytest.raises(ValueError, match="link for some Pythons only"):
        pairs_of([answer("2.18.1", "1.2.0", "311"), answer("2.18.1", "1.2.0", failure="no")], JUDGEMENTS, {})


def test_what_was_withdrawn_is_in_the_table_and_on_the_page() -> None:
    withdrawn = {"tensorflow": {"2.18.1": "wrong; really"}, "tensorflow-metal": {"1.1.0": "old"}}
    answers = [answer("2.18.1", "1.2.0"), answer("2.18.0", "1.1.0"), answer("2.18.0", "1.2.0")]
    pairs = pairs_of(answers, JUDGEMENTS, withdrawn)
    assert [(pair.tensorflow, pair.metal, pair.withdrawn) for pair in pairs] == [
        ("2.18.0", "none", ()),
        ("2.18.0", "1.1.0", ("tensorflow-metal 1.1.0: old",)),
        ("2.18.0", "1.2.0", ()),
        ("2.18.1", "none", ("tensorflow 2.18.1: wrong; really",)),
        ("2.18.1", "1.2.0", ("tensorflow 2.18.1: wrong; really",)),
    ]
    assert [Pair.from_data(json.loads(json.dumps(pair.as_data()))) for pair in pairs] == pairs
    [said] = differences([replace(pairs[-1], withdrawn=())], [pairs[-1]])
    assert said.endswith("withdrawn was (), and is ('tensorflow 2.18.1: wrong; really',)")
    complete = [*pairs, *pairs_of([answer("2.18.1", "1.1.0")], JUDGEMENTS, {})]
    assert "\n- tensorflow 2.18.1: wrong; really\n" in render(complete, JUDGEMENTS, "")


def test_what_changed_is_shown() -> None:
    [alone, old, gone] = pairs_of([answer("2.18.1", "1.2.0"), answer("2.18.1", "1.3.0")], JUDGEMENTS, {})
    [_, new] = pairs_of([answer("2.22.0", "1.2.0", failure="no")], JUDGEMENTS, {})
    assert list(differences([alone, old, gone], [replace(old, status="supported"), new])) == [
        "- TensorFlow 2.18.1 without the plug-in: is not in the index any more",
        "! TensorFlow 2.18.1 with tensorflow-metal 1.2.0: status was 'default', and is 'supported'",
        "- TensorFlow 2.18.1 with tensorflow-metal 1.3.0: is not in the index any more",
        "+ TensorFlow 2.22.0 with tensorflow-metal 1.2.0: broken",
    ]


def test_the_table_and_the_page_that_are_here_agree() -> None:
    checked, pairs, litert = read_table()
    assert [read_judgements().judge(pair) for pair in pairs] == pairs
    assert render(pairs, read_judgements(), checked, litert) == PAGE.read_text()


def test_the_default_pair_links() -> None:
    _, pairs, _ = read_table()
    [default] = [pair for pair in pairs if pair.status == "default"]
    assert default.links
    assert default.pythons == ("3.9", "3.10", "3.11", "3.12")


def test_litert_needs_the_macos_that_its_libraries_were_built_for() -> None:
    """The wheels' names say macOS 12."""
    _, _, releases = read_table()
    [shipped] = [each for each in releases if each.version == shipped_litert().version]
    assert shipped.least_macos == "15.2"
    assert set(shipped_litert().pythons) <= set(shipped.pythons)
    assert [LiteRT.from_data(json.loads(json.dumps(each.as_data()))) for each in releases] == releases
