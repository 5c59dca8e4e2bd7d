# SPDX-License-Identifier: GPL-3.0-or-later
"""The diagnosis: for each known failure the right cause, and a remedy that can be followed; for others "not known"."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import Problem
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._facts.types import Facts
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._options import ENVIRONMENT as ONE_ENVIRONMENT
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._options import WISHES
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe.diagnosis import Failure, Rule, find
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe.programs import litert
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe.programs.tensorflow import STAGES
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe.rules import (
    RULES,
    USUAL_PAIR,
    explain,
    words_for,
)
from hypothesis import given
from hypothesis import strategies as st

from tests.ansible_runner import CHECKOUT
from tests.kept import LOCKS
from tests.unit.plugins.module_utils.probe.failures import (
    A100,
    ENVIRONMENT,
    HEADLESS_MAC,
    LINUX,
    MAC,
    PLUGIN,
    VIRTUAL_MAC,
    failure,
    gpu_server,
    mac,
)

OTHER_PAIR = {"tensorflow": "2.20.0", "plugin": "1.1.0"}
PLUGINS = PLUGIN.rpartition("/")[0]
STRAY = "/Users/ann/Library/Python/3.12/lib/python/site-packages/tensorflow-plugins"
NOT_KNOWN = "not known here"


MET: set[Rule] = set()
"""The rules that explained a case of this file."""


RUN: set[Any] = set()
"""The tests of this file that have begun, as functions."""


@pytest.fixture(autouse=True)
def run(request: pytest.FixtureRequest) -> None:
    RUN.add(request.function)


def explained(case: Failure) -> Problem:
    MET.add(find(case, RULES).rule)
    return explain(case)


def holds(problem: Problem, *, cause: str = "", evidence: str = "", remedy: str = "", never: str = "") -> None:
    assert cause in problem.cause
    assert evidence in problem.evidence
    assert remedy in problem.remedy
    assert "\n" not in problem.evidence
    if never:
        assert never not in problem.cause + problem.remedy


# --- What the import may do ------------------------------------------------------------------------------------------


class Known(NamedTuple):
    """An error as the loaders of macOS and Linux, or the packages' own code, word it, and what it means."""

    error: str
    cause: str
    evidence: str
    remedy: str


