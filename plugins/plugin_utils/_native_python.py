# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""What the action plugin native_python decides, as plain Python: read an answer, make the plan, word a failure."""

from __future__ import annotations

import hashlib
import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

SCRIPTS = Path(__file__).parent / "native_python"

#: Exit statuses of install.sh: what happened, and what to do about it.
FAILURES = {
    20: (
        "the archive's SHA-256 is not the declared one, so it was not unpacked",
        "Replace the damaged archive, or correct sha256 in native_python_archives.",
    ),
    21: ("the archive could not be stored and unpacked", "Make sure that {root} is writable and has 200 MB free."),
    22: (
        "the archive could not be downloaded from {url}",
        "Check the network and native_python_mirror; it may also name a folder on the controller.",
    ),
    23: (
        "the unpacked interpreter does not run",
        (
            "On exit status 137 macOS has killed it for its signature: `codesign --force --sign - PYTHON` on the "
            "interpreter helps; security software that allows only known programs must allow it."
        ),
    ),
    24: ("uv could not be installed", "Check that the package index answers, and native_python_index_url."),
}
NO_SPACE = "No space left on device"
FINISH_MARK = "#FINISH#\n"


class NativePythonError(Exception):
    """A native Python cannot be had on this host; the message names cause and remedy."""


@dataclass(frozen=True)
class Archive:
    """A standalone CPython as python-build-standalone publishes it (its release layout, kept by mirrors).

    Source: https://gregoryszorc.com/docs/python-build-standalone/main/distributions.html ("install_only_stripped").
    """

    version: str
    build: str
    sha256: str
    triple: str = "aarch64-apple-darwin"

    @property
    def name(self) -> str:
        """The folder it is unpacked to, which tells one build from another."""
        return f"cpython-{self.version}+{self.build}"

    @property
    def path(self) -> str:
        """Its place below a mirror."""
        return f"{self.build}/{self.name}-{self.triple}-install_only_stripped.tar.gz"

    @property
    def minor(self) -> str:
        return minor_of(self.version)


@dataclass(frozen=True)
class Host:
    """What inspect.sh said."""

    root: str
    system: str
    machine: str
    macos: str = ""
    sysctl: dict[str, str] = field(default_factory=dict)
    interpreter: str = ""
    interpreter_status: int = 127
    interpreter_version: str = ""
    uv: str = ""
    uv_present: bool = False
    existing: str = ""
    existing_version: str = ""

    @property
    def platform(self) -> str:
        """The name that locks and wheels of this host go by."""
        system = {"Darwin": "macos"}.get(self.system, self.system.lower())
        arm_mac = self.system == "Darwin" and self.sysctl.get("hw.optional.arm64") == "1"
        return f"{system}-{'arm64' if arm_mac else self.machine}"


@dataclass(frozen=True)
class Uv:
    """The pinned uv: its version, and the requirement with its hashes on one line."""

    version: str
    requirement: str


@dataclass(frozen=True)
class Plan:
    """What has to be put on a host, and why (reason codes; none: nothing to do)."""

    python: str
    version: str
    uv: Uv
    reasons: tuple[str, ...]
    archive: Archive | None = None


def minor_of(version: str) -> str:
    """3.12.16 -> 3.12."""
    return ".".join(version.split(".")[:2])


def parse_answer(text: str) -> Host:
    """Read the key=value lines of inspect.sh; a key that is missing keeps its default."""
    values: dict[str, Any] = {"sysctl": {}}
    for key, separator, value in (line.partition("=") for line in text.splitlines()):
        if key.startswith("sysctl."):
            values["sysctl"][key.removeprefix("sysctl.")] = value
        elif separator and key in Host.__dataclass_fields__:
            values[key] = value
    if "root" not in values or "system" not in values:
        raise NativePythonError(f"The host did not answer as a POSIX shell would: {text.strip()[:300]!r}")
    values["interpreter_status"] = int(values.get("interpreter_status") or 127)
    values["uv_present"] = values.get("uv_present") == "1"
    return Host(**values)


def parse_uv(requirement: str) -> Uv:
    """Read the hashed requirement of uv; comments and continuation lines are as pip allows them."""
    lines = (line.strip().removesuffix("\\") for line in requirement.splitlines() if not line.lstrip().startswith("#"))
    text = " ".join(" ".join(lines).split())
    match = re.fullmatch(r"uv==([\w.]+)( --hash=sha256:[0-9a-f]{64})+", text)
    if not match:
        raise NativePythonError("The requirement of uv must pin one version: uv==VERSION --hash=sha256:DIGEST ...")
    return Uv(match.group(1), text)


def make_plan(host: Host, version: str, archives: dict[str, Any], minimum_macos: str, uv_requirement: str) -> Plan:
    """Decide what a host needs; changes nothing.

    `version` is the wanted minor version, `archives` maps minor versions to {version, build, sha256: {triple: digest}}.
    Raises NativePythonError where this host cannot have it.
    """
    archive = None
    if host.system == "Darwin":
        refuse_unsuitable_mac(host, minimum_macos)
        archive = choose_archive(version, archives)
        python = str(PurePosixPath(host.root, "python", archive.name, "bin", f"python{archive.minor}"))
        full_version = archive.version
    else:
        if not host.existing:
            raise NativePythonError(
                f"No Python of a version that TensorFlow has wheels for was found on this {host.system} host. "
                f"Install Python {version} with pip (on Debian and Ubuntu: python{version} and python3-pip)."
            )
        python, full_version = host.existing, host.existing_version
    uv = parse_uv(uv_requirement)
    return Plan(python, full_version, uv, tuple(find_reasons(host, python, uv)), archive)


