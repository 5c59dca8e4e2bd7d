# SPDX-License-Identifier: GPL-3.0-or-later
"""The agent's command, a shell script, where stubs stand for the Mac's programs and for what it starts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._agent.document import content_of, write
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._agent.memory import PYTHONS
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._moments import MOMENT
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._agent.build import packed
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._agent.files import starter
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._native_python.host import OBJECTIONS

from tests.waiting import has_ended, wait_until

ON_BATTERY = "Now drawing from 'Battery Power'\n -InternalBattery-0 (id=22282339)\t{}%; discharging; 5:12 remaining\n"
CHARGING = (
    "Now drawing from 'AC Power'\n -InternalBattery-0 (id=22282339)\t12%; charging; 1:30 remaining present: true\n"
)
DF = "Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/disk 3s5 994662584 9 {} 84% /Volumes/My Disk\n"
AS_DECLARED = "interpreter=/python\ninterpreter_judged=ok cpython 3.12.9\nuv_version=1\nmetalfleet: end\n"
ANOTHER_UV = AS_DECLARED.replace("=1\n", "=2\n")
BROKEN = "interpreter=/python\ninterpreter_judged=damaged json\nmetalfleet: end\n"
PROGRAM = r"""#!/bin/sh
case " $* " in *" -c "*) exit 0 ;; esac
env | sed -n 's/^METALFLEET_//p; /^HOME=/p'
"""
BAD_HASH, NOT_FETCHED = 20, 22


class Command:
    """The command in a root folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.root, self.agent, self._mac = folder / "root", folder / "root/agent", folder / "mac"
        program = starter().decode()
        for name in ("/usr/bin/pmset", "/bin/df", "/usr/bin/id"):
            program = program.replace(name, str(self._mac / name.rpartition("/")[2]))
        self.path = self.file("bin/metalfleet", program)
        self.file("bin/python3", PROGRAM).chmod(0o755)
        self.file("agent/document.json", write(content_of({}, {"battery": 40, "delay": 0}), 1).decode())
        os.utime(self.agent / "document.json", (1, 1))
        for name in ("files.tar", "python3/ask", "python3/link", "python3/unpack"):
            self.file(f"agent/python/{name}")
        self.file("agent/python/uv", "1")
        self.file("agent/python/python3/wanted", "/python")
        self.says("pmset", "Now drawing from 'AC Power'\n")
        self.says("df", DF.format(5_000_000))
        self.says("id", f"{os.getuid()}\n")
        self.finds(AS_DECLARED)
        self.installs(0)

    def file(self, name: str, text: str = "") -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def says(self, program: str, text: str) -> None:
        """Let a program of the Mac's print something."""
        self._mac.mkdir(exist_ok=True)
        (self._mac / f"{program}.txt").write_text(text)
        path = self._mac / program
        path.write_text(f"#!/bin/sh\ncat {path}.txt\n")
        path.chmod(0o755)

    def finds(self, answer: str) -> None:
        """Let the look at a Python find something."""
        self.file("agent/python/inspect.sh", f"cat <<'END'\n{answer}END\n")

    def installs(self, status: int) -> None:
        """Let the repair of a Python end so."""
        self.file("agent/python/install.sh", f"cat >/dev/null\necho tried >>{self._mac}/tries\nexit {status}\n")

    @property
    def tries(self) -> int:
        """How often a repair was begun."""
        tries = self._mac / "tries"
        return tries.read_text().count("\n") if tries.exists() else 0

    def run(self, *arguments: str, **environment: str) -> tuple[str, str, int]:
        """What the program was told, what the command said, and the exit status."""
        line = ["/bin/sh", str(self.path), *arguments]
        done = subprocess.run(
            line, capture_output=True, text=True, check=False, timeout=60, env={**os.environ, **environment}
        )
        return done.stdout, done.stderr, done.returncode

    @property
    def notes(self) -> list[str]:
        """What became of Pythons, without the times."""
        written = self.agent / PYTHONS
        lines = written.read_text().splitlines() if written.exists() else []
        assert all(MOMENT.fullmatch(line.partition(" ")[0]) for line in lines)
        return [line.partition(" ")[2] for line in lines]

    def job(self) -> str:
        """What the job has written to its log."""
        self.run("repair", "--scheduled")
        return (self.agent / "log").read_text()


@pytest.fixture
def command(tmp_path: Path) -> Command:
    return Command(tmp_path)


@pytest.mark.parametrize(
    ("power", "told"),
    [
        (ON_BATTERY.format(39), "NOT_NOW=the Mac runs on its battery, which is at 39% (repairs need 40%)\n"),
        (ON_BATTERY.format(5), "NOT_NOW=the Mac runs on its battery, which is at 5% (repairs need 40%)\n"),
        (ON_BATTERY.format(40), "NOT_NOW=\n"),
        (ON_BATTERY.format(100), "NOT_NOW=\n"),
        (CHARGING, "NOT_NOW=\n"),
        ("", "NOT_NOW=\n"),
    ],
)
def test_the_job_repairs_nothing_on_a_low_battery(command: Command, power: str, told: str) -> None:
    command.says("pmset", power)
    assert told in command.job()
    assert "NOT_NOW=\n" in command.run("repair")[0]  # a person may
    command.finds(ANOTHER_UV)
    log = command.job()
    assert command.tries == ("its battery" not in told)
    assert ("LEFT=python3 (uv is not as declared, or another interpreter is linked; the Mac runs" in log) == (
        "its battery" in told
    )


