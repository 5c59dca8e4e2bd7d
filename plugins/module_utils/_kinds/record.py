# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""RECORD: what a wheel says of its own files.

Source: https://packaging.python.org/specifications/recording-installed-packages/ (a CSV table; digests as the name of
the algorithm and urlsafe base64 without padding).
"""

from __future__ import annotations

import base64
import csv
import io
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._paths import digest_of, sha256_of
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._python.intact import COMPILED

NAME = "RECORD"
ALGORITHMS = frozenset({"sha256", "sha384", "sha512"})
"""Those that prove something: the specification demands at least SHA-256."""
WITHOUT_DIGEST = frozenset({NAME, "RECORD.jws", "RECORD.p7s"})
"""A RECORD cannot hold the digests of itself and of its signatures."""


def parse_record(text: str) -> dict[str, str]:
    """Digest by path, "" where there is none that proves anything. Raises ValueError for what is not a RECORD."""
    try:
        rows = list(csv.reader(io.StringIO(text, newline="")))
    except csv.Error as error:
        raise ValueError(str(error)) from error
    digests = {row[0]: row[1] if len(row) > 1 else "" for row in rows if row}
    return {path: digest if digest.partition("=")[0] in ALGORITHMS else "" for path, digest in digests.items()}


def sha256_said(file: Path, digest: str) -> str:
    """The SHA-256 that a digest of a RECORD stands for.

    Of one by another algorithm it is that of the file, if the digest fits; else the digest itself, which fits nothing.
    """
    algorithm, _sign, encoded = digest.partition("=")
    try:
        said = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).hex()
        if algorithm == "sha256":
            return said
        return sha256_of(file) if digest_of(file, algorithm) == said else digest
    except (OSError, ValueError):
        return digest


def distribution_of(folder: str) -> tuple[str, str] | None:
    """Normalised name (PEP 503) and version from a metadata folder's name (PEP 376); None if it is none."""
    if not folder.endswith(".dist-info"):
        return None
    name, _sign, version = folder[: -len(".dist-info")].partition("-")
    return re.sub(r"[-_.]+", "-", name).lower(), version


UNREADABLE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError)
"""What reading an archive may raise: damaged, cut short, compressed in a way that is not known here, encrypted."""


def refuse_unrecorded(wheels: Iterable[tuple[str, Path]]) -> None:
    """Refuse wheels, by package, with files for which their RECORD does not answer. Raises MetalfleetError."""
    for package, wheel in wheels:
        unrecorded = sorted(find_unrecorded(package, wheel))
        if unrecorded:
            raise MetalfleetError(
                f"The wheel of {package} brings files that its RECORD does not list with a digest: nobody could tell "
                "later whether they are as they were made",
                evidence=f"In {wheel.name} they are {', '.join(unrecorded[:5])}.",
                remedy="Remove it from the lock, or use another version.",
            )


def find_unrecorded(package: str, wheel: Path) -> Iterator[str]:
    """Files in a package's wheel without a digest in its RECORD, and those in the metadata of another package.

    Compiled Python is left out: it is removed once the wheel is installed.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            names = [name for name in archive.namelist() if not name.endswith("/") and COMPILED not in name.split("/")]
            metadata = {folder for folder in (name.partition("/")[0] for name in names) if distribution_of(folder)}
            [own] = [folder for folder in metadata if (distribution_of(folder) or ("",))[0] == package]
            digests = parse_record(archive.read(f"{own}/{NAME}").decode())
    except (*UNREADABLE, ValueError, KeyError, OSError) as error:
        raise MetalfleetError(
            f"The wheel of {package} is not a wheel: its metadata or its RECORD is missing or damaged",
            evidence=f"{wheel.name} was made so, for its hash is the one in the lock: {error}.",
            remedy="Remove it from the lock, or use another version.",
        ) from error
    for name in names:
        folder, _sign, file = name.partition("/")
        is_of_another = folder in metadata - {own}
        is_answered = digests.get(name) or (folder == own and file in WITHOUT_DIGEST)
        if is_of_another or not is_answered:
            yield name
