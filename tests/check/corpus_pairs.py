"""Two mistakes in one class, and the settings that one mistake comes in: classes as students write them, with what should be said.

`PAIRS` holds (findings, class, a function that makes the object, input); findings are (method, kind), all of them. `SETTINGS` are
classes to be built by the checker itself, with the findings wanted; without any the class is right.
"""

import numpy as np
from corpus import CONV, LINE, AvgPool1D, Conv1D, Lineaire, Linear, MaxPool1D, Module, Softmax, TanH, seeded

PAIRS, SETTINGS = [], []
DELTA, GRADIENT, UPDATE, ZERO = "backward_delta", "backward_update_gradient", "update_parameters", "zero_grad"


def pair(base, input, args, *findings, **methods):
    cls = type(base.__name__, (base,), {"__doc__": None, **methods})
    PAIRS.append((set(findings), cls, lambda: seeded(cls, args), input))


def setting(*findings):
    def keep(cls):
        SETTINGS.append((cls, set(findings)))
        return cls

    return keep


# --- two at once -----------------------------------------------------------------------------------------------------


def mean_and_replaced(self, input, delta):
    self._gradient = input.T @ delta / len(input)


def mean_and_overlap(self, input, delta):
    dx = np.zeros(input.shape)
    for i, s in enumerate(self.starts(input)):
        dx[:, s : s + self.k_size] = delta[:, i : i + 1] / self.k_size / len(input)
    return dx


def replaced_and_turned(self, input, delta):
    dx = np.zeros(input.shape)
    for i, s in enumerate(self.starts(input)):
        dx[:, s : s + self.k_size] = delta[:, i : i + 1, ::-1] / self.k_size
    return dx


def mean_without_stride(self, input, delta):
    for i in range(self.count(input)):
        part = input[:, i : i + self.k_size]
        self._gradient += np.tensordot(part, delta[:, i], ([0], [0])) / len(input)


def flipped_and_minus(self, input, delta):
    dx = np.zeros(input.shape)
    for i in range(self.count(input)):
        start = i * self.stride
        dx[:, start : start + self.k_size] -= np.tensordot(delta[:, i], self._parameters[::-1], ([1], [2]))
    return dx


def last_of_channels(self, input, delta):
    dx = np.zeros(input.shape)
    for i in range(self.count(input)):
        for c in range(self.chan_out):
            start = i * self.stride
            dx[:, start : start + self.k_size] = delta[:, i, c][:, None, None] * self._parameters[:, :, c]
    return dx


def last_of_all(self, input, delta):
    for b in range(len(input)):
        for i in range(self.count(input)):
            part = input[b, i * self.stride : i * self.stride + self.k_size]
            self._gradient[...] = part[:, :, None] * delta[b, i]


def kept_and_overwritten(self, input, delta):
    dx = np.zeros(input.shape)
    for b, i, c in np.ndindex(delta.shape):
        dx[b, self.best[b, i, c], c] = delta[b, i, c]
    return dx


def over_the_window_too(self, input, delta):
    for i in range(self.count(input)):
        part = input[:, i * self.stride : i * self.stride + self.k_size]
        self._gradient += np.tensordot(part, delta[:, i], ([0], [0])).sum(axis=0)


def mean_in_windows_of_two(self, input, delta):
    dx = np.zeros(input.shape)
    for i, s in enumerate(self.starts(input)):
        left, right = np.swapaxes(input[:, s : s + self.k_size], 0, 1)
        dx[:, s] += delta[:, i] * (left >= right) / len(input)
        dx[:, s + 1] += delta[:, i] * (left < right) / len(input)
    return dx


def keeping_the_best(self, X):
    self.best = np.stack([s + X[:, s : s + self.k_size].argmax(axis=1) for s in self.starts(X)], axis=1)
    return np.take_along_axis(X, self.best, axis=1)


def from_memory(self, input, delta):
    dx = np.empty(input.shape)
    dx[input > 0] = (delta * (1 - np.tanh(input) ** 2))[input > 0]
    dx[input <= -1] = (delta * (1 - np.tanh(input) ** 2))[input <= -1]
    return dx


