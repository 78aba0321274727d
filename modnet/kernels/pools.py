"""Pooling, a row of windows at a time: pixel by pixel, channel by channel, by registers (`modnet.kernels.simd`).

A register holds as many channels of a pixel as it has lanes, of which those in `here` count, so six channels take one
instruction a pixel. A signal is an image of one row, since the innermost loop goes from window to window of a row. LLVM leaves
plain loops over few channels scalar: see docs/speed.md for what this gains.
"""

from __future__ import annotations

from modnet.kernels import simd
from modnet.kernels.compiled import inline, inline_always
from modnet.kernels.memory import flat


@inline
def span(a, stride, padding, k, length):
    """Window a along one axis: its first pixel in the image, and how many of its pixels are there."""
    first = a * stride - padding
    if padding == 0:  # all, and the compiler sees that it is so for a whole row: pooling takes 0.8 of the time
        return first, k
    begin = max(first, 0)
    return begin, min(first + k, length) - begin


@inline
def window(g, e, a, top, b, c):
    """Window b of row a of example e, from channel c on: where it begins in x and in out, and the pixels of a row of it."""
    left, pixels = span(b, g.sw, g.pw, g.kw, g.width)
    return ((e * g.height + top) * g.width + left) * g.chan + c, ((e * g.oh + a) * g.ow + b) * g.chan + c, pixels


@inline
def are_alone(g):
    """Whether a pixel is in one window at most."""
    return (g.sh >= g.kh) & (g.sw >= g.kw)


@inline
def clear_unless_covered(dx, g):
    """dx = 0, unless every pixel is in exactly one window, which then sets it."""
    if (g.sh == g.kh) & (g.sw == g.kw) & (g.oh * g.kh == g.height) & (g.ow * g.kw == g.width):
        return
    dx, zero = flat(dx), dx.dtype.type(0.0)
    for i in range(dx.size):
        dx[i] = zero


@inline
def largest(x, out, g, e, a):
    """out = the largest of each channel, in each window of row a of example e; a NaN is larger than any number."""
    x, out, down = flat(x), flat(out), g.width * g.chan
    top, rows = span(a, g.sh, g.ph, g.kh, g.height)
    for c in range(0, g.chan, simd.lanes(x)):
        here = simd.first(x, g.chan - c)
        for b in range(g.ow):
            at, to, pixels = window(g, e, a, top, b, c)
            most = simd.load(x, at, here)
            nan = most  # apart, so that a pixel waits for one instruction of the pixel before
            for i in range(rows):
                for j in range(pixels):
                    value = simd.load(x, at + i * down + j * g.chan, here)
                    most, nan = simd.larger(value, most), simd.nan_or(value, nan)
            simd.store(simd.nan_or(nan, most), out, to, here)


@inline
def to_first_largest(x, out, delta, dx, g, e, a):
    """Each channel of delta goes to the first pixel of its window that equals out: added to dx, or set if windows are alone."""
    if are_alone(g):  # twice, so that it is not asked at each pixel: 1.2 times as fast
        _to_first_largest(x, out, delta, dx, True, g, e, a)
    else:
        _to_first_largest(x, out, delta, dx, False, g, e, a)


@inline_always
def _to_first_largest(x, out, delta, dx, alone, g, e, a):
    x, out, delta, dx, down = flat(x), flat(out), flat(delta), flat(dx), g.width * g.chan
    nothing = simd.zeros(x)
    top, rows = span(a, g.sh, g.ph, g.kh, g.height)
    for c in range(0, g.chan, simd.lanes(x)):
        here = simd.first(x, g.chan - c)
        for b in range(g.ow):
            at, to, pixels = window(g, e, a, top, b, c)
            most, rest = simd.load(out, to, here), simd.load(delta, to, here)
            for i in range(rows):
                for j in range(pixels):
                    place = at + i * down + j * g.chan
                    won = simd.same(simd.load(x, place, here), most)
                    new = simd.choose(won, rest, nothing)
                    if not alone:
                        new = simd.add(new, simd.load(dx, place, here))
                    simd.store(new, dx, place, here)
                    rest = simd.choose(won, nothing, rest)


@inline
def total(x, out, share, g, e, a):
    """out = share times the sum of each channel, in each window of row a of example e."""
    x, out, down = flat(x), flat(out), g.width * g.chan
    top, rows = span(a, g.sh, g.ph, g.kh, g.height)
    lanes, two = simd.lanes(x), g.chan > simd.lanes(x)
    for c in range(0, g.chan, 2 * lanes):  # two registers of a pixel at once: one would leave out every second 64 bytes
        here, after = simd.first(x, g.chan - c), simd.first(x, max(0, g.chan - c - lanes))
        for b in range(g.ow):
            at, to, pixels = window(g, e, a, top, b, c)
            found, other = simd.zeros(x), simd.zeros(x)
            for i in range(rows):
                for j in range(pixels):
                    place = at + i * down + j * g.chan
                    found = simd.add(found, simd.load(x, place, here))
                    if two:
                        other = simd.add(other, simd.load(x, place + lanes, after))
            simd.store(simd.multiply(found, simd.spread(x, share)), out, to, here)
            if two:
                simd.store(simd.multiply(other, simd.spread(x, share)), out, to + lanes, after)


@inline
def to_all(delta, dx, share, g, e, a):
    """share times each channel of delta goes to every pixel of its window: added to dx, or set if windows are alone."""
    delta, dx, down, alone = flat(delta), flat(dx), g.width * g.chan, are_alone(g)
    top, rows = span(a, g.sh, g.ph, g.kh, g.height)
    for c in range(0, g.chan, simd.lanes(dx)):
        here = simd.first(dx, g.chan - c)
        for b in range(g.ow):
            at, to, pixels = window(g, e, a, top, b, c)
            part = simd.multiply(simd.load(delta, to, here), simd.spread(dx, share))
            for i in range(rows):
                for j in range(pixels):
                    place = at + i * down + j * g.chan
                    simd.store(part if alone else simd.add(part, simd.load(dx, place, here)), dx, place, here)
