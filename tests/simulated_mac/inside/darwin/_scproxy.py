# SPDX-License-Identifier: GPL-3.0-or-later
"""The system proxy settings of a simulated Mac: none. A C module on a real one."""

from __future__ import annotations


def _get_proxy_settings() -> dict[str, object]:
    return {}


def _get_proxies() -> dict[str, str]:
    return {}
