# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""Which TensorFlow with which Metal plug-in: from the pairing table, a wish and a machine to a pair, or to a refusal.

TensorFlow without the plug-in is a pair, too: one with NO_PLUGIN.

Pure: it asks nothing. The controller chooses pairs here when it makes locks, and a Mac looks here whether it can have
the pair that its lock pins.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._python.wanted import version_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

DEFAULT, SUPPORTED, LINKS_ONLY, BROKEN, UNKNOWN = "default", "supported", "links-only", "broken", "unknown"
_WORTH = {DEFAULT: 4, SUPPORTED: 3, LINKS_ONLY: 2, UNKNOWN: 1, BROKEN: 0}
NO_PLUGIN = "none"
"""What `metal` says for TensorFlow without the plug-in."""


@dataclass(frozen=True)
class Pair:
    """A row of the pairing table."""

    tensorflow: str
    metal: str
    """The plug-in's version, or NO_PLUGIN."""
    package: str = "tensorflow"
    """In which TensorFlow of this version comes for Macs with Apple Silicon."""
    pythons: tuple[str, ...] = ()
    """Minor versions that both have wheels for."""
    least_macos: str = ""
    links: bool = False
    first_failure: str = ""
    missing_symbols: int = 0
    status: str = UNKNOWN
    """`default`, `supported` (documented by Apple), `links-only` or `broken`; `unknown` is in no row."""
    faults: tuple[str, ...] = ()
    """Issues of what goes wrong at run time."""
    withdrawn: tuple[str, ...] = ()
    """Which of both its authors have withdrawn from the index ("yanked"), and why."""

    @classmethod
    def from_data(cls, row: Mapping[str, Any]) -> Pair:
        """A row as it is written."""
        lists = {name: tuple(row.get(name, ())) for name in ("pythons", "faults", "withdrawn")}
        return cls(**{**row, **lists})

    def as_data(self) -> dict[str, Any]:
        """As it is written."""
        return asdict(self)

    @property
    def name(self) -> str:
        """For people."""
        plugin = f"with tensorflow-metal {self.metal}" if self.has_plugin else "without the plug-in"
        return f"TensorFlow {self.tensorflow} {plugin}"

    @property
    def is_final(self) -> bool:
        """Whether TensorFlow is more than a version to be tried out, as 2.22.0rc0 is."""
        return re.fullmatch(r"[\d.]*", self.tensorflow) is not None

    @property
    def has_plugin(self) -> bool:
        """Whether it is not TensorFlow alone."""
        return self.metal != NO_PLUGIN


@dataclass(frozen=True)
class LiteRT:
    """A release of LiteRT for Macs with Apple Silicon."""

    version: str
    pythons: tuple[str, ...] = ()
    """Minor versions that it has wheels for."""
    least_macos: str = ""
    """What its libraries were built for; the wheels' names say less."""

    @classmethod
    def from_data(cls, row: Mapping[str, Any]) -> LiteRT:
        """A row as it is written."""
        return cls(**{**row, "pythons": tuple(row["pythons"])})

    def as_data(self) -> dict[str, Any]:
        """As it is written."""
        return asdict(self)


class Wish(NamedTuple):
    """What is declared of a pair; "" leaves it to us. A version may be a minor one, such as 2.18."""

    tensorflow: str = ""
    metal: str = ""


class Machine(NamedTuple):
    """What a pair must suit: one Mac, or all for which a lock is made. "" is not known, and suits."""

    python: str = ""
    """The minor version."""
    macos: str = ""
    """The version, of several Macs the oldest."""


def choose(pairs: Sequence[Pair], wish: Wish, machine: Machine, *, allow_untested: bool = False) -> Pair:
    """The best pair for a wish and a machine.

    Raises MetalfleetError where there is none: why, and the nearest that works.
    """
    wanted = [pair for pair in pairs if _is_wished(pair, wish)] or [_unknown(pairs, wish)]
    can_be_had = {pair: not why_not(pair, machine, allow_untested=allow_untested) for pair in wanted}
    best = max(wanted, key=lambda pair: (can_be_had[pair], not pair.withdrawn, pair.is_final, *_worth(pair)))
    refuse_unfit(best, pairs, machine, wished=wish.tensorflow, allow_untested=allow_untested)
    return best


