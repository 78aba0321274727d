"""Small loops that several kernels need."""

from __future__ import annotations

from modnet.kernels.compiled import inline
from modnet.kernels.memory import flat


@inline
def copy(source, target):
    """target = source, of one size. A loop, since numba takes ten times as long to compile ``target[:, :] = source``."""
    source, target = flat(source), flat(target)
    for i in range(source.size):
        target[i] = source[i]


@inline
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


@inline
def add_rows(delta, total):
    """total (m,) += the sum of the rows of delta (rows, m). Nothing if total is empty."""
    for i in range(delta.shape[0] if total.size else 0):
        for j in range(total.size):
            total[j] += delta[i, j]