IMPORT_ERRORS = {
    "symbol-not-found": Known(
        f"dlopen({PLUGIN}, 0x0006): Symbol not found: __ZN3tsl8internal10LogMessageC1EPKcii\n"
        f"  Referenced from: <0000> {PLUGIN}\n  Expected in:     <0000> /x/_pywrap_tensorflow_internal.so",
        f"The plug-in {PLUGIN} does not link with TensorFlow 2.20.0",
        "Symbol not found: __ZN3tsl8internal10LogMessageC1EPKcii",
        '`tensorflow: "2.18.1"` and `metal: "1.2.0"`',
    ),
    "flat-namespace": Known(
        f"dlopen({PLUGIN}, 0x0006): symbol not found in flat namespace '_TF_GetInputPropertiesList'",
        f"The plug-in {PLUGIN} does not link",
        "_TF_GetInputPropertiesList",
        "leave out `tensorflow` and `metal`",
    ),
    "linux": Known(
        f"{PLUGIN}: undefined symbol: TF_NoSuchFunction",
        f"The plug-in {PLUGIN} does not link",
        "TF_NoSuchFunction",
        "leave out `tensorflow` and `metal`",
    ),
    "library-not-loaded": Known(
        f"dlopen({PLUGIN}, 0x0006): Library not loaded: @rpath/_pywrap_tensorflow_internal.so\n"
        f"  Referenced from: <0000> {PLUGIN}\n  Reason: tried: '/x/_pywrap_tensorflow_internal.so' (no such file)",
        f"The plug-in {PLUGIN} does not link",
        "@rpath/_pywrap_tensorflow_internal.so",
        "leave out `tensorflow` and `metal`",
    ),
    "stray-plugin": Known(
        f"dlopen({STRAY}/libmetal_plugin.dylib, 0x0006): Symbol not found: _TF_Old",
        f"is not one of {ENVIRONMENT}",
        "Symbol not found: _TF_Old",
        f"Remove the folder {STRAY}",
    ),
    "newer-macos": Known(
        f"dlopen({PLUGIN}, 6): Symbol not found: _OBJC_CLASS_$_MPSGraphNew\n"
        f"  Referenced from: {PLUGIN} (which was built for Mac OS X 14.0)\n"
        "  Expected in: /System/Library/Frameworks/MetalPerformanceShadersGraph.framework/Versions/A/X",
        "built for a newer macOS than this one (macOS 15.6)",
        "_OBJC_CLASS_$_MPSGraphNew",
        "Update macOS",
    ),
    "framework-of-newer-macos": Known(
        f"dlopen({PLUGIN}, 6): Library not loaded: /System/Library/Frameworks/New.framework/New",
        "built for a newer macOS",
        "New.framework",
        "Update macOS",
    ),
    "architecture": Known(
        "dlopen(/x/_pywrap_tensorflow_internal.so, 0x0002): tried: '/x/_pywrap_tensorflow_internal.so' "
        "(mach-o file, but is an incompatible architecture (have 'x86_64', need 'arm64'))",
        "native code for another processor",
        "have 'x86_64', need 'arm64'",
        "remove.yml with `-e tensorflow_name=NAME`",
    ),
    "architecture-macos-11": Known(
        "dlopen(/x/_a.so, 6): no suitable image found.  Did find:\n\t/x/_a.so: mach-o, but wrong architecture",
        "native code for another processor",
        "/x/_a.so: mach-o, but wrong architecture",
        "`native_python_source: standalone`",
    ),
    "plugin-of-another-architecture": Known(
        f"dlopen({PLUGIN}, 0x0006): tried: '{PLUGIN}' (mach-o file, but is an incompatible architecture "
        "(have (x86_64), need (arm64e)))",
        "native code for another processor",
        "have (x86_64), need (arm64e)",
        "",
    ),
    "quarantine": Known(
        "dlopen(/x/_umath.so, 2): tried: '/x/_umath.so' (code signature in <00> '/x/_umath.so' not valid for use in "
        "process: library load disallowed by system policy)",
        "security policy of macOS refused a library",
        "disallowed by system policy",
        f"`xattr -r -d com.apple.quarantine {ENVIRONMENT}/`",
    ),
    "team": Known(
        "dlopen(/x/_umath.so, 2): tried: '/x/_umath.so' (code signature in <00> '/x/_umath.so' not valid for use in "
        "process: mapping process and mapped file (non-platform) have different Team IDs)",
        "only libraries with its own signature",
        "different Team IDs",
        "`native_python_source: standalone`",
    ),
    "privacy": Known(
        "[Errno 1] Operation not permitted: '/Users/ann/Documents/work/environment/pyvenv.cfg'",
        "privacy protection keeps the process out of /Users/ann/Documents/work",
        "Operation not permitted",
        "Full Disk Access",
    ),
    "two-plugins": Known(
        "INTERNAL: platform is already registered with name: METAL",
        "Two plug-ins register the same device",
        "already registered with name: METAL",
        "",
    ),
    "numpy-too-new": Known(
        "A module that was compiled using NumPy 1.x cannot be run in\nNumPy 2.1.0 as it may crash.",
        "NumPy is not of the release",
        "compiled using NumPy 1.x",
        "Name a NumPy",
    ),
    "protobuf-too-old": Known(
        "Detected incompatible Protobuf Gencode/Runtime versions when loading x.proto: gencode 6.31.1 runtime 5.29.5.",
        "protobuf is not of a release",
        "gencode 6.31.1 runtime 5.29.5",
        "Name a protobuf",
    ),
    "protobuf-too-old-for-a-package": Known(
        "cannot import name 'runtime_version' from 'google.protobuf' (/x/google/protobuf/__init__.py)",
        "protobuf is not of a release",
        "runtime_version",
        "Name a protobuf",
    ),
    "keras-of-another-release": Known(
        "Another metric with the same name already exists.",
        "Keras and TensorFlow 2.20.0 are of incompatible releases",
        "Another metric",
        "Name a keras",
    ),
    "open-files": Known(
        "[Errno 24] Too many open files: '/x/math_ops.py'",
        "too few open files",
        "Errno 24",
        "`ulimit -n 4096`",
    ),
    "no-tensorflow": Known(
        "No module named 'tensorflow'",
        "TensorFlow is not installed",
        "No module named 'tensorflow'",
        "Name it in `packages`",
    ),
    "half-removed": Known(
        "module 'tensorflow' has no attribute '__version__'",
        "TensorFlow is incomplete",
        "__version__",
        "`integrity: full`",
    ),
    "dependency": Known(
        "No module named 'opt_einsum'",
        "module opt_einsum",
        "No module named 'opt_einsum'",
        "Name the package that brings it",
    ),
    "damaged": Known("/x/_tf.so: file too short", "damaged", "file too short", "`integrity: full`"),
    "lost-library": Known(
        "dlopen(/x/_tf.so, 2): Library not loaded: @rpath/libtensorflow_framework.2.dylib",
        "damaged or missing",
        "libtensorflow_framework",
        "`integrity: full`",
    ),
    "plugin-tried-twice": Known(
        f"dlopen({PLUGIN}, 0x0006): Library not loaded: @rpath/_pywrap_tensorflow_internal.so\n  Referenced from: <00> "
        f"{PLUGIN}\n  Reason: tried: '{PLUGINS}/../_solib/x.so' (no such file), "
        f"'/System/Volumes/Preboot/Cryptexes/OS{PLUGINS}/../_solib/x.so' (no such file)",
        f"The plug-in {PLUGIN} does not link",
        "@rpath/_pywrap_tensorflow_internal.so",
        "leave out `tensorflow` and `metal`",
    ),
    "newer-macos-12": Known(
        f"dlopen({PLUGIN}, 0x0006): Symbol not found: (_OBJC_CLASS_$_MPSGraphRandom)\n  Referenced from: '{PLUGIN}'\n"
        "  Expected in: '/System/Library/Frameworks/MetalPerformanceShadersGraph.framework/Versions/A/X'",
        "built for a newer macOS",
        "_OBJC_CLASS_$_MPSGraphRandom",
        "Update macOS",
    ),
    "plugin-12": Known(
        f"symbol binding failed: Symbol not found: (_TF_Old)\n  Referenced from: '{PLUGIN}'\n"
        "  Expected in: '/x/_tf.so'",
        f"The plug-in {PLUGIN} does not link",
        "_TF_Old",
        "leave out `tensorflow` and `metal`",
    ),
    "system-library-replaced": Known(
        f"dlopen({PLUGIN}, 0x0006): Symbol not found: __ZNSt3__1\n  Referenced from: <00> {PLUGIN}\n"
        "  Expected in:     <7A> /Users/ann/miniconda3/lib/libc++.1.0.dylib",
        "replaced by /Users/ann/miniconda3/lib/libc++.1.0.dylib",
        "Expected in",
        "DYLD_LIBRARY_PATH",
    ),
    "repeated-search-path": Known(
        "dlopen(/x/a.so, 2): Library not loaded: @rpath/libgfortran.5.dylib\n  Reason: tried: '/x/libgfortran.5.dylib' "
        "(duplicate LC_RPATH '@loader_path')",
        "repeats a search path",
        "duplicate LC_RPATH",
        "Name a newer release",
    ),
    "homebrews-library": Known(
        "dlopen(/x/_errors.so, 2): Library not loaded: /opt/homebrew/opt/hdf5/lib/libhdf5.310.dylib",
        "outside the environment is gone",
        "libhdf5.310.dylib",
        "Install what brings it again",
    ),
    "only-intels-copy": Known(
        "dlopen(/x/a.dylib, 6): Library not loaded: @rpath/libomp.dylib\n  Referenced from: <A> /x/a.dylib\n  Reason: "
        "tried: '/usr/local/opt/libomp/lib/libomp.dylib' (mach-o file, but is an incompatible architecture (have "
        "'x86_64', need 'arm64')), '/usr/lib/libomp.dylib' (no such file)",
        "The library libomp.dylib is missing",
        "@rpath/libomp.dylib",
        "brings its own",
    ),
    "unsigned": Known(
        "dlopen(/x/defs.so, 2): tried: '/x/defs.so' (code signature in <A> '/x/libhdf5.dylib' not valid for use in "
        "process: mapped file has no cdhash, completely unsigned? Code has to be at least ad-hoc signed.)",
        "has no code signature",
        "completely unsigned",
        "another release",
    ),
    "another-disk": Known(
        "[Errno 1] Operation not permitted: '/Volumes/Data/envs/tf/pyvenv.cfg'",
        "privacy protection keeps the process out of /Volumes/Data",
        "Operation not permitted",
        "other disks",
    ),
    "sandbox": Known(
        "dlopen(/x/_umath.so, 2): tried: '/x/_umath.so' (file system sandbox blocked open())",
        "keeps the process out of /x/_umath.so",
        "sandbox blocked",
        "Full Disk Access",
    ),
    "another-native-module": Known(
        'generic_type: type "XlaBuilder" is already registered!', NOT_KNOWN, "Stage import failed", "No certain remedy"
    ),
    "open-files-in-system": Known(
        "[Errno 23] Too many open files in system: '/x/math_ops.py'", "The whole Mac", "Errno 23", "restart the Mac"
    ),
    "disk-full": Known("[Errno 28] No space left on device: '/x'", "The disk is full", "Errno 28", "Free some space"),
    "numpy-too-old": Known("No module named 'numpy._core'", "NumPy is not of the release", "numpy._core", "NumPy"),
    "numpy-has-lost-it": Known(
        "module 'numpy' has no attribute 'object'.", "NumPy is not of the release", "'object'", "Name a NumPy"
    ),
    "ml-dtypes": Known(
        "module 'ml_dtypes' has no attribute 'float4_e2m1fn'", "ml_dtypes is not of a release", "float4", "ml_dtypes"
    ),
    "protobuf-too-new": Known(
        "Descriptors cannot not be created directly.", "protobuf is not of a release", "Descriptors", "Name a protobuf"
    ),
    "protobufs-own-library": Known(
        "dlopen(/x/google/protobuf/pyext/_message.so, 2): symbol not found in flat namespace (__ZN6google)",
        "protobuf is not of a release",
        "flat namespace",
        "Name a protobuf",
    ),
    "keras-asks-for-more": Known(
        "module 'tensorflow.compat.v2.__internal__' has no attribute 'register_clear_session_function'",
        "incompatible",
        "register_clear_session_function",
        "Name a keras",
    ),
    "python-without-a-module": Known(
        "No module named '_ctypes'", "built without its module ctypes", "_ctypes", "`native_python_source: standalone`"
    ),
    "module-of-older-pythons": Known(
        "No module named 'distutils'", "newer Pythons do not have any more", "distutils", "an older `python`"
    ),
    "setuptools": Known("No module named 'pkg_resources'", "pkg_resources", "pkg_resources", "an older setuptools"),
    "part-of-a-package": Known(
        "No module named 'ml_dtypes._ml_dtypes_ext'", "A part of a package is missing", "_ext", "`integrity: full`"
    ),
    "whatever": Known("the moon is full", NOT_KNOWN, "Stage import failed", "No certain remedy is known"),
}


