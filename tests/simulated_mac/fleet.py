# SPDX-License-Identifier: GPL-3.0-or-later
"""Simulated Macs: make them, start and stop them, and look at what happened on them.

    fleet = Fleet("tests")
    mac = fleet.up({"m1": "m1-fresh"})["m1"]
    mac.run("sw_vers -productVersion").stdout
    mac.shim_calls()
    mac.delete()

A host's root folder is an overlay of layers: its own changes, what its profile says, templates (frozen changes of other
hosts), what the profile has installed, and the base that all share. So a further host costs no copy.
"""

from __future__ import annotations

import fcntl
import json
import os
import plistlib
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.fake_metal import build as fake_metal
from tests.simulated_mac import addresses, engine
from tests.simulated_mac import profile as profiles
from tests.simulated_mac.inside.mac_programs import COMMAND_LINE_TOOLS, ROSETTA, SELECTED_TOOLS
from tests.simulated_mac.profile import Profile
from tests.simulated_mac.state import State, inventory, ssh_options, start_time
from tests.simulated_mac.store import GROUP_ID, SIM, USER_ID, Store, is_locked, link, read_by_zsh, write

START_TIMEOUT = 30.0
STOP_TIMEOUT = 10.0
OWNER = "owner"  # locked as long as the process lives to which a temporary fleet belongs
BANNER = "This is a simulated Mac: Linux programs that answer like a Mac's, made for tests. It is not a Mac."
# Settings of this machine's network that hosts need too.
NETWORK = [name for word in ("http_proxy", "https_proxy", "no_proxy") for name in (word, word.upper())]
NETWORK += ["UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL"]
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
METAL_PLUGIN = "libmetal_plugin.dylib"
METAL_TENSORFLOW = "2.18.1"  # whose headers the stand-in for the plug-in is compiled with


class FleetError(Exception):
    """What was asked for cannot be done; the message says why."""


class Mac:
    """One simulated Mac. ``folder`` holds its state, log and layers."""

    def __init__(self, fleet: Fleet, name: str) -> None:
        self.fleet = fleet
        self.name = name
        self.folder = fleet.folder / "hosts" / name

    @property
    def state(self) -> State:
        """What is kept about it. Raises ``FleetError`` if there is no such host."""
        if not (self.folder / "state.json").exists():
            raise FleetError(f"no simulated Mac {self.name} in the fleet {self.fleet.name}")
        return State.read(self.folder)

    @property
    def is_up(self) -> bool:
        """Whether it runs."""
        return self.state.is_up

    @property
    def address(self) -> str:
        """Where it listens, 127.0.1.N."""
        return self.state.address

    @property
    def port(self) -> int:
        """The port of its sshd."""
        return self.state.port

    @property
    def pid(self) -> int:
        """Its process 1, as seen from outside. Raises ``FleetError`` if the host is down."""
        state = self.state
        children = Path(f"/proc/{state.pid}/task/{state.pid}/children")
        if not state.is_up:
            raise FleetError(f"{self.name} is down")
        return int(children.read_text().split()[0])

    def path(self, inside: str) -> Path:
        """A path of the running host, as a path of this machine.

        Links to absolute paths lead out of the host. Only root can read what the host's users keep to themselves, such
        as their homes; ``run`` always can.
        """
        return Path("/proc", str(self.pid), "root", inside.lstrip("/"))

    def run(self, command: str, *, check: bool = False, input: bytes = b"") -> subprocess.CompletedProcess[str]:  # noqa: A002
        """Run a shell line as the host's user, over SSH. ``check`` raises ``CalledProcessError`` if it fails."""
        state = self.state
        where = ["-p", str(state.port), f"{state.user}@{state.address}"]
        line = ["ssh", *ssh_options(self.fleet.store.key), *where, command]
        result = subprocess.run(line, capture_output=True, check=False, input=input)
        said = subprocess.CompletedProcess(line, result.returncode, result.stdout.decode(), result.stderr.decode())
        if check:
            said.check_returncode()
        return said

    def calls(self) -> list[dict[str, Any]]:
        """Every call of a Mac's program on this host: argv, rc, shim, uid, ppid, parent, time."""
        return [json.loads(line) for line in (self.folder / "host/calls.jsonl").read_text().splitlines()]

    def shim_calls(self) -> list[dict[str, Any]]:
        """The calls of programs that open a dialog on a Mac without developer tools."""
        return [call for call in self.calls() if call["shim"]]

    def metal(self, variant: str) -> None:
        """Let a variant of the stand-in for the Metal plug-in be loaded from now on (see tests/fake_metal)."""
        library = self.fleet.metal_stand_in(variant, self)
        new = self.folder / "host/stand-ins/new"
        new.symlink_to(f"/{SIM}/elf/stand-ins/{library.name}")
        new.rename(new.with_name(METAL_PLUGIN))

    def limit_disk(self, path: str, size: str) -> None:
        """Mount a small, empty file system over a folder of the running host; ``size`` as tmpfs takes it ("20m")."""
        owner = f"uid={USER_ID},gid={GROUP_ID},mode=755,size={size}"
        engine.enter(self.pid, [f"/{SIM}/usr/bin/mount", "-t", "tmpfs", "-o", owner, "tmpfs", path])

    def unlimit_disk(self, path: str) -> None:
        """Take away what ``limit_disk`` mounted, with what was written there."""
        engine.enter(self.pid, [f"/{SIM}/usr/bin/umount", path])

    def stop(self) -> None:
        """Switch it off: all its processes end at once. Its files stay."""
        state = self.state
        if not state.is_up:
            return
        inner = self.pid
        os.kill(state.pid, signal.SIGKILL)
        deadline = time.monotonic() + STOP_TIMEOUT
        while start_time(state.pid) or start_time(inner):
            reap(state.pid)
            if time.monotonic() > deadline:
                raise FleetError(f"{self.name} does not stop")
            time.sleep(0.005)

    def delete(self) -> None:
        """Stop it and remove all its files."""
        self.stop()
        engine.remove(self.folder)


