# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""What a user declares of an environment's packages, as the request from which its lock is made."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._conda.lock import without_credentials
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._environment.declaration import CONDA
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._pairing import NO_PLUGIN, Wish
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe.verdict import LITERT, TENSORFLOW
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._wheels.lock import normalized

# ansible-core brings it. Only ansible-test imports plugins where it is not.
with suppress(ImportError):
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.version import InvalidVersion, Version

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

OPTIONS = ("tensorflow", "metal", "packages", "build", "conda")
"""What is declared of packages. An environment for which none is has the collection's own lock."""
OWN_NAMES = {
    **dict.fromkeys(("tensorflow", "tensorflow-macos", "tensorflow-cpu"), "tensorflow"),
    "tensorflow-metal": "metal",
}
"""Packages for which there is an option."""
EXAMPLE_OF = {"tensorflow": 'tensorflow: "2.18.1"', "metal": 'metal: "1.2.0", or metal: none for the CPU alone'}
CONDA_TENSORFLOW = frozenset({"tensorflow", "tensorflow-base", "tensorflow-cpu", "tensorflow-gpu"})
"""conda-forge's packages of TensorFlow, which have the CPU alone on a Mac."""
OLD_LITERT = ("tflite-runtime", "tflite-runtime-nightly")
TO_LITERT = (
    "Declare an environment of its own with framework: litert. In the code, `import tflite_runtime.interpreter as "
    "tflite` becomes `import ai_edge_litert.interpreter as tflite`."
)
OLD_CUDA = "tensorflow-gpu"
OTHER_PLUGIN = "tensorflow-metal-plugin"
OF_CUDA = re.compile(
    r"nvidia-(?!ml-py).*|(cuda|cudatoolkit|cupy|tensorrt|(lib)?cudnn|(lib)?nccl|libcu(blas|fft|rand|solver|sparse))(-.*)?"
    r"|(tensorflow|onnxruntime)-gpu|pytorch-cuda|pycuda|.+-cu(da)?1\d(-.*)?"
)
"""Packages, of an index or of conda, that are for NVIDIA GPUs only.

nvidia-ml-py tells of them, and can be installed everywhere.
"""

OF_CUDA_EXTRA = re.compile(r"(and-)?cuda")
"""Such as those of tensorflow[and-cuda] and jax[cuda12]."""

MAC = {
    "os_name": "posix",
    "sys_platform": "darwin",
    "platform_machine": "arm64",
    "platform_system": "Darwin",
    "implementation_name": "cpython",
    "platform_python_implementation": "CPython",
}
"""Variables of environment markers."""


@dataclass(frozen=True)
class CondaRequest:
    """The conda packages that a lock must hold, beside Python."""

    packages: tuple[str, ...]
    """As conda writes what is wanted, such as `ffmpeg>=7`."""
    channels: tuple[str, ...] = field(repr=False)
    """Names, URLs or folders, the best first. URLs may hold credentials."""

    def as_data(self) -> dict[str, Any]:
        """As it is written into a lock."""
        return {"packages": list(self.packages), "channels": [without_credentials(each) for each in self.channels]}


@dataclass(frozen=True)
class Request:
    """What the lock of an environment must hold."""

    wish: Wish
    packages: tuple[str, ...] = ()
    """Requirements, each in one spelling, in order."""
    build: tuple[str, ...] = ()
    """Names of packages that are built from source, on the controller."""
    framework: str = TENSORFLOW
    conda: CondaRequest | None = None
    """What comes as conda packages, in an environment of these."""

    @property
    def with_tensorflow(self) -> bool:
        """Whether TensorFlow comes as a wheel."""
        is_asked_for = self.conda is None or bool(self.wish.tensorflow or self.wish.metal)
        return self.framework == TENSORFLOW and is_asked_for

    def as_data(self) -> dict[str, Any]:
        """As it is written into a lock."""
        built = {"build": list(self.build)} if self.build else {}
        conda = {"conda": self.conda.as_data()} if self.conda else {}
        if self.framework == LITERT:
            return {"framework": LITERT, "packages": list(self.packages), **built, **conda}
        wheels = {"tensorflow": self.wish.tensorflow, "metal": self.wish.metal, "packages": list(self.packages)}
        return {**wheels, **built, **conda}


