# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: for this collection only, may change in any release.
"""The operations that the probe for TensorFlow compares, and wrong results that others have published.

Shapes are no multiples of a tile, and some are drawn at random. Some arrays are longer than 65,536 in one direction,
where an index of 16 bits ends. This runs with the environment's interpreter, see `tensorflow`.
"""

from __future__ import annotations

import functools
import importlib
from typing import TYPE_CHECKING, Any, Callable, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

LONG = 70_001

Compute = Callable[..., Any]


class Case(NamedTuple):
    """A computation, and the arrays that it gets: those of floats in the precision that is asked for."""

    name: str
    compute: Compute
    arrays: tuple[Any, ...]


class Draw:
    """Numbers, with a fixed seed."""

    def __init__(self, seed: int) -> None:
        self.random = importlib.import_module("numpy").random.default_rng(seed=seed)

    def normal(self, *shape: int) -> Any:
        """Floats around 0."""
        return self.random.standard_normal(shape)

    def whole(self, least: int, most: int, *shape: int) -> Any:
        """Whole numbers from `least`, and below `most`."""
        return self.random.integers(least, most, shape).astype("int32")

    def length(self, least: int, most: int) -> int:
        """One whole number, from `least` to `most`."""
        return int(self.random.integers(least, most + 1))


def operations(tensorflow: Any) -> Iterator[Case]:
    """What models are made of."""
    draw = Draw(seed=3)
    for kind in (convolutions, normalizations, functions, reductions, choices, movements):
        yield from kind(tensorflow, draw)


def convolutions(tf: Any, draw: Draw) -> Iterator[Case]:
    """Convolutions and pooling."""

    def convolve(strides: int = 1, padding: str = "SAME", dilations: int = 1) -> Compute:
        return lambda images, kernel: tf.nn.conv2d(images, kernel, strides, padding, dilations=dilations)

    images, kernel = draw.normal(2, draw.length(17, 31), draw.length(17, 31), 3), draw.normal(3, 3, 3, 8)
    signals = draw.normal(2, draw.length(50, 90), 5)
    yield Case("conv1d", lambda x, k: tf.nn.conv1d(x, k, 1, "SAME"), (signals, draw.normal(7, 5, 9)))
    yield Case("conv2d", convolve(), (images, kernel))
    yield Case("conv2d with strides", convolve(2, "VALID"), (images, kernel))
    yield Case("conv2d with dilations", convolve(dilations=2), (images, kernel))
    yield Case("the gradient of conv2d", gradient(tf, convolve()), (images, kernel))
    yield Case(
        "depthwise conv2d",
        lambda x, k: tf.nn.depthwise_conv2d(x, k, (1, 1, 1, 1), "SAME"),
        (images, draw.normal(3, 3, 3, 2)),
    )
    yield Case("max pooling", lambda x: tf.nn.max_pool2d(x, 2, 2, "VALID"), (images,))
    yield Case("average pooling", lambda x: tf.nn.avg_pool2d(x, 3, 2, "SAME"), (images,))


def normalizations(tf: Any, draw: Draw) -> Iterator[Case]:
    """Softmax, layer normalization, and a recurrent cell."""

    def normalize(x: Any) -> Any:
        mean, variance = tf.nn.moments(x, [-1], keepdims=True)
        return (x - mean) * tf.math.rsqrt(variance + 1e-5)

    def lstm(x: Any, state: Any, memory: Any, kernel: Any, recurrent: Any) -> Any:
        keep, add, out, new = tf.split(x @ kernel + state @ recurrent, 4, axis=1)
        return tf.sigmoid(out) * tf.tanh(tf.sigmoid(keep) * memory + tf.sigmoid(add) * tf.tanh(new))

    matrix = draw.normal(draw.length(33, 95), draw.length(33, 95))
    yield Case("softmax", tf.nn.softmax, (5 * matrix,))
    yield Case("softmax of a long row", tf.nn.softmax, (draw.normal(2, LONG),))
    yield Case("the gradient of softmax", gradient(tf, lambda x: tf.nn.softmax(x) ** 2), (matrix,))
    yield Case("layer normalization", normalize, (matrix,))
    shapes = ((4, 6), (4, 5), (4, 5), (6, 20), (5, 20))
    yield Case("an LSTM cell", lstm, tuple(draw.normal(*shape) for shape in shapes))


