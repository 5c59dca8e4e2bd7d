# SPDX-License-Identifier: GPL-3.0-or-later
"""How a host's managed Python is started, what is read of its answer, and what is refused before that."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._options import ENVIRONMENTS, NATIVE_PYTHON
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._action import (
    NO_PYTHON,
    NOTHING,
    READ_ALL,
    find_floats,
    last_object,
    start,
    with_paths_as_written,
)


def run_shell(text: str, home: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", "-c", text.replace(READ_ALL, "")],
        env={"HOME": str(home), "PATH": "", **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def install_python(root: Path) -> None:
    """A program that says by which name it was started."""
    program = root / "bin/python3"
    program.parent.mkdir(parents=True)
    program.write_text('#!/bin/sh\necho "$0" "$@"\n')
    program.chmod(0o755)


@pytest.mark.parametrize("root", ["~/.local/share/metalfleet", "~/with 'quotes\" and blanks", "~"])
def test_the_python_of_whoever_runs_the_shell_is_started(root: str, tmp_path: Path) -> None:
    install_python(Path(root.replace("~", str(tmp_path))))
    ran = run_shell(start(root) + '"$python" -I', tmp_path)
    assert ran.stdout == f"{root.replace('~', str(tmp_path))}/bin/python3 -I\n"


def test_an_absolute_root_does_not_depend_on_the_home(tmp_path: Path) -> None:
    install_python(tmp_path / "ours")
    ran = run_shell(start(f"{tmp_path}/ours") + '"$python" -I', Path("/nonexistent"))
    assert ran.stdout == f"{tmp_path}/ours/bin/python3 -I\n"


@pytest.mark.parametrize("blank", [True, False])
def test_a_host_without_a_python_says_so_and_whether_it_has_anything(blank: bool, tmp_path: Path) -> None:
    if not blank:
        (tmp_path / ".local/share/metalfleet/environments/tf").mkdir(parents=True)
    else:
        (tmp_path / ".local/share/metalfleet/set-aside").mkdir(parents=True)
    ran = run_shell(start("~/.local/share/metalfleet") + "echo started", tmp_path)
    assert (ran.returncode, ran.stdout) == (127, "")
    assert NO_PYTHON in ran.stderr
    assert (NOTHING in ran.stderr) is blank


@pytest.mark.parametrize(
    "noise",
    ["", "Welcome to mac-042!\n", "[info] hello\n", "{not json\n", "no line break", "JAVA_HOME=/Library/Java\n[]\n"],
)
def test_what_start_up_files_print_is_no_part_of_the_answer(noise: str) -> None:
    answer = json.dumps({"changed": False, "text": ["a\nb"]})
    assert json.loads(last_object(f"{noise}\n{answer}\n{noise}")) == {"changed": False, "text": ["a\nb"]}


def test_what_is_printed_after_the_answer_is_no_part_of_it() -> None:
    assert json.loads(last_object('{"changed": false}\n{bye}\n{"cut": ')) == {"changed": False}


def test_a_pipe_is_no_python(tmp_path: Path) -> None:
    (tmp_path / ".local/share/metalfleet/bin").mkdir(parents=True)
    os.mkfifo(tmp_path / ".local/share/metalfleet/bin/python3", 0o755)
    assert run_shell(start("~/.local/share/metalfleet") + '"$python" -I', tmp_path).returncode == 127


def test_an_answer_that_is_none_is_left_as_it_is() -> None:
    assert last_object("Fatal Python error: init_fs_encoding") == "Fatal Python error: init_fs_encoding"


@pytest.mark.parametrize(
    ("given", "spec", "words"),
    [
        ({"version": 3.1}, NATIVE_PYTHON, "version is the number 3.1"),
        ({"environments": [{"name": 2.2}]}, ENVIRONMENTS, "environments: name is the number 2.2"),
        ({"python": {"version": 3.12}}, ENVIRONMENTS, "native_python_version is the number 3.12"),
    ],
)
def test_a_number_where_a_text_is_wanted_is_found(given: dict[str, Any], spec: dict[str, Any], words: str) -> None:
    (found,) = find_floats(given, spec)
    assert words in found


@pytest.mark.parametrize("given", [{"version": "3.10"}, {"environments": "tensorflow"}, {"keep": 2.0}, {"free_mb": 10}])
def test_other_values_are_the_specs_matter(given: dict[str, Any]) -> None:
    assert list(find_floats(given, {**ENVIRONMENTS, **NATIVE_PYTHON})) == []


def test_paths_of_a_host_are_not_expanded_on_the_controller() -> None:
    checked = ArgumentSpecValidator(with_paths_as_written(ENVIRONMENTS)).validate({"root": "~/here"})
    assert checked.error_messages == []
    assert checked.validated_parameters["root"] == "~/here"
    assert checked.validated_parameters["links"] == "~/.virtualenvs"
    assert ENVIRONMENTS["environments"]["default"] == [{"name": "tensorflow"}]
