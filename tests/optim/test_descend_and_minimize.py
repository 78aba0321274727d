"""Descent of plain functions with the lecture's figures, and SciPy's minimisers on networks."""

import copy
import math

import numpy as np
import pytest
from scipy.optimize import OptimizeResult

import modnet
from modnet import MSE, CrossEntropy, Linear, Module, Sequential, Tanh
from modnet.optim import (
    SGD,
    Adagrad,
    Adam,
    ExponentialDecay,
    RandomSearch,
    ReduceOnPlateau,
    RMSprop,
    Rprop,
    descend,
    minimize,
)


def quartic(x):
    return x**4 / 4 - 8 * x**3 / 3 + 19 * x**2 / 2 - 12 * x + 1


def quartic_slope(x):
    return x**3 - 8 * x**2 + 19 * x - 12


def bowl(p):
    return float(p[0] ** 2 + 10 * p[1] ** 2)


def bowl_slope(p):
    return np.array([2 * p[0], 20 * p[1]])


# descend


def test_the_lectures_parabola_takes_six_points():
    path = descend(lambda x: (x - 5) ** 2, lambda x: 2 * (x - 5), 9, SGD(0.3), 0.1, 1000)
    np.testing.assert_allclose(path, [9, 6.6, 5.64, 5.256, 5.1024, 5.04096], rtol=1e-14)


def test_the_lectures_quartic_ends_at_its_92nd_point():
    path = descend(quartic, quartic_slope, 0.2, SGD(0.01), 0.01, 1000)
    assert path.shape == (92,)
    assert (f"{path[-1]:.2f}", f"{quartic(path[-1]):.2f}") == ("1.00", "-3.92")
    assert (abs(quartic_slope(path)) > 0.01).tolist() == [True] * 91 + [False]


def test_momentum_takes_35_points_for_the_same():
    path = descend(quartic, quartic_slope, 0.2, SGD(0.01, momentum=0.8), 0.01, 1000)
    assert path.shape == (35,)
    assert (f"{path[-1]:.2f}", f"{quartic(path[-1]):.2f}") == ("1.00", "-3.92")


def test_steps_that_grow_while_the_sign_holds_take_fewer_points_too():
    path = descend(quartic, quartic_slope, 0.2, Rprop(0.01), 0.01, 1000)
    sizes = abs(np.diff(path))
    assert len(path) < 40
    np.testing.assert_allclose(sizes[1:6] / sizes[:5], 1.2, rtol=1e-9)


def test_the_path_is_that_of_the_loop_written_out():
    x, v, expected = np.array([3.0, 1.0]), np.zeros(2), []
    for _ in range(40):
        expected.append(x)
        if np.hypot(*bowl_slope(x)) <= 0.5:
            break
        v = 0.5 * v + bowl_slope(x)
        x = x - 0.02 * v
    path = descend(bowl, bowl_slope, [3, 1], SGD(0.02, momentum=0.5), tol=0.5, max_iter=1000)
    assert 5 < len(path) < 40
    np.testing.assert_allclose(path, expected, rtol=1e-13)


@pytest.mark.parametrize("optimizer", [SGD(0.05), Adam(0.3), Adagrad(1.0), RMSprop(0.05), Rprop(0.1)], ids=repr)
def test_every_optimizer_descends(optimizer):
    path = descend(bowl, bowl_slope, [3.0, 1.0], optimizer, tol=0.3, max_iter=500)
    assert np.linalg.norm(bowl_slope(path[-1])) <= 0.3
    assert 1 < len(path) < 501


def test_max_iter_is_the_number_of_steps():
    path = descend(quartic, quartic_slope, 0.2, SGD(1e-4), 0.01, 7)
    assert path.shape == (8,)


def test_a_start_with_no_slope_is_the_whole_path():
    assert descend(bowl, bowl_slope, [0.0, 0.0], SGD(0.1), 1e-3, 10).tolist() == [[0.0, 0.0]]


def test_random_search_needs_the_function_and_no_gradient():
    path = descend(bowl, None, [3.0, 1.0], RandomSearch(0.3, rng=0), max_iter=400)
    values = [bowl(p) for p in path]
    assert len(path) == 401
    assert (np.diff(values) <= 0).all()
    assert values[-1] < 0.01
    assert len(descend(bowl, bowl_slope, [3.0, 1.0], RandomSearch(0.3, rng=0), 1.0, 400)) < 100


def test_the_function_is_not_called_if_nothing_needs_it():
    def unused(x):
        raise AssertionError("f was called")

    assert len(descend(unused, quartic_slope, 0.2, SGD(0.01), 0.01, 1000)) == 92


