"""What cannot work is refused in one line that says who, what came and what was expected, and changes nothing."""

import copy
from datetime import date

import numpy as np
import pytest
from helpers import (
    DictLinear,
    PassThrough,
    StudentTanh,
    assert_unchanged,
    example_input,
    layouts,
    message,
    network_state,
)
from scipy import sparse

from modnet import (
    MSE,
    CrossEntropy,
    Flatten,
    LeakyReLU,
    Linear,
    LogSoftmax,
    ReLU,
    Sequential,
    Softmax,
    Tanh,
    predict,
)
from modnet.discovery import all_losses, all_modules
from modnet.inputs import as_batch
from modnet.module import Module

MODULES = [pytest.param(kind, id=kind.__name__) for kind in all_modules()]
LOSSES = [pytest.param(kind, id=kind.__name__) for kind in all_losses()]

#: What is no array of real numbers. The words are those of `modnet.inputs`, whoever is given it.
NO_NUMBERS = {
    "None": None,
    "objects": np.array([[1, None]], object),
    "text": [["a", "b"]],
    "numbers as text": [["1.5"]],
    "bytes": [[b"ab"]],
    "complex numbers": [[1j, 0]],
    "dates": np.array([["2020-01-01"]], "M8[D]"),
    "objects of Python": [[date(2020, 1, 1)]],
    "rows of two lengths": [[1, 2], [3]],
    "a sparse matrix": sparse.eye(2),
    "a masked array": np.ma.masked_greater(np.eye(2), 0),
    "one number": 3.0,
    "an empty batch": np.empty((0, 3)),
    "an empty list": [],
    "more digits than float64": np.zeros((2, 3), np.longdouble),
    "more digits than complex128": np.zeros((2, 3), np.clongdouble),
    "raw bytes": np.zeros((2, 3), "V8"),
}


def refused(who, name):
    """Each of these, with the error and its text."""
    for given in NO_NUMBERS.values():
        with pytest.raises((TypeError, ValueError)) as raised:
            as_batch(given, None, who, name)
        yield given, raised.type, str(raised.value)


def name_of(module):
    """How an error calls it: a network by its class, as its repr has many lines."""
    return repr(module) if "\n" not in repr(module) else type(module).__name__


# Input


@pytest.mark.parametrize("kind", MODULES)
def test_what_is_no_array_of_numbers_is_refused_by_every_module(kind):
    module, shape = kind.examples()[0]
    x = example_input(module, shape, np.random.default_rng(0))
    delta = np.ones_like(module.forward(x))
    module.gradient[:] = 1
    before, has_derivative = network_state(module), x.dtype.kind == "f"
    for given, error, text in refused(name_of(module), "input"):
        assert message(error, module.forward, given) == text
        if has_derivative:
            assert message(error, module.backward_delta, given, delta) == text
        if module.parameters.size:
            assert message(error, module.backward_update_gradient, given, delta) == text
    for given, error, text in refused(name_of(module), "delta"):
        if has_derivative:
            assert message(error, module.backward_delta, x, given) == text
        if module.parameters.size:
            assert message(error, module.backward_update_gradient, x, given) == text
    assert_unchanged(module, before)


NETWORKS = {
    "ours": lambda: Sequential(Tanh(), Linear(3, 2, rng=0)),
    "nested": lambda: Sequential(Sequential(Linear(3, 3, rng=0)), Sequential(Linear(3, 2, rng=1))),
    "mixed": lambda: Sequential(PassThrough(), Linear(3, 3, rng=0), DictLinear(3, 2)),
    "students'": lambda: Sequential(DictLinear(3, 2), StudentTanh()),
}
every_network = pytest.mark.parametrize("make", NETWORKS.values(), ids=NETWORKS)


@every_network
def test_what_is_no_array_of_numbers_is_refused_by_a_network(make):
    net, x, delta = make(), np.ones((4, 3)), np.ones((4, 2))
    net.zero_grad()
    net.backward(x, delta)
    before, students = network_state(net), copy.deepcopy([vars(module) for module in net if isinstance(module, DictLinear)])
    calls = net.backward, net.backward_delta, net.backward_update_gradient
    for given, error, text in refused("Sequential", "input"):
        assert message(error, net.forward, given) == text
        for call in calls:
            assert message(error, call, given, delta) == text
    for given, error, text in refused("Sequential", "delta"):
        for call in calls:
            assert message(error, call, x, given) == text
    for given, error, text in refused("predict", "X"):
        assert message(error, predict, net, given) == text
    assert_unchanged(net, before)
    after = [vars(module) for module in net if isinstance(module, DictLinear)]
    for now, then in zip(after, students, strict=True):
        np.testing.assert_array_equal(now["_gradient"]["W"], then["_gradient"]["W"])


