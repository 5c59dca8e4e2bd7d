# SPDX-License-Identifier: GPL-3.0-or-later
"""Every command of README.md and docs/ is run, in the order in which a reader would type it.

What a reader puts in for the words in capitals is a simulated Mac on which everything is in order.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from tests import metal
from tests.ansible_runner import CHECKOUT
from tests.integration.conftest import NewMac
from tests.integration.hosts import INVENTORY
from tests.simulated_mac.fleet import Mac

DOCUMENTS = sorted(str(path.relative_to(CHECKOUT)) for path in [CHECKOUT / "README.md", *CHECKOUT.glob("docs/*.md")])
BIN = CHECKOUT / ".venv/bin"
PROGRAMS = re.compile(r"(?:(?:\.venv/bin/)?(?:ansible[\w-]*|make|pip|source|uv)|tools/[\w-]+)(?=\s)")
ON_THEIR_OWN = {
    "setup": "test_setup.py runs its playbook on this machine",
    "demo": "test_setup.py and Molecule run its playbook on simulated Macs",
    "demo-down": "tests/simulated_mac has its own tests",
    "test": "this is it",
    "check": "`make test` runs it",
    "check-locks": "`make test` runs it",
    "bench": "it only measures",
    "pairing": "test_link_check.py checks some pairs, tests/unit/tools/pairing the table",
}
"""Targets of make that last too long here, with what runs instead; that they exist is tested."""


def commands(text: str) -> list[str]:
    """The commands in the code blocks of a document, each on one line."""
    fenced = re.findall(r"^```(?:sh|shell|console)?\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    indented = re.findall(r"(?<=\n\n)((?: {4,}[^\n]*\n)+)", text)
    lines = re.sub(r"\s*\\\n\s*", " ", "".join([*fenced, *indented])).splitlines()
    return [line.strip().removeprefix("$ ") for line in lines if PROGRAMS.match(line.strip().removeprefix("$ "))]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_command_works(document: str, mac: NewMac, converged: str, tmp_path: Path) -> None:
    found = commands((CHECKOUT / document).read_text())
    host = mac(f"m1-fresh@{converged}", "m1") if any("-i " in command for command in found) else None
    if host:
        metal.use(host, "ok")
    for command in found:
        run(command, host, tmp_path)


def run(command: str, host: Mac | None, folder: Path) -> None:
    """Run one as the reader would; fails with what it said."""
    program, *arguments = shlex.split(command)
    if program == "make":
        target = arguments[0]
        process = subprocess.run(
            ["make", *(["--dry-run"] if target in ON_THEIR_OWN else []), target],
            cwd=CHECKOUT, capture_output=True, text=True, check=False,
        )  # fmt: skip
    elif program == "source":
        assert host
        done = host.run(f". {arguments[0].replace('NAME', 'tensorflow')} && python -c 'import sys; print(sys.prefix)'")
        assert done.stdout.strip().endswith("/environments/tensorflow/1"), done.stderr
        return
    elif program.startswith("tools/"):
        process = subprocess.run([program, *arguments], cwd=CHECKOUT, capture_output=True, text=True, check=False)
    else:
        # Outside of the checkout its ansible.cfg is not found: Ansible as people have it, and the installed collection.
        ours = program.startswith(".venv")
        process = subprocess.run(
            [str(BIN / Path(program).name), *filled_in(arguments, folder)],
            cwd=CHECKOUT if ours else folder, env=environment(host, None if ours else folder / "collections"),
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert process.returncode == 0, f"{command}\n{process.stdout}{process.stderr}"


def filled_in(arguments: list[str], folder: Path) -> list[str]:
    """Arguments with what a reader puts in for the words in capitals."""
    known = {
        "MY-INVENTORY": str(INVENTORY),
        "HOST": "m1",
        "PATH-OF-THIS-CHECKOUT": str(CHECKOUT),
        "/srv/pythons": str(folder),
        "inventory/simulated": str(INVENTORY),
    }
    return [known.get(argument, argument) for argument in arguments]


def environment(host: Mac | None, collections: Path | None) -> dict[str, str]:
    """The reader's, with the simulated Mac's fleet, and a place of its own for collections that are installed."""
    settings = {"ANSIBLE_NOCOLOR": "1"} | ({"ANSIBLE_COLLECTIONS_PATH": str(collections)} if collections else {})
    if host:
        settings |= {"SIMULATED_MAC_FLEET": host.fleet.name, "SIMULATED_MAC_HOME": str(host.fleet.store.home)}
    return os.environ | settings


def test_commands_are_found_in_every_form() -> None:
    indented = "Text.\n\n    make demo\n    $ make demo\n    PLAY [x]\n\n"
    text = f"{indented}```sh\npip download \\\n  uv\n```\n\n```yaml\npip: x\n```\n"
    assert commands(text) == ["pip download uv", "make demo", "make demo"]


def test_every_document_with_commands_is_seen() -> None:
    assert len(commands((CHECKOUT / "README.md").read_text())) > 10
