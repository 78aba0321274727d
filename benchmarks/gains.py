"""What the fast forms of modnet's kernels gain against the same written plainly, or by BLAS: one thread, the nearest caches.

A process does all of it in the fast form, another in the plain one, by turns (`run.py --only gains`). Both are called by
compiled loops, and both give the same numbers, to rounding. Plain forms are loops as an equation says them, compiled with the
library's options; a plain convolution copies the windows of some rows to a matrix, which BLAS multiplies.

A step of a training is compared with the same step without one of the devices of `fit`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from typing import Any

import numba
import numpy as np

from modnet import MSE, BCEWithLogits, Conv1D, Conv2D, CrossEntropy, Linear, MaxPool1D, MaxPool2D, ReLU, Sequential, Tanh, fit
from modnet.engine.program import Binding, Program
from modnet.kernels import add_rows, affine, blas, flat, mathfun, matmul_nt, matmul_tn, matrix_at, start, vector_at
from modnet.kernels.compiled import (
    JIT_OPTIONS,
    call_backward,
    call_forward,
    call_gradient,
    call_hits,
    call_loss,
    call_loss_at_once,
    call_loss_backward,
)
from modnet.kernels.loops import fetch_rows
from modnet.kernels.windows import Geometry, add_back
from modnet.optim import Adam
from modnet.training import compiled
from modnet.training.runner import Runner

#: Calls something so many times.
Often = Callable[[int], Any]
#: What is done, on which sizes, in both forms; and what it writes, to be compared.
Case = tuple[str, str, Often, Often, tuple[np.ndarray, ...]]

jit = numba.njit(**JIT_OPTIONS)


def often(function: Any) -> Any:
    """A compiled loop of calls."""

    @jit
    def loop(times, *arguments):
        for _ in range(times):
            function(*arguments)

    return loop


def bound(loop: Any, *arguments: Any, keep: Any = None) -> Often:
    """Call it on these arguments; `keep` owns what addresses among them point to."""
    return lambda times, _=keep: loop(times, *arguments)


# --- products --------------------------------------------------------------------------------------------------------


@jit
def affine_by_blas(x, weight, bias, out):
    start(out, bias)
    blas._gemm(x, False, weight, False, out, True)


@jit
def nt_by_blas(a, b, out, add):
    blas._gemm(a, False, b, True, out, add)


@jit
def tn_by_blas(a, b, out, add):
    blas._gemm(a, True, b, False, out, add)


PRODUCTS = (32, 2, 16), (32, 16, 2), (32, 64, 100), (32, 100, 100), (10_000, 4, 32), (10_000, 32, 16), (256, 784, 512)


def products(dtype: str) -> Iterator[Case]:
    forms = {
        "x W + b": [often(f) for f in (affine, affine_by_blas)],
        "x' delta": [often(f) for f in (matmul_tn, tn_by_blas)],
        "delta W'": [often(f) for f in (matmul_nt, nt_by_blas)],
    }
    for name, (fast, plain) in forms.items():
        for rows, n, m in PRODUCTS:
            rng = np.random.default_rng(0)
            x, W, b, delta = (rng.normal(size=size).astype(dtype) for size in ((rows, n), (n, m), m, (rows, m)))
            out, dW, dx = np.empty_like(delta), np.empty_like(W), np.empty_like(x)
            given = {"x W + b": (x, W, b, out), "x' delta": (x, delta, dW, False), "delta W'": (delta, W, dx, False)}[name]
            wrote = {"x W + b": out, "x' delta": dW, "delta W'": dx}[name]
            yield name, f"{rows} x {n} x {m}", bound(fast, *given), bound(plain, *given), (wrote,)


# --- loops -----------------------------------------------------------------------------------------------------------


@jit
def add_rows_plainly(delta, total):
    for i in range(delta.shape[0]):
        for j in range(total.size):
            total[j] += delta[i, j]


@jit
def fetch_rows_plainly(data, examples, x):
    for i in range(examples.size):
        for j in range(x.shape[1]):
            x[i, j] = data[examples[i], j]


def loops(dtype: str) -> Iterator[Case]:
    rng = np.random.default_rng(0)
    fast, plain = often(add_rows), often(add_rows_plainly)
    for rows, n in (32, 16), (32, 100), (10_000, 32):
        delta, total = rng.normal(size=(rows, n)).astype(dtype) / rows, np.zeros(n, dtype)
        yield "bias gradient", f"{rows} x {n}", bound(fast, delta, total), bound(plain, delta, total), ()
    fast, plain = often(fetch_rows), often(fetch_rows_plainly)
    for rows, n in (32, 4), (32, 64), (256, 784):
        data, x = rng.normal(size=(8 * rows, n)).astype(dtype), np.empty((rows, n), dtype)
        given = data, rng.permutation(8 * rows)[:rows], x
        yield "fetching examples", f"{rows} of {n}", bound(fast, *given), bound(plain, *given), (x,)


@jit
def _sigmoid(x):
    return 1 / (1 + math.exp(-x))


def functions(dtype: str) -> Iterator[Case]:
    for name in ("exp", "expm1", "log", "log1p", "tanh", "sigmoid", "erf"):
        ours, theirs = getattr(mathfun, name), getattr(math, name, _sigmoid)

        @jit
        def fast(x, out, function=ours):
            for i in range(x.size):
                out[i] = function(x[i])

        @jit
        def plain(x, out, function=theirs):
            for i in range(x.size):
                out[i] = function(x[i])

        x = np.random.default_rng(0).uniform(0.1, 4, 4096).astype(dtype)
        out = np.empty_like(x)
        yield f"{name} against the C library's", "4096", bound(often(fast), x, out), bound(often(plain), x, out), (out,)


# --- pooling and convolution -----------------------------------------------------------------------------------------


@jit
def pool_plainly(x, out, g):
    x, out = flat(x), flat(out)
    for e in range(out.size // (g.oh * g.ow * g.chan)):
        for a in range(g.oh):
            for b in range(g.ow):
                at, to = ((e * g.height + a * g.sh) * g.width + b * g.sw) * g.chan, ((e * g.oh + a) * g.ow + b) * g.chan
                for c in range(g.chan):
                    out[to + c] = x[at + c]
                for i in range(g.kh):
                    for j in range(g.kw):
                        here = at + (i * g.width + j) * g.chan
                        for c in range(g.chan):
                            value = x[here + c]
                            out[to + c] = value if value > out[to + c] or value != value else out[to + c]


@jit
def unpool_plainly(x, out, delta, dx, g):
    x, out, delta, dx = flat(x), flat(out), flat(delta), flat(dx)
    dx[:] = 0
    for e in range(out.size // (g.oh * g.ow * g.chan)):
        for a in range(g.oh):
            for b in range(g.ow):
                at, to = ((e * g.height + a * g.sh) * g.width + b * g.sw) * g.chan, ((e * g.oh + a) * g.ow + b) * g.chan
                for c in range(g.chan):
                    first = at + c
                    while x[first] != out[to + c]:  # pixel by pixel, then row by row
                        first += g.chan
                        if (first - at) // g.chan % g.width == g.kw:
                            first += (g.width - g.kw) * g.chan
                    dx[first] += delta[to + c]


@jit
def copy_windows(x, e, a, rows, g, windows):
    """The windows of some rows of an example, copied one after the other: what a window sees of a row of x is one piece."""
    along, o = g.kw * g.chan, 0
    for i in range(a * g.sh, (a + rows) * g.sh, g.sh):
        for j in range(0, g.ow * g.sw, g.sw):
            for t in range(g.kh):
                source = vector_at(x, ((e * g.height + i + t) * g.width + j) * g.chan, along)
                target = vector_at(windows, (o * g.kh + t) * along, along)
                for q in range(along):
                    target[q] = source[q]
            o += 1


@jit
def by_blas(operation, x, other, weight, g):
    """1: other = windows W; 2: weight += windows' other; 3: x = the rows of other W', added back. All but W are flat."""
    K, m = weight.shape
    rows = max(1, min(g.oh, 32768 // (K * g.ow)))
    windows = np.empty(rows * g.ow * K, x.dtype)
    if operation == 3:
        x[:] = 0
    for e in range(x.size // (g.height * g.width * g.chan)):
        for a in range(0, g.oh, rows):
            here = min(rows, g.oh - a)
            matrix = matrix_at(windows, 0, here * g.ow, K)
            result = matrix_at(other, (e * g.oh + a) * g.ow * m, here * g.ow, m)
            if operation == 3:
                blas._gemm(result, False, weight, True, matrix, False)
                add_back(windows, 1, x, e, a, here, g)
            else:
                copy_windows(x, e, a, here, g, windows)
                if operation == 1:
                    blas._gemm(matrix, False, weight, False, result, False)
                else:
                    blas._gemm(matrix, True, result, False, weight, True)


_forward, _gradient, _backward = map(often, (call_forward, call_gradient, call_backward))


def windows(dtype: str) -> Iterator[Case]:
    plain_pool, plain_unpool, plain_convolution = map(often, (pool_plainly, unpool_plainly, by_blas))
    for batch, shape, module in [
        (64, (24, 24, 6), MaxPool2D(2)),
        (64, (8, 8, 16), MaxPool2D(2)),
        (32, (254, 32), MaxPool1D(2)),
        (64, (28, 28, 1), Conv2D(5, 1, 6, bias=False, rng=0)),
        (64, (12, 12, 6), Conv2D(5, 6, 16, bias=False, rng=0)),
        (32, (256, 1), Conv1D(3, 1, 32, bias=False, rng=0)),
        (32, (18, 18, 32), Conv2D(3, 32, 64, bias=False, rng=0)),
    ]:
        net = module.astype(dtype)
        rng, g, sizes = np.random.default_rng(0), Geometry(*net.sizes(shape)), " x ".join(map(str, (batch, *shape)))
        own = Binding(net, shape, np.dtype(dtype))
        code = [own.address(operation) for operation in type(net).operations]
        x = rng.normal(size=(batch, math.prod(shape))).astype(dtype)
        out = np.empty((batch, math.prod(net.output_shape(shape))), dtype)
        delta, dx = rng.normal(size=out.shape).astype(dtype) / batch, np.empty_like(x)
        rest = own.parameters, own.state, own.z, own.s, 0
        forward = bound(_forward, code[0], x, out, *rest, keep=own)
        backward = bound(_backward, code[2], x, out, delta, dx, *rest, keep=own)
        if own.parameters.size == 0:
            yield "max pooling", sizes, forward, bound(plain_pool, x, out, g), (out,)
            yield "max pooling, backward", sizes, backward, bound(plain_unpool, x, out, delta, dx, g), (dx,)
            continue
        W, dW = net.weight.reshape(-1, g.chan_out), own.gradient
        flat_x, flat_out, flat_delta, flat_dx = (array.reshape(-1) for array in (x, out, delta, dx))
        gradient = bound(_gradient, code[1], x, out, delta, dW, *rest[:2], own.z_gradient, own.s, 0, 1, keep=own)
        yield "convolution", sizes, forward, bound(plain_convolution, 1, flat_x, flat_out, W, g), (out,)
        yield "convolution, dW", sizes, gradient, bound(plain_convolution, 2, flat_x, flat_delta, dW.reshape(W.shape), g), ()
        yield "convolution, dx", sizes, backward, bound(plain_convolution, 3, flat_dx, flat_delta, W, g), (dx,)


# --- losses ----------------------------------------------------------------------------------------------------------


@jit
def _in_three(loss, hits, backward, y, yhat, out, right, delta, z, s):
    call_loss(loss, y, yhat, out, z, s)
    if hits != 0:
        call_hits(hits, y, yhat, right, z, s)
    call_loss_backward(backward, y, yhat, delta, z, s)


def losses(dtype: str) -> Iterator[Case]:
    fast, plain = often(call_loss_at_once), often(_in_three)
    for loss, rows, n in (CrossEntropy(), 32, 2), (CrossEntropy(), 32, 10), (BCEWithLogits(), 32, 256), (MSE(), 10_000, 4):
        rng = np.random.default_rng(0)
        truth = rng.integers(0, n, rows) if isinstance(loss, CrossEntropy) else rng.random((rows, n))
        yhat = rng.normal(size=(rows, n)).astype(dtype)
        y, z = loss.targets(truth, yhat.shape, yhat.dtype)
        out, right, delta = np.empty(rows, dtype), np.empty(rows, dtype), np.empty_like(yhat)
        kind, s = type(loss), loss.setting_words().ctypes.data
        one, backward, hits = (0 if op is None else op.address(kind, yhat.dtype) for op in kind.operations)
        given = y, yhat, out, right, delta, z.address, s
        yield (
            f"{kind.__name__} and its delta in one pass", f"{rows} x {n}",
            bound(fast, kind.in_one_pass.address(kind, yhat.dtype), *given, keep=(loss, z)),
            bound(plain, one, hits, backward, *given, keep=(loss, z)), (out, delta),
        )  # fmt: skip


# --- devices of fit --------------------------------------------------------------------------------------------------


@contextmanager
def replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    """An attribute of a module or a class is something else for a while."""
    missing = object()
    before = vars(owner).get(name, missing)
    setattr(owner, name, value)
    try:
        yield
    finally:
        if before is missing:
            delattr(owner, name)
        else:
            setattr(owner, name, before)


def dense(*sizes: int, activation: type[Any]) -> list[Any]:
    """Linear layers with an activation between them."""
    layers: list[Any] = []
    for i, (n, m) in enumerate(pairwise(sizes)):
        layers += [Linear(n, m, rng=i), activation()]
    return layers[:-1]


def training(layers: list[Any], n: int, batch: int, loss: Any, dtype: str) -> tuple[Often, tuple[np.ndarray, ...]]:
    """A training of so many epochs, and the parameters that it moves."""
    net, rng, outputs = Sequential(*layers).astype(dtype), np.random.default_rng(0), layers[-1].out_features
    optimizer = Adam(1e-4).attach(net)
    X = rng.normal(size=(n, layers[0].in_features)).astype(dtype)
    y = rng.integers(0, outputs, n) if isinstance(loss, CrossEntropy) else rng.random((n, outputs)).astype(dtype)

    def train(times: int) -> None:
        fit(net, X, y, loss=loss, optimizer=optimizer, epochs=times, batch_size=batch, rng=0, progress=False)

    return train, (net.parameters,)


def devices(dtype: str) -> Iterator[Case]:
    """Epochs of trainings, and the same without one device."""
    never = property(lambda runner: False, lambda runner, value: None)
    a_call_an_epoch = partial(replaced, compiled, "_MOST_EPOCHS", 1)
    adds = partial(replaced, Program, "writes_gradient", False)
    fetches = partial(replaced, Runner, "whole", never)
    for name, sizes, without, n, batch, loss, layers in [
        ("several epochs a call", "2-8-2 on 4", a_call_an_epoch, 4, 4, CrossEntropy(), ((2, 8, 2), Tanh)),
        ("several epochs a call", "2-16-16-2 on 1024", a_call_an_epoch, 1024, 32, CrossEntropy(), ((2, 16, 16, 2), ReLU)),
        ("the gradient is written, not added to", "64-100-10", adds, 1792, 32, CrossEntropy(), ((64, 100, 10), ReLU)),
        ("the only batch is fetched once", "4-32-16-4 on 10,000", fetches, 10_000, 10_000, MSE(), ((4, 32, 16, 4), Tanh)),
    ]:
        train, moved = training(dense(*layers[0], activation=layers[1]), n, batch, loss, dtype)

        def plain(times: int, train: Often = train, without: Any = without) -> None:
            with without():
                train(times)

        yield name, sizes, train, plain, moved


CASES = products, loops, functions, windows, losses, devices


class Gains:
    """All cases in one form. The arrays that a case wrote in its first call are kept, to be compared with the other form's."""

    def __init__(self, is_plain: bool, dtype: str) -> None:
        self.form, self.cases = 3 if is_plain else 2, [case for cases in CASES for case in cases(dtype)]

    def names(self) -> list[tuple[str, str]]:
        return [case[:2] for case in self.cases]

    def first(self, which: int, path: str) -> None:
        self.cases[which][self.form](1)
        np.save(path, np.concatenate([array.reshape(-1) for array in self.cases[which][4]] or [np.empty(0)]))

    def turn(self, which: int, seconds: float) -> float:
        """Seconds of a call, in the mean over about so long."""
        call, times, taken = self.cases[which][self.form], 1, 0.0
        while taken < seconds / 2:
            started = time.perf_counter()
            call(times)
            taken = time.perf_counter() - started
            times *= 2
        return 2 * taken / times
