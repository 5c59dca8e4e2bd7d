# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers about what hangs, on a machine that may be busy."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

LONGEST = 200  # seconds

T = TypeVar("T")


def ask_until(arrived: Callable[[T], bool], ask: Callable[[int], T], seconds: int) -> T:
    """Ask with more and more time, until the machine, as busy as it is, has arrived where something hangs.

    ``ask`` takes a time limit in seconds, of which ``seconds`` is the first.
    """
    while not arrived(answer := ask(seconds)) and seconds < LONGEST:
        seconds *= 2
    return answer
