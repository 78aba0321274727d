"""Every module of the library, found by discovery, on its own examples: what the contract promises for all of them.

A module written later is in all of these tests with nobody adding it. What a module computes is checked below, for each.
"""

import copy
import math
import pickle

import numpy as np
import pytest
from helpers import assert_derivative, example_input, layouts, on_smooth_input, placements, prepared
from scipy import special

import modnet
from modnet import Identity, LeakyReLU, Linear, LogSoftmax, ReLU, Sigmoid, Softmax, Tanh
from modnet.discovery import all_modules
from modnet.module import KernelModule, Module

MODULES = all_modules()
CASES = [pytest.param(kind, i, id=f"{kind.__name__}-{i}") for kind in MODULES for i in range(len(kind.examples()))]
FIRSTS = [pytest.param(kind, 0, id=kind.__name__) for kind in MODULES]
DRAWING = [case for case in CASES if getattr(case.values[0], "draws", False)]

every_example = pytest.mark.parametrize(("kind", "index"), CASES)
every_module = pytest.mark.parametrize(("kind", "index"), FIRSTS)


def rng_of(index):
    return np.random.default_rng(100 + index)


def case(kind, index):
    """A module, an input and a delta of its output's shape."""
    rng = rng_of(index)
    module, x = prepared(kind, index, rng)
    return module, x, rng.normal(size=module.forward(x).shape)


def has_derivative(x):
    return x.dtype.kind == "f"


def gradient(module, x, delta):
    module.zero_grad()
    module.backward_update_gradient(x, delta)
    return module.gradient.copy()


def answers(module, x, delta, differentiable=None):
    """All that a module computes from an input and a delta."""
    found = [module.forward(x), gradient(module, x, delta)]
    if has_derivative(np.asarray(x)) if differentiable is None else differentiable:
        found.append(module.backward_delta(x, delta))
    return found


def assert_same(got, want):
    for g, w in zip(got, want, strict=True):
        assert g.dtype == w.dtype
        np.testing.assert_array_equal(g, w)


# Discovery


def test_discovery_finds_the_modules_that_the_package_names():
    assert [kind.__name__ for kind in MODULES] == sorted(modnet.modules.__all__, key=str)
    for kind in MODULES:
        assert getattr(modnet, kind.__name__) is getattr(modnet.modules, kind.__name__) is kind


def test_discovery_finds_no_base_class_and_nothing_written_elsewhere():
    class Elsewhere(Module):
        def forward(self, X):
            return X

    assert not {Module, KernelModule, Elsewhere} & set(MODULES)
    assert "Activation" not in {kind.__name__ for kind in MODULES}


# Derivatives


@every_example
def test_backward_delta_is_the_derivative_by_the_input(kind, index):
    def check(rng):
        module, x = prepared(kind, index, rng)
        delta = rng.normal(size=module.forward(x).shape)
        if has_derivative(x):
            assert_derivative(lambda: module.forward(x), x, delta, module.backward_delta(x, delta), rng)
        else:
            with pytest.raises((TypeError, ValueError), match=kind.__name__):
                module.backward_delta(x, delta)

    on_smooth_input(check)


@every_example
def test_backward_update_gradient_adds_the_derivative_by_the_parameters(kind, index):
    def check(rng):
        module, x = prepared(kind, index, rng)
        delta = rng.normal(size=module.forward(x).shape)
        got = gradient(module, x, delta)
        assert got.shape == module.parameters.shape
        if got.size:
            assert_derivative(lambda: module.forward(x), module.parameters, delta, got, rng)

    on_smooth_input(check)


@pytest.mark.parametrize(("kind", "index"), DRAWING)
def test_in_training_backward_differentiates_the_draw_of_the_last_forward(kind, index):
    def check(rng):
        module, x = prepared(kind, index, rng)
        module.train()
        delta = rng.normal(size=module.forward(x).shape)
        dx, dp = module.backward_delta(x, delta), gradient(module, x, delta)
        assert_same([module.backward_delta(x, delta), gradient(module, x, delta)], [dx, dp])
        module._hyper[0] = 2  # training, but the last draw again
        assert_derivative(lambda: module.forward(x), x, delta, dx, rng)
        if dp.size:
            assert_derivative(lambda: module.forward(x), module.parameters, delta, dp, rng)

    on_smooth_input(check)


