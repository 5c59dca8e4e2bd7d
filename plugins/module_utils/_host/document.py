# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""The document: all that is declared for one host, from the options that its modules are handed."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.declaration import (
    FREE_MB_WITH_CUDA,
    WITH_PYTHON,
    Declaration,
    declare,
    lock_platform,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._layout import (
    CUDA,
    DEFAULT_LINKS,
    DEFAULT_ROOT,
    OUR_FOLDERS,
    Places,
    platform_name,
    python_of,
    refuse_bad_place,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._pairing import LiteRT, Pair, find
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe.verdict import LITERT
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._python.plan import Request, next_minor
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._python.wanted import version_key
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.network import Network

GUARDED_FOLDERS = frozenset({"desktop", "documents", "downloads", "mobile documents"})
"""Folders that macOS guards (TCC): sshd's children are refused there unless an administrator allowed it.

In lower case, for a Mac's volume tells no cases apart.
"""

SHARED = ("free_mb", "probe_timeout", "allow_untested")
"""Options that hold for every environment of a host."""


@dataclass(frozen=True)
class Document:
    """Everything that is declared for a host."""

    places: Places
    environments: tuple[Declaration, ...]
    network: Network = field(default_factory=Network)
    built_wheels: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Wheels that no index has: by SHA-256 the name, a blank, and the content in base64."""
    python: Mapping[str, Any] = field(default_factory=dict)
    """The managed Python that is wanted: source, version, existing, pins, uv_version. Empty: whichever there is."""
    platform: str = field(default_factory=platform_name)
    """The name of the host's platform with the Python that is to run our modules."""
    conda_engine: str = ""
    """The lock of what installs conda packages, where any are declared."""
    conda_channels: tuple[str, ...] = field(default=(), repr=False)
    """URLs of channels with credentials, which locks leave out."""
    is_delivered: bool = False
    """Whether the controller brings what environments are installed from, so that nothing is fetched."""
    incoming: str = ""
    """The folder with what it has brought, where that is not the wheel store itself."""
    doctor: bool = False
    """Whether everything is to be probed as deeply as can be, also what has drifted."""
    agent: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """What is declared of the agent, see _agent.installed.wanted_of; empty where nothing is."""

    @property
    def minors(self) -> tuple[str, ...]:
        """Minor versions of Python that environments need beside the one that is to run our modules."""
        needed = {each.python for each in self.environments if each.state == "present" and each.python}
        return tuple(sorted(needed, key=version_key))


def read_document(options: Mapping[str, Any], platform: str = "") -> Document:
    """The document from the options of tensorflow_environments.

    `platform` chooses among the digests of locks; it is that of this process if nothing is said, see platform_to_be.
    Raises MetalfleetError for what cannot be meant.
    """
    places = read_places(options)
    environments = options["environments"]
    refuse_double_names([str(each["name"]) for each in environments])
    shared = {name: options[name] for name in SHARED if options.get(name) is not None}
    rebuilt = read_rebuilt(options)
    platform = platform or platform_name()
    pairs = tuple(Pair.from_data(row) for row in options.get("pairs") or ())
    releases = tuple(LiteRT.from_data(row) for row in options.get("litert") or ())
    declared = [
        {
            **shared,
            **each,
            **choose_python(each, platform),
            **choose_lock(each, options, lock_platform(each, platform), pairs),
            **choose_cuda(each, options, lock_platform(each, platform)),
            **choose_litert(each, options, lock_platform(each, platform), releases),
            "pairs": pairs,
            "rebuild": each["name"] in rebuilt,
        }
        for each in environments
    ]
    return Document(
        places,
        tuple(declare(each, places) for each in declared),
        network=read_network(options),
        built_wheels=options.get("built_wheels") or {},
        python=options.get("python") or {},
        platform=platform,
        conda_engine=(options.get("lock_texts") or {}).get(options.get("conda_engine") or "", ""),
        conda_channels=tuple(options.get("conda_channels") or ()),
        is_delivered=(options.get("delivery") or "index") != "index",
        incoming=options.get("incoming") or "",
        doctor=bool(options.get("doctor")),
        agent=read_agent(options),
    )


def platform_to_be(options: Mapping[str, Any]) -> str:
    """The name of this host's platform once the managed Python that runs this process is as declared.

    Raises MetalfleetError, as read_document does.
    """
    if not options.get("python"):
        return platform_name()
    root, request = read_places(options).root, Request(**options["python"])
    return platform_name(python=next_minor(root, os.uname().sysname, request))


def read_places(options: Mapping[str, Any]) -> Places:
    """Where the document's environments live. Raises MetalfleetError for what could not work there."""
    root, links = str(options.get("root") or DEFAULT_ROOT), str(options.get("links") or DEFAULT_LINKS)
    for option, path in (("tensorflow_root", root), ("tensorflow_links", links)):
        refuse_bad_place(option, path)
        refuse_unfit_place(option, path)
    refuse_links_among_ours(root, links)
    return Places(Path(root), Path(links))


def refuse_links_among_ours(root: str, links: str) -> None:
    """The stable paths are names that users choose: among our own folders one could be taken for ours."""
    ours, theirs = PurePosixPath(root), PurePosixPath(links)
    inside = theirs.relative_to(ours).parts if theirs == ours or ours in theirs.parents else None
    if inside is not None and (not inside or inside[0].lower() in OUR_FOLDERS):
        raise MetalfleetError(
            f"tensorflow_links ({links}) lies among the collection's own folders in tensorflow_root ({root})",
            remedy=f"Choose a folder of its own, such as {ours / 'envs'}.",
        )


def refuse_unfit_place(option: str, path: str) -> None:
    """Blanks break the first lines of scripts; macOS keeps programs out of some folders of a user's home."""
    guarded = next((part for part in Path(path).parts if part.lower() in GUARDED_FOLDERS), None)
    if guarded:
        raise MetalfleetError(
            f"{option} lies below {guarded}, which macOS keeps from programs that were started over SSH",
            evidence=f"It is {path}.",
            remedy="Choose another folder.",
        )
    if re.search(r"\s", path):
        raise MetalfleetError(
            f"{option} contains spaces, with which scripts of an environment cannot be started",
            evidence=f"It is {path!r}.",
            remedy="Choose another folder.",
        )


def read_rebuilt(options: Mapping[str, Any]) -> list[str]:
    """The environments that are to be rebuilt in this run. Raises MetalfleetError for names that are not declared."""
    rebuilt, declared = options.get("rebuild") or [], [each["name"] for each in options["environments"]]
    unknown = [name for name in rebuilt if name not in declared]
    if unknown:
        raise MetalfleetError(
            f"tensorflow_rebuild names {', '.join(unknown)}, which is not declared",
            evidence=f"Declared are: {', '.join(declared) or 'none'}.",
            remedy="Give the name of an environment in tensorflow_environments, or several with commas.",
        )
    return list(rebuilt)


def read_network(options: Mapping[str, Any]) -> Network:
    """How the host reaches what it downloads."""
    return Network(
        index_url=options.get("index_url") or "",
        extra_index_urls=tuple(options.get("extra_index_urls") or ()),
        proxy=options.get("proxy") or "",
        certificates=options.get("ca_certificates") or "",
        username=options.get("username") or "",
        password=options.get("password") or "",
        wheels=options.get("wheels") or "",
    )


def read_agent(options: Mapping[str, Any]) -> dict[str, Any]:
    """What is declared of the agent, with its files where they are sent."""
    declared = options.get("agent") or {}
    return {} if declared.get("enabled") is None else {**declared, "contents": options.get("agent_files") or {}}


def refuse_double_names(names: list[str]) -> None:
    """Two environments in one place would take turns for ever; on a Mac's volume, names that differ by case are one."""
    seen: dict[str, str] = {}
    for name in names:
        other = seen.get(name.lower())
        if other == name:
            raise MetalfleetError(f"Two environments are called {name}", remedy="Rename or remove one of them.")
        if other:
            raise MetalfleetError(
                f"The environments {other} and {name} have names that differ only in case: on a Mac they are the same",
                remedy="Rename one of them.",
            )
        seen[name.lower()] = name


def choose_python(environment: Mapping[str, Any], platform: str) -> dict[str, Any]:
    """The minor version of an environment's Python, if that is another than the one that is to run our modules."""
    python = str(environment.get("python") or "")
    return {"python": "" if environment.get("kind") in WITH_PYTHON or python == python_of(platform) else python}


def choose_lock(
    environment: Mapping[str, Any], options: Mapping[str, Any], platform: str, pairs: tuple[Pair, ...]
) -> dict[str, Any]:
    """The digest of an environment's lock for a platform, its text, if that was sent along, and on a Mac its pair."""
    texts: Mapping[str, str] = options.get("lock_texts") or {}
    digests: Mapping[str, str] = environment.get("lock_digests") or {}
    digest = digests.get("any") or digests.get(platform)
    if digest is None:
        return {"platform": platform, "lock_platforms": tuple(sorted(digests))}
    chosen = {"lock_digest": digest, "lock_text": texts.get(digest, "")}
    pinned = (options.get("lock_pairs") or {}).get(digest) if platform.startswith("macos") else None
    return {**chosen, "pair": find(pairs, *pinned), "minor": python_of(platform)} if pinned else chosen


def choose_litert(
    environment: Mapping[str, Any], options: Mapping[str, Any], platform: str, releases: tuple[LiteRT, ...]
) -> dict[str, Any]:
    """The release of LiteRT that an environment's lock pins for a Mac, with all that there are."""
    digests: Mapping[str, str] = environment.get("lock_digests") or {}
    version = (options.get("lock_litert") or {}).get(digests.get("any") or digests.get(platform))
    if not version or environment.get("framework") != LITERT or not platform.startswith("macos"):
        return {}
    pinned = next((each for each in releases if each.version == version), LiteRT(version))
    return {"litert": pinned, "litert_releases": releases, "minor": python_of(platform)}


def choose_cuda(environment: Mapping[str, Any], options: Mapping[str, Any], platform: str) -> dict[str, Any]:
    """Whether an environment's lock is for an NVIDIA GPU, and the space for it where nobody says another number."""
    if CUDA not in platform or platform not in (environment.get("lock_digests") or {}):
        return {}
    return {"has_cuda": True, **({"free_mb": FREE_MB_WITH_CUDA} if options.get("free_mb") is None else {})}
