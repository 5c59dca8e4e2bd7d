# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""Every path on a host, those where others put Pythons, and the name of its platform."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._facts.nvidia import has_nvidia_gpu

DEFAULT_ROOT = "~/.local/share/metalfleet"
DEFAULT_LINKS = "~/.virtualenvs"

OUR_FOLDERS = frozenset({"agent", "bin", "controller", "environments", "python", "set-aside", "uv", "wheels"})
"""Names in the root folder."""

READ_OTHERWISE = re.compile(r"""[\x00-\x1f\x7f!$*?\[\]:;"'`\\|&<>]""")
"""Characters that a shell, a pattern or a list of folders gives a meaning to."""


@dataclass(frozen=True)
class Places:
    """The folders on a host that we write to. Both are absolute.

    `root` is ours alone. `links` is shared with the user: only the links that we made are ours.
    """

    root: Path
    links: Path

    @property
    def environments(self) -> Path:
        """A folder for each environment, with its generations."""
        return self.root / "environments"

    @property
    def wheels(self) -> Path:
        """The host's wheel store."""
        return self.root / "wheels"

    @property
    def set_aside(self) -> Path:
        """Where what is in the way is moved to."""
        return self.root / "set-aside"

    @property
    def pythons(self) -> Path:
        """A folder for each Python that we unpacked."""
        return self.root / "python"

    @property
    def python(self) -> Path:
        """What starts the managed Python that runs our modules: a link, or a starter script."""
        return self.root / "bin" / "python3"

    @property
    def uv(self) -> Path:
        """A link to the pinned uv."""
        return self.root / "bin" / "uv"

    @property
    def agent(self) -> Path:
        """The folder of the agent: its program, its document, and what it remembers."""
        return self.root / "agent"

    def generations(self, name: str) -> Path:
        """The folder of an environment's generations."""
        return self.environments / name

    def link(self, name: str) -> Path:
        """The stable path of an environment."""
        return self.links / name


CUDA = "+cuda"
"""Marks the platform of a host with an NVIDIA GPU."""
CUDA_MACHINES = ("x86_64",)
"""For which the package index has TensorFlow with CUDA: its wheels for aarch64 are for the CPU."""


def platform_name(system: str = "", machine: str = "", python: str = "") -> str:
    """The name that locks go by, such as macos-arm64-py3.12; of this process where nothing is said.

    `system` is Python's sys.platform, `machine` that of uname, `python` a minor version. A host with an NVIDIA GPU that
    TensorFlow can use is linux-x86_64+cuda. Only the host itself can tell, so that nobody else is given that name.
    """
    machine = machine or os.uname().machine
    python = python or f"{sys.version_info.major}.{sys.version_info.minor}"
    is_cuda = not system and sys.platform == "linux" and machine in CUDA_MACHINES and has_nvidia_gpu()
    system = system or sys.platform
    name = "macos-arm64" if system == "darwin" else f"{system}-{machine}{CUDA if is_cuda else ''}"
    return f"{name}-py{python}"


def with_python(platform: str, python: str) -> str:
    """The same platform's name with another minor version of Python; "" leaves it."""
    return f"{target_of(platform)}-py{python}" if platform and python else platform


def target_of(platform: str) -> str:
    """A platform's name without its Python: what locks are made for."""
    return platform.rpartition("-py")[0]


def without_cuda(platform: str) -> str:
    """The same platform's name for what does not use a GPU of NVIDIA."""
    return platform.replace(CUDA, "")


def python_of(platform: str) -> str:
    """The minor version of Python in a platform's name."""
    return platform.rpartition("-py")[2]


# Where others put Pythons. "~" is the user's home; a name may hold one star.

ROOTS_OF_MAMBA = ("~/micromamba", "~/.local/share/mamba")
"""The root that mamba and micromamba 1.x made, which 2.x still prefers, and that of 2.x: mamba.readthedocs.io"""

