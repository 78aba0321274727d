"""The lecture's numbers, from the library calls behind the examples, and that the examples print them."""

import ast
import re
from contextlib import nullcontext
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from modnet import (
    BCE,
    MSE,
    NLL,
    BatchNorm,
    BCEWithLogits,
    CrossEntropy,
    Dropout,
    GaussianNoise,
    KLDivergence,
    LeakyReLU,
    Linear,
    Module,
    MultiMargin,
    Perceptron,
    Radial,
    Ramp,
    ReLU,
    Residual,
    Sequential,
    Sigmoid,
    Tanh,
    TrainingWarning,
    fit,
    predict,
    pretrain,
    pretrain_rbm,
    restart,
)
from modnet.datasets import load
from modnet.optim import SGD, Adam, AdamW, RandomSearch, Rprop, descend
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

    target = y[:, None].astype(float)
    found = restart(build, X, target, 20, loss=MSE(), optimizer=Rprop(), rng=0, jobs=1, epochs=300, batch_size=None)
    assert found.scores.min() < 0.01 < 0.1 < found.scores.max()
    # Its error surface is not convex: with the hidden units exchanged the network is the same, and halfway between it is not.
    net, between = found.net, build(0)
    exchanged = [net[0].weight[:, ::-1], net[0].bias[::-1], net[2].weight[::-1], net[2].bias]
    for mine, one, other in zip((between[0].weight, between[0].bias, between[2].weight, between[2].bias),
                                (net[0].weight, net[0].bias, net[2].weight, net[2].bias), exchanged):  # fmt: skip
        mine[:] = (one + other) / 2
    assert MSE()(target, predict(between, X)) > 0.1


def test_two_and_three_linear_layers_are_one():
    net = Sequential(Linear(2, 4, rng=0), Linear(4, 4, rng=1), Linear(4, 1, rng=2))
    X = np.random.default_rng(0).normal(size=(5, 2))
    W, b = net[0].weight, net[0].bias
    for i in (1, 2):
        W, b = W @ net[i].weight, b @ net[i].weight + net[i].bias
        np.testing.assert_allclose(predict(net[: i + 1], X), X @ W + b, atol=1e-15)


def slope(module, *places):
    x = np.array(places)[:, None]
    return module.backward_delta(x, np.ones_like(x))[:, 0].tolist()


def test_the_activations_and_their_derivatives():
    x = np.linspace(-4, 4, 9)
    g, t = Sigmoid().forward(x[:, None])[:, 0], Tanh().forward(x[:, None])[:, 0]
    np.testing.assert_allclose(slope(Sigmoid(), *x), g * (1 - g), rtol=1e-14)
    assert max(slope(Sigmoid(), *x)) == 0.25
    np.testing.assert_allclose(slope(Tanh(), *x), 1 - t**2, rtol=1e-12)
    assert slope(ReLU(), -3.0, -0.1, 0.1, 3.0) == [0.0, 0.0, 1.0, 1.0]
    assert slope(LeakyReLU(0.05), -3.0, 3.0) == [0.05, 1.0]
    np.testing.assert_array_equal(LeakyReLU(0.05).forward(x[:, None])[:, 0], np.maximum(0.05 * x, x))
    assert slope(Ramp(), -2.0, 0.5, 2.0) == [0.0, 1.0, 0.0]
    assert slope(Radial(), 1.0) == pytest.approx([-2 / np.e])


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
    assert MSE()(y, p) == pytest.approx(0.01 + 0.04 + 0.09)  # 0.14, its mean 0.047, root mean 0.216
    assert BCE()([[1.0]], [[0.7]]) == pytest.approx(-np.log(0.7))
    assert BCE()([[0.0]], [[0.7]]) == pytest.approx(-np.log(0.3))
    assert [Perceptron()([[side]], [[2.0]]) for side in (1.0, -1.0)] == [0.0, 2.0]
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

    def l4(x):
        for _ in range(3):
            x = 4 * x * (1 - x)
        return x

    exact, h = derivative(f, 0.2), 10.0 ** np.arange(-15, -1)
    assert derivative(l4, 0.2) == pytest.approx(exact, rel=1e-13)
    assert f"{exact:.6f}" == "9.066086"
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
    assert len(descend(quartic, slope, 0.2, Rprop(0.01), tol=0.01)) == 28  # grows its step, and shrinks it
    ends = [descend(quartic, slope, start, SGD(0.05), tol=0.01)[-1] for start in (0.2, 2.5, 3.2, 5.4)]
    assert np.round(ends, 2).tolist() == [1.0, 1.0, 4.0, 4.0]


