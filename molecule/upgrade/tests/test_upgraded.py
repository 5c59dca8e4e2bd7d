# SPDX-License-Identifier: GPL-3.0-or-later
"""What the upgrade must have made: a generation of the new pair, beside the old one."""

from __future__ import annotations

import testinfra.host

testinfra_hosts = ["ansible://macs"]


def test_tensorflow_is_that_of_the_default_pair(host: testinfra.host.Host) -> None:
    python = f"{host.check_output('echo $HOME')}/.virtualenvs/tensorflow/bin/python"
    ask = "from importlib.metadata import version; print(version('tensorflow'), version('tensorflow-metal'))"
    assert host.check_output("%s -I -c %s", python, ask) == "2.18.1 1.2.0"


def test_the_older_generation_is_kept(host: testinfra.host.Host) -> None:
    assert host.check_output("cd ~/.local/share/metalfleet/environments/tensorflow && ls -d [0-9]*").split() == [
        "1",
        "2",
    ]
    wheels = "~/.local/share/metalfleet/environments/tensorflow/1/lib/python3.*/site-packages"
    assert host.check_output(f"ls -d {wheels}/tensorflow-2.18.0.dist-info")
