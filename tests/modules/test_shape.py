"""Identity, Flatten, Reshape and Transpose: the same numbers in another shape or order."""

import numpy as np
import pytest
from helpers import assert_derivatives

from modnet import Flatten, Identity, Linear, Reshape, Sequential, Tanh, Transpose
from modnet.engine.run import program_of

# Identity and Flatten


@pytest.mark.parametrize("shape", [(3, 2, 4), (2, 5), (3,)], ids=str)
def test_flatten_puts_an_examples_numbers_in_their_order_and_identity_changes_nothing(shape):
    x = np.arange(np.prod(shape), dtype=float).reshape(shape)
    for order in (x, np.asfortranarray(x), x.astype(">f8")):
        np.testing.assert_array_equal(Flatten().forward(order), x.reshape(shape[0], -1))
        np.testing.assert_array_equal(Identity().forward(order), x)
    np.testing.assert_array_equal(Flatten().backward_delta(x, x.reshape(shape[0], -1)), x)
    np.testing.assert_array_equal(Identity().backward_delta(x, 2 * x), 2 * x)


# Reshape


@pytest.mark.parametrize(
    ("module", "shape", "after"),
    [
        (Reshape(2, 3), (4, 6), (4, 2, 3)),
        (Reshape(3, -1), (2, 2, 6), (2, 3, 4)),
        (Reshape(-1), (1, 5, 2), (1, 10)),
        (Reshape(-1, 1), (3, 5), (3, 5, 1)),
        (Reshape((2, 2)), (2, 4), (2, 2, 2)),
        (Reshape(), (3, 1), (3,)),
    ],
    ids=str,
)
def test_reshape_keeps_the_numbers_in_their_order(module, shape, after):
    x = np.random.default_rng(0).normal(size=shape)
    np.testing.assert_array_equal(module.forward(x), x.reshape(after))
    np.testing.assert_array_equal(module.forward(np.asfortranarray(x)), x.reshape(after))
    np.testing.assert_array_equal(module.backward_delta(x, x.reshape(after)), x)
    assert not np.shares_memory(module.forward(x), x)


def test_a_reshape_costs_nothing_in_a_network():
    net = Sequential(Reshape(2, -1), Linear(3, 2, rng=0), Flatten(), Reshape(4, 1))
    program = program_of(net, (6,), net.dtype)
    assert len(program.table) == 1
    assert program.output.shape == net.output_shape((6,)) == (4, 1)
    assert_derivatives(net, np.random.default_rng(0).normal(size=(3, 6)))


SIZES = "expected sizes of at least 1, or -1 for one that is left open"
AXES = "expected each of 0 to 1 once: the axes of one example"


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: Reshape(-1, -1), ValueError, "Reshape: shape is (-1, -1), expected -1 at most once"),
        (lambda: Reshape(0), ValueError, "Reshape: shape is (0,), " + SIZES),
        (lambda: Reshape(-2), ValueError, "Reshape: shape is (-2,), " + SIZES),
        (lambda: Reshape(2.0), TypeError, "Reshape: shape is (2.0,), expected whole numbers"),
        (
            lambda: Reshape(2, 3).forward(np.ones((4, 5))),
            ValueError,
            "Reshape(2, 3): input has shape (4, 5), expected 6 numbers an example",
        ),
        (
            lambda: Sequential(Identity(), Reshape(4, -1)).forward(np.ones((1, 2, 3))),
            ValueError,
            "Sequential[1] Reshape(4, -1): input has shape (1, 2, 3), expected a multiple of 4 numbers an example",
        ),
        (lambda: Transpose(0, 0), ValueError, "Transpose: axes are (0, 0), " + AXES),
        (lambda: Transpose(1, 2), ValueError, "Transpose: axes are (1, 2), " + AXES),
        (lambda: Transpose(1.0, 0), TypeError, "Transpose: axes are (1.0, 0), expected whole numbers"),
        (
            lambda: Transpose(1, 0).forward(np.ones((2, 3))),
            ValueError,
            "Transpose(1, 0): input has shape (2, 3), expected 2 axes after the batch",
        ),
    ],
)
def test_hostile_shapes_and_axes_are_refused(call, error, words):
    with pytest.raises(error) as raised:
        call()
    assert str(raised.value) == words


# Transpose


@pytest.mark.parametrize(
    ("axes", "shape"),
    [
        ((1, 0), (3, 2, 5)),
        ((0, 1), (3, 2, 5)),
        ((2, 0, 1), (2, 3, 4, 5)),
        ((1, 2, 0), (2, 3, 4, 5)),
        ((0, 2, 1), (1, 2, 3, 4)),
        ((3, 1, 0, 2), (2, 2, 3, 4, 5)),
        ((4, 3, 2, 1, 0), (1, 2, 1, 3, 1, 2)),
        ((0,), (4, 3)),
        ((), (2, 3, 4)),
        ((), (5,)),
    ],
    ids=str,
)
def test_transpose_is_numpys_on_each_example(axes, shape):
    rng = np.random.default_rng(0)
    x = rng.normal(size=shape)
    order = axes or tuple(range(len(shape) - 2, -1, -1))
    want = np.transpose(x, (0, *(a + 1 for a in order)))
    module = Transpose(*axes)
    np.testing.assert_array_equal(module.forward(x), want)
    delta = rng.normal(size=want.shape)
    back = np.transpose(delta, (0, *(1 + order.index(a) for a in range(len(order)))))
    np.testing.assert_array_equal(module.backward_delta(x, delta), back)
    if shape[1:]:
        net = Sequential(Linear(shape[-1], shape[-1], rng=0), module, Tanh())
        np.testing.assert_array_equal(net.forward(x), Tanh().forward(module.forward(net[0].forward(x))))
        assert_derivatives(net, x)