def test_schedules_count_steps_of_a_descent_as_epochs():
    path = descend(bowl, bowl_slope, [1.0, 0.0], SGD(ExponentialDecay(0.4, 0.5)), 1e-9, 3)
    np.testing.assert_allclose(path[:, 0], np.cumprod([1.0, 1 - 0.8, 1 - 0.4, 1 - 0.2]), rtol=1e-13)
    plateau = SGD(ReduceOnPlateau(1.0, factor=0.5, patience=0))
    path = descend(lambda x: x**2, lambda x: 2 * x, 1.0, plateau, 1e-9, 10)
    # Rate 1 leaps from 1 to -1 and back, which is a plateau: noticed once, and half of the rate leads to 0.
    assert path.tolist() == [1.0, -1.0, 1.0, 0.0]


def test_the_optimizer_given_keeps_its_network_and_steps():
    layer = Linear(2, 1, rng=0)
    optimizer = SGD(0.1, momentum=0.5).attach(layer)
    optimizer.step()
    path = descend(bowl, bowl_slope, [3.0, 1.0], optimizer, 0.1, 100)
    assert (optimizer.net, optimizer.steps) == (layer, 1)
    assert np.array_equal(path, descend(bowl, bowl_slope, [3.0, 1.0], SGD(0.1, momentum=0.5), 0.1, 100))


def test_the_start_is_not_written_to():
    start = np.array([3.0, 1.0])
    descend(bowl, bowl_slope, start, SGD(0.05), 0.1, 10)
    assert start.tolist() == [3.0, 1.0]


def test_a_descent_that_flies_off_warns_and_ends_with_its_last_finite_point():
    with pytest.warns(RuntimeWarning, match=r"descend: after \d+ steps the point or its gradient is not finite"):
        path = descend(quartic, quartic_slope, 0.2, SGD(10.0), 0.01, 1000)
    assert np.isfinite(path).all()
    assert 1 < len(path) < 20


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((bowl, bowl_slope, [1.0, 1.0], SGD), "descend: optimizer is <class .*SGD'>, expected an optimizer object"),
        ((bowl, None, [1.0, 1.0], SGD(0.1)), "descend: gradient is None, expected a function of a point"),
        ((3, bowl_slope, [1.0, 1.0], SGD(0.1)), "descend: f is 3, expected a function of a point"),
        ((bowl, bowl_slope, [[1.0]], SGD(0.1)), r"descend: start has shape \(1, 1\), expected a number or a vector"),
        ((bowl, bowl_slope, [np.nan, 0.0], SGD(0.1)), r"descend: start\[0\] is nan, expected finite numbers"),
        ((bowl, bowl_slope, [1.0, 1.0], SGD(0.1), -1), "descend: tol is -1, expected a number that is not negative"),
        ((bowl, bowl_slope, [1.0, 1.0], SGD(0.1), 0.1, 0), "descend: max_iter is 0, expected at least 1"),
        ((bowl, lambda p: [1.0], [1.0, 1.0], SGD(0.1)), r"descend: the gradient has shape \(1,\), expected the point's shape, \(2,\)"),
    ],
)
def test_descend_says_what_it_expected(arguments, message):
    with pytest.raises((ValueError, TypeError), match=message):
        descend(*arguments)


# minimize

GRADIENT_METHODS = ["L-BFGS-B", "BFGS", "CG", "Newton-CG", "TNC", "SLSQP", "trust-constr"]


def line(n=30, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3))
    return X, X @ np.array([[1.0], [-2.0], [0.5]]) + 0.7 + 0.1 * rng.normal(size=(n, 1))


def least_squares(X, y, weights=None):
    root = np.sqrt(np.ones(len(X)) if weights is None else weights)[:, None]
    return np.linalg.lstsq(root * np.c_[X, np.ones(len(X))], root * y, rcond=None)[0]


@pytest.mark.parametrize("method", GRADIENT_METHODS)
def test_linear_regression_is_least_squares(method):
    X, y = line()
    net = Sequential(Linear(3, 1, rng=0))
    result = minimize(net, MSE(), X, y, method)
    expected = least_squares(X, y)
    np.testing.assert_allclose(net.parameters, expected.ravel(), atol=1e-4)
    assert isinstance(result, OptimizeResult)
    np.testing.assert_array_equal(result.x, net.parameters)
    assert result.fun == pytest.approx(MSE()(y, net.forward(X)), rel=1e-12)
    assert result.history[-1] == pytest.approx(result.fun, rel=1e-12)
    assert result.history[0] == pytest.approx(MSE()(y, Linear(3, 1, rng=0).forward(X)), rel=1e-12)
    assert len(result.history) >= 3


@pytest.mark.parametrize("method", ["Nelder-Mead", "Powell", "COBYLA", "COBYQA", "nelder-mead"])
def test_methods_without_a_gradient_run_too(method):
    X, y = line()
    net = Linear(3, 1, rng=0)
    result = minimize(net, MSE(), X, y, method, tol=1e-6)
    np.testing.assert_allclose(net.parameters, least_squares(X, y).ravel(), atol=2e-3)
    assert result.fun < result.history[0]


