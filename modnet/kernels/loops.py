"""Small loops that several kernels need."""

from __future__ import annotations

from modnet.kernels import simd
from modnet.kernels.compiled import inline_always
from modnet.kernels.memory import flat


@inline_always
def copy(source, target):
    """target = source, of one size. A loop, since numba takes ten times as long to compile ``target[:, :] = source``."""
    source, target = flat(source), flat(target)
    for i in range(source.size):
        target[i] = source[i]


@inline_always
def start(out, bias):
    """Each row of out (rows, m) = bias (m,), or zeros if there is none."""
    if bias.size == 0:
        zero = out.dtype.type(0.0)
        out = flat(out)
        for i in range(out.size):
            out[i] = zero
    else:
        for i in range(out.shape[0]):
            for j in range(bias.size):
                out[i, j] = bias[j]


@inline_always
def begin(total, add):
    """Set a gradient to zeros, unless it is one to add to."""
    total = flat(total)
    for i in range(0 if add else total.size):
        total[i] = 0


@inline_always
def add_rows(delta, total):
    """total (m,) += the sum of the rows of delta, seen as (rows, m). Nothing if total is empty.

    For each register of columns there are two sums, of the even rows and of the odd ones, which do not wait for each other.
    """
    m = total.size
    delta, rows = flat(delta), delta.size // max(1, m)
    for j in range(0, m, simd.lanes(delta)):
        here = simd.first(delta, m - j)
        even, odd = simd.load(total, j, here), simd.zeros(delta)
        for i in range(0, rows - 1, 2):
            even = simd.add(even, simd.load(delta, i * m + j, here))
            odd = simd.add(odd, simd.load(delta, (i + 1) * m + j, here))
        if rows % 2 == 1:
            even = simd.add(even, simd.load(delta, (rows - 1) * m + j, here))
        simd.store(simd.add(even, odd), total, j, here)


@inline_always
def fetch_rows(data, examples, x):
    """x[i] = data[examples[i]], matrices with equally long rows. By registers: LLVM leaves the plain loop scalar."""
    n, lanes = data.shape[1], simd.VECTOR_BYTES // data.itemsize
    source, target = flat(data), flat(x)
    if n < 3:
        for j in range(n):
            for i in range(examples.size):
                target[i * n + j] = source[examples[i] * n + j]
        return
    before = (n - 1) // lanes * lanes
    full, last = simd.first(data, lanes), simd.first(data, n - before)
    for i in range(examples.size):
        at, to = examples[i] * n, i * n
        for j in range(0, before, lanes):
            simd.store(simd.load(source, at + j, full), target, to + j, full)
        simd.store(simd.load(source, at + before, last), target, to + before, last)
