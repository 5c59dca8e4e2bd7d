# SPDX-License-Identifier: GPL-3.0-or-later
"""What teams declare: each environment is locked from the real package index and, by `make test-all`, installed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.lock import normalized, parse_lock
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.network import Network
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._building import build
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._index import resolver_for
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._lock_making import make_lock
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._pairs import default_pair
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._requests import Order, read_request

from tests import metal
from tests.integration.hosts import LINKS, SETUP, installed, on

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.conftest import NewMac

TEAMS: dict[str, dict[str, list[str]]] = {
    "notebooks": {"packages": ["jupyterlab", "ipykernel", "matplotlib", "pandas", "scikit-learn"]},
    "language": {"packages": ["transformers", "tf-keras", "tensorflow-text"]},
    "vision": {"packages": ["opencv-python-headless", "tensorflow-datasets"], "build": ["promise"]},
    "probability": {"packages": ["tensorflow-probability", "tf-keras"]},
    "reinforcement": {"packages": ["gymnasium"]},
}
PLATFORMS = ("macos-arm64-py3.12", "macos-arm64-py3.11", "linux-x86_64-py3.12", "linux-aarch64-py3.11")


def versions(declared: dict[str, list[str]], platform: str) -> dict[str, str]:
    """What the lock for what is declared pins."""
    request = read_request({"name": "team", **declared})
    assert request
    with resolver_for(Network()) as resolver:
        order = Order("team", platform, request, default_pair().least_macos)
        lock = make_lock(order, resolver, lambda source: build(source, resolver, Network())).text
    return {pin.name: pin.version for pin in parse_lock(lock).pins}


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("declared", TEAMS.values(), ids=TEAMS)
def test_it_can_be_locked(declared: dict[str, list[str]], platform: str) -> None:
    pinned, pair = versions(declared, platform), default_pair()
    assert {normalized(package) for packages in declared.values() for package in packages} <= pinned.keys()
    found = {name: version for name, version in pinned.items() if name in ("tensorflow", "tensorflow-cpu")}
    assert list(found.values()) == [pair.tensorflow]
    assert pinned.get("tensorflow-metal") == (pair.metal if platform.startswith("macos") else None)
    for name in {"tensorflow-text", "tf-keras"} & pinned.keys():  # which go with one minor version of TensorFlow
        assert pinned[name].split(".")[:2] == pair.tensorflow.split(".")[:2]


def test_what_cannot_be_had_as_wheels_is_named() -> None:
    with pytest.raises(MetalfleetError, match="promise, which is wanted .* has no wheel"):
        versions({"packages": ["tensorflow-datasets"]}, "macos-arm64-py3.12")


@pytest.mark.slow("installs gigabytes")
def test_they_can_be_installed_on_one_mac(mac: NewMac, converged: str, tmp_path: Path) -> None:
    host = mac(f"m1-fresh@{converged}")
    metal.use(host, "ok")
    declared: dict[str, Any] = {
        "tensorflow_environments": [{"name": "tensorflow"}]
        + [{"name": name, **packages} for name, packages in TEAMS.items()],
        "tensorflow_locks": str(tmp_path / "locks"),
    }
    assert on(host, SETUP, **declared).recap[host.name]["changed"] == 1
    for name, wanted in TEAMS.items():
        inside = installed(host, f"{LINKS}/{name}")
        assert {normalized(package) for packages in wanted.values() for package in packages} <= {
            normalized(each.rpartition("-")[0]) for each in inside["packages"]
        }
        # debugpy's wheel for Macs brings what it injects into other processes, for every system.
        foreign = [path for path in inside["foreign"] if "/debugpy/_vendored/" not in path]
        assert (inside["wrong"], foreign) == ([], [])
    again = on(host, SETUP, **declared)
    assert again.recap[host.name]["changed"] == 0
    assert again.output.count("gpu-ok") == len(TEAMS) + 1
