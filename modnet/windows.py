"""Windows that slide over a signal or an image: their geometry, and the three operations of a convolution.

x is an image (height, width, channels); a signal (length, channels) is one of width 1. A window of kh by kw pixels moves by sh
rows and sw columns, over an image with ph rows and pw columns of zeros on each side:

(1)  out height = (height + 2 ph - kh) // sh + 1, the width alike; what is left over at the right and below is in no window
(2)  window (a, b) sees at its place (t, u) the pixel (a sh + t - ph, b sw + u - pw)

One window has K = kh kw channels numbers, ordered (t, u, channel) as memory is: row by row, the channels of a pixel side by side. The
matrix of windows has a row a window and K columns. A convolution is three products with it, W (K, m), out and delta a row a window:

(3)  out = windows W + b                 `correlate`
(4)  dW += windows^T delta               `correlate_gradient`
(5)  dx = the rows of delta W^T, each added back to the pixels of its window          `spread`

In (3) and (4) the matrix of windows is never made: its element in row (a, b), column (t, u, c) lies at a step of row (a, b) plus a
step of column (t, u, c), so that two lists say where all of it is (`modnet.tiles`). Where there is padding the images of a block are
copied between zeros first. In (5) the product is made in blocks, and added up. A block, of several small images or a few rows of
a large one, is chosen so that what it needs, numbers in a buffer or places in a list, stays in the second-level cache.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from modnet.arrays import whole
from modnet.kernels import inline, vector_at
from modnet.module import KernelModule, Shape, ShapeError
from modnet.tiles import product

_ROOM = 32768  # numbers in a block's buffer: 128 kB in float32
_PLACES = 1024  # windows in a block: 8 kB of places
_FEW = 32  # windows for which W is worth reading, when it is larger than a block


class Geometry(NamedTuple):
    """The sizes that the kernels of windows are given."""

    height: int
    width: int
    chan: int
    kh: int
    kw: int
    sh: int
    sw: int
    ph: int
    pw: int
    oh: int
    ow: int
    chan_out: int


# --- shapes, in Python -------------------------------------------------------------------------------------------------


class Windowed(KernelModule):
    """What modules with a sliding window share: their settings, and what shapes those take and give.

    A signal is treated as an image of width 1.

    Parameters
    ----------
    k_size, stride, padding : in 1-D an int, in 2-D an int or a pair, rows then columns.
    channels : the last two axes of the weight, or nothing for none. bias : the size of the bias, 0 for none.

    Attributes
    ----------
    k_size, stride, padding : in 1-D an int, in 2-D a pair.
    """

    axes: int

    def __init__(self, k_size: Any, stride: Any, padding: Any, channels: Shape = (), bias: int = 0) -> None:
        self.k_size = self._per_axis(k_size, "k_size", 1)
        self.stride = self._per_axis(stride, "stride", 1)
        self.padding = self._per_axis(padding, "padding", 0)
        windows = (self.k_size,) if self.axes == 1 else self.k_size
        super().__init__(
            ({"weight": (*windows, *channels)} if channels else {}) | ({"bias": (bias,)} if bias else {})
        )

    def _per_axis(self, value: Any, name: str, minimum: int) -> Any:
        who = type(self).__name__
        if self.axes == 1:
            return whole(value, who, name, minimum)
        values = value if isinstance(value, tuple | list) else (value, value)
        if len(values) != 2:
            raise ValueError(f"{who}: {name} is {value!r}, expected an int or a pair")
        return tuple(whole(part, who, name, minimum) for part in values)

    @property
    def window(self) -> tuple[Shape, Shape, Shape]:
        """Size, stride and padding, each in rows and columns."""
        if self.axes == 2:
            return self.k_size, self.stride, self.padding
        return (self.k_size, 1), (self.stride, 1), (self.padding, 0)

    def image(self, input_shape: Shape, channels: int | None = None) -> Shape:
        """Height and width of an input (..., channels); a `ShapeError` where there are more axes, fewer or other channels."""
        if len(input_shape) == self.axes + 1 and channels in (None, input_shape[-1]):
            return input_shape[0], input_shape[1] if self.axes == 2 else 1
        advice = ": the channels are the last axis, X[..., None] adds one" if len(input_shape) == self.axes else ""
        raise ShapeError(self, input_shape, self.layout(channels) + advice)

    def layout(self, channels: int | None, lengths: Any = ()) -> str:
        names = ("length",) if self.axes == 1 else ("height", "width")
        named = [f"{name} of {least} or more" for name, least in zip(names, lengths)] or names
        return f"(batch, {', '.join(named)}, {channels or 'channels'})"

    def counts(self, input_shape: Shape, channels: int | None = None) -> Shape:
        """Equation (1): rows and columns of windows; a `ShapeError` where not one fits."""
        image = self.image(input_shape, channels)
        settings = list(zip(*self.window))
        if any(length + 2 * p < k for length, (k, _, p) in zip(image, settings)):
            least = [max(1, k - 2 * p) for k, _, p in settings]
            raise ShapeError(self, input_shape, self.layout(channels, least) + ", so that a window fits in")
        return tuple((length + 2 * p - k) // s + 1 for length, (k, s, p) in zip(image, settings))

    def as_output(self, counts: Shape, channels: int) -> Shape:
        """The shape of an output with so many rows and columns."""
        return (*counts[: self.axes], channels)

    def geometry(self, image: Shape, chan: int, counts: Shape, chan_out: int) -> Geometry:
        """The sizes for the kernels."""
        k_size, stride, padding = self.window
        return Geometry(*image, chan, *k_size, *stride, *padding, *counts, chan_out)

    def described(self, first: str, stride: Any) -> str:
        """The constructor's call: `first`, and the settings; stride and padding where they are not the default."""
        parts = [first] if first else []
        for name, value, default in (
            ("k_size", self.k_size, None),
            ("stride", self.stride, stride),
            ("padding", self.padding, 0),
        ):
            short = value[0] if isinstance(value, tuple) and value[0] == value[1] else value
            if value != default and short != default:
                parts.append(f"{name}={short}")
        return f"{type(self).__name__}({', '.join(parts)})"