FOLDERS_OF_PYTHONS = (
    # Ours: Places.pythons.
    f"{DEFAULT_ROOT}/python/*/bin",
    # Homebrew on Apple Silicon and on Intel processors: docs.brew.sh/Installation, docs.brew.sh/Homebrew-and-Python
    "/opt/homebrew/bin",
    "/opt/homebrew/opt/python@3.*/bin",
    "/usr/local/bin",
    "/usr/local/opt/python@3.*/bin",
    # python.org; PythonT is its free-threaded build: docs.python.org/3/using/mac.html
    "/Library/Frameworks/Python.framework/Versions/3.*/bin",
    "/Library/Frameworks/PythonT.framework/Versions/3.*/bin",
    # MacAdmins Python: github.com/macadmins/python
    "/Library/ManagedFrameworks/Python/Python3.framework/Versions/3.*/bin",
    # Those of uv: docs.astral.sh/uv/reference/storage
    "~/.local/share/uv/python/*/bin",
    # pyenv: github.com/pyenv/pyenv, PYENV_ROOT
    "~/.pyenv/versions/*/bin",
    # asdf: asdf-vm.com/manage/configuration.html, ASDF_DATA_DIR
    "~/.asdf/installs/python/*/bin",
    # mise: mise.jdx.dev/directories.html, MISE_DATA_DIR
    "~/.local/share/mise/installs/python/*/bin",
    # Anaconda, Miniconda, Miniforge and Mambaforge, by their installers (in the home, for all users) and by Homebrew's
    # casks: docs.anaconda.com/anaconda/install, conda-forge.org/download
    "~/*conda3/bin",
    "~/*forge/bin",
    "~/*forge3/bin",
    "~/opt/*conda3/bin",
    "/opt/*conda3/bin",
    "/opt/*forge/bin",
    "/opt/*forge3/bin",
    "/opt/homebrew/Caskroom/*/base/bin",
    "/opt/homebrew/anaconda3/bin",
    "/usr/local/Caskroom/*/base/bin",
    "/usr/local/anaconda3/bin",
    # mamba and micromamba: a root need not hold a Python, its environments do
    *(f"{root}/{folder}" for root in ROOTS_OF_MAMBA for folder in ("bin", "envs/*/bin")),
    # conda, where its own folder is not the user's: docs.conda.io, envs_dirs
    "~/.conda/envs/*/bin",
    # Those of MacPorts: guide.macports.org
    "/opt/local/bin",
    # Nix: the user's profile, old and new, Home Manager's, nix-darwin's, the system's: nix.dev/manual/nix
    "~/.nix-profile/bin",
    "~/.local/state/nix/profile/bin",
    "/etc/profiles/per-user/*/bin",
    "/run/current-system/sw/bin",
    "/nix/var/nix/profiles/default/bin",
    # Apple's Command Line Tools and Xcode
    "/Library/Developer/CommandLineTools/usr/bin",
    "/Applications/Xcode*.app/Contents/Developer/usr/bin",
    # Linux; on a Mac, the shim
    "/usr/bin",
)
"""In the order in which facts tell what is in them."""

PROGRAMS_OF_MAMBA = ("~/.local/bin/micromamba", "/opt/homebrew/bin/micromamba", "/usr/local/bin/micromamba")
"""Where micromamba's script and Homebrew put it, outside of its root: mamba.readthedocs.io, micromamba installation"""

CONDA_ENVIRONMENTS = "~/.conda/environments.txt"
"""Lists the folders of all environments that conda, mamba and micromamba made for this user, one a line."""


def refuse_bad_place(option: str, path: str) -> None:
    """Refuse a path on a host that is not understood everywhere in the same way. Raises MetalfleetError.

    What is left is absolute, or begins with "~/", the home of the user that the tasks run as; it goes down only.
    """
    mark = READ_OTHERWISE.search(path)
    if not path.strip():
        complaint = "is empty"
    elif mark:
        complaint = f"has the character {mark[0]!r} in it: variables and patterns are not expanded in paths"
    elif path.startswith("~") and path != "~" and not path.startswith("~/"):
        complaint = "names another user's home"
    elif not path.startswith(("/", "~")):
        complaint = "is relative, and it cannot be known to what"
    elif ".." in path.split("/"):
        complaint = "goes up again by '..'"
    else:
        return
    raise MetalfleetError(
        f"{option} {complaint}",
        evidence=f"It is {path!r}.",
        remedy="Give an absolute path, or one that begins with ~/ (the home of the user that the tasks run as).",
    )


def expand_home(path: str, home: str) -> str:
    """A path that refuse_bad_place() accepts, absolute and in its one spelling."""
    return str(Path(home + path[1:] if path.startswith("~") else path))
