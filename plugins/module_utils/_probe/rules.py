# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""The known failures of a probe: the cause of each, and what to type or declare.

To teach it another failure, add a rule, and to its test the text that was seen. A rule stands before those that ask for
less. The wordings of macOS's loader differ between its releases, so patterns hold only what all of them have in common.
A remedy names only options, playbooks and commands that exist; a test holds every rule to that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe import diagnosis
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe.diagnosis import Diagnosis, Failure, Rule
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe.programs.litert import RUNNING
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe.programs.tensorflow_numbers import NO_KERNEL
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe.verdict import (
    LITERT,
    TENSORFLOW,
    has_code_for,
    least_driver,
)
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._python.wanted import version_key

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ansible_collections.metalfleet.tensorflow.plugins.module_utils._facts.types import Nvidia

ANY = (TENSORFLOW, LITERT)
"""Frameworks that a rule is for."""
UNKNOWN_VERSION = "(of unknown version)"

USUAL_PAIR = ("2.18.1", "1.2.0")
"""TensorFlow and plug-in of the collection's own locks: they are known to work together."""


# --- what a rule may ask for


def _with_plugin(failure: Failure) -> bool:
    return failure.plugin is not None


def _without_plugin(failure: Failure) -> bool:
    return failure.plugin is None


def _with_usual_pair(failure: Failure) -> bool:
    return (failure.tensorflow, failure.plugin) == USUAL_PAIR


def _without_plugin_files(failure: Failure) -> bool:
    return not failure.plugin_files


def _with_stray_plugins(failure: Failure) -> bool:
    return failure.stray_plugins is not None


def _with_plugins_of_user(failure: Failure) -> bool:
    return bool(failure.facts and failure.facts["user_site_plugins"])


def _without_learning(failure: Failure) -> bool:
    """Not in a pattern: what was printed, such as that the memory was full, explains it better."""
    return failure.error.startswith("TrainingFailed")


def _on_gpu(failure: Failure) -> bool:
    return failure.has_gpu or failure.stage == "list"


def _on_mac(failure: Failure) -> bool:
    return failure.facts is not None and failure.facts["system"] == "Darwin"


def _on_linux(failure: Failure) -> bool:
    return failure.facts is not None and failure.facts["system"] == "Linux"


def _in_virtual_machine(failure: Failure) -> bool:
    return failure.facts is not None and failure.facts["virtual_machine"]["is_virtual"] is True


def _without_gui_session(failure: Failure) -> bool:
    return failure.facts is not None and failure.facts["gui_session"] is False


def _with_gui_session(failure: Failure) -> bool:
    return failure.facts is not None and failure.facts["gui_session"] is True


def _as_x86_64(failure: Failure) -> bool:
    return failure.machine == "x86_64"


def _nvidia(failure: Failure) -> Nvidia | None:
    """What is known of the host's NVIDIA GPUs; None where it has none."""
    return failure.facts["nvidia"] if failure.facts and failure.facts["nvidia"]["present"] else None


def _with_nvidia(failure: Failure) -> bool:
    return _nvidia(failure) is not None


def _ended_by_signal(failure: Failure) -> bool:
    return bool(failure.signal)


def _without_cuda(failure: Failure) -> bool:
    return failure.cuda == ""


def _as_aarch64(failure: Failure) -> bool:
    return failure.machine == "aarch64"


def _without_driver(failure: Failure) -> bool:
    nvidia = _nvidia(failure)
    return nvidia is not None and nvidia["driver"] is None


def _with_old_driver(failure: Failure) -> bool:
    nvidia, least = _nvidia(failure), least_driver(failure.cuda)
    driver = nvidia["driver"] if nvidia else None
    return bool(driver and least) and version_key(str(driver)) < version_key(least)


def _without_nodes(failure: Failure) -> bool:
    """Two are for all GPUs. Of the others one will do: a container may have been given one GPU of several."""
    nvidia = _nvidia(failure)
    return nvidia is not None and not {"/dev/nvidiactl", "/dev/nvidia-uvm"} < set(nvidia["device_nodes"])


def _without_code(failure: Failure) -> bool:
    """Whether the build has code for none of the GPUs."""
    known = [gpu for gpu in _capabilities_of_gpus(failure) if failure.capabilities]
    return bool(known) and not any(has_code_for(failure.capabilities, gpu) for gpu in known)


def _capabilities_of_gpus(failure: Failure) -> list[str]:
    nvidia = _nvidia(failure)
    return [gpu["compute_capability"] for gpu in (nvidia and nvidia["gpus"]) or () if gpu["compute_capability"]]


# --- the words of their texts

_WITHOUT_GPU = (
    "declare `metal: none`, or if you have a `lock` of your own, one without tensorflow-metal and `gpu: none`, to "
    "compute on the CPU"
)
_CHECK_FILES = "run setup.yml with `integrity: full` for this environment, which repairs damaged files"
_DECLARED = "in `packages`, or in the `lock` if you have one of your own"


def words_for(failure: Failure) -> dict[str, str]:
    """What the rules' texts may name in braces."""
    return {
        "environment": str(failure.environment),
        "interpreter": str(failure.interpreter),
        "stage": failure.stage,
        "signal": failure.signal,
        "framework": "LiteRT" if failure.framework == LITERT else "TensorFlow",
        "version": (failure.litert if failure.framework == LITERT else failure.tensorflow) or UNKNOWN_VERSION,
        "tensorflow": failure.tensorflow or UNKNOWN_VERSION,
        "litert": failure.litert or UNKNOWN_VERSION,
        "plugin": failure.plugin or UNKNOWN_VERSION,
        "stray_plugins": failure.stray_plugins or "",
        "plugins_of_user": ", ".join(failure.facts["user_site_plugins"]) if failure.facts else "",
        "macos": _macos(failure),
        "since": _since(failure),
        "memory": _memory(failure),
        "other_pair": _other_pair(failure),
        **_words_for_nvidia(failure),
        "without_gpu": _WITHOUT_GPU,
        "check_files": _CHECK_FILES,
        "declared": _DECLARED,
    }


def _words_for_nvidia(failure: Failure) -> dict[str, str]:
    nvidia, least = _nvidia(failure), least_driver(failure.cuda)
    return {
        "driver": (nvidia and nvidia["driver"]) or UNKNOWN_VERSION,
        "newer_driver": f"{least} or newer" if least else "the newest",
        "nodes": ", ".join(nvidia["device_nodes"] if nvidia else ()) or "none",
        "gpus": ", ".join(_capabilities_of_gpus(failure)) or "of another kind",
        "cuda": failure.cuda or UNKNOWN_VERSION,
        "capabilities": ", ".join(failure.capabilities) or "others",
    }


def _macos(failure: Failure) -> str:
    version = failure.facts["macos"]["version"] if failure.facts else None
    return f" (macOS {version})" if version else ""


def _since(failure: Failure) -> str:
    """What has changed since the environment worked, as a sentence with a space before it."""
    now = failure.facts["macos"]["version"] if failure.facts else None
    if not failure.passed_on or not now:
        return ""
    then = f"macOS {failure.passed_on}"
    change = f"the same {then}" if now == failure.passed_on else f"{then}; now this is macOS {now}"
    return f" The same environment passed its probe when it was built, on {change}."


