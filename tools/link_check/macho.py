# SPDX-License-Identifier: GPL-3.0-or-later
"""What dyld has to know of a Mach-O image, read from a stream of which little is kept.

TensorFlow's libraries have hundreds of megabytes, and what links them lies in their last few: so an image is read
once, from its beginning to where its link information ends. Whatever a file claims, no more is kept of it than the
limits below.

The formats are those of Apple's <mach-o/loader.h> and <mach-o/fixup-chains.h>.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._macho import SLICES_SIZE, slices_of

MOST_COMMANDS = 4 * 1024**2  # bytes
MOST_EXPORTS = 128 * 1024**2  # bytes
MOST_BINDS = 1024**2  # bytes; Apple's plug-ins have 60 kB
MOST_BYTES = 4 * 1024**3  # of a whole image

_HEADER = struct.Struct("<4s7I")
_MAGIC = b"\xcf\xfa\xed\xfe"  # MH_MAGIC_64, little endian
_DYLIB, _REQUIRED = 6, 0x80000000  # MH_DYLIB, LC_REQ_DYLD
_LOADS = {
    0xC: "load",
    0x18 | _REQUIRED: "weak",
    0x1F | _REQUIRED: "reexport",
    0x20: "lazy",
    0x23 | _REQUIRED: "upward",
}
_ID, _RPATH = 0xD, 0x1C | _REQUIRED
_BUILD_VERSION, _MIN_MACOS = 0x32, 0x24
_DYLD_INFO = (0x22, 0x22 | _REQUIRED)
_EXPORTS_TRIE, _CHAINED_FIXUPS = 0x33 | _REQUIRED, 0x34 | _REQUIRED


class NotReadable(Exception):
    """A file that is not what it should be, in words for a person."""


@dataclass(frozen=True)
class Dependency:
    """A library that an image loads."""

    kind: str
    """load, weak, reexport, lazy or upward."""
    name: str


@dataclass(frozen=True)
class Bind:
    """A symbol that an image needs from another."""

    ordinal: int
    """Of the dependency, from 1; else one of SELF, MAIN, FLAT and WEAK_LOOKUP."""
    symbol: str
    is_weak: bool
    """Whether dyld loads the image without it."""


SELF, MAIN, FLAT, WEAK_LOOKUP = 0, -1, -2, -3


@dataclass(frozen=True)
class Export:
    """What an image's trie says of a symbol."""

    ordinal: int = 0
    """Of the dependency that it is re-exported from, from 1; 0 for the image itself."""
    name: str = ""
    """What it is called there."""


@dataclass(frozen=True)
class Image:
    """One arm64 image."""

    path: str
    is_dylib: bool
    install_name: str = ""
    dependencies: tuple[Dependency, ...] = ()
    rpaths: tuple[str, ...] = ()
    least_macos: str = ""
    binds: tuple[Bind, ...] = ()
    """In dyld's order."""
    trie: bytes = field(default=b"", repr=False)

    def find(self, symbol: str) -> Export | None:
        """What the image exports under a name. Raises NotReadable."""
        if not self.trie:
            return None
        with _as_not_readable(self.path):
            return _find(self.trie, symbol.encode())


def read_image(path: str, content: Iterable[bytes], *, with_binds: bool = False) -> Image:
    """Read an image from its bytes, of a fat file its arm64 slice. Raises NotReadable."""
    with _as_not_readable(path):
        stream = _Stream(content)
        _skip_to_arm64(stream)
        file_type, commands = _commands(stream)
        ranges = dict(chain.from_iterable(_ranges(number, command) for number, command in commands))
        if not ranges:
            raise _Damaged("has no link information of the kinds that dyld reads on arm64")
        found = stream.collect({name: ranges[name] for name in ranges if with_binds or name == "trie"})
        return Image(
            path,
            file_type == _DYLIB,
            next((_text_in(command) for number, command in commands if number == _ID), ""),
            tuple(Dependency(_LOADS[number], _text_in(command)) for number, command in commands if number in _LOADS),
            tuple(_text_in(command) for number, command in commands if number == _RPATH),
            next((version for each in commands for version in _least_macos(*each)), ""),
            tuple(dict.fromkeys(_binds(found))),
            found.get("trie", b""),
        )


# -------------------------------------------------------------------------------------------------------------- reading


@contextmanager
def _as_not_readable(path: str) -> Iterator[None]:
    """Say of what is cut short or lies that it cannot be read."""
    try:
        yield
    except (struct.error, IndexError, UnicodeDecodeError, RecursionError) as error:
        raise NotReadable(f"{path} is damaged: {error}") from error
    except _Damaged as error:
        raise NotReadable(f"{path} {error}") from error


class _Damaged(Exception):
    """What is wrong with an image."""


