# SPDX-License-Identifier: GPL-3.0-or-later
"""Small Mach-O images with link information, which LIEF reads as ours do."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

DYLIB, BUNDLE = 6, 8
LOADS = {"load": 0xC, "weak": 0x80000018, "reexport": 0x8000001F}
ARM64, X86_64 = (0x0100000C, 0), (0x01000007, 3)
PAGE = 0x4000

Import = tuple[int, str, bool]
"""Ordinal, symbol, and whether it is weak."""


def image(
    *,
    install_name: str = "",
    loads: Sequence[tuple[str, str]] = (),
    rpaths: Sequence[str] = (),
    exports: Mapping[str, str] | Sequence[str] = (),
    imports: Sequence[Import] = (),
    is_chained: bool = False,
) -> bytes:
    """A library for arm64. `loads` are kinds and names; `exports` may map a symbol to one of library 1."""
    commands = [text(LOADS[kind], name, version=True) for kind, name in loads]
    commands += [text(0x8000001C, rpath) for rpath in rpaths]
    commands += [text(0xD, install_name, version=True)] if install_name else []
    commands += [struct.pack("<6I", 0x32, 24, 1, 12 << 16 | 1 << 8, 15 << 16, 0)]
    trie = exports_trie(exports)
    binds = b"" if is_chained else opcodes(imports)
    fixups = chained(imports) if is_chained else b""
    size_of_information = 16 * 2 if is_chained else 48
    segments = [segment("__TEXT", 0, PAGE)]
    room = 32 + sum(map(len, [*segments, *commands])) + 72 + size_of_information
    start = -(-room // PAGE) * PAGE
    linkedit = binds + fixups + trie
    segments.append(segment("__LINKEDIT", start, len(linkedit)))
    if is_chained:
        commands.append(struct.pack("<4I", 0x80000034, 16, start, len(fixups)))
        commands.append(struct.pack("<4I", 0x80000033, 16, start + len(fixups), len(trie)))
    else:
        offsets = (0, 0, start, len(binds), 0, 0, 0, 0, start + len(binds), len(trie))
        commands.append(struct.pack("<12I", 0x80000022, 48, *offsets))
    all_commands = b"".join([*segments, *commands])
    kind = DYLIB if install_name else BUNDLE
    header = struct.pack("<8I", 0xFEEDFACF, *ARM64, kind, len(segments) + len(commands), len(all_commands), 0x85, 0)
    return (header + all_commands).ljust(start, b"\0") + linkedit


def fat(*slices: tuple[tuple[int, int], bytes]) -> bytes:
    """A file of several slices."""
    table, body = struct.pack(">2I", 0xCAFEBABE, len(slices)), b""
    for processor, content in slices:
        table += struct.pack(">5I", *processor, PAGE + len(body), len(content), 14)
        body += content.ljust(-(-len(content) // PAGE) * PAGE, b"\0")
    return table.ljust(PAGE, b"\0") + body


def segment(name: str, offset: int, size: int) -> bytes:
    return struct.pack("<2I16s4Q4I", 0x19, 72, name.encode(), offset, max(size, PAGE), offset, size, 1, 1, 0, 0)


def text(number: int, value: str, *, version: bool = False) -> bytes:
    fixed = 24 if version else 12
    content = value.encode() + b"\0"
    size = -(-(fixed + len(content)) // 8) * 8
    return struct.pack("<3I", number, size, fixed).ljust(fixed, b"\0") + content.ljust(size - fixed, b"\0")


def exports_trie(exports: Mapping[str, str] | Sequence[str]) -> bytes:
    """A root with an edge for each symbol."""
    if not exports:
        return b""
    targets = exports if isinstance(exports, Mapping) else dict.fromkeys(exports, "")
    leaves = [
        b"\x08\x01" + target.encode() + b"\0" if target else b"\x00" + uleb(0x1000 + number)
        for number, target in enumerate(targets.values())
    ]
    leaves = [uleb(len(leaf)) + leaf + b"\0" for leaf in leaves]
    edges = [symbol.encode() + b"\0" for symbol in targets]
    position = 2 + sum(len(edge) + 3 for edge in edges)  # each offset takes three bytes
    root = b"\0" + bytes([len(edges)])
    for edge, leaf in zip(edges, leaves, strict=True):
        root += edge + bytes([position & 0x7F | 0x80, position >> 7 & 0x7F | 0x80, position >> 14])
        position += len(leaf)
    return (root + b"".join(leaves)).ljust(-(-position // 8) * 8, b"\0")


def opcodes(imports: Sequence[Import]) -> bytes:
    code = b""
    for ordinal, symbol, is_weak in imports:
        code += bytes([0x30 | ordinal & 15]) if ordinal <= 0 else b"\x20" + uleb(ordinal)
        code += bytes([0x40 | is_weak]) + symbol.encode() + b"\0" + b"\x51\x70\0\x90"
    return code + b"\0" if code else b""


def chained(imports: Sequence[Import]) -> bytes:
    names, table = b"\0", b""
    for ordinal, symbol, is_weak in imports:
        table += struct.pack("<I", ordinal & 0xFF | is_weak << 8 | len(names) << 9)
        names += symbol.encode() + b"\0"
    starts = struct.pack("<3I", 2, 0, 0)  # two segments without fixups
    header = struct.pack("<7I", 0, 28, 28 + len(starts), 28 + len(starts) + len(table), len(imports), 1, 0)
    content = header + starts + table + names
    return content.ljust(-(-len(content) // 8) * 8, b"\0")


def uleb(number: int) -> bytes:
    found = b""
    while True:
        found += bytes([number & 0x7F | (0x80 if number > 0x7F else 0)])
        number >>= 7
        if not number:
            return found
