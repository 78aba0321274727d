"""Settings, sizes and parameters of every module: what may be set, when, and what is refused."""

import inspect
import math
from decimal import Decimal

import numpy as np
import pytest
from helpers import layouts, message
from module_cases import LEAVES, MODULES, assert_same, case, rng_of

import modnet
from modnet import BatchNorm, Conv2D, Dropout, Linear, Ramp, Sequential
from modnet.kernels import Fixed, Shared

SETTINGS = [
    pytest.param(kind, index, name, id=f"{kind.__name__}-{index}-{name}")
    for kind in LEAVES
    for index in range(len(kind.examples()))
    for name in kind.layout.settings
]
FIXED = [
    pytest.param(kind, name, id=f"{kind.__name__}-{name}")
    for kind in LEAVES
    for name in dir(kind)
    if isinstance(inspect.getattr_static(kind, name), Fixed)
]
OPTIONAL = [
    pytest.param(kind, name, id=f"{kind.__name__}-{name}")
    for kind in LEAVES
    for name, parameter in kind.layout.parameters.items()
    if parameter.optional
]
every_setting = pytest.mark.parametrize(("kind", "index", "name"), SETTINGS)
every_fixed = pytest.mark.parametrize(("kind", "name"), FIXED)
every_optional = pytest.mark.parametrize(("kind", "name"), OPTIONAL)

NO_NUMBERS = [None, "0.5", b"1", 0.5j, True, np.True_, [0.5], np.array([0.5]), np.array(0.5), Linear, Decimal("NaN")]
NOT_FINITE = [math.nan, math.inf, -math.inf, np.float32("nan"), np.float64("inf"), np.longdouble("1e4000"), 10**400, -(10**400)]
NUMBERS = [-1e300, -1e38, -5, -1, -1e-9, 0, 0.0, -0.0, 1e-9, 0.25, 0.5, 1, 1.0, 1.5, 5, 1e38, 1e300]


def is_valid(module, name, value):
    """Whether a finite number is one that the declaration takes, and one that float32 has, too."""
    setting = type(module).layout.settings[name]
    if setting.kind is not float:
        return isinstance(value, int) and value >= 0
    if abs(value) > float(np.finfo(np.float32).max):
        return False
    if setting.valid is None:
        return True
    return setting.valid(value, module) if len(inspect.signature(setting.valid).parameters) > 1 else setting.valid(value)


# Settings


@every_setting
@pytest.mark.parametrize("in_a_network", [False, True], ids=["alone", "in a network"])
def test_a_setting_refuses_what_is_out_of_its_range_whenever_it_is_set(kind, index, name, in_a_network):
    module, x, _ = case(kind, index)
    if in_a_network:
        net = Sequential(modnet.Identity(), module)
        net.forward(x)
    out, value = module.forward(x), getattr(module, name)
    refused = [*NO_NUMBERS, *NOT_FINITE, *(number for number in NUMBERS if not is_valid(module, name, number))]
    for wrong in refused:
        with pytest.raises((TypeError, ValueError)) as raised:
            setattr(module, name, wrong)
        text = str(raised.value)
        assert text.startswith(f"{kind.__name__}: {name} is ")
        assert ", expected " in text
        assert "\n" not in text
        assert len(text) < 200
        assert getattr(module, name) == value
    np.testing.assert_array_equal(module.forward(x), out)
    assert any(wrong in refused for wrong in (-5, 1.5)) or "finite" in kind.layout.settings[name].expected


@every_setting
def test_a_setting_in_its_range_is_taken_at_once_alone_and_in_a_network(kind, index, name):
    module, x, delta = case(kind, index)
    net = Sequential(modnet.Identity(), module).eval()
    changed = 0
    for number in (0.25, 0.5, 1, 1.5, np.float32(0.125), np.int8(3), np.uint16(7)):
        if not is_valid(module, name, number) or (np.issubdtype(type(number), np.floating) and name == "key"):
            continue
        before = module.forward(x)
        net.forward(x)
        setattr(module, name, number)
        assert getattr(module, name) == number
        changed += not np.array_equal(module.forward(x), before)
        np.testing.assert_array_equal(net.forward(x), module.forward(x))
        np.testing.assert_array_equal(net.backward_delta(x, delta), module.backward_delta(x, delta))
        single = module.forward(x.astype(np.float32)) if not module.counts.parameters else None
        assert single is None or single.dtype == np.float32
    if kind.layout.settings[name].expected.endswith(f"a constant of {kind.__name__}"):
        assert not changed


