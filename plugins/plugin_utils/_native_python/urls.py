# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""URLs, and the credentials that go into them."""

from __future__ import annotations

from urllib.parse import quote, urlsplit, urlunsplit


def is_url(text: str) -> bool:
    """Whether it is one; else it is a path."""
    return "://" in text


def with_credentials(url: str, username: str, password: str) -> str:
    """A URL with a user's name and password in it, unless it has its own, or is none."""
    parts = urlsplit(url)
    if not username or not is_url(url) or "@" in parts.netloc:
        return url
    user = quote(username, safe="") + (":" + quote(password, safe="") if password else "")
    return urlunsplit(parts._replace(netloc=f"{user}@{parts.netloc}"))