class _Stream:
    """Bytes that come once, from an image's beginning."""

    def __init__(self, content: Iterable[bytes]) -> None:
        self._content, self._buffer, self._start, self._total = iter(content), b"", 0, 0

    def head(self, size: int) -> bytes:
        """The next bytes, which stay."""
        parts, have = [self._buffer], len(self._buffer)
        while have < size:
            parts.append(self._next())
            have += len(parts[-1])
        self._buffer = b"".join(parts)
        return self._buffer[:size]

    def begin_at(self, offset: int) -> None:
        """Skip to where the image begins: offsets count from there."""
        while len(self._buffer) <= offset:
            offset -= len(self._buffer)
            self._buffer = self._next()
        self._buffer = self._buffer[offset:]

    def collect(self, ranges: Mapping[str, tuple[int, int]]) -> dict[str, bytes]:
        """The bytes of some ranges (offset, size) from the beginning on."""
        if any(size > (MOST_EXPORTS if name == "trie" else MOST_BINDS) for name, (_, size) in ranges.items()):
            raise _Damaged("claims to have more link information than any library has")
        found = {name: [b""] for name in ranges}
        end, start = max((offset + size for offset, size in ranges.values() if size), default=0), 0
        block = self._buffer
        while True:
            for name, (offset, size) in ranges.items():
                found[name].append(block[max(offset - start, 0) : max(offset + size - start, 0)])
            start += len(block)
            if start >= end:
                return {name: b"".join(parts) for name, parts in found.items()}
            block = self._next()

    def _next(self) -> bytes:
        block = next(self._content, b"")
        self._total += len(block)
        if not block:
            raise _Damaged(f"ends after {self._total} bytes, before what its header speaks of")
        if self._total > MOST_BYTES:
            raise _Damaged("is larger than any library")
        return block


def _skip_to_arm64(stream: _Stream) -> None:
    head = stream.head(4)
    if head == _MAGIC:
        return
    slices = slices_of(stream.head(SLICES_SIZE)) if head[:3] == b"\xca\xfe\xba" else ()
    offset = next((each.offset for each in slices if each.architecture == "arm64"), None)
    if offset is None:
        raise _Damaged("holds no code for arm64")
    stream.begin_at(offset)


