# SPDX-License-Identifier: GPL-3.0-or-later
"""What is true of each simulated Mac after any scenario, asked over SSH as its user."""

from __future__ import annotations

import os

import testinfra.host

from tests.simulated_mac.fleet import Fleet

testinfra_hosts = ["ansible://macs"]


def test_stable_paths_lead_to_complete_generations(host: testinfra.host.Host) -> None:
    links = host.check_output("ls -d ~/.virtualenvs/*").split()
    assert links
    for link in map(host.file, links):
        assert link.is_symlink
        assert host.file(f"{link.linked_to}/metalfleet-manifest.json").is_file


def test_nothing_unfinished_is_left(host: testinfra.host.Host) -> None:
    assert host.check_output("find ~/.local/share/metalfleet -name '.new.*'") == ""


def test_no_shim_was_executed(host: testinfra.host.Host) -> None:
    mac = Fleet(os.environ["SIMULATED_MAC_FLEET"])[host.check_output("hostname")]
    assert mac.calls(), "nothing was logged"
    assert mac.shim_calls() == []
