# SPDX-License-Identifier: GPL-3.0-or-later
"""Install a native Python on a host that may have none: shell and standard input only, three round trips at most."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._python.wanted import SOURCES
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._native_python.declaration import Declaration
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._native_python.host import (
    Host,
    NativePythonError,
    parse_answer,
)
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._native_python.plan import (
    Plan,
    describe,
    make_plan,
    question,
)
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._native_python.scripts import (
    Script,
    explain_failure,
    scripts_for,
)

ARGUMENTS: dict[str, Any] = {
    "root": {"type": "str", "default": "~/.local/share/metalfleet"},
    "source": {"type": "str", "choices": list(SOURCES), "default": "standalone"},
    "version": {"type": "str", "default": "3.12"},
    "archives": {"type": "dict", "default": {}},
    "packages": {"type": "dict", "default": {}},
    "existing": {"type": "str", "default": ""},
    "mirror": {"type": "str", "default": ""},
    "username": {"type": "str", "default": ""},
    "password": {"type": "str", "default": "", "no_log": True},
    "proxy": {"type": "str", "default": ""},
    "ca": {"type": "str", "default": ""},
    "uv_requirement": {"type": "str", "required": True},
    "index_url": {"type": "str", "default": ""},
    "minimum_macos": {"type": "str", "default": "11.0"},
}


class ActionModule(ActionBase):
    """See plugins/modules/native_python.py for the documentation."""

    _supports_check_mode = True
    _requires_connection = True

    def run(self, tmp: None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Ask the host, make the plan and, unless in check mode, carry it out."""
        super().run(tmp, task_vars)
        _, options = self.validate_argument_spec(ARGUMENTS)
        options["root"] = options["root"].rstrip("/")
        if options["ca"]:
            options["ca"] = self._find_needle("files", options["ca"])
        try:
            return self._converge(Declaration(**options))
        except NativePythonError as error:
            raise AnsibleActionFail(str(error)) from error

    def _converge(self, declaration: Declaration) -> dict[str, Any]:
        host = self._ask(declaration)
        plan = make_plan(host, declaration)
        scripts = scripts_for(host, plan, declaration) if plan.reasons else []
        if any(script.needs_root for script in scripts) and not (self._connection.become or host.uid == "0"):
            raise NativePythonError(
                "python.org's package is installed for the whole Mac, which needs root. Give this task `become: true` "
                "(all but the installer still runs as the connecting user), or choose native_python_source: standalone."
            )
        if not self._task.check_mode:
            for script in scripts:
                self._carry_out(script, plan, host, declaration)
        return {
            "changed": bool(plan.reasons),
            "reasons": list(plan.reasons),
            "diff": describe(host, plan, declaration) if plan.reasons else {},
            "root": host.root,
            "platform": host.platform,
            "interpreter": f"{host.root}/bin/python3",
            "python": plan.python,
            "version": plan.version,
            "usable": not self._task.check_mode or host.interpreter.is_usable,
        }

    def _ask(self, declaration: Declaration) -> Host:
        result = self._run(Script("inspect.sh", question(declaration), {}), declaration)
        if result["rc"]:
            raise NativePythonError(f"/bin/sh failed with status {result['rc']}: {result['stderr'].strip()}")
        return parse_answer(result["stdout"])

    def _carry_out(self, script: Script, plan: Plan, host: Host, declaration: Declaration) -> None:
        result = self._run(script, declaration)
        if result["rc"]:
            said = result["stderr"] + result["stdout"]
            raise NativePythonError(explain_failure(result["rc"], said, plan, host, declaration))

    def _run(self, script: Script, declaration: Declaration) -> dict[str, Any]:
        """Run a script on the host. For python.org's package `become` is meant for the installer alone."""
        privileged = script.needs_root or declaration.source != "python_org"
        result: dict[str, Any] = self._low_level_execute_command(
            script.command, sudoable=privileged, in_data=script.standard_input
        )
        return result
