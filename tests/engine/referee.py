"""What a network computes, once more: plain numpy in float64, nothing of the library but `wire` of its containers.

Outputs, gradients, running statistics and masks, steps of optimizers and whole trainings. Numbers are copies (`Numbers`), so a
training can be followed here first and compared afterwards.
"""

import copy

import numpy as np

from modnet import (
    BatchNorm,
    Conv1D,
    Dropout,
    Embedding,
    Flatten,
    Identity,
    LayerNorm,
    LeakyReLU,
    Linear,
    PReLU,
    Reshape,
    Tanh,
    Tied,
)
from modnet.optim.schedules import ExponentialDecay, ReduceOnPlateau, StepDecay


class Refused(Exception):
    """The network does not take this input."""


class Student:
    """A module as students write it. Its arrays are new ones after each step."""

    def __init__(self, n, m, seed=0):
        rng = np.random.default_rng(seed)
        self._parameters = {"W": rng.uniform(-0.5, 0.5, (n, m)), "b": rng.uniform(-0.5, 0.5, m)}
        self.zero_grad()

    def zero_grad(self):
        self._gradient = {name: np.zeros(value.shape) for name, value in self._parameters.items()}

    def forward(self, X):
        return X @ self._parameters["W"] + self._parameters["b"]

    def update_parameters(self, gradient_step=1e-3):
        for name in self._parameters:
            self._parameters[name] = self._parameters[name] - gradient_step * self._gradient[name]

    def backward_update_gradient(self, input, delta):
        x, d = input.reshape(-1, input.shape[-1]), delta.reshape(-1, delta.shape[-1])
        self._gradient["W"] += x.T @ d
        self._gradient["b"] += d.sum(axis=0)

    def backward_delta(self, input, delta):
        return delta @ self._parameters["W"].T


class Doubled(Linear):
    """A student's subclass of a module of the library, with operations in Python."""

    def forward(self, X):
        return 2 * super().forward(X)

    def backward_update_gradient(self, input, delta):
        super().backward_update_gradient(input, 2 * np.asarray(delta))

    def backward_delta(self, input, delta):
        return super().backward_delta(input, 2 * np.asarray(delta))


def unique(items):
    """Each object once, in order."""
    return list({id(item): item for item in items}.values())


def leaves_of(net):
    """The leaves of a network, or the module itself, each once."""
    return unique(net.leaves() if hasattr(net, "leaves") else [net])


def parameters_of(leaf):
    """The arrays of a leaf that are trained, by name: they can be written to."""
    return dict(leaf._parameters) if isinstance(leaf, Student) else leaf.named_parameters()


def gradients_of(leaf):
    """Their gradients."""
    if isinstance(leaf, Student):
        return dict(leaf._gradient)
    return {name: getattr(leaf, f"{name}_gradient") for name in leaf.named_parameters()}


def state_of(leaf):
    """The statistics that a leaf keeps."""
    return {name: getattr(leaf, name) for name in ("running_mean", "running_var") if isinstance(leaf, BatchNorm)}


class Numbers(dict):
    """Copies of parameters and state in float64, by (id of the leaf, name)."""

    def __init__(self, leaves=()):
        for leaf in leaves:
            self.take(leaf)

    def take(self, leaf):
        for name, array in {**parameters_of(leaf), **state_of(leaf)}.items():
            self[id(leaf), name] = np.array(array, np.float64)

    def shaken(self, relative):
        """A copy, with each number moved by a part of itself."""
        found, rng = Numbers(), np.random.default_rng(0)
        found.update({key: array * (1 + relative * rng.uniform(-1, 1, array.shape)) for key, array in self.items()})
        return found

    def of(self, leaf, name):
        if (id(leaf), name) not in self:
            self.take(leaf)  # the weight of a Linear that is in another network
        return self[id(leaf), name]


class _Value:
    def __init__(self, array, raw=False):
        self.array, self.delta, self.raw = array, np.zeros(array.shape), raw


