"""check_backward, on pairs of functions: the mistakes that are made in them, named; right pairs left alone."""

from __future__ import annotations

import numpy as np
import pytest

from modnet.check import check_backward

RNG = np.random.default_rng(0)
X, W, B = RNG.normal(size=(4, 2, 3)), RNG.normal(size=(6, 6)), np.zeros(6)


def affine_forward(x, w, b):
    return x.reshape(len(x), -1) @ w + b, (x, w, b)


def affine_backward(dout, cache):
    x, w, _ = cache
    return (dout @ w.T).reshape(x.shape), x.reshape(len(x), -1).T @ dout, dout.sum(axis=0)


def changed(**mistakes):
    """affine_backward with dx, dw or db made from the right ones."""

    def backward(dout, cache):
        right = dict(zip(("dx", "dw", "db"), affine_backward(dout, cache), strict=True))
        for name, mistake in mistakes.items():
            right[name] = mistake(dout, *cache, right[name])
        return tuple(right.values())

    return backward


MISTAKES = {
    "transposed": changed(dw=lambda dout, x, w, b, dw: dw.T),
    "scale": changed(dw=lambda dout, x, w, b, dw: dw / len(x)),
    "sign": changed(dx=lambda dout, x, w, b, dx: -dx),
    "shape": changed(db=lambda dout, x, w, b, db: db.reshape(1, -1)),
    "overwrites": changed(db=lambda dout, x, w, b, db: dout[-1]),
    "missing-parameter": changed(db=lambda dout, x, w, b, db: np.zeros_like(b)),
}


@pytest.mark.parametrize("kind", MISTAKES)
def test_mistakes_have_their_names(kind):
    report = check_backward(affine_forward, MISTAKES[kind], X, W, B)
    assert [f.kind for f in report.findings] == [kind], report
    assert "_parameters" not in str(report)


def maxpool_forward(x, pool_param):
    k, s = pool_param["pool_width"], pool_param["stride"]
    out = np.stack([x[:, i : i + k].max(axis=1) for i in range(0, x.shape[1] - k + 1, s)], axis=1)
    return out, (x, pool_param)


def maxpool_backward(dout, cache, adds=True):
    x, pool_param = cache
    k, s = pool_param["pool_width"], pool_param["stride"]
    dx, rows = np.zeros_like(x), np.arange(len(x))
    for j in range(dout.shape[1]):
        at = j * s + x[:, j * s : j * s + k].argmax(axis=1)
        dx[rows, at] = dout[:, j] + (dx[rows, at] if adds else 0)
    return dx


def padded_forward(x, conv_param):
    p = conv_param["pad"]
    wide = np.pad(x, ((0, 0), (p, p)))
    return wide[:, :-1] * 2 + wide[:, 1:] ** 2, (wide, conv_param)


def padded_backward(dout, cache, plain=False):
    wide, p = cache[0], cache[1]["pad"]
    dwide = np.zeros_like(wide)
    dwide[:, :-1] += 2 * dout
    dwide[:, 1:] += 2 * wide[:, 1:] * dout
    return dwide[:, p:-p] if plain else dwide[:, p : dwide.shape[1] - p]


def embed_forward(x, W):
    return W[x], (x, W)


def embed_backward(dout, cache):
    x, W = cache
    dW = np.zeros_like(W)
    np.add.at(dW, x, dout)
    return dW


def two_forward(x, h):
    return x * h, x + h, (x, h)


def two_backward(done, dtwo, cache):
    x, h = cache
    return done * h + dtwo, done * x + dtwo


def stretch(x):
    return x.mean() ** 2, x


SIGNAL = RNG.permutation(24).reshape(3, 8) / 7
WINDOW = {"pool_width": 2, "stride": 2}
RIGHT = {
    "affine": (affine_forward, affine_backward, X, W, B),
    "several uses of x": (padded_forward, padded_backward, SIGNAL, {"pad": 1}),
    "windows": (maxpool_forward, maxpool_backward, SIGNAL, WINDOW),
    "words": (embed_forward, embed_backward, np.array([[0, 2], [2, 1]]), W),
    "two outputs": (two_forward, two_backward, SIGNAL, SIGNAL[::-1] + 1),
    "one number": (stretch, lambda dout, x: np.full(x.shape, dout * 2 * x.mean() / x.size), SIGNAL),
    "batch statistics": (lambda x: (x - x.mean(axis=0), None), lambda dout, _: dout - dout.mean(axis=0), SIGNAL),
}


@pytest.mark.parametrize("name", RIGHT)
def test_right_pairs_are_right(name):
    report = check_backward(*RIGHT[name])
    assert report.ok, report


def test_what_only_other_options_show_has_their_name():
    report = check_backward(maxpool_forward, lambda d, c: maxpool_backward(d, c, adds=False), SIGNAL, WINDOW)
    assert [f.kind for f in report.findings] == ["overlap"], report
    assert "stride=1" in report.findings[0].message
    for pad in (0, 1):
        report = check_backward(padded_forward, lambda d, c: padded_backward(d, c, plain=True), SIGNAL, {"pad": pad})
        assert [f.kind for f in report.findings] == ["padding"], report


def test_the_line_is_shown_and_what_is_written_into():
    def relu_forward(x):
        return np.maximum(x, 0), x

    def relu_backward(dout, cache):
        dout[cache <= 0] = 0
        return dout

    report = check_backward(relu_forward, relu_backward, SIGNAL - 1)
    assert [(f.kind, f.where) for f in report.findings] == [("mutates", "relu_backward")], report
    assert "dout[cache <= 0] = 0" in report.findings[0].line
    assert report.findings[0].file == __file__


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((affine_forward, None, X), "backward is of type NoneType, expected a function"),
        ((affine_forward, affine_backward), "there are no inputs"),
        ((affine_forward, affine_backward, "x"), "the first input is str"),
        ((affine_forward, affine_backward, X, W), r"cannot be called with 2 inputs: missing .* 'b'"),
    ],
)
def test_bad_calls_are_refused_in_a_sentence(arguments, words):
    with pytest.raises(TypeError, match=words):
        check_backward(*arguments)


def test_a_forward_without_cache_is_said_so():
    report = check_backward(lambda x: x * 2, lambda dout, cache: dout * 2, SIGNAL)
    assert [f.kind for f in report.findings] == ["signature"]
    assert "(out, cache)" in str(report)