def test_settings_by_hand():
    norm = BatchNorm(2)
    positive = "expected a positive number"
    assert message(ValueError, setattr, norm, "eps", -5) == f"BatchNorm: eps is -5, {positive}"
    assert message(TypeError, setattr, norm, "eps", 1j) == f"BatchNorm: eps is 1j, {positive}"
    assert message(TypeError, setattr, norm, "eps", True) == f"BatchNorm: eps is True, {positive}"
    assert message(ValueError, setattr, norm, "eps", 10**5000) == f"BatchNorm: eps is outside the range of a float, {positive}"
    assert message(ValueError, setattr, norm, "eps", 1e50) == (
        "BatchNorm: eps is 1e+50, expected at most 3.4e+38 in size, the largest number of float32"
    )
    assert message(ValueError, setattr, norm, "momentum", math.nan) == (
        "BatchNorm: momentum is nan, expected a number from 0 to 1"
    )
    assert (norm.eps, norm.momentum) == (1e-5, 0.1)
    drop = Dropout(0.5, rng=0)
    assert message(ValueError, setattr, drop, "key", 2**64) == (
        "Dropout: key is too large, expected at most 18446744073709551615"
    )
    drop.key = 2**64 - 1
    assert drop.key == 2**64 - 1


def test_what_is_declared_cannot_be_deleted():
    norm = BatchNorm(2)
    for name in ("weight", "weight_gradient", "running_mean", "eps", "features"):
        text = message(AttributeError, delattr, norm, name)
        assert text == f"BatchNorm(2): {name} cannot be deleted; its class declares it"
    assert norm.forward(np.ones((3, 2))).shape == (3, 2)


def test_a_pair_of_bounds_never_crosses():
    ramp = Ramp(-1.0, 1.0)
    for name, value, expected in (("low", 1.0, "below high"), ("low", 7, "below high"), ("high", -1.0, "above low")):
        text = message(ValueError, setattr, ramp, name, value)
        assert text == f"Ramp: {name} is {value}, expected a finite number {expected}"
    ramp.high, ramp.low = 9, 8
    assert (ramp.low, ramp.high) == (8, 9)


def test_a_setting_takes_effect_in_the_middle_of_a_training():
    """A callback changes it between epochs: the compiled walk reads the setting, not a copy of it."""
    X = np.random.default_rng(0).normal(size=(40, 3))
    found = []
    for watch_batches in (False, True):
        net = Sequential(Linear(3, 3, rng=0), modnet.LeakyReLU(0.1), Dropout(0.5, rng=1))

        def change(training):
            training.net[1].slope += 1.0
            training.net[2].p = 0.0

        class Batches(modnet.Callback):
            def on_batch_end(self, training):
                pass

        callbacks = [change, *[Batches()] * watch_batches]
        modnet.fit(net, X, X, modnet.MSE(), modnet.optim.SGD(0.01), epochs=3, batch_size=8, rng=2, callbacks=callbacks)
        assert net[1].slope == 3.1
        found.append(net.parameters.copy())
    assert_same(*([array] for array in found))


# Sizes


@every_fixed
@pytest.mark.parametrize("in_a_network", [False, True], ids=["alone", "in a network"])
def test_a_size_cannot_be_changed(kind, name, in_a_network):
    module, x, _ = case(kind, 0)
    net = Sequential(modnet.Identity(), module) if in_a_network else module
    out, value = net.forward(x), getattr(module, name)
    for other in (value, 1, 10**6, None, (1, 1)):
        text = message(AttributeError, setattr, module, name, other)
        assert text == f"{module}: {name} is fixed when it is made; make a new {kind.__name__}"
    with pytest.raises(AttributeError):
        delattr(module, name)
    assert getattr(module, name) is value
    np.testing.assert_array_equal(net.forward(x), out)


def test_every_module_with_parameters_has_sizes_that_cannot_be_changed():
    found = {case.values[:2] for case in FIXED}
    assert {(Linear, "in_features"), (Conv2D, "k_size"), (Conv2D, "chan_in"), (modnet.Reshape, "shape")} <= found
    assert {(modnet.Transpose, "axes"), (modnet.Embedding, "count"), (modnet.Tied, "linear")} <= found
    for kind in LEAVES:
        if any(array.sizes for array in kind.layout.parameters.values()):
            assert kind is modnet.PReLU or any(kind is k for k, _ in found)


