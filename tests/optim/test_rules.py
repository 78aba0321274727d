"""Every optimizer against its rule written anew: from the history of all gradients where the library keeps running sums."""

import copy

import numpy as np
import pytest

from modnet import MSE, Callback, Linear, Module, Sequential, Tanh, fit
from modnet.discovery import all_optimizers
from modnet.optim import SGD, Adadelta, Adagrad, Adam, Adamax, AdamW, NAdam, RMSprop, Rprop

KINDS = [kind for kind in all_optimizers() if not kind.needs_loss]
CASES = [pytest.param(o, id=f"{type(o).__name__}-{i}") for kind in KINDS for i, o in enumerate(kind.examples())]
MORE = [
    SGD(0.05, momentum=0.8, nesterov=True),
    SGD(0.02, momentum=0.9, weight_decay=0.2),
    SGD(0.1, clip_norm=0.7),
    Adam(),
    Adam(0.05, eps=1e-2),
    Adam(0.1, beta1=0.0, beta2=0.0, clip_norm=0.7),
]
STEPS = 50


def decayed(values, decay):
    """sum of decay^(t - k) values[k], over all k up to the last, t."""
    return sum(decay ** (len(values) - 1 - k) * value for k, value in enumerate(values))


def mean_of_late(values, decay):
    """The mean with weights decay^(t - k): what the corrections for a start at zero amount to."""
    return decayed(values, decay) / sum(decay**k for k in range(len(values)))


def sgd(o, p, gradients):
    if o.nesterov:
        return p - o.lr * (gradients[-1] + o.momentum * decayed(gradients, o.momentum))
    return p - o.lr * decayed(gradients, o.momentum)


def adam(o, p, gradients):
    squares = [g**2 for g in gradients]
    return p - o.lr * mean_of_late(gradients, o.beta1) / (np.sqrt(mean_of_late(squares, o.beta2)) + o.eps)


def adamw(o, p, gradients):
    return adam(o, p, gradients) - o.lr * o.weight_decay * p


def adamax(o, p, gradients):
    largest = np.max([o.beta2 ** (len(gradients) - 1 - k) * (abs(g) + o.eps) for k, g in enumerate(gradients)], axis=0)
    return p - o.lr * mean_of_late(gradients, o.beta1) / largest


def nadam(o, p, gradients):
    t = len(gradients)
    mu = [o.beta1 * (1 - 0.96 ** (k * o.momentum_decay) / 2) for k in range(1, t + 2)]
    m = (1 - o.beta1) * decayed(gradients, o.beta1)
    ahead = mu[t] * m / (1 - np.prod(mu)) + (1 - mu[t - 1]) * gradients[-1] / (1 - np.prod(mu[:t]))
    return p - o.lr * ahead / (np.sqrt(mean_of_late([g**2 for g in gradients], o.beta2)) + o.eps)


def adagrad(o, p, gradients):
    rate = o.lr / (1 + (len(gradients) - 1) * o.lr_decay)
    return p - rate * gradients[-1] / (np.sqrt(sum(g**2 for g in gradients)) + o.eps)


def rmsprop(o, p, gradients):
    moves = []
    for t in range(1, len(gradients) + 1):
        spread = (1 - o.alpha) * decayed([g**2 for g in gradients[:t]], o.alpha)
        if o.centered:
            spread = spread - ((1 - o.alpha) * decayed(gradients[:t], o.alpha)) ** 2
        moves.append(gradients[t - 1] / (np.sqrt(spread) + o.eps))
    return p - o.lr * decayed(moves, o.momentum)


def adadelta(o, p, gradients):
    moves = []
    for t in range(1, len(gradients) + 1):
        slopes = (1 - o.rho) * decayed([g**2 for g in gradients[:t]], o.rho)
        before = (1 - o.rho) * decayed([q**2 for q in moves], o.rho)
        moves.append(np.sqrt((before + o.eps) / (slopes + o.eps)) * gradients[t - 1])
    return p - o.lr * moves[-1]


def rprop(o, p, gradients):
    """Number by number, from the start each time."""
    (shrink, grow), (smallest, largest) = o.etas, o.step_sizes
    moved = []
    for i in range(len(p)):
        size, before = o.lr, 0.0
        for g in (gradient[i] for gradient in gradients):
            if g * before > 0:
                size *= grow
            elif g * before < 0:
                size, g = size * shrink, 0.0
            size = max(smallest, min(size, largest))
            before = g
        moved.append(p[i] - (size if before > 0 else -size if before < 0 else 0.0))
    return np.array(moved)


RULES = {
    SGD: sgd, Adam: adam, AdamW: adamw, Adamax: adamax, NAdam: nadam, Adagrad: adagrad, RMSprop: rmsprop, Adadelta: adadelta,
    Rprop: rprop,
}  # fmt: skip


def slope(p, t):
    """The gradient of a bowl that shakes: signs change, sizes differ by a factor of a thousand."""
    size = 10.0 ** np.linspace(-2, 1, p.size)
    return size * (p - np.cos(np.arange(p.size))) + np.sin(3.0 * t + np.arange(p.size)) * size / 2


