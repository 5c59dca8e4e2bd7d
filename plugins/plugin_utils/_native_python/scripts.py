# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""The scripts that run on a host, with what they read, and what their exit statuses mean."""

from __future__ import annotations

import hashlib
import io
import re
import shlex
import tarfile
from pathlib import Path
from typing import NamedTuple

from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._native_python.declaration import (
    Declaration,
    Uv,
    is_url,
)
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._native_python.host import Host, NativePythonError
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._native_python.plan import Plan
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._native_python.sources import Artifact, Step

SCRIPTS = Path(__file__).with_name("on_host")

PYTHON_ORG_TEAM = "BMM5U3QVKW"
"""Of the Python Software Foundation, as its packages are signed."""
PYTHON_ORG_RECEIPT = "org.python.Python.PythonFramework-{0}"

#: Exit statuses of the scripts (see common.sh): what happened, and what to do about it.
FAILURES = {
    20: (
        "the SHA-256 of what came from the mirror is not the declared one, so it was not used",
        "Replace the damaged file, or correct sha256 in native_python_archives or native_python_packages.",
    ),
    21: ("the files could not be stored", "Make sure that {root} is writable and has 200 MB free."),
    22: (
        "{url} could not be downloaded",
        (
            "Check the network, native_python_mirror (it may also name a folder on the controller), its credentials, "
            "native_python_proxy and native_python_ca."
        ),
    ),
    23: ("the interpreter does not run", "Run again; if that does not help, choose another native_python_source."),
    24: (
        "uv could not be installed",
        (
            "Check that the package index answers, native_python_index_url, native_python_proxy and "
            "native_python_ca; or put a wheel of uv into the folder that native_python_mirror names."
        ),
    ),
    25: (
        "macOS killed the interpreter as soon as it started (exit status 137)",
        (
            "Its ad-hoc signature was not accepted, or security software lets only known programs run. Allow it there; "
            "or use native_python_source: python_org, whose interpreter has a developer's signature; or unpack the "
            "archive on a Mac, run `codesign --force --sign - python/bin/python3*` there, pack it again, and declare "
            "the new sha256."
        ),
    ),
    30: ("Homebrew could not install {formula}", "Run `brew install {formula}` on the host to see what it needs."),
    31: (
        "the package is not signed by the Python Software Foundation (team {team}), so it was not installed",
        "Take it from python.org.",
    ),
    32: (
        "the installer did not install the package",
        "Its reason is in /var/log/install.log on the host. Free disk space, or remove what is in the way.",
    ),
}
NO_SPACE = "No space left on device"


class Script(NamedTuple):
    """A script to run on the host, with what it reads."""

    file: str
    variables: dict[str, str]
    files: dict[str, bytes]
    needs_root: bool = False

    @property
    def command(self) -> str:
        """The shell command; the same for every host, without anything that is to be kept secret."""
        text = "".join((SCRIPTS / name).read_text(encoding="utf-8") for name in ("common.sh", self.file))
        return f"/bin/sh -c {shlex.quote(text)}"

    @property
    def standard_input(self) -> bytes:
        """One line of assignments, then the files as a tar stream."""
        line = " ".join(f"{key}={shlex.quote(value)}" for key, value in self.variables.items())
        return line.encode() + b"\n" + tar_of(self.files)


def scripts_for(host: Host, plan: Plan, declaration: Declaration) -> list[Script]:
    """What carries a plan out. Reads the files on the controller that have to be sent, and checks them.

    Raises NativePythonError where a file is missing or damaged.
    """
    step = plan.step or Step("", plan.version)
    variables, files = supply(step.artifact, declaration)
    certificates = {"ca.pem": read(declaration.ca, "native_python_ca")} if declaration.ca else {}
    finish = Script(
        "install.sh",
        {
            "root": host.root,
            "python": plan.python,
            "step": step.how,
            "formula": step.formula,
            "uv_version": plan.uv.version,
            "index_url": declaration.index_url,
            "proxy": declaration.proxy,
        },
        {
            **certificates,
            "finish.py": (SCRIPTS / "finish.py").read_bytes(),
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
    user = f"{declaration.username}:{declaration.password}" if declaration.username else ""
    return {"sha256": artifact.sha256, "url": artifact.url(declaration.mirror), "user": curl_quoted(user)}, {}


def tar_of(files: dict[str, bytes]) -> bytes:
    """The files as tar -x takes them, readable by their owner only."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o600
            tar.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def curl_quoted(value: str) -> str:
    """As curl's configuration wants it between double quotes.

    Source: https://curl.se/docs/manpage.html#-K.
    """
    return value.replace("\\", "\\\\").replace('"', '\\"')


def local_artifact(mirror: str, artifact: Artifact) -> bytes:
    """A file from a folder on the controller, checked here so that a damaged one is never sent."""
    path = Path(mirror).expanduser() / artifact.path
    content = read(path, "native_python_mirror")
    computed = hashlib.sha256(content).hexdigest()
    if computed != artifact.sha256:
        raise NativePythonError(
            f"The file from the mirror is damaged: {path} has SHA-256 {computed}, declared is {artifact.sha256}. "
            f"{FAILURES[20][1]}"
        )
    return content


def local_wheel(mirror: str, uv: Uv, platform: str) -> dict[str, bytes]:
    """The wheel of uv for a platform from a folder on the controller, if it has one: {file name: content}."""
    if not mirror or is_url(mirror):
        return {}
    system, _, machine = platform.partition("-")
    tag = re.compile(rf"{ {'macos': 'macosx', 'linux': 'manylinux'}.get(system, system) }\w*_{machine}")
    damaged = []
    for path in sorted(Path(mirror).expanduser().rglob(f"uv-{uv.version}-*.whl")):
        if tag.search(path.name):
            content = path.read_bytes()
            if hashlib.sha256(content).hexdigest() in uv.digests:
                return {path.name: content}
            damaged.append(str(path))
    if damaged:
        raise NativePythonError(
            f"The wheel of uv is damaged: {', '.join(damaged)} has none of the hashes in the collection. "
            "Replace it, or remove it, so that the host takes uv from the index."
        )
    return {}


def read(path: str | Path, option: str) -> bytes:
    """A file on the controller, or NativePythonError with the option that names it."""
    try:
        return Path(path).expanduser().read_bytes()
    except OSError as error:
        raise NativePythonError(
            f"A file on the controller cannot be read: {path} ({error.strerror}). Put it there, or correct {option}."
        ) from error


def explain_failure(status: int, said: str, plan: Plan, host: Host, declaration: Declaration) -> str:
    """One message with cause, evidence and remedy for a script that failed."""
    step = plan.step
    known = {
        "root": host.root,
        "formula": step.formula if step else "",
        "team": PYTHON_ORG_TEAM,
        "url": step.artifact.url(declaration.mirror) if step and step.artifact else "",
    }
    unknown = (f"the installation ended with status {status}", "Run again; nothing half-done is in use.")
    cause, remedy = (text.format(**known) for text in FAILURES.get(status, unknown))
    if NO_SPACE in said:
        cause, remedy = "the disk is full", f"Free at least 200 MB on the volume of {host.root} and run again."
    evidence = f" The host said: {said.strip()[-1500:]}" if said.strip() else ""
    return declaration.mask(f"No native Python was installed: {cause}. {remedy}{evidence}")
