# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""The agent's program: the engines that modules are sent with, as one file that a Python starts.

The same sources make the same bytes, whoever makes them, and by whichever Python: nothing is packed, and no entry has a
time of its own.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from functools import cache
from pathlib import Path

from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._native_python.scripts import (
    MODULE_UTILS,
    MODULE_UTILS_SENT,
)
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._this_run import once

MAIN = Path(__file__).with_name("on_host") / "main.py"
OLDEST = (1980, 1, 1, 0, 0, 0)
"""The first moment that such a file knows."""


@cache
def program() -> bytes:
    """The program, made of what is installed here."""
    sources = {
        f"{MODULE_UTILS_SENT}/{path.relative_to(MODULE_UTILS)}": path.read_bytes()
        for path in MODULE_UTILS.rglob("*.py")
    }
    return packed({**sources, "__main__.py": MAIN.read_bytes()})


def program_digest() -> str:
    """Its SHA-256, made once in a run of Ansible, in which each host has a process of its own."""
    return once(["the agent's program"], lambda: hashlib.sha256(program()).hexdigest())


def packed(sources: dict[str, bytes]) -> bytes:
    """Sources by their paths as a program; folders that are no packages yet become such."""
    packages = {f"{folder}/__init__.py" for path in sources for folder in Path(path).parents if folder.name}
    content = {**dict.fromkeys(packages, b""), **sources}
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(content):
            entry = zipfile.ZipInfo(path, OLDEST)
            entry.create_system, entry.external_attr = 3, 0o644 << 16
            archive.writestr(entry, content[path])
    return out.getvalue()