class Walk:
    """One forward, and the backward from it.

    Parameters
    ----------
    numbers : `Numbers`; running statistics in it move in training.
    training : from a leaf to whether it is in training.
    draw : the number of the forward, or from a leaf to that. moves : whether statistics move.
    """

    def __init__(self, numbers, training, draw=0, moves=True):
        self.numbers, self.training, self.draw, self.moves = numbers, training, draw, moves
        self.back, self.gradients, self.uses, self.before = [], {}, {}, {}
        self.kink = np.inf  # how near to a kink an activation's input came
        self.largest = 0.0

    def forward(self, net, x):
        self.input = _Value(np.asarray(x, np.float64), raw=True)
        self.takes_numbers = True
        self.output = net.wire(self, self.input) if hasattr(net, "wire") else self.add(net, self.input)
        return self.output.array

    def backward(self, delta):
        self.output.delta = self.output.delta + delta
        for step in reversed(self.back):
            step()
        return self.input.delta if self.takes_numbers else None

    # What `wire` calls.

    def each(self, container):
        yield from container

    def add(self, module, x):
        if hasattr(module, "wire") and type(module).is_wired:
            return module.wire(self, x)
        if hasattr(module, "wire"):  # a class with operations of its own: what it holds counts its uses from here
            outside, self.before = self.before, dict(self.uses)
            found = module.wire(self, x)
            self.before = outside
            return found
        out, back = _FORMULAS[type(module)](self, module, x.array)
        value = _Value(out, raw=x.raw and isinstance(module, Identity | Flatten | Reshape))
        if isinstance(module, Embedding):
            if not x.raw:
                raise Refused("whole numbers only at the input")
            self.takes_numbers = False
        self.largest = max(self.largest, np.abs(out).max(initial=0.0))
        self.uses[id(module)] = self.uses.get(id(module), 0) + 1

        def step():
            x.delta = x.delta + back(value.delta)

        self.back.append(step)
        return value

    def sum(self, first, *others):
        total = first.array
        for other in others:
            if other.array.shape != first.array.shape:
                raise Refused("a sum of two shapes")
            total = total + other.array
        value = _Value(total)

        def step():
            for part in (first, *others):
                part.delta = part.delta + value.delta

        self.back.append(step)
        return value

    def join(self, *values):
        _require(values, "no branches")
        shapes = {value.array.shape[:-1] for value in values}
        if len(shapes) > 1 or any(value.array.ndim < 2 for value in values):
            raise Refused("branches of different shapes")
        value = _Value(np.concatenate([value.array for value in values], axis=-1))

        def step():
            at = 0
            for part in values:
                n = part.array.shape[-1]
                part.delta = part.delta + value.delta[..., at : at + n]
                at += n

        self.back.append(step)
        return value

    # What the formulas call.

    def number(self, leaf, name):
        return self.numbers.of(leaf, name)

    def gradient(self, leaf, name, array):
        key = id(leaf), name
        self.gradients[key] = self.gradients.get(key, 0.0) + array

    def near(self, x):
        self.kink = min(self.kink, np.abs(x).min(initial=np.inf))


def _require(condition, text):
    if not condition:
        raise Refused(text)


def _rows(x):
    return x.reshape(-1, x.shape[-1])


def _product(walk, leaf, x, weight, transposed, factor=1.0):
    """x W + b, of a Linear, of a Tied (whose weight is the Linear's, transposed), of a student's."""
    owner, name = weight
    W = walk.number(owner, name)
    W = W.T if transposed else W
    _require(x.ndim >= 2 and x.shape[-1] == W.shape[0], "features")
    biases = [n for n in parameters_of(leaf) if n in ("bias", "b")]
    out = factor * (x @ W + (walk.number(leaf, biases[0]) if biases else 0.0))

    def back(delta):
        slope = _rows(x).T @ _rows(factor * delta)
        walk.gradient(owner, name, slope.T if transposed else slope)
        if biases:
            walk.gradient(leaf, biases[0], _rows(factor * delta).sum(axis=0))
        return factor * delta @ W.T

    return out, back


def _leaky(walk, leaf, x):
    walk.near(x)
    slope = leaf.slope
    return np.where(x > 0, x, slope * x), lambda delta: np.where(x > 0, 1.0, slope) * delta


def _prelu(walk, leaf, x):
    walk.near(x)
    slope = walk.number(leaf, "weight")[0]

    def back(delta):
        walk.gradient(leaf, "weight", np.array([np.sum(np.where(x > 0, 0.0, delta * x))]))
        return np.where(x > 0, 1.0, slope) * delta

    return np.where(x > 0, x, slope * x), back


def _tanh(walk, leaf, x):
    out = np.tanh(x)
    return out, lambda delta: delta * (1 - out * out)


def _mix(z):
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def _dropout(walk, leaf, x):
    if not walk.training(leaf):
        return x, lambda delta: delta
    step = np.uint64(0x9E3779B97F4A7C15)
    before = walk.before.get(id(leaf), 0)
    use = np.array([walk.uses.get(id(leaf), 0) - before], np.uint64)
    draw = np.array([(walk.draw(leaf) if callable(walk.draw) else walk.draw) + (before << 40)], np.uint64)
    start = _mix(_mix(_mix(np.array([leaf.key], np.uint64)) + use * step) + draw * step)
    bits = _mix(start + np.arange(x.size, dtype=np.uint64) * step) >> np.uint64(11)
    mask = ((bits >= np.uint64(leaf.p * 2.0**53)) / (1.0 - leaf.p)).reshape(x.shape)
    return x * mask, lambda delta: delta * mask


