"""Tied: the transposed weight of another Linear."""

import copy

import numpy as np
from helpers import PassThrough, assert_derivatives, message

import modnet
from modnet import MSE, Linear, Sequential, Sigmoid, Tanh, Tied
from modnet.optim import Adam


def test_tied_is_the_weight_transposed_with_a_bias_of_its_own():
    rng = np.random.default_rng(0)
    linear = Linear(5, 3, rng=0)
    tied = Tied(linear)
    tied.bias = rng.normal(size=5)
    x, delta = rng.normal(size=(4, 2, 3)), rng.normal(size=(4, 2, 5))
    np.testing.assert_allclose(tied.forward(x), x @ linear.weight.T + tied.bias, rtol=1e-13, atol=1e-15)  # a sum of numbers near 1
    np.testing.assert_allclose(tied.backward_delta(x, delta), delta @ linear.weight, rtol=1e-13)
    tied.backward_update_gradient(x, delta)
    want = sum(np.outer(d, v) for v, d in zip(x.reshape(-1, 3), delta.reshape(-1, 5), strict=True))
    np.testing.assert_allclose(linear.weight_gradient, want, rtol=1e-12)
    np.testing.assert_array_equal(linear.bias_gradient, 0)
    np.testing.assert_allclose(tied.bias_gradient, delta.sum(axis=(0, 1)), rtol=1e-13)
    assert np.shares_memory(tied.weight, linear.weight)
    assert (tied.weight.shape, tied.parameters.size, list(tied.named_parameters())) == ((3, 5), 5, ["bias"])
    np.testing.assert_array_equal(Tied(linear).bias, 0)


def test_the_gradient_of_a_tied_weight_adds_up_from_both_uses():
    rng = np.random.default_rng(0)
    encoder = Linear(4, 2, rng=0)
    net = Sequential(encoder, Tied(encoder))
    x, delta = rng.normal(size=(6, 4)), rng.normal(size=(6, 4))
    net.backward_update_gradient(x, delta)
    h = encoder.forward(x)
    first = x.T @ (delta @ encoder.weight)  # as an encoder
    second = delta.T @ h  # as a decoder
    np.testing.assert_allclose(encoder.weight_gradient, first + second, rtol=1e-12)
    assert net.parameters.size == 4 * 2 + 2 + 4


def test_untying_gives_the_two_halves_of_the_gradient():
    rng = np.random.default_rng(1)
    a, b = Linear(4, 2, rng=0), Linear(2, 4, rng=1)
    tied = Sequential(a, Tanh(), Tied(a))
    tied.parameters[-4:] = b.bias
    loose = Sequential(copy.deepcopy(a), Tanh(), b)
    loose[2].weight = a.weight.T
    x, delta = rng.normal(size=(6, 4)), rng.normal(size=(6, 4))
    np.testing.assert_allclose(tied.forward(x), loose.forward(x), rtol=1e-13)
    tied.backward_update_gradient(x, delta)
    loose.backward_update_gradient(x, delta)
    np.testing.assert_allclose(a.weight_gradient, loose[0].weight_gradient + loose[2].weight_gradient.T, rtol=1e-12)


def autoencoder(kind=Sequential):
    encoder = Sequential(Linear(6, 3, rng=0), Tanh())
    decoder = kind(Tied(encoder[0]), Sigmoid())
    return encoder, decoder


def test_a_decoder_without_its_encoder_computes_but_is_not_trained():
    encoder, decoder = autoencoder()
    codes = np.random.default_rng(0).normal(size=(5, 3))
    want = 1 / (1 + np.exp(-(codes @ encoder[0].weight.T)))
    np.testing.assert_allclose(decoder.forward(codes), want, rtol=1e-12)
    encoder[0].weight *= 2  # its weight is not in the decoder's own vector, and still seen
    want = 1 / (1 + np.exp(-(codes @ encoder[0].weight.T)))
    dx = decoder.backward_delta(codes, np.ones((5, 6)))  # of a forward of its own: the last one had other weights
    np.testing.assert_allclose(dx, (want * (1 - want)) @ encoder[0].weight, rtol=1e-11)
    np.testing.assert_allclose(decoder.forward(codes), want, rtol=1e-12)
    text = "Tied(3 -> 6) shares the weight of Linear(6 -> 3), but Linear(6 -> 3) is not in this network"
    before = encoder.gradient.copy()
    for call in (decoder.backward_update_gradient, decoder.backward):
        assert message(ValueError, lambda call=call: call(codes, np.ones((5, 6)))) == f"Sequential: {text}"
    np.testing.assert_array_equal(encoder.gradient, before)
    for use in (lambda: Adam().attach(decoder), lambda: modnet.fit(decoder, codes, want, loss=MSE(), optimizer=Adam())):
        assert message(ValueError, use) == f"Adam(lr=0.001): {text}"
    net = Sequential(encoder, decoder)
    assert_derivatives(net, np.random.default_rng(1).normal(size=(4, 6)))
    np.testing.assert_allclose(decoder.forward(codes), want, rtol=1e-12)


