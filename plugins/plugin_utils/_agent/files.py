# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""All files of the agent for one host, and what that host is told of them."""

from __future__ import annotations

import hashlib
import json
import re
import time
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._agent.document import content_of, digest_of
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._agent.installed import (
    COMMAND,
    DOCUMENT,
    PROGRAM,
    PYTHONS,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.declaration import WITH_PYTHON
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.failures import mask
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._agent.build import program, program_digest
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._agent.pythons import files_of_pythons
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._start import WATCH

if TYPE_CHECKING:
    from collections.abc import Mapping

STARTER = Path(__file__).with_name("on_host") / "metalfleet.sh"
WATCH_HERE = ": @WATCH@"
"""Stands there for the watchdog that ends a Python that hangs."""
OF_ONE_RUN = ("agent", "agent_files", "doctor", "incoming", "rebuild")
"""Options of the modules that no document of the agent has."""
SECRET = ("username", "password")
URLS = ("index_url", "extra_index_urls", "proxy", "wheels", "conda_channels")
LEAST, MOST = 0, 100
"""Percent."""


@dataclass(frozen=True)
class Made:
    """The agent for one host."""

    content: Mapping[str, Any]
    """What its document says."""
    others: Mapping[str, bytes]
    """All other files but the program, by their paths below the root."""

    @property
    def files(self) -> dict[str, bytes]:
        """All files but the document."""
        return {PROGRAM: program(), **self.others}


def agent_for(
    options: Mapping[str, Any], document: Mapping[str, Any], key: str, *, with_contents: bool
) -> dict[str, Any]:
    """The options of the host's module that are about the agent. Raises MetalfleetError for what cannot be meant.

    `document` is what the module is handed beside, with the locks' texts; `options` is what the playbook says; `key` is
    the public one of whoever signs further documents.
    """
    declared = options["agent"]
    if not declared["enabled"]:
        return {"agent": {"enabled": False}}
    made = make_agent(options, document, key)
    digests = {path: hashlib.sha256(each).hexdigest() for path, each in made.others.items()}
    told = {
        "enabled": True,
        "times": declared["times"],
        "delay": declared["delay"],
        "serial": int(time.time()),
        "files": {PROGRAM: program_digest(), **digests, DOCUMENT: digest_of(made.content)},
    }
    if not with_contents:
        return {"agent": told}
    contents = {**made.files, DOCUMENT: json.dumps(made.content).encode()}
    return {"agent": told, "agent_files": {path: b64encode(each).decode() for path, each in contents.items()}}


def make_agent(options: Mapping[str, Any], document: Mapping[str, Any], key: str) -> Made:
    """All files of the agent. Raises MetalfleetError for what cannot be meant."""
    declared = options["agent"]
    refuse_bad_settings(declared)
    refuse_secrets(options, document)
    kept = {name: value for name, value in document.items() if name not in OF_ONE_RUN}
    settings = {name: declared[name] for name in ("battery", "times", "delay")}
    content = content_of(for_macs(kept), {**settings, "url": declared["document_url"], "key": key})
    pythons = files_of_pythons(options, minors_of(document), document["ca_certificates"])
    return Made(
        content,
        {
            **{f"{PYTHONS}/{path}": each for path, each in pythons.items()},
            COMMAND: starter(),
        },
    )


def starter() -> bytes:
    """The command."""
    return STARTER.read_text("utf-8").replace(WATCH_HERE, WATCH).encode()


def for_macs(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document without locks for other hosts: one more of those must not change it."""
    environments = [
        {
            **each,
            "lock_digests": {
                platform: digest
                for platform, digest in each["lock_digests"].items()
                if platform == "any" or platform.startswith("macos")
            },
        }
        for each in document["environments"]
    ]
    used = {digest for each in environments for digest in each["lock_digests"].values()}
    by_lock = {
        name: {digest: value for digest, value in document[name].items() if digest in used}
        for name in ("lock_texts", "lock_pairs", "lock_litert")
    }
    return {**document, "environments": environments, **by_lock}


def minors_of(document: Mapping[str, Any]) -> list[str]:
    """Minor versions of Python that environments ask for beside the managed one."""
    wanted = {str(each.get("python") or "") for each in document["environments"] if each.get("kind") not in WITH_PYTHON}
    return sorted(wanted - {"", document["python"]["version"]})


def refuse_bad_settings(declared: Mapping[str, Any]) -> None:
    """Refuse what cannot be meant of the job and its limits."""
    bad = [each for each in declared["times"] if not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", each)]
    if bad or not declared["times"]:
        raise MetalfleetError(
            f"tensorflow_agent_times has {', '.join(map(repr, bad)) or 'no time'} in it",
            remedy='Give times of the day in quotes, such as ["11:30", "16:30"].',
        )
    url = declared["document_url"]
    if url and not url.startswith("https://"):
        raise MetalfleetError(
            f"tensorflow_agent_document_url is {mask(url)!r}", remedy="Give a URL that begins with https://."
        )
    if url and not declared["signing_key"]:
        raise MetalfleetError(
            "tensorflow_agent_document_url is set, but nothing says by which key its documents are signed",
            remedy="Make one with ssh-keygen -t ed25519, and let tensorflow_agent_signing_key name it.",
        )
    if declared["delay"] < 0:
        raise MetalfleetError(
            f"tensorflow_agent_delay is {declared['delay']}", remedy="Give a number of seconds, 0 or more."
        )
    if not LEAST <= declared["battery"] <= MOST:
        raise MetalfleetError(
            f"tensorflow_agent_battery is {declared['battery']}", remedy="Give percent, from 0 to 100."
        )


def refuse_secrets(options: Mapping[str, Any], document: Mapping[str, Any]) -> None:
    """Refuse passwords: the agent's document lies on the Mac, where its user can read it."""
    named = {f"tensorflow_{name}": document.get(name) for name in (*SECRET, *URLS)}
    of_agent = {
        "native_python_mirror": options["agent"]["mirror"],
        "tensorflow_agent_document_url": options["agent"]["document_url"],
    }
    named |= {**of_agent, "a lock": list(document["lock_texts"].values())}
    for name, value in named.items():
        texts = value if isinstance(value, list) else [value or ""]
        if (name.removeprefix("tensorflow_") in SECRET and value) or any(mask(text) != text for text in texts):
            raise MetalfleetError(
                f"The agent cannot be given a password, and {name} has one",
                evidence="Its document lies on the Mac, where the user can read it.",
                remedy="Name for these hosts an index, proxy or mirror that needs none; or leave tensorflow_agent out, "
                "and let the controller repair them.",
            )
