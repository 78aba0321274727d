"""Initial weights: their distributions, what becomes of biases, and the warning of a symmetric start."""

import warnings

import numpy as np
import pytest
from scipy import stats

from modnet import Linear, SymmetryWarning, initializers
from modnet.initializers import SCHEMES, initialize

N, M = 300, 200


class Window:
    """The parameters of a convolution: (k, chan_in, chan_out)."""

    def __init__(self, shape):
        self.weight, self.bias = np.full(shape, np.nan), np.full(shape[-1], np.nan)

    def named_parameters(self):
        return {"weight": self.weight, "bias": self.bias}


DISTRIBUTIONS = {
    "uniform": stats.uniform(-1 / N**0.5, 2 / N**0.5),
    "xavier_uniform": stats.uniform(-((6 / (N + M)) ** 0.5), 2 * (6 / (N + M)) ** 0.5),
    "xavier_normal": stats.norm(0, (2 / (N + M)) ** 0.5),
    "he_uniform": stats.uniform(-((6 / N) ** 0.5), 2 * (6 / N) ** 0.5),
    "he_normal": stats.norm(0, (2 / N) ** 0.5),
}


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_weights_are_drawn_from_the_distribution_of_the_scheme(name):
    weight = Linear(N, M, init=name, rng=0).weight
    assert stats.kstest(weight.ravel(), DISTRIBUTIONS[name].cdf).pvalue > 0.01
    assert abs(np.corrcoef(weight[:, 0], weight[:, 1])[0, 1]) < 0.2


@pytest.mark.parametrize("name", [n for n in DISTRIBUTIONS if n != "uniform"])
def test_convolutions_count_their_window_in_both_fans(name):
    module = Window((5, 40, 60))
    initialize(module, name, 0, fan_in=200, fan_out=300)
    variance = 2 / 200 if name.startswith("he") else 2 / 500
    assert module.weight.var() == pytest.approx(variance, rel=0.05)
    assert not module.bias.any()


def test_he_keeps_the_mean_square_through_relu_and_xavier_keeps_the_variance_through_a_straight_line():
    x = np.random.default_rng(0).normal(size=(500, N))
    relu, line = x, x
    for seed in range(5):
        relu = np.maximum(relu @ Linear(N, N, bias=False, init="he_normal", rng=seed).weight, 0)
        line = line @ Linear(N, N, bias=False, init="xavier_uniform", rng=seed).weight
    assert 0.5 < np.mean(relu**2) < 2
    assert 0.7 < line.var() < 1.4


@pytest.mark.parametrize(("n", "m"), [(7, 4), (4, 7), (5, 5), (1, 3)])
def test_orthogonal_weights_have_orthonormal_columns_or_rows(n, m):
    weight = Linear(n, m, init="orthogonal", rng=3).weight
    square = weight.T @ weight if n >= m else weight @ weight.T
    np.testing.assert_allclose(square, np.eye(min(n, m)), atol=1e-14)


def test_orthogonal_windows_are_orthonormal_as_a_matrix():
    module = Window((3, 4, 5))
    initialize(module, "orthogonal", 0, fan_in=12, fan_out=15)
    flat = module.weight.reshape(12, 5)
    np.testing.assert_allclose(flat.T @ flat, np.eye(5), atol=1e-14)


def test_orthogonal_matrices_lean_to_no_side():
    """Of a plain QR the diagonal is all negative, or all positive; of one drawn evenly, its mean is zero."""
    corners = [Linear(2, 2, init="orthogonal", rng=seed).weight[0, 0] for seed in range(300)]
    assert abs(np.mean(corners)) < 3 * np.std(corners) / 300**0.5
    assert 0.3 < np.mean(np.array(corners) > 0) < 0.7


