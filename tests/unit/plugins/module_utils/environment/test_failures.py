# SPDX-License-Identifier: GPL-3.0-or-later
"""What people read of a command that failed."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.declaration import Declaration
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.failures import explain_failure
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._layout import Places


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("/e/bin/uv: killed by SIGKILL", "killed by the system or a user"),
        ("Failed to extract archive: a.whl cause: failed to create directory: File exists (os error 17)", "is damaged"),
        (
            "Failed to install: a.whl cause: failed to create directory: File exists (os error 17)",
            "bring the same path",
        ),
        ("Failed to install: a.whl cause: Scripts must not use the reserved name `python`", "installed as it was made"),
        ("Failed to install: a.whl cause: Input/output error (os error 5)", "not known here"),
        ("Querying Python at `/e/bin/python` failed with exit status signal: 9 (SIGKILL)", "killed by the system"),
        ("Querying Python at `/e/bin/python` failed with exit status signal: 11 (SIGSEGV)", "not known here"),
        ("the moon is full", "not known here"),
    ],
)
def test_what_was_killed_is_told_from_what_failed(said: str, words: str, tmp_path: Path) -> None:
    told = str(explain_failure(OSError(said), Declaration("tf", Places(tmp_path / "root", tmp_path / "links"))))
    assert words in told
    assert said in told
