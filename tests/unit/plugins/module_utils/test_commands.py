# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import multiprocessing
import os
import re
import signal
import sys
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible_collections.metalfleet.tensorflow.plugins.module_utils import _commands
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._commands import (
    OUTPUT_KEPT,
    CommandExited,
    CommandFailed,
    CommandNotFound,
    Commands,
    CommandTimedOut,
    _Guard,
    signal_name,
)

from tests.waiting import PATIENCE, has_ended, wait_until


def python(program: str) -> list[str]:
    return [sys.executable, "-c", program]


def starting(child: Path) -> str:
    """A shell command that starts a child, whose number is in a file then."""
    return f"sleep 1000 & echo $! >{child}.new; mv {child}.new {child};"


def wait_for_end(child: Path) -> None:
    wait_until(lambda: has_ended(int(child.read_text())))


def in_a_process_of_its_own(work: Callable[[], object]) -> multiprocessing.process.BaseProcess:
    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    return process


def test_returns_what_the_program_said() -> None:
    argv = python("import sys; print(sys.stdin.read() + '!'); print('aside', file=sys.stderr)")
    completed = Commands().run(argv, stdin="hello")
    assert (completed.argv, completed.rc) == (tuple(argv), 0)
    assert (completed.stdout, completed.stderr) == ("hello!\n", "aside\n")


