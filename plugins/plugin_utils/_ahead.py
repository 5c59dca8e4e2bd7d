# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""What the actions share that have ready on the controller what a host will need, without asking that host."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._host.document import refuse_double_names
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._layout import platform_name, target_of
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._action import FleetAction
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._controller import folder_beside_inventory
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._environments import locks_of
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._fleet.ledger import Ledger
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._fleet.untrusted import mapping, text
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._resolver import targets

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._locks import Locks


class AheadAction(FleetAction):
    """The base of those actions."""

    _requires_connection = False

    def locks_and_platforms(self, options: Mapping[str, Any], task_vars: Mapping[str, Any]) -> tuple[Locks, list[str]]:
        """The locks that are there, and the platforms that all must be ready for. Raises MetalfleetError."""
        refuse_double_names([str(each["name"]) for each in options["environments"]])
        locks = locks_of(options, task_vars)
        return locks, options["platforms"] or locks.platforms_with(self._platform(options, task_vars))

    def _platform(self, options: Mapping[str, Any], task_vars: Mapping[str, Any]) -> str:
        """The host's platform: what it last said or, where it is this machine, is; else it is taken for a Mac."""
        python = options["python"]["version"]
        said = self._last_said(options["reports"], task_vars)
        if said.startswith("linux") and target_of(said) in targets():
            return said
        is_here = self._connection.transport == "local"
        return platform_name("" if is_here else "darwin", python=python)

    def _last_said(self, reports: str, task_vars: Mapping[str, Any]) -> str:
        """The platform in the host's last report; "" where that is not known."""
        with suppress(MetalfleetError):
            ledger = Ledger(folder_beside_inventory("reports", "tensorflow_reports", reports, task_vars))
            report = mapping(ledger.read(str(task_vars["inventory_hostname"])).get("report"))
            return text(report.get("platform"))
        return ""

    def _refuse_home_of_root(self, options: Mapping[str, Any]) -> None:
        """Nothing is written to a host, so root there does not matter."""
