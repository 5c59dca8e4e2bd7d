# SPDX-License-Identifier: GPL-3.0-or-later
"""A user of the Mac is told nothing that only a controller has."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._agent.words import for_user

CHECKOUT = Path(__file__).parents[5]
PLAYBOOKS = "|".join(rf"\b{path.stem}\.yml\b" for path in CHECKOUT.glob("playbooks/*.yml"))
NOT_FOR_USERS = re.compile(rf"{PLAYBOOKS}|tensorflow_free_mb")


def texts() -> Iterator[str]:
    """Every text of the engines that names a playbook, or what is said to a user in other words."""
    for path in sorted(CHECKOUT.glob("plugins/module_utils/**/*.py")):
        if path.parts[-2:] == ("_agent", "words.py"):
            continue
        tree = ast.parse(path.read_text())
        documented = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            is_text = isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documented
            if is_text and NOT_FOR_USERS.search(str(node.value)):  # type: ignore[attr-defined]
                yield str(node.value)  # type: ignore[attr-defined]


@pytest.mark.parametrize("text", sorted(set(texts())))
def test_no_text_names_what_only_a_controller_has(text: str) -> None:
    assert not NOT_FOR_USERS.search(for_user(text))


def test_what_can_be_done_on_the_mac_is_named() -> None:
    assert (
        for_user("tf: has drifted. Run setup.yml to repair it.")
        == "tf: has drifted. Run metalfleet repair to repair it."
    )
    assert for_user("Name a file (tensorflow_ca, or pip's cert).") == (
        "Name a file (tensorflow_ca, or pip's cert). Only whoever manages this Mac can set tensorflow_ca."
    )
    packages = "/x/tensorflow_io/a.py and tensorflow_metal-1.2.0 are damaged."
    assert for_user(packages) == packages
    assert for_user("Choose other folders (tensorflow_root, tensorflow_links).") == "Choose other folders."
    writable = "Make it writable for this user, or choose other folders (tensorflow_root, tensorflow_links)."
    assert for_user(writable) == "Make it writable for this user."