def test_the_locale_is_always_c(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    monkeypatch.setenv("KEPT", "yes")
    tell = python("import os; print(os.environ['LC_ALL'], os.environ.get('KEPT'))")
    assert Commands().run(tell).stdout == "C yes\n"
    assert Commands().run(tell, env={"LC_ALL": "de_DE.UTF-8"}).stdout == "C None\n"


def test_arguments_meet_no_shell() -> None:
    assert Commands().run([*python("import sys; print(sys.argv[1:])"), "$HOME;*"]).stdout == "['$HOME;*']\n"


def test_nothing_to_read_is_an_end_of_file_and_not_our_terminal() -> None:
    assert Commands().run(python("import sys; print(repr(sys.stdin.read()))")).stdout == "''\n"


def test_output_that_is_not_utf_8_does_not_fail() -> None:
    assert Commands().run(python(r"import os; os.write(1, b'a\xff\xfeb')")).stdout == "a\ufffd\ufffdb"


@pytest.mark.parametrize("argv", [["/nowhere/sysctl", "-n"], ["no-such-program-anywhere"]])
def test_a_missing_program(argv: list[str]) -> None:
    with pytest.raises(CommandNotFound) as caught:
        Commands().run(argv)
    assert caught.value.argv == tuple(argv)
    assert caught.value.reason == "No such file or directory"


def test_a_file_that_cannot_be_executed(tmp_path: Path) -> None:
    (tmp_path / "data").touch(mode=0o644)
    with pytest.raises(CommandNotFound, match="Permission denied"):
        Commands().run([str(tmp_path / "data")])


def test_an_exit_status_with_the_last_line_as_reason() -> None:
    with pytest.raises(CommandExited) as caught:
        Commands().run(["/bin/sh", "-c", "echo so far; echo note >&2; echo no space left >&2; exit 3"])
    assert caught.value.reason == "exit status 3: no space left"
    assert caught.value.completed.rc == 3
    assert caught.value.completed.stdout == "so far\n"
    assert caught.value.completed.stderr == "note\nno space left\n"


@pytest.mark.parametrize(("number", "name"), [("signal.SIGILL", "SIGILL"), ("signal.SIGRTMIN + 1", "signal 35")])
def test_a_signal_by_its_name(number: str, name: str) -> None:
    with pytest.raises(CommandExited) as caught:
        Commands().run(python(f"import os, signal; os.kill(os.getpid(), {number})"))
    assert caught.value.reason == f"killed by {name}"


Later = Callable[[float], None]


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Later:
    """Let some seconds pass for the engine."""
    return lambda seconds: monkeypatch.setattr(
        _commands, "time", SimpleNamespace(monotonic=lambda: time.monotonic() + seconds)
    )


@pytest.mark.parametrize("then", ["wait", ""])
def test_the_time_limit_kills_all_that_a_program_started(tmp_path: Path, later: Later, then: str) -> None:
    """Also where only a child is left, and keeps the output open."""
    child = tmp_path / "child"
    running = Commands().start(["/bin/sh", "-c", f"{starting(child)} {then}"], timeout=PATIENCE)
    wait_until(child.exists)
    later(2 * PATIENCE)
    with pytest.raises(CommandTimedOut) as caught:
        running.result()
    assert caught.value.reason == f"no answer within {PATIENCE:g} s"
    wait_for_end(child)


def test_a_process_that_left_the_group_does_not_hold_us_up(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    daemon = (
        "import os, pathlib, time; os.fork() and os._exit(0); os.setsid();"
        f"pathlib.Path({str(pid)!r}).write_text(f'{{os.getpid()}} '); time.sleep({PATIENCE})"
    )
    running = Commands().start(python(daemon), timeout=0.3)
    wait_until(lambda: pid.exists() and pid.read_text().endswith(" "))
    with pytest.raises(CommandTimedOut):
        running.result()
    os.kill(int(pid.read_text()), signal.SIGKILL)  # it lives


def test_a_flood_leaves_its_beginning_and_its_end() -> None:
    flood = "import sys; print('first'); [sys.stdout.write('x' * 99 + chr(10)) for _ in range(300_000)]; print('last')"
    tracemalloc.start()
    said = Commands().run(python(flood)).stdout
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert said.startswith("first\nxxx")
    assert said.endswith("xxx\nlast\n")
    assert f"\n[... {30_000_011 - OUTPUT_KEPT} bytes left out ...]\n" in said
    assert OUTPUT_KEPT < len(said) < OUTPUT_KEPT + 100
    assert most < 8 * OUTPUT_KEPT


def test_what_just_fits_is_kept_whole() -> None:
    assert Commands().run(python(f"print('x' * {OUTPUT_KEPT - 1})")).stdout == "x" * (OUTPUT_KEPT - 1) + "\n"


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_flood_without_end_meets_the_time_limit(stream: str) -> None:
    with pytest.raises(CommandTimedOut):
        Commands().run(python(f"import sys\nwhile True: sys.{stream}.write('x' * 9999)"), timeout=0.5)


def test_the_last_words_are_a_line_of_a_bearable_length() -> None:
    with pytest.raises(CommandExited) as caught:
        Commands().run(python("import sys; sys.exit('x' * 100_000)"))
    assert len(caught.value.reason) < 600


def test_a_program_need_not_read_what_it_is_given() -> None:
    assert Commands().run(["/bin/echo", "done"], stdin="x" * 1_000_000).stdout == "done\n"
    count = python("import sys; sys.stderr.write('x' * 200_000); print(len(sys.stdin.read()))")
    assert Commands().run(count, stdin="x" * 1_000_000).stdout == "1000000\n"


def test_programs_run_at_the_same_time(tmp_path: Path) -> None:
    meet = (
        "import os, sys, time\nos.mkdir(sys.argv[1])\n"
        "while len(os.listdir(os.path.dirname(sys.argv[1]))) < 4: time.sleep(0.01)\nprint('met')"
    )
    meeting = [Commands().start([*python(meet), str(tmp_path / str(number))], timeout=PATIENCE) for number in range(4)]
    assert [each.result().stdout for each in meeting] == 4 * ["met\n"]


def test_who_asks_late_still_gets_the_answer(later: Later) -> None:
    running = Commands().start(python("print('done')"), timeout=PATIENCE)
    os.waitid(os.P_PID, running._process.pid, os.WEXITED | os.WNOWAIT)
    later(2 * PATIENCE)
    assert running.result().stdout == "done\n"


def test_the_time_limit_begins_with_the_program(later: Later) -> None:
    """So that those that hang at the same time are waited for once."""
    hanging = [Commands().start(["/bin/sleep", str(PATIENCE)], timeout=2 * PATIENCE) for _ in range(3)]
    later(3 * PATIENCE)
    for each in hanging:
        with pytest.raises(CommandTimedOut):
            each.result()


def test_all_failures_are_one_family() -> None:
    assert {CommandNotFound, CommandTimedOut, CommandExited} == set(CommandFailed.__subclasses__())


def test_no_program_outlives_a_process_that_is_killed(tmp_path: Path) -> None:
    child, told = tmp_path / "child", tmp_path / "told"

    def run_two() -> None:
        Commands().run(["/bin/sh", "-c", ":"])
        running = Commands().start(["/bin/sh", "-c", f"{starting(child)} wait"], timeout=PATIENCE)
        told.touch()
        running.result()

    Commands().run(["/bin/sh", "-c", ":"])  # so that this process has a guard of its own
    process = in_a_process_of_its_own(run_two)
    wait_until(lambda: child.exists() and told.exists())
    process.kill()
    process.join()
    wait_for_end(child)


def test_a_program_does_not_even_outlive_a_process_that_it_kills_as_it_starts(tmp_path: Path) -> None:
    told = tmp_path / "told"
    suicidal = ["/bin/sh", "-c", f"echo $$ >{told}; kill -KILL $PPID; exec sleep 1000"]
    process = in_a_process_of_its_own(lambda: Commands().run(suicidal, timeout=PATIENCE))
    process.join()
    assert process.exitcode == -signal.SIGKILL
    wait_for_end(told)


def test_a_group_is_let_go_even_where_its_program_could_not_be_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = tmp_path / "told"
    monkeypatch.setattr(_Guard, "_PROGRAM", f"cat >{told}.new; mv {told}.new {told}")

    def run_three() -> None:
        Commands().run(["/bin/sh", "-c", ":"])
        for missing in (str(tmp_path / "missing"), "a\0b"):
            with pytest.raises(CommandNotFound):
                Commands().run([missing])

    in_a_process_of_its_own(run_three).join()
    wait_until(told.exists)
    first, second = re.findall(r"started (\d+)\nended \1\n", told.read_text())
    assert first != second
    assert len(told.read_text().splitlines()) == 4


@pytest.mark.parametrize("number", [9, 11, 4])
def test_signals_have_names(number: int) -> None:
    assert signal_name(number).startswith("SIG")


@pytest.mark.skipif(sys.platform != "linux", reason="real-time signals")
def test_a_signal_without_a_name_keeps_its_number() -> None:
    assert signal_name(40) == "signal 40"
