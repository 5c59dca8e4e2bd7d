#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later

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
attributes:
  check_mode:
    support: full
    description: Can run in C(check_mode) and return changed status without modifying the host.
  diff_mode:
    support: full
    description: Returns the state before and after, and the reasons.
  idempotent:
    support: full
    description: A second run changes nothing.
  platform:
    support: full
    platforms: macOS (Apple Silicon), Linux
    description: Hosts that it works on.
options:
  name:
    description: Name of the environment, and of the stable path. Letters, digits, and C(._-) after the first of them.
    type: str
    required: true
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
  lock:
    description:
      - "Path on the controller of the lock: a requirements file that pins everything with C(==) and C(--hash)."
      - Relative paths are looked for as those of M(ansible.builtin.copy).
    type: path
  lock_text:
    description: The lock itself, instead of O(lock).
    type: str
  on_drift:
    description:
      - What to do when an environment that was built differs from its declaration.
      - V(report) leaves it alone, and fails with the reasons.
    type: str
    choices: [repair, report]
    default: repair
  integrity:
    description:
      - V(quick) compares size and time of every file with the manifest, and hashes those that differ.
      - V(full) hashes every file.
    type: str
    choices: [quick, full]
    default: quick
  keep:
    description:
      - Number of complete generations that stay, the active one included; at least 1. One that is in use always stays.
    type: int
    default: 2
  startup_files_of:
    description:
      - Packages whose wheels may bring files that run whenever Python starts (C(.pth), C(sitecustomize)).
      - A wheel of any other package that brings one is refused.
    type: list
    elements: str
    default: [setuptools]
  jupyter_kernel:
    description: Register the environment with Jupyter, by its stable path. The lock must have ipykernel.
    type: bool
    default: false
  gpu_check:
    description:
      - How much TensorFlow computes when the environment is probed, as in M(metalfleet.tensorflow.tensorflow_gpu_info).
        A new generation is activated only if it passes. V(none) is for environments without TensorFlow.
    type: str
    choices: [none, quick, standard]
    default: none
  gpu:
    description: What the probe must find, as in M(metalfleet.tensorflow.tensorflow_gpu_info).
    type: str
    choices: [required, preferred, none]
  probe_timeout:
    description: Seconds after which the probe is ended.
    type: int
    default: 120
  free_mb:
    description: Megabytes that must be free before a build.
    type: int
    default: 3500
  root:
    description: Folder on the host below which generations live, in C(environments).
    type: path
    default: ~/.local/share/metalfleet
  links:
    description: Folder of the stable paths. Editors look for environments in the default.
    type: path
    default: ~/.virtualenvs
  index_url:
    description: Package index. Empty means uv's default. It may hold credentials, which are never shown.
    type: str
    default: ""
  extra_index_urls:
    description: More package indexes, which are asked first.
    type: list
    elements: str
    default: []
  proxy:
    description: URL of a proxy for everything that is downloaded.
    type: str
    default: ""
  ca:
    description: File on the host with the certificates of authorities to trust, in PEM format.
    type: path
    default: ""
  username:
    description: User name for the index.
    type: str
    default: ""
  password:
    description: Password for the index.
    type: str
    default: ""
  wheels:
    description: Folder on the host, or URL of a page, that has the wheels. No index is asked then.
    type: str
    default: ""
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
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.plan import locked_packages
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._host.converge import converge
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._host.document import (
    SHARED,
    Document,
    read_document,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._options import BUILD, ENVIRONMENT, NETWORK, PLACES

ARGUMENTS: dict[str, Any] = {
    **ENVIRONMENT,
    "state": {"type": "str", "choices": ["present", "absent", "rolled_back"], "default": "present"},
    "generation": {"type": "int"},
    "lock_text": {"type": "str"},
    "gpu_check": {**ENVIRONMENT["gpu_check"], "default": "none"},
    **PLACES,
    **NETWORK,
    **BUILD,
}


def main() -> None:
    """Plan and, unless in check mode, apply."""
    module = AnsibleModule(ARGUMENTS, supports_check_mode=True, required_if=[("state", "present", ["lock_text"])])
    try:
        report = converge(document_of(module.params), check_mode=module.check_mode, with_diff=True)
    except MetalfleetError as refusal:
        module.fail_json(msg=str(refusal))
    [environment] = report["environments"]
    for warning in environment.pop("warnings"):
        module.warn(warning)
    result = {**environment, "changed": report["changed"], "diff": report.get("diff", {})}
    if not environment["ok"]:
        module.fail_json(msg=environment["text"], **result)
    module.exit_json(packages=locked_packages(module.params["lock_text"] or ""), **result)


def document_of(options: dict[str, Any]) -> Document:
    """The document that declares this environment alone."""
    declared = {name: options[name] for name in ARGUMENTS if name in ENVIRONMENT or name in ("generation", "lock_text")}
    shared = {name: options[name] for name in (*PLACES, *NETWORK, *SHARED)}
    return read_document({**shared, "wheels": options["wheels"], "environments": [declared]})


if __name__ == "__main__":
    main()
