# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""Locks as data: a requirements file with `==` and `--hash=sha256:` for each package."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.markers import applies, is_marker

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_PIN = re.compile(
    r"(?P<name>[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(?:\[[^\]]*\])?\s*"
    r"==\s*(?P<version>[A-Za-z0-9][A-Za-z0-9.!+_-]*(?:\.\*)?)\s*(?:;\s*(?P<marker>.*))?"
)
_HASH = re.compile(r"\s--hash[=\s]\s*(\S+)")
_SHA256 = re.compile(r"sha256:([0-9a-fA-F]{64})")
_OTHER_HASH = re.compile(r"(?:md5|sha1|sha224|sha384|sha512):[0-9a-fA-F]+", re.IGNORECASE)

_PLACES = ("--index-url", "--extra-index-url", "--find-links", "--no-index", "--trusted-host", "-i", "-f")
_HABITS = ("--require-hashes", "--only-binary", "--no-binary", "--prefer-binary", "--pre", "--use-feature")
_INCLUDES = ("-r", "--requirement", "-c", "--constraint")

#: How locks of other formats begin a line: pattern, name of the format, the command that makes a lock of one.
_FORMATS = (
    (r"version\s*=\s*\d+$|requires-python\s*=", "uv.lock", "uv export --format requirements-txt"),
    (r"lock-version\s*=|\[\[packages\]\]", "pylock.toml", "uv pip compile --generate-hashes pyproject.toml"),
    (r"\[\[package\]\]", "poetry.lock", "poetry export --format requirements.txt"),
    (r"[{\[]\s*$|\{.*\}$", "Pipfile.lock or other JSON", "pipenv requirements --hash"),
    (r"\[[\w.-]+\]$", "pyproject.toml", "uv pip compile --generate-hashes pyproject.toml"),
    (r"(name|channels|dependencies|prefix):", "environment.yml", "uv pip compile --generate-hashes requirements.in"),
    (r"@EXPLICIT\b", "an explicit list of conda packages", "uv pip compile --generate-hashes requirements.in"),
    (r"<!DOCTYPE|<html", "a web page", "uv pip compile --generate-hashes requirements.in"),
)
_REMEDY = "Make it with `uv pip compile --generate-hashes` or `pip-compile --generate-hashes`."


@dataclass(frozen=True)
class Pin:
    """One package of a lock. Of its wheels, any whose SHA-256 is named will do."""

    name: str
    """As PEP 503 normalizes it."""
    version: str
    hashes: frozenset[str]
    """SHA-256 in lower-case hexadecimal digits."""
    marker: str = ""
    line: int = 0

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


@dataclass(frozen=True)
class Lock:
    """What a lock pins, for all platforms, and what was ignored in it."""

    pins: tuple[Pin, ...]
    warnings: tuple[str, ...] = ()

    @property
    def hashes(self) -> frozenset[str]:
        """All digests that it names."""
        return frozenset(digest for pin in self.pins for digest in pin.hashes)

    def pins_for(self, markers: Mapping[str, str]) -> list[Pin]:
        """The pins that apply where the markers' variables have these values.

        Raises MetalfleetError where two of them are of one package.
        """
        chosen: dict[str, Pin] = {}
        for pin in self.pins:
            if pin.marker and not applies(pin.marker, markers):
                continue
            other = chosen.setdefault(pin.name, pin)
            if other is not pin:
                raise _twice(other, pin)
        return list(chosen.values())


def normalized(name: str) -> str:
    """A package's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def digest_of(text: str) -> str:
    """The SHA-256 of a lock's text, which tells one lock from another."""
    return hashlib.sha256(text.encode()).hexdigest()


