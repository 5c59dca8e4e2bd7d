#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: tensorflow_wheel_store
short_description: Fill the wheel store on the controller
version_added: 0.1.0
description:
  - Works on the controller alone. Downloads the wheels and conda packages that the locks of the declared environments
    name, uv, and the archives of the Pythons, each once. All are checked by hash, and wheels by their RECORD and by the
    processors that their native code is for.
  - The folder can be carried to a controller without a network, where C(tensorflow_delivery=store) uses it.
author: metalfleet maintainers (@metalfleet)
notes:
  - This is an action plugin.
extends_documentation_fragment:
  - metalfleet.tensorflow.environments
  - metalfleet.tensorflow.environments.network
  - metalfleet.tensorflow.environments.python
  - metalfleet.tensorflow.environments.reports
  - metalfleet.tensorflow.environments.locked
  - metalfleet.tensorflow.environments.wheel_store
attributes:
  check_mode:
    support: full
    description: Can run in C(check_mode) and return changed status without fetching or removing anything.
  diff_mode:
    support: none
    description: The return value names what was fetched and removed.
  idempotent:
    support: full
    description: A second run fetches nothing.
  platform:
    support: full
    platforms: posix
    description: The controller's.
options:
  wheels:
    description: Folder on the controller, or URL of a page, that has the wheels. No index is asked then.
    type: str
    default: ""
  mirror:
    description: As O(metalfleet.tensorflow.native_python#module:mirror), a URL or a folder on the controller.
    type: str
    default: ""
  platforms:
    description:
      - Platforms and Pythons to download for, such as C(macos-arm64-py3.12) or C(linux-x86_64-py3.12).
      - The default is that of each host, as it was in its last report, or is where the host is this machine; a host of
        which nothing is known is taken for a Mac with the Python that O(python.version) names. And whatever there is a
        lock for already.
    type: list
    elements: str
    default: []
  keep:
    description: >-
      Days after which what no run has used is removed; at least 1. Without it nothing is removed.
    type: int
"""

EXAMPLES = r"""
- name: Have on the controller what Macs need of two environments
  metalfleet.tensorflow.tensorflow_wheel_store:
    environments:
      - name: tensorflow
      - name: notebooks
        packages: [jupyterlab, pandas, scikit-learn]
    wheel_store: /srv/wheels

- name: Remove what no run has used for three months
  metalfleet.tensorflow.tensorflow_wheel_store:
    environments: []
    wheel_store: /srv/wheels
    keep: 90
"""

RETURN = r"""
wheel_store:
  description: The folder.
  returned: success
  type: str
  sample: /srv/wheels
fetched:
  description: What was (in check mode, would be) fetched.
  returned: success
  type: list
  elements: str
  sample: [numpy 2.0.2, uv 0.13.9]
removed:
  description: The files that were (in check mode, would be) removed.
  returned: success
  type: list
  elements: str
  sample: [numpy-1.26.4-cp312-cp312-macosx_11_0_arm64.whl]
text:
  description: The same for people.
  returned: success
  type: list
  elements: str
"""
