# SPDX-License-Identifier: GPL-3.0-or-later
"""Render the fleet's report from the ledger on the controller; no host is touched."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._options import REPORTING
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._action import FleetAction
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._controller import (
    folder_beside_inventory,
    has,
    put_files,
)
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._fleet.hosts import (
    host_of,
    last_moment,
    worst_first,
)
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._fleet.ledger import Ledger
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._fleet.render import render
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._fleet.summary import how_old, lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path


class ActionModule(FleetAction):
    """See plugins/modules/tensorflow_fleet_report.py for the documentation."""

    _requires_connection = False
    spec = REPORTING

    def act(self, options: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """Write the files, unless in check mode."""
        folder = folder_beside_inventory("report", "tensorflow_report_folder", options["report_folder"], task_vars)
        reports = folder_beside_inventory("reports", "tensorflow_reports", options["reports"], task_vars)
        warnings: list[str] = []
        ledger = Ledger(reports, warnings.append)
        names, now = list(task_vars["ansible_play_hosts_all"]), time.time()
        hosts = worst_first([host_of(name, ledger.read(name)) for name in names])
        last_run = last_moment(hosts, now)
        rendered = render(hosts, options["report_formats"], last_run)
        files = {folder / path: content for path, content in rendered.items()}
        is_new = [path for path, content in files.items() if not has(path, content)]
        if not self._task.check_mode:
            put_files({path: files[path] for path in is_new}, "The report", "tensorflow_report_folder")
        return {
            **({"warnings": warnings} if warnings else {}),
            "changed": bool(is_new),
            "files": [str(path) for path in files],
            "text": [
                *lines(hosts, now),
                *how_old(last_run, now),
                say_where(folder, rendered, is_foreseen=self._task.check_mode and bool(is_new)),
            ],
            "elsewhere": sorted(set(ledger.hosts()) - set(names)),
        }

    def _refuse_home_of_root(self, options: Mapping[str, Any]) -> None:
        """This runs on the controller, so root on a host does not matter."""


def say_where(folder: Path, paths: Iterable[str], *, is_foreseen: bool) -> str:
    """Where the files are; of those that each host has one of, only the folder is named."""
    names = ", ".join(dict.fromkeys(path.partition("/")[0] for path in paths))
    return f"The report {'would be written to' if is_foreseen else 'is in'} {folder}: {names}."