def test_a_decoder_inside_its_network_is_a_part_like_any_other():
    encoder, decoder = autoencoder()
    net = Sequential(encoder, decoder)
    x = np.random.default_rng(0).normal(size=(5, 6))
    np.testing.assert_array_equal(decoder.forward(encoder.forward(x)), net.forward(x))
    np.testing.assert_array_equal(net[1:].forward(encoder.forward(x)), net.forward(x))
    text = "Adam(lr=0.001): Tied(3 -> 6) shares the weight of Linear(6 -> 3), but Linear(6 -> 3) is not in this network"
    assert message(ValueError, Adam().attach, decoder) == text


class Spoken(Sequential):
    """A container with a forward of its own."""

    def forward(self, X):
        return super().forward(X)


def test_a_decoder_of_a_class_of_ones_own_is_trained_inside_its_network():
    encoder, decoder = autoencoder(Spoken)
    net = Sequential(encoder, decoder)
    x, delta = np.random.default_rng(0).normal(size=(2, 4, 6))
    assert_derivatives(net, x)
    text = "Spoken: Tied(3 -> 6) shares the weight of Linear(6 -> 3), but Linear(6 -> 3) is not in this network"
    codes, before = encoder.forward(x), net.gradient.copy()
    assert message(ValueError, lambda: decoder.backward(codes, delta)) == text  # alone it would move what it does not hold
    np.testing.assert_array_equal(net.gradient, before)


def test_a_refused_backward_has_added_nothing():
    """The layer after a decoder of one's own has its gradient before the decoder is asked."""
    _encoder, decoder = autoencoder(Spoken)
    net = Sequential(decoder, Linear(6, 2, rng=1))
    x, delta = np.zeros((4, 3)), np.ones((4, 2))
    net.forward(x)
    text = "Sequential: Tied(3 -> 6) shares the weight of Linear(6 -> 3), but Linear(6 -> 3) is not in this network"
    assert message(ValueError, lambda: net.backward(x, delta)) == text
    np.testing.assert_array_equal(net.gradient, 0)


def test_an_autoencoder_with_tied_weights_learns_on_both_paths():
    rng = np.random.default_rng(0)
    X = rng.uniform(0.2, 0.8, (80, 2)) @ np.array([[1, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 1.0]])
    found = []
    for plain in ([], [PassThrough()]):
        encoder, decoder = autoencoder()
        net = Sequential(encoder, *plain, decoder)
        history = modnet.fit(net, X, X, loss=MSE(), optimizer=Adam(0.05), epochs=60, rng=0)
        assert history.loss[-1] < 0.1 * history.loss[0]
        found.append(net.parameters.copy())
    np.testing.assert_array_equal(*found)



def test_tied_arguments_and_types():
    assert message(TypeError, lambda: Tied(3)) == "Tied: linear is 3, expected a Linear object"
    assert message(TypeError, lambda: Tied(Linear)).startswith("Tied: linear is <class")
    linear = Linear(4, 2, rng=0).astype("float32")
    tied = Tied(linear)
    assert tied.dtype == np.float32
    assert tied.forward(np.ones((1, 2), np.float32)).dtype == np.float32
    assert tied.astype("float64").linear.dtype == np.float64
    Sequential(linear).astype("float32")
    words = "Tied(2 -> 4): it holds float64, but Linear(4 -> 2) float32; convert one of them with astype"
    assert message(ValueError, lambda: tied.forward(np.ones((1, 2)))) == words
    words = "Tied(2 -> 4): input has shape (1, 4), expected (batch, 2)"
    assert message(ValueError, lambda: Tied(Linear(4, 2, rng=0)).forward(np.ones((1, 4)))) == words
