"""One window of a pooling: its pixels, channel by channel, by registers (`modnet.kernels.simd`).

A window has `rows` rows of `pixels` pixels of `chan` numbers; the first lies at x[at], and the rows begin `down` numbers apart.
A register holds as many channels of a pixel as it has lanes, so six channels take one instruction a pixel. As plain loops over
channels, which LLVM leaves scalar if there are few of them, the pooling of a LeNet takes three to four times as long:

    us, float32, AVX-512                forward    backward
    64 of 24x24x6, window 2             215 -> 58   418 -> 121
    64 of 8x8x16, window 2               27 -> 7     27 -> 14
    32 of 254x32, window 2               63 -> 44   111 -> 96
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
def largest(x, at, rows, pixels, down, chan, out, to):
    """out[to : to + chan] = the largest of each channel; a NaN is larger than any number."""
    lanes = simd.VECTOR_BYTES // x.itemsize
    for c in range(0, chan, lanes):
        here = simd.first(x, chan - c)
        most = simd.load(x, at + c, here)
        for i in range(rows):
            for j in range(pixels):
                value = simd.load(x, at + i * down + j * chan + c, here)
                most = simd.choose(simd.wins(value, most), value, most)
        simd.store(most, out, to + c, here)


@inline
def to_first_largest(x, at, rows, pixels, down, chan, out, delta, to, dx, alone):
    """Each channel of delta at `to` goes to the first pixel that equals out there: added to dx, or set if windows are alone."""
    lanes = simd.VECTOR_BYTES // x.itemsize
    nothing = simd.zeros(x)
    for c in range(0, chan, lanes):
        here = simd.first(x, chan - c)
        most, rest = simd.load(out, to + c, here), simd.load(delta, to + c, here)
        for i in range(rows):
            for j in range(pixels):
                place = at + i * down + j * chan + c
                won = simd.same(simd.load(x, place, here), most)
                new = simd.choose(won, rest, nothing)
                if not alone:
                    new = simd.add(new, simd.load(dx, place, here))
                simd.store(new, dx, place, here)
                rest = simd.choose(won, nothing, rest)


@inline
def total(x, at, rows, pixels, down, chan, share, out, to):
    """out[to : to + chan] = share times the sum of each channel."""
    lanes = simd.VECTOR_BYTES // x.itemsize
    for c in range(0, chan, lanes):
        here = simd.first(x, chan - c)
        found = simd.load(x, at + c, here)
        for i in range(rows):
            for j in range(1 if i == 0 else 0, pixels):
                found = simd.add(found, simd.load(x, at + i * down + j * chan + c, here))
        simd.store(simd.multiply(found, simd.spread(x, share)), out, to + c, here)


@inline
def to_all(delta, to, share, rows, pixels, down, chan, dx, at, alone):
    """share times each channel of delta at `to` goes to every pixel: added to dx, or set if windows are alone."""
    lanes = simd.VECTOR_BYTES // dx.itemsize
    for c in range(0, chan, lanes):
        here = simd.first(dx, chan - c)
        part = simd.multiply(simd.load(delta, to + c, here), simd.spread(dx, share))
        for i in range(rows):
            for j in range(pixels):
                place = at + i * down + j * chan + c
                simd.store(part if alone else simd.add(part, simd.load(dx, place, here)), dx, place, here)
