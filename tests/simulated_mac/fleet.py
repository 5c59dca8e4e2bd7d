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
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from . import addresses, answers, engine, host_files
from .inside.mac_programs import BATTERY
from .profile import Profile
from .state import State, inventory, ssh_options, start_time
from .store import GROUP_ID, SIM, USER_ID, Store, is_locked

START_TIMEOUT = 120.0  # only a host that hangs takes so long
STOP_TIMEOUT = 60.0
OWNER = "owner"  # locked as long as the process lives to which a temporary fleet belongs


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

    def ssh(self, *arguments: str) -> list[str]:
        """The command line that logs in as the host's user, over SSH."""
        state = self.state
        if not state.is_up:
            raise FleetError(f"{self.name} is down; `up` starts it")
        where = ["-p", str(state.port), f"{state.user}@{state.address}"]
        return ["ssh", *ssh_options(self.fleet.store.key), *where, *arguments]

    def run(self, command: str, *, check: bool = False, input: bytes = b"") -> subprocess.CompletedProcess[str]:  # noqa: A002
        """Run a shell line as the host's user, over SSH. ``check`` raises ``CalledProcessError`` if it fails."""
        line = self.ssh(command)
        result = subprocess.run(line, capture_output=True, check=False, input=input)
        said = subprocess.CompletedProcess(
            line,
            result.returncode,
            result.stdout.decode(errors="surrogateescape"),
            result.stderr.decode(errors="replace"),
        )
        if check:
            said.check_returncode()
        return said

    def calls(self) -> list[dict[str, Any]]:
        """Every call of a Mac's program on this host: argv, rc, shim, uid, ppid, parent, time."""
        return [json.loads(line) for line in (self.folder / "host/calls.jsonl").read_text().splitlines()]

    def shim_calls(self) -> list[dict[str, Any]]:
        """The calls of programs that open a dialog on a Mac without developer tools."""
        return [call for call in self.calls() if call["shim"]]

    def stand_in(self, name: str, library: Path) -> None:
        """Let an ELF library be loaded from now on in the place of every Mach-O library of that file name."""
        shared = self.fleet.store.stand_ins / library.name
        if library != shared:
            copied = shared.with_suffix(".new")
            shutil.copy(library, copied)
            copied.rename(shared)
        new = self.folder / "host/stand-ins/new"
        new.symlink_to(f"/{SIM}/elf/stand-ins/{library.name}")
        new.rename(new.with_name(name))

    def stands_in(self, name: str) -> bool:
        """Whether ``stand_in`` was called for that file name."""
        return (self.folder / "host/stand-ins" / name).is_symlink()

    def linux_wheel(self, name: str, version: str) -> Path:
        """The files of a Linux wheel, which a running host fetches for the store once, to compile against."""
        fetch = ["--wheel", name, version, self.fleet.store.python.minor]
        fetched = self.run(shlex.join([f"/{SIM}/tools/translate", *fetch]))
        if fetched.returncode:
            raise FleetError(f"cannot fetch {name} {version} for Linux: {fetched.stderr.strip()}")
        return self.fleet.store.home / Path(fetched.stdout.strip()).relative_to(f"/{SIM}")

    def limit_disk(self, path: str, size: str) -> None:
        """Mount a small, empty file system over a folder of the running host; ``size`` as tmpfs takes it ("20m")."""
        owner = f"uid={USER_ID},gid={GROUP_ID},mode=755,size={size}"
        engine.enter(self.pid, [f"/{SIM}/usr/bin/mount", "-t", "tmpfs", "-o", owner, "tmpfs", path])

    def unlimit_disk(self, path: str) -> None:
        """Take away what ``limit_disk`` mounted, with what was written there."""
        engine.enter(self.pid, [f"/{SIM}/usr/bin/umount", path])

    def pass_time(self, start: str, end: str, *, asleep: bool = False) -> int:
        """Let the clock go from one moment to another (``2026-12-01T08:00``), and run the jobs that fall due.

        Each runs to its end. A Mac that was ``asleep`` runs on wake what it missed, once. Returns the number of runs.
        """
        how = "asleep" if asleep else "awake"
        said = engine.enter(
            self.pid, [f"/{SIM}/python", "-ISE", f"/{SIM}/tools/mac_programs", "clock", start, end, how]
        )
        return int(said)

    def unplug(self, percent: int) -> None:
        """Let it run on its battery."""
        self.run(f"echo {percent} | sudo tee {BATTERY}", check=True)

    def plug_in(self) -> None:
        """Let it run on the mains again."""
        self.run(f"sudo rm -f {BATTERY}", check=True)

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

        ``hosts`` maps names to profiles, or to PROFILE@TEMPLATE to begin with a template's files. A profile of your own
        is the path of its file. A host that exists keeps its files; another profile for it is an error.
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

    # ------------------------------------------------------------------------------------------------ making hosts

    def _make(self, name: str, profile: str, template: str) -> None:
        mac = self[name]
        if profile.endswith(".yml"):
            profile = str(Path(profile).absolute())  # whoever starts it again may be in another folder
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
        answers.write(profile, mac.folder / "host")
        layer = mac.folder / "layer"
        engine.remove(layer)
        host_files.write(layer, mac.name, profile, self.store)
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
