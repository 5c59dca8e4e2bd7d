# SPDX-License-Identifier: GPL-3.0-or-later
"""Run playbooks as a user does, in a process of their own, and insist that Ansible has nothing to complain of."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).parents[1]
TIMEOUT_SECONDS = 1200

_COMPLAINT = re.compile(r"^\[(?:DEPRECATION )?WARNING\].*", re.MULTILINE)
_RECAP_LINE = re.compile(r"^(?P<host>\S+)\s+: (?P<counts>ok=\d+\s.*)$", re.MULTILINE)

Recap = dict[str, dict[str, int]]


@dataclass(frozen=True)
class Result:
    """What a playbook's run said and did."""

    stdout: str
    stderr: str
    rc: int

    @property
    def output(self) -> str:
        """All that a user would have seen."""
        return self.stdout + self.stderr

    @property
    def words(self) -> str:
        """The same without its line breaks, for sentences that Ansible has folded."""
        return " ".join(self.output.split())

    @property
    def recap(self) -> Recap:
        """The counts of Ansible's closing table by host, such as `{"m1": {"ok": 5, "changed": 0, ...}}`."""
        return parse_recap(self.stdout)


def parse_recap(stdout: str) -> Recap:
    """Read the closing table of a run; without one, as after a syntax error, there are no hosts in it."""
    _, _, table = stdout.partition("\nPLAY RECAP *")
    return {
        line["host"]: {name: int(count) for name, count in re.findall(r"(\w+)=(\d+)", line["counts"])}
        for line in _RECAP_LINE.finditer(table)
    }


def complaints(output: str) -> list[str]:
    """The warnings and deprecations that Ansible printed."""
    return _COMPLAINT.findall(output)


def playbook(
    *arguments: str | Path, check: bool = True, env: Mapping[str, str] | None = None, warns: str = ""
) -> Result:
    """Run `ansible-playbook` with the checkout's settings, from its top folder.

    Args:
        arguments: what a user would type after `ansible-playbook`.
        check: whether a run that fails is an error of the test.
        env: environment variables to add.
        warns: a pattern of warnings that are none of Ansible's complaints, but a module's words for its user.

    Raises:
        AssertionError: the run failed though it should not, or Ansible printed a warning or deprecation.
    """
    process = subprocess.run(
        [Path(sys.executable).with_name("ansible-playbook"), *arguments],
        cwd=CHECKOUT,
        env=os.environ | {"ANSIBLE_CONFIG": str(CHECKOUT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"} | dict(env or {}),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    result = Result(process.stdout, process.stderr, process.returncode)
    complained = [each for each in complaints(result.output) if not warns or not re.search(warns, each)]
    assert not complained, f"Ansible complains:\n{result.output}"
    assert not check or result.rc == 0, f"ansible-playbook ended with {result.rc}:\n{result.output}"
    return result
