# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""What install.sh and setup.sh let an interpreter do: put itself in its place, and then install what goes with it.

    finish.py place NEW PYTHON    move the unpacked folder NEW to where PYTHON belongs, unless that is whole already
    finish.py link                install uv and switch the links, as the environment says; files beside this one are
                                  what install.sh received
    finish.py controller NEW HOME [WHEELS]    add Ansible to the folder NEW, which has the collection, and move it to
                                  HOME, unless that works already

One run at a time; each change is one rename, so an interrupted run leaves either the old or the new state.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

FILES = Path(__file__).parent
WHEELS = "ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels"
"""What reads the settings of the user's pip: a module of the collection, sent along with those that it needs."""
RECORD = "metalfleet-files.txt"
PIP_INSTALL = [sys.executable, "-I", "-m", "pip", "install", "-vv", "--disable-pip-version-check", "--no-cache-dir"]
PINNED_WHEEL_ONLY = ["--no-deps", "--no-compile", "--require-hashes", "--only-binary", ":all:"]
SECONDS_FOR_PIP, SECONDS_FOR_OTHERS, SECONDS_FOR_A_TURN = 900, 60, 900
ANSIBLE_VERSION = ("-I", "-m", "ansible", "playbook", "--version")
STARTER = """\
#!/bin/sh
# {python}
# Has code for several processors: started as arm64, whatever starts it. Line 2 names it.
exec /usr/bin/arch -arm64 {quoted} "$@"
"""


class EndError(Exception):
    """Ends this program: the name of its exit status in install.sh, and the message."""


@contextmanager
def sole_writer(python_folder: Path) -> Iterator[None]:
    """Wait for other runs, and let further ones wait. The lock ends with the process, however that ends."""
    deadline = time.monotonic() + SECONDS_FOR_A_TURN
    with (python_folder / ".lock").open("a+") as lock:
        while not taken(lock.fileno()):
            if time.monotonic() > deadline:
                lock.seek(0)
                raise EndError("BUSY", f"{lock.name} is held by process {lock.read().strip() or 'unknown'}")
            time.sleep(0.2)
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def taken(lock: int) -> bool:
    """Try to lock a file."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno in (errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK, errno.ENOSYS):
            raise EndError("NO_LOCKS", str(error)) from error
        raise
    return True


def place(new: Path, python: Path) -> None:
    """Move an unpacked folder to where `python` is in it; a broken one goes to where the new one was, to be removed."""
    home = python.parents[1]
    with sole_writer(home.parent):
        if is_whole(home) and said(python, "-I", "-c", "print(1)") == "1":
            return  # another run was faster
        intact("record", new)
        move_away(home, new.with_name("replaced"))
        new.rename(home)


def link() -> None:
    """Install uv and let the links lead to it and to the interpreter.

    The last link is switched when nothing else is left to do or to remove: until then the next run has a reason to act.
    """
    root, entry, python = Path(os.environ["root"]), os.environ["link"], os.environ["python"]
    with sole_writer(root / "python"):
        uv = install_uv(root / "uv", os.environ["uv_version"])
        shutil.rmtree(FILES)
        switch(root / "bin" / "uv", uv)
        if os.environ["universal"]:
            switch_starter(root / "bin" / entry, STARTER.format(python=python, quoted=shlex.quote(python)))
        else:
            switch(root / "bin" / entry, Path(python))


def controller(new: Path, home: Path, wheels: str) -> None:
    """Make a controller of a folder with the collection: an environment with Ansible, from a folder of wheels if given.

    What is at `home` is kept if it works, else it goes to beside `new`, to be removed.
    """
    environment, root = new / "environment", home.parents[1]
    venv.create(environment, symlinks=True)
    listed = str(new / "ansible_collections/metalfleet/tensorflow/requirements/controller.txt")
    sent = ["--no-index", "--find-links", wheels] if wheels else []
    run_pip([*PINNED_WHEEL_ONLY, "--prefix", str(environment), "--requirement", listed, *sent])
    with sole_writer(root / "python"):
        if said(home / "environment/bin/python", *ANSIBLE_VERSION):
            return  # another run was faster
        if os.path.lexists(home):
            home.rename(new.with_name("replaced"))
        new.rename(home)


def install_uv(folder: Path, version: str) -> Path:
    """Install uv, checked by hash, into a folder of its own; returns the program's path."""
    home = folder / version
    program = home / "bin" / "uv"
    if is_whole(home) and said(program, "--version").split()[:2] == ["uv", version]:
        return program
    work = Path(tempfile.mkdtemp(prefix=f".new.{os.getpid()}.", dir=folder))
    try:
        new = work / "uv"
        sent = ["--no-index", "--find-links", str(FILES)] if any(FILES.glob("*.whl")) else []
        where = ["--target", str(new), "--requirement", str(FILES / "requirements.txt"), *sent]
        run_pip([*PINNED_WHEEL_ONLY, *where])
        if said(new / "bin" / "uv", "--version").split()[:2] != ["uv", version]:
            raise EndError("NO_PACKAGE", f"what was installed does not start as uv {version}")
        intact("record", new)
        move_away(home, work / "replaced")
        new.rename(home)
    finally:
        shutil.rmtree(work)
    return program