@every_example
def test_gradients_accumulate_until_zero_grad(kind, index):
    module, x, delta = case(kind, index)
    once = gradient(module, x, delta)
    module.backward_update_gradient(x, delta)
    np.testing.assert_allclose(module.gradient, 2 * once, rtol=1e-12, atol=1e-14 * np.abs(once).max(initial=1))
    module.zero_grad()
    assert not module.gradient.any()
    if module.parameters.size:
        assert once.any()


@every_example
def test_update_parameters_is_one_step_against_the_gradient(kind, index):
    module, x, delta = case(kind, index)
    slope = gradient(module, x, delta)
    before = module.parameters.copy()
    module.update_parameters(gradient_step=0.25)
    np.testing.assert_allclose(module.parameters, before - 0.25 * slope, rtol=1e-15, atol=1e-15)
    np.testing.assert_array_equal(module.gradient, slope)
    before = module.parameters.copy()
    module.update_parameters()
    np.testing.assert_allclose(module.parameters, before - 1e-3 * slope, rtol=1e-15, atol=1e-15)


@every_example
def test_a_gradient_is_the_sum_of_its_examples_gradients(kind, index):
    module, x, delta = case(kind, index)
    whole = gradient(module, x, delta)
    parts = sum(gradient(module, x[i : i + 1], delta[i : i + 1]) for i in range(len(x)))
    np.testing.assert_allclose(whole, parts, rtol=1e-10, atol=1e-12 * np.abs(whole).max(initial=1))


# What is kept, and what is left alone


@every_example
def test_backward_answers_for_the_input_it_is_given(kind, index):
    module, x, delta = case(kind, index)
    rng = rng_of(index + 50)
    other = np.concatenate([example_input(module, x.shape, rng), x])
    other_delta = rng.normal(size=(2 * len(x), *delta.shape[1:]))
    first = answers(copy.deepcopy(module), x, delta)
    second = answers(copy.deepcopy(module), other, other_delta)
    if has_derivative(x):
        np.testing.assert_array_equal(copy.deepcopy(module).backward_delta(x, delta), first[2])  # before any forward
        module.forward(other)
        np.testing.assert_array_equal(module.backward_delta(x, delta), first[2])
        np.testing.assert_array_equal(module.backward_delta(other, other_delta), second[2])
        np.testing.assert_array_equal(module.backward_delta(x, delta), first[2])
    module.forward(x)
    np.testing.assert_array_equal(gradient(module, other, other_delta), second[1])
    np.testing.assert_array_equal(gradient(module, x, delta), first[1])
    assert_same(answers(module, other, other_delta), second)
    assert_same(answers(module, x, delta), first)


@every_example
def test_backward_delta_leaves_the_gradient_alone_and_nothing_moves_the_parameters(kind, index):
    module, x, delta = case(kind, index)
    slope, parameters = gradient(module, x, delta), module.parameters.copy()
    if has_derivative(x):
        module.backward_delta(x, delta)
    module.forward(x)
    np.testing.assert_array_equal(module.gradient, slope)
    np.testing.assert_array_equal(module.parameters, parameters)


@every_example
def test_input_and_delta_are_never_written_to(kind, index):
    module, x, delta = case(kind, index)
    want = answers(module, x.copy(), delta.copy())
    x.flags.writeable = delta.flags.writeable = False
    x_before, delta_before = x.copy(), delta.copy()
    assert_same(answers(module, x, delta), want)
    np.testing.assert_array_equal(x, x_before)
    np.testing.assert_array_equal(delta, delta_before)


@every_example
def test_what_is_returned_belongs_to_the_caller(kind, index):
    module, x, delta = case(kind, index)
    calls = [lambda: module.forward(x)] + [lambda: module.backward_delta(x, delta)] * has_derivative(x)
    for call in calls:
        first, second = call(), call()
        assert first.flags.writeable
        for array in (x, delta, second, module.parameters):
            assert not np.shares_memory(first, array)


# What comes in


@every_example
def test_every_layout_of_the_same_numbers_gives_the_same(kind, index):
    module, x, delta = case(kind, index)
    want = answers(module, x, delta)
    deltas = layouts(delta)
    for name, given in layouts(x).items():
        assert_same(answers(module, given, deltas[name]), want)


@every_module
def test_integers_give_what_the_same_floats_give(kind, index):
    module, x, _ = case(kind, index)
    if not has_derivative(x):
        pytest.skip("takes integers only")
    for dtype in (np.int64, np.int8, np.uint16, np.bool_, np.float16):
        whole = np.rint(3 * x) if np.dtype(dtype).kind in "if" else np.abs(np.rint(x))
        given = whole.astype(dtype)
        whole = given.astype(np.float64)
        delta = np.rint(3 * module.forward(whole))
        assert_same(answers(module, given, delta.astype(np.int64), True), answers(module, whole, delta, True))


