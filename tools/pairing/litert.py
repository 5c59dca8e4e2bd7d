# SPDX-License-Identifier: GPL-3.0-or-later
"""The releases of LiteRT for Macs that the probe can use, with what their libraries demand."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._pairing import LiteRT
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._resolver import LITERT_PACKAGE
from packaging.version import Version

from tools.link_check.matrix import releases
from tools.link_check.wheels import Packages, Wheel

ASKED_BY_PROBE = "ai_edge_litert/hardware_accelerator.py"
"""What a release must have: without it, it can only be used as TensorFlow Lite was."""


def litert_releases(packages: Packages, say: Callable[[str], object]) -> Iterator[LiteRT]:
    """Each release that has wheels for Macs with Apple Silicon; of the newest Python's the libraries are read."""
    pythons: dict[str, list[str]] = {}
    for what, python in releases(packages, LITERT_PACKAGE):
        pythons.setdefault(what, []).append(python)
    for what, of_it in pythons.items():
        wheel = packages.open(what, of_it[-1])
        if ASKED_BY_PROBE in wheel:
            least = least_macos(wheel)
            say(f"{what}: needs macOS {least}")
            yield LiteRT(what.partition("==")[2], tuple(of_it), least)


def least_macos(wheel: Wheel) -> str:
    """The newest macOS that any of a wheel's libraries was built for, as their load commands say it."""
    demands = (image.least_macos for path in wheel.libraries if (image := wheel.image(path)))
    return max((each for each in demands if each), key=Version, default="")
