#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory of the simulated Macs that are up, asked at each run. Standard library only.

$SIMULATED_MAC_FLEET names the fleet (default: demo), $SIMULATED_MAC_HOME where they are kept.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(CHECKOUT))

from tests.simulated_mac.state import archives, default_home, inventory  # noqa: E402


def collections_inventory(home: Path, fleet: str) -> dict[str, Any]:
    """The hosts in the group that our playbooks work on, with the Python that their test bed offers for download."""
    groups = inventory(home, fleet)
    pythons = archives(home)
    groups["macs"]["vars"] |= {
        "native_python_version": next(iter(pythons), ""),
        "native_python_archives": pythons,
        "native_python_mirror": str(home / "archives"),
    }
    return {**groups, "tensorflow": {"children": ["macs"]}}


if __name__ == "__main__":
    print(json.dumps(collections_inventory(default_home(), os.environ.get("SIMULATED_MAC_FLEET", "demo")), indent=1))
