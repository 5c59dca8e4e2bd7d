# SPDX-License-Identifier: GPL-3.0-or-later
"""The link check on the real wheels of TensorFlow and of Apple's plug-in, from the package index."""

from __future__ import annotations

import pytest

from tests.lief_oracle import assert_as_lief_reads_it
from tools.link_check.check import check, open_tensorflow
from tools.link_check.dyld import FRAMEWORK, is_of_system
from tools.link_check.macho import read_image
from tools.link_check.wheels import Packages


@pytest.fixture(scope="module")
def packages() -> Packages:
    return Packages()


@pytest.mark.parametrize(
    ("tensorflow", "plugin", "says"),
    [
        ("tensorflow==2.18.1", "tensorflow-metal==1.2.0", ""),
        ("tensorflow==2.20.0", "tensorflow-metal==1.2.0", "Library not loaded: @rpath/_pywrap_tensorflow_internal.so"),
        (
            "tensorflow-macos==2.11.0",
            "tensorflow-metal==0.6.0",
            "symbol not found in flat namespace '__ZN10tensorfl",
        ),
    ],
)
def test_pairs(packages: Packages, tensorflow: str, plugin: str, says: str) -> None:
    python = "3.10" if "macos" in tensorflow else "3.12"
    found = check(packages, tensorflow, plugin, python)
    assert found.links == (not says)
    assert found.first_failure.startswith(says)


@pytest.mark.parametrize("version", ["0.5.0", "0.8.0", "1.1.0", "1.2.0"])
def test_plugins_are_read_as_lief_reads_them(packages: Packages, version: str) -> None:
    wheel = packages.open(f"tensorflow-metal=={version}", "3.10")
    content = wheel.read(wheel.plugins[0])
    ours = read_image("plugin", [content], with_binds=True)
    assert len(ours.binds) > 400
    assert any(is_of_system(each.name) for each in ours.dependencies)
    assert_as_lief_reads_it(ours, content)


def test_a_library_of_tensorflow_is_read_as_lief_reads_it(packages: Packages) -> None:
    wheel = packages.open("tensorflow==2.18.1", "3.12")
    content = wheel.read(FRAMEWORK)
    ours = read_image(FRAMEWORK, [content], with_binds=True)
    assert_as_lief_reads_it(ours, content)


def test_the_images_of_tensorflow(packages: Packages) -> None:
    process, wheel = open_tensorflow(packages, "tensorflow-macos==2.13.0", "3.11")
    assert wheel.startswith("tensorflow_macos-2.13.0-cp311")
    assert FRAMEWORK in process.images