@pytest.mark.parametrize(("kilobytes", "is_full"), [(499_999, True), (500_000, False)])
def test_no_python_is_repaired_on_a_full_disk(command: Command, kilobytes: int, *, is_full: bool) -> None:
    command.says("df", DF.format(kilobytes))
    command.finds(BROKEN)
    _, said, status = command.run("repair")
    assert (status == 3, command.tries == 0) == (is_full, is_full)
    assert ("damaged: json; the disk is full: 499 MB are free, and 500 are needed" in said) == is_full
    assert [note.partition(" ")[0] for note in command.notes] == ["left" if is_full else "repaired"]


def test_a_repair_that_fails_three_times_waits_for_a_person_or_another_declaration(command: Command) -> None:
    command.finds(ANOTHER_UV)
    command.installs(NOT_FETCHED)  # a laptop in a hotel tries again
    for _ in range(4):
        command.job()
    assert command.tries == 4
    command.installs(BAD_HASH)
    for _ in range(4):
        command.job()
    assert command.tries == 7
    assert "LEFT=python3 (uv is not as declared, or another interpreter is linked; its repair has failed" in (
        command.job()
    )
    command.run("repair")
    assert command.tries == 8
    os.utime(command.agent / "document.json")
    os.utime(command.agent / "failures", (2, 2))
    command.job()
    assert command.tries == 9
    command.installs(0)
    command.job()
    assert not (command.agent / "failures").exists()


@pytest.mark.parametrize("name", ["log", "log.new", "failures", "pythons", "document.json"])
def test_a_pipe_among_its_files_holds_nothing_up(command: Command, name: str) -> None:
    (command.agent / name).unlink(missing_ok=True)
    os.mkfifo(command.agent / name)
    command.says("pmset", ON_BATTERY.format(39))
    command.finds(ANOTHER_UV)
    command.installs(BAD_HASH)
    assert command.run("repair", "--scheduled")[2] == 0


@pytest.mark.parametrize("name", ["inspect.sh", "install.sh", "files.tar", "uv", "python3/wanted", "python3/ask"])
def test_a_file_that_is_missing_is_said_and_environments_are_kept_nonetheless(command: Command, name: str) -> None:
    (command.agent / "python" / name).unlink()
    told, said, status = command.run("repair")
    assert status == 0
    assert f"{name} cannot be read, so that the agent has to be installed again" in told
    assert said == ""


def test_a_look_that_does_not_end_is_no_answer(command: Command) -> None:
    command.finds("interpreter=/python\n")
    told, said, status = command.run("repair")
    assert (command.tries, said, status) == (0, "", 0)
    assert "inspect.sh does not work" in told


def test_what_becomes_of_a_python_is_written_down_where_no_program_can_be_started(command: Command) -> None:
    command.finds(BROKEN)
    command.installs(BAD_HASH)
    words = (
        "metalfleet: The managed Python does not work, and could not be repaired: python3 (damaged: json; ). "
        "metalfleet repair tries it again.\n"
    )
    assert command.run("repair") == ("", words, 3)
    assert command.run("repair") == ("", words, 3)
    assert command.notes == ["failed python3 (damaged: json; )"]  # what is only said again is kept once
    (command.root / "bin/python3").unlink()
    assert command.run("status") == ("", words, 3)
    command.file("bin/python3", PROGRAM).chmod(0o755)
    command.installs(0)
    for _ in range(2):
        assert command.run("repair")[2] == 0
    assert command.notes[1:] == ["repaired python3 (damaged: json)"] * 2


@pytest.mark.parametrize(
    ("program", "words"),
    [
        (packed({"__main__.py": b"print('whole')\n"}), "whole"),
        (packed({"__main__.py": b"print('whole')\n"})[:-30], "The agent's program is damaged"),
        (b"", "The agent's program is damaged"),
        (None, "The agent's program is damaged"),
    ],
)
def test_a_program_that_is_damaged_is_not_started(command: Command, program: bytes | None, words: str) -> None:
    (command.root / "bin/python3").unlink()
    (command.root / "bin/python3").symlink_to(sys.executable)
    if program is not None:
        (command.agent / "metalfleet.pyz").write_bytes(program)
    told, said, status = command.run("status")
    assert words in told + said
    assert (told + said).count("\n") == 1
    assert status == (0 if words == "whole" else 3)


