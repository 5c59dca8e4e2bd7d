# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""The agent's document: all that is declared for this host, with the locks themselves, as one JSON file.

It says by a digest whether it is whole, and by its serial number which of two is newer.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import UNLIKE, MetalfleetError
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._host.document import (
    Document,
    platform_to_be,
    read_document,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._json import parse_json
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._layout import expand_home
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._paths import read_regular

SCHEMA = 1
NAME = "document.json"
NOT_CONTENT = ("serial", "sha256")
"""What tells one writing of a document from another, and is no part of what it says."""
LATEST = 2**40
"""No serial number is higher: no clock shows a later time."""


@dataclass(frozen=True)
class AgentDocument:
    """A document that is whole, and of a schema that is known here."""

    serial: int
    """Seconds since 1970 when it was written."""
    options: Mapping[str, Any]
    """What the module tensorflow_environments is handed."""
    settings: Mapping[str, Any]
    """When and within which limits the agent works, see _options.AGENT."""
    digest: str
    """What tells one content from another."""


def content_of(options: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """What a document says."""
    return {"schema": SCHEMA, "options": dict(options), "settings": dict(settings)}


def write(content: Mapping[str, Any], serial: int) -> bytes:
    """A document as a file."""
    whole = {**content, "serial": serial}
    return json.dumps({"sha256": digest_of(whole), **whole}, sort_keys=True, indent=1).encode() + b"\n"


def numbered(content: bytes, serial: int) -> bytes:
    """The file of a content that came as JSON."""
    return write(json.loads(content), serial)


def parse(text: bytes) -> AgentDocument:
    """A document from a file. Raises MetalfleetError for one that must not be followed."""
    try:
        data = parse_json(text)
        schema, sealed = data["schema"], data["sha256"]
        whole = {name: value for name, value in data.items() if name != "sha256"}
    except UNLIKE as error:
        raise damaged(f"Its content is no document ({error})" if text.strip() else "It is empty") from error
    if not isinstance(schema, int) or schema > SCHEMA:
        raise MetalfleetError(
            f"The document was made for a newer agent: it has schema {schema}, and this agent knows {SCHEMA}",
            evidence="Nothing was changed.",
            remedy="Install the newer agent, as whoever manages this Mac does it.",
        )
    if sealed != digest_of(whole):
        raise damaged("It does not have the SHA-256 that it says")
    try:
        content = {name: value for name, value in whole.items() if name not in NOT_CONTENT}
        return AgentDocument(serial_of(data), dict(data["options"]), dict(data["settings"]), digest_of(content))
    except UNLIKE as error:
        raise damaged(str(error)) from error


def serial_of(data: Mapping[str, Any]) -> int:
    """The serial number of a document. Raises one of UNLIKE."""
    serial = int(data["serial"])
    if not 0 <= serial < LATEST:
        raise ValueError(f"No clock shows its serial number {serial}")
    return serial


def read(path: Path) -> AgentDocument:
    """The document at a path. Raises MetalfleetError."""
    try:
        return parse(read_regular(path))
    except OSError as error:
        raise MetalfleetError(
            "The agent has no document that says what it has to keep",
            evidence=f"{path}: {error.strerror}.",
            remedy="Have it installed again by whoever manages this Mac.",
        ) from error


def document_for(options: Mapping[str, Any], home: Path) -> Document:
    """What the engine works with: the options as a module gets them. Raises MetalfleetError.

    Ansible expands "~" in a module's paths, and checks its options; here both is done by us.
    """
    try:
        environments = [
            {**each, "models": [expand_home(str(model), str(home)) for model in each.get("models") or ()]}
            for each in options["environments"]
        ]
        places = {name: expand_home(str(options[name]), str(home)) for name in ("root", "links")}
        expanded = {**options, **places, "environments": environments}
        return read_document(expanded, platform_to_be(expanded))
    except UNLIKE as error:
        raise damaged(f"It has its SHA-256, and yet is no document ({type(error).__name__}: {error})") from error


def digest_of(data: Mapping[str, Any]) -> str:
    """The SHA-256 of data as JSON, whatever the order of its names."""
    return hashlib.sha256(json.dumps(data, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def damaged(evidence: str) -> MetalfleetError:
    """What is said of a document that is not as it was written."""
    return MetalfleetError(
        "The agent's document is damaged, or was changed by hand, so that nothing is done",
        evidence=evidence,
        remedy="Have it written again by whoever manages this Mac.",
    )
