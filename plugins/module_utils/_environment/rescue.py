# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""What others have put into a generation that is to be removed: it is set aside, for we delete only what we made."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment import manifest, safety
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.observe import find_differences
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._layout import Places
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._python.intact import COMPILED, files_of


def rescue(generation: Path, places: Places) -> list[str]:
    """Set aside what in a complete generation is new or changed since it was built. Returns what a person is told."""
    built = manifest.read(generation)
    differences = find_differences(generation, built, lambda _: None, everything=False) if built else ()
    strays = [difference.path for difference in differences if difference.kind in ("extra", "changed")]
    strays += [path for path in files_of(generation, ignored=(OSError,)) if COMPILED in path.split("/")]
    if not strays:
        return []
    kept = safety.free_name(places.set_aside, f"{generation.parent.name}-{generation.name}")
    for path in strays:
        (kept / path).parent.mkdir(parents=True, exist_ok=True)
        (generation / path).rename(kept / path)
    some = ", ".join(strays[:5]) + (f" and {len(strays) - 5} more" if len(strays) > 5 else "")
    return [f"{generation} was removed. Files added or changed since it was built were moved to {kept}: {some}."]
