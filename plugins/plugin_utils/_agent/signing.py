# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""Signing the agent's documents with an SSH key, by ssh-keygen(1)."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._agent.pull import NAMESPACE
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError

OPTION = "tensorflow_agent_signing_key"
SECONDS = 60


def public_key(private: Path) -> str:
    """The public half of a key, without its comment. Raises MetalfleetError."""
    return " ".join(_ssh_keygen(private, "-y", "-P", "", "-f", str(private)).split()[:2])


def sign(content: bytes, private: Path) -> bytes:
    """The signature of a document. Raises MetalfleetError."""
    with tempfile.TemporaryDirectory() as folder:
        document = Path(folder, "document")
        document.write_bytes(content)
        _ssh_keygen(private, "-Y", "sign", "-q", "-f", str(private), "-n", NAMESPACE, str(document))
        return document.with_name("document.sig").read_bytes()


def _ssh_keygen(private: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(
            ["ssh-keygen", *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise unusable(private, str(error)) from error
    if done.returncode:
        raise unusable(private, " ".join(done.stderr.split()))
    return done.stdout


def unusable(private: Path, evidence: str) -> MetalfleetError:
    """What is said of a key that nothing can be signed with."""
    return MetalfleetError(
        f"Nothing can be signed with {private}, which {OPTION} names",
        evidence=evidence,
        remedy="Let it name a private key without a passphrase, as ssh-keygen -t ed25519 -N '' makes it, that this "
        "user can read and nobody else.",
    )
