#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: tensorflow_environments
short_description: Keep all TensorFlow environments of a host as they are declared
version_added: 0.1.0
description:
  - Makes the same plan as M(metalfleet.tensorflow.tensorflow_environments_info), and carries it out for all
    environments in one remote task. A new generation is built beside the one in use, probed, and switched to with one
    rename. If anything fails, what was active stays active and untouched, and the other environments are worked on all
    the same.
  - The host needs a managed Python and uv, which M(metalfleet.tensorflow.native_python) brings.
  - In check mode it is the plan, made without changing anything.
author: metalfleet maintainers (@metalfleet)
extends_documentation_fragment:
  - metalfleet.tensorflow.attributes
  - metalfleet.tensorflow.attributes.changes
  - metalfleet.tensorflow.environments.all
  - metalfleet.tensorflow.environments.handed
seealso:
  - module: metalfleet.tensorflow.tensorflow_environments_info
    description: Makes the same report, and changes nothing.
"""

EXAMPLES = r"""
- name: Bring a native Python and uv
  metalfleet.tensorflow.native_python:

- name: Keep two environments
  metalfleet.tensorflow.tensorflow_environments:
    environments:
      - name: tensorflow
      - name: research
        gpu: preferred
        keep: 3
"""

RETURN = r"""
ok:
  description: As M(metalfleet.tensorflow.tensorflow_environments_info) returns it, after the work.
  returned: always
  type: bool
  sample: true
text:
  description: As M(metalfleet.tensorflow.tensorflow_environments_info) returns it, after the work.
  returned: always
  type: list
  elements: str
  sample: ["tensorflow: gpu-ok, TensorFlow 2.18.1, plug-in 1.2.0."]
todo:
  description: What has to be done next, as M(metalfleet.tensorflow.tensorflow_environments_info) returns it.
  returned: always
  type: str
  sample: nothing
reasons:
  description: The reason codes of all that was (in check mode, would be) repaired or was left as it is, each once.
  returned: always
  type: list
  elements: str
  sample: [file-damaged]
platform:
  description: The name by which locks for this host and its Python go. V(null) if the host could not answer.
  returned: always
  type: str
  sample: macos-arm64-py3.12
managed_python:
  description: As M(metalfleet.tensorflow.tensorflow_environments_info) returns it.
  returned: always
  type: dict
  sample: {"reasons": [], "surplus": []}
environments:
  description:
    - As M(metalfleet.tensorflow.tensorflow_environments_info) returns them, each with the plan that was (in check mode,
      would be) carried out, and the probe of what is active now or of the new generation that was refused.
  returned: always
  type: list
  elements: dict
  sample: [{"name": "tensorflow", "ok": true, "reasons": ["absent"], "verdict": "gpu-ok"}]
agent:
  description: As M(metalfleet.tensorflow.tensorflow_environments_info) returns it, after the work.
  returned: where O(agent) says whether the Mac has it
  type: dict
  sample: {"enabled": true, "ok": true, "reasons": ["agent-absent"]}
apple_silicon:
  description: The facts of the host, as M(metalfleet.tensorflow.apple_silicon_facts) returns them.
  returned: if the host could answer
  type: dict
worse:
  description:
    - The names of the environments that are worse than before, by the last verdicts that the ledger has. Where it has
      none, only a failure counts. With C(tensorflow_canary) the run stops where there is any.
  returned: if the host could be looked at
  type: list
  elements: str
  sample: []
ledger:
  description: The file on the controller that keeps this report. What check mode foresees is not kept.
  returned: if it could be written
  type: str
  sample: /home/ada/fleet/metalfleet/reports/mac-ada.example.com.json
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._handed import read_handed, with_handed
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._host.converge import converge
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
        report = converge(document, check_mode=module.check_mode, with_diff=True)
    except MetalfleetError as error:
        module.fail_json(msg=str(error))
    for warning in report.pop("warnings"):
        module.warn(warning)
    module.exit_json(**report)


if __name__ == "__main__":
    main()
