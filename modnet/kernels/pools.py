"""One window of a pooling: its pixels, channel by channel, by registers (`modnet.kernels.simd`).

A window has `rows` rows of `pixels` pixels of `chan` numbers; the first lies at x[at], and the rows begin `down` numbers apart.
A register holds as many channels of a pixel as it has lanes, of which those in `here` count, so six channels take one
instruction a pixel. A signal is an image of one row, since the innermost loop goes from window to window of a row. As plain
loops over channels, which LLVM leaves scalar if there are few of them, the pooling of a LeNet takes three times as long:

    us, float32, AVX-512                forward    backward
    64 of 24x24x6, window 2             215 -> 60   418 -> 130
    64 of 8x8x16, window 2               27 -> 10    27 -> 19
    32 of 254x32, window 2               63 -> 45   111 -> 100
"""

from __future__ import annotations

from modnet.kernels import simd
from modnet.kernels.compiled import inline


@inline
def span(a, stride, padding, k, length):
    """Window a along one axis: its first pixel in the image, and how many of its pixels are there."""
    first = a * stride - padding
    begin = max(first, 0)
    return begin, min(first + k, length) - begin


@inline
def lanes(like):
    """How many numbers of this type a register holds."""
    return simd.VECTOR_BYTES // like.itemsize


@inline
def are_alone(g):
    """Whether a pixel is in one window at most."""
    return (g.sh >= g.kh) & (g.sw >= g.kw)


@inline
def clear_unless_covered(dx, g):
    """dx = 0, unless every pixel is in exactly one window, which then sets it."""
    if (g.sh == g.kh) & (g.sw == g.kw) & (g.oh * g.kh == g.height) & (g.ow * g.kw == g.width):
        return
    zero = dx.dtype.type(0.0)
    for i in range(dx.size):
        dx[i] = zero


@inline
def largest(x, at, rows, pixels, down, chan, here, out, to):
    """out[to : to + chan] = the largest of each channel; a NaN is larger than any number."""
    most = simd.load(x, at, here)
    nan = most  # apart, so that a pixel waits for one instruction of the pixel before
    for i in range(rows):
        for j in range(pixels):
            value = simd.load(x, at + i * down + j * chan, here)
            most, nan = simd.larger(value, most), simd.nan_or(value, nan)
    simd.store(simd.nan_or(nan, most), out, to, here)


@inline
def to_first_largest(x, at, rows, pixels, down, chan, here, out, delta, to, dx, alone):
    """Each channel of delta at `to` goes to the first pixel that equals out there: added to dx, or set if windows are alone."""
    nothing = simd.zeros(x)
    most, rest = simd.load(out, to, here), simd.load(delta, to, here)
    if alone:
        for i in range(rows):
            for j in range(pixels):
                place = at + i * down + j * chan
                won = simd.same(simd.load(x, place, here), most)
                simd.store(simd.choose(won, rest, nothing), dx, place, here)
                rest = simd.choose(won, nothing, rest)
    else:
        for i in range(rows):
            for j in range(pixels):
                place = at + i * down + j * chan
                won = simd.same(simd.load(x, place, here), most)
                simd.store(simd.add(simd.choose(won, rest, nothing), simd.load(dx, place, here)), dx, place, here)
                rest = simd.choose(won, nothing, rest)


@inline
def total(x, at, rows, pixels, down, chan, here, share, out, to):
    """out[to : to + chan] = share times the sum of each channel."""
    found = simd.load(x, at, here)
    for i in range(rows):
        for j in range(1 if i == 0 else 0, pixels):
            found = simd.add(found, simd.load(x, at + i * down + j * chan, here))
    simd.store(simd.multiply(found, simd.spread(x, share)), out, to, here)


@inline
def to_all(delta, to, share, rows, pixels, down, chan, here, dx, at, alone):
    """share times each channel of delta at `to` goes to every pixel: added to dx, or set if windows are alone."""
    part = simd.multiply(simd.load(delta, to, here), simd.spread(dx, share))
    if alone:
        for i in range(rows):
            for j in range(pixels):
                simd.store(part, dx, at + i * down + j * chan, here)
    else:
        for i in range(rows):
            for j in range(pixels):
                place = at + i * down + j * chan
                simd.store(simd.add(part, simd.load(dx, place, here)), dx, place, here)
