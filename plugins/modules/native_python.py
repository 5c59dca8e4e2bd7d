# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: native_python
short_description: Put a native Python and uv on a host that may have neither
version_added: 0.1.0
description:
  - Installs a Python that runs natively on arm64, and a uv, both pinned by hash, on an Apple Silicon Mac, and points
    C(bin/python3) and C(bin/uv) below O(root) at them.
  - Needs nothing on the host but a POSIX shell and the programs of a bare macOS. No shim of the Command Line Tools is
    ever executed, so no dialog opens on the user's screen. With the default source it works as an ordinary user,
    without C(become).
  - An upgrade is a new folder and a switch. What was linked before stays installed, so that environments made from it
    keep working. (Homebrew and python.org upgrade patch levels in place, and keep environments working that way.)
  - An interpreter that also has code for Intel processors (universal2) is linked by a small script that always starts
    it as arm64.
  - Everything is checked before it is linked, and linked in one step. An interrupted run is repaired by the next one,
    and two runs at once wait for each other.
  - On Linux, which serves to try the collection out, it links an interpreter that is installed already.
author: metalfleet maintainers (@metalfleet)
notes:
  - This is an action plugin. It asks the host in one round trip. If there is anything to do it installs in a second
    one, for python.org's package in a second and a third one.
  - With C(become), all of it runs as that user, with one exception. For V(python_org) it is used for the installer
    alone, so that O(root) belongs to the connecting user.
  - A play that uses it needs C(gather_facts=false). Ansible's own gathering of facts starts C(/usr/bin/python3) on a
    Mac without developer tools, which opens a dialog on the user's screen.
  - O(username) and O(password) go to O(mirror) and O(index_url), and to those of O(extra_index_urls) that are on one of
    their hosts.
  - Credentials, proxy and URLs travel on standard input and in the environment. They show neither in a list of the
    host's processes nor in what Ansible prints.
attributes:
  check_mode:
    support: full
    description: Can run in C(check_mode) and return changed status without modifying the host.
  diff_mode:
    support: full
    description: Returns what is linked before and after, and where it comes from.
  idempotent:
    support: full
    description: A second run changes nothing.
  platform:
    support: full
    platforms: macOS (Apple Silicon), Linux
    description: Hosts that it works on.
options:
  source:
    description:
      - Where a Mac's Python comes from.
      - V(standalone) unpacks a pinned build of python-build-standalone below O(root). It needs neither root nor the
        Command Line Tools, nor, when O(mirror) is a folder on the controller, a network on the host.
      - V(python_org) runs the pinned installer of the Python Software Foundation. Its SHA-256, its signature and the
        receipt that it leaves are checked. It needs C(become).
      - V(homebrew) has the Homebrew in C(/opt/homebrew) install its formula, unless that is there. The Homebrew of
        Intel Macs is refused, as its Python has no Metal. It cannot run as root.
      - V(existing) installs nothing and links O(existing), or the best native interpreter that is found.
      - On Linux V(standalone) and V(existing) both link an interpreter that is installed.
    type: str
    choices: [standalone, python_org, homebrew, existing]
    default: standalone
  version:
    description:
      - Minor version of Python. Quote it, for YAML takes C(3.10) for 3.1.
      - Where an existing interpreter is looked for, the other pinned versions will do too, the newest first.
    type: str
    default: "3.12"
  additional:
    description:
      - Link it as C(bin/python3.N), by O(version), beside C(bin/python3), which runs the modules of the collection.
      - It is for environments that name another Python. No other version will do then, and O(existing) does not count.
    type: bool
    default: false
  archives:
    description:
      - "Your own pins for O(source=standalone), on top of the collection's, by minor version: C(version) (full),
        C(build), and C(sha256) by target triple."
      - They are archives of python-build-standalone whose names end in C(install_only_stripped).
    type: dict
    default: {}
  packages:
    description:
      - "Your own pins for O(source=python_org), on top of the collection's, by minor version: C(version) (full),
        C(file) (its name) and C(sha256)."
      - An installed Python of that version or newer is left as it is.
    type: dict
    default: {}
  existing:
    description:
      - Path of the interpreter that O(source=existing) links, on Linux also O(source=standalone). It is absolute, or
        begins with C(~/), the home of the user that the task runs as.
      - Empty means the best that is found in the places where people install them.
    type: str
    default: ""
  mirror:
    description:
      - A URL from which the host downloads the archive or package, or a folder on the controller from which it is sent.
        Empty means the publisher's site.
      - Below it the files lie as they do there,
        C(BUILD/cpython-VERSION+BUILD-aarch64-apple-darwin-install_only_stripped.tar.gz) or
        C(VERSION/python-VERSION-macos11.pkg).
      - If it is a folder that also has the wheel of uv for the host anywhere in it, that is sent along, and the host
        needs no network at all.
    type: str
    default: ""
  minimum_macos:
    description: A Mac with an older macOS is refused before anything is downloaded.
    type: str
    default: "11.0"
  root:
    description:
      - Folder on the host below which everything is put. It belongs to this collection alone.
      - It is absolute, or begins with C(~/), the home of the user that the task runs as.
    type: path
    default: ~/.local/share/metalfleet
extends_documentation_fragment:
  - metalfleet.tensorflow.environments.network
  - metalfleet.tensorflow.environments.delivery
  - metalfleet.tensorflow.environments.wheel_store
"""

EXAMPLES = r"""
- name: Put the pinned Python and uv on a Mac
  metalfleet.tensorflow.native_python:

- name: Download from servers of one's own
  metalfleet.tensorflow.native_python:
    version: "3.11"
    mirror: https://artifacts.example.com/python-build-standalone
    index_url: https://artifacts.example.com/pypi/simple
    username: fleet
    password: "{{ vault_artifacts_password }}"
    ca: example-ca.pem

- name: Send everything from a folder on the controller to Macs without a network
  metalfleet.tensorflow.native_python:
    mirror: /srv/pythons

- name: Take the Python Software Foundation's signed package
  metalfleet.tensorflow.native_python:
    source: python_org
  become: true

- name: Pin another Python than the collection does
  metalfleet.tensorflow.native_python:
    version: "3.12"
    archives:
      "3.12":
        version: 3.12.15
        build: "20261009"
        sha256:
          aarch64-apple-darwin: 056952e8ee266df0dc4e595a88a0d691efe0d6af7cd9e772b89e5efd276ead79

- name: Link the interpreter that another tool takes care of
  metalfleet.tensorflow.native_python:
    source: existing
    existing: /opt/homebrew/opt/python@3.12/bin/python3.12
"""

RETURN = r"""
reasons:
  description:
    - "Why something was (in check mode: would be) done; empty if nothing was."
    - "V(absent): nothing is linked; V(interpreter-changed): another interpreter is linked, or an older version;
      V(interpreter-missing): the linked one does not run, or is not native; V(interpreter-damaged): a file of it is
      missing or another than was installed; V(uv): uv is missing, damaged, or of another version."
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
  description: The interpreter that the stable path starts.
  returned: success
  type: str
version:
  description:
    - Its full version. In check mode only the minor one, where that is not known yet (with O(source=homebrew)).
  returned: success
  type: str
  sample: 3.12.16
platform:
  description: The name by which locks for this host go.
  returned: success
  type: str
  sample: macos-arm64
set_aside:
  description: What was in the way of the links, and is now in the folder C(set-aside) below RV(root).
  returned: success
  type: list
  elements: str
usable:
  description: Whether the interpreter can be used now; false only in check mode on a host that has none yet.
  returned: success
  type: bool
"""
