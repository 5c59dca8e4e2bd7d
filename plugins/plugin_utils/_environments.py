# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""What the two actions share that work on all environments of a host: the document goes out, the report comes back."""

from __future__ import annotations

import re
import shlex
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._host.document import read_document, read_network
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._host.status import FAILED
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._layout import (
    platform_name,
    refuse_bad_place,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._options import ENVIRONMENTS, LOCKS, REPORTS
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._action import (
    LAST_WORDS,
    Answer,
    Answered,
    EndedBadly,
    FleetAction,
    NoPython,
    NoPythonYet,
    without_frames,
)
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._controller import (
    find_file,
    folder_beside_inventory,
    folder_of_wheels,
    folders_of_users,
    read_text,
)
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._fleet.canaries import worsened
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._fleet.ledger import UNREACHABLE, Ledger
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._fleet.untrusted import mapping, mappings, texts
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._locks import Locks, Making
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._native_python.data import pinned_uv, pins_of
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._pairs import read_litert
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._this_run import once

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._delivery import ControllerStore, Parcel

ASKS = "tensorflow_environments_info"


class EnvironmentsAction(FleetAction):
    """The base of both: `module` is what runs on the host."""

    module: str
    sends_locks: bool
    """Whether the module installs from the locks, or only compares their digests."""
    keeps_report = True
    """Whether what it answers is the report of the host, for the ledger."""
    spec = ENVIRONMENTS
    hands_document = True

    def run(self, tmp: None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """As every action, and keep in the ledger what came of it."""
        known = task_vars or {}
        try:
            result = super().run(tmp, known)
        except AnsibleConnectionFailure as failure:
            result = {"unreachable": True, "changed": False, "msg": str(failure)}
        result = {name: value for name, value in result.items() if name not in ("ledger", "worse")}  # no host says that
        if not self.keeps_report:
            return result
        host = str(self._task.delegate_to or known["inventory_hostname"])
        before: Mapping[str, Any] = {}
        warnings: list[str] = [*(result.get("warnings") or [])]
        try:
            folder = self._ledgers_folder(known)
            if self.sends_locks:
                before = Ledger(folder).read(host)
            is_foreseen = self.sends_locks and self._task.check_mode and "environments" in result
            if not is_foreseen and not self._task.no_log:
                result["ledger"] = str(self._keep(result, Ledger(folder, warnings.append), host))
        except MetalfleetError as refusal:
            warnings.append(str(refusal))
        result |= {"warnings": warnings} if warnings else {}
        if self.sends_locks and "environments" in result:
            result["worse"] = worsened(before, result, self._task.args.get("environments"))
        return result

    def _ledgers_folder(self, task_vars: Mapping[str, Any]) -> Path:
        """Where the ledger of this run is. Raises MetalfleetError."""
        given = str(self._task.args.get("reports") or "")
        return folder_beside_inventory("reports", "tensorflow_reports", given, task_vars)

    def _with_meanwhile(self, result: dict[str, Any], task_vars: Mapping[str, Any]) -> dict[str, Any]:
        """The result with what the agent did since the host was seen before this run."""
        if self._declared["agent"].get("enabled") is None:
            return result
        host = str(self._task.delegate_to or task_vars["inventory_hostname"])

        def seen_before() -> str:
            with suppress(MetalfleetError):  # which is said as soon as the report is to be kept there
                return str(Ledger(self._ledgers_folder(task_vars)).read(host).get("seen") or "")
            return ""

        # Also where no Python can answer yet: the report of that is kept, and by then this run has seen the host.
        since = once(["seen", host], seen_before)
        if not result.get("agent"):
            return result
        from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._agent.meanwhile import (  # noqa: PLC0415
            say_meanwhile,
        )

        said = say_meanwhile(result, since)
        return {**result, "text": [*result["text"], said]} if said else result

    def _keep(self, result: Mapping[str, Any], ledger: Ledger, host: str) -> Path:
        """Put a result into the ledger, and say where it is. Raises MetalfleetError."""
        secrets, now = [str(self._task.args.get("password") or "")], time.time()
        if "environments" in result:
            return ledger.add_report(host, result, now, secrets)
        outcome = UNREACHABLE if result.get("unreachable") else FAILED
        return ledger.add_attempt(host, outcome, str(result.get("msg") or ""), now, secrets)

    def act(self, options: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """Send the document, and return the report."""
        fails = options.pop("on_failure") == "fail"
        self._store = folder_of_wheels(options["wheel_store"], task_vars)
        self._refuse_two_roots(options, task_vars)
        self._declare(options, task_vars)
        options = with_certificates(options, list(folders_of_users(task_vars)))
        locks = locks_of(options, task_vars)
        document = self._document(options, locks)
        # What cannot be meant is refused here, before the host is touched.
        read_document(document, platform_name(python=document["python"]["version"]))
        report = self._with_locks(self._answered(document, locks, task_vars), locks)
        report = self._with_meanwhile(report, task_vars)
        if fails and not report.get("ok") and not report.get("failed"):
            return {**report, "failed": True, "msg": " ".join(report["text"])}
        return report

    def _declare(self, options: dict[str, Any], task_vars: Mapping[str, Any]) -> None:
        """Keep what is declared, and the key that the agent's documents are signed with."""
        self._declared, named = options, options["agent"].get("signing_key")
        self._private: Path | None = None
        self._key = ""
        if named:
            from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._agent.signing import (  # noqa: PLC0415
                OPTION,
                public_key,
            )

            self._private = find_file(named, OPTION, list(folders_of_users(task_vars)))
            self._key = public_key(self._private)

    def _answered(self, document: dict[str, Any], locks: Locks, task_vars: Mapping[str, Any]) -> dict[str, Any]:
        """The host's report. Where locks are made from what is declared, that is asked for which platform first."""
        if locks.depend_on_platform:
            answer = self.ask(ASKS, without_texts(document), task_vars)
            if isinstance(answer, EndedBadly):  # nobody knows which locks it needs
                return self._report(answer, document)
            is_complete = not locks.complete(self._platform(answer, document))
            if is_complete and self.module == ASKS:
                return self._report(answer, document)
            document = self._with_digests(document, locks)
            if self.sends_locks and not self._task.check_mode:
                locks.keep()
        answer = self.ask(self.module, document, task_vars)
        if isinstance(answer, Answered) and answer.result.get("lacks"):
            answer = self._ask_again(document, answer.result["lacks"], locks, task_vars)
        if isinstance(answer, NoPython) and document["delivery"] == "store":
            self._refuse_empty_store(answer, document, locks)
        return self._report(answer, document)

    def _ask_again(
        self, document: dict[str, Any], lacks: dict[str, Any], locks: Locks, task_vars: Mapping[str, Any]
    ) -> Answer:
        """Bring the wheels and conda packages that a host lacks, and let the module work with them."""
        from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._delivery import (  # noqa: PLC0415
            archives_for,
            packed,
        )

        archives = archives_for(lacks, locks, self._controller_store(document))
        with packed(archives) as parcels:
            incoming = self._bring(parcels, str(lacks.get("folder")), str(task_vars["inventory_hostname"]))
        answer = self.ask(self.module, {**document, "incoming": incoming}, task_vars)
        if isinstance(answer, Answered) and answer.result.get("lacks"):
            locked = mappings(mapping(answer.result["lacks"]).get("locks"))
            names = ", ".join(name for each in locked for name in texts(each.get("packages")))
            raise MetalfleetError(
                "What the controller sent did not arrive whole",
                evidence=f"The host lacks {names} still.",
                remedy="Check the connection to the host, and run again.",
            )
        return answer

    def _controller_store(self, document: Mapping[str, Any]) -> ControllerStore:
        from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._delivery import (  # noqa: PLC0415
            ControllerStore,
        )

        return ControllerStore(self._store, None if document["delivery"] == "store" else read_network(document))

    def _bring(self, parcels: Sequence[Parcel], folder: str, host: str) -> str:
        """Send parcels to the host; returns the folder that they are in.

        The user that logs in may write to the wheel store, unless the tasks run as another one. Then it is a folder for
        this task alone, and what an interrupted run has sent is sent again.
        """
        from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._delivery import (  # noqa: PLC0415
            announce,
        )

        incoming = self._make_tmp_path() if self._connection.become else folder
        if incoming == folder:
            self._low_level_execute_command(f"/bin/mkdir -p {shlex.quote(folder)}")
        sent = [f"{incoming.rstrip('/')}/{parcel.name}" for parcel in parcels]
        for number, (parcel, path) in enumerate(zip(parcels, sent, strict=True)):
            announce(host, parcels, number)
            self._send(parcel, path)
        announce(host, parcels, len(parcels))
        if incoming != folder:
            self._fixup_perms2([incoming, *sent])
        return incoming

    def _send(self, parcel: Parcel, path: str) -> None:
        """Send one file. Raises MetalfleetError where the host does not take it, and Ansible's own where it is lost."""
        try:
            self._transfer_file(str(parcel.path), path)
        except AnsibleConnectionFailure:
            raise
        except AnsibleError as error:
            raise MetalfleetError(
                f"{parcel.says} could not be sent to the host",
                evidence=f"{without_frames(str(error))[-LAST_WORDS:]}.",
                remedy=f"Check that the volume of {path.rpartition('/')[0]} on the host has room, and that its user "
                "may write there. Then run again.",
            ) from error

    def _refuse_empty_store(self, answer: NoPython, document: Mapping[str, Any], locks: Locks) -> None:
        """A Mac that has nothing of ours yet is not touched where the store has not got all that it needs."""
        if not (answer.blank and answer.system.startswith("Darwin")):
            return
        from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._delivery import (  # noqa: PLC0415
            ANY_MACOS,
            STORE_IS_ALL,
            needs_of,
        )
        from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._native_python.delivery import (  # noqa: PLC0415
            artifacts_for,
        )

        store, platform = self._controller_store(document), platform_of(answer, document)
        needs = needs_of(document["environments"], locks, platform, ANY_MACOS)
        missing = [name for need in needs for name in store.missing(need.wanted)]
        minors = {need.minor for need in needs if need.minor}
        missing += [each.path for each in artifacts_for(document["python"], minors) if not store.has(each)]
        if missing:
            raise MetalfleetError(
                f"The wheel store {store.folder} lacks {', '.join(dict.fromkeys(missing))}", remedy=STORE_IS_ALL
            )

    def _refuse_two_roots(self, options: Mapping[str, Any], task_vars: Mapping[str, Any]) -> None:
        """The managed Python belongs to the environments that are made with it."""
        root = self._templar.template(task_vars.get("native_python_root")) or options["root"]
        if str(root).rstrip("/") != str(options["root"]).rstrip("/"):
            raise MetalfleetError(
                f"native_python_root ({root}) and tensorflow_root ({options['root']}) are two folders, but "
                "environments are made with the Python below tensorflow_root",
                remedy="Set tensorflow_root alone: native_python_root follows it.",
            )

    def _document(self, options: Mapping[str, Any], locks: Locks) -> dict[str, Any]:
        """All that is declared for the host, with what only the controller knows."""
        left_out = (*LOCKS, *REPORTS, "agent", "wheel_store")
        declared = {name: value for name, value in options.items() if name not in left_out}
        document = {**declared, "python": wanted_python(options["python"])}
        return self._with_digests(document, locks)

    def _with_digests(self, document: dict[str, Any], locks: Locks) -> dict[str, Any]:
        told = {
            **document,
            "environments": locks.with_digests(document["environments"]),
            "lock_pairs": locks.pairs,
            "pairs": locks.rows(),
            **locks.conda,
            "lock_litert": locks.litert,
            "litert": [each.as_data() for each in read_litert()] if locks.litert else [],
        }
        whole = {**told, "lock_texts": locks.texts, "built_wheels": locks.built_wheels}
        return {**(whole if self.sends_locks else told), **self._of_agent(whole)}

    def _of_agent(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """What the module is handed of the agent."""
        if self._declared["agent"].get("enabled") is None:
            return {}
        from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._agent.files import (  # noqa: PLC0415
            agent_for,
        )

        return agent_for(self._declared, document, self._key, with_contents=self.sends_locks)

    def _platform(self, answer: Answer, document: Mapping[str, Any]) -> str:
        """The name that a host's locks go by; "" where that is not known yet."""
        if isinstance(answer, Answered):
            return str(answer.result.get("platform") or "")
        if isinstance(answer, NoPython) and answer.system.startswith("Darwin"):
            return platform_of(answer, document)
        return ""  # on Linux any Python that is there will do

    def _with_locks(self, report: dict[str, Any], locks: Locks) -> dict[str, Any]:
        """The report with what was made of locks, and with what should be known of what they pin."""
        warnings = [*(report.pop("warnings", None) or []), *locks.remarks]
        report |= {"warnings": warnings} if warnings else {}
        if not locks.new:
            return report
        if not self.sends_locks:
            # A host may be in order by a lock that was made only now: it is kept all the same, by the next task.
            return {**report, "todo": "environments"} if report.get("todo") == "nothing" else report
        is_foreseen = self._task.check_mode
        diffs = [{"before": "", "after": "", **report.get("diff", {})}, *(lock.diff for lock in locks.new)]
        return {
            **report,
            "changed": True,
            "locks": [lock.as_data() for lock in locks.new],
            "text": [*report.get("text", []), *(lock.say(is_foreseen=is_foreseen) for lock in locks.new)],
            "diff": diffs,
        }

    def _report(self, answer: Answer, document: dict[str, Any]) -> dict[str, Any]:
        if isinstance(answer, Answered):
            return answer.result
        return self._report_without_answer(answer, document)

    def _report_without_answer(self, answer: NoPython | EndedBadly, document: dict[str, Any]) -> dict[str, Any]:
        """What is known of a host whose managed Python did not answer."""
        # Imported here because most runs, each in a process of its own for each host, have no need of the engine.
        from ansible_collections.metalfleet.tensorflow.plugins.module_utils._host import (  # noqa: PLC0415
            report,
        )

        carried = report.FORESEEN if self.sends_locks and self._task.check_mode else report.ASKED
        if isinstance(answer, EndedBadly):
            return report.without_python(document, answer.text, carried=carried)
        if self.sends_locks and carried == report.ASKED:
            raise NoPythonYet
        if answer.blank:
            platform = platform_of(answer, document)
            foreseen = report.foresee(document, platform=platform, carried=carried)
            return self._with_agent(foreseen, document, platform, carried)
        missing = "The managed Python is missing, so that nothing else could be looked at"
        return report.without_python(document, missing, carried=carried)

    @staticmethod
    def _with_agent(
        foreseen: dict[str, Any], document: Mapping[str, Any], platform: str, carried: str
    ) -> dict[str, Any]:
        """The report of a host that has nothing of ours yet, with the agent that a Mac is to have."""
        if not document.get("agent") or not platform.startswith("macos"):
            return foreseen
        from ansible_collections.metalfleet.tensorflow.plugins.module_utils._agent.installed import (  # noqa: PLC0415
            foresee_agent,
        )
        from ansible_collections.metalfleet.tensorflow.plugins.module_utils._agent.report import (  # noqa: PLC0415
            with_agent,
        )

        return with_agent(foreseen, foresee_agent(read_document(document, platform)), carried)


def locks_of(options: Mapping[str, Any], task_vars: Mapping[str, Any]) -> Locks:
    """The locks of the declared environments, as far as they are there."""
    oldest = options["oldest_macos"]
    if not re.fullmatch(r"(\d+(\.\d+)*)?", oldest):
        raise MetalfleetError(
            f"tensorflow_oldest_macos is {oldest!r}, which is not a version of macOS",
            remedy='Write it in quotes, such as "13.0".',
        )
    making = Making(
        folder_beside_inventory("locks", "tensorflow_locks", options["locks"], task_vars),
        read_network(options),
        oldest,
        options["allow_untested"],
        options.get("locked", False),
        options["python"]["version"],
        folder_of_wheels(options.get("wheel_store") or "", task_vars),
        options.get("delivery") == "store",
    )
    folders = list(folders_of_users(task_vars))
    locks = Locks(lambda lock: find_file(lock, "lock", folders), making)
    locks.read(options["environments"])
    return locks


def without_texts(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document as the module takes it that only asks."""
    return {
        name: value for name, value in document.items() if name not in ("lock_texts", "built_wheels", "agent_files")
    }


def wanted_python(options: Mapping[str, Any]) -> dict[str, Any]:
    """The Python that a host must have, with what is pinned for it. Raises MetalfleetError for a path that is none."""
    if options["existing"]:
        refuse_bad_place("native_python_existing", options["existing"])
    return {
        **{name: options[name] for name in ("source", "version", "existing")},
        "pins": pins_of(options["source"], options),
        "uv_version": pinned_uv().version,
    }


def platform_of(answer: NoPython, document: Mapping[str, Any]) -> str:
    """The name of a host's platform, once it has the Python that is declared."""
    system, _sign, machine = answer.system.partition(" ")
    return platform_name(system.lower(), machine, document["python"]["version"])


def with_certificates(options: Mapping[str, Any], folders: Iterable[Path]) -> dict[str, Any]:
    """Options with the certificates themselves in the place of a file on the controller."""
    others = {name: value for name, value in options.items() if name != "ca"}
    ca = options["ca"]
    sent = read_text(find_file(ca, "tensorflow_ca", folders), "tensorflow_ca") if ca else ""
    return {**others, "ca_certificates": sent}
