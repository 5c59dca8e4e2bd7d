# SPDX-License-Identifier: GPL-3.0-or-later
"""What a recording of a machine keeps of its programs' answers."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._commands import CommandExited, CommandNotFound

from tools.record import Recorder, record


def test_answers_are_kept_word_for_word_however_a_program_ends() -> None:
    recorder = Recorder()
    assert recorder.run(["/bin/sh", "-c", "printf 'a\tb'; echo c >&2"]).stdout == "a\tb"
    with pytest.raises(CommandExited):
        recorder.run(["/bin/sh", "-c", "exit 3"])
    with pytest.raises(CommandNotFound):
        recorder.run(["/nonexistent"])
    said, failed, missing = recorder.answers
    assert (said["rc"], said["stdout"], said["stderr"]) == (0, "a\tb", "c\n")
    assert failed["rc"] == 3
    assert missing["argv"] == ["/nonexistent"]
    assert missing["failed"]


def test_what_names_this_one_machine_is_left_out() -> None:
    recorder = Recorder()
    told = '{"serial_number" : "C02X", "platform_UUID": "1-2", "provisioning_UDID" : "3-4", "machine_model": "Mac14,2"}'
    recorder.run(["/bin/echo", told])
    left = '{"serial_number" : "left out", "platform_UUID": "left out", "provisioning_UDID" : "left out", '
    assert recorder.answers[0]["stdout"] == left + '"machine_model": "Mac14,2"}\n'


def test_a_recording_has_the_facts_beside_the_answers(tmp_path: Path) -> None:
    recorded = record(tmp_path)
    assert recorded["facts"]["system"] == recorded["uname"][0]
    assert isinstance(recorded["answers"], list)
