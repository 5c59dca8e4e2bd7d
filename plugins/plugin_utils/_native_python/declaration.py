# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""The Python that a user declares for a host."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._layout import expand_home, refuse_bad_place
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._python.plan import Request
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._python.wanted import link_to, minor_of
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._native_python.data import (
    other_minors,
    pinned_uv,
    pins_of,
)
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._native_python.urls import is_url, with_credentials

if TYPE_CHECKING:
    from collections.abc import Mapping


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
    index_url: str
    extra_index_urls: list[str]
    minimum_macos: str
    additional: bool = False

    @property
    def link(self) -> str:
        """The name of its link in `bin`."""
        return link_to(Path(self.root), self.version if self.additional else "").name

    @property
    def minors(self) -> list[str]:
        """Minor versions that will do where nothing is pinned: the declared one, then the others, the newest first."""
        return [self.version, *([] if self.additional else other_minors(vars(self), self.version))]

    def request(self, home: str) -> Request:
        """What the planner works with; `home` is that of the host's user."""
        return Request(
            self.source,
            self.version,
            pinned_uv().version,
            pins_of(self.source, vars(self)),
            expand_home(self.existing, home) if self.existing else "",
            tuple(self.minors[1:]),
        )

    @property
    def indexes(self) -> list[str]:
        """The package index and further ones, with the credentials. The first is empty where that of pip will do."""
        main = with_credentials(self.index_url, self.username, self.password)
        ours = {urlsplit(url).hostname for url in (self.index_url, self.mirror) if is_url(url)}
        # Nobody else is told the password.
        extra = [
            with_credentials(url, self.username, self.password) if urlsplit(url).hostname in ours else url
            for url in self.extra_index_urls
        ]
        return [main, *extra]

    @property
    def secrets(self) -> list[str]:
        """Secrets that must not be shown, the longest first."""
        urls = [urlsplit(url) for url in (self.mirror, self.proxy, *self.indexes) if is_url(url)]
        parts = [url.password or url.username or "" for url in urls]  # a token may take the user's place
        found = {self.password, *parts, *map(unquote, parts)}
        return sorted(found - {""}, key=len, reverse=True)

    def mask(self, text: str) -> str:
        """The text without credentials."""
        text = re.sub(r"(\w+://)[^/@\s]+@", r"\1***@", text)
        for secret in self.secrets:
            text = text.replace(secret, "***")
        return text


def declare(options: Mapping[str, Any]) -> Declaration:
    """The declaration that a task's options make. Raises MetalfleetError for impossible values."""
    declaration = Declaration(**{field.name: options[field.name] for field in fields(Declaration)})
    refuse_bad_place("native_python_root", declaration.root)
    if declaration.existing:
        refuse_bad_place("native_python_existing", declaration.existing)
    if not re.fullmatch(r"3\.\d+", declaration.version):
        minor = minor_of(declaration.version) if declaration.version.startswith("3.") else "3.12"
        raise MetalfleetError(
            f"native_python_version is {declaration.version!r}, which is not a minor version",
            remedy=f'Write it in quotes, such as "{minor}".',
        )
    existing = "" if declaration.additional else declaration.existing  # which is of one version
    return replace(declaration, root=str(Path(declaration.root)), existing=existing)  # in its one spelling
