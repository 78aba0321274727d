"""Conv1D and Conv2D: the same small window of weights, slid over a signal or an image.

One axis, to begin with. x (batch, length, chan_in) and 0 outside the signal, W (k, chan_in, chan_out), b (chan_out,), s the
stride, p the padding; out and delta = dL/dout (batch, out length, chan_out), out length = (length + 2 p - k) // s + 1. For one
example:

(1)  out[o, m] = sum over t, c of x[o s + t - p, c] W[t, c, m], plus b[m]
     Window o begins at o s - p. Its element t, at o s + t - p, meets the weight t. So an output is the product of a window,
     laid out in a row of k chan_in numbers, with W, seen as a matrix (k chan_in, chan_out).
(2)  dL/dW[t, c, m] = sum over o of x[o s + t - p, c] delta[o, m]
     A weight is in every output, with the number it met there as its factor. Over the batch these add up.
     dL/db[m] = sum over o of delta[o, m]
(3)  dL/dx[i, c] = sum over o, t with o s + t - p = i, and over m, of delta[o, m] W[t, c, m]
     x[i] is element t of window o if o s + t - p = i. If windows overlap, several o and t fit; between windows that leave a
     gap none does, and the derivative is 0. It is easier seen from the output: out[o] gives back to element t of its window the
     sum over m of delta[o, m] W[t, c, m], and what one x[i] gets back from several windows adds up.

An image has a row and a column in place of each position here: W (kh, kw, chan_in, chan_out), and element (t, u) of window
(a, b) is x[a sh + t - ph, b sw + u - pw, c]. The window is not reversed: this is cross-correlation, which is what neural
networks call convolution.

How it is computed. (1) and (2) are products with the matrix that has a window in each row. It would be several times larger
than x if windows overlap, so it is never made: its numbers are read from x, for any number of channels and any stride; see
`modnet.kernels.windows` and `modnet.kernels.tiles`. In (3) the product delta W^T is made in blocks of 128 kB, whose rows are
added back to their windows. What it gains against windows that are copied for BLAS is in docs/speed.md.

Reference: Y. LeCun and others, Backpropagation applied to handwritten zip code recognition, Neural Computation 1 (1989).
"""

from __future__ import annotations

from typing import Any

from modnet.kernels import add_rows, begin, flat
from modnet.kernels.windows import correlate, correlate_gradient, geometry, no_bias, spread
from modnet.module import Parameter, Shape, operation
from modnet.modules.windowed import WeightedWindow


class _Conv(WeightedWindow):
    def output_shape(self, input_shape: Shape) -> Shape:
        return self.as_output(self.count_windows(input_shape, self.chan_in), self.chan_out)

    def sizes(self, input_shape: Shape) -> tuple[int, ...]:
        return self.geometry(self.image(input_shape), self.chan_in, self.count_windows(input_shape), self.chan_out)

    @operation
    def forward(x, out, p, z):
        # x (batch, height * width * chan_in), out (batch, out height * out width * chan_out), p.weight as in the class,
        # p.bias (chan_out,) or (0,), z a `Geometry`; in 1-D the width is 1
        correlate(x, flat(p.weight), p.bias, out, geometry(z))          # (1)

    @operation
    def backward_update_gradient(x, delta, g, z, add):
        # out = windows of x times W, plus b
        begin(g.weight, add)
        begin(g.bias, add)
        correlate_gradient(x, delta, flat(g.weight), geometry(z))       # (2)
        add_rows(delta, g.bias)                                         # nothing without a bias

    @operation
    def backward_delta(delta, dx, p, z):
        # out = windows of x times W, plus b
        spread(delta, flat(p.weight), no_bias(dx), dx, geometry(z))     # (3)


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
    weight = Parameter("k_size", "chan_in", "chan_out")
    bias = Parameter("chan_out", optional=True)

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
    weight = Parameter("k_rows", "k_columns", "chan_in", "chan_out")
    bias = Parameter("chan_out", optional=True)

    @classmethod
    def examples(cls) -> list[tuple[Any, Shape]]:
        return [
            (cls(3, 1, 2, rng=0), (2, 5, 4, 1)),
            (cls((2, 3), 3, 4, stride=2, padding=(0, 1), rng=1), (3, 5, 6, 3)),
            (cls(2, 2, 3, stride=3, bias=False, rng=2), (1, 7, 6, 2)),
            (cls((4, 2), 2, 3, stride=(1, 3), padding=(3, 1), rng=3), (2, 3, 5, 2)),
            (cls(1, 3, 2, stride=2, rng=4), (1, 3, 3, 3)),
        ]
