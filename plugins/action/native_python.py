# SPDX-License-Identifier: GPL-3.0-or-later
"""Install a native Python on a host that may have none: shell and standard input only, three round trips at most."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._options import (
    ADDITIONAL,
    DELIVERY,
    NATIVE_PYTHON,
    NETWORK,
    PLACES,
)
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._action import FleetAction
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._controller import (
    find_file,
    folder_of_wheels,
    folders_of_users,
)
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._native_python.declaration import (
    Declaration,
    declare,
)
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._native_python.failures import explain
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._native_python.host import Host, parse_answer
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._native_python.plan import (
    Plan,
    describe,
    make_plan,
    refuse_no_effect,
)
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._native_python.scripts import (
    Script,
    inspection,
    scripts_for,
)
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._native_python.urls import is_url

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ansible_collections.metalfleet.tensorflow.plugins.module_utils._options import Spec

ARGUMENTS: Spec = {"root": PLACES["root"], **NATIVE_PYTHON, **ADDITIONAL, **NETWORK, **DELIVERY}


class ActionModule(FleetAction):
    """See plugins/modules/native_python.py for the documentation."""

    spec = ARGUMENTS

    def act(self, options: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """Ask the host, make the plan and, unless in check mode, carry it out."""
        folders = list(folders_of_users(task_vars))
        for name, kind in (("ca", "file"), ("mirror", "folder")):
            if options[name] and not is_url(options[name]):
                options[name] = str(find_file(options[name], f"native_python_{name}", folders, kind))
        store = folder_of_wheels(options["wheel_store"], task_vars)
        return self._converge(declare(options), options["delivery"], store)

    def _refuse_home_of_root(self, options: Mapping[str, Any]) -> None:
        """For python.org's package `become` is meant for the installer alone."""
        if options["source"] != "python_org":
            super()._refuse_home_of_root(options)

    def _converge(self, declaration: Declaration, delivery: str, store: Path) -> dict[str, Any]:
        host = self._ask(declaration)
        plan = make_plan(host, declaration)
        scripts: list[Script] = []
        if plan.reasons:
            is_fetched = delivery == "index" or (delivery == "controller" and self._task.check_mode)
            supplied = declaration if is_fetched else self._supplied(declaration, plan, host, delivery, store)
            scripts = scripts_for(host, plan, supplied)
        if any(script.needs_root for script in scripts) and not (self._connection.become or host.uid == "0"):
            raise MetalfleetError(
                "python.org's package is installed for the whole Mac, which needs root",
                remedy="Give this task `become: true` (all but the installer still runs as the connecting user), or "
                "choose native_python_source: standalone.",
            )
        set_aside: list[str] = []
        if not self._task.check_mode:
            set_aside = self._carry_out(scripts, plan, host, declaration)
        return {
            "changed": bool(plan.reasons),
            "reasons": list(plan.reasons),
            "diff": describe(host, plan, declaration) if plan.reasons else {},
            "root": host.root,
            "platform": host.platform,
            "interpreter": f"{host.root}/bin/{declaration.link}",
            "python": plan.python,
            "version": plan.version,
            "usable": not self._task.check_mode or host.interpreter.is_usable,
            "set_aside": set_aside,
        }

    @staticmethod
    def _supplied(declaration: Declaration, plan: Plan, host: Host, delivery: str, folder: Path) -> Declaration:
        """The declaration with what it needs on the controller."""
        from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._delivery import (  # noqa: PLC0415
            ControllerStore,
        )
        from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._native_python.delivery import (  # noqa: PLC0415
            from_store,
            network_of,
        )

        network = None if delivery == "store" else network_of(declaration)
        return from_store(declaration, plan, host, ControllerStore(folder, network))

    def _ask(self, declaration: Declaration) -> Host:
        result = self._run(inspection(declaration), declaration)
        return parse_answer(result["stdout"] + result["stderr"] * bool(result["rc"]))

    def _carry_out(self, scripts: list[Script], plan: Plan, host: Host, declaration: Declaration) -> list[str]:
        """Run the scripts and check their effect; returns what was set aside, and where it is now."""
        after = host
        for script in scripts:
            result = self._run(script, declaration)
            if result["rc"]:
                raise explain(result["rc"], result["stderr"] or result["stdout"], plan, host, declaration)
            if not script.needs_root:
                after = parse_answer(result["stdout"])
                refuse_no_effect(after, plan, declaration)
        return list(after.set_aside)

    def _run(self, script: Script, declaration: Declaration) -> dict[str, Any]:
        """Run a script on the host. For python.org's package `become` is meant for the installer alone."""
        privileged = script.needs_root or declaration.source != "python_org"
        result: dict[str, Any] = self._low_level_execute_command(
            script.command, sudoable=privileged, in_data=script.standard_input
        )
        return result
