"""Windows that slide over a signal or an image: the three products of a convolution.

x is an image (height, width, chan); a signal (length, chan) is one of width 1. A window of kh by kw pixels moves down by sh
and to the right by sw, over an image with ph rows and pw columns of zeros on each side:

(1)  there are oh = (height + 2 ph - kh) // sh + 1 by ow = (width + 2 pw - kw) // sw + 1 windows; what is left over below and
     at the right is in none
(2)  element (t, u) of window (a, b) is the pixel (a sh + t - ph, b sw + u - pw)

A window holds K = kh kw chan numbers, in the order (t, u, channel) of memory: row by row, the channels of a pixel side by
side. The matrix of windows has a row for each, (oh ow, K). A convolution to m channels is three products with it; W is (K, m),
and out and delta have a row for each window, (oh ow, m):

(3)  out = windows W + b                                                       `correlate`
(4)  dW += windows^T delta                                                     `correlate_gradient`
(5)  dx = the rows of delta W^T, each added back to the pixels of its window   `spread`

In (3) and (4) the matrix of windows is never made. Its number in row (a, b) and column (t, u, c) lies in x at
(a sh width + b sw) chan, a start that depends on the row alone, plus (t width + u) chan + c, a step that depends on the column
alone: two lists say where all of it is, and `modnet.kernels.tiles` multiplies by it. With padding, images are first copied
between zeros. In (5) the product is made, and added up.

All is done in blocks of windows, some small images or a few rows of a large one, so that what is copied or made for a block
stays in the second-level cache.
"""

from __future__ import annotations

from typing import NamedTuple

from modnet.kernels.compiled import inline
from modnet.kernels.memory import flat, integer_room, room, vector_at
from modnet.kernels.tiles import product

_ROOM = 32768  # numbers copied or made for a block: 128 kB in float32
_STARTS = 1024  # windows in a block: 8 kB that say where they begin
_FEW = 32  # windows in a block at least, even if they take more room, since W is read once a block


class Geometry(NamedTuple):
    """The sizes of x, the window, its stride and the padding; how many windows there are, and the channels of out."""

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

    def turned(self) -> Geometry:
        """The same with rows for columns."""
        g = self
        return Geometry(g.width, g.height, g.chan, g.kw, g.kh, g.sw, g.sh, g.pw, g.ph, g.ow, g.oh, g.chan_out)


@inline
def geometry(z):
    """The sizes of a row as local numbers. They stay in registers; fields of a record would be read from memory each time."""
    return Geometry(z.height, z.width, z.chan, z.kh, z.kw, z.sh, z.sw, z.ph, z.pw, z.oh, z.ow, z.chan_out)


@inline
def no_bias(like):
    """An empty vector, for products without a bias; it has the type of the array `like`."""
    return vector_at(like, 0, 0)