# --- in kernels --------------------------------------------------------------------------------------------------------


@inline
def geometry(sizes):
    """The sizes with their names."""
    return Geometry(
        sizes[0], sizes[1], sizes[2], sizes[3], sizes[4], sizes[5],
        sizes[6], sizes[7], sizes[8], sizes[9], sizes[10], sizes[11],
    )  # fmt: skip


@inline
def _block(windows, batch, g):
    """About so many windows: of how many examples, and of how many rows of windows of each."""
    if windows >= g.oh * g.ow:
        return min(batch, windows // (g.oh * g.ow)), g.oh
    return 1, max(1, windows // g.ow)


@inline
def _lists(g, examples, rows):
    """Where the windows of a block begin, and the steps from there to each number of a window.

    Examples are a whole image apart; with padding, as far as the rows that the block sees.
    """
    wide = (g.width + 2 * g.pw) * g.chan
    high = (rows - 1) * g.sh + g.kh if g.ph > 0 or g.pw > 0 else g.height
    starts, steps = np.empty(examples * rows * g.ow, np.int64), np.empty(g.kh * g.kw * g.chan, np.int64)
    o = 0
    for e in range(examples):
        for a in range(rows):
            for b in range(g.ow):
                starts[o] = (e * high + a * g.sh) * wide + b * g.sw * g.chan
                o += 1
    q = 0
    for t in range(g.kh):
        for along in range(g.kw * g.chan):
            steps[q] = t * wide + along
            q += 1
    return starts, steps


@inline
def _room_for_padding(g, examples, rows, like):
    """Zeros for the examples of a block between their padding, or nothing where there is none."""
    pads = g.ph > 0 or g.pw > 0
    return np.zeros((examples if pads else 0, ((rows - 1) * g.sh + g.kh) * (g.width + 2 * g.pw) * g.chan), like.dtype)


@inline
def _seen(x, first, examples, a, rows, g, padded):
    """The array in which a block sees its examples, and where the first of its windows begins.

    That is x itself or, where there is padding, a copy between the zeros of `padded`, whose left and right columns stay zero.
    """
    if padded.shape[0] == 0:
        return x, (first * g.height + a * g.sh) * g.width * g.chan
    seen, n = (rows - 1) * g.sh + g.kh, g.width * g.chan
    for e in range(examples):
        for r in range(seen):
            i = a * g.sh - g.ph + r
            target = vector_at(padded, ((e * seen + r) * (g.width + 2 * g.pw) + g.pw) * g.chan, n)
            inside = 0 <= i < g.height
            source = vector_at(x, ((first + e) * g.height + i) * n if inside else 0, n)
            for q in range(n):
                target[q] = source[q] if inside else x.dtype.type(0.0)
    return padded, 0


@inline
def _fill_rows(flat, start, rows, value):
    """Rows of flat from `start` on, each `value`, or 0 where value is empty."""
    for r in range(rows):
        row = vector_at(flat, start + r * value.size, value.size)
        for j in range(value.size):
            row[j] = value[j]


@inline
def correlate(x, W, bias, out, sizes):
    """Equation (3): x (batch, height * width * chan), W (K * m,), bias (m,) or nothing, out (batch, oh * ow * m)."""
    g = geometry(sizes)
    batch, m = x.shape[0], g.chan_out
    examples, rows = _block(min(_PLACES, _ROOM // (g.sh * g.sw * g.chan)), batch, g)
    starts, steps = _lists(g, examples, rows)
    padded = _room_for_padding(g, examples, rows, x)
    for first in range(0, batch, examples):
        some = min(examples, batch - first)
        for a in range(0, g.oh, rows):
            here = min(rows, g.oh - a)
            n, to = some * here * g.ow, (first * g.oh + a) * g.ow * m
            if bias.size > 0:
                _fill_rows(out, to, n, bias)
            source, at = _seen(x, first, some, a, here, g, padded)
            product(source, at, starts[:n], steps, W, 0, out, to, m, bias.size > 0)


@inline
def correlate_gradient(x, delta, dW, sizes):
    """Equation (4): x (batch, height * width * chan), delta (batch, oh * ow * m), dW (K * m,)."""
    g = geometry(sizes)
    batch, m = x.shape[0], g.chan_out
    examples, rows = _block(min(_PLACES, _ROOM // (g.sh * g.sw * g.chan)), batch, g)
    starts, steps = _lists(g, examples, rows)
    padded = _room_for_padding(g, examples, rows, x)
    for first in range(0, batch, examples):
        some = min(examples, batch - first)
        for a in range(0, g.oh, rows):
            here = min(rows, g.oh - a)
            n, to = some * here * g.ow, (first * g.oh + a) * g.ow * m
            source, at = _seen(x, first, some, a, here, g, padded)
            product(source, at, steps, starts[:n], delta, to, dW, 0, m, True)


@inline
def spread(delta, W, bias, dx, sizes):
    """Equation (5), plus a bias (chan,) or nothing: delta (batch, oh * ow * m), W (K * m,), dx as x in `correlate`."""
    g = geometry(sizes)
    batch, m, K = dx.shape[0], g.chan_out, g.kh * g.kw * g.chan
    examples, rows = _block(max(_FEW, _ROOM // K), batch, g)
    windows = np.empty((examples * rows * g.ow, K), dx.dtype)
    turned = np.empty((m, K), dx.dtype)
    for q in range(0, K, 16):  # a cache line of each row at a time
        for j in range(m):
            for t in range(q, min(q + 16, K)):
                turned[j, t] = W[t * m + j]
    starts, steps = np.arange(windows.shape[0]) * m, np.arange(m)
    base = bias if bias.size > 0 else np.zeros(g.chan, dx.dtype)
    for first in range(0, batch, examples):
        some = min(examples, batch - first)
        _fill_rows(dx, first * dx.shape[1], some * g.height * g.width, base)
        for a in range(0, g.oh, rows):
            here = min(rows, g.oh - a)
            n = some * here * g.ow
            product(delta, (first * g.oh + a) * g.ow * m, starts[:n], steps, turned, 0, windows, 0, K, False)
            _add_back(windows, some, dx, first, a, here, g)


@inline
def _add_back(windows, examples, dx, first, a, rows, g):
    """Add the windows of a block, which begins with row a of an example, to the pixels they saw."""
    along = g.kw * g.chan
    o = 0
    for e in range(first, first + examples):
        for i in range(a * g.sh - g.ph, (a + rows) * g.sh - g.ph, g.sh):
            for j in range(-g.pw, g.ow * g.sw - g.pw, g.sw):
                left, right = max(0, -j), min(g.kw, g.width - j)
                n = (right - left) * g.chan
                for t in range(max(0, -i), min(g.kh, g.height - i)):
                    target = vector_at(dx, ((e * g.height + i + t) * g.width + j + left) * g.chan, n)
                    source = vector_at(windows, (o * g.kh + t) * along + left * g.chan, n)
                    for q in range(n):
                        target[q] += source[q]
                o += 1


@inline
def sum_rows(delta, total):
    """total (m,) += the rows of delta, seen as (rows, m)."""
    m = total.size
    if m == 0:
        return
    rows = max(1, 256 // m)  # so many at a time: long vectors, and sums that do not wait for each other
    n = rows * m
    sums = np.zeros(n, delta.dtype)
    for at in range(0, delta.size, n):
        part = vector_at(delta, at, min(n, delta.size - at))
        for q in range(part.size):
            sums[q] += part[q]
    for q in range(n):
        total[q % m] += sums[q]
