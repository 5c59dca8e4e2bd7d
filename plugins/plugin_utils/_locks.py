# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""The locks of a host's environments: a user's own, the collection's, and those that are made from a declaration."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._conda.lock import (
    SUBDIRS,
    is_conda_lock,
    parse_conda_lock,
    wheels_in,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.declaration import (
    CONDA,
    is_named_as_its_host,
    lock_platform,
    refuse_bad_name,
    refuse_bad_python,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.kernel import (
    refuse_lock_without_ipykernel,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._layout import (
    python_of,
    target_of,
    with_python,
    without_cuda,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._pairing import (
    DEFAULT,
    NO_PLUGIN,
    SUPPORTED,
    Pair,
    find,
    python_for,
    remark,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe.verdict import (
    GPU_NONE,
    LITERT,
    TENSORFLOW,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._progress import counted
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.lock import (
    Lock,
    digest_of,
    normalized,
    parse_lock,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.network import Network
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._conda_locks import (
    closed_channels,
    only_python,
    own_locks,
    refuse_cpu_only,
    refuse_other_python,
)
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._controller import folder_of_wheels, read_text
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._lock_files import (
    LockFile,
    WheelFiles,
    built_in,
    changes,
    declaration_of,
    find_lock_files,
    is_writable,
    versions_of,
    without_hashes,
)
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._pairs import default_pair, read_pairs
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._requests import (
    MAC,
    OPTIONS,
    OTHER_PLUGIN,
    OWN_NAMES,
    Order,
    Request,
    conda_name,
    read_request,
)
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._this_run import of_this_run, once

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._building import BuiltWheel
    from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._delivery import ControllerStore
    from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._lock_making import Made
    from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._resolver import Resolver, Source

CONDA_ENGINE = Path(__file__).with_name("_data") / "py-rattler.txt"
"""The lock of what installs conda packages."""
SHIPPED = Path(__file__).with_name("_data") / "locks"
"""A folder for each pair, with one lock for each platform and Python, made by tools/locks.py."""
MINORS = ("3.9", "3.10", "3.11", "3.12", "3.13", "3.14")

Digests = dict[str, str]
"""SHA-256 of each lock that an environment may have, by platform; "any" for one that is used as it is."""


@dataclass(frozen=True)
class Making:
    """How locks are made: where they are kept, from where, and for what."""

    folder: Path
    network: Network = field(default_factory=Network)
    oldest_macos: str = ""
    """The oldest macOS that they must suit; "" is the oldest that the default pair does."""
    allow_untested: bool = False
    is_locked: bool = False
    """Whether only what is in the folder may be used."""
    python: str = ""
    """The minor version of the Python that hosts have for all environments that do not need another."""
    wheel_store: Path = field(default_factory=lambda: folder_of_wheels("", {}))
    """The controller's, which has what locks of conda packages are made with."""
    is_offline: bool = False
    """Whether nothing may be fetched that it has not got."""

    @property
    def store(self) -> ControllerStore:
        """That wheel store, as far as it is needed here."""
        from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._delivery import (  # noqa: PLC0415
            ControllerStore,
        )

        return ControllerStore(self.wheel_store, None if self.is_offline else self.network)


@dataclass(frozen=True)
class NewLock:
    """A lock that was made in this run, with the text that was there before."""

    file: LockFile
    before: str
    after: str
    built: tuple[BuiltWheel, ...] = ()

    @property
    def changes(self) -> list[str]:
        """Package by package."""
        return changes(self.before, self.after)

    @property
    def diff(self) -> dict[str, str]:
        """Ansible's diff, without the hashes."""
        path = str(self.file.path)
        texts = {"before": without_hashes(self.before), "after": without_hashes(self.after)}
        return {**texts, "before_header": path, "after_header": path}

    def as_data(self) -> dict[str, Any]:
        """Its part of the report."""
        return {"path": str(self.file.path), "platform": self.file.platform, "changes": self.changes}

    def say(self, *, is_foreseen: bool) -> str:
        """For people."""
        what = f"changed ({', '.join(self.changes) or 'the versions are the same'})"
        if not self.before:
            what = f"made, with {counted(len(self.changes), 'package')}"
        return f"{self.file.path} would be {what}." if is_foreseen else f"{self.file.path} was {what}. Commit it."


class Locks:
    """The locks of one host's environments. `find` turns the path that a user wrote into one that is there."""

    def __init__(self, find: Callable[[str], Path], making: Making) -> None:
        self._find, self._making = find, making
        self._digests: dict[str, Digests] = {}
        self._requests: dict[str, Request] = {}
        self._implied: dict[str, dict[str, str]] = {}
        """Of each environment, options that follow from what is declared of others."""
        self._environments: dict[str, Mapping[str, Any]] = {}
        """As they are declared, and with those options."""
        self._engine = ""
        """The digest of the lock of what installs conda packages, where any are declared."""
        self.new: list[NewLock] = []
        self.texts: dict[str, str] = {}
        """All locks, by the SHA-256 of their text; that of py-rattler too, where it is needed."""
        self.built_wheels: dict[str, str] = {}
        """Wheels that no index has: by SHA-256 the name, a blank, and the content in base64."""
        self.pairs: dict[str, tuple[str, str]] = {}
        """The TensorFlow and the plug-in that a lock pins for Macs, by the same."""
        self.litert: dict[str, str] = {}
        """The LiteRT that a lock pins for Macs, by the same."""
        self.remarks: list[str] = []

    def read(self, environments: Iterable[Mapping[str, Any]]) -> None:
        """Read what is there for environments as they are declared. Raises MetalfleetError."""
        for environment in environments:
            name, python = environment["name"], str(environment.get("python") or "")
            refuse_bad_name(name)
            refuse_bad_python(name, python)
            request = read_request(environment)
            self._implied[name] = self._implied_by(environment, request)
            self._environments[name] = {**environment, **self._implied[name]}
            if request:
                self._requests[name] = request
                self._digests[name] = self._kept(name, request)
            elif environment.get("kind") == CONDA:
                self._digests[name] = self._given_of_conda(environment)
            else:
                self._digests[name] = self._given(environment)
        self._engine = self._add(CONDA_ENGINE.read_text("utf-8")) if self._conda else ""

    def with_digests(self, environments: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """The environments, each with the digests of its locks in the place of what they were found or made by."""
        return [
            {
                **{option: value for option, value in environment.items() if option not in ("lock", *OPTIONS)},
                **self._implied[environment["name"]],
                "lock_digests": self._digests[environment["name"]],
            }
            for environment in environments
        ]

    @property
    def _conda(self) -> dict[str, Mapping[str, Any]]:
        """The environments of conda packages."""
        return {name: each for name, each in self._environments.items() if each.get("kind") == CONDA}

    @property
    def depend_on_platform(self) -> bool:
        """Whether something can be said of them only where the host's platform is known."""
        return bool(self._requests or self._conda)

    @property
    def conda(self) -> dict[str, Any]:
        """What a host needs to install conda packages; nothing, where none are declared."""
        return {"conda_engine": self._engine, "conda_channels": self.channels} if self._conda else {}

    @property
    def conda_engine(self) -> str:
        """The lock of what installs conda packages; "" where none are declared."""
        return self.texts.get(self._engine, "")

    @property
    def channels(self) -> list[str]:
        """The channels that need credentials, which locks leave out."""
        return closed_channels(self._conda.values())

    def platforms_with(self, known: str) -> list[str]:
        """A platform that is known, with those of hosts of which the locks that are there tell."""
        told, vague = {known}, set[str]()
        for name in self._requests:
            found = {file.platform for file in find_lock_files(self._making.folder, name)}
            if is_named_as_its_host(self._environments[name]):
                told |= found
            else:
                vague |= {with_python(platform, self._making.python) for platform in found}
        targets = {without_cuda(target_of(platform)) for platform in told}
        return sorted(told | {platform for platform in vague if target_of(platform) not in targets})

    def complete(self, platform: str, *, upgrade: frozenset[str] = frozenset()) -> bool:
        """Make what is missing for a platform; returns whether anything was. Raises MetalfleetError.

        `upgrade` names packages, normalized, that are to get their newest versions, "all" any.
        """
        if not platform:
            return False
        self._refuse_cpu_only(platform)  # before anything is solved, if it can be seen by then
        wanted = [(name, lock_platform(self._environments[name], platform)) for name in self._requests]
        for name, of_it in wanted:
            self._refuse_another_declaration(self._order(name, of_it))
        missing = [(name, each) for name, each in wanted if upgrade or each not in self._digests[name]]
        for name, of_it in missing:
            file = LockFile(self._making.folder, name, of_it)
            before = file.read()
            made = self._make(self._order(name, of_it), before, upgrade)
            self._digests[name][of_it] = self._add(made.text)
            self.remarks += made.remarks
            self.built_wheels |= {each.sha256: f"{each.filename} {in_base64(each.content)}" for each in made.built}
            self.new += [NewLock(file, before, made.text, made.built)] if made.text != before else []
        self._refuse_cpu_only(platform)
        return bool(missing)

    def say_unknown(self, packages: Iterable[str]) -> list[str]:
        """A warning for each package that no lock has, neither of these environments nor of others in the folder."""
        made = sorted(self._making.folder.glob("*.txt"))
        if not made and not self.depend_on_platform:
            return []  # it is said that there is no lock to make
        texts = (*self.texts.values(), *(read_text(path, "lock") for path in made))
        locked = {name for text in texts for name in versions_of(text)}
        known = locked | {OWN_NAMES[name] for name in locked & OWN_NAMES.keys()} | {"all"}
        return [
            f"{package} was not upgraded, because no lock has it (tensorflow_upgrade)."
            for package in packages
            if normalized(package) not in known
        ]

    def keep(self) -> None:
        """Write what was made."""
        for lock in self.new:
            for wheel in lock.built:
                WheelFiles(self._making.folder).write(wheel.filename, wheel.content)
            lock.file.write(lock.after)

    def rows(self) -> list[dict[str, Any]]:
        """The rows of the pairing table that a host needs: of what its locks pin, and of what it could have instead."""
        pinned = {find(read_pairs(), *pair) for pair in self.pairs.values()}
        versions = {pair.tensorflow for pair in pinned}
        others = (
            pair
            for pair in read_pairs()
            if pair.status in (DEFAULT, SUPPORTED) and (pair.has_plugin or pair.tensorflow in versions)
        )
        return [pair.as_data() for pair in dict.fromkeys((*pinned, *others))]

    # ------------------------------------------------------------------------------------------------- what is there

    def _given(self, environment: Mapping[str, Any]) -> Digests:
        """A user's own lock, or the collection's."""
        if not environment.get("lock"):
            shipped = self._shipped(environment.get("framework") or TENSORFLOW)
            refuse_python_without_lock(environment, shipped)
            return shipped
        path = self._find(environment["lock"])
        text = read_text(path, "lock")
        refuse_lock_of_conda(environment["name"], path, text)
        lock = parse_file(path, text)  # what is not a lock is refused here, before the host is touched
        refuse_bad_lock(environment["name"], lock)
        if environment.get("jupyter_kernel"):
            refuse_lock_without_ipykernel(environment["name"], text)
        digest = self._add(text)
        self._note_pair(digest, lock)
        return {"any": digest}

    def _given_of_conda(self, environment: Mapping[str, Any]) -> Digests:
        """A user's own lock of conda packages, for each platform that it is for."""
        name, lock = environment["name"], environment.get("lock")
        if not lock:  # it is to be removed
            return {}
        path = self._find(lock)
        texts = own_locks(name, path, read_text(path, "lock"), self._making.network, self._making.store)
        ours = {subdir: text for subdir, text in texts.items() if subdir in SUBDIRS.values()}
        for text in ours.values():
            parse_file(path, text)
            if environment.get("jupyter_kernel"):
                refuse_lock_without_ipykernel(name, text)
        python = only_python(path, {subdir: parse_conda_lock(text).python for subdir, text in ours.items()})
        refuse_other_python(name, str(environment.get("python") or python), python)
        self._implied[name]["python"] = python
        # What is for no host stays as a name, so that it can be said where a lock is missing.
        others = {subdir: digest_of(text) for subdir, text in texts.items() if subdir not in ours}
        targets = [(target, ours[subdir]) for target, subdir in SUBDIRS.items() if subdir in ours]
        return {**others, **{f"{target}-py{python}": self._add(text) for target, text in targets}}

    def _refuse_cpu_only(self, platform: str) -> None:
        """Refuse environments of conda packages that are to use a Mac's GPU, and cannot."""
        for name, environment in self._conda.items() if platform.startswith("macos") else ():
            its_platform = lock_platform({**environment, **self._implied[name]}, platform)
            request, digest = self._requests.get(name), self._digests[name].get(its_platform)
            declared = map(conda_name, request.conda.packages) if request and request.conda else ()
            locked = (archive.name for archive in parse_conda_lock(self.texts[digest]).archives) if digest else ()
            refuse_cpu_only(name, environment.get("gpu") or "", [*declared, *locked])

    def _shipped(self, framework: str) -> Digests:
        """The collection's own locks."""
        pair = default_pair()
        name = "litert-*" if framework == LITERT else f"tensorflow-{pair.tensorflow}-metal-{pair.metal}"
        shipped = {path.stem: self._add(read_text(path, "lock")) for path in sorted(SHIPPED.glob(f"{name}/*.txt"))}
        macs = {digest for platform, digest in shipped.items() if platform.startswith("macos")}
        if framework == LITERT:
            self.litert |= {digest: pinned_litert(parse_lock(self.texts[digest])) for digest in macs}
        else:
            self.pairs |= dict.fromkeys(macs, (pair.tensorflow, pair.metal))
        return shipped

    def _kept(self, name: str, request: Request) -> Digests:
        """Locks in the user's folder that were made from what is declared now."""
        found: Digests = {}
        for file in find_lock_files(self._making.folder, name):
            text = file.read()
            if declaration_of(text) == self._order(name, file.platform, request).declaration:
                lock = parse_file(
                    file.path, text, "Restore it from version control, or remove it so that it is made again."
                )
                found[file.platform] = self._add(text)
                self._note_pair(found[file.platform], lock)
                for sha256, built in built_in(text).items():
                    content = WheelFiles(self._making.folder).read(built["file"], sha256)
                    self.built_wheels[sha256] = f"{built['file']} {in_base64(content)}"
        return found

    def _note_pair(self, digest: str, lock: Lock) -> None:
        litert = pinned_litert(lock)
        self.litert |= {digest: litert} if litert else {}
        pinned = pinned_pair(lock)
        if pinned:
            self.pairs[digest] = (pinned.tensorflow, pinned.metal)
            said = remark(find(read_pairs(), *self.pairs[digest]), allow_untested=self._making.allow_untested)
            self.remarks += [said] if said and said not in self.remarks else []

    def _add(self, text: str) -> str:
        digest = digest_of(text)
        self.texts[digest] = text
        return digest

    def _implied_by(self, environment: Mapping[str, Any], request: Request | None) -> dict[str, str]:
        """The Python that a declared pair needs, where it has no wheels for that which hosts have; and the CPU."""
        has_wish = request is not None and (request.wish.tensorflow or request.wish.metal)
        python = python_for(read_pairs(), request.wish, self._making.python) if request and has_wish else ""
        is_open = {option: not environment.get(option) for option in ("python", "gpu")}
        return {
            **({"python": python} if python and is_open["python"] else {}),
            **({"gpu": GPU_NONE} if environment.get("metal") == NO_PLUGIN and is_open["gpu"] else {}),
        }

    # --------------------------------------------------------------------------------------------------- what is made

    def _order(self, name: str, platform: str, request: Request | None = None) -> Order:
        oldest = self._making.oldest_macos or default_pair().least_macos
        return Order(name, platform, request or self._requests[name], oldest, self._making.allow_untested)

    def _make(self, order: Order, before: str, upgrade: frozenset[str]) -> Made:
        """Make a lock once in a run, however many hosts need it: each host has a process of its own."""
        if self._making.is_locked or not is_writable(self._making.folder):
            raise why_locked(order, self._making, is_there=bool(before))
        made = self._once(order, before, upgrade)
        self._note_pair(digest_of(made.text), wheels_in(made.text))
        return made

    def _refuse_another_declaration(self, order: Order) -> None:
        """Two hosts that declare one environment in two ways would take turns with its lock, for ever."""
        with of_this_run([str(self._making.folder), order.environment, order.platform]) as file:
            known = file.read()
            if not known:
                json.dump(order.declaration, file)
            elif json.loads(known) != order.declaration:
                raise MetalfleetError(
                    f"The environment {order.environment} is declared in two ways for hosts of {order.platform}, and "
                    "its lock is one file",
                    evidence=f"One host has {known}, another one {json.dumps(order.declaration)}.",
                    remedy="Give the two different names, or different folders (tensorflow_locks).",
                )

    def _once(self, order: Order, before: str, upgrade: frozenset[str]) -> Made:
        """What any process of this run has made of the order, also where that failed."""
        from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._building import (  # noqa: PLC0415
            BuiltWheel,
        )
        from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._conda import Engine  # noqa: PLC0415
        from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._index import resolver_for  # noqa: PLC0415
        from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._lock_making import (  # noqa: PLC0415
            Made,
            make_lock,
        )

        network = self._making.network

        def make() -> dict[str, Any]:
            with resolver_for(network) as resolver:
                build, solve = self._builder(resolver), Engine(resolver.settings, self._making.store).solve
                made = make_lock(order, resolver, build, before, upgrade=upgrade, solve=solve)
            wheels = [{**asdict(each), "content": in_base64(each.content)} for each in made.built]
            return {"text": made.text, "remarks": made.remarks, "built": wheels}

        made = once([asdict(order), asdict(network), before, sorted(upgrade)], make)
        built = (BuiltWheel(**{**each, "content": b64decode(each["content"])}) for each in made["built"])
        return Made(made["text"], tuple(made["remarks"]), tuple(built))

    def _builder(self, resolver: Resolver) -> Callable[[Source], BuiltWheel]:
        """Makes the wheel of a source, unless it was made before."""
        from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._building import (  # noqa: PLC0415
            BuiltWheel,
            build,
        )

        def make(source: Source) -> BuiltWheel:
            known = WheelFiles(self._making.folder).built_from(source.sha256)
            if known:
                return BuiltWheel(source.name, source.version, *known, source.sha256)
            return build(source, resolver, self._making.network)

        return make


def parse_file(path: Path, text: str, remedy: str = "") -> Lock:
    """The wheels that a file pins.

    Raises MetalfleetError that names it; `remedy` replaces that for a lock in general.
    """
    try:
        return wheels_in(text)
    except MetalfleetError as error:
        problem = error.problem
        evidence = " ".join(part for part in (problem.evidence, f"It is {path}.") if part)
        raise MetalfleetError(problem.cause, evidence=evidence, remedy=remedy or problem.remedy) from error


def in_base64(content: bytes) -> str:
    """As JSON can hold it."""
    return b64encode(content).decode()


def pinned_pair(lock: Lock) -> Pair | None:
    """The pair that a lock pins for Macs with Apple Silicon; None if it pins none, or not the same for each Python."""
    found = set()
    for minor in MINORS:
        mac = {**MAC, "python_version": minor, "python_full_version": f"{minor}.0"}
        versions = {OWN_NAMES.get(pin.name, ""): pin.version for pin in lock.pins_for(mac)}
        found.add((versions.get("tensorflow"), versions.get("metal")))
    [(tensorflow, metal), *others] = found
    return Pair(tensorflow, metal) if tensorflow and metal and not others else None


def pinned_litert(lock: Lock) -> str:
    """The LiteRT that a lock pins; "" if it pins none, or several."""
    versions = {pin.version for pin in lock.pins if pin.name == "ai-edge-litert"}
    return versions.pop() if len(versions) == 1 else ""


def refuse_python_without_lock(environment: Mapping[str, Any], shipped: Iterable[str]) -> None:
    """Refuse a Python that is declared for an environment, and that none of the collection's locks is for."""
    python, there = str(environment.get("python") or ""), {python_of(platform) for platform in shipped}
    if python and environment.get("state") != "absent" and python not in there:
        raise MetalfleetError(
            f"The collection has no lock with Python {python}, which is declared for the environment "
            f"{environment['name']}",
            evidence=f"It has locks with {', '.join(minor for minor in MINORS if minor in there)}.",
            remedy="Declare one of these (python), or a lock of your own (lock).",
        )


def refuse_lock_of_conda(name: str, path: Path, text: str) -> None:
    """Refuse a lock of conda packages for an environment that has wheels only."""
    if is_conda_lock(text):
        raise MetalfleetError(
            f"The lock of the environment {name} is one of conda packages, and the environment is of the kind venv, "
            "which has wheels only",
            evidence=f"It is {path}.",
            remedy="Declare kind: conda.",
        )


def refuse_bad_lock(name: str, lock: Lock) -> None:
    """Refuse a user's own lock that no environment could be made of."""
    names = {pin.name for pin in lock.pins}
    if not names:
        raise MetalfleetError(
            f"The lock of the environment {name} is empty", remedy="Make it with `uv pip compile --generate-hashes`."
        )
    if {"tensorflow-metal", OTHER_PLUGIN} <= names:
        raise MetalfleetError(
            f"The lock of the environment {name} has tensorflow-metal and {OTHER_PLUGIN}, which install a file of the "
            "same name",
            remedy="Keep one of them.",
        )


def why_locked(order: Order, making: Making, *, is_there: bool) -> MetalfleetError:
    """What a person is told where a lock is needed that may not be made."""
    why = (
        "tensorflow_locked is set"
        if making.is_locked
        else f"the folder of locks cannot be written to ({making.folder})"
    )
    what = "does not match its declaration any more" if is_there else "is not there yet"
    return MetalfleetError(
        f"The lock of the environment {order.environment} for {order.platform} {what}, and is not made here: {why}",
        remedy="Run lock.yml where the folder can be written to, and commit what it makes.",
    )
