# SPDX-License-Identifier: GPL-3.0-or-later
"""Somebody who follows a document: finds the commands in it, and types them."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tests.ansible_runner import CHECKOUT, complaints
from tests.integration.hosts import INVENTORY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.simulated_mac.fleet import Mac

BIN = CHECKOUT / ".venv/bin"
PROGRAMS = re.compile(r"(\.venv/bin/)?(ansible[\w-]*|pip)|make|source|cp|cd|ssh|ssh-copy-id|tools/[\w-]+")
"""What a reader can run."""
ELSEWHERE = {
    "setup": "test_setup.py runs its playbook on this machine",
    "demo": "test_setup.py and Molecule run its playbook on simulated Macs",
    "demo-down": "tests/simulated_mac has its own tests",
    "test": "this is it",
    "test-all": "so is this",
    "check": "`make test` runs it",
    "release-check": "`make test-all` runs it",
    "docs": "`make check` runs it",
    "matrix": "`make test-all` runs it",
    "check-locks": "`make test` runs it",
    "bench": "it only measures",
    "pairing": "test_link_check.py checks some pairs, tests/unit/tools/pairing the table",
}
"""Targets of make that last too long here, with what runs instead; that they exist is tested."""
ONE_MAC = re.compile(r"(?:curl|less|sh) (?:\S+ )*\S*setup\.sh|~/\.local/share/metalfleet/controller/playbook")
"""What is typed on a Mac without a controller: test_one_mac.py does."""

_FENCE = re.compile(r"^(?P<indent> *)```(?P<language>\S*)\n(?P<text>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(r"(?<=\n\n)(?: {4,}[^\n]*\n)+")


class Block(NamedTuple):
    """A block of a document that is not prose."""

    language: str
    text: str


def blocks(document: str) -> list[Block]:
    """The fenced blocks of a document."""
    return [Block(found["language"], textwrap.dedent(found["text"])) for found in _FENCE.finditer(document)]


def unclear_blocks(document: str) -> list[str]:
    """Blocks of which nobody can tell whether they are commands: without a fence, or without a language."""
    without_language = [block.text for block in blocks(document) if not block.language]
    return without_language + _INDENTED.findall(_FENCE.sub("", document))


def commands(document: str) -> list[str]:
    """The commands of a document: each line of its `sh` blocks, and in `console` blocks what follows `$`."""
    return [line for block in blocks(document) for line in _commands_of(block)]


def _commands_of(block: Block) -> Iterator[str]:
    lines = re.sub(r"\s*\\\n\s*", " ", block.text).splitlines()
    if block.language == "sh":
        yield from (line.partition("  #")[0].strip() for line in lines if line and not line.startswith("#"))
    if block.language == "console":
        yield from (line.removeprefix("$ ") for line in lines if line.startswith("$ "))


def can_be_run(command: str) -> bool:
    """Whether a reader knows the program."""
    return ONE_MAC.match(command) is not None or PROGRAMS.fullmatch(shlex.split(command)[0]) is not None


def needs_a_host(command: str) -> bool:
    """Whether it contacts a Mac."""
    playbooks = r"\S*ansible-playbook .*\b(?:setup|audit|doctor|rollback|remove|fetch)\b"
    return re.match(rf"ssh|source [~/]|ansible |{playbooks}", command) is not None


@dataclass
class Reader:
    """Types commands in the order of a document.

    The reader's fleet is a copy of one of our examples, in which the simulated Mac takes the place of the Mac of that
    name; other Macs of the example are left alone.
    """

    folder: Path
    """The reader's own."""
    host: Mac | None = None
    where: Path | None = None
    """The folder that the reader went to; before that, it is that of the fleet."""

    @property
    def fleet(self) -> Path:
        """The folder with the reader's inventory."""
        return self.folder / "fleet"

    def type(self, command: str) -> str:
        """Type a command and return what it said. It must succeed."""
        program, *arguments = shlex.split(command)
        match Path(program).name:
            case "make":
                said = self._make(*arguments)
            case "source":
                said = self._source(*arguments)
            case "ssh":
                said = self._ssh(*arguments)
            case "ssh-copy-id":
                said = self._ssh_copy_id()
            case "cp":
                said = self._run("cp", *map(self._filled_in, arguments[:-1]), self.folder / arguments[-1])
            case "cd":
                said = self._cd(arguments[0])
            case name if name.startswith("ansible") or name == "pip":
                said = self._ansible(program, arguments)
            case _:
                said = self._run(program, *arguments)
        return said

    def _cd(self, folder: str) -> str:
        self.where = self.folder if folder == ".." else self.folder / folder
        return self._run("ls", self.where)

    def _make(self, target: str) -> str:
        """In the checkout."""
        self.where = CHECKOUT
        return self._run("make", *(["--dry-run"] if target in ELSEWHERE else []), target)

    def _source(self, activate: str) -> str:
        """On the controller it decides which Ansible is found; on a Mac it must lead to the environment."""
        if activate.startswith(".venv"):
            assert (CHECKOUT / activate).is_file()
            return ""
        assert self.host
        said = self.host.run(f". {activate.replace('NAME', 'tensorflow')} && python -c 'import sys; print(sys.prefix)'")
        assert "/environments/tensorflow/" in said.stdout, said.stderr
        return said.stdout

    def _ssh(self, _where: str, *command: str) -> str:
        assert self.host
        return self._run(*self.host.ssh(*command))

    def _ssh_copy_id(self) -> str:
        assert self.host
        key = self.host.fleet.store.key
        connection = self.host.ssh()[5:]  # it knows no -F, and takes -i for the key that it copies
        (self.folder / ".ssh").mkdir(mode=0o700)
        arguments = ("-f", "-i", f"{key}.pub", f"-oIdentityFile={key}", *connection)
        return self._run("ssh-copy-id", *arguments, settings={"HOME": str(self.folder)})

    def _ansible_galaxy(self, arguments: list[str]) -> str:
        """It counts which ansible.cfg there is, and nothing that a test has set."""
        command = (BIN / "ansible-galaxy", *map(self._filled_in, arguments))
        said = self._run(*command, folder=self._place(), settings={"HOME": str(self.folder)})
        assert "was installed successfully" in said, said
        return said

    def _place(self) -> Path:
        """Where the reader is."""
        return self.where or (self.fleet if self.fleet.exists() else self.folder)

    def _ansible(self, program: str, arguments: list[str]) -> str:
        """Outside of the checkout its ansible.cfg is not found: Ansible as people have it."""
        if Path(program).name == "ansible-galaxy":
            return self._ansible_galaxy(arguments)
        ours = program.startswith(".venv")
        if self.host and not ours and Path(program).name in ("ansible", "ansible-playbook"):
            arguments = [*arguments, "--limit", self.host.name]
        command = [BIN / Path(program).name, *(self._filled_in(each) for each in arguments)]
        if ours:
            return self._run(*command)
        return self._run(*command, folder=self._place(), settings=self._settings())

    def _filled_in(self, argument: str) -> str | Path:
        """What a reader puts in for the words in capitals, and for paths that only the reader has."""
        known = {
            "PATH-OF-THIS-CHECKOUT": CHECKOUT,
            "/srv/pythons": self.folder,
            "inventory/simulated": INVENTORY,
        }
        first, slash, others = argument.partition("/")
        return f"{known[first]}{slash}{others}" if first in known else known.get(argument, argument)

    def _settings(self) -> dict[str, str]:
        """What the reader has installed, or else the checkout; and the simulated Mac beside the example's inventory."""
        installed = self.folder / ".ansible/collections"
        collections = installed if installed.exists() else CHECKOUT / ".collections"
        return {"ANSIBLE_COLLECTIONS_PATH": str(collections), "ANSIBLE_INVENTORY": f"inventory,{INVENTORY}"}

    def _run(self, *command: str | Path, folder: Path = CHECKOUT, settings: dict[str, str] | None = None) -> str:
        variables = {"ANSIBLE_NOCOLOR": "1", **(settings or {})}
        if self.host:
            fleet = self.host.fleet
            variables |= {"SIMULATED_MAC_FLEET": fleet.name, "SIMULATED_MAC_HOME": str(fleet.store.home)}
        process = subprocess.run(
            command, cwd=folder, env=os.environ | variables, capture_output=True, text=True, check=False
        )
        said = process.stdout + process.stderr
        assert process.returncode == 0, f"{shlex.join(map(str, command))}\n{said}"
        assert complaints(said) == [], said
        return said
