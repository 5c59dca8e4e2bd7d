# SPDX-License-Identifier: GPL-3.0-or-later
"""What others have put into a generation that is to be removed: it is set aside, for we delete only what we made."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment import files, manifest, safety
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._layout import Places


def rescue(generation: Path, places: Places) -> list[str]:
    """Set aside what a complete generation did not have when it was built. Returns what a person is told of it."""
    built = manifest.read(generation)
    strays = sorted(find_strays(files.walk(generation, ignored=manifest.IGNORED), built.tree)) if built else []
    if not strays:
        return []
    kept = safety.free_name(places, f"{generation.parent.name}-{generation.name}")
    for path in strays:
        (kept / path).parent.mkdir(parents=True, exist_ok=True)
        (generation / path).rename(kept / path)
    some = ", ".join(strays[:5])
    return [f"{generation} was removed. What it was not built with was moved to {kept}: {some}."]


def find_strays(found: files.Tree, built: files.Tree) -> Iterator[str]:
    """Entries that are new, by path; of a new folder only the folder itself."""
    for inside, entries in found.items():
        if inside in built:
            for name in entries.keys() - built[inside].keys():
                yield f"{inside}/{name}" if inside else name
        elif inside.rpartition("/")[0] in built:
            yield inside
