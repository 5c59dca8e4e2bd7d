# SPDX-License-Identifier: GPL-3.0-or-later
"""What a failed probe means: its cause, the line that shows it, and what to type or declare.

PRIVATE to this collection. The knowledge is the table RULES, read from top to bottom; the first rule that fits is the
answer, and the last rules fit every failure. To teach it another failure, add a rule, and to its test the text that was
seen. The wordings of macOS's loader differ between its releases, so patterns hold only what all of them have in common.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

MAX_EVIDENCE_LENGTH = 500


@dataclass(frozen=True)
class Diagnosis:
    """Why a verdict is bad, how that is known, and what helps."""

    cause: str
    evidence: str
    remedy: str


@dataclass(frozen=True)
class Failure:
    """What there is to judge by."""

    verdict: str
    stage: str
    """The stage in which the probe ended."""
    summary: str
    """How it ended, in one line: the evidence if no line of `text` is better."""
    text: str = ""
    """The error, then everything that was printed."""
    signal: str = ""
    """Name of the signal that ended the process, such as SIGSEGV."""
    plugin: str | None = None
    """Version of the installed Metal plug-in."""
    words: dict[str, str] = field(default_factory=dict)
    """What else the rules' texts may name in braces: environment, interpreter, machine, tensorflow."""


@dataclass(frozen=True)
class Rule:
    """A known failure. It fits when all that it asks for is so; its texts may name words and groups of its pattern."""

    cause: str
    remedy: str
    verdicts: tuple[str, ...] = ()
    stages: tuple[str, ...] = ()
    signals: tuple[str, ...] = ()
    pattern: str = ""
    """Searched in the text. The evidence is the group of that name, if there is one, else the line of the match."""
    with_plugin: bool | None = None

    def explain(self, failure: Failure) -> Diagnosis | None:
        """The diagnosis if this rule fits, else nothing."""
        if not self._asks_for(failure):
            return None
        match = re.search(self.pattern, failure.text, re.MULTILINE)
        if match is None:
            return None
        evidence = _evidence(match) if self.pattern else failure.summary
        words = {**failure.words, "stage": failure.stage, "signal": failure.signal, **match.groupdict()}
        return Diagnosis(self.cause.format(**words), evidence[:MAX_EVIDENCE_LENGTH], self.remedy.format(**words))

    def _asks_for(self, failure: Failure) -> bool:
        return (
            (not self.verdicts or failure.verdict in self.verdicts)
            and (not self.stages or failure.stage in self.stages)
            and (not self.signals or failure.signal in self.signals)
            and self.with_plugin in (None, failure.plugin is not None)
        )


def _evidence(match: re.Match[str]) -> str:
    if line := match.groupdict().get("evidence"):
        return line.strip()
    text = match.string
    start = text.rfind("\n", 0, match.start()) + 1
    end = text.find("\n", match.start())
    return text[start : end if end >= 0 else len(text)].strip()


def diagnose(failure: Failure) -> Diagnosis:
    """Find out what a failure means.

    Args:
        failure: How a probe ended that did not end well.

    Returns:
        The diagnosis of the first rule that fits; there always is one.
    """
    return next(filter(None, (rule.explain(failure) for rule in RULES)))


_PAIR = "Declare a TensorFlow and a plug-in that go together, such as `tensorflow: 2.18.1` with `metal: 1.2.0`."
_REBUILD = "Build the environment again."
_NATIVE = "Build the environment again with a native arm64 Python: `file -L {interpreter}` must say arm64."
_WITHOUT_GPU = "declare `metal: false` and `gpu: none` to compute on the CPU"
_NO_GPU_IN_SESSION = (
    "On a Mac with a GPU, log in at its screen and run again: some releases of macOS offer Metal only then. "
    "In a virtual machine declare `gpu: preferred`."
)

