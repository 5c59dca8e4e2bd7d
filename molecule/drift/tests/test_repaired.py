# SPDX-License-Identifier: GPL-3.0-or-later
"""What the repair must have put right: see side_effect.yml."""

from __future__ import annotations

import testinfra.host

testinfra_hosts = ["ansible://macs"]


PACKAGES = "~/.virtualenvs/edge/lib/python3.*/site-packages"


def test_the_lost_file_is_back(host: testinfra.host.Host) -> None:
    assert host.check_output(f"ls {PACKAGES}/ai_edge_litert/interpreter.py")


def test_the_damaged_file_is_whole(host: testinfra.host.Host) -> None:
    assert host.run(f"grep damaged {PACKAGES}/numpy/__init__.py").rc == 1


def test_the_stray_file_is_gone(host: testinfra.host.Host) -> None:
    assert host.run(f"ls {PACKAGES}/stray.pth").rc != 0


def test_uv_runs(host: testinfra.host.Host) -> None:
    assert host.check_output("~/.local/share/metalfleet/bin/uv --version").startswith("uv ")
