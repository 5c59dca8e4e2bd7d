# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""Where the controller resolves packages: the same options as for hosts, else what pip and uv have configured here."""

from __future__ import annotations

import os
import ssl
import tempfile
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.settings import Sources, sources_of
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._native_python.urls import is_url, with_credentials
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._resolver import Resolver

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.network import Network

PASSED_ON = ("UV_CACHE_DIR", "UV_HTTP_TIMEOUT", "UV_KEYRING_PROVIDER", "UV_NATIVE_TLS", "UV_SYSTEM_CERTS")
"""What of the user's own settings of uv still counts; habits, such as constraints, do not."""


@contextmanager
def resolver_for(network: Network) -> Iterator[Resolver]:
    """A resolver that looks where the options say. What is secret goes to uv in its environment alone."""
    # Of a folder on the hosts nothing can be known here.
    sources = sources_of(network if is_url(network.wheels) else replace(network, wheels=""))
    # What pip is configured with may hold several indexes, of which pip takes the best that any has.
    mixes = not network.index_url and len(sources.indexes) + len(sources.pages) > 1
    strategy = ["--index-strategy=unsafe-best-match"] if mixes else []
    with tempfile.TemporaryDirectory() as folder:
        options = (*strategy, *([] if sources.indexes else ["--no-index"]))
        yield Resolver(uv_settings(sources, Path(folder)), options, mixes)


def uv_settings(sources: Sources, folder: Path) -> dict[str, str]:
    """The environment for uv. Certificates are put into a file in `folder`."""
    settings = {name: value for name, value in os.environ.items() if name in PASSED_ON or not name.startswith("UV_")}
    settings |= {"UV_NO_CONFIG": "1", **_places(sources)}
    if sources.proxy:
        settings |= dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), sources.proxy)
    if sources.trusted_hosts:
        settings["UV_INSECURE_HOST"] = " ".join(sorted(sources.trusted_hosts))
    bundle = _bundle(sources)
    if bundle:
        (folder / "ca.pem").write_text(bundle, "utf-8")
        settings["SSL_CERT_FILE"] = str(folder / "ca.pem")
    return settings


def _places(sources: Sources) -> Mapping[str, str]:
    default, *others = [with_credentials(url, sources.username, sources.password) for url in sources.indexes] or [""]
    pages = [with_credentials(url, sources.username, sources.password) for url in sources.pages]
    places = {"UV_DEFAULT_INDEX": default, "UV_INDEX": " ".join(others), "UV_FIND_LINKS": ",".join(pages)}
    return {name: value for name, value in places.items() if value}


def _bundle(sources: Sources) -> str:
    """Certificates beside those of the system, together with those; "" if there are none."""
    if not (sources.certificates or sources.ca):
        return ""
    paths = [os.environ.get("SSL_CERT_FILE") or ssl.get_default_verify_paths().cafile, sources.ca]
    texts = [Path(path).read_text("utf-8") for path in paths if path and Path(path).is_file()]
    return "\n".join([*texts, sources.certificates])
