"""PyTorch's layouts, checked by computing in numpy what PyTorch computes from arrays that are laid out so."""

import numpy as np
import pytest
from helpers import DictLinear, message

from modnet import (
    BatchNorm,
    Conv1D,
    Conv2D,
    ConvTranspose1D,
    ConvTranspose2D,
    Dropout,
    Embedding,
    Flatten,
    LayerNorm,
    Linear,
    MaxPool2D,
    PReLU,
    ReLU,
    Residual,
    Sequential,
    Tied,
    predict,
)
from modnet.exchange import from_keras, from_pytorch, load_safetensors, save_safetensors, to_keras, to_pytorch

RNG = np.random.default_rng(0)


def convolved(x, weight, bias, padding):
    """x (n, in, h, w), weight (out, in, kh, kw): PyTorch's convolution, by its definition."""
    x = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    windows = np.lib.stride_tricks.sliding_window_view(x, weight.shape[2:], axis=(2, 3))
    return np.einsum("nchwij,ocij->nohw", windows, weight) + bias[:, None, None]


def spread(x, weight, bias):
    """x (n, in, h, w), weight (in, out, kh, kw): PyTorch's transposed convolution with stride 1, by its definition."""
    n, _, h, w = x.shape
    _, out, kh, kw = weight.shape
    found = np.zeros((n, out, h + kh - 1, w + kw - 1))
    for i in range(h):
        for j in range(w):
            found[:, :, i : i + kh, j : j + kw] += np.einsum("nc,coij->noij", x[:, :, i, j], weight)
    return found + bias[:, None, None]


def images_and_vectors():
    return Sequential(
        Conv2D(3, 2, 4, padding=1, rng=0), ReLU(), MaxPool2D(2), Flatten(), LayerNorm(24), Dropout(0.5), BatchNorm(24), PReLU(),
        Linear(24, 5, rng=1),
    )  # fmt: skip


def in_pytorchs_order(state, x):
    """What PyTorch computes with this state for x (n, 2, 4, 6), channels first."""
    h = np.maximum(convolved(x, state["0.weight"], state["0.bias"], 1), 0)
    h = h.reshape(*h.shape[:2], 2, 2, 3, 2).max(axis=(3, 5)).reshape(len(x), -1)  # channel by channel
    h = (h - h.mean(1, keepdims=True)) / np.sqrt(h.var(1, keepdims=True) + 1e-5) * state["4.weight"] + state["4.bias"]
    h = (h - state["6.running_mean"]) / np.sqrt(state["6.running_var"] + 1e-5) * state["6.weight"] + state["6.bias"]
    h = np.where(h > 0, h, state["7.weight"] * h)
    return h @ state["8.weight"].T + state["8.bias"]


def shuffled(net):
    """Other numbers in every array, so that none is like another."""
    return net.load_state_dict({name: RNG.uniform(0.5, 2.0, a.shape) for name, a in net.state_dict().items()})


def test_a_network_of_images_there_and_back(tmp_path):
    net, x = shuffled(images_and_vectors()), RNG.normal(size=(3, 4, 6, 2))
    state = to_pytorch(net, (4, 6, 2))
    np.testing.assert_allclose(in_pytorchs_order(state, np.moveaxis(x, -1, 1)), predict(net, x), rtol=1e-10)
    twin = from_pytorch(images_and_vectors(), state, (4, 6, 2))
    np.testing.assert_array_equal(twin.parameters, net.parameters)
    np.testing.assert_array_equal(predict(twin, x), predict(net, x))
    assert {k: v.shape for k, v in state.items() if k.startswith("6.")} == {
        "6.weight": (24,), "6.bias": (24,), "6.running_mean": (24,), "6.running_var": (24,), "6.num_batches_tracked": (),
    }  # fmt: skip
    pytest.importorskip("safetensors")
    save_safetensors(net, tmp_path / "n.safetensors", (4, 6, 2))
    third = load_safetensors(images_and_vectors(), tmp_path / "n.safetensors", (4, 6, 2))
    np.testing.assert_array_equal(third.parameters, net.parameters)


