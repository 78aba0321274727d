"""Helpers and kernels called from Python: through the entry of their kind, or as plain Python, and never into nothing."""

import os
import subprocess
import sys

import numba
import numpy as np
import pytest
from helpers import message, run_script

from modnet import Linear, Module, Tanh
from modnet.engine.program import Binding
from modnet.engine.walk import PIECE, clip
from modnet.kernels import flat, inline, inline_always, jit, room
from modnet.kernels.compiled import ARGUMENTS, JIT_OPTIONS, enter_backward, enter_forward, enter_gradient
from modnet.kernels.entry import is_known_layout
from modnet.module import Parameter, Setting, operation


@inline
def twice(x):
    return x + x


@inline_always
def four_times(x):
    """Calls another helper."""
    return twice(twice(x))


class Scaled(Module):
    """out = 2 w x + shift, by helpers."""

    one = 1
    weight = Parameter("one")
    shift = Setting(default=0.5)

    @operation
    def forward(x, out, p, c):
        for i in range(x.shape[0]):
            for j in range(x.shape[1]):
                out[i, j] = four_times(x[i, j]) / (c.one + c.one) * p.weight[0] + c.shift

    @operation
    def backward_update_gradient(x, delta, g):
        for i in range(x.shape[0]):
            for j in range(x.shape[1]):
                g.weight[0] += twice(x[i, j]) * delta[i, j]

    @operation
    def backward_delta(delta, dx, p):
        for i in range(dx.shape[0]):
            for j in range(dx.shape[1]):
                dx[i, j] = twice(delta[i, j]) * p.weight[0]


class Failing(Module):
    """A kernel that raises."""

    @operation
    def forward(x, out):
        raise ValueError("no such output")

    @operation
    def backward_delta(delta, dx):
        if dx.shape[0] > 1:
            raise ValueError("no such batch")
        for j in range(dx.shape[1]):
            dx[0, j] = delta[0, j]


def scaled(dtype=np.float64):
    module = Scaled().astype(dtype)
    module.weight = [3.0]
    return module


# Helpers


def test_a_helper_called_from_python_runs_in_python_whether_it_is_compiled_or_not():
    assert four_times(1.5) == 6.0
    scaled().forward(np.ones((2, 3)))  # compiles a helper, but not for Python
    assert four_times("ab") == "abababab"
    assert (four_times.__name__, four_times.__doc__, four_times.__module__) == ("four_times", "Calls another helper.", __name__)


@pytest.mark.needs_jit
def test_a_helper_is_compiled_into_any_jitted_function():
    @numba.njit(**JIT_OPTIONS)
    def sum_of(x):
        total = x.dtype.type(0.0)
        for i in range(x.size):
            total += four_times(x[i])
        return total

    assert sum_of(np.arange(4.0)) == 24.0
    assert sum_of(np.arange(4, dtype=np.float32)) == 24.0


@pytest.mark.needs_jit
def test_a_helper_has_no_machine_code_of_its_own_and_nobody_is_given_what_numba_makes_of_it():
    scaled().forward(np.ones((2, 3)))
    for helper in (twice, four_times):
        public = [getattr(helper, name) for name in dir(helper) if not name.startswith("_")]
        assert not any(isinstance(value, numba.core.dispatcher.Dispatcher) for value in public)
        dispatcher = numba.typeof(helper).dispatcher
        assert dispatcher.overloads
        for compiled in dispatcher.overloads.values():
            names = compiled.fndesc.llvm_func_name, compiled.fndesc.llvm_cpython_wrapper_name, compiled.fndesc.llvm_cfunc_wrapper_name
            assert not any(map(compiled.library.get_pointer_to_function, names))
            with pytest.raises((IndexError, TypeError)):
                compiled.entry_point(1.0)


def _handed_on(x):
    return x


def _seen(x):
    return flat(x)


def _held(x):
    rest = flat(x)
    return rest[0]


def _made(x):
    return room(3, x)[0] + x[0, 0]


@pytest.mark.needs_jit
@pytest.mark.parametrize(("function", "counts"), [(_handed_on, True), (_seen, False), (_held, False), (_made, True)])
def test_references_are_counted_where_an_array_may_own_memory_or_a_caller_may_count(monkeypatch, function, counts):
    monkeypatch.setattr(function, "__module__", "modnet.modules.linear")  # only the library's functions may go without
    kernel = jit.numba().njit(**JIT_OPTIONS, **jit.helper())(function)
    kernel.compile((numba.float32[:, ::1],))
    (made,) = kernel.overloads.values()
    assert made.library.counts == counts


@pytest.mark.needs_jit
def test_numpys_products_still_compile_in_functions_of_a_users_own():
    jit.numba()  # which keeps numba from looking for SciPy
    a = np.arange(6.0).reshape(2, 3)
    assert np.array_equal(numba.njit(lambda x, y: x @ y)(a, a.T.copy()), a @ a.T)


