#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: tensorflow_agent
short_description: Put the agent on a Mac, which keeps its environments in order while no controller reaches it
version_added: 0.1.0
description:
  - Puts the agent on a Mac, with the document that says what it has to keep and a job of launchd, or takes it away, as
    O(agent) says. No environment is built or repaired by this module. The agent does that, and begins at once where it
    is new.
  - M(metalfleet.tensorflow.tensorflow_environments) keeps the agent, too, beside the environments.
  - The host needs a managed Python and uv, which M(metalfleet.tensorflow.native_python) brings.
  - In check mode it is the plan, made without changing anything.
author: metalfleet maintainers (@metalfleet)
extends_documentation_fragment:
  - metalfleet.tensorflow.attributes
  - metalfleet.tensorflow.attributes.changes
  - metalfleet.tensorflow.environments.all
  - metalfleet.tensorflow.environments.handed
seealso:
  - module: metalfleet.tensorflow.tensorflow_environments
    description: Builds and repairs the environments from the controller.
"""

EXAMPLES = r"""
- name: Bring a native Python and uv
  metalfleet.tensorflow.native_python:

- name: Let the agent keep two environments
  metalfleet.tensorflow.tensorflow_agent:
    environments:
      - name: tensorflow
      - name: research
        gpu: preferred
    agent:
      enabled: true
      times: ["12:15"]
"""

RETURN = r"""
ok:
  description: Whether the agent is as declared.
  returned: always
  type: bool
  sample: true
text:
  description: The same for people.
  returned: always
  type: list
  elements: str
  sample: ["The agent was installed (agent-absent: /Users/ada/.local/share/metalfleet/bin/metalfleet does not exist)."]
agent:
  description: As M(metalfleet.tensorflow.tensorflow_environments_info) returns it.
  returned: always
  type: dict
  sample: {"enabled": true, "ok": true, "reasons": ["agent-absent"]}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._agent.alone import put_in_order
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._handed import read_handed, with_handed
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._host.document import (
    platform_to_be,
    read_document,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._options import DOCUMENT, ENVIRONMENTS


def main() -> None:
    """Plan and, unless in check mode, apply."""
    module = AnsibleModule(with_handed(ENVIRONMENTS), supports_check_mode=True)
    try:
        options = read_handed(module, DOCUMENT)
        document = read_document(options, platform_to_be(options))
        report = put_in_order(document, check_mode=module.check_mode)
    except MetalfleetError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**report)


if __name__ == "__main__":
    main()
