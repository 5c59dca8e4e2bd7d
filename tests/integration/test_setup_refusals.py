# SPDX-License-Identifier: GPL-3.0-or-later
"""What setup.yml refuses, foresees or survives on hosts that have no TensorFlow yet."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.ansible_runner import playbook
from tests.integration.conftest import NewMac
from tests.integration.hosts import HOME, LINKS, PLAYBOOKS, ROOT, SETUP, listing, on, said
from tests.simulated_mac.fleet import Fleet

NATIVE_PYTHON = PLAYBOOKS / "native_python.yml"
QUESTIONS = {"sysctl", "sw_vers", "uname", "arch"}
"""Programs that only answer."""


def test_check_on_a_fresh_mac_leaves_no_trace_on_the_whole_host(mac: NewMac, fleet: Fleet) -> None:
    fresh = mac("m1-fresh")
    before = listing(fresh)
    foreseen = on(fresh, SETUP, "--check", "--diff")
    assert listing(fresh) == before
    assert fresh.shim_calls() == []
    assert foreseen.recap[fresh.name]["changed"] == 2
    assert f'"python": "{ROOT}/python/cpython-{fleet.store.python.minor}' in foreseen.words
    assert "absent: ~/.virtualenvs/tensorflow does not exist" in foreseen.words
    assert all(pin in foreseen.words for pin in ('"tensorflow": "2.18.1"', '"tensorflow-metal": "1.2.0"'))


def test_an_intel_mac_is_refused_before_anything_is_done_but_asking(mac: NewMac) -> None:
    intel = mac("intel")
    before = listing(intel)
    refused = on(intel, SETUP, check=False)
    assert refused.rc != 0
    assert "has no Apple Silicon (processor: Intel(R) Core(TM) i7-9750H" in refused.words
    assert listing(intel) == before
    assert {Path(call["argv"][0]).name for call in intel.calls()} <= QUESTIONS


def declare(**environment: object) -> dict[str, object]:
    return {"tensorflow_environments": [{"name": "tensorflow", **environment}]}


@pytest.mark.parametrize(
    ("declared", "said_once"),
    [
        (declare(gpus="none"), "tensorflow_environments: gpus is not an option: gpu is probably meant"),
        ({"tensorflow_delivery": "pigeon"}, "value of tensorflow_delivery must be one of: index, controller, store"),
        ({"tensorflow_free_mb": "much"}, "tensorflow_free_mb"),
        ({"native_python_source": "attic"}, "value of native_python_source must be one of: standalone"),
        (declare(gpu="metal"), "value of gpu must be one of: required, preferred, none"),
        ({"tensorflow_environments": [{"lock": "x"}]}, "missing required arguments: name"),
        ({"tensorflow_environments": ["tensorflow"]}, "item 1 of tensorflow_environments is the text"),
        (declare(jupyter_kernel="maybe"), "jupyter_kernel"),
        (declare(name=2.20), "is the number 2.2"),
        ({"native_python_version": 3.10}, "native_python_version is the number 3.1"),
        (declare(keep=0), "keep: 0"),
        (declare(keep=-1), "keep: -1"),
        ({"tensorflow_environments": [{"name": "a"}, {"name": "a"}]}, "Two environments are called a"),
        ({"tensorflow_environments": [{"name": "lab"}, {"name": "Lab"}]}, "differ only in case"),
        ({"tensorflow_enviroments": []}, "Probably tensorflow_environments is meant"),
        ({"tensorflow_environment": "x"}, "Probably tensorflow_environments is meant"),
        ({"native_python_root": "~/elsewhere"}, "Set tensorflow_root alone"),
        ({"tensorflow_root": "~somebody/metalfleet"}, "tensorflow_root names another user's home"),
        ({"tensorflow_links": "environments"}, "tensorflow_links is relative"),
        ({"tensorflow_root": "$HOME/metalfleet"}, "tensorflow_root has the character '$'"),
        ({"tensorflow_root": "~/Documents/metalfleet"}, "Documents"),
        (
            {"native_python_source": "existing", "native_python_existing": "~bob/python3"},
            "native_python_existing names another user's home",
        ),
        ({"ansible_become": True}, "would lie in root's home"),
        (declare(lock="no/such/lock.txt"), "no/such/lock.txt, which lock names, is not there"),
        (declare(packages=["tflite_runtime"]), "its successor is LiteRT"),
        (declare(framework="litert", tensorflow="2.18.1"), "is for LiteRT, and has tensorflow too"),
        (declare(kind="conda"), "has no TensorFlow: with kind: conda none comes by itself"),
        (declare(models=["/m.tflite"]), "has models, which are loaded by LiteRT alone"),
        (declare(packages=["two words"]), "'two words' in packages of the environment tensorflow is not a requirement"),
        (declare(tensorflow=2.18), "tensorflow is the number 2.18"),
        (declare(tensorflow="latest"), "tensorflow: latest of the environment tensorflow is not a version"),
        (declare(packages=["tensorflow>=2.16"]), "leaves the version open"),
        (declare(metal="1.2.0", lock="mine.txt"), "has a lock of its own, and metal too"),
        ({"tensorflow_ca": "no-such-ca.pem"}, "no-such-ca.pem, which tensorflow_ca names, is not there"),
    ],
    ids=str,
)
def test_a_mistake_in_the_declaration_is_found_without_any_host(
    declared: dict[str, object], said_once: str, tmp_path: Path
) -> None:
    inventory = tmp_path / "hosts.json"
    hosts: dict[str, object] = {"nowhere.invalid": {}, "elsewhere.invalid": {}}
    inventory.write_text(json.dumps({"tensorflow": {"hosts": hosts, "vars": declared}}))
    refused = playbook("-i", inventory, SETUP, check=False)
    assert refused.rc != 0
    assert {(line["failed"], line["unreachable"]) for line in refused.recap.values()} == {(1, 0)}
    assert said_once in refused.words
    assert len(refused.stdout.splitlines()) < 50


def test_a_wrong_hash_in_the_lock_of_a_new_environment(
    mac: NewMac, managed_python_template: str, tmp_path: Path
) -> None:
    fresh = mac(f"m1-fresh@{managed_python_template}")
    lock = tmp_path / "lock.txt"
    lock.write_text(f"six==1.17.0 --hash=sha256:{'0' * 64}\n")
    declared = [{"name": "tensorflow", "lock": str(lock)}]
    refused = on(fresh, SETUP, check=False, tensorflow_environments=declared)
    assert refused.rc != 0
    assert "No wheel of six 1.17.0 has a hash that is in the lock" in refused.words
    assert "Nothing was activated" in refused.words
    assert said(fresh, f"ls -A {ROOT}/environments/tensorflow; [ ! -e {LINKS}/tensorflow ]") == ""


def test_the_disk_is_full_when_python_is_unpacked(mac: NewMac) -> None:
    fresh = mac("m1-fresh")
    said(fresh, "mkdir .local")
    fresh.limit_disk(f"{HOME}/.local", "20m")
    full = on(fresh, SETUP, check=False)
    assert full.rc != 0
    assert "the disk is full" in full.words
    fresh.unlimit_disk(f"{HOME}/.local")
    repaired = on(fresh, NATIVE_PYTHON)
    assert repaired.recap[fresh.name]["changed"] == 1
    assert said(fresh, f"{ROOT}/bin/python3 -c 'import ssl; print(1)'; {ROOT}/bin/uv --version").startswith("1\nuv ")
    assert on(fresh, NATIVE_PYTHON).recap[fresh.name]["changed"] == 0