@dataclass(frozen=True)
class Order:
    """A lock that is to be made."""

    environment: str
    platform: str
    """Such as macos-arm64-py3.12."""
    request: Request
    oldest_macos: str
    """The oldest macOS that it must suit."""
    allow_untested: bool = False

    @property
    def target(self) -> str:
        """The kind of host."""
        return self.platform.rpartition("-py")[0]

    @property
    def python(self) -> str:
        """The minor version of Python."""
        return self.platform.rpartition("-py")[2]

    @property
    def declaration(self) -> dict[str, Any]:
        """What the lock says that it was made from."""
        of_macs = {"oldest_macos": self.oldest_macos} if self.target.startswith("macos") else {}
        return {**self.request.as_data(), **of_macs}


def read_request(environment: Mapping[str, Any]) -> Request | None:
    """The request of an environment as it is declared; None if it has a lock of the user's or of the collection's.

    Raises MetalfleetError for what cannot be meant.
    """
    name, lock = environment["name"], environment.get("lock")
    declared = [option for option in OPTIONS if environment.get(option)]
    refuse_bad_models(environment)
    refuse_conda_without_kind(environment)
    if lock and declared:
        raise MetalfleetError(
            f"The environment {name} has a lock of its own, and {' and '.join(declared)} too",
            remedy="Put everything into the lock, or leave it out and have one made.",
        )
    needs_kernel = bool(environment.get("jupyter_kernel"))
    is_conda = environment.get("kind") == CONDA
    if lock or environment.get("state") == "absent" or not (declared or needs_kernel or is_conda):
        return None
    framework = environment.get("framework") or TENSORFLOW
    wishes = {option: version_of(environment, option) for option in ("tensorflow", "metal")}
    named = {option for option, version in wishes.items() if version}
    packages = {"ipykernel"} if needs_kernel else set()
    for text in environment.get("packages") or ():
        requirement = _requirement(name, str(text))
        package = normalized(requirement.name)
        if package in OWN_NAMES:
            named.add(package)
            _take_over(name, requirement, wishes, OWN_NAMES[package])
            packages |= {f"{package}[{','.join(sorted(requirement.extras))}]"} if requirement.extras else set()
        else:
            packages.add(str(requirement))
    build = {normalized(_requirement(name, str(each)).name) for each in environment.get("build") or ()}
    if framework == LITERT and named:
        raise MetalfleetError(
            f"The environment {name} is for LiteRT, and has {' and '.join(sorted(named))} too",
            remedy="Leave that out. TensorFlow and LiteRT are two environments.",
        )
    wish = Wish(**wishes)
    conda = conda_request(environment, wish)
    return Request(wish, tuple(sorted(packages)), tuple(sorted(build)), framework, conda)


def refuse_bad_models(environment: Mapping[str, Any]) -> None:
    """Refuse models where nothing loads them, and what no host could find."""
    models = [str(each) for each in environment.get("models") or ()]
    if models and environment.get("framework") != LITERT:
        raise MetalfleetError(
            f"The environment {environment['name']} has models, which are loaded by LiteRT alone",
            remedy="Declare framework: litert, or leave models out.",
        )
    vague = next((each for each in models if not each.startswith(("/", "~", "$"))), None)
    if vague is not None:
        raise MetalfleetError(
            f"{vague!r} in models of the environment {environment['name']} is no absolute path",
            remedy="Name each by the place of its file on the host, such as /opt/acme/detector.tflite, or "
            "~/detector.tflite in the home of the user. The collection brings no models there.",
        )


