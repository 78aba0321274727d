"""Every module and loss as a formula on scalars, written from its definition, for the engines of `modnet.scalar`.

A formula takes arrays of Values, the input and the parameters by name, and returns an array of Values. None looks at how the
library computes: windows are loops, statistics are sums.
"""

import itertools
import math

import numpy as np

from modnet.scalar import Value


def each(f):
    return lambda x: np.vectorize(f, otypes=[object])(x)


def total(values):
    return sum(np.ravel(values).tolist(), Value(0.0))


def largest(values):
    first, *others = values
    for other in others:
        first = first.maximum(other)
    return first


def sigmoid(x):
    return 1 / (1 + (-x).exp())


def exp_or_line(x, alpha):
    """ELU: the line above 0, alpha (exp - 1) up to it."""
    return x if x.data > 0 else alpha * (x.exp() - 1)


def softplus(x, beta=1.0):
    return (1 + (beta * x).exp()).log() / beta


def constant(v):
    return Value(v)


# Elementwise: the module, and one number.
ELEMENTWISE = {
    "Tanh": lambda m, x: x.tanh(),
    "Sigmoid": lambda m, x: sigmoid(x),
    "ReLU": lambda m, x: x.relu(),
    "LeakyReLU": lambda m, x: x.relu() - m.slope * (-x).relu(),
    "ELU": lambda m, x: exp_or_line(x, m.alpha),
    "SELU": lambda m, x: 1.0507009873554804934193349852946 * exp_or_line(x, 1.6732632423543772848170429916717),
    "GELU": lambda m, x: x * (1 + (x / math.sqrt(2)).erf()) / 2,
    "SiLU": lambda m, x: x * sigmoid(x),
    "Softplus": lambda m, x: softplus(x, m.beta),
    "Softsign": lambda m, x: x / (1 + x.abs()),
    "Mish": lambda m, x: x * softplus(x).tanh(),
    "Threshold": lambda m, x: x if x.data > m.threshold else constant(m.value),
    "Ramp": lambda m, x: constant(m.low) if x.data <= m.low else constant(m.high) if x.data >= m.high else x,
    "Radial": lambda m, x: (-(x * x)).exp(),
    "Identity": lambda m, x: x,
}


def softmax(row):
    powers = [v.exp() for v in row]
    return [v / sum(powers) for v in powers]


def log_softmax(row):
    level = sum(v.exp() for v in row).log()
    return [v - level for v in row]


def on_last_axis(f):
    def formula(module, x, p):
        rows = [f(list(row)) for row in x.reshape(-1, x.shape[-1])]
        return np.array(rows, dtype=object).reshape(*x.shape[:-1], -1)

    return formula


def affine(weight):
    def formula(module, x, p):
        W = weight(module, p)
        rows = x.reshape(-1, x.shape[-1])
        out = np.array([[total(row * column) for column in W.T] for row in rows], dtype=object)
        return (out + p["bias"] if "bias" in p else out).reshape(*x.shape[:-1], -1)

    return formula


def windows(module, x):
    """Sizes, steps and margins along the axes between batch and channels."""
    axes = x.ndim - 2
    as_pair = lambda v: (v,) * axes if isinstance(v, int) else tuple(v)  # noqa: E731
    return as_pair(module.k_size), as_pair(module.stride), as_pair(module.padding)


