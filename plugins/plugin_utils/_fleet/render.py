# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""The files of a fleet's report, each rendered from the same hosts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._host import monitoring
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._fleet.formats import to_csv, to_json, to_junit
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._fleet.ledger import file_name
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._fleet.page import to_html

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._fleet.hosts import Host

Files = dict[str, bytes]
"""Content by path, below the folder of the report."""


def render(hosts: list[Host], formats: Iterable[str], now: float) -> Files:
    """The files of the formats that are wanted."""
    return {path: content for wanted in formats for path, content in FORMATS[wanted](hosts, now).items()}


def _of_each(hosts: list[Host], folder: str, suffix: str, rendered: Callable[[Host], str]) -> Files:
    return {f"{folder}/{file_name(host.name)}.{suffix}": rendered(host).encode() for host in hosts}


FORMATS: dict[str, Callable[[list[Host], float], Files]] = {
    "html": lambda hosts, now: {"fleet.html": to_html(hosts, now).encode()},
    "csv": lambda hosts, _: {"fleet.csv": to_csv(hosts).encode()},
    "json": lambda hosts, now: {"fleet.json": to_json(hosts, now).encode()},
    "junit": lambda hosts, now: {"fleet-junit.xml": to_junit(hosts, now).encode()},
    "jamf": lambda hosts, _: _of_each(hosts, "jamf", "txt", lambda host: monitoring.jamf(host.status)),
    "munki": lambda hosts, _: _of_each(hosts, "munki", "plist", lambda host: monitoring.munki(host.status)),
    "prometheus": lambda hosts, _: {
        "metalfleet.prom": monitoring.prometheus(host.status for host in hosts).encode(),
    },
    "osquery": lambda hosts, _: {"metalfleet.sqlite": monitoring.osquery(host.status for host in hosts)},
}
