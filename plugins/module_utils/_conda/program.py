# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""A program that installs conda packages with py-rattler, in a process of its own. It imports nothing of ours.

What it is to do comes as JSON on its standard input, and what came of it goes as JSON to its standard output.
"""

from __future__ import annotations

import asyncio
import json
import os
import posixpath
import re
import sys
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

INFO = ("info/index.json", "info/paths.json", "info/link.json")
OURS = re.compile(r"metalfleet-[^/]*|cachedir\.tag|(\.rattler|\.uv|conda-meta|__clobbers__)(/.*)?")
"""What no package may bring, in small letters: the records of what is installed, and our own files."""
LINK_SCRIPT = re.compile(r"(bin/\.|Scripts/\.).+-(pre-link|post-link|pre-unlink)\.(sh|bat)")
ENTRY_POINT = re.compile(r"[\w.-]+\s*=\s*[\w.]+\s*:\s*[\w.]+")


Info = dict[str, Any]
"""What an archive says: its files in INFO as data, by their names; `names` of all that it holds, after the section and
a colon; `links` to their targets."""


class Refused(Exception):
    """A package that is refused."""


def main() -> None:
    """Check all archives, then install them."""
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


async def read_info(archive: str) -> Info:
    """An archive's metadata, and the names and links that it holds."""
    from rattler.package_streaming import PackageArchive  # noqa: PLC0415

    said: Info = {"names": [], "links": {}}
    try:
        opened = await PackageArchive.from_path(archive)
        for section in ("info", "pkg"):
            async for entry in opened.stream(section):
                said["names"].append(f"{section}:{entry.name.removeprefix('./')}")
                if entry.is_symlink:
                    said["links"][entry.name.removeprefix("./")] = entry.link_target or ""
                elif entry.name in INFO:
                    said[entry.name] = json.loads(await entry.read())
    except Exception as error:
        raise Refused(f"{Path(archive).name} cannot be read: {' '.join(str(error).split())}") from error
    return said


def refuse_bad(infos: Mapping[str, Info], subdir: str) -> None:
    """Refuse archives that are not what their names say, or would write where they must not."""
    minor = minor_of_python(infos)
    links = {spelled(link, minor) for info in infos.values() for link in info["links"]}
    for archive, info in infos.items():
        name = Path(archive).name
        try:
            complaint = next(complaints(name, info, subdir, links, minor), "")
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            complaint = f"says what cannot be understood ({error})"
        if complaint:
            raise Refused(f"{name} {complaint}")


def minor_of_python(archives: Iterable[str]) -> str:
    """The minor version of the Python among archives, by their names; "" without one."""
    found = (re.match(r"python-(\d+\.\d+)", Path(archive).name) for archive in archives)
    return next((match[1] for match in found if match), "")


def spelled(path: str, minor: str) -> str:
    """Where a file of an archive comes to lie, in one spelling for all that a Mac's volume takes for the same.

    Packages for all Pythons name two folders without saying where those are.
    """
    for inside, outside in (("site-packages", f"lib/python{minor}/site-packages"), ("python-scripts", "bin")):
        if path == inside or path.startswith(f"{inside}/"):
            path = outside + path[len(inside) :]
    return unicodedata.normalize("NFC", path).casefold()


def complaints(filename: str, info: Info, subdir: str, links: Collection[str], minor: str) -> Iterator[str]:
    """Why an archive is refused."""
    yield from complaints_of_index(filename, info.get("info/index.json", {}), subdir, minor)
    yield from complaints_of_names(info["names"])
    if "info/paths.json" not in info:
        yield "does not say which files it brings (info/paths.json)"
    for link, target in info["links"].items():
        if leads_out(spelled(link, minor), target):
            yield f"has a link that leads out of the environment ({link} to {target})"
    for entry in info.get("info/paths.json", {}).get("paths", ()):
        yield from complaints_of_path(entry["_path"], links, minor)
    noarch = (info.get("info/link.json") or {}).get("noarch") or {}
    for entry_point in noarch.get("entry_points") or ():
        if not ENTRY_POINT.fullmatch(str(entry_point).strip()):
            yield f"has a command whose name is none ({entry_point})"


def complaints_of_index(filename: str, index: Mapping[str, Any], subdir: str, minor: str) -> Iterator[str]:
    """Why an archive's own metadata is refused."""
    if not filename.startswith("-".join(str(index.get(key)) for key in ("name", "version", "build")) + "."):
        yield f"is another package: it says that it is {index.get('name')} {index.get('version')}"
    if index.get("subdir") not in (subdir, "noarch"):
        yield f"is for {index.get('subdir')}, not for {subdir}"
    library = f"lib/python{minor}"
    folder = index.get("python_site_packages_path") or f"{library}/site-packages"
    if folder not in (f"{library}/site-packages", f"{library}t/site-packages"):
        yield f"puts packages into {folder}"


def complaints_of_names(names: list[str]) -> Iterator[str]:
    """Of a name that is there twice, what was checked need not be what is used; nor of one in the wrong part."""
    double = next((name for name, count in Counter(names).items() if count > 1), "")
    hidden = next((name for name in names if name.startswith("pkg:info/")), "")
    if double or hidden:
        yield f"holds {(double or hidden).partition(':')[2]} {'twice' if double else 'in the wrong part'}"


def leads_out(link: str, target: str) -> bool:
    """Whether a link leads out of the prefix that its path is in."""
    return target.startswith("/") or posixpath.normpath(posixpath.join(posixpath.dirname(link), target)).startswith(
        ".."
    )


def complaints_of_path(path: str, links: Collection[str], minor: str) -> Iterator[str]:
    """Why the path of a file is refused."""
    place = spelled(path, minor)
    if not path or path.startswith("/") or {"", ".", ".."} & set(path.split("/")) or not path.isprintable():
        yield f"writes outside the environment ({path!r})"
    if OURS.fullmatch(place):
        yield f"brings {path}, which is not a package's to bring"
    if LINK_SCRIPT.fullmatch(path):
        yield f"has a script that runs when it is installed ({path}), and scripts of packages are not run"
    if any(str(folder) in links for folder in PurePosixPath(place).parents):  # of which there are few, and many links
        yield f"writes through a link ({path})"
