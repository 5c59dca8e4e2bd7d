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
  integrity:
    description:
      - V(quick) compares size and time of every file with the manifest, and hashes those that differ.
      - V(full) hashes every file.
    type: str
    choices: [quick, full]
    default: quick
  keep:
    description: Number of complete generations that stay, the active one included. One that is in use always stays.
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
  probe:
    description: Let TensorFlow compute in a new generation, and activate it only if it passes.
    type: bool
    default: false
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
    default: 200
  root:
    description: Folder on the host below which generations live, in C(environments).
    type: path
    default: ~/.local/share/metalfleet
  links:
    description: Folder of the stable paths. Editors look for environments in the default.
    type: path
    default: ~/.virtualenvs
  python:
    description: Base interpreter, an absolute path. The default is the managed one, C(bin/python3) below O(root).
    type: path
  uv:
    description: The uv program. The default is the managed one, C(bin/uv) below O(root).
    type: path
  index_url:
    description: Package index. Empty means uv's default. It may hold credentials, which are never shown.
    type: str
  wheels:
    description: Folder on the host, or URL of a page, that has the wheels. No index is asked then.
    type: str
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
        One of V(remove-unfinished), V(set-aside), V(build), V(switch), V(remove), V(write-kernel), V(remove-kernel).
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
probe:
  description: The result of the probe, as M(metalfleet.tensorflow.tensorflow_gpu_info) returns it.
  returned: if O(probe) and anything was done, also when a new generation did not pass; else it is V(null)
  type: dict
"""

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._commands import Commands
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.apply import converge
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.build import Builder, Source
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.declaration import (
    EnvironmentFailed,
    declare,
)

ARGUMENTS: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "absent", "rolled_back"], "default": "present"},
    "generation": {"type": "int"},
    "lock": {"type": "path"},
    "lock_text": {"type": "str"},
    "integrity": {"type": "str", "choices": ["quick", "full"], "default": "quick"},
    "keep": {"type": "int", "default": 2},
    "startup_files_of": {"type": "list", "elements": "str", "default": ["setuptools"]},
    "jupyter_kernel": {"type": "bool", "default": False},
    "probe": {"type": "bool", "default": False},
    "gpu": {"type": "str", "choices": ["required", "preferred", "none"]},
    "probe_timeout": {"type": "int", "default": 120},
    "free_mb": {"type": "int", "default": 200},
    "root": {"type": "path", "default": "~/.local/share/metalfleet"},
    "links": {"type": "path", "default": "~/.virtualenvs"},
    "python": {"type": "path"},
    "uv": {"type": "path"},
    "index_url": {"type": "str", "no_log": True},
    "wheels": {"type": "str"},
}


def main() -> None:
    """Plan and, unless in check mode, apply."""
    module = AnsibleModule(ARGUMENTS, supports_check_mode=True, required_if=[("state", "present", ["lock_text"])])
    options = module.params
    try:
        declaration = declare(options)
        uv = Path(options["uv"] or declaration.root / "bin" / "uv")
        source = Source(options["index_url"] or "", options["wheels"] or "")
        result = converge(Builder(declaration, uv, source, Commands()), check_mode=module.check_mode)
    except EnvironmentFailed as failure:
        module.fail_json(msg=str(failure), name=options["name"], **failure.details)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
