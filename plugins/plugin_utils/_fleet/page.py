# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""The fleet's report as one HTML page that loads nothing else.

Jinja escapes whatever a host said, and the page's policy lets a browser run nothing but our own script, by its hash.
"""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._moments import written
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._fleet.hosts import PROBLEMS, STATES, age
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._fleet.speeds import kinds_of
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._fleet.summary import whole
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

if TYPE_CHECKING:
    from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._fleet.hosts import Host

PARTS = Path(__file__).with_name("page_parts")
GIB = 2**30


def to_html(hosts: list[Host], now: float) -> str:
    """The page."""
    environment = Environment(
        loader=FileSystemLoader(PARTS), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    style, script = (PARTS.joinpath(name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    kinds = kinds_of(hosts)
    return environment.get_template("page.html.j2").render(
        hosts=hosts,
        heading=whole(hosts, now),
        states=[state for state in STATES if any(host.state == state for host in hosts)],
        problems=PROBLEMS,
        kinds=kinds,
        fastest=max((speed.gflops for kind in kinds for speed in kind.speeds), default=1),
        made=written(now),
        written=written,
        age=lambda moment: age(moment, now),
        gib=lambda size: f"{size / GIB:.0f}",
        style=Markup(style),  # noqa: S704 - our own files
        script=Markup(script),  # noqa: S704
        policy=f"default-src 'none'; base-uri 'none'; form-action 'none'; style-src {digest(style)}; "
        f"script-src {digest(script)}",
    )


def digest(text: str) -> str:
    """The hash with which the page's policy allows its own script and style."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