def by_the_rule(optimizer, p, steps=STEPS):
    gradients, path = [], []
    for t in range(steps):
        g = slope(p, t)
        norm = np.sqrt((g**2).sum())
        if optimizer.clip_norm and norm > optimizer.clip_norm:
            g = g * (optimizer.clip_norm / norm)
        if not isinstance(optimizer, AdamW | Rprop):
            g = g + getattr(optimizer, "weight_decay", 0.0) * p
        gradients.append(g)
        p = RULES[type(optimizer)](optimizer, p, gradients)
        path.append(p)
    return np.array(path)


def by_the_library(optimizer, layer, steps=STEPS):
    optimizer = copy.deepcopy(optimizer).attach(layer)
    path = []
    for t in range(steps):
        layer.gradient[:] = slope(layer.parameters.astype(np.float64), t)
        optimizer.step()
        path.append(layer.parameters.copy())
    assert optimizer.steps == steps
    return np.array(path)


@pytest.mark.parametrize("optimizer", [*CASES, *(pytest.param(o, id=repr(o)) for o in MORE)])
def test_fifty_steps_follow_the_rule(optimizer):
    layer = Linear(3, 4, rng=0)
    expected = by_the_rule(optimizer, layer.parameters.copy())
    found = by_the_library(optimizer, layer)
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)
    assert abs(found[-1] - found[0]).max() > 1e-3


@pytest.mark.parametrize("optimizer", CASES)
def test_float32_parameters_stay_float32_with_moments_of_that_type(optimizer):
    layer = Linear(3, 4, rng=0).astype("float32")
    expected = by_the_rule(optimizer, layer.parameters.astype(np.float64), 5)
    found = by_the_library(optimizer, layer, 5)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    assert copy.deepcopy(optimizer).attach(layer).flat_group().moments.dtype == np.float32


class Plain(Module):
    """A student's module: parameters in a dict, in two shapes."""

    def __init__(self, numbers):
        self._parameters = {"a": numbers[:9].reshape(3, 3).copy(), "b": numbers[9:].copy()}
        self.zero_grad()

    def forward(self, X):
        return X

    update_parameters = None


@pytest.mark.parametrize("optimizer", CASES)
def test_the_arrays_of_a_plain_class_move_like_a_flat_vector(optimizer):
    layer = Linear(3, 4, rng=0)
    module = Plain(layer.parameters)
    mine = copy.deepcopy(optimizer).attach(module)
    path = []
    for t in range(12):
        numbers = np.concatenate([v.ravel() for v in module._parameters.values()])
        g = slope(numbers, t)
        module._gradient = {"a": g[:9].reshape(3, 3), "b": g[9:]}
        mine.step()
        path.append(np.concatenate([v.ravel() for v in module._parameters.values()]))
    np.testing.assert_allclose(path, by_the_library(optimizer, layer, 12), rtol=1e-12, atol=1e-14)


class EveryBatch(Callback):
    """Its presence makes fit run in Python."""

    def on_batch_end(self, training):
        pass


def data(seed=0, n=50):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3))
    return X, np.sin(X[:, :1]) + X[:, 1:2] * X[:, 2:]


def network():
    return Sequential(Linear(3, 5, rng=0), Tanh(), Linear(5, 4, rng=1), Tanh(), Linear(4, 1, rng=2))


def trained(optimizer, path, net=None, **options):
    net = net or network()
    X, y = data()
    options = {"loss": MSE(), "epochs": 4, "batch_size": 16, "rng": 3, "progress": False, **options}
    history = fit(net, X, y, optimizer=optimizer, callbacks=[EveryBatch()] if path == "python" else [], **options)
    return net.parameters.copy(), history


@pytest.mark.parametrize("optimizer", CASES)
def test_fit_gives_the_same_parameters_on_both_paths(optimizer):
    start = network().parameters.copy()
    compiled, _ = trained(copy.deepcopy(optimizer), "compiled")
    explicit, _ = trained(copy.deepcopy(optimizer), "python")
    assert np.array_equal(compiled, explicit)
    assert not np.array_equal(compiled, start)


@pytest.mark.parametrize("optimizer", CASES)
def test_a_nan_in_the_gradient_reaches_its_own_parameter_unless_it_is_to_be_clipped(optimizer):
    layer = Linear(2, 2, rng=0)
    mine = copy.deepcopy(optimizer)
    mine.clip_norm = None
    mine.attach(layer)
    layer.gradient[:] = [0.1, np.nan, 0.1, 0.1, 0.1, 0.1]
    mine.step()
    assert np.isnan(layer.parameters).tolist() == [False, True, False, False, False, False]


def test_the_centred_rmsprop_stays_finite_if_the_gradient_hardly_varies():
    draw = np.random.default_rng(1)
    layer = Linear(99, 10, rng=0).astype("float32")
    optimizer = RMSprop(1e-3, alpha=0.9, centered=True).attach(layer)
    size = 10.0 ** draw.uniform(-3, 3, layer.parameters.size)
    for _ in range(300):
        layer.gradient[:] = size * (1 + 1e-5 * draw.normal(size=size.size))
        optimizer.step()
    assert np.isfinite(layer.parameters).all()


@pytest.mark.parametrize("kind", KINDS)
def test_a_gradient_of_zeros_moves_nothing_without_weight_decay(kind):
    layer = Linear(2, 2, rng=0)
    before = layer.parameters.copy()
    mine = (kind(0.1, weight_decay=0.0) if kind is AdamW else kind(0.1)).attach(layer)
    for _ in range(3):
        mine.step()
    assert np.array_equal(layer.parameters, before)
