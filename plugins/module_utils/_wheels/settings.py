# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""Where wheels come from and how the way there is: our options first, else what the user has configured for uv and pip.

Of the user's configuration only index, proxy and certificates count; habits, such as constraints, do not.
"""

from __future__ import annotations

import configparser
import os
import site
import sys
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._paths import open_regular
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.network import Network

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Settings = dict[str, list[str]]
"""The texts of each setting, which is called as pip spells it."""


def default_index() -> str:
    """The index that pip asks where nobody says another. Every Python that makes environments has pip.

    Our own processes start without the site-packages that it is in.
    """
    sys.path.extend(folder for folder in site.getsitepackages() if folder not in sys.path)
    return str(import_module("pip._internal.models.index").PyPI.simple_url)


@dataclass(frozen=True)
class Sources:
    """What the options and the user's configuration come to."""

    indexes: tuple[str, ...] = field(repr=False)
    pages: tuple[str, ...] = field(repr=False)
    """Folders or pages of wheels."""
    proxy: str = field(default="", repr=False)
    """Empty: as the surroundings say."""
    ca: str = ""
    """A file or folder of the user's with certificates."""
    certificates: str = field(default="", repr=False)
    client_cert: str = ""
    trusted_hosts: frozenset[str] = frozenset()
    """Whose certificates are not checked."""
    username: str = ""
    password: str = field(default="", repr=False)
    warnings: tuple[str, ...] = ()


def sources_of(network: Network, variables: Mapping[str, str] | None = None) -> Sources:
    """Where to look, by the options and this user's configuration. Raises MetalfleetError for what is no place."""
    variables = os.environ if variables is None else variables
    warnings: list[str] = []
    uv = _settings_of_uv(variables, warnings)
    pip = _settings_of_pip(variables, warnings)
    indexes, pages = _places(network, uv, pip)
    for place in (*indexes, *pages):
        _refuse_bad_place(place)
    return Sources(
        indexes=indexes,
        pages=pages,
        proxy=network.proxy or _first(pip, "proxy"),
        ca=_first(pip, "cert") or _bundle_of(variables),
        certificates=network.certificates,
        client_cert=_first(pip, "client-cert") or variables.get("SSL_CLIENT_CERT", ""),
        trusted_hosts=frozenset(
            host.partition(":")[0] for host in [*pip.get("trusted-host", []), *uv.get("allow-insecure-host", [])]
        ),
        username=network.username,
        password=network.password,
        warnings=tuple(warnings),
    )


