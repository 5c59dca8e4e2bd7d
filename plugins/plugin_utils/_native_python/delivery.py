# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""The managed Python and uv by way of the controller's wheel store, which is the mirror that they are sent from."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._kinds.wanted import wheels_wanted
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._layout import DEFAULT_ROOT
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._options import (
    ADDITIONAL,
    NATIVE_PYTHON,
    NETWORK,
    PIN_OPTIONS,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.network import Network
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._delivery import (
    ANY_MACOS,
    ControllerStore,
    platform_named,
)
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._native_python.data import pinned_uv
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._native_python.declaration import (
    Declaration,
    declare,
)
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._native_python.host import Host
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._native_python.scripts import local_wheel, read
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._native_python.sources import SOURCES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._native_python.plan import Plan
    from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._native_python.sources import Artifact


def network_of(declaration: Declaration) -> Network:
    """How the controller reaches what it fetches for a host."""
    return Network(
        index_url=declaration.index_url,
        extra_index_urls=tuple(declaration.extra_index_urls),
        proxy=declaration.proxy,
        certificates=read(declaration.ca, "native_python_ca").decode() if declaration.ca else "",
        username=declaration.username,
        password=declaration.password,
    )


def from_store(declaration: Declaration, plan: Plan, host: Host, store: ControllerStore) -> Declaration:
    """The declaration with the store for a mirror, which has then what the plan needs. Raises MetalfleetError."""
    if plan.step and plan.step.artifact:
        store.provide_archive(plan.step.artifact, declaration.mirror)
    mirrored = local_wheel(declaration.mirror, plan.uv, host.platform) if store.may_fetch else {}
    for name, content in mirrored.items():
        store.store.receive(hashlib.sha256(content).hexdigest(), name, content)
    platform = platform_named(f"{host.platform}-py{declaration.version}", host.macos or ANY_MACOS)
    store.provide(wheels_wanted(pinned_uv().requirement, platform))
    return replace(declaration, mirror=str(store.folder))


def artifacts_for(python: Mapping[str, Any], minors: Iterable[str]) -> list[Artifact]:
    """What Macs have to be sent for minor versions of Python, by what is declared of the managed one."""
    source = python["source"]
    if source not in PIN_OPTIONS:
        return []
    own = {PIN_OPTIONS[source]: python["pins"]}
    defaults = {name: option.get("default") for name, option in {**NATIVE_PYTHON, **ADDITIONAL, **NETWORK}.items()}
    declared = [
        declare({"root": DEFAULT_ROOT, **defaults, "source": source, "version": minor, **own}) for minor in minors
    ]
    anybody = Host("", "Darwin", "arm64")
    steps = [SOURCES[source].step(anybody, each) for each in declared]
    return [step.artifact for step in steps if step.artifact]
