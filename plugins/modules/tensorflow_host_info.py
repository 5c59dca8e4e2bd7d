#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: tensorflow_host_info
short_description: Ask a host everything that a run must know of it, in one go
version_added: 0.1.0
description:
  - Answers with the facts of M(metalfleet.tensorflow.apple_silicon_facts), whether the managed Python and uv are what
    they should be, the plan of every declared environment (what M(metalfleet.tensorflow.python_environment) would do),
    and a probe (M(metalfleet.tensorflow.tensorflow_gpu_info)) of every environment for which nothing has to be done.
  - It is one remote task. Where nothing has drifted it is the only one of a run, asks no network, and changes nothing.
  - A host without a working managed Python is no failure. RV(answered) is false then, and everything has to be done.
author: metalfleet maintainers (@metalfleet)
attributes:
  check_mode:
    support: full
    description: Can run in C(check_mode) and return changed status without modifying the host.
  diff_mode:
    support: none
    description: Never changes anything, so there is no difference to show.
  facts:
    support: full
    description: Returns C(ansible_facts) of the host.
  idempotent:
    support: full
    description: Never changes anything.
  platform:
    support: full
    platforms: macOS (Apple Silicon), Linux
    description: Hosts that it works on.
options:
  environments:
    description:
      - The environments that the host must have, each as the options of M(metalfleet.tensorflow.python_environment) say
        it; C(lock) and C(gpu) among them.
    type: list
    elements: dict
    required: true
  locks:
    description:
      - Folder on the controller with locks named C(PLATFORM-pyMINOR.txt), such as C(macos-arm64-py3.12.txt), for
        environments that have no C(lock) of their own.
    type: path
  source:
    description: Where a Mac's Python comes from, as in M(metalfleet.tensorflow.native_python).
    type: str
    choices: [standalone, python_org, homebrew, existing]
    default: standalone
  pins:
    description: "The pinned Pythons of O(source) by minor version: C(archives) or C(packages) of the same module."
    type: dict
    default: {}
  existing:
    description: With O(source=existing), the interpreter's path. Empty means that any will do.
    type: str
    default: ""
  python_version:
    description: Minor version of Python that must be linked on a Mac.
    type: str
    default: "3.12"
  uv_version:
    description: Version of uv that must be linked.
    type: str
    required: true
  root:
    description: Folder on the host below which everything is.
    type: path
    default: ~/.local/share/metalfleet
  links:
    description: Folder of the stable paths.
    type: path
    default: ~/.virtualenvs
  probe:
    description: Let TensorFlow compute in every environment for which nothing has to be done.
    type: bool
    default: true
  probe_timeout:
    description: Seconds after which a probe is ended.
    type: int
    default: 120
"""

EXAMPLES = r"""
- name: Ask the host everything
  metalfleet.tensorflow.tensorflow_host_info:
    environments:
      - name: tensorflow
        lock: locks/tensorflow.txt
    uv_version: 0.13.9
  register: host

- name: Say what has drifted
  ansible.builtin.debug:
    msg: "{{ host.environments | items2dict(key_name='name', value_name='reasons') }}"
"""

RETURN = r"""
answered:
  description: Whether the managed Python runs, so that the host could answer.
  returned: success
  type: bool
platform:
  description: The name by which locks for this host and its Python go.
  returned: if the host could answer
  type: str
  sample: macos-arm64-py3.12
reasons:
  description: The reason codes of everything that has to be done, each once. Empty, if the host is as declared.
  returned: success
  type: list
  elements: str
native_python:
  description: Reason codes of what M(metalfleet.tensorflow.native_python) would have to do.
  returned: success
  type: list
  elements: str
environments:
  description: The declared environments, in their order.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: The environment's name.
      type: str
    state:
      description: The declared state.
      type: str
    path:
      description: The stable path.
      type: str
    reasons:
      description: Reason codes, each once; empty if nothing has to be done.
      type: list
      elements: str
    plan:
      description: As M(metalfleet.tensorflow.python_environment) returns it.
      type: list
      elements: dict
    probe:
      description: As M(metalfleet.tensorflow.tensorflow_gpu_info) returns it; V(null) if there was none.
      type: dict
ansible_facts:
  description: As M(metalfleet.tensorflow.apple_silicon_facts) returns them.
  returned: if the host could answer
  type: dict
"""

import os
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._commands import Commands
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.build import run_probe
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.declaration import EnvironmentFailed
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._facts.collect import collect
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._host.answer import (
    declare_all,
    look,
    platform_name,
    summarise,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._python.wanted import (
    SOURCES,
    find_reasons,
    linked,
    wanted,
)

ARGUMENTS: dict[str, Any] = {
    "environments": {"type": "list", "elements": "dict", "required": True},
    "locks": {"type": "path"},
    "source": {"type": "str", "choices": list(SOURCES), "default": "standalone"},
    "pins": {"type": "dict", "default": {}},
    "existing": {"type": "str", "default": ""},
    "python_version": {"type": "str", "default": "3.12"},
    "uv_version": {"type": "str", "required": True},
    "root": {"type": "path", "default": "~/.local/share/metalfleet"},
    "links": {"type": "path", "default": "~/.virtualenvs"},
    "probe": {"type": "bool", "default": True},
    "probe_timeout": {"type": "int", "default": 120},
}


def main() -> None:
    """Look at everything and say it."""
    module = AnsibleModule(ARGUMENTS, supports_check_mode=True)
    options = module.params
    root = Path(options["root"])
    native = native_reasons(root, options)
    common = {key: options[key] for key in ("root", "links", "probe_timeout")}
    try:
        declarations = declare_all(options["environments"], common, platform_name())
    except EnvironmentFailed as failure:
        module.fail_json(msg=str(failure))
    answers = look(declarations, (lambda declared: run_probe(declared, declared.link)) if options["probe"] else None)
    facts = collect(Commands(), home=Path.home(), roots=[options["root"]], full=False)
    summary = summarise(native, [answer.as_data() for answer in answers])
    module.exit_json(ansible_facts={"apple_silicon": facts}, platform=platform_name(), **summary)


def native_reasons(root: Path, options: dict[str, Any]) -> list[str]:
    """Why the managed Python and uv have to be mended."""
    source, minor, pins = options["source"], options["python_version"], options["pins"]
    system = os.uname().sysname
    python, at_least = wanted(root, source, minor, system=system, pins=pins, existing=options["existing"])
    return find_reasons(linked(root), python, options["uv_version"], at_least=at_least)


if __name__ == "__main__":
    main()
