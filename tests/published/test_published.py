# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection as others get it: built, installed into an empty folder by `make published`, and used by its name.

What is used has the four folders alone that a collection of the Ansible package may depend on.

Not among the tests that run by default: `make release-check` and `make matrix` run these, `make check` those of the
release itself.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import yaml

from tests.ansible_runner import complaints, parse_recap

CHECKOUT = Path(__file__).parents[2]
COLLECTION = "metalfleet.tensorflow"
IN_COLLECTIONS = "ansible_collections/metalfleet/tensorflow"
PUBLISHED = CHECKOUT / ".cache/published"
NEEDED = ("meta", "playbooks", "plugins", "roles")
PLAYBOOKS = sorted(path.stem for path in CHECKOUT.glob("playbooks/*.yml"))
ROLES = sorted(path.name for path in CHECKOUT.glob("roles/*"))
MODULES = sorted(path.stem for path in CHECKOUT.glob("plugins/modules/[!_]*.py"))
OF_ANSIBLE_ITSELF = "ansible/_internal/ansible_collections"
"""ansible-doc complains of a collection that ansible-core brings."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of a user who has an inventory, and no checkout: this machine, with an environment that is small."""
    folder = tmp_path_factory.mktemp("user")
    variables = {
        "ansible_connection": "local",
        "tensorflow_root": str(folder / "metalfleet"),
        "tensorflow_links": str(folder / "environments"),
        "tensorflow_environments": [{"name": "edge", "framework": "litert"}],
    }
    inventory = {"tensorflow": {"hosts": {"localhost": None}, "vars": variables}}
    (folder / "inventory.yml").write_text(yaml.safe_dump(inventory))
    for name in NEEDED:
        shutil.copytree(PUBLISHED / IN_COLLECTIONS / name, folder / "collections" / IN_COLLECTIONS / name)
    shutil.copy(PUBLISHED / IN_COLLECTIONS / "MANIFEST.json", folder / "collections" / IN_COLLECTIONS)
    return folder


def run(folder: Path, command: str, *arguments: str, **variables: str) -> str:
    """What a command of Ansible prints; it must succeed and have nothing to complain of."""
    settings = {
        "ANSIBLE_COLLECTIONS_PATH": str(folder / "collections"),
        "ANSIBLE_HOME": str(folder / "ansible"),
        "ANSIBLE_INVENTORY": str(folder / "inventory.yml"),
        "ANSIBLE_NOCOLOR": "1",
    }
    process = subprocess.run(
        [Path(sys.executable).with_name(command), *arguments],
        cwd=folder,
        env=os.environ | settings | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    said = process.stdout + process.stderr
    assert process.returncode == 0, said
    assert [each for each in complaints(said) if OF_ANSIBLE_ITSELF not in each] == []
    return process.stdout


@pytest.mark.parametrize(("kind", "names"), [("module", MODULES), ("role", ROLES)])
def test_everything_is_documented(folder: Path, kind: str, names: list[str]) -> None:
    pages = json.loads(
        run(folder, "ansible-doc", "--json", "--type", kind, *(f"{COLLECTION}.{each}" for each in names))
    )
    assert sorted(pages) == [f"{COLLECTION}.{each}" for each in names]


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_every_playbook_is_found_by_its_name(folder: Path, playbook: str) -> None:
    said = run(folder, "ansible-playbook", "--syntax-check", f"{COLLECTION}.{playbook}")
    assert f"playbook: {folder}/collections/ansible_collections/" in said


def test_the_script_beside_the_release_knows_its_address_and_hash() -> None:
    [release] = PUBLISHED.glob("*.tar.gz")
    lines = (PUBLISHED / "setup.sh").read_text().splitlines()
    assert f"RELEASE_SHA256={hashlib.sha256(release.read_bytes()).hexdigest()}" in lines
    [url] = [line for line in lines if line.startswith("RELEASE_URL=")]
    assert url.startswith("RELEASE_URL=https://")
    assert url.endswith(f"/{release.name}")


def test_the_release_has_what_setup_sh_uses() -> None:
    [release] = PUBLISHED.glob("*.tar.gz")
    copied = re.search(r"^ +set -- (plugins .*)$", (PUBLISHED / "setup.sh").read_text(), re.MULTILINE)
    assert copied
    with tarfile.open(release) as tar:
        packed = set(tar.getnames())
    assert set(copied[1].split()) <= packed


def test_an_environment_is_made_kept_and_removed(folder: Path) -> None:
    setup = f"{COLLECTION}.setup"
    would_change = run(folder, "ansible-playbook", setup, "--check")
    changes = run(folder, "ansible-playbook", setup)
    changes_not = run(folder, "ansible-playbook", setup)
    # Without pipelining modules travel as files.
    would_change_not = run(folder, "ansible-playbook", setup, "--check", ANSIBLE_PIPELINING="0")
    run(folder, "ansible-playbook", f"{COLLECTION}.audit")
    in_place = (folder / "environments/edge/bin/python").exists()
    run(folder, "ansible-playbook", f"{COLLECTION}.remove", "-e", "tensorflow_name=edge")

    outputs = (would_change, changes, changes_not, would_change_not)
    changed = [parse_recap(output)["localhost"]["changed"] > 0 for output in outputs]
    assert changed == [True, True, False, False]
    assert in_place
    assert not (folder / "environments/edge").is_symlink()
