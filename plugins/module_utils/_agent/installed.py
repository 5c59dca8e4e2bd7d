# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""Whether the agent is on this host as declared, and what puts it there or takes it away."""

from __future__ import annotations

import os
import stat
from base64 import b64decode
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Callable

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._agent import document as agent_document
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._agent import memory
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._agent.launchd import Launchd, job
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._commands import Commands
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment import safety
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.manifest import put
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.plan import Action
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError, Problem, said_by
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._host.document import Document
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._layout import Places
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._paths import each_folder, is_folder, sha256_of

COMMAND = "bin/metalfleet"
DOCUMENT = f"agent/{agent_document.NAME}"
PROGRAM = "agent/metalfleet.pyz"
PYTHONS = "agent/python"
"""The folder with what the command repairs Pythons from."""
TOLD = 20
"""Events of its history that a report has."""
BUSY = 600.0
"""Seconds for which a run of the agent is waited for."""


@dataclass(frozen=True)
class Wanted:
    """What is declared of the agent."""

    enabled: bool
    files: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 of each file, by its path below the root; of the document it is that of its content."""
    times: tuple[str, ...] = ()
    delay: int = 0
    serial: int = 0
    """That of the document, where it is to be written."""
    contents: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The files in base64, where they are to be written."""


@dataclass(frozen=True)
class Seen:
    """What of the agent is on this host."""

    files: Mapping[str, str] = field(default_factory=dict)
    """As declared ones; those of nobody's are among them."""
    job: Mapping[str, Any] | None = None
    is_loaded: bool | None = None
    """Whether launchd knows the job; None where it cannot, since its user is not logged in."""
    memory: Mapping[str, Any] = field(default_factory=dict)
    """What it says of its runs."""


@dataclass(frozen=True)
class Agent:
    """What is known of the agent, and what becomes of it."""

    enabled: bool
    actions: tuple[Action, ...] = ()
    memory: Mapping[str, Any] = field(default_factory=dict)
    is_waiting: bool = False
    """Whether its job waits until its user logs in."""
    problem: Problem | None = None

    @property
    def reasons(self) -> list[str]:
        """The reason codes, each once."""
        return list(dict.fromkeys(action.reason for action in self.actions))


def wanted_of(document: Document) -> Wanted | None:
    """What is declared of the agent; None where nothing is."""
    told = document.agent
    if not told:
        return None
    times, delay = tuple(told.get("times") or ()), int(told.get("delay") or 0)
    serial = int(told.get("serial") or 0)
    return Wanted(bool(told["enabled"]), told.get("files") or {}, times, delay, serial, told["contents"])


def look_at_agent(document: Document, commands: Commands) -> Agent | None:
    """Look, and plan; None where nothing is declared of it."""
    wanted, places = wanted_of(document), document.places
    if wanted is None:
        return None
    if not document.platform.startswith("macos"):
        return refused(wanted, document.platform)
    seen = look(wanted, places, Launchd(commands, Path.home()))
    actions = tuple(plan(wanted, seen, places))
    return Agent(wanted.enabled, actions, seen.memory, is_waiting=wanted.enabled and seen.is_loaded is None)


def foresee_agent(document: Document) -> Agent | None:
    """The same for a Mac that has nothing of ours."""
    wanted = wanted_of(document)
    return Agent(wanted.enabled, tuple(plan(wanted, Seen(), document.places))) if wanted else None


def refused(wanted: Wanted, platform: str) -> Agent:
    """What becomes of it elsewhere than on a Mac."""
    problem = Problem(
        "The agent is for Macs: it is started by launchd",
        evidence=f"This host is {platform}.",
        remedy="Set tensorflow_agent for your Macs only.",
    )
    return Agent(wanted.enabled, problem=problem if wanted.enabled else None)


def look(wanted: Wanted, places: Places, launchd: Launchd) -> Seen:
    """What is there of it. Nothing is changed."""
    written = launchd.read()
    # To ask launchd takes longer than to look.
    is_loaded = launchd.is_loaded if written is not None or wanted.enabled else False
    is_known = is_loaded or launchd.has_session
    return Seen(dict(files_of(places)), written, is_loaded if is_known else None, told_by(places))


def files_of(places: Places) -> Iterator[tuple[str, str]]:
    """Every file of the agent with its SHA-256, and what lies among them with none; its memory is left out."""
    for path in filter(os.path.lexists, [places.root / COMMAND, *entries(places.agent)]):
        with suppress(OSError):
            digest = content_digest(path) if path.name == agent_document.NAME else sha256_of(path)
            yield str(path.relative_to(places.root)), digest
            continue
        yield str(path.relative_to(places.root)), ""


def entries(agent: Path) -> Iterator[Path]:
    """All in the agent's folder that is no folder, its memory left out; and what only has the place of a folder."""
    if not is_folder(agent):
        yield agent
        return
    for folder, folders, names in each_folder(agent):
        here = Path(folder)
        odd = [name for name in folders if here == agent and name in memory.OURS]
        folders[:] = [name for name in folders if name not in odd]
        for path in (here / name for name in (*names, *odd)):
            if path.name != ".DS_Store" and not is_memory(path, agent):
                yield path


def is_memory(path: Path, agent: Path) -> bool:
    """Whether it is a file that the agent makes itself."""
    return path.parent == agent and path.name in memory.OURS and stat.S_ISREG(path.lstat().st_mode)


def content_digest(path: Path) -> str:
    """Of a document; "" if it is damaged."""
    with suppress(MetalfleetError):
        return agent_document.read(path).digest
    return ""