@every_example
def test_float32_stays_float32_and_is_near_float64(kind, index):
    module, x, delta = case(kind, index)
    want = answers(module, x, delta)
    assert {array.dtype for array in want} == {np.dtype(np.float64)}
    assert module.astype("float32") is module
    single = x.astype(np.float32) if has_derivative(x) else x
    got = answers(module, single, delta.astype(np.float32))
    assert {array.dtype for array in got} == {np.dtype(np.float32)}
    for g, w in zip(got, want, strict=True):
        np.testing.assert_allclose(g, w, rtol=1e-4, atol=1e-5 * np.abs(w).max(initial=1))
    for array in module.named_parameters().values():
        assert array.dtype == np.float32
    parameters = module.parameters.copy()
    module.astype(np.float64)
    np.testing.assert_array_equal(module.parameters, parameters.astype(np.float64))


@every_example
def test_an_example_gives_the_same_alone_as_in_a_batch(kind, index):
    module, x, delta = case(kind, index)
    out = module.forward(x)
    for i in range(len(x)):
        # A product of one row and one of many may add up in another order.
        np.testing.assert_allclose(module.forward(x[i : i + 1]), out[i : i + 1], rtol=1e-12, atol=1e-14)
        if has_derivative(x):
            dx = module.backward_delta(x[i : i + 1], delta[i : i + 1])
            np.testing.assert_allclose(dx, module.backward_delta(x, delta)[i : i + 1], rtol=1e-11, atol=1e-13)


@every_example
def test_a_nan_comes_out_of_its_own_example_and_of_no_other(kind, index):
    module, x, delta = case(kind, index)
    if not has_derivative(x):
        pytest.skip("integers are never NaN")
    clean = module.forward(x)
    # Where the output depends on the input at all: a window that does not fit may leave some of it out.
    at = int(np.argmax(np.abs(module.backward_delta(x, delta)[0])))
    x[0].flat[at] = np.nan
    out = module.forward(x)
    assert np.isnan(out[0]).any()
    np.testing.assert_allclose(out[1:], clean[1:], rtol=1e-12)


@pytest.mark.needs_jit
@every_example
def test_results_do_not_depend_on_where_arrays_lie(kind, index):
    module, x, delta = case(kind, index)
    if not isinstance(module, KernelModule) or not has_derivative(x):
        pytest.skip("has no kernels of its own")
    plan = module._take(x)[1]
    flat = [array.reshape(len(x), -1) for array in (x, module.forward(x), delta)]
    rest = (*module._flat(x.dtype), plan.sizes, module._hyper)
    found = set()
    # A loop on arrays so near each other that they might overlap is not vectorised, and may then add up in another order.
    for near, out, near_delta, dx, grad in placements([*flat, flat[0], module.gradient]):
        out[:], dx[:], grad[:] = 0, 0, 0
        module.forward_kernel.call(near, out, *rest)
        module.backward_kernel.call(near, out, near_delta, dx, *rest)
        if grad.size:
            module.gradient_kernel.call(near, out, near_delta, grad, *rest)
        found.add((out.tobytes(), dx.tobytes(), grad.tobytes()))
    assert len(found) == 1


# As an object


@every_example
def test_repr_says_the_class_in_one_line(kind, index):
    module, _ = kind.examples()[index]
    text = repr(module)
    assert text.startswith(kind.__name__ + "(")
    assert text.endswith(")")
    assert " at 0x" not in text
    assert "\n" not in text or kind.__name__ == "Sequential"


@every_example
@pytest.mark.parametrize("again", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))], ids=["deepcopy", "pickle"])
def test_a_copy_computes_the_same_and_shares_nothing(kind, index, again):
    module, x, delta = case(kind, index)
    slope = gradient(module, x, delta)
    twin = again(module)
    assert type(twin) is kind
    assert repr(twin) == repr(module)
    np.testing.assert_array_equal(twin.gradient, slope)
    assert_same(answers(twin, x, delta), answers(module, x, delta))
    twin.parameters[:] += 1
    twin.gradient[:] += 1
    assert_same([module.gradient, *answers(module, x, delta)], [slope, *answers(copy.deepcopy(module), x, delta)])
    assert not np.shares_memory(twin.parameters, module.parameters)


