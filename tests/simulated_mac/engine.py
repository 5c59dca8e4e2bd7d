# SPDX-License-Identifier: GPL-3.0-or-later
"""Namespaces: where a simulated Mac's processes run, and how its files are handled from outside.

As root, unshare(1) alone; as an ordinary user, in a user namespace with all of the user's subordinate ids, so that a
host has a root and users of its own. Files of a host then belong to those ids, and only ``give`` and ``remove`` can
handle them.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

IS_ROOT = os.geteuid() == 0
USER_NAMESPACE = [] if IS_ROOT else ["--user", "--map-auto", "--map-root-user"]
USER_REMEDY = (
    "apt-get install uidmap; a range for this user in /etc/subuid and /etc/subgid; util-linux 2.38 or newer; user "
    "namespaces allowed (sysctl kernel.apparmor_restrict_unprivileged_userns=0); or run as root"
)
START_HOST = Path(__file__).with_name("start_host.sh")


class EngineError(Exception):
    """This machine does not let us make namespaces; the message says why and what to do."""


class Held(Protocol):
    """A file or a socket."""

    def fileno(self) -> int:
        """Its number in this process."""


def check() -> None:
    """Raise ``EngineError`` if no simulated Mac can run here."""
    tried = subprocess.run(
        [*_unshare("--mount", "--pid", "--fork"), "true"], capture_output=True, text=True, check=False
    )
    if tried.returncode:
        remedy = "a container needs the capability SYS_ADMIN" if IS_ROOT else USER_REMEDY
        raise EngineError(f"cannot make namespaces: {tried.stderr.strip()}. Remedy: {remedy}.")


def start(settings: Mapping[str, str], log: Path, keep_open: Sequence[Held]) -> int:
    """Start a host: start_host.sh with ``settings``, in namespaces of its own, detached from this process.

    What is in ``keep_open`` stays open as long as the host lives. SIGKILL to the process whose id is returned ends the
    host.
    """
    line = [*_unshare("--mount", "--pid", "--uts", "--ipc", "--fork", "--kill-child"), "sh", str(START_HOST)]
    for file in keep_open:
        os.set_inheritable(file.fileno(), True)
    return os.posix_spawnp(
        line[0],
        line,
        {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", **settings},
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
    )


def enter(pid: int, command: list[str]) -> str:
    """Run a Linux program as a host's root, in its namespaces and root folder; returns what it printed."""
    namespaces = ["--mount", "--pid", "--uts", "--ipc", *([] if IS_ROOT else ["--user"])]
    line = ["nsenter", "--target", str(pid), *namespaces, "--root", *command]
    done = subprocess.run(line, check=True, env={}, stdout=subprocess.PIPE, encoding="utf-8", errors="surrogateescape")
    return done.stdout


def give(path: Path, user: int, group: int) -> None:
    """Let a host's user own everything under ``path``."""
    _as_hosts_root("chown", "-Rh", f"{user}:{group}", str(path))


def remove(path: Path) -> None:
    """Remove a folder with files of a host's users, if it is there: as a whole, also where the removal is cut off."""
    removed = path.with_name(f"{path.name}.removed")
    if removed.exists():
        _as_hosts_root("rm", "-rf", str(removed))
    if path.exists():
        path.rename(removed)
        _as_hosts_root("rm", "-rf", str(removed))


def _as_hosts_root(*command: str) -> None:
    prefix = [] if IS_ROOT else _unshare()
    subprocess.run([*prefix, *command], check=True)


def _unshare(*namespaces: str) -> list[str]:
    return ["unshare", *USER_NAMESPACE, *namespaces]
