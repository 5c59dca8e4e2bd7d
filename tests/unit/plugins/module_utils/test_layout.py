# SPDX-License-Identifier: GPL-3.0-or-later
"""Paths on a host: which are understood everywhere in the same way."""

from __future__ import annotations

import pytest
from ansible_collections.metalfleet.tensorflow.plugins.module_utils import _layout
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._layout import (
    CUDA_MACHINES,
    expand_home,
    platform_name,
    refuse_bad_place,
    with_python,
    without_cuda,
)
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._resolver import targets


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


@pytest.mark.parametrize(
    ("system", "machine", "has_gpu", "name"),
    [
        ("linux", "x86_64", True, "linux-x86_64+cuda-py3.12"),
        ("linux", "x86_64", False, "linux-x86_64-py3.12"),
        ("linux", "aarch64", True, "linux-aarch64-py3.12"),
        ("darwin", "arm64", True, "macos-arm64-py3.12"),
    ],
)
def test_a_host_with_a_gpu_that_tensorflow_can_use_is_a_platform_of_its_own(
    system: str, machine: str, has_gpu: bool, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.platform", system)
    monkeypatch.setattr(_layout, "has_nvidia_gpu", lambda: has_gpu)
    assert platform_name(machine=machine, python="3.12") == name


def test_of_another_host_nobody_knows_its_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_layout, "has_nvidia_gpu", lambda: True)
    assert platform_name("linux", "x86_64", "3.12") == "linux-x86_64-py3.12"


def test_the_parts_of_a_platforms_name_are_exchanged() -> None:
    name = "linux-x86_64+cuda-py3.12"
    assert (without_cuda(name), with_python(name, "3.11")) == ("linux-x86_64-py3.12", "linux-x86_64+cuda-py3.11")


def test_packages_are_resolved_for_each_machine_with_cuda() -> None:
    assert {target.name for target in targets().values() if target.has_cuda} == {
        f"linux-{machine}+cuda" for machine in CUDA_MACHINES
    }
