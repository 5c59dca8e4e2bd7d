# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""What is installed of wheels in a generation, by their metadata and their RECORD."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator
from pathlib import Path

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._kinds.protocol import Claim, Contents
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._kinds.record import NAME as RECORD
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._kinds.record import (
    distribution_of,
    parse_record,
    sha256_said,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._paths import read_regular
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._python.intact import COMPILED

WHEELS = "metalfleet-wheels.txt"
"""In a generation: the wheels that it was installed from."""
_METADATA = re.compile(r"lib/python3\.\d+/site-packages/([^/]+\.dist-info)/METADATA")


def installed_wheels(generation: Path, others: Collection[str] = ()) -> Contents:
    """Read the RECORD of every distribution, except those whose files are in `others`."""
    found, records = {}, {WHEELS: ""}
    claims: list[Claim] = []
    for folder, (name, version) in distributions(generation).items():
        if f"{folder}/METADATA" not in others:
            found[name] = version
            records[f"{folder}/{RECORD}"] = name
            claims += recorded(generation, generation / folder / RECORD, name, version)
    return Contents(found, tuple(claims), records)


def distributions(generation: Path) -> dict[str, tuple[str, str]]:
    """Name and version of every distribution, by the folder of its metadata in a generation."""
    packages = site_packages(generation)
    inside = packages.relative_to(generation).as_posix()
    found = {name: distribution_of(name) for name in sorted(entry.name for entry in os.scandir(packages))}
    return {f"{inside}/{name}": distribution for name, distribution in found.items() if distribution}


def package_of(path: str) -> tuple[str, str] | None:
    """A distribution is there if its metadata is: its name and version, by the path of that in a generation."""
    match = _METADATA.fullmatch(path)
    return distribution_of(match.group(1)) if match else None


def site_packages(generation: Path) -> Path:
    """Where a generation's packages are."""
    found = sorted(generation.glob("lib/python3.*/site-packages"))
    if not found:
        raise MetalfleetError(f"There is no site-packages in {generation}", remedy="Run again with -vvv to see more.")
    return found[-1]  # conda's Python 3.1x has a link lib/python3.1 as well


def recorded(generation: Path, record: Path, name: str, version: str) -> Iterator[Claim]:
    """What the RECORD of an installed distribution lists, except compiled Python, which Python itself replaces."""
    inside = record.parents[1].relative_to(generation).as_posix()
    for listed, digest in read_record(record, f"{name} {version}").items():
        path = os.path.normpath(f"{inside}/{listed}")
        if path.startswith(("../", "/")):
            raise MetalfleetError(
                f"The wheel of {name} {version} writes outside the environment ({listed})",
                remedy="Remove it from the lock.",
            )
        if COMPILED not in path.split("/") and path != record.relative_to(generation).as_posix():
            yield Claim(path, name, sha256_said(generation / path, digest))


def read_record(record: Path, distribution: str) -> dict[str, str]:
    """Digest by path. Raises MetalfleetError."""
    try:
        return parse_record(read_regular(record).decode())
    except (OSError, ValueError) as error:
        raise MetalfleetError(
            f"{distribution} was installed without a RECORD that can be read",
            evidence=f"{record}: {error}.",
            remedy="Remove it from the lock, or use another version.",
        ) from error
