# SPDX-License-Identifier: GPL-3.0-or-later
"""What modules say of themselves: the attributes that all have, and those by which they differ."""

from __future__ import annotations


class ModuleDocFragment:
    """Documentation that modules name under extends_documentation_fragment."""

    DOCUMENTATION = r"""
options: {}
requirements:
  - Python 3.9 to 3.13 on the host
attributes:
  check_mode:
    support: full
    description: Can run in C(check_mode) and return changed status without modifying the host.
  platform:
    support: full
    platforms: macOS (Apple Silicon), Linux
    description: Hosts that it works on.
  interpreter:
    support: full
    description:
      - Runs by the managed Python of the user that the task runs as, whatever C(ansible_python_interpreter) says.
"""

    INFO = r"""
options: {}
attributes:
  diff_mode:
    support: none
    description: It never changes anything, so there is no difference to show.
  facts:
    support: none
    description: Returns its results as they are, not as C(ansible_facts).
  idempotent:
    support: full
    description: It never changes anything.
"""

    CHANGES = r"""
options: {}
attributes:
  diff_mode:
    support: full
    description: Returns the state before and after, and the reasons.
  facts:
    support: none
    description: Returns its results as they are, not as C(ansible_facts).
  idempotent:
    support: full
    description: A second run changes nothing.
"""
