# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""The way to what a host downloads, as the options say it."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Network:
    """The options. What is empty is the user's matter, or has uv's default."""

    index_url: str = field(default="", repr=False)
    extra_index_urls: tuple[str, ...] = field(default=(), repr=False)
    proxy: str = field(default="", repr=False)
    certificates: str = field(default="", repr=False)
    """Of authorities to trust beside those that the host trusts, in PEM format."""
    username: str = ""
    password: str = field(default="", repr=False)
    wheels: str = field(default="", repr=False)
    """A folder or page of wheels, and then no index."""
