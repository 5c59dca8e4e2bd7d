# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""Locks of conda packages as data: an explicit list of archives, and the wheels that come on top of them.

    @EXPLICIT
    https://conda.anaconda.org/conda-forge/osx-arm64/python-3.11.9-h932a869_0_cpython.conda#sha256:a4360...
    @WHEELS
    tensorflow==2.18.1 --hash=sha256:...

Above the second mark it is what `conda list --explicit` prints; below, a lock of wheels.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.lock import Lock, normalized, parse_lock

if TYPE_CHECKING:
    from collections.abc import Iterable

EXPLICIT, WHEELS = "@EXPLICIT", "@WHEELS"
NOARCH = "noarch"
SUBDIRS = {
    "macos-arm64": "osx-arm64",
    "linux-x86_64": "linux-64",
    "linux-x86_64+cuda": "linux-64",
    "linux-aarch64": "linux-aarch64",
}
"""What conda calls the platforms that locks are made for."""

_ARCHIVE = re.compile(
    r"(?P<url>(?:https?|file)://[!$-\x3e@-~]*?/(?P<subdir>[a-z0-9-]+)/"
    r"(?P<filename>(?P<name>[\w.!+%~-]+)-(?P<version>[\w.!+%~]+)-(?P<build>[\w.!+%~]+)(?:\.conda|\.tar\.bz2)))"
    r"(?:#(?:sha256:)?(?P<digest>[0-9a-fA-F]*))?",
    re.ASCII,
)


@dataclass(frozen=True)
class Archive:
    """A conda package of a lock."""

    name: str
    version: str
    subdir: str
    """The platform, as conda calls it; `noarch` for all."""
    filename: str
    url: str = field(repr=False)
    sha256: str

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


@dataclass(frozen=True)
class CondaLock:
    """What a lock of conda packages pins."""

    archives: tuple[Archive, ...]
    wheels: Lock

    @property
    def hashes(self) -> frozenset[str]:
        """The digests of all its archives and wheels."""
        return self.wheels.hashes | {archive.sha256 for archive in self.archives}

    @property
    def versions(self) -> dict[str, str]:
        """Versions by package, wheels included."""
        wheels = {pin.name: pin.version for pin in self.wheels.pins}
        return {**{normalized(archive.name): archive.version for archive in self.archives}, **wheels}

    @property
    def subdir(self) -> str:
        """The platform that the lock is for; `noarch` if no archive tells."""
        return next((archive.subdir for archive in self.archives if archive.subdir != NOARCH), NOARCH)

    @property
    def python_version(self) -> str:
        """The version of the Python that it brings."""
        return next(archive.version for archive in self.archives if archive.name == "python")

    @property
    def python(self) -> str:
        """The minor version of that."""
        return ".".join(self.python_version.split(".")[:2])


def is_conda_lock(text: str) -> bool:
    """Whether a text is meant for a lock of conda packages."""
    return re.search(rf"^\ufeff?\s*{EXPLICIT}\s*$", text, re.MULTILINE) is not None


def pinned_versions(text: str) -> dict[str, str]:
    """Names and versions that a lock of either kind pins, for any platform. Raises MetalfleetError."""
    if is_conda_lock(text):
        return parse_conda_lock(text).versions
    return {pin.name: pin.version for pin in parse_lock(text).pins}


def wheels_in(text: str) -> Lock:
    """The wheels that a lock of either kind pins. Raises MetalfleetError for what is not a lock."""
    return parse_conda_lock(text).wheels if is_conda_lock(text) else parse_lock(text)


def parse_conda_lock(text: str) -> CondaLock:
    """Read a lock. Raises MetalfleetError for what it must not hold."""
    lines = [line.strip() for line in text.lstrip("\ufeff").splitlines()]
    end = lines.index(WHEELS) if WHEELS in lines else len(lines)
    lines, wheels = lines[:end], "\n".join([*[""] * (end + 1), *lines[end + 1 :]])  # whose lines keep their numbers
    archives = tuple(_parse(line) for line in lines if line and not line.startswith("#") and line != EXPLICIT)
    lock = CondaLock(archives, parse_lock(wheels))
    _refuse_doubles([*(normalized(archive.name) for archive in archives), *{pin.name for pin in lock.wheels.pins}])
    _refuse_mixed(archives)
    if "python" not in (archive.name for archive in archives):
        raise _refusal("has no package python, without which there is no environment", "Add python to its packages.")
    return lock


def _parse(line: str) -> Archive:
    found = _ARCHIVE.fullmatch(line)
    if found is None or not is_url(found["url"]):
        raise _refusal(
            f"has a line that names no conda package: {without_credentials(line).partition('?')[0][:200]}",
            f"Every line below {EXPLICIT} is the URL of a package, with #sha256: and its digest.",
        )
    filename, digest = found["filename"], (found["digest"] or "").lower()
    if len(digest) != 64:
        said = "only the MD5" if len(digest) == 32 else "no SHA-256"
        raise _refusal(
            f"has {said} of {filename}, which does not prove that it is the right package",
            "Make it with `conda list --explicit --sha256`, or leave lock out and declare conda.packages: then one is "
            "made.",
        )
    return Archive(found["name"], found["version"], found["subdir"], filename, found["url"], digest)


def is_url(url: str) -> bool:
    """Whether a URL can be followed."""
    try:
        return bool(urlsplit(url).path) and "\0" not in unquote(url) and url.isprintable()
    except ValueError:
        return False


def without_credentials(url: str) -> str:
    """A URL without a user and password, and without a token in its path, as anaconda.org has it."""
    return re.sub(r"(://[^/\s]+)/t/[^/\s]+", r"\1", re.sub(r"(://)[^/\s]*@", r"\1", url))


def with_credentials(url: str, channels: Iterable[str]) -> str:
    """The URL of a package as its channel was declared; `channels` are those that have credentials."""
    for channel in channels:
        bare = without_credentials(channel).rstrip("/") + "/"
        if url.startswith(bare):
            return channel.rstrip("/") + "/" + url[len(bare) :]
    return url


def _refuse_doubles(names: Iterable[str]) -> None:
    double = next((name for name, count in Counter(names).items() if count > 1), None)
    if double:
        raise _refusal(f"has the package {double} twice", "Keep one of them, of conda or as a wheel.")


def _refuse_mixed(archives: Iterable[Archive]) -> None:
    subdirs = sorted({archive.subdir for archive in archives} - {NOARCH})
    if len(subdirs) > 1:
        raise _refusal(f"is for several platforms ({', '.join(subdirs)})", "Make one for each.")


def _refusal(what: str, remedy: str) -> MetalfleetError:
    return MetalfleetError(f"The lock cannot be used: it {what}", remedy=remedy)


def refuse_other_platform(lock: CondaLock, subdir: str) -> None:
    """Refuse a lock for another platform than a host's, which is called `subdir`."""
    if lock.subdir not in (subdir, NOARCH):
        raise MetalfleetError(
            f"The lock has packages for {lock.subdir}, and this host is {subdir}",
            evidence=said_of_intel([lock.subdir]),
            remedy=remedy_for(subdir),
        )


def said_of_intel(subdirs: Iterable[str]) -> str:
    """What a person should know of a platform that conda's users often have locks for; "" if it is not among some."""
    return "osx-64 is an Intel Mac: its packages would run under Rosetta, without a GPU." if "osx-64" in subdirs else ""


def remedy_for(*subdirs: str) -> str:
    """What to do where a lock is not for a host's platform."""
    return f"Make the lock for {' or '.join(subdirs)}, too, or leave lock out and declare conda.packages."
