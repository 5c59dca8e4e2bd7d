# SPDX-License-Identifier: GPL-3.0-or-later
"""The variants of the Metal plug-in's stand-in: environments that have one, and what the probe must say of each."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.fake_metal.build import compile_plugin


@dataclass(frozen=True)
class Expected:
    verdict: str
    stage: str = "exact"
    cause: str = ""
    evidence: str = ""
    level: str = "quick"


EXPECTED = {
    "ok": Expected("gpu-ok"),
    "slow": Expected("gpu-ok"),
    "missing_symbol": Expected("import-failed", "import", "does not link with TensorFlow 2.18.1", "undefined symbol"),
    "abi": Expected("crashed", "import", "TensorFlow 2.18.1 refuse each other", "incompatible StreamExecutor"),
    "crash": Expected("crashed", "import", "are known to work together", "SIGSEGV"),
    "hang_init": Expected("timed-out", "import", "could not be imported in time", "not ended after"),
    "zero_devices": Expected("gpu-missing", "list", "is there, but offers no GPU", "lists no GPU"),
    "no_create": Expected("gpu-unusable", "create", "cannot be opened", "the device cannot be created"),
    "no_kernels": Expected(
        "gpu-unusable", "placement", "no code for a basic operation", "Supported device types [CPU]"
    ),
    "wrong": Expected("gpu-wrong-results", "exact", "wrong numbers", "the first product is 15.1"),
    "wrong_first": Expected("gpu-wrong-results", "exact", "wrong numbers", "the first product is 15.1"),
    "wrong_large": Expected("gpu-wrong-results", "exact", "wrong numbers", "1 of 789 elements are wrong"),
    "wrong_second": Expected("gpu-wrong-results", "exact", "wrong numbers", "tensorflow.function is 15.1"),
    "wrong_traced": Expected("gpu-wrong-results", "exact", "wrong numbers", "tensorflow.function is 16.0"),
    "wrong_conv": Expected("gpu-wrong-results", "ops", "that models are made of", "conv1d is off by", "standard"),
    "wrong_filters": Expected("gpu-ok", "keras", level="standard"),
    "nan": Expected("gpu-wrong-results", "exact", "wrong numbers", "the first product is nan"),
    "hang_kernel": Expected("timed-out", "placement", "in stage placement did not end", "not ended after"),
    "leaves_child": Expected("gpu-ok"),
    "stops": Expected("timed-out", "import", "could not be imported in time", "not ended after"),
    "leaks": Expected("gpu-ok", "speed", level="full"),
    "garbage": Expected("gpu-ok"),
    "paravirtual": Expected("gpu-paravirtual"),
    "software": Expected("gpu-software", "exact", "software renderer", "Apple Software Renderer"),
    "at_screen": Expected("gpu-missing", "list", "is there, but offers no GPU", "lists no GPU"),
    "exits": Expected("import-failed", "import", "not known here", "the interpreter ended with status 0"),
}


def clone(environment: Path, target: Path) -> Path:
    """A copy of an environment in which packages can be added: its site-packages is a folder full of links."""
    site_packages = next(environment.glob("lib/python3*/site-packages"))
    own = target / site_packages.relative_to(environment)
    own.mkdir(parents=True)
    for package in site_packages.iterdir():
        (own / package.name).symlink_to(package)
    (target / "bin").mkdir()
    (target / "bin/python").symlink_to((environment / "bin/python").resolve())
    (target / "pyvenv.cfg").write_text((environment / "pyvenv.cfg").read_text())
    return target


def with_plugin(environment: Path, variant: str, folder: Path) -> Path:
    """A copy of an environment in this folder with a variant of the plug-in, as pip would leave it."""
    copy = clone(environment, folder / variant)
    site_packages = next(copy.glob("lib/python3*/site-packages"))
    compile_plugin(variant, site_packages / "tensorflow", site_packages / "tensorflow-plugins/libmetal_plugin.so")
    info = site_packages / "tensorflow_metal-1.2.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tensorflow-metal\nVersion: 1.2.0\n")
    return copy


def processes_of(program: Path) -> list[int]:
    """The processes whose first argument is this program."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it has gone meanwhile
            if entry.read_bytes().startswith(f"{program}\0".encode()):
                found.append(int(entry.parent.name))
    return found
