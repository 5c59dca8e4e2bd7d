# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep one environment as its lock says; the lock is sent along with the module."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._options import ONE_ENVIRONMENT
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._action import ModuleAction, NoPython, NoPythonYet
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._controller import (
    find_file,
    folders_of_users,
    read_text,
)
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._environments import with_certificates

if TYPE_CHECKING:
    from collections.abc import Mapping


class ActionModule(ModuleAction):
    """See plugins/modules/python_environment.py for the documentation."""

    module = "python_environment"
    spec = ONE_ENVIRONMENT
    hands_document = True

    def act(self, options: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """Run the module with the text of the lock."""
        if not options["name"]:
            raise MetalfleetError("No environment is named", remedy="Say which one is meant: -e tensorflow_name=NAME.")
        folders = list(folders_of_users(task_vars))
        if options["lock"]:
            options["lock_text"] = read_text(find_file(options["lock"], "lock", folders), "lock")
        if options["state"] == "present" and not options["lock_text"]:
            raise MetalfleetError(
                f"The environment {options['name']} has no lock",
                remedy="Name one with lock, or hand it over in lock_text.",
            )
        return super().act(with_certificates(options, folders), task_vars)

    def act_without_python(
        self,
        answer: NoPython,
        options: dict[str, Any],
        task_vars: Mapping[str, Any],  # noqa: ARG002
    ) -> dict[str, Any]:
        """A host that has nothing of ours needs no Python for what must be absent, nor for check mode."""
        is_foreseen = options["state"] == "absent" or (self._task.check_mode and options["state"] == "present")
        if not (answer.blank and is_foreseen):
            raise NoPythonYet
        from ansible_collections.metalfleet.tensorflow.plugins.module_utils._host.report import (  # noqa: PLC0415
            foresee,
        )

        report = foresee({**options, "environments": [options]})
        [environment] = report["environments"]
        return {**environment, "changed": bool(environment["plan"]), "diff": report.get("diff", {})}
