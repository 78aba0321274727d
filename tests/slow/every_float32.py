"""modnet.kernels.mathfun on every float32 there is: `python tests/slow/every_float32.py [function ...]`.

Prints each function's worst error in ulp and where it is, and exits with 1 when one is over the bound, a NaN
is missing or too many, an infinity comes where the true result, rounded, is finite (or the reverse), or a
zero has the wrong sign. The reference is the float64 function of numpy or SciPy, wrong itself by 1e-8 of a
float32 ulp or so. All cores are used; two of them take three minutes. pytest can run it too.
"""

import argparse
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numba
import numpy as np
from scipy import special

from modnet.kernels import mathfun

BOUND = 2.0
CHUNK = 2**16
REFERENCES = {
    "exp": np.exp,
    "expm1": np.expm1,
    "log": np.log,
    "log1p": np.log1p,
    "tanh": np.tanh,
    "sigmoid": special.expit,
    "erf": special.erf,
}
# Halfway from the largest float32 to 2^128: what is below rounds to a finite number.
ROUNDS_TO_INFINITY = 2.0**128 - 2.0**103


class Worst(NamedTuple):
    """An error in ulp (infinite for a wrong special value), the bits of its x, and both results."""

    error: float
    bits: int
    got: float
    want: float


@numba.njit(error_model="numpy", nogil=True)
def worst_of(start, got, want, ulps):
    """The largest error of a chunk; ulps[e + 200] is the ulp of a number of exponent e."""
    error, at = -1.0, 0
    for i in range(got.size):
        g, w = np.float64(got[i]), want[i]
        if np.isnan(w) or np.isnan(g):
            e = 0.0 if np.isnan(w) and np.isnan(g) else np.inf
        elif abs(w) >= ROUNDS_TO_INFINITY or np.isinf(g):
            e = 0.0 if abs(w) >= ROUNDS_TO_INFINITY and np.isinf(g) and (g > 0) == (w > 0) else np.inf
        elif (np.copysign(1.0, g) > 0) != (np.copysign(1.0, w) > 0):
            e = np.inf
        else:
            # Below 2^-126 all float32 are equally far apart.
            exponent = max((np.float64(w).view(np.int64) >> 52 & 0x7FF) - 1023, -126)
            e = abs(g - w) / ulps[exponent + 200]
        if e > error:
            error, at = e, i
    return error, start + at, np.float64(got[at]), want[at]


def on_every_float32(name: str) -> Worst:
    """The worst error of one function over all 2^32 bit patterns."""
    function, reference = getattr(mathfun, name), REFERENCES[name]
    ulps = 2.0 ** (np.arange(-200, 200) - 23)

    @numba.njit(error_model="numpy", nogil=True)
    def kernel(x, out):
        for i in range(x.size):
            out[i] = function(x[i])

    def chunk(start: int) -> Worst:
        x = np.arange(start, start + CHUNK, dtype=np.uint32).view(np.float32)
        got = np.empty_like(x)
        kernel(x, got)
        with np.errstate(all="ignore"):
            want = reference(x.astype(np.float64))
        return Worst(*worst_of(start, got, want, ulps))

    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as threads:
        return max(threads.map(chunk, range(0, 2**32, CHUNK)), key=lambda worst: worst.error)


def main(names: list[str]) -> int:
    """Check the functions named, print a line for each, and return how many are over the bound."""
    over = 0
    for name in names:
        worst = on_every_float32(name)
        over += worst.error > BOUND
        x = np.uint32(worst.bits).view(np.float32)
        print(
            f"{name:8} worst {worst.error:.3f} ulp, at x = {x!s} (bits 0x{worst.bits:08x}): "
            f"{worst.got!r}, true {worst.want!r}{'  OVER THE BOUND' if worst.error > BOUND else ''}",
            flush=True,
        )
    return over


def test_no_float32_is_wrong_by_more_than_two_ulp():
    assert main(list(REFERENCES)) == 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="check modnet.kernels.mathfun on every float32")
    parser.add_argument("function", nargs="*", help=f"of {', '.join(REFERENCES)}; all where none is named")
    chosen = parser.parse_args().function
    if unknown := set(chosen) - set(REFERENCES):
        parser.error(f"no function {', '.join(sorted(unknown))}, expected of {', '.join(REFERENCES)}")
    if numba.config.DISABLE_JIT:
        parser.error("NUMBA_DISABLE_JIT is set, expected compiled kernels: Python would take a week")
    sys.exit(1 if main(chosen or list(REFERENCES)) else 0)
