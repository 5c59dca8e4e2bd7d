# SPDX-License-Identifier: GPL-3.0-or-later
"""The wheels of Macs with Apple Silicon, read where they lie: of one on an index only the members that are needed."""

from __future__ import annotations

import io
import itertools
import posixpath
import re
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from email.parser import HeaderParser
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import BinaryIO, cast

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._commands import Commands
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.index import (
    Listings,
    RemoteFile,
    explain_fetch,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.network import Network
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.platforms import (
    Platform,
    WheelName,
    parse_wheel_name,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.settings import sources_of
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.web import (
    FetchFailed,
    Unreachable,
    Web,
    chunks,
    local_path,
    masked,
    retried,
)
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from tools.link_check.macho import Image, NotReadable, read_image

BLOCK = 2 * 1024**2
KEPT_BLOCKS = 3
CHUNK = 1024**2
MOST_READ = 256 * 1024**2  # bytes
NEWEST_MACOS = (99, 0)
"""What a wheel demands of macOS is not the question here."""

_PLACED = r"^[^/]+\.data/(?:purelib|platlib)/"
"""What lies there in a wheel is put into site-packages."""

Progress = Callable[[int], object]
"""Called with bytes that have come."""


class Wheel:
    """A wheel's files, by their paths below site-packages."""

    def __init__(self, name: str, file: BinaryIO) -> None:
        self.name = name
        with _as_not_readable(name):
            self._zip = zipfile.ZipFile(file)
        placed = (
            (re.sub(r"^[^/]+\.data/(?:purelib|platlib)/", "", info.filename), info) for info in self._zip.filelist
        )
        self._members = dict(placed)
        self.image = cache(self._image)
        """Reads the image at a path; None if there is none."""

    def __contains__(self, path: object) -> bool:
        return path in self._members

    @property
    def libraries(self) -> list[str]:
        """Its files of native code."""
        return [path for path in self._members if path.endswith((".dylib", ".so"))]

    @property
    def plugins(self) -> list[str]:
        """The libraries that TensorFlow would take for plug-ins."""
        return [path for path in self.libraries if posixpath.dirname(path) == "tensorflow-plugins"]

    @property
    def requirements(self) -> list[Requirement]:
        """What it requires on a Mac with Apple Silicon."""
        path = next((path for path in self._members if re.fullmatch(r"[^/]+\.dist-info/METADATA", path)), None)
        if path is None:
            raise NotReadable(f"{self.name} has no METADATA")
        text = self.read(path).decode("utf-8", "replace")
        required = []
        for line in HeaderParser().parsestr(text).get_all("Requires-Dist") or []:
            with suppress(InvalidRequirement):
                required.append(Requirement(line))
        mac = {"platform_system": "Darwin", "platform_machine": "arm64", "sys_platform": "darwin", "extra": ""}
        return [each for each in required if each.marker is None or each.marker.evaluate(mac)]

    def read(self, path: str) -> bytes:
        """A member's content, which must not be large."""
        content = b"".join(itertools.islice(self._content(path), MOST_READ // CHUNK))
        if len(content) >= MOST_READ:
            raise NotReadable(f"{path} in {self.name} is too large to be that")
        return content

    def plugin(self) -> Image:
        """Its plug-in, with what that binds."""
        if len(self.plugins) != 1:
            raise NotReadable(f"{self.name} has no plug-in for TensorFlow, or several: {', '.join(self.plugins)}")
        [path] = self.plugins
        return read_image(path, self._content(path), with_binds=True)

    def _image(self, path: str) -> Image | None:
        return read_image(path, self._content(path)) if path in self else None

    def _content(self, path: str) -> Iterator[bytes]:
        with _as_not_readable(self.name), self._zip.open(self._members[path]) as member:
            while block := member.read(CHUNK):
                yield block


@contextmanager
def _as_not_readable(name: str) -> Iterator[None]:
    """Say of an archive that is damaged that it cannot be read."""
    try:
        yield
    except NotReadable:
        raise
    # Besides its own errors, zipfile raises these for what it does not know: encryption, methods, odd offsets.
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise NotReadable(f"{name} is not a wheel, or a damaged one: {error}") from error


class _RemoteFile(io.RawIOBase):
    """A file on an index, of which only what is read is fetched; all of it, where that is refused."""

    def __init__(self, web: Web, url: str, progress: Progress) -> None:
        self._web, self._url, self._progress = web, url, progress
        self._position, self._whole = 0, cast("BinaryIO | None", None)
        self._blocks: dict[int, bytes] = {}
        self._size = 0
        self._size = self._size or self._fetch(0, BLOCK)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        self._position = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        return self._position

    def readinto(self, target: object, /) -> int:
        view = memoryview(cast("bytearray", target))
        number, inside = divmod(self._position, BLOCK)
        if self._position >= self._size:
            return 0
        if self._whole:
            self._whole.seek(self._position)
            part = self._whole.read(len(view))
        else:
            part = self._block(number)[inside : inside + len(view)]
        view[: len(part)] = part
        self._position += len(part)
        return len(part)

    def _block(self, number: int) -> bytes:
        if number not in self._blocks:
            retried(lambda: self._fetch(number * BLOCK, BLOCK), lambda: 0)
            while len(self._blocks) > KEPT_BLOCKS:
                del self._blocks[next(iter(self._blocks))]
        return self._blocks[number]

    def _fetch(self, start: int, size: int) -> int:
        """Keep a block; returns the size of the file."""
        headers = {"Range": f"bytes={start}-{start + size - 1}"}
        with self._web.opened(self._url, headers) as response:
            if response.status != HTTPStatus.PARTIAL_CONTENT:
                return self._keep_whole(chunks(response, limit=1 << 40))
            content = b"".join(chunks(response))
            total = (response.headers.get("Content-Range") or "").rpartition("/")[2]
        if not total.isdigit() or len(content) != min(size, int(total) - start):
            raise Unreachable(f"{masked(self._url)} answered another part of the file than was asked for")
        self._progress(len(content))
        self._blocks[start // BLOCK] = content
        return int(total)

    def _keep_whole(self, content: Iterator[bytes]) -> int:
        self._whole = tempfile.TemporaryFile()  # noqa: SIM115 - it is there as long as this object
        for block in content:
            self._progress(self._whole.write(block))
        return self._whole.tell()


class Packages:
    """Wheels from wherever pip and uv would take them. May be used by several threads."""

    def __init__(self, progress: Progress = lambda _: None) -> None:
        sources = sources_of(Network())
        self._web, self._progress = Web(sources, Commands()), progress
        self._listings = Listings(self._web, sources)
        self._files = cache(self._list)

    def open(self, what: str, python: str) -> Wheel:
        """The wheel that a path or NAME==VERSION names, for a minor version of Python, on Apple Silicon."""
        if what.endswith(".whl"):
            return self._open(RemoteFile(Path(what).name, what))
        name, found, version = what.partition("==")
        if not found:
            raise NotReadable(f"{what} is neither a file that ends in .whl or .dylib, nor NAME==VERSION")
        try:
            of_version = self.wheels(name).get(Version(version), [])
        except InvalidVersion as error:
            raise NotReadable(f"{version} is not a version of a package") from error
        platform = _mac(python)
        ranked = [(rank, file) for wheel, file in of_version for rank in [platform.rank(wheel)] if rank]
        if ranked:
            return self._open(max(ranked, key=lambda pair: pair[0])[1])
        others = ", ".join(sorted({tag for wheel, _ in of_version for tag, _, _ in wheel.tags}))
        there = f"; there are wheels for {others}" if others else ""
        raise NotReadable(f"{what} has no wheel for Python {python} on a Mac with Apple Silicon{there}")

    def wheels(self, package: str) -> dict[Version, list[tuple[WheelName, RemoteFile]]]:
        """The wheels of a package for Apple Silicon, by version."""
        found: dict[Version, list[tuple[WheelName, RemoteFile]]] = {}
        for file in self._files(canonicalize_name(package)):
            wheel = parse_wheel_name(file.filename)
            if wheel and any(platform.endswith(("_arm64", "_universal2")) for _, _, platform in wheel.tags):
                found.setdefault(Version(wheel.version), []).append((wheel, file))
        return dict(sorted(found.items()))

    def withdrawn(self, package: str) -> dict[str, str]:
        """Why the authors of a package have withdrawn versions ("yanked"): all wheels that there are of each."""
        return {
            str(version): reasons[0] or "no reason is given"
            for version, files in self.wheels(package).items()
            for reasons in [[file.withdrawn for _, file in files if file.withdrawn is not None]]
            if len(reasons) == len(files)
        }

    def _list(self, package: str) -> list[RemoteFile]:
        failures: list[FetchFailed] = []
        files = next((files for files in self._listings.of(package, failures) if files), [])
        if not files and failures:
            raise explain_fetch(failures[0], f"The wheels of {package} cannot be listed")
        return files

    def _open(self, file: RemoteFile) -> Wheel:
        path = local_path(file.url)
        try:
            content = path.open("rb") if path else _RemoteFile(self._web, file.url, self._progress)
        except OSError as error:
            raise NotReadable(f"{path}: {error.strerror}") from error
        return Wheel(file.filename, cast("BinaryIO", content if path else io.BufferedReader(content, CHUNK)))


def _mac(python: str) -> Platform:
    """Any Mac with Apple Silicon."""
    found = re.fullmatch(r"3\.(\d+)", python)
    if not found:
        raise NotReadable(f"{python} is not a version of Python like 3.12")
    return Platform((3, int(found[1])), "arm64", NEWEST_MACOS, is_mac=True)
