# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""Running other programs: without a shell, in the C locale, with limits of time and memory that hold.

No program outlives the process that started it here, however that ends: see `Program`.

Every engine takes a `Commands` object for whatever it must run, so that a test can hand it one that answers from data.
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, ClassVar, cast  # pylint: disable=unused-import # cast takes texts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

OUTPUT_KEPT = 1024 * 1024
"""Bytes that are usually kept of each of a program's two outputs: half from its beginning, half from its end."""

_SECONDS_TO_END = 1.0  # of a killed program; one that the kernel keeps in a system call is not waited for
_SECONDS_TO_READ = 0.1  # what a program has said that ended before it was asked for its result
_LONGEST_REASON = 500  # characters of a program's own words
_READ_AT_ONCE = 64 * 1024  # bytes; the most that a pipe holds


@dataclass(frozen=True)
class Completed:
    """What a program left behind. Output that is not UTF-8 holds U+FFFD where it was not.

    Of output longer than is kept the middle is left out, and a line in its place says so.
    """

    argv: tuple[str, ...]
    rc: int
    stdout: str
    stderr: str
    is_cut: bool = False
    """Whether something is left out of `stdout`."""


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

    def __init__(self, argv: Sequence[str], process: Program, *, timeout: float, stdin: str, kept: int) -> None:
        self._argv = argv
        self._kept = kept
        self._process = process
        self._timeout = timeout
        self._deadline = time.monotonic() + timeout
        self._stdin = stdin

    def result(self) -> Completed:
        """Wait for its end and return what it said.

        Raises CommandTimedOut or CommandExited. Who asks late gets the answer of a program that ended in time.
        """
        deadline = max(self._deadline, time.monotonic() + _SECONDS_TO_READ)
        try:
            stdout, stderr = _talk(self._process, self._stdin.encode(errors="replace"), deadline, self._kept)
            rc = self._process.wait(timeout=max(deadline - time.monotonic(), _SECONDS_TO_READ))
        except subprocess.TimeoutExpired as error:
            _kill(self._process)
            raise CommandTimedOut(self._argv, f"no answer within {round(self._timeout, 1):g} s") from error
        except BaseException:  # such as KeyboardInterrupt: nobody will wait for the program any more
            _kill(self._process)
            raise
        finally:
            self._process.is_over()
        completed = Completed(tuple(self._argv), rc, stdout.text(), stderr.text(), stdout.is_cut)
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
        kept: int = OUTPUT_KEPT,
    ) -> Completed:
        """Run `argv` to its end and return what it said.

        `timeout` is in seconds. `env` is the program's whole environment (default: ours); LC_ALL=C is added to it.
        `kept` is in bytes: of each output, half from its beginning and half from its end.
        Raises CommandNotFound, CommandTimedOut or CommandExited, all of them CommandFailed.
        """
        return self.start(argv, timeout=timeout, stdin=stdin, env=env, kept=kept).result()

    def start(
        self,
        argv: Sequence[str],
        *,
        timeout: float = 10,
        stdin: str = "",
        env: Mapping[str, str] | None = None,
        kept: int = OUTPUT_KEPT,
    ) -> Running:
        """Start `argv` as `run` does, without waiting for it. Raises CommandNotFound."""
        environment = {**(os.environ if env is None else env), "LC_ALL": "C"}
        try:
            process = Program(
                argv,
                stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=environment,
            )
        except (OSError, ValueError) as error:
            raise CommandNotFound(argv, _reason_of_error(error)) from error
        return Running(argv, process, timeout=timeout, stdin=stdin, kept=kept)


class Program(subprocess.Popen[bytes]):
    """A program with a process group of its own, which is killed when this process ends before it, however that ends.

    Whoever has seen its end says so by `is_over`.
    """

    def __init__(self, argv: Sequence[str], **options: Any) -> None:
        """Start it with Popen's `options`. Raises OSError or ValueError."""
        self._guard = _Guard.of_us()
        try:
            # It tells the guard itself, before it becomes the program: we may be killed as soon as it is there.
            super().__init__(argv, start_new_session=True, preexec_fn=self._guard.take_this_process, **options)
        except BaseException:
            if self.pid:  # it was there, but could not become the program
                self.is_over()
            raise

    def kill_group(self) -> None:
        """Kill the program and what it started, even where the program itself has already ended."""
        with suppress(ProcessLookupError, PermissionError):  # macOS refuses a group of zombies
            os.killpg(self.pid, signal.SIGKILL)

    def is_over(self) -> None:
        """Its group need not be killed when we end."""
        self._guard.let_go(self.pid)


