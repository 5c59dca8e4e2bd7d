# SPDX-License-Identifier: GPL-3.0-or-later
"""The agent's document: what is whole and known is followed, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._agent.document import (
    SCHEMA,
    content_of,
    document_for,
    parse,
    read,
    write,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError

CONTENT = content_of({"root": "~/x", "links": "~/y", "environments": []}, {"battery": 40})


def test_what_it_says_does_not_depend_on_when_it_was_written() -> None:
    first, second = parse(write(CONTENT, 1)), parse(write(CONTENT, 2))
    assert (first.serial, second.serial) == (1, 2)
    assert first.digest == second.digest
    assert parse(write(content_of({}, {}), 1)).digest != first.digest


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "damaged"),
        (b"[]", "damaged"),
        (b"{}", "damaged"),
        (b"[" * 100_000, "damaged"),
        (write(CONTENT, 1)[:-9], "damaged"),
        (write(CONTENT, 1).replace(b"40", b"10"), "changed by hand"),
        (write(CONTENT, 1).replace(b'"serial": 1', b'"serial": 2'), "changed by hand"),
        (write({**CONTENT, "schema": SCHEMA + 1}, 1), "made for a newer agent"),
        (write({**CONTENT, "schema": "x"}, 1), "made for a newer agent"),
        (write({**CONTENT, "settings": 5}, 1), "damaged"),
        (write(CONTENT, float("inf")), "damaged"),  # type: ignore[arg-type]
        (write(CONTENT, 2**50), "damaged"),
    ],
)
def test_what_must_not_be_followed_is_refused(text: bytes, words: str) -> None:
    with pytest.raises(MetalfleetError, match=words):
        parse(text)


def test_one_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(MetalfleetError, match="no document"):
        read(tmp_path / "document.json")


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"root": "/x", "links": "/y", "environments": 5},
        {"root": "/x", "links": "/y", "environments": [5]},
        {"root": "/x", "links": "/y", "environments": [{}]},
        {"root": "/x", "links": "/y", "environments": [], "python": "3.12"},
        {"root": "/x", "links": "/y", "environments": [], "lock_texts": ["x"]},
    ],
)
def test_what_only_looks_like_one_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(MetalfleetError, match="damaged"):
        document_for(options, Path("/Users/ada"))


def test_the_command_finds_its_setting_on_a_line_of_its_own() -> None:
    assert b'\n  "battery": 40\n' in write(CONTENT, 1)


def test_the_home_is_that_of_whoever_runs_the_agent() -> None:
    options: dict[str, Any] = json.loads(json.dumps(CONTENT))["options"]
    options["environments"] = [{"name": "tf", "lock_digests": {}, "framework": "litert", "models": ["~/a.tflite"]}]
    document = document_for(options, Path("/Users/ada"))
    assert (str(document.places.root), str(document.places.links)) == ("/Users/ada/x", "/Users/ada/y")
    assert document.environments[0].demand.models == ("/Users/ada/a.tflite",)