def _memory(failure: Failure) -> str:
    size = failure.facts["memory_bytes"] if failure.facts else None
    return f" This machine has {size / 2**30:.0f} GB of memory." if size else ""


def _other_pair(failure: Failure) -> str:
    """The remedy where the plug-in and TensorFlow do not work together."""
    if _with_usual_pair(failure):
        return (
            "The pair that is installed is known to work, so declaring another is no remedy: restart the Mac and run "
            f"again. If that does not help, {_CHECK_FILES}, or update macOS. Until it works, {_WITHOUT_GPU}."
        )
    tensorflow, plugin = USUAL_PAIR
    return (
        "Declare a pair that works: leave out `tensorflow` and `metal` to get the best for this Mac, or "
        f'declare `tensorflow: "{tensorflow}"` and `metal: "{plugin}"`. A `lock` of your own must name such a pair.'
    )


def explain(failure: Failure) -> Diagnosis:
    """The diagnosis of a failure."""
    return diagnosis.describe(diagnosis.find(failure, RULES), failure, words_for(failure))


def is_of_session(failure: Failure) -> bool:
    """Whether a failure may be one of this session only: macOS offers Metal to some programs only at the screen."""
    return diagnosis.find(failure, RULES).rule.of_session


_NATIVE = (
    "Run remove.yml with `-e tensorflow_name=NAME`, then setup.yml with `native_python_source: standalone`, which "
    "brings a native arm64 Python."
)
_GUARDED = r"(?:Desktop|Documents|Downloads|Mobile Documents|CloudStorage)"
_KEPT_OUT = "macOS's privacy protection keeps the process out of {guarded}."
_ELSEWHERE = (
    "Keep environments out of Desktop, Documents, Downloads, cloud folders and other disks: leave out "
    "`tensorflow_root` and `tensorflow_links`, or name other folders in them. Or allow Full Disk Access for Remote "
    "Login in the Mac's System Settings, under Privacy & Security."
)
_NEEDS_AVX = "TensorFlow uses an instruction that the processor does not have: its x86_64 build needs AVX."
_NO_AVX_IN_ROSETTA = (
    "TensorFlow uses an instruction that the processor does not have. The interpreter runs as x86_64; that build of "
    "TensorFlow needs AVX, which older versions of Rosetta do not offer."
)
_OTHER_PROCESSOR = (
    "In a virtual machine, let it use the processor of its host as it is. Without AVX no TensorFlow of the package "
    "index runs: declare a `lock` with a build of your own."
)
_KERAS_ASKS_FOR_MORE = "Keras asks TensorFlow {tensorflow} for what it does not have: their releases are incompatible."
_ANOTHER_KERAS = "Name a keras that works with TensorFlow {declared}."
_UNKNOWN = (
    "No certain remedy is known. To rule out damaged files, {check_files}; to rule out packages that do not go "
    "together, leave out `packages` and `lock` if they are declared."
)
_LOG_IN = "Log in at the Mac's screen and run again: macOS offers Metal to some programs only then."
_AT_SCREEN = (
    "Programs that are started at the screen may have a GPU all the same, but only root can probe there: set the "
    "environment up for all users, with become and absolute paths in `tensorflow_root` and `tensorflow_links`. Or "
    "declare `gpu: preferred`."
)
_NO_GPU_IN_SESSION = (
    "On a Mac with a GPU, log in at its screen and run again: macOS offers Metal to some programs only then. "
    "In a virtual machine declare `gpu: preferred`."
)
_UPDATE_OR_CPU = "Update macOS, restart the Mac and run again; if that does not help, {without_gpu}."
_UPDATE_OR_OTHER_PAIR = "Update macOS, or take another pair. {other_pair}"
_NO_METAL = r"No supported GPU was found|VisibleDeviceCount\(\)"
_PLUGIN_FILE = r"(?P<library>/[^\n,:()'\"]*/tensorflow-plugins/[^\s,:()'\"]+)"
_NOT_LINKED = r"[Ss]ymbol not found|undefined symbol|missing symbol called|symbol binding failed|Library not loaded"
_NEWER_MACOS = (
    r"^(?P<evidence>.*(?:[Ss]ymbol not found|missing symbol called)[^\n]*)"
    r"(?:\n[^\n]*){0,2}Expected in:\s+(?:<[^>]+> )?'?/(?:System|usr/lib)/"
    r"|Library not loaded: /(?:System|usr/lib)/|built for newer macOS"
)
_MISSES_INSTRUCTIONS = r"compiled to use [A-Z0-9.]+ instructions, but these aren't available"
_REGISTERED_TWICE = r"[Pp]latform is already registered|already registered with name"
_DIED_IMPORTING = ("import-failed", "crashed")
_NOT_IMPORTED = ("import-failed", "keras-failed")
_ANY_IMPORT = ("import-failed", "crashed", "keras-failed")
_OF_GPU = ("gpu-wrong-results", "gpu-unusable", "gpu-missing", "crashed", "timed-out")
_AT_WORK = (*_OF_GPU, "training-failed", "keras-failed")
_NUMBERS = ("exact", "close", "ops", "known-faults")
_LEARNING = ("train", "keras")
_MODEL = r"^ModelError: (?P<file>.+?): "
_ON_GPU = ("create", "placement", *_NUMBERS, *_LEARNING, "speed")
_AFTER_START = ("import", "list", *_ON_GPU)

_NOT_OFFERED = (
    r"^(?P<evidence>.*(?:failed call to cuInit|Could not find cuda drivers|kernel driver does not appear"
    r"|Ignoring visible gpu device).*)"
)
_OR_CPU = "To compute on the CPU, declare `gpu: none`."
_NEWER_DRIVER = (
    "Install NVIDIA's driver, {newer_driver}, with the packages of the system, restart the host and run again."
)
_OLD_DRIVER = "NVIDIA's driver {driver} is too old for CUDA {cuda}, for which TensorFlow {tensorflow} was built."
_OR_OLDER = "Or declare an older `tensorflow`."
_ANOTHER_RELEASE = "Declare an older `tensorflow` for an older GPU, a newer one for a newer GPU."
_WHO_HOLDS_IT = "Find with `nvidia-smi` which process that is, end it and run again."
_RESTART_HOST = (
    "Restart the host and run again; if that does not help, update NVIDIA's driver. Until it works, declare "
    "`gpu: none`."
)
_MEMORY_OF_GPU_FULL = (
    r"^(?P<evidence>.*(?:CUDA_ERROR_OUT_OF_MEMORY|CUBLAS_STATUS_(?:ALLOC_FAILED|NOT_INITIALIZED)"
    r"|CUDNN_STATUS_(?:ALLOC_FAILED|NOT_INITIALIZED)|ResourceExhaustedError|OOM when allocating"
    r"|Dst tensor is not initialized|: out of memory).*)"
)


def _with_evidence(pattern: str, **rule: Any) -> Iterator[Rule]:
    """A rule that holds by the facts alone, with a line that shows it where one was printed."""
    yield Rule(pattern=pattern, **rule)
    yield Rule(**rule)


