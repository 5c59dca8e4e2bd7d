# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""What is known of a fleet as CSV, JSON and JUnit. Nothing that a host said may be more than text in them."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import asdict
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._moments import written
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._fleet.hosts import (
    NOT_SEEN,
    STATES,
    Host,
    age,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

SCHEMA = 1
MOMENTS = ("seen", "tried", "repaired")
FORMULA = re.compile(r"""(^|;)(?=["\s]*[=+@-])""")
"""Where a cell begins that a spreadsheet computes: https://owasp.org/www-community/attacks/CSV_Injection.

In many countries a spreadsheet takes a semicolon, too, for the end of a cell.
"""


def to_json(hosts: list[Host], now: float) -> str:
    """All of it as data, see docs/fleet.schema.json."""
    counts = {state: sum(host.state == state for host in hosts) for state in STATES}
    told = {"schema": SCHEMA, "made": written(now), "counts": counts, "hosts": [_as_data(host) for host in hosts]}
    return json.dumps(told, indent=1) + "\n"


def _as_data(host: Host) -> dict[str, Any]:
    data = asdict(host)
    return {**data, **{name: written(data[name]) if data[name] is not None else None for name in MOMENTS}}


def to_csv(hosts: list[Host]) -> str:
    """A row for each environment, and one for a host of which none is known."""
    rows = [row for host in hosts for row in _rows(host)]
    out = io.StringIO()
    table = csv.DictWriter(out, list(rows[0]) if rows else [], lineterminator="\n")
    table.writeheader()
    table.writerows({name: _cell(value) for name, value in row.items()} for row in rows)
    return out.getvalue()


def _rows(host: Host) -> Iterator[dict[str, Any]]:
    for each in host.environments or (None,):
        yield {
            "host": host.name,
            "state": host.state,
            "chip": host.chip,
            "gpu_cores": host.gpu_cores,
            "model": host.model,
            "macos": host.macos,
            "environment": each.name if each else "",
            "ok": each.ok if each else "",
            "verdict": each.verdict if each else "",
            "reasons": " ".join(each.reasons if each else host.reasons),
            "tensorflow": each.tensorflow if each else "",
            "plugin": each.plugin if each else "",
            "litert": each.litert if each else "",
            "python": host.python,
            "gpu_gflops": each.speed if each else None,
            "free_bytes": int(host.free_bytes) if host.free_bytes is not None else None,
            "seen": written(host.seen) if host.seen is not None else "",
            "repaired": written(host.repaired) if host.repaired is not None else "",
            "text": host.text_of(each) if each else host.text,
        }


def _cell(value: Any) -> Any:
    """A value that no spreadsheet takes for a formula."""
    return FORMULA.sub(r"\1'", value) if isinstance(value, str) else value


def to_junit(hosts: list[Host], now: float) -> str:
    """A suite for each host with a test for each environment; hosts that were not seen are skipped ones."""
    root = ET.Element("testsuites", name="metalfleet.tensorflow")
    for host in hosts:
        suite = ET.SubElement(root, "testsuite", name=host.name, errors="0")  # Jenkins refuses a suite without errors
        if host.seen is not None:
            suite.set("timestamp", written(host.seen).removesuffix("Z"))
        for case in _cases(host, now):
            suite.append(case)
        for count, tag in (("tests", "testcase"), ("failures", "testcase/failure"), ("skipped", "testcase/skipped")):
            suite.set(count, str(len(suite.findall(tag))))
    ET.indent(root)
    content: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return f"{content.decode()}\n"


def _cases(host: Host, now: float) -> Iterator[ET.Element]:
    whole = ET.Element("testcase", classname=host.name, name="host", time="0")
    if host.state == NOT_SEEN:
        ET.SubElement(whole, "skipped", message=f"last seen: {age(host.seen, now)}").text = host.text
    elif not host.status.ok and not host.is_told:
        ET.SubElement(whole, "failure", message=host.state).text = host.text
    yield whole
    for each in host.environments if host.state != NOT_SEEN else ():
        case = ET.Element("testcase", classname=host.name, name=each.name, time="0")
        if not each.ok:
            failure = ET.SubElement(case, "failure", message=" ".join([*each.reasons, each.verdict]).strip())
            failure.text = each.text
        yield case
