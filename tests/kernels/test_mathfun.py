"""modnet.kernels.mathfun against float64 numpy and SciPy (float32) and against mpmath (float64).

Errors are in ulp: the distance between neighbouring numbers of the format at the true result, which below the
smallest normal number is that of the subnormals.
"""

import math
import os
import re
import subprocess
import sys

import mpmath
import numba
import numpy as np
import pytest
from scipy import special

from modnet.kernels import mathfun

JIT = not numba.config.DISABLE_JIT
BOUND = {np.float32: 2.0, np.float64: 4.0}
DTYPES = [np.float32, np.float64]
PRECISION = 100  # bits of mpmath's results

NUMPY = {
    "exp": np.exp,
    "expm1": np.expm1,
    "log": np.log,
    "log1p": np.log1p,
    "tanh": np.tanh,
    "sigmoid": special.expit,
    "erf": special.erf,
}
MPMATH = {
    "exp": mpmath.exp,
    "expm1": mpmath.expm1,
    "log": mpmath.log,
    "log1p": mpmath.log1p,
    "tanh": mpmath.tanh,
    "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)),
    "erf": mpmath.erf,
}
NAMES = list(NUMPY)
ODD = ["expm1", "log1p", "tanh", "erf"]  # those with f(x) ~ c x at 0, where the sign of 0 is kept

LN2 = math.log(2)
# Where a function goes from one polynomial, one k or one formula to the next.
JOINTS = {
    "exp": [*((k + 0.5) * LN2 for k in range(-6, 6)), -87.0, 87.0],
    "expm1": [*((k + 0.5) * LN2 for k in range(-6, 6)), -18.0, -38.0, 87.0],
    "log": [2.0**k * math.sqrt(0.5) for k in range(-4, 5)] + [1.0, 2.0**-126, 2.0**-1022],
    "log1p": [2.0**k * math.sqrt(0.5) - 1 for k in range(-4, 5)] + [1.0, 2.0**24, 2.0**53],
    "tanh": [math.log(3) / 2, *((k + 0.5) * LN2 / 2 for k in range(2, 8)), 9.0, 10.0, 19.0, 20.0],
    "sigmoid": [(k + 0.5) * LN2 for k in range(-6, 6)] + [-87.0],
    "erf": [1.0, 4.0, 6.0, -1.0],
}


def kernel(name):
    """The function in the loop kernels use; plain Python where numba is switched off."""
    function = getattr(mathfun, name)

    def loop(x, out):
        for i in range(x.size):
            out[i] = function(x[i])

    return numba.njit(loop, error_model="numpy", nogil=True)


KERNELS = {name: kernel(name) for name in NAMES}


def apply(name, x):
    out = np.empty_like(x)
    KERNELS[name](x, out)
    return out


def every_exponent(dtype, per_exponent, seed):
    """The first, the last and random mantissas under each exponent, that of subnormals too, in both signs."""
    info = np.finfo(dtype)
    integer = np.int32 if dtype is np.float32 else np.int64
    exponents = np.arange(2 ** (info.bits - 1 - info.nmant) - 1, dtype=integer)
    shape = (exponents.size, per_exponent)
    mantissas = np.random.default_rng(seed).integers(0, 2**info.nmant, shape, dtype=integer)
    mantissas[:, :2] = 0, 2**info.nmant - 1
    x = ((exponents[:, None] << integer(info.nmant)) + mantissas).ravel().view(dtype)
    return np.concatenate([x, -x])


def sample(name, dtype):
    """Every exponent, and more of the stretches where the function is neither constant nor x."""
    rng = np.random.default_rng(20)
    scale = 1 if JIT else 40
    if dtype is np.float32:
        wide = every_exponent(dtype, 400 if JIT else 3, seed=21)
        count = 200_000 // scale
    else:
        wide = every_exponent(dtype, 3 if JIT else 2, seed=22)
        wide = wide if JIT else wide[::9]
        count = 2_000 // scale
    low, high = (-104, 89) if dtype is np.float32 else (-746, 710)
    x = np.concatenate([
        wide,
        rng.uniform(low, high, count).astype(dtype),
        rng.uniform(-6, 6, count).astype(dtype),
        rng.uniform(-1, 1, count).astype(dtype),
        rng.uniform(0.5, 2, count).astype(dtype),
        *(neighbours(dtype(joint), 8) for joint in JOINTS[name] if dtype(joint)),
    ])  # fmt: skip
    inside = {"log": x > 0, "log1p": x > -1}.get(name)
    return x if inside is None else x[inside]


def needs_jit(test):
    """Leave out a test of compiled code where nothing is compiled, with or without `-m "not needs_jit"`."""
    return pytest.mark.needs_jit(pytest.mark.skipif(not JIT, reason="the compiler is switched off")(test))


def neighbours(x, count):
    """The `count` numbers before x, x, and the `count` after it, in order."""
    integer = np.int32 if x.dtype == np.float32 else np.int64
    steps = np.arange(-count, count + 1, dtype=integer) * (1 if x > 0 else -1)
    return (x.view(integer) + steps).view(x.dtype)


