"""What several test files share: errors, numerical derivatives, layouts of an array, and modules as students write them."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import modnet
from modnet.engine.snapshot import Kept
from modnet.training.compiled import CompiledRunner
from modnet.training.python import PythonRunner

# Errors


def message(error, call, *args, **options):
    """The text of the error that a call must raise: one line, raised in Python by the library itself."""
    with pytest.raises(error) as raised:
        call(*args, **options)
    # An error of numba's may derive from the one expected, and one of numpy's may be of the same class.
    assert type(raised.value) is error or type(raised.value).__module__.startswith("modnet.")
    assert raised.traceback[-1].frame.f_globals["__name__"].startswith("modnet")
    text = str(raised.value)
    assert "\n" not in text
    return text


# Numerical derivatives


class NotSmooth(Exception):
    """The function has a kink where its derivative is asked for."""


def _difference(at, h):
    """A derivative from four values: the errors of h^2 in two central differences cancel."""
    return (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h)


def derivative(at, h=2e-4):
    """d at(t) / dt at t = 0, of a function from a number to an array; NotSmooth where two step sizes disagree."""
    fine, coarse = _difference(at, h / 4), _difference(at, h)
    if not np.allclose(fine, coarse, rtol=1e-7, atol=1e-8 * max(1.0, float(np.abs(at(0.0)).max()))):
        raise NotSmooth
    return coarse


def along(f, array, direction):
    """The derivative of f() as `array`, which it reads, moves in a direction. The array is as before afterwards."""
    before = array.copy()

    def at(t):
        array[...] = before + t * direction
        try:
            return np.array(f(), np.float64)
        finally:
            array[...] = before

    return derivative(at)


def directions(shape, rng, limit=24):
    """Unit vectors at the entries of an array (at `limit` of them, where there are more) and two across all entries."""
    size = int(np.prod(shape))
    chosen = rng.permutation(size)[:limit]
    for i in chosen:
        yield np.eye(1, size, i).reshape(shape)
    for _ in range(2):
        v = rng.normal(size=shape)
        yield v / max(1.0, float(np.abs(v).max()))


def assert_derivative(f, array, delta, gradient, rng):
    """Central differences of sum(delta * f()) by `array` against the gradient, within 1e-6 relative."""
    assert np.shape(gradient) == array.shape
    size = np.abs(np.array(f(), np.float64)).max() + 1.0
    for direction in directions(array.shape, rng):
        want = float(np.sum(delta * along(f, array, direction)))
        got = float(np.sum(gradient * direction))
        # Below it, the differences' own rounding: each value is right to 1e-16 of its size, the step is 2e-4.
        rounding = 1e-11 * size * float(np.abs(delta).sum())
        assert abs(got - want) <= 1e-6 * abs(want) + rounding, f"{got!r} where central differences give {want!r}"


def assert_derivatives(net, x, seed=0, by_input=True):
    """Backward of a network against central differences of its forward, by its flat parameters and by the input."""
    rng = np.random.default_rng(seed)
    delta = rng.normal(size=net.forward(x).shape)
    net.zero_grad()
    net.backward_update_gradient(x, delta)
    dx, gradient = net.backward_delta(x, delta) if by_input else None, net.gradient.copy()
    if by_input:
        assert_derivative(lambda: net.forward(x), x, delta, dx, rng)
    assert_derivative(lambda: net.forward(x), net.parameters, delta, gradient, rng)
    net.zero_grad()
    both = net.backward(x, delta)
    assert (both is None) == (dx is None)
    if by_input:
        np.testing.assert_allclose(both, dx, rtol=1e-13)
    np.testing.assert_allclose(net.gradient, gradient, rtol=1e-13)


def on_smooth_input(check, tries=20):
    """Call check(rng) with the first seed whose numbers are not at a kink."""
    for seed in range(tries):
        try:
            return check(np.random.default_rng(seed))
        except NotSmooth:
            continue
    raise AssertionError(f"no smooth input among {tries}")


# Arrays


def layouts(array):
    """The same numbers, laid out in memory and given in every way that must make no difference, by name."""
    a = np.array(array)
    spread = np.zeros((*a.shape[:-1], 2 * a.shape[-1]), a.dtype)
    spread[..., ::2] = a
    read_only = a.copy()
    read_only.flags.writeable = False
    shifted = np.zeros(a.nbytes + 1, np.uint8)[1:].view(a.dtype).reshape(a.shape)
    shifted[...] = a
    return {
        "Fortran-ordered": np.asfortranarray(a),
        "every other column": spread[..., ::2],
        "reversed": a[::-1].copy()[::-1],
        "broadcast": np.broadcast_to(a, a.shape),
        "read-only": read_only,
        "unaligned": shifted,
        "big-endian": a.astype(a.dtype.newbyteorder(">")),
        "list": a.tolist(),
    }


def placements(arrays, gaps=range(40)):
    """Copies of arrays of one type side by side in one piece of memory, so many numbers apart, for each of the gaps."""
    memory = np.zeros(sum(array.size + max(gaps) for array in arrays), arrays[0].dtype)
    for gap in gaps:
        at, placed = 0, []
        for array in arrays:
            placed.append(memory[at : at + array.size].reshape(array.shape))
            placed[-1][...] = array
            at += array.size + gap
        yield placed


def network_state(net):
    """Copies of all numbers of a network: what a failing call must leave alone."""
    storage = net.storage
    return [block.copy() for block in (storage.parameters, storage.gradient, storage.state, storage.settings)]


def assert_unchanged(net, before):
    """The network's numbers are those of an earlier `network_state`, bit for bit."""
    for now, then in zip(network_state(net), before, strict=True):
        np.testing.assert_array_equal(now, then)


