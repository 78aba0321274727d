"""Modules as students write them: right ones in many styles, and ones broken in exactly one way.

`BROKEN` holds (kind, class, a function that makes the object, input), `CORRECT` the same without a kind. No class derives from
the library's; what a class leaves out it has from the plain bases below.
"""

import numpy as np

BROKEN, CORRECT = [], []
LINE, SQUARE = (4, 3), (3, 3)


def broken(kind, input=LINE, *args):
    def keep(cls):
        BROKEN.append((kind, cls, lambda: seeded(cls, args), input))
        return cls

    return keep


def correct(input=LINE, *args):
    def keep(cls):
        CORRECT.append((cls, lambda: seeded(cls, args), input))
        return cls

    return keep


def seeded(cls, args):
    state = np.random.get_state()
    np.random.seed(1)
    try:
        return cls(*args)
    finally:
        np.random.set_state(state)


# --- bases -----------------------------------------------------------------------------------------------------------


class Module:
    """The handout's skeleton."""

    def __init__(self):
        self._parameters = None
        self._gradient = None

    def zero_grad(self):
        pass

    def forward(self, X):
        pass

    def update_parameters(self, gradient_step=1e-3):
        if self._parameters is not None:
            self._parameters -= gradient_step * self._gradient

    def backward_update_gradient(self, input, delta):
        pass

    def backward_delta(self, input, delta):
        pass


@correct(LINE, 3, 2)
class Linear(Module):
    """One matrix, no bias."""

    def __init__(self, input, output):
        super().__init__()
        self._parameters = np.random.rand(input, output) * 2 - 1
        self.zero_grad()

    def zero_grad(self):
        self._gradient = np.zeros(self._parameters.shape)

    def forward(self, X):
        return np.dot(X, self._parameters)

    def backward_update_gradient(self, input, delta):
        self._gradient += np.dot(input.T, delta)

    def backward_delta(self, input, delta):
        return np.dot(delta, self._parameters.T)


@correct(LINE, 3, 2)
class Lineaire:
    """W and b beside each other, no base class."""

    def __init__(self, entree, sortie):
        self.W = np.random.randn(entree, sortie)
        self.b = np.zeros((1, sortie))
        self.grad_W = np.zeros_like(self.W)
        self.grad_b = np.zeros_like(self.b)

    def zero_grad(self):
        self.grad_W[:] = 0
        self.grad_b[:] = 0

    def forward(self, X):
        return X @ self.W + self.b

    def update_parameters(self, gradient_step=1e-3):
        self.W -= gradient_step * self.grad_W
        self.b -= gradient_step * self.grad_b

    def backward_update_gradient(self, input, delta):
        self.grad_W += input.T @ delta
        self.grad_b += delta.sum(axis=0, keepdims=True)

    def backward_delta(self, input, delta):
        return delta @ self.W.T


@correct(LINE, 3, 2)
class DictLinear:
    """Dicts of arrays."""

    def __init__(self, n, m):
        self._parameters = {"W": np.random.randn(n, m), "b": np.random.randn(m)}
        self._gradient = {}
        self.zero_grad()

    def zero_grad(self):
        self._gradient = {name: np.zeros_like(value) for name, value in self._parameters.items()}

    def forward(self, X):
        return X.dot(self._parameters["W"]) + self._parameters["b"]

    def update_parameters(self, gradient_step=1e-3):
        for name in self._parameters:
            self._parameters[name] = self._parameters[name] - gradient_step * self._gradient[name]

    def backward_update_gradient(self, input, delta):
        self._gradient["W"] += np.einsum("bi,bj->ij", input, delta)
        self._gradient["b"] += np.sum(delta, axis=0)

    def backward_delta(self, input, delta):
        return np.einsum("bj,ij->bi", delta, self._parameters["W"])


@correct(LINE, 3, 2)
class LoopLinear(Linear):
    """Loops over examples."""

    def forward(self, X):
        return np.array(
            [[sum(x[i] * self._parameters[i, j] for i in range(len(x))) for j in range(self._parameters.shape[1])] for x in X]
        )

    def backward_update_gradient(self, input, delta):
        for x, d in zip(input, delta):
            self._gradient += np.outer(x, d)

    def backward_delta(self, input, delta):
        return np.array([self._parameters @ d for d in delta])


@correct(LINE, 3, 2)
class StackedLinear(Linear):
    """The bias is the last row of the parameters."""

    def __init__(self, input, output):
        super().__init__(input + 1, output)

    def forward(self, X):
        return np.hstack([X, np.ones((len(X), 1))]) @ self._parameters

    def backward_update_gradient(self, input, delta):
        self._gradient += np.hstack([input, np.ones((len(input), 1))]).T @ delta

    def backward_delta(self, input, delta):
        return delta @ self._parameters[:-1].T


@correct(LINE, 3, 2)
class ViewLinear(Linear):
    """self.W and self.b are views of one vector."""

    def __init__(self, n, m):
        self._parameters = np.random.randn(n * m + m)
        self._gradient = np.zeros(n * m + m)
        self.W, self.b = self._parameters[: n * m].reshape(n, m), self._parameters[n * m :]
        self.dW, self.db = self._gradient[: n * m].reshape(n, m), self._gradient[n * m :]

    def zero_grad(self):
        self._gradient[...] = 0

    def forward(self, X):
        return X @ self.W + self.b

    def backward_update_gradient(self, input, delta):
        self.dW += input.T @ delta
        self.db += delta.sum(0)

    def backward_delta(self, input, delta):
        return delta @ self.W.T


@correct(LINE, 3, 2)
class ListLinear:
    """Lists of arrays, float32."""

    def __init__(self, n, m):
        self._parameters = [np.random.randn(n, m).astype(np.float32), np.zeros(m, np.float32)]
        self._gradient = [np.zeros_like(p) for p in self._parameters]

    def zero_grad(self):
        for g in self._gradient:
            g.fill(0)

    def forward(self, X):
        return X.astype(np.float32) @ self._parameters[0] + self._parameters[1]

    def update_parameters(self, gradient_step=1e-3):
        for p, g in zip(self._parameters, self._gradient):
            p -= gradient_step * g

    def backward_update_gradient(self, input, delta):
        self._gradient[0] += (input.T @ delta).astype(np.float32)
        self._gradient[1] += delta.sum(axis=0).astype(np.float32)

    def backward_delta(self, input, delta):
        return delta.astype(np.float32) @ self._parameters[0].T


