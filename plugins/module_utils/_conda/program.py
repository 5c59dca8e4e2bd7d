# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""A program that installs conda packages with py-rattler, in a process of its own. It imports nothing of ours.

What it is to do comes as JSON on its standard input, and what came of it goes as JSON to its standard output.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

INFO = ("info/index.json", "info/paths.json", "info/link.json")
SECONDS_BETWEEN_LOOKS = 0.05
OURS = re.compile(r"metalfleet-[^/]*|CACHEDIR\.TAG|\.rattler(/.*)?|conda-meta(/.*)?")
"""What no package may bring: the records of what is installed, and our own files."""
LINK_SCRIPT = re.compile(r"(bin/\.|Scripts/\.).+-(pre-link|post-link|pre-unlink)\.(sh|bat)")
ENTRY_POINT = re.compile(r"[\w.-]+\s*=\s*[\w.]+\s*:\s*[\w.]+")


class Refused(Exception):
    """A package that no environment may have."""


def main() -> None:
    """Check all archives, then install them."""
    threading.Thread(target=end_with_parent, args=(os.getppid(),), daemon=True).start()
    order = json.loads(sys.stdin.read())
    sys.path.insert(0, order["engine"])
    try:
        asyncio.run(install(order["archives"], order["prefix"], order["subdir"], Path(order["cache"])))
        answer = {}
    except Refused as refused:
        answer = {"refused": str(refused)}
    except Exception as error:  # noqa: BLE001 - py-rattler has a class for each thing that goes wrong
        answer = {"failed": " ".join(str(error).split()) or type(error).__name__}
    json.dump(answer, sys.stdout)
    sys.stdout.flush()
    os._exit(0)  # threads of py-rattler may still run, and let an interpreter crash that ends meanwhile


def end_with_parent(parent: int) -> None:
    """Whoever waits for the result may be killed: then nothing must go on writing."""
    while os.getppid() == parent:
        time.sleep(SECONDS_BETWEEN_LOOKS)
    os._exit(1)


async def install(archives: Sequence[str], prefix: str, subdir: str, cache: Path) -> None:
    """Install archives into a prefix, which is written into their files, without any file that is shared."""
    from rattler import Config, RepoDataRecord, Subdir  # noqa: PLC0415 - it lies in a folder that was just named
    from rattler import install as link  # noqa: PLC0415

    refuse_bad({archive: await read_info(archive) for archive in archives}, subdir)
    await link(
        [await RepoDataRecord.from_package_archive(Path(archive)) for archive in archives],
        target_prefix=prefix,
        cache_dir=cache,
        installed_packages=[],
        platform=Subdir(subdir),
        execute_link_scripts=False,
        show_progress=False,
        config=Config.from_toml('allow-hard-links = false\nrun-post-link-scripts = "false"\n'),
    )


async def read_info(archive: str) -> dict[str, Any]:
    """What an archive says of itself."""
    from rattler.package_streaming import PackageArchive  # noqa: PLC0415

    opened = await PackageArchive.from_path(archive)
    found = await opened.read_files(INFO)
    return {name: json.loads(content) for name, content in found.items() if content}


def refuse_bad(infos: Mapping[str, Mapping[str, Any]], subdir: str) -> None:
    """Refuse archives that are not what their names say, or would write where they must not."""
    links = {
        in_prefix(entry["_path"])
        for info in infos.values()
        for entry in entries_of(info)
        if entry.get("path_type") == "softlink"
    }
    for archive, info in infos.items():
        for complaint in complaints(Path(archive).name, info, subdir, links):
            raise Refused(f"{Path(archive).name} {complaint}")


def entries_of(info: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What an archive brings."""
    return list(info.get("info/paths.json", {}).get("paths", ()))


def in_prefix(path: str) -> str:
    """One spelling of the paths in site-packages, which packages for all Pythons name without that of their library."""
    return re.sub(r"^lib/python3\.\d+/(?=site-packages/)", "", path)


def complaints(filename: str, info: Mapping[str, Any], subdir: str, links: Iterable[str]) -> Iterator[str]:
    """What is wrong with an archive."""
    index = info.get("info/index.json", {})
    if not filename.startswith("-".join(str(index.get(key)) for key in ("name", "version", "build")) + "."):
        yield f"is another package: it says that it is {index.get('name')} {index.get('version')}"
    if index.get("subdir") not in (subdir, "noarch"):
        yield f"is for {index.get('subdir')}, not for {subdir}"
    if "info/paths.json" not in info:
        yield "does not say which files it brings (info/paths.json)"
    for entry in entries_of(info):
        yield from complaints_of_path(str(entry.get("_path", "")), links)
    for entry_point in info.get("info/link.json", {}).get("noarch", {}).get("entry_points", ()):
        if not ENTRY_POINT.fullmatch(str(entry_point).strip()):
            yield f"has a command whose name is none ({entry_point})"


def complaints_of_path(path: str, links: Iterable[str]) -> Iterator[str]:
    """What is wrong with the path of a file."""
    parts = path.split("/")
    if not path or path.startswith("/") or {"", ".", ".."} & set(parts):
        yield f"writes outside the environment ({path})"
    if OURS.fullmatch(path):
        yield f"brings {path}, which is not a package's to bring"
    if LINK_SCRIPT.fullmatch(path):
        yield f"has a script that runs when it is installed ({path}), and scripts of packages are not run"
    if any(in_prefix(path).startswith(f"{link}/") for link in links):
        yield f"writes through a link ({path})"