def places(x):
    """The place of each number among all of its format: one apart for neighbours."""
    bits = x.view(np.int32 if x.dtype == np.float32 else np.int64)
    return np.where(bits < 0, np.iinfo(bits.dtype).min - bits, bits)


def errors_float32(name, x, got):
    with np.errstate(all="ignore"):
        want = NUMPY[name](x.astype(np.float64))
        rounded = want.astype(np.float32)
    exponent = np.clip(np.frexp(want)[1] - 1, -126, 127)
    with np.errstate(invalid="ignore"):
        error = np.abs(got - want) / np.ldexp(1.0, exponent - 23)
    infinite = np.isinf(got) | np.isinf(rounded)
    return np.where(infinite, np.where(got == rounded, 0.0, np.inf), error)


def errors_float64(name, x, got):
    largest = mpmath.mpf(2) ** 1024 - mpmath.mpf(2) ** 970  # what is larger rounds to infinity
    errors = np.empty(x.size)
    with mpmath.workprec(PRECISION):
        for i, (argument, result) in enumerate(zip(x.tolist(), got.tolist())):
            want = MPMATH[name](mpmath.mpf(argument))
            if abs(want) >= largest or math.isinf(result):
                same = abs(want) >= largest and math.isinf(result) and (want > 0) == (result > 0)
                errors[i] = 0 if same else math.inf
            else:
                exponent = max(mpmath.mag(want) - 1, -1022) if want else -1022
                errors[i] = abs(mpmath.ldexp(mpmath.mpf(result) - want, 52 - exponent))
    return errors


def stated_error(name, dtype):
    """The worst error in ulp that the function's docstring admits."""
    doc = getattr(mathfun, name).__doc__
    stated = re.search(r"within ([\d.]+) ulp in float32 and ([\d.]+) in float64", doc)
    return float(stated[DTYPES.index(dtype) + 1])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_the_error_is_the_stated_one_or_less_for_every_exponent(name, dtype):
    x = sample(name, dtype)
    got = apply(name, x)
    assert got.dtype == dtype
    errors = (errors_float32 if dtype is np.float32 else errors_float64)(name, x, got)
    at = np.argmax(errors)
    assert errors[at] <= stated_error(name, dtype), f"{name}({x[at]!r}) gave {got[at]!r}: {errors[at]} ulp"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_the_error_the_docstring_states_is_within_the_bound(name, dtype):
    assert 0.5 <= stated_error(name, dtype) <= BOUND[dtype]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("name", "x", "want"),
    [
        ("exp", 0.0, 1.0), ("exp", -0.0, 1.0), ("exp", math.inf, math.inf), ("exp", -math.inf, 0.0),
        ("exp", 1e30, math.inf), ("exp", -1e30, 0.0),
        ("expm1", 0.0, 0.0), ("expm1", -0.0, -0.0), ("expm1", math.inf, math.inf), ("expm1", -math.inf, -1.0),
        ("expm1", 1e30, math.inf), ("expm1", -1e30, -1.0),
        ("log", 0.0, -math.inf), ("log", -0.0, -math.inf), ("log", 1.0, 0.0), ("log", math.inf, math.inf),
        ("log", -1.0, math.nan), ("log", -1e-40, math.nan), ("log", -1e30, math.nan),
        ("log", -math.inf, math.nan),
        ("log1p", 0.0, 0.0), ("log1p", -0.0, -0.0), ("log1p", -1.0, -math.inf), ("log1p", math.inf, math.inf),
        ("log1p", -1.5, math.nan), ("log1p", -1e30, math.nan), ("log1p", -math.inf, math.nan),
        ("tanh", 0.0, 0.0), ("tanh", -0.0, -0.0), ("tanh", math.inf, 1.0), ("tanh", -math.inf, -1.0),
        ("tanh", 1e30, 1.0), ("tanh", -1e30, -1.0),
        ("sigmoid", 0.0, 0.5), ("sigmoid", -0.0, 0.5), ("sigmoid", math.inf, 1.0),
        ("sigmoid", -math.inf, 0.0), ("sigmoid", 1e30, 1.0), ("sigmoid", -1e30, 0.0),
        ("erf", 0.0, 0.0), ("erf", -0.0, -0.0), ("erf", math.inf, 1.0), ("erf", -math.inf, -1.0),
        ("erf", 1e30, 1.0), ("erf", -1e30, -1.0),
    ],
)  # fmt: skip
def test_special_values_are_exact_and_zeros_keep_their_sign(name, x, want, dtype):
    got = apply(name, np.array([x], dtype))
    np.testing.assert_array_equal(got, np.array([want], dtype))
    if not math.isnan(want):
        assert np.signbit(got[0]) == np.signbit(want)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_a_nan_comes_out_a_nan_wherever_it_stands_in_the_vector(name, dtype):
    integer = np.int32 if dtype is np.float32 else np.int64
    infinity = int(np.array(np.inf, dtype).view(integer))
    last = int(np.iinfo(integer).max)
    middle = last // 2 + infinity // 2 + 1
    nans = np.array([infinity + 1, infinity + 12345, middle, last], integer).view(dtype)
    x = np.full(67, 0.25, dtype)
    at = [0, 1, 15, 16, 31, 40, 63, 66]
    x[at] = np.concatenate([nans, -nans])
    expected = np.zeros(67, bool)
    expected[at] = True
    np.testing.assert_array_equal(np.isnan(apply(name, x)), expected)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ODD)
