"""Every module of the library, found by discovery, on its own examples: what the contract promises for all of them.

A module written later is in all of these tests with nobody adding it. What a module computes is checked beside, for each.
"""

import copy
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from helpers import (
    assert_derivative,
    before_forward,
    example_input,
    forward_again,
    layouts,
    message,
    on_smooth_input,
    placements,
    prepared,
)
from module_cases import (
    MODULES,
    answers,
    assert_same,
    case,
    every_example,
    every_leaf,
    every_mode,
    every_module,
    gradient,
    has_derivative,
    rng_of,
)

import modnet
from modnet import BatchNorm, Embedding, predict
from modnet.engine.program import Binding
from modnet.engine.storage import lay_out
from modnet.kernels.compiled import enter_backward, enter_forward, enter_gradient
from modnet.module import Module

# Discovery


def test_discovery_finds_the_modules_that_the_package_names():
    assert [kind.__name__ for kind in MODULES] == sorted(modnet.modules.__all__, key=str)
    for kind in MODULES:
        assert getattr(modnet, kind.__name__) is getattr(modnet.modules, kind.__name__) is kind


def test_discovery_finds_no_base_class_and_nothing_written_elsewhere():
    class Elsewhere(Module):
        def forward(self, X):
            return X

    assert not {Module, Elsewhere} & set(MODULES)
    assert not {"Elementwise", "Container", "Windowed"} & {kind.__name__ for kind in MODULES}


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


@every_mode
def test_in_training_backward_differentiates_the_draw_of_the_last_forward(kind, index):
    def check(rng):
        module, x = prepared(kind, index, rng)
        module.train()
        before = before_forward(module)
        delta = rng.normal(size=module.forward(x).shape)
        dx, dp = module.backward_delta(x, delta), gradient(module, x, delta)
        assert_same([module.backward_delta(x, delta), gradient(module, x, delta)], [dx, dp])
        assert_derivative(lambda: forward_again(module, before, x), x, delta, dx, rng)
        if dp.size:
            assert_derivative(lambda: forward_again(module, before, x), module.parameters, delta, dp, rng)

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


@pytest.mark.parametrize("step", [None, np.nan, np.inf, "0.1", 1j, True, [0.1], np.ones(3)], ids=repr)
def test_a_step_that_is_no_finite_number_moves_nothing(step):
    layer = modnet.Linear(2, 1, rng=0)
    layer.backward_update_gradient([[1.0, 2.0]], [[1.0]])
    before = layer.parameters.copy()
    for net, who in ((layer, "Linear(2 -> 1)"), (modnet.Sequential(layer), "Sequential")):
        error = ValueError if isinstance(step, float) else TypeError
        assert message(error, net.update_parameters, step) == f"{who}: gradient_step is {step!r}, expected a finite number"
    np.testing.assert_array_equal(layer.parameters, before)


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


@every_module
def test_predict_changes_nothing_at_all(kind, index):
    module, x, _ = case(kind, index)
    want = module.forward(x)
    module.train()
    twin = copy.deepcopy(module)
    np.testing.assert_array_equal(predict(module, x), want)
    assert module.training
    for name in ("parameters", "gradient", "state", "settings", "draws"):
        np.testing.assert_array_equal(getattr(module.storage, name), getattr(twin.storage, name))
    np.testing.assert_array_equal(module.forward(x), twin.forward(x))


@every_module
def test_threads_may_use_one_module_at_once(kind, index):
    module, x, delta = case(kind, index)
    inputs = [np.concatenate([x] * n) for n in (1, 2, 3, 4)]
    deltas = [np.concatenate([delta] * n) for n in (1, 2, 3, 4)]

    def compute(n, times=1):
        for _ in range(times):
            found = [module.forward(inputs[n])]
            if has_derivative(x):
                found.append(module.backward_delta(inputs[n], deltas[n]))
        return found

    want = [compute(n) for n in range(4)]
    with ThreadPoolExecutor(4) as threads:
        for got, wanted in zip(threads.map(compute, range(4), [20] * 4), want, strict=True):
            assert_same(got, wanted)


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


@every_module
def test_results_have_the_type_of_the_modules_numbers_or_else_that_of_the_input(kind, index):
    module, x, delta = case(kind, index)
    if not has_derivative(x):
        pytest.skip("takes integers only")
    single, double = x.astype(np.float32), x.astype(np.float32).astype(np.float64)
    if module.parameters.size:
        assert_same(answers(module, single, delta), answers(module, double, delta))
        module.astype("float32")
        assert_same(answers(module, double, delta), answers(module, single, delta.astype(np.float32)))
    else:
        assert module.forward(single).dtype == module.backward_delta(single, delta).dtype == np.float32
        assert module.forward(double).dtype == module.backward_delta(double, delta).dtype == np.float64


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
    x.reshape(len(x), -1)[0, at] = np.nan
    out = module.forward(x)
    assert np.isnan(out[0]).any()
    np.testing.assert_allclose(out[1:], clean[1:], rtol=1e-12)


# As kernels see it


def as_rows(array, rows, columns):
    return array.reshape(len(array) * rows, columns)