@correct(LINE, 3, 2)
class ScalarZeroLinear(Linear):
    """zero_grad sets the number 0."""

    def zero_grad(self):
        self._gradient = 0

    def backward_update_gradient(self, input, delta):
        self._gradient = self._gradient + input.T @ delta


@correct(LINE)
class TanH(Module):
    def forward(self, X):
        return np.tanh(X)

    def backward_delta(self, input, delta):
        return delta * (1 - np.tanh(input) ** 2)


@correct(LINE)
class TanHByHand:
    def forward(self, X):
        e = np.exp(-2 * np.abs(X))
        return np.sign(X) * (1 - e) / (1 + e)

    def backward_delta(self, input, delta):
        out = self.forward(input)
        return (1 - out * out) * delta


@correct(LINE)
class Sigmoide(Module):
    """Overflows to the right value."""

    def forward(self, X):
        return 1 / (1 + np.exp(-X))

    def backward_delta(self, input, delta):
        s = self.forward(input)
        return s * (1 - s) * delta


@correct(np.array([[0.0, 1, -1], [0, 2, 0]]))
class ReLU(Module):
    """On kinks."""

    def forward(self, X):
        return np.maximum(X, 0)

    def backward_delta(self, input, delta):
        return np.where(input > 0, delta, 0)


@correct(np.array([[0.0, 1, -1], [0, 2, 0]]))
class ReLUOtherSide(ReLU):
    def backward_delta(self, input, delta):
        return (input >= 0) * delta


@correct(LINE, 0.2)
class LeakyReLU(Module):
    def __init__(self, alpha):
        super().__init__()
        self.alpha = alpha

    def forward(self, X):
        return np.where(X > 0, X, self.alpha * X)

    def backward_delta(self, input, delta):
        slope = np.ones(input.shape)
        slope[input < 0] = self.alpha
        return slope * delta


@correct(LINE)
class Softmax(Module):
    def forward(self, X):
        e = np.exp(X - X.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)

    def backward_delta(self, input, delta):
        s = self.forward(input)
        return s * (delta - (delta * s).sum(axis=1, keepdims=True))


@correct(LINE)
class SoftmaxJacobian(Softmax):
    def backward_delta(self, input, delta):
        s = self.forward(input)
        return np.array([(np.diag(row) - np.outer(row, row)) @ d for row, d in zip(s, delta)])


@correct(LINE)
class LogSoftmax(Module):
    def forward(self, X):
        X = X - np.max(X, axis=1)[:, None]
        return X - np.log(np.exp(X).sum(axis=1)).reshape(-1, 1)

    def backward_delta(self, input, delta):
        return delta - np.exp(self.forward(input)) * delta.sum(axis=1, keepdims=True)


CONV = (2, 8, 2)


@correct(CONV, 3, 2, 4, 1)
@correct(CONV, 3, 2, 4, 2)
class Conv1D(Module):
    def __init__(self, k_size, chan_in, chan_out, stride=1):
        super().__init__()
        self.k_size, self.chan_in, self.chan_out, self.stride = k_size, chan_in, chan_out, stride
        self._parameters = 0.1 * np.random.uniform(-1, 1, (k_size, chan_in, chan_out))
        self.zero_grad()

    def zero_grad(self):
        self._gradient = np.zeros_like(self._parameters)

    def count(self, X):
        return (X.shape[1] - self.k_size) // self.stride + 1

    def forward(self, X):
        out = np.zeros((len(X), self.count(X), self.chan_out))
        for i in range(self.count(X)):
            part = X[:, i * self.stride : i * self.stride + self.k_size]
            out[:, i] = np.tensordot(part, self._parameters, ([1, 2], [0, 1]))
        return out

    def backward_update_gradient(self, input, delta):
        for i in range(self.count(input)):
            part = input[:, i * self.stride : i * self.stride + self.k_size]
            self._gradient += np.tensordot(part, delta[:, i], ([0], [0]))

    def backward_delta(self, input, delta):
        dx = np.zeros(input.shape)
        for i in range(self.count(input)):
            dx[:, i * self.stride : i * self.stride + self.k_size] += np.tensordot(delta[:, i], self._parameters, ([1], [2]))
        return dx


@correct(CONV, 3, 2, 4, 2)
class ConvMatrix(Conv1D):
    """Windows as rows of a matrix."""

    def rows(self, X):
        seen = np.lib.stride_tricks.sliding_window_view(X, self.k_size, axis=1)[:, :: self.stride]
        return seen.transpose(0, 1, 3, 2).reshape(len(X), -1, self.k_size * self.chan_in)

    def forward(self, X):
        return self.rows(X) @ self._parameters.reshape(-1, self.chan_out)

    def backward_update_gradient(self, input, delta):
        self._gradient += np.einsum("blp,blc->pc", self.rows(input), delta).reshape(self._parameters.shape)


