# SPDX-License-Identifier: GPL-3.0-or-later
"""Every release of TensorFlow with every release of Apple's plug-in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from packaging.version import Version

from tools.link_check.check import TENSORFLOWS, Answer, answer, open_plugin
from tools.link_check.dyld import TENSORFLOW, Process
from tools.link_check.macho import Image
from tools.link_check.wheels import Packages

PLUGIN = "tensorflow-metal"
AT_ONCE = 3  # each holds the exports of one TensorFlow, some 100 MB


def check_all(packages: Packages, oldest: str, say: Callable[[str], object]) -> list[Answer]:
    """Check all pairs of a TensorFlow that is not older than `oldest` and a plug-in.

    A plug-in without a wheel for a TensorFlow's Python is checked with one that it has.
    """
    plugins = {(name, python): open_plugin(packages, name, python) for name, python in releases(packages, PLUGIN)}
    tensorflows = [each for package in TENSORFLOWS for each in releases(packages, package, oldest)]

    def answers(release: tuple[str, str]) -> list[Answer]:
        what, python = release
        wheel = packages.open(what, python)
        if TENSORFLOW not in wheel:  # it is empty, and stands for another package's
            return []
        link = Process(wheel.image).link
        answered = [answer(link(image), image, wheel.name, name, python) for image, name in chosen(plugins, python)]
        say(f"{wheel.name}: {sum(each.links for each in answered)} of {len(answered)} plug-ins link")
        return answered

    with ThreadPoolExecutor(AT_ONCE) as workers:
        return [each for answered in workers.map(answers, tensorflows) for each in answered]


def releases(packages: Packages, package: str, oldest: str = "0") -> Iterator[tuple[str, str]]:
    """NAME==VERSION of each release, with each Python that it has a wheel for.

    What came before a release, to be tried out, counts only until that is there.
    """
    found = packages.wheels(package)
    final = {version.release[:2] for version in found if not version.is_prerelease}
    for version, wheels in found.items():
        if version >= Version(oldest) and not (version.is_prerelease and version.release[:2] in final):
            tags = {tag for wheel, _ in wheels for tag, _, _ in wheel.tags}
            for tag in sorted(tags, key=lambda tag: int(tag[3:])):
                yield f"{package}=={version}", f"3.{tag[3:]}"


def chosen(plugins: dict[tuple[str, str], tuple[Image, str]], python: str) -> Iterator[tuple[Image, str]]:
    """Of each release of the plug-in the wheel for a Python, or else the newest."""
    for what in dict.fromkeys(what for what, _ in plugins):
        of_release = [minor for name, minor in plugins if name == what]
        yield plugins[what, python if python in of_release else of_release[-1]]


def render(answers: Sequence[Answer]) -> str:
    """A line for each pair."""
    return "\n".join(
        f"{each.tensorflow} {each.plugin} {'links' if each.links else each.first_failure}" for each in answers
    )