class _Guard:
    """A shell that kills what we have left running, once we are gone: after SIGKILL, nobody else could.

    It reads which process groups have been started and have ended, from a pipe that closes when we end.
    """

    _PROGRAM = """
        while read -r what group; do
            case $what in
                started) groups="$groups $group " ;;
                ended) groups="${groups%% $group *} ${groups#* $group }" ;;
            esac
        done
        for group in $groups; do kill -KILL "-$group"; done
    """
    _by_process: ClassVar[dict[int, _Guard]] = {}
    """A forked process has a guard of its own."""

    def __init__(self) -> None:
        # Both ends stay open, and a full pipe does not block: programs can be started without a guard, too.
        self._reads, self._pipe = os.pipe()
        os.set_blocking(self._pipe, False)
        with suppress(OSError):  # without a guard there is only less order after a kill
            self._process = subprocess.Popen(  # pylint: disable=ansible-bad-function # engines have no AnsibleModule
                ["/bin/sh", "-c", self._PROGRAM],
                stdin=self._reads,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # so that what ends us does not end it
            )

    @classmethod
    def of_us(cls) -> _Guard:
        """This process's, which is started with the first program."""
        pid = os.getpid()
        return cls._by_process.get(pid) or cls._by_process.setdefault(pid, cls())

    def take_this_process(self) -> None:
        """Kill the group that this process leads, once the process is gone that has started it."""
        self._tell("started", os.getpid())

    def let_go(self, group: int) -> None:
        """Do not kill this group any more."""
        self._tell("ended", group)

    def _tell(self, what: str, group: int) -> None:
        with suppress(OSError):
            os.write(self._pipe, f"{what} {group}\n".encode())


class _Output:
    """The beginning and the end of what a program writes, however much that is."""

    def __init__(self, kept: int) -> None:
        self._half = kept // 2
        self._beginning = bytearray()
        self._end = bytearray()
        self._left_out = 0

    def add(self, written: bytes) -> None:
        room = self._half - len(self._beginning)
        self._beginning += written[:room]
        self._end += written[room:]
        surplus = max(len(self._end) - self._half, 0)
        del self._end[:surplus]
        self._left_out += surplus

    @property
    def is_cut(self) -> bool:
        return self._left_out > 0

    def text(self) -> str:
        left_out = f"\n[... {self._left_out} bytes left out ...]\n".encode() if self._left_out else b""
        text = (self._beginning + left_out + self._end).decode("utf-8", "replace")
        return text.replace("\r\n", "\n").replace("\r", "\n")


def _talk(process: Program, stdin: bytes, deadline: float, kept: int) -> tuple[_Output, _Output]:
    """Write the input to the program, and read both outputs to their ends. Raises TimeoutExpired."""
    stdout, stderr = cast("IO[bytes]", process.stdout), cast("IO[bytes]", process.stderr)
    outputs = {stdout: _Output(kept), stderr: _Output(kept)}
    with selectors.DefaultSelector() as selector:
        for stream in outputs:
            selector.register(stream, selectors.EVENT_READ)
        if process.stdin is not None:
            os.set_blocking(process.stdin.fileno(), False)
            selector.register(process.stdin, selectors.EVENT_WRITE)
        while selector.get_map():
            left = deadline - time.monotonic()
            if left <= 0:
                raise subprocess.TimeoutExpired(process.args, 0)
            for key, _events in selector.select(left):
                stream = cast("IO[bytes]", key.fileobj)
                if stream in outputs:
                    written = os.read(key.fd, _READ_AT_ONCE)
                    outputs[stream].add(written)
                    finished = not written
                else:
                    stdin = _write_some(key.fd, stdin)
                    finished = not stdin
                if finished:
                    selector.unregister(stream)
                    stream.close()
    return outputs[stdout], outputs[stderr]


def _write_some(pipe: int, data: bytes) -> bytes:
    """What is left to be written: nothing, if the program does not read any more."""
    try:
        return data[os.write(pipe, data) :]
    except BrokenPipeError:
        return b""


def _kill(process: Program) -> None:
    """Kill it with its group, and read no more of it."""
    process.kill_group()
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            with suppress(OSError):
                stream.close()
    with suppress(subprocess.TimeoutExpired):
        process.wait(timeout=_SECONDS_TO_END)


def _reason_of_error(error: Exception) -> str:
    """Without the error's number and path, which the reader of a reason does not need."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _reason_of_exit(completed: Completed) -> str:
    """How it ended, and the last line that it wrote to stderr: the one that most programs put the cause into."""
    how = f"exit status {completed.rc}" if completed.rc > 0 else f"killed by {signal_name(-completed.rc)}"
    said = completed.stderr.strip().splitlines()
    return f"{how}: {said[-1].strip()[:_LONGEST_REASON]}" if said else how


def signal_name(number: int) -> str:
    """What a person calls this signal, such as SIGKILL."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
