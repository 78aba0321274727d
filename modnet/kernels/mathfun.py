"""exp, expm1, log, log1p, tanh, sigmoid and erf for kernels: one number at a time, and sixteen in effect.

A kernel writes `for i in range(n): out[i] = exp(x[i])`. The functions of the C library would make that n
calls. These have no calls, no branches, no tables: a fixed row of additions, multiplications and choices
between two computed values. So LLVM does the row on a whole vector register at once, which is 16 float32 or 8
float64 with AVX-512. docs/speed.md has what that gains.

How each works is told beside it; all stand on three facts.

(1) A floating-point number is s * m * 2^e, and its bits are those of s, e and m side by side, e plus a
    constant. So adding k to the bits of e multiplies by 2^k, and reading them gives the integer part of log2.
    `_bits` and `_from_bits` see the same 32 or 64 bits as a number or as an integer.
(2) Numbers from 2^23 to 2^24 (float64: 2^52 to 2^53) are integers: there is no bit left for a fraction. So
    adding `rounder` = 1.5 * 2^23 rounds to the nearest integer, and leaves that integer in the low bits of
    the sum.
(3) On a short interval a polynomial of low degree is as good as the function. Its coefficients are the ones
    whose largest error is smallest; `benchmarks/derive_mathfun.py` finds them, and every other constant here.

One text serves both formats: its constants come in `f`, which is FLOAT32 or FLOAT64, because a number written
out in the text, 0.5 say, is a float64 to numba and would make all that touches it float64.

One habit keeps a NaN a NaN. Every comparison with it is False, so where one chooses the result, what follows
`else` is always something that x has gone through, or NaN itself: `top if x > top else x` lets it pass where
`x if x < top else top` would make a number of it.

Errors are in ulp, the distance between neighbouring numbers of the format at the true result. Those stated
are the largest found, with a fused multiply-add and without: in float32 over all 2^32 numbers (`make
test-every-float32`), in float64 over eight million random ones of all sizes (360 thousand for erf).

Sources: W. J. Cody and W. Waite, Software Manual for the Elementary Functions (1980), for ln 2 in two parts
and for the reductions; D. E. Knuth, The Art of Computer Programming 2, 4.2.2, for the exact error of a sum in
log1p.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import numpy as np

from modnet.kernels.jit import overload, register_jitable, types

Scalar = TypeVar("Scalar", float, np.float32)

JIT: dict[str, Any] = {
    # Without it each division tests for zero, and raises; tanh and sigmoid are not vectorised.
    "error_model": "numpy",
    # a * b + c may be one instruction with one rounding. Nothing here needs it, nothing here is hurt by it.
    "fastmath": {"contract"},
    # A call left in a loop stops its vectorisation, and LLVM finds float64 log too long to inline unasked.
    "forceinline": True,
}


class Format(NamedTuple):
    """The constants of one floating-point format."""

    zero: Any
    half: Any
    one: Any
    two: Any
    inf: Any
    nan: Any
    mantissa: Any  # bits of the mantissa: 2^k is the bits of 1 plus k << mantissa
    scale: Any  # 2^mantissa
    rounder: Any  # 1.5 * 2^mantissa
    sign: Any  # the place of the sign's bit
    magnitude: Any  # all bits but it
    smallest: Any  # the smallest normal number
    lift: Any  # 2^64 or 2^512: between the exponents in use and the ends of their range
    lower: Any  # 1 / lift
    log2e: Any
    ln2_high: Any  # ln 2 = ln2_high + ln2_low; the first is so short that k * ln2_high is exact
    ln2_low: Any
    root_half: Any
    exp_bottom: Any  # below it exp is 0
    exp_top: Any  # above it exp is inf
    expm1_bottom: Any  # below it expm1 is -1
    tanh_border: Any  # tanh is 1/2 here
    tanh_top: Any  # above it tanh is 1
    erf_top: Any  # above it erf is 1
    # Polynomials, the highest power first.
    exp: tuple[Any, ...]
    log: tuple[Any, ...]
    tanh: tuple[Any, ...]
    erf_near: tuple[Any, ...]
    erf_far: tuple[Any, ...]


def _format(dtype: type[np.floating[Any]], **derived: Any) -> Format:
    """Put all constants into the format, so that no operation leaves it."""
    info = np.finfo(dtype)
    integer = np.int32 if dtype is np.float32 else np.int64
    lift = 2.0 ** (64 if dtype is np.float32 else 512)
    constants: dict[str, Any] = {
        "zero": 0, "half": 0.5, "one": 1, "two": 2, "inf": np.inf, "nan": np.nan,
        "scale": 2.0**info.nmant, "rounder": 1.5 * 2.0**info.nmant, "smallest": info.smallest_normal,
        "lift": lift, "lower": 1 / lift, **derived,
    }  # fmt: skip
    for name, value in constants.items():
        constants[name] = tuple(map(dtype, value)) if isinstance(value, tuple) else dtype(value)
    signs: dict[str, Any] = {"sign": integer(info.bits - 1), "magnitude": np.iinfo(integer).max}
    return Format(mantissa=integer(info.nmant), **signs, **constants)


FLOAT32 = _format(
    np.float32,
    log2e=1.442695,
    ln2_high=0.69314575,
    ln2_low=1.4286068e-06,
    root_half=0.70710677,
    exp_bottom=-104.0,
    exp_top=89.0,
    expm1_bottom=-18.0,
    tanh_border=0.54930615,
    tanh_top=10.0,
    erf_top=4.0,
    exp=(
        0.0013869685,
        0.008366248,
        0.041667446,
        0.16666546,
        0.49999997,
    ),
    log=(
        -0.07636558,
        0.12762356,
        -0.13159643,
        0.14201571,
        -0.16623406,
        0.20001242,
        -0.2500082,
        0.3333333,
    ),
    tanh=(
        -0.0062428485,
        0.021050714,
        -0.053847548,
        0.13332544,
        -0.33333316,
    ),
    erf_near=(
        7.806903e-05,
        -0.0007997853,
        0.005187162,
        -0.026853347,
        0.11283579,
        -0.37612626,
        0.12837917,
    ),
    erf_far=(
        -0.00018637127,
        0.002947591,
        -0.021837825,
        0.1031063,
        0.6381453,
        1.1270889,
        0.0003415914,
    ),
)

FLOAT64 = _format(
    np.float64,
    log2e=1.4426950408889634,
    ln2_high=0.6931471805598903,
    ln2_low=5.497923018708371e-14,
    root_half=0.7071067811865476,
    exp_bottom=-746.0,
    exp_top=710.0,
    expm1_bottom=-38.0,
    tanh_border=0.5493061443340549,
    tanh_top=20.0,
    erf_top=6.0,
    exp=(
        2.5064270011177273e-08,
        2.7625875227506107e-07,
        2.755736864280866e-06,
        2.4801505631478383e-05,
        0.0001984126977119299,
        0.001388888893138584,
        0.008333333333359817,
        0.04166666666657624,
        0.1666666666666665,
        0.5000000000000006,
    ),
    log=(
        0.02615052084520663,
        -0.05981607764753563,
        0.06503437242915036,
        -0.056778022899338636,
        0.056684013109210785,
        -0.06196679775615165,
        0.06684585221433742,
        -0.07149438845033032,
        0.07691530161658937,
        -0.08332913617957892,
        0.09090923913809833,
        -0.1000001520179814,
        0.11111111148068616,
        -0.12499999691582747,
        0.14285714280080228,
        -0.16666666669823638,
        0.20000000000066778,
        -0.2499999999998799,
        0.3333333333333314,
    ),
    tanh=(
        5.1100991844987125e-05,
        -0.0002104159775951156,
        0.0005792056900235158,
        -0.001453239633781996,
        0.003591724274586113,
        -0.008863195066234503,
        0.021869486016338115,
        -0.05396825387780805,
        0.1333333333317222,
        -0.3333333333333234,
    ),
    erf_near=(
        -7.607098340410346e-10,
        1.361635996833008e-08,
        -1.618392288327768e-07,
        1.6444142986700616e-06,
        -1.4924465132378695e-05,
        0.00012055280475630522,
        -0.0008548325484474367,
        0.0052239775967283806,
        -0.026866170641958603,
        0.11283791670936949,
        -0.37612638903183343,
        0.12837916709551256,
    ),
    erf_far=(
        4.9285879636454405e-12,
        -2.0449532733650135e-10,
        3.934250807623623e-09,
        -4.6422885174913294e-08,
        3.7330359356667965e-07,
        -2.1356849432379018e-06,
        8.667208420721644e-06,
        -2.2822684627316938e-05,
        2.0267219237549906e-05,
        0.00013504906718211812,
        -0.0007706409128537457,
        0.00191594029836648,
        -0.00041062491134753786,
        -0.01899018101312373,
        0.10270344063468975,
        0.6366436276946719,
        1.1283740895607968,
        5.028413861390372e-07,
    ),
)


def _bits(x):
    """x's bits as an integer of its width."""
    return x.view(np.int32 if x.dtype == np.float32 else np.int64)