@pytest.mark.slow
def test_the_naive_method_never_gets_worse_and_loses_against_the_gradient():
    X, y = load("digits")
    naive, gradient = (
        fit(Sequential(Linear(64, 30, rng=0), Tanh(), Linear(30, 10, rng=1)), X[:300], y[:300], loss=CrossEntropy(),
            optimizer=optimizer, epochs=50, batch_size=None, rng=0).loss
        for optimizer in (RandomSearch(0.03, rng=0), SGD(0.5))
    )  # fmt: skip
    assert all(later <= earlier * (1 + 1e-12) for earlier, later in pairwise(naive))
    assert gradient[-1] < 0.5 < 1.5 < naive[-1] < naive[0]


def average_of_marks():
    net = Linear(3, 1)
    net.weight[:], net.bias[:] = 0.333, 0.0
    return net


def test_the_regression_of_marks():
    X, y = load("marks")
    net, loss = average_of_marks(), MSE()
    net.backward_update_gradient(X, loss.backward(y[:, None], net.forward(X)) / len(X))
    assert f"{loss(y[:, None], net.forward(X)):.2f}" == "2.24"
    assert (f"{net.bias_gradient[0]:.2f}", f"{net.weight_gradient[0, 0]:.2f}") == ("0.81", "2.93")


def test_the_marks_after_1000_iterations_and_what_they_predict():
    X, y = load("marks")
    net, constant, w = average_of_marks(), np.column_stack([np.ones(4), X]), np.array([0.0, 0.333, 0.333, 0.333])
    fit(net, X, y[:, None], loss=MSE(), optimizer=SGD(0.001), epochs=1000, batch_size=None, rng=0)
    for _ in range(1000):
        w -= 0.001 * 2 / 4 * constant.T @ (constant @ w - y)
    np.testing.assert_allclose([net.bias[0], *net.weight[:, 0]], w, atol=1e-12)
    assert f"{MSE()(y[:, None], predict(net, X)):.3f}" == "0.013"
    assert f"{predict(net, [[13.0, 14.0, 11.0]])[0, 0]:.1f}" == "13.6"


def test_the_marks_of_more_students_by_mini_batches_of_10():
    X, y = load("marks_more")
    seen = []

    def look(X, y, rng):
        seen.append((np.array(X), np.array(y)[:, 0]))
        return X, y

    net = average_of_marks()
    history = fit(net, X, y[:, None], loss=MSE(), optimizer=SGD(0.001), epochs=5, batch_size=10, rng=0, augment=look)
    w, losses = np.array([0.0, 0.333, 0.333, 0.333]), []
    for given, marks in seen:
        rows = np.column_stack([np.ones(10), given])
        losses.append(np.mean((rows @ w - marks) ** 2))
        w -= 0.001 * 2 / 10 * rows.T @ (rows @ w - marks)
    assert len(seen) == 30
    np.testing.assert_allclose([net.bias[0], *net.weight[:, 0]], w, atol=1e-12)
    np.testing.assert_allclose(history.loss, np.reshape(losses, (5, 6)).mean(axis=1), rtol=1e-12)
    assert np.round(history.loss, 3).tolist() == [1.083, 1.061, 1.013, 1.029, 0.982]


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


@pytest.mark.slow
@pytest.mark.parametrize(("width", "least", "most"), [(10, 0, 8), (30, 0, 8), (100, 9, 10)])
def test_a_hundred_is_the_least_of_six_widths_at_which_nine_of_ten_seeds_learn_the_spiral(width, least, most):
    X, y = load("spiral")
    X, learned = X.astype(np.float32), 0
    for seed in range(10):
        rng = np.random.default_rng(seed)
        net = Sequential(Linear(2, width, init="he_uniform", rng=rng), ReLU(), Linear(width, 3, rng=rng))
        net[0].bias[:] = rng.uniform(-1, 1, width)
        net = net.astype("float32")
        history = fit(net, X, y, loss=CrossEntropy(), optimizer=Adam(0.01), epochs=200, batch_size=None, rng=0)
        learned += max(history.metrics["accuracy"]) >= 0.98
    assert least <= learned <= most


