# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""What a host is doing, told at the terminal while a module works there for minutes.

The module leaves it in a file (module_utils/_progress.py), which is read every few seconds over the same connection.
The module itself runs as ever: no job is left on the host to be found again, and a look that fails is only no news.
"""

from __future__ import annotations

import contextvars
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ansible.utils.display import Display
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._progress import NAME
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._fleet.untrusted import text
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._start import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SECONDS_BETWEEN_LOOKS = 5.0
"""So that whatever is short, such as a host on which nothing is to be done, is never looked at."""
SECONDS_BETWEEN_LINES = 30.0
"""Of one step, so that fifty hosts can be followed."""
SECONDS_TO_END = 5.0
"""For a look that has begun when the module ends. It may hang where the connection does."""
LONGEST = 300
"""Bytes that are read of the file."""


def look(root: str) -> str:
    """Shell text that prints what is being done below a root folder; nothing where nobody is at work."""
    return (
        f'file={quoted(root)}/{NAME}; [ -f "$file" ] && /usr/bin/head -c {LONGEST} "$file" | '
        '{ read -r pid said && kill -0 "$pid" && echo "$said"; } 2>/dev/null'
    )


class News:
    """Tells each step as it begins, and now and then how far it is."""

    def __init__(self, tell: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._tell, self._clock = tell, clock
        self._told, self._next = "", 0.0

    def hear(self, answer: str) -> None:
        """What a look has brought. It is a host's word."""
        said = text(answer)
        is_new_step = step_of(said) != step_of(self._told)
        if said and (is_new_step or (said != self._told and self._clock() >= self._next)):
            self._told, self._next = said, self._clock() + SECONDS_BETWEEN_LINES
            self._tell(said)


def say(host: str, said: str) -> None:
    """Tell at the terminal what a host has said."""
    Display().display(f"{host}: {text(said)}")


def step_of(said: str) -> str:
    """What is done, without how far it is."""
    return said.partition(", ")[0]


@contextmanager
def told_meanwhile(ask: Callable[[], str], tell: Callable[[str], None]) -> Iterator[None]:
    """While the body lasts, ask every few seconds what is being done, in a thread of its own, and tell the news."""
    is_over = threading.Event()

    def watch() -> None:
        news = News(tell)
        while not is_over.wait(SECONDS_BETWEEN_LOOKS):
            news.hear(ask())

    # Ansible keeps in the context which task this is.
    watching = threading.Thread(target=contextvars.copy_context().run, args=(watch,), daemon=True)
    watching.start()
    try:
        yield
    finally:
        is_over.set()
        watching.join(SECONDS_TO_END)