@overload(_bits, **JIT)
def _compiled_bits(x):
    if x == types.float32:
        return lambda x: np.float32(x).view(np.int32)
    return lambda x: np.float64(x).view(np.int64)


def _from_bits(bits, like):
    """The number of the format of `like` that has these bits."""
    return np.int32(bits).view(np.float32) if like.dtype == np.float32 else np.int64(bits).view(np.float64)


@overload(_from_bits, **JIT)
def _compiled_from_bits(bits, like):
    if like == types.float32:
        return lambda bits, like: np.int32(bits).view(np.float32)
    return lambda bits, like: np.int64(bits).view(np.float64)


def _narrow(bits, like):
    """Cut an integer to the width of `like`: numba adds two int32 as int64, which would halve the lanes."""
    return np.int32(bits) if like.dtype == np.float32 else np.int64(bits)


@overload(_narrow, **JIT)
def _compiled_narrow(bits, like):
    if like == types.float32:
        return lambda bits, like: np.int32(bits)
    return lambda bits, like: np.int64(bits)


def polynomial(x, coefficients):
    """Horner's rule, the highest power first, for the even powers and the odd ones apart: E(x^2) + x O(x^2).

    A step of Horner's waits for the one before; these two chains wait for nothing but themselves, which in
    float64 takes erf from 1.6 to 1.1 ns. LLVM writes each loop out, as it does with loops over ten constants
    or fewer.
    """
    square = x * x
    first, second = coefficients[0], coefficients[1]
    for coefficient in coefficients[2::2]:
        first = first * square + coefficient
    for coefficient in coefficients[3::2]:
        second = second * square + coefficient
    return first * x + second if len(coefficients) % 2 == 0 else second * x + first


