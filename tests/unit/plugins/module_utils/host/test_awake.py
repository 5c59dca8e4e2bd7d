# SPDX-License-Identifier: GPL-3.0-or-later
"""What keeps a Mac awake while something is built."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._host import awake


def test_it_is_told_whose_end_it_has_to_wait_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    called = tmp_path / "called"
    os.mkfifo(called)
    program = tmp_path / "caffeinate"
    program.write_text(f'#!/bin/sh\necho "$@" >{called}\n')
    program.chmod(0o755)
    monkeypatch.setattr(awake, "CAFFEINATE", str(program))
    awake.stay_awake()
    assert called.read_text() == f"-i -w {os.getpid()}\n"


def test_a_host_without_such_a_program_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(awake, "CAFFEINATE", str(tmp_path / "caffeinate"))
    awake.stay_awake()
