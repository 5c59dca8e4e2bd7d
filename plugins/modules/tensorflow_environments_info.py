#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: tensorflow_environments_info
short_description: Ask a host what it is, which of its environments have drifted, and whether the others compute
version_added: 0.1.0
description:
  - Returns the report of a host. It has the facts of M(metalfleet.tensorflow.apple_silicon_facts), whether the managed
    Python and uv are as declared, the plan of every environment, which is what
    M(metalfleet.tensorflow.tensorflow_environments) would do, and a probe of every environment that is in order.
  - It is one remote task. Where nothing has drifted it is the only one that a run needs. It asks no network.
  - A host without a managed Python is an answer, too. RV(todo) is V(python) then.
author: metalfleet maintainers (@metalfleet)
extends_documentation_fragment:
  - metalfleet.tensorflow.attributes
  - metalfleet.tensorflow.attributes.info
  - metalfleet.tensorflow.environments.all
  - metalfleet.tensorflow.environments.handed
options:
  doctor:
    description:
      - Probe every environment that is there as C(gpu_check=full) does, whatever it declares, drifted or not,
        and return RV(doctor).
    type: bool
    default: false
seealso:
  - module: metalfleet.tensorflow.tensorflow_environments
    description: Repairs what this module reports.
"""

EXAMPLES = r"""
- name: Ask the host about the default environment, and fail if anything has drifted
  metalfleet.tensorflow.tensorflow_environments_info:

- name: Ask about two environments
  metalfleet.tensorflow.tensorflow_environments_info:
    environments:
      - name: tensorflow
      - name: research
        gpu: preferred
    on_failure: report
  register: tensorflow_report

- name: Find out all there is to know where something does not work
  metalfleet.tensorflow.tensorflow_environments_info:
    doctor: true
    on_failure: report
  register: tensorflow_examined

- name: Say what was found
  ansible.builtin.debug:
    msg: "{{ tensorflow_report.text }}"
"""

RETURN = r"""
ok:
  description: Whether the host is as declared, and every environment computes as demanded.
  returned: always
  type: bool
  sample: true
text:
  description:
    - What needs somebody's attention, in one paragraph for each environment and for the whole host, the worst first.
    - Where nothing does, one paragraph for each environment.
  returned: always
  type: list
  elements: str
  sample: ["tensorflow: gpu-ok, TensorFlow 2.18.1, plug-in 1.2.0."]
todo:
  description:
    - What has to be done next. With V(python) the managed Python has to be repaired before anything else, by
      M(metalfleet.tensorflow.native_python); with V(environments), environments have to be, or a lock that was made
      for this answer has to be kept.
  returned: always
  type: str
  sample: nothing
reasons:
  description: The reason codes of all that has drifted, each once. Empty if the host is as declared.
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
  description: The managed Python and uv.
  returned: always
  type: dict
  contains:
    reasons:
      description: Reason codes of what M(metalfleet.tensorflow.native_python) would have to do.
      type: list
      elements: str
      sample: []
    surplus:
      description: Folders of Pythons and versions of uv that nothing uses any more.
      type: list
      elements: str
      sample: []
    minors:
      description:
        - Minor versions of Python that environments ask for beside the one that runs modules, and that
          M(metalfleet.tensorflow.native_python) would have to install or repair.
      type: list
      elements: str
      sample: []
environments:
  description: The declared environments, in their order. Empty if the host could not be looked at.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: The environment's name.
      type: str
      sample: tensorflow
    state:
      description: The declared state.
      type: str
      sample: present
    path:
      description: The stable path.
      type: str
      sample: /Users/ada/.virtualenvs/tensorflow
    reasons:
      description: The reason codes of its drift, each once.
      type: list
      elements: str
      sample: []
    plan:
      description: What has to be done, in order, as M(metalfleet.tensorflow.python_environment) returns it.
      type: list
      elements: dict
      sample: []
    verdict:
      description: The result of its probe in one word. V(null) if there was none.
      type: str
      sample: gpu-ok
    probe:
      description: The probe, as M(metalfleet.tensorflow.tensorflow_gpu_info) returns it. V(null) if there was none.
      type: dict
      sample: {"verdict": "gpu-ok", "ok": true}
    problem:
      description: Why the environment is not usable as declared, as C(cause), C(evidence) and C(remedy), or V(null).
      type: dict
      sample: {"cause": "The disk is full.", "evidence": "12 MB are free.", "remedy": "Free some space."}
    ok:
      description: Whether it is as declared, and computes as demanded.
      type: bool
      sample: true
    text:
      description: The same for people, in one paragraph.
      type: str
      sample: "tensorflow: gpu-ok, TensorFlow 2.18.1, plug-in 1.2.0."
    warnings:
      description: What did not keep it from being as declared, but should be known.
      type: list
      elements: str
      sample: []
agent:
  description: The agent, and what it did on its own.
  returned: where O(agent) says whether the Mac has it
  type: dict
  contains:
    enabled:
      description: Whether it is declared.
      type: bool
      sample: true
    ok:
      description: Whether it is as declared.
      type: bool
      sample: true
    reasons:
      description: The reason codes of its drift, each once.
      type: list
      elements: str
      sample: []
    plan:
      description: What has to be done to it, in order.
      type: list
      elements: dict
      sample: []
    problem:
      description: Why it is not as declared, as C(cause), C(evidence) and C(remedy), or V(null).
      type: dict
      sample: {"cause": "launchd does not take the agent's job.", "evidence": "", "remedy": ""}
    text:
      description: The same for people. Empty where nothing is to be said.
      type: str
      sample: ""
    runs:
      description: How often it has worked.
      type: int
      sample: 28
    last_run:
      description: When it last did, or V(null).
      type: str
      sample: "2026-11-28T11:41:07Z"
    seconds:
      description: CPU time that it took then.
      type: float
      sample: 5.2
    history:
      description: What it did last, or could not do, the oldest first.
      type: list
      elements: dict
      sample: [{"time": "2026-11-20T11:35:12Z", "what": "repaired", "environment": "tensorflow", "reasons": []}]
doctor:
  description: All of the report for people, line by line.
  returned: with O(doctor)
  type: list
  elements: str
  sample: ["Machine: Apple M2 Pro, 12 cores, GPU with 19 cores, 16 GB of memory, Mac14,9, macOS 15.6."]
apple_silicon:
  description: The facts of the host, as M(metalfleet.tensorflow.apple_silicon_facts) returns them.
  returned: if the host could answer
  type: dict
ledger:
  description: The file on the controller that keeps this report.
  returned: if it could be written
  type: str
  sample: /home/ada/fleet/metalfleet/reports/mac-ada.example.com.json
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._handed import read_handed, with_handed
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._host.answer import ask
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._host.document import (
    platform_to_be,
    read_document,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._options import ASKING, DOCUMENT


def main() -> None:
    """Look at everything, and report it."""
    module = AnsibleModule(with_handed(ASKING), supports_check_mode=True)
    try:
        options = read_handed(module, DOCUMENT)
        report = ask(read_document(options, platform_to_be(options)))
    except MetalfleetError as error:
        module.fail_json(msg=str(error))
    for warning in report.pop("warnings"):
        module.warn(warning)
    module.exit_json(**report)


if __name__ == "__main__":
    main()