def _places(network: Network, uv: Settings, pip: Settings) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Indexes and pages of wheels. An index that is declared replaces all that the user has configured."""
    if network.wheels:
        return (), (network.wheels,)
    if network.index_url:
        return tuple(dict.fromkeys([network.index_url, *network.extra_index_urls])), ()
    pages = tuple(dict.fromkeys([*uv.get("find-links", []), *pip.get("find-links", [])]))
    if _is_on(uv, "no-index") or _is_on(pip, "no-index"):
        return network.extra_index_urls, pages
    default = _first(uv, "index-url") or _first(pip, "index-url") or default_index()
    extra = [*network.extra_index_urls, *uv.get("extra-index-url", []), *pip.get("extra-index-url", [])]
    return tuple(dict.fromkeys([default, *extra])), pages


def _refuse_bad_place(place: str) -> None:
    if not _is_place(place):
        raise MetalfleetError(
            f"No wheels can be fetched from {place.rpartition('@')[2]!r}",
            evidence="It is no URL with http, https or file, and no folder.",
            remedy="Correct tensorflow_index_url, tensorflow_extra_index_urls or tensorflow_wheels, or the "
            "configuration of pip or uv on the host.",
        )


def _is_place(place: str) -> bool:
    try:
        parts = urlsplit(place)
        is_remote = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return is_remote or parts.scheme == "file" or "://" not in place


def _settings_of_pip(variables: Mapping[str, str], warnings: list[str]) -> Settings:
    """What pip would use: files, the later over the earlier, and variables over files."""
    settings: Settings = {}
    for path in _files_of_pip(variables):
        text = _text_of(path, warnings)
        parser = configparser.RawConfigParser()
        try:
            parser.read_string(text)
        except configparser.Error:
            warnings.append(f"{path} was ignored: it is not a configuration that pip could read.")
            continue
        for section in ("global", "download"):
            for key, value in parser.items(section) if parser.has_section(section) else ():
                settings[key.replace("_", "-")] = value.split()
    for name, value in variables.items():
        if name.startswith("PIP_") and value:
            settings[name[len("PIP_") :].lower().replace("_", "-")] = value.split()
    return settings


def _files_of_pip(variables: Mapping[str, str]) -> Iterator[Path]:
    chosen = variables.get("PIP_CONFIG_FILE", "")
    if chosen == os.devnull:
        return
    home, support = Path(variables.get("HOME") or "~").expanduser(), "Library/Application Support/pip/pip.conf"
    if sys.platform == "darwin":
        yield Path("/", support)
    else:
        for folder in reversed((variables.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(":")):
            yield Path(folder, "pip/pip.conf")
    yield Path("/etc/pip.conf")
    if not chosen or not Path(chosen).exists():
        yield home / ".pip/pip.conf"
        config = Path(variables.get("XDG_CONFIG_HOME") or home / ".config", "pip/pip.conf")
        yield home / support if sys.platform == "darwin" and (home / support).parent.is_dir() else config
    yield Path(sys.prefix, "pip.conf")
    if chosen:
        yield Path(chosen)


def _settings_of_uv(variables: Mapping[str, str], warnings: list[str]) -> Settings:
    """What uv would use, in pip's spelling."""
    settings: Settings = {}
    home = Path(variables.get("HOME") or "~").expanduser()
    folders = (variables.get("XDG_CONFIG_DIRS") or "/etc/xdg:/etc").split(":")
    files = [*(Path(folder, "uv/uv.toml") for folder in reversed(folders)), Path("/etc/uv/uv.toml")]
    files.append(Path(variables.get("XDG_CONFIG_HOME") or home / ".config", "uv/uv.toml"))
    if variables.get("UV_CONFIG_FILE"):
        files = [Path(variables["UV_CONFIG_FILE"])]
    for path in [] if variables.get("UV_NO_CONFIG") else files:
        settings.update(_from_toml(_text_of(path, warnings), path, warnings))
    for name, key in (
        ("UV_INDEX_URL", "index-url"),
        ("UV_DEFAULT_INDEX", "index-url"),
        ("UV_EXTRA_INDEX_URL", "extra-index-url"),
        ("UV_INDEX", "extra-index-url"),
        ("UV_FIND_LINKS", "find-links"),
        ("UV_NO_INDEX", "no-index"),
        ("UV_INSECURE_HOST", "allow-insecure-host"),
    ):
        if variables.get(name):
            separated = variables[name].replace(",", " ") if key == "find-links" else variables[name]
            settings[key] = [_without_name(text) for text in separated.split()]
    return settings


def _from_toml(text: str, path: Path, warnings: list[str]) -> Settings:
    """The settings of a uv.toml, where this Python can read one (3.11 and later)."""
    if not text:
        return {}
    try:
        tomllib = import_module("tomllib")
    except ImportError:
        warnings.append(f"{path} was ignored: this Python cannot read it. Set tensorflow_index_url instead.")
        return {}
    try:
        content = tomllib.loads(text)
    except ValueError:
        warnings.append(f"{path} was ignored: it is not a configuration that uv could read.")
        return {}
    settings = {key: _texts(value) for key, value in {**content, **content.get("pip", {})}.items()}
    indexes = [index for index in content.get("index", []) if isinstance(index, dict) and "url" in index]
    default = [str(index["url"]) for index in indexes if index.get("default")]
    others = [str(index["url"]) for index in indexes if not index.get("default")]
    return {
        **settings,
        **({"index-url": default} if default else {}),
        **({"extra-index-url": others} if others else {}),
    }


def _texts(value: Any) -> list[str]:
    return [str(each) for each in value] if isinstance(value, list) else [str(value)]


def _without_name(index: str) -> str:
    """An index's URL, without the name that uv allows in front of it."""
    name, equals, url = index.partition("=")
    return url if equals and name.replace("-", "").replace("_", "").isalnum() else index


def _text_of(path: Path, warnings: list[str]) -> str:
    """What a file holds; of what is no readable text file, nothing."""
    try:
        with open_regular(path) as file:
            return file.read().decode("utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError):
        warnings.append(f"{path} was ignored: it cannot be read.")
        return ""


def _first(settings: Settings, key: str) -> str:
    return next(iter(settings.get(key, [])), "")


def _bundle_of(variables: Mapping[str, str]) -> str:
    """The certificates that pip would use beside those of the system. OpenSSL minds SSL_CERT_FILE by itself."""
    path = variables.get("REQUESTS_CA_BUNDLE") or variables.get("CURL_CA_BUNDLE") or ""
    return path if path and Path(path).exists() else ""


def _is_on(settings: Settings, key: str) -> bool:
    return _first(settings, key).lower() in ("1", "true", "yes", "on", "t", "y")