def parse_lock(text: str) -> Lock:
    """Read a lock. Raises MetalfleetError that names the line for what a lock must not hold."""
    pins, warnings = [], []
    for number, line in _logical_lines(text):
        option = re.split(r"[=\s]", line, maxsplit=1)[0]
        if option in _PLACES:
            # Not the line itself: it may hold credentials.
            warnings.append(
                f"Line {number} of the lock ({option}) was ignored: where packages come from is set by variables "
                "(tensorflow_index_url, tensorflow_extra_index_urls, tensorflow_wheels)."
            )
        elif option not in _HABITS:
            pins.append(_parse_pin(number, line, option))
    _refuse_doubles(pins)
    return Lock(tuple(pins), tuple(warnings))


def _refuse_doubles(pins: Iterable[Pin]) -> None:
    """Refuse two pins of one package that apply to the same platforms; of others that is seen on the platform."""
    seen: dict[tuple[str, str], Pin] = {}
    for pin in pins:
        other = seen.setdefault((pin.name, pin.marker), pin)
        if other is not pin:
            raise _twice(other, pin)


def _twice(one: Pin, other: Pin) -> MetalfleetError:
    return MetalfleetError(
        f"The lock names the package {one.name} twice, in line {one.line} ({one.version}) and in line {other.line} "
        f"({other.version})",
        remedy="Keep one of them.",
    )


def _parse_pin(number: int, line: str, option: str) -> Pin:
    hashes = _HASH.findall(line)
    requirement = _HASH.sub(" ", line).strip()
    found = _PIN.fullmatch(requirement)
    if found is None or found["version"].endswith(".*"):
        raise _refusal(number, *_why_no_pin(requirement, option))
    name, version, marker = normalized(found["name"]), found["version"], (found["marker"] or "").strip()
    if marker and not is_marker(marker):
        raise _refusal(number, f"has a marker that cannot be read ({marker})", "Correct the lock.")
    odd = next((text for text in hashes if not _SHA256.fullmatch(text) and not _OTHER_HASH.fullmatch(text)), None)
    if odd is not None:
        raise _refusal(number, f"has a hash for {name} {version} that is none ({odd[:80]})", "Correct the lock.")
    digests = frozenset(found[1].lower() for found in map(_SHA256.fullmatch, hashes) if found)
    if not digests:
        raise _refusal(number, f"pins {name} {version} without a SHA-256 (--hash=sha256:...)", _REMEDY)
    return Pin(name, version, digests, marker, number)


def _why_no_pin(requirement: str, option: str) -> tuple[str, str]:
    """What a line is that is no pin, and what helps."""
    for pattern, what, command in _FORMATS:
        if re.match(pattern, requirement):
            return f"is that of a file of another format: {what}", f"Make a lock of it with `{command}`."
    if option in _INCLUDES:
        return f"includes another file ({option})", "A lock is one file that names every package: put them all into it."
    if option.startswith("-"):
        return f"has an option that a lock must not have ({option})", "Remove it."
    if "://" in requirement or " @ " in requirement or re.match(r"\.{0,2}/|\S+\.(whl|zip|gz)\b", requirement):
        return "names a file or URL instead of a package of an index", "Pin the package with == and its --hash lines."
    named = re.fullmatch(r"([A-Za-z0-9._-]+)\s*(\[[^\]]*\])?\s*(([<>!~=]=?=?).*)?(;.*)?", requirement)
    return f"does not pin {named[1]} to one version with ==" if named else "is not a requirement", _REMEDY


def _refusal(number: int, what: str, remedy: str) -> MetalfleetError:
    return MetalfleetError(f"The lock cannot be used: line {number} {what}", remedy=remedy)


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines without comments, continuations joined as pip joins them, each with the number of its first line."""
    parts: list[str] = []
    first = 0
    for number, raw in enumerate([*text.lstrip("\ufeff").splitlines(), ""], 1):
        first = first or number
        is_comment = raw.lstrip().startswith("#")
        if raw.rstrip().endswith("\\") and not is_comment:
            parts.append(raw.rstrip()[:-1])
            continue
        line = re.sub(r"(^|\s)#.*$", "", " ".join([*parts, raw])).strip()
        if line:
            yield first, line
        parts, first = [], 0
