# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a declaration is asked of a lock, and what cannot be meant."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._errors import MetalfleetError
from ansible_collections.metalfleet.tensorflow.plugins.module_utils._pairing import Wish
from ansible_collections.metalfleet.tensorflow.plugins.plugin_utils._requests import (
    Order,
    Request,
    read_request,
    refuse_cuda_on_mac,
)


@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        ({"tensorflow": "2.17.1"}, Request(Wish("2.17.1", ""))),
        ({"tensorflow": "v2.17.1"}, Request(Wish("2.17.1", ""))),
        ({"metal": "none"}, Request(Wish("", "none"))),
        ({"packages": ["pandas", " NumPy >= 1.26 "]}, Request(Wish(), ("NumPy>=1.26", "pandas"))),
        ({"packages": ["b", "a"]}, Request(Wish(), ("a", "b"))),
        ({"jupyter_kernel": True}, Request(Wish(), ("ipykernel",))),
        ({"packages": ["tensorflow-macos==2.12", "six"]}, Request(Wish("2.12", ""), ("six",))),
        ({"packages": ["tensorflow_metal==1.1.0"]}, Request(Wish("", "1.1.0"))),
        ({"packages": ["tensorflow==2.18.*", "tensorflow-metal"]}, Request(Wish("2.18", ""))),
        ({"packages": ["tensorflow"], "tensorflow": "2.18.0"}, Request(Wish("2.18.0", ""))),
        ({"packages": ["tensorflow[and-cuda]==2.18.1"]}, Request(Wish("2.18.1", ""), ("tensorflow[and-cuda]",))),
        (
            {"framework": "litert", "packages": ["pillow"], "jupyter_kernel": True},
            Request(Wish(), ("ipykernel", "pillow"), framework="litert"),
        ),
    ],
)
def test_what_is_declared_is_the_request(declared: dict[str, Any], expected: Request) -> None:
    assert read_request({"name": "a", **declared}) == expected


@pytest.mark.parametrize(
    "declared",
    [
        {},
        {"framework": "litert"},
        {"lock": "mine.txt"},
        {"lock": "mine.txt", "jupyter_kernel": True},
        {"state": "absent", "metal": "none"},
    ],
)
def test_nothing_is_asked_of_other_locks(declared: dict[str, Any]) -> None:
    assert read_request({"name": "a", **declared}) is None


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        ({"lock": "mine.txt", "packages": ["six"]}, "has a lock of its own, and packages too"),
        ({"tensorflow": "latest"}, "tensorflow: latest of the environment a is not a version"),
        ({"metal": "None"}, "metal: None of the environment a is not a version"),
        ({"packages": ["two words"]}, "'two words' in packages of the environment a is not a requirement"),
        ({"packages": ["six @ https://example.com/six.whl"]}, "six in packages of the environment a names a URL"),
        ({"packages": ["tensorflow>=2.16"]}, "leaves the version open.*declare tensorflow:"),
        (
            {"packages": ["tensorflow[and-cuda]; sys_platform == 'linux'"]},
            "is for some hosts alone.*with CUDA.*Leave it",
        ),
        (
            {"packages": ["tensorflow-gpu==2.10.1"]},
            "TensorFlow once more.*CUDA by itself, and a Mac gets it with.*tensorflow: ",
        ),
        ({"packages": ["tensorflow-macos==2.12"], "tensorflow": "2.18.1"}, "and tensorflow: 2.18.1 besides"),
        ({"packages": ["tensorflow-metal-plugin"]}, "a file of the same name as Apple's plug-in"),
        ({"packages": ["tflite_runtime"]}, "successor is LiteRT.*framework: litert.*ai_edge_litert.interpreter"),
        ({"framework": "litert", "tensorflow": "2.18"}, "for LiteRT, and has tensorflow too.*two environments"),
        ({"framework": "litert", "metal": "none"}, "for LiteRT, and has metal too"),
        ({"framework": "litert", "packages": ["tensorflow-macos"]}, "for LiteRT, and has tensorflow-macos too"),
        ({"models": ["/m.tflite"]}, "has models, which are loaded by LiteRT alone"),
        ({"framework": "litert", "models": ["/m.tflite", "n.tflite"]}, "'n.tflite' in models .* is no absolute path"),
        ({"framework": "litert", "models": ["https://host/m.tflite"]}, "no absolute path.*the place of its file on"),
    ],
)
def test_what_cannot_be_meant(declared: dict[str, Any], words: str) -> None:
    with pytest.raises(MetalfleetError, match=words):
        read_request({"name": "a", **declared})


def order_of(package: str, **declared: Any) -> Order:
    request = read_request({"name": "a", "packages": [package], **declared})
    assert request
    return Order("a", "macos-arm64-py3.12", request, "12.1")


@pytest.mark.parametrize(
    "package",
    [
        *("nvidia-cudnn-cu12", "nvidia_cublas_cu12==12.5.3.2", "nvidia-cudnn", "cuda-python", "cupy-cuda12x", "cupy"),
        *("tensorrt", "tensorflow[and-cuda]", "tensorflow[and-cuda]==2.18.1"),
        *("nvidia-cudnn-cu12; python_version > '3'", "jax[cuda12]", "jax-cuda12-plugin", "onnxruntime-gpu"),
    ],
)
def test_cuda_is_not_for_a_mac(package: str) -> None:
    with pytest.raises(MetalfleetError, match="is for NVIDIA GPUs, which no Mac") as refused:
        refuse_cuda_on_mac(order_of(package))
    assert "Leave it out" in refused.value.problem.remedy
    may_have_marker = not package.startswith("tensorflow[")  # TensorFlow itself is refused with one
    only_linux = f"write {package.partition(';')[0]}; sys_platform == 'linux'."
    assert (only_linux in refused.value.problem.remedy) == may_have_marker


@pytest.mark.parametrize(
    "package", ["nvidia-ml-py", "nvidia-cudnn-cu12; sys_platform == 'linux'", "cudatext", "pandas", "jax[k8s]"]
)
def test_what_a_mac_is_not_to_have_is_not_its_matter(package: str) -> None:
    refuse_cuda_on_mac(order_of(package))


@pytest.mark.parametrize(
    "package", ["cudatoolkit=11.8", "conda-forge::cudnn >=9", "cuda-nvcc", "nccl", "libcublas-dev"]
)
def test_cuda_of_conda_is_not_for_a_mac(package: str) -> None:
    conda = {"kind": "conda", "tensorflow": "2.18.1", "conda": {"packages": ["ffmpeg", package]}}
    with pytest.raises(MetalfleetError, match="in conda.packages .* is for NVIDIA GPUs, which no Mac") as refused:
        refuse_cuda_on_mac(order_of("six", **conda))
    assert "in variables of theirs alone" in refused.value.problem.remedy
