"""Elementwise activations and PReLU: against the formulas written with numpy and SciPy, at kinks, and at any size.

That each derivative is that of its function by central differences is in test_module_contract.
"""

import math
import re

import numba
import numpy as np
import pytest
from helpers import message
from numba.core import config
from scipy import special

import modnet
from modnet import (
    ELU,
    GELU,
    SELU,
    LeakyReLU,
    Mish,
    PReLU,
    Radial,
    Ramp,
    ReLU,
    Sigmoid,
    SiLU,
    Softplus,
    Softsign,
    Tanh,
    Threshold,
)
from modnet.kernels import inline_always, jit
from modnet.kernels.compiled import JIT_OPTIONS

ALPHA, SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946


def expit(x):
    return special.expit(x)


def log1pexp(x):
    return np.logaddexp(0, x)


def mish_slope(x):
    t = np.tanh(log1pexp(x))
    return t + x * expit(x) / np.cosh(np.minimum(log1pexp(x), 300)) ** 2


def normal_density(x):
    return np.exp(-x * x / 2) / math.sqrt(2 * math.pi)


# module, f, f'; the derivative at a kink as PyTorch has it
CASES = {
    "Tanh": (Tanh(), np.tanh, lambda x: 4 * expit(2 * x) * expit(-2 * x)),
    "Sigmoid": (Sigmoid(), expit, lambda x: expit(x) * expit(-x)),
    "ReLU": (ReLU(), lambda x: np.maximum(x, 0), lambda x: np.heaviside(x, 0)),
    "LeakyReLU": (LeakyReLU(), lambda x: np.where(x > 0, x, 0.01 * x), lambda x: np.where(x > 0, 1, 0.01)),
    "LeakyReLU(0.3)": (LeakyReLU(0.3), lambda x: np.where(x > 0, x, 0.3 * x), lambda x: np.where(x > 0, 1, 0.3)),
    "ELU": (
        ELU(),
        lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
        lambda x: np.where(x > 0, 1, np.exp(np.minimum(x, 0))),
    ),
    "ELU(0.5)": (
        ELU(0.5),
        lambda x: np.where(x > 0, x, 0.5 * np.expm1(np.minimum(x, 0))),
        lambda x: np.where(x > 0, 1, 0.5 * np.exp(np.minimum(x, 0))),
    ),
    "SELU": (
        SELU(),
        lambda x: SCALE * np.where(x > 0, x, ALPHA * np.expm1(np.minimum(x, 0))),
        lambda x: SCALE * np.where(x > 0, 1, ALPHA * np.exp(np.minimum(x, 0))),
    ),
    "GELU": (GELU(), lambda x: x * special.ndtr(x), lambda x: special.ndtr(x) + x * normal_density(x)),
    "SiLU": (SiLU(), lambda x: x * expit(x), lambda x: expit(x) * (1 + x * expit(-x))),
    "Softplus": (Softplus(), log1pexp, expit),
    "Softplus(0.2)": (Softplus(0.2), lambda x: log1pexp(0.2 * x) / 0.2, lambda x: expit(0.2 * x)),
    "Softplus(7)": (Softplus(7), lambda x: log1pexp(7 * x) / 7, lambda x: expit(7 * x)),
    "Softsign": (Softsign(), lambda x: x / (1 + abs(x)), lambda x: (1 + abs(x)) ** -2.0),
    "Mish": (Mish(), lambda x: x * np.tanh(log1pexp(x)), mish_slope),
    "Threshold": (Threshold(), lambda x: np.where(x > 0, x, 0), lambda x: np.where(x > 0, 1, 0)),
    "Threshold(1, -2)": (Threshold(1, -2), lambda x: np.where(x > 1, x, -2), lambda x: np.where(x > 1, 1, 0)),
    "Ramp": (Ramp(), lambda x: np.clip(x, -1, 1), lambda x: np.where(abs(x) < 1, 1, 0)),
    "Ramp(-3, 0)": (Ramp(-3, 0), lambda x: np.clip(x, -3, 0), lambda x: np.where((x > -3) & (x < 0), 1, 0)),
    "Radial": (Radial(), lambda x: np.exp(-x * x), lambda x: -2 * x * np.exp(-x * x)),
    "PReLU": (PReLU(), lambda x: np.where(x > 0, x, 0.25 * x), lambda x: np.where(x > 0, 1, 0.25)),
    "PReLU(-2)": (PReLU(-2), lambda x: np.where(x > 0, x, -2 * x), lambda x: np.where(x > 0, 1, -2)),
}

