#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: tensorflow_locks
short_description: Make the locks of environments whose packages are declared
version_added: 0.1.0
description:
  - Works on the controller alone. For every environment that declares C(packages), C(tensorflow), C(metal) or
    C(jupyter_kernel), and no C(lock), it chooses a pair of TensorFlow and tensorflow-metal that links, lets uv resolve
    everything for the platform of the hosts, and writes the lock into the folder O(locks).
  - A lock that matches its declaration is left, unless O(upgrade) asks for newer versions. One that does not match any
    more keeps the versions that it can keep.
  - M(metalfleet.tensorflow.tensorflow_environments) makes locks by itself, too. This module is for whoever wants to
    review them first, or runs playbooks where that folder cannot be written to.
author: metalfleet maintainers (@metalfleet)
notes:
  - This is an action plugin.
extends_documentation_fragment:
  - metalfleet.tensorflow.environments
  - metalfleet.tensorflow.environments.network
  - metalfleet.tensorflow.environments.python
  - metalfleet.tensorflow.environments.reports
attributes:
  check_mode:
    support: full
    description: Can run in C(check_mode) and return changed status without writing a lock.
  diff_mode:
    support: full
    description: Returns the locks before and after, without their hashes.
  idempotent:
    support: full
    description: A second run changes nothing, as long as O(upgrade) finds nothing newer.
  platform:
    support: full
    platforms: posix
    description: The controller's.
options:
  wheels:
    description: URL of a page that has the wheels. No index is asked then.
    type: str
    default: ""
  platforms:
    description:
      - Platforms and Pythons to make locks for, such as C(macos-arm64-py3.12), C(linux-x86_64-py3.12),
        C(linux-x86_64+cuda-py3.12) (with an NVIDIA GPU) or C(linux-aarch64-py3.11).
      - The default is that of each host, as it was in its last report, or is where the host is this machine; a host of
        which nothing is known is taken for a Mac with the Python that O(python.version) names. And whatever there is a
        lock for already.
    type: list
    elements: str
    default: []
  upgrade:
    description:
      - Packages that get their newest version that goes with the others. V(all) is all of them.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Make the lock of an environment for notebooks
  metalfleet.tensorflow.tensorflow_locks:
    environments:
      - name: notebooks
        packages: [jupyterlab, pandas, scikit-learn]

- name: Upgrade two packages of it, for Macs and for Linux
  metalfleet.tensorflow.tensorflow_locks:
    environments:
      - name: notebooks
        packages: [jupyterlab, pandas, scikit-learn]
    platforms: [macos-arm64-py3.12, linux-x86_64-py3.12]
    upgrade: [pandas, jupyterlab]
"""

RETURN = r"""
locks:
  description: The locks that were made or changed (in check mode, would be).
  returned: success
  type: list
  elements: dict
  contains:
    path:
      description: The file.
      type: str
      sample: /home/ada/fleet/metalfleet/locks/notebooks-macos-arm64-py3.12.txt
    platform:
      description: The platform and Python that it is for.
      type: str
      sample: macos-arm64-py3.12
    changes:
      description: What is another than before, package by package.
      type: list
      elements: str
      sample: ["pandas 2.2.3 -> 2.3.1", "pytz 2026.2 removed"]
text:
  description: The same for people, one paragraph for each lock.
  returned: success
  type: list
  elements: str
"""
