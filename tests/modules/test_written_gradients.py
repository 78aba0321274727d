"""Gradients that `fit` lets a module write, where a loop by hand lets it add: what is added to zeros."""

import numpy as np
import pytest

from modnet import MSE, BatchNorm, Linear, ReLU, Sequential, Tied, fit
from modnet.discovery import all_modules
from modnet.engine.program import Binding
from modnet.engine.run import program_of
from modnet.kernels.compiled import enter_forward, enter_gradient
from modnet.optim import SGD

WRITERS = [
    (kind, i) for kind in all_modules() if kind.operations[1] is not None and "add" in kind.operations[1].names
    for i in range(len(kind.examples()))
]  # fmt: skip


def test_the_usual_modules_with_parameters_can():
    assert {kind.__name__ for kind, _ in WRITERS} >= {"Linear", "Conv1D", "Conv2D"}


@pytest.mark.parametrize(("kind", "index"), WRITERS)
def test_a_gradient_that_is_written_is_what_is_added_to_zeros(kind, index):
    module, shape = kind.examples()[index]
    rng = np.random.default_rng(0)
    bound = Binding(module, shape[1:], np.dtype(np.float64))
    x = rng.normal(size=(shape[0] * bound.input_rows, bound.columns))
    out = np.empty((shape[0] * bound.output_rows, bound.output_columns))
    delta = rng.normal(size=out.shape)
    forward, gradient, _ = (bound.address(operation) for operation in kind.operations)
    enter_forward(forward, x, out, bound.parameters, bound.state, bound.z, bound.s, 0)
    found = []
    for before, add in ((0.0, 1), (np.nan, 0)):
        bound.gradient[:] = before
        enter_gradient(gradient, x, out, delta, bound.gradient, bound.parameters, bound.state, bound.z_gradient, bound.s, 0, add)
        found.append(bound.gradient.copy())
    np.testing.assert_array_equal(*found)


def encoder_and_its_transpose():
    first = Linear(3, 2, rng=0)
    return Sequential(first, Tied(first))


def twice():
    layer = Linear(3, 3, rng=0)
    return Sequential(layer, ReLU(), layer)


@pytest.mark.parametrize(
    ("make", "writes"),
    [
        (lambda: Sequential(Linear(3, 4, rng=0), ReLU(), Linear(4, 3, rng=1)), True),
        (lambda: Sequential(Linear(3, 4, rng=0), BatchNorm(4), Linear(4, 3, rng=1)), False),
        (encoder_and_its_transpose, False), (twice, False),
    ],
)  # fmt: skip
def test_a_training_writes_if_every_number_belongs_to_one_row(make, writes):
    net = make()
    assert program_of(net, (3,), np.dtype(np.float64)).writes_gradient == writes
    X = np.random.default_rng(0).normal(size=(6, 3))
    net.gradient[:] = np.nan  # whatever is left there
    fit(net, X, X, loss=MSE(), optimizer=SGD(0.01), epochs=2, batch_size=3, progress=False)
    assert np.isfinite(net.parameters).all()