def said(program: Path, *arguments: str) -> str:
    """What a program printed; nothing, if it is not there, or did not end well and in time."""
    with suppress(OSError, subprocess.SubprocessError):
        command = [str(program), *arguments]
        return subprocess.run(
            command, check=True, capture_output=True, text=True, timeout=SECONDS_FOR_OTHERS
        ).stdout.strip()
    return ""


def intact(command: str, *folders: Path) -> str:
    """Run intact.py: `record` a folder, `compare` it with its record, or `rescue` what is not in that."""
    program = [sys.executable, "-I", "-B", str(FILES / "intact.py"), command, *map(str, folders)]
    return subprocess.run(program, check=True, capture_output=True, text=True, timeout=SECONDS_FOR_OTHERS).stdout


def is_whole(folder: Path) -> bool:
    """Whether an installation is as it was when we made it."""
    return not intact("compare", folder)


# -------------------------------------------------------------------------------------------------------------- pip


SAYS_NO_INDEX = "The configuration of pip or uv says no-index."


def run_pip(arguments: list[str]) -> None:
    """Install with pip. URLs, which may hold credentials, are in its environment: a process list shows arguments."""
    command, environment = [*PIP_INSTALL, *arguments], environment_of_pip()
    try:
        done = subprocess.run(
            command,
            check=False,
            env=environment,
            timeout=SECONDS_FOR_PIP,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        )
    except subprocess.TimeoutExpired as error:
        raise EndError("TIMED_OUT", f"pip did not end within {SECONDS_FOR_PIP} s") from error
    if done.returncode:
        words = cause_in(done.stdout) or f"pip ended with status {done.returncode}"
        raise EndError("NO_PACKAGE", f"{SAYS_NO_INDEX}\n{words}" if "PIP_NO_INDEX" in environment else words)


def cause_in(said: str) -> str:
    """The lines of pip's output that say why it failed."""
    told = (line.strip() for line in said.splitlines())
    return "\n".join(line for line in told if line.startswith(("ERROR", "WARNING", "Could not fetch URL")))


def environment_of_pip() -> dict[str, str]:
    """This process's environment with what is declared, else what counts of the user's settings (see settings.py)."""
    sys.path.insert(0, str(FILES))
    settings = import_module(f"{WHEELS}.settings")
    network = import_module(f"{WHEELS}.network").Network(
        index_url=os.environ["index_url"],
        extra_index_urls=tuple(os.environ["extra_index_urls"].split()),
        proxy=os.environ["proxy"],
    )
    sources = settings.sources_of(network)
    certificates = FILES / "ca.pem"
    ours = {
        "PIP_INDEX_URL": "".join(sources.indexes[:1]),
        "PIP_EXTRA_INDEX_URL": " ".join(sources.indexes[1:]),
        "PIP_NO_INDEX": "" if sources.indexes else "1",
        "PIP_FIND_LINKS": " ".join(sources.pages),
        "PIP_PROXY": sources.proxy,
        "PIP_CERT": str(certificates) if certificates.exists() else sources.ca,
        "PIP_CLIENT_CERT": sources.client_cert,
        "PIP_TRUSTED_HOST": " ".join(sorted(sources.trusted_hosts)),
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_NO_INPUT": "1",  # nobody is there whom pip could ask for a password
    }
    others = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "PYTHON"))}
    return {**others, **{name: value for name, value in ours.items() if value}}


