# SPDX-License-Identifier: GPL-3.0-or-later
"""What setup.yml must have made of this machine."""

from __future__ import annotations

from pathlib import Path

import testinfra.host

testinfra_hosts = ["ansible://localhost"]

ENVIRONMENT = Path(__file__).parents[3] / ".cache/molecule/links/tensorflow"
COMPUTE = "import tensorflow as tf; print(float(tf.reduce_sum(tf.matmul(tf.ones((2, 3)), tf.ones((3, 2))))))"


def test_the_stable_path_leads_to_a_complete_generation(host: testinfra.host.Host) -> None:
    link = host.file(str(ENVIRONMENT))
    assert link.is_symlink
    assert host.file(f"{link.linked_to}/metalfleet-manifest.json").is_file


def test_tensorflow_computes(host: testinfra.host.Host) -> None:
    assert host.check_output("%s -I -c %s", f"{ENVIRONMENT}/bin/python", COMPUTE) == "12.0"
