# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""The sources of an interpreter: where it may be installed already, and how it is installed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._options import PIN_OPTIONS
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._python.wanted import (
    HOMEBREW_PYTHON,
    PYTHON_ORG_PYTHON,
    pin_of,
    standalone_python,
)
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._native_python.data import pins_of
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._native_python.host import Host, Judged

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._native_python.declaration import Declaration

TRIPLE = "aarch64-apple-darwin"


class Artifact(NamedTuple):
    """A pinned file: its place below a mirror, its digest, and the publisher whose layout mirrors keep."""

    path: str
    sha256: str
    publisher: str

    def url(self, mirror: str) -> str:
        """Where a host gets it from."""
        return f"{mirror.rstrip('/') or self.publisher}/{self.path}"


class Step(NamedTuple):
    """How a host comes to an interpreter that it does not have; `version` is the one that it will have."""

    how: str
    version: str
    artifact: Artifact | None = None
    formula: str = ""


class Source:
    """A source of an interpreter on a Mac."""

    def places(self, declaration: Declaration) -> list[str]:
        """Patterns of the paths at which an interpreter may be already."""
        raise NotImplementedError

    def step(self, host: Host, declaration: Declaration) -> Step:
        """What brings the interpreter that is wanted. Raises MetalfleetError where nothing does."""
        raise NotImplementedError


class Standalone(Source):
    """A build of python-build-standalone, unpacked below the root.

    Source: https://gregoryszorc.com/docs/python-build-standalone/main/distributions.html ("install_only_stripped").
    """

    publisher = "https://github.com/astral-sh/python-build-standalone/releases/download"

    def places(self, declaration: Declaration) -> list[str]:
        """Only the folder that we unpacked."""
        pin = pin_for(declaration)
        return [str(standalone_python(Path(declaration.root), pin["version"], str(pin["build"])))]

    def step(self, host: Host, declaration: Declaration) -> Step:  # noqa: ARG002 - any host can
        """Unpack the archive."""
        pin = pin_for(declaration)
        build, version, digests = str(pin["build"]), pin["version"], pin["sha256"]
        name = f"{build}/cpython-{version}+{build}-{TRIPLE}-install_only_stripped.tar.gz"
        of_mac = digests.get(TRIPLE) if isinstance(digests, dict) else None
        digest = checked_digest(of_mac, f"sha256 for {TRIPLE}", declaration)
        return Step("unpack", version, Artifact(name, digest, self.publisher))


class PythonOrg(Source):
    """The Python Software Foundation's signed package.

    Source: https://docs.python.org/3/using/mac.html.
    """

    publisher = "https://www.python.org/ftp/python"

    def places(self, declaration: Declaration) -> list[str]:
        """The one place where the installer puts it."""
        return [PYTHON_ORG_PYTHON.format(declaration.version)]

    def step(self, host: Host, declaration: Declaration) -> Step:  # noqa: ARG002 - any host can
        """Run the installer."""
        pin = pin_for(declaration)
        version, file = pin["version"], pin["file"]
        digest = checked_digest(pin["sha256"], "sha256", declaration)
        return Step("package", version, Artifact(f"{version}/{file}", digest, self.publisher))


class Homebrew(Source):
    """Homebrew's formula, from the native prefix.

    Source: https://docs.brew.sh/Installation.
    """

    def places(self, declaration: Declaration) -> list[str]:
        """The stable link, which follows upgrades."""
        return [HOMEBREW_PYTHON.format(declaration.version)]

    def step(self, host: Host, declaration: Declaration) -> Step:
        """Let brew install the formula."""
        if host.brew.startswith("/usr/local/"):
            raise MetalfleetError(
                "The Homebrew of this Mac, in /usr/local, is the x86_64 one: what it installs runs translated by "
                "Rosetta, without Metal",
                remedy="Install Homebrew for Apple Silicon (it goes to /opt/homebrew), or choose "
                "native_python_source: standalone.",
            )
        if not host.brew:
            raise MetalfleetError(
                "There is no Homebrew in /opt/homebrew on this Mac",
                remedy="Install it, or choose native_python_source: standalone, which needs nothing.",
            )
        if host.uid == "0":
            raise MetalfleetError(
                "Homebrew does not run as root, and this task does",
                remedy="Remove `become`, and connect as the user who owns /opt/homebrew.",
            )
        if not host.developer_tools:
            raise MetalfleetError(
                "Homebrew needs the Command Line Tools, which this Mac does not have: running brew would open a dialog "
                "on the user's screen",
                remedy="Install them, or choose native_python_source: standalone.",
            )
        return Step("brew", declaration.version, formula=f"python@{declaration.version}")


