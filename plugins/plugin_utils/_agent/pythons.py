# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""How the agent repairs the Python that it runs on: the scripts of native_python, and what they read.

In the folder agent/python are `inspect.sh` and `install.sh`, each with common.sh before it, `files.tar` with what the
second is sent, and `uv` with the version of that. Each Python has a folder, python3 and python3.N: `wanted` is its
interpreter, below the root unless absolute (empty: any that works); `ask`, `link` and `unpack` are lines of
assignments, to look, to link what is there, and to fetch it first.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._options import (
    ADDITIONAL,
    NATIVE_PYTHON,
    NETWORK,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._python.plan import interpreter_for
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._native_python.data import pinned_uv
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._native_python.declaration import (
    Declaration,
    declare,
)
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._native_python.host import OBJECTIONS, Host
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._native_python.plan import Plan
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._native_python.scripts import (
    Script,
    inspection,
    scripts_for,
    tar_of,
)
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._native_python.sources import SOURCES
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._native_python.urls import is_url

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

ROOT = "/@ROOT@"
"""Stands for the root folder, which a host's shell knows."""
PYTHON = "/@PYTHON@"
"""Stands for the interpreter that is to be linked."""


def files_of_pythons(options: Mapping[str, Any], minors: Iterable[str], certificates: str) -> dict[str, bytes]:
    """The files by their paths below the folder of the agent, for the managed Python and further minor versions."""
    declared = [declaration_of(options, "")]
    declared += [declaration_of(options, minor) for minor in minors]
    scripts = installing(declared[0], with_step=False)
    sent = {**scripts.files, **({"ca.pem": certificates.encode()} if certificates else {})}
    files = {
        "inspect.sh": inspection(declared[0]).program,
        "install.sh": scripts.program,
        "files.tar": tar_of(sent),
        "uv": pinned_uv().version.encode(),
        "objections": "".join(f"{verdict} {words}\n" for verdict, words in OBJECTIONS.items()).encode(),
    }
    for each in declared:
        files |= {f"{each.link}/{name}": content for name, content in lines_of(each).items()}
    return files


def declaration_of(options: Mapping[str, Any], minor: str) -> Declaration:
    """What is declared of the managed Python, or of a further minor version."""
    defaults = {name: option.get("default") for name, option in {**NATIVE_PYTHON, **ADDITIONAL, **NETWORK}.items()}
    python = dict(options["python"])
    mirror = options["agent"]["mirror"]
    network = {name: options[name] for name in ("proxy", "index_url", "extra_index_urls")}
    declared = {**defaults, **python, **network, "root": ROOT, "mirror": mirror if is_url(mirror) else ""}
    return declare({**declared, "version": minor, "additional": True} if minor else declared)


def lines_of(declaration: Declaration) -> dict[str, bytes]:
    """What the scripts read for one Python."""
    wanted = wanted_by(declaration) or ""
    lines = {
        "wanted": wanted.removeprefix(f"{ROOT}/").encode(),
        "ask": line(inspection(declaration)),
        "link": line(installing(declaration, with_step=False)),
    }
    # The package of python.org needs root, and Homebrew is its user's.
    if declaration.source != "standalone":
        return lines
    return {**lines, "unpack": line(installing(declaration, with_step=True))}


def wanted_by(declaration: Declaration) -> str | None:
    """The interpreter that a declaration asks for, on a Mac."""
    if declaration.source == "existing":
        return declaration.existing  # whose home is meant, the host's shell knows
    return interpreter_for(declaration.request("~"), Path(ROOT), "Darwin").python


ANYBODY = Host(ROOT, "Darwin", "arm64")
"""A host of which nothing more needs to be known."""


def installing(declaration: Declaration, *, with_step: bool) -> Script:
    """The script that links an interpreter, and fetches it first."""
    step = SOURCES[declaration.source].step(ANYBODY, declaration) if with_step else None
    return scripts_for(ANYBODY, Plan(PYTHON, declaration.version, pinned_uv(), (), step), declaration)[-1]


def line(script: Script) -> bytes:
    """The assignments that a script reads, in which its shell puts in what only the host knows."""
    whole = script.standard_input[len(script.program) :]
    assignments = whole.partition(b"\n")[0] + b"\n"
    return assignments.replace(ROOT.encode(), b'"$root"').replace(PYTHON.encode(), b'"$python"')
