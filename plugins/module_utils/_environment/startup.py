# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""What runs, or is loaded, whenever an environment's Python or TensorFlow starts."""

from __future__ import annotations

import os
import re
from pathlib import Path

STARTUP_MODULES = frozenset({"sitecustomize.py", "usercustomize.py", "sitecustomize", "usercustomize"})
PLUGIN_FOLDER = "tensorflow-plugins"

OUR_FILE = "metalfleet.pth"
OUR_LINE = (
    "import os, sys; "
    "sys.path[:] = [os.path.realpath(p) if p.startswith(sys.prefix) else p for p in sys.path]; "
    "sys.prefix = sys.exec_prefix = os.path.realpath(sys.prefix)\n"
)
"""A start-up file of ours. A program that was started by the stable path goes on importing from the generation that the
path led to then, even after the path was switched to another. The prefix goes with it: TensorFlow looks for plug-ins in
the folders of both, and loads the same one twice if they have two names."""

OUR_LINE_OF_ITS_OWN_PYTHON = OUR_LINE.replace("import os, sys", "import os, site, sys").replace(
    "= os.path.realpath(sys.prefix)\n",
    "= sys.base_prefix = sys.base_exec_prefix = os.path.realpath(sys.prefix); site.PREFIXES[:] = [sys.prefix]\n",
)
"""The same where the environment is no virtual one: there is no other prefix then, and site has read it before."""

_IN_LIBRARY = re.compile(r"lib/python3\.\d+/(?P<site>site-packages/)?(?P<top>[^/]+)(?P<below>/.*)?")


def runs_at_startup(path: str) -> bool:
    """Whether a file of a generation, by its path in it, is run or read whenever its Python starts (CPython's site.py).

    A start-up module may be a package, compiled, or native, too.
    """
    match = _IN_LIBRARY.fullmatch(path)
    if match is None:
        return path == "pyvenv.cfg"
    is_pth = match["top"].endswith(".pth") and match["site"] and not match["below"]
    return bool(is_pth) or match["top"].partition(".")[0] in STARTUP_MODULES


def is_decisive(path: str) -> bool:
    """Whether a file of a generation, by its path in it, is one of the few that decide what all the others do.

    Beside what runs at start-up they are what lies at the top and what users start.
    """
    return runs_at_startup(path) or "/" not in path or path.startswith("bin/")


def startup_files_elsewhere(python: Path) -> list[str]:
    """Start-up modules in the base interpreter's standard library, which every environment made from it imports."""
    prefix = Path(os.path.realpath(python)).parents[1]
    return sorted(str(path) for name in STARTUP_MODULES for path in prefix.glob(f"lib/python3.*/{name}"))


def plugins_of_the_user(minor: str) -> list[str]:
    """Plug-in folders in the user's site-packages: TensorFlow looks there even from an isolated environment.

    `minor` is the Python's minor version. Source: tensorflow/__init__.py since 2.19 adds site.getusersitepackages() to
    the folders that it scans; the places are those of CPython's site.py for macOS framework builds and for all others.
    """
    home = Path.home()
    sites = [
        home / f"Library/Python/{minor}/lib/python/site-packages",
        home / f".local/lib/python{minor}/site-packages",
    ]
    return [str(site / PLUGIN_FOLDER) for site in sites if (site / PLUGIN_FOLDER).is_dir()]
