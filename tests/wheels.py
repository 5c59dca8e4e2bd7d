# SPDX-License-Identifier: GPL-3.0-or-later
"""Small wheels and locks for tests that need real packages, but no real TensorFlow."""

from __future__ import annotations

import base64
import hashlib
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


def lock_of(*wheels: Wheel) -> str:
    """A lock that pins exactly these wheels."""
    return "".join(f"{wheel.requirement} --hash=sha256:{wheel.sha256}\n" for wheel in wheels)


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
