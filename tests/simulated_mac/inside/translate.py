#!/.simulated_mac/python -ISE
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find the ELF file that stands in for a Mach-O file which a wheel installed: translate MACHO KEY.

The wheel that owns the file is found through the RECORD files near it; the Linux wheel of the same version is fetched
once, into the store that all hosts share. KEY becomes a link to the Linux wheel's file. Runs inside a simulated Mac,
called by the shim; what it cannot find it says on stderr, and the exec or dlopen fails.

``translate --wheel NAME VERSION PYTHON`` only fetches a Linux wheel and prints where it lies.
"""

from __future__ import annotations

import contextlib
import csv
import fcntl
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

SIM = Path("/.simulated_mac")
ELF = SIM / "elf"
# A wheel whose Linux twin has another name: the plain one carries 2 GB of CUDA, or does not exist.
TWINS = {"tensorflow": "tensorflow-cpu", "tensorflow-macos": "tensorflow-cpu"}


class Owned(NamedTuple):
    """An installed file: the distribution that it belongs to, and its path in that distribution's wheel."""

    distribution: str
    version: str
    python: str
    inside: str


def owner(file: Path) -> Owned:
    """Who installed ``file``, by the RECORD of a distribution in a folder above or in the environment around it."""
    for folder in file.parents:
        for site in (folder, *folder.glob("lib/python3.*/site-packages")):
            for record in site.glob("*.dist-info/RECORD"):
                if names(record, file, site):
                    distribution, version = record.parent.name.removesuffix(".dist-info").rsplit("-", 1)
                    inside = file.relative_to(folder).as_posix()
                    return Owned(distribution.replace("_", "-"), version, python_version(site), inside)
    raise SystemExit(f"simulated Mac: no wheel owns {file}, so nothing can stand in for it")


def names(record: Path, file: Path, site: Path) -> bool:
    """Whether a RECORD lists ``file``. What lies in bin/ has ``../`` in front, too many after ``pip --target``."""
    for folder in (site, *site.parents):
        with contextlib.suppress(ValueError):
            wanted = file.relative_to(folder).as_posix()
            with record.open(newline="") as rows:
                return any(row and re.sub(r"^(\.\./)+", "", row[0]) == wanted for row in csv.reader(rows))
    return False


def python_version(site: Path) -> str:
    """ "3.12", from .../lib/python3.12/site-packages; a ``--target`` folder has none and gets the test bed's."""
    found = re.search(r"/python(3\.\d+)/", f"{site}/")
    return found[1] if found else f"{sys.version_info[0]}.{sys.version_info[1]}"


def linux_wheel(owned: Owned) -> Path:
    """The folder with the files of the Linux wheel, fetched if it is not there yet."""
    name = TWINS.get(owned.distribution, owned.distribution)
    home = ELF / "wheels" / f"{name}-{owned.version}-cp{owned.python.replace('.', '')}"
    with Path(f"{home}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not home.is_dir():
            fetched = Path(f"{home}.new")
            shutil.rmtree(fetched, ignore_errors=True)
            fetch(f"{name}=={owned.version}", owned.python, fetched)
            fetched.rename(home)
            shutil.rmtree(f"{fetched}.cache")
    return home


def fetch(requirement: str, python: str, target: Path) -> None:
    """Install the Linux wheel alone; network settings are those that the test bed noted (tools/environment)."""
    noted = (SIM / "tools/environment").read_text().splitlines()
    environment = dict(line.split("=", 1) for line in noted)
    environment |= {"PATH": "/usr/bin:/bin", "HOME": str(ELF), "UV_CACHE_DIR": f"{target}.cache"}
    subprocess.run(
        [str(SIM / "tools/uv"), "pip", "install", "--quiet", "--no-deps", "--only-binary=:all:", "--no-config",
         "--python-platform=x86_64-manylinux_2_28", f"--python-version={python}",
         f"--python={SIM / 'python'}", f"--target={target}", requirement],
        check=True, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
    )  # fmt: skip


def counterparts(inside: str) -> Iterator[str]:
    """The names that the Linux wheel may have for a file of the macOS wheel."""
    yield inside
    yield re.sub(r"\.cpython-(\d+)-darwin\.so$", r".cpython-\1-x86_64-linux-gnu.so", inside)
    yield re.sub(r"\.(\d[\d.]*)\.dylib$", r".so.\1", inside)
    yield re.sub(r"\.dylib$", ".so", inside)


def main(macho: str, key: str) -> None:
    """Make the link KEY to what stands in for MACHO."""
    owned = owner(Path(macho).resolve())
    home = linux_wheel(owned)
    for name in counterparts(owned.inside):
        if (home / name).exists():
            with contextlib.suppress(FileExistsError):
                Path(key).symlink_to(home / name)
            return
    raise SystemExit(f"simulated Mac: {home.name} for Linux has no counterpart of {owned.inside}")


if __name__ == "__main__":
    os.umask(0)  # what one host's user fetched, any other's may use and replace
    if sys.argv[1] == "--wheel":
        print(linux_wheel(Owned(sys.argv[2], sys.argv[3], sys.argv[4], "")))
    else:
        main(*sys.argv[1:])