@pytest.mark.parametrize(("error", "cause", "evidence", "remedy"), IMPORT_ERRORS.values(), ids=IMPORT_ERRORS.keys())
def test_a_failed_import_is_explained(error: str, cause: str, evidence: str, remedy: str) -> None:
    problem = explained(failure(error=f"RuntimeError: {error}", facts=MAC, **OTHER_PAIR))

    holds(problem, cause=cause, evidence=evidence, remedy=remedy)


def test_what_the_program_raised_says_more_than_an_old_warning() -> None:
    warned = failure(
        error="ModuleNotFoundError: No module named 'wrapt'",
        printed="compiled using NumPy 1.x cannot",
    )

    holds(explained(warned), cause="module wrapt", never="NumPy")


@pytest.mark.parametrize("verdict", ["gpu-missing", "gpu-unusable", "gpu-wrong-results", "timed-out"])
def test_a_warning_does_not_explain_what_it_cannot_have_caused(verdict: str) -> None:
    warned = failure(verdict, "exact", printed="compiled using NumPy 1.x\nalready registered\nNo module named 'x'\n")

    holds(explained(warned), never="NumPy")


def test_what_failed_for_want_of_numpy_is_laid_to_it_whatever_the_error() -> None:
    printed = "ImportError: numpy.core._multiarray_umath failed to import\nmore\n"

    problem = explained(failure(error="TypeError: Unable to convert function return value", printed=printed))

    holds(problem, cause="NumPy", evidence="numpy.core._multiarray_umath failed to import")


def test_a_second_plugin_is_named_where_it_is_known() -> None:
    facts = mac(user_site_plugins=[STRAY])

    problem = explained(failure("crashed", printed="platform is already registered with name: METAL", facts=facts))

    holds(problem, cause=f"one of them from {STRAY}", remedy=f"Remove {STRAY}")


@pytest.mark.parametrize("verdict", ["crashed", "timed-out"])
def test_a_plugin_of_the_user_is_suspected_first(verdict: str) -> None:
    problem = explained(failure(verdict, signal="SIGSEGV", facts=mac(user_site_plugins=[STRAY])))

    holds(problem, cause=STRAY, remedy=f"Remove {STRAY}")


def test_the_loader_may_name_the_plugin_after_the_symbol() -> None:
    printed = f"dyld[7]: lazy symbol binding failed: Symbol not found: _TF_Old\n  Referenced from: <00> {PLUGIN}\n"

    problem = explained(failure("crashed", signal="SIGABRT", printed=printed, **OTHER_PAIR))

    holds(problem, cause=f"The plug-in {PLUGIN} does not link", evidence="_TF_Old")


# --- How it may crash ------------------------------------------------------------------------------------------------

