# SPDX-License-Identifier: GPL-3.0-or-later
"""What is refused before anything is done: in check mode in the same words, and nothing is changed."""

from __future__ import annotations

import errno
import fcntl
import json
import os
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment import safety
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.kernel import kernel_path

from tests.unit.plugins.module_utils.environment.host import Host, RefusedError
from tests.wheels import lock_of, make_wheel


def assert_refused(host: Host, *words: str, **changed: Any) -> None:
    """In both modes with the same words, and without a trace."""
    before, calls = everything(host.folder), len(host.commands.calls)
    said = []
    for check_mode in (True, False):
        with pytest.raises(RefusedError) as refused:
            host.converge(check_mode=check_mode, **changed)
        said.append(str(refused.value))
        assert not refused.value.environment["ok"]
    assert said[0] == said[1]
    assert [word for word in words if word not in said[0]] == []
    assert len(host.commands.calls) == calls
    assert everything(host.folder) == before


def everything(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


# --- the stable path


def test_a_users_own_folder(new_host: Host) -> None:
    (new_host.link / "bin").mkdir(parents=True)
    assert_refused(new_host, f"{new_host.link} is in the way", "not a link", "under another name")


def test_a_users_own_link(new_host: Host, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    new_host.places.links.mkdir()
    new_host.link.symlink_to(tmp_path / "mine")
    assert_refused(new_host, f"{new_host.link} is in the way", f"a link to {tmp_path / 'mine'}")


def test_a_folder_in_the_place_of_our_link(host: Host) -> None:
    host.link.unlink()
    host.link.mkdir()
    assert_refused(host, "is in the way")


# --- Jupyter


def with_ipykernel(host: Host) -> str:
    return host.declaration.lock + lock_of(make_wheel(host.wheels, "ipykernel"))


@pytest.mark.parametrize("metadata", [{}, {"metadata": {"metalfleet": "/elsewhere/tf"}}])
def test_a_kernel_of_the_users_own(host: Host, metadata: dict[str, Any]) -> None:
    path = kernel_path("tf")
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"argv": ["/opt/mine/bin/python"], "env": {"MINE": "1"}, **metadata}))
    assert_refused(host, str(path), "jupyter kernelspec remove tf", lock=with_ipykernel(host), jupyter_kernel=True)


def test_a_kernel_without_ipykernel(new_host: Host) -> None:
    assert_refused(new_host, "its lock has no ipykernel", jupyter_kernel=True)


# --- places


def test_a_root_that_cannot_be_written(new_host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    access, root = os.access, new_host.places.root
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != root and access(path, mode))
    assert_refused(new_host, f"{root} cannot be written by user", "tensorflow_root")


def test_a_file_where_a_folder_is_wanted(new_host: Host) -> None:
    new_host.places.links.write_text("mine")
    assert_refused(new_host, f"{new_host.places.links} is in the way: a folder is wanted there")


def test_a_full_disk(new_host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(safety, "free_mb", lambda _: 99)
    assert_refused(new_host, "The disk is full", "has 99 MB free, and a build needs 100", free_mb=100)


def test_a_volume_without_file_locks(new_host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(*_: Any) -> None:
        raise OSError(errno.ENOTSUP, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", flock)
    assert_refused(new_host, "on a volume without file locks", "the Mac's own disk", "tensorflow_root")


# --- locks


def test_a_platform_that_no_lock_is_for(new_host: Host) -> None:
    assert_refused(
        new_host, "There is no lock for", "macos-arm64-py3.1", lock="", lock_platforms=("macos-arm64-py3.1",)
    )
    of_it = {"platform": "macos-arm64-py3.2", "lock_platforms": ("macos-arm64-py3.1",)}
    assert_refused(new_host, "no lock for macos-arm64-py3.2 for", "locks for: macos-arm64-py3.1.", lock="", **of_it)


def test_where_nothing_has_to_be_done_nothing_is_refused(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: mode == os.F_OK and os.path.lexists(path))
    assert host.converge(free_mb=10**9)["reasons"] == []