def _split_exp(x, f):
    """What exp(x) is made of: high, tail and field, where exp(x) = 2^k * (1 + high + tail).

    (1) k = x / ln 2 rounded, x = k ln 2 + r: |r| <= ln 2 / 2, and exp(x) = 2^k exp(r).
    (2) k ln2_high is exact, and so is high = x - k ln2_high: the two are neighbours. So r = high - k ln2_low
        is as good as x is, though most of x has cancelled.
    (3) expm1(r) = r + r^2 P(r) = high + tail: kept in two parts, because the small one has nearly all of the
        error.
    (4) field is k << mantissa: what to add to the bits of a number to multiply it by 2^k. The bits of
        `rounder` that come with k's all leave at the left.
    """
    shifted = x * f.log2e + f.rounder
    k = shifted - f.rounder
    high = x - k * f.ln2_high
    low = k * f.ln2_low
    r = high - low
    return high, r * r * polynomial(r, f.exp) - low, _bits(shifted) << f.mantissa


def _exp(x, f):
    """(1) 2^k (1 + high + tail), as `_split_exp` says.

    (2) Where the result is subnormal or close to overflow, 2^k is no number of the format. So it is
        multiplied by 2^k lift (or lower), well inside the range, and then by lower (or lift): the last step
        alone rounds or overflows.
    """
    x = f.exp_top if x > f.exp_top else x
    x = f.exp_bottom if x < f.exp_bottom else x
    high, tail, field = _split_exp(x, f)
    small = x < f.zero
    first = _from_bits(_bits(f.lift if small else f.lower) + field, x)
    return (f.one + (high + tail)) * first * (f.lower if small else f.lift)


def exp(x: Scalar) -> Scalar:
    """e^x, within 0.96 ulp in float32 and 0.91 in float64. Subnormal results are not flushed to 0."""
    return _plain("exp", _exp, x)


def _expm1(x, f):
    """(1) expm1(x) = 2^k (1 + expm1(r)) - 1 = 2^k ((high + (1 - 2^-k)) + tail).

    (2) The order of the sum is what keeps it accurate. For k = 0 the inner sum is exactly x; for k = 1 and
        -1, where the two cancel in part, it is exact or nearly so; and tail, which has the errors, is small.
    (3) k may be 128, and 2^128 is no float32. So the factor is 2^(k - 1) and the rest is doubled, which is
        exact. In the same way 2^-k is half of 2^(1 - k), whose bits at k = 128 are those of 0: right enough
        beside 1.
    (4) -0 + (1 - 1) is +0, so 0 is its own result.
    """
    y = f.exp_top if x > f.exp_top else x
    y = f.expm1_bottom if y < f.expm1_bottom else y
    high, tail, field = _split_exp(y, f)
    inverse = _from_bits(_bits(f.two) - field, x) * f.half
    total = (high + (f.one - inverse)) + tail
    result = (total + total) * _from_bits(_bits(f.half) + field, x)
    return x if x == f.zero else result