def deep(depth, activation, init="uniform", norm=False, residual=False):
    """Hidden layers of 20 units on the 64 pixels of a digit, as in the example."""
    rng = np.random.default_rng(0)
    net = Sequential(Linear(64, 20, init=init, rng=rng), activation())
    for _ in range(depth - 1):
        block = [Linear(20, 20, init=init, rng=rng), *([BatchNorm(20)] if norm else []), activation()]
        for module in [Residual(*block)] if residual else block:
            net.append(module)
    net.append(Linear(20, 10, rng=rng))
    return net


@pytest.mark.parametrize(
    ("net", "low", "high"),
    [
        (deep(10, Sigmoid), 0.0, 1e-6),
        (deep(10, ReLU), 0.0, 1e-1),
        (deep(10, Sigmoid, norm=True), 0.1, 10),
        (deep(10, Tanh, residual=True), 0.1, 10),
        (deep(10, ReLU, init="he_uniform"), 0.1, 10),
    ],
    ids=["sigmoids", "ReLU", "BatchNorm", "residual", "He"],
)
def test_gradients_vanish_with_depth_and_what_keeps_them(net, low, high):
    """The gradient of the second of ten layers beside that of the tenth."""
    X, y = load("digits")
    net.backward_update_gradient(X[:300], CrossEntropy().backward(y[:300], net.forward(X[:300])))
    sizes = [np.linalg.norm(module.weight_gradient) for module in net.leaves() if isinstance(module, Linear)]
    assert low < sizes[1] / sizes[-2] < high


@pytest.mark.slow
def test_four_layers_of_sigmoids_learn_after_pretraining_and_not_without():
    X, y = load("digits")
    X, y, right = X[:300], y[:300], {}
    for name, prepare in {
        "none": lambda net: None,
        "auto-encoders": lambda net: pretrain(net, X, optimizer=Adam(0.01), epochs=60, rng=0, progress=False),
        "Boltzmann machines": lambda net: pretrain_rbm(net, X, epochs=60, rng=0),
    }.items():
        net = deep(4, Sigmoid)
        prepare(net)
        with pytest.warns(TrainingWarning, match="no better than always giving the same") if name == "none" else nullcontext():
            history = fit(net, X, y, loss=CrossEntropy(), optimizer=SGD(0.02, momentum=0.9), epochs=60, rng=0)
        right[name] = history.metrics["accuracy"][-1]
    assert right["none"] < 0.2 < 0.6 < min(right["auto-encoders"], right["Boltzmann machines"])


@pytest.mark.slow
def test_each_remedy_of_overfitting_lowers_the_loss_on_new_examples():
    X, y = load("moons", n_samples=80, noise=0.35, rng=1)
    X_new, y_new = load("moons", n_samples=1000, noise=0.35, rng=2)
    new = X_new, y_new[:, None].astype(float)

    def final(before=(), between=(), optimizer=None, **options):
        rng = np.random.default_rng(0)
        net = Sequential(*before, Linear(2, 200, rng=rng), ReLU(), *between, Linear(200, 200, rng=rng), ReLU(), *between,
                         Linear(200, 1, rng=rng))  # fmt: skip
        fit(net, X, y[:, None].astype(float), loss=BCEWithLogits(), optimizer=optimizer or Adam(0.01), epochs=100, rng=0,
            validation=new, **options)  # fmt: skip
        return BCEWithLogits()(new[1], predict(net, new[0]))

    remedies = {
        "early stopping": {"patience": 15},
        "noise": {"before": [GaussianNoise(0.3, rng=0)]},
        "dropout": {"between": [Dropout(0.5, rng=1)]},
        "weight decay": {"optimizer": AdamW(0.01, weight_decay=1.0)},
    }
    found = {name: final(**options) for name, options in remedies.items()}
    assert max(found.values()) < 0.8 * final(), found


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
