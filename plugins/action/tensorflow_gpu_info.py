# SPDX-License-Identifier: GPL-3.0-or-later
"""Probe an environment."""

from __future__ import annotations

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._options import PROBE
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._action import ModuleAction


class ActionModule(ModuleAction):
    """See plugins/modules/tensorflow_gpu_info.py for the documentation."""

    module = "tensorflow_gpu_info"
    spec = PROBE