def refuse_cuda_on_mac(order: Order) -> None:
    """Refuse what is for NVIDIA GPUs only, in an environment on a Mac, unless it is asked for elsewhere alone."""
    for requirement in map(Requirement, order.request.packages):
        name = normalized(requirement.name)
        is_cuda = OF_CUDA.fullmatch(name) or any(map(OF_CUDA_EXTRA.match, requirement.extras))
        if is_cuda and (requirement.marker is None or requirement.marker.evaluate(MAC)):
            marked = f"{str(requirement).partition(';')[0].strip()}; sys_platform == 'linux'"
            only = f"For a package that only Linux hosts are to have, write {marked}." if name not in OWN_NAMES else ""
            raise cuda_on_mac(order, f"{requirement} in packages", only)
    for each in order.request.conda.packages if order.request.conda else ():
        if OF_CUDA.fullmatch(conda_name(each)):
            only = "What only Linux hosts are to have of conda is declared in variables of theirs alone."
            raise cuda_on_mac(order, f"{each} in conda.packages", only)


def cuda_on_mac(order: Order, what: str, only_linux: str) -> MetalfleetError:
    """Why an environment on a Mac cannot have a package, and how hosts with Linux alone get it."""
    return MetalfleetError(
        f"{what} of the environment {order.environment} is for NVIDIA GPUs, which no Mac with Apple Silicon has: its "
        "GPU is used by Apple's plug-in, tensorflow-metal",
        evidence=f"The lock is for {order.platform}.",
        remedy="Leave it out: a Mac gets TensorFlow with the plug-in, and a Linux host with an NVIDIA GPU gets it with "
        f"CUDA and cuDNN by itself. {only_linux}".rstrip(),
    )


def refuse_conda_without_kind(environment: Mapping[str, Any]) -> None:
    """Refuse conda packages where nothing installs them."""
    if environment.get("conda") and environment.get("kind") != CONDA:
        raise MetalfleetError(
            f"The environment {environment['name']} declares conda packages, and is of the kind venv, which has wheels "
            "only",
            remedy="Declare kind: conda, or leave conda out.",
        )


def conda_request(environment: Mapping[str, Any], wish: Wish) -> CondaRequest | None:
    """What an environment of conda packages has of them. Raises MetalfleetError for what cannot be meant."""
    if environment.get("kind") != CONDA:
        return None
    name, conda = environment["name"], environment.get("conda") or {}
    packages = [str(each).strip() for each in conda.get("packages") or ()]
    tensorflow = next((each for each in packages if conda_name(each) in CONDA_TENSORFLOW), None)
    if tensorflow and (wish.tensorflow or wish.metal):
        raise MetalfleetError(
            f"The environment {name} would have TensorFlow twice: from conda ({tensorflow}), and as a wheel",
            remedy="Leave it out of conda.packages, for a TensorFlow with the GPU; or leave tensorflow and metal out.",
        )
    is_litert = environment.get("framework") == LITERT
    if not (tensorflow or wish.tensorflow or wish.metal or is_litert or environment.get("gpu_check") == "none"):
        raise MetalfleetError(
            f"The environment {name} has no TensorFlow: with kind: conda none comes by itself",
            remedy='Declare one (tensorflow: "2.18.1"), which comes with its plug-in as wheels, on top of the conda '
            "packages; or name it in conda.packages, where the CPU will do; or say gpu_check: none, where none is "
            "wanted.",
        )
    python = next((each for each in packages if conda_name(each) == "python"), None)
    if python:
        minor = re.search(r"3\.\d+", python)
        raise MetalfleetError(
            f"The environment {name} names its Python in conda.packages ({python})",
            remedy=f'Leave it out there, and declare python: "{minor[0] if minor else "3.12"}".',
        )
    return CondaRequest(tuple(sorted(packages)), tuple(map(str, channels_of(environment))))


def channels_of(environment: Mapping[str, Any]) -> Sequence[Any]:
    """The channels of an environment of conda packages, as declared."""
    return (environment.get("conda") or {}).get("channels") or ["conda-forge"]


def conda_name(spec: str) -> str:
    """The name of the package that conda's way of writing what is wanted speaks of, such as `conda-forge::numpy>=2`."""
    found = re.match(r"(?:\S+::)?([A-Za-z0-9._-]+)", spec)
    return found[1].lower() if found else ""