# Training paths


def watch_paths(monkeypatch):
    """A list that fills with the paths trainings take, one word for each epoch: "compiled" or "python"."""
    taken = []
    for name, kind in (("compiled", CompiledRunner), ("python", PythonRunner)):

        def epoch(self, *args, _name=name, _epoch=kind.epoch):
            taken.append(_name)
            return _epoch(self, *args)

        monkeypatch.setattr(kind, "epoch", epoch)
    return taken


# Other processes


def run_script(code, *arguments, **environment):
    """What a script prints, run by itself with warnings as errors; a variable of the environment that is None is unset."""
    variables = {**os.environ, "PYTHONPATH": str(Path(modnet.__file__).parent.parent), **environment}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *arguments],
        capture_output=True, text=True, timeout=240, check=False,
        env={name: value for name, value in variables.items() if value is not None},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr or f"exit status {done.returncode}"
    return done.stdout


# Modules of the library


def example_input(module, shape, rng):
    """An input for one of a module's examples; a module whose input is not any real number makes its own."""
    make = getattr(module, "example_input", None)
    return rng.normal(size=shape) if make is None else make(shape, rng)


def prepared(kind, index, rng):
    """One of a class's examples, with parameters and state that are not those of a beginning, and an input for it."""
    module, shape = kind.examples()[index]
    module.parameters[:] += 0.1 * rng.normal(size=module.parameters.shape)
    module.train()
    module.forward(example_input(module, shape, rng))
    return module.eval(), example_input(module, shape, rng)


def before_forward(net):
    """What a forward in training changes in a network, kept."""
    return Kept(net, ("state", "draws"))


def forward_again(net, before, x):
    """The forward that came after `before_forward`, once more: with the same draw, from the same statistics."""
    before.restore()
    return net.forward(x)


def take_step(optimizer, cost):
    """One step by hand; an optimizer that looks at the loss itself is given it as a function."""
    return optimizer.step(cost) if getattr(optimizer, "needs_loss", False) else optimizer.step()


# Modules as students write them, from the course's handout: numpy, and nothing of the library


class StudentModule:
    """The handout's own base class."""

    def __init__(self):
        self._parameters = None
        self._gradient = None

    def zero_grad(self):
        pass

    def forward(self, X):
        pass

    def update_parameters(self, gradient_step=1e-3):
        pass

    def backward_update_gradient(self, input, delta):
        pass

    def backward_delta(self, input, delta):
        pass


