# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/pairs.md: the pairing table as people read it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._pairing import LiteRT, Pair
from jinja2 import Environment, StrictUndefined
from packaging.version import Version

from tools.pairing.table import CHECKOUT, Judgements

PAGE = CHECKOUT / "docs/pairs.md"
TEMPLATE = Path(__file__).with_name("page.md.j2")


def render(pairs: Sequence[Pair], judgements: Judgements, checked: str, litert: Sequence[LiteRT] = ()) -> str:
    """The page. `checked` is the day on which the pairs were checked, `litert` are the releases of LiteRT."""
    alone = [pair for pair in pairs if not pair.has_plugin]
    pairs = [pair for pair in pairs if pair.has_plugin]
    plugins = by_version(pair.metal for pair in pairs)
    known = {(pair.tensorflow, pair.metal): pair for pair in pairs}
    releases = reversed(by_version(pair.tensorflow for pair in pairs))
    template = Environment(undefined=StrictUndefined, autoescape=False, keep_trailing_newline=True)  # noqa: S701 - no HTML
    return template.from_string(TEMPLATE.read_text()).render(
        checked=checked,
        default=judgements.default,
        pairs=pairs,
        alone=alone,
        plugins=plugins,
        rows=[(release, [known[release, plugin] for plugin in plugins]) for release in releases],
        failures=list(failures(pairs)),
        withdrawn=sorted({each for pair in pairs for each in pair.withdrawn}),
        faults=[{"tensorflow": [], "metal": [], **fault} for fault in judgements.faults],
        others=judgements.others,
        litert=litert,
    )


def failures(pairs: Iterable[Pair]) -> Iterator[tuple[str, str, str]]:
    """Each first failure in the loader's words, with the releases of TensorFlow and of the plug-in that have it."""
    pairs = list(pairs)
    found: dict[str, list[Pair]] = {}
    for pair in pairs:
        if not pair.links:
            found.setdefault(pair.first_failure, []).append(pair)
    for failure, those in found.items():
        yield (
            failure,
            spans((pair.tensorflow for pair in those), (pair.tensorflow for pair in pairs)),
            spans((pair.metal for pair in those), (pair.metal for pair in pairs)),
        )


def spans(some: Iterable[str], versions: Iterable[str]) -> str:
    """Some of all versions, those that follow each other together."""
    wanted = set(some)
    runs = [list(run) for is_wanted, run in groupby(by_version(versions), wanted.__contains__) if is_wanted]
    return ", ".join(run[0] if len(run) == 1 else f"{run[0]} to {run[-1]}" for run in runs)


def by_version(versions: Iterable[str]) -> list[str]:
    """Each once, in order."""
    return sorted(set(versions), key=Version)
