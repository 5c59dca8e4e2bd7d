# SPDX-License-Identifier: GPL-3.0-or-later
"""dyld's rules, on images made for one of them each."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.tools.link_check.images import image
from tools.link_check.dyld import FRAMEWORK, TENSORFLOW, Linked, Process
from tools.link_check.macho import read_image

CC = "tensorflow/libtensorflow_cc.2.dylib"
ROOT_NAME = "@rpath/_pywrap_tensorflow_internal.so"


def tensorflow(**changed: bytes) -> Process:
    """A process that has loaded TensorFlow's images; other content may be given for each."""
    content = {
        TENSORFLOW: image(
            install_name=ROOT_NAME,
            loads=[("load", "@rpath/libtensorflow_cc.2.dylib"), ("load", "/usr/lib/libc++.1.dylib")],
            rpaths=["@loader_path/.."],
            exports=["_in_root"],
        ),
        CC: image(
            install_name="@rpath/libtensorflow_cc.2.dylib",
            loads=[("reexport", "@loader_path/libtensorflow_framework.2.dylib")],
            exports=["_in_cc"],
        ),
        FRAMEWORK: image(install_name="@rpath/libtensorflow_framework.2.dylib", exports=["_in_framework"]),
        **{{"root": TENSORFLOW, "cc": CC, "framework": FRAMEWORK}[name]: each for name, each in changed.items()},
    }
    return Process(lambda path: read_image(path, [content[path]]) if path in content else None)


def link(process: Process, **plugin: Any) -> Linked:
    made = image(**{"rpaths": ["@loader_path/../nowhere"], **plugin})
    return process.link(read_image("tensorflow-plugins/plugin.dylib", [made], with_binds=True))


def test_all_images_of_tensorflow_are_loaded() -> None:
    assert list(tensorflow().images) == [TENSORFLOW, CC, FRAMEWORK]


@pytest.mark.parametrize(
    ("loads", "imports"),
    [
        ([("load", ROOT_NAME)], [(1, "_in_root", False)]),
        ([("load", "@loader_path/../tensorflow/libtensorflow_cc.2.dylib")], [(1, "_in_cc", False)]),
        ([("load", "@rpath/libtensorflow_cc.2.dylib")], [(1, "_in_framework", False)]),  # re-exported
        ([("load", ROOT_NAME)], [(1, "_nowhere", True)]),
        ([("weak", "@rpath/libnowhere.dylib")], [(1, "_nowhere", True)]),
        ([("load", "/System/Library/Frameworks/Metal.framework/Metal")], [(1, "_MTLCreate", False)]),
        ([], [(-2, "_in_framework", False), (-3, "_in_cc", False), (-1, "_of_the_program", False)]),
        ([], [(-2, "_objc_msgSend", False), (-2, "__ZdlPv", False)]),
    ],
    ids=["install-name", "loader-path", "reexported", "weak", "weak-library", "of-macos", "flat", "always-there"],
)
def test_what_links(loads: list[tuple[str, str]], imports: list[tuple[int, str, bool]]) -> None:
    found = link(tensorflow(), loads=loads, imports=imports)
    assert (found.is_loaded, found.first_failure) == (True, "")


def test_what_the_plugin_has_itself() -> None:
    assert link(tensorflow(), exports=["_mine"], imports=[(0, "_mine", False), (-3, "_mine", False)]).is_loaded


@pytest.mark.parametrize(
    ("loads", "imports", "says"),
    [
        (
            [("load", ROOT_NAME)],
            [(1, "_in_cc", False)],  # which is loaded, but another library
            f"Symbol not found: _in_cc. Referenced from: tensorflow-plugins/plugin.dylib. Expected in: {ROOT_NAME}",
        ),
        (
            [("load", "@rpath/libgone.dylib")],
            [(1, "_x", False)],
            "Library not loaded: @rpath/libgone.dylib. Referenced from: tensorflow-plugins/plugin.dylib",
        ),
        ([], [(-2, "_nowhere", False)], "symbol not found in flat namespace '_nowhere'"),
        ([("load", ROOT_NAME)], [(2, "_x", False)], "symbol not found in flat namespace '_x'"),
    ],
    ids=["other-library", "no-library", "flat", "no-such-ordinal"],
)
def test_what_does_not(loads: list[tuple[str, str]], imports: list[tuple[int, str, bool]], says: str) -> None:
    found = link(tensorflow(), loads=loads, imports=imports)
    assert (found.is_loaded, found.first_failure) == (False, says)
    assert [each.symbol for each in found.symbols] == [imports[0][1]]


def test_a_library_is_found_by_its_install_name_only_while_it_has_it() -> None:
    """Which is how TensorFlow 2.20 lost Apple's plug-ins: the file is still there."""
    renamed = image(install_name="bazel-out/lib_pywrap.dylib", exports=["_in_root"])
    found = link(tensorflow(root=renamed), loads=[("load", ROOT_NAME)], imports=[(1, "_in_root", False)])
    assert found.libraries == (ROOT_NAME,)


def test_run_paths_of_the_image_that_opens_plugins_count() -> None:
    opener = image(install_name="@rpath/libtensorflow_framework.2.dylib", rpaths=["@loader_path"])
    loads = [("load", "@loader_path/libtensorflow_framework.2.dylib")]
    process = tensorflow(framework=opener, cc=image(install_name="other", loads=loads, exports=["_in_cc"]))
    assert link(process, loads=[("load", "@rpath/libtensorflow_cc.2.dylib")], imports=[(1, "_in_cc", False)]).is_loaded


def test_a_library_that_tensorflow_has_not_loaded_yet_is_loaded() -> None:
    late = image(install_name="@rpath/liblate.dylib", exports=["_late"])
    made = image(
        loads=[("load", "@rpath/liblate.dylib")], rpaths=["@loader_path/../lib"], imports=[(1, "_late", False)]
    )
    plugin = read_image("tensorflow-plugins/plugin.dylib", [made], with_binds=True)
    root = image(install_name=ROOT_NAME)
    content = {TENSORFLOW: root, "lib/liblate.dylib": late}
    process = Process(lambda path: read_image(path, [content[path]]) if path in content else None)
    assert process.link(plugin).is_loaded


def test_libraries_that_reexport_each_other_are_asked_once() -> None:
    circle = image(
        install_name="@rpath/libtensorflow_framework.2.dylib",
        loads=[("reexport", "@rpath/libtensorflow_cc.2.dylib")],
        rpaths=["@loader_path"],
    )
    found = link(
        tensorflow(framework=circle), loads=[("load", "@rpath/libtensorflow_cc.2.dylib")], imports=[(1, "_x", False)]
    )
    assert [each.symbol for each in found.symbols] == ["_x"]


def test_a_symbol_that_is_reexported_under_another_name() -> None:
    renaming = image(
        install_name="@rpath/libtensorflow_cc.2.dylib",
        loads=[("load", "@loader_path/libtensorflow_framework.2.dylib")],
        exports={"_old": "_in_framework", "_gone": "_nowhere"},
    )
    imports = [(1, "_old", False), (1, "_gone", False)]
    found = link(tensorflow(cc=renaming), loads=[("load", "@rpath/libtensorflow_cc.2.dylib")], imports=imports)
    assert [each.symbol for each in found.symbols] == ["_gone"]
