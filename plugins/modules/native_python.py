# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: native_python
short_description: Put a native Python and uv on a host that may have neither
version_added: 0.1.0
description:
  - Unpacks a pinned, SHA-256-checked standalone CPython for arm64 on an Apple Silicon Mac, installs a hash-pinned uv
    with it, and points the links C(bin/python3) and C(bin/uv) below O(root) at them. What was linked before stays
    installed, so that environments made from it keep working.
  - Needs nothing on the host but a POSIX shell and the programs of a bare macOS. No shim of the Command Line Tools is
    ever executed, so no dialog opens on the user's screen. It works as an ordinary user, without C(become).
  - On Linux, which serves to try the collection out, it links an interpreter that is installed already.
  - Every step happens beside what is active; an interrupted run is mended by the next one.
author: metalfleet maintainers (@metalfleet)
notes:
  - This is an action plugin. It asks the host in one round trip, and installs in a second one if there is anything to do.
attributes:
  check_mode:
    support: full
    description: Can run in C(check_mode) and return changed status without modifying the host.
  diff_mode:
    support: full
    description: Returns what is linked before and after.
  idempotent:
    support: full
    description: A second run changes nothing.
  platform:
    support: full
    platforms: macOS (Apple Silicon), Linux
    description: Hosts that it works on.
options:
  root:
    description: Folder on the host below which everything is put. A leading C(~) is the home of the connecting user.
    type: str
    default: ~/.local/share/metalfleet
  version:
    description: Minor version of Python. On Linux the other versions in O(archives) are accepted too, the newest first.
    type: str
    default: "3.12"
  archives:
    description:
      - "Pinned archives by minor version: C(version) (full), C(build), and C(sha256) by target triple."
      - They are those of python-build-standalone whose names end in C(install_only_stripped).
    type: dict
    required: true
  mirror:
    description:
      - A URL from which the host downloads the archive, or a folder on the controller from which it is sent.
      - Below it the archives lie as in python-build-standalone's releases, in one folder a build.
    type: str
    required: true
  uv_requirement:
    description: One hashed requirement C(uv==VERSION --hash=...), as pip reads it.
    type: str
    required: true
  index_url:
    description: Package index from which the host takes uv. Empty means pip's own setting.
    type: str
    default: ""
  minimum_macos:
    description: A Mac with an older macOS is refused before anything is downloaded.
    type: str
    default: "11.0"
"""

EXAMPLES = r"""
- name: Put the pinned Python and uv on a Mac
  metalfleet.tensorflow.native_python:
    version: "3.12"
    archives: "{{ native_python_archives }}"
    mirror: https://mirror.example.com/python-build-standalone
    uv_requirement: "{{ lookup('ansible.builtin.file', 'uv.txt') }}"
"""

RETURN = r"""
reasons:
  description:
    - "Why something was (in check mode: would be) done; empty if nothing was."
    - "V(absent): no managed interpreter; V(interpreter-changed): another one is linked; V(interpreter-missing): the
      linked one does not run; V(uv): uv is missing or of another version."
  returned: success
  type: list
  elements: str
root:
  description: The absolute path of O(root).
  returned: success
  type: str
interpreter:
  description: The stable path of the managed interpreter, good for C(ansible_python_interpreter).
  returned: success
  type: str
  sample: /Users/admin/.local/share/metalfleet/bin/python3
python:
  description: The interpreter that the stable path leads to.
  returned: success
  type: str
version:
  description: Its full version.
  returned: success
  type: str
  sample: 3.12.16
platform:
  description: The name by which locks for this host go.
  returned: success
  type: str
  sample: macos-arm64
usable:
  description: Whether the interpreter can be used now; false only in check mode on a host that has none yet.
  returned: success
  type: bool
"""
