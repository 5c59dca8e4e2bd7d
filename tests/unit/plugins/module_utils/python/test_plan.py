# SPDX-License-Identifier: GPL-3.0-or-later
"""The one planner for the managed Python, as a host and as the controller use it."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._python.plan import (
    Interpreter,
    Request,
    Seen,
    make_plan,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._python.wanted import Linked

ROOT = Path("/r")
UV = "/r/uv/0.13.9/bin/uv"
STANDALONE = "/r/python/cpython-3.12.16+1/bin/python3.12"
PINS = {"3.12": {"version": "3.12.16", "build": 1}}
NOTHING = Linked("", False, "", "", False)


def request(source: str = "standalone", version: str = "3.12", existing: str = "") -> Request:
    return Request(source, version, "0.13.9", PINS, existing, ("3.11", "3.10"))


def linked(python: str, version: str = "3.12.16", damage: str = "") -> Linked:
    return Linked(python, True, version, UV, True, damage)


def found(path: str, version: str = "3.12.16") -> Interpreter:
    return Interpreter(path, version, f"{path}-itself")


@pytest.mark.parametrize(
    ("seen", "wanted", "reasons"),
    [
        (NOTHING, request(), ("absent", "uv")),
        (linked(STANDALONE), request(), ()),
        (linked("/p"), request(), ("interpreter-changed",)),
        (linked(STANDALONE, damage="lib/x"), request(), ("interpreter-damaged",)),
        (linked("/any/python3.9", "3.9.1"), request("existing"), ()),
        (linked("/any/python3.9"), request("existing", existing="/p"), ("interpreter-changed",)),
    ],
)
def test_a_host_judges_by_its_links_and_never_says_that_something_must_be_brought(
    seen: Linked, wanted: Request, reasons: tuple[str, ...]
) -> None:
    made = make_plan(Seen(ROOT, "Darwin", seen), wanted)
    assert (made.reasons, made.is_there) == (reasons, True)


@pytest.mark.parametrize("seen", [NOTHING, linked(STANDALONE), linked("/p"), linked(STANDALONE, damage="lib/x")])
def test_host_and_controller_say_the_same_of_what_is_there(seen: Linked) -> None:
    usable = () if seen.damage else (found(STANDALONE),)
    by_host = make_plan(Seen(ROOT, "Darwin", seen), request())
    by_controller = make_plan(Seen(ROOT, "Darwin", seen, usable), request())
    assert by_host.reasons == by_controller.reasons
    assert by_controller.is_there == (not seen.damage)


def test_what_is_linked_but_of_no_use_must_be_brought() -> None:
    made = make_plan(Seen(ROOT, "Darwin", linked(STANDALONE), ()), request())
    assert (made.reasons, made.is_there, made.python) == (("interpreter-missing",), False, STANDALONE)


def test_the_best_of_several_is_linked_elsewhere_by_its_own_name() -> None:
    seen = (found("/a", "3.9.1"), found("/b", "3.10.1"), found("/c", "3.11.2"), found("/d", "3.11.1"))
    assert make_plan(Seen(ROOT, "Darwin", NOTHING, seen), request("existing")).python == "/c"
    assert make_plan(Seen(ROOT, "Linux", NOTHING, seen), request()).python == "/c-itself"


def test_one_that_is_linked_is_kept_while_it_is_whole_and_of_the_best_minor_version() -> None:
    seen = (found("/b", "3.12.9"), found("/c", "3.12.10"))
    assert make_plan(Seen(ROOT, "Darwin", linked("/b", "3.12.9"), seen), request("existing")).reasons == ()
    assert make_plan(Seen(ROOT, "Darwin", linked("/b", "3.9.1"), seen), request("existing")).python == "/c"
    damaged = linked("/b", "3.12.9", damage="lib/x")
    assert make_plan(Seen(ROOT, "Darwin", damaged, seen[1:]), request("existing")).python == "/c"


@pytest.mark.parametrize("candidates", [None, ()])
def test_a_minor_version_without_a_pin_is_an_error_for_people(candidates: tuple[Interpreter, ...] | None) -> None:
    with pytest.raises(MetalfleetError, match=r"no pinned Python 3\.13 .*There are: 3\.12\. .*native_python_archives"):
        make_plan(Seen(ROOT, "Darwin", NOTHING, candidates), request(version="3.13"))
