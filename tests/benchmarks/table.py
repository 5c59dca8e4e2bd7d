# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures side by side, for a terminal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

T = TypeVar("T")


def interleaved(sides: Mapping[str, Callable[[], T]], runs: int) -> dict[str, list[T]]:
    """Call each side in turn, A B A B, so that what disturbs this machine meanwhile disturbs all of them."""
    results: dict[str, list[T]] = {name: [] for name in sides}
    for _ in range(runs):
        for name, side in sides.items():
            results[name].append(side())
    return results


def show(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table: the first column is names, the others are figures."""
    widths = [max(map(len, column)) for column in zip(columns, *rows, strict=True)]
    print(f"\n{title}\n")
    for cells in (columns, ["-" * width for width in widths], *rows):
        name, *figures = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        print("  ".join([name, *(figure.strip().rjust(len(figure)) for figure in figures)]), flush=True)
