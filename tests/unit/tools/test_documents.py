# SPDX-License-Identifier: GPL-3.0-or-later
"""The pages that are made of the collection's own data, and the site's navigation."""

from __future__ import annotations

import re

import pytest
from ansible_collections.metalfleet.tensorflow.plugins.module_utils import _options
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe.rules import RULES

from tools.documents import PAGES, variables, verdicts
from tools.documents.site import CHECKOUT, navigation

LIMIT = 150_000


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_what_make_pages_writes(name: str) -> None:
    assert (CHECKOUT / name).read_text() == PAGES[name](), "run make pages"


def test_every_variable_has_its_row() -> None:
    rows = set(re.findall(r"^\| `([\w.]+)` \|", variables.page(), re.MULTILINE))
    assert set(_options.variables()) <= rows
    assert {*_options.ENVIRONMENT, *_options.WISHES} <= rows


def test_every_cause_has_its_row_and_nothing_is_left_in_braces() -> None:
    page = verdicts.page()
    assert re.findall(r"\{\w+\}", page) == []
    for rule in RULES:
        said = [part for part in re.split(r"\{\w+\}", rule.cause) if part]
        assert all(part in page for part in said)


@pytest.mark.parametrize(
    ("text", "markdown"),
    [
        ("With O(tensorflow_delivery=store).", "With `tensorflow_delivery: store`."),
        ("C(ffmpeg>=7) and V(2.18)", "`ffmpeg>=7` and `2.18`"),
        ("C(==), see M(metalfleet.tensorflow.native_python#module)", "`==`, see `metalfleet.tensorflow.native_python`"),
    ],
)
def test_ansibles_markup_becomes_markdown(text: str, markdown: str) -> None:
    assert variables.meaning({"description": text}) == markdown


def test_the_navigation_is_what_the_front_page_lists() -> None:
    page = "# Title\n\n## One\n\n- [A](a.md)\n- [B](../b.md)\n\n## Two\n\nNo list.\n"
    assert re.findall(r":caption: (\w+)\n\n(.*?)\n```", navigation(page), re.DOTALL)[0] == ("One", "a\n../b")
    assert "Two" not in navigation(page)


def test_the_picture_is_small() -> None:
    assert 0 < (CHECKOUT / "docs/pictures/report.png").stat().st_size < LIMIT