def test_subnormals_are_not_flushed_to_zero(name, dtype):
    tiny = np.finfo(dtype).smallest_subnormal
    x = tiny * np.array([1, 2, 3, 1000, -1, -2, -3, -1000], dtype)
    slope = mpmath.mpf(2) / mpmath.sqrt(mpmath.pi) if name == "erf" else 1
    want = [float(mpmath.nint(slope * n)) for n in (1, 2, 3, 1000, -1, -2, -3, -1000)]
    np.testing.assert_array_equal(apply(name, x) / tiny, np.array(want, dtype))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["exp", "sigmoid"])
def test_results_become_subnormal_before_they_become_zero(name, dtype):
    info = np.finfo(dtype)
    smallest = float(info.minexp - info.nmant) * LN2
    x = np.linspace(smallest + 0.1, float(info.minexp) * LN2 - 0.1, 50).astype(dtype)
    got = apply(name, x)
    assert (got > 0).all()
    assert (got < info.tiny).all()
    assert apply(name, np.array([smallest - 1], dtype))[0] == 0


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["exp", "expm1"])
def test_the_last_finite_result_is_finite(name, dtype):
    # The largest x whose exponential is not above the largest number, and what comes after it.
    last = dtype(math.log(float(np.finfo(dtype).max)))
    got = apply(name, neighbours(last, 2)[[1, 4]])
    assert np.isfinite(got[0])
    assert np.isposinf(got[1])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_no_step_down_of_more_than_an_ulp_at_a_joint(name, dtype):
    count = 2000 if JIT else 20
    for joint in map(dtype, JOINTS[name]):
        if joint:
            results = apply(name, np.sort(neighbours(joint, count)))
            assert np.diff(places(results)).min() >= -1, f"{name} near {joint!r}"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_a_call_from_python_gives_what_a_kernel_gives(name, dtype):
    x = np.concatenate([
        np.random.default_rng(23).uniform(-8, 8, 150),
        every_exponent(dtype, 2, seed=24)[:: 8 if dtype is np.float32 else 64],
        [0.0, -0.0, np.inf, -np.inf, np.nan],
    ]).astype(dtype)  # fmt: skip
    function = getattr(mathfun, name)
    results = [function(value) for value in x]
    assert {type(result) for result in results} == {dtype}
    # Not bit for bit: in a kernel a product and a sum may be rounded once, together.
    np.testing.assert_array_max_ulp(np.array(results), apply(name, x), 2 * BOUND[dtype])


@pytest.mark.parametrize("name", NAMES)
def test_a_python_float_is_computed_in_float64(name):
    function = getattr(mathfun, name)
    assert type(function(0.75)) is float
    assert function(0.75) == function(np.float64(0.75))


@pytest.mark.parametrize("x", [1, np.int32(1), 1j, "1", None, np.ones(3), np.float16(1)])
@pytest.mark.parametrize("name", NAMES)
def test_what_is_not_a_float_is_refused_in_one_line(name, x):
    with pytest.raises(TypeError, match=rf"^{name}: x is of type \w+, expected a float32 or float64 scalar$"):
        getattr(mathfun, name)(x)


@needs_jit
def test_a_kernel_that_passes_an_integer_is_told_so():
    with pytest.raises(numba.errors.TypingError, match="tanh: x is of type int64, expected a float32 or"):
        KERNELS["tanh"](np.arange(3), np.empty(3))


@needs_jit
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_a_loop_over_an_array_is_vectorised(name, dtype):
    apply(name, np.ones(3, dtype))
    kind = numba.types.float32 if dtype is np.float32 else numba.types.float64
    code = next(KERNELS[name].inspect_llvm(s) for s in KERNELS[name].signatures if s[0].dtype == kind)
    element = "float" if dtype is np.float32 else "double"
    assert re.search(rf"= fmul contract <\d+ x {element}>", code), f"{name}: no multiplication of a vector"
    # No part of the loop goes one by one, or in integers wider than the numbers.
    assert not re.search(r"extractelement <\d+ x (float|double|i32|i64)>", code)
    if dtype is np.float32:
        assert not re.search(r"<\d+ x (i64|double)>", code)


@needs_jit
def test_every_function_works_with_the_compiler_switched_off():
    code = (
        "import numpy as np\n"
        "from modnet.kernels import mathfun\n"
        "for name in ('exp', 'expm1', 'log', 'log1p', 'tanh', 'sigmoid', 'erf'):\n"
        "    for dtype in (np.float32, np.float64):\n"
        "        print(name, float(getattr(mathfun, name)(dtype(0.75))).hex())\n"
    )
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    lines = run.stdout.split()
    for name, result in zip(lines[::2], lines[1::2]):
        assert float.fromhex(result) == pytest.approx(float(NUMPY[name](0.75)), rel=3e-7)
