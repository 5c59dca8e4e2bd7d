# SPDX-License-Identifier: GPL-3.0-or-later
"""Markers, held to what the library of Python's packaging people says of them."""

from __future__ import annotations

import pytest
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.markers import applies, is_marker
from packaging.markers import Marker

MAC = {
    "os_name": "posix",
    "sys_platform": "darwin",
    "platform_machine": "arm64",
    "platform_python_implementation": "CPython",
    "platform_release": "25.1.0",
    "platform_system": "Darwin",
    "platform_version": "Darwin Kernel Version 25.1.0: Mon Oct 20 19:34:05 PDT 2025; root:xnu-12377/RELEASE_ARM64",
    "python_version": "3.12",
    "python_full_version": "3.12.10",
    "implementation_name": "cpython",
    "implementation_version": "3.12.10",
}
OLD_LINUX = {
    **MAC,
    "sys_platform": "linux",
    "platform_system": "Linux",
    "platform_machine": "x86_64",
    "platform_release": "5.10.0-25-amd64",
    "python_version": "3.9",
    "python_full_version": "3.9.0rc1",
    "implementation_version": "3.9.0rc1",
}


@pytest.mark.parametrize("variables", [MAC, OLD_LINUX], ids=["mac", "old-linux"])
@pytest.mark.parametrize(
    "marker",
    [
        'python_version < "3.10"',
        "python_version >= '3.9' and python_version < '4'",
        'python_version == "3.9.*" or python_version != "3.12.*"',
        'python_version ~= "3.9"',
        'python_version in "3.8 3.9"',
        'python_version not in "3.8, 3.9"',
        'python_full_version >= "3.12.4"',
        'python_full_version == "3.12.10"',
        'python_full_version == "3.12"',
        'python_full_version ~= "3.12.1"',
        '"3.10" <= python_version',
        "sys_platform == 'darwin'",
        "sys_platform != 'win32'",
        '"linux" in sys_platform',
        "platform_machine == 'arm64' or platform_machine == 'aarch64' or platform_machine == 'x86_64'",
        "(sys_platform == 'darwin' and platform_machine == 'arm64') or python_version < '3.10'",
        "sys_platform == 'linux' or sys_platform == 'darwin' and python_version < '3'",
        "sys_platform == 'linux' and (sys_platform == 'darwin' or python_version < '3.10')",
        "((os_name == 'posix'))",
        "platform_python_implementation != 'PyPy' and implementation_name == 'cpython'",
        "extra == 'gpu'",
        "python_version=='3.12'and sys_platform=='darwin'",
    ],
)
def test_as_packaging_has_it(marker: str, variables: dict[str, str]) -> None:
    assert applies(marker, variables) == Marker(marker).evaluate({**variables, "extra": ""})


@pytest.mark.parametrize(
    "text",
    [
        *("", "python_version", "python_version <", "< '3'", "python_version < 3.9", "'3' < '4' and", "('3' < '4'"),
        *("'3' < '4')", "pythonversion < '3'", "python_version << '3'", "python_version not '3'", "'3' < '4' '5'"),
        *("__import__('os') == '1'", 'python_version < "3'),
    ],
)
def test_what_is_no_marker(text: str) -> None:
    assert not is_marker(text)
