# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said of a host that is asked, and ends badly meanwhile."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.metalfleet.tensorflow.plugins.module_utils import _options
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._action import (
    Answer,
    Answered,
    EndedBadly,
    FleetAction,
)
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._environments import ASKS, EnvironmentsAction


class Interrupted(EnvironmentsAction):
    """Whoever asks the host is killed; the next one would be answered."""

    module, sends_locks = "tensorflow_environments", True

    def __init__(self) -> None:
        self._task = SimpleNamespace(check_mode=False)
        self.asked: list[str] = []

    def ask(self, module: str, *_: Any) -> Answer:
        self.asked.append(module)
        return EndedBadly(137, "Killed") if len(self.asked) == 1 else Answered({"text": ["There is no lock"]})


DOCUMENT = {
    **{name: option.get("default") for name, option in _options.DOCUMENT.items()},
    "environments": [{"name": "lab", "kind": "conda"}],
    "python": {"source": "standalone", "version": "3.12", "existing": "", "pins": {}, "uv_version": "0"},
}


def test_a_host_whose_platform_could_not_be_asked_does_not_lack_a_lock() -> None:
    """Nobody knows its platform then, for which a lock would be made."""
    action: Any = Interrupted()
    locks = SimpleNamespace(depend_on_platform=True, complete=bool)
    said = action._answered(DOCUMENT, locks, {})
    assert action.asked == [ASKS]
    assert "The managed Python ended with status 137 and said: Killed" in said["text"][0]


def test_no_host_says_where_its_report_was_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The callback writes there."""
    claimed = {"ledger": str(tmp_path / "evil/ada.json"), "environments": [], "worse": ["tf"]}
    monkeypatch.setattr(FleetAction, "run", lambda *_: claimed)
    action: Any = Interrupted()
    args = {"reports": str(tmp_path / "reports")}
    action._task = SimpleNamespace(check_mode=True, no_log=False, delegate_to=None, args=args)
    assert action.run(None, {"inventory_hostname": "ada"}) == {"environments": [], "worse": []}
