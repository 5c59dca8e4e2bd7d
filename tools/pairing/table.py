# SPDX-License-Identifier: GPL-3.0-or-later
"""The rows of the pairing table: what was measured of each pair, and what people have judged of it."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._pairing import (
    BROKEN,
    DEFAULT,
    LINKS_ONLY,
    NO_PLUGIN,
    SUPPORTED,
    LiteRT,
    Pair,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.platforms import (
    WheelName,
    parse_wheel_name,
)
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._pairs import TABLE
from packaging.version import Version

from tools.link_check.check import Answer
from tools.link_check.matrix import PLUGIN

CHECKOUT = Path(__file__).parents[2]
JUDGEMENTS = Path(__file__).with_name("judgements.yml")


@dataclass(frozen=True)
class Judgements:
    """judgements.yml."""

    default: Mapping[str, str]
    oldest_tensorflow: str
    documented: Sequence[Mapping[str, str]]
    faults: Sequence[Mapping[str, Any]]
    others: Sequence[Mapping[str, str]]

    def judge(self, pair: Pair) -> Pair:
        """A pair with what is judged of it."""
        if not pair.has_plugin:
            return replace(pair, status=SUPPORTED)
        minors = {"tensorflow": minor(pair.tensorflow), "metal": minor(pair.metal)}
        if not pair.links:
            return replace(pair, status=BROKEN, faults=())
        if {"tensorflow": pair.tensorflow, "metal": pair.metal} == self.default:
            status = DEFAULT
        else:
            status = SUPPORTED if minors in self.documented else LINKS_ONLY
        known = [each for each in self.faults if all(minors[of] in each.get(of, [minors[of]]) for of in minors)]
        return replace(pair, status=status, faults=tuple(each["issue"] for each in known))


def minor(version: str) -> str:
    """The first two numbers of a version."""
    return "{0.major}.{0.minor}".format(Version(version))


Withdrawn = Mapping[str, Mapping[str, str]]
"""Versions that authors have withdrawn, by package, with the reason of each."""


def pairs_of(answers: Iterable[Answer], judgements: Judgements, withdrawn: Withdrawn) -> list[Pair]:
    """The rows, by version, first of each TensorFlow alone.

    All wheels of a pair must agree on whether it links. Raises ValueError if they do not.
    """
    grouped: dict[str, dict[str, list[Answer]]] = {}
    for each in answers:
        of_release = grouped.setdefault(wheel_of(each.tensorflow).version, {})
        of_release.setdefault(wheel_of(each.plugin).version, []).append(each)
    pairs = [
        pair
        for tensorflow, by_plugin in sorted(grouped.items(), key=lambda item: Version(item[0]))
        for pair in (
            alone(tensorflow, itertools.chain.from_iterable(by_plugin.values())),
            *(pair_of(tensorflow, metal, by_plugin[metal]) for metal in sorted(by_plugin, key=Version)),
        )
    ]
    return [judgements.judge(replace(pair, withdrawn=say_withdrawn(pair, withdrawn))) for pair in pairs]


def alone(tensorflow: str, answers: Iterable[Answer]) -> Pair:
    """TensorFlow without the plug-in, from what is known of it with any."""
    by_python = {each.python: wheel_of(each.tensorflow) for each in answers}
    pythons = tuple(sorted(by_python, key=Version))
    newest = by_python[pythons[-1]]
    return Pair(tensorflow, NO_PLUGIN, newest.name, pythons, macos_of(newest), links=True)


def pair_of(tensorflow: str, metal: str, answers: Iterable[Answer]) -> Pair:
    """One row."""
    *others, newest = sorted(answers, key=lambda each: Version(each.python))
    if any(each.links != newest.links for each in others):
        raise ValueError(f"TensorFlow {tensorflow} and tensorflow-metal {metal} link for some Pythons only")
    wheel = wheel_of(newest.tensorflow)
    return Pair(
        tensorflow,
        metal,
        wheel.name,
        tuple(each.python for each in (*others, newest) if each.python == python_of(wheel_of(each.plugin))),
        max(macos_of(wheel), newest.least_macos, key=Version),
        newest.links,
        newest.first_failure,
        len(newest.missing_symbols),
    )


def say_withdrawn(pair: Pair, withdrawn: Withdrawn) -> tuple[str, ...]:
    """What the authors of a pair's two packages have withdrawn of it."""
    both = ((pair.package, pair.tensorflow), (PLUGIN, pair.metal))
    found = ((package, version, withdrawn.get(package, {}).get(version)) for package, version in both)
    return tuple(f"{package} {version}: {reason}" for package, version, reason in found if reason)


def wheel_of(filename: str) -> WheelName:
    """What a wheel's name says. Raises ValueError for another file's."""
    wheel = parse_wheel_name(filename)
    if wheel is None:
        raise ValueError(f"{filename} is not a wheel's name")
    return wheel


def python_of(wheel: WheelName) -> str:
    """The Python of a wheel with native code."""
    [(tag, _, _)] = wheel.tags
    return f"3.{tag.removeprefix('cp3')}"


def macos_of(wheel: WheelName) -> str:
    """The least macOS of a wheel with native code."""
    [(_, _, platform)] = wheel.tags
    return ".".join(platform.split("_")[1:3])


def differences(old: Iterable[Pair], new: Iterable[Pair]) -> Iterator[str]:
    """What a reviewer has to look at, a line each."""
    before, after = ({(pair.tensorflow, pair.metal): asdict(pair) for pair in pairs} for pairs in (old, new))
    for pair in dict.fromkeys([*before, *after]):
        name = Pair(*pair).name
        if pair not in after:
            yield f"- {name}: is not in the index any more"
        elif pair not in before:
            yield f"+ {name}: {after[pair]['status']}"
        else:
            for key, value in after[pair].items():
                if before[pair][key] != value:
                    yield f"! {name}: {key} was {before[pair][key]!r}, and is {value!r}"


def read_judgements() -> Judgements:
    """What people have judged."""
    return Judgements(**yaml.safe_load(JUDGEMENTS.read_text()))


def read_table() -> tuple[str, list[Pair], list[LiteRT]]:
    """The day on which the table that is there was made, its rows, and those of LiteRT."""
    nothing: dict[str, Any] = {"checked": "", "pairs": [], "litert": []}
    content: dict[str, Any] = json.loads(TABLE.read_text()) if TABLE.is_file() else nothing
    pairs = [Pair.from_data(row) for row in content["pairs"]]
    return content["checked"], pairs, [LiteRT.from_data(row) for row in content["litert"]]


def write_table(checked: str, pairs: Sequence[Pair], litert: Sequence[LiteRT]) -> None:
    """Write the table, a row in each line."""
    of_both = (",\n".join(f"  {json.dumps(row.as_data())}" for row in rows) for rows in (pairs, litert))
    TABLE.write_text('{{"checked": "{}", "pairs": [\n{}\n], "litert": [\n{}\n]}}\n'.format(checked, *of_both))
