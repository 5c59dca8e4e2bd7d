# SPDX-License-Identifier: GPL-3.0-or-later
"""Says as JSON what an environment on a host really holds, for the tests to judge by: on_host.py ENVIRONMENT.

Nothing of the collection is used here. It travels over standard input to the test bed's own Python on the host, so the
standard library must do.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import json
import struct
import sys
from pathlib import Path
from typing import Any

MACHO_64, FAT = 0xFEEDFACF, 0xCAFEBABE  # <mach-o/loader.h>, <mach-o/fat.h>
CPU_TYPE_ARM64 = 0x0100000C  # <mach/machine.h>


def installed(environment: str) -> dict[str, Any]:
    """Packages, tags of their wheels, files that are not as RECORD says, and native libraries that are not arm64."""
    [packages] = Path(environment).glob("lib/python3.*/site-packages")
    metadata = sorted(packages.glob("*.dist-info"))
    files = [path for path in Path(environment, "lib").resolve().rglob("*") if path.is_file()]
    libraries = [path for path in files if path.suffix in (".so", ".dylib")]
    return {
        "packages": [folder.name.removesuffix(".dist-info") for folder in metadata],
        "tags": {folder.name.partition("-")[0]: tags(folder / "WHEEL") for folder in metadata},
        "checked": sum(len(recorded(folder)) for folder in metadata),
        "wrong": [str(packages / path) for folder in metadata for path in wrong(packages, recorded(folder))],
        "libraries": len(libraries),
        "foreign": [str(path) for path in libraries if CPU_TYPE_ARM64 not in cpu_types(path)],
        "linked_elsewhere": [str(path) for path in files if path.stat().st_nlink > 1],
    }


def tags(wheel: Path) -> list[str]:
    """What a wheel says that it is for, such as cp312-cp312-macosx_12_0_arm64."""
    return [line.partition(": ")[2] for line in wheel.read_text().splitlines() if line.startswith("Tag: ")]


def recorded(metadata: Path) -> dict[str, str]:
    """The files of a wheel with their digests, both as RECORD has them, except compiled Python."""
    with (metadata / "RECORD").open(newline="") as record:
        return {row[0]: row[1] for row in csv.reader(record) if row[1] and "__pycache__" not in row[0]}


def wrong(packages: Path, digests: dict[str, str]) -> list[str]:
    """Those files that are missing, or whose content is another."""
    return [path for path, digest in digests.items() if digest_of(packages / path) != digest]


def digest_of(path: Path) -> str:
    """As RECORD has it."""
    if not path.is_file():
        return "missing"
    digest = hashlib.sha256(path.read_bytes()).digest()
    return "sha256=" + base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def cpu_types(path: Path) -> list[int]:
    """What a Mach-O file, thin or universal, holds code for; nothing for any other file."""
    with path.open("rb") as file:
        head = file.read(8)
        if len(head) == 8 and struct.unpack("<I", head[:4])[0] == MACHO_64:
            return [struct.unpack("<I", head[4:])[0]]
        magic, count = struct.unpack(">II", head) if len(head) == 8 else (0, 0)
        return [struct.unpack(">5I", file.read(20))[0] for _ in range(count)] if magic == FAT else []


if __name__ == "__main__":
    sys.stdout.write(json.dumps(installed(sys.argv[1])))