_OF_NVIDIA: tuple[Rule, ...] = (
    Rule(
        verdicts=("gpu-missing",),
        when=(_with_nvidia, _without_cuda, _as_aarch64),
        cause="This host has an NVIDIA GPU, but the package index has TensorFlow with CUDA for x86_64 only.",
        remedy="Declare `gpu: none`, or a `lock` with a build of your own.",
    ),
    Rule(
        verdicts=("gpu-missing",),
        when=(_with_nvidia, _without_cuda, _without_plugin),
        cause="TensorFlow {tensorflow} in this environment was built without CUDA, and cannot use the NVIDIA GPU.",
        remedy=f"Leave out `lock`, or name `tensorflow[and-cuda]` in it. {_OR_CPU}",
    ),
    Rule(
        verdicts=_OF_GPU,
        when=(_with_nvidia,),
        pattern=r"does not match DSO version|CUDA_ERROR_SYSTEM_DRIVER_MISMATCH|unsupported display driver",
        cause="NVIDIA's driver in the kernel and its library are of two versions, as after an update of the driver.",
        remedy="Restart the host and run again.",
    ),
    *_with_evidence(
        _NOT_OFFERED,
        verdicts=("gpu-missing",),
        when=(_with_nvidia, _without_driver),
        cause="This host has an NVIDIA GPU, but no driver of NVIDIA's is loaded.",
        remedy=f"{_NEWER_DRIVER} {_OR_CPU}",
    ),
    *_with_evidence(
        _NOT_OFFERED,
        verdicts=("gpu-missing",),
        when=(_with_nvidia, _without_nodes),
        cause="The files are missing by which programs reach an NVIDIA GPU: of /dev/nvidia0, /dev/nvidiactl and "
        "/dev/nvidia-uvm there are: {nodes}.",
        remedy="As root type `nvidia-modprobe -c 0 -u`, which makes them, and run again. A container must be started "
        f"with access to the GPU. {_OR_CPU}",
    ),
    Rule(
        verdicts=_OF_GPU,
        when=(_with_nvidia,),
        pattern=r"^(?P<evidence>.*(?:driver version is insufficient|INSUFFICIENT_DRIVER|UNSUPPORTED_PTX_VERSION"
        r"|compiled with an unsupported toolchain).*)",
        cause=_OLD_DRIVER,
        remedy=f"{_NEWER_DRIVER} {_OR_OLDER}",
    ),
    *_with_evidence(
        _NOT_OFFERED,
        verdicts=("gpu-missing", "gpu-unusable"),
        when=(_with_nvidia, _with_old_driver),
        cause=_OLD_DRIVER,
        remedy=f"{_NEWER_DRIVER} {_OR_OLDER}",
    ),
    *_with_evidence(
        _NOT_OFFERED,
        verdicts=("gpu-missing", "gpu-unusable"),
        when=(_with_nvidia, _without_code),
        cause="TensorFlow {tensorflow} has no code for this GPU: it was built for {capabilities}, and the compute "
        "capability of the GPU is {gpus}.",
        remedy=f"{_ANOTHER_RELEASE} {_OR_CPU}",
    ),
    Rule(
        verdicts=_OF_GPU,
        when=(_with_nvidia,),
        pattern=r"^(?P<evidence>.*(?:Ignoring visible gpu device|no kernel image is available|NO_BINARY_FOR_GPU).*)",
        cause="TensorFlow {tensorflow} has no code for this GPU: it was built for {capabilities}.",
        remedy=f"{_ANOTHER_RELEASE} {_OR_CPU}",
    ),
    Rule(
        verdicts=("gpu-missing",),
        when=(_with_nvidia,),
        pattern=r"^(?P<evidence>.*(?:Cannot dlopen some GPU|Cannot dlopen all CUDA) libraries.*)",
        cause="Libraries of CUDA are missing in the environment, or are not those that TensorFlow {tensorflow} needs.",
        remedy="To repair it, {check_files}. A `lock` of your own must name `tensorflow[and-cuda]`, and TensorFlow "
        "2.14 or newer.",
    ),
    Rule(
        verdicts=("gpu-missing",),
        when=(_with_nvidia,),
        pattern=r"^(?P<evidence>.*(?:CUDA_ERROR_NO_DEVICE|no CUDA-capable device is detected).*)",
        cause="The driver shows no GPU to this session, as where CUDA_VISIBLE_DEVICES hides them.",
        remedy="Take CUDA_VISIBLE_DEVICES out of the user's start-up files. A container must be started with access to "
        f"the GPU. {_OR_CPU}",
    ),
    Rule(
        verdicts=_OF_GPU,
        when=(_with_nvidia,),
        pattern=r"^(?P<evidence>.*(?:CUDA_ERROR_DEVICE_UNAVAILABLE|busy or unavailable|already in use by a).*)",
        cause="Another process holds the GPU for itself: it is in exclusive mode.",
        remedy=f"{_WHO_HOLDS_IT} Or as root type `nvidia-smi -c 0`, with which several processes can use it.",
    ),
    Rule(
        verdicts=_AT_WORK,
        when=(_with_nvidia,),
        pattern=_MEMORY_OF_GPU_FULL,
        cause="The memory of the GPU is full, as a rule because another process holds it.",
        remedy=_WHO_HOLDS_IT,
    ),
    Rule(
        verdicts=("timed-out",),
        when=(_with_nvidia,),
        pattern=r"^(?P<evidence>.*jit-compiled from PTX.*)",
        cause="TensorFlow {tensorflow} is older than this GPU, so that the driver translates its code when it is used "
        "first. That can take half an hour, once.",
        remedy="Run again with `tensorflow_probe_timeout: 3600`, or declare a newer `tensorflow`.",
    ),
    *_with_evidence(
        _NOT_OFFERED,
        verdicts=("gpu-missing",),
        when=(_with_nvidia, _without_plugin),
        cause="NVIDIA's driver {driver} is loaded, but offers no GPU to TensorFlow.",
        remedy=_RESTART_HOST,
    ),
    Rule(
        verdicts=("gpu-unusable",),
        when=(_with_nvidia, _without_plugin),
        cause="The NVIDIA GPU is listed, but cannot be opened, or does not compute.",
        remedy=_RESTART_HOST,
    ),
)
"""Known failures of Linux hosts with an NVIDIA GPU."""

