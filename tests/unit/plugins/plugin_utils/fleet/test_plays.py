# SPDX-License-Identifier: GPL-3.0-or-later
"""Which hosts the plays work on."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._fleet.plays import (
    NOBODY,
    REGISTERED,
    Fleet,
)

MACS = ["a", "b", "c", "d"]
GROUPS = {"tensorflow": MACS, "canary": ["x", "c"], "others": ["d", "x"]}
LOST: dict[str, Any] = {"tensorflow_report": {"unreachable": True}}
OK: dict[str, Any] = {"tensorflow_report": {"ok": True}}
BROKEN: dict[str, Any] = {"tensorflow_report": {"ok": False}}


def fleet(canary: str = "", pattern: str | None = None, **known: dict[str, Any]) -> Fleet:
    return Fleet(GROUPS, pattern, canary, lambda meant: list(GROUPS.get(meant, ())), lambda name: known.get(name, {}))


def test_everyone_is_the_group_or_what_was_given() -> None:
    assert fleet().everyone() == ["tensorflow"]
    assert fleet(pattern="others").everyone() == ["others"]
    with pytest.raises(MetalfleetError, match=r'no group "tensorflow".*-e tensorflow_hosts=PATTERN'):
        Fleet({}, None, "", lambda _: [], lambda _: {}).everyone()


@pytest.mark.parametrize("words", ["everyone", "canaries", "others", "unanswered"])
def test_a_pattern_that_no_host_matches_is_refused(words: str) -> None:
    with pytest.raises(MetalfleetError, match="tensorflow_hosts is 'typo', and no host of the inventory matches that"):
        getattr(fleet("1", "typo"), words)()


def test_canaries_are_those_of_their_group_first() -> None:
    assert fleet("1").canaries() == ["c", "a", "b", "d"]
    assert fleet("10%", "others").canaries() == ["x", "d"]


def test_without_a_canary_all_hosts_have_their_turn_at_once() -> None:
    assert (fleet().canaries(), fleet().others()) == (NOBODY, ["tensorflow"])


@pytest.mark.parametrize("canary", ["0", "-1", "x", "10 %", "1.5", "%", "0%", "true"])
def test_what_is_no_number_of_canaries_is_refused(canary: str) -> None:
    with pytest.raises(MetalfleetError, match="tensorflow_canary is .* Give a number of hosts"):
        fleet(canary).canaries()


def test_canaries_that_are_in_order_are_done() -> None:
    assert fleet("2", c=OK, a=LOST, b=BROKEN).others() == ["a", "b", "d"]
    assert fleet("9", a=OK, b=OK, c=OK, d=OK).others() == NOBODY


@pytest.mark.parametrize(("canary", "missing"), [("1", -1), ("2", 0), ("3", 1), ("50%", 0), ("10%", -1), ("100%", 2)])
def test_who_did_not_answer_is_no_canary(canary: str, missing: int) -> None:
    assert fleet(canary, c=OK, a=LOST, b=BROKEN).missing_canaries(MACS) == missing


@pytest.mark.parametrize("registered", REGISTERED)
def test_who_did_not_answer_is_asked_again(registered: str) -> None:
    gone = {registered: {"unreachable": True}}
    assert fleet(a=OK, b=LOST, c=gone).unanswered() == ["b", "c"]
    assert fleet(a=OK, b=BROKEN).unanswered() == NOBODY


ODD = ["Mac Bob", "m\u00e4c", "2001:db8::1", "x*", "!a", "&a", "~a", "a,b", "a[0]", "a[1:2]", "a.b", "$", "back\\slash"]


@pytest.mark.parametrize("name", [*ODD, "a", "Mac-1.example.com"])
def test_a_pattern_means_the_host_of_that_name_alone(name: str) -> None:
    inventory = InventoryManager(DataLoader(), sources=None)
    inventory.add_group("tensorflow")
    for each in [*ODD, "a", "axb", "Mac-1.example.com", "x1"]:
        inventory.add_host(each, "tensorflow")
    [pattern] = Fleet({"tensorflow": [name]}, None, "1", lambda _: [name], lambda _: {}).canaries()
    assert [str(each) for each in inventory.get_hosts([pattern])] == [name]