@every_module
def test_train_and_eval_return_the_module_and_set_its_mode(kind, index):
    module, x = prepared(kind, index, rng_of(index))
    assert module.train() is module
    assert module.training
    assert module.eval() is module
    assert not module.training
    np.testing.assert_array_equal(module.forward(x), module.forward(x))
    assert kind.examples()[index][0].training


@every_example
def test_named_parameters_are_the_parameters(kind, index):
    module, x, _ = case(kind, index)
    # A module that stands in a network twice has two names.
    named = {array.ctypes.data: array for array in module.named_parameters().values()}
    assert sum(array.size for array in named.values()) == module.parameters.size
    before = module.forward(x)
    for number, array in enumerate(named.values()):
        assert np.shares_memory(array, module.parameters)
        array[...] = number + 0.5
    np.testing.assert_array_equal(np.unique(module.parameters), np.arange(len(named)) + 0.5)
    if named:
        assert not np.array_equal(module.forward(x), before)


@every_module
def test_calling_a_module_is_its_forward(kind, index):
    module, x, _ = case(kind, index)
    np.testing.assert_array_equal(module(x), module.forward(x))


# What each computes


def naive_linear(x, W, b):
    rows = x.reshape(-1, W.shape[0])
    out = np.zeros((len(rows), W.shape[1]))
    for i in range(len(rows)):
        for j in range(W.shape[1]):
            out[i, j] = b[j] + math.fsum(rows[i, q] * W[q, j] for q in range(W.shape[0]))
    return out.reshape(*x.shape[:-1], W.shape[1])


@pytest.mark.parametrize("index", range(len(Linear.examples())))
def test_linear_is_the_weighted_sum_written_as_loops(index):
    module, x, delta = case(Linear, index)
    b = np.zeros(module.out_features) if module.bias is None else module.bias
    np.testing.assert_allclose(module.forward(x), naive_linear(x, module.weight, b), rtol=1e-12, atol=1e-14)
    rows, deltas = x.reshape(-1, module.in_features), delta.reshape(-1, module.out_features)
    dW = sum(np.outer(row, d) for row, d in zip(rows, deltas, strict=True))
    gradient(module, x, delta)
    np.testing.assert_allclose(module.weight_gradient, dW, rtol=1e-11, atol=1e-13)
    if module.bias is not None:
        np.testing.assert_allclose(module.bias_gradient, deltas.sum(axis=0), rtol=1e-12, atol=1e-13)
    dx = naive_linear(delta, module.weight.T, np.zeros(module.in_features))
    np.testing.assert_allclose(module.backward_delta(x, delta), dx, rtol=1e-11, atol=1e-13)


def test_linear_is_drawn_evenly_within_one_over_the_root_of_its_inputs():
    layer = Linear(25, 400, rng=0)
    assert np.abs(layer.parameters).max() <= 1 / 5
    assert np.abs(layer.weight).max() > 0.199
    assert abs(layer.weight.mean()) < 0.005
    assert layer.bias.std() == pytest.approx(0.2 / math.sqrt(3), rel=0.1)
    np.testing.assert_array_equal(layer.weight, Linear(25, 400, rng=np.random.default_rng(0)).weight)
    assert not np.array_equal(layer.weight, Linear(25, 400, rng=1).weight)


def test_linear_without_a_bias_has_none():
    layer = Linear(2, 3, bias=False, rng=0)
    assert layer.bias is None
    assert layer.bias_gradient is None
    assert list(layer.named_parameters()) == ["weight"]
    assert layer.parameters.size == 6


def test_views_are_read_and_written_in_place():
    layer = Linear(2, 1, rng=0)
    layer.weight = [[2.0], [3.0]]
    layer.bias[:] = 1
    np.testing.assert_array_equal(layer.parameters, [2, 3, 1])
    np.testing.assert_array_equal(layer.forward([[10, 100]]), [[321.0]])
    layer.weight *= 2
    np.testing.assert_array_equal(layer.forward([[10, 100]]), [[641.0]])
    layer.backward_update_gradient([[10, 100]], [[1]])
    np.testing.assert_array_equal(layer.weight_gradient, [[10], [100]])
    np.testing.assert_array_equal(layer.bias_gradient, [1])


