# SPDX-License-Identifier: GPL-3.0-or-later
"""Make a Linux program look for its libraries beside itself, so that a copy of it runs in another place."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

PT_LOAD, PT_DYNAMIC = 1, 2
DT_STRTAB, DT_RPATH, DT_RUNPATH = 5, 15, 29


def use_run_path(program: Path, folders: str) -> None:
    """Overwrite the run path of a 64-bit ELF program in place, if it has one. The new one must not be longer.

    Raises ``ValueError`` if it is. Facts of the format: elf(5).
    """
    data = bytearray(program.read_bytes())
    segments = list(_segments(data))
    dynamic = [
        entry for kind, offset, _, size in segments if kind == PT_DYNAMIC for entry in _pairs(data, offset, size)
    ]
    tables = [value for tag, value in dynamic if tag == DT_STRTAB]
    for tag, position in dynamic:
        if tag in (DT_RPATH, DT_RUNPATH):
            start = _file_offset(segments, tables[0]) + position
            end = data.index(0, start)
            if end - start < len(folders):
                raise ValueError(f"{program}: no room for the run path {folders}")
            data[start:end] = folders.encode().ljust(end - start, b"\0")
    program.write_bytes(data)


def _segments(data: bytearray) -> Iterator[tuple[int, int, int, int]]:
    """Type, offset in the file, address and size in the file of each program header."""
    table, size, count = *struct.unpack_from("<Q", data, 32), *struct.unpack_from("<HH", data, 54)
    for at in range(table, table + size * count, size):
        kind, _, offset, address, _, in_file = struct.unpack_from("<IIQQQQ", data, at)
        yield kind, offset, address, in_file


def _pairs(data: bytearray, offset: int, size: int) -> Iterator[tuple[int, int]]:
    """Tag and value of each dynamic entry."""
    for at in range(offset, offset + size, 16):
        tag, value = struct.unpack_from("<qQ", data, at)
        yield tag, value


def _file_offset(segments: list[tuple[int, int, int, int]], address: int) -> int:
    """Where a loaded address lies in the file."""
    return next(
        offset + address - start
        for kind, offset, start, size in segments
        if kind == PT_LOAD and start <= address < start + size
    )
