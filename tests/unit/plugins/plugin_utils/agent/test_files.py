# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host is sent of the agent, and what is refused before."""

from __future__ import annotations

import json
import subprocess
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest
from ansible import constants
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._agent.installed import COMMAND, DOCUMENT
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._options import AGENT
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._agent.files import agent_for, make_agent, starter
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._agent.meanwhile import last_repair, say_meanwhile
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._agent.publishing import publication
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._agent.pythons import files_of_pythons

DEFAULTS = {name: option["default"] for name, option in AGENT.items()}
PYTHON = {"source": "standalone", "version": "3.12", "existing": "", "archives": {}, "packages": {}}


@pytest.fixture(autouse=True)
def _of_this_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What processes of one run share is in a folder of each test's own."""
    monkeypatch.setattr(constants, "DEFAULT_LOCAL_TMP", str(tmp_path / "run"))


def options(**agent: Any) -> dict[str, Any]:
    """What a playbook says."""
    network: dict[str, Any] = {"proxy": "", "index_url": "", "extra_index_urls": []}
    return {"agent": {"enabled": True, "mirror": "", **DEFAULTS, **agent}, "python": PYTHON, **network}


def document(**changed: Any) -> dict[str, Any]:
    """What the module is handed."""
    environment = {"name": "tf", "lock_digests": {"macos-arm64-py3.12": "a", "linux-x86_64-py3.12": "b"}}
    return {
        "root": "~/x",
        "environments": [environment],
        "python": {"version": "3.12"},
        "ca_certificates": "",
        "lock_texts": {"a": "for Macs", "b": "for others"},
        "lock_pairs": {},
        "lock_litert": {},
        "rebuild": ["tf"],
        **changed,
    }


def test_a_host_that_is_asked_gets_digests_only_and_else_the_files() -> None:
    asked = agent_for(options(), document(), "", with_contents=False)
    sent = agent_for(options(), document(), "", with_contents=True)
    assert asked.keys() == {"agent"}
    assert sent["agent"]["files"] == asked["agent"]["files"]
    assert sent["agent_files"].keys() == asked["agent"]["files"].keys()
    assert {COMMAND, DOCUMENT, "agent/metalfleet.pyz", "agent/python/python3/wanted"} <= sent["agent_files"].keys()


def test_the_document_has_the_locks_for_macs_and_nothing_of_one_run() -> None:
    content = json.loads(b64decode(agent_for(options(), document(), "", with_contents=True)["agent_files"][DOCUMENT]))
    assert content["options"]["lock_texts"] == {"a": "for Macs"}
    assert "rebuild" not in content["options"]
    one_more = document(lock_texts={"a": "for Macs", "b": "for others", "c": "more"})
    before, after = (agent_for(options(), each, "", with_contents=False) for each in (document(), one_more))
    assert before["agent"]["files"] == after["agent"]["files"]


def test_one_that_is_not_wanted_is_told_so() -> None:
    assert agent_for(options(enabled=False), document(), "", with_contents=True) == {"agent": {"enabled": False}}


@pytest.mark.parametrize(
    ("changed", "name"),
    [
        ({"password": "sesame"}, "tensorflow_password"),
        ({"username": "ada"}, "tensorflow_username"),
        ({"index_url": "https://ada:sesame@index.example/simple"}, "tensorflow_index_url"),
        ({"extra_index_urls": ["https://x.example", "https://sesame@y.example"]}, "tensorflow_extra_index_urls"),
        ({"proxy": "http://ada:sesame@proxy.example"}, "tensorflow_proxy"),
        ({"conda_channels": ["https://conda.example/t/sesame/main"]}, "tensorflow_conda_channels"),
        ({"lock_texts": {"a": "--index-url https://ada:sesame@index.example/simple\n"}}, "a lock"),
    ],
)
def test_no_password_comes_into_the_document(changed: dict[str, Any], name: str) -> None:
    with pytest.raises(MetalfleetError, match=f"and {name} has one") as refused:
        agent_for(options(), document(**changed), "", with_contents=True)
    assert "sesame" not in str(refused.value)


