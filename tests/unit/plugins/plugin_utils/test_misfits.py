# SPDX-License-Identifier: GPL-3.0-or-later
"""What cannot be meant in a declaration is named in words that a user understands."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._options import ENVIRONMENTS, NATIVE_PYTHON
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._misfits import find_misfits

SPEC = {**ENVIRONMENTS, **NATIVE_PYTHON}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"version": 3.1}, "version is the number 3.1, not text"),
        ({"environments": [{"name": 2.2}]}, "environments: name is the number 2.2"),
        ({"python": {"version": 3.12}}, "python: version is the number 3.12"),
        ({"environments": {"name": "tf"}}, "environments is a mapping, not a list: write each as an item"),
        ({"environments": "tf"}, "environments is the text 'tf', not a list"),
        ({"environments": True}, "environments is a boolean, not a list"),
        ({"environments": ["tf"]}, "item 1 of environments is the text 'tf', not a mapping: write it as `- name: tf`"),
        ({"environments": [{"name": "a"}, [1]]}, "item 2 of environments is a list, not a mapping"),
        ({"environments": [{"name": "a", "kep": 3}]}, "environments: kep is not an option: keep is probably meant"),
        (
            {"environments": [{"name": "a", "colour": 3}]},
            "environments: colour is not an option: there are name, state",
        ),
        (
            {"environments": [{"name": "a", "conda": ["ffmpeg"]}]},
            "environments: conda is a list, not a mapping of packages, channels",
        ),
        ({"environments": [{"name": "a", "conda": "ffmpeg"}]}, "conda is the text 'ffmpeg', not a mapping"),
        (
            {"environments": [{"name": "a", "conda": {"packages": ["gdal", {"pip": ["six"]}]}}]},
            "conda: item 2 of packages is a mapping, not text: wheels are named in packages of the environment",
        ),
        (
            {"environments": [{"name": "a", "packages": [{"six": 1.17}]}]},
            "environments: item 1 of packages is a mapping, not text: put text with a colon and a space in quotes",
        ),
        (
            {"environments": [{"name": "a", "packages": {"six": 1.17}}]},
            "packages is a mapping, not a list: write each as an item, such as `- six`",
        ),
        ({"environments": [{"name": "a", "models": [None]}]}, "environments: item 1 of models is empty, not text"),
        ({"python": {"verson": "3.12"}}, "python: verson is not an option: version is probably meant"),
    ],
)
def test_they_are_named(given: dict[str, Any], words: str) -> None:
    (found,) = find_misfits(given, SPEC)
    assert words in found


@pytest.mark.parametrize(
    "given",
    [
        *(
            {"version": "3.10"},
            {"environments": [{"name": "tf", "keep": 2.0}]},
            {"free_mb": 10},
            {"environments": None},
        ),
        *({"environments": [{"name": "tf", "packages": packages}]} for packages in (None, "six", ["six", 7])),
    ],
)
def test_other_values_are_the_specs_matter(given: dict[str, Any]) -> None:
    assert list(find_misfits(given, SPEC)) == []