# What lies at kinks and joints, next to them, near 0 and far out.
POINTS = np.concatenate(
    [
        np.linspace(-12, 12, 481),
        [0.0, -0.0, 1.0, -1.0, -3.0, 1e-12, -1e-12, 1e-300, -1e-300, 5e-324],
        np.nextafter([1.0, 1.0, -1.0, 0.0], [2.0, 0.0, 0.0, 1.0]),
        [30.0, -30.0, 40.0, -40.0, 300.0, -300.0, 500.0, -500.0, 700.0, -700.0],
    ]
)

every_case = pytest.mark.parametrize("name", CASES)


@every_case
def test_an_activation_is_its_function(name):
    module, f, _ = CASES[name]
    got = module.forward(POINTS[None])[0]
    rtol = 2e-15 if name in ("Tanh", "Sigmoid", "ReLU", "LeakyReLU", "LeakyReLU(0.3)") else 4e-15
    np.testing.assert_allclose(got, f(POINTS), rtol=rtol, atol=3e-16 if name in ("GELU", "Mish") else 1e-320)


@every_case
def test_its_derivative_is_that_of_its_function_also_at_kinks(name):
    module, _, slope = CASES[name]
    delta = np.random.default_rng(0).normal(size=POINTS.shape)
    got = module.backward_delta(POINTS[None], delta[None])[0]
    np.testing.assert_allclose(got, delta * slope(POINTS), rtol=1e-13, atol=2e-15)


@every_case
def test_float32_stays_float32_with_the_accuracy_of_float32(name):
    module, f, slope = CASES[name]
    x = POINTS[(abs(POINTS) < 80) & ((abs(POINTS) > 1e-30) | (POINTS == 0))].astype(np.float32)[None]
    if name.startswith("PReLU"):
        module = PReLU(module.weight[0]).astype("float32")
    exact = x.astype(np.float64)
    out, dx = module.forward(x), module.backward_delta(x, np.ones_like(x))
    assert out.dtype == dx.dtype == np.float32
    # A few roundings of the result, those of the argument, which f' amplifies, and where 1 - 1 cancels in a factor of x, of x.
    cancels = abs(exact) if name in ("GELU", "Mish") else 0
    bound = 2.0**-23 * (4 * abs(f(exact)) + 2 * abs(exact * slope(exact)) + cancels) + 1e-44
    assert (abs(out - f(exact)) <= bound).all()
    np.testing.assert_allclose(dx, slope(exact), rtol=2e-6, atol=1e-6)


def llvm_of(kind, name):
    """What the body of an operation compiles to in float32. Compiled anew: numba shows no code that comes from the cache."""
    operation, names = getattr(kind, name), kind.layout
    vector, matrix = np.ones(3, np.float32), np.ones((1, 3), np.float32)
    known = {
        "x": matrix, "out": matrix, "delta": matrix, "dx": matrix,
        "p": names.P(*[vector] * len(names.parameters)),
        "c": names.C(*np.ones(2 + len(names.settings), np.float32)),
    }  # fmt: skip
    given = [known[n] if n in known else inline_always(getattr(kind, n)) for n in operation.names]
    fresh = jit.numba().njit(**JIT_OPTIONS)(operation.body)
    fresh.compile(tuple(map(numba.typeof, given)))
    return fresh.inspect_llvm(fresh.signatures[0])


@pytest.mark.needs_jit
@pytest.mark.slow
@pytest.mark.skipif(bool(config.BOUNDSCHECK), reason="a loop whose indices are checked is not vectorised")
@pytest.mark.parametrize("name", ["forward", "backward_delta"])
@pytest.mark.parametrize("kind", sorted({type(module) for module, _, _ in CASES.values()}, key=lambda kind: kind.__name__))
def test_a_float32_kernel_is_vectorised_and_has_no_step_in_float64(kind, name):
    lanes = re.findall(r"<\d+ x (float|double)>", llvm_of(kind, name))
    assert "float" in lanes
    assert "double" not in lanes


@every_case
def test_a_nan_comes_out_as_a_nan(name):
    module, _, _ = CASES[name]
    out = module.forward(np.array([[np.nan, 1.0], [2.0, -np.nan]]))
    np.testing.assert_array_equal(np.isnan(out), [[True, False], [False, True]])