def upwards(self, gradient_step=1e-3):
    self._parameters += gradient_step * self._gradient


def no_self():
    pass


pair(Linear, LINE, (3, 2), (GRADIENT, "overwrites"), (GRADIENT, "scale"), backward_update_gradient=mean_and_replaced)
pair(Linear, LINE, (3, 2), (GRADIENT, "scale"), (UPDATE, "sign"),
     backward_update_gradient=lambda s, x, d: s._gradient.__iadd__(x.T @ d / len(x)), update_parameters=upwards)  # fmt: skip
pair(Linear, LINE, (3, 2), (DELTA, "sign"), (GRADIENT, "scale"), backward_delta=lambda s, x, d: -d @ s._parameters.T,
     backward_update_gradient=lambda s, x, d: s._gradient.__iadd__(2 * x.T @ d))  # fmt: skip
pair(AvgPool1D, CONV, (3, 2), (DELTA, "overlap"), (DELTA, "scale"), backward_delta=mean_and_overlap)
pair(AvgPool1D, CONV, (3, 2), (DELTA, "overlap"), (DELTA, "channel-mix"), backward_delta=replaced_and_turned)
pair(Conv1D, CONV, (3, 2, 4, 2), (GRADIENT, "stride"), (GRADIENT, "scale"), backward_update_gradient=mean_without_stride)
pair(Conv1D, CONV, (3, 2, 4, 2), (DELTA, "flipped-kernel"), (DELTA, "sign"), backward_delta=flipped_and_minus)
pair(Conv1D, CONV, (2, 2, 3, 2), (DELTA, "overwrites"), backward_delta=last_of_channels)
pair(Conv1D, CONV, (3, 2, 4, 2), (GRADIENT, "overwrites"), backward_update_gradient=last_of_all)
pair(
    MaxPool1D,
    CONV,
    (3, 2),
    (DELTA, "overlap"),
    (DELTA, "stateful"),
    forward=keeping_the_best,
    backward_delta=kept_and_overwritten,
)
pair(Softmax, LINE, (), (DELTA, "diagonal"), (DELTA, "scale"),
     backward_delta=lambda s, x, d: d * s.forward(x) * (1 - s.forward(x)) / len(x))  # fmt: skip
pair(TanH, LINE, (), (DELTA, "times-input"), backward_delta=lambda s, x, d: d * x * (1 - np.tanh(x) ** 2))
pair(Linear, LINE, (3, 2), (DELTA, "clipped"), (UPDATE, "clipped"), backward_delta=lambda s, x, d: d.clip(-1, 1) @ s._parameters.T,
     update_parameters=lambda s, eps: s._parameters.__isub__(eps * s._gradient.clip(-0.5, 0.5)))  # fmt: skip
pair(Conv1D, CONV, (3, 2, 4, 2), (GRADIENT, "shape"), backward_update_gradient=over_the_window_too)
pair(MaxPool1D, CONV, (2, 2), (DELTA, "scale"), (DELTA, "crash"), backward_delta=mean_in_windows_of_two)
pair(TanH, LINE, (), (DELTA, "uninitialised"), backward_delta=from_memory)
pair(TanH, LINE, (), (ZERO, "signature"), zero_grad=no_self)
pair(TanH, LINE, (), (DELTA, "times-input"), backward_delta=lambda s, x, d: d * x * (1 - np.tanh(x) ** 2))
pair(TanH, LINE, (), (DELTA, "at-delta"), backward_delta=lambda s, x, d: d * (1 - np.tanh(d) ** 2))
pair(TanH, LINE, (), (DELTA, "stateful"), forward=lambda s, X: setattr(s, "x", X) or np.tanh(X),
     backward_delta=lambda s, d: d * (1 - np.tanh(s.x) ** 2))  # fmt: skip
