# SPDX-License-Identifier: GPL-3.0-or-later
"""What setup.yml must have made of an environment for LiteRT."""

from __future__ import annotations

import testinfra.host

testinfra_hosts = ["ansible://macs"]


COMPUTE = "from ai_edge_litert.interpreter import Interpreter; import sys; print(sys.platform, Interpreter.__name__)"


def test_the_interpreter_is_there(host: testinfra.host.Host) -> None:
    python = f"{host.check_output('echo $HOME')}/.virtualenvs/edge/bin/python"
    assert host.check_output("%s -I -c %s", python, COMPUTE) == "darwin Interpreter"