CRASHES = [
    ("SIGSEGV", "import", "", "most often it is a plug-in"),
    ("SIGABRT", "import", "F0000 00:00:17 1 x.cc:3] Check failed: a == b", NOT_KNOWN),
    ("SIGABRT", "import", "mutex lock failed: Invalid argument", "waits for a lock"),
    ("SIGABRT", "import", "No supported GPU was found.", "Metal offers no GPU to this session"),
    (
        "SIGABRT",
        "import",
        "x.cc:7] Check failed: RegisterPluggableDevicePlugin(h) is OK (INTERNAL: old)",
        "refuse each",
    ),
    (
        "SIGABRT",
        "import",
        "libc++abi: terminating due to uncaught exception of type std::bad_alloc",
        "not enough memory",
    ),
    ("SIGABRT", "import", "[libprotobuf ERROR x] File already exists in database: x.proto", "protobuf is not"),
    ("SIGABRT", "placement", "[libprotobuf FATAL x.cc:353] CHECK failed: a == b", "each bring a protobuf"),
    ("SIGABRT", "exact", "(null) XPC_ERROR_CONNECTION_INVALID\nx.mm:8: failed assertion `no'", "Metal's compiler"),
    (
        "SIGABRT",
        "start",
        "dyld[3]: Library not loaded: /opt/x/Python.framework/Python",
        "was made from is gone",
    ),
    (
        "SIGABRT",
        "start",
        (
            "dyld[3]: Library not loaded: @executable_path/../lib/libpython3.12.dylib\n"
            "  Reason: tried: '/x/libpython3.12.dylib' "
            "(code signature in <B> not valid for use in process: mapping process and file have different Team IDs)"
        ),
        "only libraries with its own signature",
    ),
    (
        "SIGABRT",
        "start",
        (
            "dyld[3]: Symbol not found: (_mkfifoat)\n  Referenced from: '/x/python3'\n"
            "  Expected in: '/usr/lib/libSystem.dylib'"
        ),
        "Python was built for a newer macOS",
    ),
    (
        "SIGABRT",
        "import",
        "OMP: Error #15: Initializing libomp.dylib, but found libiomp5.dylib",
        "Two copies of one library",
    ),
    ("SIGABRT", "ops", "MTLCompiler: failed with XPC_ERROR_CONNECTION_INTERRUPTED on 3 try", "died while it worked"),
    ("SIGKILL", "start", "", "code signature"),
    ("SIGKILL", "import", "", "when memory runs short, and where a library's code signature is not valid"),
    ("SIGTRAP", "exact", "", NOT_KNOWN),
]


@pytest.mark.parametrize(("signal", "stage", "printed", "cause"), CRASHES)
def test_a_crash_is_explained(signal: str, stage: str, printed: str, cause: str) -> None:
    problem = explained(
        failure("crashed", stage, signal=signal, printed=printed, summary=f"ended by {signal}", **OTHER_PAIR)
    )

    assert cause in problem.cause
    assert problem.evidence.splitlines()[-1] in f"{printed} {signal}" or signal in problem.evidence


@pytest.mark.parametrize(
    ("machine", "facts", "cause", "remedy", "never"),
    [
        ("x86_64", MAC, "Rosetta do not offer", "remove.yml", ""),
        ("x86_64", None, "Rosetta do not offer", "remove.yml", ""),
        ("x86_64", LINUX, "needs AVX", "virtual machine", "Rosetta"),
        ("arm64", MAC, "Illegal instruction", "an older `tensorflow`", "AVX"),
        ("aarch64", LINUX, "Illegal instruction", "an older `tensorflow`", "AVX"),
        (None, None, "Illegal instruction", "an older `tensorflow`", "AVX"),
    ],
)
def test_an_illegal_instruction_is_explained_by_the_processor(
    machine: str | None, facts: Facts | None, cause: str, remedy: str, never: str
) -> None:
    problem = explained(
        failure("crashed", signal="SIGILL", machine=machine, facts=facts, printed="Illegal instruction: 4\n")
    )

    holds(problem, cause=cause, remedy=remedy, never=never)


def test_an_unknown_crash_is_said_to_be_unknown_with_the_last_words() -> None:
    printed = "first\nsecond\n\nobjc[42]: Class X is implemented in both /a and /b.\nthird\n"

    problem = explained(failure("crashed", signal="SIGABRT", printed=printed, summary="S", **OTHER_PAIR))

    holds(problem, cause=NOT_KNOWN, evidence="S; its last words: second / objc[42]: C", remedy="No certain remedy")


def test_the_plugin_is_not_blamed_where_there_is_none() -> None:
    for stage in STAGES:
        for verdict in ("crashed", "timed-out"):
            holds(explained(failure(verdict, stage, signal="SIGSEGV", plugin=None, facts=MAC)), never="plug-in")


def test_the_plugin_is_not_blamed_before_it_is_loaded() -> None:
    holds(explained(failure("crashed", "start", signal="SIGSEGV", **OTHER_PAIR)), cause=NOT_KNOWN, never="plug-in")


def test_a_pair_that_is_known_to_work_is_not_recommended_to_who_has_it() -> None:
    problem = explained(failure("crashed", signal="SIGSEGV", facts=MAC, passed_on="15.5"))

    holds(problem, cause="are known to work together, so something else", remedy="restart the Mac")
    holds(problem, cause="passed its probe when it was built, on macOS 15.5; now this is macOS 15.6.", never="==")


def test_an_unchanged_macos_is_said_too() -> None:
    problem = explained(failure("crashed", signal="SIGSEGV", facts=MAC, passed_on="15.6"))

    holds(problem, cause="on the same macOS 15.6.")


def test_the_usual_pair_is_that_of_the_collections_locks() -> None:
    assert LOCKS.name == "tensorflow-{}-metal-{}".format(*USUAL_PAIR)


# --- What keeps the GPU away -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("others", "cause", "remedy"),
    [
        ({"facts": MAC, "plugin": None}, "tensorflow-metal is not installed", "Leave out `metal`"),
        ({"facts": LINUX, "plugin": None}, "for macOS only", "declare `gpu: none`"),
        ({"facts": MAC, "plugin_files": []}, "no tensorflow-plugins folder", "`integrity: full`"),
        ({"facts": VIRTUAL_MAC}, "this is a virtual machine", "Declare `gpu: preferred`"),
        ({"facts": HEADLESS_MAC}, "nobody is logged in", "Log in at the Mac's screen"),
        ({"facts": MAC, **OTHER_PAIR}, "offers no GPU", "leave out `tensorflow` and `metal`"),
        ({"facts": None}, "offers no GPU", "In a virtual machine declare"),
    ],
)
def test_a_missing_gpu_is_explained_by_the_facts(others: dict[str, Any], cause: str, remedy: str) -> None:
    problem = explained(failure("gpu-missing", "list", error="NoGpuError: TensorFlow lists no GPU", **others))

    holds(problem, cause=cause, remedy=remedy)