def places(module, x):
    """For every window: its place in the output, and for every offset in it the place in x, or None in the margin."""
    k, stride, padding = windows(module, x)
    lengths = x.shape[1:-1]
    outs = [(n + 2 * m - size) // step + 1 for n, m, size, step in zip(lengths, padding, k, stride, strict=True)]
    for out in itertools.product(*map(range, outs)):
        inside = {}
        for offset in itertools.product(*map(range, k)):
            at = tuple(o * s - m + i for o, s, m, i in zip(out, stride, padding, offset, strict=True))
            inside[offset] = at if all(0 <= a < n for a, n in zip(at, lengths, strict=True)) else None
        yield out, inside


def convolution(module, x, p):
    found = {}
    for b in range(len(x)):
        for out, inside in places(module, x):
            for c in range(p["weight"].shape[-1]):
                terms = [
                    x[(b, *at, i)] * p["weight"][(*offset, i, c)]
                    for offset, at in inside.items() if at is not None for i in range(x.shape[-1])
                ]  # fmt: skip
                found[b, *out, c] = sum(terms, p["bias"][c] if "bias" in p else Value(0.0))
    return as_array(found)


def transposed_convolution(module, x, p):
    k, stride, padding = windows(module, x)
    lengths = [(n - 1) * s + size - 2 * m for n, s, size, m in zip(x.shape[1:-1], stride, k, padding, strict=True)]
    found = {}
    for b in range(len(x)):
        for out in itertools.product(*map(range, lengths)):
            for c in range(p["weight"].shape[-2]):
                found[b, *out, c] = p["bias"][c] if "bias" in p else Value(0.0)
        for at in itertools.product(*map(range, x.shape[1:-1])):
            for offset in itertools.product(*map(range, k)):
                out = tuple(a * s - m + o for a, s, m, o in zip(at, stride, padding, offset, strict=True))
                if all(0 <= o < n for o, n in zip(out, lengths, strict=True)):
                    for i, c in itertools.product(range(x.shape[-1]), range(p["weight"].shape[-2])):
                        found[b, *out, c] = found[b, *out, c] + x[(b, *at, i)] * p["weight"][(*offset, c, i)]
    return as_array(found)


def pooling(largest_wins):
    def formula(module, x, p):
        size = math.prod(windows(module, x)[0])
        found = {}
        for b, c in itertools.product(range(len(x)), range(x.shape[-1])):
            for out, inside in places(module, x):
                values = [x[(b, *at, c)] for at in inside.values() if at is not None]
                found[b, *out, c] = largest(values) if largest_wins else total(values) / size
        return as_array(found)

    return formula


def as_array(found):
    shape = tuple(max(place[axis] for place in found) + 1 for axis in range(len(next(iter(found)))))
    out = np.empty(shape, dtype=object)
    for place, value in found.items():
        out[place] = value
    return out


def over_positions(f):
    return lambda module, x, p: np.array(
        [[f(list(x[b].reshape(-1, x.shape[-1])[:, c])) for c in range(x.shape[-1])] for b in range(len(x))], dtype=object
    )


def normalised(values, eps):
    n = len(values)
    mean = sum(values) / n
    variance = sum((v - mean) ** 2 for v in values) / n
    return [(v - mean) / (variance + eps) ** 0.5 for v in values]


def layer_norm(module, x, p):
    rows = [normalised(list(row), module.eps) for row in x.reshape(-1, x.shape[-1])]
    return np.array(rows, dtype=object).reshape(x.shape) * p["weight"] + p["bias"]


def batch_norm(module, x, p):
    rows = x.reshape(-1, x.shape[-1])
    if module.training:
        columns = [normalised(list(column), module.eps) for column in rows.T]
    else:
        columns = [
            [(v - float(m)) / math.sqrt(float(s) + module.eps) for v in column]
            for column, m, s in zip(rows.T, module.running_mean, module.running_var, strict=True)
        ]
    return np.array(columns, dtype=object).T.reshape(x.shape) * p["weight"] + p["bias"]


def prelu(module, x, p):
    # The number itself above 0, as `relu` has slope 0 at 0 from both sides.
    return np.vectorize(lambda v, w: v if v.data > 0 else w * v, otypes=[object])(x, p["weight"])


def embedding(module, x, p):
    return p["weight"][np.vectorize(lambda v: int(v.data))(x)]


def elementwise(f):
    return lambda m, x, p: each(lambda v: f(m, v))(x)


MODULES = {
    **{name: elementwise(f) for name, f in ELEMENTWISE.items()},
    "Linear": affine(lambda module, p: p["weight"]),
    "RidgeLinear": affine(lambda module, p: p["weight"]),  # its penalty is a part of the loss: see the test
    "Softmax": on_last_axis(softmax),
    "LogSoftmax": on_last_axis(log_softmax),
    "Conv1D": convolution,
    "Conv2D": convolution,
    "ConvTranspose1D": transposed_convolution,
    "ConvTranspose2D": transposed_convolution,
    "MaxPool1D": pooling(True),
    "MaxPool2D": pooling(True),
    "AvgPool1D": pooling(False),
    "AvgPool2D": pooling(False),
    "GlobalAvgPool": over_positions(lambda values: sum(values) / len(values)),
    "GlobalMaxPool": over_positions(largest),
    "BatchNorm": batch_norm,
    "LayerNorm": layer_norm,
    "PReLU": prelu,
    "Embedding": embedding,
    "Flatten": lambda m, x, p: x.reshape(len(x), -1),
    "Reshape": lambda m, x, p: x.reshape(len(x), *m.shape),
    "Transpose": lambda m, x, p: x.transpose(0, *(a + 1 for a in (m.axes or range(x.ndim - 2, -1, -1)))),
}


def huber(e, d):
    return e * e / 2 if abs(e.data) <= d else d * (e.abs() - d / 2)


def smoothed(loss, y, classes):
    rows = np.eye(classes)[y] if y.dtype.kind in "iu" else y
    return (1 - loss.label_smoothing) * rows + loss.label_smoothing / classes


def of_classes(f):
    """The sum over the positions of an example, each a row of scores with its label or row of probabilities."""

    def formula(loss, y, a):
        rows = a.reshape(-1, a.shape[-1])
        labels = y.reshape(-1) if y.dtype.kind in "iu" else y.reshape(-1, a.shape[-1])
        ignored = getattr(loss, "ignore_index", None)
        counted = [i for i in range(len(rows)) if ignored is None or labels.ndim > 1 or labels[i] != ignored]
        return [f(loss, labels[i], list(rows[i])) for i in counted] or [Value(0.0)]

    return formula


def of_numbers(f):
    return lambda loss, y, a: [f(loss, float(t), v) for t, v in zip(np.ravel(y), np.ravel(a), strict=True)]


def margin(loss, y, row):
    k = int(y) if np.ndim(y) == 0 else int(np.argmax(y))
    return sum((v - (row[k] - loss.margin)).relu() for j, v in enumerate(row) if j != k)


def expected(rows, logs):
    return -sum(float(t) * v for t, v in zip(rows, logs, strict=True))


# Each gives numbers whose sum is the loss of the whole batch: the loss, y and the predictions as Values.
LOSSES = {
    "MSE": of_numbers(lambda loss, t, v: (v - t) ** 2),
    "MAE": of_numbers(lambda loss, t, v: (v - t).abs()),
    "Huber": of_numbers(lambda loss, t, v: huber(v - t, loss.delta)),
    "BCE": of_numbers(lambda loss, t, v: -(t * v.log() + (1 - t) * (1 - v).log())),
    "BCEWithLogits": of_numbers(lambda loss, t, v: -(t * sigmoid(v).log() + (1 - t) * (1 - sigmoid(v)).log())),
    "KLDivergence": of_numbers(lambda loss, t, v: t * (t / v).log() if t else 0 * v),
    "Poisson": of_numbers(lambda loss, t, v: v.exp() - t * v + (t * math.log(t) if t else 0.0) - t),
    "Perceptron": of_numbers(lambda loss, t, v: (-t * v).relu()),
    "Hinge": of_numbers(lambda loss, t, v: (1 - t * v).relu()),
    "NLL": of_classes(lambda loss, y, row: expected(np.eye(len(row))[y] if np.ndim(y) == 0 else y, row)),
    "CrossEntropy": of_classes(
        lambda loss, y, row: expected(smoothed(loss, np.asarray(y), len(row)), log_softmax(row))
    ),
    "MultiMargin": of_classes(margin),
}