class MatrixLinear(StudentModule):
    """_parameters a matrix; _gradient None until zero_grad; update_parameters rebinds."""

    def __init__(self, n, m, seed=0):
        super().__init__()
        self._parameters = np.random.default_rng(seed).uniform(-1, 1, (n, m))

    def zero_grad(self):
        self._gradient = np.zeros(self._parameters.shape)

    def forward(self, X):
        return X @ self._parameters

    def update_parameters(self, gradient_step=1e-3):
        self._parameters = self._parameters - gradient_step * self._gradient

    def backward_update_gradient(self, input, delta):
        self._gradient = self._gradient + input.T @ delta

    def backward_delta(self, input, delta):
        return delta @ self._parameters.T


class VectorLinear(StudentModule):
    """_parameters a vector, weights then bias, moved in place."""

    def __init__(self, n, m, seed=0):
        super().__init__()
        self.n, self.m = n, m
        self._parameters = np.random.default_rng(seed).uniform(-1, 1, (n + 1) * m)

    def zero_grad(self):
        self._gradient = np.zeros_like(self._parameters)

    def forward(self, X):
        return X @ self._parameters[: -self.m].reshape(self.n, self.m) + self._parameters[-self.m :]

    def update_parameters(self, gradient_step=1e-3):
        self._parameters -= gradient_step * self._gradient

    def backward_update_gradient(self, input, delta):
        self._gradient += np.concatenate([(input.T @ delta).ravel(), delta.sum(axis=0)])

    def backward_delta(self, input, delta):
        return delta @ self._parameters[: -self.m].reshape(self.n, self.m).T


class DictLinear(StudentModule):
    """_parameters and _gradient dicts of arrays."""

    def __init__(self, n, m, seed=0):
        super().__init__()
        rng = np.random.default_rng(seed)
        self._parameters = {"W": rng.uniform(-1, 1, (n, m)), "b": rng.uniform(-1, 1, (1, m))}

    def zero_grad(self):
        self._gradient = {name: np.zeros(value.shape) for name, value in self._parameters.items()}

    def forward(self, X):
        return X @ self._parameters["W"] + self._parameters["b"]

    def update_parameters(self, gradient_step=1e-3):
        for name in self._parameters:
            self._parameters[name] = self._parameters[name] - gradient_step * self._gradient[name]

    def backward_update_gradient(self, input, delta):
        self._gradient["W"] += input.T @ delta
        self._gradient["b"] += delta.sum(axis=0, keepdims=True)

    def backward_delta(self, input, delta):
        return delta @ self._parameters["W"].T


class BiasBeside(MatrixLinear):
    """A bias in an attribute of its own, which only update_parameters knows of."""

    def __init__(self, n, m, seed=0):
        super().__init__(n, m, seed)
        self._bias = np.random.default_rng(seed + 1).uniform(-1, 1, (1, m))
        self._bias_gradient = None

    def zero_grad(self):
        super().zero_grad()
        self._bias_gradient = np.zeros(self._bias.shape)

    def forward(self, X):
        return super().forward(X) + self._bias

    def update_parameters(self, gradient_step=1e-3):
        super().update_parameters(gradient_step)
        self._bias = self._bias - gradient_step * self._bias_gradient

    def backward_update_gradient(self, input, delta):
        super().backward_update_gradient(input, delta)
        self._bias_gradient += delta.sum(axis=0, keepdims=True)


class StudentTanh(StudentModule):
    """_parameters None."""

    def forward(self, X):
        return np.tanh(X)

    def backward_delta(self, input, delta):
        return (1 - np.tanh(input) ** 2) * delta


class PassThrough:
    """The least that is a module; beside the library's it makes the network walk in Python."""

    def forward(self, X):
        return X

    def backward_delta(self, input, delta):
        return delta


#: A student's linear layers, each of another style, all with weights (n, m) and a bias or none.
STUDENT_LINEARS = [MatrixLinear, VectorLinear, DictLinear, BiasBeside]


def student_arrays(module):
    """All trained arrays of one of the classes above, with their gradients, by name; the library's modules too."""
    if isinstance(module, PassThrough) or module._parameters is None:
        return {}
    if isinstance(module._parameters, dict):
        found = {name: (module._parameters[name], module._gradient and module._gradient[name]) for name in module._parameters}
    else:
        found = {"parameters": (module._parameters, module._gradient)}
    if hasattr(module, "_bias"):
        found["bias"] = (module._bias, module._bias_gradient)
    return found
