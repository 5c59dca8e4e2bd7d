# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""The agent's command line, for users of the Mac and for what manages it."""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
import time
import traceback
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Callable, NoReturn, TextIO

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._agent.installed import COMMAND, remove
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._agent.keep import Keeper, keeper_of
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._agent.launchd import Launchd, job
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._agent.memory import FAILED, LEFT, guarded
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._agent.words import for_user
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._commands import Commands
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._host import doctor
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._host.status import status_of
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._watchdog import end_watchdog

HOST = ""
"""Stands in events for what is of no environment."""
IN_ORDER, NOT_IN_ORDER, BAD_USAGE, CANNOT = 0, 1, 2, 3
"""Exit statuses: CANNOT is that nothing could be found out, or done."""
FORMATS = ("json", "jamf", "munki", "prometheus")
WAIT = 30.0
"""Seconds for whoever exchanges the agent's files, which takes less than one."""


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        """End with the status of bad input."""
        complain(f"{self.prog}: {message}. metalfleet --help lists what there is.")
        raise SystemExit(BAD_USAGE)


def main(arguments: list[str], program: Path) -> int:
    """Carry out one command; returns the exit status."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a name may have what the user's language has no letters for
    try:
        try:
            return carry_out(parser().parse_args(arguments), keeper_of(program))
        finally:
            sys.stdout.flush()  # here it can still be said that nobody reads it, or that a disk is full
    except MetalfleetError as error:
        complain(f"metalfleet: {for_user(str(error))}")
    except KeyboardInterrupt:
        complain("metalfleet: interrupted. Nothing half-done is in use.")
    except OSError as error:
        silence(sys.stdout)
        if not isinstance(error, BrokenPipeError):  # whoever read it has seen enough
            complain(f"metalfleet: {error.filename or 'the output'} cannot be used: {error.strerror or error}.")
    except Exception as error:  # noqa: BLE001 - whoever reads it is no programmer
        complain(f"metalfleet: {fault(error)}")
    return CANNOT


def complain(line: str) -> None:
    """Say what is wrong, where anybody can be told."""
    try:
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()
    except OSError:
        silence(sys.stderr)


def silence(stream: TextIO) -> None:
    """Write no more to what cannot be written to; Python would try it once more at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def carry_out(options: argparse.Namespace, keeper: Keeper) -> int:
    """Do what was asked for; nobody exchanges the agent meanwhile."""
    with guarded(keeper.folder, alone=False, wait=WAIT) as is_free:
        run: Callable[[Keeper, argparse.Namespace], int] = options.run if is_free else refuse_now
        return run(keeper, options)


