# SPDX-License-Identifier: GPL-3.0-or-later
"""Small environments on simulated Macs, kept by the real module over SSH, and judged by what they then do."""

from __future__ import annotations

import json
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.integration.hosts import LINKS, PLAYBOOKS, ROOT, installed, on_fleet, said
from tests.simulated_mac.macho import Kind, stub
from tests.wheels import Wheel, lock_of, make_wheel

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tests.ansible_runner import Result
    from tests.simulated_mac.fleet import Mac

MANY = 400  # files, so that a build lasts long enough to be disturbed

SAID = r"was moved to|cannot remove it"
"""Warnings of ours, of what is a user's."""
HOME = f"{ROOT}/environments/tf"
LINK = f"{LINKS}/tf"
PLACES = (
    f"root={ROOT} home={HOME} link={LINK} packages=$(echo {LINK}/lib/python3.*/site-packages) "
    f"minor=$(ls {ROOT}/python | sed 's/cpython-\\(3[.][0-9]*\\).*/\\1/')"
)
"""What shell lines on the host may call by name."""


class SmallWheels:
    """A folder of wheels, and a lock that pins two of them: alpha 1.0 and beta 2.0."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        files = {f"alpha/part{number}.py": f"NUMBER = {number}\n".encode() for number in range(MANY)}
        files |= {"alpha/__init__.py": b"VERSION = '1.0'\n", "alpha/native.so": library("arm64")}
        self.alpha = make_wheel(folder, "alpha", files=files)
        self.beta = make_wheel(folder, "beta", "2.0")
        self.beta_3 = make_wheel(folder, "beta", "3.0")
        self.gamma = make_wheel(folder, "gamma")
        (folder / "intel.so").write_bytes(library("x86_64"))
        self.lock = self.write_lock("lock", self.alpha, self.beta)

    def write_lock(self, name: str, *wheels: Wheel) -> str:
        """The path of a lock. By its name it is another than those of other names, though it may pin the same."""
        path = self.folder.with_name(f"{self.folder.name}-{name}.txt")
        path.write_text(f"# {name}\n{lock_of(*wheels)}")
        return str(path)


def library(architecture: str) -> bytes:
    """A native library for one architecture."""
    return stub(Kind.BUNDLE, {architecture: ["/nowhere"]})


@dataclass(frozen=True)
class Outcome:
    """What the module said of one host."""

    answer: dict[str, Any]
    failed: bool

    @property
    def reasons(self) -> list[str]:
        """Why it did, or would do, something."""
        assert not self.failed, self.answer
        assert self.answer["changed"] == bool(self.answer["plan"])
        return list(self.answer["reasons"])

    @property
    def message(self) -> str:
        """Why it failed."""
        assert self.failed, self.answer
        return str(self.answer["msg"])


class SmallEnvironment:
    """The environment `tf` of one host; `options` are the module's that declare it."""

    def __init__(self, mac: Mac, wheels: SmallWheels) -> None:
        self.mac, self.wheels = mac, wheels
        self.options: dict[str, Any] = {"lock": wheels.lock, "wheels": "/Users/admin/wheels"}

    def run(self, *arguments: str, **options: Any) -> Outcome:
        """Let Ansible keep it; other options hold for this time only."""
        declared, self.options = self.options, self.options | options
        try:
            [outcome] = run_module({"it": self}, *arguments).values()
        finally:
            self.options = declared
        return outcome

    def sh(self, command: str) -> str:
        """What a shell line printed that knows the environment's places as $root, $home, $link, $packages."""
        return said(self.mac, f"{PLACES}; {command}")

    def says(self, link: str = "$link") -> str:
        """What its packages answer when they are used, by its stable path or another."""
        program = "import alpha, beta; print(alpha.VERSION, beta.VERSION)"
        return self.sh(f"{link}/bin/python -I -B -c '{program}'").strip()

    def generations(self) -> list[str]:
        """Everything in the folder of generations."""
        return self.sh("ls -A $home | grep -v metalfleet-memory").split()

    def assert_in_order(self) -> None:
        """It works, and every file is that of its wheel."""
        assert self.says() == "1.0 2.0"
        inside = installed(self.mac, LINK)
        assert inside["packages"] == ["alpha-1.0", "beta-2.0"]
        assert inside["checked"] > MANY
        assert (inside["wrong"], inside["foreign"], inside["linked_elsewhere"]) == ([], [], [])
        assert self.mac.shim_calls() == []


def run_module(environments: Mapping[str, SmallEnvironment], *arguments: str) -> dict[str, Outcome]:
    """Let Ansible keep environments on hosts of one fleet, in one run; what it said of each."""
    result = run_playbook(environments.values(), *arguments)
    told = re.finditer(r"^(ok|changed|fatal): \[(\S+)\](?:: FAILED!)? => (?=\{)", result.stdout, re.MULTILINE)
    outcomes = {match[2]: Outcome(json_at(result.stdout, match.end()), match[1] == "fatal") for match in told}
    assert outcomes.keys() == {environment.mac.name for environment in environments.values()}, result.output
    return {name: outcomes[environment.mac.name] for name, environment in environments.items()}


def run_playbook(environments: Iterable[SmallEnvironment], *arguments: str) -> Result:
    """The same, however it ends."""
    options = {environment.mac.name: environment.options for environment in environments}
    fleet = next(iter(environments)).mac.fleet
    with tempfile.NamedTemporaryFile("w", suffix=".json") as declared:
        json.dump({"all": {"hosts": {name: prefixed(each) for name, each in options.items()}}}, declared)
        declared.flush()
        limit = ["--limit", ",".join(options)]
        return on_fleet(
            fleet,
            PLAYBOOKS / "environment.yml",
            *("-v", "-i", declared.name, *limit, *arguments),
            check=False,
            warns=SAID,
        )


def prefixed(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options as the playbook's variables, without those that are None."""
    return {f"environment_{name}": value for name, value in options.items() if value is not None}


def json_at(text: str, start: int) -> dict[str, Any]:
    """The object that is written there."""
    return dict(json.JSONDecoder().raw_decode(text[start:])[0])