def test_sample_weights_weigh():
    X, y = line()
    weights = np.random.default_rng(1).uniform(0, 3, 30)
    net = Linear(3, 1, rng=0)
    result = minimize(net, MSE(), X, y, sample_weight=weights, gtol=1e-10)
    np.testing.assert_allclose(net.parameters, least_squares(X, y, weights).ravel(), atol=1e-5)
    assert result.fun == pytest.approx(np.mean(weights * MSE().forward(y, net.forward(X))), rel=1e-12)


def test_options_are_those_of_the_method():
    X, y = line()
    result = minimize(Linear(3, 1, rng=0), MSE(), X, y, maxiter=2)
    assert result.nit == 2
    assert len(result.history) == 3
    assert (np.diff(result.history) < 0).all()


def test_a_network_of_classes_is_fitted_better_than_by_as_many_steps_of_gradient_descent():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 2))
    y = (X[:, 0] * X[:, 1] > 0).astype(int)

    def net():
        return Sequential(Linear(2, 8, rng=0), Tanh(), Linear(8, 2, rng=1))

    mine, other = net(), net()
    result = minimize(mine, CrossEntropy(), X, y, maxiter=100)
    modnet.fit(other, X, y, loss=CrossEntropy(), optimizer=SGD(0.5), epochs=result.nfev, batch_size=None)
    assert result.fun < 0.5 * CrossEntropy()(y, other.forward(X))
    assert (mine.forward(X).argmax(1) == y).mean() > 0.95


def test_a_float32_network_stays_float32():
    X, y = line()
    net = Sequential(Linear(3, 1, rng=0)).astype("float32")
    minimize(net, MSE(), X, y)
    assert net.parameters.dtype == np.float32
    np.testing.assert_allclose(net.parameters, least_squares(X, y).ravel(), atol=1e-2)


class Student(Module):
    """A plain numpy layer with its parameters in a dict, and no gradient before zero_grad."""

    def __init__(self, n, m):
        rng = np.random.default_rng(0)
        self._parameters = {"W": rng.normal(size=(n, m)), "b": np.zeros(m)}

    def forward(self, X):
        return X @ self._parameters["W"] + self._parameters["b"]

    def backward_update_gradient(self, input, delta):
        self._gradient["W"] += input.T @ delta
        self._gradient["b"] += delta.sum(0)

    def backward_delta(self, input, delta):
        return delta @ self._parameters["W"].T


@pytest.mark.parametrize("wrap", [lambda m: m, lambda m: Sequential(m), lambda m: Sequential(Linear(3, 3, rng=1), m)])
def test_plain_classes_are_minimised_as_well(wrap):
    X, y = line()
    net = wrap(Student(3, 1))
    result = minimize(net, MSE(), X, y, gtol=1e-8)
    best = np.mean((y - np.c_[X, np.ones(len(X))] @ least_squares(X, y)) ** 2)
    assert result.fun == pytest.approx(best, rel=1e-6)
    assert MSE()(y, net.forward(X)) == pytest.approx(result.fun, rel=1e-12)


def test_the_network_is_in_evaluation_mode_meanwhile_and_comes_back_as_it_was():
    modes = []

    class Watcher(Tanh):
        def forward(self, X):
            modes.append(self.training)
            return super().forward(X)

    X, y = line()
    net = Sequential(Linear(3, 2, rng=0), Watcher(), Linear(2, 1, rng=1))
    net[2].eval()
    minimize(net, MSE(), X, y, maxiter=3)
    assert set(modes) == {False}
    assert [net.training, *(m.training for m in net)] == [True, True, True, False]
    assert not net.gradient.any()


class Breaks(MSE):
    """Fails at its nth call, in one way or another."""

    def __init__(self, calls, error):
        super().__init__()
        self.left, self.error = calls, error

    def forward(self, y, yhat):
        self.left -= 1
        if self.left == 0:
            if isinstance(self.error, BaseException):
                raise self.error
            return super().forward(y, yhat) * self.error
        return super().forward(y, yhat)


def test_an_error_puts_the_parameters_back():
    X, y = line()
    net = Linear(3, 1, rng=0)
    before = net.parameters.copy()
    with pytest.raises(RuntimeError, match="out of cheese"):
        minimize(net, Breaks(3, RuntimeError("out of cheese")), X, y)
    assert np.array_equal(net.parameters, before)
    assert net.training


def test_ctrl_c_leaves_the_best_parameters_and_returns():
    X, y = line()
    net = Sequential(Linear(3, 6, rng=0), Tanh(), Linear(6, 1, rng=0))
    result = minimize(net, Breaks(25, KeyboardInterrupt()), X, y)
    assert (result.success, result.status, result.message) == (False, 99, "interrupted")
    assert result.fun == min(result.history) < result.history[0]
    assert MSE()(y, net.forward(X)) == pytest.approx(result.fun, rel=1e-12)


