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

from typing import Any

import numpy as np

from modnet.arrays import whole
from modnet.kernels import inline, vector_at
from modnet.module import KernelModule, Shape, ShapeError
from modnet.tiles import product

_ROOM = 32768  # numbers in a block's buffer: 128 kB in float32
_PLACES = 1024  # windows in a block: 8 kB of places
_FEW = 32  # windows for which W is worth reading, when it is larger than a block


# --- geometry, in Python -----------------------------------------------------------------------------------------------


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
        raise ShapeError(self, input_shape, self._layout(channels) + advice)

    def _layout(self, channels: int | None, lengths: Any = ()) -> str:
        names = ("length",) if self.axes == 1 else ("height", "width")
        named = [f"{name} of {least} or more" for name, least in zip(names, lengths)] or names
        return f"(batch, {', '.join(named)}, {channels or 'channels'})"

    def counts(self, input_shape: Shape, channels: int | None = None) -> Shape:
        """Equation (1): rows and columns of windows; a `ShapeError` where not one fits."""
        image = self.image(input_shape, channels)
        settings = list(zip(*self.window))
        if any(length + 2 * p < k for length, (k, _, p) in zip(image, settings)):
            least = [max(1, k - 2 * p) for k, _, p in settings]
            raise ShapeError(self, input_shape, self._layout(channels, least) + ", so that a window fits in")
        return tuple((length + 2 * p - k) // s + 1 for length, (k, s, p) in zip(image, settings))

    def as_output(self, counts: Shape, channels: int) -> Shape:
        """The shape of an output with so many rows and columns."""
        return (*counts[: self.axes], channels)

    def geometry(self, image: Shape, channels: int, counts: Shape, out_channels: int) -> Shape:
        """The sizes for the kernels, in the order of `geometry` below."""
        k_size, stride, padding = self.window
        return *image, channels, *k_size, *stride, *padding, *counts, out_channels

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
    """Height, width, channels, window, stride, padding (rows then columns), out height and width, out channels."""
    return (
        sizes[0], sizes[1], sizes[2], sizes[3], sizes[4], sizes[5], sizes[6], sizes[7], sizes[8], sizes[9],
        sizes[10], sizes[11],
    )  # fmt: skip


@inline
def _block(windows, batch, oh, ow):
    """About so many windows: of how many examples, and of how many rows of windows of each."""
    if windows >= oh * ow:
        return min(batch, windows // (oh * ow)), oh
    return 1, max(1, windows // ow)


@inline
def _lists(sizes, examples, rows):
    """Where the windows of a block begin, and the steps from there to each number of a window.

    Examples are a whole image apart; with padding, as far as the rows that the block needs.
    """
    height, width, channels, kh, kw, sh, sw, ph, pw, oh, ow, m = geometry(sizes)
    wide = width + 2 * pw
    image = (height if ph == 0 and pw == 0 else (rows - 1) * sh + kh) * wide * channels
    starts, steps = np.empty(examples * rows * ow, np.int64), np.empty(kh * kw * channels, np.int64)
    o = 0
    for e in range(examples):
        for a in range(rows):
            for b in range(ow):
                starts[o] = e * image + (a * sh * wide + b * sw) * channels
                o += 1
    q = 0
    for t in range(kh):
        for along in range(kw * channels):
            steps[q] = t * wide * channels + along
            q += 1
    return starts, steps


@inline
def _pad(x, first, examples, a, rows, sizes, padded):
    """Copy what a block sees of some examples between the zeros of `padded`, whose left and right columns stay zero."""
    height, width, channels, kh, kw, sh, sw, ph, pw, oh, ow, m = geometry(sizes)
    wide = width + 2 * pw
    seen = (rows - 1) * sh + kh
    n = width * channels
    for e in range(examples):
        for r in range(seen):
            i = a * sh + r - ph
            target = vector_at(padded, ((e * seen + r) * wide + pw) * channels, n)
            if 0 <= i < height:
                source = vector_at(x, ((first + e) * height + i) * n, n)
                for q in range(n):
                    target[q] = source[q]
            else:
                for q in range(n):
                    target[q] = 0


@inline
def correlate(x, W, bias, out, sizes):
    """Equation (3): x (batch, height * width * channels), W (K * m,), bias (m,) or nothing, out (batch, oh * ow * m)."""
    height, width, channels, kh, kw, sh, sw, ph, pw, oh, ow, m = geometry(sizes)
    batch, pads = x.shape[0], ph > 0 or pw > 0
    examples, rows = _block(min(_PLACES, _ROOM // (sh * sw * channels)), batch, oh, ow)
    starts, steps = _lists(sizes, examples, rows)
    padded = np.zeros((examples if pads else 0, ((rows - 1) * sh + kh) * (width + 2 * pw) * channels), x.dtype)
    for first in range(0, batch, examples):
        some = min(examples, batch - first)
        for a in range(0, oh, rows):
            here = min(rows, oh - a)
            n, to = some * here * ow, (first * oh + a) * ow * m
            if bias.size:
                for o in range(n):
                    row = vector_at(out, to + o * m, m)
                    for j in range(m):
                        row[j] = bias[j]
            source, at = x, (first * height + a * sh) * width * channels
            if pads:
                _pad(x, first, some, a, here, sizes, padded)
                source, at = padded, 0
            product(source, at, starts[:n], steps, W, 0, out, to, m, bias.size > 0)


@inline
def correlate_gradient(x, delta, dW, sizes):
    """Equation (4): x (batch, height * width * channels), delta (batch, oh * ow * m), dW (K * m,)."""
    height, width, channels, kh, kw, sh, sw, ph, pw, oh, ow, m = geometry(sizes)
    batch, pads = x.shape[0], ph > 0 or pw > 0
    examples, rows = _block(min(_PLACES, _ROOM // (sh * sw * channels)), batch, oh, ow)
    starts, steps = _lists(sizes, examples, rows)
    padded = np.zeros((examples if pads else 0, ((rows - 1) * sh + kh) * (width + 2 * pw) * channels), x.dtype)
    for first in range(0, batch, examples):
        some = min(examples, batch - first)
        for a in range(0, oh, rows):
            here = min(rows, oh - a)
            source, at = x, (first * height + a * sh) * width * channels
            if pads:
                _pad(x, first, some, a, here, sizes, padded)
                source, at = padded, 0
            n, to = some * here * ow, (first * oh + a) * ow * m
            product(source, at, steps, starts[:n], delta, to, dW, 0, m, True)


@inline
def spread(delta, W, bias, dx, sizes):
    """Equation (5), plus a bias (channels,) or nothing: delta (batch, oh * ow * m), W (K * m,), dx as x in `correlate`."""
    height, width, channels, kh, kw, sh, sw, ph, pw, oh, ow, m = geometry(sizes)
    batch, K = dx.shape[0], kh * kw * channels
    examples, rows = _block(max(_FEW, _ROOM // K), batch, oh, ow)
    most = examples * rows * ow
    windows = np.empty((most, K), dx.dtype)
    turned = np.empty((m, K), dx.dtype)
    for first in range(0, K, 16):  # a cache line of each row at a time
        for j in range(m):
            for q in range(first, min(first + 16, K)):
                turned[j, q] = W[q * m + j]
    starts, steps = np.arange(most) * m, np.arange(m)
    for first in range(0, batch, examples):
        some = min(examples, batch - first)
        for e in range(first, first + some):
            for pixel in range(height * width):
                target = vector_at(dx, (e * height * width + pixel) * channels, channels)
                for c in range(channels):
                    target[c] = bias[c] if bias.size else dx.dtype.type(0.0)
        for a in range(0, oh, rows):
            here = min(rows, oh - a)
            n = some * here * ow
            product(delta, (first * oh + a) * ow * m, starts[:n], steps, turned, 0, windows, 0, K, False)
            for e in range(some):
                _add_back(windows, e * here * ow, dx, first + e, a, here, sizes)


@inline
def _add_back(windows, row, dx, e, a, rows, sizes):
    """Add the windows of some rows of an example, from `row` of the matrix on, to the pixels they saw."""
    height, width, channels, kh, kw, sh, sw, ph, pw, oh, ow, m = geometry(sizes)
    K = kh * kw * channels
    for r in range(rows):
        i = (a + r) * sh - ph
        for b in range(ow):
            j = b * sw - pw
            left, right = max(0, -j), min(kw, width - j)
            n = (right - left) * channels
            for t in range(max(0, -i), min(kh, height - i)):
                target = vector_at(dx, ((e * height + i + t) * width + j + left) * channels, n)
                source = vector_at(windows, (row + r * ow + b) * K + (t * kw + left) * channels, n)
                for q in range(n):
                    target[q] += source[q]


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
