"""Conv1D and Conv2D: the same small window of weights, slid over a signal or an image.

One axis, to begin with. x (batch, length, chan_in), W (k, chan_in, chan_out), b (chan_out,), s the stride, p the padding, x[i] = 0
outside the signal. out and delta = dL/dout (batch, out length, chan_out), out length = (length + 2 p - k) // s + 1. For one example:

(1)  out[o, m] = sum over t, c of x[o s + t - p, c] W[t, c, m], plus b[m]
     Window o begins at o s - p, and its element t meets the weight t: a product of the window, laid out in a row, with W.
(2)  dL/dW[t, c, m] = sum over o of x[o s + t - p, c] delta[o, m]
     The weight is in every output, with the factor that it met there. Over the batch these add up.
     dL/db[m] = sum over o of delta[o, m]
(3)  dL/dx[i, c] = sum over o, t with o s + t - p = i, and over m, of delta[o, m] W[t, c, m]
     x[i] is in window o at place t if that window, begun at o s - p, has i as its element t. Where windows overlap there are
     several; between windows that do not, none, and the derivative is 0. It is easier from the other end: each output o gives
     back to its window, at place t, the amount sum over m of delta[o, m] W[t, c, m], and what comes back to one place adds up.

On an image there are a row and a column wherever there is a length: W (kh, kw, chan_in, chan_out), window (a, b) sees
x[a sh + t - ph, b sw + u - pw, c] at its place (t, u).

This is cross-correlation, as everywhere under the name of convolution: the window is not reversed.

How it is computed, and why: (1) and (2) are products with the matrix of windows, which is as many times larger than x as windows
overlap. It is read where it lies in x, never made, whatever the number of channels (`modnet.windows`, `modnet.tiles`). Making it
block by block for BLAS takes two to five times as long, as two measurements each say: one thread, float32, 64 images of 28x28 to 6
channels by 5x5: forward 0.3 against 1.2 ms; 32 images of 16x16x32 to 64 by 3x3: 1.9 against 3.7. In (3) the product is made in
blocks of 128 kB and added back, which costs 0.1 of it with many channels and as much as it with few.

Reference: Y. LeCun and others, Backpropagation applied to handwritten zip code recognition, Neural Computation 1 (1989).
"""

from __future__ import annotations

from math import prod
from typing import Any

from modnet.arrays import whole
from modnet.initializers import initialize
from modnet.kernels import inline, kernel, vector_at
from modnet.module import Shape, View
from modnet.windows import Windowed, correlate, correlate_gradient, geometry, spread, sum_rows


@inline
def _split(params, sizes):
    """W (K * chan_out,) and b (chan_out,) or nothing; K = kh kw chan_in numbers are in a window."""
    g = geometry(sizes)
    weights = g.kh * g.kw * g.chan * g.chan_out
    return vector_at(params, 0, weights), vector_at(params, weights, params.size - weights)


@kernel("forward")
def forward(x, out, params, state, sizes, hyper):
    # x (batch, height * width * chan_in), out (batch, out height * out width * chan_out); sizes a `Geometry`
    W, b = _split(params, sizes)
    correlate(x, W, b, out, sizes)


@kernel("gradient")
def gradient(x, out, delta, grad, params, state, sizes, hyper):
    # out = windows of x times W, plus b
    dW, db = _split(grad, sizes)
    correlate_gradient(x, delta, dW, sizes)
    sum_rows(delta, db)


@kernel("backward")
def backward(x, out, delta, dx, params, state, sizes, hyper):
    # out = windows of x times W, plus b
    W, b = _split(params, sizes)
    spread(delta, W, vector_at(b, 0, 0), dx, sizes)


class _Conv(Windowed):
    forward_kernel, gradient_kernel, backward_kernel = forward, gradient, backward
    weight, bias = View(), View()
    weight_gradient, bias_gradient = View("grad", "weight"), View("grad", "bias")

    def __init__(
        self,
        k_size: Any,
        chan_in: int,
        chan_out: int,
        stride: Any = 1,
        padding: Any = 0,
        bias: bool = True,
        rng: Any = None,
        init: Any = "uniform",
    ) -> None:
        who = type(self).__name__
        n, m = whole(chan_in, who, "chan_in"), whole(chan_out, who, "chan_out")
        super().__init__(k_size, stride, padding, (n, m), m if bias else 0)
        self.in_features: int = n
        self.out_features: int = m
        window = prod(self.window[0])
        initialize(self, init, rng, fan_in=window * n, fan_out=window * m)

    def output_shape(self, input_shape: Shape) -> Shape:
        return self.as_output(self.counts(input_shape, self.in_features), self.out_features)

    def sizes(self, input_shape: Shape) -> Shape:
        image, counts = self.image(input_shape), self.counts(input_shape)
        return self.geometry(image, self.in_features, counts, self.out_features)

    def __repr__(self) -> str:
        text = self.described(f"{self.in_features} -> {self.out_features}", stride=1)
        return text if "bias" in self._pieces["params"] else text[:-1] + ", bias=False)"