def _batch_norm(walk, leaf, x):
    _require(x.ndim >= 2 and x.shape[-1] == leaf.features, "features")
    w, b, rows = walk.number(leaf, "weight"), walk.number(leaf, "bias"), _rows(x)
    training = walk.training(leaf)
    if training:
        _require(len(rows) > 1, "one row has no variance")
        mean, var = rows.mean(axis=0), rows.var(axis=0)
        if walk.moves:
            for name, value in (("running_mean", mean), ("running_var", rows.var(axis=0, ddof=1))):
                old = walk.number(leaf, name)
                walk.numbers[id(leaf), name] = old + leaf.momentum * (value - old)
    else:
        mean, var = walk.number(leaf, "running_mean"), walk.number(leaf, "running_var")
    r = 1 / np.sqrt(var + leaf.eps)
    h = (x - mean) * r

    def back(delta):
        walk.gradient(leaf, "weight", _rows(delta * h).sum(axis=0))
        walk.gradient(leaf, "bias", _rows(delta).sum(axis=0))
        g = delta * w
        if not training:
            return r * g
        return r * (g - _rows(g).mean(axis=0) - h * _rows(g * h).mean(axis=0))

    return h * w + b, back


def _layer_norm(walk, leaf, x):
    _require(x.ndim >= 2 and x.shape[-1] == leaf.features, "features")
    w, b = walk.number(leaf, "weight"), walk.number(leaf, "bias")
    r = 1 / np.sqrt(x.var(axis=-1, keepdims=True) + leaf.eps)
    h = (x - x.mean(axis=-1, keepdims=True)) * r

    def back(delta):
        walk.gradient(leaf, "weight", _rows(delta * h).sum(axis=0))
        walk.gradient(leaf, "bias", _rows(delta).sum(axis=0))
        g = delta * w
        return r * (g - g.mean(axis=-1, keepdims=True) - h * (g * h).mean(axis=-1, keepdims=True))

    return h * w + b, back


def _embedding(walk, leaf, x):
    _require(bool(((x >= 0) & (x < leaf.count) & (x == np.round(x))).all()), "labels")
    index, W = x.astype(int), walk.number(leaf, "weight")

    def back(delta):
        slope = np.zeros(W.shape)
        np.add.at(slope, index, delta)
        walk.gradient(leaf, "weight", slope)
        return np.zeros(x.shape)

    return W[index], back


def _conv(walk, leaf, x):
    _require(x.ndim == 3 and x.shape[2] == leaf.chan_in and x.shape[1] + 2 * leaf.padding >= leaf.k_size, "signal")
    W, b = walk.number(leaf, "weight"), walk.number(leaf, "bias")
    k, s, p = leaf.k_size, leaf.stride, leaf.padding
    wide = np.pad(x, ((0, 0), (p, p), (0, 0)))
    count = (wide.shape[1] - k) // s + 1
    windows = np.stack([wide[:, o * s : o * s + k] for o in range(count)], axis=1)

    def back(delta):
        walk.gradient(leaf, "weight", np.einsum("nokc,nom->kcm", windows, delta))
        walk.gradient(leaf, "bias", _rows(delta).sum(axis=0))
        dx = np.zeros(wide.shape)
        for o in range(count):
            dx[:, o * s : o * s + k] += np.einsum("nm,kcm->nkc", delta[:, o], W)
        return dx[:, p : p + x.shape[1]]

    return np.einsum("nokc,kcm->nom", windows, W) + b, back


def _reshape(walk, leaf, x):
    count, known = x[0].size, int(np.prod([size for size in leaf.shape if size != -1]))
    _require(count % known == 0 if -1 in leaf.shape else count == known, "numbers")
    return x.reshape(len(x), *leaf.shape), lambda delta: delta.reshape(x.shape)


_FORMULAS = {
    Linear: lambda walk, leaf, x: _product(walk, leaf, x, (leaf, "weight"), False),
    Doubled: lambda walk, leaf, x: _product(walk, leaf, x, (leaf, "weight"), False, 2.0),
    Tied: lambda walk, leaf, x: _product(walk, leaf, x, (leaf.linear, "weight"), True),
    Student: lambda walk, leaf, x: _product(walk, leaf, x, (leaf, "W"), False),
    LeakyReLU: _leaky,
    PReLU: _prelu,
    Tanh: _tanh,
    Dropout: _dropout,
    BatchNorm: _batch_norm,
    LayerNorm: _layer_norm,
    Embedding: _embedding,
    Conv1D: _conv,
    Reshape: _reshape,
    Flatten: lambda walk, leaf, x: (x.reshape(len(x), -1), lambda delta: delta.reshape(x.shape)),
    Identity: lambda walk, leaf, x: (x, lambda delta: delta),
}


