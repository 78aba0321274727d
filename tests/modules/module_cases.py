"""The examples of every module of the library, found by discovery, and what a module answers to one."""

import numpy as np
import pytest
from helpers import prepared

from modnet.discovery import all_modules

MODULES = all_modules()
LEAVES = [kind for kind in MODULES if kind.is_compiled]


def examples_of(kinds):
    return [pytest.param(kind, i, id=f"{kind.__name__}-{i}") for kind in kinds for i in range(len(kind.examples()))]


every_example = pytest.mark.parametrize(("kind", "index"), examples_of(MODULES))
every_leaf = pytest.mark.parametrize(("kind", "index"), examples_of(LEAVES))
every_mode = pytest.mark.parametrize(("kind", "index"), examples_of(kind for kind in LEAVES if kind.has_mode))
every_module = pytest.mark.parametrize(("kind", "index"), [pytest.param(kind, 0, id=kind.__name__) for kind in MODULES])


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
