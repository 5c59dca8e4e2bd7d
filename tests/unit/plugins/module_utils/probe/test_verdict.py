# SPDX-License-Identifier: GPL-3.0-or-later
"""The verdict: from what a process reports and how it ends, and what is demanded where nobody says it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._facts.types import Facts
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe.programs.tensorflow import STAGES
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe.verdict import (
    FIRST_STAGE,
    FIRST_VERDICT,
    Demand,
    Fate,
    Stage,
    Told,
    conclude,
    has_code_for,
    least_driver,
    read_reports,
    with_usual_gpu,
)
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.plugins.module_utils.probe.failures import (
    HEADLESS_MAC,
    LINUX,
    MAC,
    VIRTUAL_MAC,
    gpu_server,
    mac,
)

CRASHED = Fate("crashed", "ended by SIGKILL", "SIGKILL")
EXITED = Fate("failed", "the interpreter ended with status 0")


def reports(*records: Any) -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


def begun(stage: str) -> dict[str, Any]:
    return {"stage": stage, "state": "begun", "verdict": STAGES[stage]}


def ok(stage: str, **found: Any) -> dict[str, Any]:
    return {"stage": stage, "state": "ok", "verdict": STAGES[stage], "seconds": 0.1, "found": found}


def failed(stage: str, verdict: str = "") -> dict[str, Any]:
    return {
        "stage": stage,
        "state": "failed",
        "verdict": verdict or STAGES[stage],
        "seconds": 0.1,
        "error": "RuntimeError: no",
    }


def test_a_process_that_tells_nothing_is_at_the_first_stage() -> None:
    assert next(iter(STAGES.items())) == (FIRST_STAGE, FIRST_VERDICT)


def test_only_who_comes_to_the_end_has_a_good_verdict() -> None:
    passed = [ok("start"), ok("import"), ok("exact")]

    assert conclude(read_reports(reports(*passed, {"end": "cpu-ok"})), EXITED, 1.0)[0] == "cpu-ok"
    assert conclude(read_reports(reports(*passed)), EXITED, 1.0) == (
        "gpu-unusable",
        [Stage("start", "ok", 0.1), Stage("import", "ok", 0.1), Stage("exact", "failed", 0.8, EXITED.reason)],
    )


def test_how_a_process_dies_after_its_end_does_not_matter() -> None:
    told = read_reports(reports(ok("start"), ok("import"), ok("exact"), {"end": "cpu-ok"}))

    assert conclude(told, CRASHED, 1.0)[0] == "cpu-ok"


@pytest.mark.parametrize("stage", STAGES)
def test_each_stage_has_its_own_failing_verdict(stage: str) -> None:
    assert conclude(read_reports(reports(begun(stage), failed(stage))), EXITED, 1.0)[0] == STAGES[stage]
    assert conclude(read_reports(reports(begun(stage))), EXITED, 1.0)[0] == STAGES[stage]
    assert conclude(read_reports(reports(begun(stage))), CRASHED, 1.0)[0] == "crashed"


def test_a_users_model_that_crashes_is_no_fault_of_the_environment() -> None:
    told = read_reports(reports({"stage": "models", "state": "begun", "verdict": "model-failed"}))

    assert conclude(told, CRASHED, 1.0)[0] == "model-failed"
    assert conclude(told, Fate("timed-out", "not ended"), 1.0)[0] == "timed-out"


def test_a_failure_may_have_a_verdict_of_its_own() -> None:
    told = read_reports(reports(begun("exact"), failed("exact", "gpu-wrong-results")))

    assert conclude(told, EXITED, 1.0)[0] == "gpu-wrong-results"


def test_an_end_between_two_stages_is_laid_to_the_earlier() -> None:
    told = read_reports(reports(begun("start"), ok("start")))

    assert conclude(told, CRASHED, 0.5) == ("crashed", [Stage("start", "crashed", 0.5, "ended by SIGKILL")])


@pytest.mark.parametrize(
    "line",
    [
        b'{"stage": "im',
        b"42",
        b"null",
        b"[]",
        b'"stage"',
        b"{}",
        b"[" * 100_000,
        b"1" * 5000,
        b'{"end": 1}',
        b'{"stage": "list"}',
        b'{"stage": 1, "state": "begun", "verdict": "x"}',
        b'{"stage": "list", "state": "ok", "verdict": "x", "seconds": NaN}',
        b'{"stage": "list", "state": "ok", "verdict": "x", "seconds": 1, "found": 42}',
        b'{"stage": "list", "state": "failed", "verdict": "x", "seconds": 1}',
        b"\xff\xfe",
    ],
)
def test_what_is_no_report_is_left_out(line: bytes) -> None:
    before = reports(ok("start", tensorflow="2.18.1"))
    after = reports(begun("import"))

    told = read_reports(before + line + b"\n" + after)

    assert (told.current, [stage.name for stage in told.stages], told.ended) == ("import", ["start"], False)
    assert told.text("tensorflow") == "2.18.1"


@given(st.binary())
def test_anything_can_be_read(line: bytes) -> None:
    assert read_reports(line) == Told()


def test_what_was_found_out_has_the_types_that_are_expected() -> None:
    told = read_reports(reports(ok("list", devices=["/GPU:0", 1], tensorflow=2, plugin_files="x")))

    assert (told.text("tensorflow"), told.text("plugin")) == (None, None)
    assert (told.texts("devices"), told.texts("plugin_files"), told.texts("none")) == (["/GPU:0"], [], [])


@pytest.mark.parametrize(
    ("facts", "gpu"),
    [
        (MAC, "required"),
        (HEADLESS_MAC, "required"),
        (mac(virtual_machine={"is_virtual": None, "kind": None}), "required"),
        (VIRTUAL_MAC, "preferred"),
        (mac(gpu={**MAC["gpu"], "paravirtual": True}), "preferred"),
        (LINUX, "none"),
        (gpu_server(), "required"),
        (gpu_server(driver=None, gpus=None), "required"),
        ({**gpu_server(), "architecture": "aarch64"}, "none"),
    ],
)
def test_a_gpu_that_is_there_must_be_used_unless_it_is_that_of_a_virtual_mac(facts: Facts, gpu: str) -> None:
    assert with_usual_gpu(Demand(), facts).gpu == gpu
    assert with_usual_gpu(Demand("none"), facts).gpu == "none"


@pytest.mark.parametrize(
    ("gpu", "expected"),
    [
        *((each, True) for each in ("6.0", "6.1", "7.5", "8.0", "8.6", "8.9", "9.0", "10.0", "12.0")),
        *((each, False) for each in ("3.7", "5.2")),
    ],
)
def test_a_build_runs_on_what_it_has_code_for_and_on_what_its_code_can_be_translated_for(
    gpu: str, expected: bool
) -> None:
    capabilities = ["sm_60", "sm_70", "sm_80", "sm_89", "compute_90", "nonsense", "sm_"]
    assert has_code_for(capabilities, gpu) is expected


def test_code_that_is_not_translated_runs_on_gpus_of_one_generation() -> None:
    assert [has_code_for(["sm_80"], gpu) for gpu in ("7.5", "8.6", "9.0", "12.0")] == [False, True, False, False]
    assert [has_code_for(["sm_120"], gpu) for gpu in ("8.0", "12.0", "12.1")] == [False, True, True]


@pytest.mark.parametrize(("cuda", "driver"), [("12.5.1", "525.60.13"), ("11.8", "450.80.02"), ("7", ""), (None, "")])
def test_each_cuda_has_its_oldest_driver(cuda: str | None, driver: str) -> None:
    assert least_driver(cuda) == driver