@every_case
def test_infinities_give_limits_or_nan_and_no_wrong_number(name):
    module, f, _ = CASES[name]
    out = module.forward(np.array([[np.inf, -np.inf]]))[0]
    for got, want in zip(out, f(np.array([1e150, -1e150])), strict=True):
        assert np.isnan(got) or (np.isinf(want) or abs(want) > 1e100) == np.isinf(got)
        if np.isfinite(got):
            assert got == pytest.approx(want, abs=1e-300)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_softplus_is_exact_at_any_size(dtype):
    big, tiny = np.finfo(dtype).max, -80.0
    x = np.array([[big, 1e30, 1000, 30, tiny, -1e30, -big]], dtype)
    out = Softplus().forward(x)[0]
    np.testing.assert_array_equal(out[:3], x[0, :3])
    assert out[3] == pytest.approx(30 + math.exp(-30), rel=1e-7 if dtype is np.float32 else 1e-15)
    assert out[4] == pytest.approx(math.exp(-80), rel=1e-6 if dtype is np.float32 else 1e-15)  # no 0 from 1 + e^-80
    np.testing.assert_array_equal(out[5:], 0)
    np.testing.assert_array_equal(Softplus(50).forward(x)[0, :3], x[0, :3])
    np.testing.assert_array_equal(Softplus().backward_delta(x, np.ones_like(x))[0, [0, 1, 2, 5, 6]], [1, 1, 1, 0, 0])


def test_gelu_is_the_exact_form_and_not_one_of_tanhs():
    x = np.array([[2.0]])
    exact = 2 * (1 + math.erf(math.sqrt(2))) / 2
    tanh_form = 1 + math.tanh(math.sqrt(2 / math.pi) * (2 + 0.044715 * 8))
    got = GELU().forward(x)[0, 0]
    assert got == pytest.approx(exact, rel=1e-15)
    assert abs(got - tanh_form) > 9e-5


def test_at_its_fixed_point_selu_keeps_mean_zero_and_variance_one():
    # The two moments of SELU of a number of N(0, 1), as sums over a fine grid: what its constants were chosen for.
    x = np.linspace(-12, 12, 240_001)
    share = normal_density(x) * (x[1] - x[0])
    out = SELU().forward(x[None])[0]
    assert share @ out == pytest.approx(0, abs=1e-8)
    assert share @ out**2 == pytest.approx(1, abs=1e-8)


def test_derivatives_at_kinks():
    x, one = np.zeros((1, 1)), np.ones((1, 1))
    assert ELU(0.7).backward_delta(x, one) == 0.7
    assert SELU().backward_delta(x, one) == pytest.approx(SCALE * ALPHA, rel=1e-15)
    assert PReLU(0.3).backward_delta(x, one) == 0.3
    assert LeakyReLU(0.2).backward_delta(x, one) == 0.2
    assert ReLU().backward_delta(x, one) == 0
    np.testing.assert_array_equal(Ramp(-2, 5).backward_delta([[-2.0, 5.0, 1.0]], np.ones((1, 3))), [[0, 0, 1]])
    np.testing.assert_array_equal(Threshold(3, 3).backward_delta([[3.0, 3.1]], np.ones((1, 2))), [[0, 1]])
    np.testing.assert_array_equal(Threshold(3, 8).forward([[3.0, np.nextafter(3.0, 4)]]), [[8, np.nextafter(3.0, 4)]])


# PReLU's parameter


def test_prelu_adds_up_its_slopes_derivative_over_all_elements():
    rng = np.random.default_rng(3)
    x, delta = rng.normal(size=(5, 2, 7)), rng.normal(size=(5, 2, 7))
    module = PReLU(0.4)
    module.backward_update_gradient(x, delta)
    want = math.fsum(d * v for d, v in zip(delta.flat, x.flat, strict=True) if v <= 0)
    assert module.weight_gradient.shape == (1,)
    assert module.weight_gradient[0] == pytest.approx(want, rel=1e-13)
    module.backward_update_gradient(x, delta)
    assert module.weight_gradient[0] == pytest.approx(2 * want, rel=1e-13)