EVERYTHING = """
import itertools, warnings
import numpy as np
import modnet, modnet.kernels as kernels
from modnet.discovery import all_modules

warnings.simplefilter("ignore")
matrix, vector, number = np.ones((2, 2)), np.ones(4), np.float64(1.0)
given = [matrix, vector, number, 1, 0, None, "text"]
public = [getattr(kernels, name) for name in kernels.__all__]
for file in (kernels.mathfun, kernels.random, kernels.softmax_rows, kernels.tiles, kernels.windows):
    names = [name for name in vars(file) if not name.startswith("_")]
    public += [getattr(file, name) for name in names if getattr(getattr(file, name), "__module__", "") == file.__name__]
operations = [op for kind in all_modules() for op in kind.operations if op]
called = 0
for function in filter(callable, [*public, *operations, *(op.body for op in operations)]):
    for count in range(11):
        for argument in given:
            try:
                function(*[argument] * count)
            except Exception:
                pass
            called += 1
print(called, "calls")
"""


def test_nothing_that_can_be_called_ends_the_interpreter():
    run = subprocess.run([sys.executable, "-c", EVERYTHING], capture_output=True, text=True, env=os.environ, check=False)
    assert run.returncode == 0, run.stderr[-2000:]
    assert int(run.stdout.split()[0]) > 10_000


# Kernels


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_an_operation_is_a_method_and_a_kernel_with_an_address(dtype):
    module, x = scaled(dtype), np.arange(6, dtype=dtype).reshape(2, 3)
    delta = x + 1
    want = [6 * x + dtype(0.5), 6 * delta]
    np.testing.assert_array_equal(module.forward(x), want[0], strict=True)
    np.testing.assert_array_equal(module.backward_delta(x, delta), want[1], strict=True)
    module.backward_update_gradient(x, delta)
    assert module.weight_gradient[0] == (2 * x * delta).sum()

    bound = Binding(module, (3,), np.dtype(dtype))
    forward, gradient, backward = (op.address(Scaled, dtype) for op in Scaled.operations)
    assert len({forward, gradient, backward}) == 3
    assert forward == Scaled.forward.address(Scaled, np.dtype(dtype)) != Scaled.forward.address(Scaled, _other(dtype))
    out, dx = np.empty_like(x), np.empty_like(x)
    rest = bound.parameters, bound.state
    enter_forward(forward, x, out, *rest, bound.z, bound.s, 0)
    enter_backward(backward, x, out, delta, dx, *rest, bound.z, bound.s, 0)
    enter_gradient(gradient, x, out, delta, bound.gradient, *rest, bound.z, bound.s, 0, 1)
    np.testing.assert_array_equal(out, want[0])
    np.testing.assert_array_equal(dx, want[1])
    assert module.weight_gradient[0] == 2 * (2 * x * delta).sum()
    # An entry is the same for any kernel of its kind: it reaches the one that it is given.
    enter_forward(Tanh.forward.address(Tanh, dtype), x, out, *rest, bound.z, bound.s, 0)
    np.testing.assert_allclose(out, np.tanh(x), rtol=1e-6)


def _other(dtype):
    return np.dtype(np.float64 if dtype is np.float32 else np.float32)


def test_a_subclass_has_the_code_of_its_base_unless_it_changes_what_is_compiled_in():
    class Named(Scaled):
        """Nothing new."""

    class Wider(Scaled):
        """The place of a number moves."""

        beside = Parameter("one")

    class Cubed(Tanh):
        """Another formula, compiled into the same body."""

        @staticmethod
        def f(x, c):
            return x * x * x

    assert Named.forward is Scaled.forward
    assert Named.forward.address(Named, "float64") == Scaled.forward.address(Scaled, "float64")
    assert Wider.forward.address(Wider, "float64") != Scaled.forward.address(Scaled, "float64")
    np.testing.assert_array_equal(Cubed().forward([[2.0]]), [[8.0]])
    np.testing.assert_array_equal(Tanh().forward([[2.0]]), np.tanh([[2.0]]))


def test_an_error_of_a_kernel_reaches_python_and_leaves_everything_usable():
    module = Failing()
    for _ in range(2):
        with pytest.raises(ValueError, match=r"^no such output$"):
            module.forward(np.ones((2, 3)))
        with pytest.raises(ValueError, match=r"^no such batch$"):
            module.backward_delta(np.ones((2, 3)), np.ones((2, 3)))
        np.testing.assert_array_equal(module.backward_delta(np.ones((1, 3)), np.full((1, 3), 2.0)), np.full((1, 3), 2.0))