def expm1(x: Scalar) -> Scalar:
    """e^x - 1, within 1.45 ulp in float32 and 1.31 in float64, however small x is."""
    return _plain("expm1", _expm1, x)


def _exponent(u, f):
    """The integer k with u = m 2^k, sqrt(1/2) <= m < sqrt(2), for a normal u > 0.

    The bits of positive numbers grow as the numbers do, so k is how many whole exponents u's are above
    sqrt(1/2)'s.
    """
    return _narrow(_bits(u) - _bits(f.root_half), u) >> f.mantissa


def _log_of(k, d, f):
    """(1) log(2^k (1 + d)) = k ln 2 + log1p(d) = k ln 2 + d - d^2/2 + d^3 P(d).

    (2) k comes as an integer and is made a number by fact (2) of the module read backwards.
    (3) Summed from the smallest up, the rounding of the last two sums is nearly all the error there is:
        k ln2_high is exact, and log1p(d) is at most ln(2) / 2, which where k is not 0 the result exceeds, so
        nothing is amplified.
    """
    k = _from_bits(_bits(f.rounder) + k, d) - f.rounder
    square = d * d
    return k * f.ln2_high + (d + (square * d * polynomial(d, f.log) - f.half * square + k * f.ln2_low))


def _log(x, f):
    """(1) x = m 2^k, and log(x) is `_log_of`(k, m - 1); m - 1 is exact.

    (2) A subnormal has no exponent to read: it is multiplied by 2^mantissa, which k then has too much.
    (3) The ends: inf and NaN are their own results, 0 gives -inf, what is below gives NaN.
    """
    subnormal = x < f.smallest
    u = x * (f.scale if subnormal else f.one)
    k = _exponent(u, f)
    m = _from_bits(_bits(u) - (k << f.mantissa), x)
    result = _log_of(k - (f.mantissa if subnormal else 0), m - f.one, f)
    result = result if x < f.inf else x
    return result if x > f.zero else (-f.inf if x == f.zero else f.nan)


def log(x: Scalar) -> Scalar:
    """The natural logarithm, within 0.91 ulp in float32 and 0.88 in float64; -inf at 0, NaN below."""
    return _plain("log", _log, x)


def _log1p(x, f):
    """(1) u = 1 + x is rounded, and a small x is lost in it. But what is lost is known: u + lost = 1 + x.

    (2) u = m 2^k, so 1 + x = 2^k (1 + d) with d = (m - 1) + lost 2^-k. For k = 0 this d is x itself.
    (3) k may be 128 here too: 2^-k as in expm1.
    (4) The ends as for log, and 0 is its own result, to keep its sign.
    """
    u = f.one + x
    rounded = u - x
    lost = (x - (u - rounded)) + (f.one - rounded)
    k = _exponent(u, f)
    m = _from_bits(_bits(u) - (k << f.mantissa), x)
    inverse = _from_bits(_bits(f.two) - (k << f.mantissa), x) * f.half
    result = _log_of(k, (m - f.one) + lost * inverse, f)
    result = result if x < f.inf else x
    result = result if u > f.zero else (-f.inf if u == f.zero else f.nan)
    return x if x == f.zero else result


def log1p(x: Scalar) -> Scalar:
    """log(1 + x), within 1.48 ulp in float32 and 1.36 in float64, however small; -inf at -1, NaN below."""
    return _plain("log1p", _log1p, x)


def _signed(result, x):
    """`result`, which is not negative, with the sign of x: that of -0 is seen in its bits only."""
    return -result if _bits(x) < 0 else result


def _tanh(x, f):
    """(1) tanh is odd: a = |x|, and the sign comes back last.

    (2) Near 0, where tanh(a) <= 1/2: a + a z P(z), z = a^2.
    (3) Above: 1 - 2 / (1 + exp(2 a)). What is taken away is at most half of 1, and so are its errors.
    """
    a = abs(x)
    z = a * a
    near = a + a * (z * polynomial(z, f.tanh))
    b = f.tanh_top if a > f.tanh_top else a
    high, tail, field = _split_exp(b + b, f)
    e = (f.one + (high + tail)) * _from_bits(_bits(f.one) + field, x)
    far = f.one - f.two / (f.one + e)
    return _signed(near if a < f.tanh_border else far, x)


def tanh(x: Scalar) -> Scalar:
    """The hyperbolic tangent, within 1.45 ulp in float32 and 1.42 in float64."""
    return _plain("tanh", _tanh, x)