RULES: tuple[Rule, ...] = (
    # --- the interpreter
    Rule(
        frameworks=ANY,
        verdicts=_ANY_IMPORT,
        pattern=rf"Operation not permitted: '(?P<guarded>[^']*/{_GUARDED}/[^']*|/Volumes/[^']*)'",
        cause=_KEPT_OUT,
        remedy=_ELSEWHERE,
        source="Comfy-Org/comfy-mcp#72",
    ),
    Rule(
        frameworks=ANY,
        verdicts=_ANY_IMPORT,
        pattern=rf"(?P<guarded>/\S*/{_GUARDED}/\S*|/Volumes/\S*) cannot be started: Operation not permitted",
        cause=_KEPT_OUT,
        remedy=_ELSEWHERE,
        source="Comfy-Org/comfy-mcp#72",
    ),
    Rule(
        frameworks=ANY,
        verdicts=_ANY_IMPORT,
        pattern=r"tried: '(?P<guarded>[^']*)' \(file system sandbox blocked",
        cause=_KEPT_OUT,
        remedy=_ELSEWHERE,
    ),
    Rule(
        frameworks=ANY,
        verdicts=_DIED_IMPORTING,
        stages=("start",),
        pattern=r"invalid active developer path|xcode-select: (?:note|error)",
        cause="The environment's Python is that of Apple's developer tools, which are not there.",
        remedy=_NATIVE,
        source="DudeNr33/screen-on-time#4",
    ),
    # --- what the system refuses
    Rule(
        frameworks=ANY,
        verdicts=_ANY_IMPORT,
        pattern=r"library load (?:disallowed|denied) by system policy",
        cause="The security policy of macOS refused a library: it is marked with quarantine, or a rule of the "
        "company's device management forbids it.",
        remedy="Type `xattr -r -d com.apple.quarantine {environment}/` and run again, or name there the folder of the "
        "library if it lies elsewhere. If that does not help, have it allowed where the Mac's security rules are "
        "managed.",
        source="flet-dev/flet#4543",
    ),
    Rule(
        frameworks=ANY,
        verdicts=_ANY_IMPORT,
        pattern=r"completely unsigned|has no cdhash",
        cause="A library has no code signature, without which no Mac with Apple Silicon loads it.",
        remedy="Take another release of its package; if the file was changed after it was installed, {check_files}.",
        source="Leseratte10/acsm-calibre-plugin#109",
    ),
    Rule(
        frameworks=ANY,
        verdicts=_ANY_IMPORT,
        pattern=r"different Team IDs|mapped file has no Team ID",
        cause="The security policy of macOS lets this interpreter load only libraries with its own signature.",
        remedy=_NATIVE,
        source="numpy/numpy#15670",
    ),
    # --- native code that does not fit the machine
    Rule(
        frameworks=ANY,
        verdicts=_ANY_IMPORT,
        pattern=r"duplicate LC_RPATH|missing LC_UUID",
        cause="A library was built in a way that this macOS{macos} refuses: it repeats a search path, or has no "
        "identifier. The file is as its package brought it.",
        remedy="Name a newer release of its package {declared}. If the library is the interpreter's own, run setup.yml "
        "with `native_python_source: standalone`.",
        source="python/cpython#138070",
    ),
    Rule(
        frameworks=ANY,
        verdicts=_ANY_IMPORT,
        pattern=r"Library not loaded: @rpath/(?P<lost>[^\s/]+)[\s\S]*'(?P<other>/(?:usr/local|opt/homebrew)/[^']*)' "
        r"\(mach-o file, but is an incompatible",
        cause="The library {lost} is missing; only a copy for another processor was found, {other}.",
        remedy="Install it for Apple Silicon, with the Homebrew in /opt/homebrew, or take a release of the package "
        "that brings its own.",
    ),
    Rule(
        frameworks=ANY,
        verdicts=_ANY_IMPORT,
        pattern=r"Library not loaded: (?P<lost>/(?:usr/local|opt|Users)/(?!\S*(?:Python|libpython))\S*)",
        cause="A library outside the environment is gone, as after an upgrade of Homebrew's: {lost}.",
        remedy="Install what brings it again, or take a release of the package that brings its own.",
        source="tensorflow/tensorflow#9089",
    ),
    Rule(
        frameworks=ANY,
        verdicts=_ANY_IMPORT,
        pattern=r"incompatible architecture|wrong architecture|Bad CPU type|Exec format error|wrong ELF class",
        cause="The environment holds native code for another processor, as when Python was installed under Rosetta.",
        remedy=_NATIVE,
        source="apple/tensorflow_macos#21",
    ),
    Rule(
        frameworks=ANY,
        verdicts=_DIED_IMPORTING,
        stages=("start",),
        pattern=r"Library not loaded: [/@]\S*(?:Python|libpython)|No module named 'encodings'"
        r"|posix_spawn: .*Python\.app",
        cause="The Python that the environment's interpreter was made from is gone, as after an upgrade of it.",
        remedy="Run setup.yml: it rebuilds the environment. With `native_python_source: standalone` no other program "
        "replaces or removes its Python.",
        source="AcademySoftwareFoundation/rez#1818",
    ),
    Rule(
        verdicts=("crashed",),
        pattern=_MISSES_INSTRUCTIONS,
        when=(_as_x86_64, _on_linux),
        cause=_NEEDS_AVX,
        remedy=_OTHER_PROCESSOR,
        source="acil-bwh/ChestImagingPlatform#51",
    ),
    Rule(
        verdicts=("crashed",),
        pattern=_MISSES_INSTRUCTIONS,
        when=(_as_x86_64,),
        cause=_NO_AVX_IN_ROSETTA,
        remedy=_NATIVE,
        source="acil-bwh/ChestImagingPlatform#51",
    ),
    Rule(
        signals=("SIGILL",),
        when=(_as_x86_64, _on_linux),
        cause=_NEEDS_AVX,
        remedy=_OTHER_PROCESSOR,
        source="tensorflow/tensorflow#25822",
    ),
    Rule(
        signals=("SIGILL",),
        when=(_as_x86_64,),
        cause=_NO_AVX_IN_ROSETTA,
        remedy=_NATIVE,
        source="tensorflow/tensorflow#58339",
    ),
    Rule(
        frameworks=ANY,
        signals=("SIGILL",),
        cause="Illegal instruction: a package uses one that this processor, or the virtual machine, does not offer.",
        remedy="Name an older release of the package {declared}, or declare an older `tensorflow`. In a virtual "
        "machine, update its software.",
    ),
    # --- the plug-in and TensorFlow
    Rule(
        frameworks=ANY,
        verdicts=_ANY_IMPORT,
        pattern=r"Expected in:\s+(?:<[^>]+> )?'?(?P<replaced>/(?!System/|usr/lib/)[^\n']*/libc\+\+[^\n']*)",
        cause="A library of the system is replaced by {replaced}, as DYLD_LIBRARY_PATH does it.",
        remedy="Take DYLD_LIBRARY_PATH out of the user's start-up files.",
    ),
    Rule(
        frameworks=ANY,
        verdicts=_DIED_IMPORTING,
        stages=("start",),
        pattern=_NEWER_MACOS,
        cause="The environment's Python was built for a newer macOS than this one{macos}.",
        remedy="Update macOS, or run setup.yml with `native_python_source: standalone`.",
    ),
    Rule(
        frameworks=ANY,
        verdicts=_ANY_IMPORT,
        pattern=_NEWER_MACOS,
        cause="A library was built for a newer macOS than this one{macos}: it needs what this one does not have.",
        remedy="Update macOS, or set `tensorflow_oldest_macos` to the version of this one and run lock.yml, so that "
        "only packages are taken that were made for it. A `lock` of your own must name such packages.",
    ),
    Rule(
        verdicts=_DIED_IMPORTING,
        when=(_with_stray_plugins,),
        pattern=rf"{_PLUGIN_FILE}.*(?:{_NOT_LINKED})",
        cause="The plug-in {library} does not link with TensorFlow {tensorflow}, and is not one of {environment}.",
        remedy="Remove the folder {stray_plugins}: TensorFlow loads what is in there in every environment.",
        source="tensorflow/tensorflow#50541",
    ),
    Rule(
        verdicts=_DIED_IMPORTING,
        pattern=rf"{_PLUGIN_FILE}.*(?:{_NOT_LINKED})",
        cause="The plug-in {library} does not link with TensorFlow {tensorflow}.{since}",
        remedy="{other_pair}",
        source="tensorflow/tensorflow#84167",
    ),
    Rule(
        verdicts=_DIED_IMPORTING,
        pattern=rf"^(?P<evidence>.*(?:{_NOT_LINKED})[^\n]*)\n\s*Referenced from: (?:<[^>]+> )?'?{_PLUGIN_FILE}",
        cause="The plug-in {library} does not link with TensorFlow {tensorflow}.{since}",
        remedy="{other_pair}",
        source="tensorflow/tensorflow#84167",
    ),
    Rule(
        verdicts=_DIED_IMPORTING,
        when=(_with_plugins_of_user,),
        pattern=_REGISTERED_TWICE,
        cause="Two plug-ins register the same device, one of them from {plugins_of_user}.",
        remedy="Remove {plugins_of_user}: TensorFlow loads what is in there in every environment.",
        source="pleonard212/pix-plot#268",
    ),
    Rule(
        verdicts=_DIED_IMPORTING,
        pattern=_REGISTERED_TWICE,
        cause="Two plug-ins register the same device.",
        remedy="Keep one: to remove what the environment should not have, {check_files}, and remove any "
        "`tensorflow-plugins` folder in the user's own site-packages.",
        source="pleonard212/pix-plot#268",
    ),
    Rule(
        verdicts=("crashed",),
        pattern=r"RegisterPluggableDevicePlugin.*(\n(?P<evidence>Status: .*))?",
        cause="The plug-in and TensorFlow {tensorflow} refuse each other.{since}",
        remedy="{other_pair}",
    ),
    Rule(
        verdicts=("crashed",),
        when=(_with_plugin,),
        stages=_ON_GPU,
        pattern=r"libprotobuf FATAL|google::protobuf::FatalException",
        cause="The plug-in {plugin} and TensorFlow {tensorflow} each bring a protobuf, and these do not agree.{since}",
        remedy="{other_pair}",
        source="tensorflow/tensorflow#64507",
    ),
    # --- TensorFlow's own import
    Rule(
        frameworks=ANY,
        verdicts=_ANY_IMPORT,
        pattern=r"\[Errno 23\]|Too many open files in system",
        cause="The whole Mac has too many files open.",
        remedy="Quit programs that have many files open, or restart the Mac, and run again.",
    ),
    Rule(
        frameworks=ANY,
        verdicts=(*_ANY_IMPORT, "training-failed"),
        pattern=r"No space left on device|\[Errno 28\]",
        cause="The disk is full.",
        remedy="Free some space and run again.",
    ),
    Rule(
        frameworks=ANY,
        verdicts=_ANY_IMPORT,
        pattern=r"\[Errno 24\]|Too many open files",
        cause="The process may have too few open files: a session of macOS starts with a limit of 256.",
        remedy="Put `ulimit -n 4096` into the user's ~/.zshenv (or what the login shell reads), and run again.",
        source="radical-cybertools/radical.pilot#1122",
    ),
    Rule(
        frameworks=ANY,
        verdicts=_ANY_IMPORT,
        pattern=r"std::bad_alloc|Cannot allocate memory|MemoryError",
        cause="There was not enough memory.{memory}",
        remedy="Quit other programs and run again.",
    ),
    Rule(
        frameworks=ANY,
        verdicts=("import-failed",),
        pattern=r"\w+ was imported from (?P<elsewhere>\S+), which is not in",
        cause="Python finds another {framework} than that of {environment}: {elsewhere}.",
        remedy="Remove what leads there, often a .pth file or a package that was installed for development; to find "
        "it, {check_files}.",
    ),
    Rule(
        frameworks=(LITERT,),
        verdicts=("import-failed",),
        pattern=r"No module named 'ai_edge_litert'",
        cause="LiteRT is not installed in {environment}.",
        remedy="Name `ai-edge-litert` in the `lock` if you have one of your own, or leave `lock` out.",
    ),
    Rule(
        verdicts=("import-failed",),
        pattern=r"No module named 'tensorflow'",
        cause="TensorFlow is not installed in {environment}.",
        remedy="Name it {declared}, and run setup.yml.",
    ),
    Rule(
        verdicts=_ANY_IMPORT,
        pattern=r"Another metric with the same name already exists|Cannot register 2 metrics with the same name"
        r"|compat\.v2\.(?:__internal__|experimental)",
        cause="Keras and TensorFlow {tensorflow} are of incompatible releases.",
        remedy=_ANOTHER_KERAS,
        source="tensorflow/tensorflow#51592",
    ),
    Rule(
        verdicts=("keras-failed",),
        pattern=r"No module named 'tensorflow\.|cannot import name '\w+' from 'tensorflow",
        raised=True,
        cause=_KERAS_ASKS_FOR_MORE,
        remedy=_ANOTHER_KERAS,
        source="serengil/deepface#552",
    ),
    Rule(
        verdicts=("import-failed",),
        pattern=r"No module named 'tensorflow\.(?:python\.trackable|compat)",
        raised=True,
        cause=_KERAS_ASKS_FOR_MORE,
        remedy=_ANOTHER_KERAS,
        source="keras-team/keras#17609",
    ),
    Rule(
        verdicts=("import-failed",),
        pattern=r"module 'tensorflow' has no attribute|No module named 'tensorflow\.",
        cause="TensorFlow is incomplete in {environment}, as when another of its packages was removed: parts of it are "
        "missing.",
        remedy="To repair it, {check_files}. A `lock` must name only one of tensorflow, tensorflow-macos and "
        "tensorflow-cpu.",
    ),
    Rule(
        frameworks=ANY,
        verdicts=_ANY_IMPORT,
        pattern=r"compiled using NumPy 1\.x|numpy\._?core\.(?:multiarray|umath|_multiarray_umath) failed to import"
        r"|numpy\.dtype size changed|compiled against (?:A[BP]I|NumPy C-API) version|_ARRAY_API not found"
        r"|No module named 'numpy\._core"
        r"|was removed in the NumPy 2|module 'numpy' has no attribute",
        cause="The installed NumPy is not of the release that {framework} {version} was compiled for.",
        remedy="Name a NumPy that {framework} allows {declared}.",
        source="tensorflow/tensorflow#90245",
    ),
    Rule(
        frameworks=ANY,
        verdicts=_ANY_IMPORT,
        pattern=r"incompatible Protobuf Gencode|from 'google\.protobuf|No module named 'google(?:\.protobuf)?"
        r"|Descriptors cannot (?:not )?be created directly|google/protobuf/[^\n]*[Ss]ymbol not found"
        r"|duplicate file name|has no attribute 'GetPrototype'|libprotobuf FATAL"
        r"|File already exists in database",
        cause="The installed protobuf is not of a release that {framework} {version}, or another package of the "
        "environment, was made for.",
        remedy="Name a protobuf that all packages allow {declared}.",
        source="tensorflow/tensorflow#98980",
    ),
    Rule(
        verdicts=_ANY_IMPORT,
        pattern=r"Keras cannot be imported|No module named '(?:keras|tf_keras)[.']",
        cause="Keras is missing in {environment}, or cannot be imported.",
        remedy="Name a keras that works with TensorFlow {tensorflow} {declared}.",
    ),
    Rule(
        frameworks=ANY,
        verdicts=_NOT_IMPORTED,
        pattern=r"module 'ml_dtypes' has no attribute",
        cause="The installed ml_dtypes is not of a release that {framework} {version}, or another package, was made "
        "for.",
        remedy="Name an ml_dtypes that all packages allow {declared}.",
        source="onnx/tensorflow-onnx#2245",
    ),
    Rule(
        frameworks=ANY,
        verdicts=_NOT_IMPORTED,
        pattern=r"No module named '_?(?P<package>bz2|ctypes|curses|dbm|hashlib|lzma|sqlite3|ssl|tkinter|uuid|zlib)'",
        raised=True,
        cause="The environment's Python was built without its module {package}.",
        remedy="Run remove.yml with `-e tensorflow_name=NAME`, then setup.yml with `native_python_source: standalone`, "
        "which brings a complete Python.",
        source="pyenv/pyenv#1800",
    ),
    Rule(
        frameworks=ANY,
        verdicts=_NOT_IMPORTED,
        pattern=r"No module named '(?P<package>asynchat|asyncore|cgi|crypt|distutils|imghdr|imp|pipes|telnetlib)'",
        raised=True,
        cause="A package asks for Python's module {package}, which newer Pythons do not have any more.",
        remedy="Name a newer release of that package {declared}, or declare an older `python`.",
    ),
    Rule(
        frameworks=ANY,
        verdicts=_NOT_IMPORTED,
        pattern=r"No module named '(?P<package>pkg_resources)'",
        raised=True,
        cause="A package asks for pkg_resources, which newer releases of setuptools do not have any more.",
        remedy="Name a newer release of that package, or an older setuptools, {declared}.",
    ),
    Rule(
        frameworks=ANY,
        verdicts=_NOT_IMPORTED,
        pattern=r"No module named '(?P<package>\w+(?:\.\w+)+)'",
        raised=True,
        cause="A part of a package is missing, {package}: it is damaged, or of a release that another one does not "
        "expect.",
        remedy="To repair what is damaged, {check_files}. If that does not help, name a release of it that the others "
        "allow {declared}.",
    ),
    Rule(
        frameworks=ANY,
        verdicts=_NOT_IMPORTED,
        raised=True,
        pattern=r"(?:No module named '|you need to have `)(?P<package>[\w.-]+)['`]",
        cause="The Python module {package} is missing, which something in {environment} needs.",
        remedy="Name the package that brings it {declared}.",
    ),
    Rule(
        frameworks=ANY,
        verdicts=_ANY_IMPORT,
        pattern=r"file too short|extends beyond end of file|invalid ELF header|not valid mach-o|not a mach-o"
        r"|truncated mach-o|file truncated"
        r"|code signature (?:in .* not valid|invalid)|Library not loaded|image not found|cannot open shared object",
        cause="A native library of the environment is damaged or missing.",
        remedy="To repair it, {check_files}.",
    ),
    # --- no GPU
    Rule(
        verdicts=("crashed",),
        when=(_in_virtual_machine,),
        pattern=_NO_METAL,
        cause="Metal offers no GPU to programs in this virtual machine, and the plug-in then ends the program.",
        remedy="In this virtual machine, {without_gpu}.",
        source="openai/tart#501",
        of_session=True,
    ),
    Rule(
        verdicts=_OF_GPU,
        when=(_without_gui_session,),
        pattern=_NO_METAL,
        cause="Metal offers no GPU to this session, and nobody is logged in at the Mac's screen.",
        remedy=_LOG_IN,
    ),
    Rule(
        verdicts=_OF_GPU,
        when=(_with_gui_session,),
        pattern=_NO_METAL,
        cause="Metal offers no GPU to this session, though somebody is logged in at the Mac's screen.",
        remedy=_AT_SCREEN,
        of_session=True,
    ),
    Rule(
        verdicts=_OF_GPU,
        pattern=_NO_METAL,
        cause="Metal offers no GPU to this session.",
        remedy=_NO_GPU_IN_SESSION,
        of_session=True,
    ),
    *_OF_NVIDIA,
    Rule(
        verdicts=("gpu-missing",),
        when=(_on_linux, _without_plugin),
        cause="TensorFlow lists no GPU: on Linux it uses those of NVIDIA, of which none is seen here, and the Metal "
        "plug-in is for macOS only.",
        remedy="Leave `gpu` out, which requires a GPU only where there is one, or declare `gpu: none`.",
    ),
    Rule(
        verdicts=("gpu-missing",),
        when=(_as_x86_64, _on_mac, _without_plugin),
        cause="The environment's Python runs as x86_64, under Rosetta, where no GPU can be used.",
        remedy=_NATIVE,
    ),
    Rule(
        verdicts=("gpu-missing",),
        when=(_without_plugin,),
        cause="tensorflow-metal is not installed in this environment.",
        remedy="Leave out `metal`, so that the plug-in that goes with TensorFlow is taken, or name it in the `lock` "
        "if you have one of your own. To compute on the CPU, declare `gpu: none`.",
        source="sun1638650145/Libraries-and-Extensions-for-TensorFlow-for-Apple-Silicon#20",
    ),
    Rule(
        verdicts=("gpu-missing",),
        when=(_with_plugin, _without_plugin_files),
        cause="tensorflow-metal {plugin} is installed, but no tensorflow-plugins folder with its library is there, so "
        "that TensorFlow has not loaded it.",
        remedy="To repair it, {check_files}.",
    ),
    Rule(
        verdicts=("gpu-missing",),
        when=(_in_virtual_machine,),
        cause="The plug-in {plugin} is there, but offers no GPU: this is a virtual machine.",
        remedy="Declare `gpu: preferred` for virtual machines.",
        source="openai/tart#501",
        of_session=True,
    ),
    Rule(
        verdicts=("gpu-missing",),
        when=(_without_gui_session,),
        cause="The plug-in {plugin} is there, but offers no GPU, and nobody is logged in at the Mac's screen.",
        remedy=_LOG_IN,
    ),
    Rule(
        verdicts=("gpu-missing",),
        when=(_with_gui_session,),
        cause="The plug-in {plugin} is there, but offers no GPU.{since}",
        remedy="{other_pair}",
        of_session=True,
    ),
    Rule(
        verdicts=("gpu-missing",),
        cause="The plug-in {plugin} is there, but offers no GPU.",
        remedy=_NO_GPU_IN_SESSION,
    ),
    # --- a GPU that is there
    Rule(
        verdicts=_AT_WORK,
        pattern=r"^(?P<evidence>.*(?:Insufficient Memory|ErrorOutOfMemory|ResourceExhaustedError|OOM when allocating"
        r"|Dst tensor is not initialized).*)",
        cause="The GPU ran out of memory, and what it computed then is not complete.{memory}",
        remedy="Quit other programs that use the GPU or much memory, and run again.",
        source="tensorflow/tensorflow#57058",
    ),
    Rule(
        verdicts=_AT_WORK,
        pattern=r"^(?P<evidence>.*(?:Impacting Interactivity|InnocentVictim|victim of GPU error|Ignored \(for causing"
        r"|\(0000000e:Internal Error).*)",
        cause="macOS aborted work of the GPU, so that what it computed is not complete.",
        remedy="Quit other programs that use the GPU, restart the Mac and run again; if that does not help, update "
        "macOS.",
        source="apple/tensorflow_macos#202",
    ),
    Rule(
        verdicts=_OF_GPU,
        pattern=r"XPC_ERROR_CONNECTION_INTERRUPTED",
        cause="Metal's compiler, a service of macOS, died while it worked.",
        remedy="Restart the Mac and run again; if that does not help, update macOS.",
    ),
    Rule(
        verdicts=_OF_GPU,
        pattern=r"XPC_ERROR_CONNECTION_INVALID(?:[\s\S]*\n(?P<evidence>.*failed assertion.*))?|MTLCompilerService",
        cause="The session cannot reach Metal's compiler, a service of macOS.",
        remedy="Log in at the Mac's screen and run again; if that does not help, restart the Mac.",
        source="xorbitsai/inference#469",
        of_session=True,
    ),
    Rule(
        verdicts=("gpu-unusable",),
        pattern=NO_KERNEL,
        cause="The GPU is listed, but the plug-in has no code for a basic operation on it.{since}",
        remedy="{other_pair}",
        source="tensorflow/tensorflow#53026",
    ),
    Rule(
        verdicts=("gpu-unusable",),
        stages=("create",),
        when=(_without_gui_session,),
        cause="The GPU is listed, but cannot be opened, and nobody is logged in at the Mac's screen.",
        remedy=_LOG_IN,
    ),
    Rule(
        verdicts=("gpu-unusable",),
        stages=("create",),
        cause="The GPU is listed, but cannot be opened.",
        remedy="Restart the Mac, or log in at its screen, and run again; if that does not help, {without_gpu}.",
        of_session=True,
    ),
    Rule(
        verdicts=("gpu-unusable",),
        cause="The GPU is listed and can be opened, but does not compute.{since}",
        remedy="{other_pair}",
    ),
    Rule(
        verdicts=("gpu-software",),
        pattern=r"^.*Metal device set to: .*Software.*",
        cause="Metal has no GPU here, only its software renderer, which is slower than TensorFlow on the CPU.",
        remedy="In a virtual machine {without_gpu}. On a Mac with a GPU, restart it and run again.",
    ),
    Rule(
        verdicts=("gpu-wrong-results",),
        stages=("known-faults",),
        cause="The GPU shows a fault that others have published, and `known_faults: fail` makes it one here.",
        remedy=f"{_UPDATE_OR_OTHER_PAIR} To be told only, leave out `known_faults`.",
        source="tensorflow/tensorflow#71577",
    ),
    Rule(
        verdicts=("gpu-wrong-results",),
        when=(_with_nvidia, _without_plugin),
        cause="The GPU computes wrong numbers where only one result is correct. No training on it can be trusted.",
        remedy=_RESTART_HOST,
    ),
    Rule(
        verdicts=("gpu-wrong-results",),
        stages=("close", "ops"),
        when=(_with_usual_pair,),
        cause="The GPU computes an operation wrong that models are made of. No training on it can be trusted.{since}",
        remedy=_UPDATE_OR_CPU,
        source="tensorflow/tensorflow#92686",
    ),
    Rule(
        verdicts=("gpu-wrong-results",),
        stages=("close", "ops"),
        cause="The GPU computes an operation wrong that models are made of. No training on it can be trusted.",
        remedy=_UPDATE_OR_OTHER_PAIR,
        source="tensorflow/tensorflow#92686",
    ),
    Rule(
        verdicts=("gpu-wrong-results",),
        when=(_with_usual_pair,),
        cause="The GPU computes wrong numbers where only one result is correct. "
        "No training on it can be trusted.{since}",
        remedy=_UPDATE_OR_CPU,
        source="actions/runner-images#14380",
    ),
    Rule(
        verdicts=("gpu-wrong-results",),
        cause="The GPU computes wrong numbers where only one result is correct. No training on it can be trusted.",
        remedy=_UPDATE_OR_OTHER_PAIR,
        source="actions/runner-images#14380",
    ),
    # --- training
    Rule(
        stages=_LEARNING,
        pattern=r"^(?P<evidence>.*(?:Could not find compiler for platform METAL|XLA compilation"
        r"|could not find registered platform with id).*)",
        cause="Something asks for XLA, TensorFlow's compiler, for which Apple's GPU has no part.",
        remedy="Where a model is compiled, say `jit_compile=False`. With TensorFlow 2.11 to 2.15 take the optimizers "
        "of `tf.keras.optimizers.legacy`, which do without it, or declare a newer `tensorflow`.",
        source="tensorflow/tensorflow#58988",
    ),
    Rule(
        verdicts=("training-failed", "keras-failed"),
        when=(_with_plugin,),
        pattern=rf"^.*{NO_KERNEL}.*",
        cause="The plug-in {plugin} has no code for an operation that training needs.{since}",
        remedy="{other_pair}",
    ),
    Rule(
        verdicts=("training-failed",),
        when=(_with_plugin, _on_gpu, _without_learning),
        cause="A small model does not learn on the GPU, or not as it does on the CPU. No training on this GPU can be "
        "trusted.{since}",
        remedy=_UPDATE_OR_CPU,
        source="keras-team/tf-keras#140",
    ),
    # --- crashes
    Rule(
        frameworks=ANY,
        signals=("SIGKILL",),
        stages=("start",),
        when=(_on_linux,),
        cause="The interpreter was killed from outside as it started, as systems do when memory runs short.{memory}",
        remedy="Quit other programs and run again.",
    ),
    Rule(
        frameworks=ANY,
        signals=("SIGKILL",),
        stages=("start",),
        cause="The interpreter was killed as it started. macOS does so to one whose code signature it does not accept, "
        "which happens to freshly unpacked ones.",
        remedy="Type `codesign --force --sign - {interpreter}` and run again.",
        source="astral-sh/uv#16003",
    ),
    Rule(
        frameworks=ANY,
        signals=("SIGKILL",),
        when=(_on_linux,),
        cause="The process was killed from outside, as systems do when memory runs short.{memory}",
        remedy="Quit other programs and run again.",
    ),
    Rule(
        frameworks=ANY,
        signals=("SIGKILL",),
        cause="The process was killed from outside. macOS does so when memory runs short, and where a library's code "
        "signature is not valid.{memory}",
        remedy="Look into the Mac's program Console, under Crash Reports. If there is a JetsamEvent, end other "
        "programs and run again; if a report of Python says CODESIGNING, {check_files}.",
        source="tensorflow/tensorflow#52138",
    ),
    Rule(
        frameworks=ANY,
        verdicts=("crashed", "import-failed", "keras-failed"),
        pattern=r"^(?P<evidence>.*(?:OMP: Error #15|HDF5 library version mismatch).*)",
        cause="Two copies of one library are loaded into the same process, from different packages.",
        remedy="Take one of the packages that bring it out of the environment's `packages` or `lock`; often they are "
        "opencv-python, torch or scikit-learn, or a second h5py.",
        source="pytorch/pytorch#78490",
    ),
    Rule(
        verdicts=("crashed", "timed-out"),
        pattern=r"mutex lock failed|mutex\.cc.*Lock blocking",
        cause="TensorFlow waits for a lock that another library in the same process has broken.",
        remedy="Take packages that bring a copy of the same native code, often pyarrow, torch or onnxruntime, out of "
        "the environment's `packages` or `lock`, or declare an older `tensorflow`.",
        source="tensorflow/tensorflow#98563",
    ),
    Rule(
        verdicts=("crashed", "timed-out"),
        stages=("import",),
        when=(_with_plugins_of_user,),
        cause="The import of TensorFlow did not come to its end, and it also loads the plug-in in {plugins_of_user}.",
        remedy="Remove {plugins_of_user}, unless it is known to be good, and run again.",
    ),
    Rule(
        verdicts=("crashed",),
        stages=_AFTER_START,
        when=(_with_usual_pair,),
        cause="Native code crashed in stage {stage} ({signal}), for a reason that is not known here. TensorFlow "
        "{tensorflow} and plug-in {plugin} are known to work together, so something else is at fault.{since}",
        remedy="{other_pair}",
    ),
    Rule(
        verdicts=("crashed",),
        stages=_AFTER_START,
        signals=("SIGSEGV", "SIGBUS"),
        when=(_with_plugin,),
        cause="Native code crashed in stage {stage} ({signal}); most often it is a plug-in that was made for another "
        "TensorFlow.{since}",
        remedy="{other_pair}",
        source="tensorflow/tensorflow#60395",
    ),
    Rule(
        frameworks=ANY,
        verdicts=("crashed",),
        cause="Native code crashed in stage {stage} ({signal}), for a reason that is not known here.",
        remedy=_UNKNOWN,
    ),
    # --- time
    Rule(
        verdicts=("timed-out",),
        stages=("start", "import"),
        when=(_with_plugin,),
        cause="TensorFlow could not be imported in time.{since}",
        remedy="Run again, or with a longer `tensorflow_probe_timeout`: macOS examines new libraries once, which can "
        "take minutes. If it never ends, the plug-in hangs. {other_pair}",
    ),
    Rule(
        frameworks=ANY,
        verdicts=("timed-out",),
        stages=("start", "import"),
        cause="{framework} could not be imported in time.",
        remedy="Run again, or with a longer `tensorflow_probe_timeout`: macOS examines new libraries once, which can "
        "take minutes.",
    ),
    Rule(
        verdicts=("timed-out",),
        stages=("list", *_ON_GPU),
        when=(_with_plugin, _on_gpu),
        cause="The computation in stage {stage} did not end in time.",
        remedy="Restart the Mac and run again; if that does not help, {without_gpu}.",
    ),
    Rule(
        frameworks=ANY,
        verdicts=("timed-out",),
        cause="The computation in stage {stage} did not end in time.",
        remedy="Run again, or with a longer `tensorflow_probe_timeout`.",
    ),
    # --- LiteRT
    Rule(
        frameworks=(LITERT,),
        verdicts=("gpu-missing",),
        pattern=r"^.*(?:No adapters found|GPU accelerator could not be loaded).*",
        cause="LiteRT {litert} finds no GPU here, or has no accelerator for it.",
        remedy="Declare `gpu: preferred`, which takes the CPU where there is no GPU.",
        of_session=True,
    ),
    Rule(
        frameworks=(LITERT,),
        verdicts=("gpu-missing",),
        cause="LiteRT {litert} cannot use a GPU here: its accelerator finds none, or is not there.",
        remedy="Declare `gpu: preferred`, which takes the CPU where there is no GPU.",
        of_session=True,
    ),
    Rule(
        frameworks=(LITERT,),
        verdicts=("gpu-software",),
        pattern=r"^.*Selected adapter: .*",
        cause="LiteRT has no GPU here: a program on the CPU stands in for one, which is slower than LiteRT on the CPU.",
        remedy="Declare `gpu: none`.",
    ),
    Rule(
        frameworks=(LITERT,),
        verdicts=("gpu-wrong-results", "gpu-unusable"),
        cause="The GPU does not compute a small model right, of which only one result is correct.{since}",
        remedy="Update macOS, restart the Mac and run again; if that does not help, declare `gpu: none`.",
    ),
    Rule(
        frameworks=(LITERT,),
        verdicts=("model-failed",),
        pattern=r"Could not open '(?P<file>.*)'",
        cause="The model {file} is not there, or cannot be read.",
        remedy="Bring it to that place on the host, or correct `models`.",
    ),
    Rule(
        frameworks=(LITERT,),
        verdicts=("model-failed",),
        when=(_ended_by_signal,),
        pattern=rf"^{RUNNING}(?P<file>.*)$(?![\s\S]*^{RUNNING})",
        cause="The model {file} crashes LiteRT {litert} ({signal}).",
        remedy="Convert it again for LiteRT {litert}, or correct `models`.",
    ),
    Rule(
        frameworks=(LITERT,),
        verdicts=("model-failed",),
        pattern=rf"{_MODEL}[\s\S]*(?:not a valid Flatbuffer|allocation is null/empty|[Mm]odel identifier)",
        cause="The file {file} is no model of LiteRT, or is damaged.",
        remedy="Bring there the whole file that the converter of LiteRT has made, or correct `models`.",
    ),
    Rule(
        frameworks=(LITERT,),
        verdicts=("model-failed",),
        pattern=rf"{_MODEL}[\s\S]*Select TensorFlow op",
        cause="The model {file} needs operations of TensorFlow itself, which LiteRT does not have.",
        remedy="Convert it again with LiteRT's own operations alone, without SELECT_TF_OPS; or leave it out of "
        "`models`, and run it with tf.lite.Interpreter in an environment for TensorFlow.",
    ),
    Rule(
        frameworks=(LITERT,),
        verdicts=("model-failed",),
        pattern=rf"{_MODEL}[\s\S]*unresolved custom op: (?P<operation>[\w:-]+)",
        cause="The model {file} needs the operation {operation}, which LiteRT does not have: whoever made the model "
        "brings it along.",
        remedy="Leave it out of `models`, for only a program with that operation can run it; or convert it without.",
    ),
    Rule(
        frameworks=(LITERT,),
        verdicts=("model-failed",),
        pattern=_MODEL,
        cause="LiteRT works, but cannot load or run the model {file}.",
        remedy="Convert it again for LiteRT {litert}, or correct `models`.",
    ),
    Rule(
        frameworks=(LITERT,),
        verdicts=("model-failed",),
        cause="LiteRT works, but cannot load or run a model of `models`.",
        remedy="Convert the model again for LiteRT {litert}, or correct `models`.",
    ),
    # --- what is not known
    Rule(
        verdicts=("training-failed",),
        cause="TensorFlow computes in {environment}, but a small model does not learn, for a reason that is not known "
        "here.",
        remedy=_UNKNOWN,
    ),
    Rule(
        verdicts=("keras-failed",),
        cause="TensorFlow computes in {environment}, but Keras does not work, for a reason that is not known here.",
        remedy=_UNKNOWN,
    ),
    Rule(
        frameworks=ANY,
        cause="{framework} does not work in {environment}, for a reason that is not known here.",
        remedy=_UNKNOWN,
    ),
)