class Follower:
    """What an optimizer does to the leaves of the network that it is attached to: SGD, with momentum or without, and Adam."""

    def __init__(self, optimizer, net, factors):
        self.optimizer, self.net, self.leaves = optimizer, net, leaves_of(net)
        self.factors = [factors.get(id(leaf), 1.0) for leaf in self.leaves]
        self.schedule, self.lr = optimizer.schedule, optimizer.lr
        self.begin()

    def begin(self):
        self.moments, self.steps, self.epochs = {}, 0, 0
        self.plateau = [getattr(self.schedule, "lr", 0.0), np.inf, 0]

    def places(self):
        """Where each array that is trained lies, in order, and its shape."""
        return [((i, name), array.shape) for i, leaf in enumerate(self.leaves) for name, array in parameters_of(leaf).items()]

    def for_copy(self, optimizer, net, leaves):
        """The same for a copy of the optimizer, on a network with as many leaves."""
        found = copy.copy(self)
        found.optimizer, found.net, found.leaves = optimizer, net, leaves
        found.moments, found.plateau = copy.deepcopy(self.moments), list(self.plateau)
        return found

    def rate(self):
        s = self.schedule
        if s is None:
            return self.lr
        t = self.epochs if s.per == "epoch" else self.steps
        if isinstance(s, StepDecay):
            return s.lr * s.factor ** (t // s.every)
        if isinstance(s, ExponentialDecay):
            return s.lr * s.factor**t
        assert isinstance(s, ReduceOnPlateau)
        return self.plateau[0]

    def epoch_end(self, loss):
        if isinstance(self.schedule, ReduceOnPlateau):
            rate, best, bad = self.plateau
            if loss < best - self.schedule.threshold * (abs(best) if np.isfinite(best) else 0.0):
                self.plateau[1:] = loss, 0
            else:
                bad += 1
                if bad > self.schedule.patience:
                    rate, bad = max(rate * self.schedule.factor, self.schedule.lowest), 0
                self.plateau = [rate, best, bad]
        self.epochs += 1

    def step(self, numbers, gradients):
        """Move numbers by gradients, both by (id of a leaf, name)."""
        keys = [(i, id(leaf), name) for i, leaf in enumerate(self.leaves) if self.factors[i] for name in parameters_of(leaf)]
        slopes = {(i, name): np.asarray(gradients.get((key, name), 0.0)) for i, key, name in keys}
        limit = self.optimizer.clip_norm
        norm = np.sqrt(sum(float(np.sum(slope**2)) for slope in slopes.values()))
        if limit is not None and norm > limit:
            slopes = {key: slope * (limit / norm) for key, slope in slopes.items()}
        rate = self.rate()
        self.steps += 1
        for i, key, name in keys:
            numbers[key, name] = self._moved(i, name, numbers[key, name], slopes[i, name], rate * self.factors[i])

    def _moved(self, i, name, p, g, lr):
        opt = self.optimizer
        if type(opt).__name__ == "SGD":
            if not (opt.momentum or opt.weight_decay):
                return p - lr * g
            v = self.moments[i, name] = opt.momentum * self.moments.get((i, name), 0.0) + g + opt.weight_decay * p
            return p - lr * v
        m, v = self.moments.get((i, name), (0.0, 0.0))
        g = g + opt.weight_decay * p
        m, v = opt.beta1 * m + (1 - opt.beta1) * g, opt.beta2 * v + (1 - opt.beta2) * g * g
        self.moments[i, name] = m, v
        t = self.steps
        return p - lr * (m / (1 - opt.beta1**t)) / (np.sqrt(v / (1 - opt.beta2**t)) + opt.eps)


def follow_fit(net, numbers, x, y, follower, epochs, size, training, draw, draws):
    """A `fit` by squared error without shuffling: moves numbers and the follower; returns the losses and the nearest kink.

    training : from a leaf to whether it is in training. draw : forwards so far. draws : whether forwards are counted.
    """
    history, kink = [], np.inf
    for _ in range(epochs):
        total = 0.0
        for at in range(0, len(x), size):
            batch, truth = x[at : at + size], y[at : at + size]
            draw += draws
            walk = Walk(numbers, training, draw)
            out = walk.forward(net, batch)
            total += float(np.sum((out - truth) ** 2))
            walk.backward(2 * (out - truth) / len(batch))
            follower.step(numbers, walk.gradients)
            kink = min(kink, walk.kink)
        history.append(total / len(x))
        follower.epoch_end(history[-1])
    return history, kink
