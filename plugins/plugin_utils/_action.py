# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""What every action of this collection shares.

Options are checked before a host is touched, and there is one way to run a module: by the managed Python of the user
that the task really runs as.
"""

from __future__ import annotations

import re
import sys
from contextlib import AbstractContextManager, nullcontext, suppress
from copy import copy, deepcopy
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from ansible.errors import AnsibleError
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.plugins.action import ActionBase
from ansible.utils.vars import load_extra_vars
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._handed import to_hand
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._json import parse_json
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._layout import DEFAULT_ROOT
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._options import (
    OF_ONE_RUN,
    REGISTERED,
    RUNNING,
    variables,
)
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._misfits import find_misfits
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._progress import look, say, told_meanwhile
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._spelling import find_slip
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._start import (
    NO_ANSWER,
    NO_PYTHON,
    NOTHING,
    SECONDS_TO_LOOK,
    start,
)
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._written import Written

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ansible_collections.metalfleet.tensorflow.plugins.module_utils._options import Spec

BUILDS = ("tensorflow_environments", "python_environment")
"""The modules that may be at work for minutes."""
STAND_IN = "/metalfleet/managed/python3"
"""What Ansible is told that the interpreter is. Ansible quotes it, so that a home could not be named: see `start`."""
SHIMS = ("/usr/bin/python3", "/usr/bin/python", "python3", "python")
NOT_SET = "/set/ansible_python_interpreter"
"""What our ansible.cfg says, so that nothing is discovered."""
ALL_OPTIONS = "All options: ansible-doc -t role metalfleet.tensorflow.tensorflow"
LAST_WORDS = 1500  # characters of what a host said


@dataclass(frozen=True)
class Answered:
    """The module ran and returned this."""

    result: dict[str, Any]


@dataclass(frozen=True)
class NoPython:
    """There is no managed Python yet; `blank` says that there is no environment of ours either."""

    blank: bool
    system: str = ""
    """What uname calls the operating system and the machine, such as "Darwin arm64"."""


@dataclass(frozen=True)
class EndedBadly:
    """The interpreter ended without an answer: its exit status, and its own last words."""

    status: int
    words: str

    @property
    def text(self) -> str:
        """For people."""
        if NO_ANSWER in self.words:
            return f"The managed Python gave no answer within {SECONDS_TO_LOOK} s and was stopped"
        words = f" and said: {self.words}" if self.words else " and said nothing"
        return f"The managed Python ended with status {self.status}{words}"


Answer = Answered | NoPython | EndedBadly

_FRAMES = re.compile(r"^Traceback \(most recent call last\):\n(?:[ \t].*\n?)*", re.MULTILINE)


def without_frames(said: str) -> str:
    """What a program said, as one line, without the lines of Python's own files in which it failed."""
    return " ".join(_FRAMES.sub("", said).split())


class NoPythonYet(MetalfleetError):
    """A module is to run on a host that has no managed Python."""

    def __init__(self) -> None:
        super().__init__(
            "There is no managed Python on this host yet",
            remedy="Run setup.yml, or the role metalfleet.tensorflow.native_python, before this task.",
        )


