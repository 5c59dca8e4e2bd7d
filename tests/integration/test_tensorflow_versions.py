# SPDX-License-Identifier: GPL-3.0-or-later
"""The probe with other versions of the real TensorFlow than the default one, which the other tests have."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe.run import probe
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe.verdict import Demand

from tests.hanging import ask_until
from tests.integration.variants import EXPECTED, Expected, processes_of, with_plugin
from tests.kept import make_environment_of
from tests.waiting import wait_until

pytestmark = [
    pytest.mark.slow("installs gigabytes"),
    pytest.mark.skipif(sys.platform != "linux", reason="the stand-in is for Linux"),
]

OLD: dict[str, tuple[str, ...]] = {
    "2.9.3": ("numpy<2",),
    "2.11.1": ("numpy<2",),
    "2.13.1": (),
    "2.15.1": (),
}
"""Versions with the Keras of their time, and what they need beside what they ask for themselves."""

NEW = ("2.16.2", "2.17.1", "2.19.1", "2.20.0", "2.21.0")

OF_THE_PAIR = ("missing_symbol", "abi", "crash")
"""Variants whose diagnosis depends on whether the pair is known to work."""


@pytest.mark.parametrize("version", [*OLD, *NEW])
def test_all_stages_pass(version: str) -> None:
    result = probe(make_environment_of(version, *OLD.get(version, ())), Demand("none", timeout=600), level="full")

    assert (result.verdict, result.tensorflow) == ("cpu-ok", version), result
    assert result.stages[-1].name == "speed"
    assert [fault.seen for fault in result.faults] == [False] * len(result.faults)


@pytest.mark.parametrize("version", NEW)
@pytest.mark.parametrize(("variant", "expected"), EXPECTED.items(), ids=EXPECTED.keys())
def test_each_variant_gets_its_verdict(version: str, variant: str, expected: Expected, tmp_path: Path) -> None:
    environment = with_plugin(make_environment_of(version), variant, tmp_path)

    result = ask_until(
        lambda found: found.stages[-1].name == expected.stage,
        lambda limit: probe(environment, Demand("required", timeout=limit), level=expected.level),
        8 if expected.verdict == "timed-out" else 300,
    )

    wait_until(lambda: not processes_of(environment / "bin/python"))
    assert (result.verdict, result.stages[-1].name) == (expected.verdict, expected.stage), result
    assert result.tensorflow == version
    if result.diagnosis:
        assert expected.cause in result.diagnosis.cause or variant in OF_THE_PAIR
        assert expected.evidence in result.diagnosis.evidence
