# SPDX-License-Identifier: GPL-3.0-or-later
"""What Homebrew's formula adds to its Python: names its files by their paths in opt/, which outlive an upgrade.

Its real one does the same, and more that concerns only a Mac.
"""

import os
import site
import sys


def _use_paths_in_opt() -> None:
    top, cellar, keg = os.path.realpath(sys.base_prefix).partition("/Cellar/")
    if not cellar:
        return
    formula, _, framework = keg.split("/", 2)
    minor = f"{sys.version_info[0]}.{sys.version_info[1]}"
    prefix = f"{top}/opt/{formula}/{framework}"
    if sys.prefix == sys.base_prefix:  # no virtual environment
        sys.executable = f"{top}/opt/{formula}/bin/python{minor}"
        # A Mac's says the same as sys.executable, and finds its library from there.
        sys._base_executable = f"{prefix}/bin/python{minor}"  # type: ignore[attr-defined]
        site.PREFIXES[:] = [prefix if each == sys.prefix else each for each in site.PREFIXES]
        sys.prefix = sys.exec_prefix = prefix
    sys.base_prefix = sys.base_exec_prefix = prefix


_use_paths_in_opt()
