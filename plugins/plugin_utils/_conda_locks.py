# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""What is particular to the locks of conda packages: a user's own, in several formats, and what no Mac can have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._conda.lock import (
    SUBDIRS,
    is_conda_lock,
    parse_conda_lock,
    remedy_for,
    said_of_intel,
    without_credentials,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._pairs import default_pair
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._requests import CONDA_TENSORFLOW, channels_of
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._this_run import once

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.network import Network
    from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._delivery import ControllerStore


def own_locks(name: str, path: Path, text: str, network: Network, store: ControllerStore) -> dict[str, str]:
    """The locks that a user's own file for an environment comes to, by conda's name of the platform.

    Raises MetalfleetError where none of them is for a host that we know.
    """
    found = {parse_conda_lock(text).subdir: text} if is_conda_lock(text) else _converted(path, text, network, store)
    if not found.keys() & {*SUBDIRS.values()}:
        raise MetalfleetError(
            f"The lock of the environment {name} is for {', '.join(found) or 'no platform'} alone",
            evidence=f"It is {path}. {said_of_intel(found)}",
            remedy=remedy_for(*dict.fromkeys(SUBDIRS.values())),
        )
    return found


def only_python(path: Path, pythons: Mapping[str, str]) -> str:
    """The one minor version that a lock has, by platform. Raises MetalfleetError where these have several."""
    [first, *others] = dict.fromkeys(pythons.values())
    if others:
        each = ", ".join(f"{python} for {subdir}" for subdir, python in sorted(pythons.items()))
        raise MetalfleetError(
            f"The lock {path} has several Pythons, and an environment has one on all hosts",
            evidence=f"It has {each}.",
            remedy="Make it with one, or declare an environment and a lock for each.",
        )
    return first


def _converted(path: Path, text: str, network: Network, store: ControllerStore) -> dict[str, str]:
    """Those that one of conda-lock or pixi comes to; it is read once in a run."""
    from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._conda import Engine  # noqa: PLC0415
    from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._index import resolver_for  # noqa: PLC0415

    def read() -> dict[str, str]:
        with resolver_for(network) as resolver:
            return Engine(resolver.settings, store).read(path)

    return once(["converted", str(path), text], read)


def closed_channels(environments: Iterable[Mapping[str, Any]]) -> list[str]:
    """The channels of environments that hosts need credentials for, which locks leave out."""
    declared = {str(channel) for environment in environments for channel in channels_of(environment)}
    return sorted(channel for channel in declared if channel != without_credentials(channel))


def refuse_other_python(name: str, declared: str, locked: str) -> None:
    """Refuse a lock with another Python than is declared for its environment; both are minor versions."""
    if declared != locked:
        raise MetalfleetError(
            f"The lock of the environment {name} has Python {locked}, and python: {declared} is declared",
            remedy="Leave python out, which the lock decides, or make the lock again.",
        )


def refuse_cpu_only(name: str, gpu: str, packages: Iterable[str]) -> None:
    """Refuse conda's own TensorFlow in an environment on a Mac, unless `gpu` says that the CPU will do."""
    if CONDA_TENSORFLOW & {*packages} and gpu != "none":
        raise MetalfleetError(
            f"The environment {name} must use the GPU (gpu: {gpu or 'required, where it is not declared'}), and has "
            "the TensorFlow of conda-forge, which computes on a Mac's CPU alone",
            evidence="It cannot load Apple's plug-in: it takes protobuf and abseil from packages of their own, where "
            "the plug-in needs those inside TensorFlow. Its last release for Macs is 2.19.1.",
            remedy="Leave it, and what needs it, out of conda.packages, and declare "
            f'tensorflow: "{default_pair().tensorflow}": then TensorFlow and the plug-in come as wheels on top of the '
            "conda packages. Or say gpu: none.",
        )
