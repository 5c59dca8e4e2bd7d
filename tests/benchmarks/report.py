# SPDX-License-Identifier: GPL-3.0-or-later
"""What it takes to write a fleet's report, and to show it: ours beside a plain template.

Ours renders from the ledger. What a user would write instead is a table of the same hosts, without details, search and
pictures. The browser is Debian's Chromium.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._options import REPORT_FORMATS
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._fleet.hosts import host_of, worst_first
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._fleet.ledger import Ledger
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._fleet.render import render
from jinja2 import Environment
from playwright.sync_api import sync_playwright

from tests.benchmarks.table import interleaved, show
from tests.reports import NOW, some_fleet

if TYPE_CHECKING:
    from collections.abc import Callable

HOSTS = (64, 500)
PLAIN = """<!doctype html><title>Fleet</title><table>
{% for name, entry in entries.items() %}
<tr><td>{{ name }}<td>{{ entry.report.apple_silicon.chip.name }}<td>{{ entry.report.environments[0].verdict }}
<td>{{ entry.report.reasons | join(", ") }}<td>{{ entry.seen }}</tr>
{% endfor %}
</table>"""


def seconds(work: Callable[[], Any]) -> float:
    """The wall time of some work."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def ours(ledger: Ledger, names: list[str], formats: list[str]) -> dict[str, bytes]:
    """The report as report.yml makes it."""
    return render(worst_first([host_of(name, ledger.read(name)) for name in names]), formats, NOW)


def page(ledger: Ledger, names: list[str]) -> bytes:
    """The page alone."""
    return ours(ledger, names, ["html"])["fleet.html"]


def plain(ledger: Ledger, names: list[str]) -> bytes:
    """The table that a user would write."""
    template = Environment(autoescape=True).from_string(PLAIN)
    return template.render(entries={name: ledger.read(name) for name in names}).encode()


def fill(ledger: Ledger, count: int) -> list[str]:
    """Put some fleet into a ledger."""
    for name, entry in some_fleet(count).items():
        ledger.add_report(name, entry["report"], NOW)
    return ledger.hosts()


def shown(pages: dict[str, Path], runs: int) -> dict[str, list[float]]:
    """Seconds until each page is shown."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        tab = chromium.new_page()

        def load(path: Path) -> None:
            tab.goto(path.as_uri())
            tab.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")

        load(next(iter(pages.values())))  # the browser's own start
        times = interleaved({name: partial(seconds, partial(load, path)) for name, path in pages.items()}, runs)
        chromium.close()
    return times


def main(runs: int) -> None:
    """Measure and print."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        pages: dict[str, Path] = {}
        written: dict[str, tuple[list[float], int]] = {}
        for count in HOSTS:
            ledger = Ledger(Path(folder, str(count)))
            names = fill(ledger, count)
            sides: dict[str, Callable[[], bytes]] = {
                f"page, {count} hosts": partial(page, ledger, names),
                f"plain table, {count} hosts": partial(plain, ledger, names),
            }
            for name, side in sides.items():
                pages[name] = Path(folder, f"{name}.html")
                pages[name].write_bytes(side())
            timed: dict[str, Callable[[], Any]] = {
                **sides,
                f"all {len(REPORT_FORMATS)} formats, {count} hosts": partial(ours, ledger, names, REPORT_FORMATS),
            }
            times = interleaved({name: partial(seconds, side) for name, side in timed.items()}, runs)
            size = sum(map(len, ours(ledger, names, REPORT_FORMATS).values()))
            for name, taken in times.items():
                written[name] = (taken, pages[name].stat().st_size if name in pages else size)
        loaded = shown(pages, runs)
        for name, (taken, size) in written.items():
            opened = f"{1000 * median(loaded[name]):.0f}" if name in loaded else ""
            rows.append([name, f"{1000 * median(taken):.0f}", f"{1000 * min(taken):.0f}", f"{size / 1000:.0f}", opened])
    show(f"A fleet's report, {runs} runs", ["", "written, ms", "fastest", "kB", "shown, ms"], rows)


if __name__ == "__main__":
    main(3)
