# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""A newer document from a URL, signed with the key that the document in force names.

What is unsigned, signed by anybody else, older, or damaged is refused, and the document in force stays.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._agent import document as agent_document
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._commands import CommandFailed, Commands
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.manifest import put
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.network import Network
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.settings import sources_of
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.web import FetchFailed, Unreachable, Web

if TYPE_CHECKING:
    from collections.abc import Mapping

Try = Callable[[agent_document.AgentDocument], object]

SIGNER, NAMESPACE = "metalfleet", "metalfleet-document"
SUFFIX = ".sig"
SSH_KEYGEN = "/usr/bin/ssh-keygen"


def pull(folder: Path, in_force: agent_document.AgentDocument, commands: Commands, try_it: Try) -> str:
    """Put a newer document in force; returns what is said of it, "" if there is none.

    Raises MetalfleetError for one that is refused. A laptop is often where the URL cannot be reached: nothing is said.
    `try_it` raises it for one that could not be followed here.
    """
    url = str(in_force.settings.get("url") or "")
    if not url:
        return ""
    try:
        text, signature = fetch(url, in_force.options, commands)
    except Unreachable:
        return ""
    except FetchFailed as failure:
        raise refused(url, failure.reason) from failure
    refuse_unsigned(url, text, signature, str(in_force.settings.get("key") or ""), commands)
    offered = agent_document.parse(text)
    if offered.digest == in_force.digest:  # whichever is newer: a controller may have written the same here since
        return ""
    refuse_unfit(url, offered, in_force, try_it)
    put(folder / agent_document.NAME, text)
    return f"A newer document is in force, with the serial number {offered.serial}, from {url}."


def refuse_unfit(
    url: str, offered: agent_document.AgentDocument, in_force: agent_document.AgentDocument, try_it: Try
) -> None:
    """Refuse what is older than the one in force, or could not be followed here. Raises MetalfleetError."""
    if offered.serial < in_force.serial:
        raise refused(url, f"its serial number {offered.serial} is older than {in_force.serial}, of the one in force")
    try:
        try_it(offered)
    except MetalfleetError as unfit:
        raise refused(url, unfit.problem.cause) from unfit
    missing = pythons_of(offered) - pythons_of(in_force)
    if missing:
        raise refused(url, f"it needs {' and '.join(sorted(missing))}, which comes with a newer archive of the agent")


def pythons_of(document: agent_document.AgentDocument) -> set[str]:
    """The Pythons that a document needs, in words. What installs and repairs them is no part of it."""
    managed = document.options.get("python") or {}
    minors = {str(each.get("python") or "") for each in document.options["environments"]}
    needed = {f"a Python {minor} beside the managed one" for minor in minors - {"", managed.get("version")}}
    return needed | {f"a managed Python {managed.get('version')} ({managed.get('source')})"}


def fetch(url: str, options: Mapping[str, Any], commands: Commands) -> tuple[bytes, bytes]:
    """What is at the URL, and its signature. Raises FetchFailed."""
    network = Network(wheels=url, proxy=options["proxy"], certificates=options["ca_certificates"])
    web = Web(sources_of(network), commands)
    return web.page(url, "*/*")[1], web.page(f"{url}{SUFFIX}", "*/*")[1]


def refuse_unsigned(url: str, text: bytes, signature: bytes, key: str, commands: Commands) -> None:
    """Let ssh-keygen(1) compare. Raises MetalfleetError."""
    with tempfile.TemporaryDirectory() as folder:
        allowed, signed = Path(folder, "allowed"), Path(folder, "signature")
        allowed.write_text(f'{SIGNER} namespaces="{NAMESPACE}" {key}\n', encoding="utf-8")
        signed.write_bytes(signature)
        verify = [SSH_KEYGEN, "-Y", "verify", "-f", str(allowed), "-I", SIGNER, "-n", NAMESPACE, "-s", str(signed)]
        try:
            commands.run(verify, stdin=text.decode("utf-8"), timeout=30)
        except (CommandFailed, UnicodeDecodeError) as failure:
            raise refused(url, f"it is not signed with the key that is declared ({failure})") from failure


def refused(url: str, why: str) -> MetalfleetError:
    """What is said of a document that is not put in force."""
    return MetalfleetError(
        f"The document at {url} was refused, and the one in force stays",
        evidence=why[:1].upper() + why[1:],
        remedy="Tell whoever manages this Mac.",
    )
