# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""The Pythons and the uv that this collection pins, with what a user pins on top of them."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._options import PIN_OPTIONS

if TYPE_CHECKING:
    from collections.abc import Mapping

DATA = Path(__file__).parents[1] / "_data"

Pins = dict[str, dict[str, Any]]
"""Pins by minor version of Python."""

FIELDS = {"archives": ("version", "build", "sha256"), "packages": ("version", "file", "sha256")}
"""Keys that a pin must have, by the option that holds it."""


class Uv(NamedTuple):
    """The pinned uv: its version, and the requirement with its hashes on one line."""

    version: str
    requirement: str

    @property
    def digests(self) -> set[str]:
        """SHA-256 of its wheels."""
        return set(re.findall(r"sha256:([0-9a-f]{64})", self.requirement))


@cache
def pinned_pythons() -> dict[str, Pins]:
    """The collection's own pins, by option: `archives` for standalone, `packages` for python_org."""
    pins: dict[str, Pins] = json.loads((DATA / "pythons.json").read_text(encoding="utf-8"))
    return pins


@cache
def pinned_uv() -> Uv:
    """The uv that every host gets."""
    lines = (DATA / "uv.txt").read_text(encoding="utf-8").splitlines()
    requirement = " ".join(" ".join(line.removesuffix("\\") for line in lines if not line.startswith("#")).split())
    return Uv(requirement.partition("==")[2].partition(" ")[0], requirement)


def pins_of(source: str, own: Mapping[str, Any]) -> Pins:
    """The pins of a source by minor version: the collection's, and on top of them those of the options in `own`.

    A source that is not pinned has none. Raises MetalfleetError for a pin that says too little.
    """
    option = PIN_OPTIONS.get(source)
    return {**pinned_pythons()[option], **checked_pins(option, own.get(option) or {})} if option else {}


def other_minors(own: Mapping[str, Any], version: str) -> tuple[str, ...]:
    """Minor versions that will do besides the declared one, the newest first: those that have a pinned archive."""
    minors = {*pinned_pythons()["archives"], *(own.get("archives") or {})} - {version}
    return tuple(sorted(minors, key=lambda minor: [int(part) for part in minor.split(".")], reverse=True))


def checked_pins(option: str, pins: Mapping[Any, Any]) -> Pins:
    """A user's own pins. Raises MetalfleetError with the one that is wrong, and how one is written."""
    for minor, pin in pins.items():
        if not isinstance(minor, str) or not re.fullmatch(r"3\.\d+", minor):
            complaint = f"its key {minor!r} is not a minor version in quotes"
        elif not isinstance(pin, dict) or not all(pin.get(field) for field in FIELDS[option]):
            complaint = f"the pin of Python {minor} does not say {', '.join(FIELDS[option])}"
        elif not re.fullmatch(r"\d+\.\d+\.\d+\w*", str(pin["version"])) or not str(pin["version"]).startswith(
            f"{minor}."
        ):
            complaint = f"the pin of Python {minor} has the version {pin['version']}, which is no full version of it"
        else:
            continue
        raise MetalfleetError(
            f"native_python_{option} is not valid: {complaint}",
            remedy=f"Write it as ansible-doc metalfleet.tensorflow.native_python shows it, such as {PIN_OF[option]}",
        )
    return {minor: dict(pin) for minor, pin in pins.items()}


PIN_OF = {
    "archives": '"3.12": {version: 3.12.16, build: "20261110", sha256: {aarch64-apple-darwin: DIGEST}}',
    "packages": '"3.12": {version: 3.12.10, file: python-3.12.10-macos11.pkg, sha256: DIGEST}',
}