def test_prelu_sums_a_million_float32_terms_without_losing_them():
    x = np.full((1000, 1000), -1.0, np.float32)
    module = PReLU().astype("float32")
    module.backward_update_gradient(x, np.full_like(x, 0.1))
    assert module.weight_gradient[0] == pytest.approx(-1e6 * np.float64(np.float32(0.1)), rel=1e-6)


def test_prelu_learns_the_slope_of_a_leaky_relu():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(64, 3))
    net = modnet.Sequential(PReLU())
    history = modnet.fit(
        net, x, np.where(x > 0, x, -0.6 * x), loss=modnet.MSE(), optimizer=modnet.optim.SGD(0.1), epochs=40, rng=0
    )
    assert history.loss[-1] < 1e-8
    assert net[0].weight[0] == pytest.approx(-0.6, abs=1e-4)
    assert repr(PReLU(0.25)) == "PReLU(0.25)"


def test_prelu_placed_twice_has_one_slope_and_adds_both_gradients():
    module = PReLU(0.5)
    net = modnet.Sequential(module, module)
    net.backward_update_gradient([[-4.0]], [[1.0]])
    # out = a (a x): d/da = 2 a x
    assert module.weight_gradient[0] == 2 * 0.5 * -4.0
    assert net.parameters.size == 1


# Settings


def test_settings_are_read_and_changed():
    elu, softplus, threshold, ramp = ELU(2.0), Softplus(3.0), Threshold(1.0, -1.0), Ramp(-2.0, 3.0)
    assert (elu.alpha, softplus.beta, threshold.threshold, threshold.value, ramp.low, ramp.high) == (2, 3, 1, -1, -2, 3)
    elu.alpha, softplus.beta, threshold.value, ramp.high = 1.0, 1.0, 7.0, 0.5
    assert elu.forward([[-1.0]]) == pytest.approx(math.expm1(-1))
    assert softplus.forward([[0.0]]) == pytest.approx(math.log(2))
    assert threshold.forward([[0.0]]) == 7
    assert ramp.forward([[3.0]]) == 0.5


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: ELU(2), "ELU(2)"),
        (lambda: Softplus(0.5), "Softplus(0.5)"),
        (lambda: Threshold(1, 2), "Threshold(1, 2)"),
        (lambda: Ramp(), "Ramp(-1, 1)"),
        (lambda: GELU(), "GELU()"),
        (lambda: Radial(), "Radial()"),
    ],
)
def test_repr_says_the_settings(make, text):
    assert repr(make()) == text


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: ELU(math.inf), "ELU: alpha is inf, expected a finite number"),
        (lambda: Softplus(0), "Softplus: beta is 0, expected a positive number"),
        (lambda: Softplus(-1.0), "Softplus: beta is -1.0, expected a positive number"),
        (lambda: Threshold(math.nan), "Threshold: threshold is nan, expected a finite number"),
        (lambda: Ramp(1.0, 1.0), "Ramp: high is 1.0, expected a finite number above low"),
        (lambda: Ramp(2.0, -2.0), "Ramp: high is -2.0, expected a finite number above low"),
        (lambda: Ramp(math.nan, 1.0), "Ramp: low is nan, expected a finite number below high"),
        (lambda: PReLU(math.inf), "PReLU: init is inf, expected a finite number"),
    ],
)
def test_a_setting_without_meaning_is_refused(make, words):
    assert message(ValueError, make) == words


def test_a_setting_that_is_no_number_is_refused():
    assert message(TypeError, ELU, "big") == "ELU: alpha is 'big', expected a finite number"
    assert message(TypeError, PReLU, None) == "PReLU: init is None, expected a finite number"


# In networks


def test_every_activation_gives_the_same_in_a_table_as_by_hand():
    rng = np.random.default_rng(5)
    x, delta = rng.normal(size=(6, 3)), rng.normal(size=(6, 3))
    modules = [module for module, _, _ in CASES.values() if not isinstance(module, PReLU)] + [PReLU(0.3)]
    net = modnet.Sequential(modules)
    assert net.compiled
    inputs = [x]
    for module in modules:
        inputs.append(module.forward(inputs[-1]))
    np.testing.assert_array_equal(net.forward(x), inputs[-1])
    d = delta
    for module, h in zip(reversed(modules), reversed(inputs[:-1]), strict=True):
        d = module.backward_delta(h, d)
    np.testing.assert_array_equal(net.backward_delta(x, delta), d)
