# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""What the controller has to bring to this host before its plans can be carried out."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._commands import CommandFailed
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.tools import Tools
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._host.document import Document
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._host.report import Finding
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._python.wanted import managed_python
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.platforms import platform_of


def find_lacks(document: Document, findings: Iterable[Finding], tools: Tools) -> dict[str, Any]:
    """The wheel store's folder, and what it lacks of the locks that are to be installed; {}: nothing.

    What was brought before, also by a run that was interrupted, is taken into the store first.
    """
    built = [each.declaration for each in findings if each.is_pending and each.plan.targets("build")]
    if not built:
        return {}
    # Imported here because a host is asked far more often than anything is brought.
    from ansible_collections.metalfleet.tensorflow.plugins.module_utils._kinds.incoming import (  # noqa: PLC0415
        take_in,
    )

    places = document.places
    take_in(tools.supply.store, Path(document.incoming or places.wheels))
    lacks: list[dict[str, object]] = []
    for declared in built:
        with suppress(MetalfleetError, CommandFailed, OSError, ValueError):  # the build meets it too, and says it
            platform = platform_of(Path(os.path.realpath(managed_python(places.root, declared.python))), tools.commands)
            wanted = tools.kinds[declared.kind].wanted(declared.lock, platform)
            lacks += [lacking for each in wanted if (lacking := tools.supply.lacks(each))]
    return {"folder": str(places.wheels), "locks": lacks} if lacks else {}
