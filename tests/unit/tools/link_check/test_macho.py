# SPDX-License-Identifier: GPL-3.0-or-later
"""The reader of Mach-O images: it agrees with LIEF, and whatever a file is, it says so and ends."""

from __future__ import annotations

import struct
import tracemalloc
from collections.abc import Iterator
from itertools import chain, repeat

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.lief_oracle import assert_as_lief_reads_it
from tests.unit.tools.link_check.images import ARM64, X86_64, fat, image
from tools.link_check.macho import Bind, Dependency, Export, Image, NotReadable, exports_of, read_image

LOADS = [("load", "@rpath/liba.dylib"), ("weak", "@loader_path/libb.dylib"), ("reexport", "/usr/lib/libc.dylib")]
BINDS = (
    Bind(1, "_from_a", is_weak=False),
    Bind(2, "_from_b", is_weak=True),
    Bind(-2, "_from_anywhere", is_weak=False),
    Bind(0, "_two", is_weak=False),
)
BOTH_FORMS = pytest.mark.parametrize("is_chained", [False, True], ids=["opcodes", "chained"])


def sample(*, is_chained: bool = False) -> bytes:
    """An image with everything."""
    return image(
        install_name="@rpath/libsample.dylib",
        loads=LOADS,
        rpaths=["@loader_path/../lib", "/opt/lib"],
        exports=["_one", "_two", "_twofold"],
        imports=[(bind.ordinal, bind.symbol, bind.is_weak) for bind in BINDS],
        is_chained=is_chained,
    )


def in_blocks(content: bytes, size: int = 1000) -> Iterator[bytes]:
    return (content[start : start + size] for start in range(0, len(content), size))


def read(content: bytes) -> Image:
    return read_image("libsample.dylib", in_blocks(content), with_binds=True)


@BOTH_FORMS
def test_everything_that_dyld_has_to_know(is_chained: bool) -> None:
    found = read(sample(is_chained=is_chained))
    assert (found.install_name, found.is_dylib, found.least_macos) == ("@rpath/libsample.dylib", True, "12.1")
    assert found.dependencies == tuple(Dependency(kind, name) for kind, name in LOADS)
    assert found.rpaths == ("@loader_path/../lib", "/opt/lib")
    assert found.binds == BINDS
    assert [found.find(name) for name in ("_two", "_tw", "_twofolded", "")] == [Export(), None, None, None]
    assert sorted(exports_of(found)) == ["_one", "_two", "_twofold"]


def test_a_symbol_under_another_name_of_another_library() -> None:
    assert read(image(exports={"_here": "_there"})).find("_here") == Export(1, "_there")


def test_the_slice_for_arm64_is_read() -> None:
    both = fat((X86_64, image(exports=["_intel"])), (ARM64, image(exports=["_arm"])))
    assert list(exports_of(read(both))) == ["_arm"]


@BOTH_FORMS
def test_lief_agrees(is_chained: bool) -> None:
    content = sample(is_chained=is_chained)
    assert_as_lief_reads_it(read(content), content)


# --- Hostile files ----------------------------------------------------------------------------------------------------


def patched(content: bytes, *, at: int, by: bytes) -> bytes:
    return content[:at] + by + content[at + len(by) :]


SOUND = sample()
HOSTILE = {
    "empty": b"",
    "text": b"#!/bin/sh\n" * 500,
    "header-only": SOUND[:32],
    "cut": SOUND[:-50],
    "intel": fat((X86_64, SOUND)),
    "thousand-slices": struct.pack(">2I", 0xCAFEBABE, 1000) + bytes(40000),
    "slice-beyond-the-end": fat((ARM64, SOUND))[:100].ljust(20000, b"\0"),
    "commands-of-a-gigabyte": patched(SOUND, at=20, by=struct.pack("<I", 1 << 30)),
    "command-of-no-size": patched(SOUND, at=36, by=struct.pack("<I", 0)),
    "command-too-long": patched(SOUND, at=36, by=struct.pack("<I", 1 << 24)),
    "trie-in-a-circle": SOUND.replace(b"\0\x03_one\0", b"\0\x03\0\x80\x80\x00"),
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
def test_what_is_no_sound_image_is_called_that(content: bytes) -> None:
    with pytest.raises(NotReadable, match=r"libsample\.dylib (?:ends|holds|claims|has|is)"):
        list(exports_of(read(content)))


def test_a_file_without_an_end_is_left() -> None:
    endless = chain([SOUND[:32]], repeat(bytes(1024**2)))
    with pytest.raises(NotReadable):
        read_image("endless", endless)


@settings(deadline=None, max_examples=600)
@given(data=st.data(), is_chained=st.booleans(), is_fat=st.booleans())
def test_whatever_is_damaged_the_reader_ends_without_a_crash(
    data: st.DataObject, is_chained: bool, is_fat: bool
) -> None:
    sound = sample(is_chained=is_chained)
    content = bytearray(fat((X86_64, sound), (ARM64, sound)) if is_fat else sound)
    interesting = [*range(600), *range(len(content) - 300, len(content))]
    for place in data.draw(st.lists(st.sampled_from(interesting), min_size=1, max_size=8)):
        content[place : place + 1] = data.draw(st.binary(min_size=1, max_size=4))
    del content[data.draw(st.integers(0, len(content))) :]
    tracemalloc.start()
    try:
        read_or_refuse(bytes(content))
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 64 * 1024**2


def read_or_refuse(content: bytes) -> None:
    try:
        found = read(content)
        list(exports_of(found))
        found.find("_two")
    except NotReadable:
        pass
