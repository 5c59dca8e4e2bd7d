# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the site of all documents: `make docs`. A warning is an error.

Sphinx, because antsibull-docs writes the reference of modules, roles and plugins for it, and for nothing else. The
pages stay plain Markdown, which also reads well on GitHub and in an installed collection: the navigation is made of the
lists in docs/index.md.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
CACHE = CHECKOUT / ".cache/documents"
PUBLISHED = CHECKOUT / ".cache/published"
COLLECTION = "metalfleet.tensorflow"
FRONT_PAGE = "docs/index"
PAGES = ("*.md", "LICENSE", "docs/**/*", "examples/**/*", "tests/simulated_mac/*", "tests/simulated_mac/example/*.py")
"""What becomes the site, with what it links to, in the folders where it lies."""

BULLET = re.compile(r"^- \[[^\]]+\]\(([^)#]+)\.md\)", re.MULTILINE)


def navigation(front_page: str) -> str:
    """The lists of the front page as Sphinx's tables of contents, one for each heading, and the reference."""
    sections = re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", front_page, re.MULTILINE | re.DOTALL)
    found = [(heading, BULLET.findall(text)) for heading, text in sections]
    found += [("Reference", ["../reference/index", "../reference/schemas"])]
    return "".join(_table_of_contents(heading, pages) for heading, pages in found if pages)


def _table_of_contents(heading: str, pages: list[str]) -> str:
    return "\n".join(["\n```{toctree}", ":hidden:", f":caption: {heading}", "", *pages, "```\n"])


def gather(source: Path) -> None:
    """Copy the pages to where Sphinx reads them."""
    shutil.rmtree(source, ignore_errors=True)
    for pattern in PAGES:
        for path in filter(Path.is_file, CHECKOUT.glob(pattern)):
            copy = source / path.relative_to(CHECKOUT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)


def write_reference(folder: Path) -> None:
    """Write a page for each module, role and plugin of the published collection, and one for the schemas."""
    folder.mkdir(mode=0o755, parents=True)
    program = Path(sys.executable).with_name("antsibull-docs")
    options = ["--use-current", "--squash-hierarchy", "--no-add-antsibull-docs-version", "--fail-on-error"]
    settings = {"ANSIBLE_COLLECTIONS_PATH": str(PUBLISHED), "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}"}
    command = [str(program), "collection", *options, "--dest-dir", str(folder), COLLECTION]
    subprocess.run(command, check=True, env=os.environ | settings)
    (folder / "schemas.md").write_text(schemas())


def schemas() -> str:
    """The JSON schemas as one page."""
    found = sorted(CHECKOUT.glob("docs/*.schema.json"))
    parts = [f"## {path.name}\n\n```{{literalinclude}} ../docs/{path.name}\n:language: json\n```\n" for path in found]
    return "\n".join(["# JSON schemas\n", "What programs read, and how it is held to be.\n", *parts])


def build() -> int:
    """Build the site; returns Sphinx's exit status."""
    source, site = CACHE / "source", CACHE / "site"
    gather(source)
    write_reference(source / "reference")
    command = [sys.executable, "-m", "sphinx", "--fail-on-warning", "--keep-going", "--quiet", "--fresh-env"]
    command += ["-c", str(CHECKOUT / "tools/documents"), str(source), str(site)]
    settings = {"PYTHONPATH": f"{CHECKOUT / '.collections'}{os.pathsep}{CHECKOUT}"}
    status = subprocess.run(command, check=False, env=os.environ | settings).returncode
    if not status:
        print(f"{site.relative_to(CHECKOUT)}/{FRONT_PAGE}.html")
    return status
