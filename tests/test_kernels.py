"""Kernels called from Python: through the entry of their kind, with the results of compiled code, and never into nothing."""

import numpy as np
import pytest

from modnet import Linear, Tanh
from modnet.kernels import ENTRIES, SIGNATURES, Kernel, inline, inline_always, kernel


@inline
def twice(x):
    return x + x


@inline_always
def four_times(x):
    return twice(twice(x))


@kernel("forward")
def doubled(x, out, params, state, sizes, hyper):
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            out[i, j] = four_times(x[i, j]) / x.dtype.type(2.0)


@kernel("forward")
def failing(x, out, params, state, sizes, hyper):
    raise ValueError("no such output")


def arguments(dtype=np.float64, shape=(2, 3)):
    x = np.arange(np.prod(shape), dtype=dtype).reshape(shape)
    return x, np.zeros(shape, dtype), np.empty(0, dtype), np.empty(0, dtype), np.empty(0, np.int64), np.empty(0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_kernel_is_called_from_python_like_any_function(dtype):
    x, out, *rest = arguments(dtype)
    assert doubled(x, out, *rest) is None
    np.testing.assert_array_equal(out, 2 * x, strict=True)


def test_there_is_an_entry_for_each_kind():
    assert list(ENTRIES) == list(SIGNATURES[np.dtype(np.float32)])
    # Its code is the same for any kernel of its kind: it reaches the one it is given.
    assert doubled.kind == Linear.forward_kernel.kind == Tanh.forward_kernel.kind == "forward"
    for dtype in (np.float32, np.float64):
        x, out, *rest = arguments(dtype)
        Tanh.forward_kernel(x, out, *rest)
        np.testing.assert_allclose(out, np.tanh(x), rtol=1e-6)


def test_an_error_of_a_kernel_reaches_python():
    with pytest.raises(ValueError, match="no such output"):
        failing(*arguments())


@pytest.mark.needs_jit
@pytest.mark.parametrize(
    "change",
    [
        lambda x, out, *rest: (x, out.astype(np.float32), *rest),
        lambda x, out, *rest: (x[:, ::2], out, *rest),
        lambda x, out, *rest: (x[0], out, *rest),
        lambda x, out, *rest: (x, out, *rest[:2], rest[2].astype(np.int32), rest[3]),
        lambda x, out, *rest: (x,),
        lambda x, out, *rest: (x, out, *rest, x),
    ],
    ids=["mixed types", "not contiguous", "a vector", "short sizes", "too few", "too many"],
)
def test_arguments_of_another_type_than_the_machine_code_takes_are_refused(change):
    x, out, *rest = arguments()
    with pytest.raises(TypeError):
        doubled(*change(x, out, *rest))
    np.testing.assert_array_equal(out, 0)


def test_a_helper_called_from_python_runs_in_python_whether_it_is_compiled_or_not():
    assert four_times(1.5) == 6.0
    doubled(*arguments())  # compiles a helper, but not for Python
    assert four_times("ab") == "abababab"


@pytest.mark.needs_jit
def test_kernels_and_helpers_are_machine_code_without_wrappers():
    doubled.compile(np.float64)
    for function in (doubled.dispatcher, twice, four_times):
        for compiled in function.overloads.values():
            address = compiled.library.get_pointer_to_function
            assert address(compiled.fndesc.llvm_func_name)
            assert not address(compiled.fndesc.llvm_cpython_wrapper_name)
            assert not address(compiled.fndesc.llvm_cfunc_wrapper_name)


@pytest.mark.needs_jit
def test_a_call_past_the_entry_of_a_kernel_runs_in_python():
    doubled.compile(np.float64)
    x, out, *rest = arguments()
    doubled.dispatcher(x, out, *rest)
    np.testing.assert_array_equal(out, 2 * x)


def test_a_kernel_has_a_kind_that_there_is():
    with pytest.raises(ValueError, match="kind is 'sideways', expected one of forward, gradient"):
        kernel("sideways")
    assert isinstance(doubled, Kernel)