@pytest.mark.parametrize("init", ["uniform", "xavier_uniform", "xavier_normal", "he_uniform", "he_normal", "orthogonal"])
def test_the_same_seed_draws_the_same_weights_and_another_draws_others(init):
    first, again, other = (Linear(4, 3, init=init, rng=seed).parameters for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    generator = np.random.default_rng(1)
    assert np.array_equal(first, Linear(4, 3, init=init, rng=generator).parameters)
    assert not np.array_equal(first, Linear(4, 3, init=init, rng=generator).parameters)


def test_only_the_default_draws_biases():
    assert Linear(4, 300, rng=0).bias.std() == pytest.approx(0.5 / 3**0.5, rel=0.1)
    for init in [*set(SCHEMES) - {"uniform", "zeros"}, lambda shape, rng: rng.normal(size=shape)]:
        assert not Linear(4, 3, init=init, rng=0).bias.any()


def test_a_function_gets_the_shape_and_the_generator():
    def binary(shape, rng):
        return rng.choice([-0.1, 0.1], shape)

    weight = Linear(4, 3, init=binary, rng=5).weight
    assert np.array_equal(weight, np.random.default_rng(5).choice([-0.1, 0.1], (4, 3)))
    rows = Linear(4, 3, init=lambda shape, rng: np.arange(12).reshape(shape).tolist()).weight
    assert np.array_equal(rows, np.arange(12.0).reshape(4, 3))


def test_a_scheme_itself_serves_as_well_as_its_name():
    by_name = Linear(4, 3, init="he_normal", rng=0).parameters
    assert np.array_equal(by_name, Linear(4, 3, init=initializers.he_normal, rng=0).parameters)
    assert np.array_equal(Linear(4, 3, rng=0).parameters, Linear(4, 3, init=initializers.uniform, rng=0).parameters)


@pytest.mark.parametrize(("init", "value"), [("zeros", 0), (0.5, 0.5), (2, 2), (np.float32(0.25), 0.25)])
def test_equal_weights_are_set_and_warned_of(init, value):
    message = rf"^Linear\(4 -> 3\): all weights are {value:g} at the start; its 3 units compute the same, .* stay equal"
    with pytest.warns(SymmetryWarning, match=message) as seen:
        layer = Linear(4, 3, init=init)
    assert seen[0].filename == __file__
    assert (layer.weight == value).all()
    assert not layer.bias.any()


def test_a_function_that_gives_equal_weights_is_warned_of():
    with pytest.warns(SymmetryWarning, match="all weights are 1 at the start"):
        Linear(2, 2, init=lambda shape, rng: np.ones(shape))


def test_a_lone_unit_is_told_what_equal_weights_mean_to_it():
    meaning = "equal units of the layer before it stay equal; without a layer before it, it does no harm"
    with pytest.warns(SymmetryWarning, match=rf"^Linear\(4 -> 1\): all weights are 0 at the start; {meaning}\."):
        Linear(4, 1, init="zeros")


def test_what_the_warning_says_is_so():
    """Units that begin equal stay equal through training; a random start makes them differ."""
    from modnet import MSE, Sequential, Tanh, fit
    from modnet.optim import Adam

    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 2))
    y = X[:, :1] * X[:, 1:]
    with pytest.warns(SymmetryWarning):
        equal = Sequential(Linear(2, 3, init=0.1), Tanh(), Linear(3, 1, init=0.1))
    fit(equal, X, y, loss=MSE(), optimizer=Adam(0.05), epochs=20, rng=0)
    assert (equal[0].weight == equal[0].weight[:, :1]).all()
    drawn = Sequential(Linear(2, 3, rng=0), Tanh(), Linear(3, 1, rng=1))
    fit(drawn, X, y, loss=MSE(), optimizer=Adam(0.05), epochs=20, rng=0)
    assert drawn[0].weight.std(axis=1).min() > 0.01


def test_a_single_weight_and_a_bias_are_not_warned_of():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Linear(1, 1, init="zeros")
        Linear(1, 1, init=0.5, bias=False)
        assert not Linear(3, 4, init="he_normal", rng=0).bias.any()


@pytest.mark.parametrize(
    ("init", "message"),
    [
        ("xavier", r"Linear: init is 'xavier', expected one of 'uniform', 'xavier_uniform', .*, a number, or a function"),
        ("kaiming_normal_", "Linear: init is 'kaiming_normal_', .*; here it is 'he_normal'"),
        ("glorot_uniform", "Linear: init is 'glorot_uniform', .*; here it is 'xavier_uniform'"),
        (None, "Linear: init is None, expected one of"),
        (True, "Linear: init is True, expected one of"),
        (np.ones((2, 2)), "Linear: init is ndarray, expected one of"),
        (np.nan, "Linear: init is nan, expected a finite number"),
        (lambda shape, rng: np.ones(3), r"Linear: init returned shape \(3,\), expected numbers of shape \(4, 3\)"),
        (lambda shape, rng: np.full(shape, "a"), "Linear: init returned <U1, expected numbers of shape"),
        (lambda shape, rng: np.full(shape, np.inf), "Linear: init returned inf, expected finite numbers"),
    ],
)
def test_an_init_without_a_meaning_is_refused(init, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        Linear(4, 3, init=init)