def _sigmoid(x, f):
    """(1) e = exp(-|x|) <= 1 never overflows, and with t = e / (1 + e) sigmoid(x) is 1 - t for x >= 0.

    (2) For x < 0 it is t, which is also e (1 - t). Then t's own errors count half or less; t itself is 2.3
        ulp off at worst in float32.
    """
    a = -abs(x)
    a = f.exp_bottom if a < f.exp_bottom else a
    high, tail, field = _split_exp(a, f)
    e = (f.one + (high + tail)) * _from_bits(_bits(f.lift) + field, x) * f.lower
    t = e / (f.one + e)
    scale = f.one if x >= f.zero else e
    return scale - scale * t


def sigmoid(x: Scalar) -> Scalar:
    """1 / (1 + e^-x), within 1.84 ulp in float32 and 1.73 in float64, subnormal results included."""
    return _plain("sigmoid", _sigmoid, x)


def _erf(x, f):
    """(1) erf is odd: a = |x|, and the sign comes back last.

    (2) For a < 1: a + a P(z), z = a^2; P(0) = 2 / sqrt(pi) - 1.
    (3) Above: 1 - exp(-g(a)), g(a) = -log(erfc(a)), which is nearly a^2 and so a gentle polynomial. What is
        taken away is at most erfc(1) = 0.16, and so are its errors.
    """
    a = abs(x)
    near = a + a * polynomial(a * a, f.erf_near)
    b = f.erf_top if a > f.erf_top else a
    high, tail, field = _split_exp(-polynomial(b, f.erf_far), f)
    far = f.one - (f.one + (high + tail)) * _from_bits(_bits(f.one) + field, x)
    return _signed(near if a < f.one else far, x)


def erf(x: Scalar) -> Scalar:
    """The error function, within 1.36 ulp in float32 and 1.29 in float64."""
    return _plain("erf", _erf, x)


def _order(bits, like, f):
    """An integer that grows with the number of these bits; of that integer, the bits of the number.

    Bits of positive numbers grow with them already. Those of negative ones, whose sign is the integer's too, fall: their
    others are turned over.
    """
    return _narrow(bits ^ ((bits >> f.sign) & f.magnitude), like)


def _largest(x, i, f):
    """LLVM may take integers in another order, and so sixteen at once; numbers it may not, for fear of a NaN."""
    top = _order(_bits(x[i, 0]), x[i, 0], f)
    for j in range(x.shape[1]):
        key = _order(_bits(x[i, j]), x[i, j], f)
        top = key if key > top else top
    return _from_bits(_order(top, x[i, 0], f), x[i, 0])


def largest(x: Any, i: int) -> Any:
    """The largest of row i of a matrix; a number of the row or NaN where it has a NaN."""
    return _largest(x, i, FLOAT32 if x.dtype == np.float32 else FLOAT64)


def _plain(name: str, core: Callable[..., Any], x: Scalar) -> Scalar:
    """What a call from Python does: the same text, run by Python. Overflow is a result, not a warning."""
    if not isinstance(x, (np.float32, float)):
        raise TypeError(f"{name}: x is of type {type(x).__name__}, expected a float32 or float64 scalar")
    with np.errstate(all="ignore"):
        if isinstance(x, np.float32):
            return type(x)(core(x, FLOAT32))
        return type(x)(core(np.float64(x), FLOAT64))


def _compile(public: Callable[..., Any], core: Callable[..., Any]) -> None:
    """What a call from a kernel does: the text compiled into the caller, for the format of x."""

    def choose(x):
        if x == types.float32:
            return lambda x: core(x, FLOAT32)
        if x == types.float64:
            return lambda x: core(x, FLOAT64)
        from numba.core.errors import TypingError

        raise TypingError(f"{public.__name__}: x is of type {x}, expected a float32 or float64 scalar")

    overload(public, **JIT)(choose)


for _public, _core in (
    (exp, _exp), (expm1, _expm1), (log, _log), (log1p, _log1p),
    (tanh, _tanh), (sigmoid, _sigmoid), (erf, _erf),
):  # fmt: skip
    register_jitable(**JIT)(_core)
    _compile(_public, _core)
for _shared in (polynomial, _split_exp, _exponent, _log_of, _signed, _order, _largest):
    register_jitable(**JIT)(_shared)


@overload(largest, **JIT)
def _compiled_largest(x, i):
    if x.dtype == types.float32:
        return lambda x, i: _largest(x, i, FLOAT32)
    return lambda x, i: _largest(x, i, FLOAT64)
