# SPDX-License-Identifier: GPL-3.0-or-later
"""Hold our reader of Mach-O, tools/link_check, to what LIEF reads."""

from __future__ import annotations

import lief

from tools.link_check.macho import Image, exports_of


def assert_as_lief_reads_it(ours: Image, content: bytes) -> None:
    """Both must see the same libraries, exports and binds."""
    fat = lief.MachO.parse(list(content), lief.MachO.ParserConfig.deep)
    assert fat
    theirs = fat.take(lief.MachO.Header.CPU_TYPE.ARM64)
    assert theirs
    own_name = lief.MachO.LoadCommand.TYPE.ID_DYLIB
    assert [each.name for each in theirs.libraries if each.command != own_name] == [
        each.name for each in ours.dependencies
    ]
    assert [each.path for each in theirs.rpaths] == list(ours.rpaths)
    information = theirs.dyld_info if theirs.has_dyld_info else theirs.dyld_exports_trie
    assert information
    assert {each.symbol.name for each in information.exports if each.symbol} == set(exports_of(ours))
    # LIEF tells the weak binds, too, that are never fatal; and of chained imports those only that a chain uses.
    bindings = [each for each in theirs.bindings if not is_weak_bind(each)]
    bound = {(each.library_ordinal, each.symbol.name, each.weak_import) for each in bindings if each.symbol}
    seen = {(each.ordinal, each.symbol, each.is_weak) for each in ours.binds}
    assert bound == seen if theirs.has_dyld_info else bound <= seen


def is_weak_bind(binding: lief.MachO.BindingInfo) -> bool:
    """Whether a bind is of the weak ones, which have opcodes of their own."""
    weak = lief.MachO.DyldBindingInfo.CLASS.WEAK
    return isinstance(binding, lief.MachO.DyldBindingInfo) and binding.binding_class == weak