def version_of(environment: Mapping[str, Any], option: str) -> str:
    """A declared version; "" if none is. Raises MetalfleetError for what is not a version."""
    version = str(environment.get(option) or "")
    if option == "metal" and version == NO_PLUGIN:
        return version
    try:
        return str(Version(version)) if version else ""
    except InvalidVersion as error:
        raise MetalfleetError(
            f"{option}: {version} of the environment {environment['name']} is not a version",
            remedy=f"Write one such as {EXAMPLE_OF[option]}.",
        ) from error


def package_of(requirement: str) -> str:
    """The package that one of `packages` is of, by its normalised name."""
    return normalized(Requirement(requirement).name)


def _requirement(name: str, text: str) -> Requirement:
    """One of `packages`. Raises MetalfleetError for what is not a package of an index, or cannot be used."""
    try:
        requirement = Requirement(text)
    except InvalidRequirement as error:
        raise MetalfleetError(
            f"{text!r} in packages of the environment {name} is not a requirement",
            evidence=" ".join(str(error).split()),
            remedy="Write the name of a package, with a version if you want one: pandas, or pandas>=2.2,<3.",
        ) from error
    if requirement.url:
        raise MetalfleetError(
            f"{requirement.name} in packages of the environment {name} names a URL, and packages come from an index",
            remedy="Put the wheel on an index of your own (tensorflow_extra_index_urls), and name it by its version.",
        )
    if normalized(requirement.name) == OTHER_PLUGIN:
        raise MetalfleetError(
            f"{OTHER_PLUGIN} cannot be in the environment {name}: it has no wheels and is compiled on a Mac with "
            "developer tools, and nothing is built on a host. It installs a file of the same name as Apple's plug-in, "
            "so that the two cannot be together",
            remedy="Leave it out, for Apple's tensorflow-metal.",
        )
    if normalized(requirement.name) == OLD_CUDA:
        raise MetalfleetError(
            f"{requirement} in packages of the environment {name} is TensorFlow once more, under the name that its "
            "build for NVIDIA GPUs had before 2.13",
            remedy="Leave it out: a Linux host with an NVIDIA GPU gets TensorFlow with CUDA by itself, and a Mac gets "
            'it with Apple\'s plug-in. A certain version is declared as tensorflow: "2.18.1".',
        )
    if normalized(requirement.name) in OLD_LITERT:
        raise MetalfleetError(
            f"{requirement.name} in packages of the environment {name} has no wheel for a Mac with Apple Silicon, and "
            "is not developed any more: its successor is LiteRT",
            remedy=TO_LITERT,
        )
    return requirement


def _take_over(name: str, requirement: Requirement, wishes: dict[str, str], option: str) -> None:
    """Take TensorFlow and the plug-in, where they are named among the packages, for what the options are for."""
    text, versions = str(requirement), [each for each in requirement.specifier if each.operator == "=="]
    declare = f'declare {option}: "VERSION" if a certain one is wanted.'
    if requirement.marker:
        raise MetalfleetError(
            f"{text} in packages of the environment {name} is for some hosts alone, but each has the one that suits it "
            "by itself: with Apple's plug-in, with CUDA, or for the CPU",
            remedy=f"Leave it out of packages, and {declare}",
        )
    if len(versions) != len(requirement.specifier) or len(versions) > 1:
        raise MetalfleetError(
            f"{text} in packages of the environment {name} leaves the version open, but which one goes with the "
            "plug-in is known to the collection only",
            remedy=f"Leave it out of packages, and {declare}",
        )
    version = versions[0].version.removesuffix(".*") if versions else ""
    if version and wishes[option] not in ("", version):
        raise MetalfleetError(
            f"The environment {name} has {text} in its packages, and {option}: {wishes[option]} besides",
            remedy=f"Leave {requirement.name} out of packages.",
        )
    wishes[option] = wishes[option] or version
