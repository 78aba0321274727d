"""The scalar engines: the lecture's numbers, and gradients of whole networks as a referee of those stated by hand."""

import copy

import numpy as np
import pytest
from scalar_formulas import LOSSES, MODULES, each

from modnet import MSE, Dropout, GaussianNoise, Linear, Reshape, Sequential, Tanh
from modnet.discovery import all_losses, all_modules
from modnet.scalar import Dual, Value, derivative


def test_the_lecture_s_first_graph():
    x, y = Value(2.0), Value(-3.0)
    result = (x + y) * y
    result.backward()
    assert (result.data, x.grad, y.grad) == (3.0, -3.0, -4.0)


@pytest.mark.parametrize(("by", "expected"), [("a", 23.0), ("b", 10.0)])
def test_the_lecture_s_pairs_in_forward_mode(by, expected):
    a, b = Dual(10.0, float(by == "a")), Dual(20.0, float(by == "b"))
    assert (3 * a + a * b).derivative == expected


def test_a_second_pass_adds_up_if_the_graph_is_kept_and_is_refused_otherwise():
    a, b = Value(1.0), Value(2.0)
    result = 10 / (1 + (3 * a + a * b).exp())
    result.backward(keep_graph=True)
    assert (round(a.grad, 4), round(b.grad, 4)) == (-0.3324, -0.0665)
    result.backward()
    assert (round(a.grad, 4), round(b.grad, 4)) == (-0.6648, -0.133)
    with pytest.raises(RuntimeError, match=r"keep_graph=True"):
        result.backward()
    assert (round(a.grad, 4), round(b.grad, 4)) == (-0.6648, -0.133)