@pytest.mark.parametrize(
    ("facts", "cause", "remedy"),
    [
        (VIRTUAL_MAC, "in this virtual machine", "declare `metal: none`"),
        (HEADLESS_MAC, "nobody is logged in", "Log in"),
        (MAC, "though somebody is logged in", "only root can probe there"),
        (None, "offers no GPU to this session", "log in"),
    ],
)
def test_a_plugin_that_gives_up_without_a_gpu_is_explained_by_the_facts(
    facts: Facts | None, cause: str, remedy: str
) -> None:
    printed = "No supported GPU was found.\nplatform->VisibleDeviceCount() == 1 (0 vs. 1)\n"

    holds(explained(failure("crashed", signal="SIGABRT", printed=printed, facts=facts)), cause=cause, remedy=remedy)


@pytest.mark.parametrize(
    "error",
    [
        "Could not satisfy device specification '/device:GPU:0'",
        "Cannot assign a device for operation MatMul: Could not satisfy explicit device specification '/device:GPU:0'",
        "No OpKernel was registered to support Op 'MatMul'",
        "No registered 'MatMul' OpKernel for 'GPU' devices compatible with node",
    ],
)
def test_a_missing_kernel_is_known_in_all_wordings(error: str) -> None:
    holds(explained(failure("gpu-unusable", "placement", error=error)), cause="no code for a basic operation")


def test_wrong_results_for_want_of_memory_are_a_matter_of_memory() -> None:
    problem = explained(
        failure(
            "gpu-wrong-results",
            "exact",
            error="WrongResultsError: GPU:0: 3 of 21 elements are wrong",
            printed="Error: command buffer exited\n\tInsufficient Memory (00000008:kIOGPUErrorOutOfMemory)\n",
            facts=MAC,
        )
    )

    holds(problem, cause="has 8 GB of memory", evidence="Insufficient Memory", never="No training on it can be trusted")


# --- A GPU that is there, and training -------------------------------------------------------------------------------

NO_XLA = (
    "NotFoundError: Graph execution error:\n\nNode: 'StatefulPartitionedCall_212'\n"
    "could not find registered platform with id: 0x106170d30\n\t [[{{node StatefulPartitionedCall_212}}]]"
)
NO_METAL_COMPILER = (
    "UnimplementedError: Could not find compiler for platform METAL: NOT_FOUND: could not find registered compiler for "
    "platform METAL -- check target linkage"
)
BAD_LOSS = "TrainingFailed: the loss does not fall: from 1.2 to 1.3"
MEMORY_FULL = "Error: command buffer exited\n\tInsufficient Memory (00000008:kIOGPUErrorOutOfMemory)\n"
ABORTED = "Error: command buffer exited\n\tImpacting Interactivity (0000000e:kIOGPUErrorImpactingInteractivity)\n"
NO_AVX = (
    "x.cc:37] The TensorFlow library was compiled to use AVX instructions, but these aren't available on your machine."
)
NO_TOOLS = "xcrun: error: invalid active developer path (/Library/Developer/CommandLineTools), missing xcrun\n"
ARCHITECTURE = (
    "ImportError: dlopen(/x/h5py/_errors.so, 2): tried: '/x' (mach-o file, but is an incompatible architecture)"
)
NOT_STARTED = "/Users/ann/Desktop/x/bin/python cannot be started: Operation not permitted"
ELSEWHERE = "ImportError: tensorflow was imported from /opt/x/tensorflow, which is not in /x"
NO_TRACKABLE = "ModuleNotFoundError: No module named 'tensorflow.python.trackable'"
SOFTWARE = "Metal device set to: Apple Software Renderer"
NO_KERNEL = "InvalidArgumentError: No registered 'ResourceApplyAdam' OpKernel for 'GPU' devices"


@pytest.mark.parametrize(
    ("verdict", "stage", "others", "cause", "remedy"),
    [
        ("gpu-unusable", "create", {"facts": HEADLESS_MAC}, "nobody is logged in", "Log in at the Mac's screen"),
        ("gpu-unusable", "create", {"facts": MAC}, "cannot be opened.", "Restart the Mac"),
        ("gpu-unusable", "exact", {}, "does not compute", "declaring another is no remedy"),
        ("gpu-software", "exact", {"printed": SOFTWARE}, "only its software renderer", "declare `metal: none`"),
        ("gpu-wrong-results", "known-faults", {}, "`known_faults: fail` makes it one", "leave out `known_faults`"),
        ("gpu-wrong-results", "ops", {}, "an operation wrong", "Update macOS, restart the Mac"),
        ("gpu-wrong-results", "ops", OTHER_PAIR, "an operation wrong", "leave out `tensorflow` and `metal`"),
        ("gpu-wrong-results", "exact", {}, "only one result is correct", "Update macOS, restart the Mac"),
        ("gpu-wrong-results", "exact", OTHER_PAIR, "only one result is correct", "leave out `tensorflow` and `metal`"),
        ("training-failed", "train", {"error": NO_XLA}, "asks for XLA", "`jit_compile=False`"),
        ("keras-failed", "keras", {"error": NO_METAL_COMPILER}, "asks for XLA", "`tf.keras.optimizers.legacy`"),
        ("training-failed", "train", {"error": NO_KERNEL}, "no code for an operation that training needs", "The pair"),
        ("training-failed", "train", {"error": BAD_LOSS}, "does not learn on the GPU", "declare `metal: none`"),
        ("training-failed", "train", {"error": BAD_LOSS, "has_gpu": False}, NOT_KNOWN, "No certain remedy"),
        ("training-failed", "train", {"error": "AttributeError: no _unique_id"}, NOT_KNOWN, "No certain remedy"),
        ("training-failed", "train", {"plugin": None}, NOT_KNOWN, "No certain remedy"),
        ("training-failed", "train", {"error": BAD_LOSS, "printed": MEMORY_FULL}, "ran out of memory", "Quit other"),
        ("gpu-unusable", "ops", {"error": "ResourceExhaustedError: OOM when allocating"}, "ran out of memory", "Quit"),
        ("gpu-wrong-results", "exact", {"printed": ABORTED}, "macOS aborted work of the GPU", "Quit other programs"),
        ("gpu-missing", "list", {"machine": "x86_64", "plugin": None, "facts": MAC}, "under Rosetta", "remove.yml"),
        ("crashed", "import", {"machine": "x86_64", "printed": NO_AVX}, "Rosetta do not offer", "remove.yml"),
        ("import-failed", "start", {"has_raised": False, "printed": NO_TOOLS}, "Apple's developer tools", "remove.yml"),
        ("keras-failed", "keras", {"error": ARCHITECTURE}, "another processor", "remove.yml"),
        ("keras-failed", "keras", {"error": NO_TRACKABLE}, "incompatible", "Name a keras"),
        ("keras-failed", "keras", {"error": "RuntimeError: x", "printed": NO_TRACKABLE}, NOT_KNOWN, "No certain"),
        ("import-failed", "import", {"error": NO_TRACKABLE}, "Keras asks TensorFlow", "Name a keras"),
        ("import-failed", "start", {"error": NOT_STARTED}, "out of /Users/ann/Desktop", "leave out `tensorflow_root`"),
        ("import-failed", "import", {"error": ELSEWHERE}, "another TensorFlow", "often a .pth file"),
        ("crashed", "import", {"machine": "x86_64", "printed": NO_AVX, "facts": LINUX}, "needs AVX", "virtual machine"),
        ("timed-out", "exact", {"has_gpu": False}, "did not end in time", "`tensorflow_probe_timeout`"),
        ("timed-out", "import", {}, "could not be imported in time", "the plug-in hangs"),
        ("timed-out", "import", {"plugin": None}, "could not be imported in time", "`tensorflow_probe_timeout`"),
        (
            "crashed",
            "start",
            {"signal": "SIGKILL", "facts": LINUX},
            "as it started, as systems do",
            "Quit other programs",
        ),
        ("crashed", "ops", {"signal": "SIGKILL", "facts": LINUX}, "from outside, as systems do", "Quit other programs"),
    ],
)
def test_what_fails_later_is_explained(
    verdict: str, stage: str, others: dict[str, Any], cause: str, remedy: str
) -> None:
    holds(explained(failure(verdict, stage, **others)), cause=cause, remedy=remedy)