def told_by(places: Places) -> dict[str, Any]:
    """What the agent has written down."""
    kept = memory.Memory(places.agent, places.set_aside)
    state = kept.state("")
    return {
        "runs": state.runs,
        "last_run": state.last_run or None,
        "seconds": state.seconds,
        "history": kept.history()[-TOLD:],
    }


def plan(wanted: Wanted, seen: Seen, places: Places) -> Iterator[Action]:
    """What has to be done, in order."""
    if not wanted.enabled:
        if seen.files or seen.job is not None:
            yield Action("remove-agent", "agent-undeclared", str(places.agent))
        return
    missing = [path for path in wanted.files if path not in seen.files]
    other = [path for path, digest in wanted.files.items() if seen.files.get(path, digest) != digest]
    stray = [path for path in seen.files if path not in wanted.files]
    if COMMAND in missing and not other:
        yield Action("write-agent", "agent-absent", f"{places.root / COMMAND} does not exist")
    else:
        if DOCUMENT in (*missing, *other):
            yield Action("write-agent", "agent-document", f"{DOCUMENT} is not the one that is declared now")
        changed = [path for path in (*missing, *other, *stray) if path != DOCUMENT]
        if changed:
            yield Action("write-agent", "agent-changed", ", ".join(changed[:5]))
    if seen.job != job(places.root / COMMAND, wanted.times, wanted.delay):
        yield Action("load-agent", "agent-job", "its job is missing, or another" if seen.job else "it has no job")
    elif seen.is_loaded is False:
        yield Action("load-agent", "agent-job", "launchd does not know its job")


def carry_out(agent: Agent, document: Document, commands: Commands) -> Agent:
    """Do what is planned. What is said of it then is its problem, if it failed."""
    wanted, places = wanted_of(document), document.places
    if wanted is None or not agent.actions:
        return agent
    try:
        if os.path.lexists(places.agent) and not is_folder(places.agent):
            safety.set_aside(places.agent, places.set_aside)
        places.agent.mkdir(parents=True, exist_ok=True)
        with memory.guarded(places.agent, alone=True, wait=BUSY) as is_alone:
            if not is_alone:
                return replace(agent, problem=busy(places))
            for do in dict.fromkeys(action.do for action in agent.actions):
                STEPS[do](wanted, places, Launchd(commands, Path.home()))
    except MetalfleetError as refusal:
        return replace(agent, problem=refusal.problem)
    except OSError as failure:
        return replace(agent, problem=unwritable(failure, places))
    return agent


def begin(commands: Commands) -> None:
    """Let the agent work now: nobody else builds what is declared."""
    Launchd(commands, Path.home()).start()


def busy(places: Places) -> Problem:
    """What is said where the agent works, and does not end."""
    return Problem(
        f"The agent in {places.root} has been working for {BUSY:.0f} s, so that it was not exchanged",
        remedy="Wait until it has ended and run again.",
    )


def unwritable(failure: OSError, places: Places) -> Problem:
    """What is said where a file cannot be written."""
    return Problem(
        f"The agent could not be written to {places.root}",
        evidence=f"{said_by(failure, places.agent)}.",
        remedy="Make it writable for this user, or free some space, and run again.",
    )


def write_files(wanted: Wanted, places: Places, _launchd: Launchd) -> None:
    """Write all files, what starts it last, and set aside what else lies among them."""
    for path in dict(files_of(places)).keys() - wanted.files.keys():
        safety.set_aside(places.root / path, places.set_aside)
    for path in sorted(wanted.contents, key=lambda path: path == COMMAND):
        target, content = places.root / path, b64decode(wanted.contents[path])
        if path == DOCUMENT:
            content = agent_document.numbered(content, wanted.serial)
        target.parent.mkdir(parents=True, exist_ok=True)
        if is_folder(target):
            safety.set_aside(target, places.set_aside)
        put(target, content)
        target.chmod(0o755 if path == COMMAND else 0o644)


def load_job(wanted: Wanted, places: Places, launchd: Launchd) -> None:
    """Let launchd know the job."""
    launchd.load(job(places.root / COMMAND, wanted.times, wanted.delay))


def remove(agent: Path, set_aside: Path, launchd: Launchd) -> None:
    """Remove the agent of a folder; what others put among its files is set aside. Raises MetalfleetError.

    Its job goes first, so that nothing is started that is half gone.
    """
    command = agent.parent / COMMAND
    try:
        launchd.remove()
        for path in [*strays(agent), *filter(is_folder, [command])]:
            safety.set_aside(path, set_aside)
        command.unlink(missing_ok=True)
        safety.remove_tree(agent)
    except OSError as failure:
        raise MetalfleetError(
            f"The agent in {agent} could not be removed as a whole",
            evidence=f"{said_by(failure, agent)}.",
            remedy="Make it writable for this user and run again.",
        ) from failure


def strays(agent: Path) -> Iterator[Path]:
    """What of the agent's folder is not the agent's; the folder itself, if it is none."""
    if not is_folder(agent):
        if os.path.lexists(agent):
            yield agent
        return
    installed = {Path(path).name for path in (DOCUMENT, PROGRAM, PYTHONS)}
    ours = {*memory.OURS, ".DS_Store", *installed, *(f"{name}.new" for name in installed)}
    yield from (path for path in agent.iterdir() if path.name not in ours)


STEPS: dict[str, Callable[[Wanted, Places, Launchd], None]] = {
    "write-agent": write_files,
    "load-agent": load_job,
    "remove-agent": lambda _, places, launchd: remove(places.agent, places.set_aside, launchd),
}
"""How each action is done."""