ELEMENTWISE = {
    "Tanh": (Tanh, np.tanh, lambda x: 4 * special.expit(2 * x) * special.expit(-2 * x)),
    "Sigmoid": (Sigmoid, special.expit, lambda x: special.expit(x) * special.expit(-x)),
    "ReLU": (ReLU, lambda x: np.maximum(x, 0), lambda x: np.heaviside(x, 0)),
    "LeakyReLU": (LeakyReLU, lambda x: np.where(x > 0, x, 0.01 * x), lambda x: np.where(x > 0, 1, 0.01)),
    "LeakyReLU(0.3)": (lambda: LeakyReLU(0.3), lambda x: np.where(x > 0, x, 0.3 * x), lambda x: np.where(x > 0, 1, 0.3)),
    "Identity": (Identity, lambda x: x, np.ones_like),
}


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_an_activation_is_its_function_at_every_number(name):
    make, f, slope = ELEMENTWISE[name]
    x = np.concatenate([np.linspace(-9, 9, 301), [0.0, -0.0, 1e-300, -1e-300, 30.0, -30.0, 500.0, -500.0]])[None]
    delta = np.random.default_rng(0).normal(size=x.shape)
    np.testing.assert_allclose(make().forward(x), f(x), rtol=2e-15, atol=1e-300)
    np.testing.assert_allclose(make().backward_delta(x, delta), delta * slope(x), rtol=1e-12, atol=1e-15)


def test_the_derivative_at_a_kink_is_the_left_one():
    zero, one = np.zeros((1, 1)), np.ones((1, 1))
    assert ReLU().backward_delta(zero, one) == 0
    assert LeakyReLU(0.2).backward_delta(zero, one) == 0.2


def test_the_slope_of_a_leaky_relu_can_be_changed():
    module = LeakyReLU(0.5)
    assert module.slope == 0.5
    module.slope = 0.25
    np.testing.assert_array_equal(module.forward([[-4.0, 4.0]]), [[-1.0, 4.0]])
    assert repr(module) == "LeakyReLU(0.25)"


@pytest.mark.parametrize("scale", [1.0, 1e4])
@pytest.mark.parametrize("shape", [(5, 4), (2, 3, 3), (3, 1)], ids=str)
def test_softmax_and_its_whole_jacobian(shape, scale):
    rng = np.random.default_rng(3)
    x, delta = scale * rng.normal(size=shape), rng.normal(size=shape)
    p = special.softmax(x, axis=-1)
    np.testing.assert_allclose(Softmax().forward(x), p, rtol=1e-13, atol=1e-300)
    np.testing.assert_allclose(LogSoftmax().forward(x), special.log_softmax(x, axis=-1), rtol=1e-13, atol=1e-13)
    rows, deltas = p.reshape(-1, shape[-1]), delta.reshape(-1, shape[-1])
    soft = [(np.diag(row) - np.outer(row, row)) @ d for row, d in zip(rows, deltas, strict=True)]
    log = [(np.eye(len(row)) - np.outer(row, np.ones(len(row)))) @ d for row, d in zip(rows, deltas, strict=True)]
    np.testing.assert_allclose(Softmax().backward_delta(x, delta), np.reshape(soft, shape), rtol=1e-10, atol=1e-15)
    np.testing.assert_allclose(LogSoftmax().backward_delta(x, delta), np.reshape(log, shape), rtol=1e-11, atol=1e-15)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_softmax_and_log_softmax_are_exact_at_ten_thousand(dtype):
    x = np.array([[1e4, -1e4, 1e4], [-1e4, -1e4, -1e4]], dtype)
    np.testing.assert_allclose(Softmax().forward(x), [[0.5, 0, 0.5], [1 / 3, 1 / 3, 1 / 3]], rtol=1e-6)
    out = LogSoftmax().forward(x)
    np.testing.assert_allclose(out, [[-math.log(2), -2e4 - math.log(2), -math.log(2)], [-math.log(3)] * 3], rtol=1e-6)
    assert np.isfinite(Softmax().backward_delta(x, np.ones_like(x))).all()
    assert np.isfinite(LogSoftmax().backward_delta(x, np.ones_like(x))).all()


@pytest.mark.parametrize("shape", [(3, 2, 4), (2, 5), (3,)], ids=str)
def test_flatten_puts_an_examples_numbers_in_their_order(shape):
    x = np.arange(np.prod(shape), dtype=float).reshape(shape)
    flat = modnet.Flatten()
    np.testing.assert_array_equal(flat.forward(x), x.reshape(shape[0], -1))
    np.testing.assert_array_equal(flat.backward_delta(x, x.reshape(shape[0], -1)), x)
    for order in (np.asfortranarray(x), x.astype(">f8")):
        np.testing.assert_array_equal(flat.forward(order), x.reshape(shape[0], -1))
