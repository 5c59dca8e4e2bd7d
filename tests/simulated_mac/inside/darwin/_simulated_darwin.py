# SPDX-License-Identifier: GPL-3.0-or-later
"""What a Mac's CPython says of itself, for the Linux CPython that stands in for it.

Becomes a part of the ``encodings`` package (the first thing that any interpreter imports from its standard library), so
it also holds with -I and -S, and in every virtual environment. Only built-in and frozen modules can be imported here.
``os.uname`` and ``platform.mac_ver`` need nothing: the shim and SystemVersion.plist answer those.
"""

import _frozen_importlib_external as _external
import _imp
import os
import sys


def _become_darwin() -> None:
    sys.platform = "darwin"
    sys.implementation._multiarch = "darwin"  # type: ignore[attr-defined]  # names _sysconfigdata__darwin_darwin
    suffixes = [f".cpython-{sys.version_info[0]}{sys.version_info[1]}-darwin.so", ".abi3.so", ".so"]
    _imp.extension_suffixes = lambda: list(suffixes)
    finder = _external.FileFinder.path_hook(*_external._get_supported_file_loaders())  # type: ignore[attr-defined]
    sys.path_hooks[:] = [finder if "FileFinder" in hook.__qualname__ else hook for hook in sys.path_hooks]
    sys.path_importer_cache.clear()
    if sys.prefix == sys.base_prefix:  # a link in another bin/ is no home for a virtual environment
        sys._base_executable = os.path.realpath(sys._base_executable)  # type: ignore[attr-defined]


_become_darwin()
