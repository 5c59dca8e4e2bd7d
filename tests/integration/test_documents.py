# SPDX-License-Identifier: GPL-3.0-or-later
"""Every command of README.md, docs/ and examples/ is run, in the order in which a reader would type it.

What a reader puts in for the words in capitals is a simulated Mac on which everything is in order.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.metalfleet.tensorflow.plugins.module_utils import _options

from tests import metal
from tests.ansible_runner import CHECKOUT
from tests.conda import Channel
from tests.integration.conftest import NewMac
from tests.integration.reader import ONE_MAC, Reader, can_be_run, commands, needs_a_host, unclear_blocks

EXAMPLES = sorted(path.parent.name for path in CHECKOUT.glob("examples/*/README.md"))
PAGES = [CHECKOUT / "README.md", CHECKOUT / "CONTRIBUTING.md", *sorted(CHECKOUT.glob("docs/*.md"))]
DOCUMENTS = [str(path.relative_to(CHECKOUT)) for path in PAGES]
LATER = {
    "CONTRIBUTING.md": "makes a checkout's tools anew",
    "docs/upgrades.md": "builds a generation",
    "docs/onboarding.md": "types what docs/getting_started.md does",
    "docs/scheduling.md": "types what docs/report.md does",
}
"""Pages that are left to `make test-all`, and why."""


def text_of(document: str) -> str:
    return (CHECKOUT / document).read_text()


def with_long_ones_apart(documents: list[str]) -> list[object]:
    slow = {each: [pytest.mark.slow(why)] for each, why in LATER.items()}
    return [pytest.param(each, marks=slow.get(each, []), id=each) for each in documents]


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    """A reader who has nothing yet."""
    return Reader(tmp_path)


@pytest.mark.parametrize("document", with_long_ones_apart(DOCUMENTS))
def test_every_command_works(document: str, mac: NewMac, converged: str, tmp_path: Path) -> None:
    found = commands(text_of(document))
    host = None
    if any(map(needs_a_host, found)):
        host = mac(f"m1-fresh@{converged}", "mac-ada")
        metal.use(host, "ok")
    reader = Reader(tmp_path, host)
    if not any(command.startswith("cp ") for command in found):
        shutil.copytree(CHECKOUT / "examples/one-mac", reader.fleet)
    for command in found:
        if not ONE_MAC.match(command):
            reader.type(command)


@pytest.mark.parametrize("document", [*DOCUMENTS, *(f"examples/{name}/README.md" for name in EXAMPLES)])
def test_every_command_is_one_that_the_tests_run(document: str) -> None:
    text = text_of(document)
    assert unclear_blocks(text) == []
    assert [command for command in commands(text) if not can_be_run(command)] == []


def test_commands_are_found_in_every_form() -> None:
    text = "```console\n$ make demo\nPLAY [x]\n```\n\n1. List\n\n   ```sh\n   pip \\\n     list\n   # why\n   ```\n"
    assert commands(text) == ["make demo", "pip list"]
    assert commands("```yaml\npip: x\n```\n```text\nmake demo\n```\n") == []


def test_what_may_be_a_command_is_not_overlooked() -> None:
    assert unclear_blocks("Text.\n\n    make demo\n\nText.\n") == ["    make demo\n"]
    assert unclear_blocks("```\nmake demo\n```\n") == ["make demo\n"]
    assert not can_be_run("brew install tensorflow")


def test_every_document_with_commands_is_seen() -> None:
    assert sum(len(commands(text_of(document))) for document in DOCUMENTS) > 30


# --- Examples --------------------------------------------------------------------------------------------------------


def copied(example: str, reader: Reader) -> None:
    shutil.copytree(CHECKOUT / "examples" / example, reader.fleet)


def hosts_of(reader: Reader) -> dict[str, dict[str, Any]]:
    """The variables of each host of the reader's inventory."""
    listed = json.loads(reader.type("ansible-inventory --list"))
    return dict(listed["_meta"]["hostvars"])


@pytest.mark.parametrize("example", EXAMPLES)
def test_what_an_example_declares_is_accepted(example: str, reader: Reader) -> None:
    copied(example, reader)
    hosts = hosts_of(reader)
    assert hosts
    for variables in hosts.values():
        ours = {name: value for name, value in variables.items() if name.startswith("tensorflow_")}
        assert ours.keys() <= set(_options.variables())
        declared = {name.removeprefix("tensorflow_"): value for name, value in ours.items()}
        options = {name: value for name, value in declared.items() if name in _options.DECLARATION}
        assert ArgumentSpecValidator(_options.DECLARATION).validate(options).error_messages == []
    reader.type("ansible-playbook metalfleet.tensorflow.setup --syntax-check")
    if example != "conda":  # whose channel is not asked without need
        reader.type("ansible-playbook metalfleet.tensorflow.lock --check")


def test_the_examples_have_the_same_settings() -> None:
    assert len({(CHECKOUT / "examples" / example / "ansible.cfg").read_text() for example in EXAMPLES}) == 1


@pytest.mark.slow("takes minutes")
@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_works(
    example: str, mac: NewMac, converged: str, channel: tuple[Channel, str], tmp_path: Path
) -> None:
    reader = Reader(tmp_path)
    copied(example, reader)
    (reader.fleet / "inventory/group_vars/all.yml").write_text(
        "tensorflow_probe_timeout: 600  # machines of tests are busy\n"
    )
    host = mac(f"m1-fresh@{converged}", min(hosts_of(reader)))
    metal.use(host, "ok")
    if example == "conda":  # what a reader of ours can have from the tests' channel
        declared = reader.fleet / "inventory/group_vars/tensorflow.yml"
        declared.write_text(declared.read_text().replace("conda-forge", channel[1]).replace("ffmpeg, gdal", "tool"))
    reader = Reader(tmp_path, host)
    for command in commands(text_of(f"examples/{example}/README.md")):
        reader.type(command)
    assert "gpu-ok" in reader.type("ansible-playbook metalfleet.tensorflow.audit")
    assert host.shim_calls() == []
