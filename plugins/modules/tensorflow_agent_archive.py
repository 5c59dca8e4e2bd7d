#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: tensorflow_agent_archive
short_description: Publish what an agent is installed from that no controller reaches
version_added: 0.1.0
description:
  - Works on the controller alone. Writes, for the host that the task is for, C(HOST.tar), which has all files of the
    agent with the document of that host, and C(HOST.json), the document alone. With C(agent.signing_key) there is its
    signature, C(HOST.json.sig), too.
  - A script of an MDM installs the agent from the first. Agents fetch newer documents from where the other two are.
  - A document that says the same keeps its serial number, so that a second run changes nothing.
author: metalfleet maintainers (@metalfleet)
notes:
  - This is an action plugin.
extends_documentation_fragment:
  - metalfleet.tensorflow.environments.all
attributes:
  check_mode:
    support: full
    description: Can run in C(check_mode) and return changed status without writing a file.
  diff_mode:
    support: none
    description: Does not return what differs.
  idempotent:
    support: full
    description: A second run changes nothing.
  platform:
    support: full
    platforms: posix
    description: The controller's.
options:
  agent_archives:
    description:
      - Folder on the controller that the files are written to. A relative path begins at the folder that has the
        inventory. Empty means C(metalfleet/agents) there.
    type: path
    default: ""
"""

EXAMPLES = r"""
- name: Publish the agent
  metalfleet.tensorflow.tensorflow_agent_archive:
    agent_archives: /srv/www/agents
    agent:
      enabled: true
      document_url: https://www.example.com/agents/{{ inventory_hostname }}.json
      signing_key: metalfleet-signing
"""

RETURN = r"""
archive:
  description: The path of C(HOST.tar).
  returned: always
  type: str
  sample: /srv/www/agents/laptops.tar
sha256:
  description: Its SHA-256, for the script that installs from it.
  returned: always
  type: str
  sample: 3f5a7f0c1b7f7f1d2c6e0c2f6c9d2f7a0d1e3b5c7d9f1a3c5e7091b3d5f7a9cb
text:
  description: The same for people.
  returned: always
  type: list
  elements: str
  sample: ["/srv/www/agents/laptops.tar has the SHA-256 3f5a7f0c."]
"""
