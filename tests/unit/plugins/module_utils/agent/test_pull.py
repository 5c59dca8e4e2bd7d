# SPDX-License-Identifier: GPL-3.0-or-later
"""Signed documents, by the real ssh-keygen."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._agent import document, pull
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._commands import Commands
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._agent.signing import public_key, sign

NETWORK = {"proxy": "", "ca_certificates": ""}
OLD = document.content_of({"environments": [], **NETWORK}, {"url": "", "key": ""})
NEW = document.content_of({"environments": [{"name": "new"}], **NETWORK}, {"url": "", "key": ""})


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("keys")
    for name in ("ours", "theirs"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
    return folder / "ours", folder / "theirs"


def accept(_: document.AgentDocument) -> None:
    """Any document will do."""


def offered(folder: Path, key: Path, *, serial: int, content: dict[str, object] = NEW) -> document.AgentDocument:
    """The document in force, where another one is offered."""
    site = folder / "site"
    site.mkdir(exist_ok=True)
    text = document.write(content, serial)
    (site / "agent.json").write_bytes(text)
    (site / "agent.json.sig").write_bytes(sign(text, key))
    settings = {"url": (site / "agent.json").as_uri(), "key": public_key(folder / "key")}
    return document.parse(document.write({**OLD, "settings": settings}, 100))


@pytest.fixture
def folder(tmp_path: Path, keys: tuple[Path, Path]) -> Path:
    (tmp_path / "key").write_bytes(keys[0].read_bytes())
    (tmp_path / "key").chmod(0o600)
    return tmp_path


def test_a_newer_one_is_put_in_force(folder: Path, keys: tuple[Path, Path]) -> None:
    in_force = offered(folder, keys[0], serial=101)
    assert "serial number 101" in pull.pull(folder, in_force, Commands(), accept)
    now = document.read(folder / document.NAME)
    assert (now.serial, now.options["environments"]) == (101, [{"name": "new"}])


def test_one_that_says_the_same_is_not_news(folder: Path, keys: tuple[Path, Path]) -> None:
    first = offered(folder, keys[0], serial=101)
    same = {"schema": 1, "options": dict(first.options), "settings": dict(first.settings)}
    for serial in (99, 101):
        assert pull.pull(folder, offered(folder, keys[0], serial=serial, content=same), Commands(), accept) == ""
    assert not (folder / document.NAME).exists()


def test_an_older_one_is_refused(folder: Path, keys: tuple[Path, Path]) -> None:
    with pytest.raises(MetalfleetError, match="serial number 99 is older than 100"):
        pull.pull(folder, offered(folder, keys[0], serial=99), Commands(), accept)


def test_one_of_another_key_is_refused(folder: Path, keys: tuple[Path, Path]) -> None:
    with pytest.raises(MetalfleetError, match="is not signed with the key"):
        pull.pull(folder, offered(folder, keys[1], serial=101), Commands(), accept)


@pytest.mark.parametrize("changed", ["agent.json", "agent.json.sig"])
def test_one_that_was_changed_is_refused(folder: Path, keys: tuple[Path, Path], changed: str) -> None:
    in_force = offered(folder, keys[0], serial=101)
    path = folder / "site" / changed
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1  # a signature may lack any letter
    path.write_bytes(content)
    with pytest.raises(MetalfleetError, match="was refused"):
        pull.pull(folder, in_force, Commands(), accept)
    assert not (folder / document.NAME).exists()


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"python": {"version": "3.13", "source": "standalone"}}, r"a managed Python 3\.13 \(standalone\)"),
        ({"environments": [{"name": "new", "python": "3.11"}]}, r"a Python 3\.11 beside the managed one"),
    ],
)
def test_one_for_another_python_is_refused(
    folder: Path, keys: tuple[Path, Path], changed: dict[str, object], words: str
) -> None:
    content = document.content_of({"environments": [], **NETWORK, **changed}, {"url": "", "key": ""})
    with pytest.raises(MetalfleetError, match=f"{words}, which comes with a newer archive"):
        pull.pull(folder, offered(folder, keys[0], serial=101, content=content), Commands(), accept)
    assert not (folder / document.NAME).exists()


def test_one_that_could_not_be_followed_here_is_refused(folder: Path, keys: tuple[Path, Path]) -> None:
    def refuse(_: document.AgentDocument) -> None:
        raise MetalfleetError("It is for another folder")

    with pytest.raises(MetalfleetError, match="the one in force stays. It is for another folder"):
        pull.pull(folder, offered(folder, keys[0], serial=101), Commands(), refuse)
    assert not (folder / document.NAME).exists()


def test_where_no_url_is_declared_nothing_is_asked(folder: Path) -> None:
    assert pull.pull(folder, document.parse(document.write(OLD, 1)), Commands(), accept) == ""


def test_a_key_that_cannot_sign_is_named(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("nothing")
    with pytest.raises(MetalfleetError, match="tensorflow_agent_signing_key"):
        public_key(tmp_path / "key")