@pytest.mark.parametrize("wrong", [0, -1, 2.0, True, None, "2", 1j, np.float64(3), [2], math.nan])
def test_a_size_is_a_whole_number_of_at_least_one(wrong):
    for make, name in (
        (lambda n: Linear(n, 2), "Linear: in_features"),
        (lambda n: Linear(2, n), "Linear: out_features"),
        (lambda n: BatchNorm(n), "BatchNorm: features"),
        (lambda n: Conv2D(3, n, 1), "Conv2D: chan_in"),
        (lambda n: modnet.Embedding(n, 2), "Embedding: count"),
    ):
        error = ValueError if isinstance(wrong, int) and not isinstance(wrong, bool) else TypeError
        assert message(error, make, wrong).startswith(f"{name} is {wrong!r}, expected ")


def test_sizes_are_whole_numbers_of_any_type():
    layer = Linear(np.int8(3), np.uint8(200), rng=0)
    assert (type(layer.in_features), layer.in_features, layer.out_features) == (int, 3, 200)
    assert layer.forward(np.ones((1, 3))).shape == (1, 200)


# Parameters


@every_optional
@pytest.mark.parametrize("wrong", ["he_normal", 7, 1, 0, None, 1.0, [True], np.array([True])], ids=repr)
def test_whether_an_optional_parameter_is_there_is_said_by_true_or_false(kind, name, wrong):
    class Made(kind):
        """Overrides what examples say of the parameter."""

        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **{**options, name: wrong})

    text = message(TypeError, Made.examples)
    assert text.startswith(f"Made: {name} is ")
    assert text.endswith(", expected True or False")


def test_a_scheme_in_the_place_of_the_bias_is_refused():
    assert message(TypeError, Linear, 3, 2, "he_normal") == "Linear: bias is 'he_normal', expected True or False"
    assert Linear(3, 2, np.False_, rng=0).bias is None


@every_optional
def test_a_parameter_that_is_absent_is_none_and_cannot_be_set(kind, name):
    absent = [module for module, _ in kind.examples() if getattr(module, name) is None]
    present = [module for module, _ in kind.examples() if getattr(module, name) is not None]
    assert absent, "examples should matter: one of them without it"
    assert present
    for module in absent:
        assert getattr(module, f"{name}_gradient") is None
        assert name not in module.named_parameters()
        assert module.parameters.size == sum(array.size for array in module.named_parameters().values())
        text = message(ValueError, setattr, module, name, np.zeros(3))
        assert text == f"{module}: it was built without {name}, which cannot be set"


ARRAYS = [
    pytest.param(kind, name, id=f"{kind.__name__}-{name}")
    for kind in LEAVES
    for name, array in (*kind.layout.parameters.items(), *kind.layout.states.items())
    if not isinstance(array, Shared)
]


@pytest.mark.parametrize(("kind", "name"), ARRAYS)
def test_an_array_is_written_in_place_and_refuses_what_does_not_fit(kind, name):
    module, _, _ = case(kind, 0)
    view = getattr(module, name)
    block = module.block("state") if name in kind.layout.states else module.parameters
    assert np.shares_memory(view, getattr(module, name))
    assert np.shares_memory(view, block)
    for given in layouts(rng_of(3).normal(size=view.shape)).values():
        setattr(module, name, given)
        np.testing.assert_array_equal(view, np.array(given, float))
    kept = view.copy()
    for wrong, error in (
        (np.zeros((*view.shape, 1)), ValueError), (np.zeros(view.size + 1), ValueError), (1.0, ValueError),
        (np.full(view.shape, 1j), TypeError), (np.full(view.shape, "1"), TypeError), (None, TypeError),
    ):  # fmt: skip
        text = message(error, setattr, module, name, wrong)
        assert name in text
        assert "expected" in text
        np.testing.assert_array_equal(view, kept)
    view[...] = 2.5
    np.testing.assert_array_equal(getattr(module, name), np.full(view.shape, 2.5))


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
    assert message(ValueError, setattr, layer, "weight", [1.0, 2.0]) == (
        "Linear(2 -> 1): weight is given shape (2,), expected (2, 1)"
    )


def test_declarations_of_a_class_include_those_of_its_bases():
    class Scaled(Dropout):
        """A student's, with nothing new."""

    assert list(Scaled.layout.settings) == list(Dropout.layout.settings)
    assert Scaled(0.25, rng=0).p == 0.25
    for kind in MODULES:
        assert set(kind.layout.words) == set(kind.layout.settings)
