# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""What a user wants a host to have."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._python.wanted import version_key
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._native_python.host import NativePythonError


@dataclass(frozen=True)
class Declaration:
    """The options of the module, as its documentation tells them."""

    root: str
    source: str
    version: str
    archives: dict[str, Any]
    packages: dict[str, Any]
    existing: str
    mirror: str
    username: str
    password: str
    proxy: str
    ca: str
    uv_requirement: str
    index_url: str
    minimum_macos: str

    @property
    def minors(self) -> list[str]:
        """Minor versions that will do where nothing is pinned: the declared one, then the others, the newest first."""
        return [self.version, *sorted({*self.archives} - {self.version}, key=version_key, reverse=True)]

    @property
    def secrets(self) -> list[str]:
        """What must not be shown, the longest first."""
        urls = [urlsplit(url) for url in (self.mirror, self.proxy, self.index_url) if is_url(url)]
        parts = [url.password or url.username or "" for url in urls]  # a token may take the user's place
        found = {self.password, *parts, *map(unquote, parts)}
        return sorted(found - {""}, key=len, reverse=True)

    def mask(self, text: str) -> str:
        """The text without credentials."""
        text = re.sub(r"(\w+://)[^/@\s]+@", r"\1***@", text)
        for secret in self.secrets:
            text = text.replace(secret, "***")
        return text


def is_url(mirror: str) -> bool:
    """Whether the host is to download from there; else it is a folder on the controller."""
    return "://" in mirror


class Uv(NamedTuple):
    """The pinned uv: its version, and the requirement with its hashes on one line."""

    version: str
    requirement: str

    @property
    def digests(self) -> set[str]:
        """SHA-256 of its wheels."""
        return set(re.findall(r"sha256:([0-9a-f]{64})", self.requirement))


def parse_uv(requirement: str) -> Uv:
    """Read the hashed requirement of uv; comments and continuation lines are as pip allows them."""
    lines = (line.strip().removesuffix("\\") for line in requirement.splitlines() if not line.lstrip().startswith("#"))
    text = " ".join(" ".join(lines).split())
    match = re.fullmatch(r"uv==([\w.]+)( --hash=sha256:[0-9a-f]{64})+", text)
    if not match:
        raise NativePythonError("The requirement of uv must pin one version: uv==VERSION --hash=sha256:DIGEST ...")
    return Uv(match.group(1), text)
