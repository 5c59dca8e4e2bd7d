# SPDX-License-Identifier: GPL-3.0-or-later
"""The answer for a pair: it links, it does not and why, or it cannot be checked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cxxfilt

from tools.link_check.dyld import TENSORFLOW, Linked, Process
from tools.link_check.macho import Image, NotReadable, read_image
from tools.link_check.wheels import CHUNK, Packages, Wheel

TENSORFLOWS = ("tensorflow", "tensorflow-macos")


@dataclass(frozen=True)
class Symbol:
    """A missing symbol."""

    name: str
    demangled: str
    expected_in: str


@dataclass(frozen=True)
class Answer:
    """What is known of a pair."""

    tensorflow: str
    """The file that was checked: for an empty package that of the one it stands for."""
    plugin: str
    python: str
    links: bool
    first_failure: str
    missing_libraries: tuple[str, ...]
    missing_symbols: tuple[Symbol, ...]
    least_macos: str
    """What the plug-in's code demands; its wheel's name may say less."""

    @property
    def text(self) -> str:
        """For people."""
        pair = f"{self.plugin} with {self.tensorflow}"
        if self.links:
            return f"{pair}: links. The plug-in needs macOS {self.least_macos}."
        count = len(self.missing_symbols)
        missing = [f"  {symbol.demangled}" for symbol in self.missing_symbols]
        more = [f"{count} symbol{'s are' if count != 1 else ' is'} missing:", *missing] if missing else []
        return "\n".join([f"{pair}: does not link. {self.first_failure}.", *more])


def check(packages: Packages, tensorflow: str, plugin: str, python: str) -> Answer:
    """Check one pair; each is a path, or NAME==VERSION. Raises NotReadable and MetalfleetError."""
    image, name = open_plugin(packages, plugin, python)
    process, wheel = open_tensorflow(packages, tensorflow, python)
    return answer(process.link(image), image, wheel, name, python)


def answer(linked: Linked, image: Image, tensorflow: str, plugin: str, python: str) -> Answer:
    """The result of dyld's rules, for people and programs."""
    return Answer(
        tensorflow,
        plugin,
        python,
        linked.is_loaded,
        linked.first_failure,
        linked.libraries,
        tuple(Symbol(each.symbol, demangled(each.symbol), each.expected_in) for each in linked.symbols),
        image.least_macos,
    )


def open_plugin(packages: Packages, what: str, python: str) -> tuple[Image, str]:
    """A plug-in, and the name of its file."""
    if what.endswith((".dylib", ".so")):
        path = Path(what)
        return read_image(f"tensorflow-plugins/{path.name}", _read(path), with_binds=True), path.name
    wheel = packages.open(what, python)
    return wheel.plugin(), wheel.name


def open_tensorflow(packages: Packages, what: str, python: str) -> tuple[Process, str]:
    """A process that has imported TensorFlow, and the name of the file that TensorFlow is in."""
    if what.endswith((".dylib", ".so")):
        path = Path(what)
        image = read_image(path.name, _read(path))
        return Process({path.name: image}.get, path.name), path.name
    wheel = real_tensorflow(packages, what, python)
    return Process(wheel.image), wheel.name


def real_tensorflow(packages: Packages, what: str, python: str) -> Wheel:
    """The wheel with TensorFlow in it: some are empty and require another, or nobody but themselves."""
    asked: list[str] = []
    while True:
        wheel = packages.open(what, python)
        if TENSORFLOW in wheel:
            return wheel
        asked.append(wheel.name)
        pins = [(each.name, next(iter(each.specifier))) for each in wheel.requirements if each.name in TENSORFLOWS]
        exact = [f"{name}=={pin.version}" for name, pin in pins if pin.operator == "=="]
        if not exact or len(asked) > len(TENSORFLOWS):
            raise NotReadable(f"{' and '.join(dict.fromkeys(asked))}: there is no TensorFlow in it")
        what = exact[0]


def demangled(symbol: str) -> str:
    """A C++ name as a programmer writes it."""
    try:
        return str(cxxfilt.demangle(symbol.removeprefix("_")))
    except cxxfilt.Error:  # no C++ name, or no C++ library on this machine
        return symbol


def _read(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            while block := file.read(CHUNK):
                yield block
    except OSError as error:
        raise NotReadable(f"{path}: {error.strerror}") from error