def python_for(pairs: Iterable[Pair], wish: Wish, usual: str) -> str:
    """The newest Python for which a wished pair that links has wheels; "" if it has some for the usual one, too."""
    pythons = {python for pair in pairs if pair.links and _is_wished(pair, wish) for python in pair.pythons}
    return "" if usual in pythons else max(pythons, key=version_key, default="")


def find(pairs: Iterable[Pair], tensorflow: str, metal: str) -> Pair:
    """The row of a pair; where the table has none, a row of which nothing is known."""
    return next(
        (pair for pair in pairs if (pair.tensorflow, pair.metal) == (tensorflow, metal)), Pair(tensorflow, metal)
    )


def refuse_unfit(
    pair: Pair, pairs: Iterable[Pair], machine: Machine, *, wished: str = "", allow_untested: bool = False
) -> None:
    """Refuse a pair that a machine cannot have. Raises MetalfleetError with what of `pairs` it can have instead.

    `wished` is the version of TensorFlow that was declared; "" is not known, or none.
    """
    reason = why_not(pair, machine, allow_untested=allow_untested)
    if reason:
        pairs = list(pairs)
        ways = [
            _say_nearest(pairs, pair, machine),
            _other_machine(pair, machine),
            "declare metal: none, for TensorFlow without the plug-in, on the CPU"
            if pair.has_plugin and _fitting(pairs, Wish(wished, NO_PLUGIN), machine)
            else "",
            "set tensorflow_allow_untested: true, to use it anyway" if _is_overruled(pair, machine) else "",
        ]
        remedy = "; or ".join(way for way in ways if way) or _say_best(pairs, machine)
        raise MetalfleetError(f"{pair.name} {reason}", remedy=remedy[:1].upper() + remedy[1:])


def refuse_unfit_litert(release: LiteRT, releases: Iterable[LiteRT], machine: Machine) -> None:
    """Refuse a LiteRT that a Mac is too old for. Raises MetalfleetError with one of `releases` that it can have."""
    if not _needs_macos(release, machine):
        return
    fitting = (each for each in releases if not _needs_macos(each, machine) and machine.python in ("", *each.pythons))
    other = max(fitting, key=lambda each: version_key(each.version), default=None)
    raise MetalfleetError(
        f"LiteRT {release.version} needs macOS {release.least_macos} or newer, not {machine.macos}: its libraries were "
        "built for that, whatever the names of its wheels say",
        remedy=f"Declare packages: [ai-edge-litert=={other.version}], or upgrade macOS."
        if other
        else "Upgrade macOS: there is no LiteRT for this one. Or run the models with tf.lite.Interpreter, in an "
        "environment for TensorFlow.",
    )


def why_not(pair: Pair, machine: Machine, *, allow_untested: bool = False) -> str:
    """Why a machine cannot have a pair; "" if it can. What is known of neither does not count."""
    if _lacks_wheels(pair, machine):
        both = "; there is no Python for which both have wheels"
        others = f", only for {', '.join(pair.pythons)}" if pair.pythons else both
        return f"has no wheels for Python {machine.python}{others}"
    if _needs_macos(pair, machine):
        return f"needs macOS {pair.least_macos} or newer, not {machine.macos}"
    if allow_untested:
        return ""
    if pair.status == BROKEN:
        more = f"; {pair.missing_symbols} symbols are missing" if pair.missing_symbols > 1 else ""
        return f"cannot be imported: the plug-in does not link ({pair.first_failure}{more})"
    if pair.status == UNKNOWN and pair.has_plugin:
        return "is not in the pairing table (docs/pairs.md), so that nothing is known of whether it links"
    return ""


