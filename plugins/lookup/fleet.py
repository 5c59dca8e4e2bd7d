# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which hosts a play works on."""

from __future__ import annotations

DOCUMENTATION = r"""
name: fleet
short_description: The hosts that a play of this collection works on
version_added: 0.1.0
description:
  - Says which hosts the plays of this collection's playbooks work on, so that each says so in a word.
  - Plays of your own can use it, too, together with the role C(metalfleet.tensorflow.tensorflow).
author: metalfleet maintainers (@metalfleet)
options:
  _terms:
    description:
      - V(everyone) are the hosts of the group C(tensorflow), or those that C(-e tensorflow_hosts=PATTERN) names.
      - V(canaries) are the same hosts, those of the group C(canary) first, if C(tensorflow_canary) is given; if not,
        nobody.
      - V(others) are the hosts of V(everyone) without canaries that are in order.
      - V(unanswered) are those of V(everyone) that were asked in this run, and did not answer.
      - V(missing_canaries) is a number. So many hosts of this play have yet to answer before all others may be changed.
    type: list
    elements: str
    choices: [everyone, canaries, others, unanswered, missing_canaries]
    required: true
"""

EXAMPLES = r"""
- name: TensorFlow, and what else these Macs need
  hosts: "{{ query('metalfleet.tensorflow.fleet', 'everyone') }}"
  gather_facts: false
  roles:
    - role: metalfleet.tensorflow.tensorflow

- name: The same once more, where nobody answered
  hosts: "{{ query('metalfleet.tensorflow.fleet', 'unanswered') }}"
  gather_facts: false
  roles:
    - role: metalfleet.tensorflow.tensorflow
"""

RETURN = r"""
_raw:
  description: Names of hosts or patterns for them, which C(hosts) of a play takes; or the number.
  type: list
  elements: raw
"""

from typing import TYPE_CHECKING, Any

from ansible.errors import AnsibleLookupError
from ansible.plugins.loader import lookup_loader
from ansible.plugins.lookup import LookupBase
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._fleet.plays import Fleet

if TYPE_CHECKING:
    from collections.abc import Mapping


class LookupModule(LookupBase):
    """See plugins/plugin_utils/_fleet/plays.py for how they are chosen."""

    def run(self, terms: list[str], variables: Mapping[str, Any] | None = None, **kwargs: Any) -> list[Any]:
        """The hosts that one word means."""
        self.set_options(var_options=variables, direct=kwargs)
        known = variables or {}
        given = self._given("tensorflow_hosts", known)
        named = lookup_loader.get("ansible.builtin.inventory_hostnames", loader=self._loader, templar=self._templar)
        hostvars = known.get("hostvars")  # nothing is known of hosts where they are only listed
        fleet = Fleet(
            groups=known["groups"],
            pattern=",".join(given) if isinstance(given, list) else given,
            canary=str(self._given("tensorflow_canary", known) or ""),
            matching=lambda pattern: named.run([pattern], known),
            variables_of=(lambda _: {}) if hostvars is None else hostvars.raw_get,
        )
        try:
            match terms:
                case ["everyone"]:
                    return fleet.everyone()
                case ["canaries"]:
                    return fleet.canaries()
                case ["others"]:
                    return fleet.others()
                case ["unanswered"]:
                    return fleet.unanswered()
                case ["missing_canaries"]:
                    return [fleet.missing_canaries(known["ansible_play_hosts_all"])]
        except MetalfleetError as refusal:
            raise AnsibleLookupError(str(refusal)) from None  # Ansible would repeat the cause, which the text has
        raise AnsibleLookupError(f"The lookup metalfleet.tensorflow.fleet takes one word, not {terms}")

    def _given(self, name: str, variables: Mapping[str, Any]) -> Any:
        return self._templar.template(variables.get(name))
