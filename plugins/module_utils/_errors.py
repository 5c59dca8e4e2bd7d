# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""Errors for people: cause, evidence, remedy."""

from __future__ import annotations

from dataclasses import dataclass

UNLIKE = (ValueError, LookupError, TypeError, AttributeError, OverflowError)
"""What is raised where data has another form than the one it is read by."""


@dataclass(frozen=True)
class Problem:
    """Why something is not as it should be, how that is known, and what helps.

    Each part is one or more sentences; a part that says nothing is empty.
    """

    cause: str
    evidence: str = ""
    remedy: str = ""

    @property
    def text(self) -> str:
        """One paragraph, with a full stop between its parts."""
        return " ".join(as_sentence(part) for part in (self.cause, self.evidence, self.remedy) if part.strip())


class MetalfleetError(Exception):
    """The one family of errors that users see: a host or a declaration cannot be worked on, and `problem` says why."""

    def __init__(self, cause: str, *, evidence: str = "", remedy: str = "") -> None:
        super().__init__(cause)
        self.problem = Problem(cause, evidence, remedy)

    def __str__(self) -> str:
        return self.problem.text


def said_by(error: OSError, otherwise: object) -> str:
    """What the system says is wrong, and with which file; `otherwise` is the one where it names none."""
    return f"{error.filename or otherwise}: {error.strerror}"


def as_sentence(part: str) -> str:
    """The text without white space around it, and with an end that a reader sees."""
    part = part.strip()
    return part if part.endswith((".", "!", "?")) else f"{part}."
