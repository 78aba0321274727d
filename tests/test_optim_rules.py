"""Every optimizer against its rule written anew: from the history of all gradients where the library keeps running sums."""

import copy
import pickle

import numpy as np
import pytest

from modnet import MSE, Callback, Linear, Module, Sequential, Tanh, fit
from modnet.optim import (
    SGD,
    Adadelta,
    Adagrad,
    Adam,
    Adamax,
    AdamW,
    NAdam,
    Optimizer,
    RandomSearch,
    RMSprop,
    Rprop,
)

KINDS = [SGD, Adadelta, Adagrad, Adam, AdamW, Adamax, NAdam, RMSprop, Rprop]
CASES = [pytest.param(o, id=f"{type(o).__name__}-{i}") for kind in KINDS for i, o in enumerate(kind.examples())]
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
            g = g + optimizer.weight_decay * p
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


@pytest.mark.parametrize("optimizer", CASES)
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
def test_fit_is_the_loop_by_hand(optimizer):
    X, y = data()
    expected, _ = trained(copy.deepcopy(optimizer), "compiled", shuffle=False, batch_size=None)
    net, mine, loss = network(), copy.deepcopy(optimizer), MSE()
    mine.attach(net)
    for _ in range(4):
        net.zero_grad()
        net.backward_update_gradient(X, loss.backward(y, net.forward(X)) / len(X))
        mine.step()
    np.testing.assert_allclose(net.parameters, expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("optimizer", CASES)
def test_a_nan_in_the_gradient_reaches_the_parameter(optimizer):
    layer = Linear(2, 2, rng=0)
    mine = copy.deepcopy(optimizer).attach(layer)
    layer.gradient[:] = [0.1, np.nan, 0.1, 0.1, 0.1, 0.1]
    mine.step()
    assert np.isnan(layer.parameters[1])


@pytest.mark.parametrize("kind", KINDS)
def test_a_gradient_of_zeros_moves_nothing_without_weight_decay(kind):
    layer = Linear(2, 2, rng=0)
    before = layer.parameters.copy()
    mine = (kind(0.1, weight_decay=0.0) if kind is AdamW else kind(0.1)).attach(layer)
    for _ in range(3):
        mine.step()
    assert np.array_equal(layer.parameters, before)


def test_attach_forgets_and_fit_goes_on():
    optimizer, X, y = Adam(0.01), *data()
    net = network()
    options = {"loss": MSE(), "optimizer": optimizer, "epochs": 1, "batch_size": None, "progress": False}
    fit(net, X, y, **options)
    fit(net, X, y, **options)
    assert optimizer.steps == 2
    assert optimizer.attach(net).steps == 0
    assert not optimizer.flat_group().moments.any()


@pytest.mark.parametrize("optimizer", [*CASES, pytest.param(RandomSearch(0.5, rng=1, clip_norm=0.1), id="RandomSearch")])
def test_a_pickle_keeps_the_settings_and_drops_the_network(optimizer):
    attached = copy.deepcopy(optimizer).attach(network())
    again = pickle.loads(pickle.dumps(attached))
    assert repr(again) == repr(optimizer)
    assert again.net is None
    assert again.steps == 0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: AdamW(beta1=1), "AdamW: beta1 is 1, expected from 0 up to 1"),
        (lambda: AdamW(weight_decay=-1), "AdamW: weight_decay is -1, expected a number that is not negative"),
        (lambda: Adamax(eps=0), "Adamax: eps is 0, expected a positive number"),
        (lambda: NAdam(momentum_decay=-0.1), "NAdam: momentum_decay is -0.1, expected a number that is not negative"),
        (lambda: NAdam(beta2="x"), "NAdam: beta2 is 'x', expected from 0 up to 1"),
        (lambda: Adagrad(lr_decay=-1), "Adagrad: lr_decay is -1, expected a number that is not negative"),
        (lambda: RMSprop(alpha=1.5), "RMSprop: alpha is 1.5, expected from 0 up to 1"),
        (lambda: RMSprop(momentum=1.0), "RMSprop: momentum is 1.0, expected from 0 up to 1"),
        (lambda: Adadelta(rho=-0.1), "Adadelta: rho is -0.1, expected from 0 up to 1"),
        (lambda: Adadelta(lr=0), "Adadelta: lr is 0, expected a positive number or a schedule"),
        (lambda: Rprop(etas=(0.5, 0.9)), r"Rprop: etas\[1\] is 0.9, expected a number above 1"),
        (lambda: Rprop(etas=0.5), "Rprop: etas is 0.5, expected a pair of numbers"),
        (lambda: Rprop(step_sizes=(1e-2, 1e-3)), r"Rprop: step_sizes\[1\] is 0.001, expected at least 0.01"),
        (lambda: Rprop(clip_norm=0), "Rprop: clip_norm is 0, expected a positive number"),
        (lambda: RandomSearch(0), "RandomSearch: lr is 0, expected a positive number"),
        (lambda: RandomSearch(0.1, rng="x"), "RandomSearch: rng is 'x', expected an int"),
    ],
)
def test_settings_without_a_meaning_are_refused(make, message):
    with pytest.raises((ValueError, TypeError), match=f"^{message}"):
        make()


@pytest.mark.parametrize(
    ("optimizer", "text"),
    [
        (SGD(0.1), "SGD(lr=0.1)"),
        (SGD(0.1, momentum=0.9, nesterov=True), "SGD(lr=0.1, momentum=0.9, nesterov=True)"),
        (AdamW(), "AdamW(lr=0.001)"),
        (NAdam(momentum_decay=0.1, clip_norm=2), "NAdam(lr=0.002, momentum_decay=0.1, clip_norm=2)"),
        (RMSprop(centered=True), "RMSprop(lr=0.01, centered=True)"),
        (Rprop(etas=(0.4, 1.3)), "Rprop(lr=0.01, etas=(0.4, 1.3))"),
        (RandomSearch(0.1, rng=3), "RandomSearch(sigma=0.1, rng=3)"),
    ],
)
def test_an_optimizer_says_what_is_not_default(optimizer, text):
    assert repr(optimizer) == text


