# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import struct
import sys
from pathlib import Path

import pytest
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._macho import (
    MACHO_MAGICS,
    architectures,
    parse_architectures,
)
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.plugins.module_utils.facts.fake_mac import fat, thin

# The first 12 bytes of real files: a framework's bundle, an iPad's, a PowerPC program of 2004.
HASWELL = bytes.fromhex("cffaedfe 07000001 08000080")
ARM64_32 = bytes.fromhex("cefaedfe 0c000002 01000000")
POWER_PC = bytes.fromhex("feedface 00000012 0000000a")


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (thin("arm64"), ("arm64",)),
        (thin("arm64e"), ("arm64e",)),
        (thin("x86_64"), ("x86_64",)),
        (HASWELL, ("x86_64h",)),
        (ARM64_32, ("arm64_32",)),
        (POWER_PC, ("ppc",)),
        (struct.pack("<3I", 0xFEEDFACF, 0x01000063, 0), ("cpu0x1000063",)),
        (fat("x86_64", "arm64"), ("x86_64", "arm64")),
        (fat("x86_64", "arm64e"), ("x86_64", "arm64e")),
        (fat("arm64"), ("arm64",)),
        (struct.pack(">4I2Q2I", 0xCAFEBABF, 1, 0x0100000C, 0, 1 << 33, 1 << 32, 14, 0), ("arm64",)),
    ],
)
def test_architectures(tmp_path: Path, head: bytes, expected: tuple[str, ...]) -> None:
    (tmp_path / "file").write_bytes(head + bytes(100))
    assert architectures(tmp_path / "file") == expected
    assert head[:4] in MACHO_MAGICS


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"#!/bin/sh\n",
        b"\x7fELF\x02\x01\x01" + bytes(60),
        bytes.fromhex("cafebabe 00000034") + bytes(2000),  # a class of Java 8
        bytes.fromhex("cafebabe 0000002d") + bytes(2000),  # and of the oldest Java
        thin("arm64")[:11],
        fat("x86_64", "arm64")[:40],
        b"\xca\xfe\xba\xbe\xff\xff\xff\xff",
    ],
)
def test_what_is_not_mach_o(tmp_path: Path, head: bytes) -> None:
    (tmp_path / "file").write_bytes(head)
    assert architectures(tmp_path / "file") == ()


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        architectures(tmp_path / "file")


@pytest.mark.skipif(sys.platform != "darwin", reason="only a Mac has real Mach-O programs")
def test_a_real_program() -> None:
    assert "arm64e" in architectures("/bin/ls")


@given(st.binary(max_size=64), st.sampled_from(sorted(MACHO_MAGICS)))
def test_any_bytes_have_an_answer(tail: bytes, magic: bytes) -> None:
    assert all(parse_architectures(magic + tail))
    assert parse_architectures(tail) == () or tail[:4] in MACHO_MAGICS


@given(st.lists(st.sampled_from(["x86_64", "arm64", "arm64e"]), max_size=44))
def test_fat_files_of_any_length(slices: list[str]) -> None:
    assert parse_architectures(fat(*slices)) == tuple(slices)
