# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask a host for its report."""

from __future__ import annotations

from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._environments import EnvironmentsAction


class ActionModule(EnvironmentsAction):
    """See plugins/modules/tensorflow_environments_info.py for the documentation."""

    module = "tensorflow_environments_info"
    sends_locks = False