class Kernels:
    """A module's operations called by address, on memory of the test's own."""

    def __init__(self, module, x, delta):
        self.bound = bound = Binding(module, x.shape[1:], delta.dtype)
        self.forward, self.gradient, self.backward = (bound.address(op) for op in type(module).operations)
        self.x = as_rows(x.astype(delta.dtype), bound.input_rows, bound.columns)
        self.delta = as_rows(delta, bound.output_rows, bound.output_columns)

    def call(self, x, out, delta, dx, draw):
        """Every operation that there is, the gradient added to the module's."""
        bound = self.bound
        rest = bound.parameters, bound.state
        enter_forward(self.forward, x, out, *rest, bound.z, bound.s, draw)
        repeated = -abs(draw)
        if self.gradient:
            enter_gradient(self.gradient, x, out, delta, bound.gradient, *rest, bound.z_gradient, bound.s, repeated, 1)
        if self.backward:
            enter_backward(self.backward, x, out, delta, dx, *rest, bound.z, bound.s, repeated)


@pytest.mark.needs_jit
@every_leaf
def test_results_do_not_depend_on_where_arrays_lie(kind, index):
    module, x, delta = case(kind, index)
    kernels = Kernels(module, x, delta)
    found = set()
    # A loop on arrays so near each other that they might overlap is not vectorised, and may then add up in another order.
    for arrays in placements([kernels.x, kernels.delta, kernels.delta, kernels.x]):
        module.zero_grad()
        kernels.call(*arrays, draw=0)
        found.add((arrays[1].tobytes(), arrays[3].tobytes(), module.gradient.tobytes()))
    assert len(found) == 1


@pytest.mark.parametrize("sentinel", [np.nan, 12345.0], ids=["what is read", "what is written"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@every_leaf
def test_an_operation_reads_and_writes_its_own_numbers_only_and_all_of_its_output(kind, index, dtype, sentinel):
    module, x, delta = case(kind, index)
    want = answers(module.astype(dtype), x.astype(dtype), delta.astype(dtype), has_derivative(x))
    # Beside the module lie others, with parameters, state and settings.
    shared = list(module.shares_parameters_of)
    guards = [BatchNorm(7) for _ in range(len(shared) + 2)]
    before = {module: module.parameters.copy() for module in (module, *shared)}
    storage = lay_out([guards[0], module, *(m for pair in zip(guards[1:], shared) for m in pair), guards[-1]], dtype)
    for guard in guards:
        for block in ("parameters", "gradient", "state"):
            guard.block(block)[:] = sentinel
    for own in (module, *shared):
        own.zero_grad()
    settings = storage.settings.copy()

    def guarded(array, value):
        memory = np.full(array.size + 2 * 64, sentinel, dtype)
        inside = memory[64:-64].reshape(array.shape)
        inside[...] = value
        return memory, inside

    kernels = Kernels(module, x, delta.astype(dtype))
    given = [(kernels.x, kernels.x), (kernels.delta, np.nan), (kernels.delta, kernels.delta), (kernels.x, np.nan)]
    memories, arrays = zip(*(guarded(array, value) for array, value in given))
    kernels.call(*arrays, draw=0)

    got = [arrays[1].reshape(want[0].shape), module.gradient, *[arrays[3].reshape(x.shape)] * has_derivative(x)]
    assert_same(got, want)
    np.testing.assert_array_equal(storage.settings, settings)
    for guard in guards:
        for block in ("parameters", "gradient", "state"):
            np.testing.assert_array_equal(guard.block(block), np.full(guard.block(block).shape, sentinel, dtype))
    for memory in memories:
        np.testing.assert_array_equal(memory[:64], np.full(64, sentinel, dtype))
        np.testing.assert_array_equal(memory[-64:], np.full(64, sentinel, dtype))
    for own, parameters in before.items():
        np.testing.assert_array_equal(own.parameters, parameters)


@every_mode
def test_a_draw_can_be_repeated_and_then_moves_no_statistics(kind, index):
    module, x, delta = case(kind, index)
    kernels = Kernels(module, x, delta)
    state = module.block("state").copy()

    def output(draw):
        out = np.full(kernels.delta.shape, np.nan)
        kernels.call(kernels.x, out, kernels.delta, np.empty(kernels.x.shape), draw)
        return out.reshape(delta.shape)

    np.testing.assert_array_equal(output(0), module.eval().forward(x))
    repeated = output(-3)
    np.testing.assert_array_equal(module.block("state"), state)
    np.testing.assert_array_equal(output(3), repeated)
    moves = kind.layout.states and getattr(module, "momentum", 1)
    assert np.array_equal(module.block("state"), state) is not bool(moves)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_no_number_leads_an_embedding_outside_its_table(dtype):
    """Inputs are checked before; another thread may write to an array between the check and the kernel."""
    module = Embedding(3, 2, rng=0).astype(dtype)
    storage = lay_out([BatchNorm(7), module, BatchNorm(7)], dtype)
    x = np.array([[-1, 3, 0.5, 2.5, 1e30, -1e30, np.nan, np.inf, -np.inf, -0.0, 2, 2**53]]).astype(dtype)
    kernels = Kernels(module, x, np.ones((1, x.size, 2), dtype))
    out = np.zeros((x.size, 2), dtype)
    kernels.call(kernels.x, out, kernels.delta, None, draw=0)
    good = [9, 10]
    np.testing.assert_array_equal(out[good], module.weight[[0, 2]])
    assert np.isnan(np.delete(out, good, axis=0)).all()
    np.testing.assert_array_equal(module.weight_gradient, [[1, 1], [0, 0], [1, 1]])
    assert storage.gradient.sum() == 4
