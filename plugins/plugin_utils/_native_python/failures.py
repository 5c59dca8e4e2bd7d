# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""The causes of failed scripts, by their exit statuses (see common.sh), and by what the programs said."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._native_python.host import OBJECTIONS, Judged

if TYPE_CHECKING:
    from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._native_python.declaration import Declaration
    from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._native_python.host import Host
    from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._native_python.plan import Plan

PYTHON_ORG_TEAM = "BMM5U3QVKW"
"""Of the Python Software Foundation, as its packages are signed."""
MOST_WORDS = 1500
"""Characters of what a host said."""

NETWORK_REMEDY = (
    "Check the network, native_python_mirror (it may also name a folder on the controller), its credentials, "
    "native_python_proxy and native_python_ca."
)
INDEX_REMEDY = (
    "Check native_python_index_url, native_python_proxy and native_python_ca (by default tensorflow_index_url, "
    "tensorflow_proxy and tensorflow_ca); or put a wheel of uv into a folder on the controller that "
    "native_python_mirror names."
)

#: What happened, and what to do about it.
FAILURES = {
    20: (
        "The SHA-256 of what came from {url} is not the pinned one, so it was not used",
        (
            "Replace the file on the mirror by its publisher's, or correct sha256 in native_python_archives or "
            "native_python_packages."
        ),
    ),
    21: (
        "A file below {root} could not be written",
        (
            "Make {root} writable for the user that the task runs as, move what the message names out of the way, or "
            "choose another native_python_root."
        ),
    ),
    22: ("{url} could not be downloaded", NETWORK_REMEDY),
    23: (
        "The interpreter {python} does not run",
        "Run again; if that does not help, choose another source of Pythons.",
    ),
    24: ("uv could not be installed", INDEX_REMEDY),
    25: (
        "macOS killed the interpreter as soon as it started (exit status 137)",
        (
            "Its ad-hoc signature was not accepted, or security software lets only known programs run. Allow it there; "
            "or use native_python_source: python_org, whose interpreter has a developer's signature; or unpack the "
            "archive on a Mac, run `codesign --force --sign - python/bin/python3*` there, pack it again, and pin that "
            "by its sha256 in native_python_archives."
        ),
    ),
    26: (
        "Another run has been installing below {root} for 15 minutes",
        "Wait for it, or end the process that is named, then run again.",
    ),
    27: (
        "{root} is on a volume without file locks, so that two runs at once could damage each other",
        "Choose a native_python_root (tensorflow_root) on the Mac's own disk.",
    ),
    28: (
        "Instead of the file, {url} sent a web page (HTML), as login portals and proxies do",
        NETWORK_REMEDY,
    ),
    29: (
        "The archive could not be unpacked",
        "Replace it in native_python_mirror by its publisher's, and pin that in native_python_archives.",
    ),
    30: ("Homebrew could not install {formula}", "Run `brew install {formula}` on the host to see what it needs."),
    31: (
        (
            "The package is not signed by the Python Software Foundation "
            f"(team {PYTHON_ORG_TEAM}), so it was not installed"
        ),
        "Take it from python.org.",
    ),
    32: (
        "The installer did not install the package",
        "Its reason is in /var/log/install.log on the host. Free disk space, or remove what is in the way.",
    ),
    33: (
        "A step of the installation did not finish in time, and was stopped",
        "Run again when the host is less busy; if that does not help, see there what the program waits for.",
    ),
    34: ("What the controller sent did not arrive whole", "Check the connection to the host, and run again."),
}
UNKNOWN = ("The installation ended with status {status}", "Run again; nothing half-done is in use.")

#: What programs say where the cause is another than the failed step: which statuses, their words, cause and remedy.
SAID = (
    (
        None,
        r"No space left on device|Disk quota exceeded",
        "The disk is full",
        "Free at least 200 MB on the volume of {root} and run again.",
    ),
    (
        21,
        r"Not a directory|File exists|Is a directory",
        "A file or folder is in the way below {root}",
        "Move what the message names to another place, and run again.",
    ),
    (
        24,
        r"DO NOT MATCH THE HASHES",
        "The package index has another uv under the pinned version: its SHA-256 is not the pinned one",
        "Have the index pass on the publisher's wheels as they are, or name another by native_python_index_url.",
    ),
    (
        24,
        r"\b(401|403|407)\b|Unauthorized|Forbidden",
        "The package index or the proxy refuses the credentials",
        INDEX_REMEDY,
    ),
    (
        24,
        r"CERTIFICATE_VERIFY_FAILED|SSLError|certificate verify failed",
        "The host does not accept the certificate of the package index",
        INDEX_REMEDY,
    ),
    (
        24,
        (
            r"Max retries exceeded|NewConnectionError|ConnectionError|ProxyError|Connection (?:refused|broken)|"
            r"timed out|Temporary failure in name resolution|nodename nor servname"
        ),
        "The package index cannot be reached from the host",
        INDEX_REMEDY,
    ),
    (
        24,
        r"says no-index[^$]*(?:No matching distribution found|Could not find a version)",
        "The configuration of pip or uv on the host says no-index, and no other place there has the pinned uv",
        "Set tensorflow_index_url, or send uv from the controller: put its wheel into native_python_mirror.",
    ),
    (
        24,
        r"No matching distribution found|Could not find a version",
        "The package index has no wheel of the pinned uv for this host",
        INDEX_REMEDY,
    ),
)


def explain(status: int, said: str, plan: Plan, host: Host, declaration: Declaration) -> MetalfleetError:
    """The error for a script that failed: cause, what the host said, and remedy."""
    step = plan.step
    known = {
        "status": status,
        "root": host.root,
        "python": plan.python,
        "formula": step.formula if step else "",
        "url": step.artifact.url(declaration.mirror) if step and step.artifact else "the mirror",
    }
    found = next((each for each in SAID if each[0] in (None, status) and re.search(each[1], said)), None)
    cause, remedy = found[2:] if found else FAILURES.get(status, UNKNOWN)
    words = " ".join(in_words(said).split())[-MOST_WORDS:]
    return MetalfleetError(
        declaration.mask(f"No native Python was installed: {lower_first(cause.format(**known))}"),
        evidence=declaration.mask(f"The host said: {words}" if words else ""),
        remedy=remedy.format(**known),
    )


def in_words(said: str) -> str:
    """What was said, with the verdicts of judge(), "PATH: VERDICT", in words."""
    verdicts = "|".join([*OBJECTIONS, r"status-\d+"])
    return re.sub(rf"(?m)^(/.*): ({verdicts})$", lambda match: f"{match[1]}: {Judged('', match[2]).objection}", said)


def lower_first(sentence: str) -> str:
    """The sentence as it continues after a colon; names keep their capital letter."""
    return sentence if sentence.startswith("Homebrew") else sentence[0].lower() + sentence[1:]