def test_a_minimum_is_left_where_it_is():
    X, y = line()
    net = Linear(3, 1, rng=0)
    net.parameters[:] = least_squares(X, y).ravel()
    before = net.parameters.copy()
    result = minimize(net, MSE(), X, y)
    assert result.success
    np.testing.assert_allclose(net.parameters, before, atol=1e-12)


def test_parameters_with_no_lower_loss_are_not_taken():
    class Uphill(MSE):
        def backward(self, y, yhat):
            return -super().backward(y, yhat)

    X, y = line()
    net = Linear(3, 1, rng=0)
    before = net.parameters.copy()
    result = minimize(net, Uphill(), X, y)
    assert not result.success
    assert np.array_equal(net.parameters, before)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"method": "dogleg"}, "minimize: method is 'dogleg', expected one of 'L-BFGS-B', 'BFGS'"),
        ({"method": None}, "minimize: method is None, expected one of"),
        ({"maxitr": 5}, "minimize: L-BFGS-B: unknown solver options: maxitr"),
        ({"X": [[np.nan, 0, 0]], "y": [[0.0]]}, r"minimize: X\[0, 0\] is nan, expected finite numbers"),
        ({"y": [[0.0]]}, "minimize: X has 30 examples but y has 1; y needs one value per example"),
        ({"y": None}, "minimize: X has 30 examples but y is None; y needs one value per example"),
        ({"y": 3.0}, "minimize: X has 30 examples but y is a single value; y needs one value per example"),
        ({"y": [[1j]] * 30}, "minimize: y holds complex numbers"),
        ({"y": np.full((30, 1), np.inf)}, r"minimize: y\[0, 0\] is inf, expected finite numbers"),
        ({"sample_weight": [1.0]}, r"minimize: sample_weight has shape \(1,\), expected \(30,\)"),
        ({"sample_weight": -np.ones(30)}, "minimize: sample_weight has values from -1 to -1, expected none below 0"),
        ({"loss": MSE}, "minimize: loss is MSE, expected a loss object"),
        ({"net": Linear}, "minimize: net is Linear, expected a network"),
        ({"net": Sequential(Tanh()), "y": np.zeros((30, 3))}, "minimize: net has no parameters, expected a network with some"),
        ({"y": np.zeros((30, 2))}, r"MSE\(\): y has shape \(30, 2\) and yhat \(30, 1\)"),
    ],
)
def test_minimize_says_what_it_expected_and_changes_nothing(change, message):
    X, y = line()
    net = Linear(3, 1, rng=0)
    before = net.parameters.copy()
    arguments = {"net": net, "loss": MSE(), "X": X, "y": y, **change}
    with pytest.raises((ValueError, TypeError), match=message):
        minimize(**arguments)
    assert np.array_equal(net.parameters, before)


def test_a_loss_that_is_not_finite_at_the_start_is_refused():
    X, y = line()
    net = Linear(3, 1, rng=0)
    net.parameters[0] = math.inf
    with pytest.raises(ValueError, match=r"minimize: the loss is (inf|nan) at the present parameters, expected a finite"):
        minimize(net, MSE(), X, y)


def test_parameters_outside_parameters_are_refused_by_name():
    class Hidden(Student):
        def __init__(self):
            super().__init__(3, 1)
            self._bias, self._slope = np.zeros(1), np.zeros(1)

        def backward_update_gradient(self, input, delta):
            super().backward_update_gradient(input, delta)
            self._slope += delta.sum(0)

        def update_parameters(self, gradient_step=1e-3):
            self._bias -= gradient_step * self._slope

    X, y = line()
    net = Sequential(Hidden())
    before = net[0]._parameters["W"].copy()
    with pytest.raises(TypeError, match=r"minimize: Hidden\.update_parameters moves _bias too"):
        minimize(net, MSE(), X, y)
    assert np.array_equal(net[0]._parameters["W"], before)


def test_the_marks_of_the_lecture_are_fitted_exactly():
    X = np.array([[12, 15, 9], [5, 9, 12], [13, 12, 13], [10, 12, 15]], float)
    y = np.array([[14], [7], [12], [11]], float)
    net = Linear(3, 1)
    net.weight[:], net.bias[:] = 1 / 3, 0
    start = copy.deepcopy(net)
    result = minimize(net, MSE(), X, y, ftol=0, gtol=1e-9, maxiter=1000)
    np.testing.assert_allclose(net.forward(X), y, atol=1e-3)  # four students, four numbers
    assert result.history[0] == pytest.approx(MSE()(y, start.forward(X)), rel=1e-12)
