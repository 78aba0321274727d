"""Networks of functions, `(x, w, b, conv_param)` and a cache back, with loss(X, y=None): right ones, and mistakes by name."""

from __future__ import annotations

import numpy as np
import pytest

from modnet.check.networks.scored_build import examine_network_class


def affine_forward(x, w, b):
    return x.reshape(len(x), -1) @ w + b, (x, w, b)


def affine_backward(dout, cache):
    x, w, _ = cache
    return (dout @ w.T).reshape(x.shape), x.reshape(len(x), -1).T @ dout, dout.sum(axis=0)


def conv_forward(x, w, b, conv_param):
    pad, size = conv_param["pad"], w.shape[2]
    padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (size, size), axis=(2, 3))
    return np.einsum("nchwij,fcij->nfhw", windows, w) + b[:, None, None], (windows, conv_param)


def conv_backward(dout, cache):
    windows, _ = cache
    return np.einsum("nfhw,nchwij->fcij", dout, windows), dout.sum(axis=(0, 2, 3))


def softmax_loss(x, y):
    logs = x - x.max(axis=1, keepdims=True)
    logs = logs - np.log(np.exp(logs).sum(axis=1, keepdims=True))
    dx = np.exp(logs)
    dx[np.arange(len(x)), y] -= 1
    return -logs[np.arange(len(x)), y].mean(), dx / len(x)


class TwoLayerNet:
    """The loss has half the squares."""

    squares, slopes = 0.5, (1.0, 1.0)

    def __init__(self, input_dim=3072, hidden_dim=100, num_classes=10, weight_scale=1e-3, reg=0.0):
        self.reg = reg
        self.params = {
            "W1": weight_scale * np.random.randn(input_dim, hidden_dim), "b1": np.zeros(hidden_dim),
            "W2": weight_scale * np.random.randn(hidden_dim, num_classes), "b2": np.zeros(num_classes),
        }  # fmt: skip

    def loss(self, X, y=None):
        p = self.params
        h, first = affine_forward(X, p["W1"], p["b1"])
        scores, second = affine_forward(np.maximum(0, h), p["W2"], p["b2"])
        if y is None:
            return scores
        loss, dscores = softmax_loss(scores, y)
        loss += self.squares * self.reg * ((p["W1"] ** 2).sum() + (p["W2"] ** 2).sum())
        return loss, self.gradients(self.times_of(X) * dscores, h, first, second)

    def times_of(self, X):
        return 1

    def gradients(self, dscores, h, first, second):
        grads = {}
        dh, grads["W2"], grads["b2"] = affine_backward(dscores, second)
        _, grads["W1"], grads["b1"] = affine_backward(dh * (h > 0), first)
        for name, slope in zip(("W1", "W2"), self.slopes, strict=True):
            grads[name] += slope * self.reg * self.params[name]
        return grads


class WholeSquares(TwoLayerNet):
    squares, slopes = 1.0, (2.0, 2.0)


class ConvNet:
    term = 1.0

    def __init__(self, input_dim=(3, 8, 8), num_filters=4, filter_size=3, num_classes=10, weight_scale=1e-3, reg=0.0):
        channels, height, width = input_dim
        self.reg = reg
        self.params = {
            "W1": weight_scale * np.random.randn(num_filters, channels, filter_size, filter_size), "b1": np.zeros(num_filters),
            "W2": weight_scale * np.random.randn(num_filters * height * width, num_classes), "b2": np.zeros(num_classes),
        }  # fmt: skip

    def loss(self, X, y=None):
        p, conv_param = self.params, {"stride": 1, "pad": (self.params["W1"].shape[2] - 1) // 2}
        h, first = conv_forward(X, p["W1"], p["b1"], conv_param)
        scores, second = affine_forward(np.maximum(0, h), p["W2"], p["b2"])
        if y is None:
            return scores
        loss, dscores = softmax_loss(scores, y)
        loss += 0.5 * self.reg * ((p["W1"] ** 2).sum() + (p["W2"] ** 2).sum())
        grads = {}
        da, grads["W2"], grads["b2"] = affine_backward(dscores, second)
        grads["W1"], grads["b1"] = conv_backward(da * (h > 0), first)
        grads["W1"] += self.term * self.reg * p["W1"]
        grads["W2"] += self.reg * p["W2"]
        return loss, grads


class HalfForgotten(TwoLayerNet):
    slopes = 2.0, 2.0


class TermForgotten(TwoLayerNet):
    slopes = 0.0, 1.0


class NotDivided(TwoLayerNet):
    def times_of(self, X):
        return len(X)


class CachesSwapped(TwoLayerNet):
    def gradients(self, dscores, h, first, second):
        return super().gradients(dscores, h, (second[0][:, : first[0].shape[1]], *first[1:]), second)


class ConvTermForgotten(ConvNet):
    term = 0.0


@pytest.mark.parametrize("cls", [TwoLayerNet, WholeSquares, ConvNet])
def test_right_ones(cls):
    report = examine_network_class(cls)
    assert report.ok, report
    assert any(word == "right" for _, word, _ in report.verdicts)


@pytest.mark.parametrize(
    ("cls", "kind", "said"),
    [
        (HalfForgotten, "regulariser", "W1"),
        (TermForgotten, "regulariser", "W1"),
        (NotDivided, "scale", "the size of the batch"),
        (CachesSwapped, "direction", "W1"),
        (ConvTermForgotten, "regulariser", "W1"),
    ],
)
def test_mistakes_have_their_names(cls, kind, said):
    report = examine_network_class(cls)
    assert [f.kind for f in report.findings] == [kind], report
    assert said in report.findings[0].message
