# SPDX-License-Identifier: GPL-3.0-or-later
"""Repair all environments of a host, and return its report."""

from __future__ import annotations

from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._environments import EnvironmentsAction


class ActionModule(EnvironmentsAction):
    """See plugins/modules/tensorflow_environments.py for the documentation."""

    module = "tensorflow_environments"
    sends_locks = True