# ------------------------------------------------------------------------------------------------------------ links


def switch(link: Path, target: Path) -> None:
    """Point a link at a target in one step: there is no moment without it."""
    if not (link.is_symlink() and str(link.readlink()) == str(target)):
        set_aside_foreign(link)
        new = beside(link)
        new.symlink_to(target)
        new.replace(link)


def switch_starter(starter: Path, content: str) -> None:
    """Write a starter in one step."""
    set_aside_foreign(starter)
    if starter.is_symlink() or not starter.exists() or starter.read_bytes() != content.encode():
        new = beside(starter)
        new.write_text(content, encoding="utf-8")
        new.chmod(0o755)
        new.replace(starter)


def set_aside_foreign(entry: Path) -> None:
    """Make room for a link, unless what is there is one, or a starter: those are ours."""
    if os.path.lexists(entry) and not entry.is_symlink() and not is_starter(entry):
        set_aside(entry)


def is_starter(entry: Path) -> bool:
    """Whether a file is a starter that we have written."""
    return entry.is_file() and b"\nexec /usr/bin/arch -arm64 " in entry.read_bytes()


def move_away(home: Path, replaced: Path) -> None:
    """Make room for an installation: one of ours goes to `replaced`, to be removed; what is not ours is set aside."""
    if (home / RECORD).exists():
        home.rename(replaced)
        let_be_removed(replaced)
        kept = free_name(home.name)
        try:
            intact("rescue", replaced, kept)
        except subprocess.CalledProcessError:  # another user's, as after `sudo pip`
            (kept / "rest").parent.mkdir(exist_ok=True)
            replaced.rename(kept / "rest")
        if kept.exists():
            say_set_aside(kept)
    elif os.path.lexists(home):
        set_aside(home)


def let_be_removed(top: Path) -> None:
    """Restore the owner's permissions on folders: a closed one cannot be removed."""
    for folder, names, _files in os.walk(top):
        for path in (Path(folder, name) for name in names):
            with suppress(PermissionError):  # another user's; whoever removes it says so
                if not path.is_symlink():
                    path.chmod(0o755)


def set_aside(entry: Path) -> None:
    """Move what is not ours to our set-aside folder, under a free name, and say so."""
    free = free_name(entry.name)
    entry.rename(free)
    say_set_aside(free)


def free_name(name: str) -> Path:
    """A place in our set-aside folder."""
    folder = Path(os.environ["root"]) / "set-aside"
    folder.mkdir(exist_ok=True)
    names = (name, *(f"{name}.{number}" for number in range(1, 1000)))
    return next(folder / each for each in names if not os.path.lexists(folder / each))


def say_set_aside(path: Path) -> None:
    """Print a message for the controller to show."""
    sys.stdout.write(f"set_aside={path}\n")


def beside(entry: Path) -> Path:
    """A name for what will replace an entry, by which it is known whose it is."""
    return entry.with_name(f".new.{os.getpid()}.{entry.name}")


def main() -> int:
    """Carry out one command; returns the exit status."""
    try:
        if sys.argv[1] == "place":
            place(Path(sys.argv[2]), Path(sys.argv[3]))
        elif sys.argv[1] == "controller":
            controller(Path(sys.argv[2]), Path(sys.argv[3]), "".join(sys.argv[4:]))
        else:
            link()
    except EndError as end:
        status, words = end.args
    except OSError as error:
        status, words = "NOT_STORED", f"{error.filename}: {error.strerror}" if error.filename else str(error)
    else:
        return 0
    sys.stderr.write(f"{words}\n")
    return int(os.environ[status])


if __name__ == "__main__":
    sys.exit(main())
