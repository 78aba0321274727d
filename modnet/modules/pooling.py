"""Pooling: each channel of a window of pixels becomes one number, its largest or its mean.

x (batch, length, chan), k the window, s the stride, p the padding; out and delta = dL/dout (batch, out length, chan), out length =
(length + 2 p - k) // s + 1. Window o sees x[i] for i from o s - p to o s - p + k - 1. For one example and one channel, which never
meets another:

MaxPool
(1)  out[o] = max of x[i] over the i of window o that lie in the signal: padding never wins
(3)  dL/dx[i] = sum over o of delta[o] where i is the first in window o with x[i] = out[o]
     Moving another element by a little leaves the maximum where it is. In a tie the derivative does not exist; the whole delta goes to
     one element, the first. Images of digits are mostly zeros, so ties are the norm; giving delta to each of the tied would count it
     several times.

AvgPool
(1)  out[o] = (sum of x[i] over the i of window o) / k: padding counts as zeros
(3)  dL/dx[i] = sum over o with i in window o of delta[o] / k

Neither has parameters. On an image the window has kh by kw pixels, the first is the first row by row, and k is kh kw. A NaN in a window
is its maximum; its delta goes to the first NaN.

The channels of a pixel are side by side in memory, so all loops inside are over channels. Global pooling is the same with one window
that sees everything.

Reference: Y. LeCun and others, Gradient-based learning applied to document recognition, Proceedings of the IEEE 86 (1998), for
averages; M. Ranzato and others, Unsupervised learning of invariant feature hierarchies, CVPR 2007, for maxima.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from modnet.kernels import inline, kernel, vector_at
from modnet.module import KernelModule, Shape, ShapeError
from modnet.windows import Windowed, geometry


@inline
def _pixels(a, stride, padding, k, length):
    """Window a along one axis: its first pixel in the image and the one after its last."""
    first = a * stride - padding
    return max(first, 0), min(first + k, length)


@kernel("forward")
def max_forward(x, out, params, state, sizes, hyper):
    # x (batch, height * width * chan), out (batch, out height * out width * chan); sizes as `windows.geometry`
    height, width, chan, kh, kw, sh, sw, ph, pw, oh, ow, _ = geometry(sizes)
    for e in range(x.shape[0]):
        for a in range(oh):
            top, bottom = _pixels(a, sh, ph, kh, height)
            for b in range(ow):
                left, right = _pixels(b, sw, pw, kw, width)
                most = vector_at(out, ((e * oh + a) * ow + b) * chan, chan)
                first = vector_at(x, ((e * height + top) * width + left) * chan, chan)
                for c in range(chan):
                    most[c] = first[c]
                for i in range(top, bottom):
                    for j in range(left, right):
                        pixel = vector_at(x, ((e * height + i) * width + j) * chan, chan)
                        for c in range(chan):
                            value = pixel[c]
                            most[c] = value if (value > most[c]) | (value != value) else most[c]


@kernel("backward")
def max_backward(x, out, delta, dx, params, state, sizes, hyper):
    # out = max of the window: the first pixel that equals it takes delta, the next ones what is left, 0
    height, width, chan, kh, kw, sh, sw, ph, pw, oh, ow, _ = geometry(sizes)
    zero = x.dtype.type(0.0)
    rest = np.empty(chan, x.dtype)
    for e in range(x.shape[0]):
        for q in range(dx.shape[1]):
            dx[e, q] = zero
        for a in range(oh):
            top, bottom = _pixels(a, sh, ph, kh, height)
            for b in range(ow):
                left, right = _pixels(b, sw, pw, kw, width)
                at = ((e * oh + a) * ow + b) * chan
                most, given = vector_at(out, at, chan), vector_at(delta, at, chan)
                for c in range(chan):
                    rest[c] = given[c]
                for i in range(top, bottom):
                    for j in range(left, right):
                        at = ((e * height + i) * width + j) * chan
                        pixel, target = vector_at(x, at, chan), vector_at(dx, at, chan)
                        for c in range(chan):
                            wins = (pixel[c] == most[c]) | (pixel[c] != pixel[c])
                            target[c] += rest[c] if wins else zero
                            rest[c] = zero if wins else rest[c]


@kernel("forward")
def average_forward(x, out, params, state, sizes, hyper):
    # x (batch, height * width * chan), out (batch, out height * out width * chan)
    height, width, chan, kh, kw, sh, sw, ph, pw, oh, ow, _ = geometry(sizes)
    zero, share = x.dtype.type(0.0), x.dtype.type(1.0 / (kh * kw))
    for e in range(x.shape[0]):
        for a in range(oh):
            top, bottom = _pixels(a, sh, ph, kh, height)
            for b in range(ow):
                left, right = _pixels(b, sw, pw, kw, width)
                mean = vector_at(out, ((e * oh + a) * ow + b) * chan, chan)
                for c in range(chan):
                    mean[c] = zero
                for i in range(top, bottom):
                    for j in range(left, right):
                        pixel = vector_at(x, ((e * height + i) * width + j) * chan, chan)
                        for c in range(chan):
                            mean[c] += pixel[c]
                for c in range(chan):
                    mean[c] *= share


@kernel("backward")
def average_backward(x, out, delta, dx, params, state, sizes, hyper):
    # out = sum of the window / (kh kw)
    height, width, chan, kh, kw, sh, sw, ph, pw, oh, ow, _ = geometry(sizes)
    zero, share = x.dtype.type(0.0), x.dtype.type(1.0 / (kh * kw))
    for e in range(x.shape[0]):
        for q in range(dx.shape[1]):
            dx[e, q] = zero
        for a in range(oh):
            top, bottom = _pixels(a, sh, ph, kh, height)
            for b in range(ow):
                left, right = _pixels(b, sw, pw, kw, width)
                given = vector_at(delta, ((e * oh + a) * ow + b) * chan, chan)
                for i in range(top, bottom):
                    for j in range(left, right):
                        target = vector_at(dx, ((e * height + i) * width + j) * chan, chan)
                        for c in range(chan):
                            target[c] += share * given[c]


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
        return self.as_output(self.counts(input_shape), input_shape[-1])

    def sizes(self, input_shape: Shape) -> Shape:
        return self.geometry(self.image(input_shape), input_shape[-1], self.counts(input_shape), input_shape[-1])

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

    def __repr__(self) -> str:
        return self.described("", stride=self.k_size)


class MaxPool1D(_Pool):
    """The largest number of each window, channel by channel; its delta goes to the first of equals.

    Parameters
    ----------
    k_size : length of the window.
    stride : how far the window moves; None for k_size, so that windows neither overlap nor leave a gap.
    padding : places before and after the signal that a window may begin or end in, less than k_size. They never win.

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
    forward_kernel, backward_kernel = max_forward, max_backward
    uses_output = True