def refuse_unsuitable_mac(host: Host, minimum_macos: str) -> None:
    if host.sysctl.get("hw.optional.arm64") != "1":
        chip = host.sysctl.get("machdep.cpu.brand_string", "unknown")
        raise NativePythonError(
            f"This Mac has no Apple Silicon (processor: {chip}; model: {host.sysctl.get('hw.model', 'unknown')}). "
            "A native arm64 Python and Apple's Metal plug-in need an M-series Mac. Nothing was downloaded or changed. "
            "Take this host out of the play, for example with --limit."
        )
    if host.macos and version_key(host.macos) < version_key(minimum_macos):
        raise NativePythonError(
            f"This Mac runs macOS {host.macos}; at least {minimum_macos} is needed. Nothing was downloaded or changed. "
            "Update macOS, or take this host out of the play, for example with --limit."
        )


def version_key(version: str) -> tuple[int, ...]:
    """Compare versions as numbers: 9 comes before 12.1."""
    return tuple(int(part) for part in re.findall(r"\d+", version))


def choose_archive(version: str, archives: dict[str, Any], triple: str = "aarch64-apple-darwin") -> Archive:
    """The archive declared for a minor version."""
    if version not in archives:
        known = ", ".join(sorted(archives, key=version_key))
        raise NativePythonError(f"native_python_archives has no Python {version}; it has {known}.")
    entry = archives[version]
    digest = entry.get("sha256", {}).get(triple)
    if not re.fullmatch(r"[0-9a-f]{64}", str(digest)):
        raise NativePythonError(f"native_python_archives: Python {version} has no sha256 for {triple}.")
    return Archive(entry["version"], str(entry["build"]), digest, triple)


def find_reasons(host: Host, python: str, uv: Uv) -> list[str]:
    """Reason codes, in the order in which they are mended."""
    reasons = []
    if not host.interpreter:
        reasons.append("absent")
    elif host.interpreter != python:
        reasons.append("interpreter-changed")
    elif host.interpreter_status:
        reasons.append("interpreter-missing")
    if not host.uv_present or f"/uv/{uv.version}/" not in host.uv:
        reasons.append("uv")
    return reasons


def describe(host: Host, plan: Plan) -> dict[str, dict[str, str | None]]:
    """Ansible's diff: what is linked now, and what will be."""
    before = {"python": host.interpreter or None, "uv": host.uv if host.uv_present else None}
    after = {"python": plan.python, "uv": str(PurePosixPath(host.root, "uv", plan.uv.version, "bin", "uv"))}
    return {"before": before, "after": after}


def local_archive(mirror: str, archive: Archive) -> bytes:
    """An archive from a folder on the controller, checked here so that a damaged one is never sent."""
    path = Path(mirror).expanduser() / archive.path
    try:
        content = path.read_bytes()
    except OSError as error:
        raise NativePythonError(
            f"The Python archive cannot be read: {path} ({error.strerror}). "
            "Put it there, or let native_python_mirror name another folder or a URL."
        ) from error
    computed = hashlib.sha256(content).hexdigest()
    if computed != archive.sha256:
        raise NativePythonError(
            f"The Python archive is damaged: {path} has SHA-256 {computed}, declared is {archive.sha256}. {FAILURES[20][1]}"
        )
    return content


def is_url(mirror: str) -> bool:
    return "://" in mirror


def command(file: str) -> str:
    """A shell command that runs a script of ours, which finds its variables and data on standard input."""
    text = (SCRIPTS / file).read_text(encoding="utf-8")
    return f"/bin/sh -c {shlex.quote(text.replace(FINISH_MARK, (SCRIPTS / 'finish.py').read_text(encoding='utf-8')))}"


def standard_input(payload: bytes = b"", /, **variables: str) -> bytes:
    """What a script reads: one line of assignments, then data.

    Nothing of it shows in a process list. The script is no part of it because some shells read their script ahead.
    """
    return " ".join(f"{key}={shlex.quote(value)}" for key, value in variables.items()).encode() + b"\n" + payload


def explain_failure(status: int, stderr: str, root: str, url: str) -> str:
    """One message with cause, evidence and remedy for a failed install.sh."""
    evidence = stderr.strip()[-1500:]
    if NO_SPACE in stderr:
        cause, remedy = "the disk is full", f"Free at least 200 MB on the volume of {root} and run again."
    else:
        unknown = (f"the installation ended with status {status}", "Run again; nothing half-done is active.")
        cause, remedy = (text.format(root=root, url=mask(url)) for text in FAILURES.get(status, unknown))
    return f"No native Python was installed: {cause}. {remedy}" + (
        f" The host said: {mask(evidence)}" if evidence else ""
    )


def mask(text: str) -> str:
    """Hide user name and password of every URL in a text."""
    return re.sub(r"(\w+://)[^/@\s]+@", r"\1***@", text)