@pytest.mark.parametrize(
    ("agent", "words"),
    [
        ({"times": []}, "no time"),
        ({"times": ["9:30"]}, "'9:30'"),
        ({"times": ["24:00"]}, "'24:00'"),
        ({"delay": -1}, "tensorflow_agent_delay"),
        ({"battery": 101}, "tensorflow_agent_battery"),
        ({"document_url": "http://www.example.com/a.json", "signing_key": "k"}, "begins with https"),
        ({"document_url": "https://www.example.com/a.json"}, "by which key"),
        ({"document_url": "https://a:b@www.example.com/a.json", "signing_key": "k"}, "document_url has one"),
        ({"mirror": "https://a:b@www.example.com"}, "native_python_mirror has one"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(agent: dict[str, Any], words: str) -> None:
    with pytest.raises(MetalfleetError, match=words):
        agent_for(options(**agent), document(), "", with_contents=False)


@pytest.mark.parametrize(
    ("python", "wanted", "can_unpack"),
    [
        ({}, "python/cpython-3.12", True),
        ({"source": "homebrew"}, "/opt/homebrew/opt/python@3.12/bin/python3.12", False),
        ({"source": "python_org"}, "/Library/Frameworks/Python.framework/", False),
        ({"source": "existing"}, "", False),
        ({"source": "existing", "existing": "~/p/bin/python3"}, "~/p/bin/python3", False),
    ],
)
def test_each_source_of_pythons_says_what_the_agent_can_do(
    python: dict[str, Any], wanted: str, can_unpack: bool
) -> None:
    files = files_of_pythons({**options(), "python": {**PYTHON, **python}}, [], "")
    assert files["python3/wanted"].decode().startswith(wanted)
    assert ("python3/unpack" in files) == can_unpack
    for name in ("ask", "link"):
        assert files[f"python3/{name}"].startswith(b'root="$root" link=python3 ')
        assert files[f"python3/{name}"].count(b"\n") == 1
        assert b"@" not in files[f"python3/{name}"].replace(b"python@3", b"")


def test_a_python_beside_it_has_lines_of_its_own() -> None:
    files = files_of_pythons(options(), ["3.11"], "CERTIFICATES")
    assert b"link=python3.11" in files["python3.11/unpack"]
    assert b"CERTIFICATES" in files["files.tar"]
    assert b"\ntimed-out it did not answer in time" in files["objections"]


def test_the_command_is_a_shell_script() -> None:
    subprocess.run(["/bin/sh", "-n"], input=starter(), check=True)
    assert b"/usr/bin/python3" not in starter()
    assert b"@WATCH@" not in starter()


def test_what_was_published_keeps_its_serial_number_as_long_as_it_says_the_same(tmp_path: Path) -> None:
    made = make_agent(options(), document(), "")
    first = publication(tmp_path, "Mac 1", made, None, 1)
    for path, content in first.new.items():
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    again = publication(tmp_path, "Mac 1", made, None, 2)
    assert (again.sha256, dict(again.new)) == (first.sha256, {})
    other = publication(tmp_path, "Mac 1", make_agent(options(battery=1), document(), ""), None, 0)
    assert len(other.new) == 2
    assert [json.loads(text)["serial"] for path, text in other.new.items() if path.suffix == ".json"] == [2]
    assert all(path.parent == tmp_path for path in other.new)


HISTORY = [
    {"time": "2026-11-10T10:00:00Z", "what": "repaired", "environment": "tf", "reasons": ["file-missing"], "text": ""},
    {"time": "2026-11-20T10:00:00Z", "what": "repaired", "environment": "", "reasons": [], "text": ""},
    {"time": "2026-11-21T10:00:00Z", "what": "repaired", "environment": "tf", "reasons": ["absent"], "text": ""},
]
LOST = {
    "time": "2026-11-22T10:00:00Z",
    "what": "failed",
    "environment": "tf",
    "reasons": [],
    "text": "the disk is full",
}


def test_what_it_did_since_the_host_was_seen_is_told_once() -> None:
    report = {"agent": {"history": HISTORY}}
    assert say_meanwhile(report, "2026-11-15T00:00:00Z") == (
        "Meanwhile the agent has repaired the managed Python, tf 2 times (absent), the last time at "
        "2026-11-21T10:00:00Z."
    )
    assert say_meanwhile(report, "2026-11-21T10:00:00Z") == ""
    assert last_repair(report) == {"time": "2026-11-21T10:00:00Z", "reasons": ["absent"]}
    failed = {"agent": {"history": [*HISTORY, LOST]}}
    assert "It could not repair all (the disk is full)" in say_meanwhile(failed, "")


@pytest.mark.parametrize(
    "agent", [None, {}, {"history": None}, {"history": ["x", {}]}, {"history": [{"time": "zzz", "what": "repaired"}]}]
)
def test_a_host_may_say_anything(agent: Any) -> None:
    assert last_repair({"agent": agent}) is None
    assert say_meanwhile({"agent": agent}, "") == ""
