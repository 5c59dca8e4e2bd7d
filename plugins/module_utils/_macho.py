# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""Which processors a Mach-O file holds code for, read from its header.

`file`, `lipo` and `otool` would tell the same, but on a Mac without Command Line Tools the latter two open a dialog.
The formats are those of Apple's <mach-o/loader.h>, <mach-o/fat.h> and <mach/machine.h>.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._paths import head_of_file

if TYPE_CHECKING:
    import os

_THIN_MAGICS = {
    b"\xcf\xfa\xed\xfe": "<",  # MH_MAGIC_64 as every Mac of today writes it
    b"\xce\xfa\xed\xfe": "<",  # MH_MAGIC, 32 bit
    b"\xfe\xed\xfa\xcf": ">",  # the same two on PowerPC
    b"\xfe\xed\xfa\xce": ">",
}
_FAT_MAGICS = {
    b"\xca\xfe\xba\xbe": 20,  # FAT_MAGIC; the size of one entry of its table
    b"\xca\xfe\xba\xbf": 32,  # FAT_MAGIC_64
}
MACHO_MAGICS = frozenset([*_THIN_MAGICS, *_FAT_MAGICS])
"""The first four bytes of a Mach-O file are one of these. A Java class begins like a fat file: see `architectures`."""

# A Java class has its version, 45 or more, where a fat file has its number of slices: a limit tells one from the other.
_MOST_SLICES = 44
SLICES_SIZE = 8 + 32 * _MOST_SLICES
"""Bytes of a fat file that hold its table of slices, whatever it has."""

_CPU_TYPES = {
    0x00000007: "i386",
    0x01000007: "x86_64",
    0x0000000C: "arm",
    0x0100000C: "arm64",
    0x0200000C: "arm64_32",
    0x00000012: "ppc",
    0x01000012: "ppc64",
}
_CPU_SUBTYPES = {("x86_64", 8): "x86_64h", ("arm64", 2): "arm64e"}
_SUBTYPE_MASK = 0x00FFFFFF  # the highest byte holds capability bits


def architectures(path: str | os.PathLike[str]) -> tuple[str, ...]:
    """The architectures of a file in the file's order, such as ("x86_64", "arm64"); () if it is not Mach-O.

    A processor without a name here is given as "cpu" and its number. Raises OSError if the file cannot be read.
    """
    return parse_architectures(head_of_file(path, SLICES_SIZE))


def parse_architectures(head: bytes) -> tuple[str, ...]:
    """Like `architectures`, from a file's first bytes. A header that is cut short or makes no sense is not Mach-O."""
    magic = head[:4]
    if magic in _THIN_MAGICS and len(head) >= 12:
        return (_name(*struct.unpack_from(_THIN_MAGICS[magic] + "2I", head, 4)),)
    return tuple(each.architecture for each in slices_of(head))


class Slice(NamedTuple):
    """The code for one processor in a fat file."""

    architecture: str
    offset: int


def slices_of(head: bytes) -> tuple[Slice, ...]:
    """The slices of a fat file, from its first bytes; () for what is none, or makes no sense."""
    entry_size = _FAT_MAGICS.get(head[:4], 0)
    if not entry_size or len(head) < 8:
        return ()
    (count,) = struct.unpack_from(">I", head, 4)  # fat tables are big-endian on every processor
    if count > _MOST_SLICES or len(head) < 8 + count * entry_size:
        return ()
    entry = struct.Struct(">3I" if entry_size == 20 else ">2IQ")
    entries = (entry.unpack_from(head, 8 + number * entry_size) for number in range(count))
    return tuple(Slice(_name(cpu_type, cpu_subtype), offset) for cpu_type, cpu_subtype, offset in entries)


def _name(cpu_type: int, cpu_subtype: int) -> str:
    name = _CPU_TYPES.get(cpu_type, f"cpu{cpu_type:#x}")
    return _CPU_SUBTYPES.get((name, cpu_subtype & _SUBTYPE_MASK), name)
