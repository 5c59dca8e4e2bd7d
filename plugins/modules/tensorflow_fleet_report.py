#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: tensorflow_fleet_report
short_description: Write what is known of the hosts of a play, as a page and for other programs
version_added: 0.1.0
description:
  - Works on the controller alone, from the ledger in which M(metalfleet.tensorflow.tensorflow_environments_info) and
    M(metalfleet.tensorflow.tensorflow_environments) keep the last report of every host. No host is contacted.
  - It tells of all hosts of the play, also of those that were never seen. Run it once for all of them, with
    C(run_once).
author: metalfleet maintainers (@metalfleet)
notes:
  - This is an action plugin.
extends_documentation_fragment:
  - metalfleet.tensorflow.environments.reports
attributes:
  check_mode:
    support: full
    description: Can run in C(check_mode) and return changed status without writing a file.
  diff_mode:
    support: none
    description: Does not show the files.
  idempotent:
    support: partial
    description: A page says how long ago each host was seen, and is another one when that has changed.
  platform:
    support: full
    platforms: posix
    description: The controller's.
options:
  report_folder:
    description:
      - Folder on the controller that the files are written to.
      - A relative path begins at the folder that has the inventory file or folder. Empty means C(metalfleet/report)
        there.
    type: path
    default: ""
  report_formats:
    description:
      - What is written. V(html) is C(fleet.html), a page that needs nothing from elsewhere. V(csv), V(json) and
        V(junit) are C(fleet.csv), C(fleet.json) and C(fleet-junit.xml).
      - V(prometheus) is C(metalfleet.prom) for the node exporter, V(osquery) the database C(metalfleet.sqlite); V(jamf)
        and V(munki) are a file for each host in a folder of that name.
    type: list
    elements: str
    choices: [html, csv, json, junit, jamf, munki, prometheus, osquery]
    default: [html, csv, json, junit]
"""

EXAMPLES = r"""
- name: Write the page, and metrics for Prometheus
  metalfleet.tensorflow.tensorflow_fleet_report:
    report_folder: /srv/www/fleet
    report_formats: [html, prometheus]
  run_once: true
"""

RETURN = r"""
files:
  description: The files of the report.
  returned: success
  type: list
  elements: str
  sample: [/home/ada/fleet/metalfleet/report/fleet.html]
text:
  description: One line for each problem, the worst first, one for all hosts, and one if the last run was long ago.
  returned: success
  type: list
  elements: str
  sample: ["mac-7: not seen for 9 days", "48 Macs: 47 ok, 1 not seen for 9 days"]
elsewhere:
  description: Hosts that the ledger has and the play has not. They are left out.
  returned: success
  type: list
  elements: str
  sample: []
"""
