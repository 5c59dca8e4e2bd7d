# SPDX-License-Identifier: GPL-3.0-or-later
"""This collection beside what a user would pick instead: `make bench`. Figures are printed, never asserted."""

from __future__ import annotations

import sys
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
CACHE = CHECKOUT / ".cache/benchmarks"

sys.path.append(str(CHECKOUT / ".collections"))  # the collection, by its name
