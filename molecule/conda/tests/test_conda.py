# SPDX-License-Identifier: GPL-3.0-or-later
"""What setup.yml must have made of an environment of conda packages."""

from __future__ import annotations

import testinfra.host

testinfra_hosts = ["ansible://macs"]


def test_programs_and_python_are_those_of_conda_packages(host: testinfra.host.Host) -> None:
    assert host.check_output("~/.virtualenvs/lab/bin/tool") == "tool"
    metadata = host.check_output("ls ~/.virtualenvs/lab/conda-meta").split()
    assert {name.partition("-")[0] for name in metadata if name.endswith(".json")} >= {"python", "tool"}


def test_wheels_are_on_top(host: testinfra.host.Host) -> None:
    ask = "import ai_edge_litert.interpreter, sys; print(sys.prefix)"
    python = f"{host.check_output('echo $HOME')}/.virtualenvs/lab/bin/python"
    assert host.check_output("%s -I -c %s", python, ask).endswith("/environments/lab/1")
