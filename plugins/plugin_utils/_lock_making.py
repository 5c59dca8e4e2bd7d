# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""Make the lock of an environment from what is declared: choose the pair, resolve, and say in plain words why not."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.failures import mask
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._pairing import (
    NO_PLUGIN,
    Machine,
    Pair,
    Wish,
    choose,
    is_version,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe.verdict import LITERT
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._lock_files import heading_of, versions_of
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._pairs import read_pairs
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._requests import (
    OWN_NAMES,
    package_of,
    refuse_cuda_on_mac,
)
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._resolver import (
    LITERT_PACKAGE,
    ResolutionFailed,
    Resolved,
    Resolver,
    Source,
    Target,
    constraints_for,
    in_one_line,
    rendered,
    requirements_of,
    shipped_litert,
    targets,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._building import BuiltWheel
    from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._requests import CondaRequest, Order


LONGEST_WORDS = 800
"""Of uv's, in a message: more than that nobody reads."""


@dataclass(frozen=True)
class Solved:
    """The conda packages of a lock."""

    lines: tuple[str, ...] = ()
    """Of the lock."""
    python_packages: Mapping[str, str] = field(default_factory=dict)
    """Versions of those that a wheel could be of, by name."""


@dataclass(frozen=True)
class Made:
    """A lock, and what a user should know of it."""

    text: str
    remarks: tuple[str, ...] = ()
    built: tuple[BuiltWheel, ...] = ()


def make_lock(
    order: Order,
    resolver: Resolver,
    build: Callable[[Source], BuiltWheel],
    before: str = "",
    *,
    upgrade: frozenset[str] = frozenset(),
    solve: Callable[[CondaRequest, Order, Target, Mapping[str, str]], Solved] | None = None,
) -> Made:
    """Resolve what is ordered; the versions of the lock that was there `before` are kept where that is possible.

    `build` makes the wheel of a source. `upgrade` names packages of which versions are not kept, "all" any. `solve`
    finds conda packages, where any are ordered. Raises MetalfleetError.
    """
    target, kept = target_for(order), versions_to_keep(before, upgrade)
    if target.has_plugin:
        refuse_cuda_on_mac(order)
    request = order.request.conda
    conda = solve(request, order, target, kept) if solve and request else Solved()
    wheels = resolve_wheels(order, target, resolver, Held(kept, conda.python_packages))
    built = tuple(map(build, wheels.sources))
    packages = [*wheels.packages, *(wheel.as_package for wheel in built)]
    sources = {each.sha256: {"file": each.filename, "source": each.source_sha256} for each in built}
    heading = heading_of(order.environment, order.platform, order.declaration, sources)
    remarks = [*wheels.yanked, *held_back(order, target, resolver, wheels, kept)]
    text = rendered(heading, packages, conda.lines)
    return Made(text, tuple(f"{order.environment}: {each}." for each in remarks), built)


def target_for(order: Order) -> Target:
    """What is known of the hosts that an order is for. Raises MetalfleetError if no locks are made for them."""
    target = targets().get(order.target)
    if target:
        return target
    if order.platform in targets():
        raise MetalfleetError(
            f"{order.platform}, for which the environment {order.environment} is to be locked, names no Python",
            remedy=f"Add the version to tensorflow_platforms, as in {order.platform}-py3.12.",
        )
    raise MetalfleetError(
        f"No packages can be resolved for {order.platform}, where the environment {order.environment} is declared",
        evidence=f"Locks are made for: {', '.join(targets())}.",
        remedy="Declare a lock of your own (lock).",
    )


def versions_to_keep(lock: str, upgrade: frozenset[str]) -> dict[str, str]:
    """The versions of a lock without those that are to be upgraded. TensorFlow is one thing, whatever its package."""
    if "all" in upgrade:
        return {}
    return {name: version for name, version in versions_of(lock).items() if not {name, OWN_NAMES.get(name)} & upgrade}


def held_back(
    order: Order, target: Target, resolver: Resolver, resolved: Resolved, kept: Mapping[str, str]
) -> Iterator[str]:
    """Of which declared packages a newer version does not go with the rest, as far as that is new to the user.

    A resolver goes back to a version of years ago, if that asks for nothing that stands in its way, and says nothing.
    """
    if not order.request.packages:
        return
    try:
        newest_of = wheels_for(order, target, resolver)(order.request.packages, with_dependencies=False).versions
    except ResolutionFailed:
        return
    for name, newest in newest_of.items():
        version = resolved.versions.get(name, newest)
        if name not in OWN_NAMES and version not in (newest, kept.get(name)):
            yield (
                f"{name} is locked at {version}, because the newest version, {newest}, does not go with "
                f"{framework_of(order)} or with another package. To see why not, declare {name}=={newest}"
            )


def pairs_for(order: Order, target: Target, kept: Mapping[str, str]) -> list[Pair]:
    """What may go into the lock of TensorFlow and the plug-in, the first to be tried first: what was `kept`, the best.

    A version may be "", for any. Raises MetalfleetError where nothing is found.
    """
    wish, machine = order.request.wish, Machine(order.python, order.oldest_macos)
    if not target.has_plugin:
        # It follows the Macs: to the best pair, or to what is wished of TensorFlow.
        machine = Machine(order.python if wish.metal == NO_PLUGIN else "")
        wish = Wish(wish.tensorflow, NO_PLUGIN) if wish.tensorflow else wish

    def pair_for(wish: Wish) -> Pair:
        return choose(read_pairs(), wish, machine, allow_untested=order.allow_untested)

    best = pair_for(wish)
    if not best.has_plugin and not wish.tensorflow and best.is_final:
        # Nothing but wheels for the Python is asked of TensorFlow alone, and uv sees to these.
        return [replace(best, tensorflow="")]
    try:
        return list(dict.fromkeys([pair_for(narrowed(wish, kept)), best]))
    except MetalfleetError:
        return [best]


def narrowed(wish: Wish, kept: Mapping[str, str]) -> Wish:
    """A wish with the versions of a lock in the place of what it leaves open."""
    locked = {option: kept[name] for name, option in OWN_NAMES.items() if name in kept}

    def fill(option: str, wished: str) -> str:
        version = locked.get(option, "")
        return version if version and is_version(version, wished) else wished

    return Wish(fill("tensorflow", wish.tensorflow), fill("metal", wish.metal))


class Held(NamedTuple):
    """Versions, by package, that are not free."""

    kept: Mapping[str, str]
    """Those of the lock that was there, which stay where that is possible."""
    provided: Mapping[str, str]
    """Those that conda brings, to which wheels have to fit."""


def resolve_wheels(order: Order, target: Target, resolver: Resolver, held: Held) -> Resolved:
    """Resolve what comes as wheels. What conda provides is not taken once more."""
    request = order.request
    if request.with_tensorflow:
        resolved = resolve_first(order, pairs_for(order, target, held.kept), target, resolver, held)
    elif request.packages or request.framework == LITERT:
        resolved = resolve_packages(order, target, resolver, held)
    else:
        return Resolved([], [])
    return resolved._replace(packages=[each for each in resolved.packages if each.name not in held.provided])


def resolve_first(order: Order, pairs: Sequence[Pair], target: Target, resolver: Resolver, held: Held) -> Resolved:
    """Resolve with the first of the pairs that goes with the packages. Raises MetalfleetError of the last."""
    *others, last = pairs
    for pair in others:
        with suppress(ResolutionFailed):
            return resolve(order, pair, target, resolver, held)
    try:
        return resolve(order, last, target, resolver, held)
    except ResolutionFailed as failure:
        raise explain(order, constraints_for(last.tensorflow), str(failure), held.provided) from failure


def resolve_packages(order: Order, target: Target, resolver: Resolver, held: Held) -> Resolved:
    """Resolve packages without TensorFlow, for LiteRT together with the collection's own unless another is among them.

    Raises MetalfleetError.
    """
    wanted, limits = [*order.request.packages], dict[str, str]()
    if order.request.framework == LITERT:
        litert = shipped_litert()
        is_declared = LITERT_PACKAGE in map(package_of, wanted)
        wanted, limits = [*([] if is_declared else [litert.requirement]), *wanted], dict(litert.constraints)
    try:
        return keep_where_possible(wanted, limits, wheels_for(order, target, resolver), resolver, held)
    except ResolutionFailed as failure:
        raise explain(order, limits, str(failure), held.provided) from failure


def resolve(order: Order, pair: Pair, target: Target, resolver: Resolver, held: Held) -> Resolved:
    """Ask uv. Where a package brings TensorFlow along by its first name, that is the one to take, and no second one."""
    wanted, limits = [*requirements_of(pair, target), *order.request.packages], constraints_for(pair.tensorflow)
    resolved = keep_where_possible(wanted, limits, wheels_for(order, target, resolver), resolver, held)
    if target.tensorflow == "tensorflow-cpu" and {"tensorflow", "tensorflow-cpu"} <= resolved.versions.keys():
        return resolve(order, pair, replace(target, tensorflow="tensorflow"), resolver, held)
    return resolved


def keep_where_possible(
    wanted: Sequence[str],
    limits: Iterable[str],
    wheels: Callable[..., Resolved],
    resolver: Resolver,
    held: Held,
) -> Resolved:
    """Resolve requirements within limits, with the kept versions where that is possible. Raises ResolutionFailed."""

    def ask(pins: Mapping[str, str], preferred: Mapping[str, str]) -> Resolved:
        fixed = {**pins, **held.provided}
        return wheels(
            wanted,
            constraints=[*limits, *(f"{name}=={version}" for name, version in fixed.items())],
            preferred={name: version for name, version in preferred.items() if name not in fixed},
        )

    return keep_most(ask, held.kept) if held.kept and resolver.mixes_indexes else ask({}, held.kept)


def wheels_for(order: Order, target: Target, resolver: Resolver) -> Callable[..., Resolved]:
    """Resolves requirements for the hosts that an order is for."""
    return partial(
        resolver.wheels,
        target=target,
        python=order.python,
        oldest_macos=order.oldest_macos if target.has_plugin else "",
        build=order.request.build,
    )


def keep_most(ask: Callable[[Mapping[str, str], Mapping[str, str]], Resolved], kept: Mapping[str, str]) -> Resolved:
    """Resolve with as many of the kept versions as possible; `ask` takes those to demand, and those to prefer.

    Of several indexes uv looks for a preferred version in the first that has it, and where that has it for other
    platforms only, takes another version, or finds none. What is demanded is looked for in all. Raises
    ResolutionFailed.
    """
    with suppress(ResolutionFailed):
        return ask(kept, {})
    preferred = kept
    try:
        resolved = ask({}, preferred)
    except ResolutionFailed:
        preferred = {}
        resolved = ask({}, preferred)
    demanded: dict[str, str] = {}
    for name, version in kept.items():
        if resolved.versions.get(name, version) != version:
            with suppress(ResolutionFailed):
                resolved = ask({**demanded, name: version}, preferred)
                demanded[name] = version
    return resolved


def explain(
    order: Order, limits: Mapping[str, str], said: str, provided: Mapping[str, str] = MappingProxyType({})
) -> MetalfleetError:
    """What a person is told where uv found no solution.

    `limits` are the collection's own, each with its reason; `provided` are versions that conda brings.
    """
    text = " ".join(said.split())  # uv breaks its lines as wide as a terminal is
    own = [*own_limits(limits, text), *limits_of_conda(provided, text)]
    words = " ".join([shortened(in_one_line(mask(said))), *own])
    return meaning_of(text, KNOWN, order, f"uv says: {words}")


def meaning_of(said: str, known: Iterable[Known], order: Order, evidence: str) -> MetalfleetError:
    """What a solver's words mean: the first of those known that fits; the last one fits all."""
    names = {
        "where": f"for the environment {order.environment} ({order.platform})",
        "python": order.python,
        "oldest": order.oldest_macos,
        "framework": framework_of(order),
    }
    each, found = next((each, found) for each in known if (found := re.search(each.pattern, said)))
    names |= found.groupdict()
    return MetalfleetError(each.cause.format(**names), evidence=evidence, remedy=each.remedy.format(**names))


def framework_of(order: Order) -> str:
    """Its name, for people."""
    return "LiteRT" if order.request.framework == LITERT else "TensorFlow"


def shortened(words: str) -> str:
    """Their beginning and their end: of a package with many versions uv tells why each of them is out."""
    if len(words) <= LONGEST_WORDS:
        return words
    start, end = words[: LONGEST_WORDS // 2], words[-LONGEST_WORDS // 2 :]
    return f"{start.rpartition(' ')[0]} [...] {end.partition(' ')[2]}"


def own_limits(limits: Mapping[str, str], said: str) -> Iterator[str]:
    """Why we have set limits that uv speaks of: no package declares them, so that nobody would know where to look."""
    for requirement, reason in limits.items():
        if re.search(rf"\b{re.escape(requirement)}(?![\w.])", said):
            yield f"{requirement} is a limit of the collection: {reason}"


def limits_of_conda(provided: Mapping[str, str], said: str) -> Iterator[str]:
    """Which of the versions that uv speaks of nobody has asked for: conda brings them."""
    for name, version in provided.items():
        if f"{name}=={version}" in said:
            yield f"{name} {version} is what comes from conda."


class Known(NamedTuple):
    """A failure of a solver: how its message is told from others, what it means, and what helps.

    Both texts may name the groups of the pattern.
    """

    pattern: str
    cause: str
    remedy: str


KNOWN = (
    Known(
        r"\b(401|403) |Unauthorized|Forbidden",
        "The package index refuses access, so that nothing can be resolved {where}",
        "Correct tensorflow_username and tensorflow_password, or the credentials in tensorflow_index_url.",
    ),
    Known(
        r"there (is no version|are no versions) of (?P<package>\S+)",
        "No index has {package}, which is wanted {where}",
        "Correct its name or version in packages, or name the index that has it in tensorflow_extra_index_urls.",
    ),
    Known(
        r"(?P<package>[\w.-]+) was not found in the (package registry|provided package locations)",
        "No index has {package}, which is wanted {where}",
        "Correct its name in packages, or name the index that has it in tensorflow_extra_index_urls.",
    ),
    Known(
        r"matching platform tag \(e\.g\., `macosx_.*"
        r"Wheels are available for `(?P<package>[^`]+)` \(v(?P<version>[^)]+)\) on "
        r".*?`macosx_(?P<major>\d+)_(?P<minor>\d+)_(arm64|universal2)`",
        "{package}, which is wanted {where}, has wheels for newer Macs only: {version} needs macOS {major}.{minor}, "
        "and the lock is for macOS {oldest} and newer",
        'Leave it out, or declare an older version that suits them; or set tensorflow_oldest_macos: "{major}.{minor}", '
        "where all Macs that have the environment have that.",
    ),
    Known(
        r"Wheels are (available|required) for `(?P<package>[^`]+)`",
        "{package}, which is wanted {where}, has no wheel for that platform, and nothing is built on a host",
        "Leave it out, declare a version that has one or, if it is pure Python, name it in build. An index of your own "
        "that has one may be named in tensorflow_extra_index_urls.",
    ),
    Known(
        r"we only found wheels for `(?P<package>[^`]+)`",
        "{package}, which is wanted {where}, has no wheel for Python {python}",
        "Declare a version that has one, or a Python that it has wheels for (python).",
    ),
    Known(
        r"certificate|UnknownIssuer",
        "The controller does not trust the certificate of the package index: nothing can be resolved {where}",
        "Name the file with its certificate authority in tensorflow_ca.",
    ),
    Known(
        r"Failed to fetch|error sending request|Request failed",
        "The package index cannot be reached from the controller, so that nothing can be resolved {where}",
        "Correct tensorflow_index_url, tensorflow_proxy or tensorflow_ca, or what is configured for pip and uv here.",
    ),
    Known(
        r"unsatisfiable|cannot be used",
        "The packages {where} conflict with each other, or with {framework}",
        "Change packages or tensorflow of that environment so that they agree, or leave versions open.",
    ),
    Known(
        r"",
        "The packages {where} could not be resolved",
        "Correct packages, or what pip and uv are configured with on the controller.",
    ),
)
