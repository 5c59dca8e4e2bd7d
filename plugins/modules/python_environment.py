#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: python_environment
short_description: Keep a Python environment exactly as its lock says
version_added: 0.1.0
description:
  - Builds an environment from a hash-pinned lock with uv, wheels only, in a new folder beside the one in use, checks
    every file, and switches the stable path O(links)/O(name) to it with one rename. If anything fails, what was active
    stays active and untouched.
  - In check mode it is the plan, made from the host's state without changing anything.
author: metalfleet maintainers (@metalfleet)
extends_documentation_fragment:
  - metalfleet.tensorflow.attributes
  - metalfleet.tensorflow.attributes.changes
  - metalfleet.tensorflow.environments.one
  - metalfleet.tensorflow.environments.places
  - metalfleet.tensorflow.environments.network
  - metalfleet.tensorflow.environments.build
  - metalfleet.tensorflow.environments.handed
options:
  state:
    description:
      - V(present) keeps the environment as O(lock) says.
      - V(absent) removes the stable path and every generation.
      - V(rolled_back) goes back to an older generation that is whole. The next run with V(present) goes forward again.
    type: str
    choices: [present, absent, rolled_back]
    default: present
  generation:
    description: With O(state=rolled_back), the generation to go back to. The default is the one before the newest.
    type: int
  lock_text:
    description: The lock itself, instead of O(lock).
    type: str
  gpu_check:
    description:
      - How much TensorFlow computes when the environment is probed, as in M(metalfleet.tensorflow.tensorflow_gpu_info).
        A new generation is activated only if it passes. V(none) is for environments without TensorFlow.
    type: str
    choices: [none, quick, standard, full]
    default: none
"""

EXAMPLES = r"""
- name: Build the environment that the lock describes
  metalfleet.tensorflow.python_environment:
    name: tensorflow
    lock: locks/tensorflow.txt

- name: Say what would have to be done, and change nothing
  metalfleet.tensorflow.python_environment:
    name: tensorflow
    lock: locks/tensorflow.txt
  check_mode: true

- name: Go back to the generation before the newest
  metalfleet.tensorflow.python_environment:
    name: tensorflow
    state: rolled_back
"""

RETURN = r"""
name:
  description: The environment's name.
  returned: always
  type: str
path:
  description: The stable path.
  returned: success
  type: str
  sample: /Users/admin/.virtualenvs/tensorflow
plan:
  description: What was (in check mode, would be) done, in order; empty if host and declaration agree.
  returned: success
  type: list
  elements: dict
  contains:
    do:
      description: >-
        One of V(remove-unfinished), V(set-aside), V(build), V(switch), V(remove), V(remove-generation),
        V(write-kernel), V(remove-kernel).
      type: str
    reason:
      description: Code of the drift, as in the collection's documentation.
      type: str
    evidence:
      description: What shows it.
      type: str
    target:
      description: "What it is done to: a generation's number or a path."
      type: str
reasons:
  description: The plan's reason codes, each once.
  returned: success
  type: list
  elements: str
packages:
  description: Name and version of every package that the lock pins.
  returned: success
  type: dict
verdict:
  description: The result of the probe in one word. V(null) if there was none.
  returned: always
  type: str
  sample: gpu-ok
probe:
  description: >-
    The result of the probe, as M(metalfleet.tensorflow.tensorflow_gpu_info) returns it, of what is active or of a new
    generation that did not pass. V(null) if there was none.
  returned: always
  type: dict
text:
  description: What was found and done, in one paragraph for people.
  returned: always
  type: str
  sample: "tensorflow: set up (absent: /Users/ada/.virtualenvs/tensorflow does not exist)."
problem:
  description: Why the environment is not as declared, as C(cause), C(evidence) and C(remedy). V(null) if it is.
  returned: always
  type: dict
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._conda.lock import pinned_versions
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._handed import read_handed, with_handed
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._host.converge import converge
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._host.document import (
    Document,
    read_document,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._options import (
    BUILD,
    ENVIRONMENT,
    NETWORK,
    ONE_ENVIRONMENT,
    PLACES,
    SENT,
)


def main() -> None:
    """Plan and, unless in check mode, apply."""
    module = AnsibleModule(with_handed(ONE_ENVIRONMENT), supports_check_mode=True)
    try:
        options = read_handed(module, {**ONE_ENVIRONMENT, **SENT})
        report = converge(document_of(options), check_mode=module.check_mode, with_diff=True)
    except MetalfleetError as refusal:
        module.fail_json(msg=str(refusal))
    [environment] = report["environments"]
    for warning in environment.pop("warnings"):
        module.warn(warning)
    result = {**environment, "changed": report["changed"], "diff": report.get("diff", {})}
    if not environment["ok"]:
        module.fail_json(msg=environment["text"], **result)
    lock = options["lock_text"] if options["state"] == "present" else ""
    module.exit_json(packages=pinned_versions(lock or ""), **result)


def document_of(options: dict[str, Any]) -> Document:
    """The document that declares this environment alone."""
    declared = {name: options[name] for name in (*ENVIRONMENT, "generation", "lock_text")}
    shared = {name: options[name] for name in (*PLACES, *NETWORK, *SENT, *BUILD)}
    return read_document({**shared, "environments": [declared]})


if __name__ == "__main__":
    main()