@correct(CONV, 3, 2)
@correct(CONV, 2, 2)
class MaxPool1D(Module):
    def __init__(self, k_size, stride):
        super().__init__()
        self.k_size, self.stride = k_size, stride

    def starts(self, X):
        return [i * self.stride for i in range((X.shape[1] - self.k_size) // self.stride + 1)]

    def forward(self, X):
        return np.stack([X[:, s : s + self.k_size].max(axis=1) for s in self.starts(X)], axis=1)

    def backward_delta(self, input, delta):
        dx = np.zeros(input.shape)
        rows, cols = np.indices((input.shape[0], input.shape[2]))
        for i, s in enumerate(self.starts(input)):
            dx[rows, s + input[:, s : s + self.k_size].argmax(axis=1), cols] += delta[:, i]
        return dx


@correct(CONV, 3, 2)
class SharedTies(MaxPool1D):
    """Ties share evenly."""

    def backward_delta(self, input, delta):
        dx = np.zeros(input.shape)
        for i, s in enumerate(self.starts(input)):
            part = input[:, s : s + self.k_size]
            mask = part == part.max(axis=1, keepdims=True)
            dx[:, s : s + self.k_size] += mask / mask.sum(axis=1, keepdims=True) * delta[:, i : i + 1]
        return dx


@correct(CONV, 3, 2)
class AvgPool1D(MaxPool1D):
    def forward(self, X):
        return np.stack([X[:, s : s + self.k_size].mean(axis=1) for s in self.starts(X)], axis=1)

    def backward_delta(self, input, delta):
        dx = np.zeros(input.shape)
        for i, s in enumerate(self.starts(input)):
            dx[:, s : s + self.k_size] += delta[:, i : i + 1] / self.k_size
        return dx


@correct(CONV)
class Flatten(Module):
    def forward(self, X):
        return X.reshape(X.shape[0], -1)

    def backward_delta(self, input, delta):
        return delta.reshape(input.shape)


@correct((6, 3), 0.5)
class Dropout(Module):
    """Random in training; State: the mask of the last forward."""

    def __init__(self, p):
        super().__init__()
        self.p = p

    def forward(self, X):
        self.mask = (np.random.rand(*X.shape) > self.p) / (1 - self.p)
        return X * self.mask

    def backward_delta(self, input, delta):
        return delta * self.mask


@correct((6, 3), 0.5)
class OwnGenerator(Dropout):
    def __init__(self, p):
        super().__init__(p)
        self.rng = np.random.default_rng(3)

    def forward(self, X):
        self.mask = (self.rng.random(X.shape) > self.p) / (1 - self.p)
        return X * self.mask


@correct((6, 3), 3)
class BatchNorm(Module):
    """Batch statistics, and running ones."""

    def __init__(self, n):
        self._parameters = np.stack([np.ones(n), np.zeros(n)])
        self._gradient = np.zeros((2, n))
        self.running_mean, self.running_var = np.zeros(n), np.ones(n)

    def zero_grad(self):
        self._gradient[:] = 0

    def forward(self, X):
        self.running_mean = 0.9 * self.running_mean + 0.1 * X.mean(axis=0)
        xhat = (X - X.mean(axis=0)) / np.sqrt(X.var(axis=0) + 1e-5)
        return self._parameters[0] * xhat + self._parameters[1]

    def backward_update_gradient(self, input, delta):
        xhat = (input - input.mean(axis=0)) / np.sqrt(input.var(axis=0) + 1e-5)
        self._gradient += np.stack([(delta * xhat).sum(0), delta.sum(0)])

    def backward_delta(self, input, delta):
        std = np.sqrt(input.var(axis=0) + 1e-5)
        xhat = (input - input.mean(axis=0)) / std
        d = delta * self._parameters[0]
        return (d - d.mean(0) - xhat * (d * xhat).mean(0)) / std


@correct((4, 3))
class Composite:
    """A block of other modules."""

    def __init__(self):
        self.layers = [Linear(3, 5), TanH(), Linear(5, 2)]

    def zero_grad(self):
        for layer in self.layers:
            layer.zero_grad()

    def inputs(self, X):
        seen = [X]
        for layer in self.layers:
            seen.append(layer.forward(seen[-1]))
        return seen

    def forward(self, X):
        return self.inputs(X)[-1]

    def update_parameters(self, gradient_step=1e-3):
        for layer in self.layers:
            layer.update_parameters(gradient_step)

    def backward_update_gradient(self, input, delta):
        for layer, x in reversed(list(zip(self.layers, self.inputs(input)))):
            layer.backward_update_gradient(x, delta)
            delta = layer.backward_delta(x, delta)

    def backward_delta(self, input, delta):
        for layer, x in reversed(list(zip(self.layers, self.inputs(input)))):
            delta = layer.backward_delta(x, delta)
        return delta


@correct((3, 4))
class Ecart(Module):
    """min(a |x - y|, 1) on pairs of columns, with one trained number."""

    def __init__(self):
        self._parameters = np.array([0.3])
        self._gradient = np.zeros(1)

    def zero_grad(self):
        self._gradient = np.zeros(1)

    def forward(self, X):
        return np.minimum(self._parameters * np.abs(X[:, ::2] - X[:, 1::2]), 1)

    def backward_update_gradient(self, input, delta):
        gap = np.abs(input[:, ::2] - input[:, 1::2])
        self._gradient += (delta * gap * (self._parameters * gap < 1)).sum()

    def backward_delta(self, input, delta):
        diff = input[:, ::2] - input[:, 1::2]
        d = delta * self._parameters * np.sign(diff) * (self._parameters * np.abs(diff) < 1)
        dx = np.zeros(input.shape)
        dx[:, ::2], dx[:, 1::2] = d, -d
        return dx


@correct((4, 3))
class Float32TanH(TanH):
    def forward(self, X):
        return np.tanh(X.astype(np.float32))


@correct(LINE)
class Cube:
    """A function of no name."""

    def forward(self, X):
        return X**3 - X

    def backward_delta(self, input, delta):
        return (3 * input**2 - 1) * delta


@correct(np.array([[1, 2, 3], [-1, 0, 2]]))
class IntegersWelcome(TanH):
    """Given integers."""


# --- one mistake each ------------------------------------------------------------------------------------------------


def variant(kind, base, input, args=(), **methods):
    """A class broken by replacing some methods."""
    n = sum(1 for entry in BROKEN if entry[0] == kind)
    # The class keeps its base's name: the checker may know the course's names, no others.
    cls = type(base.__name__, (base,), {"__doc__": None, **methods})
    cls.label = f"{kind}-{n}-{base.__name__}"
    BROKEN.append((kind, cls, lambda: seeded(cls, args), input))
    return cls


def linear(kind, **methods):
    variant(kind, Linear, LINE, (3, 2), **methods)


def two(kind, **methods):
    variant(kind, Lineaire, LINE, (3, 2), **methods)


def dicts(kind, **methods):
    variant(kind, DictLinear, LINE, (3, 2), **methods)


def conv(kind, stride=2, k=3, cin=2, cout=4, shape=CONV, **methods):
    variant(kind, Conv1D, shape, (k, cin, cout, stride), **methods)


def pool(kind, base=MaxPool1D, stride=2, k=3, shape=CONV, **methods):
    variant(kind, base, shape, (k, stride), **methods)


def add(self, g):
    self._gradient += g


# shape
linear("shape", backward_delta=lambda s, x, d: (d @ s._parameters.T).T)
linear("shape", forward=lambda s, X: (X @ s._parameters).sum())
variant("shape", TanH, LINE, backward_delta=lambda s, x, d: (d * (1 - np.tanh(x) ** 2)).sum(axis=1))
linear(
    "shape",
    backward_update_gradient=lambda s, x, d: (
        setattr(s, "_gradient", s._gradient + (d.T @ x)) if s._gradient.shape == (2, 3) else setattr(s, "_gradient", d.T @ x)
    ),
)
variant("shape", Flatten, CONV, backward_delta=lambda s, x, d: d)
variant("shape", Softmax, LINE, backward_delta=lambda s, x, d: (d * s.forward(x)).sum(axis=1, keepdims=True))
# not-implemented
variant("not-implemented", TanH, LINE, backward_delta=lambda s, x, d: None)
variant("not-implemented", Module, LINE)
linear("not-implemented", backward_update_gradient=lambda s, x, d: None)
linear("not-implemented", backward_update_gradient=lambda s, x, d: x.T @ d)


def todo(self, input, delta):
    raise NotImplementedError


variant("not-implemented", Sigmoide, LINE, backward_delta=todo)
variant("not-implemented", ReLU, LINE, backward_delta=lambda s, x, d: np.zeros(x.shape))
# crash
linear("crash", backward_delta=lambda s, x, d: d @ s._parameters)
linear("crash", backward_update_gradient=lambda s, x, d: add(s, x @ d))
variant("crash", TanH, LINE, forward=lambda s, X: np.tnah(X))
variant("crash", Sigmoide, LINE, backward_delta=lambda s, x, d: d * s.out)
two("crash", backward_update_gradient=lambda s, x, d: s.gradW.__iadd__(x.T @ d))
# forward
linear("forward", forward=lambda s, X: 2 * X @ s._parameters, backward_delta=lambda s, x, d: 2 * d @ s._parameters.T)
variant("forward", TanH, LINE, forward=lambda s, X: 1 / (1 + np.exp(-X)))
variant("forward", Sigmoide, LINE, forward=lambda s, X: 1 / (1 + np.exp(X)))
variant("forward", ReLU, LINE, forward=lambda s, X: np.minimum(X, 0))
variant("forward", ReLU, LINE, forward=lambda s, X: np.abs(X), backward_delta=lambda s, x, d: d * np.sign(x))
variant("forward", LogSoftmax, LINE, forward=lambda s, X: X - np.log(np.exp(X).max(axis=1, keepdims=True)))
pool("forward", forward=lambda s, X: np.stack([X[:, i : i + s.k_size].min(axis=1) for i in s.starts(X)], axis=1))
pool(
    "forward", base=AvgPool1D, forward=lambda s, X: np.stack([X[:, i : i + s.k_size].sum(axis=1) for i in s.starts(X)], axis=1)
)
# sign
variant("sign", TanH, LINE, backward_delta=lambda s, x, d: d * (np.tanh(x) ** 2 - 1))
variant("sign", Sigmoide, LINE, backward_delta=lambda s, x, d: -d * s.forward(x) * (1 - s.forward(x)))
linear("sign", backward_update_gradient=lambda s, x, d: add(s, -x.T @ d))
linear("sign", backward_delta=lambda s, x, d: -(d @ s._parameters.T))
dicts("sign", backward_delta=lambda s, x, d: -d @ s._parameters["W"].T)
variant("sign", Softmax, LINE, backward_delta=lambda s, x, d: s.forward(x) * ((d * s.forward(x)).sum(1, keepdims=True) - d))
# scale
linear("scale", backward_update_gradient=lambda s, x, d: add(s, x.T @ d / len(x)))
linear("scale", backward_delta=lambda s, x, d: d @ s._parameters.T / len(x))
linear("scale", backward_update_gradient=lambda s, x, d: add(s, 2 * x.T @ d))
linear("scale", backward_delta=lambda s, x, d: 0.5 * d @ s._parameters.T)
two(
    "scale",
    backward_update_gradient=lambda s, x, d: [s.grad_W.__iadd__(x.T @ d), s.grad_b.__iadd__(d.mean(axis=0, keepdims=True))],
)
dicts(
    "scale",
    backward_update_gradient=lambda s, x, d: [s._gradient["W"].__iadd__(x.T @ d / len(x)), s._gradient["b"].__iadd__(d.sum(0))],
)
variant("scale", Sigmoide, LINE, backward_delta=lambda s, x, d: d * s.forward(x) * (1 - s.forward(x)) * x.shape[1])
pool("scale", base=AvgPool1D, backward_delta=lambda s, x, d: AvgPool1D.backward_delta(s, x, d) * s.k_size)
conv("scale", backward_update_gradient=lambda s, x, d: [Conv1D.backward_update_gradient(s, x, d / len(x))])
# transposed
variant("transposed", Linear, SQUARE, (3, 3), backward_delta=lambda s, x, d: d @ s._parameters)
variant("transposed", Linear, SQUARE, (3, 3), backward_update_gradient=lambda s, x, d: add(s, d.T @ x))
variant("transposed", DictLinear, (4, 3), (3, 3), backward_delta=lambda s, x, d: np.einsum("bj,ji->bi", d, s._parameters["W"]))
variant("transposed", Lineaire, (5, 2), (2, 2), backward_delta=lambda s, x, d: d.dot(s.W))
variant(
    "transposed",
    LoopLinear,
    (4, 3),
    (3, 3),
    backward_update_gradient=lambda s, x, d: [add(s, np.outer(b, a)) for a, b in zip(x, d)],
)
# flipped-kernel
conv("flipped-kernel", forward=lambda s, X: np.stack([np.tensordot(X[:, i * s.stride : i * s.stride + s.k_size][:, ::-1], s._parameters, ([1, 2], [0, 1])) for i in range(s.count(X))], 1),
     backward_delta=lambda s, x, d: flipped_delta(s, x, d))  # fmt: skip


def flipped_delta(s, x, d):
    dx = np.zeros(x.shape)
    for i in range(s.count(x)):
        dx[:, i * s.stride : i * s.stride + s.k_size] += np.tensordot(d[:, i], s._parameters[::-1], ([1], [2]))
    return dx


def flipped_gradient(s, x, d):
    for i in range(s.count(x)):
        s._gradient += np.tensordot(x[:, i * s.stride : i * s.stride + s.k_size], d[:, i], ([0], [0]))[::-1]


conv("flipped-kernel", backward_delta=flipped_delta)
conv("flipped-kernel", stride=1, backward_delta=flipped_delta)
conv("flipped-kernel", backward_update_gradient=flipped_gradient)
conv("flipped-kernel", stride=1, cin=1, cout=1, shape=(2, 7, 1), backward_update_gradient=flipped_gradient)
# identity
for base in (TanH, Sigmoide, Softmax, ReLU):
    variant("identity", base, LINE, backward_delta=lambda s, x, d: d)
variant("identity", LeakyReLU, LINE, (0.2,), backward_delta=lambda s, x, d: d.copy())
# ignores-delta
variant("ignores-delta", TanH, LINE, backward_delta=lambda s, x, d: 1 - np.tanh(x) ** 2)
variant("ignores-delta", Sigmoide, LINE, backward_delta=lambda s, x, d: s.forward(x) * (1 - s.forward(x)))
variant("ignores-delta", ReLU, LINE, backward_delta=lambda s, x, d: (x > 0).astype(float))
linear("ignores-delta", backward_delta=lambda s, x, d: np.ones(d.shape) @ s._parameters.T)
linear("ignores-delta", backward_update_gradient=lambda s, x, d: add(s, x.T @ np.ones(d.shape)))
# diagonal
variant("diagonal", Softmax, LINE, backward_delta=lambda s, x, d: d * s.forward(x) * (1 - s.forward(x)))
variant(
    "diagonal",
    SoftmaxJacobian,
    (5, 4),
    backward_delta=lambda s, x, d: np.array([r * (1 - r) * e for r, e in zip(s.forward(x), d)]),
)
variant("diagonal", LogSoftmax, LINE, backward_delta=lambda s, x, d: d * (1 - np.exp(s.forward(x))))
variant("diagonal", Softmax, (2, 3, 4), forward=lambda s, X: np.exp(X - X.max(-1, keepdims=True)) / np.exp(X - X.max(-1, keepdims=True)).sum(-1, keepdims=True),
        backward_delta=lambda s, x, d: s.forward(x) * (1 - s.forward(x)) * d)  # fmt: skip
# at-output
variant("at-output", TanH, LINE, backward_delta=lambda s, x, d: d * (1 - x**2))
variant("at-output", TanH, LINE, backward_delta=lambda s, x, d: d * (1 - np.tanh(s.forward(x)) ** 2))
variant("at-output", Sigmoide, LINE, backward_delta=lambda s, x, d: d * x * (1 - x))
variant("at-output", TanHByHand, LINE, backward_delta=lambda s, x, d: d * (1 - s.forward(s.forward(x)) ** 2))
variant("at-output", Softmax, LINE, backward_delta=lambda s, x, d: x * (d - (d * x).sum(1, keepdims=True)))
variant("at-output", LogSoftmax, LINE, backward_delta=lambda s, x, d: d - np.exp(x) * d.sum(1, keepdims=True))
# overwrites
linear("overwrites", backward_update_gradient=lambda s, x, d: setattr(s, "_gradient", x.T @ d))
two(
    "overwrites",
    backward_update_gradient=lambda s, x, d: [setattr(s, "grad_W", x.T @ d), setattr(s, "grad_b", d.sum(0, keepdims=True))],
)
two(
    "overwrites",
    backward_update_gradient=lambda s, x, d: [s.grad_W.__iadd__(x.T @ d), setattr(s, "grad_b", d.sum(0, keepdims=True))],
)
dicts("overwrites", backward_update_gradient=lambda s, x, d: s._gradient.update(W=x.T @ d, b=d.sum(0)))
linear(
    "overwrites",
    backward_update_gradient=lambda s, x, d: s._gradient.__setitem__(slice(None), sum(np.outer(a, b) for a, b in zip(x, d))),
)


def last_example(self, input, delta):
    for x, d in zip(input, delta):
        new = np.outer(x, d)
    self._gradient += new


linear("overwrites", backward_update_gradient=last_example)


def last_window(self, input, delta):
    for i in range(self.count(input)):
        new = np.tensordot(input[:, i * self.stride : i * self.stride + self.k_size], delta[:, i], ([0], [0]))
    self._gradient += new


conv("overwrites", backward_update_gradient=last_window)
# double-counts
linear("double-counts", backward_update_gradient=lambda s, x, d: add(s, s._gradient + x.T @ d))
two(
    "double-counts",
    backward_update_gradient=lambda s, x, d: [
        s.grad_W.__iadd__(s.grad_W + x.T @ d),
        s.grad_b.__iadd__(d.sum(0, keepdims=True)),
    ],
)
dicts(
    "double-counts",
    backward_update_gradient=lambda s, x, d: s._gradient.update(
        W=2 * s._gradient["W"] + x.T @ d, b=s._gradient["b"] + d.sum(0)
    ),
)


def loop_adds(self, input, delta):
    for x, d in zip(input, delta):
        self._gradient += np.outer(x, d) + 0.5 * self._gradient


linear("double-counts", backward_update_gradient=loop_adds)
# never-zeroed
linear(
    "never-zeroed",
    zero_grad=lambda s: setattr(
        s, "_gradient", getattr(s, "_gradient", None) if s._gradient is not None else np.zeros(s._parameters.shape)
    ),
)
two("never-zeroed", zero_grad=lambda s: s.grad_W.fill(0))
dicts(
    "never-zeroed",
    zero_grad=lambda s: (
        s._gradient.setdefault("W", np.zeros_like(s._parameters["W"]))
        is s._gradient.setdefault("b", np.zeros_like(s._parameters["b"]))
    ),
)
two("never-zeroed", zero_grad=lambda s: None)
conv(
    "never-zeroed",
    zero_grad=lambda s: setattr(
        s, "_gradient", s._gradient[:0] if 0 else (np.zeros_like(s._parameters) if s._gradient is None else s._gradient * 0.5)
    ),
)
# stateful


def keep_out(self, X):
    self.out = np.tanh(X)
    return self.out


def keep_x(self, X):
    self.x = X
    return X @ self._parameters


def keep_mask(self, X):
    self.mask = X > 0
    return X * self.mask


def keep_softmax(self, X):
    e = np.exp(X - X.max(1, keepdims=True))
    self.s = e / e.sum(1, keepdims=True)
    return self.s


def keep_argmax(self, X):
    self.at = np.stack([s + X[:, s : s + self.k_size].argmax(axis=1) for s in self.starts(X)], axis=1)
    return MaxPool1D.forward(self, X)


def from_argmax(self, input, delta):
    dx = np.zeros(input.shape)
    rows, cols = np.indices((input.shape[0], input.shape[2]))
    for i in range(delta.shape[1]):
        dx[rows, self.at[:, i], cols] += delta[:, i]
    return dx


variant("stateful", TanH, LINE, forward=keep_out, backward_delta=lambda s, x, d: d * (1 - s.out**2))
linear("stateful", forward=keep_x, backward_update_gradient=lambda s, x, d: add(s, s.x.T @ d))
variant("stateful", ReLU, LINE, forward=keep_mask, backward_delta=lambda s, x, d: d * s.mask)
variant(
    "stateful", Softmax, LINE, forward=keep_softmax, backward_delta=lambda s, x, d: s.s * (d - (d * s.s).sum(1, keepdims=True))
)
pool("stateful", forward=keep_argmax, backward_delta=from_argmax)
# mutates


def in_place(self, X):
    X[X < 0] = 0
    return X


def shift(self, X):
    X -= X.max(axis=1, keepdims=True)
    return np.exp(X) / np.exp(X).sum(axis=1, keepdims=True)


def times(self, input, delta):
    delta *= input > 0
    return delta


def times_tanh(self, input, delta):
    delta[:] = delta * (1 - np.tanh(input) ** 2)
    return delta


def spoil_input(self, input, delta):
    input *= 1.0 / len(input)
    self._gradient += len(input) * input.T @ delta


variant("mutates", ReLU, LINE, forward=in_place)
variant("mutates", Softmax, LINE, forward=shift)
variant("mutates", ReLU, LINE, backward_delta=times)
variant("mutates", TanH, LINE, backward_delta=times_tanh)
linear("mutates", backward_update_gradient=spoil_input)
# saturates
variant("saturates", Softmax, LINE, forward=lambda s, X: np.exp(X) / np.exp(X).sum(1, keepdims=True))
variant(
    "saturates",
    LogSoftmax,
    LINE,
    forward=lambda s, X: np.log(
        np.exp(X - X.max(1, keepdims=True)) / np.exp(X - X.max(1, keepdims=True)).sum(1, keepdims=True)
    ),
)
variant("saturates", LogSoftmax, LINE, forward=lambda s, X: X - np.log(np.exp(X).sum(1, keepdims=True)))
variant("saturates", TanH, LINE, forward=lambda s, X: (np.exp(X) - np.exp(-X)) / (np.exp(X) + np.exp(-X)))
variant("saturates", Sigmoide, LINE, forward=lambda s, X: np.exp(X) / (1 + np.exp(X)))
variant("saturates", Sigmoide, LINE, backward_delta=lambda s, x, d: d * np.exp(-x) / (1 + np.exp(-x)) ** 2)
variant("saturates", TanH, LINE, backward_delta=lambda s, x, d: d * 4 / (np.exp(x) + np.exp(-x)) ** 2 * (np.exp(x) / np.exp(x)))
# integer-input


def zeros_like(self, X):
    out = np.zeros_like(X)
    out[:] = np.tanh(X)
    return out


def copy_leaky(self, X):
    out = X.copy()
    out[X < 0] = out[X < 0] * self.alpha
    return out


def minus(self, X):
    X = X.copy()
    X /= 2
    return np.tanh(2 * X)


def zeros_like_delta(self, input, delta):
    dx = np.zeros_like(input)
    dx[input > 0] = delta[input > 0]
    return dx


variant("integer-input", TanH, LINE, forward=zeros_like)
variant("integer-input", LeakyReLU, LINE, (0.2,), forward=copy_leaky)
variant("integer-input", TanH, LINE, forward=minus)
variant("integer-input", ReLU, LINE, backward_delta=zeros_like_delta)
# ties


def all_ties(self, input, delta):
    dx = np.zeros(input.shape)
    for i, s in enumerate(self.starts(input)):
        part = input[:, s : s + self.k_size]
        dx[:, s : s + self.k_size] += (part == part.max(axis=1, keepdims=True)) * delta[:, i : i + 1]
    return dx


def only_unique(self, input, delta):
    dx = np.zeros(input.shape)
    for i, s in enumerate(self.starts(input)):
        part = input[:, s : s + self.k_size]
        mask = part == part.max(axis=1, keepdims=True)
        dx[:, s : s + self.k_size] += mask * (mask.sum(axis=1, keepdims=True) == 1) * delta[:, i : i + 1]
    return dx


class MaxOver(Module):
    """The largest of the features."""

    def forward(self, X):
        return X.max(axis=1, keepdims=True)

    def backward_delta(self, input, delta):
        return (input == input.max(axis=1, keepdims=True)) * delta


pool("ties", backward_delta=all_ties)
pool("ties", stride=3, backward_delta=all_ties)
pool("ties", backward_delta=only_unique)
variant("ties", MaxOver, LINE)
# overlap


def max_overwrites(self, input, delta):
    dx = np.zeros(input.shape)
    rows, cols = np.indices((input.shape[0], input.shape[2]))
    for i, s in enumerate(self.starts(input)):
        dx[rows, s + input[:, s : s + self.k_size].argmax(axis=1), cols] = delta[:, i]
    return dx


def avg_overwrites(self, input, delta):
    dx = np.zeros(input.shape)
    for i, s in enumerate(self.starts(input)):
        dx[:, s : s + self.k_size] = delta[:, i : i + 1] / self.k_size
    return dx


def conv_overwrites(self, input, delta):
    dx = np.zeros(input.shape)
    for i in range(self.count(input)):
        dx[:, i * self.stride : i * self.stride + self.k_size] = np.tensordot(delta[:, i], self._parameters, ([1], [2]))
    return dx


pool("overlap", backward_delta=max_overwrites)
pool("overlap", stride=3, backward_delta=max_overwrites)  # the input given does not show it
pool("overlap", base=AvgPool1D, backward_delta=avg_overwrites)
conv("overlap", backward_delta=conv_overwrites)
conv("overlap", stride=1, backward_delta=conv_overwrites)
conv("overlap", stride=3, backward_delta=conv_overwrites)
# stride


def no_stride_delta(self, input, delta):
    dx = np.zeros(input.shape)
    for i in range(self.count(input)):
        dx[:, i : i + self.k_size] += np.tensordot(delta[:, i], self._parameters, ([1], [2]))
    return dx


def no_stride_gradient(self, input, delta):
    for i in range(self.count(input)):
        self._gradient += np.tensordot(input[:, i : i + self.k_size], delta[:, i], ([0], [0]))


def no_stride_max(self, input, delta):
    dx = np.zeros(input.shape)
    rows, cols = np.indices((input.shape[0], input.shape[2]))
    for i in range(delta.shape[1]):
        dx[rows, i + input[:, i : i + self.k_size].argmax(axis=1), cols] += delta[:, i]
    return dx


def no_stride_forward(self, X):
    return np.stack(
        [np.tensordot(X[:, i : i + self.k_size], self._parameters, ([1, 2], [0, 1])) for i in range(self.count(X))], 1
    )


for step in (1, 2):
    conv("stride", stride=step, backward_delta=no_stride_delta)
    conv("stride", stride=step, backward_update_gradient=no_stride_gradient)
pool("stride", backward_delta=no_stride_max)
conv("stride", stride=1, forward=no_stride_forward)
# channel-mix


def mixed_rows(self, X):
    seen = np.lib.stride_tricks.sliding_window_view(X, self.k_size, axis=1)[:, :: self.stride]
    return seen.reshape(len(X), seen.shape[1], -1)


def mixed_gradient(self, input, delta):
    self._gradient += np.einsum("blp,blc->pc", mixed_rows(self, input), delta).reshape(self._parameters.shape)


def mixed_delta(self, input, delta):
    dx = np.zeros(input.shape)
    W = self._parameters.reshape(self.chan_out, -1)
    for i in range(self.count(input)):
        dx[:, i * self.stride : i * self.stride + self.k_size] += (delta[:, i] @ W).reshape(
            len(input), self.k_size, self.chan_in
        )
    return dx


def first_channel_max(self, input, delta):
    dx = np.zeros(input.shape)
    for i, s in enumerate(self.starts(input)):
        at = input[:, s : s + self.k_size, 0].argmax(axis=1)
        dx[np.arange(len(input)), s + at] += delta[:, i]
    return dx


variant("channel-mix", ConvMatrix, CONV, (3, 2, 4, 2), backward_update_gradient=mixed_gradient)
conv("channel-mix", backward_update_gradient=mixed_gradient)
conv("channel-mix", backward_delta=mixed_delta)
conv("channel-mix", cin=1, cout=1, shape=(2, 7, 1), backward_delta=mixed_delta)
pool("channel-mix", backward_delta=first_channel_max)
pool("channel-mix", stride=3, shape=(2, 9, 1), backward_delta=first_channel_max)
conv(
    "channel-mix",
    stride=1,
    cin=1,
    cout=2,
    shape=(2, 6, 1),
    forward=lambda s, X: mixed_rows(s, X) @ s._parameters.reshape(-1, s.chan_out),
)
# batch-coupled
variant("batch-coupled", Softmax, LINE, forward=lambda s, X: np.exp(X - X.max()) / np.exp(X - X.max()).sum())
variant("batch-coupled", Softmax, LINE, forward=lambda s, X: np.exp(X - X.max(0)) / np.exp(X - X.max(0)).sum(axis=0))
variant("batch-coupled", LogSoftmax, LINE, forward=lambda s, X: X - np.log(np.exp(X).sum()))
variant("batch-coupled", Softmax, LINE, backward_delta=lambda s, x, d: s.forward(x) * (d - (d * s.forward(x)).sum()))
variant("batch-coupled", LogSoftmax, LINE, backward_delta=lambda s, x, d: d - np.exp(s.forward(x)) * d.sum())
# missing-parameter
two("missing-parameter", backward_update_gradient=lambda s, x, d: s.grad_W.__iadd__(x.T @ d))
dicts("missing-parameter", backward_update_gradient=lambda s, x, d: s._gradient["W"].__iadd__(x.T @ d))
dicts("missing-parameter", backward_update_gradient=lambda s, x, d: s._gradient["b"].__iadd__(d.sum(0)))


@broken("missing-parameter", LINE, 3, 2)
class ForgottenBias(Linear):
    def __init__(self, n, m):
        super().__init__(n, m)
        self.bias = np.random.rand(1, m)

    def forward(self, X):
        return X @ self._parameters + self.bias


# layer-not-trained, lr-ignored, and the other ways of update_parameters
linear("layer-not-trained", update_parameters=lambda s, gradient_step=1e-3: None)
two("layer-not-trained", update_parameters=lambda s, gradient_step=1e-3: s.W.__isub__(gradient_step * s.grad_W))
dicts(
    "layer-not-trained",
    update_parameters=lambda s, gradient_step=1e-3: [p - gradient_step * s._gradient[n] for n, p in s._parameters.items()],
)
linear("lr-ignored", update_parameters=lambda s, gradient_step=1e-3: s._parameters.__isub__(1e-3 * s._gradient))
two("lr-ignored", update_parameters=lambda s, gradient_step=1e-3: [s.W.__isub__(s.grad_W), s.b.__isub__(s.grad_b)])
dicts(
    "lr-ignored",
    update_parameters=lambda s, gradient_step=1e-3: [s._parameters[n].__isub__(0.01 * g) for n, g in s._gradient.items()],
)
linear("sign", update_parameters=lambda s, gradient_step=1e-3: s._parameters.__iadd__(gradient_step * s._gradient))
# symmetric-init


def started(value):
    def init(self, n, m):
        Linear.__init__(self, n, m)
        self._parameters[:] = value

    return init


linear("symmetric-init", __init__=started(0.0))
linear("symmetric-init", __init__=started(1.0))
two("symmetric-init", __init__=lambda s, n, m: (Lineaire.__init__(s, n, m), s.W.fill(0.01))[1])
conv("symmetric-init", __init__=lambda s, *a: (Conv1D.__init__(s, *a), s._parameters.fill(0.1))[1])
# direction
variant("direction", TanH, LINE, backward_delta=lambda s, x, d: d * (1 - np.tanh(x)))
variant("missing-factor", Sigmoide, LINE, backward_delta=lambda s, x, d: d * s.forward(x) ** 2)
variant("direction", Softmax, LINE, backward_delta=lambda s, x, d: s.forward(x) * d - (d * s.forward(x)).sum(1, keepdims=True))
linear("direction", backward_update_gradient=lambda s, x, d: add(s, np.abs(x).T @ d))
variant("direction", Cube, LINE, backward_delta=lambda s, x, d: (3 * x - 1) * d)


@correct(LINE, 3, 2)
class OtherNames(Lineaire):
    """Gradients and a velocity under names of their own."""

    def __init__(self, n, m):
        self.W, self.b = np.random.randn(n, m), np.zeros(m)
        self.derivee_W, self.derivee_b, self.vitesse = np.zeros((n, m)), np.zeros(m), np.zeros(m)

    def zero_grad(self):
        self.derivee_W[:], self.derivee_b[:] = 0, 0

    def backward_update_gradient(self, input, delta):
        self.derivee_W += input.T @ delta
        self.derivee_b += delta.sum(axis=0)

    def update_parameters(self, gradient_step=1e-3):
        self.W -= gradient_step * self.derivee_W
        self.b -= gradient_step * self.derivee_b


@correct(LINE, 3, 2)
class SquareOfLinear(Linear):
    """Its own gradient needs forward, and it keeps what it does not use."""

    def forward(self, X):
        self.out = (X @ self._parameters) ** 2
        return self.out

    def backward_update_gradient(self, input, delta):
        self._gradient += 2 * input.T @ (delta * (input @ self._parameters))

    def backward_delta(self, input, delta):
        return 2 * (delta * (input @ self._parameters)) @ self._parameters.T


@correct(CONV, 3, 2, 4, 1)
class ConvWithBias(Conv1D):
    """A bias beside the weights."""

    def __init__(self, k_size, chan_in, chan_out, stride=1):
        super().__init__(k_size, chan_in, chan_out, stride)
        self.bias, self.bias_gradient = np.zeros(chan_out), np.zeros(chan_out)

    def zero_grad(self):
        super().zero_grad()
        self.bias_gradient = np.zeros(self.chan_out) if hasattr(self, "bias") else None

    def forward(self, X):
        return super().forward(X) + self.bias

    def backward_update_gradient(self, input, delta):
        super().backward_update_gradient(input, delta)
        self.bias_gradient += delta.sum(axis=(0, 1))

    def update_parameters(self, gradient_step=1e-3):
        super().update_parameters(gradient_step)
        self.bias = self.bias - gradient_step * self.bias_gradient


# --- normalisations that hold a statistic for a constant -------------------------------------------------------------


@broken("constant-statistics", (6, 3), 3)
class BatchNormHeld(BatchNorm):
    def backward_delta(self, input, delta):
        return delta * self._parameters[0] / np.sqrt(input.var(axis=0) + 1e-5)


@broken("constant-statistics", (6, 3), 3)
class BatchNormVarianceHeld(BatchNorm):
    def backward_delta(self, input, delta):
        d = delta * self._parameters[0] / np.sqrt(input.var(axis=0) + 1e-5)
        return d - d.mean(axis=0)


@broken("constant-statistics", (6, 3), 3)
class BatchNormMeanHeld(BatchNorm):
    def backward_delta(self, input, delta):
        std = np.sqrt(input.var(axis=0) + 1e-5)
        xhat = (input - input.mean(axis=0)) / std
        d = delta * self._parameters[0] / std
        return d - xhat * (d * xhat).mean(axis=0)


@correct((3, 5))
class LayerNorm(Module):
    """Over the features of each example, with nothing to learn."""

    def forward(self, X):
        return (X - X.mean(-1, keepdims=True)) / np.sqrt(X.var(-1, keepdims=True) + 1e-3)

    def backward_delta(self, input, delta):
        std = np.sqrt(input.var(-1, keepdims=True) + 1e-3)
        xhat = (input - input.mean(-1, keepdims=True)) / std
        return (delta - delta.mean(-1, keepdims=True) - xhat * (delta * xhat).mean(-1, keepdims=True)) / std


@broken("constant-statistics", (3, 5))
class LayerNormHeld(LayerNorm):
    def backward_delta(self, input, delta):
        return delta / np.sqrt(input.var(-1, keepdims=True) + 1e-3)


@broken("constant-statistics", (2, 3, 5))
class LayerNormVarianceHeld(LayerNorm):
    def backward_delta(self, input, delta):
        return (delta - delta.mean(-1, keepdims=True)) / np.sqrt(input.var(-1, keepdims=True) + 1e-3)


@correct((3, 5))
class RootMeanSquare(Module):
    def forward(self, X):
        return X / np.sqrt((X**2).mean(-1, keepdims=True) + 1e-6)

    def backward_delta(self, input, delta):
        r = np.sqrt((input**2).mean(-1, keepdims=True) + 1e-6)
        h = input / r
        return (delta - h * (h * delta).mean(-1, keepdims=True)) / r


@broken("constant-statistics", (3, 5))
class RootMeanSquareHeld(RootMeanSquare):
    def backward_delta(self, input, delta):
        return delta / np.sqrt((input**2).mean(-1, keepdims=True) + 1e-6)


@broken("constant-statistics", (2, 5, 2))
class InstanceNormHeld(Module):
    """Each channel of an example over its length."""

    def forward(self, X):
        return (X - X.mean(1, keepdims=True)) / np.sqrt(X.var(1, keepdims=True) + 1e-5)

    def backward_delta(self, input, delta):
        return delta / np.sqrt(input.var(1, keepdims=True) + 1e-5)


@broken("constant-statistics", (3, 6))
class GroupNormHeld(Module):
    """Features in two groups."""

    def forward(self, X):
        z = X.reshape(len(X), 2, -1)
        return ((z - z.mean(-1, keepdims=True)) / np.sqrt(z.var(-1, keepdims=True) + 1e-5)).reshape(X.shape)

    def backward_delta(self, input, delta):
        z = input.reshape(len(input), 2, -1)
        return (delta.reshape(z.shape) / np.sqrt(z.var(-1, keepdims=True) + 1e-5)).reshape(input.shape)


# --- an input that goes two ways, or into several outputs ------------------------------------------------------------


class _Around(Module):
    """The input, plus a bend of it."""

    def forward(self, X):
        return X + np.tanh(X)


@correct()
class Around(_Around):
    def backward_delta(self, input, delta):
        return delta * (2 - np.tanh(input) ** 2)


@broken("shortcut")
class AroundLost(_Around):
    def backward_delta(self, input, delta):
        return delta * (1 - np.tanh(input) ** 2)


class _Repeat(Module):
    def forward(self, X):
        return X.repeat(2, axis=1)


@correct()
class Repeat(_Repeat):
    def backward_delta(self, input, delta):
        return delta[:, ::2] + delta[:, 1::2]


@broken("overwrites")
class RepeatFirst(_Repeat):
    def backward_delta(self, input, delta):
        return delta[:, ::2]


@broken("overwrites")
class RepeatLast(_Repeat):
    def backward_delta(self, input, delta):
        return delta[:, 1::2]


# --- right in part ---------------------------------------------------------------------------------------------------


class _Running(Module):
    """The last of running sums of bends: (batch, length) -> (batch, 1)."""

    def forward(self, X):
        h = np.zeros(len(X))
        for t in range(X.shape[1]):
            h = np.tanh(X[:, t] + 0.5 * h)
        return h[:, None]

    def states(self, X):
        h = [np.zeros(len(X))]
        for t in range(X.shape[1]):
            h.append(np.tanh(X[:, t] + 0.5 * h[-1]))
        return h


@correct()
class Running(_Running):
    def backward_delta(self, input, delta):
        h, d, out = self.states(input), delta[:, 0], np.zeros(input.shape)
        for t in range(input.shape[1] - 1, -1, -1):
            out[:, t] = d = d * (1 - h[t + 1] ** 2)
            d = 0.5 * d
        return out


@broken("cut-short")
class RunningLastStep(_Running):
    def backward_delta(self, input, delta):
        out = np.zeros(input.shape)
        out[:, -1] = delta[:, 0] * (1 - self.states(input)[-1] ** 2)
        return out


@broken("sign")
class Distance(Module):
    def forward(self, X):
        return np.abs(X - 0.2)

    def backward_delta(self, input, delta):
        return np.abs(delta) * np.sign(input - 0.2)
