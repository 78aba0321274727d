"""Derive every constant of modnet/kernels/mathfun.py: `python benchmarks/derive_mathfun.py`.

Prints, for float32 and float64, the names and values that stand in `FLOAT32` and `FLOAT64` there, and beside
each polynomial the largest error that it alone would cause, in units of 2**-24 (float32) or 2**-53 (float64),
half the spacing of the numbers just above 1. With `--check` it prints nothing but the differences, and exits
1 if there are any. It takes about 20 seconds and needs mpmath.

How the coefficients are found.
(1) A polynomial of degree n whose weighted error reaches +e, -e, +e, ... at n + 2 points and is nowhere
    larger is the best there is (Chebyshev's alternation theorem).
(2) Remez: guess the n + 2 points; solve the linear system "the error alternates there" for the n + 1
    coefficients and e; move each point to the largest error of its sign nearby; repeat until nothing is
    larger than e.
(3) The weight turns the polynomial's error into a relative error of the function it serves.
(4) Rounding the coefficients to the format spoils (1). So the coefficient of the lowest power, which matters
    most, is rounded first, the others are fitted again around it, then the next one is rounded, and so on.

Source: E. Remez, "Sur la determination des polynomes d'approximation de degre donnee", 1934; for (4) the
idea, not the method, of N. Brisebarre and S. Chevillard, "Efficient polynomial L-infinity approximations",
ARITH 2007.
"""

import argparse
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import mpmath
import numpy as np
from mpmath import mp, mpf

Function = Callable[[Any], Any]

GRID_PER_UNKNOWN = 40


class Fit(NamedTuple):
    """A polynomial to find: approximate `target` on [low, high], its error multiplied by `weight`."""

    target: Function
    weight: Function
    low: Any
    high: Any


def alternation(error: list[Any], count: int) -> list[int]:
    """The indices of `count` points at which `error` alternates in sign and is as large as possible."""
    peaks: list[int] = []
    for i, e in enumerate(error):
        if peaks and (error[peaks[-1]] > 0) == (e > 0):
            if abs(e) > abs(error[peaks[-1]]):
                peaks[-1] = i
        else:
            peaks.append(i)
    while len(peaks) > count:
        smallest = min(range(len(peaks)), key=lambda p: abs(error[peaks[p]]))
        if len(peaks) == count + 1 or smallest in (0, len(peaks) - 1):
            # Only an end can go without two neighbours of the same sign meeting.
            del peaks[0 if abs(error[peaks[0]]) < abs(error[peaks[-1]]) else -1]
        else:
            del peaks[smallest]
            pair = (smallest - 1, smallest)
            del peaks[min(pair, key=lambda p: abs(error[peaks[p]]))]
    return peaks


