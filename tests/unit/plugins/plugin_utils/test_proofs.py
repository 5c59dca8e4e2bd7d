# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said to have been proven."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._proofs import proofs, to_mend

GOOD = {"ok": True, "verdict": "gpu-ok", "tensorflow": "2.18.1", "plugin": "1.2.0"}
BAD = {
    "ok": False,
    "verdict": "gpu-missing",
    "diagnosis": {"cause": "No device.", "evidence": "stage list", "remedy": "Log in."},
}
DRIFT = [{"do": "build", "reason": "file-missing", "evidence": "lib/x.py", "target": "2"}]


def host(*reasons: str, probe: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "environments": [{"name": "tf", "reasons": list(reasons), "plan": DRIFT if reasons else [], "probe": probe}]
    }


def mended(**result: Any) -> list[dict[str, Any]]:
    return [{"environment_": {"name": "tf"}, **result}]


@pytest.mark.parametrize(
    ("before", "after", "ok", "words"),
    [
        (host(probe=GOOD), [], True, "tf: gpu-ok, TensorFlow 2.18.1, plug-in 1.2.0."),
        (host(probe=BAD), [], False, "tf: gpu-missing. Cause: No device. Evidence: stage list Remedy: Log in."),
        (host("absent"), mended(reasons=["absent"], probe=GOOD), True, "gpu-ok"),
        (host("absent"), mended(failed=True, probe=BAD), False, "gpu-missing"),
        (host("absent"), mended(reasons=["absent"], probe=None), True, "absent; nothing to verify"),
        (host("file-missing"), mended(skipped=True), False, "was left as it is (file-missing: lib/x.py)"),
        (host("file-missing"), [], False, "has drifted"),
        (host(), [], True, "as declared; nothing to verify"),
    ],
)
def test_each_way_to_a_proof(before: dict[str, Any], after: list[dict[str, Any]], ok: bool, words: str) -> None:
    (proof,) = proofs(before, after)
    assert proof["ok"] is ok
    assert words in proof["text"]


@pytest.mark.parametrize(
    ("reasons", "on_drift", "names"),
    [
        ((), "repair", []),
        (("file-missing",), "repair", ["tf"]),
        (("file-missing",), "report", []),
        (("absent",), "report", ["tf"]),
    ],
)
def test_what_is_mended(reasons: tuple[str, ...], on_drift: str, names: list[str]) -> None:
    assert to_mend(host(*reasons), [{"name": "tf", "on_drift": on_drift}]) == names
