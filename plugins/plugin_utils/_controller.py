# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""Files on the controller that users name."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._paths import head_of_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping


def folders_of_users(task_vars: Mapping[str, Any]) -> Iterator[Path]:
    """Where a relative path begins: the inventory, the folder that has it, the playbook, its folder files."""
    for source in task_vars.get("ansible_inventory_sources") or ():
        path = Path(str(source))
        yield path if path.is_dir() else path.parent
        yield path.parent if path.is_dir() else path.parent / "metalfleet"
    for folder in (task_vars.get("playbook_dir"), task_vars.get("role_path")):
        if folder:
            yield Path(str(folder))
            yield Path(str(folder)) / "files"
    yield Path.cwd()


def folder_beside_inventory(purpose: str, option: str, written: str, task_vars: Mapping[str, Any]) -> Path:
    """Our folder for a purpose, such as `locks`: as `option` names it, else next to the first inventory.

    It need not be there. Raises MetalfleetError where Ansible would take what is in it for an inventory.
    """
    sources = [Path(str(source)) for source in task_vars.get("ansible_inventory_sources") or ()]
    beside = sources[0].parent if sources else Path.cwd()
    folder = Path(written).expanduser() if written else Path("metalfleet", purpose)
    folder = Path(beside, folder).absolute()
    inventory = next((source for source in sources if source.is_dir() and source.absolute() in folder.parents), None)
    if inventory:
        raise MetalfleetError(
            f"The folder for {purpose} ({folder}) is inside the inventory {inventory}, and Ansible would take what is "
            "in it for inventories",
            remedy=f"Set {option} to a folder next to the inventory.",
        )
    return folder


def cache_folder() -> Path:
    """Where the controller keeps what it can download again."""
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "metalfleet").expanduser().absolute()


def folder_of_wheels(written: str, task_vars: Mapping[str, Any]) -> Path:
    """The controller's wheel store: as written, from the inventory's folder on, else in the user's cache.

    Raises MetalfleetError where Ansible would take what is in it for an inventory.
    """
    if not written:
        return cache_folder() / "wheels"
    return folder_beside_inventory("wheels", "tensorflow_wheel_store", written, task_vars)


def find_file(written: str, option: str, folders: Iterable[Path], kind: str = "file") -> Path:
    """What lies at the path that a user wrote: absolute, or relative to the first of the folders that has it.

    `kind` is "file" or "folder".
    """
    path = Path(written).expanduser()
    looked = [path] if path.is_absolute() else [folder / path for folder in folders]
    for each in looked:
        if each.is_dir() if kind == "folder" else each.is_file():
            return each.resolve()
    raise MetalfleetError(
        f"The {kind} {written}, which {option} names, is not there",
        evidence="Looked for " + ", ".join(dict.fromkeys(map(str, looked))),
        remedy=f"Put it beside the inventory, or let {option} name it by an absolute path.",
    )


def read_text(path: Path, option: str) -> str:
    """The text of a file. Raises MetalfleetError where there is none to be read."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise MetalfleetError(
            f"The file {path}, which {option} names, cannot be read", evidence=str(error), remedy=f"Correct {option}."
        ) from error


def put_file(path: Path, content: bytes) -> None:
    """Put a file in its place, in one step; its folder is made where it is missing. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", delete=False) as new:
        new_path = Path(new.name)
        try:
            new.write(content)
            new.flush()
            new_path.chmod(0o644)
            new_path.replace(path)
        except OSError:
            new_path.unlink(missing_ok=True)
            raise


def put_files(files: Mapping[Path, bytes], what: str, option: str) -> None:
    """Put files in their places. `option` names their folder. Raises MetalfleetError, which calls them `what`."""
    try:
        for path, content in files.items():
            put_file(path, content)
    except OSError as error:
        raise MetalfleetError(
            f"{what} cannot be written to {error.filename or f'the folder of {option}'}",
            evidence=f"{error.strerror or error}.",
            remedy=f"Set {option} to a folder on the controller that can be written to.",
        ) from error


def has(path: Path, content: bytes) -> bool:
    """Whether a file is as it should be."""
    try:
        return head_of_file(path, len(content) + 1) == content
    except OSError:
        return False
