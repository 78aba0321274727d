"""Pooling: each channel of a window of pixels becomes one number, its largest or its mean.

x (batch, length, chan), k the window, s the stride, p the padding; out and delta = dL/dout (batch, out length, chan), with
out length = (length + 2 p - k) // s + 1. Window o sees x[i] for i from o s - p to o s - p + k - 1. For one example and one
channel, since channels never meet:

MaxPool
(1)  out[o] = max of x[i] over those i of window o that are in the signal: padding never wins
(3)  dL/dx[i] = sum of delta[o] over the windows o in which i is the first with x[i] = out[o]
     Moving any other element a little leaves the maximum as it is. In a tie there is no derivative, and the whole of delta goes
     to one element, the first: given to each of the equals, it would count several times. Most pixels of images of digits
     are 0, so ties are the rule.

AvgPool
(1)  out[o] = (sum of x[i] over the i of window o) / k: padding counts as zeros
(3)  dL/dx[i] = (sum of delta[o] over the windows o that see i) / k

Neither has parameters. On an image the window has kh by kw pixels, the first is the first row by row, and k is kh kw. A NaN in
a window is its maximum, and its delta goes to the first NaN. Global pooling has one window that sees everything.

The channels of a pixel lie side by side, so the innermost loops are over channels: sixteen take about the time of six.

Reference: Y. LeCun and others, Gradient-based learning applied to document recognition, Proceedings of the IEEE 86 (1998), for
means; M. Ranzato and others, Unsupervised learning of invariant feature hierarchies, CVPR 2007, for maxima.
"""

from __future__ import annotations

from math import prod
from typing import Any

from modnet.kernels.pools import clear_unless_covered, largest, to_all, to_first_largest, total
from modnet.kernels.windows import Geometry, geometry
from modnet.module import Module, Shape, ShapeError, operation
from modnet.modules.windowed import Windowed


class _Maximum(Module):
    """The operations of maxima, over any windows."""

    row_sizes = Geometry._fields

    @operation
    def forward(x, out, z):
        # x (batch, height * width * chan), out (batch, out height * out width * chan); z a `Geometry`
        g = geometry(z)
        for e in range(x.shape[0]):
            for row in range(g.oh):
                largest(x, out, g, e, row)                      # (1)   of each window of this row

    @operation
    def backward_delta(x, out, delta, dx, z):
        # out = max of the window: the first pixel that equals it takes delta
        g = geometry(z)
        clear_unless_covered(dx, g)
        for e in range(x.shape[0]):
            for row in range(g.oh):
                to_first_largest(x, out, delta, dx, g, e, row)  # (3)


class _Mean(Module):
    """The operations of means, over any windows."""

    row_sizes = Geometry._fields

    @operation
    def forward(x, out, z):
        # x (batch, height * width * chan), out (batch, out height * out width * chan)
        g = geometry(z)
        share = x.dtype.type(1.0 / (g.kh * g.kw))
        for e in range(x.shape[0]):
            for row in range(g.oh):
                total(x, out, share, g, e, row)                 # (1)   of each window of this row

    @operation
    def backward_delta(delta, dx, z):
        # out = sum of the window / (kh kw)
        g = geometry(z)
        share = dx.dtype.type(1.0 / (g.kh * g.kw))
        clear_unless_covered(dx, g)
        for e in range(dx.shape[0]):
            for row in range(g.oh):
                to_all(delta, dx, share, g, e, row)             # (3)


class _Pool(Windowed):
    keeps_features = True

    def __init__(self, k_size: Any, stride: Any = None, padding: Any = 0) -> None:
        super().__init__(k_size, k_size if stride is None else stride, padding)
        if any(p >= k for k, p in zip(self.window[0], self.window[2])):
            raise ValueError(
                f"{type(self).__name__}: padding is {self.padding} and k_size {self.k_size}, "
                "expected padding less than k_size: a window must see a pixel"
            )

    def output_shape(self, input_shape: Shape) -> Shape:
        return self.as_output(self.count_windows(input_shape), input_shape[-1])

    def sizes(self, input_shape: Shape) -> tuple[int, ...]:
        g = self.geometry(self.image(input_shape), input_shape[-1], self.count_windows(input_shape), input_shape[-1])
        return g.turned() if self.axes == 1 else g  # a signal is one row: the inner loop is over its windows

    @classmethod
    def examples(cls) -> list[tuple[Any, Shape]]:
        if cls.axes == 1:
            return [
                (cls(2), (2, 6, 3)),
                (cls(3, stride=1), (3, 7, 2)),
                (cls(2, stride=3), (1, 10, 1)),
                (cls(4, stride=2, padding=3), (2, 5, 2)),
                (cls(5), (1, 5, 17)),
            ]
        return [
            (cls(2), (2, 4, 7, 3)),
            (cls((3, 2), stride=1), (2, 5, 4, 2)),
            (cls(2, stride=(3, 2)), (1, 7, 5, 1)),
            (cls((2, 3), stride=2, padding=(1, 2)), (3, 3, 4, 2)),
            (cls((1, 4)), (1, 3, 9, 17)),
        ]


