# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Read hosts from an export of an MDM."""

from __future__ import annotations

DOCUMENTATION = r"""
name: mdm
short_description: Hosts from the CSV or JSON that an MDM exports
version_added: 0.1.0
description:
  - Reads a file that an MDM such as Jamf Pro, Kandji or Intune has exported, and makes a host of every row.
  - A row that is not a host, because it has no name, one that cannot be connected to, one that is there already, or an
    C(ansible_host) that is no address, is named; none is dropped in silence. An export without a row is refused.
  - By itself Ansible warns of an inventory that it cannot read, and goes on with the hosts of the others. That this
    ends the run takes C(any_unparsed_is_failed = true) under C([inventory]) in C(ansible.cfg).
author: metalfleet maintainers (@metalfleet)
extends_documentation_fragment:
  - ansible.builtin.constructed
options:
  plugin:
    description: That it is this plugin, by its full name.
    type: str
    required: true
    choices: [metalfleet.tensorflow.mdm]
  path:
    description:
      - The export. Its name ends with C(.json) for a list of objects; everything else is CSV with a line of headings,
        with commas, semicolons or tabs.
      - A relative path begins at the folder of the file with these options.
      - Of columns with the same heading, each is called by its number, too, such as V(IP Address (column 3\)).
    type: str
    required: true
  host:
    description:
      - The column that has the hosts' names. In JSON it may be a path, such as V(general.name).
      - Names that people give, such as V(Ada's MacBook), are no names of hosts. Take the serial numbers then, and
        C(ansible_host) from the column with the addresses.
    type: str
    required: true
  variables:
    description: Variables of the hosts, each with the column that has its values. Empty cells set nothing.
    type: dict
    default: {}
  group:
    description: The group that the hosts are put into.
    type: str
    default: tensorflow
  bad_rows:
    description:
      - V(fail) names all rows that are not hosts, and ends.
      - V(warn) names them in a warning, and goes on with the others.
    type: str
    choices: [fail, warn]
    default: fail
"""

EXAMPLES = r"""
# macs.mdm.yml, beside an export of Jamf Pro
plugin: metalfleet.tensorflow.mdm
path: computers.csv
host: Computer Name
variables:
  ansible_host: IP Address
  ansible_user: Username
  mac_serial: Serial Number
  mac_model: Model
compose:
  # What is not in the export can be made of what is.
  ansible_host: ansible_host | default(inventory_hostname ~ ".local")
"""

from pathlib import Path
from typing import Any

from ansible.errors import AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin, Constructable
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._mdm import macs_of, read_rows, say_bad_rows
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._misfits import say_unknown


class InventoryModule(BaseInventoryPlugin, Constructable):
    """See plugins/plugin_utils/_mdm.py for how an export is read."""

    NAME = "metalfleet.tensorflow.mdm"

    def verify_file(self, path: str) -> bool:
        """Whether a file has options of this plugin."""
        return bool(super().verify_file(path)) and path.endswith((".mdm.yml", ".mdm.yaml"))

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        """Put the hosts into the inventory."""
        super().parse(inventory, loader, path, cache)
        unknown = sorted(self._read_config_data(path).keys() - self.get_options().keys())
        if unknown:
            raise AnsibleParserError(f"In {path}, {say_unknown(unknown[0], self.get_options(), '')}.")
        try:
            rows = read_rows(Path(path).parent / Path(self.get_option("path")).expanduser())
            macs = macs_of(rows, self.get_option("host"), self.get_option("variables"))
        except MetalfleetError as error:
            raise AnsibleParserError(str(error)) from None  # Ansible would repeat the cause, which the text has
        if macs.bad_rows and self.get_option("bad_rows") == "fail":
            raise AnsibleParserError(
                f"{say_bad_rows(macs.bad_rows)} Correct them, let host name a column with other names, such as serial "
                "numbers, or set bad_rows: warn."
            )
        if macs.bad_rows:
            self.display.warning(say_bad_rows(macs.bad_rows))
        group = inventory.add_group(self.get_option("group"))
        for host, variables in macs.hosts.items():
            self._add(host, variables, group)

    def _add(self, host: str, variables: dict[str, Any], group: str) -> None:
        self.inventory.add_host(host, group=group)
        for name, value in variables.items():
            self.inventory.set_variable(host, name, value)
        strict = self.get_option("strict")
        known = {**variables, "inventory_hostname": host}
        self._set_composite_vars(self.get_option("compose"), known, host, strict=strict)
        self._add_host_to_composed_groups(self.get_option("groups"), known, host, strict=strict)
        self._add_host_to_keyed_groups(self.get_option("keyed_groups"), known, host, strict=strict)
