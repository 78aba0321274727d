"""RandomSearch: no gradient, and so no kernel."""

import numpy as np
import pytest
from helpers import message

from modnet import MSE, Linear, Module, Sequential, Tanh, fit
from modnet.optim import RandomSearch


def test_it_keeps_a_move_only_if_it_lowers_the_loss():
    layer = Linear(3, 1, rng=0)
    optimizer = RandomSearch(0.3, rng=1).attach(layer)
    target, losses = np.array([1.0, -2.0, 0.5, 0.0]), []

    def loss():
        return float(((layer.parameters - target) ** 2).sum())

    for _ in range(200):
        before, numbers, kept = loss(), layer.parameters.copy(), optimizer.kept
        optimizer.step(loss)
        moved = not np.array_equal(layer.parameters, numbers)
        assert moved == (loss() < before) == (optimizer.kept > kept)
        losses.append(loss())
    assert 10 < optimizer.kept < 190
    assert optimizer.steps == 200
    assert losses[-1] < 0.05 * losses[0]
    assert optimizer.attach(layer).kept == 0


def test_it_draws_normal_moves_of_its_sigma():
    layer = Linear(200, 100, rng=0)
    before = layer.parameters.copy()
    falling = iter([1.0, 0.0])
    RandomSearch(0.25, rng=2).attach(layer).step(lambda: next(falling))
    moves = layer.parameters - before
    assert moves.std() == pytest.approx(0.25, rel=0.02)
    assert moves.mean() == pytest.approx(0, abs=0.01)


def test_clip_norm_bounds_the_moves():
    layer = Linear(10, 10, rng=0)
    before = layer.parameters.copy()
    falling = iter([1.0, 0.0])
    RandomSearch(0.25, rng=2, clip_norm=0.5).attach(layer).step(lambda: next(falling))
    assert np.linalg.norm(layer.parameters - before) == pytest.approx(0.5, rel=1e-12)


def test_it_puts_the_parameters_back_if_the_loss_raises():
    layer = Linear(3, 1, rng=0)
    before, calls = layer.parameters.copy(), []

    def loss():
        calls.append(1)
        if len(calls) == 2:
            raise RuntimeError("no loss")
        return 1.0

    with pytest.raises(RuntimeError, match="no loss"):
        RandomSearch(0.3, rng=1).attach(layer).step(loss)
    assert np.array_equal(layer.parameters, before)


@pytest.mark.parametrize("worse", [np.nan, 1.0, np.inf])
def test_it_undoes_what_is_no_lower(worse):
    layer = Linear(3, 1, rng=0)
    before, losses = layer.parameters.copy(), iter([1.0, worse])
    RandomSearch(0.3, rng=1).attach(layer).step(lambda: next(losses))
    assert np.array_equal(layer.parameters, before)


def test_it_asks_for_the_loss():
    text = message(TypeError, RandomSearch(0.1).attach(Linear(2, 1)).step)
    assert text == "RandomSearch(sigma=0.1): step got None, expected step(loss), a function that returns the loss"


def test_it_trains_in_fit_and_the_loss_never_rises_on_all_examples():
    optimizer, X = RandomSearch(0.1, rng=4), np.random.default_rng(0).normal(size=(50, 3))
    y = np.sin(X[:, :1]) + X[:, 1:2] * X[:, 2:]
    net = Sequential(Linear(3, 5, rng=0), Tanh(), Linear(5, 4, rng=1), Tanh(), Linear(4, 1, rng=2))
    history = fit(net, X, y, loss=MSE(), optimizer=optimizer, batch_size=None, epochs=150, shuffle=False, progress=False)
    seen = np.array(history.loss)
    assert (np.diff(seen) <= 0).all()
    assert seen[-1] < 0.7 * seen[0]
    assert 0 < optimizer.kept < 150


def test_it_runs_no_backward():
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


def test_in_float32_it_stays_so():
    layer = Linear(3, 1, rng=0).astype("float32")
    falling = iter([1.0, 0.0])
    RandomSearch(0.3, rng=1).attach(layer).step(lambda: next(falling))
    assert layer.parameters.dtype == np.float32
