# SPDX-License-Identifier: GPL-3.0-or-later
"""The last part of install.sh, run by the new interpreter: installs uv and switches the links, each with one rename."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

PIP_INSTALL = [sys.executable, "-I", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-cache-dir"]
PINNED_WHEEL_ONLY = ["--no-deps", "--no-compile", "--require-hashes", "--only-binary", ":all:"]


def install_uv(root: Path, version: str, requirement: str, index_url: str) -> Path:
    """Install uv, checked by hash, into a folder of its own below root/uv; returns the program's path."""
    home = root / "uv" / version
    program = home / "bin" / "uv"
    if os.access(program, os.X_OK):
        return program
    work = Path(tempfile.mkdtemp(prefix=f".new.{os.getpid()}.", dir=home.parent))
    try:
        requirements = work / "requirements.txt"
        requirements.write_text(requirement, encoding="utf-8")
        # Through the environment: the URL may hold credentials, and a process list shows arguments.
        environment = {**os.environ, **({"PIP_INDEX_URL": index_url} if index_url else {})}
        where = ["--target", str(work / "uv"), "--requirement", str(requirements)]
        subprocess.run([*PIP_INSTALL, *PINNED_WHEEL_ONLY, *where], check=True, env=environment)
        subprocess.run([work / "uv" / "bin" / "uv", "--version"], check=True, stdout=subprocess.DEVNULL)
        if home.is_dir():
            home.rename(work / "replaced")
        (work / "uv").rename(home)
    finally:
        shutil.rmtree(work)
    return program


def switch(link: Path, target: Path) -> None:
    """Point a symbolic link at a target in one step: there is no moment without the link."""
    new = link.with_name(f"{link.name}.new.{os.getpid()}")
    new.symlink_to(target)
    new.replace(link)


def main() -> int:
    """Finish the installation that the variables of install.sh describe; returns the exit status."""
    root, python = Path(os.environ["root"]), Path(os.environ["python"])
    try:
        uv = install_uv(root, os.environ["uv_version"], os.environ["uv_requirement"], os.environ["index_url"])
    except subprocess.CalledProcessError as failure:
        sys.stderr.write(f"{failure}\n")
        return 1
    switch(root / "bin" / "uv", uv)
    switch(root / "bin" / "python3", python)
    return 0


sys.exit(main())
