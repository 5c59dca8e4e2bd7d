# SPDX-License-Identifier: GPL-3.0-or-later
"""The page in a real browser: Debian's Chromium, without a screen."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._fleet.hosts import host_of, worst_first
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._fleet.page import to_html
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.reports import HOSTILE, NOW, asleep, entry_of, environment, report, some_fleet

WIDE, NARROW = {"width": 1600, "height": 900}, {"width": 360, "height": 740}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = shutil.which("chromium")
    assert program, "make system-packages installs Chromium"
    with sync_playwright() as playwright:
        # Root, as in a container, has no sandbox.
        chromium = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield chromium
        chromium.close()


class Opened:
    """A page that was opened, what it complained of, and what it asked for."""

    def __init__(self, page: Page, path: Path) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.requests: list[str] = []
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", lambda dialog: self.complaints.append(dialog.message))
        page.on("request", lambda request: self.requests.append(request.url))
        page.goto(path.as_uri())

    def column(self, number: int) -> list[str]:
        """The texts of a column, of the rows that are shown."""
        cells = self.page.locator(f"#hosts tbody tr:not([hidden]) > :nth-child({number})")
        return [text.strip() for text in cells.all_inner_texts()]


@pytest.fixture
def opened(browser: Browser, tmp_path: Path) -> Iterator[Any]:
    made: list[Opened] = []

    def open_fleet(entries: dict[str, dict[str, Any]], **settings: Any) -> Opened:
        path = tmp_path / "fleet.html"
        path.write_text(to_html(worst_first([host_of(*each) for each in entries.items()]), NOW))
        made.append(Opened(browser.new_page(**{"viewport": WIDE, **settings}), path))
        return made[-1]

    yield open_fleet
    for each in made:
        each.page.close()
        assert each.complaints == []
        assert len(each.requests) == 1


def test_the_worst_is_first_and_every_heading_sorts(opened: Any) -> None:
    fleet = opened(some_fleet(500))
    assert fleet.column(2)[:14] == ["failed"] * 12 + ["drifted"] * 2
    fleet.page.get_by_role("button", name="Host", exact=True).click()
    numbers = [int(re.findall(r"\d+", name)[0]) for name in fleet.column(1)]
    assert numbers == list(range(500))
    heading = fleet.page.get_by_role("columnheader", name="Host")
    expect(heading).to_have_attribute("aria-sort", "ascending")
    fleet.page.get_by_role("button", name="Host", exact=True).click()
    assert fleet.column(1)[0] == "mac-499.example.com"
    expect(heading).to_have_attribute("aria-sort", "descending")

    fleet.page.get_by_role("button", name="macOS").press("Enter")
    assert (fleet.column(4)[0], fleet.column(4)[-1]) == ("15.0", "15.6")
    expect(heading).not_to_have_attribute("aria-sort", re.compile(".*"))
    fleet.page.get_by_role("button", name="Free disk").click()
    sizes = list(map(int, fleet.column(13)))
    assert sizes == sorted(sizes)
    fleet.page.get_by_role("button", name="Last seen").click()
    assert fleet.column(8)[0].endswith("(10 days ago)")


def test_search_and_state_filter_the_table_and_the_details(opened: Any) -> None:
    fleet = opened(some_fleet(500))
    fleet.page.get_by_label("State").select_option("not seen")
    assert set(fleet.column(2)) == {"not seen"}
    shown = len(fleet.column(1))
    expect(fleet.page.locator("#shown")).to_have_text(f"{shown} of 500 shown")
    expect(fleet.page.locator("section:visible")).to_have_count(shown)
    fleet.page.get_by_label("Search").fill("ULTRA not")
    assert fleet.column(1) == []
    fleet.page.get_by_label("State").select_option("")
    fleet.page.get_by_label("Search").fill("mac-42.example.com m4")
    assert fleet.column(1) == ["mac-42.example.com"]
    fleet.page.get_by_label("Search").press("Enter")
    fleet.page.get_by_role("link", name="mac-42.example.com").click()
    expect(fleet.page.locator("section:visible")).to_be_in_viewport()
    fleet.page.get_by_label("Search").fill("")
    assert len(fleet.column(1)) == 500


def test_a_host_has_its_diagnosis_and_remedy(opened: Any) -> None:
    fleet = opened(some_fleet(60))
    section = fleet.page.get_by_role("region", name="mac-20.example.com")
    expect(section).to_contain_text("The GPU is gone")
    expect(section).to_contain_text("Restart the Mac")
    expect(fleet.page.get_by_role("region", name="mac-10.example.com")).to_contain_text("file-damaged it is")


def test_slow_gpus_are_marked(opened: Any) -> None:
    fleet = opened(some_fleet(200))
    expect(fleet.page.locator("svg .outlier")).to_have_count(2)
    expect(fleet.page.locator(".outliers li").first).to_contain_text("the median of Apple M3 Ultra, GPU with 80 cores")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_everybody_can_use_it(opened: Any, scheme: str, size: dict[str, int]) -> None:
    hosts = [f"mac-{number}.example.com" for number in (0, 3, 7, 10, 11, 15, 20, 30)]
    all_hosts = some_fleet(31)
    fleet = opened({host: all_hosts[host] for host in hosts}, color_scheme=scheme, viewport=size)
    found = Axe().run(fleet.page)
    assert found.violations_count == 0, found.generate_report()
    assert fleet.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    background = fleet.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == {"light": "rgb(255, 255, 255)", "dark": "rgb(21, 23, 26)"}[scheme]


def test_on_paper_there_is_all_but_the_controls(opened: Any) -> None:
    fleet = opened(some_fleet(60), color_scheme="dark")
    fleet.page.emulate_media(media="print")
    expect(fleet.page.locator("#controls")).to_be_hidden()
    expect(fleet.page.locator("section:visible")).to_have_count(60)
    assert fleet.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


def test_hostile_hosts_run_nothing(opened: Any) -> None:
    entries = {
        f"{number} {evil}": entry_of(report(environment(evil, evil, ok=False, text=evil), text=[evil]))
        for number, evil in enumerate(HOSTILE)
    }
    fleet = opened({**entries, "away": asleep(report(), 9), "new": {}})
    assert len(fleet.column(1)) == len(HOSTILE) + 2
    assert fleet.page.locator("script").count() == 1
    assert fleet.page.locator("img").count() == 0
    fleet.page.get_by_label("Search").fill("<script>alert(1)")
    assert [text.split()[0] for text in fleet.column(1)] == ["0"]


def test_what_is_injected_all_the_same_does_not_run(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "fleet.html"
    page = to_html([host_of("ada", entry_of(report()))], NOW)
    path.write_text(
        page.replace("</main>", "<script>document.title = 'evil'</script><img src=x onerror=alert(1)></main>")
    )
    fleet = Opened(browser.new_page(), path)
    assert fleet.page.title() == "1 Mac: 1 ok"
    assert any("Content Security Policy" in complaint for complaint in fleet.complaints)
    fleet.page.close()
