# SPDX-License-Identifier: GPL-3.0-or-later
"""What all simulated Macs of a checkout share, made once and kept:

    base/DIGEST/root      the lowest layer of every host's root folder: programs, system files, a CPython of Linux
    base/DIGEST/layers    layers of Pythons and tools that a profile can ask for, made when the first one does
    archives/             the standalone Python for macOS, and index.json
    second-archives/      the same of another minor version, where this machine has one
    elf/                  what stands in for the Mach-O files of wheels, found on first use (inside/translate.py)
    id_ed25519, host_key  the keys of the user and of every host

The base is made again when this package's files or the CPython change (DIGEST is over those).
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import plistlib
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import IO, Any

from . import engine, pythons
from .inside import mac_programs
from .macho import Kind, stub
from .state import default_home

PACKAGE = Path(__file__).parent
SIM = ".simulated_mac"
USER_ID, GROUP_ID = 501, 20  # the first user of a Mac; staff
MAKERS = ("elf.py", "macho.py", "programs.yml", "pythons.py", "store.py")  # beside inside/*, what determines the base

NEEDED = ("ssh", "ssh-keygen", "sshd", "sudo", "zsh", "gcc", "unshare", "setpriv")
DEVELOPER_TOOLS = "Library/Developer/CommandLineTools/usr/bin"
HOME = "Users/admin"  # for layers with files of the user
PYENV_SHIM = '#!/bin/sh\ntouch ~/shim-was-run\nexec pyenv exec python3 "$@"\n'


# As on a Mac, HOME stays the caller's unless sudo is asked for another (-H).
SUDOERS = """\
Defaults !admin_flag
Defaults env_keep += "HOME MAIL LANG LC_ALL LC_COLLATE LC_CTYPE LC_MESSAGES LC_MONETARY LC_NUMERIC LC_TIME TZ"
Defaults env_keep += "COLORTERM LINES COLUMNS LSCOLORS SSH_AUTH_SOCK EDITOR VISUAL"
root ALL=(ALL) ALL
%admin ALL=(ALL) NOPASSWD: ALL
"""


class StoreError(Exception):
    """The test bed cannot be made on this machine; the message names the remedy."""


def linux_program(name: str) -> Path | None:
    """Where this machine has a program, among those that hosts see; the real one, behind links in /etc/alternatives."""
    folders = ("/usr/bin", "/usr/sbin")
    return next((path.resolve() for folder in folders if (path := Path(folder, name)).is_file()), None)


def is_locked(file: Path) -> bool:
    """Whether some process holds a lock on the file; one that is not there is not locked."""
    if not file.exists():
        return False
    with file.open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def program_list() -> dict[str, Any]:
    """programs.yml."""
    import yaml  # here, because whoever only asks which hosts are up may have no PyYAML

    listed: dict[str, Any] = yaml.safe_load((PACKAGE / "programs.yml").read_text())
    return listed


def userland_notes() -> list[str]:
    """In what the hosts' programs are less like a Mac's than they could be."""
    bsd = program_list()["bsd"].items()
    return [f"{name} is GNU's, for {better} is not installed" for name, better in bsd if linux_program(better) is None]


class Store:
    """The shared part under ``home``. ``ready()`` makes what is missing; the rest needs it to have been called."""

    def __init__(self, home: Path | None = None) -> None:
        self.home = home or default_home()

    @cached_property
    def python(self) -> pythons.Cpython:
        """The CPython of this machine that stands in for every Mac's."""
        return pythons.find()

    @cached_property
    def second_python(self) -> pythons.Cpython | None:
        """Another CPython of this machine, for Macs that have two, if there is one."""
        others = (pythons.find_minor(minor) for minor in pythons.MINORS if minor != self.python.minor)
        return next((other for other in others if other), None)

    @cached_property
    def base(self) -> Path:
        """The folder of what is made from this package and that CPython."""
        return self.home / "base" / self._digest()

    @property
    def key(self) -> Path:
        """The private key that logs in on every host."""
        return self.home / "id_ed25519"

    @property
    def archives(self) -> Path:
        """The mirror of standalone Pythons."""
        return self.home / "archives"

    @property
    def second_archives(self) -> Path:
        """The mirror of the second standalone Python; without an index if there is no second CPython."""
        return self.home / "second-archives"

    @property
    def stand_ins(self) -> Path:
        """What stands in for libraries by their file names, where hosts see it."""
        return self.home / "elf/stand-ins"

    def ready(self) -> None:
        """Make everything that is not there yet. Raises ``StoreError``, ``NoPythonError`` or ``EngineError``."""
        missing = [name for name in NEEDED if linux_program(name) is None]
        if missing:
            packages = "openssh-server openssh-client sudo zsh gcc libc6-dev util-linux"
            raise StoreError(f"missing programs: {', '.join(missing)}. Remedy: apt-get install {packages}")
        engine.check()
        with self.locked("building"):
            self._make(self.base, self._build_base)
            for name in ("host_key", "id_ed25519"):
                if not (self.home / name).exists():
                    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "simulated-mac"]
                    subprocess.run([*command, "-f", self.home / name], check=True)
            self.stand_ins.mkdir(parents=True, exist_ok=True)
            for folder in ("elf/by-key", "elf/wheels"):
                (self.home / folder).mkdir(parents=True, exist_ok=True)
                (self.home / folder).chmod(0o777)  # any user of any host may add what it looked up
            self._remove_unused_bases()

    def layer(self, name: str) -> Path:
        """A layer: by the name of its maker in ``LAYERS``, or a Python in the folder of that path."""
        path = self.base / "layers" / re.sub(r"[^\w.+-]", "_", name)  # neither : nor , which part layers and options
        if name not in LAYERS and not name.startswith(("~/", "/")):
            raise StoreError(f"no Python {name}; there are: {', '.join(LAYERS)}, or a folder that begins with ~/ or /")
        make = LAYERS.get(name) or python_in(name)
        with self.locked("building"):
            self._make(path, lambda folder: make(self, folder))
        return path

    def in_use(self) -> IO[str]:
        """A file to be held open as long as hosts run on this base: it is not removed until then."""
        file = (self.base / "in-use").open("w")
        fcntl.flock(file, fcntl.LOCK_SH)
        return file

    @contextmanager
    def locked(self, name: str) -> Iterator[None]:
        """One process at a time is in such a block."""
        self.home.mkdir(parents=True, exist_ok=True)
        with (self.home / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _make(self, folder: Path, build: Callable[[Path], None]) -> None:
        """Build a folder unless it is there; it appears only when it is complete."""
        if folder.is_dir():
            return
        new = folder.with_name(f"{folder.name}.new")
        engine.remove(new)
        new.mkdir(parents=True)
        build(new)
        new.rename(folder)

    def _digest(self) -> str:
        sources = [PACKAGE / name for name in MAKERS] + sorted((PACKAGE / "inside").rglob("*.[cps]*"))
        contents = [path.read_bytes() for path in sources if "__pycache__" not in path.parts]
        found = [python for python in (self.python, self.second_python) if python]
        interpreter = " ".join(
            f"{each.executable} {each.version} {Path(each.executable).stat().st_mtime}" for each in found
        )
        programs = f"{userland_notes()} {[linux_program(name) for _, name in listed(program_list()['real'])]}"
        everything = b"\0".join([*contents, interpreter.encode(), programs.encode(), b"%d" % os.geteuid()])
        return hashlib.sha256(everything).hexdigest()[:12]

    def _remove_unused_bases(self) -> None:
        for old in self.base.parent.iterdir():
            if old != self.base and not is_locked(old / "in-use"):
                engine.remove(old)

    # ------------------------------------------------------------------------------------------------- the base

    def _build_base(self, folder: Path) -> None:
        root = folder / "root"
        self._tools(root / SIM)
        self._programs(root)
        self._system_files(root)
        self._sudo(root)
        (folder / "in-use").touch()
        (folder / "layers").mkdir()
        self._publish(self.python, f"/{SIM}/cpython", folder / "python", self.archives)
        if self.second_python:
            pythons.copy(self.second_python, root / SIM / "second-cpython")
            self._publish(self.second_python, f"/{SIM}/second-cpython", folder / "python", self.second_archives)

    @staticmethod
    def _publish(python: pythons.Cpython, stand_in: str, tree: Path, archives: Path) -> None:
        """Pack a Mac's Python as the publisher of standalone Pythons does; `tree` is there only meanwhile."""
        pythons.mac_tree(python, stand_in, ["arm64"], tree)
        pythons.archive(python, tree, archives)
        shutil.rmtree(tree)

    def _tools(self, sim: Path) -> None:
        """What only the simulation needs: the shim, its helpers and the CPython that stands in."""
        tools = sim / "tools"
        tools.mkdir(parents=True)
        for folder in ("usr", "elf", "host"):
            (sim / folder).mkdir()
        for source, output in (("shim.c", ["-shared", "-fPIC", "-o", "shim.so"]), ("answer.c", ["-o", "answer"])):
            compiler = ["gcc", "-O2", "-Wall", "-Wextra", "-Werror"]
            subprocess.run([*compiler, PACKAGE / "inside" / source, *output], cwd=tools, check=True)
        for name in ("mac_programs", "translate"):
            shutil.copy(PACKAGE / f"inside/{name}.py", tools / name)
            (tools / name).chmod(0o755)
        shutil.copy(pythons.find_uv(), tools / "uv")
        pythons.copy(self.python, sim / "cpython")
        (sim / "python").symlink_to(f"cpython/bin/python{self.python.minor}")

    def _programs(self, root: Path) -> None:
        """Links to the Linux programs that a Mac has too; Mach-O files for those that we answer for."""
        for folder in ("lib", "lib64"):
            link(root / folder, f"{SIM}/usr/{folder}")
        for folder in ("lib", "share"):
            link(root / "usr" / folder, f"../{SIM}/usr/{folder}")
        programs = program_list()
        for folder, name in listed(programs["real"]):
            found = linux_program(programs["bsd"].get(name, name)) or linux_program(name)
            if found:
                link(root / folder / name, f"/{SIM}{found}")
        link(root / "bin/sh", "bash")
        link(root / "sbin/launchd", f"/{SIM}/usr/sbin/sshd")  # the name of process 1
        system = put(root / SIM / "tools/system", mac_program("system"), 0o755)
        simulated = [Path(path).relative_to("/") for path in mac_programs.SIMULATED if not path.startswith("/opt/")]
        others = [*listed(programs["at_once"]), *listed(programs["answered_only"])]
        for path in [*simulated, *(Path(folder, name) for folder, name in others)]:
            hard_link(system, root / path)
        shim = put(root / SIM / "tools/shim", mac_program("shim"), 0o755)
        for name in programs["shims"].split():
            hard_link(shim, root / "usr/bin" / name)

    def _system_files(self, root: Path) -> None:
        for folder in program_list()["folders"].split():
            (root / folder).mkdir(parents=True, exist_ok=True)
        for folder in ("tmp", "var/tmp", "var/folders"):
            (root / "private" / folder).mkdir(parents=True)
            (root / "private" / folder).chmod(0o1777)
        for folder in ("etc", "var", "tmp"):
            link(root / folder, f"private/{folder}")
        etc = root / "private/etc"
        put(etc / "ld.so.preload", f"/{SIM}/tools/shim.so\n")
        put(etc / "nsswitch.conf", "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n")
        put(etc / "sudoers", SUDOERS, 0o440)
        for service in ("sudo", "sudo-i", "su", "other"):
            permit = "".join(f"{kind} sufficient pam_permit.so\n" for kind in ("auth", "account", "session"))
            put(etc / "pam.d" / service, permit)
        for name in ("zprofile", "zshrc", "zlogin"):  # where Debian's zsh looks for what a Mac's has in /etc
            put(etc / "zsh" / name, read_by_zsh(f"/etc/{name}"))
        put(etc / "zshrc", "PS1='%n@%m %1~ %# '\n")

    def _sudo(self, root: Path) -> None:
        """Setuid programs and what they load must be owned by the host's own root: copies."""
        sudo = root / "usr/bin/sudo"
        sudo.unlink()
        shutil.copy("/usr/bin/sudo", sudo)
        sudo.chmod(0o4755)
        shutil.copytree("/usr/libexec/sudo", root / "usr/libexec/sudo", symlinks=True)


# ---------------------------------------------------------------------------------------------------------- layers


def homebrew(store: Store, layer: Path, prefix: str, archs: list[str], *, poured: bool = True) -> None:
    """Homebrew's Python, in the Cellar, with the links that Homebrew makes; or only its bottle, for `brew install`."""
    python, root = store.python, layer / prefix
    keg = f"{'Cellar' if poured else 'bottles'}/python@{python.minor}/{python.version}"
    framework = f"Frameworks/Python.framework/Versions/{python.minor}"
    tree = root / keg / framework
    pythons.mac_tree(python, f"/{SIM}/cpython", archs, tree)
    managed = "[externally-managed]\nError=This environment is managed by Homebrew.\n"
    put(tree / f"lib/python{python.minor}/EXTERNALLY-MANAGED", managed)
    shutil.copy(PACKAGE / "inside/homebrew/sitecustomize.py", tree / f"lib/python{python.minor}")
    for name in (f"python{python.minor}", "python3"):
        link(root / keg / "bin" / name, f"../{framework}/bin/{name}")
        if poured:
            link(root / "bin" / name, f"../{keg}/bin/{name}")
    if poured:
        link(root / f"opt/python@{python.minor}", f"../{keg}")
    put(root / "bin/brew", mac_program("system"), 0o755)
    engine.give(root, USER_ID, GROUP_ID)


def python_org(store: Store, layer: Path) -> None:
    """The universal Python of python.org's package."""
    python = store.python
    framework = f"Library/Frameworks/Python.framework/Versions/{python.minor}"
    pythons.mac_tree(python, f"/{SIM}/cpython", ["x86_64", "arm64"], layer / framework)
    for name in (f"python{python.minor}", "python3"):
        link(layer / "usr/local/bin" / name, f"../../../{framework}/bin/{name}")


def command_line_tools(_: Store, layer: Path) -> None:
    """The programs that the shims in /usr/bin hand over to. Their Python is a framework; it cannot run here."""
    for name in program_list()["shims"].split():
        put(layer / DEVELOPER_TOOLS / name, mac_program("tool"), 0o755)
    python = "Library/Frameworks/Python3.framework/Versions/3.9"
    framework = layer / Path(DEVELOPER_TOOLS).parents[1] / python
    put(framework / "bin/python3.9", mac_program("tool"), 0o755)
    put(framework / "lib/python3.9/os.py", "")
    put(framework / "Resources/Info.plist", plistlib.dumps({"CFBundleVersion": "3.9.6"}))
    (layer / DEVELOPER_TOOLS / "python3").unlink()
    link(layer / DEVELOPER_TOOLS / "python3", f"../../{python}/bin/python3.9")


def macadmins(store: Store, layer: Path) -> None:
    """The universal Python that the MacAdmins community packs."""
    framework = f"Library/ManagedFrameworks/Python/Python3.framework/Versions/{store.python.minor}"
    pythons.mac_tree(store.python, f"/{SIM}/cpython", ["x86_64", "arm64"], layer / framework)
    link(layer / "usr/local/bin/managed_python3", f"../../../{framework}/bin/python3")


def python_in(place: str, arch: str = "arm64") -> Callable[[Store, Path], None]:
    """The maker of a Python in a folder: the user's own below ~/, else root's."""

    def make(store: Store, layer: Path) -> None:
        version, home = store.python.version, layer / HOME
        tree = layer / place.replace("~", HOME, 1).lstrip("/").format(version=version, minor=store.python.minor)
        pythons.mac_tree(store.python, f"/{SIM}/cpython", [arch], tree)
        if re.search(r"(conda|mamba|forge)\d?$|/envs/[^/]+$", str(tree)):
            put(tree / "conda-meta/history", "")
        if ".pyenv" in tree.parts:
            put(home / ".pyenv/shims/python3", PYENV_SHIM, 0o755)
        if home.exists():
            home.chmod(0o750)
            engine.give(home, USER_ID, GROUP_ID)

    return make


LAYERS: dict[str, Callable[[Store, Path], None]] = {
    "homebrew-arm64": lambda store, layer: homebrew(store, layer, "opt/homebrew", ["arm64"]),
    "homebrew-arm64-bottle": lambda store, layer: homebrew(store, layer, "opt/homebrew", ["arm64"], poured=False),
    "homebrew-x86_64": lambda store, layer: homebrew(store, layer, "usr/local", ["x86_64"]),
    "python-org": python_org,
    "command-line-tools": command_line_tools,
    "macadmins": macadmins,
    "conda": python_in("~/miniconda3"),
    "conda-x86_64": python_in("~/miniconda3", "x86_64"),
    "pyenv": python_in("~/.pyenv/versions/{version}"),
    "uv": python_in("~/.local/share/uv/python/cpython-{version}-macos-aarch64-none"),
}


# ----------------------------------------------------------------------------------------------------------- files


def listed(names: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """{"bin": "a b"} as ("bin", "a"), ("bin", "b")."""
    for folder, words in names.items():
        for word in words.split():
            yield folder, word


def mac_program(role: str) -> bytes:
    """A program of the system's: universal, answered by inside/answer.c; mac_programs.py says what the roles are."""
    words = [f"/{SIM}/tools/answer", role]
    return stub(Kind.EXECUTABLE, {"x86_64": words, "arm64e": words})


def put(path: Path, content: str | bytes, mode: int = 0o644) -> Path:
    """A file with its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    path.chmod(mode)
    return path


def link(path: Path, target: str) -> None:
    """A symbolic link with its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)


def read_by_zsh(path: str) -> str:
    """A line that lets zsh read a start-up file, if it is there."""
    return f"if [[ -r {path} ]]; then source {path}; fi\n"


def hard_link(existing: Path, path: Path) -> None:
    """A hard link with its folders, over what was there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.hardlink_to(existing)
