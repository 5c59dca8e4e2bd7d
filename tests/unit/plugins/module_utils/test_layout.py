# SPDX-License-Identifier: GPL-3.0-or-later
"""Paths on a host: which are understood everywhere in the same way."""

from __future__ import annotations

import pytest
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._layout import expand_home, refuse_bad_place


@pytest.mark.parametrize("path", ["/opt/metalfleet", "~/.local/share", "~", "/Users/a b/x", "/opt/x.y-z+1/", "/a~b"])
def test_what_is_absolute_or_in_the_users_home_is_understood(path: str) -> None:
    refuse_bad_place("tensorflow_root", path)


@pytest.mark.parametrize(
    ("path", "complaint"),
    [
        *(("", "is empty"), (" ", "is empty"), ("~ann/x", "another user's home"), ("~root", "another user's home")),
        *(("x", "is relative"), ("./x", "is relative"), ("../x", "is relative"), ("/opt/../x", "goes up")),
        *(("~/..", "goes up"), ("$HOME/x", "character '\\$'"), ("/opt/${X}", "character '\\$'"), ("/a*b", "character")),
        *(("/a:b", "character"), ("/a\nb", "character"), ("'/a'", "character"), ('"~/x"', "character")),
    ],
)
def test_anything_else_is_refused_with_what_helps(path: str, complaint: str) -> None:
    with pytest.raises(MetalfleetError, match=f"^tensorflow_root .*{complaint}") as refused:
        refuse_bad_place("tensorflow_root", path)
    assert "absolute path" in refused.value.problem.remedy
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(("path", "there"), [("~", "/h"), ("~/x/", "/h/x"), ("/a//b/./c/", "/a/b/c"), ("/a~", "/a~")])
def test_a_path_has_one_spelling(path: str, there: str) -> None:
    assert expand_home(path, "/h") == there
