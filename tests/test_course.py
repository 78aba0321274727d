"""The lecture's numbers, from the library calls behind the examples, and that the examples print them."""

import ast
import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from modnet import (
    MSE,
    NLL,
    CrossEntropy,
    KLDivergence,
    Linear,
    Module,
    MultiMargin,
    Perceptron,
    ReLU,
    Sequential,
    Sigmoid,
    Tanh,
    fit,
    predict,
    restart,
)
from modnet.datasets import load
from modnet.optim import SGD, Adam, Rprop, descend
from modnet.scalar import Dual, Value, derivative

EXAMPLES = Path(__file__).parent.parent / "examples"
SCRIPTS = sorted(EXAMPLES.glob("[0-9][0-9]_*.py"))
EXERCISES = sorted((EXAMPLES / "exercises").glob("exercise*.py"))


# --- the numbers -----------------------------------------------------------------------------------------------------


def test_a_perceptron_separates_two_clouds_and_not_the_four_of_xor():
    for name, low, high in (("two_gaussians", 1.0, 1.0), ("four_gaussians", 0.0, 0.76)):
        X, y = load(name, labels=(-1, 1))
        history = fit(Linear(2, 1, rng=0), X, y[:, None], loss=Perceptron(), optimizer=SGD(0.05), epochs=50, rng=0)
        assert low <= max(history.metrics["accuracy"]) <= high


def test_some_starts_of_a_2_2_1_learn_xor_and_others_do_not():
    X, y = load("xor")

    def build(rng):
        return Sequential(Linear(2, 2, rng=rng), Tanh(), Linear(2, 1, rng=rng), Sigmoid())

    scores = restart(build, X, y[:, None].astype(float), 20, loss=MSE(), optimizer=Rprop(), rng=0, jobs=1, epochs=300,
                     batch_size=None).scores  # fmt: skip
    assert scores.min() < 0.01 < 0.1 < scores.max()


def test_three_linear_layers_are_one():
    net = Sequential(Linear(2, 4, rng=0), Linear(4, 4, rng=1), Linear(4, 1, rng=2))
    X = np.random.default_rng(0).normal(size=(5, 2))
    W = net[0].weight @ net[1].weight @ net[2].weight
    b = (net[0].bias @ net[1].weight + net[1].bias) @ net[2].weight + net[2].bias
    np.testing.assert_allclose(net.forward(X), X @ W + b, atol=1e-15)


def test_the_sigmoid_s_slope_is_g_times_1_minus_g_and_at_most_a_quarter():
    x = np.linspace(-4, 4, 9)[:, None]
    g, slope = Sigmoid().forward(x), Sigmoid().backward_delta(x, np.ones_like(x))
    np.testing.assert_allclose(slope, g * (1 - g), rtol=1e-14)
    assert slope.max() == 0.25


def test_three_relu_neurons_under_a_linear_break_three_times():
    net = Sequential(Linear(1, 3), ReLU(), Linear(3, 1))
    net[0].weight[:], net[0].bias[:] = [[1.0, -1.0, 2.0]], [1.5, 0.5, -2.0]
    net[2].weight[:], net[2].bias[:] = [[0.8], [1.2], [-1.5]], [0.0]
    x = np.linspace(-3, 3, 601)
    bends = np.abs(np.diff(predict(net, x[:, None])[:, 0], 2)) > 1e-9
    assert np.unique(x[1:-1][bends].round(1)).tolist() == [-1.5, 0.5, 1.0]


def test_what_the_lecture_s_prediction_costs():
    y, p = np.array([[0.0, 0.0, 1.0]]), np.array([[0.1, 0.2, 0.7]])
    for value in (NLL()(y, np.log(p)), KLDivergence()(y, p), CrossEntropy()([2], np.log(p))):
        assert f"{value:.2f}" == "0.36"
    assert [MultiMargin(m)([2], [[1.0, 2.0, 2.5]]) for m in (0.0, 1.0, 2.0)] == [0.0, 0.5, 2.0]


def test_the_lecture_s_graphs():
    x, y = Value(2.0), Value(-3.0)
    result = (x + y) * y
    result.backward()
    assert (result.data, x.grad, y.grad) == (3.0, -3.0, -4.0)
    by = [(3 * a + a * b).derivative for a, b in ((Dual(10, 1), Dual(20)), (Dual(10), Dual(20, 1)))]
    assert by == [23.0, 10.0]
    a, b = Value(1.0), Value(2.0)
    result = 10 / (1 + (3 * a + a * b).exp())
    result.backward(keep_graph=True)
    assert (f"{a.grad:.4f}", f"{b.grad:.4f}") == ("-0.3324", "-0.0665")
    result.backward()
    assert (f"{a.grad:.4f}", f"{b.grad:.4f}") == ("-0.6648", "-0.1330")
    with pytest.raises(RuntimeError):
        result.backward()


def test_the_error_of_differences_falls_with_h_and_then_rises():
    def f(x):
        return 64 * x * (1 - x) * (1 - 2 * x) ** 2 * (1 - 8 * x + 8 * x**2) ** 2

    exact, h = derivative(f, 0.2), 10.0 ** np.arange(-15, -1)
    error = np.abs((f(0.2 + h) - f(0.2 - h)) / (2 * h) - exact)
    best = int(error.argmin())
    assert 2 < best < len(h) - 2
    assert error[-1] > 1e6 * error[best]
    assert error[0] > 1e6 * error[best]
    assert all(b > a for a, b in pairwise(error[best + 2 :])), "truncation"