@pytest.mark.needs_jit
@pytest.mark.parametrize(
    "change",
    [
        lambda x, out, *rest: (x, out.astype(np.float32), *rest),
        lambda x, out, *rest: (x[:, ::2], out, *rest),
        lambda x, out, *rest: (x[0], out, *rest),
        lambda x, out, *rest: (x, out, rest[0].astype(np.float32), *rest[1:]),
        lambda x, out, *rest: (x, out, *rest[:-1], 0.5),
        lambda x, out, *rest: (x,),
        lambda x, out, *rest: (x, out, *rest, x),
    ],
    ids=["mixed types", "not contiguous", "a vector", "mixed blocks", "a fraction", "too few", "too many"],
)
def test_arguments_of_another_type_than_the_machine_code_takes_are_refused(change):
    module, x, out = scaled(), np.ones((2, 3)), np.zeros((2, 3))
    bound = Binding(module, (3,), x.dtype)
    given = change(x, out, bound.parameters, bound.state, bound.z, bound.s, 0)
    with pytest.raises((TypeError, numba.errors.TypingError)):
        enter_forward(Scaled.forward.address(Scaled, "float64"), *given)
    np.testing.assert_array_equal(out, 0)


@pytest.mark.needs_jit
def test_arrays_lie_in_memory_as_entries_read_them():
    assert is_known_layout()


OTHER_LAYOUT = """
import numpy as np
from modnet.kernels import entry
entry._DATA += 8
assert not entry.is_known_layout()
from modnet import Linear, Sequential
net = Sequential(Linear(2, 1, rng=0))
net.parameters[:] = [2, 1, 0.5]
assert net.forward([[1.0, 2.0]]).tolist() == [[4.5]]
net[0].backward_update_gradient(np.eye(2), np.ones((2, 1)))
print(*net[0].weight_gradient.ravel().tolist())
"""


@pytest.mark.needs_jit
def test_with_a_numpy_of_another_layout_python_calls_by_numbas_wrappers():
    assert run_script(OTHER_LAYOUT).split() == ["1.0", "1.0"]
    with pytest.raises(TypeError, match=r"^clip\('int', 'int'\): expected a vector, an integer, an integer, a number; arrays"):
        clip(1, 2)
    gradient, pieces = np.full(4, 3.0), np.zeros(1, PIECE)
    pieces["size"] = 4
    for one in (1, np.int32(1), True):  # any whole number, any number
        assert clip(gradient, np.int64(pieces.ctypes.data), one, np.float32(100)) == 6.0
        assert clip(gradient, pieces.ctypes.data, one, 100) == 6.0
    with pytest.raises(TypeError, match="expected a vector"):
        clip(gradient.byteswap().view(gradient.dtype.newbyteorder()), pieces.ctypes.data, 1, 100.0)


# What is refused when a class is written


def refused(make):
    """The text of the TypeError; Python 3.11 wraps what is raised while a class is made."""
    with pytest.raises((TypeError, RuntimeError)) as raised:
        make()
    error = raised.value if isinstance(raised.value, TypeError) else raised.value.__cause__
    assert type(error) is TypeError
    return str(error)


def test_an_operation_has_a_name_of_the_contract():
    def sideways():
        class Mine(Module):
            @operation
            def sideways(x, out):
                pass

    def nowhere():
        class Mine:
            @operation
            def forward(x, out):
                pass

    text = "Mine.sideways: it is decorated with @operation, expected one of " + ", ".join(list(ARGUMENTS)[:3])
    assert refused(sideways).endswith(text)
    assert refused(nowhere).endswith("expected a class derived from Module, Loss or Optimizer")


def test_a_body_takes_what_there_is():
    class Mine(Module):
        @operation
        def forward(x, out, parameter):
            pass

    assert not Mine.is_compiled
    text = message(TypeError, Mine().forward, [[1.0]])
    assert "Mine.forward: its body takes parameter, expected a static function of the class, or some of x, out, " in text


def test_any_name_will_do_for_a_number():
    """numpy's records have attributes and methods of these names."""

    class Mine(Module):
        row_sizes = ("shape", ("sort", 2))
        size, mean, data = Setting(default=2.0), Setting(default=3.0), Setting(default=5, kind=int)

        @operation
        def forward(x, out, s, c, z):
            out[0, 0] = x[0, 0] * s.size * c.mean + s.data + z.shape + z.sort[1]

        def sizes(self, input_shape):
            return 100, (1000, 10_000)

    assert Mine().forward([[1.0]]) == 2 * 3 + 5 + 100 + 10_000


def test_a_kernel_is_written_for_matrices_of_both_types():
    """A bare number would make a float32 a float64: c has the settings, zero and one in the type of x."""
    module = scaled(np.float32)
    module.shift = 0.1
    out = module.forward(np.ones((1, 1), np.float32))
    assert out.dtype == np.float32
    assert out[0, 0] == np.float32(6) + np.float32(0.1)
    assert Linear(1, 1, rng=0).astype("float32").forward([[1]]).dtype == np.float32