class MaxPool2D(_Pool):
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
    forward_kernel, backward_kernel = max_forward, max_backward
    uses_output = True


class AvgPool1D(_Pool):
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
    forward_kernel, backward_kernel = average_forward, average_backward


class AvgPool2D(_Pool):
    """The mean of each window, channel by channel.

    Parameters
    ----------
    k_size : rows and columns of the window; an int for a square.
    stride : how far the window moves, down and to the right; an int for both; None for k_size.
    padding : rows of zeros put above and below, columns on the left and right, less than k_size; an int for both. They count in the
        mean.

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
    forward_kernel, backward_kernel = average_forward, average_backward


class _GlobalPool(KernelModule):
    keeps_features = True

    def output_shape(self, input_shape: Shape) -> Shape:
        if len(input_shape) < 2:
            advice = ": the channels are the last axis, X[..., None] adds one" if input_shape else ""
            raise ShapeError(self, input_shape, "(batch, ..., channels), with at least one axis between" + advice)
        return input_shape[-1:]

    def sizes(self, input_shape: Shape) -> Shape:
        n, chan = prod(input_shape[:-1]), input_shape[-1]  # a signal of n, and one window
        return n, 1, chan, n, 1, 1, 1, 0, 0, 1, 1, chan

    @classmethod
    def examples(cls) -> list[tuple[Any, Shape]]:
        return [(cls(), (2, 5, 3)), (cls(), (3, 4, 3, 2)), (cls(), (1, 1, 4)), (cls(), (2, 3, 1))]


class GlobalMaxPool(_GlobalPool):
    """The largest number of each channel, wherever it is; its delta goes to the first of equals.

    Shape
    -----
    (batch, ..., chan) -> (batch, chan), with at least one axis between

    Example
    -------
    >>> GlobalMaxPool().forward([[[1.0, 6.0], [4.0, 2.0]]])
    array([[4., 6.]])
    """

    forward_kernel, backward_kernel = max_forward, max_backward
    uses_output = True


class GlobalAvgPool(_GlobalPool):
    """The mean of each channel over all places.

    Shape
    -----
    (batch, ..., chan) -> (batch, chan), with at least one axis between

    Example
    -------
    >>> GlobalAvgPool().forward([[[1.0, 6.0], [4.0, 2.0]]])
    array([[2.5, 4. ]])
    """

    forward_kernel, backward_kernel = average_forward, average_backward