# --- Keras -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "cause", "remedy"),
    [
        ("ModuleNotFoundError: No module named 'keras'", "Keras is missing", "Name a keras"),
        ("ImportError: Keras cannot be imported. Check that it is installed.", "Keras is missing", "Name a keras"),
        ("ModuleNotFoundError: No module named 'optree'", "module optree", "Name the package"),
        ("ImportError: To use Keras, you need to have `optree` installed.", "module optree", "Name the package"),
        ("ValueError: the moon is full", "TensorFlow computes", "No certain remedy"),
    ],
)
def test_what_is_wrong_with_keras_is_explained(error: str, cause: str, remedy: str) -> None:
    holds(explained(failure("keras-failed", "keras", error=error)), cause=cause, remedy=remedy)


# --- LiteRT -----------------------------------------------------------------------------------------------------------

NO_MODEL = "ModelError: /m.h5: The model is not a valid Flatbuffer buffer"
EMPTY = "ModelError: /m: mmap of size 0 requested.The model allocation is null/empty"
FLEX = (
    "ModelError: /m: Select TensorFlow op(s), included in the given model, is(are) not supported by this interpreter. "
    "Make sure you apply/link the Flex delegate before inference.\nNode number 0 (FlexErf) failed to prepare."
)
CUSTOM = "ModelError: /m: Encountered unresolved custom op: AcmeDetect.\nSee instructions"
"""LiteRT's own words, of 2.3.0."""
ADAPTER = "environment.cc:532] Selected adapter: SwiftShader Device, backend=Vulkan, adapterType=CPU / Software"


@pytest.mark.parametrize(
    ("verdict", "stage", "others", "cause", "remedy"),
    [
        ("import-failed", "import", {"error": "No module named 'ai_edge_litert'"}, "LiteRT is not installed", "`lock`"),
        ("import-failed", "import", {"error": "No module named 'numpy._core'"}, "LiteRT 2.3.0 was compiled", "NumPy"),
        ("gpu-missing", "accelerator", {}, "cannot use a GPU here", "`gpu: preferred`"),
        ("gpu-missing", "accelerator", {"printed": "INTERNAL: No adapters found"}, "finds no GPU", "`gpu: preferred`"),
        ("gpu-software", "exact", {"printed": ADAPTER}, "a program on the CPU stands in", "`gpu: none`"),
        ("gpu-wrong-results", "exact", {"error": "3 of 32"}, "does not compute a small model right", "Update macOS"),
        ("model-failed", "models", {"error": "ModelError: /m: Could not open '/m'"}, "The model /m is not", "`models`"),
        ("model-failed", "models", {"error": "ModelError: /it's: Could not open '/it's'"}, "/it's is not", "`models`"),
        ("model-failed", "models", {"error": "ModelError: /m: MemoryError"}, "load or run the model /m.", "Convert"),
        ("model-failed", "models", {"error": "StopIteration"}, "cannot load or run a model", "Convert"),
        ("model-failed", "models", {"error": NO_MODEL}, "The file /m.h5 is no model", "Bring there the whole file"),
        ("model-failed", "models", {"error": EMPTY}, "The file /m is no model of LiteRT, or is damaged", "whole file"),
        ("model-failed", "models", {"error": FLEX}, "/m needs operations of TensorFlow itself", "SELECT_TF_OPS"),
        ("model-failed", "models", {"error": CUSTOM}, "/m needs the operation AcmeDetect, which", "Leave it out"),
        (
            "model-failed",
            "models",
            {"signal": "SIGSEGV", "printed": "Running the model /a\nINFO\nRunning the model /b c\nINFO: 1\n"},
            "The model /b c crashes LiteRT 2.3.0 (SIGSEGV)",
            "Convert",
        ),
        ("crashed", "import", {"signal": "SIGABRT"}, NOT_KNOWN, "No certain remedy"),
    ],
)
def test_what_litert_cannot_do_is_explained(
    verdict: str, stage: str, others: dict[str, Any], cause: str, remedy: str
) -> None:
    problem = explained(failure(verdict, stage, framework="litert", litert="2.3.0", plugin=None, **others))

    holds(problem, cause=cause, remedy=remedy)


