# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""Which file a pin means: on package indexes (PEP 503, PEP 691) and on flat pages or in folders of wheels."""

from __future__ import annotations

import os
import re
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import TYPE_CHECKING
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._json import parse_json
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._paths import open_regular
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.platforms import (
    WheelName,
    parse_wheel_name,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.web import (
    AccessRefused,
    FetchFailed,
    NotThere,
    OutOfOrder,
    Unreachable,
    Untrusted,
    Web,
    WebPage,
    local_path,
    masked,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.lock import Pin
    from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.platforms import Platform
    from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.settings import Sources

_ACCEPT = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"
_FORM = r"<(?:form|input|button|script)\b"
"""What a login page has, and an index's page of a package without files has not."""
_SDISTS = (".tar.gz", ".zip", ".tar.bz2")

_OTHER_PLATFORM = "Use a lock that was made for this platform and Python."
_CHECK_INDEX = "Check the network, the proxy (tensorflow_proxy) and the index (tensorflow_index_url), and run again."

WEB_PAGE = "a web page came instead, as login portals and proxies send"
UNREACHED = "could not be reached"
Meanings = tuple[tuple[type[FetchFailed], str, str], ...]
"""What failures mean: kind, cause, remedy. The first that fits counts."""

_MEANINGS: Meanings = (
    (
        AccessRefused,
        "access was refused",
        "Check tensorflow_username and tensorflow_password, or the credentials of the proxy (tensorflow_proxy).",
    ),
    (
        Untrusted,
        "a certificate is not trusted",
        "If your own certificate authority signed it, name the file with its certificates (tensorflow_ca).",
    ),
    (
        NotThere,
        "the package index lists a file that it does not have",
        "Repair the index, or choose another one (tensorflow_index_url), and run again.",
    ),
    (
        WebPage,
        WEB_PAGE,
        "Log in to the network on the host, or check proxy (tensorflow_proxy) and index (tensorflow_index_url).",
    ),
    (OutOfOrder, "the package index does not work as it should", _CHECK_INDEX),
    (FetchFailed, f"the package index {UNREACHED}", _CHECK_INDEX),
)


@dataclass(frozen=True)
class RemoteFile:
    """A file that can be fetched."""

    filename: str
    url: str = field(repr=False)
    sha256: str = ""
    """Empty where the index does not say."""
    size: int | None = None
    withdrawn: str | None = None
    """Why its authors have withdrawn it ("yanked", PEP 592), "" where they do not say; None if they have not."""


@dataclass(frozen=True)
class Found:
    """The files that may be what a pin means, the best first."""

    pin: Pin
    files: tuple[RemoteFile, ...]


class Listings:
    """What the sources have of a package, one source after another. May be used by several threads."""

    def __init__(self, web: Web, sources: Sources) -> None:
        self._web, self.sources = web, sources
        self._page_lock = threading.Lock()
        self._flat: list[RemoteFile] | None = None
        self._dead: dict[str, FetchFailed] = {}

    def of(self, package: str, failures: list[FetchFailed]) -> Iterator[list[RemoteFile]]:
        """The files of each source, what lies on this machine first; what went wrong is added to `failures`.

        `package` is a normalised name.
        """
        try:
            yield [file for file in self._flat_files() if _is_of(file, package)]
        except FetchFailed as failure:
            failures.append(failure)
        for index in sorted(self.sources.indexes, key=lambda url: local_path(url) is None):
            if index in self._dead:
                failures.append(self._dead[index])
                continue
            try:
                yield self._listing(f"{index.rstrip('/')}/{package}/")
            except NotThere:
                continue
            except FetchFailed as failure:
                failures.append(failure)
                if not isinstance(failure, AccessRefused):  # which some indexes answer for one package alone
                    self._dead[index] = failure

    def _flat_files(self) -> list[RemoteFile]:
        with self._page_lock:  # several threads, one request
            if self._flat is None:
                self._flat = []
                for url in self.sources.pages:
                    with suppress(NotThere):  # as pip has it, too
                        self._flat += self._listing(url)
            return self._flat

    def _listing(self, url: str) -> list[RemoteFile]:
        folder = local_path(url)
        if folder is not None:
            return _local_listing(folder)
        final, content, kind = self._web.page(url, _ACCEPT)
        if kind.startswith("application/vnd.pypi.simple") and kind.partition(";")[0].endswith("json"):
            return _json_listing(content, final)
        if "html" in kind:
            page = content.decode("utf-8", "replace")
            files = _html_listing(page, final)
            if not files and re.search(_FORM, page, re.IGNORECASE):
                raise WebPage(f"{masked(final)} answered a web page that names no file")
            return files
        raise OutOfOrder(f"{masked(url)} did not answer as a package index does ({kind or 'of no type'})")


class Finder:
    """Looks for pins at all sources in turn. May be used by several threads."""

    def __init__(self, web: Web, sources: Sources, platform: Platform) -> None:
        self._listings, self._sources, self._platform = Listings(web, sources), sources, platform

    def find(self, pin: Pin) -> Found:
        """The files of a pin, from the first source that has one. Raises MetalfleetError where none has."""
        seen: list[RemoteFile] = []
        failures: list[FetchFailed] = []
        for files in self._listings.of(pin.name, failures):
            seen += files
            suitable = self._suitable(pin, files)
            if suitable:
                return Found(pin, suitable)
        raise self._explain(pin, seen, failures)

    def _suitable(self, pin: Pin, files: list[RemoteFile]) -> tuple[RemoteFile, ...]:
        """What may be meant: by its hash, or, where the index tells none, by its name."""
        ranked = [(rank, file) for file in files for rank in [self._rank(pin, file)] if rank is not None]
        known = [(rank, file) for rank, file in ranked if file.sha256 in pin.hashes]
        unknown = [(rank, file) for rank, file in ranked if not file.sha256]
        best = sorted(known or unknown, key=lambda pair: pair[0], reverse=True)
        return tuple(file for _rank, file in (best[:1] if known else best))

    def _rank(self, pin: Pin, file: RemoteFile) -> tuple[object, ...] | None:
        wheel = _wheel_of(file, pin)
        return self._platform.rank(wheel) if wheel else None

    def _explain(self, pin: Pin, seen: list[RemoteFile], failures: list[FetchFailed]) -> MetalfleetError:
        """Why a pin's file is nowhere to be had."""
        if failures:
            return explain_fetch(failures[0], f"The wheel of {pin} cannot be found")
        places = (*self._sources.pages, *self._sources.indexes)
        if not places:
            return MetalfleetError(
                "There is no place to get wheels from: the configuration of pip or uv says no-index",
                remedy="Set tensorflow_index_url or tensorflow_wheels.",
            )
        where = ", ".join(map(masked, places))
        of_version = [file for file in seen if _is_of_version(file, pin)]
        if of_version:
            return self._explain_version(pin, of_version, where)
        return MetalfleetError(
            f"There is no version {pin.version} of the package {pin.name}"
            if seen
            else f"There is no package {pin.name}",
            evidence=f"Looked for at {where}.",
            remedy="Correct the lock, or name the index that has it (tensorflow_extra_index_urls).",
        )

    def _explain_version(self, pin: Pin, files: list[RemoteFile], where: str) -> MetalfleetError:
        """Why none of the files of a version is what a pin means."""
        wheels = [file for file in files if file.filename.endswith(".whl")]
        evidence = f"{where} has {_some(wheels or files)}."
        if not wheels:
            return MetalfleetError(
                f"{pin} has no wheel for any platform",
                evidence=evidence,
                remedy="Nothing is compiled on a host: build a wheel, put it into an index of yours, and lock that.",
            )
        suitable = [file for file in wheels if self._rank(pin, file) is not None]
        if not suitable or any(file.sha256 in pin.hashes for file in wheels):
            return MetalfleetError(
                f"{pin} has no wheel{' in the lock' if suitable else ''} for {self._platform}",
                evidence=evidence,
                remedy=_OTHER_PLATFORM,
            )
        return MetalfleetError(
            f"No wheel of {pin} has a hash that is in the lock",
            evidence=evidence,
            remedy="The index has another file than the lock names, or the lock is wrong: check the index, or make the "
            "lock again.",
        )


def explain_fetch(failure: FetchFailed, what: str, meanings: Meanings = _MEANINGS) -> MetalfleetError:
    """What a failure means for a person."""
    cause, remedy = next(words for kind, *words in meanings if isinstance(failure, kind))
    return MetalfleetError(f"{what}: {cause}", evidence=failure.reason, remedy=remedy)


def explain_unfetched(pin: Pin, _url: str, failure: FetchFailed) -> MetalfleetError:
    """What it means that a wheel could not be fetched."""
    return explain_fetch(failure, f"The wheel of {pin} cannot be fetched")


def explain_hash(pin: Pin, url: str, sha256: str) -> MetalfleetError:
    """What it means that a wheel is another than the lock names."""
    return MetalfleetError(
        f"The hash of the wheel of {pin} is not the one in the lock",
        evidence=f"{masked(url)} has the SHA-256 {sha256}.",
        remedy="The index gave another file than the lock names, or the lock is wrong: check the index (and a "
        "proxy on the way to it), or make the lock again.",
    )


def _some(files: list[RemoteFile], most: int = 4) -> str:
    names = sorted(file.filename for file in files)
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _is_of(file: RemoteFile, package: str) -> bool:
    """Whether a file is of a package, wheel or not."""
    start = re.sub(r"[-_.]+", "-", file.filename).lower()
    return start.startswith(f"{package}-")


def _wheel_of(file: RemoteFile, pin: Pin) -> WheelName | None:
    wheel = parse_wheel_name(file.filename)
    return wheel if wheel and wheel.name == pin.name and wheel.is_version(pin.version) else None


def _is_of_version(file: RemoteFile, pin: Pin) -> bool:
    if _wheel_of(file, pin):
        return True
    stem = next((file.filename[: -len(end)] for end in _SDISTS if file.filename.endswith(end)), "")
    return WheelName("", stem.rpartition("-")[2], ()).is_version(pin.version)


def _local_listing(path: Path) -> list[RemoteFile]:
    """What a folder of wheels, or a page in a file, names. Raises NotThere or Unreachable."""
    page = path / "index.html" if path.is_dir() else path
    try:
        if path.is_dir() and not page.is_file():
            return [RemoteFile(name, str(path / name)) for name in sorted(os.listdir(path))]  # noqa: PTH208
        with open_regular(page) as file:
            return _html_listing(file.read().decode("utf-8", "replace"), page.absolute().as_uri())
    except FileNotFoundError as error:
        raise NotThere(f"{path} is not there") from error
    except OSError as error:
        raise Unreachable(f"{path}: {error.strerror}") from error


def _json_listing(content: bytes, base: str) -> list[RemoteFile]:
    try:
        files = parse_json(content)["files"]
        found = [
            _file_of(urljoin(base, file["url"]), (file.get("hashes") or {}).get("sha256", ""), file) for file in files
        ]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise OutOfOrder(f"{masked(base)} did not answer with the JSON of a package index") from error
    return [file for file in found if _may_be_fetched(file, base)]


def _html_listing(page: str, base: str) -> list[RemoteFile]:
    parser = _Links(base)
    parser.feed(page)
    files = []
    for link, attributes in parser.links:
        url, fragment = urldefrag(link)
        sha256 = re.search(r"sha256=([0-9a-fA-F]{64})", fragment)
        yanked = (attributes["data-yanked"] or True) if "data-yanked" in attributes else False
        files.append(_file_of(url, sha256[1] if sha256 else "", {"yanked": yanked}))
    return [file for file in files if _may_be_fetched(file, base)]


def _file_of(url: str, sha256: str, about: dict[str, object]) -> RemoteFile:
    size, yanked = about.get("size"), about.get("yanked", False)
    withdrawn = yanked if isinstance(yanked, str) else "" if yanked else None
    name = unquote(urlsplit(url).path.rpartition("/")[2])
    return RemoteFile(name, url, sha256.lower(), size if isinstance(size, int) else None, withdrawn)


def _may_be_fetched(file: RemoteFile, base: str) -> bool:
    """Another host's page may not name files of this one."""
    scheme = urlsplit(file.url).scheme
    return bool(file.filename) and (scheme in ("http", "https") or (scheme == "file" and base.startswith("file:")))


class _Links(HTMLParser):
    """The targets of all links of a page, with the links' attributes."""

    def __init__(self, base: str) -> None:
        super().__init__()
        self._base = base
        self.links: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        target = attributes.get("href")
        if target and tag == "base":
            self._base = urljoin(self._base, target)
        elif target and tag == "a":
            self.links.append((urljoin(self._base, target), attributes))