def test_settings_can_be_read_by_their_names():
    optimizer = NAdam(0.1, 0.8, 0.9, 1e-4, 0.2, 0.3)
    read = [optimizer.lr, optimizer.beta1, optimizer.beta2, optimizer.eps, optimizer.weight_decay, optimizer.momentum_decay]
    assert read == [0.1, 0.8, 0.9, 1e-4, 0.2, 0.3]


# RandomSearch: no gradient, and so no kernel.


def test_random_search_keeps_a_move_only_where_it_lowers_the_cost():
    layer = Linear(3, 1, rng=0)
    optimizer = RandomSearch(0.3, rng=1).attach(layer)
    target, costs = np.array([1.0, -2.0, 0.5, 0.0]), []

    def cost():
        return float(((layer.parameters - target) ** 2).sum())

    for _ in range(200):
        before, numbers, kept = cost(), layer.parameters.copy(), optimizer.kept
        optimizer.step(cost)
        moved = not np.array_equal(layer.parameters, numbers)
        assert moved == (cost() < before) == (optimizer.kept > kept)
        costs.append(cost())
    assert 10 < optimizer.kept < 190
    assert optimizer.steps == 200
    assert costs[-1] < 0.05 * costs[0]


def test_random_search_draws_normal_moves_of_its_sigma():
    layer = Linear(200, 100, rng=0)
    before = layer.parameters.copy()
    falling = iter([1.0, 0.0])
    RandomSearch(0.25, rng=2).attach(layer).step(lambda: next(falling))
    moves = layer.parameters - before
    assert moves.std() == pytest.approx(0.25, rel=0.02)
    assert moves.mean() == pytest.approx(0, abs=0.01)


def test_clip_norm_bounds_the_moves_of_random_search():
    layer = Linear(10, 10, rng=0)
    before = layer.parameters.copy()
    falling = iter([1.0, 0.0])
    RandomSearch(0.25, rng=2, clip_norm=0.5).attach(layer).step(lambda: next(falling))
    assert np.linalg.norm(layer.parameters - before) == pytest.approx(0.5, rel=1e-12)


def test_random_search_puts_the_parameters_back_where_the_cost_fails():
    layer = Linear(3, 1, rng=0)
    before, calls = layer.parameters.copy(), []

    def cost():
        calls.append(1)
        if len(calls) == 2:
            raise RuntimeError("no cost")
        return 1.0

    with pytest.raises(RuntimeError, match="no cost"):
        RandomSearch(0.3, rng=1).attach(layer).step(cost)
    assert np.array_equal(layer.parameters, before)


@pytest.mark.parametrize("worse", [np.nan, 1.0, np.inf])
def test_random_search_undoes_what_is_no_lower(worse):
    layer = Linear(3, 1, rng=0)
    before, costs = layer.parameters.copy(), iter([1.0, worse])
    RandomSearch(0.3, rng=1).attach(layer).step(lambda: next(costs))
    assert np.array_equal(layer.parameters, before)


def test_random_search_asks_for_the_cost():
    with pytest.raises(TypeError, match=r"RandomSearch\(sigma=0.1\): step came with None, expected step\(cost\), a function"):
        RandomSearch(0.1).attach(Linear(2, 1)).step()


def test_random_search_trains_in_fit_and_the_loss_never_rises_on_all_examples():
    optimizer = RandomSearch(0.1, rng=4)
    _, history = trained(optimizer, "compiled", batch_size=None, epochs=150, shuffle=False)
    seen = np.array(history.loss)
    assert (np.diff(seen) <= 0).all()
    assert seen[-1] < 0.7 * seen[0]
    assert 0 < optimizer.kept < 150


def test_random_search_runs_no_backward():
    class Forward(Module):
        def __init__(self):
            self._parameters = np.array([3.0])
            self._gradient = np.zeros(1)

        def forward(self, X):
            return X * self._parameters

        def backward_delta(self, input, delta):
            raise AssertionError("backward was asked for")

        backward_update_gradient = backward_delta

    module, X = Forward(), np.ones((4, 1))
    history = fit(module, X, X, loss=MSE(), optimizer=RandomSearch(0.5, rng=0), epochs=60, progress=False)
    assert history.loss[-1] < 0.1 < history.loss[0]
    assert module._parameters[0] == pytest.approx(1, abs=0.3)


def test_a_random_search_in_float32_stays_so():
    layer = Linear(3, 1, rng=0).astype("float32")
    falling = iter([1.0, 0.0])
    RandomSearch(0.3, rng=1).attach(layer).step(lambda: next(falling))
    assert layer.parameters.dtype == np.float32


def test_an_optimizer_class_in_the_place_of_an_object_is_refused_by_fit():
    X, y = data()
    with pytest.raises(TypeError, match="fit: optimizer is NAdam, expected an optimizer object"):
        fit(network(), X, y, loss=MSE(), optimizer=NAdam)


def test_the_base_gives_an_example_of_a_subclass_of_ones_own():
    class Mine(Optimizer):
        step_kernel = SGD(0.1).step_kernel

    [example] = Mine.examples()
    layer = Linear(1, 1, rng=0)
    example.attach(layer)
    layer.gradient[:] = 1.0
    before = layer.parameters.copy()
    example.step()
    np.testing.assert_allclose(layer.parameters, before - 0.01, rtol=1e-14)
