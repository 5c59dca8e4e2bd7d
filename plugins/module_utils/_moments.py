# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""Moments as reports, histories and ledgers have them: whole seconds, UTC. Their texts sort as they do."""

from __future__ import annotations

import re
from datetime import datetime, timezone

MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def written(moment: float) -> str:
    """A moment, given in seconds since 1970, as text."""
    return datetime.fromtimestamp(int(moment), timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
