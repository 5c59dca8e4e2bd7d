# SPDX-License-Identifier: GPL-3.0-or-later
"""Running other programs: without a shell, in the C locale, with a time limit that holds.

Every engine takes a `Commands` object for whatever it must run, so that a test can hand it one that answers from data.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# A killed group ends and closes its pipes at once. What does not is not waited for: a process that left the group and
# holds the pipes, or one that the kernel keeps in a system call.
_SECONDS_TO_END = 1.0
_SECONDS_TO_READ = 0.1  # what a program has said that ended before it was asked for its result


@dataclass(frozen=True)
class Completed:
    """What a program left behind. Output that is not UTF-8 holds U+FFFD where it was not."""

    argv: tuple[str, ...]
    rc: int
    stdout: str
    stderr: str


class CommandFailed(Exception):
    """A command did not do its work; `reason` is one line for a person, without the command itself."""

    def __init__(self, argv: Sequence[str], reason: str) -> None:
        super().__init__(f"{argv[0]}: {reason}")
        self.argv = tuple(argv)
        self.reason = reason


class CommandNotFound(CommandFailed):
    """The program is not there, or this system cannot execute it (permission, another processor's code)."""


class CommandTimedOut(CommandFailed):
    """The program did not end in time; it was killed together with its process group."""


class CommandExited(CommandFailed):
    """The program ended with a status other than zero, or by a signal; `completed` holds what it said until then."""

    def __init__(self, completed: Completed) -> None:
        super().__init__(completed.argv, _reason_of_exit(completed))
        self.completed = completed


class Running:
    """A program that was started. Whoever has one must ask it for its result."""

    def __init__(self, argv: Sequence[str], process: subprocess.Popen[str], *, timeout: float, stdin: str) -> None:
        self._argv = argv
        self._process = process
        self._timeout = timeout
        self._deadline = time.monotonic() + timeout
        self._stdin = stdin

    def result(self) -> Completed:
        """Wait for its end and return what it said.

        Raises CommandTimedOut or CommandExited. Who asks late gets the answer of a program that ended in time.
        """
        left = max(self._deadline - time.monotonic(), _SECONDS_TO_READ)
        try:
            stdout, stderr = self._process.communicate(self._stdin, timeout=left)
        except subprocess.TimeoutExpired as error:
            _kill_group(self._process)
            raise CommandTimedOut(self._argv, f"no answer within {self._timeout:g} s") from error
        except BaseException:  # such as KeyboardInterrupt: nobody will wait for the program any more
            _kill_group(self._process)
            raise
        completed = Completed(tuple(self._argv), self._process.returncode, stdout, stderr)
        if completed.rc != 0:
            raise CommandExited(completed)
        return completed


class Commands:
    """Runs programs on this host."""

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout: float = 10,
        stdin: str = "",
        env: Mapping[str, str] | None = None,
    ) -> Completed:
        """Run `argv` to its end and return what it said.

        `timeout` is in seconds. `env` is the program's whole environment (default: ours); LC_ALL=C is added to it.
        Raises CommandNotFound, CommandTimedOut or CommandExited, all of them CommandFailed.
        """
        return self.start(argv, timeout=timeout, stdin=stdin, env=env).result()

    def start(
        self,
        argv: Sequence[str],
        *,
        timeout: float = 10,
        stdin: str = "",
        env: Mapping[str, str] | None = None,
    ) -> Running:
        """Start `argv` as `run` does, without waiting for it. Raises CommandNotFound."""
        environment = {**(os.environ if env is None else env), "LC_ALL": "C"}
        try:
            process = subprocess.Popen(
                argv,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=environment,
                encoding="utf-8",
                errors="replace",
                start_new_session=True,  # a process group of its own
            )
        except (OSError, ValueError) as error:
            raise CommandNotFound(argv, _reason_of_error(error)) from error
        return Running(argv, process, timeout=timeout, stdin=stdin)


def _kill_group(process: subprocess.Popen[str]) -> None:
    """Kill the program and what it started, even where the program itself has already ended."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    with suppress(subprocess.TimeoutExpired, ValueError):
        process.communicate(timeout=_SECONDS_TO_END)
    with suppress(subprocess.TimeoutExpired):
        process.wait(timeout=_SECONDS_TO_END)
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            with suppress(OSError):
                stream.close()


def _reason_of_error(error: Exception) -> str:
    """Without the error's number and path, which the reader of a reason does not need."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _reason_of_exit(completed: Completed) -> str:
    """How it ended, and the last line that it wrote to stderr: the one that most programs put the cause into."""
    how = f"exit status {completed.rc}" if completed.rc > 0 else f"killed by {_signal_name(-completed.rc)}"
    said = completed.stderr.strip().splitlines()
    return f"{how}: {said[-1].strip()}" if said else how


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