def test_transposed_and_one_dimensional_windows():
    net, x = shuffled(Sequential(ConvTranspose2D((2, 3), 2, 4))), RNG.normal(size=(2, 3, 4, 2))
    state = to_pytorch(net)
    got = spread(np.moveaxis(x, -1, 1), state["0.weight"], state["0.bias"])
    np.testing.assert_allclose(np.moveaxis(got, 1, -1), predict(net, x), rtol=1e-10)
    shapes = {k: v.shape for k, v in to_pytorch(Sequential(Conv1D(3, 2, 4), ConvTranspose1D(5, 4, 6), Embedding(7, 2))).items()}
    assert shapes == {"0.weight": (4, 2, 3), "0.bias": (4,), "1.weight": (4, 6, 5), "1.bias": (6,), "2.weight": (7, 2)}


def test_nested_and_shared_weights():
    linear = Linear(3, 2, rng=0)
    net = Sequential(linear, Residual(Linear(2, 2, rng=1)), Tied(linear))
    state = to_pytorch(net)
    assert set(state) == {"0.weight", "0.bias", "1.0.weight", "1.0.bias", "2.weight", "2.bias"}
    np.testing.assert_array_equal(state["2.weight"], linear.weight)  # (out, in) of the decoder
    before = net.parameters.copy()
    from_pytorch(net, state)
    np.testing.assert_array_equal(net.parameters, before)
    state["2.weight"] = state["2.weight"] + 1
    assert message(ValueError, from_pytorch, net, state) == (
        "from_pytorch: 2.weight differs from the weight that it shares, expected the same"
    )


def test_what_does_not_fit_is_refused_and_changes_nothing():
    net = images_and_vectors()
    assert message(ValueError, to_pytorch, net).startswith("to_pytorch: the network has a Flatten, behind which PyTorch has features")
    state, before = to_pytorch(net, (4, 6, 2)), net.parameters.copy()
    for change, said in (
        ({"8.weight": np.zeros((24, 5))}, "from_pytorch: 8.weight has shape (24, 5), expected (5, 24)"),
        ({"9.weight": np.zeros(2)}, "from_pytorch: the state has 9.weight, which the network has not; expected the state of a network built alike"),
    ):
        assert message(ValueError, from_pytorch, net, {**state, **change}, (4, 6, 2)) == said
        np.testing.assert_array_equal(net.parameters, before)
    del state["8.bias"]
    assert message(ValueError, from_pytorch, net, state, (4, 6, 2)).startswith("from_pytorch: the state lacks 8.bias; expected")
    assert message(TypeError, from_pytorch, net, net, (4, 6, 2)).endswith("expected arrays by name: theirs.state_dict()")
    assert message(TypeError, to_pytorch, net, np.zeros((3, 4))).endswith("of data X it is X.shape[1:]")
    assert message(TypeError, to_pytorch, DictLinear(2, 1, 0)).startswith("to_pytorch: net is of class DictLinear")
    assert "is a class of your own" in message(TypeError, to_pytorch, Sequential(DictLinear(2, 1, 0)))


def test_weights_of_keras_are_laid_out_as_ours():
    net = shuffled(Sequential(Conv2D(2, 1, 3), BatchNorm(3), Linear(3, 2)))
    weights = to_keras(net)
    assert [w.shape for w in weights] == [(2, 2, 1, 3), (3,), (3,), (3,), (3,), (3,), (3, 2), (2,)]
    np.testing.assert_array_equal(weights[5], net[1].running_var)
    twin = from_keras(Sequential(Conv2D(2, 1, 3), BatchNorm(3), Linear(3, 2)), weights)
    np.testing.assert_equal(twin.state_dict(), net.state_dict())
    assert message(ValueError, from_keras, net, weights[1:]) == "from_keras: got 7 arrays, expected 8"