# --- NVIDIA -----------------------------------------------------------------------------------------------------------

GPU_SERVER = gpu_server()
CUDA_BUILD = {"cuda": "12.5.1", "capabilities": ["sm_60", "sm_70", "sm_80", "sm_89", "compute_90"], "plugin": None}
NO_GPU = "NoGpuError: TensorFlow lists no GPU"

# As libtensorflow of the CUDA build 2.18.1 and CUDA's runtime in it word these.
NO_DRIVER = (
    "cuda_driver.cc:152] failed call to cuInit: INTERNAL: CUDA error: Failed call to cuInit: UNKNOWN ERROR (303)"
)
MISMATCH = "cuda_diagnostics.cc:308] kernel version 535.54.3 does not match DSO version 535.86.5 -- cannot find working"
IGNORED = (
    "gpu_device.cc:2382] Ignoring visible gpu device (device: 0, name: Tesla K80, pci bus id: 0000:00:1e.0, compute "
    "capability: 3.7) with compute capability 3.7. The minimum required Cuda capability is 6.0."
)
TOO_OLD = "gpu_util.cc:1] CUDA driver version is insufficient for CUDA runtime version"
NOT_OPENED = (
    "cuda_dnn.cc:1] Cannot dlopen some GPU libraries. Please make sure the missing libraries mentioned above are"
)
HIDDEN = "cuda_driver.cc:152] failed call to cuInit: CUDA_ERROR_NO_DEVICE: no CUDA-capable device is detected"
HELD = "INTERNAL: failed initializing StreamExecutor for device 0: CUDA-capable device(s) is/are busy or unavailable"
FULL = "cuda_driver.cc:1] failed to allocate 256.00MiB from device: CUDA_ERROR_OUT_OF_MEMORY: out of memory"
TRANSLATED = "gpu_device.cc:1] CUDA kernels will be jit-compiled from PTX, which could take 30 minutes or longer."

LESS_FIT = [
    gpu_server(driver=None, gpus=None, device_nodes=[]),
    gpu_server(device_nodes=["/dev/nvidia0", "/dev/nvidiactl"]),
    gpu_server(driver="470.256.02"),
    gpu_server(gpus=[{**A100, "compute_capability": "3.7"}]),
]
WITHOUT_DRIVER, WITHOUT_NODES, WITH_OLD_DRIVER, WITH_OLD_GPU = LESS_FIT


@pytest.mark.parametrize(
    ("verdict", "stage", "others", "said"),
    [
        (
            "gpu-missing",
            "list",
            {"printed": NO_DRIVER, "facts": WITHOUT_DRIVER},
            ("no driver", "cuInit", "525.60.13 or"),
        ),
        ("gpu-missing", "list", {"facts": WITHOUT_DRIVER}, ("no driver", "Stage list failed", "`gpu: none`")),
        ("gpu-missing", "list", {"printed": MISMATCH}, ("two versions", "does not match DSO", "Restart the host")),
        (
            "gpu-missing",
            "list",
            {"printed": NO_DRIVER, "facts": WITHOUT_NODES},
            ("there are: /dev/nvidia0, /dev/nvidiactl.", "cuInit", "`nvidia-modprobe -c 0 -u`"),
        ),
        (
            "gpu-missing",
            "list",
            {"facts": WITHOUT_NODES},
            ("there are: /dev/nvidia0", "Stage list", "`nvidia-modprobe"),
        ),
        ("gpu-missing", "list", {"facts": WITH_OLD_DRIVER}, ("470.256.02 is too old for CUDA 12.5.1", "", "525.60.13")),
        (
            "gpu-missing",
            "list",
            {"printed": NO_DRIVER, "facts": WITH_OLD_DRIVER},
            ("470.256.02 is too old for CUDA", "cuInit", "525.60.13"),
        ),
        (
            "gpu-missing",
            "list",
            {"printed": TOO_OLD},
            ("550.54.14 is too old for CUDA", "insufficient", "an older `tensor"),
        ),
        (
            "gpu-missing",
            "list",
            {"printed": IGNORED, "facts": WITH_OLD_GPU},
            (
                "built for sm_60, sm_70, sm_80, sm_89, compute_90, and the compute capability of the GPU is 3.7",
                "Tesla K80",
                "an older `tensorflow` for an older GPU",
            ),
        ),
        (
            "gpu-missing",
            "list",
            {"facts": WITH_OLD_GPU},
            ("compute capability of the GPU is 3.7", "Stage list", "older"),
        ),
        ("gpu-missing", "list", {"printed": IGNORED}, ("has no code for this GPU", "minimum required", "`gpu: none`")),
        (
            "gpu-missing",
            "list",
            {"printed": NOT_OPENED},
            ("Libraries of CUDA", "Cannot dlopen", "`tensorflow[and-cuda]`"),
        ),
        (
            "gpu-missing",
            "list",
            {"printed": HIDDEN},
            ("shows no GPU to this session", "NO_DEVICE", "CUDA_VISIBLE_DEVICES"),
        ),
        ("gpu-missing", "list", {"cuda": "", "capabilities": []}, ("built without CUDA", "", "Leave out `lock`")),
        (
            "gpu-missing",
            "list",
            {"cuda": "", "capabilities": [], "machine": "aarch64"},
            ("for x86_64 only", "", "Declare `gpu: none`"),
        ),
        (
            "gpu-missing",
            "list",
            {"printed": NO_DRIVER},
            ("550.54.14 is loaded, but offers no GPU", "cuInit", "Restart"),
        ),
        ("gpu-missing", "list", {}, ("550.54.14 is loaded, but offers no GPU", "Stage list", "Restart")),
        ("gpu-unusable", "create", {"error": HELD}, ("Another process holds the GPU", "busy", "`nvidia-smi -c 0`")),
        ("gpu-unusable", "create", {"printed": FULL}, ("memory of the GPU is full", "OUT_OF_MEMORY", "`nvidia-smi`")),
        ("gpu-unusable", "placement", {}, ("cannot be opened, or does not compute", "", "update NVIDIA's driver")),
        ("gpu-wrong-results", "ops", {}, ("wrong numbers", "", "update NVIDIA's driver")),
        (
            "timed-out",
            "placement",
            {"printed": TRANSLATED},
            ("half an hour", "jit-compiled", "tensorflow_probe_timeout"),
        ),
    ],
)
def test_a_gpu_of_nvidia_that_does_not_serve_is_explained(
    verdict: str, stage: str, others: dict[str, Any], said: tuple[str, str, str]
) -> None:
    problem = explained(failure(verdict, stage, **{"error": NO_GPU, "facts": GPU_SERVER, **CUDA_BUILD, **others}))

    cause, evidence, remedy = said
    holds(problem, cause=cause, evidence=evidence, remedy=remedy, never="Mac")


