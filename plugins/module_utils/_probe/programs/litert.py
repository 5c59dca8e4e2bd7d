# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""The probe's program for LiteRT: does it compute in this environment, on the CPU, on the GPU, and right?

Like that for TensorFlow it is fed to the environment's own interpreter. It may use the standard library, and of the
environment `ai_edge_litert` and what that needs: `numpy` and `flatbuffers`.
"""

from __future__ import annotations

import importlib
import os
import platform
import sys
from typing import Any, NamedTuple, NoReturn

from ansible_collections.metalfleet.tensorflow.plugins.module_utils._probe.programs.reporter import (
    CPU_FAILED,
    WRONG_RESULTS,
    PlacementError,
    Reporter,
    WrongResultsError,
    refuse_elsewhere,
    run_program,
    version_of,
)

STAGES = {
    "start": "import-failed",
    "import": "import-failed",
    "interpreter": CPU_FAILED,
    "compiled": CPU_FAILED,
    "accelerator": "gpu-missing",
    "exact": "gpu-unusable",
    "models": "model-failed",
}
"""The stages in their order, each with the verdict that it ends in if it fails. A GPU's result that is wrong is
`gpu-wrong-results`. All take half a second together, so that every level has them."""

INPUTS, OUTPUTS = 64, 32

RUNNING = "Running the model "
"""What stands before a user's model in the output."""


class Layer(NamedTuple):
    """What the model computes, `relu(weights @ x + bias)`, with an input and the only correct result."""

    weights: Any
    bias: Any
    x: Any
    result: Any


def run_stages(reporter: Reporter, gpu: str, models: tuple[str, ...]) -> None:
    """Run the stages in their order; the first that fails raises."""
    with reporter.stage("start") as found:
        found["python"] = platform.python_version()
        found["machine"] = os.uname().machine  # of this process: x86_64 under Rosetta
        found["litert"] = version_of(("ai-edge-litert",))

    with reporter.stage("import"):
        litert = importlib.import_module("ai_edge_litert")
        refuse_elsewhere(litert, "LiteRT")
        importlib.import_module("ai_edge_litert.interpreter")
        layer = make_layer()
        model = make_model(layer)

    with reporter.stage("interpreter"):
        refuse_wrong(interpreted(model, [layer.x])[0], layer, "the interpreter", CPU_FAILED)
    with reporter.stage("compiled"):
        accelerators = importlib.import_module("ai_edge_litert.hardware_accelerator").HardwareAccelerator
        refuse_wrong(compiled(compile_for(model, accelerators.CPU), layer.x), layer, "the CPU", CPU_FAILED)

    on_gpu = None if gpu == "none" else _open_gpu(reporter, model, accelerators.GPU, gpu)
    if on_gpu:
        with reporter.stage("exact"):
            refuse_wrong(compiled(on_gpu, layer.x), layer, "the GPU", WRONG_RESULTS)
            if not on_gpu.is_fully_accelerated():
                raise PlacementError("the GPU left a part of the model to the CPU")
    if models:
        with reporter.stage("models"):
            for path in models:
                run_model(path)

    reporter.end("gpu-ok" if on_gpu else "cpu-ok")


def make_layer() -> Layer:
    """A fully connected layer of small whole numbers.

    No sum is larger than 1000, so that float32 and float16 hold every one exactly, in whatever order it is made.
    """
    numpy = importlib.import_module("numpy")
    random = numpy.random.default_rng(seed=7)
    weights = random.integers(-3, 4, (OUTPUTS, INPUTS))
    bias = random.integers(-5, 6, OUTPUTS)
    x = random.integers(-4, 5, (1, INPUTS))
    result = numpy.maximum(x @ weights.T + bias, 0)
    return Layer(*(each.astype("float32") for each in (weights, bias, x, result)))


