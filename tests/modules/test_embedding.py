"""Embedding: rows of a table by their numbers."""

import math

import numpy as np
import pytest
from helpers import PassThrough, assert_derivative, message

import modnet
from modnet import Concat, CrossEntropy, Embedding, Flatten, Linear, Reshape, Sequential, Tanh
from modnet.optim import SGD, Adam


def test_embedding_is_a_linear_on_one_hot_rows():
    rng = np.random.default_rng(0)
    table, layer = Embedding(5, 3, rng=1), Linear(5, 3, bias=False, rng=2)
    layer.weight = table.weight
    x = rng.integers(0, 5, (4, 6))
    delta = rng.normal(size=(4, 6, 3))
    hot = np.eye(5)[x]
    np.testing.assert_allclose(table.forward(x), layer.forward(hot), rtol=1e-15)
    for _ in range(2):  # a number that comes often, and a second time
        table.backward_update_gradient(x, delta)
        layer.backward_update_gradient(hot, delta)
        np.testing.assert_allclose(table.weight_gradient, layer.weight_gradient, rtol=1e-13, atol=1e-13)


def test_embedding_takes_any_axes_and_whole_floats():
    table = Embedding(4, 2, rng=0)
    assert table.forward(np.array([3, 0])).shape == (2, 2)
    assert table.forward(np.zeros((2, 3, 4), int)).shape == (2, 3, 4, 2)
    for dtype in (np.int8, np.uint64, np.float32, np.float64, np.bool_):
        np.testing.assert_array_equal(table.forward(np.array([[1, 0]], dtype)), table.weight[None, [1, 0]])


def test_embedding_is_drawn_from_the_standard_normal():
    weight = Embedding(200, 100, rng=0).weight
    assert abs(weight.mean()) < 4 / math.sqrt(weight.size)
    assert weight.std() == pytest.approx(1, abs=0.02)
    np.testing.assert_array_equal(weight, Embedding(200, 100, rng=np.random.default_rng(0)).weight)


WRONG = [(5, "5"), (-1, "-1"), (1.5, "1.5"), (np.nan, "nan"), (np.inf, "inf"), (2**40, "1.09951e+12")]


@pytest.mark.parametrize(("value", "text"), WRONG, ids=str)
@pytest.mark.parametrize("plain", [False, True], ids=["table", "python walk"])
def test_a_number_outside_the_table_is_refused_everywhere_and_nothing_moves(value, text, plain):
    net = Sequential(Flatten(), Embedding(5, 2, rng=0), *[PassThrough()] * plain, Flatten(), Linear(6, 2, rng=1))
    X = np.array([[0, 1, 2], [4, 3, value], [1, 1, 1]])
    good = np.array([[0, 1, 2]] * 3)
    end = f"Embedding(5, 2): input holds {text}, expected whole numbers 0 to 4"
    assert message(ValueError, lambda: net[1].forward(X)) == end
    assert message(ValueError, lambda: net[1].backward_update_gradient(X, np.ones((3, 3, 2)))) == end
    place = "Sequential[1] "
    assert message(ValueError, lambda: net.forward(X)) == place + end
    assert message(ValueError, lambda: modnet.predict(net, X)) == place + end
    if np.isfinite(value):  # fit refuses the others before any module sees them
        before = net.parameters.copy()
        options = {"loss": CrossEntropy(), "optimizer": SGD(0.1), "epochs": 1, "batch_size": 3}
        assert message(ValueError, lambda: modnet.fit(net, X, [0, 1, 1], **options)) == "fit: " + place + end
        words = message(ValueError, lambda: modnet.fit(net, good, [0, 1, 1], validation=(X, [0, 1, 1]), **options))
        assert words == "fit: validation: " + place + end
        np.testing.assert_array_equal(net.parameters, before)


def test_integers_have_no_derivative_and_asking_for_it_is_an_error():
    words = (
        "backward_delta is asked for, but its input is whole numbers, which have no derivative; "
        "call backward_update_gradient alone"
    )
    table = Embedding(3, 2, rng=0)
    x, delta = np.array([[0, 2]]), np.ones((1, 2, 2))
    assert message(ValueError, lambda: table.backward_delta(x, delta)) == f"Embedding(3, 2): {words}"
    for plain in (False, True):
        net = Sequential(Concat(Embedding(3, 2, rng=0), Embedding(3, 1, rng=1)), *[PassThrough()] * plain)
        deltas = np.ones((1, 2, 3))
        assert message(ValueError, net.backward_delta, x, deltas) == f"Sequential[0][0] Embedding(3, 2): {words}"
        np.testing.assert_array_equal(net.gradient, 0)
        for backward in (net.backward_update_gradient, net.backward):
            net.zero_grad()
            assert backward(x, deltas) is None
            np.testing.assert_array_equal(net[0][0].weight_gradient, [[1, 1], [0, 0], [1, 1]])


@pytest.mark.parametrize("plain", [False, True], ids=["compiled", "python"])
def test_backward_adds_the_gradients_of_all_modules_behind_an_embedding(plain):
    net = Sequential(Embedding(5, 3, rng=0), *[PassThrough()] * plain, Tanh(), Flatten(), Linear(6, 2, rng=1))
    x, delta = np.array([[0, 4], [2, 2]]), np.random.default_rng(0).normal(size=(2, 2))
    assert net.backward(x, delta) is None
    gradient, rng = net.gradient.copy(), np.random.default_rng(1)
    assert_derivative(lambda: net.forward(x), net.parameters, delta, gradient, rng)


def test_embedding_reads_the_networks_own_input():
    net = Sequential(Linear(3, 3, rng=0), Embedding(4, 2, rng=1))
    words = "Sequential[1] Embedding(4, 2): modules before it change its input; it must read the network's own input, whole numbers"
    assert message(ValueError, lambda: net.forward(np.ones((2, 3)))) == words


@pytest.mark.parametrize("plain", [False, True], ids=["compiled", "python"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_network_with_an_embedding_learns_which_word_counts(plain, dtype):
    rng = np.random.default_rng(0)
    X = rng.integers(0, 8, (120, 5))
    y = (X == 3).any(axis=1).astype(int)
    net = Sequential(
        Reshape(5), Embedding(8, 4, rng=1), *[PassThrough()] * plain, Tanh(), Flatten(), Linear(20, 2, rng=2)
    ).astype(dtype)
    history = modnet.fit(net, X, y, loss=CrossEntropy(), optimizer=Adam(0.02), epochs=60, rng=0)
    assert history.metrics["accuracy"][-1] > 0.98
    assert net[1].weight.dtype == dtype


def test_embedding_arguments():
    assert message(ValueError, lambda: Embedding(0, 2)) == "Embedding: count is 0, expected at least 1"
    assert message(TypeError, lambda: Embedding(3, 2.5)) == "Embedding: features is 2.5, expected a whole number"
    assert "expected at most 16777216, as far as a float32 counts" in message(ValueError, lambda: Embedding(2**24 + 1, 1))