class MaxPool1D(_Maximum, _Pool):
    """The largest number of each window, channel by channel; its delta goes to the first of equals.

    Parameters
    ----------
    k_size : length of the window.
    stride : how far the window moves; None for k_size, so that windows neither overlap nor leave a gap.
    padding : positions before and after the signal that a window may reach into, less than k_size. They never win.

    Shape
    -----
    (batch, length, chan) -> (batch, (length + 2 padding - k_size) // stride + 1, chan)

    Example
    -------
    >>> pool = MaxPool1D(2)
    >>> pool.forward([[[1.0], [3.0], [2.0], [2.0], [9.0]]])[..., 0]
    array([[3., 2.]])
    >>> pool.backward_delta([[[1.0], [3.0], [2.0], [2.0], [9.0]]], [[[10.0], [20.0]]])[..., 0]
    array([[ 0., 10., 20.,  0.,  0.]])
    """

    axes = 1


class MaxPool2D(_Maximum, _Pool):
    """The largest number of each window, channel by channel; its delta goes to the first of equals, row by row.

    Parameters
    ----------
    k_size : rows and columns of the window; an int for a square.
    stride : how far the window moves, down and to the right; an int for both; None for k_size.
    padding : rows above and below, columns on the left and right that a window may reach into, less than k_size; an int for
        both. They never win.

    Shape
    -----
    (batch, height, width, chan) -> (batch, out height, out width, chan), each out length
    (length + 2 padding - k_size) // stride + 1

    Example
    -------
    >>> import numpy as np
    >>> MaxPool2D(2).forward(np.arange(8.0).reshape(1, 2, 4, 1))[..., 0]
    array([[[5., 7.]]])
    """

    axes = 2


class AvgPool1D(_Mean, _Pool):
    """The mean of each window, channel by channel.

    Parameters
    ----------
    k_size : length of the window.
    stride : how far the window moves; None for k_size.
    padding : zeros put before and after the signal, less than k_size. They count in the mean.

    Shape
    -----
    (batch, length, chan) -> (batch, (length + 2 padding - k_size) // stride + 1, chan)

    Example
    -------
    >>> AvgPool1D(2).forward([[[1.0], [3.0], [2.0], [2.0], [9.0]]])[..., 0]
    array([[2., 2.]])
    """

    axes = 1


class AvgPool2D(_Mean, _Pool):
    """The mean of each window, channel by channel.

    Parameters
    ----------
    k_size : rows and columns of the window; an int for a square.
    stride : how far the window moves, down and to the right; an int for both; None for k_size.
    padding : rows of zeros put above and below, columns on the left and right, less than k_size; an int for both. They count
        in the mean.

    Shape
    -----
    (batch, height, width, chan) -> (batch, out height, out width, chan), each out length
    (length + 2 padding - k_size) // stride + 1

    Example
    -------
    >>> import numpy as np
    >>> AvgPool2D(2).forward(np.arange(8.0).reshape(1, 2, 4, 1))[..., 0]
    array([[[2.5, 4.5]]])
    """

    axes = 2


class _GlobalPool(Module):
    keeps_features = True

    def output_shape(self, input_shape: Shape) -> Shape:
        if len(input_shape) < 2 or prod(input_shape[:-1]) == 0:
            advice = ": the channels are the last axis, X[..., None] adds one" if len(input_shape) == 1 else ""
            expected = "(batch, ..., channels), with at least one axis between and none of length 0"
            raise ShapeError(self, input_shape, expected + advice)
        return input_shape[-1:]

    def sizes(self, input_shape: Shape) -> tuple[int, ...]:
        n, chan = prod(input_shape[:-1]), input_shape[-1]  # a signal of n, and one window
        return Geometry(1, n, chan, kh=1, kw=n, sh=1, sw=n, ph=0, pw=0, oh=1, ow=1, chan_out=chan)

    @classmethod
    def examples(cls) -> list[tuple[Any, Shape]]:
        return [(cls(), (2, 5, 3)), (cls(), (3, 4, 3, 2)), (cls(), (1, 1, 4)), (cls(), (2, 3, 1))]


class GlobalMaxPool(_Maximum, _GlobalPool):
    """The largest number of each channel, at any position; its delta goes to the first of equals.

    Shape
    -----
    (batch, ..., chan) -> (batch, chan), with at least one axis between

    Example
    -------
    >>> GlobalMaxPool().forward([[[1.0, 6.0], [4.0, 2.0]]])
    array([[4., 6.]])
    """


class GlobalAvgPool(_Mean, _GlobalPool):
    """The mean of each channel over all positions.

    Shape
    -----
    (batch, ..., chan) -> (batch, chan), with at least one axis between

    Example
    -------
    >>> GlobalAvgPool().forward([[[1.0, 6.0], [4.0, 2.0]]])
    array([[2.5, 4. ]])
    """