# --- The table -------------------------------------------------------------------------------------------------------

STAGE_NAMES = list(STAGES)
ENVIRONMENT_OPTIONS = {**ONE_ENVIRONMENT, **WISHES}
VERDICTS = [
    *("crashed", "timed-out", "gpu-wrong-results", "gpu-software"),
    *dict.fromkeys([*STAGES.values(), *litert.STAGES.values()]),
]


@given(
    verdict=st.sampled_from(VERDICTS),
    stage=st.sampled_from(STAGE_NAMES),
    error=st.text() | st.sampled_from([error for error, _, _, _ in IMPORT_ERRORS.values()]),
    printed=st.text() | st.sampled_from([printed for _, _, printed, _ in CRASHES]),
    framework=st.sampled_from(["tensorflow", "litert"]),
    signal=st.sampled_from(["", "SIGSEGV", "SIGKILL", "SIGILL", "signal 77"]),
    plugin=st.sampled_from([None, "1.2.0", "1.1.0"]),
    facts=st.sampled_from([None, MAC, VIRTUAL_MAC, HEADLESS_MAC, LINUX, GPU_SERVER, *LESS_FIT]),
)
def test_every_failure_has_a_diagnosis(verdict: str, stage: str, facts: Facts | None, **others: Any) -> None:
    problem = explain(failure(verdict, stage, facts=facts, **others))

    assert problem.cause.endswith(".")
    assert problem.evidence
    assert problem.remedy.endswith(".")


def asks_for_no_less(general: Rule, special: Rule) -> bool:
    """Whether each failure that fits the second fits the first too, as far as their conditions tell."""

    def covers(wide: tuple[Any, ...], narrow: tuple[Any, ...]) -> bool:
        return not wide or bool(narrow and set(narrow) <= set(wide))

    return (
        general.pattern in ("", special.pattern)
        and bool(general.pattern) == bool(special.pattern)  # one with a pattern always comes before one without
        and covers(general.frameworks, special.frameworks)
        and covers(general.verdicts, special.verdicts)
        and covers(general.stages, special.stages)
        and covers(general.signals, special.signals)
        and set(general.when) <= set(special.when)
    )


def test_no_rule_stands_before_one_that_asks_for_more() -> None:
    unreachable = [
        (earlier.cause, later.cause)
        for index, earlier in enumerate(RULES)
        for later in RULES[index + 1 :]
        if asks_for_no_less(earlier, later)
    ]
    assert unreachable == []


def known_words() -> Iterator[str]:
    """What a user can declare, run and type."""
    for role in CHECKOUT.glob("roles/*/meta/argument_specs.yml"):
        for entry in yaml.safe_load(role.read_text())["argument_specs"].values():
            yield from entry.get("options", {})
    yield from ENVIRONMENT_OPTIONS
    yield from ("tensorflow-metal", "tensorflow-plugins", "ai-edge-litert")
    yield from ("codesign", "xattr", "ulimit", "nvidia-smi", "nvidia-modprobe")
    yield "tensorflow[and-cuda]"
    yield from ("jit_compile=False", "tf.keras.optimizers.legacy")  # TensorFlow's
    yield "-e tensorflow_name=NAME"  # of one run by nature


FAILURES: list[Failure] = [
    failure(facts=facts, **pair) for facts in (None, MAC, VIRTUAL_MAC, LINUX, GPU_SERVER) for pair in ({}, OTHER_PAIR)
]


@pytest.mark.parametrize("rule", RULES, ids=range(len(RULES)))
def test_a_remedy_names_only_what_exists(rule: Rule) -> None:
    known = set(known_words())
    playbooks = {path.name for path in (CHECKOUT / "playbooks").glob("*.yml")}
    groups = dict.fromkeys(re.compile(rule.pattern).groupindex, "/x")
    for each in FAILURES:
        text = f"{rule.cause} {rule.remedy}".format(**{**words_for(each), **groups})
        for quoted in re.findall(r"`([^`]+)`", text):
            name, colon, value = quoted.partition(": ")
            assert quoted in known or name in known or quoted.split()[0] in known, quoted
            if colon and name in ENVIRONMENT_OPTIONS:
                assert value in ENVIRONMENT_OPTIONS[name].get("choices", [value])
        assert set(re.findall(r"\b[\w-]+\.yml\b", text)) <= playbooks
        assert set(re.findall(r"\b(?:tensorflow|native_python)_\w+", text)) <= known | {"tensorflow_name"}


@pytest.mark.parametrize("rule", RULES, ids=range(len(RULES)))
def test_a_rule_asks_for_stages_that_exist(rule: Rule) -> None:
    assert set(rule.stages) <= {*STAGES, *litert.STAGES}
    assert set(rule.verdicts) <= set(VERDICTS)


def test_a_source_is_an_issue_that_can_be_looked_up() -> None:
    sources = [rule.source for rule in RULES if rule.source]

    assert all(re.fullmatch(r"[\w.-]+/[\w.-]+#\d+", source) for source in sources)
    assert explain(failure("gpu-missing", "list", facts=VIRTUAL_MAC)).source in sources


def test_a_link_to_the_environment_is_the_environment(tmp_path: Path) -> None:
    generation = tmp_path / "generation"
    generation.mkdir()
    link = tmp_path / "link"
    link.symlink_to(generation)
    error = f"dlopen({generation}/lib/tensorflow-plugins/x.dylib, 6): Symbol not found: _x"

    assert replace(failure(error=error), environment=link).stray_plugins is None


def test_every_rule_has_a_case() -> None:
    """The last of this file, for each test before it says what it has met."""
    if not {value for name, value in globals().items() if name.startswith("test_")} <= RUN:
        pytest.skip("tells only where the whole file is run")

    assert [rule.cause for rule in RULES if rule not in MET] == []
