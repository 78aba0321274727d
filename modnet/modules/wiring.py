"""The rows by which containers connect slots of a table: one copied to another, added to it, or put into some of its columns.

They belong to no module: `PLAIN` stands for one without parameters.
"""

from __future__ import annotations

from modnet.kernels import inline, kernel
from modnet.module import KernelModule


@inline
def copy(source, target):
    """target = source, of one size. A loop, since numba takes ten times as long to compile ``target[:, :] = source``."""
    source, target = source.reshape(source.size), target.reshape(target.size)
    for i in range(source.size):
        target[i] = source[i]


@kernel("forward")
def copy_forward(x, out, params, state, sizes, hyper):
    # x, out (batch, features)
    copy(x, out)


@kernel("forward")
def add_forward(x, out, params, state, sizes, hyper):
    # x, out (batch, features); differentiated by copy_backward, as a copy is
    x, out = x.reshape(x.size), out.reshape(x.size)
    for i in range(x.size):
        out[i] += x[i]


@kernel("backward")
def copy_backward(x, out, delta, dx, params, state, sizes, hyper):
    # out = x, or out += x
    copy(delta, dx)


@kernel("forward")
def columns_forward(x, out, params, state, sizes, hyper):
    # x (batch, rows * n), out (batch, rows * total); sizes n, total, and the first of the n columns
    n, total, start = sizes[0], sizes[1], sizes[2]
    rows = x.size // n
    x, out = x.reshape(rows, n), out.reshape(rows, total)
    for i in range(rows):
        for j in range(n):
            out[i, start + j] = x[i, j]


@kernel("backward")
def columns_backward(x, out, delta, dx, params, state, sizes, hyper):
    # out[i, start + j] = x[i, j]
    n, total, start = sizes[0], sizes[1], sizes[2]
    rows = dx.size // n
    delta, dx = delta.reshape(rows, total), dx.reshape(rows, n)
    for i in range(rows):
        for j in range(n):
            dx[i, j] = delta[i, start + j]


PLAIN = KernelModule()
COPY = (copy_forward, None, copy_backward)
ADD = (add_forward, None, copy_backward)
COLUMNS = (columns_forward, None, columns_backward)
