# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""What a site publishes for agents that no controller reaches: all files as one archive, and signed documents.

HOST.json, HOST.json.sig   the document; where there is a key, with its signature
HOST.tar                   all files of the agent with that document, to be unpacked in the root folder
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._agent import document as agent_document
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._agent.installed import COMMAND, DOCUMENT
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._agent.pull import SUFFIX
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._agent.signing import sign
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._controller import has
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._fleet.ledger import file_name
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._native_python.scripts import tar_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._agent.files import Made


@dataclass(frozen=True)
class Publication:
    """The files for one host, by their paths, and those of them that are not there yet."""

    archive: Path
    sha256: str
    new: Mapping[Path, bytes]


def publication(folder: Path, host: str, made: Made, key: Path | None, serial: int) -> Publication:
    """What is to be published. What says the same already keeps its serial number. Raises MetalfleetError."""
    name = folder / file_name(host)
    document, archive = name.with_suffix(f"{name.suffix}.json"), name.with_suffix(f"{name.suffix}.tar")
    signature = document.with_name(document.name + SUFFIX)
    known = read(document)
    is_known = known is not None and known.digest == agent_document.digest_of(made.content)
    # Agents refuse an older one, also where it is the controller's clock that was set back.
    newer = max(serial, known.serial + 1) if known else serial
    content = agent_document.write(made.content, known.serial if known and is_known else newer)
    inside = dict(sorted({**made.files, DOCUMENT: content}.items()))
    packed = tar_of(inside, lambda path: 0o755 if path == COMMAND else 0o644)
    files = {document: content, archive: packed}
    if key and not (is_known and signature.is_file()):
        files[signature] = sign(content, key)
    new = {path: each for path, each in files.items() if not has(path, each)}
    return Publication(archive, hashlib.sha256(packed).hexdigest(), new)


def read(path: Path) -> agent_document.AgentDocument | None:
    """A document that was published; None if there is none that is whole."""
    try:
        return agent_document.read(path)
    except MetalfleetError:
        return None
