# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest

from tests.ansible_runner import complaints, parse_recap, playbook

COUNTS = {"ok": 3, "changed": 1, "unreachable": 0, "failed": 0, "skipped": 2, "rescued": 0, "ignored": 0}


def test_recap_has_every_host() -> None:
    stdout = """
TASK [Say something that looks alike] ****
ok: [m1] => {"msg": "m9 : ok=1 changed=0"}

PLAY RECAP *********************************************************************
m1                         : ok=3    changed=1    unreachable=0    failed=0    skipped=2    rescued=0    ignored=0   
mac-2.example.com          : ok=0    changed=0    unreachable=1    failed=0    skipped=0    rescued=0    ignored=0   

"""  # noqa: W291 - Ansible prints these blanks
    assert parse_recap(stdout) == {
        "m1": COUNTS,
        "mac-2.example.com": dict.fromkeys(COUNTS, 0) | {"unreachable": 1},
    }


def test_a_run_without_a_recap_has_no_hosts() -> None:
    assert parse_recap("m1 : ok=1 changed=0\n") == {}


@pytest.mark.parametrize("complaint", ["[WARNING]: no hosts matched", "[DEPRECATION WARNING]: old. Use another."])
def test_complaints_are_found(complaint: str) -> None:
    assert complaints(f"PLAY [all] ***\n{complaint}\nok: [m1]\n") == [complaint]


def test_words_within_a_line_are_no_complaint() -> None:
    assert complaints('ok: [m1] => {"msg": "[WARNING] is what it says"}\n') == []


@pytest.fixture
def play(tmp_path: Path) -> Path:
    path = tmp_path / "play.yml"
    path.write_text(
        """
- hosts: localhost
  connection: local
  tasks:
    - ansible.builtin.assert:
        that: ask != 'failure'
    - ansible.builtin.debug:
        msg: "{{ lookup('ansible.builtin.env', 'GREETING') }}"
"""
    )
    return path


def test_a_run_tells_what_it_did(play: Path) -> None:
    result = playbook("-i", "localhost,", play, "-e", "ask=nothing", env={"GREETING": "good morning"})
    assert result.recap["localhost"] == dict.fromkeys(COUNTS, 0) | {"ok": 2}
    assert "good morning" in result.output


def test_a_failure_is_an_error_unless_it_was_expected(play: Path) -> None:
    with pytest.raises(AssertionError, match="ended with 2"):
        playbook("-i", "localhost,", play, "-e", "ask=failure")
    assert playbook("-i", "localhost,", play, "-e", "ask=failure", check=False).rc == 2


def test_a_warning_is_an_error(play: Path) -> None:
    with pytest.raises(AssertionError, match="Ansible complains"):
        playbook("-i", "localhost,", play, "-e", "ask=nothing", "--limit", "localhost,nobody", check=False)
