# SPDX-License-Identifier: GPL-3.0-or-later
"""Which wheels suit, held to the tags that the library of Python's packaging people makes."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._commands import Commands
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.platforms import (
    Platform,
    parse_wheel_name,
    platform_of,
)
from packaging import tags

MAC = Platform(python=(3, 12), machine="arm64", system=(14, 5), is_mac=True)
LINUX = Platform(python=(3, 12), machine="x86_64", system=(2, 36), is_mac=False)


def suits(platform: Platform, tag: str) -> bool:
    wheel = parse_wheel_name(f"alpha-1.0-{tag}.whl")
    assert wheel is not None
    return platform.rank(wheel) is not None


def tags_of(python: tuple[int, int], platforms: list[str]) -> Iterator[str]:
    yield from map(str, tags.cpython_tags(python, [f"cp{python[0]}{python[1]}"], platforms))
    interpreter = f"cp{python[0]}{python[1]}"
    yield from (str(tag) for tag in tags.compatible_tags(python, interpreter, platforms))


@pytest.mark.parametrize("python", [(3, 9), (3, 12), (3, 14)])
@pytest.mark.parametrize("system", [(11, 0), (12, 3), (14, 5), (26, 0)])
def test_every_tag_of_a_mac(python: tuple[int, int], system: tuple[int, int]) -> None:
    platform = Platform(python=python, machine="arm64", system=system, is_mac=True)
    for tag in tags_of(python, list(tags.mac_platforms(system, "arm64"))):
        assert suits(platform, tag), tag


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_every_tag_of_this_linux(machine: str) -> None:
    platforms = [f"manylinux_2_{minor}_{machine}" for minor in range(17, 37)]
    platforms += [f"manylinux2014_{machine}", f"linux_{machine}"]
    for tag in tags_of((3, 12), platforms):
        assert suits(Platform(python=(3, 12), machine=machine, system=(2, 36), is_mac=False), tag), tag


@pytest.mark.parametrize(
    "tag",
    [
        *("cp311-cp311-macosx_11_0_arm64", "cp313-cp313-macosx_11_0_arm64", "cp313-abi3-macosx_11_0_arm64"),
        *("cp312-cp312t-macosx_11_0_arm64", "cp312-cp312-macosx_11_0_x86_64", "cp312-cp312-macosx_15_0_arm64"),
        *("cp312-cp312-macosx_14_3_arm64", "cp312-cp312-manylinux_2_17_aarch64", "cp312-cp312-win_arm64"),
        *("cp27-none-any", "py2-none-any", "cp311-none-any", "pp312-pypy312_pp73-macosx_11_0_arm64"),
        *("py3-none-macosx_10_9_x86_64", "py3-none-macosx_10_9_intel", "py3-abi3-any", "py313-none-any"),
    ],
)
def test_what_does_not_suit_a_mac(tag: str) -> None:
    assert not suits(MAC, tag)


@pytest.mark.parametrize(
    "tag",
    [
        *(
            "cp312-cp312-manylinux_2_37_x86_64",
            "cp312-cp312-manylinux_2_17_aarch64",
            "cp312-cp312-musllinux_1_2_x86_64",
        ),
        *("cp312-cp312-macosx_11_0_arm64", "cp312-cp312-linux_aarch64", "cp312-cp312-win_amd64"),
    ],
)
def test_what_does_not_suit_linux(tag: str) -> None:
    assert not suits(LINUX, tag)


def test_the_most_special_is_the_best() -> None:
    best_first = [
        "cp312-cp312-macosx_14_0_arm64",
        "cp312-cp312-macosx_11_0_arm64",
        "cp312-cp312-macosx_11_0_universal2",
        "cp39-abi3-macosx_11_0_arm64",
        "py3-none-macosx_11_0_arm64",
        "py2.py3-none-any",
    ]
    wheels = [parse_wheel_name(f"alpha-1.0-{tag}.whl") for tag in best_first]
    ranks = [MAC.rank(wheel) for wheel in wheels if wheel]
    assert ranks == sorted(ranks, key=lambda rank: rank or (), reverse=True)
    assert None not in ranks


def test_free_threaded() -> None:
    free = Platform(python=(3, 13), machine="arm64", system=(15, 0), is_mac=True, free_threaded=True)
    assert suits(free, "cp313-cp313t-macosx_11_0_arm64")
    assert suits(free, "py3-none-any")
    assert not suits(free, "cp313-cp313-macosx_11_0_arm64")
    assert not suits(free, "cp39-abi3-macosx_11_0_arm64")


@pytest.mark.parametrize(
    ("filename", "version", "is_it"),
    [
        ("torch-2.13.0+cpu-cp311-cp311-manylinux_2_28_x86_64.whl", "2.13.0+cpu", True),
        ("torch-2.13.0+cpu-cp311-cp311-manylinux_2_28_x86_64.whl", "2.13.0", False),
        ("alpha-1.0-py3-none-any.whl", "1.0.0", True),
        ("alpha-1.0-py3-none-any.whl", "1.0.1", False),
        ("alpha-1.10-py3-none-any.whl", "1.1", False),
        ("alpha-2.22.0rc0-1-py3-none-any.whl", "2.22.0RC0", True),
        ("alpha-1.0.post1-py3-none-any.whl", "1.0-post1", True),
    ],
)
def test_versions(filename: str, version: str, is_it: bool) -> None:
    wheel = parse_wheel_name(filename)
    assert wheel is not None
    assert wheel.is_version(version) == is_it


@pytest.mark.parametrize(
    "name", ["alpha-1.0.tar.gz", "../alpha-1.0-py3-none-any.whl", "alpha-1.0-py3-none-any.whl/x", ""]
)
def test_what_is_no_wheel(name: str) -> None:
    assert parse_wheel_name(name) is None


def test_of_this_interpreter() -> None:
    platform = platform_of(Path(sys.executable), Commands())
    assert platform.python == sys.version_info[:2]
    assert all(suits(platform, str(tag)) for tag in tags.sys_tags() if "musllinux" not in tag.platform)
    assert platform.markers["sys_platform"] == sys.platform
