# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""What a module is handed by its action: the document, in the place of the options that a playbook gives.

It travels as one text. Ansible would log a dict, or, told not to, take every word of it for a secret.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule
    from ansible_collections.metalfleet.tensorflow.plugins.module_utils._options import Spec

OPTION = "_document"
"""What only actions give: they refuse it from a playbook. It is documented as `environments.handed`."""


def with_handed(documented: Spec) -> Spec:
    """What the module takes: the options that a playbook gives, and what it is handed.

    It is a copy, for Ansible's validation completes defaults in their place.
    """
    return deepcopy({**documented, OPTION: {"type": "str", "no_log": True}})


def to_hand(document: Mapping[str, Any]) -> dict[str, str]:
    """The document as an action hands it to a module."""
    return {OPTION: json.dumps(document)}


def read_handed(module: AnsibleModule, spec: Spec) -> dict[str, Any]:
    """The document that a module was handed, valid by this spec; its secrets are kept out of what the module says.

    Raises MetalfleetError.
    """
    if module.params[OPTION] is None:
        raise MetalfleetError(
            "The module was started without its action, which hands it what is declared, with the locks",
            remedy="Call it in a playbook, by its name metalfleet.tensorflow.NAME.",
        )
    checked = ArgumentSpecValidator(deepcopy(spec)).validate(json.loads(module.params[OPTION]))
    module.no_log_values |= checked._no_log_values  # noqa: SLF001 # AnsibleModule does so with those of its options
    if checked.error_messages:
        raise MetalfleetError("What the module was handed is not valid: " + "; ".join(checked.error_messages))
    return dict(checked.validated_parameters)