RULES: tuple[Rule, ...] = (
    # --- native code that does not fit the machine
    Rule(
        verdicts=("import-failed", "crashed"),
        pattern=r"incompatible architecture|wrong architecture|Bad CPU type|Exec format error|wrong ELF class",
        cause="The environment holds native code for another processor, as when Python was installed under Rosetta.",
        remedy=_NATIVE,
    ),
    Rule(
        signals=("SIGILL",),
        cause="TensorFlow uses an instruction that the processor does not have. The interpreter runs as {machine}; "
        "the x86_64 build of TensorFlow needs AVX, which Rosetta does not offer.",
        remedy=_NATIVE,
    ),
    # --- the plug-in and TensorFlow
    Rule(
        verdicts=("import-failed",),
        pattern=r"(?P<library>/[^\n,:(]*tensorflow-plugins/[^\s,:)]+).*"
        r"([Ss]ymbol not found|undefined symbol|Library not loaded)",
        cause="The plug-in {library} does not link with TensorFlow {tensorflow}.",
        remedy=_PAIR + " If that file is not inside {environment}, it is a stray one: remove it.",
    ),
    Rule(
        verdicts=("import-failed", "crashed"),
        pattern=r"already registered",
        cause="Two plug-ins register the same device.",
        remedy="Keep one: remove tensorflow-metal or tensorflow-metal-plugin, "
        "and any `tensorflow-plugins` folder in the user's own site-packages.",
    ),
    Rule(
        verdicts=("crashed",),
        pattern=r"RegisterPluggableDevicePlugin.*(\n(?P<evidence>Status: .*))?",
        cause="The plug-in and TensorFlow {tensorflow} refuse each other.",
        remedy=_PAIR,
    ),
    # --- TensorFlow's own import
    Rule(
        verdicts=("import-failed",),
        pattern=r"No module named 'tensorflow'",
        cause="TensorFlow is not installed in {environment}.",
        remedy=_REBUILD,
    ),
    Rule(
        pattern=r"compiled using NumPy 1\.x|numpy\.core\.multiarray failed to import|numpy\.dtype size changed",
        cause="The installed NumPy is not of the release that TensorFlow {tensorflow} was compiled for.",
        remedy="Remove NumPy from the environment's `packages`, so that TensorFlow's own requirement decides, "
        "or name a release that it allows.",
    ),
    Rule(
        verdicts=("import-failed",),
        pattern=r"No module named '(?P<package>[\w.]+)'",
        cause="The Python module {package}, which TensorFlow needs, is missing.",
        remedy=_REBUILD,
    ),
    Rule(
        verdicts=("import-failed", "crashed"),
        pattern=r"file too short|invalid ELF header|not valid mach-o|truncated|code signature",
        cause="A native library of the environment is damaged.",
        remedy=_REBUILD,
    ),
    # --- no GPU
    Rule(
        pattern=r"No supported GPU was found|VisibleDeviceCount\(\)",
        cause="Metal offers no GPU to this session.",
        remedy=_NO_GPU_IN_SESSION,
    ),
    Rule(
        verdicts=("gpu-missing",),
        with_plugin=False,
        cause="tensorflow-metal is not installed in this environment.",
        remedy="Declare `metal` with a version that goes with TensorFlow {tensorflow}, or " + _WITHOUT_GPU + ".",
    ),
    Rule(
        verdicts=("gpu-missing",),
        cause="The plug-in was loaded, but offers no GPU.",
        remedy=_NO_GPU_IN_SESSION,
    ),
    # --- a GPU that is there
    Rule(
        verdicts=("gpu-unusable",),
        pattern=r"Could not satisfy device specification|No OpKernel was registered|No registered '\w+' OpKernel",
        cause="The GPU is listed, but the plug-in has no code for a basic operation on it.",
        remedy=_PAIR,
    ),
    Rule(
        verdicts=("gpu-unusable",),
        stages=("create",),
        cause="The GPU is listed, but cannot be opened.",
        remedy="Restart the Mac, or log in at its screen, and run again; if that does not help, " + _WITHOUT_GPU + ".",
    ),
    Rule(
        verdicts=("gpu-unusable",),
        cause="The GPU is listed and can be opened, but does not compute.",
        remedy=_PAIR + " If that does not help, " + _WITHOUT_GPU + ".",
    ),
    Rule(
        verdicts=("gpu-wrong-results",),
        cause="The GPU computes wrong numbers where only one result is correct. No training on it can be trusted.",
        remedy="Declare another pair of TensorFlow and plug-in, update macOS, or " + _WITHOUT_GPU + ".",
    ),
    # --- crashes
    Rule(
        signals=("SIGKILL",),
        stages=("start",),
        cause="The interpreter was killed as it started. macOS does so to one whose code signature it does not accept, "
        "which happens to freshly unpacked ones.",
        remedy="codesign --force --sign - {interpreter}",
    ),
    Rule(
        signals=("SIGKILL",),
        cause="The process was killed from outside, as systems do when memory runs short.",
        remedy="Free some memory and run again. On a Mac, a JetsamEvent in Console's reports names what was killed.",
    ),
    Rule(
        verdicts=("crashed", "timed-out"),
        pattern=r"mutex lock failed|mutex\.cc.*Lock blocking",
        cause="TensorFlow waits for a lock that another library in the same process has broken.",
        remedy="Remove packages that bring a copy of the same native code, often pyarrow, torch or onnxruntime, "
        "from the environment's `packages`, or declare an older TensorFlow.",
    ),
    Rule(
        verdicts=("crashed",),
        pattern=r"^(?P<evidence>(F\d{4} |.*: F |Fatal Python error|libc\+\+abi|dyld).*)",
        cause="Native code gave up in stage {stage} ({signal}).",
        remedy=_REBUILD + " If that does not help: " + _PAIR,
    ),
    Rule(
        verdicts=("crashed",),
        with_plugin=True,
        cause="Native code crashed in stage {stage} ({signal}); most often it is a plug-in "
        "that was made for another TensorFlow.",
        remedy=_PAIR,
    ),
    Rule(
        verdicts=("crashed",),
        cause="Native code crashed in stage {stage} ({signal}).",
        remedy=_REBUILD,
    ),
    # --- time
    Rule(
        verdicts=("timed-out",),
        stages=("start", "import"),
        cause="TensorFlow could not be imported in time.",
        remedy="Run again, or with a longer timeout: macOS examines new libraries once, which can take minutes. "
        "If it never ends, the plug-in hangs. " + _PAIR,
    ),
    Rule(
        verdicts=("timed-out",),
        cause="The computation in stage {stage} did not end in time.",
        remedy="Restart the Mac and run again; if that does not help, " + _WITHOUT_GPU + ".",
    ),
    # --- whatever else kept TensorFlow from being imported, or from computing even on the CPU
    Rule(
        cause="TensorFlow does not work in {environment}.",
        remedy=_REBUILD,
    ),
)