# What follows from a wrong forward is not said again.
pair(TanH, LINE, (), ("forward", "forward"), forward=lambda s, X: np.tanh(2 * X))
pair(Softmax, LINE, (), ("forward", "forward"), (DELTA, "diagonal"),
     forward=lambda s, X: Softmax.forward(s, X) + 0.1, backward_delta=lambda s, x, d: d * Softmax.forward(s, x) * (1 - Softmax.forward(s, x)))  # fmt: skip


# --- settings: built by the checker ----------------------------------------------------------------------------------


class ReLU(Module):
    def forward(self, X):
        return np.maximum(X, 0)

    def backward_delta(self, input, delta):
        return delta * (input > 0)


@setting()
class Seuil(Module):
    """A threshold that a name tells."""

    def __init__(self, seuil):
        super().__init__()
        self.seuil = seuil

    def forward(self, X):
        return np.where(self.seuil < X, X, 0.0)

    def backward_delta(self, input, delta):
        return delta * (input > self.seuil)


@setting()
class Dense(Lineaire):
    """Sizes under other names, options behind them."""

    def __init__(self, nb_entrees, nb_neurones, init="normal", verbose=False):
        super().__init__(nb_entrees, nb_neurones)


@setting((DELTA, "scale"))
class LeakyReLU(Module):
    """Two slopes."""

    def __init__(self, alpha=0.1):
        super().__init__()
        self.alpha = alpha

    def forward(self, X):
        return np.where(X > 0, X, self.alpha * X)

    def backward_delta(self, input, delta):
        return delta * np.where(input > 0, 1, 0.01)


@setting()
class ReLU6(ReLU):
    """A name with a digit that means something."""

    def forward(self, X):
        return np.clip(3 * X, 0, 6)

    def backward_delta(self, input, delta):
        return 3 * delta * ((input > 0) & (input < 2))


@setting((DELTA, "identity"))
class LogSoftmax(Module):
    """Right with log=False, another function with log=True."""

    def __init__(self, log=True):
        super().__init__()
        self.log = log

    def forward(self, X):
        low = X - X.max(axis=1, keepdims=True)
        return low - np.log(np.exp(low).sum(axis=1, keepdims=True)) if self.log else X * 1.0

    def backward_delta(self, input, delta):
        return delta


@setting((DELTA, "overlap"))
class AvgPool2D(Module):
    """Right for windows side by side only; the sizes of the window by height and width."""

    def __init__(self, v_size, h_size, v_stride, h_stride):
        super().__init__()
        self.size, self.step = (v_size, h_size), (v_stride, h_stride)

    def windows(self, X):
        seen = np.lib.stride_tricks.sliding_window_view(X, self.size, axis=(1, 2))
        return seen[:, :: self.step[0], :: self.step[1]]

    def forward(self, X):
        return self.windows(X).mean(axis=(4, 5))

    def backward_delta(self, input, delta):
        dx = np.zeros(input.shape)
        wide = np.repeat(np.repeat(delta, self.size[0], axis=1), self.size[1], axis=2) / np.prod(self.size)
        part = dx[:, : wide.shape[1], : wide.shape[2]]
        part[...] = wide[:, : part.shape[1], : part.shape[2]]
        return dx


