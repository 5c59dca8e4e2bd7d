# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of one host that its profile, its name and this machine's network determine: its layer above the others."""

from __future__ import annotations

import os
import plistlib
import shutil
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from . import engine
from .inside.mac_programs import COMMAND_LINE_TOOLS, ROSETTA, SELECTED_TOOLS
from .profile import BOOT_TIME, Profile
from .store import GROUP_ID, SIM, USER_ID, Store, link, put, read_by_zsh

BANNER = "This is a simulated Mac: Linux programs that answer like a Mac's, made for tests. It is not a Mac."
# Settings of this machine's network that hosts need too.
NETWORK = [name for word in ("http_proxy", "https_proxy", "no_proxy") for name in (word, word.upper())]
NETWORK += ["UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL"]
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"


def write(layer: Path, name: str, profile: Profile, store: Store) -> None:
    """Make the layer."""
    etc, user = layer / "private/etc", profile.user
    if profile.macos.version:
        put(layer / "System/Library/CoreServices/SystemVersion.plist", system_version(profile))
    put(etc / "hosts", f"127.0.0.1 localhost {name}\n")
    put(
        etc / "passwd",
        "root:x:0:0:System Administrator:/var/root:/bin/sh\nsshd:x:75:75::/var/empty:/usr/bin/false\n"
        f"{user}:x:{USER_ID}:{GROUP_ID}::/Users/{user}:/bin/zsh\nnobody:x:65534:65534::/var/empty:/usr/bin/false\n",
    )
    put(etc / "group", f"wheel:x:0:root\nstaff:x:20:{user}\nadmin:x:80:{user}\nsshd:x:75:\nnogroup:x:65534:\n")
    put(etc / "shadow", f"root:*:1::::::\n{user}:*:1::::::\n", 0o600)
    put(etc / "motd", f"\n{BANNER}\n{profile.description}.\n\n")
    put(etc / "ssh/authorized_keys", (store.home / "id_ed25519.pub").read_text())
    put(etc / "ssh/host_key", (store.home / "host_key").read_text(), 0o600)
    put(etc / "ssh/sshd_config", sshd_config(profile, network_settings()))
    said = f"OSTYPE=darwin{profile.macos.darwin.split('.')[0]}.0 MACHTYPE={profile.arch}\n"
    put(etc / "zsh/zshenv", said + read_by_zsh("/etc/zshenv"))
    put(etc / "csh.cshrc", "setenv OSTYPE darwin\n")
    for kept in ("resolv.conf", "localtime"):
        if Path("/etc", kept).exists():
            shutil.copy(Path("/etc", kept), etc / kept)
    shutil.copytree("/etc/ssl/certs", etc / "ssl/certs", symlinks=True)
    link(etc / "ssl/cert.pem", "certs/ca-certificates.crt")
    put(layer / "Library/Application Support/pip/pip.conf", f"[global]\ncert = {CERTIFICATES}\n")
    lines = "".join(f"{key}={value}\n" for key, value in network_settings().items())
    put(layer / SIM / "tools/environment", lines)
    if profile.rosetta:
        put(layer / ROSETTA.relative_to("/"), "")
    if profile.command_line_tools_lost:
        link(layer / SELECTED_TOOLS.relative_to("/"), str(COMMAND_LINE_TOOLS))
    own_files(layer, profile)
    for receipt, version in receipts(profile, store.python.minor).items():
        put(layer / "private/var/db/receipts" / f"{receipt}.plist", receipt_file(receipt, version))


def own_files(layer: Path, profile: Profile) -> None:
    """The files that the profile gives word for word."""
    home = layer / "Users" / profile.user
    for path, content in profile.files.items():
        inside = path.replace("~/", f"Users/{profile.user}/").lstrip("/")
        put(layer / inside, content, 0o755 if content.startswith("#!") else 0o644)
    if home.exists():
        home.chmod(0o750)
        engine.give(home, USER_ID, GROUP_ID)


def receipts(profile: Profile, python: str) -> dict[str, str]:
    """The packages that a Mac's installer remembers, with their versions. Python's say 0, always."""
    found = {}
    if profile.command_line_tools:
        found["com.apple.pkg.CLTools_Executables"] = profile.command_line_tools
    if profile.python_org:
        found |= {f"org.python.Python.Python{part}-{python}": "0" for part in ("Framework", "Applications")}
    return found


def receipt_file(receipt: str, version: str) -> bytes:
    """A receipt as the installer writes it."""
    date = datetime.fromtimestamp(BOOT_TIME, UTC).replace(tzinfo=None)
    values = {"PackageIdentifier": receipt, "PackageVersion": version, "InstallPrefixPath": "", "InstallDate": date}
    return plistlib.dumps(values)


def system_version(profile: Profile) -> bytes:
    """SystemVersion.plist, from which ``platform.mac_ver()`` reads. It does not change with a rapid response."""
    version = profile.macos.version
    return plistlib.dumps(
        {
            "ProductBuildVersion": profile.macos.build or "",
            "ProductName": "macOS",
            "ProductUserVisibleVersion": version,
            "ProductVersion": version,
        }
    )


def network_settings() -> dict[str, str]:
    """The environment that programs need to reach package indexes as this machine does."""
    return {"SSL_CERT_FILE": CERTIFICATES, **{name: os.environ[name] for name in NETWORK if name in os.environ}}


def sshd_config(profile: Profile, environment: Mapping[str, str]) -> str:
    """Key log-ins only, with the PATH of a Mac's sshd. Its address comes from the command line."""
    settings = {
        "PATH": "/usr/bin:/bin:/usr/sbin:/sbin",
        "OSTYPE": f"darwin{profile.macos.darwin.split('.')[0]}",
        "TMPDIR": "/var/folders/zz/T/",
        **environment,
    }
    quoted = " ".join(f'"{key}={value}"' for key, value in settings.items())
    return (
        "HostKey /private/etc/ssh/host_key\nPidFile none\nUsePAM no\nUseDNS no\nPasswordAuthentication no\n"
        "MaxStartups 100\nMaxSessions 100\nAcceptEnv LANG LC_*\nSubsystem sftp internal-sftp\n"
        f"AllowUsers {profile.user}\nSetEnv {quoted}\n"
    )