@inline
def _block(windows, batch, g):
    """About so many windows: of how many examples, and of how many rows of windows of each."""
    if windows >= g.oh * g.ow:
        return min(batch, windows // (g.oh * g.ow)), g.oh
    return 1, max(1, windows // g.ow)


@inline
def _list_windows(g, examples, rows, starts, steps):
    """Where the windows of a block begin, and the steps from there to each number of a window.

    Examples are a whole image apart; with padding, as far as the rows that the block sees.
    """
    wide = (g.width + 2 * g.pw) * g.chan
    high = (rows - 1) * g.sh + g.kh if g.ph > 0 or g.pw > 0 else g.height
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


@inline
def _size_with_padding(g, examples, rows):
    """How many numbers the examples of a block have between their padding; 0 without padding."""
    pads = g.ph > 0 or g.pw > 0
    return examples * ((rows - 1) * g.sh + g.kh) * (g.width + 2 * g.pw) * g.chan if pads else 0


@inline
def _seen(x, first, examples, a, rows, g, padded):
    """The array in which a block sees its examples, and where the first of its windows begins.

    That is x itself or, with padding, a copy between the zeros of `padded`, whose left and right columns stay zero.
    """
    if padded.size == 0:
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
def _clear(vector):
    zero = vector.dtype.type(0.0)
    for i in range(vector.size):
        vector[i] = zero


@inline
def _fill_rows(target, start, rows, value):
    """Set so many rows of flat memory, from `start` on, to `value`."""
    for r in range(rows):
        row = vector_at(target, start + r * value.size, value.size)
        for j in range(value.size):
            row[j] = value[j]


# In the products, x, out, delta and dx are matrices with a row for each example; W and dW are vectors.


@inline
def correlate(x, W, bias, out, g):
    """Equation (3): x (batch, height * width * chan), W (K * m,), bias (m,) or nothing, out (batch, oh * ow * m)."""
    batch, m = x.shape[0], g.chan_out
    x, out = flat(x), flat(out)
    examples, rows = _block(min(_STARTS, _ROOM // (g.sh * g.sw * g.chan)), batch, g)
    starts, steps = integer_room(examples * rows * g.ow), integer_room(g.kh * g.kw * g.chan)
    _list_windows(g, examples, rows, starts, steps)
    padded = room(_size_with_padding(g, examples, rows), x)
    _clear(padded)
    for first in range(0, batch, examples):
        some = min(examples, batch - first)
        for a in range(0, g.oh, rows):
            here = min(rows, g.oh - a)
            n, to = some * here * g.ow, (first * g.oh + a) * g.ow * m
            source, at = _seen(x, first, some, a, here, g, padded)
            product(source, at, vector_at(starts, 0, n), steps, W, 0, out, to, m, bias, 0, 0)


@inline
def correlate_gradient(x, delta, dW, g):
    """Equation (4): x (batch, height * width * chan), delta (batch, oh * ow * m), dW (K * m,)."""
    batch, m = x.shape[0], g.chan_out
    x, delta = flat(x), flat(delta)
    examples, rows = _block(min(_STARTS, _ROOM // (g.sh * g.sw * g.chan)), batch, g)
    starts, steps = integer_room(examples * rows * g.ow), integer_room(g.kh * g.kw * g.chan)
    _list_windows(g, examples, rows, starts, steps)
    padded = room(_size_with_padding(g, examples, rows), x)
    _clear(padded)
    for first in range(0, batch, examples):
        some = min(examples, batch - first)
        for a in range(0, g.oh, rows):
            here = min(rows, g.oh - a)
            n, to = some * here * g.ow, (first * g.oh + a) * g.ow * m
            source, at = _seen(x, first, some, a, here, g, padded)
            product(source, at, steps, vector_at(starts, 0, n), delta, to, dW, 0, m, dW, 0, m)


@inline
def spread(delta, W, bias, dx, g):
    """Equation (5), plus a bias (chan,) or nothing: delta (batch, oh * ow * m), W (K * m,), dx as x in `correlate`."""
    batch, m, K = dx.shape[0], g.chan_out, g.kh * g.kw * g.chan
    delta, dx = flat(delta), flat(dx)
    examples, rows = _block(max(_FEW, _ROOM // K), batch, g)
    starts, steps = integer_room(examples * rows * g.ow), integer_room(m)
    windows, turned = room(starts.size * K, dx), room(m * K, dx)
    for q in range(0, K, 16):  # a cache line of each row at a time
        for j in range(m):
            for t in range(q, min(q + 16, K)):
                turned[j * K + t] = W[t * m + j]
    for o in range(starts.size):
        starts[o] = o * m
    for j in range(m):
        steps[j] = j
    for first in range(0, batch, examples):
        some, at, pixels = min(examples, batch - first), first * g.height * g.width * g.chan, g.height * g.width
        if bias.size > 0:
            _fill_rows(dx, at, some * pixels, bias)
        else:
            _clear(vector_at(dx, at, some * pixels * g.chan))
        for a in range(0, g.oh, rows):
            here = min(rows, g.oh - a)
            n = some * here * g.ow
            to = (first * g.oh + a) * g.ow * m
            product(delta, to, vector_at(starts, 0, n), steps, turned, 0, windows, 0, K, no_bias(delta), 0, 0)
            add_back(windows, some, dx, first, a, here, g)


@inline
def add_back(windows, examples, dx, first, a, rows, g):
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
