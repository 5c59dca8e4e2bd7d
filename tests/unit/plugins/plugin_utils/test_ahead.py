# SPDX-License-Identifier: GPL-3.0-or-later
"""For which platforms locks are made, and files fetched, without asking a host."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._layout import platform_name
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._ahead import AheadAction
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._fleet.ledger import Ledger

MAC = "macos-arm64-py3.11"


def platforms(folder: Path, transport: str = "ssh", **options: Any) -> list[str]:
    action: Any = AheadAction.__new__(AheadAction)
    action._connection = SimpleNamespace(transport=transport)
    given = {
        "environments": [{"name": "lab", "packages": ["lab"]}],
        **dict.fromkeys(("oldest_macos", "locks"), ""),
        "reports": str(folder / "reports"),
        "allow_untested": False,
        "python": {"version": "3.11"},
        "platforms": [],
        **options,
    }
    known = {"inventory_hostname": "host", "ansible_inventory_sources": [str(folder / "hosts.yml")]}
    return list(action.locks_and_platforms(given, known)[1])


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("linux-x86_64+cuda-py3.12", "linux-x86_64+cuda-py3.12"),
        ("linux-x86_64-py3.10", "linux-x86_64-py3.10"),
        ("macos-arm64-py3.12", MAC),  # it will have the Python that is declared now
        ("linux-riscv64-py3.12", MAC),
        ("../linux", MAC),
        (7, MAC),
    ],
)
def test_a_host_is_what_it_last_said(tmp_path: Path, said: object, expected: str) -> None:
    Ledger(tmp_path / "reports").add_report("host", {"platform": said}, 1.0)
    assert platforms(tmp_path) == [expected]


def test_a_host_of_which_nothing_is_known_is_a_mac_unless_it_is_this_machine(tmp_path: Path) -> None:
    assert platforms(tmp_path) == [MAC]
    assert platforms(tmp_path, "local") == [platform_name(python="3.11")]
    assert platforms(tmp_path, platforms=["linux-aarch64-py3.12"]) == ["linux-aarch64-py3.12"]