OPERATIONS = {
    "+": lambda x: x + 1.5 + x,
    "-": lambda x: 2 - x - 0.5,
    "*": lambda x: 3 * x * x,
    "/": lambda x: 1 / x + x / 4,
    "power": lambda x: x**3,
    "exp": lambda x: x.exp(),
    "log": lambda x: x.log(),
    "tanh": lambda x: x.tanh(),
    "erf": lambda x: x.erf(),
    "relu": lambda x: x.relu() + (-x).relu(),
    "abs": lambda x: (-x).abs(),
    "maximum": lambda x: x.maximum(0.3) * (x - 1).maximum(0),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_both_modes_agree_with_central_differences(name):
    f, h = OPERATIONS[name], 1e-6
    for at in (0.7, 1.3):
        x = Value(at)
        f(x).backward()
        want = (f(Value(at + h)).data - f(Value(at - h)).data) / (2 * h)
        assert x.grad == pytest.approx(want, rel=1e-7)
        assert derivative(f, at) == pytest.approx(x.grad, rel=1e-14)


def test_a_long_sum_is_no_deeper_than_python_can_go():
    x = Value(1.0)
    total = Value(0.0)
    for _ in range(5000):
        total = total + x
    total.backward()
    assert x.grad == 5000.0


@pytest.mark.parametrize("wrong", ["1", None, True, [1.0], np.ones(2)])
def test_what_is_no_number_is_refused(wrong):
    with pytest.raises(TypeError, match="expected a number"):
        Value(wrong)


REFUSED = {
    "log of a negative number": (lambda x: (x - 3).log(), ValueError, r"log\(-1\)"),
    "log of 0": (lambda x: (x - 2).log(), ValueError, r"log\(0\)"),
    "division by 0": (lambda x: 1 / (x - 2), ZeroDivisionError, r"1 / 0"),
    "root of a negative number": (lambda x: (x - 3) ** 0.5, ValueError, r"\(-1\) \*\* 0.5 has no real value"),
    "slope of a root at 0": (lambda x: (x - 2) ** 0.5, ZeroDivisionError, r"\(0\) \*\* 0.5 has no derivative"),
    "inverse power of 0": (lambda x: (x - 2) ** -1, ZeroDivisionError, r"\(0\) \*\* -1 has no value"),
    "exp": (lambda x: (x * 500).exp(), OverflowError, r"exp\(1000\) is too large"),
    "power": (lambda x: (x * 1e200) ** 2, OverflowError, r"\(2e\+200\) \*\* 2 is too large"),
    "a whole number": (lambda x: x + 10**400, OverflowError, r"too large"),
    "complex": (lambda x: x + 1j, TypeError, r"got 1j, expected a number"),
}


@pytest.mark.parametrize("kind", [Value, Dual])
@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_value_or_no_derivative_is_named(name, kind):
    f, error, said = REFUSED[name]
    with pytest.raises(error, match=rf"^{kind.__name__}.*{said}"):
        f(kind(2.0))


def test_what_looks_alike_and_has_a_derivative_is_computed():
    assert derivative(lambda x: x**3, -2.0) == 12.0
    assert derivative(lambda x: x**-2, -1.0) == 2.0
    assert derivative(lambda x: x**0, 0.0) == derivative(lambda x: 7, 1.0) == 0.0
    assert derivative(lambda x: x**1, 0.0) == 1.0
    assert derivative(lambda x: 1e-200 / x, 1e-100) == pytest.approx(-1.0)
    assert derivative(lambda x: 1e300 / x, 1e200) == pytest.approx(-1e-100)
    assert derivative(lambda x: x.exp(), 709.0) == pytest.approx(np.exp(709.0))


# The referee: networks of every module and loss, built from Values with the same weights.

BOUND = 1e-12
SMALL = 130  # numbers in the input of an example: more take long and ask nothing new
WITHOUT_FORMULA = {"Dropout", "GaussianNoise"}  # what they drew is read off their forward, below


def as_values(array):
    return np.vectorize(Value, otypes=[object])(array)


def grads(values):
    return np.vectorize(lambda v: v.grad, otypes=[float])(values)


class Twin:
    """A network of Values with the weights of one of ours."""

    def __init__(self, net):
        leaves = list(net.leaves()) if hasattr(net, "leaves") else [net]
        self.weights = {id(leaf): {n: as_values(a) for n, a in leaf.named_parameters().items()} for leaf in leaves}

    def forward(self, module, x):
        name = type(module).__name__
        if name in ("Sequential", "Residual"):
            start = x
            for inner in module:
                x = self.forward(inner, x)
            return x if name == "Sequential" else start + x
        if name == "Concat":
            return np.concatenate([self.forward(branch, x) for branch in module], axis=-1)
        p = self.weights[id(module)]
        if name == "Tied":
            p = {**p, "weight": self.weights[id(module.linear)]["weight"].T}
            name = "Linear"
        return MODULES[name](module, x, p)

    def compare(self, net):
        for leaf in net.leaves() if hasattr(net, "leaves") else [net]:
            for name, values in self.weights[id(leaf)].items():
                agree(getattr(leaf, f"{name}_gradient"), grads(values), f"{leaf}.{name}")


def agree(stated, found, what):
    np.testing.assert_allclose(stated, found, rtol=BOUND, atol=BOUND * max(1.0, np.abs(found).max(initial=0.0)), err_msg=what)


def module_cases():
    found = []
    for kind in all_modules():
        for i, (module, shape) in enumerate(kind.examples()):
            if kind.__name__ not in WITHOUT_FORMULA and np.prod(shape) <= SMALL:
                modes = (True, False) if "BatchNorm" in repr(module) else (True,)  # the same in both for the others
                found += [pytest.param(module, shape, mode, id=f"{kind.__name__}-{i}-{mode}") for mode in modes]
    return found


def test_every_module_and_loss_has_a_formula():
    containers = {"Sequential", "Residual", "Concat", "Tied"}
    assert {kind.__name__ for kind in all_modules()} == set(MODULES) | containers | WITHOUT_FORMULA
    assert {kind.__name__ for kind in all_losses()} == set(LOSSES)
    assert {case.values[0].__class__.__name__ for case in module_cases()} == set(MODULES) | containers


@pytest.mark.parametrize(("module", "shape", "training"), module_cases())
def test_a_network_of_the_module_has_the_gradients_of_the_graph(module, shape, training):
    """module, then Tanh, then a squared error: delta is another number everywhere."""
    rng = np.random.default_rng(1)
    net, loss = Sequential(copy.deepcopy(module), Tanh()), MSE()
    tied = [leaf.linear for leaf in net.leaves() if type(leaf).__name__ == "Tied"]
    if any(all(linear is not leaf for leaf in net.leaves()) for linear in tied):
        net = Sequential(tied[0], *net)  # its weight must be in the network
        shape = (*shape[:-1], tied[0].in_features)
    ridges = [leaf for leaf in net.leaves() if type(leaf).__name__ == "RidgeLinear"]
    for leaf in ridges:
        leaf.alpha = 0.3
    (net.train if training else net.eval)()
    whole = [leaf.count for leaf in net.leaves() if type(leaf).__name__ == "Embedding"]
    X = rng.integers(0, min(whole), shape) if whole else rng.normal(size=shape)
    y = rng.normal(size=net.forward(X).shape)
    net.zero_grad()
    dx = net.backward(X, loss.backward(y, net.forward(X)))

    twin, inputs = Twin(net), as_values(X.astype(float))
    result = sum(LOSSES["MSE"](loss, y, twin.forward(net, inputs)))
    assert result.data == pytest.approx(loss.forward(y, net.forward(X)).sum(), rel=BOUND)
    for leaf in ridges:  # (alpha / 2) |W|^2, shared out over the rows
        rows = X.size // leaf.in_features
        result = result + sum(w * w for w in twin.weights[id(leaf)]["weight"].ravel()) * (leaf.alpha / 2 / rows)
    result.backward()
    twin.compare(net)
    if not whole:
        agree(dx, grads(inputs), "dL/dinput")


def loss_cases():
    return [pytest.param(*case, id=f"{k.__name__}-{i}") for k in all_losses() for i, case in enumerate(k.examples())]


@pytest.mark.parametrize(("loss", "y", "yhat"), loss_cases())
def test_a_network_with_the_loss_has_the_gradients_of_the_graph(loss, y, yhat):
    """A Linear whose weights are the predictions, on the unit vectors: its gradient is the derivative of the loss."""
    flat = yhat.reshape(len(yhat), -1)
    net = Sequential(Linear(len(flat), flat.shape[1], bias=False), Reshape(*yhat.shape[1:]))
    net[0].weight[:] = flat
    X = np.eye(len(flat))
    out = net.forward(X)
    net.zero_grad()
    net.backward_update_gradient(X, loss.backward(y, out.reshape(yhat.shape)).reshape(out.shape))

    weights = as_values(flat)
    result = sum(LOSSES[type(loss).__name__](loss, np.asarray(y), weights.reshape(yhat.shape)))
    result.backward()
    assert result.data == pytest.approx(loss.forward(y, yhat).sum(), rel=BOUND, abs=BOUND)
    agree(net[0].weight_gradient, grads(weights), str(loss))


@pytest.mark.parametrize(
    ("module", "formula"),
    [(Dropout(0.5, rng=0), lambda x, drawn: x * drawn), (GaussianNoise(0.5, rng=0), lambda x, drawn: x + drawn)],
    ids=["Dropout", "GaussianNoise"],
)
def test_what_was_drawn_is_a_constant_of_the_graph(module, formula):
    X = np.random.default_rng(2).normal(size=(4, 3))
    net = Sequential(module, Tanh())
    out, loss, y = net.forward(X), MSE(), np.full((4, 3), 0.3)
    before = np.arctanh(out)
    drawn = before / X if isinstance(module, Dropout) else before - X
    dx = net.backward(X, loss.backward(y, out))
    inputs = as_values(X)
    sum(LOSSES["MSE"](loss, y, each(lambda v: v.tanh())(formula(inputs, drawn)))).backward()
    np.testing.assert_allclose(dx, grads(inputs), rtol=1e-10, atol=1e-12)  # arctanh loses digits
