# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""What keeps a run from doing harm: where it may write, one writer at a time, what is in use or set aside."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import stat
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Callable, NoReturn

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._commands import (
    CommandExited,
    CommandFailed,
    Commands,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError, Problem, said_by
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._layout import Places
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._paths import (
    NO_LOCKS,
    each_folder,
    is_folder,
    open_guard,
)

WRITER_WAIT = 600.0  # seconds
LSOF_SECONDS = 20  # less than the watchdog gives the whole look, see _watchdog
LSOF_KEPT = 64 * 1024 * 1024  # bytes: a busy Mac has some hundred thousand files open

# ------------------------------------------------------------------------------------------------------------- places


def find_obstacles(places: Places, home: Path) -> Iterator[Problem]:
    """Why a generation could not be made in `home` and linked to, as far as that can be known without writing."""
    for folder in (places.root, places.links, home):
        there = nearest_folder(folder)
        if not there.is_dir():
            yield in_the_way(there)
        elif not os.access(there, os.W_OK | os.X_OK):
            yield Problem(
                f"{there if folder == home else folder} cannot be written by user {os.geteuid()}",
                remedy="Make it writable for this user, or choose other folders (tensorflow_root, tensorflow_links).",
            )
        elif os.geteuid() == 0 and there.stat().st_uid != 0:
            yield Problem(
                f"{folder} lies in a folder of another user, who could not change there what root makes",
                remedy="Run without become, or choose folders of root's (tensorflow_root, tensorflow_links).",
            )
    yield from find_damaged(places.wheels, places.set_aside)
    if not has_file_locks(nearest_folder(places.root)):
        yield without_file_locks(places.root)


def find_damaged(*folders: Path) -> Iterator[Problem]:
    """Folders of our own that could not even be looked into."""
    for folder in filter(os.path.lexists, folders):
        if not folder.is_dir():
            yield in_the_way(folder)
        elif not os.access(folder, os.R_OK | os.X_OK):
            yield Problem(
                f"{folder} cannot be read by user {os.geteuid()}",
                remedy="Make it readable and writable for this user (chown, chmod).",
            )


def in_the_way(path: Path) -> Problem:
    """The message about what lies where a folder of ours is wanted."""
    return Problem(
        f"{path} is in the way: a folder is wanted there",
        remedy="Move it away, or choose other folders (tensorflow_root, tensorflow_links).",
    )


def nearest_folder(path: Path) -> Path:
    """The path itself, or the deepest folder above it that is there."""
    return next(folder for folder in (path, *path.parents) if os.path.lexists(folder))


def free_mb(path: Path) -> int | None:
    """Megabytes that are free on the volume of a path, which need not be there yet; None if it cannot be told."""
    try:
        return shutil.disk_usage(nearest_folder(path)).free // 1_000_000
    except OSError:  # such as a link to a disk that is not there: an obstacle, which says it better
        return None


def has_file_locks(folder: Path) -> bool:
    """Whether the folder's volume knows flock(2); some network volumes do not."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return True  # another obstacle says it better
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in NO_LOCKS
    finally:
        os.close(descriptor)  # which gives the lock back
    return True


def without_file_locks(folder: Path) -> Problem:
    """The message about such a volume."""
    return Problem(
        f"{folder} is on a volume without file locks, such as a network home, so that two runs at once could damage "
        "each other",
        remedy="Choose folders on the Mac's own disk (tensorflow_root, tensorflow_links).",
    )


def refuse(obstacle: Problem) -> NoReturn:
    """Refuse such a volume."""
    raise MetalfleetError(obstacle.cause, evidence=obstacle.evidence, remedy=obstacle.remedy)


# ----------------------------------------------------------------------------------------------- one writer at a time


@contextlib.contextmanager
def one_writer(places: Places, wait: float = WRITER_WAIT) -> Iterator[None]:
    """Hold the writer guard, and make everything readable for everybody meanwhile.

    A second writer waits, and fails after `wait` seconds. In a system-wide root what we make is for all users of the
    host; a user's own root is kept from others by the user's home.
    """
    umask = os.umask(0o022)
    try:
        with _open_guard(places.root) as guard:
            _wait_for(guard.fileno(), places.root, wait)
            yield
    finally:
        os.umask(umask)


def _open_guard(root: Path) -> BinaryIO:
    """Open the writer guard's file. Raises MetalfleetError."""
    path = root / ".writer"
    try:
        root.mkdir(parents=True, exist_ok=True)
        return open_guard(path)
    except OSError as error:
        raise MetalfleetError(
            f"Nothing can be changed in {root}, for its writer guard cannot be opened",
            evidence=f"{said_by(error, path)}.",
            remedy=f"Remove {path}, or make it this user's own; it only has to be a file that can be written.",
        ) from error


def _wait_for(guard: int, root: Path, wait: float) -> None:
    deadline = time.monotonic() + wait
    while not _take(guard, root):
        if time.monotonic() > deadline:
            raise MetalfleetError(
                f"Another run is still working in {root} after {wait:.0f} seconds",
                remedy="Wait until it has ended and run again.",
            )
        time.sleep(0.2)


def _take(guard: int, root: Path) -> bool:
    try:
        fcntl.flock(guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno in NO_LOCKS:
            refuse(without_file_locks(root))
        raise
    return True


# ------------------------------------------------------------------------------------------------------------- in use


def folders_in_use(folders: Iterable[Path], commands: Commands) -> set[Path]:
    """The folders in which a process has open files, libraries or its working folder.

    Root sees all processes, others their own. Where it cannot be found out, all of them.
    """
    wanted = set(folders)
    if not wanted:
        return set()
    try:
        opened = opened_files(commands)
    except (OSError, CommandFailed):
        return wanted
    real = {folder: os.path.realpath(folder) for folder in wanted}  # as the system tells open files
    return {
        folder for folder, path in real.items() if any(each.startswith(f"{path}/") or each == path for each in opened)
    }


def opened_files(commands: Commands) -> set[str]:
    """Paths that processes have open: from lsof on a Mac, from /proc on Linux."""
    if sys.platform == "darwin":
        return {line[1:] for line in list_with_lsof(commands).splitlines() if line.startswith("n/")}
    opened: set[str] = set()
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            opened.update(
                line.split(None, 5)[-1] for line in (process / "maps").read_text().splitlines() if "/" in line
            )
            opened.update(str(link.readlink()) for link in [process / "cwd", *(process / "fd").iterdir()])
    return opened


def list_with_lsof(commands: Commands) -> str:
    """The names of open files. lsof exits with 1 if any process ended while it looked; its list is good."""
    of_whom = [] if os.getuid() == 0 else ["-u", str(os.getuid())]
    try:
        listed = commands.run(
            ["/usr/sbin/lsof", "-w", "-n", "-P", *of_whom, "-F", "n"], timeout=LSOF_SECONDS, kept=LSOF_KEPT
        )
    except CommandExited as exited:
        if not exited.completed.stdout:
            raise
        listed = exited.completed
    if listed.is_cut:
        raise CommandFailed(listed.argv, "it lists more than can be read")
    return listed.stdout


# ---------------------------------------------------------------------------------------------- set aside and removed


def set_aside(path: Path, folder: Path) -> Path:
    """Move what is in the way to a free name in our folder for that; nothing of a user's is ever deleted."""
    kept = free_name(folder, path.name)
    kept.parent.mkdir(parents=True, exist_ok=True)
    if is_folder(path):
        _let_me_change(path)
    shutil.move(path, kept)
    return kept


def free_name(folder: Path, name: str) -> Path:
    """Where something of a name can be set aside; nothing is made there."""
    number = 1
    while os.path.lexists(kept := folder / f"{number}-{name}"):
        number += 1
    return kept


def what_keeps_it_in_place(path: Path) -> Path | None:
    """The folder itself, if this user may not move it elsewhere; None if nothing does."""
    return path if is_folder(path) and not _may_change(str(path)) else None


def what_keeps_it_from_removal(path: Path) -> Path | None:
    """What in a folder this user can neither remove nor make removable; None if nothing."""
    closed: list[Path] = []
    for folder, folders, others in each_folder(path, lambda folder, _: closed.append(folder)):
        if (folders or others) and not _may_change(folder):
            return Path(folder)
    return next((folder for folder in closed if is_folder(folder) and not _is_mine(str(folder))), None)


def _may_change(folder: str) -> bool:
    return _is_mine(folder) or os.access(folder, os.W_OK | os.X_OK)


def _is_mine(path: str) -> bool:
    try:
        return os.lstat(path).st_uid == os.geteuid()
    except FileNotFoundError:  # as another writer's temporary files; what is gone is in nobody's way
        return True


def why_not_removed(path: Path, remove: Callable[[Path], None]) -> list[str]:
    """Remove what environments are as declared without; what cannot be removed keeps nothing from being done."""
    try:
        remove(path)
    except OSError as failure:
        return [say_stuck(path, said_by(failure, path))]
    return []


def say_stuck(path: Path, why: str) -> str:
    """What people read about something that nobody needs, and that this user cannot remove."""
    return (
        f"{path} is not needed any more, but user {os.geteuid()} cannot remove it ({why}). See whether anything in it "
        f"is yours, then run: sudo rm -rf {path}"
    )


def remove_tree(path: Path) -> None:
    """Remove a folder or file of ours; none there is as good."""
    if not is_folder(path):
        path.unlink(missing_ok=True)
        return
    try:
        _remove_all(path)
    except PermissionError:
        _let_me_change(path)
        for folder, names, _others in each_folder(path):
            for name in names:
                _let_me_change(Path(folder, name))
        _remove_all(path)


def _remove_all(folder: Path) -> None:
    try:
        shutil.rmtree(folder)
    except RecursionError as error:  # before Python 3.13
        raise OSError(errno.ENAMETOOLONG, "its folders are nested too deeply", str(folder)) from error


def _let_me_change(folder: Path) -> None:
    """Whoever owns a folder may change its mode, too."""
    if not folder.is_symlink() and _is_mine(str(folder)):
        folder.chmod(folder.stat().st_mode | stat.S_IRWXU)