def functions(tf: Any, draw: Draw) -> Iterator[Case]:
    """Functions of each element."""
    matrix = draw.normal(draw.length(33, 95), draw.length(33, 95))
    for name in ("relu", "sigmoid", "tanh", "gelu", "softplus"):
        yield Case(name, getattr(tf.nn, name), (matrix,))
    for name in ("exp", "square", "abs", "erf"):
        yield Case(name, getattr(tf.math, name), (matrix,))
    for name in ("log", "sqrt"):
        yield Case(name, getattr(tf.math, name), (abs(matrix) + 0.1,))
    yield Case("addition of a row", lambda x, y: x + y, (matrix, draw.normal(matrix.shape[1])))
    yield Case("squared difference", tf.math.squared_difference, (matrix, draw.normal(*matrix.shape)))
    yield Case("cast to whole numbers", lambda x: tf.cast(x, "int32"), (100 * matrix,))
    yield Case("cast from whole numbers", lambda x: tf.cast(x, "float32"), (draw.whole(-999, 999, 41, 43),))


def reductions(tf: Any, draw: Draw) -> Iterator[Case]:
    """Many numbers to few."""
    matrix, vector = draw.normal(draw.length(33, 95), draw.length(33, 95)), abs(draw.normal(LONG))
    for name in ("reduce_sum", "reduce_mean", "reduce_max", "reduce_min"):
        yield Case(name, functools.partial(getattr(tf, name), axis=0), (matrix,))
        yield Case(f"{name} of a long row", getattr(tf, name), (vector,))
    yield Case("argmax", lambda x: tf.argmax(x, axis=1), (matrix,))
    yield Case("cumsum", lambda x: tf.cumsum(x, axis=1), (matrix,))


def choices(tf: Any, draw: Draw) -> Iterator[Case]:
    """Elements by their numbers, or by a condition."""
    rows, columns = draw.length(33, 95), draw.length(33, 95)
    matrix, places = draw.normal(rows, columns), draw.random.permutation(rows)[:9].reshape(9, 1).astype("int32")
    yield Case("embedding", tf.nn.embedding_lookup, (draw.normal(LONG, 3), draw.whole(0, LONG, 9, 7)))
    yield Case("gather_nd", tf.gather_nd, (matrix, places))
    yield Case("scatter_nd", lambda at, x: tf.scatter_nd(at, x, [rows, columns]), (places, draw.normal(9, columns)))
    yield Case("where", lambda x: tf.where(x > 0, x, -2 * x), (matrix,))


def movements(tf: Any, draw: Draw) -> Iterator[Case]:
    """Elements to other places."""
    matrix = draw.normal(draw.length(33, 95), draw.length(33, 95))
    yield Case("transpose", tf.transpose, (draw.normal(3, *matrix.shape),))
    yield Case("concat", lambda x, y: tf.concat([x, y], axis=1), (matrix, draw.normal(matrix.shape[0], 5)))
    yield Case("slices", lambda x: x[1:-2:3, ::2], (matrix,))
    yield Case("pad", lambda x: tf.pad(x, [[1, 2], [3, 0]]), (matrix,))
    yield Case("tile", lambda x: tf.tile(x, [2, 3]), (matrix,))


def gradient(tf: Any, compute: Compute) -> Compute:
    """The derivative of a computation's sum with respect to its first argument."""

    def differentiate(*tensors: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(tensors[0])
            value = compute(*tensors)
        return tape.gradient(value, tensors[0])

    return differentiate


def reported_faults(tf: Any) -> dict[str, Case]:
    """Wrong results of Apple's plug-in that others have published, by issue."""
    draw = Draw(seed=4)
    return {
        "tensorflow/tensorflow#71577": Case(
            "a convolution with more than 65,536 filters",
            lambda x, k: tf.nn.conv1d(x, k, 1, "SAME"),
            (abs(draw.normal(1, 1, 3)), draw.normal(3, 3, 65_537)),
        ),
        "tensorflow/tensorflow#57204": Case(
            "the 20 largest numbers of a row", lambda x: tf.math.top_k(x, 20)[0], (draw.normal(1, 24, 1200),)
        ),
        "tensorflow/tensorflow#62137": Case(
            "a dense layer with relu", lambda x, k: tf.nn.relu(x @ k), (draw.normal(32, 784), draw.normal(784, 64))
        ),
    }
