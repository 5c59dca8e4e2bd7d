# SPDX-License-Identifier: GPL-3.0-or-later
"""What install.sh lets an interpreter do: put itself in its place, and then install uv and switch the links.

    finish.py place NEW PYTHON    move the unpacked folder NEW to where PYTHON belongs, unless that works already
    finish.py link                the rest, as the environment says; files beside this one are what install.sh received

One run at a time; each change is one rename, so an interrupted run leaves what was there or what shall be there.
"""

from __future__ import annotations

import fcntl
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

FILES = Path(__file__).parent
PIP_INSTALL = [sys.executable, "-I", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-cache-dir"]
PINNED_WHEEL_ONLY = ["--no-deps", "--no-compile", "--require-hashes", "--only-binary", ":all:"]
STARTER = """\
#!/bin/sh
# {python}
# Has code for several processors: started as arm64, whatever starts it. Line 2 names it.
exec /usr/bin/arch -arm64 {quoted} "$@"
"""


@contextmanager
def sole_writer(python_folder: Path) -> Iterator[None]:
    """Let other runs wait. The lock ends with the process, however that ends."""
    with (python_folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def place(new: Path, python: Path) -> None:
    """Move an unpacked folder to where `python` is in it; a broken one goes to where the new one was, to be removed."""
    home = python.parents[1]
    with sole_writer(home.parent):
        if runs(python, "-I", "-c", ""):
            return  # another run was faster
        if home.exists():
            home.rename(new.with_name("replaced"))
        new.rename(home)


def runs(program: Path, *arguments: str) -> bool:
    """Whether a program is there and ends well."""
    try:
        return subprocess.run([program, *arguments], check=False, capture_output=True).returncode == 0
    except OSError:  # it is not there, or no program for this machine
        return False


def link() -> None:
    """Install uv and let the links lead to it and to the interpreter.

    The last link is switched when nothing else is left to do or to remove: until then the next run has a reason to act.
    """
    root, python = Path(os.environ["root"]), os.environ["python"]
    with sole_writer(root / "python"):
        uv = install_uv(root / "uv", os.environ["uv_version"])
        shutil.rmtree(FILES)
        switch(root / "bin" / "uv", uv)
        if os.environ["universal"]:
            switch_starter(root / "bin" / "python3", STARTER.format(python=python, quoted=shlex.quote(python)))
        else:
            switch(root / "bin" / "python3", Path(python))


def install_uv(folder: Path, version: str) -> Path:
    """Install uv, checked by hash, into a folder of its own; returns the program's path."""
    home = folder / version
    program = home / "bin" / "uv"
    if runs(program, "--version"):
        return program
    work = Path(tempfile.mkdtemp(prefix=f".new.{os.getpid()}.", dir=folder))
    try:
        sent = ["--no-index", "--find-links", str(FILES)] if any(FILES.glob("*.whl")) else []
        where = ["--target", str(work / "uv"), "--requirement", str(FILES / "requirements.txt"), *sent]
        subprocess.run([*PIP_INSTALL, *PINNED_WHEEL_ONLY, *where], check=True, env=settings_of_pip())
        subprocess.run([work / "uv" / "bin" / "uv", "--version"], check=True, stdout=subprocess.DEVNULL)
        if home.is_dir():
            home.rename(work / "replaced")
        (work / "uv").rename(home)
    finally:
        shutil.rmtree(work)
    return program


def settings_of_pip() -> dict[str, str]:
    """Its environment: URLs may hold credentials, and a process list shows arguments."""
    certificates = FILES / "ca.pem"
    settings = {
        "PIP_INDEX_URL": os.environ["index_url"],
        "PIP_PROXY": os.environ["proxy"],
        "PIP_CERT": str(certificates) if certificates.exists() else "",
    }
    # Nobody is there whom pip could ask for a password.
    return {**os.environ, "PIP_NO_INPUT": "1", **{name: value for name, value in settings.items() if value}}


def switch(link: Path, target: Path) -> None:
    """Point a link at a target in one step: there is no moment without it."""
    if not (link.is_symlink() and str(link.readlink()) == str(target)):
        new = beside(link)
        new.symlink_to(target)
        new.replace(link)


def switch_starter(starter: Path, content: str) -> None:
    """Write a starter in one step."""
    if starter.is_symlink() or not starter.exists() or starter.read_bytes() != content.encode():
        new = beside(starter)
        new.write_text(content, encoding="utf-8")
        new.chmod(0o755)
        new.replace(starter)


def beside(entry: Path) -> Path:
    """A name for what will replace an entry, by which it is known whose it is."""
    return entry.with_name(f".new.{os.getpid()}.{entry.name}")


def main() -> int:
    """Carry out one command; returns the exit status."""
    try:
        if sys.argv[1] == "place":
            place(Path(sys.argv[2]), Path(sys.argv[3]))
        else:
            link()
    except (OSError, subprocess.CalledProcessError) as failure:
        sys.stderr.write(f"{failure}\n")
        return 1
    return 0


sys.exit(main())
