"""The three products of a convolution, one thread, float32: as modnet makes them, with BLAS, and PyTorch's, by turns.

    python benchmarks/windows.py [rounds]

This is where the table in `modnet.modules.conv` comes from. The column of BLAS is how convolutions are usually written: the
windows of some rows are copied to a matrix of at most 128 kB, which BLAS multiplies; what it gives for dL/dx is added back as
modnet does.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from statistics import median

import numba
import numpy as np
from convolution import ONE_THREAD

from modnet import Conv2D
from modnet.engine.program import Binding
from modnet.kernels import matmul, matmul_nt, matmul_tn, matrix_at, vector_at
from modnet.kernels.compiled import JIT_OPTIONS, enter_backward, enter_forward, enter_gradient
from modnet.kernels.windows import Geometry, add_back

# batch, height, width, channels in, window, padding, channels out
CASES = {
    "5x5,  1 ->  6 channels, 64 of 28x28, padding 2": (64, 28, 28, 1, 5, 2, 6),
    "5x5,  6 -> 16 channels, 64 of 14x14": (64, 14, 14, 6, 5, 0, 16),
    "3x3, 32 -> 64 channels, 32 of 16x16, padding 1": (32, 16, 16, 32, 3, 1, 64),
}


@numba.njit(**JIT_OPTIONS)
def copy_windows(x, e, a, rows, g, windows):
    """The windows of some rows of an example, copied one after the other: what a window sees of a row of x is one piece."""
    along = g.kw * g.chan
    o = 0
    for i in range(a * g.sh - g.ph, (a + rows) * g.sh - g.ph, g.sh):
        for j in range(-g.pw, g.ow * g.sw - g.pw, g.sw):
            left, right = max(0, -j), min(g.kw, g.width - j)
            n = (right - left) * g.chan
            if g.ph > 0 or g.pw > 0:
                whole = vector_at(windows, o * g.kh * along, g.kh * along)
                for q in range(whole.size):
                    whole[q] = 0
            for t in range(max(0, -i), min(g.kh, g.height - i)):
                source = vector_at(x, ((e * g.height + i + t) * g.width + j + left) * g.chan, n)
                target = vector_at(windows, (o * g.kh + t) * along + left * g.chan, n)
                for q in range(n):
                    target[q] = source[q]
            o += 1


@numba.njit(**JIT_OPTIONS)
def by_blas(operation, x, other, weight, g):
    """1: other = windows W; 2: weight += windows^T other; 3: x = the rows of other W^T, added back. All but W are flat."""
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
                matmul_nt(result, weight, matrix, False)
                add_back(windows, 1, x, e, a, here, g)
            else:
                copy_windows(x, e, a, here, g, windows)
                if operation == 1:
                    matmul(matrix, weight, result, False)
                else:
                    matmul_tn(matrix, result, weight, True)


def operations(case: tuple[int, ...]) -> dict[str, list[Callable[[], None]]]:
    """For each library, the operations (1), (2) and (3) of `modnet.modules.conv` on one batch."""
    import torch
    from torch.nn import functional, grad

    torch.set_num_threads(1)
    batch, height, width, chan_in, k, padding, chan_out = case
    layer = Conv2D(k, chan_in, chan_out, padding=padding, bias=False, rng=0).astype("float32")
    shape = (height, width, chan_in)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(batch, height * width * chan_in)).astype("float32")
    sizes, places = Geometry(*layer.sizes(shape)), layer.output_shape(shape)
    delta = rng.normal(size=(batch, int(np.prod(places)))).astype("float32")
    bound = Binding(layer, shape, x.dtype)
    forward, gradient, backward = map(bound.address, Conv2D.operations)
    out, dx, dW = np.empty_like(delta), np.empty_like(x), layer.weight_gradient
    rest = (bound.parameters, bound.state, bound.z, bound.s, 0)
    W = layer.weight.reshape(-1, chan_out)
    blas_out, blas_dx, blas_dW = np.empty(out.size, "float32"), np.empty(x.size, "float32"), np.zeros_like(W)
    images = torch.tensor(np.moveaxis(x.reshape(batch, *shape), -1, 1).copy())
    slopes = torch.tensor(np.moveaxis(delta.reshape(batch, *places), -1, 1).copy())
    weight = torch.tensor(layer.weight.transpose(3, 2, 0, 1).copy())
    found = {
        "modnet": [
            lambda: enter_forward.call(forward, x, out, *rest),
            lambda: enter_gradient.call(gradient, x, out, delta, bound.gradient, *rest),
            lambda: enter_backward.call(backward, x, out, delta, dx, *rest),
        ],
        "BLAS": [
            lambda: by_blas(1, x.reshape(-1), blas_out, W, sizes),
            lambda: by_blas(2, x.reshape(-1), delta.reshape(-1), blas_dW, sizes),
            lambda: by_blas(3, blas_dx, delta.reshape(-1), W, sizes),
        ],
        "PyTorch": [
            lambda: functional.conv2d(images, weight, padding=padding),
            lambda: grad.conv2d_weight(images, weight.shape, slopes, padding=padding),
            lambda: grad.conv2d_input(images.shape, weight, slopes, padding=padding),
        ],
    }
    results = []
    for calls in found.values():
        results.append([call() for call in calls])
    for ours, blas, theirs in ((out, blas_out, results[2][0]), (dW, blas_dW, results[2][1]), (dx, blas_dx, results[2][2])):
        torchs = theirs.numpy().transpose(2, 3, 1, 0) if ours is dW else np.moveaxis(theirs.numpy(), 1, -1)
        for other in (blas, torchs):
            np.testing.assert_allclose(other.reshape(-1), ours.reshape(-1), rtol=1e-3, atol=1e-3 * abs(ours).max())
    return found


def main() -> None:
    if any(os.environ.get(name) != value for name, value in ONE_THREAD.items()):  # read when a library is loaded
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | ONE_THREAD)
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    print(f"{'best and median ms':48s}" + "".join(f"{f'({i}) modnet':>14s}{'BLAS':>14s}{'PyTorch':>14s}" for i in (1, 2, 3)))
    for title, case in CASES.items():
        found, line = operations(case), ""
        for which in range(3):
            seconds: dict[str, list[float]] = {name: [] for name in found}
            for _ in range(rounds):
                for name, calls in found.items():
                    start = time.perf_counter()
                    calls[which]()
                    seconds[name].append(time.perf_counter() - start)
            line += "".join(f"{1e3 * min(s):7.2f}{1e3 * median(s):7.2f}" for s in seconds.values())
        print(f"{title:48s}{line}", flush=True)


if __name__ == "__main__":
    main()
