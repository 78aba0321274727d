"""Which name is the gradient of which, in the ways in which people keep parameters and gradients."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from modnet.check.reading.gradients import is_gradient_of, partner_of

#: Each way to keep the parameters of two layers, and those to keep their gradients beside them.
NAMED = {
    "parameters": ("W1 b1 W2 b2", "params['W1'] params['b1'] params['W2'] params['b2']", "W1.value b1.value W2.value b2.value"),
    "gradients": (
        "dW1 db1 dW2 db2", "W1_grad b1_grad W2_grad b2_grad", "grad_W1 grad_b1 grad_W2 grad_b2", "dL_dW1 dL_db1 dL_dW2 dL_db2",
        "grads['W1'] grads['b1'] grads['W2'] grads['b2']", "grads['dW1'] grads['db1'] grads['dW2'] grads['db2']",
        "all_gradients['W1'] all_gradients['b1'] all_gradients['W2'] all_gradients['b2']", "W1.grad b1.grad W2.grad b2.grad",
    ),
}  # fmt: skip
LISTED = {
    "parameters": ("weights[0] biases[0] weights[1] biases[1]", "ws[0] bs[0] ws[1] bs[1]"),
    "gradients": (
        "dws[0] dbs[0] dws[1] dbs[1]", "dW[0] db[0] dW[1] db[1]", "grad_weights[0] grad_biases[0] grad_weights[1] grad_biases[1]",
        "weights_grad[0] biases_grad[0] weights_grad[1] biases_grad[1]",
        "delta_weights[0] delta_biases[0] delta_weights[1] delta_biases[1]",
    ),
}  # fmt: skip
IN_LAYERS = {
    "parameters": (
        "layers[0].W layers[0].b layers[1].W layers[1].b",
        "layers[0].params['weight'] layers[0].params['bias'] layers[1].params['weight'] layers[1].params['bias']",
        "layers[0].w.values layers[0].b.values layers[1].w.values layers[1].b.values",
    ),
    "gradients": (
        "layers[0].dW layers[0].db layers[1].dW layers[1].db",
        "layers[0].grads['W'] layers[0].grads['b'] layers[1].grads['W'] layers[1].grads['b']",
        "layers[0].grad_weight layers[0].grad_bias layers[1].grad_weight layers[1].grad_bias",
        "layers[0].w.grads layers[0].b.grads layers[1].w.grads layers[1].b.grads",
    ),
}
FORMS = [pair for kept in (NAMED, LISTED, IN_LAYERS) for pair in product(kept["parameters"], kept["gradients"])]


@pytest.mark.parametrize(("parameters", "gradients"), FORMS)
def test_each_parameter_has_its_own_gradient(parameters, gradients):
    own, others = parameters.split(), gradients.split()
    every = dict.fromkeys((*others[::-1], "x", "mask", "layers[0].x", *own), np.zeros(2))
    assert [partner_of(place, every) for place in own] == others


@pytest.mark.parametrize("place", ["W1", "layers[0].W", "params['W1']", "weights[0]"])
def test_what_is_of_another_or_is_no_gradient_is_none(place):
    every = dict.fromkeys((place, "W2", "dW2", "W", "layers[0].b", "layers[0].db", "layers[1].dW", "cache['W1']", "W_mean"), np.zeros(2))
    assert partner_of(place, every) is None


def test_of_several_the_one_with_more_of_the_words_then_the_one_of_the_shape_is_meant():
    every = {"a.W": np.zeros((2, 3)), "grads['W']": np.zeros((2, 3)), "a.dW": np.zeros((3, 2)), "b.W": np.zeros((2, 3))}
    assert partner_of("a.W", every) == "a.dW"
    assert partner_of("b.W", every) == "grads['W']"
    assert partner_of("W", {"W": np.zeros(3), "dW": np.zeros((5, 3)), "grads['W']": np.zeros(3)}) == "grads['W']"


def test_names_alone_say_so_too():
    assert is_gradient_of("dc_next", "c_next")
    assert is_gradient_of("grad_weight", "W")
    assert not is_gradient_of("W", "W")
    assert not is_gradient_of("d", "")
