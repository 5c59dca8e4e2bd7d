# SPDX-License-Identifier: GPL-3.0-or-later
"""How a host's managed Python is started, what is read of its answer, and what is refused before that."""

from __future__ import annotations

import json

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._options import ENVIRONMENTS
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._action import (
    EndedBadly,
    last_object,
    with_paths_as_written,
    without_frames,
)
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._start import NO_ANSWER


@pytest.mark.parametrize(
    "noise",
    ["", "Welcome to mac-042!\n", "[info] hello\n", "{not json\n", "no line break", "JAVA_HOME=/Library/Java\n[]\n"],
)
def test_what_start_up_files_print_is_no_part_of_the_answer(noise: str) -> None:
    answer = json.dumps({"changed": False, "text": ["a\nb"]})
    assert json.loads(last_object(f"{noise}\n{answer}\n{noise}")) == {"changed": False, "text": ["a\nb"]}


def test_what_is_printed_after_the_answer_is_no_part_of_it() -> None:
    assert json.loads(last_object('{"changed": false}\n{bye}\n{"cut": ')) == {"changed": False}


def test_an_answer_that_is_none_is_left_as_it_is() -> None:
    assert last_object("Fatal Python error: init_fs_encoding") == "Fatal Python error: init_fs_encoding"


def test_who_ended_badly_is_quoted() -> None:
    assert EndedBadly(1, "no module named json").text == (
        "The managed Python ended with status 1 and said: no module named json"
    )
    assert EndedBadly(137, f"Killed\n{NO_ANSWER}").text == (
        "The managed Python gave no answer within 60 s and was stopped"
    )


def test_frames_of_python_are_left_out_of_what_it_said() -> None:
    frames = 'Traceback (most recent call last):\n  File "<frozen runpy>", line 189, in f\n    import json\n'
    said = f"Killed\n{frames}ModuleNotFoundError: No module named 'json'\n\nDuring:\n{frames}OSError: no\n"
    assert without_frames(said) == "Killed ModuleNotFoundError: No module named 'json' During: OSError: no"


def test_paths_of_a_host_are_not_expanded_on_the_controller() -> None:
    checked = ArgumentSpecValidator(with_paths_as_written(ENVIRONMENTS)).validate({"root": "~/here"})
    assert checked.error_messages == []
    assert checked.validated_parameters["root"] == "~/here"
    assert checked.validated_parameters["links"] == "~/.virtualenvs"
    assert ENVIRONMENTS["environments"]["default"] == [{"name": "tensorflow"}]
