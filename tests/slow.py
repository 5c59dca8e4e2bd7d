# SPDX-License-Identifier: GPL-3.0-or-later
"""What takes long is left to `make test-all`, which sets TEST_ALL: tests marked `slow`, with the reason."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

IS_RUN = "TEST_ALL" in os.environ


def cases(rows: Iterable[tuple[Any, ...]], quick: Collection[str], why: str) -> list[Any]:
    """Parameters of a test, each row named by its first value; all but those named as quick are slow."""
    return [pytest.param(*row, id=row[0], marks=[] if row[0] in quick else [pytest.mark.slow(why)]) for row in rows]
