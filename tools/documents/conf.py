# SPDX-License-Identifier: GPL-3.0-or-later
"""Sphinx's settings for the site, see site.py. The pages themselves are plain Markdown, as GitHub shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml
from docutils import nodes

from tools.documents.site import CHECKOUT, FRONT_PAGE, navigation

if TYPE_CHECKING:
    from sphinx.application import Sphinx

GALAXY = yaml.safe_load((CHECKOUT / "galaxy.yml").read_text())

project = f"{GALAXY['namespace']}.{GALAXY['name']}"
author = GALAXY["authors"][0]
release = GALAXY["version"]
html_show_copyright = False
html_title = f"{project} {release}"

extensions = ["myst_parser", "sphinx_antsibull_ext"]
root_doc = FRONT_PAGE
html_theme = "sphinx_rtd_theme"
myst_heading_anchors = 4  # links to a heading, as GitHub makes them
highlight_language = "text"

IN_ANSIBLES_DOCUMENTS = {
    "action_plugins": "plugins/action.html",
    "callback_plugins": "plugins/callback.html",
    "inventory_plugins": "plugins/inventory.html",
    "common_return_values": "reference_appendices/common_return_values.html",
    "ansible_configuration_settings": "reference_appendices/config.html",
}
"""Where the reference leads to in Ansible's own documents. It is said here, so that no network is asked for it."""


def with_navigation(_app: Sphinx, document: str, source: list[str]) -> None:
    """Put the navigation, which the front page has as plain lists, into Sphinx's form."""
    if document == FRONT_PAGE:
        source[0] += navigation(source[0])


def link_to_ansible(_app: Sphinx, _env: Any, reference: Any, text: nodes.Node) -> nodes.reference | None:
    """Find what a label of Ansible's documents stands for."""
    place = IN_ANSIBLES_DOCUMENTS.get(reference.get("reftarget", ""))
    if place is None:
        return None
    address = f"https://docs.ansible.com/projects/ansible/latest/{place}"
    return nodes.reference("", "", text, internal=False, refuri=address)


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("missing-reference", link_to_ansible)
    app.connect("source-read", with_navigation)
