# SPDX-License-Identifier: GPL-3.0-or-later
"""What the processes of one run share."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
from ansible import constants
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._this_run import of_this_run, once


class Work:
    """Something that is done once in a run."""

    def __init__(self, *, fails: bool = False) -> None:
        self.fails, self.times = fails, 0

    def __call__(self) -> str:
        self.times += 1
        if self.fails:
            raise MetalfleetError("The disk is full", evidence="/srv: No space left on device.", remedy="Free some.")
        return "done"


@pytest.fixture(autouse=True)
def _of_this_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "DEFAULT_LOCAL_TMP", str(tmp_path))


def test_work_is_done_once_also_if_it_fails() -> None:
    work, failing = Work(), Work(fails=True)
    for _ in range(2):
        assert once("work", work) == "done"
        with pytest.raises(MetalfleetError, match=r"The disk is full\. /srv: No space left on device\. Free some\."):
            once("failing", failing)
    assert (work.times, failing.times) == (1, 1)


@pytest.mark.parametrize("left", ['{"resu', "[]", "{}"])
def test_what_a_killed_process_left_is_no_answer(left: str) -> None:
    with of_this_run("work") as file:
        file.write(left)
    work = Work()
    assert [once("work", work), once("work", work)] == ["done", "done"]
    assert work.times == 1


def test_on_a_full_disk_the_work_tells_what_is_the_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, text: str, **_: object) -> int:
        path.write_bytes(text.encode()[:9])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", refuse)
    work, failing = Work(), Work(fails=True)
    for _ in range(2):
        assert once("work", work) == "done"
        with pytest.raises(MetalfleetError, match="The disk is full"):
            once("failing", failing)
    assert (work.times, failing.times) == (2, 2)