def make_model(layer: Layer) -> bytes:
    """The layer as a model of LiteRT, by the schema that its own package has."""
    schema = importlib.import_module("ai_edge_litert.schema_py_generated")
    flatbuffers = importlib.import_module("flatbuffers")
    numpy = importlib.import_module("numpy")

    def filled(kind: Any, **values: Any) -> Any:
        made = kind()
        for name, value in values.items():
            setattr(made, name, value)
        return made

    def tensor(name: str, shape: tuple[int, ...], buffer: int) -> Any:
        return filled(schema.TensorT, name=name, shape=list(shape), type=schema.TensorType.FLOAT32, buffer=buffer)

    def of_signature(name: str, index: int) -> Any:
        return filled(schema.TensorMapT, name=name, tensorIndex=index)

    constants = (numpy.frombuffer(each.tobytes(), dtype="uint8") for each in (layer.weights, layer.bias))
    code = schema.BuiltinOperator.FULLY_CONNECTED
    graph = filled(
        schema.SubGraphT,
        name="main",
        tensors=[
            tensor("x", (1, INPUTS), 0),
            tensor("weights", (OUTPUTS, INPUTS), 1),
            tensor("bias", (OUTPUTS,), 2),
            tensor("y", (1, OUTPUTS), 0),
        ],
        inputs=[0],
        outputs=[3],
        operators=[
            filled(
                schema.OperatorT,
                opcodeIndex=0,
                inputs=[0, 1, 2],
                outputs=[3],
                builtinOptionsType=schema.BuiltinOptions.FullyConnectedOptions,
                builtinOptions=filled(
                    schema.FullyConnectedOptionsT, fusedActivationFunction=schema.ActivationFunctionType.RELU
                ),
            )
        ],
    )
    model = filled(
        schema.ModelT,
        version=3,
        description="one layer",
        buffers=[filled(schema.BufferT, data=data) for data in (None, *constants)],
        operatorCodes=[filled(schema.OperatorCodeT, builtinCode=code, deprecatedBuiltinCode=code, version=1)],
        subgraphs=[graph],
        signatureDefs=[
            filled(
                schema.SignatureDefT,
                inputs=[of_signature("x", 0)],
                outputs=[of_signature("y", 3)],
                signatureKey="serving_default",
                subgraphIndex=0,
            )
        ],
    )
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def interpreted(model: bytes | str, inputs: list[Any] | None = None) -> list[Any]:
    """What the interpreter makes of inputs; `model` is one, or its file. Without inputs they are drawn."""
    numpy = importlib.import_module("numpy")
    source = {"model_content": model} if isinstance(model, bytes) else {"model_path": model}
    interpreter = importlib.import_module("ai_edge_litert.interpreter").Interpreter(**source)
    interpreter.allocate_tensors()
    random = numpy.random.default_rng(seed=8)
    details = interpreter.get_input_details()
    for index, each in enumerate(details):
        drawn = random.uniform(0, 1, each["shape"]).astype(each["dtype"]) if inputs is None else inputs[index]
        interpreter.set_tensor(each["index"], drawn)
    interpreter.invoke()
    return [interpreter.get_tensor(each["index"]) for each in interpreter.get_output_details()]


def compile_for(model: bytes, accelerator: Any) -> Any:
    """The model for one accelerator alone: of several, LiteRT takes what works without a word."""
    kind = importlib.import_module("ai_edge_litert.compiled_model").CompiledModel
    return kind.from_buffer(model, hardware_accel=accelerator)


def compiled(model: Any, x: Any) -> Any:
    """What a compiled model makes of an input."""
    numpy = importlib.import_module("numpy")
    inputs, outputs = model.create_input_buffers(0), model.create_output_buffers(0)
    inputs[0].write(x.reshape(-1))
    model.run_by_index(0, inputs, outputs)
    return numpy.asarray(outputs[0].read(OUTPUTS, numpy.float32)).reshape(1, -1)


def _open_gpu(reporter: Reporter, model: bytes, accelerator: Any, gpu: str) -> Any:
    """The model for the GPU; None where there is none, and none is required."""
    with reporter.stage("accelerator") as found:
        try:
            opened = compile_for(model, accelerator)
        except RuntimeError:
            if gpu == "required":
                raise
            return None
        found["devices"] = ["GPU"]
    return opened


def refuse_wrong(result: Any, layer: Layer, who: str, verdict: str) -> None:
    """Refuse a result of which any element is another than the only correct one. Raises WrongResultsError."""
    wrong = int((result != layer.result).sum())  # not-a-number differs from everything
    if wrong:
        raise WrongResultsError(f"{who} has {wrong} of {OUTPUTS} elements of a layer wrong", verdict=verdict)


def run_model(path: str) -> None:
    """Load a user's model, and run it once on the CPU with drawn inputs. Raises ModelError."""
    if not os.path.isfile(path):  # noqa: PTH113 - a path, not a Path, is at hand; and LiteRT waits for a FIFO for ever
        raise ModelError(f"{path}: Could not open '{path}'")
    # A model that ends this process is known then.
    print(f"{RUNNING}{path}", file=sys.stderr, flush=True)  # noqa: T201 # pylint: disable=ansible-bad-function
    try:
        interpreted(path)
    except Exception as error:
        raise ModelError(f"{path}: {str(error) or type(error).__name__}") from error


class ModelError(Exception):
    """A user's model cannot be loaded or run."""


def main(descriptor: str, gpu: str, _level: str, *models: str) -> NoReturn:
    """Run the stages, see run_program.

    `gpu` is `required`, `preferred` or `none`; the level makes no difference; `models` are files.
    """
    run_program(lambda reporter: run_stages(reporter, gpu, models), STAGES, descriptor)
