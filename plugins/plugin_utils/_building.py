# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""Wheels of packages of which only the source is published: built once, on the controller, for all hosts."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._commands import Commands
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.failures import mask
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.index import explain_fetch
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.settings import sources_of
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.web import (
    FetchFailed,
    Web,
    chunks,
    local_path,
)
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._resolver import (
    Package,
    Resolver,
    Source,
    find_uv,
    in_one_line,
)

if TYPE_CHECKING:
    from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.network import Network

SECONDS_TO_BUILD = 600
FOR_ALL = "-none-any.whl"
REPRODUCIBLE = {"SOURCE_DATE_EPOCH": "315532800"}
"""The date of all files in a wheel, the oldest that a ZIP archive can have: built again, it has the same hash.

https://reproducible-builds.org/docs/source-date-epoch/
"""


@dataclass(frozen=True)
class BuiltWheel:
    """A wheel, and the SHA-256 of the source that it was built from."""

    package: str
    version: str
    filename: str
    content: bytes = field(repr=False)
    source_sha256: str

    @property
    def sha256(self) -> str:
        """Of the wheel."""
        return hashlib.sha256(self.content).hexdigest()

    @property
    def as_package(self) -> Package:
        """Its entry in a lock."""
        return Package(self.package, self.version, frozenset([self.sha256]))


def build(source: Source, resolver: Resolver, network: Network) -> BuiltWheel:
    """Build a package's wheel, in an environment of its own. Raises MetalfleetError."""
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder, Path(source.url.partition("#")[0]).name)
        archive.write_bytes(fetch_source(source, network))
        command = [find_uv(), "build", "--wheel", *resolver.options, f"--python={sys.executable}"]
        done = subprocess.run(
            [*command, "--no-python-downloads", f"--out-dir={folder}/wheels", str(archive)],
            env={**resolver.settings, **REPRODUCIBLE},
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS_TO_BUILD,
        )
        wheels = list(Path(folder, "wheels").glob("*.whl"))
        if done.returncode or len(wheels) != 1:
            raise MetalfleetError(
                f"{source.name} {source.version} cannot be built on the controller",
                evidence=f"uv says: {in_one_line(mask(done.stderr))[-1500:]}",
                remedy="Leave it out, or put a wheel of it on an index of your own.",
            )
        [wheel] = wheels
        if not wheel.name.endswith(FOR_ALL):
            raise MetalfleetError(
                f"{source.name} {source.version} is not pure Python: what is built here does not run on the hosts",
                evidence=f"It became {wheel.name}.",
                remedy="Leave it out, or put a wheel of it for the hosts on an index of your own.",
            )
        return BuiltWheel(source.name, source.version, wheel.name, wheel.read_bytes(), source.sha256)


def fetch_source(source: Source, network: Network) -> bytes:
    """The archive of a package's source, checked by its hash."""
    path = local_path(source.url)
    if path:
        content = path.read_bytes()
    else:
        web = Web(sources_of(network), Commands())
        try:
            with web.opened(source.url, {}) as response:
                content = b"".join(chunks(response))
        except FetchFailed as failure:
            raise explain_fetch(failure, f"The source of {source.name} {source.version} cannot be fetched") from failure
    if hashlib.sha256(content).hexdigest() != source.sha256:
        raise MetalfleetError(
            f"The source of {source.name} {source.version} is another than the package index says",
            remedy="Repair the index, or choose another one (tensorflow_index_url).",
        )
    return content