class Existing(Source):
    """An interpreter that others maintain: the named one, or the best that is found."""

    on_mac = (
        "/Library/Frameworks/Python.framework/Versions/{0}/bin/python{0}",
        "/Library/ManagedFrameworks/Python/Python3.framework/Versions/{0}/bin/python{0}",
        "/opt/homebrew/opt/python@{0}/bin/python{0}",
        "~/.local/share/uv/python/cpython-{0}.*/bin/python{0}",
        "~/.pyenv/versions/{0}.*/bin/python{0}",
        "/opt/local/bin/python{0}",
        "/usr/local/bin/python{0}",
    )
    elsewhere = (
        "python{0}",
        "/usr/local/bin/python{0}",
        "~/.pyenv/versions/{0}.*/bin/python{0}",
        "~/.local/share/uv/python/cpython-{0}.*/bin/python{0}",
    )

    def places(self, declaration: Declaration) -> list[str]:
        """The named one, or where people install them on a Mac."""
        return self._places(declaration, self.on_mac)

    def places_elsewhere(self, declaration: Declaration) -> list[str]:
        """The same for other systems."""
        return self._places(declaration, self.elsewhere)

    @staticmethod
    def _places(declaration: Declaration, patterns: tuple[str, ...]) -> list[str]:
        named = [declaration.existing] if declaration.existing else []
        return named or [pattern.format(minor) for minor in declaration.minors for pattern in patterns]

    def step(self, host: Host, declaration: Declaration) -> Step:
        """Nothing brings it: raises MetalfleetError with all that were looked at."""
        if declaration.existing:
            judged = next(iter(host.candidates), Judged())
            raise MetalfleetError(
                f"{declaration.existing} cannot be used: {judged.objection}",
                remedy="Let native_python_existing name another native Python with pip, or choose another "
                "native_python_source.",
            )
        seen = " ".join(f"{each.path}: {each.objection}." for each in host.candidates)
        if host.is_mac:
            raise MetalfleetError(
                f"No native Python {' or '.join(declaration.minors)} was found on this Mac",
                evidence=seen,
                remedy="Name one with native_python_existing, or choose native_python_source: standalone.",
            )
        raise MetalfleetError(
            f"No Python of a version that TensorFlow has wheels for was found on this {host.system} host",
            evidence=seen,
            remedy=f"Install Python {declaration.version} with pip (on Debian and Ubuntu: python{declaration.version} "
            "and python3-pip).",
        )


EXISTING = Existing()
SOURCES: dict[str, Source] = {
    "standalone": Standalone(),
    "python_org": PythonOrg(),
    "homebrew": Homebrew(),
    "existing": EXISTING,
}


def pin_for(declaration: Declaration) -> Mapping[str, Any]:
    """What is pinned for the declared source and minor version."""
    pins = pins_of(declaration.source, vars(declaration))
    return pin_of(pins, declaration.source, declaration.version)


def checked_digest(digest: Any, what: str, declaration: Declaration) -> str:
    """A SHA-256 as it was declared; without one nothing is installed."""
    found = str(digest).strip().lower()
    if not re.fullmatch(r"[0-9a-f]{64}", found):
        raise MetalfleetError(
            f"The pinned Python {declaration.version} has no {what}",
            evidence="It is " + (f"{digest!r}." if digest else "missing."),
            remedy=f"Give the 64 hexadecimal digits in native_python_{PIN_OPTIONS[declaration.source]}.",
        )
    return found
