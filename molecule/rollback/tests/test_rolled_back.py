# SPDX-License-Identifier: GPL-3.0-or-later
"""What the rollback must have made: the first generation is active, the second is kept."""

from __future__ import annotations

import testinfra.host

testinfra_hosts = ["ansible://macs"]


def test_the_first_generation_is_active(host: testinfra.host.Host) -> None:
    assert host.check_output("readlink ~/.virtualenvs/edge").endswith("/environments/edge/1")


def test_both_generations_are_there(host: testinfra.host.Host) -> None:
    assert host.check_output("cd ~/.local/share/metalfleet/environments/edge && ls -d [0-9]*").split() == ["1", "2"]
