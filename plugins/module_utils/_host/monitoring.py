# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""A host's status as the programs read it that manage and watch Macs: Jamf, Munki, Prometheus, osquery."""

from __future__ import annotations

import plistlib
import sqlite3
import tempfile
from collections.abc import Iterable
from pathlib import Path
from xml.sax.saxutils import escape

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._host.status import EnvironmentStatus, Status

# ---------------------------------------------------------------------------------------------------------------- Jamf


def jamf(status: Status) -> str:
    """What a script for an extension attribute has to print: the state, and why it is not ok."""
    why = ", ".join(_why(each) for each in status.environments if not each.ok)
    return f"<result>{escape(': '.join(filter(None, [status.state, why])))}</result>\n"


def _why(environment: EnvironmentStatus) -> str:
    return " ".join(filter(None, [environment.name, *environment.reasons, environment.verdict]))


# --------------------------------------------------------------------------------------------------------------- Munki


def munki(status: Status) -> str:
    """A property list with what a condition script adds to ConditionalItems.plist."""
    values = {
        "metalfleet_ok": status.ok,
        "metalfleet_state": status.state,
        "metalfleet_reasons": list(status.reasons),
        "metalfleet_environments": [each.name for each in status.environments],
        "metalfleet_environments_ok": [each.name for each in status.environments if each.ok],
        "metalfleet_verdicts": [each.verdict for each in status.environments if each.verdict],
    }
    return plistlib.dumps(values).decode()


# ---------------------------------------------------------------------------------------------------------- Prometheus


def prometheus(statuses: Iterable[Status]) -> str:
    """Metrics for the textfile collector of the node exporter, of one host or of many."""
    told = list(statuses)
    lines: list[str] = []
    for name, meaning, samples in (
        ("host_ok", "Whether the host is as declared, and computes as demanded.", _host_ok(told)),
        ("host_state", "1 for the state that the host is in.", _host_state(told)),
        ("host_seen_timestamp_seconds", "When the host was last looked at.", _host_seen(told)),
        ("environment_ok", "Whether the environment is as declared, and computes as demanded.", _environment_ok(told)),
        ("environment_drift", "1 for each reason for which the environment is not as declared.", _drift(told)),
        ("environment_gpu_gflops", "Speed of the GPU when it multiplies matrices.", _speed(told)),
    ):
        if samples:
            metric = f"metalfleet_{name}"
            lines += [f"# HELP {metric} {meaning}", f"# TYPE {metric} gauge"]
            lines += [f"{metric}{{{labels}}} {value:.10g}" for labels, value in samples.items()]
    return "".join(f"{line}\n" for line in lines)


# Samples are by their labels: were any there twice, the collector would refuse the whole file.


def _host_ok(told: list[Status]) -> dict[str, float]:
    return {_labels(host=each.host): float(each.ok) for each in told}


def _host_state(told: list[Status]) -> dict[str, float]:
    return {_labels(host=each.host, state=each.state): 1.0 for each in told}


def _host_seen(told: list[Status]) -> dict[str, float]:
    return {_labels(host=each.host): each.seen for each in told if each.seen is not None}


def _environment_ok(told: list[Status]) -> dict[str, float]:
    return {
        _labels(host=host.host, environment=each.name, verdict=each.verdict): float(each.ok)
        for host in told
        for each in host.environments
    }


def _drift(told: list[Status]) -> dict[str, float]:
    return {
        _labels(host=host.host, environment=each.name, reason=reason): 1.0
        for host in told
        for each in host.environments
        if not each.ok
        for reason in each.reasons
    }


def _speed(told: list[Status]) -> dict[str, float]:
    return {
        _labels(host=host.host, environment=each.name): each.gflops
        for host in told
        for each in host.environments
        if each.gflops is not None
    }


def _labels(**values: str) -> str:
    """Labels as the text format writes them."""
    return ",".join(f'{name}="{_quoted(value)}"' for name, value in values.items())


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


# ------------------------------------------------------------------------------------------------------------- osquery

TABLE = "metalfleet_tensorflow"
COLUMNS = ("host", "state", "environment", "ok", "verdict", "reasons", "text", "seen")


def osquery(statuses: Iterable[Status]) -> bytes:
    """A database for osquery's automatic table construction: a row for each environment."""
    rows = [row for status in statuses for row in _rows(status)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "status.sqlite")
        connection = sqlite3.connect(path)
        try:
            with connection:
                connection.execute(f"CREATE TABLE {TABLE} ({', '.join(COLUMNS)})")
                places = ", ".join("?" * len(COLUMNS))
                connection.executemany(f"INSERT INTO {TABLE} VALUES ({places})", rows)  # noqa: S608 - our own words
        finally:
            connection.close()
        return path.read_bytes()


def _rows(status: Status) -> Iterable[tuple[str | int, ...]]:
    seen = int(status.seen or 0)
    if not status.environments:
        yield (status.host, status.state, "", int(status.ok), "", " ".join(status.reasons), status.text, seen)
    for each in status.environments:
        yield (
            status.host,
            status.state,
            each.name,
            int(each.ok),
            each.verdict,
            " ".join(each.reasons),
            each.text,
            seen,
        )
