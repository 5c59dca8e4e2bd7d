# SPDX-License-Identifier: GPL-3.0-or-later
"""Collect the facts of a host."""

from __future__ import annotations

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._options import FACTS
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._action import ModuleAction


class ActionModule(ModuleAction):
    """See plugins/modules/apple_silicon_facts.py for the documentation."""

    module = "apple_silicon_facts"
    spec = FACTS
