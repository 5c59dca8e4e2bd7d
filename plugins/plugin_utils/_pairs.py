# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""The pairing table on the controller, made by tools/pairing."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._pairing import DEFAULT, LiteRT, Pair

TABLE = Path(__file__).with_name("_data") / "pairs.json"


@cache
def read_pairs() -> tuple[Pair, ...]:
    """All rows, by version."""
    return tuple(Pair.from_data(row) for row in json.loads(TABLE.read_text(encoding="utf-8"))["pairs"])


@cache
def read_litert() -> tuple[LiteRT, ...]:
    """The releases of LiteRT, by version."""
    return tuple(LiteRT.from_data(row) for row in json.loads(TABLE.read_text(encoding="utf-8"))["litert"])


def default_pair() -> Pair:
    """The pair of a Mac for which nothing else is declared."""
    return next(pair for pair in read_pairs() if pair.status == DEFAULT)
