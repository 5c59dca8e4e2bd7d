# SPDX-License-Identifier: GPL-3.0-or-later
"""Each variant of the Metal plug-in's stand-in on a simulated Mac, over SSH: the module's verdict, and doctor.yml."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from tests import metal
from tests.ansible_runner import CHECKOUT
from tests.hanging import LONGEST, ask_until
from tests.integration.hosts import HOME, LINKS, PLAYBOOKS, listing, on, said
from tests.integration.processes import running
from tests.integration.variants import EXPECTED, Expected
from tests.slow import cases

if TYPE_CHECKING:
    from tests.simulated_mac.fleet import Fleet, Mac

DOCTOR = CHECKOUT / "playbooks/doctor.yml"
TENSORFLOW = f"{LINKS}/tensorflow"


@pytest.fixture(scope="module")
def host(fleet: Fleet, converged: str) -> Iterator[Mac]:
    """A Mac on which everything is in order but, in each test, the plug-in."""
    made = fleet.up({"faulty": f"m1-fresh@{converged}"})["faulty"]
    yield made
    made.delete()


def probe(host: Mac, level: str, seconds: int, answer: Path, **variables: Any) -> Any:
    """The module's answer, as an object."""
    on(host, PLAYBOOKS / "probe.yml", probe_level=level, probe_seconds=seconds, answer=str(answer), **variables)
    return SimpleNamespace(**json.loads(answer.read_text()))


QUICK = ("ok", "crash", "zero_devices", "wrong", "hang_kernel", "leaves_child")


@pytest.mark.parametrize(("variant", "expected"), cases(EXPECTED.items(), QUICK, "test_probe.py has them, too"))
def test_each_variant_gets_its_verdict_and_leaves_no_process(
    host: Mac, variant: str, expected: Expected, tmp_path: Path
) -> None:
    metal.use(host, variant)

    found = ask_until(
        lambda answer: answer.stages[-1]["name"] == expected.stage,
        lambda seconds: probe(host, expected.level, seconds, tmp_path / "answer.json"),
        10 if expected.verdict == "timed-out" else LONGEST,
    )

    assert (found.verdict, found.stages[-1]["name"]) == (expected.verdict, expected.stage)
    assert found.ok == (expected.verdict in ("gpu-ok", "gpu-paravirtual"))
    if not found.ok:
        assert expected.cause in found.diagnosis["cause"], (found.diagnosis, found.stages[-1], found.log)
    assert running(host, lambda line: "python" in line) == []


def test_root_probes_in_the_session_at_the_screen(host: Mac, tmp_path: Path) -> None:
    metal.use(host, "at_screen")
    python = f"{TENSORFLOW}/bin/python"

    found = probe(
        host, "quick", LONGEST, tmp_path / "answer.json", ansible_become=True, ansible_python_interpreter=python
    )

    assert (found.verdict, found.session) == ("gpu-ok", "screen")
    assert "where the probe ran (`/bin/launchctl asuser 501`)" in found.text
    calls = [call for call in host.calls() if call["argv"][:2] == ["/bin/launchctl", "asuser"]]
    assert (calls[-1]["uid"], calls[-1]["rc"]) == (0, 0)


def test_the_doctor_tells_all_of_a_host_and_changes_nothing(host: Mac) -> None:
    metal.use(host, "wrong_filters")
    before = listing(host, HOME)

    result = on(host, DOCTOR)

    for words in (
        r"Machine: Apple M1, 8 cores, GPU with \d cores, \d+ GB of memory, \S+, macOS [\d.]+",
        r"Managed Python: as declared\.",
        r"Stages: start [\d.]+ s, import [\d.]+ s, .*, keras [\d.]+ s, speed [\d.]+ s\.",
        r"Known fault tensorflow/tensorflow#71577, .*: is seen here, too\.",
        r"Speed of the GPU: matmul \d+ GFLOP/s, conv2d \d+ GFLOP/s\.",
    ):
        assert re.search(words, result.output), words
    assert listing(host, HOME) == before


def test_the_doctor_probes_also_what_has_drifted_or_is_not_to_be_probed(host: Mac) -> None:
    metal.use(host, "no_create")
    said(host, f"mv {TENSORFLOW}/lib/python3.*/site-packages/tensorboard/notebook.py .")
    before = listing(host, HOME)

    result = on(host, DOCTOR, check=False, tensorflow_environments=[{"name": "tensorflow", "gpu_check": "none"}])

    assert result.rc != 0
    assert re.search(r"Drift: file-missing: lib/python3\.\d+/site-packages/tensorboard/notebook\.py", result.output)
    assert "Probe: gpu-unusable. The GPU is listed, but cannot be opened" in result.output
    assert "tensorflow: has drifted (file-missing" in result.stdout.rpartition("\nTASK [")[2]
    assert listing(host, HOME) == before
    said(host, f"mv notebook.py $(echo {TENSORFLOW}/lib/python3.*/site-packages)/tensorboard/")


def test_the_doctor_of_a_host_without_anything_says_what_to_run(fleet: Fleet) -> None:
    fresh = fleet.up({"fresh": "m1-fresh"})["fresh"]
    result = on(fresh, DOCTOR, check=False)
    fresh.delete()
    assert result.rc != 0
    assert "Run setup.yml" in result.output