def test_a_python_that_the_program_cannot_use_is_said_in_one_line(command: Command) -> None:
    command.file("bin/python3", '#!/bin/sh\ncase " $* " in *" -c "*) ;; *) exit 4 ;; esac\n').chmod(0o755)
    words = "metalfleet: The managed Python, or the agent, is damaged. Run metalfleet repair.\n"
    assert command.run("status") == ("", words, 3)


@pytest.mark.parametrize("damage", ["unlink", "fifo", "fails"])
def test_a_python_that_does_not_start_is_said_in_one_line(command: Command, damage: str) -> None:
    python = command.root / "bin/python3"
    python.unlink()
    if damage == "fifo":
        os.mkfifo(python, 0o755)
    elif damage == "fails":
        command.file("bin/python3", "#!/bin/sh\nexit 1\n").chmod(0o755)
    assert command.run("status") == ("", "metalfleet: The managed Python does not start. Run metalfleet repair.\n", 3)


@pytest.mark.parametrize(
    ("judged", "words"),
    [
        ("", "it is missing"),
        ("status-134", "it does not start: exit status 134"),
        ("timed-out", OBJECTIONS["timed-out"]),
        ("damaged lib/a b.py", f"{OBJECTIONS['damaged']}: lib/a b.py"),
        ("new-word", "new-word"),
    ],
)
def test_why_a_python_is_repaired_is_said_in_words(command: Command, judged: str, words: str) -> None:
    command.file("agent/python/objections", "".join(f"{verdict} {text}\n" for verdict, text in OBJECTIONS.items()))
    command.finds(f"interpreter_judged={judged}\nmetalfleet: end\n")
    command.run("repair")
    assert command.notes == [f"repaired python3 ({words})"]


@pytest.mark.parametrize("hangs", ["-c", "status"])
def test_a_python_that_hangs_is_ended(command: Command, hangs: str) -> None:
    program = f'#!/bin/sh\ncase " $* " in *" {hangs} "*) echo $$ >{command.root}/pid; exec sleep 1000 ;; esac\n'
    command.file("bin/python3", program).chmod(0o755)
    words = "metalfleet: The managed Python did not answer within 1 s. Run metalfleet repair.\n"
    assert command.run("status", METALFLEET_SECONDS="1") == ("", words, 3)
    wait_until(lambda: has_ended(int((command.root / "pid").read_text())))


@pytest.mark.parametrize("moment", ["inspect.sh", "install.sh"])
def test_a_repair_of_a_python_that_is_interrupted_ends_with_one_line(command: Command, moment: str) -> None:
    command.finds(BROKEN)
    command.file(
        f"agent/python/{moment}", f"trap 'exit 1' INT\necho $$ >{command.root}/pid\nwhile :; do sleep 0.1; done\n"
    )
    # What runs in the background ignores SIGINT, also these tests.
    line = ["env", "--default-signal=INT", "/bin/sh", str(command.path), "repair"]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, process_group=0) as running:
        wait_until((command.root / "pid").exists)
        os.killpg(running.pid, signal.SIGINT)
        told, said = running.communicate()
    words = b"metalfleet: interrupted. Nothing half-done is in use.\n"
    assert (told, said, running.returncode) == (b"", words, 3)
    assert command.notes == []


@pytest.mark.parametrize("descriptors", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_what_its_caller_has_closed_is_no_file_of_the_programs(command: Command, descriptors: str) -> None:
    program = f"#!/bin/sh\nfor fd in 0 1 2; do (true 3>&$fd) 2>/dev/null || echo $fd >>{command.root}/closed; done\n"
    command.file("bin/python3", program).chmod(0o755)
    done = subprocess.run(["/bin/sh", "-c", f"/bin/sh {command.path} status {descriptors}"], check=False, timeout=60)
    assert done.returncode == 0
    assert not (command.root / "closed").exists()


@pytest.mark.parametrize("home", ["", "/nonexistent", ".", None])
def test_the_home_is_that_of_whoever_has_the_agent(command: Command, home: str | None) -> None:
    line = ["env", "-u", "HOME", *([] if home is None else [f"HOME={home}"]), "/bin/sh", str(command.path), "status"]
    done = subprocess.run(line, capture_output=True, text=True, check=True, timeout=60)
    assert f"HOME={Path(f'~{command.path.owner()}').expanduser()}\n" in done.stdout


def test_it_runs_from_a_folder_that_is_gone(command: Command, tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    line = f'cd "{tmp_path}/gone" && rmdir "{tmp_path}/gone" && /bin/sh {command.path} status'
    assert subprocess.run(["/bin/sh", "-c", line], check=False, timeout=60).returncode == 0


@pytest.mark.parametrize("name", ["repair", "install", "uninstall", "rollback", "status", "history"])
def test_nobody_changes_what_is_of_another_user(command: Command, name: str) -> None:
    command.says("id", f"{os.getuid() + 1}\n")
    told, said, status = command.run(name, "tf")
    if name in ("status", "history"):
        assert (said, status) == ("", 0)
    else:
        who = command.path.owner()
        assert (told, said, status) == ("", f"metalfleet: This agent belongs to {who}. Run it as that user.\n", 3)
