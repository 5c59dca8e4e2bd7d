# SPDX-License-Identifier: GPL-3.0-or-later
"""Compile the stand-in for Apple's Metal plug-in, against any Linux TensorFlow."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path

SOURCE = Path(__file__).with_name("fake_metal.c")

VARIANTS: tuple[str, ...] = (
    "ok",
    "missing_symbol",
    "abi",
    "crash",
    "hang_init",
    "zero_devices",
    "no_create",
    "no_kernels",
    "wrong",
    "wrong_first",
    "wrong_large",
    "wrong_second",
    "wrong_traced",
    "wrong_conv",
    "wrong_filters",
    "nan",
    "slow",
    "hang_kernel",
    "leaves_child",
    "stops",
    "leaks",
    "garbage",
    "paravirtual",
    "software",
    "at_screen",
    "exits",
)
"""What the plug-in can be made to do; fake_metal.c says what each is."""


class BuildError(Exception):
    """The plug-in could not be compiled; the message says why and what to do."""


def compile_plugin(variant: str, tensorflow: Path, out: Path) -> None:
    """Compile one variant of the plug-in.

    Nothing of TensorFlow is executed: only its headers and its C library are used.

    Args:
        variant: One of VARIANTS.
        tensorflow: The folder of an installed TensorFlow package: `.../site-packages/tensorflow`.
        out: The library to write, with its parent folders. It appears complete or not at all.

    Raises:
        ValueError: There is no such variant.
        BuildError: There is no compiler, no such TensorFlow, or it does not compile.
    """
    if variant not in VARIANTS:
        raise ValueError(f"no variant {variant!r}; there are {', '.join(VARIANTS)}")
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".compiling-") as folder:
        library = Path(folder, out.name)
        _run([*_compiler(), *_arguments(variant, tensorflow, library)])
        library.rename(out)


def _compiler() -> list[str]:
    """The C compiler's command: $CC, which may bring arguments, else gcc or clang."""
    if chosen := shlex.split(os.environ.get("CC", "")):
        return chosen
    for name in ("gcc", "clang"):
        if found := shutil.which(name):
            return [found]
    raise BuildError("no C compiler: install gcc or clang, or name one in the environment variable CC")


def _arguments(variant: str, tensorflow: Path, library: Path) -> list[str]:
    # Most parameters of the C API's callbacks have no meaning for a device that is the host itself.
    warnings = ("-Wall", "-Wextra", "-Wno-unused-parameter")
    return [
        *("-std=gnu11", "-O2", "-fPIC", "-shared", "-fvisibility=hidden", *warnings),
        f"-DVARIANT=VARIANT_{variant.upper()}",
        f"-I{tensorflow / 'include'}",
        *("-o", str(library), str(SOURCE)),
        *(f"-L{tensorflow}", "-l:libtensorflow_framework.so.2"),
    ]


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise BuildError(f"the C compiler cannot be started: {error}") from error
    if done.returncode:
        raise BuildError(f"{shlex.join(command)}\nended with status {done.returncode}:\n{done.stderr.strip()}")
