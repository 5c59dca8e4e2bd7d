# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""The scripts that run on a host, with what they read."""

from __future__ import annotations

import hashlib
import io
import re
import shlex
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._python import intact
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._native_python.data import Uv
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._native_python.declaration import Declaration
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._native_python.failures import PYTHON_ORG_TEAM
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._native_python.host import Host
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._native_python.plan import Plan, question
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._native_python.sources import Artifact, Step
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._native_python.urls import is_url

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SCRIPTS = Path(__file__).with_name("on_host")

PYTHON_ORG_RECEIPT = "org.python.Python.PythonFramework-{0}"
INTACT = Path(intact.__file__)
MODULE_UTILS = Path(__file__).parents[2] / "module_utils"
MODULE_UTILS_SENT = "ansible_collections/metalfleet/tensorflow/plugins/module_utils"
SETTINGS = ("_errors.py", "_paths.py", "_wheels/network.py", "_wheels/settings.py")
"""What finish.py reads the settings of the user's pip with, in the same places below a package of the same name."""


class Script(NamedTuple):
    """A script to run on the host, with what it reads."""

    file: str
    variables: dict[str, str]
    files: dict[str, bytes]
    needs_root: bool = False

    @property
    def program(self) -> bytes:
        """The text of the script; the same for every host."""
        return b"".join((SCRIPTS / name).read_bytes() for name in ("common.sh", self.file))

    @property
    def command(self) -> str:
        """The shell command: nothing that is to be kept secret, and nothing that any login shell could misread.

        dd reads byte by byte, and so leaves to the script what is meant for the script.
        """
        return f"/bin/sh -c 'eval \"$(/bin/dd bs=1 count={len(self.program)} 2>/dev/null)\"'"

    @property
    def standard_input(self) -> bytes:
        """The script, one line of assignments, then the files as a tar stream."""
        line = " ".join(f"{key}={shlex.quote(value)}" for key, value in self.variables.items())
        return self.program + line.encode() + b"\n" + tar_of(self.files)


def inspection(declaration: Declaration) -> Script:
    """The script that collects all facts of a host."""
    on_one_line = f"exec({INTACT.read_text('utf-8')!r})"
    return Script("inspect.sh", {**question(declaration), "compare": on_one_line}, {})


def scripts_for(host: Host, plan: Plan, declaration: Declaration) -> list[Script]:
    """The script that carries a plan out. Reads the files on the controller that have to be sent, and checks them.

    Raises MetalfleetError where a file is missing or damaged.
    """
    step = plan.step or Step("", plan.version)
    variables, files = supply(step.artifact, declaration)
    certificates = {"ca.pem": read(declaration.ca, "native_python_ca")} if declaration.ca else {}
    finish = Script(
        "install.sh",
        {
            "root": host.root,
            "link": declaration.link,
            "python": plan.python,
            "step": step.how,
            "formula": step.formula,
            "uv_version": plan.uv.version,
            "index_url": declaration.indexes[0],
            "extra_index_urls": " ".join(declaration.indexes[1:]),
            "proxy": declaration.proxy,
        },
        {
            **certificates,
            "finish.py": (SCRIPTS / "finish.py").read_bytes(),
            "intact.py": INTACT.read_bytes(),
            **{f"{MODULE_UTILS_SENT}/{path}": (MODULE_UTILS / path).read_bytes() for path in SETTINGS},
            "requirements.txt": plan.uv.requirement.encode(),
            **local_wheel(declaration.mirror, plan.uv, host.platform),
        },
    )
    if step.how != "package":
        return [finish._replace(variables={**finish.variables, **variables}, files={**finish.files, **files})]
    identity = {"team": PYTHON_ORG_TEAM, "receipt": PYTHON_ORG_RECEIPT.format(declaration.version)}
    package = Script(
        "package.sh", {**variables, **identity, "proxy": declaration.proxy}, {**certificates, **files}, True
    )
    return [package, finish]


def supply(artifact: Artifact | None, declaration: Declaration) -> tuple[dict[str, str], dict[str, bytes]]:
    """How a script comes to its artifact: the assignments for fetch() in common.sh, and the file if it is sent."""
    if artifact is None:
        return {}, {}
    if not is_url(declaration.mirror or artifact.publisher):
        return {"sha256": artifact.sha256, "url": ""}, {"artifact": local_artifact(declaration.mirror, artifact)}
    # The publisher is told no password of a mirror.
    known = declaration.username and declaration.mirror
    user = f"{declaration.username}:{declaration.password}" if known else ""
    return {"sha256": artifact.sha256, "url": artifact.url(declaration.mirror), "user": curl_quoted(user)}, {}


def tar_of(files: Mapping[str, bytes], mode_of: Callable[[str], int] = lambda _: 0o600) -> bytes:
    """The files as tar -x takes them, readable by their owner only unless `mode_of` a path is another."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), mode_of(name)
            tar.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def curl_quoted(value: str) -> str:
    """A value for curl's configuration, quoted between double quotes.

    Source: https://curl.se/docs/manpage.html#-K.
    """
    return value.replace("\\", "\\\\").replace('"', '\\"')


def local_artifact(mirror: str, artifact: Artifact) -> bytes:
    """A file from a folder on the controller, checked here so that a damaged one is never sent."""
    path = Path(mirror) / artifact.path
    content = read(path, "native_python_mirror")
    computed = hashlib.sha256(content).hexdigest()
    if computed != artifact.sha256:
        is_page = re.search(rb"<html|<!doctype html", content[:512], re.IGNORECASE)
        kind = "is a web page (HTML), as login portals send" if is_page else "is damaged or another one"
        raise MetalfleetError(
            f"The file {path} {kind}",
            evidence=f"Its SHA-256 is {computed}; the pinned one is {artifact.sha256}.",
            remedy=f"Download it again from {artifact.url('')}.",
        )
    return content


def local_wheel(mirror: str, uv: Uv, platform: str) -> dict[str, bytes]:
    """The wheel of uv for a platform from a folder on the controller, if it has one: {file name: content}."""
    if not mirror or is_url(mirror):
        return {}
    system, _sign, machine = platform.partition("-")
    prefix = {"macos": "macosx", "linux": "manylinux"}.get(system, system)
    tag = re.compile(rf"{prefix}\w*_{machine}")
    damaged = []
    for path in sorted(Path(mirror).rglob(f"uv-{uv.version}-*.whl")):
        if tag.search(path.name):
            content = path.read_bytes()
            if hashlib.sha256(content).hexdigest() in uv.digests:
                return {path.name: content}
            damaged.append(str(path))
    if damaged:
        raise MetalfleetError(
            f"The wheel of uv is damaged: {', '.join(damaged)}",
            evidence="Its SHA-256 is none of those that the collection pins.",
            remedy="Replace it, or remove it, so that the host takes uv from the package index.",
        )
    return {}


def read(path: str | Path, option: str) -> bytes:
    """A file on the controller, or MetalfleetError with the option that names it."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise MetalfleetError(
            f"A file on the controller cannot be read: {path} ({error.strerror})",
            remedy=f"Put it there, or correct {option}.",
        ) from error
