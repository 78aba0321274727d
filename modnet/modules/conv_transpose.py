"""ConvTranspose1D and ConvTranspose2D: every number writes a small window of weights, and where windows overlap they add up.

This is a convolution run backwards: what was its backward_delta is the forward here, and its forward is the backward_delta. Where a
convolution of stride 2 halves a signal, this doubles it again. One axis, to begin with. x (batch, length, chan_in), W (k, chan_out,
chan_in), b (chan_out,), s the stride, p the padding; out and delta = dL/dout (batch, out length, chan_out), out length =
(length - 1) s + k - 2 p. For one example:

(1)  out[i, m] = sum over o, t with o s + t - p = i, and over c, of x[o, c] W[t, m, c], plus b[m]
     x[o] writes W, times itself, to the k places from o s - p on. What would be written to the p places before the first and after the
     last is cut off: padding makes the output shorter, as it made that of the convolution longer.
(2)  dL/dW[t, m, c] = sum over o of delta[o s + t - p, m] x[o, c]          delta[i] = 0 outside the signal
     The weight went to place o s + t - p from every x[o], with the factor x[o, c]. Over the batch these add up.
     dL/db[m] = sum over i of delta[i, m]
(3)  dL/dx[o, c] = sum over t, m of delta[o s + t - p, m] W[t, m, c]
     x[o] is in the k places it wrote to: a window of delta, and a convolution.

With the axes of the weight in this order W is the weight of that convolution, from chan_out channels to chan_in. On an image there are
a row and a column wherever there is a length. The three operations are those of `modnet.windows`, where it is said how they are
computed.

Reference: M. Zeiler and others, Deconvolutional networks, CVPR 2010.
"""

from __future__ import annotations

from math import prod
from typing import Any

from modnet.arrays import whole
from modnet.initializers import initialize
from modnet.kernels import inline, kernel, vector_at
from modnet.module import Shape, ShapeError, View
from modnet.windows import Windowed, correlate, correlate_gradient, geometry, spread, sum_rows


@inline
def _split(params, sizes):
    """W (K * chan_in,) and b (chan_out,) or nothing; K = kh kw chan_out numbers are in a window."""
    g = geometry(sizes)
    weights = g.kh * g.kw * g.chan * g.chan_out
    return vector_at(params, 0, weights), vector_at(params, weights, params.size - weights)


@kernel("forward")
def forward(x, out, params, state, sizes, hyper):
    # x (batch, height * width * chan_in), out (batch, out height * out width * chan_out); sizes a
    # `Geometry`, that of the convolution which takes out to x
    W, b = _split(params, sizes)
    spread(x, W, b, out, sizes)


@kernel("gradient")
def gradient(x, out, delta, grad, params, state, sizes, hyper):
    # out = the rows of x W^T, each added to its window, plus b
    dW, db = _split(grad, sizes)
    correlate_gradient(delta, x, dW, sizes)
    sum_rows(delta, db)


@kernel("backward")
def backward(x, out, delta, dx, params, state, sizes, hyper):
    # out = the rows of x W^T, each added to its window, plus b
    W, b = _split(params, sizes)
    correlate(delta, W, vector_at(b, 0, 0), dx, sizes)


