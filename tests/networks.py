"""Networks that several test files run on: the library's modules, students' classes, both in turn, nested; and what they hold."""

import numpy as np
import pytest
from helpers import (
    STUDENT_LINEARS,
    DictLinear,
    StudentTanh,
    VectorLinear,
    student_arrays,
)

from modnet import Linear, Module, ReLU, Sequential, Tanh


class Derived(Module):
    """A student's class that derives from the library's Module and writes only what is its own."""

    def __init__(self, n, m, seed=0):
        self._parameters = np.random.default_rng(seed).uniform(-1, 1, (n, m))

    def forward(self, X):
        return X @ self._parameters

    def backward_update_gradient(self, input, delta):
        self._gradient += input.T @ delta

    def backward_delta(self, input, delta):
        return delta @ self._parameters.T


LINEARS = [*STUDENT_LINEARS, Derived]


def data(n=4, features=3, outputs=2, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, features)), rng.normal(size=(n, outputs))


def ours():
    return Sequential(Linear(3, 5, rng=0), Tanh(), Linear(5, 4, bias=False, rng=1), ReLU(), Linear(4, 2, rng=2))


def mixed(linear=DictLinear):
    """Ours and a student's, taking turns."""
    return Sequential(Linear(3, 5, rng=0), StudentTanh(), linear(5, 4, 1), Tanh(), linear(4, 3, 2), Linear(3, 2, rng=3))


def students(linear=DictLinear):
    return Sequential(linear(3, 5, 0), StudentTanh(), linear(5, 2, 1))


def nested_among_students():
    return Sequential(StudentTanh(), Sequential(Linear(3, 4, rng=0), ReLU(), Linear(4, 2, rng=1)))


def nested():
    return Sequential(Sequential(Linear(3, 5, rng=0), Tanh()), Sequential(Sequential(Linear(5, 4, rng=1)), Linear(4, 2, rng=2)))


NETWORKS = {
    "ours": ours,
    "nested": nested,
    "nested students": lambda: Sequential(Sequential(VectorLinear(3, 5), Tanh()), Linear(5, 2, rng=1)),
    "nested ours among students": nested_among_students,
    **{f"{linear.__name__} alone": lambda linear=linear: students(linear) for linear in LINEARS},
    **{f"{linear.__name__} mixed": lambda linear=linear: mixed(linear) for linear in LINEARS},
}
every_network = pytest.mark.parametrize("make", NETWORKS.values(), ids=NETWORKS)


def all_arrays(net):
    """Every trained array in a network, with its gradient: ours as one vector, students' one by one."""
    found = [(net.parameters, net.gradient)] if net.parameters.size else []
    for module in net.leaves():
        if not getattr(type(module), "is_compiled", False):
            found.extend(student_arrays(module).values())
    return found


def gradients(net, x, delta):
    net.zero_grad()
    net.backward_update_gradient(x, delta)
    return [np.array(gradient) for _, gradient in all_arrays(net)]


def assert_all_equal(got, want):
    for g, w in zip(got, want, strict=True):
        np.testing.assert_array_equal(g, w)


class WholeNetwork:
    """A student's own Sequentiel: a list of modules and nothing else."""

    def __init__(self, *modules):
        self.modules = list(modules)

    def forward(self, X):
        self.inputs = [X]
        for module in self.modules:
            self.inputs.append(module.forward(self.inputs[-1]))
        return self.inputs[-1]

    def zero_grad(self):
        for module in self.modules:
            module.zero_grad()

    def update_parameters(self, gradient_step=1e-3):
        for module in self.modules:
            module.update_parameters(gradient_step)

    def backward_update_gradient(self, input, delta):
        self.backward_delta(input, delta, adds=True)

    def backward_delta(self, input, delta, adds=False):
        self.forward(input)
        for module, x in zip(self.modules[::-1], self.inputs[-2::-1], strict=True):
            if adds:
                module.backward_update_gradient(x, delta)
            delta = module.backward_delta(x, delta)
        return delta
