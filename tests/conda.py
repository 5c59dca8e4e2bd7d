# SPDX-License-Identifier: GPL-3.0-or-later
"""Channels of conda packages for tests, made of wheels and of a Python of this machine: no real one is needed."""

from __future__ import annotations

import hashlib
import io
import json
import stat
import tarfile
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import zstandard

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PLACEHOLDER = "/opt/placehold" + "_placehold" * 20
"""What stands in packages for the prefix that they will be installed into."""
DATE = 1577836800


@dataclass(frozen=True)
class Package:
    """What goes into a conda package, by path; links by their target."""

    name: str
    version: str = "1.0"
    build: str = "0"
    subdir: str = "noarch"
    files: Mapping[str, bytes] = field(default_factory=dict)
    programs: frozenset[str] = frozenset()
    """Which of the files may be executed."""
    links: Mapping[str, str] = field(default_factory=dict)
    depends: Sequence[str] = ()
    noarch: str = ""
    entry_points: Sequence[str] = ()
    index: Mapping[str, Any] = field(default_factory=dict)
    """What its index says, where that is not the truth."""

    @property
    def stem(self) -> str:
        """Its file's name without the suffix."""
        return f"{self.name}-{self.version}-{self.build}"


class Channel:
    """A channel in a folder. It may be served over HTTP as it is."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._records: dict[str, dict[str, dict[str, Any]]] = {"noarch": {}}

    @property
    def url(self) -> str:
        """Of the folder."""
        return self.folder.absolute().as_uri()

    def add(self, package: Package, *, suffix: str = ".conda") -> str:
        """Write a package and the index anew; returns the package's line of a lock, for the folder's URL."""
        path = self.folder / package.subdir / f"{package.stem}{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes((conda_archive if suffix == ".conda" else tar_archive)(package))
        content = path.read_bytes()
        record = {
            **index_of(package),
            "sha256": hashlib.sha256(content).hexdigest(),
            "md5": hashlib.md5(content).hexdigest(),
            "size": len(content),
        }
        self._records.setdefault(package.subdir, {})[path.name] = record
        self.write_index()
        return self.line(package.subdir, path.name)

    def line(self, subdir: str, name: str) -> str:
        """Of a lock, for the folder's URL."""
        return f"{self.url}/{subdir}/{name}#sha256:{self._records[subdir][name]['sha256']}"

    @property
    def lines(self) -> list[str]:
        """Of a lock of everything."""
        return [self.line(subdir, name) for subdir, records in self._records.items() for name in records]

    def write_index(self) -> None:
        """What a solver reads."""
        for subdir, records in self._records.items():
            (self.folder / subdir).mkdir(parents=True, exist_ok=True)
            kinds = {"packages.conda": ".conda", "packages": ".tar.bz2"}
            listed = {kind: {n: r for n, r in records.items() if n.endswith(end)} for kind, end in kinds.items()}
            content = {"info": {"subdir": subdir}, **listed, "repodata_version": 1}
            (self.folder / subdir / "repodata.json").write_text(json.dumps(content))


def index_of(package: Package) -> dict[str, Any]:
    return {
        "name": package.name,
        "version": package.version,
        "build": package.build,
        "build_number": 0,
        "depends": list(package.depends),
        "subdir": package.subdir,
        "timestamp": DATE * 1000,
        **({"noarch": package.noarch} if package.noarch else {}),
        **package.index,
    }


def info_of(package: Package) -> dict[str, bytes]:
    """The files of a package's folder `info`."""
    paths = []
    for path, content in package.files.items():
        entry = {"_path": path, "path_type": "hardlink", "sha256": hashlib.sha256(content).hexdigest()}
        entry |= {"size_in_bytes": len(content)}  # type: ignore[dict-item] # JSON
        if PLACEHOLDER.encode() in content:
            entry |= {"prefix_placeholder": PLACEHOLDER, "file_mode": "binary" if b"\0" in content else "text"}
        paths.append(entry)
    empty = hashlib.sha256(b"").hexdigest()
    paths += [{"_path": path, "path_type": "softlink", "sha256": empty} for path in package.links]
    link = {"noarch": {"type": package.noarch, "entry_points": list(package.entry_points)}}
    return {
        "info/index.json": json.dumps(index_of(package)).encode(),
        "info/paths.json": json.dumps({"paths_version": 1, "paths": paths}).encode(),
        "info/about.json": b"{}",
        **(
            {"info/link.json": json.dumps({**link, "package_metadata_version": 1}).encode()}
            if package.noarch == "python"
            else {}
        ),
    }