class _ConvTranspose(Windowed):
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
        super().__init__(k_size, stride, padding, (m, n), m if bias else 0)
        self.in_features: int = n
        self.out_features: int = m
        window = prod(self.window[0])
        initialize(self, init, rng, fan_in=window * n, fan_out=window * m)

    def output_shape(self, input_shape: Shape) -> Shape:
        image = self.image(input_shape, self.in_features)
        lengths = tuple((length - 1) * s + k - 2 * p for length, k, s, p in zip(image, *self.window))
        if min(lengths) < 1:
            least = [max(1, -((k - 1 - 2 * p) // s) + 1) for k, s, p in zip(*self.window)]
            raise ShapeError(
                self, input_shape, self.layout(self.in_features, least) + ", so that padding leaves something of the output"
            )
        return self.as_output(lengths, self.out_features)

    def sizes(self, input_shape: Shape) -> Shape:
        counts = self.image(input_shape)
        return self.geometry(self.image(self.output_shape(input_shape)), self.out_features, counts, self.in_features)

    def __repr__(self) -> str:
        text = self.described(f"{self.in_features} -> {self.out_features}", stride=1)
        return text if "bias" in self._pieces["params"] else text[:-1] + ", bias=False)"


class ConvTranspose1D(_ConvTranspose):
    """Every number of a signal writes a window of weights; windows that overlap add up.

    Parameters
    ----------
    k_size : length of the window, at least 1.
    chan_in, chan_out : channels of the signal, before and after.
    stride : how far apart the windows are written, at least 1.
    padding : numbers cut off at both ends of the output.
    bias : whether b is added.
    rng : int, numpy.random.Generator or None.
    init : how the parameters are drawn: "uniform" is U(-1/sqrt(n), 1/sqrt(n)), n = k_size chan_in, weight and bias both.

    Attributes
    ----------
    weight (k_size, chan_out, chan_in), bias (chan_out,), weight_gradient, bias_gradient : views that can be written to.

    Shape
    -----
    (batch, length, chan_in) -> (batch, (length - 1) stride + k_size - 2 padding, chan_out)

    Example
    -------
    >>> import numpy as np
    >>> layer = ConvTranspose1D(3, 1, 1, stride=2, bias=False)
    >>> layer.weight = np.array([1.0, 2.0, 3.0]).reshape(3, 1, 1)
    >>> layer.forward(np.array([[[1.0], [10.0]]]))[..., 0]
    array([[ 1.,  2., 13., 20., 30.]])
    """

    axes = 1

    @classmethod
    def examples(cls) -> list[tuple[Any, Shape]]:
        return [
            (cls(3, 1, 2, rng=0), (2, 4, 1)),
            (cls(2, 3, 4, stride=2, rng=1), (3, 3, 3)),
            (cls(5, 2, 3, stride=3, padding=2, bias=False, rng=2), (1, 4, 2)),
            (cls(1, 4, 2, stride=2, rng=3), (2, 3, 4)),
            (cls(4, 2, 17, stride=2, padding=1, rng=4), (2, 5, 2)),
        ]


class ConvTranspose2D(_ConvTranspose):
    """Every pixel of an image writes a window of weights; windows that overlap add up.

    Parameters
    ----------
    k_size : rows and columns of the window, each at least 1; an int for a square.
    chan_in, chan_out : channels of the image, before and after.
    stride : how far apart the windows are written, down and to the right, each at least 1; an int for both.
    padding : rows cut off above and below the output, columns on its left and right; an int for both.
    bias : whether b is added.
    rng : int, numpy.random.Generator or None.
    init : how the parameters are drawn: "uniform" is U(-1/sqrt(n), 1/sqrt(n)), n = kh kw chan_in, weight and bias both.

    Attributes
    ----------
    weight (kh, kw, chan_out, chan_in), bias (chan_out,), weight_gradient, bias_gradient : views that can be written to.

    Shape
    -----
    (batch, height, width, chan_in) -> (batch, out height, out width, chan_out), each out length
    (length - 1) stride + k_size - 2 padding

    Example
    -------
    >>> import numpy as np
    >>> layer = ConvTranspose2D(2, 1, 1, stride=2, bias=False)
    >>> layer.weight = np.ones((2, 2, 1, 1))
    >>> layer.forward(np.array([[1.0, 2.0]]).reshape(1, 1, 2, 1))[..., 0]
    array([[[1., 1., 2., 2.],
            [1., 1., 2., 2.]]])
    """

    axes = 2

    @classmethod
    def examples(cls) -> list[tuple[Any, Shape]]:
        return [
            (cls(3, 1, 2, rng=0), (2, 3, 2, 1)),
            (cls((2, 3), 3, 4, stride=2, padding=(0, 1), rng=1), (3, 2, 3, 3)),
            (cls(2, 2, 3, stride=3, bias=False, rng=2), (1, 2, 3, 2)),
            (cls((4, 2), 2, 3, stride=(1, 3), padding=(1, 0), rng=3), (2, 3, 2, 2)),
            (cls(1, 3, 2, stride=2, rng=4), (1, 2, 2, 3)),
        ]