def _commands(stream: _Stream) -> tuple[int, list[tuple[int, bytes]]]:
    """The type of the file, and its load commands with their numbers."""
    magic, cpu, _, file_type, count, size, _, _ = _HEADER.unpack(stream.head(_HEADER.size))
    if magic != _MAGIC or cpu != 0x0100000C:
        raise _Damaged("holds no code for arm64")
    if size > MOST_COMMANDS:
        raise _Damaged("claims to have more load commands than any library has")
    block = stream.head(_HEADER.size + size)
    commands, position = [], _HEADER.size
    for _ in range(min(count, size // 8)):
        number, length = struct.unpack_from("<2I", block, position)
        if length < 8 or position + length > len(block):
            raise _Damaged("has a load command that is longer than all of them")
        commands.append((number, block[position : position + length]))
        position += length
    return file_type, commands


def _ranges(number: int, command: bytes) -> Iterator[tuple[str, tuple[int, int]]]:
    """Where in the image which link information lies."""
    if number in _DYLD_INFO:
        offsets = struct.unpack_from("<10I", command, 8)
        yield "binds", offsets[2:4]
        yield "lazy", offsets[6:8]  # weak binds, between the two, are never fatal
        yield "trie", offsets[8:10]
    elif number == _EXPORTS_TRIE:
        yield "trie", struct.unpack_from("<2I", command, 8)
    elif number == _CHAINED_FIXUPS:
        yield "fixups", struct.unpack_from("<2I", command, 8)


def _least_macos(number: int, command: bytes) -> Iterator[str]:
    """The version that dyld demands."""
    if number in (_BUILD_VERSION, _MIN_MACOS):
        (packed,) = struct.unpack_from("<I", command, 12 if number == _BUILD_VERSION else 8)
        yield f"{packed >> 16}.{packed >> 8 & 255}"


def _text_in(command: bytes) -> str:
    """The text of a load command that has one, whose offset comes first."""
    (offset,) = struct.unpack_from("<I", command, 8)
    return command[offset:].partition(b"\0")[0].decode()


# ---------------------------------------------------------------------------------------------------------------- binds


def _binds(found: Mapping[str, bytes]) -> Iterator[Bind]:
    yield from _opcodes(found.get("binds", b""))
    yield from _opcodes(found.get("lazy", b""))
    yield from _chained(found.get("fixups", b""))


def _opcodes(code: bytes) -> Iterator[Bind]:
    """What the opcodes of LC_DYLD_INFO bind."""
    position = ordinal = 0
    symbol, is_weak = "", False
    while position < len(code):
        opcode, immediate = code[position] & 0xF0, code[position] & 0x0F
        numbers, position = _numbers(code, position + 1, _OPCODES.get(opcode))
        if opcode in _SET_ORDINAL:
            ordinal = _SET_ORDINAL[opcode](immediate, numbers)
        elif opcode == 0x40:  # SET_SYMBOL_TRAILING_FLAGS_IMM
            end = _end_of_text(code, position)
            symbol, is_weak, position = code[position:end].decode(), bool(immediate & 1), end + 1
        elif opcode in _DO_BIND:
            yield Bind(ordinal, symbol, is_weak)


_SET_ORDINAL: dict[int, Callable[[int, list[int]], int]] = {
    0x10: lambda immediate, _: immediate,  # SET_DYLIB_ORDINAL_IMM
    0x20: lambda _, numbers: numbers[0],  # SET_DYLIB_ORDINAL_ULEB
    0x30: lambda immediate, _: immediate - 16 if immediate else SELF,  # SET_DYLIB_SPECIAL_IMM
}
_DO_BIND = (0x90, 0xA0, 0xB0, 0xC0)  # DO_BIND, _ADD_ADDR_ULEB, _ADD_ADDR_IMM_SCALED, _ULEB_TIMES_SKIPPING_ULEB
_OPCODES = dict.fromkeys((0x00, 0x10, 0x30, 0x40, 0x50, 0x90, 0xB0), 0) | {
    **dict.fromkeys((0x20, 0x60, 0x70, 0x80, 0xA0), 1),
    0xC0: 2,
}
"""How many LEB128 numbers follow an opcode."""


def _numbers(code: bytes, position: int, count: int | None) -> tuple[list[int], int]:
    """The numbers that follow an opcode, and where they end."""
    if count is None:
        raise _Damaged("has a bind opcode that no library for arm64 has")
    found = []
    for _ in range(count):
        number, position = _uleb(code, position)
        found.append(number)
    return found, position


# For each format of dyld_chained_import: how it is unpacked, and the bits of ordinal and name in the first number.
_IMPORTS = {
    1: (struct.Struct("<I"), 8),
    2: (struct.Struct("<Ii"), 8),
    3: (struct.Struct("<QQ"), 16),
}


def _chained(fixups: bytes) -> Iterator[Bind]:
    """What LC_DYLD_CHAINED_FIXUPS imports."""
    if not fixups:
        return
    _, _, imports, symbols, count, form, packing = struct.unpack_from("<7I", fixups)
    if form not in _IMPORTS or packing:
        raise _Damaged("has chained fixups of a form that is not known")
    layout, bits = _IMPORTS[form]
    if imports + count * layout.size > len(fixups):
        raise _Damaged("claims to import more symbols than it has room for")
    for number in range(count):
        packed = layout.unpack_from(fixups, imports + number * layout.size)[0]
        ordinal, is_weak = packed & ((1 << bits) - 1), bool(packed >> bits & 1)
        offset = symbols + (packed >> 9 if bits == 8 else packed >> 32)
        name = fixups[offset : _end_of_text(fixups, offset)].decode()
        yield Bind(ordinal - (1 << bits) if ordinal > (1 << bits) - 16 else ordinal, name, is_weak)


# -------------------------------------------------------------------------------------------------------------- exports


def _find(trie: bytes, symbol: bytes) -> Export | None:
    """Walk the export trie. Each step takes a part of the name, or else a node that was not visited yet."""
    node, matched, visited = 0, 0, {0}
    while True:
        size, position = _uleb(trie, node)
        if matched == len(symbol) and size:
            return _terminal(trie, position)
        child = _child(trie, position + size, symbol, matched)
        if child is None:
            return None
        node, matched = child
        if node in visited:
            raise _Damaged("has an export trie that leads in a circle")
        visited.add(node)


def _child(trie: bytes, position: int, symbol: bytes, matched: int) -> tuple[int, int] | None:
    """The node behind the edge that goes on with the name, and how much of the name is matched there."""
    count = trie[position]
    position += 1
    for _ in range(count):
        end = _end_of_text(trie, position)
        edge = trie[position:end]
        node, position = _uleb(trie, end + 1)
        if symbol.startswith(edge, matched):
            return node, matched + len(edge)
    return None


def _terminal(trie: bytes, position: int) -> Export:
    flags, position = _uleb(trie, position)
    if not flags & 8:  # EXPORT_SYMBOL_FLAGS_REEXPORT
        return Export()
    ordinal, position = _uleb(trie, position)
    return Export(ordinal, trie[position : _end_of_text(trie, position)].decode())


def exports_of(image: Image) -> Iterator[str]:
    """The names of all symbols that an image exports. Raises NotReadable."""
    with _as_not_readable(image.path):
        waiting, visited = [(0, b"")] if image.trie else [], set[int]()
        while waiting:
            node, prefix = waiting.pop()
            if node in visited:
                raise _Damaged("has an export trie that leads in a circle")
            visited.add(node)
            size, position = _uleb(image.trie, node)
            if size:
                yield prefix.decode()
            position += size
            count = image.trie[position]
            position += 1
            for _ in range(count):
                end = _end_of_text(image.trie, position)
                edge = image.trie[position:end]
                child, position = _uleb(image.trie, end + 1)
                waiting.append((child, prefix + edge))


def _uleb(data: bytes, position: int) -> tuple[int, int]:
    """A number in LEB128, and where it ends. For one with a sign only the end is right."""
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, position
        if shift > 63:
            raise _Damaged("has a number of more than 64 bits")


def _end_of_text(data: bytes, position: int) -> int:
    end = data.find(b"\0", position)
    if end < 0:
        raise _Damaged("has a name without an end")
    return end
