# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run leaves for whoever waits for it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._progress import NAME, Progress, counted


@pytest.fixture
def progress(tmp_path: Path) -> Progress:
    made = Progress(tmp_path)
    made.begin("tf")
    return made


def told(folder: Path) -> str:
    pid, _, said = (folder / NAME).read_text().partition(" ")
    assert int(pid) == os.getpid()
    return said


def test_what_is_done_is_there_until_the_end(progress: Progress, tmp_path: Path) -> None:
    with progress:
        progress.say("installing 38 wheels")
        assert told(tmp_path) == "tf: installing 38 wheels\n"
        progress.say("probing")
        assert told(tmp_path) == "tf: probing\n"
    assert list(tmp_path.iterdir()) == []


def test_a_step_is_told_once_in_a_second(progress: Progress, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    for moment, detail in ((100.0, "1 MB"), (100.9, "2 MB"), (101.0, "3 MB")):
        now = moment
        progress.say("downloading", detail)
        assert told(tmp_path) == f"tf: downloading, {'3 MB' if moment == 101.0 else '1 MB'}\n"
    progress.begin("other")
    progress.say("downloading", "4 MB")
    assert told(tmp_path) == "other: downloading, 4 MB\n"


def test_one_thing_is_not_many() -> None:
    assert [counted(number, "wheel") for number in (0, 1, 2)] == ["0 wheels", "1 wheel", "2 wheels"]


def test_threads_tell_at_once(progress: Progress, tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: progress.say(f"step {number}"), range(200)))
    assert told(tmp_path).startswith("tf: step ")
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


@pytest.mark.parametrize("obstacle", [NAME, f"{NAME}.new"])
@pytest.mark.parametrize("kind", ["folder", "FIFO", "link"])
def test_nothing_in_its_place_holds_a_run_up(progress: Progress, tmp_path: Path, obstacle: str, kind: str) -> None:
    outside = tmp_path / "outside"
    outside.write_text("mine")
    put: dict[str, Callable[[Path], object]] = {
        "folder": Path.mkdir,
        "FIFO": os.mkfifo,
        "link": lambda path: path.symlink_to(outside),
    }
    put[kind](tmp_path / obstacle)
    with progress:
        progress.say("probing")
    assert outside.read_text() == "mine"


def test_without_a_folder_nobody_is_told() -> None:
    with (progress := Progress()) as nothing:
        progress.say("probing")
    assert nothing is None


def test_a_folder_that_is_gone_ends_no_run(tmp_path: Path) -> None:
    with (progress := Progress(tmp_path / "gone")):
        progress.say("probing")
    assert not (tmp_path / "gone").exists()