def fault(error: Exception) -> str:
    """What is said of an error that is ours, with the place, for whoever repairs it."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    said = f"{type(error).__name__}: {error}, at {Path(place.filename).name}:{place.lineno}"
    return f"This is a fault of the agent ({' '.join(said.split())}). Tell whoever manages this Mac."


def parser() -> argparse.ArgumentParser:
    """What can be asked for."""
    top = Parser(
        prog="metalfleet",
        description="Keeps the TensorFlow environments of this Mac as they are declared.",
        epilog="Exit status: 0 all is in order, 1 something is not, 2 bad input, 3 nothing could be found out or done.",
    )
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def command(name: str, about: str, run: Callable[[Keeper, argparse.Namespace], int]) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=about, description=about)
        added.set_defaults(run=run)
        return added

    command("status", "what is declared, what is active, and what has drifted", status)
    command("check", "the same, and let each environment compute; changes nothing", check)
    repair = command("repair", "put right what has drifted", repair_all)
    repair.add_argument("--scheduled", action="store_true", help="as the job does it, within its limits")
    command("doctor", "all there is to know of this Mac and its environments; changes nothing", examine)
    back = command("rollback", "go back to an older generation of an environment", roll_back)
    back.add_argument("name", metavar="NAME", help="the environment")
    back.add_argument("--generation", type=int, help="its number (default: the newest before the newest)")
    command("history", "what was done when, and why", history)
    command("install", "let the agent work every day, at the times that are declared", install)
    command("uninstall", "stop that, and remove the agent; environments stay", uninstall)
    report = command("report", "what the last run found, for programs that manage Macs", tell)
    report.add_argument("--format", choices=FORMATS, default="json")
    return top


def refuse_now(_keeper: Keeper, _options: argparse.Namespace) -> int:
    """Whoever exchanges the agent does not come to an end."""
    raise MetalfleetError("The agent is just being exchanged", remedy="Run this again in a minute.")


# ----------------------------------------------------------------------------------------------------------- commands


def status(keeper: Keeper, _options: argparse.Namespace) -> int:
    """See parser."""
    told, _document = keeper.read()
    report = keeper.look()
    state, last = keeper.memory.state(told.digest), verdicts(keeper.memory.report())
    since = time.strftime("%Y-%m-%d", time.gmtime(told.serial))
    say(
        f"Declared on {since}: {', '.join(each['name'] for each in report['environments']) or 'no environment'}.",
        *(f"{in_short(each, last)} It is {each['path']}." for each in report["environments"]),
        *hints(report),
        # The Pythons' own come last: in the history newer documents, too, are of no environment.
        *last_tries(report, [*keeper.memory.history(), *keeper.memory.of_pythons()]),
        f"The agent last ran at {state.last_run}." if state.last_run else "The agent has not run yet.",
    )
    return outcome(report)


def check(keeper: Keeper, _options: argparse.Namespace) -> int:
    """See parser."""
    report = keeper.check()
    say(*report["text"])
    return outcome(report)


def repair_all(keeper: Keeper, options: argparse.Namespace) -> int:
    """See parser."""
    report = keeper.repair(scheduled=options.scheduled)
    say(*report["text"], *report["warnings"])
    return outcome(report)


def examine(keeper: Keeper, _options: argparse.Namespace) -> int:
    """See parser."""
    report = keeper.check(doctor=True)
    say(*doctor.tell(report))
    return outcome(report)


def roll_back(keeper: Keeper, options: argparse.Namespace) -> int:
    """See parser."""
    report = keeper.roll_back(options.name, options.generation)
    say(*report["text"], *report["warnings"])
    return outcome(report)


def history(keeper: Keeper, _options: argparse.Namespace) -> int:
    """See parser."""
    unreadable = keeper.memory.why_unreadable()
    if unreadable:
        raise MetalfleetError(
            "What the agent has done is not known: its history cannot be read",
            evidence=unreadable,
            remedy="As soon as something is repaired it is moved out of the way, and a new one begins.",
        )
    events = keeper.memory.history()
    say(*([line for event in events for line in tell_event(event)] or ["Nothing was done yet."]))
    return IN_ORDER


def tell(keeper: Keeper, options: argparse.Namespace) -> int:
    """See parser."""
    from ansible_collections.metalfleet.tensorflow.plugins.module_utils._host import monitoring  # noqa: PLC0415 - slow

    known = keeper.memory.report() or {"seen": time.time(), "report": keeper.check()}
    report = known["report"]
    found = status_of(os.uname().nodename, report, known["seen"])
    renderers: dict[str, Callable[[], str]] = {
        "json": lambda: json.dumps(known, indent=1) + "\n",
        "jamf": lambda: monitoring.jamf(found),
        "munki": lambda: monitoring.munki(found),
        "prometheus": lambda: monitoring.prometheus([found]),
    }
    write(renderers[options.format]())
    return IN_ORDER


def install(keeper: Keeper, _options: argparse.Namespace) -> int:
    """See parser."""
    told, _document = keeper.read()
    launchd = Launchd(Commands(), keeper.home)
    launchd.load(job(keeper.root / COMMAND, told.settings["times"], told.settings["delay"]))
    launchd.start()
    when = "has begun" if launchd.is_loaded else "begins when you log in at this Mac's screen"
    say(f"The agent works every day at {', '.join(told.settings['times'])}, and {when}.")
    return IN_ORDER


def uninstall(keeper: Keeper, _options: argparse.Namespace) -> int:
    """See parser."""
    remove(keeper.folder, keeper.set_aside, Launchd(Commands(), keeper.home))
    say("The agent is removed. The environments stay as they are.")
    return IN_ORDER


# ------------------------------------------------------------------------------------------------------------- output


def say(*lines: str) -> None:
    """For a person."""
    write("".join(f"{for_user(line)}\n" for line in lines))


def write(text: str) -> None:
    """Give it to whoever asked, who may take a long time to read it."""
    end_watchdog()
    sys.stdout.write(text)


def verdicts(known: Mapping[str, Any]) -> dict[str, str]:
    """What the last run found, by the names of environments."""
    environments = known["report"]["environments"] if known else []
    return {each["name"]: each["verdict"] for each in environments if each["verdict"]}


def in_short(environment: Mapping[str, Any], last: Mapping[str, str]) -> str:
    """An environment's state; one that is in order is told with what its last probe found."""
    name = environment["name"]
    if environment["ok"] and environment["state"] == "present":
        found = f" It was {last[name]} when the agent last ran." if name in last else ""
        return f"{name}: as declared.{found}"
    return str(environment["text"])


def hints(report: Mapping[str, Any]) -> Iterator[str]:
    """What is said of the whole host."""
    told = {each["text"] for each in report["environments"]}
    yield from (line for line in report["text"] if line not in told)


def last_tries(report: Mapping[str, Any], events: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """How the last repair of each thing that is not in order ended, if it did not succeed."""
    names = [each["name"] for each in report["environments"] if not each["ok"]]
    if report["todo"] == "python":
        names.append(HOST)
    last = {event.get("environment"): event for event in events}
    for event in (last[name] for name in names if name in last):
        if event.get("what") in (FAILED, LEFT):
            yield f"When the agent last tried, at {event.get('time')}: {event.get('text')}"


def tell_event(event: Mapping[str, Any]) -> Iterator[str]:
    """One of the history."""
    moment, what, text = (str(event.get(name) or "") for name in ("time", "what", "text"))
    yield f"{moment}  {what}: {text}"


def outcome(report: Mapping[str, Any]) -> int:
    """The exit status."""
    return IN_ORDER if report["ok"] else NOT_IN_ORDER
