# SPDX-License-Identifier: GPL-3.0-or-later
"""Which pair a wish and a machine come to, and what is said where there is none."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._pairing import (
    BROKEN,
    DEFAULT,
    LINKS_ONLY,
    SUPPORTED,
    LiteRT,
    Machine,
    Pair,
    Wish,
    choose,
    find,
    is_version,
    python_for,
    refuse_unfit,
    refuse_unfit_litert,
    remark,
    why_not,
)
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._pairs import default_pair, read_pairs
from hypothesis import given
from hypothesis import strategies as st

PAIRS = read_pairs()
VERSIONS = [*sorted({pair.tensorflow for pair in PAIRS}), "2.18", "2.9", "3.0", ""]
PLUGINS = [*sorted({pair.metal for pair in PAIRS}), "1.2", "9.9", ""]  # "none", too
PYTHONS = ["", "3.8", "3.9", "3.10", "3.11", "3.12", "3.13", "3.14"]
MACOS = ["", "11.7.10", "12.0.1", "12.1", "12.4", "13.0", "15.6", "26.1"]


def names(pair: Pair) -> tuple[str, str]:
    return pair.tensorflow, pair.metal


@pytest.mark.parametrize(
    ("wish", "machine", "expected"),
    [
        (Wish(), Machine("3.12", "12.1"), ("2.18.1", "1.2.0")),
        (Wish(), Machine("3.9", "26.1"), ("2.18.1", "1.2.0")),
        (Wish(), Machine("3.11", "12.0.1"), ("2.17.1", "1.1.0")),  # whose wheels demand less than those of 1.2.0
        (Wish(), Machine("3.8", "12.6"), ("2.13.0", "1.0.1")),
        (Wish("2.17"), Machine("3.11", "14.0"), ("2.17.1", "1.1.0")),
        (Wish("2.17"), Machine("3.12", "14.0"), ("2.17.1", "1.2.0")),  # links, and is the only one for that Python
        (Wish("2.18.0"), Machine("3.12", "14.0"), ("2.18.0", "1.2.0")),
        (Wish("", "1.1.0"), Machine("3.10", "14.0"), ("2.17.1", "1.1.0")),
        (Wish("2.9", ""), Machine("3.10", "12.3"), ("2.9.2", "0.5.0")),
        (Wish("2.19"), Machine(), ("2.19.1", "1.2.0")),
    ],
)
def test_the_best_pair_for_a_machine(wish: Wish, machine: Machine, expected: tuple[str, str]) -> None:
    assert names(choose(PAIRS, wish, machine)) == expected


@pytest.mark.parametrize(
    ("wish", "machine", "expected"),
    [
        (Wish("2.20", "none"), Machine("3.13", "14.0"), "2.20.0"),
        (Wish("", "none"), Machine("3.9", "12.1"), "2.20.0"),
        (Wish("", "none"), Machine("3.12", "14.0"), "2.21.0"),
        (Wish("", "none"), Machine("3.14", "14.0"), "2.22.0rc0"),  # there is no other for that Python
        (Wish("2.22", "none"), Machine("3.12", "14.0"), "2.22.0rc0"),
        (Wish("2.12", "none"), Machine("3.11", "12.1"), "2.12.0"),
        (Wish("9.1", "none"), Machine("3.14", "12.1"), "9.1"),  # the index may know what the table does not yet
    ],
)
def test_tensorflow_alone(wish: Wish, machine: Machine, expected: str) -> None:
    assert names(choose(PAIRS, wish, machine)) == (expected, "none")


@pytest.mark.parametrize(
    ("wish", "machine", "words"),
    [
        (
            Wish("2.20.0"),
            Machine("3.12", "14.0"),
            r"does not link \(Library not loaded: .*60 symbols are missing\)\. .*metal: none.*allow_untested: true",
        ),
        (Wish("2.18.1", "1.1.0"), Machine("3.11", "14.0"), r"does not link \(.*__ZN.*Declare tensorflow: \"2\.18\.1\""),
        (
            Wish(),
            Machine("3.13", "14.0"),
            r'no wheels for Python 3\.13, only for 3\.9.*Declare python: "3\.12"; or declare metal: none',
        ),
        (Wish(), Machine("3.12", "11.6"), r"needs macOS 12\.\d or newer, not 11\.6\. Upgrade macOS .*\)\.$"),
        (Wish("2.9"), Machine("3.10", "11.7"), r"not 11\.7\. Upgrade macOS .*; or declare metal: none"),
        (Wish("2.9"), Machine("3.10", "12.1"), r'not 12\.1\. Declare tensorflow: "2\.11\.0".*oldest_macos: "13\.0"'),
        (Wish("3.1"), Machine("3.12", "14.0"), r"3\.1 with tensorflow-metal 1\.2\.0 is not in the pairing table"),
        (Wish("2.18.1", "9.9"), Machine("3.12", "14.0"), r"2\.18\.1 with tensorflow-metal 9\.9 is not in the pairing"),
        (
            Wish("2.18.1"),
            Machine("3.13", "14.0"),
            r'Declare python: "3\.12"\.$',  # without the plug-in there is no wheel for that Python either
        ),
        (
            Wish("2.18.1", "none"),
            Machine("3.13", "14.0"),
            r'without the plug-in has no wheels .* Declare tensorflow: "2\.20\.0"; or declare python: "3\.12"\.$',
        ),
        (Wish("1.15"), Machine("3.12", "14.0"), r"works; or set tensorflow_allow_untested"),
        (
            Wish("2.21.0", "0.1.0"),
            Machine("3.14", "14.0"),
            r'no Python for which both have wheels\. Leave out .* declare python: "3\.12", which gives TensorFlow',
        ),
        (Wish("", "1.1.0"), Machine("3.12", "14.0"), r'3\.12, only for 3\.9, .*"2\.18\.1" and metal: "1\.2\.0"'),
    ],
)
def test_a_pair_that_cannot_be_had(wish: Wish, machine: Machine, words: str) -> None:
    with pytest.raises(MetalfleetError, match=words):
        choose(PAIRS, wish, machine)


@given(
    st.builds(Wish, st.sampled_from(VERSIONS), st.sampled_from(PLUGINS)),
    st.builds(Machine, st.sampled_from(PYTHONS), st.sampled_from(MACOS)),
)
def test_whatever_is_wished_nobody_gets_what_does_not_work_and_the_remedy_can_be_followed(
    wish: Wish, machine: Machine
) -> None:
    remedy = ""
    try:
        pair = choose(PAIRS, wish, machine)
    except MetalfleetError as refusal:
        remedy = refusal.problem.remedy
    if remedy:
        assert_can_be_followed(remedy, wish, machine)
    elif wish.metal == "none" and pair not in PAIRS:
        assert not any(is_version(each.tensorflow, wish.tensorflow) for each in PAIRS)
    else:
        assert pair.links
        assert pair in PAIRS
        assert not machine.python or machine.python in pair.pythons
        assert is_version(pair.tensorflow, wish.tensorflow)
        assert is_version(pair.metal, wish.metal)


def assert_can_be_followed(remedy: str, wish: Wish, machine: Machine) -> None:
    """What it offers is available."""
    if offered := re.search(r'eclare tensorflow: "(.*?)" and metal: "(.*?)"', remedy):
        assert names(choose(PAIRS, Wish(*offered.groups()), machine)) == offered.groups()
    elif offered := re.search(r'eclare tensorflow: "(.*?)"', remedy):
        assert names(choose(PAIRS, Wish(offered[1], "none"), machine)) == (offered[1], "none")
    if "metal: none" in remedy:
        assert is_version(choose(PAIRS, Wish(wish.tensorflow, "none"), machine).tensorflow, wish.tensorflow)
    if best := re.search(r'^Leave out tensorflow and metal, and declare python: "(.*?)"', remedy):
        assert best[1] in choose(PAIRS, Wish(), Machine(best[1], machine.macos)).pythons
    elif python := re.search(r'declare python: "(.*?)"', remedy, re.IGNORECASE):
        assert python[1] in choose(PAIRS, wish, Machine(python[1]), allow_untested=True).pythons


@pytest.mark.parametrize(
    ("wish", "usual", "python"),
    [
        (Wish("2.18.1"), "3.12", ""),
        (Wish("2.12"), "3.12", "3.11"),
        (Wish("2.10"), "3.11", "3.10"),
        (Wish("", "0.5.0"), "3.12", "3.10"),
        (Wish("2.20"), "3.12", ""),  # nothing links with it, whatever the Python
        (Wish("7.0"), "3.12", ""),
    ],
)
def test_the_python_that_a_pair_needs(wish: Wish, usual: str, python: str) -> None:
    assert python_for(PAIRS, wish, usual) == python


def test_the_brave_get_what_they_ask_for_and_are_told() -> None:
    broken = choose(PAIRS, Wish("2.20.0"), Machine("3.12", "14.0"), allow_untested=True)
    assert broken.status == BROKEN
    assert re.search(
        r"2\.20\.0 with .*does not link.*because of tensorflow_allow_untested", remark(broken, allow_untested=True)
    )
    unknown = choose(PAIRS, Wish("3.1"), Machine("3.12", "14.0"), allow_untested=True)
    assert names(unknown) == ("3.1", "1.2.0")
    with pytest.raises(MetalfleetError, match=r"no wheels for Python 3\.13"):  # no courage makes a wheel
        choose(PAIRS, Wish(), Machine("3.13"), allow_untested=True)


def test_what_links_only_is_said() -> None:
    assert "only the probe tells" in remark(find(PAIRS, "2.19.1", "1.2.0"))
    assert [remark(pair) for pair in PAIRS if pair.status in (DEFAULT, SUPPORTED)] == [""] * sum(
        pair.status in (DEFAULT, SUPPORTED) for pair in PAIRS
    )
    assert {pair.status for pair in PAIRS if remark(pair)} == {LINKS_ONLY}


def test_what_is_not_known_of_a_machine_suits() -> None:
    assert not why_not(default_pair(), Machine())
    refuse_unfit(default_pair(), PAIRS, Machine())


def test_what_its_authors_have_withdrawn_is_chosen_for_nobody_who_did_not_ask_for_it() -> None:
    withdrawn = ("tensorflow 2.18.1: broken",)
    pairs = [replace(pair, withdrawn=withdrawn if pair.tensorflow == "2.18.1" else ()) for pair in PAIRS]
    assert choose(pairs, Wish("2.18"), Machine("3.12", "15.0")).tensorflow == "2.18.0"
    assert choose(pairs, Wish("2.18.1"), Machine("3.12", "15.0")).tensorflow == "2.18.1"
    with pytest.raises(MetalfleetError) as refused:
        choose(pairs, Wish("2.20"), Machine("3.12", "15.0"))
    assert "2.18.0" in str(refused.value)
    assert "2.18.1" not in str(refused.value)


RELEASES = [
    LiteRT("1.9", ("3.11", "3.12"), "13.3"),
    LiteRT("1.10", ("3.11", "3.12"), "13.3"),
    LiteRT("2.0", ("3.12", "3.13"), "14.0"),
    LiteRT("3.0", ("3.12", "3.13"), "15.2"),
]


@pytest.mark.parametrize(
    ("macos", "python", "remedy"),
    [
        ("14.6.1", "3.12", "Declare packages: [ai-edge-litert==2.0], or upgrade macOS."),
        ("13.4", "3.12", "Declare packages: [ai-edge-litert==1.10], or"),
        ("14.6.1", "3.11", "Declare packages: [ai-edge-litert==1.10], or"),
        ("13.4", "3.13", "Upgrade macOS: there is no LiteRT for this one."),
        ("12.7", "3.12", "tf.lite.Interpreter, in an environment for TensorFlow"),
    ],
)
def test_a_mac_that_is_too_old_for_litert_is_told_which_it_can_have(macos: str, python: str, remedy: str) -> None:
    with pytest.raises(MetalfleetError, match=f"LiteRT 3.0 needs macOS 15.2 or newer, not {macos}") as refused:
        refuse_unfit_litert(RELEASES[-1], RELEASES, Machine(python, macos))
    assert remedy in refused.value.problem.remedy


@pytest.mark.parametrize(
    ("release", "macos"), [(RELEASES[-1], "15.2"), (RELEASES[-1], "26.0"), (RELEASES[-1], ""), (LiteRT("9"), "12.0")]
)
def test_what_is_not_known_of_litert_is_not_held_against_it(release: LiteRT, macos: str) -> None:
    refuse_unfit_litert(release, RELEASES, Machine("3.12", macos))
