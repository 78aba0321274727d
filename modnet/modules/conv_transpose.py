"""ConvTranspose1D and ConvTranspose2D: every number writes a small window of weights, and where windows overlap they add up.

It is a convolution run backwards: (3) of a convolution is (1) here, and the reverse. A convolution of stride 2 halves a
signal, and this one doubles it again. One axis, to begin with. x (batch, length, chan_in), W (k, chan_out, chan_in),
b (chan_out,), s the stride, p the padding; out and delta = dL/dout (batch, out length, chan_out) and 0 outside the signal, with
out length = (length - 1) s + k - 2 p. For one example:

(1)  out[i, m] = sum over o, t with o s + t - p = i, and over c, of x[o, c] W[t, m, c], plus b[m]
     x[o] writes the weights, x[o] times, to the k positions from o s - p on. What is written before the first position or after
     the last is cut off, p numbers at each end: padding shortens this output, but lengthens a convolution's.
(2)  dL/dW[t, m, c] = sum over o of delta[o s + t - p, m] x[o, c]
     The weight went to position o s + t - p for every x[o], with that factor. Over the batch these add up.
     dL/db[m] = sum over i of delta[i, m]
(3)  dL/dx[o, c] = sum over t, m of delta[o s + t - p, m] W[t, m, c]
     x[o] went to the k positions from o s - p on: a window of delta, so that this is a convolution of delta.

With its axes in this order, W is the weight of that convolution, from chan_out channels to chan_in. An image has a row and a
column in place of each position here. The three products come from `modnet.kernels.windows`, in other roles.

Reference: M. Zeiler and others, Deconvolutional networks, CVPR 2010.
"""

from __future__ import annotations

from typing import Any

from modnet.kernels import add_rows, flat
from modnet.kernels.windows import correlate, correlate_gradient, geometry, no_bias, spread
from modnet.module import Parameter, Shape, ShapeError, operation
from modnet.modules.windowed import WeightedWindow


class _ConvTranspose(WeightedWindow):
    def output_shape(self, input_shape: Shape) -> Shape:
        image = self.image(input_shape, self.chan_in)
        lengths = tuple((length - 1) * s + k - 2 * p for length, k, s, p in zip(image, *self.window))
        if min(*image, *lengths) < 1:
            least = [max(1, 1 - (k - 1 - 2 * p) // s) for k, s, p in zip(*self.window)]
            raise ShapeError(
                self, input_shape, self.expected(self.chan_in, least) + ", so that padding leaves something of the output"
            )
        return self.as_output(lengths, self.chan_out)

    def sizes(self, input_shape: Shape) -> tuple[int, ...]:
        # Of the convolution that takes out to x.
        image, windows = self.image(self.output_shape(input_shape)), self.image(input_shape)
        return self.geometry(image, self.chan_out, windows, self.chan_in)

    @operation
    def forward(x, out, p, z):
        # x (batch, height * width * chan_in), out (batch, out height * out width * chan_out), p.weight as in the class,
        # p.bias (chan_out,) or (0,), z the `Geometry` of the convolution that takes out to x; in 1-D the width is 1
        spread(x, flat(p.weight), p.bias, out, geometry(z))             # (1)

    @operation
    def backward_update_gradient(x, delta, g, z):
        # out = the rows of x W^T, each added to its window, plus b
        correlate_gradient(delta, x, flat(g.weight), geometry(z))       # (2)
        add_rows(delta, g.bias)                                         # nothing without a bias

    @operation
    def backward_delta(delta, dx, p, z):
        # out = the rows of x W^T, each added to its window, plus b
        correlate(delta, flat(p.weight), no_bias(dx), dx, geometry(z))  # (3)


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
    weight = Parameter("k_size", "chan_out", "chan_in")
    bias = Parameter("chan_out", optional=True)

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
    weight = Parameter("k_rows", "k_columns", "chan_out", "chan_in")
    bias = Parameter("chan_out", optional=True)

    @classmethod
    def examples(cls) -> list[tuple[Any, Shape]]:
        return [
            (cls(3, 1, 2, rng=0), (2, 3, 2, 1)),
            (cls((2, 3), 3, 4, stride=2, padding=(0, 1), rng=1), (3, 2, 3, 3)),
            (cls(2, 2, 3, stride=3, bias=False, rng=2), (1, 2, 3, 2)),
            (cls((4, 2), 2, 3, stride=(1, 3), padding=(1, 0), rng=3), (2, 3, 2, 2)),
            (cls(1, 3, 2, stride=2, rng=4), (1, 2, 2, 3)),
        ]
