"""The watchers: they see what happens in a network, and change nothing."""

from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest

from modnet import MSE, CrossEntropy, Linear, Module, ReLU, Sequential, Sigmoid, Tanh, TrainingWarning, fit
from modnet.optim import SGD, Adam
from modnet.watch import NaNLocator, Norms, Profile, activations, deltas, locate_nan


class Square(Module):
    def forward(self, X):
        return X**2

    def backward_delta(self, input, delta):
        return 2 * input * delta


def network():
    return Sequential(Linear(3, 4, rng=0), Tanh(), Sequential(Linear(4, 4, rng=1), Square()), Linear(4, 2, rng=2))


X = np.random.default_rng(0).normal(size=(6, 3))
Y = np.random.default_rng(1).normal(size=(6, 2))


def test_activations_are_the_values_that_forward_passes_on():
    net = network()
    steps = activations(net, X)
    assert [step.place for step in steps] == ["[0]", "[1]", "[2][0]", "[2][1]", "[3]"]
    for before, after in pairwise(steps):
        np.testing.assert_array_equal(before.output, after.input)
    np.testing.assert_allclose(steps[1].output, np.tanh(X @ net[0].weight + net[0].bias), rtol=1e-14)
    np.testing.assert_array_equal(steps[-1].output, net.forward(X))


def test_deltas_are_derivatives_by_each_output():
    net = network()
    steps = activations(net, X)
    found = deltas(steps, MSE().backward(Y, steps[-1].output))
    # The cost as a function of the second module's output, by central differences.
    h, out = 1e-6, steps[1].output

    def cost(values):
        for step in steps[2:]:
            values = step.module.forward(values)
        return MSE().forward(Y, values).sum()

    for index in np.ndindex(out.shape):
        up, down = out.copy(), out.copy()
        up[index] += h
        down[index] -= h
        assert found[1][index] == pytest.approx((cost(up) - cost(down)) / (2 * h), rel=1e-6, abs=1e-8)


def test_watching_leaves_gradients_as_they_were():
    net = network()
    net.zero_grad()
    net.backward_update_gradient(X, MSE().backward(Y, net.forward(X)))
    before = net.gradient.copy()
    training = SimpleNamespace(net=net, loss=MSE())
    norms = Norms(X, Y)
    norms.on_fit_begin(training)
    watchers = {
        "Profile": lambda: Profile(net, X, repeats=1),
        "locate_nan": lambda: locate_nan(net, X, Y, MSE()),
        "Norms": lambda: norms.on_epoch_end(training),
    }
    for name, watch in watchers.items():
        watch()
        np.testing.assert_array_equal(net.gradient, before, err_msg=name)


def test_profile_has_a_row_for_every_module_and_its_times_add_up():
    profile = Profile(network(), X, repeats=2)
    assert [name for name, *_ in profile.rows] == [
        "[0] Linear(3 -> 4)", "[1] Tanh()", "[2][0] Linear(4 -> 4)", "[2][1] Square", "[3] Linear(4 -> 2)",
    ]  # fmt: skip
    assert all(forward > 0 for _, forward, _, _ in profile.rows)
    assert profile.rows[0][3] == 0, "the first module's delta is not needed"
    assert "[2][1] Square" in str(profile)


@pytest.mark.parametrize(
    ("spoil", "answer"),
    [
        (lambda net, X: X.__setitem__((2, 1), np.nan), "the input holds nan (1 of 18 values)"),
        (lambda net, X: net[3].bias.__setitem__(0, np.inf), "[3] Linear(4 -> 2): its parameters hold inf (1 of 10 values)"),
        (lambda net, X: net[2][0].weight.fill(1e300), "[2][1] Square: its output holds inf (24 of 24 values)"),
    ],
)
def test_locate_nan_names_the_module_and_the_place(spoil, answer):
    net, x = network(), X.copy()
    spoil(net, x)
    found = locate_nan(net, x)
    assert found is not None
    assert found.startswith(answer)


def test_locate_nan_finds_what_only_the_way_back_breaks():
    class Root(Module):
        def forward(self, X):
            return np.sqrt(np.abs(X))

        def backward_delta(self, input, delta):
            return delta * np.sign(input) / (2 * np.sqrt(np.abs(input)))

    net = Sequential(ReLU(), Root(), Linear(3, 2, rng=0))
    x = -np.abs(X)
    assert locate_nan(net, x) is None
    assert locate_nan(net, x, Y, MSE()).startswith("[1] Root: its backward_delta holds nan")
    assert locate_nan(network(), X, Y, MSE()) is None


def test_nan_locator_reports_after_a_divergence(capsys):
    net = Sequential(Linear(3, 4, rng=0), Square(), Linear(4, 2, rng=1))
    locator = NaNLocator(X, Y)
    with pytest.warns(TrainingWarning, match="diverged"):
        fit(net, X, Y, loss=MSE(), optimizer=SGD(1e9), epochs=30, callbacks=[locator], rng=0)
    assert locator.found is not None
    assert locator.found in capsys.readouterr().out


def test_norms_show_that_gradients_vanish_through_sigmoids(tmp_path):
    layers = [m for i in range(5) for m in (Linear(3, 3, rng=i), Sigmoid())]
    net = Sequential(*layers, Linear(3, 2, rng=9))
    labels = np.array([0, 1, 0, 1, 1, 0])
    norms = Norms(X, labels)
    start = net.parameters.copy()
    fit(net, X, labels, loss=CrossEntropy(), optimizer=Adam(0.01), epochs=3, callbacks=[norms], rng=0)
    assert norms.delta.shape == norms.gradient.shape == norms.update.shape == (3, 11)
    assert norms.delta[0, 0] < 0.01 * norms.delta[0, 10]
    assert (norms.gradient[:, 1::2] == 0).all(), "a Sigmoid has no parameters"
    one = Norms(X, labels)
    fit(net, X, labels, loss=CrossEntropy(), optimizer=SGD(0.5), epochs=1, callbacks=[one], rng=0)
    assert np.linalg.norm(one.update[0]) > 0
    assert not np.array_equal(net.parameters, start)
    norms.plot(tmp_path / "norms.png")
    assert (tmp_path / "norms.png").stat().st_size > 5000
