# SPDX-License-Identifier: GPL-3.0-or-later
"""The simulated Macs that are up, as pyinfra wants them: the same as inventory/simulated gives to Ansible."""

from __future__ import annotations

import os

from tests.simulated_mac.state import default_home, inventory

_hosts = inventory(default_home(), os.environ["SIMULATED_MAC_FLEET"])["_meta"]["hostvars"]
macs = [
    (
        name,
        {
            "ssh_hostname": host["ansible_host"],
            "ssh_port": host["ansible_port"],
            "ssh_user": host["ansible_user"],
            "ssh_key": str(default_home() / "id_ed25519"),
            "ssh_known_hosts_file": "/dev/null",
            "ssh_strict_host_key_checking": "off",
        },
    )
    for name, host in _hosts.items()
]
