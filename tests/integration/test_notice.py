# SPDX-License-Identifier: GPL-3.0-or-later
"""What three tools notice of each drift: ansible.builtin.pip, uv's own check, and ours. The table is in docs/drift.md.

After a change that alters it, `python -m tests.integration.test_notice` prints the table.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.declaration import Declaration
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._host.converge import converge
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._host.document import Document
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._layout import Places
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.network import Network

from tests.ansible_runner import CHECKOUT
from tests.wheels import lock_of, make_wheel

if TYPE_CHECKING:
    from collections.abc import Callable

BIN = Path(sys.executable).parent
BEGIN, END = "<!-- notice -->\n", "<!-- end of notice -->\n"


def packages_of(environment: Path) -> Path:
    """Its site-packages."""
    return next(environment.glob("lib/python3.*/site-packages"))


def scratch_of(environment: Path) -> Path:
    """The folder that goes with the test."""
    return next(path for path in environment.resolve().parents if path.parent == Path(tempfile.gettempdir()))


def remove_package(environment: Path) -> None:
    """What is left after somebody has cleaned up by hand."""
    for name in ("alpha", "alpha-1.0.dist-info"):
        shutil.rmtree(packages_of(environment) / name)


def exchange_version(environment: Path) -> None:
    """Metadata of another version."""
    metadata = packages_of(environment) / "beta-2.0.dist-info"
    metadata.rename(metadata.with_name("beta-1.9.dist-info"))


def add_package(environment: Path) -> None:
    """Metadata of one more."""
    packages = packages_of(environment)
    shutil.copytree(packages / "beta-2.0.dist-info", packages / "gamma-1.0.dist-info")


def remove_file(environment: Path) -> None:
    """One module of a package."""
    (packages_of(environment) / "alpha/__init__.py").unlink()


def damage_file(environment: Path) -> None:
    """One module of a package, with other content."""
    (packages_of(environment) / "alpha/__init__.py").write_text("VERSION = '0'\n")


def add_module(environment: Path) -> None:
    """A module that no package owns."""
    (packages_of(environment) / "stray.py").touch()


def add_startup_file(environment: Path) -> None:
    """A line of code that runs whenever Python starts."""
    (packages_of(environment) / "evil.pth").write_text("import os\n")


def add_plugin(environment: Path) -> None:
    """A plug-in that TensorFlow would load."""
    folder = packages_of(environment) / "tensorflow-plugins"
    folder.mkdir()
    (folder / "libmetal_plugin.dylib").touch()


def lift_isolation(environment: Path) -> None:
    """Let the base interpreter's packages in."""
    configuration = environment / "pyvenv.cfg"
    configuration.write_text(configuration.read_text().replace("= false", "= true"))


def exchange_interpreter(environment: Path) -> None:
    """A copy of the same interpreter, elsewhere."""
    interpreter = environment / "bin/python"
    copy = Path(tempfile.mkdtemp(dir=scratch_of(environment))) / "python"
    shutil.copy(os.path.realpath(interpreter), copy)
    interpreter.unlink()
    interpreter.symlink_to(copy)


#: Name in the table, and how to make it in an environment.
DRIFTS: dict[str, Callable[[Path], None]] = {
    "none": lambda _environment: None,
    "a package is gone": remove_package,
    "a package of another version": exchange_version,
    "one more package": add_package,
    "a file of a package is gone": remove_file,
    "a file of a package is damaged": damage_file,
    "a stray module": add_module,
    "a start-up file (`.pth`)": add_startup_file,
    "a stray plug-in": add_plugin,
    "isolation lifted in `pyvenv.cfg`": lift_isolation,
    "another interpreter": exchange_interpreter,
}


class Tools:
    """The three tools, each with an environment of its own kind, made again for each drift."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.wheels = folder / "wheels"
        self.lock = folder / "lock.txt"
        self.lock.write_text(lock_of(make_wheel(self.wheels, "alpha"), make_wheel(self.wheels, "beta", "2.0")))
        self.conventional = folder / "conventional"
        subprocess.run([sys.executable, "-m", "venv", self.conventional], check=True)
        assert self.pip() == "changes it"
        shutil.copytree(self.conventional, folder / "whole-conventional", symlinks=True)
        places = Places(folder / "root", folder / "links")
        places.python.parent.mkdir(parents=True)
        places.python.symlink_to(os.path.realpath(sys.executable))
        places.uv.symlink_to(BIN / "uv")
        self.declaration = Declaration("tf", places, self.lock.read_text(), free_mb=1, gpu_check="none")
        self.ours()
        shutil.copytree(self.declaration.home, folder / "whole", symlinks=True)

    def pip(self) -> str:
        """What ansible.builtin.pip says of the conventional one, run for real: its check mode always says changed."""
        arguments = {
            "requirements": str(self.lock),
            "virtualenv": str(self.conventional),
            "extra_args": f"--no-index --find-links {self.wheels}",
        }
        process = subprocess.run(
            [
                *(BIN / "ansible", "localhost", "-m", "ansible.builtin.pip", "-a", json.dumps(arguments)),
                *("-e", f"ansible_python_interpreter={sys.executable}"),
            ],
            cwd=CHECKOUT,
            capture_output=True,
            text=True,
            check=False,
        )
        return "changes it" if "| CHANGED" in process.stdout else "fails" if process.returncode else "-"

    def uv(self) -> str:
        """What `uv pip sync --check` says of our environment."""
        process = subprocess.run(
            [
                *(BIN / "uv", "pip", "sync", "--check", "--quiet", "--no-config", "--no-index"),
                *("--find-links", self.wheels, "--python", self.declaration.link / "bin/python", self.lock),
            ],
            capture_output=True,
            check=False,
        )
        return "differs" if process.returncode else "-"

    def ours(self) -> str:
        """The reasons of our plan, which is then carried out."""
        document = Document(self.declaration.places, (self.declaration,), Network(wheels=str(self.wheels)))
        report = converge(document, check_mode=False)
        assert report["ok"], report["text"]
        return ", ".join(f"`{reason}`" for reason in report["reasons"]) or "-"

    def notice(self, drift: Callable[[Path], None]) -> tuple[str, str, str]:
        """Make one drift in a fresh environment of each kind, and ask all three."""
        for whole, place in (("whole-conventional", self.conventional), ("whole", self.declaration.home)):
            shutil.rmtree(place)
            shutil.copytree(self.folder / whole, place, symlinks=True)
        self.declaration.link.unlink()
        self.declaration.link.symlink_to(self.declaration.home / "1")
        drift(self.conventional)
        drift(self.declaration.link)
        return self.pip(), self.uv(), self.ours()


def table() -> str:
    """The table, as docs/drift.md has it."""
    with tempfile.TemporaryDirectory() as folder:
        tools = Tools(Path(folder))
        rows = [(name, *tools.notice(drift)) for name, drift in DRIFTS.items()]
    head = "| drift | `ansible.builtin.pip` | `uv pip sync --check` | ours |\n|---|---|---|---|\n"
    return head + "".join(f"| {' | '.join(row)} |\n" for row in rows)


@pytest.mark.slow("lets several tools look at many damages")
def test_the_documentation_says_what_each_tool_notices() -> None:
    document = (CHECKOUT / "docs/drift.md").read_text(encoding="utf-8")
    assert document.partition(BEGIN)[2].partition(END)[0] == table()


if __name__ == "__main__":
    sys.stdout.write(table())
