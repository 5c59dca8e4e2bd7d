# SPDX-License-Identifier: GPL-3.0-or-later
"""Install a native Python on a host that may have none: shell and standard input only, two round trips at most."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils import _native_python as engine


class ActionModule(ActionBase):
    """See plugins/modules/native_python.py for the documentation."""

    _supports_check_mode = True
    _requires_connection = True

    def run(self, tmp: None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Ask the host, make the plan and, unless in check mode, carry it out."""
        super().run(tmp, task_vars)
        _, options = self.validate_argument_spec(
            {
                "root": {"type": "str", "default": "~/.local/share/metalfleet"},
                "version": {"type": "str", "default": "3.12"},
                "archives": {"type": "dict", "required": True},
                "mirror": {"type": "str", "required": True},
                "uv_requirement": {"type": "str", "required": True},
                "index_url": {"type": "str", "default": ""},
                "minimum_macos": {"type": "str", "default": "11.0"},
            }
        )
        try:
            return self._converge(options)
        except engine.NativePythonError as error:
            raise AnsibleActionFail(str(error)) from error

    def _converge(self, options: dict[str, Any]) -> dict[str, Any]:
        minors = sorted({*options["archives"]} - {options["version"]}, key=engine.version_key, reverse=True)
        host = self._inspect(root=options["root"], minors=" ".join([options["version"], *minors]))
        plan = engine.make_plan(
            host, options["version"], options["archives"], options["minimum_macos"], options["uv_requirement"]
        )
        if plan.reasons and not self._task.check_mode:
            self._install(host, plan, options)
        return {
            "changed": bool(plan.reasons),
            "reasons": list(plan.reasons),
            "diff": engine.describe(host, plan) if plan.reasons else {},
            "root": host.root,
            "platform": host.platform,
            "interpreter": f"{host.root}/bin/python3",
            "python": plan.python,
            "version": plan.version,
            "usable": not self._task.check_mode or host.interpreter_status == 0,
        }

    def _install(self, host: engine.Host, plan: engine.Plan, options: dict[str, Any]) -> None:
        mirror, archive = options["mirror"].rstrip("/"), plan.archive
        variables = {"root": host.root, "python": plan.python, "index_url": options["index_url"]}
        variables |= {"uv_version": plan.uv.version, "uv_requirement": plan.uv.requirement}
        variables |= {"name": "", "sha256": "", "url": ""}
        payload = b""
        if archive:
            variables |= {"name": archive.name, "sha256": archive.sha256}
            if engine.is_url(mirror):
                variables["url"] = f"{mirror}/{archive.path}"
            else:
                payload = engine.local_archive(mirror, archive)
        result = self._low_level_execute_command(
            engine.command("install.sh"), in_data=engine.standard_input(payload, **variables)
        )
        if result["rc"]:
            said = result["stderr"] + result["stdout"]
            raise engine.NativePythonError(engine.explain_failure(result["rc"], said, host.root, variables["url"]))

    def _inspect(self, **variables: str) -> engine.Host:
        result = self._low_level_execute_command(
            engine.command("inspect.sh"), in_data=engine.standard_input(**variables)
        )
        if result["rc"]:
            raise engine.NativePythonError(f"/bin/sh failed with status {result['rc']}: {result['stderr'].strip()}")
        return engine.parse_answer(result["stdout"])