def remez(grid: list[Any], target: list[Any], weight: list[Any], degree: int) -> list[Any]:
    """Coefficients, lowest power first, that make weight * (target - polynomial) smallest on the grid."""
    unknowns = degree + 2
    points = [len(grid) * (2 * r + 1) // (2 * unknowns) for r in range(unknowns)]
    coefficients: list[Any] = []
    for _ in range(40):
        system, right = mpmath.matrix(unknowns, unknowns), mpmath.matrix(unknowns, 1)
        for row, i in enumerate(points):
            for power in range(degree + 1):
                system[row, power] = weight[i] * grid[i] ** power
            system[row, degree + 1] = (-1) ** row
            right[row] = weight[i] * target[i]
        solution = mpmath.lu_solve(system, right)
        coefficients = [solution[power] for power in range(degree + 1)]
        error = [w * (t - mpmath.polyval(coefficients[::-1], x)) for x, t, w in zip(grid, target, weight)]
        if max(map(abs, error)) <= abs(solution[degree + 1]) * mpf("1.001"):
            return coefficients
        points = alternation(error, unknowns)
        if len(points) < unknowns:
            raise ArithmeticError(f"remez: the error alternates {len(points)} times, expected {unknowns}")
    raise ArithmeticError("remez: no convergence in 40 exchanges")


def fit(what: Fit, degree: int, dtype: type[np.floating[Any]]) -> tuple[list[Any], Any]:
    """Coefficients in `dtype`, lowest power first, and the largest weighted error with them."""
    count = GRID_PER_UNKNOWN * (degree + 2)
    middle, half = (what.low + what.high) / 2, (what.high - what.low) / 2
    # Points crowded at the ends, as the extrema of the error are.
    grid = [middle - half * mpmath.cos(mp.pi * (2 * i + 1) / (2 * count)) for i in range(count)]
    target = [what.target(x) for x in grid]
    weight = [what.weight(x) for x in grid]
    rounded: list[Any] = []
    rest = target
    for power in range(degree + 1):
        lowered = [w * abs(x) ** power for x, w in zip(grid, weight)]
        lowest = remez(grid, rest, lowered, degree - power)[0]
        rounded.append(dtype(to_format(lowest, dtype)))
        rest = [(t - mpf(float(rounded[-1]))) / x for x, t in zip(grid, rest)]
    exact = [mpf(float(c)) for c in rounded[::-1]]
    worst = max(abs(w * (t - mpmath.polyval(exact, x))) for x, t, w in zip(grid, target, weight))
    return rounded, worst


def to_format(x: Any, dtype: type[np.floating[Any]]) -> Any:
    """mpmath number -> the nearest number of the format."""
    with mp.workprec(np.finfo(dtype).nmant + 1):
        return dtype(float(+x))


def tanh_border() -> Any:
    """Where tanh is 1/2."""
    return mpmath.log(3) / 2


def first_integer(holds: Callable[[int], bool], step: int) -> int:
    """The integer nearest to 0, going by `step`, for which `holds`."""
    n = 0
    while not holds(n):
        n += step
    return n


def fits(erf_top: int) -> dict[str, Fit]:
    """What each polynomial of mathfun.py approximates, and what its error is worth."""
    expm1, log, log1p = mpmath.expm1, mpmath.log, mpmath.log1p
    tanh, erf, erfc, root = mpmath.tanh, mpmath.erf, mpmath.erfc, mpmath.sqrt
    half_ln2 = log(2) / 2
    border = tanh_border()
    return {
        # expm1(r) = r + r^2 P(r)
        "exp": Fit(lambda r: (expm1(r) - r) / r**2, lambda r: abs(r**2 / expm1(r)), -half_ln2, half_ln2),
        # log1p(d) = d - d^2/2 + d^3 P(d)
        "log": Fit(
            lambda d: (log1p(d) - d + d**2 / 2) / d**3,
            lambda d: abs(d**3 / log1p(d)),
            root(mpf(1) / 2) - 1,
            root(mpf(2)) - 1,
        ),
        # tanh(x) = x + x z P(z), z = x^2
        "tanh": Fit(
            lambda z: (tanh(root(z)) / root(z) - 1) / z,
            lambda z: z * root(z) / tanh(root(z)),
            mpf(0),
            border**2,
        ),
        # erf(x) = x + x P(z), z = x^2
        "erf_near": Fit(
            lambda z: erf(root(z)) / root(z) - 1,
            lambda z: root(z) / erf(root(z)),
            mpf(0),
            mpf(1),
        ),
        # erf(x) = 1 - exp(-P(x)): an error e of P changes erf by erfc(x) e.
        "erf_far": Fit(lambda x: -log(erfc(x)), lambda x: erfc(x) / erf(x), mpf(1), mpf(erf_top)),
    }


# The lowest that keep the error under 0.25 in the units printed.
DEGREES = {
    np.float32: {"exp": 4, "log": 7, "tanh": 4, "erf_near": 6, "erf_far": 6},
    np.float64: {"exp": 9, "log": 18, "tanh": 9, "erf_near": 11, "erf_far": 17},
}


def constants(dtype: type[np.floating[Any]]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Every constant of one format, and the error each polynomial causes, in units of 2**-precision."""
    info = np.finfo(dtype)
    precision = info.nmant + 1
    ln2 = mpmath.log(2)
    # As many bits as leave room for the largest |k|, so that k ln2_high is exact.
    largest_k = 1 - info.minexp + precision
    ln2_bits = precision - largest_k.bit_length()
    ln2_high = mpmath.nint(ln2 * 2**ln2_bits) / mpf(2) ** ln2_bits
    half_smallest = mpf(2) ** (info.minexp - precision)
    # Adding less than this to 1, or taking it away, gives 1.
    vanishing = mpf(2) ** -(precision + 1)
    found: dict[str, Any] = {
        "log2e": to_format(1 / ln2, dtype),
        "ln2_high": to_format(ln2_high, dtype),
        "ln2_low": to_format(ln2 - ln2_high, dtype),
        "root_half": to_format(mpmath.sqrt(mpf(1) / 2), dtype),
        "exp_bottom": dtype(first_integer(lambda n: mpmath.exp(n) < half_smallest, -1)),
        "exp_top": dtype(first_integer(lambda n: mpmath.exp(n) > mpf(2) ** info.maxexp, 1)),
        "expm1_bottom": dtype(first_integer(lambda n: mpmath.exp(n) < vanishing, -1)),
        "tanh_border": to_format(tanh_border(), dtype),
        "tanh_top": dtype(first_integer(lambda n: 1 - mpmath.tanh(n) < vanishing, 1)),
        "erf_top": dtype(first_integer(lambda n: mpmath.erfc(n) < vanishing, 1)),
    }
    errors = {}
    for name, what in fits(int(found["erf_top"])).items():
        coefficients, worst = fit(what, DEGREES[dtype][name], dtype)
        found[name] = tuple(coefficients[::-1])
        errors[name] = worst * mpf(2) ** precision
    return found, errors


def main() -> int:
    parser = argparse.ArgumentParser(description="derive the constants of modnet/kernels/mathfun.py")
    parser.add_argument("--check", action="store_true", help="compare with mathfun.py, print differences")
    check = parser.parse_args().check
    mp.dps = 50
    different = 0
    for dtype in (np.float32, np.float64):
        found, errors = constants(dtype)
        if check:
            from modnet.kernels import mathfun

            there = mathfun.FLOAT32 if dtype is np.float32 else mathfun.FLOAT64
            for name, value in found.items():
                if getattr(there, name) != value:
                    different += 1
                    print(f"{dtype.__name__} {name}: mathfun.py has {getattr(there, name)}, derived {value}")
            continue
        print(f"{dtype.__name__}")
        for name, value in found.items():
            if isinstance(value, tuple):
                print(f"    {name}=(  # error {mpmath.nstr(errors[name], 2)}")
                print("".join(f"        {c!s},\n" for c in value), end="    ),\n")
            else:
                print(f"    {name}={value!s},")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
