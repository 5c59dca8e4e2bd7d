# SPDX-License-Identifier: GPL-3.0-or-later
"""Mach-O files that hold no code, but say what they are and name what stands in for them.

A simulated Mac runs Linux programs. So that whoever reads a program's header sees what a Mac would show (``file``, a
fact module that wants to know an interpreter's architectures), the file on disk is a small, valid Mach-O file: header,
segments, UUID, build version, as ``<mach-o/loader.h>`` and ``<mach-o/fat.h>`` describe them. Behind the load commands
of each slice the name of its *stand-in* is written, which inside/shim.c reads on exec and dlopen.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping, Sequence
from enum import IntEnum

STAND_IN_MARK = b"simulated-mac stand-in\n"
SLICE_ALIGNMENT = 14  # as a power of two: a page of Apple Silicon

CPU_TYPES = {"x86_64": (0x01000007, 3), "arm64": (0x0100000C, 0), "arm64e": (0x0100000C, 0x80000002)}
OLDEST_MACOS = {"x86_64": (10, 13), "arm64": (11, 0), "arm64e": (11, 0)}

MH_MAGIC_64, FAT_MAGIC = 0xFEEDFACF, 0xCAFEBABE
LC_ID_DYLIB, LC_LOAD_DYLIB, LC_LOAD_DYLINKER, LC_UUID = 0xD, 0xC, 0xE, 0x1B
LC_SEGMENT_64, LC_BUILD_VERSION, LC_MAIN = 0x19, 0x32, 0x80000028
PLATFORM_MACOS = 1
MH_NOUNDEFS_DYLDLINK_TWOLEVEL = 0x85


class Kind(IntEnum):
    """The file types of a Mach-O header that we need."""

    EXECUTABLE = 2
    LIBRARY = 6
    BUNDLE = 8


def stub(kind: Kind, stand_ins: Mapping[str, Sequence[str]], *, name: str = "") -> bytes:
    """The bytes of a Mach-O file.

    ``stand_ins`` gives for each architecture (``arm64``, ``arm64e``, ``x86_64``) what is run or loaded instead: one
    word is an ELF file, several are a command that gets the file's own path as its next argument. More than one
    architecture makes a universal file. ``name`` is the install name of a library.
    """
    slices = {arch: _thin(kind, arch, words, name) for arch, words in stand_ins.items()}
    return next(iter(slices.values())) if len(slices) == 1 else _universal(slices)


def _universal(slices: Mapping[str, bytes]) -> bytes:
    header = struct.pack(">II", FAT_MAGIC, len(slices))
    body = b""
    page = 1 << SLICE_ALIGNMENT
    for arch, thin in slices.items():
        body += bytes(-len(body) % page)
        header += struct.pack(">IIIII", *CPU_TYPES[arch], page + len(body), len(thin), SLICE_ALIGNMENT)
        body += thin
    return header.ljust(page, b"\0") + body


def _thin(kind: Kind, arch: str, words: Sequence[str], name: str) -> bytes:
    stand_in = STAND_IN_MARK + "".join(f"{word}\n" for word in words).encode() + b"\n"
    commands = [
        _segment("__TEXT", 1 << SLICE_ALIGNMENT),
        struct.pack("<II16s", LC_UUID, 24, hashlib.sha256(arch.encode() + stand_in).digest()[:16]),
        struct.pack("<IIIIII", LC_BUILD_VERSION, 24, PLATFORM_MACOS, *(_version(*OLDEST_MACOS[arch]),) * 2, 0),
        _library(LC_LOAD_DYLIB, "/usr/lib/libSystem.B.dylib"),
    ]
    if kind is Kind.EXECUTABLE:
        commands += [_text(LC_LOAD_DYLINKER, "/usr/lib/dyld"), struct.pack("<IIQQ", LC_MAIN, 24, 0, 0)]
    if kind is Kind.LIBRARY:
        commands.append(_library(LC_ID_DYLIB, name))
    loads = b"".join(commands)
    header = struct.pack("<IIIIIIII", MH_MAGIC_64, *CPU_TYPES[arch], kind, len(commands), len(loads),
                         MH_NOUNDEFS_DYLDLINK_TWOLEVEL, 0)  # fmt: skip
    return header + loads + stand_in


def _version(major: int, minor: int) -> int:
    return major << 16 | minor << 8


def _segment(name: str, size: int) -> bytes:
    read_and_execute = 5
    return struct.pack("<II16sQQQQIIII", LC_SEGMENT_64, 72, name.encode(), 0, size, 0, size,
                       read_and_execute, read_and_execute, 0, 0)  # fmt: skip


def _text(command: int, text: str) -> bytes:
    size = -(-(12 + len(text) + 1) // 8) * 8
    return struct.pack("<III", command, size, 12) + text.encode().ljust(size - 12, b"\0")


def _library(command: int, path: str) -> bytes:
    size = -(-(24 + len(path) + 1) // 8) * 8
    versions = (0, _version(1, 0), _version(1, 0))  # time stamp, current, compatibility
    return struct.pack("<IIIIII", command, size, 24, *versions) + path.encode().ljust(size - 24, b"\0")
