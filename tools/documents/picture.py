# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/pictures/report.png: the fleet's report, of a made-up fleet, as Debian's Chromium shows it."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._fleet.hosts import host_of, worst_first
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._fleet.page import to_html
from playwright.sync_api import sync_playwright

from tests.reports import NOW, some_fleet
from tools.documents.site import CHECKOUT

PICTURE = CHECKOUT / "docs/pictures/report.png"
HOSTS = 48


def write() -> None:
    """Write the picture."""
    hosts = [host_of(name, entry) for name, entry in some_fleet(HOSTS).items()]
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        page = Path(folder, "fleet.html")
        page.write_text(to_html(worst_first(hosts), NOW))
        # Root, as in a container, has no sandbox.
        chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        tab = chromium.new_page(viewport={"width": 1400, "height": 640})
        tab.goto(page.as_uri())
        tab.screenshot(path=PICTURE)
        chromium.close()