class FleetAction(ActionBase):
    """The base of all actions: `spec` is what it takes, `act` what it does."""

    _supports_check_mode = True
    _supports_diff = True
    _requires_connection = True

    spec: Spec
    hands_document = False
    """Whether its modules work with a document that is made of the options, not with the options themselves."""
    _connection: Any

    def act(self, options: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """Work with options that were checked; returns the task's result. Raises MetalfleetError."""
        raise NotImplementedError

    def run(self, tmp: None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Refuse what cannot be meant, before the host is touched, then act."""
        super().run(tmp, task_vars)
        known = task_vars or {}
        try:
            self._refuse_slips(known)
            self._refuse_lasting(known)
            self._refuse_unknown_choice(known)
            self._refuse_shim()
            options = self._checked_options(str(known.get("ansible_role_name") or ""))
            self._refuse_home_of_root(options)
            return self.act(options, known)
        except MetalfleetError as error:
            return {"failed": True, "changed": False, "msg": str(error)}

    # ---------------------------------------------------------------------------------------------- what is refused

    def _checked_options(self, role: str) -> dict[str, Any]:
        """The task's options with their defaults, of the types that the spec names."""
        written = Written(self.spec, role)
        given = written.given(self._task.args)
        misfits = list(find_misfits(given, written.spec))
        if misfits:
            raise MetalfleetError("The declaration is not valid: " + "; ".join(misfits), remedy=ALL_OPTIONS)
        checked = ArgumentSpecValidator(with_paths_as_written(written.spec)).validate(given)
        if checked.error_messages:
            raise MetalfleetError(
                "The declaration is not valid: " + "; ".join(dict.fromkeys(checked.error_messages)),
                remedy=ALL_OPTIONS,
            )
        return written.options(checked.validated_parameters)

    @staticmethod
    def _refuse_slips(task_vars: Mapping[str, Any]) -> None:
        slip = find_slip((name for name in task_vars if name not in REGISTERED), variables())
        if slip:
            raise MetalfleetError(
                f"The variable {slip[0]} is set, but no playbook or role of this collection takes it. Probably "
                f"{slip[1]} is meant",
                remedy=f"Write {slip[1]} where {slip[0]} is set, or give it a name that is less similar.",
            )

    def _refuse_lasting(self, task_vars: Mapping[str, Any]) -> None:
        """What is of one run by nature must not be in an inventory, where it would be done in every run."""
        given = [name for name in OF_ONE_RUN if task_vars.get(name)]
        if not given:
            return
        host = task_vars["hostvars"].raw_get(task_vars["inventory_hostname"])
        lasting = [name for name in given if host.get(name) and name not in load_extra_vars(self._loader)]
        if lasting:
            raise MetalfleetError(
                f"{lasting[0]} is set in the inventory, but it is meant for one run",
                remedy=f"Remove it there, and give it with -e {lasting[0]}=... to the run that needs it.",
            )

    def _refuse_unknown_choice(self, task_vars: Mapping[str, Any]) -> None:
        """The role's own variables are no module's options."""
        for name, option in RUNNING.items():
            given = self._templar.template(task_vars.get(f"tensorflow_{name}", option["default"]))
            if given not in option["choices"]:
                raise MetalfleetError(
                    f"tensorflow_{name} is {given!r}", remedy=f"Set it to one of: {', '.join(option['choices'])}."
                )

    def _refuse_shim(self) -> None:
        """An interpreter that was given with -e outranks what we say, for Ansible's own modules too."""
        given = load_extra_vars(self._loader).get("ansible_python_interpreter")
        if given in SHIMS and not self._is_this_linux:
            raise MetalfleetError(
                f"ansible_python_interpreter={given} was given with -e. On a Mac without developer tools {given} is a "
                "shim: to run it opens a dialog on the user's screen",
                remedy="Leave it out. The collection brings its own Python to each host and uses that.",
            )

    @property
    def _is_this_linux(self) -> bool:
        return bool(self._connection.transport == "local" and sys.platform != "darwin")

    def _refuse_home_of_root(self, options: Mapping[str, Any]) -> None:
        become = self._connection.become
        if become is None or (become.get_option("become_user") or "root") != "root" or self._logs_in_as_root:
            return
        in_home = [name for name in ("root", "links") if str(options.get(name) or "").startswith("~")]
        if in_home:
            places = " and ".join(f"tensorflow_{name} ({options[name]})" for name in in_home)
            raise MetalfleetError(
                f"The tasks run as root, by become, so that {places} would lie in root's home, where no user of the "
                "host finds anything",
                remedy="Either set ansible_become: false for the group tensorflow: nothing here needs root. Or install "
                "for all users of the host: set tensorflow_root: /opt/metalfleet and tensorflow_links: "
                "/opt/metalfleet/envs.",
            )

    @property
    def _logs_in_as_root(self) -> bool:
        return bool((self._get_remote_user() or "") == "root")

    # ------------------------------------------------------------------------------------------------ the remote call

    def ask(self, module: str, options: dict[str, Any], task_vars: Mapping[str, Any]) -> Answer:
        """Run a module by the managed Python, in one remote command."""
        self._managed_root = self._root(options, task_vars)
        self._said: Mapping[str, Any] = {}
        with self._told_meanwhile(module, str(task_vars["inventory_hostname"])):
            result = self._run_by(STAND_IN, module, options, task_vars)
        if "module_stdout" not in result:
            result.pop("invocation", None)
            return Answered(result)
        said = str(self._said.get("stderr") or "") + str(self._said.get("stdout") or "")
        if NO_PYTHON in said:
            return NoPython(NOTHING in said, said.partition(NO_PYTHON)[2].partition("\n")[0].strip())
        return EndedBadly(int(self._said.get("rc") or 0), without_frames(said)[-LAST_WORDS:])

    def _told_meanwhile(self, module: str, host: str) -> AbstractContextManager[None]:
        """While a module builds, tell what it is doing."""
        if module not in BUILDS or self._task.check_mode or self._task.no_log:
            return nullcontext()
        beside = copy(self)
        beside.take_own_connection()
        return told_meanwhile(beside.look, partial(say, host))

    def take_own_connection(self) -> None:
        """Share nothing that changes with the action that this is a copy of; over SSH the connection is the same."""
        self._connection = copy(self._connection)
        self._connection.become = copy(self._connection.become)

    def look(self) -> str:
        """What a module says that it is doing on the host; "" where that cannot be told."""
        try:
            return str(self._low_level_execute_command(look(self._managed_root))["stdout"])
        except (AnsibleError, OSError):  # whether the connection is lost is for the module's own command to find out
            return ""

    def _root(self, options: Mapping[str, Any], task_vars: Mapping[str, Any]) -> str:
        """The folder below which the managed Python is."""
        return str(options.get("root") or self._templar.template(task_vars.get("tensorflow_root")) or DEFAULT_ROOT)

    def _run_by(
        self, interpreter: str, module: str, options: dict[str, Any], task_vars: Mapping[str, Any]
    ) -> dict[str, Any]:
        result = self._execute_module(
            module_name=f"metalfleet.tensorflow.{module}",
            module_args=self._arguments(without_none(options)),
            task_vars={**task_vars, "ansible_python_interpreter": interpreter},
        )
        return dict(result)

    def _arguments(self, options: dict[str, Any]) -> dict[str, Any]:
        if not self.hands_document:
            return options
        return {**{name: options[name] for name, each in self.spec.items() if each.get("required")}, **to_hand(options)}

    def _low_level_execute_command(self, cmd: str, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """As Ansible does it; where the interpreter's stand-in is to be started, start the managed Python instead."""
        if STAND_IN not in cmd:
            return dict(super()._low_level_execute_command(cmd, *args, **kwargs))
        managed = cmd.replace(STAND_IN, '"$python" -I -S')
        command = start(self._managed_root, managed, reads=bool(kwargs.get("in_data")))
        self._said = super()._low_level_execute_command(command, *args, **kwargs)
        return {**self._said, "stdout": last_object(str(self._said.get("stdout") or ""))}


class ModuleAction(FleetAction):
    """The action of a module that a playbook uses alone: what the module answers is the task's result."""

    module: str

    def act(self, options: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """Run the module by the managed Python; where there is none yet, by one that the user has set for the host."""
        answer = self.ask(self.module, options, task_vars)
        if isinstance(answer, Answered):
            return answer.result
        if isinstance(answer, NoPython):
            return self.act_without_python(answer, options, task_vars)
        raise MetalfleetError(
            answer.text, remedy="Run the role metalfleet.tensorflow.native_python, which repairs the managed Python."
        )

    def act_without_python(
        self, answer: NoPython, options: dict[str, Any], task_vars: Mapping[str, Any]
    ) -> dict[str, Any]:
        """What is done on a host that has no managed Python yet."""
        del answer
        own = str(self._templar.template(task_vars.get("ansible_python_interpreter")) or "")
        if own.startswith("/") and own not in (*SHIMS, NOT_SET):
            return self._run_by(own, self.module, options, task_vars)
        raise NoPythonYet


def last_object(text: str) -> str:
    """The last line that is a JSON object, as a module's answer is, without what start-up files print around it."""
    for line in reversed(text.splitlines()):
        if line.startswith("{"):
            with suppress(ValueError):
                if isinstance(parse_json(line), dict):
                    return line
    return text


def with_paths_as_written(spec: Spec) -> Spec:
    """The spec with texts for paths: a "~" is the home on the host, not that on this machine."""
    as_text = {"type": "str", "elements": "str"}
    return {
        name: {
            key: as_text[key]
            if value == "path"
            else with_paths_as_written(value)
            if key == "options"
            else deepcopy(value)
            for key, value in option.items()  # Ansible's validation completes a default in its place: it gets a copy
        }
        for name, option in spec.items()
    }


def without_none(value: Any) -> Any:
    """Data without what was not given: a module takes a null for a value."""
    if isinstance(value, dict):
        return {name: without_none(each) for name, each in value.items() if each is not None}
    return [without_none(each) for each in value] if isinstance(value, list) else value
