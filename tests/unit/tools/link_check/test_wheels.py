# SPDX-License-Identifier: GPL-3.0-or-later
"""What an index tells of the wheels of Macs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.index import Index
from tests.wheels import make_wheel
from tools.link_check.wheels import Packages

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("as_json", [True, False])
def test_a_release_is_withdrawn_if_all_its_wheels_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, as_json: bool
) -> None:
    published = tmp_path / "published"
    releases = [("1.0", "cp311"), ("1.0", "cp312"), ("1.1", "cp311"), ("1.1", "cp312"), ("1.2", "cp312")]
    names = [
        make_wheel(published, "some", version, files={}, tag=f"{python}-{python}-macosx_12_0_arm64").path.name
        for version, python in releases
    ]
    withdrawn = {names[0]: "a reason", names[1]: "a reason", names[2]: "for one Python", names[4]: ""}
    with Index(published, digests=as_json, withdrawn=withdrawn) as index:
        for name in ("PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_NO_INDEX"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
        monkeypatch.setenv("PIP_INDEX_URL", index.url)
        assert Packages().withdrawn("some") == {"1.0": "a reason", "1.2": "no reason is given"}