def reap(pid: int) -> None:
    """Collect a child that ended; hosts started by an earlier command are not ours."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return


class Fleet:
    """Some simulated Macs under one name. Several fleets share a store and can run at once."""

    def __init__(self, name: str = "demo", store: Store | None = None) -> None:
        self.name = name
        self.store = store or Store()
        self.folder = self.store.home / "fleets" / name
        self.default_port = int(os.environ.get("SIMULATED_MAC_PORT", "2222"))

    def __getitem__(self, name: str) -> Mac:
        return Mac(self, name)

    def __iter__(self) -> Iterator[Mac]:
        return iter([Mac(self, path.parent.name) for path in sorted(self.folder.glob("hosts/*/state.json"))])

    def up(self, hosts: Mapping[str, str]) -> dict[str, Mac]:
        """Make the hosts that are new, start those that are down, and wait until all answer.

        ``hosts`` maps names to profiles, or to PROFILE@TEMPLATE to begin with a template's files. A host that exists
        keeps its files; another profile for it is an error.
        """
        self.store.ready()
        macs = {name: self[name] for name in hosts}
        for name, spec in hosts.items():
            self._make(name, *spec.partition("@")[::2])
        started = [mac for mac in macs.values() if not mac.is_up]
        for mac in started:
            self._start(mac)
        for mac in started:
            self._wait(mac)
        return macs

    def down(self) -> None:
        """Stop all hosts."""
        for mac in self:
            mac.stop()

    def delete(self) -> None:
        """Stop all hosts and remove everything of the fleet, templates too."""
        self.down()
        engine.remove(self.folder)

    def snapshot(self, name: str, template: str) -> None:
        """Stop a host and freeze its files as a template, for others to begin with. It goes on above it itself."""
        mac, home = self[name], self.folder / "templates" / template
        if home.exists():
            raise FleetError(f"there is a template {template} already")
        mac.stop()
        state = mac.state
        home.mkdir(parents=True)
        (mac.folder / "upper").rename(home / "upper")
        (home / "below.json").write_text(json.dumps(state.templates))
        (mac.folder / "upper").mkdir()
        state.templates.insert(0, template)
        state.write(mac.folder)

    def inventory(self) -> dict[str, Any]:
        """The hosts that are up, as a dynamic inventory of Ansible."""
        return inventory(self.store.home, self.name)

    def metal_stand_in(self, variant: str, mac: Mac) -> Path:
        """The compiled stand-in, in the store; ``mac`` fetches the TensorFlow that it is compiled for."""
        out = self.store.home / f"elf/stand-ins/metal-{variant}.so"
        sources = Path(fake_metal.__file__).parent.glob("*.[ch]")
        if out.exists() and out.stat().st_mtime > max(source.stat().st_mtime for source in sources):
            return out
        wheel = ["tensorflow-cpu", METAL_TENSORFLOW, self.store.python.minor]
        fetched = mac.run(shlex.join([f"/{SIM}/tools/translate", "--wheel", *wheel]))
        if fetched.returncode:
            raise FleetError(f"cannot fetch TensorFlow for the stand-in: {fetched.stderr.strip()}")
        package = self.store.home / Path(fetched.stdout.strip()).relative_to(f"/{SIM}") / "tensorflow"
        fake_metal.compile_plugin(variant, package, out)
        return out

    # ------------------------------------------------------------------------------------------------ making hosts

    def _make(self, name: str, profile: str, template: str) -> None:
        mac = self[name]
        if (mac.folder / "state.json").exists():
            if mac.state.profile != profile:
                raise FleetError(f"{name} is an {mac.state.profile}; delete it before it becomes an {profile}")
            return
        loaded = Profile.load(profile)
        engine.remove(mac.folder)
        for folder in ("root", "upper", "work", "host/stand-ins"):
            (mac.folder / folder).mkdir(parents=True)
        (mac.folder / "host/calls.jsonl").touch()
        (mac.folder / "host/calls.jsonl").chmod(0o666)
        State(profile=profile, user=loaded.user, templates=self._templates(template)).write(mac.folder)

    def _templates(self, template: str) -> list[str]:
        """A template and those that it was made from, the uppermost first."""
        if not template:
            return []
        below = self.folder / "templates" / template / "below.json"
        if not below.exists():
            raise FleetError(f"no template {template} in the fleet {self.name}")
        return [template, *json.loads(below.read_text())]

    def _start(self, mac: Mac) -> None:
        state = mac.state
        profile = Profile.load(state.profile)
        profiles.write(profile, mac.folder / "host")
        layer = mac.folder / "layer"
        engine.remove(layer)
        self._host_layer(layer, mac.name, profile)
        state.port = self.default_port
        reserved = addresses.reserve(state.port, state.address)
        if reserved is None:
            raise FleetError(f"no free address from 127.0.1.{addresses.FIRST} up, port {state.port}")
        state.address, claim = reserved
        layers = [layer, *(self.folder / "templates" / name / "upper" for name in state.templates)]
        layers += [*(self.store.layer(name) for name in layer_names(profile)), self.store.base / "root"]
        settings = {
            "STORE": str(self.store.home),
            "HOST": self._inside_store(mac.folder),
            "LOWER": ":".join(map(self._inside_store, layers)),
            "OPTIONS": "redirect_dir=on" if engine.IS_ROOT else "userxattr",
            "NAME": mac.name,
            "USER": profile.user,
            "USER_ID": str(USER_ID),
            "CONSOLE_ID": str(USER_ID if profile.gui_session else 0),
            "GROUP_ID": str(GROUP_ID),
            "ADDRESS": f"{state.address}:{state.port}",
        }
        with self.store.in_use() as base, claim:
            state.pid = engine.start(settings, mac.folder / "log", [base, claim])
        state.started = start_time(state.pid)
        state.write(mac.folder)

    def _inside_store(self, path: Path) -> str:
        return path.relative_to(self.store.home).as_posix()

    def _wait(self, mac: Mac) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        while not addresses.answers(mac.address, mac.port):
            reap(mac.state.pid)
            if not mac.is_up or time.monotonic() > deadline:
                tail = "".join((mac.folder / "log").read_text(errors="replace").splitlines(keepends=True)[-5:])
                raise FleetError(f"{mac.name} did not start: {tail}(log: {mac.folder / 'log'})")
            time.sleep(0.005)

    def _host_layer(self, layer: Path, name: str, profile: Profile) -> None:
        """The files that this host's profile, its name and this machine's network determine."""
        etc, user = layer / "private/etc", profile.user
        if profile.macos.version:
            write(layer / "System/Library/CoreServices/SystemVersion.plist", system_version(profile))
        write(etc / "hosts", f"127.0.0.1 localhost {name}\n")
        write(
            etc / "passwd",
            "root:x:0:0:System Administrator:/var/root:/bin/sh\nsshd:x:75:75::/var/empty:/usr/bin/false\n"
            f"{user}:x:{USER_ID}:{GROUP_ID}::/Users/{user}:/bin/zsh\nnobody:x:65534:65534::/var/empty:/usr/bin/false\n",
        )
        write(etc / "group", f"wheel:x:0:root\nstaff:x:20:{user}\nadmin:x:80:{user}\nsshd:x:75:\nnogroup:x:65534:\n")
        write(etc / "shadow", f"root:*:1::::::\n{user}:*:1::::::\n", 0o600)
        write(etc / "motd", f"\n{BANNER}\n{profile.description}.\n\n")
        write(etc / "ssh/authorized_keys", (self.store.home / "id_ed25519.pub").read_text())
        write(etc / "ssh/host_key", (self.store.home / "host_key").read_text(), 0o600)
        write(etc / "ssh/sshd_config", sshd_config(profile, network_settings()))
        said = f"OSTYPE=darwin{profile.macos.darwin.split('.')[0]}.0 MACHTYPE={profile.arch}\n"
        write(etc / "zsh/zshenv", said + read_by_zsh("/etc/zshenv"))
        write(etc / "csh.cshrc", "setenv OSTYPE darwin\n")
        for kept in ("resolv.conf", "localtime"):
            if Path("/etc", kept).exists():
                shutil.copy(Path("/etc", kept), etc / kept)
        shutil.copytree("/etc/ssl/certs", etc / "ssl/certs", symlinks=True)
        link(etc / "ssl/cert.pem", "certs/ca-certificates.crt")
        write(layer / "Library/Application Support/pip/pip.conf", f"[global]\ncert = {CERTIFICATES}\n")
        lines = "".join(f"{key}={value}\n" for key, value in network_settings().items())
        write(layer / SIM / "tools/environment", lines)
        if profile.rosetta:
            write(layer / ROSETTA.relative_to("/"), "")
        if profile.command_line_tools_lost:
            link(layer / SELECTED_TOOLS.relative_to("/"), str(COMMAND_LINE_TOOLS))
        self._own_files(layer, profile)
        for receipt, version in receipts(profile, self.store.python.minor).items():
            write(layer / "private/var/db/receipts" / f"{receipt}.plist", receipt_file(receipt, version))

    def _own_files(self, layer: Path, profile: Profile) -> None:
        home = layer / "Users" / profile.user
        for path, content in profile.files.items():
            inside = path.replace("~/", f"Users/{profile.user}/").lstrip("/")
            write(layer / inside, content, 0o755 if content.startswith("#!") else 0o644)
        if home.exists():
            home.chmod(0o750)
            engine.give(home, USER_ID, GROUP_ID)


@contextmanager
def temporary_fleet(prefix: str, store: Store | None = None) -> Iterator[Fleet]:
    """A fleet of this process's own, which ends with the block. Those of processes that were killed end first."""
    fleet = Fleet(f"{prefix}-{os.getpid()}", store)
    with fleet.store.locked("fleets"):
        for owner in fleet.folder.parent.glob(f"*/{OWNER}"):
            if not is_locked(owner):
                Fleet(owner.parent.name, fleet.store).delete()
        fleet.folder.mkdir(parents=True)
        owned = (fleet.folder / OWNER).open("w")
        fcntl.flock(owned, fcntl.LOCK_EX)
    with owned:
        try:
            yield fleet
        finally:
            fleet.delete()


def layer_names(profile: Profile) -> list[str]:
    """The layers of the store that hold what a profile has installed."""
    archs = {"/opt/homebrew": "arm64", "/usr/local": "x86_64"}
    names = [f"homebrew-{archs[prefix]}{'' if poured else '-bottle'}" for prefix, poured in profile.homebrew.items()]
    names += profile.pythons
    return names + ["python-org"] * profile.python_org + ["command-line-tools"] * bool(profile.command_line_tools)


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
    date = datetime.fromtimestamp(profiles.BOOT_TIME, UTC).replace(tzinfo=None)
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
