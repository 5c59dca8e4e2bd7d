# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""Hosts from what an MDM exports: a table as CSV, or objects as JSON."""

from __future__ import annotations

import codecs
import csv
import io
import ipaddress
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._json import parse_json

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
"""What SSH and Ansible both take for the name of one host."""
TAKEN = ("all", "ungrouped", "localhost")
"""Names that mean something else to Ansible: a Mac that calls itself localhost is not the controller."""
SHOWN = 20
"""Bad rows that are named in one message."""


@dataclass(frozen=True)
class Row:
    """One Mac of an export."""

    place: str
    """Where it is, for people."""
    values: Mapping[str, Any]

    def value(self, column: str) -> Any:
        """What is in a column, which may be a path with dots into objects; None where there is nothing."""
        found: Any = self.values
        if column in self.values:
            return self.values[column]
        for name in column.split("."):
            found = found.get(name) if isinstance(found, Mapping) else None
        return found


@dataclass(frozen=True)
class Macs:
    """The hosts of an export, each with its variables, and the complaints about rows that are not hosts."""

    hosts: dict[str, dict[str, Any]]
    bad_rows: list[str]


def read_rows(path: Path) -> list[Row]:
    """The rows of an export. Raises MetalfleetError."""
    try:
        text = text_of(path.read_bytes())
        rows = rows_of_json(text) if path.suffix.lower() == ".json" else rows_of_csv(text)
    except (OSError, ValueError, csv.Error) as error:
        raise MetalfleetError(
            f"The export {path} cannot be read",
            evidence=str(error),
            remedy="Export it as CSV in UTF-8, or as JSON into a file that ends with .json.",
        ) from error
    if not rows:
        raise MetalfleetError(
            f"The export {path} has no Mac",
            remedy="Export it again: with an empty one, no host would be looked at, and no run would say so.",
        )
    return rows


def text_of(content: bytes) -> str:
    """The text of a file in UTF-8 or UTF-16, with the mark that Excel puts in front. Raises ValueError."""
    is_wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    text = io.StringIO(content.decode("utf-16" if is_wide else "utf-8-sig"), newline=None).read()
    if "\0" in text:
        raise ValueError("it is not in UTF-8")
    return text


def rows_of_csv(text: str) -> list[Row]:
    """The rows of a table with a line of headings. Raises ValueError or csv.Error."""
    heading = text.partition("\n")[0]
    delimiter = max(",;\t", key=heading.count)
    reader = csv.DictReader(io.StringIO(text), delimiter=delimiter, strict=True)
    headings = [heading.strip() for heading in reader.fieldnames or ()]
    reader.fieldnames = [
        heading if headings.count(heading) == 1 else f"{heading} (column {number})"
        for number, heading in enumerate(headings, 1)
    ]
    rows = []
    for row in reader:
        if reader.restkey in row:
            raise ValueError(f"line {reader.line_num} has more cells than there are headings")
        rows.append(Row(f"line {reader.line_num}", row))
    return rows


def rows_of_json(text: str) -> list[Row]:
    """The objects of a list, which may be the one list of an object, as the APIs of MDMs answer. Raises ValueError."""
    data = parse_json(text)
    lists = [each for each in data.values() if isinstance(each, list)] if isinstance(data, dict) else [data]
    if len(lists) != 1 or not isinstance(lists[0], list) or not all(isinstance(each, dict) for each in lists[0]):
        raise ValueError("it is not one list of objects")
    return [Row(f"object {number}", each) for number, each in enumerate(lists[0], 1)]


def macs_of(rows: list[Row], host_column: str, variables: Mapping[str, str]) -> Macs:
    """The hosts of an export. Raises MetalfleetError for a column that no row has."""
    refuse_unknown([host_column, *variables.values()], rows)
    hosts: dict[str, dict[str, Any]] = {}
    bad_rows: list[str] = []
    for row in rows:
        name = str(row.value(host_column) or "").strip()
        told = {variable: trimmed(row.value(column)) for variable, column in variables.items()}
        found = fault_of(name, hosts) or fault_of_address(told.get("ansible_host"))
        if found:
            bad_rows.append(f"{row.place}: {found}")
        else:
            hosts[name] = {variable: value for variable, value in told.items() if value not in (None, "")}
    return Macs(hosts, bad_rows)


def fault_of(name: str, known: Iterable[str]) -> str:
    """Why something is no name for a further host; "" if it is one."""
    if not name:
        return "it has no host name"
    if not HOST.fullmatch(name):
        return f"{name!r} is not a name that SSH can connect to"
    if name.lower() in TAKEN:
        return f"{name} is a name that Ansible uses itself"
    return f"{name} is there twice" if name.lower() in {each.lower() for each in known} else ""


def fault_of_address(address: Any) -> str:
    """Why an address is none, which SSH might take for an option; "" if it is one, or if there is none."""
    with suppress(ValueError):
        ipaddress.ip_address(str(address))
        return ""
    is_fine = address in (None, "") or HOST.fullmatch(str(address))
    return "" if is_fine else f"{address!r} is not an address that SSH can connect to"


def trimmed(value: Any) -> Any:
    """A value without the spaces around it."""
    return value.strip() if isinstance(value, str) else value


def refuse_unknown(columns: Iterable[object], rows: list[Row]) -> None:
    """Refuse columns that no row has: a slip would leave every host without that variable."""
    missing = [
        column for column in columns if not isinstance(column, str) or all(row.value(column) is None for row in rows)
    ]
    if missing:
        raise MetalfleetError(
            f"The export has no column {missing[0]}",
            evidence=f"It has {', '.join(map(str, rows[0].values))}.",
            remedy="Name it under host or variables as the export does.",
        )


def say_bad_rows(bad_rows: list[str]) -> str:
    """All bad rows in one text."""
    more = len(bad_rows) - SHOWN
    named = [*bad_rows[:SHOWN], *([f"and {more} more"] if more > 0 else [])]
    return f"{len(bad_rows)} rows of the export are not hosts: {'; '.join(named)}."