@setting()
class Conv2D(Module):
    """Channels first, the axes of the weights in another order."""

    def __init__(self, in_channels, out_channels, kernel_size, stride=1):
        super().__init__()
        self.k, self.s = kernel_size, stride
        self._parameters = np.random.randn(out_channels, in_channels, kernel_size, kernel_size)
        self.zero_grad()

    def zero_grad(self):
        self._gradient = np.zeros(self._parameters.shape)

    def places(self, X):
        n, m = ((side - self.k) // self.s + 1 for side in X.shape[2:])
        return [
            (i, j, slice(i * self.s, i * self.s + self.k), slice(j * self.s, j * self.s + self.k))
            for i in range(n)
            for j in range(m)
        ]

    def forward(self, X):
        places = self.places(X)
        out = np.zeros((len(X), len(self._parameters), places[-1][0] + 1, places[-1][1] + 1))
        for i, j, rows, columns in places:
            out[:, :, i, j] = np.einsum("bckl,ockl->bo", X[:, :, rows, columns], self._parameters)
        return out

    def backward_update_gradient(self, input, delta):
        for i, j, rows, columns in self.places(input):
            self._gradient += np.einsum("bckl,bo->ockl", input[:, :, rows, columns], delta[:, :, i, j])

    def backward_delta(self, input, delta):
        dx = np.zeros(input.shape)
        for i, j, rows, columns in self.places(input):
            dx[:, :, rows, columns] += np.einsum("bo,ockl->bckl", delta[:, :, i, j], self._parameters)
        return dx


@setting((DELTA, "transposed"))
class Conv2DTurned(Conv2D):
    """The rows and the columns of the window swapped on the way back."""

    def backward_delta(self, input, delta):
        dx = np.zeros(input.shape)
        for i, j, rows, columns in self.places(input):
            dx[:, :, rows, columns] += np.einsum("bo,ockl->bclk", delta[:, :, i, j], self._parameters)
        return dx


@setting((DELTA, "scale"))
class ConvSquare(Module):
    """A signal that is a square picture, which it insists on."""

    def __init__(self, k_size, chan_in, chan_out):
        super().__init__()
        self._parameters = np.random.randn(chan_in, chan_out)
        self.zero_grad()

    def zero_grad(self):
        self._gradient = np.zeros(self._parameters.shape)

    def forward(self, X):
        assert int(np.sqrt(X.shape[1])) ** 2 == X.shape[1], "no square"
        return X @ self._parameters

    def backward_update_gradient(self, input, delta):
        self._gradient += np.tensordot(input, delta, ([0, 1], [0, 1]))

    def backward_delta(self, input, delta):
        return 2 * delta @ self._parameters.T


@setting((DELTA, "overlap"))
class MaxPool2D(Module):
    """Channels first, = for +=."""

    def __init__(self, kernel_size, stride=None):
        super().__init__()
        self.k, self.s = kernel_size, stride or kernel_size

    def forward(self, X):
        seen = np.lib.stride_tricks.sliding_window_view(X, (self.k, self.k), axis=(2, 3))
        return seen[:, :, :: self.s, :: self.s].max(axis=(4, 5))

    def backward_delta(self, input, delta):
        dx = np.zeros(input.shape)
        for b, c, i, j in np.ndindex(delta.shape):
            part = input[b, c, i * self.s : i * self.s + self.k, j * self.s : j * self.s + self.k]
            u, v = np.unravel_index(part.argmax(), part.shape)
            dx[b, c, i * self.s + u, j * self.s + v] = delta[b, c, i, j]
        return dx


@setting(("forward", "square-only"))
class SquarePool(MaxPool2D):
    """Channels last; as many windows across as there are down."""

    def __init__(self, k_size, stride):
        super().__init__(k_size, stride)

    def places(self, X):
        count = (X.shape[1] - self.k) // self.s + 1
        return [(i, j) for i in range(count) for j in range(count)]

    def window(self, X, i, j):
        return X[:, i * self.s : i * self.s + self.k, j * self.s : j * self.s + self.k]

    def forward(self, X):
        out = np.array([self.window(X, i, j).max(axis=(1, 2)) for i, j in self.places(X)]).swapaxes(0, 1)
        side = round(out.shape[1] ** 0.5)
        return out.reshape(len(X), side, side, -1)

    def backward_delta(self, input, delta):
        dx = np.zeros(input.shape)
        for i, j in self.places(input):
            part = self.window(input, i, j)
            first = part.reshape(len(part), -1, part.shape[-1]).argmax(axis=1)
            hit = (np.arange(self.k * self.k)[:, None] == first[:, None]).reshape(part.shape)
            self.window(dx, i, j)[...] += hit * delta[:, i, j][:, None, None]
        return dx


SquarePool.__name__ = "MaxPool2D"


@setting()
class ChannelMixing(Linear):
    """The last axis alone, at each position of a signal."""

    def __init__(self, chan_in, chan_out):
        super().__init__(chan_in, chan_out)

    def backward_update_gradient(self, input, delta):
        self._gradient += np.tensordot(input, delta, ([0, 1], [0, 1]))

    def backward_delta(self, input, delta):
        return delta @ self._parameters.T


@setting((DELTA, "channel-mix"))
class ReshapedMixing(ChannelMixing):
    """reshape where axes are to be swapped."""

    def backward_delta(self, input, delta):
        return (self._parameters @ delta.reshape(len(delta), delta.shape[2], -1)).reshape(input.shape)


@setting((DELTA, "diagonal"))
class SummedMixing(ChannelMixing):
    """What all positions were given, at each."""

    def backward_delta(self, input, delta):
        return np.ones(input.shape) * (delta.sum(axis=1, keepdims=True) @ self._parameters.T)


@setting()
class Affine:
    """Weights as rows, the bias beside, gradients in a dict, and an array that forward keeps."""

    def __init__(self, input_dim, output_dim):
        self._parameters = np.random.randn(output_dim, input_dim)
        self._bias_parameters = np.random.randn(output_dim)
        self.entree = np.zeros((4, input_dim))
        self.zero_grad()

    def zero_grad(self):
        self._gradient = {"weight": np.zeros(self._parameters.shape), "bias": np.zeros(len(self._bias_parameters))}

    def forward(self, X):
        self.entree = X * 1.0
        return X @ self._parameters.T + self._bias_parameters

    def update_parameters(self, learning_rate):
        self._parameters -= learning_rate * self._gradient["weight"]
        self._bias_parameters -= learning_rate * self._gradient["bias"]

    def backward_update_gradient(self, input, delta):
        self._gradient["weight"] += delta.T @ input
        self._gradient["bias"] += delta.sum(axis=0)

    def backward_delta(self, input, delta):
        return delta @ self._parameters


@setting((GRADIENT, "missing-parameter"))
class Layer(Affine):
    """With bias=True, which is not what it does by default, the bias learns nothing."""

    def __init__(self, n_in, n_out, bias=False):
        super().__init__(n_in, n_out)
        self.with_bias = bias
        self._bias_parameters = np.random.randn(n_out) if bias else np.zeros(0)

    def zero_grad(self):
        self._gradient = np.zeros(self._parameters.shape)

    def forward(self, X):
        return X @ self._parameters.T + (self._bias_parameters if self.with_bias else 0)

    def update_parameters(self, learning_rate):
        self._parameters -= learning_rate * self._gradient

    def backward_update_gradient(self, input, delta):
        self._gradient += delta.T @ input


@setting((ZERO, "not-implemented"), (UPDATE, "not-implemented"))
class Softsign(Module):
    """Two methods of the base are left as they came."""

    def zero_grad(self):
        raise NotImplementedError

    def update_parameters(self, gradient_step):
        raise NotImplementedError

    def forward(self, X):
        return X / (1 + np.abs(X))

    def backward_delta(self, input, delta):
        return delta / (1 + np.abs(input)) ** 2


@setting((UPDATE, "crash"))
class Sinus(Module):
    """update_parameters of the base, for a module that has no parameters."""

    def update_parameters(self, gradient_step=1e-3):
        self._parameters -= gradient_step * self._gradient

    def forward(self, X):
        return np.sin(X)

    def backward_delta(self, input, delta):
        return delta * np.cos(input)


@setting()
class Remembered:
    """forward and backward(dout), as books write it."""

    def __init__(self, n_in, n_out):
        self.weights, self.biases = np.random.randn(n_in, n_out), np.zeros(n_out)

    def forward(self, x):
        self.inputs = x
        return x @ self.weights + self.biases

    def backward(self, dvalues):
        self.dweights, self.dbiases = self.inputs.T @ dvalues, dvalues.sum(axis=0)
        return dvalues @ self.weights.T


@setting(("backward", "scale"))
class RememberedMean(Remembered):
    """The same with a mean."""

    def backward(self, dvalues):
        self.dweights, self.dbiases = self.inputs.T @ dvalues / len(dvalues), dvalues.sum(axis=0)
        return dvalues @ self.weights.T
