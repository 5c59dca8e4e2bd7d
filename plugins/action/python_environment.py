# SPDX-License-Identifier: GPL-3.0-or-later
"""Send the lock along with the module."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

NO_INTERPRETER = 127  # what a shell exits with when it cannot find the program


class ActionModule(ActionBase):
    """See plugins/modules/python_environment.py for the documentation."""

    _supports_check_mode = True
    _requires_connection = True

    def run(self, tmp: None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the module on the host, with the text of the lock."""
        super().run(tmp, task_vars)
        options = dict(self._task.args)
        if options.get("lock"):
            options["lock_text"] = self._read_lock(options["lock"])
        result: dict[str, Any] = self._execute_module(module_args=options, task_vars=task_vars)
        if result.get("rc") != NO_INTERPRETER:
            return result
        raise AnsibleActionFail(
            "The host has no managed Python yet. Run the role metalfleet.tensorflow.native_python before this task, "
            "or set ansible_python_interpreter to a Python 3.9 or newer that is there."
        )

    def _read_lock(self, lock: str) -> str:
        path = Path(self._find_needle("files", lock))
        try:
            return path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise AnsibleActionFail(f"The lock {path} cannot be read: {error}.") from error
