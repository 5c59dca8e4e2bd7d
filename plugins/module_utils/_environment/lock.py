# SPDX-License-Identifier: GPL-3.0-or-later
"""What the text of a lock says: a requirements file that pins everything with `==` and `--hash`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError

_PIN = re.compile(r"([A-Za-z0-9][\w.-]*)(?:\[[^\]]*\])?\s*==\s*([^\s;\\]+)")

FORMATS = (
    # what the text of the format has, its name, the command that makes a lock of it
    (r"(?m)^\[\[package\]\]$[\s\S]*^(source|sdist|wheels) = ", "a uv.lock", "uv export --format requirements-txt"),
    (r"(?m)^lock-version = ", "a pylock.toml", "uv export --format requirements-txt"),
    (r"(?m)^\[\[package\]\]$", "a poetry.lock", "poetry export --format requirements.txt"),
    (r'(?m)^\s*"_meta": \{', "a Pipfile.lock", "pipenv requirements --hash"),
    (
        r"(?m)^(channels|dependencies):",
        "an environment.yml of conda",
        "uv pip compile --generate-hashes requirements.in",
    ),
    (r"(?m)^\[project\]$", "a pyproject.toml", "uv pip compile --generate-hashes pyproject.toml"),
)


def locked_packages(lock: str) -> dict[str, str]:
    """Normalised names (PEP 503) and versions that a lock pins."""
    pins = (_PIN.match(requirement) for requirement in _requirements(lock))
    return {re.sub(r"[-_.]+", "-", pin[1]).lower(): pin[2] for pin in pins if pin}


def refuse_unusable_lock(lock: str, name: str) -> None:
    """Refuse what is no complete lock, with the command that makes one; `name` is the environment's."""
    for pattern, kind, command in FORMATS:
        if re.search(pattern, lock):
            raise MetalfleetError(
                f"The lock of the environment {name} is {kind}, which cannot be installed from",
                remedy=f"Make a lock of it with `{command}`, and declare that.",
            )
    loose = [line for line in _requirements(lock) if not (_PIN.match(line) and "--hash=" in line)]
    if loose:
        raise MetalfleetError(
            f"The lock of the environment {name} cannot be installed from, because the lock is not complete. Every "
            "requirement must be pinned with == and have its --hash lines",
            evidence=f"It has: {loose[0]}",
            remedy="Make it with `uv pip compile --generate-hashes`.",
        )


def _requirements(lock: str) -> Iterator[str]:
    """The requirements, each with its hashes on one line, without comments and options."""
    for line in re.sub(r"\\\r?\n", " ", lock).splitlines():
        requirement = re.sub(r"(^|\s)#.*", "", line).strip()
        if requirement and not requirement.startswith("-"):
            yield requirement
