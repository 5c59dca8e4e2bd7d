# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""What the probe for TensorFlow trains: a small model by hand, and one of the Keras that users import.

Operations are placed as users have it: what the GPU has no code for, the CPU does. This runs with the environment's
interpreter, see `tensorflow`.
"""

from __future__ import annotations

import importlib
import tempfile
from pathlib import Path
from typing import Any

STEPS = 30
RATE = 0.05
CLOSE = 1e-2
"""How far the losses of two devices may be apart, relative to the larger: rounding grows from step to step."""


class TrainingFailed(Exception):
    """A model did not learn."""


def check_training(tensorflow: Any, device: str) -> dict[str, Any]:
    """Train a network of two layers on the device and on the CPU: finite, falling, and alike. Raises TrainingFailed."""
    on_cpu = train(tensorflow, "CPU:0")
    losses = on_cpu if device == "CPU:0" else train(tensorflow, device)
    refuse_bad_losses(losses)
    apart = max(abs(one - other) / max(one, other) for one, other in zip(losses, on_cpu))
    if not apart <= CLOSE:
        raise TrainingFailed(f"the losses on {device} and on the CPU are {apart:.3g} apart, relative to the larger")
    return {"losses": [losses[0], losses[-1]]}


def refuse_bad_losses(losses: list[float]) -> None:
    """Refuse losses that are no numbers, or do not fall. Raises TrainingFailed."""
    numpy = importlib.import_module("numpy")
    if not numpy.isfinite(losses).all():
        raise TrainingFailed(f"the loss is not a number: {losses}")
    if not losses[-1] < 0.5 * losses[0]:
        raise TrainingFailed(f"the loss does not fall: from {losses[0]:.4g} to {losses[-1]:.4g}")


def train(tensorflow: Any, device: str) -> list[float]:
    """The loss of each step of gradient descent."""
    tf, numpy = tensorflow, importlib.import_module("numpy")
    inputs, targets = learnable(numpy)
    random = numpy.random.default_rng(seed=6)
    with tf.device(f"/{device}"):
        layers = [
            tf.Variable((random.standard_normal(shape) / shape[0] ** 0.5).astype("float32"))
            for shape in ((8, 16), (16, 1))
        ]
        losses = []
        for _step in range(STEPS):
            with tf.GradientTape() as tape:
                predicted = tf.nn.relu(inputs @ layers[0]) @ layers[1]
                loss = tf.reduce_mean((predicted - targets) ** 2)
            for layer, gradient in zip(layers, tape.gradient(loss, layers)):
                layer.assign_sub(RATE * gradient)
            losses.append(float(loss))
    return losses


def learnable(numpy: Any) -> tuple[Any, Any]:
    """64 inputs of 8 numbers each, and what a linear function makes of them."""
    random = numpy.random.default_rng(seed=5)
    inputs = random.standard_normal((64, 8)).astype("float32")
    return inputs, inputs @ random.standard_normal((8, 1)).astype("float32")


def check_keras(tensorflow: Any) -> dict[str, Any]:
    """Fit, evaluate, save and load a model. Raises whatever Keras does, and TrainingFailed."""
    numpy = importlib.import_module("numpy")
    # Its error is the cause, which `tensorflow.keras` hides; and TensorFlow 2.13 to 2.15 hide its version.
    version = importlib.import_module("keras").__version__
    keras = tensorflow.keras
    inputs, targets = learnable(numpy)
    keras.utils.set_random_seed(7)
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(16, activation="relu"), keras.layers.Dense(1)])
    # Keras compiles with XLA where it can, and itself leaves that out for Apple's GPU, for which there is no XLA.
    model.compile(optimizer=keras.optimizers.SGD(RATE), loss="mse", jit_compile=False)
    losses = model.fit(inputs, targets, batch_size=16, epochs=6, verbose=0).history["loss"]
    refuse_bad_losses(losses)
    after = float(model.evaluate(inputs, targets, verbose=0))
    if not after <= losses[0]:
        raise TrainingFailed(
            f"the trained model has a loss of {after:.4g}, and {losses[0]:.4g} when it had hardly begun"
        )
    predicted = model.predict(inputs, verbose=0)
    loaded = saved_and_loaded(keras, model, version).predict(inputs, verbose=0)
    if not numpy.allclose(loaded, predicted, rtol=1e-5, atol=1e-6):
        raise TrainingFailed("a model that was saved and loaded again predicts something else")
    return {"keras": version}


def saved_and_loaded(keras: Any, model: Any, version: str) -> Any:
    """The model as it comes back from a file, in the format that this version of Keras recommends."""
    major, minor = map(int, version.split(".")[:2])
    with tempfile.TemporaryDirectory() as folder:
        file = str(Path(folder, "model.h5" if (major, minor) < (2, 13) else "model.keras"))
        model.save(file)
        return keras.models.load_model(file)
