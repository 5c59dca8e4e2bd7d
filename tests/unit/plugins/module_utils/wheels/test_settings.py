# SPDX-License-Identifier: GPL-3.0-or-later
"""Where wheels come from: options first, then what a user has configured for uv and pip, then the default."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.network import Network
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.settings import (
    Sources,
    default_index,
    sources_of,
)

ONE, TWO, THREE = (f"https://{name}.example/simple" for name in ("one", "two", "three"))


class User:
    """Somebody's home, and variables."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.variables = {"HOME": str(home), "XDG_CONFIG_DIRS": str(home / "no"), "PIP_CONFIG_FILE": ""}

    def write(self, path: str, text: str) -> Path:
        file = self.home / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def sources(self, network: Network | None = None) -> Sources:
        return sources_of(network or Network(), self.variables)


@pytest.fixture
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> User:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr("sys.prefix", str(tmp_path / "prefix"))
    return User(tmp_path)


def test_nothing_configured(user: User) -> None:
    sources = user.sources()
    assert (sources.indexes, sources.pages, sources.warnings) == ((default_index(),), (), ())


def test_what_is_declared_replaces_what_is_configured(user: User) -> None:
    user.write(
        ".config/pip/pip.conf", f"[global]\nindex-url = {TWO}\nextra-index-url = {THREE}\nfind-links = /wheels\n"
    )
    sources = user.sources(Network(index_url=ONE))
    assert (sources.indexes, sources.pages) == ((ONE,), ())
    sources = user.sources(Network(wheels="/other"))
    assert (sources.indexes, sources.pages) == ((), ("/other",))


def test_an_extra_index_is_beside_what_is_configured(user: User) -> None:
    user.variables["UV_DEFAULT_INDEX"] = TWO
    assert user.sources(Network(extra_index_urls=(ONE,))).indexes == (TWO, ONE)


def test_pips_files_and_variables(user: User) -> None:
    user.write(".pip/pip.conf", f"[global]\nindex-url = {ONE}\nproxy = http://old.example:1\n")
    user.write(".config/pip/pip.conf", f"[global]\nindex_url = {TWO}\ncert = /ca.pem\n[download]\nno-index = no\n")
    user.variables |= {"PIP_EXTRA_INDEX_URL": f"{THREE} {ONE}", "PIP_TRUSTED_HOST": "two.example:443 one.example"}
    sources = user.sources()
    assert sources.indexes == (TWO, THREE, ONE)
    assert (sources.proxy, sources.ca) == ("http://old.example:1", "/ca.pem")
    assert sources.trusted_hosts == {"two.example", "one.example"}


def test_pips_file_of_choice_and_none_at_all(user: User) -> None:
    user.write(".config/pip/pip.conf", f"[global]\nindex-url = {ONE}\n")
    user.variables["PIP_CONFIG_FILE"] = str(user.write("chosen.conf", f"[global]\nindex-url = {TWO}\n"))
    assert user.sources().indexes == (TWO,)
    user.variables["PIP_CONFIG_FILE"] = os.devnull
    assert user.sources().indexes == (default_index(),)


def test_no_index(user: User) -> None:
    user.write(
        ".config/pip/pip.conf", "[global]\nno-index = true\nfind-links =\n    /wheels\n    https://one.example/wheels\n"
    )
    sources = user.sources()
    assert (sources.indexes, sources.pages) == ((), ("/wheels", "https://one.example/wheels"))


def test_uvs_variables(user: User) -> None:
    user.variables |= {"UV_INDEX": f"mine={TWO} {THREE}", "UV_INDEX_URL": ONE, "UV_FIND_LINKS": "/a,/b"}
    sources = user.sources()
    assert (sources.indexes, sources.pages) == ((ONE, TWO, THREE), ("/a", "/b"))


def test_uvs_file(user: User) -> None:
    user.write(
        ".config/uv/uv.toml", f'[[index]]\nname = "x"\nurl = "{TWO}"\n[[index]]\nurl = "{ONE}"\ndefault = true\n'
    )
    assert user.sources().indexes == (ONE, TWO)
    user.write(".config/uv/uv.toml", f'no-index = false\n[pip]\nindex-url = "{THREE}"\nextra-index-url = ["{ONE}"]\n')
    assert user.sources().indexes == (THREE, ONE)
    user.variables["UV_NO_CONFIG"] = "1"
    assert user.sources().indexes == (default_index(),)


@pytest.mark.parametrize("path", [".config/pip/pip.conf", ".config/uv/uv.toml"])
def test_a_broken_file_is_told_and_ignored(user: User, path: str) -> None:
    user.write(path, "no = [ configuration")
    sources = user.sources()
    assert sources.indexes == (default_index(),)
    assert len(sources.warnings) == 1
    assert path in sources.warnings[0]


@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir], ids=["fifo", "folder"])
def test_what_is_no_file_is_not_waited_for(user: User, make: object) -> None:
    path = user.write(".config/pip/pip.conf", "")
    path.unlink()
    make(path)  # type: ignore[operator]
    assert user.sources().indexes == (default_index(),)


@pytest.mark.parametrize(
    "place", ["ftp://user:secret@one.example/", "http://[::1/simple", "https://one.example:port/", "://x"]
)
def test_what_is_no_place_is_refused(user: User, place: str) -> None:
    with pytest.raises(MetalfleetError, match="No wheels can be fetched from") as caught:
        user.sources(Network(index_url=place))
    assert "secret" not in str(caught.value)


def test_no_secret_is_shown_by_accident() -> None:
    url = "http://user:secret@one.example"
    network = Network(index_url=url, extra_index_urls=(url,), proxy=url, password="secret", wheels=url)
    assert "secret" not in repr(network)
    assert "secret" not in repr(sources_of(network, {}))
