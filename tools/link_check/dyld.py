# SPDX-License-Identifier: GPL-3.0-or-later
"""dyld's rules, applied to the images that `import tensorflow` loads and to a plug-in that it then opens.

Their source is Apple's dyld, release dyld-1378 (apple-oss-distributions/dyld):

* TensorFlow opens plug-ins with RTLD_NOW, so that lazy binds are resolved at once (dyld/DyldAPIs.cpp): any symbol that
  is missing, and not weak, fails the load.
* "@rpath/X" is first looked for among the images that are loaded: a dylib whose install name is that very text is
  taken (dyld/Loader.cpp, JustInTimeLoader::matchesPath). Only then are the run paths tried, those of the image itself
  before those of the one that loads it.
* A symbol with an ordinal is looked for in that library, and in what it re-exports.
* A flat symbol is looked for in every image that is loaded; if none has it, "symbol not found in flat namespace".

What is bound to macOS's own libraries cannot be checked elsewhere, and counts as there.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tools.link_check.macho import FLAT, MAIN, SELF, WEAK_LOOKUP, Bind, Image

TENSORFLOW = "tensorflow/python/_pywrap_tensorflow_internal.so"
"""The first native module that `import tensorflow` loads."""
FRAMEWORK = "tensorflow/libtensorflow_framework.2.dylib"
"""The image whose code opens plug-ins."""

# Bound without a library, and always there: by libobjc, dyld and libc++.
_ALWAYS_THERE = re.compile(r"_objc_msgSend|dyld_stub_binder|__Z(?:nw|na|dl|da).*")

Open = Callable[[str], Image | None]
"""The image at a path below site-packages; None if there is no such file."""


@dataclass(frozen=True)
class Missing:
    """A symbol that is nowhere."""

    symbol: str
    expected_in: str
    """The library that should have it; "flat namespace" for any."""


@dataclass(frozen=True)
class Linked:
    """What came of a plug-in."""

    plugin: str
    libraries: tuple[str, ...]
    """Install names of libraries that are not found."""
    symbols: tuple[Missing, ...]

    @property
    def is_loaded(self) -> bool:
        """Whether dyld would load it."""
        return not self.libraries and not self.symbols

    @property
    def first_failure(self) -> str:
        """The first failure in dyld's own words; empty if there is none."""
        if self.libraries:
            return f"Library not loaded: {self.libraries[0]}. Referenced from: {self.plugin}"
        if not self.symbols:
            return ""
        first = self.symbols[0]
        if first.expected_in == _FLAT:
            return f"symbol not found in flat namespace '{first.symbol}'"
        return f"Symbol not found: {first.symbol}. Referenced from: {self.plugin}. Expected in: {first.expected_in}"


_FLAT = "flat namespace"


class Process:
    """A process that has imported TensorFlow, as far as it is TensorFlow's own."""

    def __init__(self, open_image: Open, root: str = TENSORFLOW) -> None:
        self._open = open_image
        self.images: dict[str, Image] = {}
        """In the order in which they are loaded."""
        self._load(root, ())

    def _load(self, path: str, loaders: tuple[Image, ...]) -> None:
        image = self._open(path)
        if image is None or path in self.images:
            return
        self.images[path] = image
        for dependency in image.dependencies:
            found = None if is_of_system(dependency.name) else self.find(dependency.name, (image, *loaders))
            if found:
                self._load(found.path, (image, *loaders))

    def find(self, name: str, loaders: tuple[Image, ...]) -> Image | None:
        """The image that a name means for an image that is loaded by others, itself first.

        One that is not loaded yet is found by its path, as dyld would load it then.
        """
        for image in self.images.values():
            if name == image.path or (image.is_dylib and name == image.install_name):
                return image
        found = (self._open(path) for path in self._candidates(name, loaders))
        return next((image for image in found if image), None)

    @staticmethod
    def _candidates(name: str, loaders: tuple[Image, ...]) -> Iterator[str]:
        """The paths that dyld tries for a name."""
        if name.startswith("@loader_path/"):
            yield _joined(loaders[0], name.removeprefix("@loader_path/"))
        elif name.startswith("@rpath/"):
            for loader in loaders:
                for rpath in loader.rpaths:
                    if rpath.startswith("@loader_path"):
                        inside = rpath.removeprefix("@loader_path").lstrip("/")
                        yield _joined(loader, posixpath.join(inside, name.removeprefix("@rpath/")))

    def exports(self, image: Image, symbol: str, asked: frozenset[str] = frozenset()) -> bool:
        """Whether an image has a symbol, of its own or by re-exporting it."""
        if image.path in asked:
            return False
        asked = asked | {image.path}
        found = image.find(symbol)
        if found and not found.ordinal:
            return True
        if found and found.ordinal <= len(image.dependencies):
            return self._has(image.dependencies[found.ordinal - 1].name, found.name or symbol, image, asked)
        reexported = (each.name for each in image.dependencies if each.kind == "reexport")
        return any(not is_of_system(name) and self._has(name, symbol, image, asked) for name in reexported)

    def _has(self, library: str, symbol: str, loader: Image, asked: frozenset[str]) -> bool:
        if is_of_system(library):
            return True
        image = self.find(library, (loader,))
        return image is not None and self.exports(image, symbol, asked)

    def link(self, plugin: Image) -> Linked:
        """Let the process load a plug-in."""
        opener = self.images.get(FRAMEWORK)
        loaders = (plugin, opener) if opener else (plugin,)
        names = [each.name for each in plugin.dependencies]
        libraries = {name: self.find(name, loaders) for name in names if not is_of_system(name)}
        weak = {each.name for each in plugin.dependencies if each.kind == "weak"}
        return Linked(
            plugin.path,
            tuple(name for name, image in libraries.items() if image is None and name not in weak),
            tuple(
                Missing(bind.symbol, _expected_in(bind, names))
                for bind in plugin.binds
                if not bind.is_weak and not self._is_bound(bind, plugin, names, libraries)
            ),
        )

    def _is_bound(self, bind: Bind, plugin: Image, names: list[str], libraries: dict[str, Image | None]) -> bool:
        if bind.ordinal > len(names):
            return False
        if bind.ordinal > SELF:
            name = names[bind.ordinal - 1]
            image = libraries.get(name)
            return is_of_system(name) or (image is not None and self.exports(image, bind.symbol))
        if bind.ordinal == MAIN or plugin.find(bind.symbol) or _ALWAYS_THERE.fullmatch(bind.symbol):
            return True
        is_everywhere = bind.ordinal in (FLAT, WEAK_LOOKUP)
        return is_everywhere and any(self.exports(image, bind.symbol) for image in self.images.values())


def is_of_system(name: str) -> bool:
    """Whether a library is macOS's own."""
    return name.startswith(("/usr/lib/", "/System/"))


def _expected_in(bind: Bind, names: list[str]) -> str:
    return names[bind.ordinal - 1] if SELF < bind.ordinal <= len(names) else _FLAT


def _joined(loader: Image, path: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(loader.path), path))
