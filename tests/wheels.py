# SPDX-License-Identifier: GPL-3.0-or-later
"""Small wheels and locks for tests that need real packages, but no real TensorFlow."""

from __future__ import annotations

import base64
import hashlib
import io
import tarfile
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

DATE = (2020, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Wheel:
    """A wheel that was made."""

    path: Path
    requirement: str

    @property
    def sha256(self) -> str:
        """Hexadecimal digest of the file."""
        return hashlib.sha256(self.path.read_bytes()).hexdigest()


def make_wheel(
    folder: Path,
    name: str,
    version: str = "1.0",
    files: Mapping[str, bytes] | None = None,
    requires: str = "",
    *,
    tag: str = "py3-none-any",
) -> Wheel:
    """Write a wheel into a folder; without `files` it holds one module of its name."""
    requirement = f"Requires-Dist: {requires}\n" if requires else ""
    info = f"{name}-{version}.dist-info"
    content = {
        **(files if files is not None else {f"{name}/__init__.py": f"VERSION = {version!r}\n".encode()}),
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{requirement}".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: " + f"{tag}\n".encode(),
    }
    record = "".join(f"{path},sha256={_encode(data)},{len(data)}\n" for path, data in content.items())
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{version}-{tag}.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
        for member, data in {**content, f"{info}/RECORD": f"{record}{info}/RECORD,,\n".encode()}.items():
            wheel.writestr(zipfile.ZipInfo(member, DATE), data)
    return Wheel(path, f"{name}=={version}")


BACKEND = """
import base64, hashlib, os, time, zipfile

def build_wheel(folder, config_settings=None, metadata_directory=None):
    filename = "{name}-{version}-{tag}.whl"
    info = "{name}-{version}.dist-info"
    date = time.gmtime(int(os.environ.get("SOURCE_DATE_EPOCH") or time.time()))[:6]
    with zipfile.ZipFile(os.path.join(folder, filename), "w") as wheel:
        def write(path, text):
            wheel.writestr(zipfile.ZipInfo(path, date), text)

        write("{name}/__init__.py", "VERSION = '{version}'\\n")
        write(info + "/METADATA", "Metadata-Version: 2.1\\nName: {name}\\nVersion: {version}\\n")
        write(info + "/WHEEL", "Wheel-Version: 1.0\\nGenerator: t\\nRoot-Is-Purelib: true\\nTag: {tag}\\n")
        lines = []
        for path in wheel.namelist():
            digest = base64.urlsafe_b64encode(hashlib.sha256(wheel.read(path)).digest()).rstrip(b"=").decode()
            lines.append(path + ",sha256=" + digest + ",\\n")
        write(info + "/RECORD", "".join(lines) + info + "/RECORD,,\\n")
    return filename
"""


def make_source(folder: Path, name: str, version: str = "1.0", *, tag: str = "py3-none-any", backend: str = "") -> Path:
    """Write the source of a package, which is built by what it brings itself; `tag` is that of the wheel."""
    files = {
        "pyproject.toml": f'[project]\nname = "{name}"\nversion = "{version}"\n\n[build-system]\nrequires = []\n'
        'build-backend = "backend"\nbackend-path = ["."]\n',
        "backend.py": backend or BACKEND.format(name=name, version=version, tag=tag),
        "PKG-INFO": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{version}.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for member, text in files.items():
            entry = tarfile.TarInfo(f"{name}-{version}/{member}")
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))
    return path


def lock_of(*wheels: Wheel) -> str:
    """A lock that pins exactly these wheels."""
    return "".join(f"{wheel.requirement} --hash=sha256:{wheel.sha256}\n" for wheel in wheels)


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