def test_descent_on_the_two_functions():
    way = descend(lambda x: (x - 5) ** 2, lambda x: 2 * (x - 5), 9.0, SGD(0.3), tol=0.1)
    assert len(way) == 6

    def quartic(x):
        return x**4 / 4 - 8 * x**3 / 3 + 19 * x**2 / 2 - 12 * x + 1

    def slope(x):
        return x**3 - 8 * x**2 + 19 * x - 12

    way = descend(quartic, slope, 0.2, SGD(0.01), tol=0.01)
    assert (len(way), f"{way[-1]:.2f}", f"{quartic(way[-1]):.2f}") == (92, "1.00", "-3.92")
    assert len(descend(quartic, slope, 0.2, SGD(0.01, momentum=0.8), tol=0.01)) == 35


def test_the_regression_of_marks():
    X, y = load("marks")
    net, loss = Linear(3, 1), MSE()
    net.weight[:], net.bias[:] = 0.333, 0.0
    net.backward_update_gradient(X, loss.backward(y[:, None], net.forward(X)) / len(X))
    assert f"{loss(y[:, None], net.forward(X)):.2f}" == "2.24"
    assert (f"{net.bias_gradient[0]:.2f}", f"{net.weight_gradient[0, 0]:.2f}") == ("0.81", "2.93")


def test_the_operator_different_finds_its_a_in_under_100_iterations():
    class Different(Module):
        def __init__(self):
            self._parameters, self._gradient = np.array([0.01]), np.zeros(1)

        def forward(self, X):
            return np.minimum(self._parameters * np.abs(X[:, :1] - X[:, 1:]), 1)

        def backward_update_gradient(self, input, delta):
            apart = np.abs(input[:, :1] - input[:, 1:])
            self._gradient += (delta * apart * (self._parameters * apart < 1)).sum()

    X, y = load("different")
    net = Different()
    fit(net, X, y[:, None], loss=MSE(), optimizer=SGD(0.05), epochs=99, batch_size=None, rng=0)
    assert net._parameters[0] == pytest.approx(0.5, abs=1e-3)
    np.testing.assert_allclose(net.forward(X)[:, 0], y, atol=1e-2)


@pytest.mark.parametrize("margin", [0.0, 1.0, 2.0])
def test_a_margin_moves_the_points_of_three_categories_inside(margin):
    X, y = load("three_categories")
    net = Linear(2, 3, rng=0)
    fit(net, X, y, loss=MultiMargin(margin), optimizer=SGD(1.0), epochs=1000, batch_size=None, rng=0)
    scores = predict(net, X)
    true = scores[np.arange(30), y]
    scores[np.arange(30), y] = -np.inf
    lead = (true - scores.max(axis=1)).min()
    assert (lead > margin) if margin else 0 < lead < 0.5


def test_a_hundred_hidden_units_learn_the_spiral_and_ten_do_not():
    X, y = load("spiral")
    for width, learns in ((10, False), (100, True)):
        rng = np.random.default_rng(0)
        net = Sequential(Linear(2, width, init="he_uniform", rng=rng), ReLU(), Linear(width, 3, rng=rng))
        net[0].bias[:] = rng.uniform(-1, 1, width)
        history = fit(net, X, y, loss=CrossEntropy(), optimizer=Adam(0.01), epochs=200, batch_size=None, rng=0)
        assert (max(history.metrics["accuracy"]) >= 0.98) == learns


# --- the scripts -----------------------------------------------------------------------------------------------------


def test_every_example_is_run_and_has_its_place_in_the_index():
    runner = (EXAMPLES.parent / ".ci" / "examples.py").read_text(encoding="utf-8")
    index = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    numbers = [path.name[:2] for path in SCRIPTS]
    assert numbers == [f"{i:02}" for i in range(1, len(SCRIPTS) + 1)]
    assert [path.name for path in SCRIPTS if f'"{path.name[:2]}": [' not in runner or f"({path.name})" not in index] == []


@pytest.mark.parametrize("path", [*SCRIPTS, *EXERCISES], ids=lambda path: path.stem)
def test_a_script_is_cells_that_a_notebook_and_the_gallery_read(path):
    source = path.read_text(encoding="utf-8")
    assert source.startswith('# %% [markdown]\n"""\n'), "the title is the first cell"
    title, line = ast.get_docstring(ast.parse(source)).split("\n")[:2]
    assert line == "=" * len(title)
    for cell in re.split(r"^# %%", source, flags=re.MULTILINE)[2:]:
        if cell.startswith(" [markdown]"):
            assert all(text.startswith("#") or not text for text in cell.split("\n")[1:]), cell


@pytest.mark.parametrize("path", EXERCISES, ids=lambda path: path.stem)
def test_the_solution_of_an_exercise_passes_its_checks_and_an_empty_one_does_not(path, capsys):
    source = path.read_text(encoding="utf-8")
    exec(compile(source, str(path), "exec"), {"__name__": "exercise"})
    said = capsys.readouterr().out
    assert "all right" in said
    assert " wrong" not in said
    empty = re.sub(r"^( *)# solution\n.*?^\1# end\n", r"\1...\n", source, flags=re.MULTILINE | re.DOTALL)
    assert empty.count("...\n") >= 2
    compile(empty, str(path), "exec")
