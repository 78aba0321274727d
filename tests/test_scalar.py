"""The scalar engines: the lecture's numbers, and gradients of whole networks as a referee of those stated by hand."""

import numpy as np
import pytest

from modnet import MSE, BCEWithLogits, CrossEntropy, LeakyReLU, Linear, ReLU, Sequential, Sigmoid, Softplus, Tanh
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


# A referee: the same network, built from Values with the same weights.

ACTIVATIONS = {
    "tanh": (Tanh(), lambda v: v.tanh()),
    "relu": (ReLU(), lambda v: v.relu()),
    "sigmoid": (Sigmoid(), lambda v: 1 / (1 + (-v).exp())),
    "leaky": (LeakyReLU(0.1), lambda v: v.relu() - 0.1 * (-v).relu()),
    "softplus": (Softplus(), lambda v: (1 + v.exp()).log()),
}
LOSSES = {
    "mse": (MSE(), lambda y, out: sum((o - t) ** 2 for o, t in zip(out, y))),
    "cross-entropy": (CrossEntropy(), lambda y, out: sum(o.exp() for o in out).log() - out[int(y[0])]),
    "binary": (BCEWithLogits(), lambda y, out: sum((1 + o.exp()).log() - t * o for o, t in zip(out, y))),
}


def linear(x, W, b):
    return [sum(x[i] * W[i][j] for i in range(len(x))) + b[j] for j in range(len(b))]


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_gradients_stated_by_hand_are_those_of_the_graph(activation, loss):
    rng = np.random.default_rng(0)
    module, f = ACTIVATIONS[activation]
    criterion, value_of = LOSSES[loss]
    net = Sequential(Linear(3, 4, rng=1), module, Linear(4, 2, rng=2))
    X = rng.normal(size=(5, 3))
    y = rng.integers(0, 2, 5) if loss == "cross-entropy" else rng.integers(0, 2, (5, 2)).astype(float)
    net.zero_grad()
    dx = net.backward(X, criterion.backward(y, net.forward(X)))

    weights = {name: np.vectorize(Value, otypes=[object])(a) for name, a in net.named_parameters().items()}
    inputs = np.vectorize(Value, otypes=[object])(X)
    total = Value(0.0)
    for i in range(5):
        hidden = [f(v) for v in linear(inputs[i], weights["0.weight"], weights["0.bias"])]
        out = linear(hidden, weights["2.weight"], weights["2.bias"])
        total = total + value_of(np.atleast_1d(y[i]), out)
    total.backward()

    assert total.data == pytest.approx(float(criterion.forward(y, net.forward(X)).sum()), rel=1e-12)
    grads = np.vectorize(lambda v: v.grad, otypes=[float])
    for name, values in weights.items():
        place, which = name.split(".")
        np.testing.assert_allclose(getattr(net[int(place)], which + "_gradient"), grads(values), rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(dx, grads(inputs), rtol=1e-12, atol=1e-13)
