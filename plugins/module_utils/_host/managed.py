# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""The managed Python and uv of a host, as far as its environments depend on them."""

from __future__ import annotations

import os
from pathlib import Path

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._commands import Commands
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.safety import (
    folders_in_use,
    remove_tree,
    why_not_removed,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._host.document import Document
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._host.report import Managed
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._python.plan import Request, Seen, make_plan
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._python.surplus import surplus
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._python.wanted import linked


def look_at_python(document: Document, commands: Commands) -> Managed:
    """Whether they are as declared, and what of them nothing uses any more. Nothing is known where none is declared."""
    if not document.python:
        return Managed()
    root = document.places.root
    plan = make_plan(Seen(root, os.uname().sysname, linked(root)), Request(**document.python))
    return Managed(plan.reasons, tuple(map(str, unused(root, commands))))


def remove_surplus(document: Document, commands: Commands) -> list[str]:
    """Remove what nothing uses any more, after environments were repaired; returns warnings."""
    folders = unused(document.places.root, commands) if document.python else []
    return [warning for folder in folders for warning in why_not_removed(folder, remove_tree)]


def unused(root: Path, commands: Commands) -> list[Path]:
    """Pythons and versions of uv that neither a link, nor a generation, nor a process of this user uses."""
    folders = surplus(root)
    used = folders_in_use(folders, commands)
    return [folder for folder in folders if folder not in used]
