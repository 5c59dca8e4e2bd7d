# SPDX-License-Identifier: GPL-3.0-or-later
"""What is told at the terminal of hosts that build; the file is read with the real shell."""

from __future__ import annotations

import os
import subprocess
import threading
from pathlib import Path

import pytest
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._progress import NAME, Progress
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils import _progress
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._progress import (
    LONGEST,
    SECONDS_BETWEEN_LINES,
    News,
    look,
    told_meanwhile,
)


def seen(root: Path | str, home: Path = Path("/nonexistent")) -> str:
    """What a look finds."""
    environment = {"HOME": str(home), "PATH": ""}
    shell = subprocess.run(
        ["/bin/sh", "-c", look(str(root))], env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert shell.stderr == ""
    return shell.stdout


def test_what_a_run_says_is_seen_while_it_lasts(tmp_path: Path) -> None:
    root = tmp_path / "with 'quotes\" and blanks"
    root.mkdir()
    with (progress := Progress(root)):
        progress.begin("tf")
        progress.say("downloading", "1 of 2 MB")
        assert seen(root) == seen(f"~/{root.name}", tmp_path) == "tf: downloading, 1 of 2 MB\n"
    assert seen(root) == ""


def test_what_a_killed_run_has_left_is_not_told(tmp_path: Path) -> None:
    ended = subprocess.Popen(["/bin/true"])
    ended.wait()
    (tmp_path / NAME).write_text(f"{ended.pid} tf: probing\n")
    assert seen(tmp_path) == ""


@pytest.mark.parametrize("content", ["", "\n", "x y\n", "$(id) y\n", "1\n", "x" * 10 * LONGEST])
def test_what_is_no_progress_is_nothing(tmp_path: Path, content: str) -> None:
    (tmp_path / NAME).write_text(content)
    assert seen(tmp_path).strip() == ""


def test_what_is_no_file_holds_nobody_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / NAME)
    assert seen(tmp_path) == ""


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_step_is_told_as_it_begins_and_then_now_and_then() -> None:
    told: list[str] = []
    clock = Clock()
    news = News(told.append, clock)
    for moment, heard in (
        (5, "tf: downloading, 1 of 9 MB\n"),
        (10, "tf: downloading, 2 of 9 MB\n"),
        (15, ""),
        (5 + SECONDS_BETWEEN_LINES, "tf: downloading, 3 of 9 MB\n"),
        (40, "tf: probing\n"),
        (200, "tf: probing\n"),
        (205, "other: probing\n"),
    ):
        clock.now = moment
        news.hear(heard)
    assert told == ["tf: downloading, 1 of 9 MB", "tf: downloading, 3 of 9 MB", "tf: probing", "other: probing"]


def test_a_host_cannot_rule_the_terminal() -> None:
    told: list[str] = []
    News(told.append).hear("tf: \x1b[2J\x07prob\ning\n")
    assert told == ["tf: [2Jprob ing"]


def test_it_is_asked_until_the_work_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_progress, "SECONDS_BETWEEN_LOOKS", 0.001)
    told: list[str] = []
    is_told = threading.Event()

    def tell(said: str) -> None:
        told.append(said)
        is_told.set()

    before = threading.active_count()
    with told_meanwhile(lambda: "tf: probing", tell):
        assert is_told.wait(60)
    assert told == ["tf: probing"]
    assert threading.active_count() == before


def test_what_is_soon_done_is_never_looked_at() -> None:
    looks: list[None] = []

    def ask() -> str:
        looks.append(None)
        return ""

    with told_meanwhile(ask, print):
        pass
    assert looks == []