class Conv1D(_Conv):
    """A window of weights slid along a signal.

    Parameters
    ----------
    k_size : length of the window, at least 1.
    chan_in, chan_out : channels of the signal, before and after.
    stride : how far the window moves, at least 1.
    padding : zeros put before and after the signal.
    bias : whether b is added.
    rng : int, numpy.random.Generator or None.
    init : how the parameters are drawn: "uniform" is U(-1/sqrt(n), 1/sqrt(n)), n = k_size chan_in, weight and bias both.

    Attributes
    ----------
    weight (k_size, chan_in, chan_out), bias (chan_out,), weight_gradient, bias_gradient : views that can be written to.

    Shape
    -----
    (batch, length, chan_in) -> (batch, (length + 2 padding - k_size) // stride + 1, chan_out)

    A signal without channels, (batch, length), is an error: ``X[..., None]`` has one.

    Example
    -------
    >>> import numpy as np
    >>> layer = Conv1D(3, 1, 1, bias=False)
    >>> layer.weight = np.array([1.0, 0.0, -1.0]).reshape(3, 1, 1)
    >>> layer.forward(np.array([[[1.0], [2.0], [4.0], [8.0]]]))[..., 0]
    array([[-3., -6.]])
    """

    axes = 1

    @classmethod
    def examples(cls) -> list[tuple[Any, Shape]]:
        return [
            (cls(3, 1, 2, rng=0), (2, 6, 1)),
            (cls(2, 3, 4, stride=2, rng=1), (3, 7, 3)),
            (cls(4, 2, 3, stride=3, padding=2, bias=False, rng=2), (1, 9, 2)),
            (cls(1, 5, 2, stride=2, rng=3), (2, 5, 5)),
            (cls(5, 2, 17, padding=5, rng=4), (2, 3, 2)),
        ]


class Conv2D(_Conv):
    """A window of weights slid over an image.

    Parameters
    ----------
    k_size : rows and columns of the window, each at least 1; an int for a square.
    chan_in, chan_out : channels of the image, before and after.
    stride : how far the window moves, down and to the right, each at least 1; an int for both.
    padding : rows of zeros put above and below, columns on the left and right; an int for both.
    bias : whether b is added.
    rng : int, numpy.random.Generator or None.
    init : how the parameters are drawn: "uniform" is U(-1/sqrt(n), 1/sqrt(n)), n = kh kw chan_in, weight and bias both.

    Attributes
    ----------
    weight (kh, kw, chan_in, chan_out), bias (chan_out,), weight_gradient, bias_gradient : views that can be written to.

    Shape
    -----
    (batch, height, width, chan_in) -> (batch, out height, out width, chan_out), each out length
    (length + 2 padding - k_size) // stride + 1

    Images without channels, (batch, height, width), are an error: ``X[..., None]`` has one.

    Example
    -------
    >>> import numpy as np
    >>> layer = Conv2D((1, 2), 1, 1, bias=False)
    >>> layer.weight = np.array([-1.0, 1.0]).reshape(1, 2, 1, 1)
    >>> layer.forward(np.array([[0.0, 0.0, 5.0], [0.0, 5.0, 5.0]]).reshape(1, 2, 3, 1))[..., 0]
    array([[[0., 5.],
            [5., 0.]]])
    """

    axes = 2

    @classmethod
    def examples(cls) -> list[tuple[Any, Shape]]:
        return [
            (cls(3, 1, 2, rng=0), (2, 5, 4, 1)),
            (cls((2, 3), 3, 4, stride=2, padding=(0, 1), rng=1), (3, 5, 6, 3)),
            (cls(2, 2, 3, stride=3, bias=False, rng=2), (1, 7, 6, 2)),
            (cls((4, 2), 2, 3, stride=(1, 3), padding=(3, 1), rng=3), (2, 3, 5, 2)),
            (cls(1, 3, 2, stride=2, rng=4), (1, 3, 3, 3)),
        ]