def remark(pair: Pair, *, allow_untested: bool = False) -> str:
    """What a user should know of a pair that is used all the same; "" if there is nothing."""
    if pair.status == LINKS_ONLY:
        return f"{pair.name} links, but Apple's table does not name it: only the probe tells whether it computes right."
    reason = why_not(pair, Machine())
    if allow_untested and reason:
        return f"{pair.name} {reason}. It is used because of tensorflow_allow_untested."
    return ""


def is_version(version: str, wished: str) -> bool:
    """Whether a version is the wished one, or one of the wished minor version; "" is any."""
    return not wished or version == wished or version.startswith(f"{wished}.")


def _is_wished(pair: Pair, wish: Wish) -> bool:
    """TensorFlow alone is nobody's pair who does not ask for it."""
    is_alike = pair.has_plugin == (wish.metal != NO_PLUGIN)
    return is_alike and is_version(pair.tensorflow, wish.tensorflow) and is_version(pair.metal, wish.metal)


def _worth(pair: Pair) -> tuple[int, tuple[int, ...], tuple[int, ...]]:
    return _WORTH[pair.status], version_key(pair.tensorflow), version_key(pair.metal)


def _unknown(pairs: Sequence[Pair], wish: Wish) -> Pair:
    """The pair that was wished, of which the table knows nothing; what was not wished is as in the default pair."""
    default = next((pair for pair in pairs if pair.status == DEFAULT), Pair("", ""))
    return Pair(wish.tensorflow or default.tensorflow, wish.metal or default.metal)


def _fitting(pairs: Iterable[Pair], wish: Wish, machine: Machine) -> list[Pair]:
    """The documented pairs of a wish that a machine can have."""
    sound = [each for each in pairs if each.status in (DEFAULT, SUPPORTED) and each.is_final and not each.withdrawn]
    return [each for each in sound if _is_wished(each, wish) and not why_not(each, machine)]


def _say_nearest(pairs: Iterable[Pair], pair: Pair, machine: Machine) -> str:
    """The best pair of its kind for a machine, of those that are the fewest minor versions of TensorFlow away."""
    fitting = _fitting(pairs, Wish(metal="" if pair.has_plugin else NO_PLUGIN), machine)
    other = max(fitting, key=lambda each: (-abs(_minor(each) - _minor(pair)), *_worth(each)), default=None)
    if other is None:
        return ""
    plugin = f' and metal: "{other.metal}", a pair that works' if other.has_plugin else ""
    return f'declare tensorflow: "{other.tensorflow}"{plugin}'


def _say_best(pairs: Iterable[Pair], machine: Machine) -> str:
    """The best pair that a Mac can have with any Python."""
    best = max(_fitting(pairs, Wish(), Machine("", machine.macos)), key=_worth, default=None)
    if best is None:
        return ""
    python = max(best.pythons, key=version_key)
    return f'leave out tensorflow and metal, and declare python: "{python}", which gives {best.name}'


def _minor(pair: Pair) -> int:
    major, minor, *_more = *version_key(pair.tensorflow), 0, 0
    return 1000 * major + minor


def _lacks_wheels(pair: Pair, machine: Machine) -> bool:
    return pair.status != UNKNOWN and bool(machine.python) and machine.python not in pair.pythons


def _needs_macos(pair: Pair | LiteRT, machine: Machine) -> bool:
    return bool(pair.least_macos and machine.macos) and version_key(machine.macos) < version_key(pair.least_macos)


def _other_machine(pair: Pair, machine: Machine) -> str:
    """What would have to be another with the machine."""
    if _lacks_wheels(pair, machine) and pair.pythons:
        return f'declare python: "{max(pair.pythons, key=version_key)}"'
    if _needs_macos(pair, machine):
        return f'upgrade macOS (where all Macs have {pair.least_macos}, tensorflow_oldest_macos: "{pair.least_macos}")'
    return ""


def _is_overruled(pair: Pair, machine: Machine) -> bool:
    return bool(why_not(pair, machine)) and not why_not(pair, machine, allow_untested=True)
