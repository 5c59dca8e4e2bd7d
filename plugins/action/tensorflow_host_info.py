# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask a host everything, with the digests of the locks; a host on which no Python runs yet is an answer, too."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    """See plugins/modules/tensorflow_host_info.py for the documentation."""

    _supports_check_mode = True
    _requires_connection = True

    def run(self, tmp: None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the module on the host, or say what it would if it could."""
        super().run(tmp, task_vars)
        options = dict(self._task.args)
        shared = self._digests_of_folder(options.get("locks"))
        options["environments"] = [self._with_digests(each, shared) for each in options.get("environments") or []]
        result: dict[str, Any] = self._execute_module(module_args=options, task_vars=task_vars)
        # A module that ran has answered in JSON. Anything else is the shell's or a broken interpreter's own words.
        ran = "module_stdout" not in result
        return result if ran else {"changed": False, "why": result.get("msg"), **self._foresee(options)}

    def _foresee(self, options: dict[str, Any]) -> dict[str, Any]:
        """What the host would answer if it could."""
        # Imported here because most runs, each in a process of its own for each host, have no need of the engine.
        from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment import (  # noqa: PLC0415
            declaration,
        )
        from ansible_collections.metalfleet.tensorflow.plugins.module_utils._host import answer as engine  # noqa: PLC0415

        try:
            return engine.foresee(engine.declare_all(options["environments"], self._places(options), None))
        except declaration.EnvironmentFailed as failure:
            raise AnsibleActionFail(str(failure)) from failure

    @staticmethod
    def _places(options: dict[str, Any]) -> dict[str, Any]:
        return {key: options[key] for key in ("root", "links") if options.get(key)}

    def _digests_of_folder(self, folder: str | None) -> dict[str, str]:
        """SHA-256 of each lock in a folder, by the platform's name."""
        if not folder:
            return {}
        return {lock.stem: digest(lock) for lock in sorted(Path(self._find_needle("files", folder)).glob("*.txt"))}

    def _with_digests(self, environment: dict[str, Any], shared: dict[str, str]) -> dict[str, Any]:
        own = environment.get("lock")
        digests = {"any": digest(Path(self._find_needle("files", own)))} if own else shared
        return {**environment, "lock_digests": digests}


def digest(lock: Path) -> str:
    """SHA-256 of a lock as the host will see it: of its text."""
    try:
        return hashlib.sha256(lock.read_text(encoding="utf-8").encode()).hexdigest()
    except (OSError, UnicodeDecodeError) as error:
        raise AnsibleActionFail(f"The lock {lock} cannot be read: {error}.") from error
