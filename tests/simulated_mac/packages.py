# SPDX-License-Identifier: GPL-3.0-or-later
"""Installer packages as the test bed has them: no real xar archives, but its pkgutil and installer understand them."""

from __future__ import annotations

import io
import json
import tarfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from .store import Store

PYTHON_SOFTWARE_FOUNDATION = "Python Software Foundation (BMM5U3QVKW)"


def python_org(store: Store, path: Path, signer: str = PYTHON_SOFTWARE_FOUNDATION) -> None:
    """Write python.org's package of the test bed's Python; `signer` is empty for an unsigned one."""
    parts = ("Framework", "Applications")
    about = {"signer": signer, "receipts": [f"org.python.Python.Python{part}-{store.python.minor}" for part in parts]}
    files = io.BytesIO()
    with tarfile.open(fileobj=files, mode="w") as tar:
        for top in ("Library", "usr"):
            tar.add(store.layer("python-org") / top, top, filter=_of_root)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"xar!\n" + json.dumps(about).encode() + b"\n" + files.getvalue())


def _of_root(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    return member