@pytest.mark.parametrize("kind", LOSSES)
def test_what_is_no_array_of_numbers_is_refused_by_every_loss(kind):
    loss, y, yhat = kind.examples()[0]
    for given, error, text in refused(repr(loss), "yhat"):
        for call in (loss, loss.forward, loss.backward):
            assert message(error, call, y, given) == text
    for given, error, _ in refused(repr(loss), "y"):
        for call in (loss, loss.forward, loss.backward):
            assert message(error, call, given, yhat).startswith((f"{loss!r}: y ", f"{loss!r}: y["))


@every_network
def test_what_only_looks_wrong_just_works(make):
    net = make()
    whole = np.arange(12.0).reshape(4, 3)
    want = net.forward(whole)
    for given in (*layouts(whole).values(), whole.astype(int), whole.astype(np.uint8), memoryview(whole), list(whole)):
        np.testing.assert_array_equal(net.forward(given), want)


# Shapes

ONE = "; to pass a single example, make it a batch of one: np.asarray(input)[None]"


@pytest.mark.parametrize(
    ("make", "shape", "text"),
    [
        (lambda: Linear(5, 3), (32, 4), "Linear(5 -> 3): input has shape (32, 4), expected (batch, 5)"),
        (lambda: Linear(5, 3), (2, 7, 4), "Linear(5 -> 3): input has shape (2, 7, 4), expected (batch, ..., 5)"),
        (
            lambda: Linear(5, 3, bias=False), (5,),
            f"Linear(5 -> 3, bias=False): input has shape (5,), expected (batch, 5){ONE}",
        ),
        (Softmax, (4,), f"Softmax(): input has shape (4,), expected (batch, ..., classes){ONE}"),
        (LogSoftmax, (4,), f"LogSoftmax(): input has shape (4,), expected (batch, ..., classes){ONE}"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_shape_that_a_module_does_not_take_is_refused(make, shape, text):
    module, x = make(), np.ones(shape)
    module.gradient[:] = 1
    assert message(ValueError, module.forward, x) == text
    assert message(ValueError, module.backward_delta, x, x) == text
    if module.parameters.size:
        assert message(ValueError, module.backward_update_gradient, x, x) == text
    assert (module.gradient == 1).all()
    # It says which place in a network, however deep, and whatever stands before it.
    for where, net in {
        "Sequential[0] ": Sequential(module),
        "Sequential[2] ": Sequential(Tanh(), ReLU(), copy.deepcopy(module)),
        "Sequential[1][0][1] ": Sequential(Tanh(), Sequential(Sequential(ReLU(), copy.deepcopy(module)))),
        "Sequential[2] (mixed)": Sequential(PassThrough(), StudentTanh(), copy.deepcopy(module)),
        "Sequential[1][1] (mixed)": Sequential(PassThrough(), Sequential(StudentTanh(), copy.deepcopy(module))),
        "Sequential[1][1] (beside)": Sequential(Tanh(), Sequential(Tanh(), copy.deepcopy(module)), PassThrough()),
    }.items():
        expected = where.split(" (")[0].rstrip() + " " + text
        before = network_state(net)
        assert message(ValueError, net.forward, x) == expected
        for call in (net.backward, net.backward_delta, net.backward_update_gradient):
            assert message(ValueError, call, x, x) == expected
        assert_unchanged(net, before)


def test_a_network_goes_on_after_it_has_refused():
    net = Sequential(Tanh(), Linear(3, 2, rng=0))
    x = np.random.default_rng(0).normal(size=(4, 3))
    want = net.forward(x)
    for _ in range(2):
        message(ValueError, net.forward, np.ones((2, 5)))
        message(ValueError, net.backward, x, np.ones((4, 3)))
        np.testing.assert_array_equal(net.forward(x), want)


@pytest.mark.parametrize("kind", MODULES)
def test_a_delta_that_is_not_of_the_outputs_shape_is_refused(kind):
    module, shape = kind.examples()[0]
    x = example_input(module, shape, np.random.default_rng(0))
    expected = module.forward(x).shape
    module.gradient[:] = 1
    for wrong in ((*expected, 1), (expected[0] + 1, *expected[1:]), expected[:1], (*expected[:-1], expected[-1] + 1)):
        text = f"{name_of(module)}: delta has shape {wrong}, expected the output's shape, {expected}"
        if x.dtype.kind == "f":
            assert message(ValueError, module.backward_delta, x, np.ones(wrong)) == text
        if module.parameters.size:
            assert message(ValueError, module.backward_update_gradient, x, np.ones(wrong)) == text
    assert (module.gradient == 1).all()


@every_network
def test_a_delta_that_is_not_of_the_networks_outputs_shape_is_refused(make):
    net, x = make(), np.ones((4, 3))
    net.zero_grad()
    net.backward(x, np.ones((4, 2)))
    before = network_state(net)
    for wrong in ((4,), (3, 2), (4, 3), (4, 2, 1)):
        for call in (net.backward, net.backward_delta, net.backward_update_gradient):
            assert message(ValueError, call, x, np.ones(wrong)) == (
                f"Sequential: delta has shape {wrong}, expected the output's shape, (4, 2)"
            )
    assert_unchanged(net, before)


# Networks


def test_neighbours_whose_sizes_do_not_meet_are_refused_when_the_network_is_built():
    def build(*modules):
        return message(ValueError, Sequential, *modules)

    text = "Linear(5 -> 3): takes 5 features, but {} Linear(2 -> 4) gives 4"
    first, second = Linear(2, 4, rng=0), Linear(5, 3, rng=1)
    assert build(first, second) == "Sequential[1] " + text.format("Sequential[0]")
    assert build(first, Tanh(), Softmax(), second) == "Sequential[3] " + text.format("Sequential[0]")
    assert first.root() is second.root() is None  # nothing has been taken over
    Sequential(first, Flatten(), second)  # what may meet is let through
    Sequential(Linear(2, 4, rng=0), PassThrough(), Linear(5, 3, rng=1))
    front, back = Sequential(Linear(2, 4, rng=0)), Sequential(ReLU(), Linear(5, 3, rng=1))
    assert build(Tanh(), front, ReLU(), back) == "Sequential[3][1] " + text.format("Sequential[1][0]")
    assert front[0].root() is front
    assert back[1].root() is back


def test_a_refused_append_leaves_the_network_as_it_was():
    net = Sequential(Linear(2, 4, rng=0), Sequential(Tanh()))
    before, x = network_state(net), np.ones((3, 2))
    want = net.forward(x)
    single, owned = Linear(4, 4, rng=0).astype("float32"), Sequential(Linear(4, 4, rng=0))
    meets = "takes 5 features, but Sequential[0] Linear(2 -> 4) gives 4"
    for container, module, text in (
        (net, Linear(5, 1, rng=0), f"Sequential[2] Linear(5 -> 1): {meets}"),
        (net[1], Linear(5, 1, rng=0), f"Sequential[1][1] Linear(5 -> 1): {meets}"),
        (net, single, "Sequential: its modules hold float32 and float64; convert them to one type with astype"),
        (net, owned[0], "Sequential[2] Linear(4 -> 4): already belongs to another network; use copy.deepcopy to get an independent one"),
    ):
        assert message(ValueError, container.append, module) == text
    assert (len(net), len(net[1])) == (2, 1)
    assert_unchanged(net, before)
    np.testing.assert_array_equal(net.forward(x), want)
    assert single.root() is None
    assert owned[0].root() is owned


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (Linear, "Sequential[1]: got the class Linear, expected an object: Linear(...)"),
        (3, "Sequential[1]: got 3, expected a module, an object with forward and backward_delta"),
        (None, "Sequential[1]: got None, expected a module, an object with forward and backward_delta"),
        (np.tanh, "Sequential[1]: got <ufunc 'tanh'>, expected a module, an object with forward and backward_delta"),
        (MSE(), "Sequential[1]: got MSE(), expected a module, an object with forward and backward_delta"),
    ],
    ids=str,
)
def test_what_is_no_module_is_refused(given, text):
    assert message(TypeError, Sequential, Tanh(), given) == text
    net = Sequential(Tanh())
    assert message(TypeError, net.append, given) == text
    assert len(net) == 1


def test_two_element_types_in_one_network_are_refused():
    one, two = Linear(2, 3, rng=0), Linear(3, 1, rng=0).astype("float32")
    assert message(ValueError, Sequential, one, two) == (
        "Sequential: its modules hold float32 and float64; convert them to one type with astype"
    )
    assert one.root() is two.root() is None
    assert Sequential(one.astype("float32"), two).dtype == np.float32


@pytest.mark.parametrize("dtype", ["float16", int, "complex128", "no such type", None, object])
def test_networks_are_of_float32_or_float64(dtype):
    for module, who in ((Linear(2, 3, rng=0), "Linear(2 -> 3)"), (Sequential(Linear(2, 3, rng=0)), "Sequential")):
        assert message(ValueError, module.astype, dtype) == f"{who}: dtype is {dtype!r}, expected float32 or float64"
        assert module.parameters.dtype == np.float64


def test_astype_of_a_part_is_asked_of_the_whole():
    net = Sequential(Linear(2, 3, rng=0), Sequential(Linear(3, 1, rng=0)))
    assert message(ValueError, net[0].astype, "float32") == (
        "Linear(2 -> 3): it belongs to a network; call astype on the outermost network"
    )
    for part in (net[1], net[:1]):
        assert message(ValueError, part.astype, "float32") == (
            "Sequential: it belongs to a network; call astype on the outermost network"
        )
    assert net.dtype == np.float64


class Returns(PassThrough):
    """Gives back whatever it was made with."""

    def __init__(self, out=None, dx=None):
        self.out, self.dx = out, dx

    def forward(self, X):
        return self.out(X) if self.out else X

    def backward_delta(self, input, delta):
        return self.dx(delta) if self.dx else delta


@pytest.mark.parametrize(
    ("module", "text"),
    [
        (Returns(out=lambda X: None), "forward returned None, expected an array (4, ...)"),
        (Returns(out=lambda X: X.sum()), "forward returned shape (), expected an array (4, ...)"),
        (Returns(out=lambda X: X[:2]), "forward returned shape (2, 3), expected an array (4, ...)"),
        (Returns(dx=lambda d: None), "backward_delta returned None, expected its input's shape, (4, 3)"),
        (Returns(dx=lambda d: d[:, :2]), "backward_delta returned shape (4, 2), expected its input's shape, (4, 3)"),
        (Returns(dx=lambda d: d.ravel()), "backward_delta returned shape (12,), expected its input's shape, (4, 3)"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_students_class_that_gives_back_what_it_should_not_is_named(module, text):
    net = Sequential(Linear(3, 3, rng=0), module, Tanh())
    before = network_state(net)
    assert message(ValueError, net.backward_delta, np.ones((4, 3)), np.ones((4, 3))) == f"Sequential[1] Returns: {text}"
    assert_unchanged(net, before)


# Settings


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: Linear(0, 2), ValueError, "Linear: in_features is 0, expected at least 1"),
        (lambda: Linear(3, -2), ValueError, "Linear: out_features is -2, expected at least 1"),
        (lambda: Linear(2.0, 2), TypeError, "Linear: in_features is 2.0, expected a whole number"),
        (lambda: Linear(True, 2), TypeError, "Linear: in_features is True, expected a whole number"),
        (lambda: Linear("3", 2), TypeError, "Linear: in_features is '3', expected a whole number"),
        (lambda: Linear(3, 2, rng=-1), TypeError, "Linear: rng is -1, expected an int, a numpy.random.Generator or None"),
        (lambda: Linear(3, 2, rng=1.5), TypeError, "Linear: rng is 1.5, expected an int, a numpy.random.Generator or None"),
        (lambda: LeakyReLU("0.1"), TypeError, "LeakyReLU: slope is '0.1', expected a finite number"),
        (lambda: LeakyReLU(np.nan), ValueError, "LeakyReLU: slope is nan, expected a finite number"),
        (lambda: CrossEntropy(1.0), ValueError, "CrossEntropy: label_smoothing is 1.0, expected from 0 up to 1"),
        (lambda: CrossEntropy(None), TypeError, "CrossEntropy: label_smoothing is None, expected from 0 up to 1"),
    ],
)
def test_settings_without_meaning_are_refused(call, error, text):
    assert message(error, call) == text


def test_views_take_their_own_shape_only():
    layer = Linear(2, 3, rng=0)
    before = layer.parameters.copy()
    assert message(ValueError, setattr, layer, "weight", np.ones((3, 2))) == (
        "Linear(2 -> 3): weight is given shape (3, 2), expected (2, 3)"
    )
    assert message(ValueError, setattr, layer, "bias", 1.0) == "Linear(2 -> 3): bias is given shape (), expected (3,)"
    np.testing.assert_array_equal(layer.parameters, before)
    bare = Linear(2, 3, bias=False, rng=0)
    assert message(ValueError, setattr, bare, "bias", np.ones(3)) == (
        "Linear(2 -> 3, bias=False): it was built without bias, which cannot be set"
    )


@pytest.mark.parametrize("name", ["forward", "backward_delta"])
def test_a_module_without_an_operation_says_so(name):
    class Half(Module):
        pass

    arguments = [np.ones((1, 1))] * (1 if name == "forward" else 2)
    assert message(NotImplementedError, getattr(Half(), name), *arguments) == f"Half has no {name}"