def conda_archive(package: Package) -> bytes:
    """The format of today: a ZIP archive of two compressed tar archives."""
    archive, compress = io.BytesIO(), zstandard.ZstdCompressor(level=1).compress
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as file:
        file.writestr("metadata.json", json.dumps({"conda_pkg_format_version": 2}))
        file.writestr(f"info-{package.stem}.tar.zst", compress(packed(info_of(package), package)))
        file.writestr(f"pkg-{package.stem}.tar.zst", compress(packed(package.files, package, links=package.links)))
    return archive.getvalue()


def tar_archive(package: Package) -> bytes:
    """The format of old."""
    return packed({**info_of(package), **package.files}, package, links=package.links, mode="w:bz2")


def packed(
    files: Mapping[str, bytes], package: Package, *, links: Mapping[str, str] | None = None, mode: Any = "w"
) -> bytes:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode=mode, format=tarfile.PAX_FORMAT) as file:
        for path, content in files.items():
            member = tarfile.TarInfo(path)
            member.size, member.mtime = len(content), DATE
            member.mode = 0o755 if path in package.programs else 0o644
            file.addfile(member, io.BytesIO(content))
        for path, target in (links or {}).items():
            member = tarfile.TarInfo(path)
            member.type, member.linkname = tarfile.SYMTYPE, target
            file.addfile(member)
    return archive.getvalue()


def of_prefix(prefix: Path, version: str, subdir: str, extra: Mapping[str, bytes] | None = None) -> Package:
    """The package `python` from the folder of one, without compiled files."""
    paths = [path for path in sorted(prefix.rglob("*")) if "__pycache__" not in path.parts]
    links = {str(path.relative_to(prefix)): str(path.readlink()) for path in paths if path.is_symlink()}
    minor = version.rpartition(".")[0]
    links |= {f"bin/{name}": f"python{minor}" for name in ("python", "python3")}
    files = [path for path in paths if path.is_file() and not path.is_symlink()]
    site = f"lib/python{minor}/site-packages/README.txt"
    return Package(
        "python",
        version,
        "0_cpython",
        subdir,
        {
            **{str(path.relative_to(prefix)): path.read_bytes() for path in files},
            site: b"This directory contains packages.\n",
            "etc/prefix.txt": f"prefix={PLACEHOLDER}\n".encode(),
            **(extra or {}),
        },
        frozenset(str(path.relative_to(prefix)) for path in files if path.stat().st_mode & stat.S_IXUSR),
        links,
    )


def of_mac(archive: Path, folder: Path) -> Channel:
    """A channel in a new folder, for Macs: the Python of a standalone archive, and a package with a program."""
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="tar")
    version = archive.name.removeprefix("cpython-").partition("+")[0]
    channel = Channel(folder / "channel")
    channel.add(of_prefix(folder / "python", version, "osx-arm64"))
    channel.add(tool("osx-arm64"))
    return channel


def tool(subdir: str) -> Package:
    """A package with a program."""
    program = {"bin/tool": b"#!/bin/sh\necho tool\n"}
    return Package("tool", subdir=subdir, files=program, programs=frozenset(program))


def of_wheel(wheel: Path, python: str, subdir: str, depends: Sequence[str] = ()) -> Package:
    """A conda package with what a wheel holds; `python` is the minor version of those that are not pure."""
    name, version, *tags = wheel.name.removesuffix(".whl").split("-")
    is_pure = tags[-1] == "any"
    inside = "site-packages/" if is_pure else f"lib/python{python}/site-packages/"
    with zipfile.ZipFile(wheel) as archive:
        names = [each for each in archive.namelist() if not each.endswith("/") and ".data/" not in each]
        files = {f"{inside}{each}": archive.read(each) for each in names}
    return Package(
        name.lower().replace("_", "-"),
        version,
        "pyh_0" if is_pure else f"py{python.replace('.', '')}_0",
        "noarch" if is_pure else subdir,
        files,
        depends=["python" if is_pure else f"python {python}.*", *depends],
        noarch="python" if is_pure else "",
    )
