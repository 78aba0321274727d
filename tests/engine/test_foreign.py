"""Classes that somebody else wrote, in networks beside the library's: whatever style they keep their numbers in."""

import copy
import pickle
from itertools import combinations, pairwise
from threading import Thread

import numpy as np
import pytest
from helpers import (
    BiasBeside,
    DictLinear,
    PassThrough,
    StudentModule,
    StudentTanh,
    VectorLinear,
    message,
    student_arrays,
)
from networks import LINEARS, Derived, WholeNetwork, all_arrays, assert_all_equal, data, mixed, students

from modnet import (
    ELU,
    MSE,
    BatchNorm,
    Concat,
    Dropout,
    GaussianNoise,
    LayerNorm,
    Linear,
    Module,
    ReLU,
    Residual,
    Sequential,
    Softplus,
    Tanh,
    TrainingWarning,
    fit,
    predict,
)
from modnet.discovery import all_optimizers
from modnet.engine.run import program_of
from modnet.engine.snapshot import Kept
from modnet.optim import SGD, Adam

OPTIMIZERS = [
    pytest.param(kind, i, id=f"{kind.__name__}-{i}")
    for kind in all_optimizers() if not kind.needs_loss  # that draws its moves array by array
    for i in range(len(kind.examples()))
]



@pytest.mark.parametrize("linear", LINEARS)
def test_a_students_class_is_the_same_as_our_linear(linear):
    x, delta = data()
    theirs = linear(3, 2, 0)
    layer = Linear(3, 2, rng=0)
    arrays = [array for array, _ in student_arrays(theirs).values()]
    if linear is VectorLinear:
        layer.parameters[:] = arrays[0]
    else:
        layer.weight, layer.bias = arrays[0], arrays[1].ravel() if len(arrays) > 1 else np.zeros(2)
    one, two = Sequential(theirs), Sequential(layer)
    np.testing.assert_allclose(one.forward(x), two.forward(x), rtol=1e-12, atol=1e-15)
    for net in (one, two):
        net.zero_grad()
    np.testing.assert_allclose(one.backward(x, delta), two.backward(x, delta), rtol=1e-12, atol=1e-15)
    sizes = sum(gradient.size for _, gradient in student_arrays(theirs).values())
    got = np.concatenate([np.ravel(gradient) for _, gradient in student_arrays(theirs).values()])
    np.testing.assert_allclose(got, layer.gradient[:sizes], rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("make", [students, mixed], ids=["alone", "mixed"])
@pytest.mark.parametrize("linear", LINEARS)
def test_networks_with_students_classes_learn(linear, make):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(64, 3))
    y = np.stack([np.tanh(X[:, 0] - X[:, 1]), X[:, 2]], axis=1)
    net = make(linear)
    before = [array.copy() for array, _ in all_arrays(net)]
    history = fit(net, X, y, loss=MSE(), optimizer=SGD(0.05), epochs=40, batch_size=16, rng=0)
    assert history.loss[-1] < 0.3 * history.loss[0]
    for (array, _), old in zip(all_arrays(net), before, strict=True):
        assert (array != old).any()


def written_as_ours(net):
    """The same network with a Linear in place of each student's linear layer, and Tanh for StudentTanh."""
    found = []
    for module in net:
        if isinstance(module, StudentTanh):
            found.append(Tanh())
        elif isinstance(module, StudentModule | Derived):
            arrays = [array for array, _ in student_arrays(module).values()]
            if isinstance(module, VectorLinear):
                layer = Linear(module.n, module.m)
                layer.parameters[:] = arrays[0]
            else:
                layer = Linear(*arrays[0].shape, bias=len(arrays) > 1)
                layer.parameters[:] = np.concatenate([np.ravel(array) for array in arrays])
            found.append(layer)
        else:
            found.append(copy.deepcopy(module))
    return Sequential(found)


@pytest.mark.parametrize("linear", [linear for linear in LINEARS if linear is not BiasBeside])
@pytest.mark.parametrize(("kind", "index"), OPTIMIZERS)
def test_an_optimizer_moves_students_parameters_as_it_moves_ours(kind, index, linear):
    x, y = data(n=6)
    theirs = mixed(linear)
    twin = written_as_ours(theirs)
    for net, optimizer in ((theirs, kind.examples()[index]), (twin, kind.examples()[index])):
        optimizer.attach(net)
        for _ in range(5):
            net.zero_grad()
            net.backward_update_gradient(x, MSE().backward(y, net.forward(x)) / len(x))
            optimizer.step()
        assert optimizer.steps == 5
    np.testing.assert_allclose(theirs.forward(x), twin.forward(x), rtol=1e-9, atol=1e-11)
    assert not np.allclose(theirs.forward(x), mixed(linear).forward(x), rtol=1e-3)


def test_an_optimizer_that_cannot_see_a_students_bias_refuses_by_name():
    x, y = data()
    expected = (
        "{}: BiasBeside.update_parameters moves _bias too, which this optimizer cannot see; put it in _parameters "
        "(a dict of arrays will do), or train with SGD(lr), which calls update_parameters"
    )
    for optimizer in (Adam(0.01), SGD(0.01, momentum=0.9), SGD(0.01, clip_norm=1.0)):
        net = mixed(BiasBeside)
        before = [array.copy() for array, _ in all_arrays(net)]
        options = {"loss": MSE(), "optimizer": optimizer, "epochs": 1}
        assert message(TypeError, fit, net, x, y, **options) == expected.format(repr(optimizer))
        assert_all_equal([array for array, _ in all_arrays(net)], before)
    net = mixed(BiasBeside)
    bias = net[2]._bias.copy()
    fit(net, x, y, loss=MSE(), optimizer=SGD(0.01), epochs=1)
    assert (net[2]._bias != bias).any()


def test_a_nan_that_stays_where_it_is_is_no_move():
    x, y = data()
    net = mixed(DictLinear)
    net[2].seen = np.array([np.nan, 1.0])
    before = net.forward(x)
    fit(net, x, y, loss=MSE(), optimizer=Adam(0.01), epochs=1)
    assert (net.forward(x) != before).any()


class ArraysElsewhere(StudentModule):
    """_parameters stays None; the weights are attributes of other names."""

    def __init__(self, n, m):
        super().__init__()
        self.w, self.w_gradient = np.random.default_rng(0).uniform(-1, 1, (n, m)), None

    def zero_grad(self):
        self.w_gradient = np.zeros(self.w.shape)

    def forward(self, X):
        return X @ self.w

    def update_parameters(self, gradient_step=1e-3):
        self.w = self.w - gradient_step * self.w_gradient

    def backward_update_gradient(self, input, delta):
        self.w_gradient += input.T @ delta

    def backward_delta(self, input, delta):
        return delta @ self.w.T


HIDDEN = {
    "arrays elsewhere": (lambda: ArraysElsewhere(3, 2), "ArraysElsewhere.update_parameters moves w too"),
    "a network": (lambda: WholeNetwork(DictLinear(3, 2)), "WholeNetwork.update_parameters moves modules too"),
    "a network of ours": (lambda: WholeNetwork(Linear(3, 2, rng=0)), "WholeNetwork.update_parameters moves modules too"),
}


@pytest.mark.parametrize(("make", "start"), HIDDEN.values(), ids=HIDDEN)
@pytest.mark.parametrize("wrap", [lambda module: module, Sequential], ids=["alone", "in Sequential"])
def test_no_optimizer_leaves_a_module_untrained_in_silence(make, start, wrap):
    x, y = data()
    module = make()
    net = wrap(module)
    out = net.forward(x)
    text = message(TypeError, fit, net, x, y, loss=MSE(), optimizer=Adam(0.01), epochs=1)
    assert text == (
        f"Adam(lr=0.01): {start}, which this optimizer cannot see; put it in _parameters "
        "(a dict of arrays will do), or train with SGD(lr), which calls update_parameters"
    )
    np.testing.assert_array_equal(net.forward(x), out)
    history = fit(net, x, y, loss=MSE(), optimizer=SGD(0.1), epochs=30)
    assert history.loss[-1] < 0.9 * history.loss[0]


def test_another_name_for_an_array_in_parameters_is_not_a_hidden_one():
    class Aliased(DictLinear):
        def __init__(self, n, m, seed=0):
            super().__init__(n, m, seed)
            self.W = self._parameters["W"]
            self.flat = self.W.reshape(-1)

        def update_parameters(self, gradient_step=1e-3):
            for name, array in self._parameters.items():
                array -= gradient_step * self._gradient[name]

    x, y = data()
    net = Sequential(Aliased(3, 2))
    before = net[0].W.copy()
    fit(net, x, y, loss=MSE(), optimizer=Adam(0.01), epochs=1)
    assert (before != net[0].W).all()
    assert net[0].W is net[0]._parameters["W"]


def test_a_module_without_zero_grad_or_parameters_needs_none():
    x, y = data(outputs=3)
    net = Sequential(PassThrough(), Linear(3, 3, rng=0), PassThrough())
    for optimizer in (SGD(0.1), Adam(0.1)):
        before = net.parameters.copy()
        fit(net, x, y, loss=MSE(), optimizer=optimizer, epochs=1)
        assert (net.parameters != before).all()


def test_a_students_error_says_at_which_place_it_arose():
    class Broken(PassThrough):
        def forward(self, X):
            return X @ np.ones((7, 7))

    net = Sequential(Linear(3, 3, rng=0), Sequential(Broken()))
    with pytest.raises(ValueError, match="matmul") as raised:
        net.forward(np.ones((2, 3)))
    assert raised.value.__notes__ == ["in Sequential[1][0] Broken, forward with an input of shape (2, 3)"]


class Noting(DictLinear):
    """Notes things in attributes as it goes: its last input and delta, and a count."""

    def forward(self, X):
        self.X = X
        return super().forward(X)

    def backward_update_gradient(self, input, delta):
        self.dW = input.T @ delta
        super().backward_update_gradient(input, delta)

    def backward_delta(self, input, delta):
        self.count = getattr(self, "count", 0) + 1
        return super().backward_delta(input, delta)


@pytest.mark.parametrize("make", [lambda kind: Sequential(Tanh(), kind(3, 2)), lambda kind: Sequential(kind(3, 4), kind(4, 2))])
def test_what_a_students_class_notes_in_backward_disturbs_nothing(make):
    x, delta = data()
    net, twin = make(Noting), make(DictLinear)
    for each in (net, twin):
        each.zero_grad()
        each.forward(x)
        each.backward_update_gradient(x, delta)
        each.backward_delta(x, delta)
        each.backward(x, delta)
    assert_all_equal([gradient for _, gradient in all_arrays(net)], [gradient for _, gradient in all_arrays(twin)])


class Scaled(PassThrough):
    """A setting that is a plain number, and one in a list."""

    def __init__(self):
        self.factor, self.more = 2.0, [np.ones(3)]

    def forward(self, X):
        return self.factor * X * self.more[0]

    def backward_delta(self, input, delta):
        return self.factor * delta * self.more[0]


CHANGED = {
    "a number": lambda net: setattr(net[0], "factor", 5.0),
    "an array in a list": lambda net: net[0].more[0].__imul__(3),
    "a module in a module": lambda net: net[1].modules[0]._parameters["W"].__imul__(2),
    "ours in a module": lambda net: net[1].modules[1].weight.__imul__(2),
    "update_parameters": lambda net: net.update_parameters(0.1),
}


@pytest.mark.parametrize("change", CHANGED.values(), ids=CHANGED)
def test_whatever_has_changed_in_a_students_class_after_forward_is_seen(change):
    x, delta = data()
    net = Sequential(Scaled(), WholeNetwork(DictLinear(3, 3), Linear(3, 3, rng=0)), Tanh(), Linear(3, 2, rng=1))
    net.zero_grad()
    net.backward(x, delta)
    net.forward(x)
    change(net)
    fresh = copy.deepcopy(net)  # it has no forward to remember
    np.testing.assert_array_equal(net.backward_delta(x, delta), fresh.backward_delta(x, delta))
    net.forward(x)
    change(net)
    fresh = copy.deepcopy(net)
    net.backward_update_gradient(x, delta)
    fresh.backward_update_gradient(x, delta)
    np.testing.assert_array_equal(net.gradient, fresh.gradient)
    np.testing.assert_array_equal(net[1].modules[0]._gradient["W"], fresh[1].modules[0]._gradient["W"])


# The rows between them run compiled


class Twin(StudentModule):
    """A plain class around one of the library's modules, whose arrays it holds as its own."""

    def __init__(self, module):
        super().__init__()
        self.module = module

    @property
    def arrays(self):
        return (self.module.parameters, self.module.gradient) if self.module.parameters.size else (None, None)

    _parameters = property(lambda self: self.arrays[0], lambda self, value: None)
    _gradient = property(lambda self: self.arrays[1], lambda self, value: None)

    def zero_grad(self):
        self.module.zero_grad()

    def update_parameters(self, gradient_step=1e-3):
        self.module.update_parameters(gradient_step)

    def forward(self, X):
        return self.module.forward(X)

    def backward_update_gradient(self, input, delta):
        self.module.backward_update_gradient(input, delta)

    def backward_delta(self, input, delta):
        return self.module.backward_delta(input, delta)


def modules():
    return [
        Linear(3, 5, rng=0), Tanh(), Residual(Linear(5, 5, rng=1), ReLU(), LayerNorm(5)), Linear(5, 4, rng=2), Softplus(),
        Concat(Linear(4, 2, rng=3), Sequential(ELU(), Linear(4, 3, rng=4))), Linear(5, 2, rng=5),
    ]  # fmt: skip


PLACES = [[0], [1], [3], [6], [0, 6], [1, 3, 4], [0, 1, 3, 4, 6]]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("places", PLACES, ids=str)
def test_a_network_with_plain_classes_gives_and_learns_the_bits_of_the_compiled_one(places, dtype):
    x, y = (a.astype(dtype) for a in data(n=12))
    whole = Sequential(modules()).astype(dtype)
    mixed = Sequential([Twin(m.astype(dtype)) if i in places else m.astype(dtype) for i, m in enumerate(modules())])
    delta = y - 1
    for net in (whole, mixed):
        net.zero_grad()
    np.testing.assert_array_equal(mixed.forward(x), whole.forward(x), strict=True)
    np.testing.assert_array_equal(mixed.backward(x, delta), whole.backward(x, delta), strict=True)
    np.testing.assert_array_equal(predict(mixed, x), predict(whole, x), strict=True)
    histories = []
    for net in (whole, mixed):
        # Not SGD, which lets plain classes move their own arrays.
        histories.append(fit(net, x, y, loss=MSE(), optimizer=Adam(0.05), epochs=3, batch_size=5, rng=0, validation=0.2))
    for i, module in enumerate(mixed):
        mine = (module.module if i in places else module).parameters
        np.testing.assert_array_equal(mine, whole[i].parameters, strict=mine.size > 0)
    assert histories[1].validation_loss == pytest.approx(histories[0].validation_loss, rel=1e-6)


@pytest.mark.parametrize("places", PLACES, ids=str)
def test_the_rows_between_plain_classes_are_walked_as_one(places):
    net = Sequential([Twin(m) if i in places else m for i, m in enumerate(modules())])
    program = program_of(net, (3,), net.dtype)
    theirs = [r for r, row in enumerate(program.table_rows) if isinstance(row.module, Twin)]
    assert [first for compiled, first, _ in program.segments if not compiled] == theirs
    ends = [-1, *theirs, len(program.table_rows)]
    between = [(a + 1, b) for a, b in pairwise(ends) if b > a + 1]
    assert [(first, last) for compiled, first, last in program.segments if compiled] == between


# Styles


class Skeleton:
    """The statement's base class: update_parameters and zero_grad compute with what a module without parameters has not."""

    def __init__(self):
        self._parameters = None
        self._gradient = None

    def zero_grad(self):
        self._gradient = self._gradient * 0

    def update_parameters(self, gradient_step=1e-3):
        self._parameters -= gradient_step * self._gradient

    def backward_update_gradient(self, input, delta):
        self._gradient += delta * self._parameters


class Activation(Skeleton):
    def forward(self, X):
        return np.tanh(X)

    def backward_update_gradient(self, input, delta):
        pass

    def backward_delta(self, input, delta):
        return delta * (1 - np.tanh(input) ** 2)


class Layer(Skeleton):
    """Its gradient is `unset` until the first backward."""

    unset = None

    def __init__(self, n, m):
        super().__init__()
        self._parameters = np.random.default_rng(n + m).uniform(-1, 1, (n, m))
        self._gradient = self.unset

    def zero_grad(self):
        self._gradient = self.unset

    def forward(self, X):
        return X @ self._parameters

    def backward_update_gradient(self, input, delta):
        slope = input.T @ delta
        self._gradient = slope if self._gradient is None else self._gradient + slope

    def backward_delta(self, input, delta):
        return delta @ self._parameters.T


class ZeroUntilBackward(Layer):
    unset = 0.0


class InADict(Layer):
    """Parameters and gradients in dicts, where nothing is until the first backward."""

    def __init__(self, n, m):
        super().__init__(n, m)
        self._parameters, self._gradient = {"W": self._parameters}, {}

    def zero_grad(self):
        self._gradient = {}

    def forward(self, X):
        return X @ self._parameters["W"]

    def update_parameters(self, gradient_step=1e-3):
        self._parameters["W"] -= gradient_step * self._gradient["W"]

    def backward_update_gradient(self, input, delta):
        self._gradient["W"] = self._gradient.get("W", 0) + input.T @ delta

    def backward_delta(self, input, delta):
        return delta @ self._parameters["W"].T


class WithViews(Layer):
    """Weights and bias in one vector, which other attributes are views of; all of their names mislead."""

    unset = None

    def __init__(self, n, m):
        super().__init__(n, m)
        self._parameters = np.concatenate([self._parameters.ravel(), np.zeros(m)])
        self.grad_weight = self._parameters[: n * m].reshape(n, m)
        self.gradual_bias = self._parameters[n * m :]
        self.bias_scale = np.ones(3)

    def forward(self, X):
        return X @ self.grad_weight + self.gradual_bias

    def backward_update_gradient(self, input, delta):
        slope = np.concatenate([(input.T @ delta).ravel(), delta.sum(axis=0)])
        self._gradient = slope if self._gradient is None else self._gradient + slope

    def backward_delta(self, input, delta):
        return delta @ self.grad_weight.T


STYLES = [Layer, ZeroUntilBackward, InADict, WithViews]


def weight_of(layer):
    if isinstance(layer, InADict):
        return layer._parameters["W"]
    return layer.grad_weight if isinstance(layer, WithViews) else layer._parameters


def as_ours(layer):
    found = Linear(*weight_of(layer).shape, bias=isinstance(layer, WithViews))
    found.weight[:] = weight_of(layer)
    if found.bias is not None:
        found.bias[:] = 0
    return found


@pytest.mark.parametrize("optimizer", [SGD(0.1), SGD(0.1, momentum=0.9), Adam(0.05), SGD(0.1, clip_norm=0.5)], ids=repr)
@pytest.mark.parametrize("style", STYLES)
def test_every_style_of_the_statement_trains_as_the_library_does(style, optimizer):
    x, y = data(n=20)
    theirs = Sequential(style(3, 5), Activation(), Linear(5, 4, rng=0), Activation(), style(4, 2))
    ours = Sequential(as_ours(theirs[0]), Tanh(), copy.deepcopy(theirs[2]), Tanh(), as_ours(theirs[4]))
    histories = [
        fit(net, x, y, loss=MSE(), optimizer=copy.deepcopy(optimizer), epochs=4, batch_size=8, rng=0, validation=0.3, patience=2)
        for net in (theirs, ours)
    ]
    assert histories[0].loss == pytest.approx(histories[1].loss, rel=1e-9)
    assert histories[0].validation_loss == pytest.approx(histories[1].validation_loss, rel=1e-9)
    for i in (0, 4):
        np.testing.assert_allclose(weight_of(theirs[i]), ours[i].weight, rtol=1e-9, atol=1e-12)
        if style is WithViews:
            assert np.shares_memory(theirs[i].grad_weight, theirs[i]._parameters)
            np.testing.assert_allclose(theirs[i].gradual_bias, ours[i].bias, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("style", STYLES)
def test_every_style_of_the_statement_works_in_a_loop_by_hand(style):
    x, y = data(n=20)
    theirs, alone = Sequential(style(3, 4), Activation(), style(4, 2)), [style(3, 4), Activation(), style(4, 2)]
    for _ in range(3):
        theirs.zero_grad()
        theirs.backward_update_gradient(x, MSE().backward(y, theirs.forward(x)))
        theirs.update_parameters(0.01)
        inputs = [x]
        for module in alone:
            inputs.append(module.forward(inputs[-1]))
        delta = 2 * (inputs.pop() - y)
        for module in (alone[0], alone[2]):
            module.zero_grad()
        for module in reversed(alone):
            module.backward_update_gradient(inputs[-1], delta)
            delta = module.backward_delta(inputs.pop(), delta)
        for module in (alone[0], alone[2]):
            module.update_parameters(0.01)
    for i in (0, 2):
        np.testing.assert_allclose(weight_of(theirs[i]), weight_of(alone[i]), rtol=1e-12)


def test_an_error_of_update_parameters_is_not_hidden_where_there_are_parameters():
    class Wrong(Layer):
        def update_parameters(self, gradient_step=1e-3):
            raise TypeError("mine")

    x, y = data()
    with pytest.raises(TypeError, match="mine"):
        fit(Sequential(Wrong(3, 2)), x, y, loss=MSE(), optimizer=SGD(0.1), epochs=1)


@pytest.mark.parametrize("style", STYLES)
def test_a_burst_of_a_plain_class_is_taken_back_whatever_its_attributes_are_called(style):
    layer = style(1, 1)
    weight_of(layer)[:] = 1.0
    with pytest.warns(TrainingWarning, match="last finite parameters"), np.errstate(all="ignore"):
        fit(Sequential(layer), np.ones((9, 1)), np.zeros((9, 1)), loss=MSE(), optimizer=SGD(1e308), batch_size=3, epochs=3)
    assert weight_of(layer).item() == 1.0


def test_what_a_plain_class_keeps_beside_its_parameters_may_be_infinite():
    class Masking(Layer):
        def __init__(self, n, m):
            super().__init__(n, m)
            self.mask_bias, self.worst = np.array([0.0, -np.inf]), np.inf

    x, y = data()
    before = (net := Sequential(Masking(3, 2)))[0]._parameters.copy()
    history = fit(net, x, y, loss=MSE(), optimizer=SGD(0.01), epochs=2)
    assert history.stopped_because == "all 2 epochs done"
    assert (net[0]._parameters != before).any()


class Knot(Layer):
    """A layer that knows the network around it, and has one of the library's inside."""

    def __init__(self, n, m):
        super().__init__(n, m)
        self.inner, self.network, self.training, self.modes = Linear(1, 1, rng=0), None, True, []

    def train(self):
        self.training = True

    def eval(self):
        self.training = False

    def forward(self, x):
        self.modes.append(self.training)
        return super().forward(x)

    def backward_update_gradient(self, x, delta):
        super().backward_update_gradient(x, delta)
        self.inner.weight[:] += 1


def test_numbers_and_modes_of_what_a_plain_class_holds_come_back_though_it_holds_the_network():
    net, seen = Sequential(Knot(1, 1), Linear(1, 1, bias=False, rng=0)), []
    net[0].network = net
    ones, zeros = np.ones((9, 1)), np.zeros((9, 1))
    history = fit(
        net, ones, zeros + 5, loss=MSE(), optimizer=SGD(0.01), epochs=9, validation=(ones, zeros), patience=2,
        callbacks=[lambda training: seen.append(net[0].inner.weight.item())],
    )  # fmt: skip
    assert history.best_epoch < len(seen)  # one that is worse came after it
    assert net[0].inner.weight.item() == seen[history.best_epoch - 1]
    for training in (True, False):
        net[0].training, net[0].modes = training, []
        predict(net, ones)
        assert net[0].modes == [False]
        assert net[0].training is training


def test_a_module_of_a_fixed_batch_works_with_that_batch():
    class Fixed(PassThrough):
        def forward(self, X):
            return X * np.ones((5, 1))

    net = Sequential(Fixed(), Linear(3, 2, rng=0))
    assert net.forward(np.ones((5, 3))).shape == (5, 2)


def test_to_see_what_shape_it_gives_a_copy_of_a_plain_class_is_asked():
    class Counting(PassThrough):
        def __init__(self):
            self.calls, self.rng = 0, np.random.default_rng(0)

        def forward(self, X):
            self.calls += 1
            return X + self.rng.normal(size=X.shape) + np.random.normal(size=X.shape)

    net, x = Sequential(Tanh(), Counting()), np.zeros((4, 3))
    np.random.seed(0)
    first = net.forward(x)
    assert net[1].calls == 1
    np.random.seed(0)
    expected = np.random.default_rng(0).normal(size=x.shape) + np.random.normal(size=x.shape)
    np.testing.assert_array_equal(first, expected)


@pytest.mark.parametrize("inner", [Dropout, lambda p, rng: Sequential(Dropout(p, rng=rng))], ids=["a module", "a network"])
def test_a_class_around_modules_that_draw_repeats_its_forward_with_the_same_masks(inner):
    class Around(Module):
        def __init__(self):
            super().__init__()
            self.inner = inner(0.5, rng=0)

        def forward(self, X):
            return self.inner.forward(X)

        def backward_delta(self, input, delta):
            return self.inner.backward_delta(input, delta)

    around = Around()
    net = Sequential(Linear(4, 6, rng=0), around, Linear(6, 2, rng=1))
    x, delta = np.random.default_rng(0).normal(size=(5, 4)), np.ones((5, 2))
    net.forward(x)
    dx = net.backward_delta(x, delta)
    other = np.ones((3, 4))
    net.backward_delta(other, np.ones((3, 2)))  # nothing is remembered of this input: forward comes again
    np.testing.assert_array_equal(net.backward_delta(x, delta), dx)
    np.testing.assert_array_equal(net.forward(x) == net.forward(x), np.zeros((5, 2), bool))  # a new forward draws anew


class Spoken(Sequential):
    """A container whose forward is written anew."""

    def forward(self, X):
        return super().forward(X)


class Looped(Sequential):
    """One that calls its modules one by one."""

    def forward(self, X):
        for module in self:
            X = module.forward(X)
        return X


def _four_times(kind):
    part = Sequential(kind(Tanh(), Dropout(0.4, rng=3)), LayerNorm(3), kind(Dropout(0.3, rng=4), Linear(3, 3, rng=0)))
    return Sequential(part, part)


def _beside_itself(kind):
    drop = Dropout(0.4, rng=3)
    return Sequential(drop, Linear(3, 3, rng=0), kind(Tanh(), drop), kind(kind(drop), Tanh(), kind(drop)), drop)


@pytest.mark.parametrize(
    ("make", "kind"), [(_four_times, Sequential), (_four_times, Spoken), (_four_times, Looped), (_beside_itself, Sequential),
                       (_beside_itself, Spoken)],
)  # fmt: skip
def test_backward_is_the_derivative_of_the_forward_that_was_however_often_a_class_that_draws_is_used(make, kind):
    net = make(kind)
    leaves = [leaf for leaf in net.leaves() if isinstance(leaf, Dropout)]
    x, delta = np.random.default_rng(0).normal(size=(2, 20, 3))  # of a few rows the masks leave nothing

    def forward(x):  # the same one each time
        for leaf in leaves:
            leaf.draws = 6, 6
        return net.forward(x)

    want = np.zeros(x.shape)
    for i in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[i], down[i] = x[i] + 1e-6, x[i] - 1e-6
        want[i] = np.sum(delta * (forward(up) - forward(down))) / 2e-6
    forward(x)
    np.testing.assert_allclose(net.backward_delta(x, delta), want, rtol=1e-6, atol=1e-7)
    net.backward_delta(np.ones((2, 3)), np.ones((2, 3)))  # nothing of the forward on x is remembered
    np.testing.assert_allclose(net.backward_delta(x, delta), want, rtol=1e-6, atol=1e-7)
    assert not np.array_equal(net.forward(x), net.forward(x))  # a forward draws anew


@pytest.mark.parametrize("make", [
    lambda d: Looped(d, Tanh(), d), lambda d: Looped(Sequential(d), Tanh(), d), lambda d: Looped(Looped(d), Tanh(), Looped(d)),
    lambda d: Looped(Spoken(d), Tanh(), Spoken(d)),
])  # fmt: skip
def test_a_forward_that_calls_a_module_twice_that_draws_is_refused_where_backward_would_draw_otherwise(make):
    net, x = Sequential(Linear(3, 3, rng=0), make(Dropout(0.3, rng=5))), np.ones((2, 3))
    with pytest.raises(RuntimeError, match=r"Looped: its forward calls .* twice in a pass, .*; put a Dropout of its own at each place"):
        net.forward(x)
    assert predict(net, x).shape == (2, 3)  # where nothing is drawn


@pytest.mark.parametrize("kind", [Dropout, GaussianNoise])
@pytest.mark.parametrize("make", [
    lambda d: Looped(d, Tanh(), d), lambda d: Looped(Sequential(d), Tanh(), Sequential(d)),
    lambda d: Looped(Looped(d), Tanh(), Spoken(d)),
])  # fmt: skip
def test_backward_of_a_network_that_calls_a_module_twice_by_hand_that_draws_is_refused(make, kind):
    net, x = make(kind(0.3, rng=5)), np.ones((2, 3))
    net.forward(x)
    for backward in (net.backward, net.backward_delta, net.backward_update_gradient):
        with pytest.raises(RuntimeError, match=r"Looped: it uses .* 2 times, .* was for 1, .*; put a .* of its own at each place"):
            backward(x, x)
    with pytest.raises(RuntimeError, match="could not tell the draws apart"):
        fit(net, x, x, MSE(), SGD(0.1), epochs=1)
    net.eval()
    net.forward(x)
    assert net.backward_delta(x, x).shape == x.shape  # where nothing is drawn


def test_uses_by_hand_between_forward_and_backward_are_refused_until_the_next_forward():
    drop = Dropout(0.5, rng=0)
    net, x = Sequential(drop, Tanh(), drop), np.ones((20, 3))
    with pytest.raises(RuntimeError, match=r"used 2 times in its last forward, .* call the network's backward"):
        net.forward(x), drop.backward_delta(x, x)
    for once in (drop, net[:2]):
        once.forward(x), once.backward_delta(x, x)
        with pytest.raises(RuntimeError, match=r"uses Dropout.* 2 times, .* was for 1, .* call the network's forward before"):
            net.backward(x, x)
    out = net.forward(x)
    for same in (net, copy.deepcopy(net), pickle.loads(pickle.dumps(net)), net[:]):
        np.testing.assert_array_equal(same.backward_delta(x, x) != 0, out != 0)
    with pytest.raises(RuntimeError, match=r"uses Dropout.* 1 times, .* was for 2"):
        net[:2].backward(x, x)
    fit(net, x, x, MSE(), SGD(0.1), epochs=1)
    net.train().backward(x, x)


def test_uses_in_one_forward_draw_different_masks():
    drop = Dropout(0.5, rng=0)
    seen = []

    class Seeing(Sequential):
        def forward(self, X):
            seen.append(super().forward(np.ones((9, 9))))
            return seen[-1]

    net = Sequential(Seeing(drop), Seeing(Sequential(drop)), Seeing(Tanh(), drop), drop)
    net.forward(np.ones((9, 9)))
    del seen[:]  # a copy was asked for its shape
    out = net.forward(np.ones((9, 9)))
    masks = [drawn != 0 for drawn in seen]
    assert len(masks) == 3
    assert not any(np.array_equal(a, b) for a, b in combinations(masks, 2))
    assert (out[~masks[2]] == 0).all()
    assert 0.3 < (out[masks[2]] == 0).mean() < 0.7  # the last, in the network itself, has a mask of its own, too
    assert drop.draws == (2, 2)


@pytest.mark.parametrize("kind", [Spoken, Looped])
def test_statistics_move_in_a_class_within_a_network_that_moves_statistics(kind):
    """Both take turns with other threads for the same statistics; one must not wait for the other."""
    plain, net = (Sequential(BatchNorm(3), k(BatchNorm(3), Linear(3, 3, rng=0)), BatchNorm(3)) for k in (Sequential, kind))
    x = np.random.default_rng(0).normal(size=(6, 3))
    outputs = []
    thread = Thread(target=lambda: outputs.append(net.forward(x)), daemon=True)
    thread.start()
    thread.join(60)
    assert not thread.is_alive()
    np.testing.assert_allclose(outputs[0], plain.forward(x), rtol=1e-12)
    for ours, theirs in zip(plain.leaves(), net.leaves()):
        if isinstance(ours, BatchNorm):
            np.testing.assert_allclose(theirs.running_var, ours.running_var, rtol=1e-12)
            assert ours.running_mean.any()


@pytest.mark.parametrize("kind", [Spoken, Looped])
def test_fit_with_a_class_that_draws_twice_moves_against_the_derivative_of_its_loss(kind):
    """One step of fit without momentum is the gradient of the forward that it drew."""
    net = _four_times(kind)
    x, y = np.random.default_rng(1).normal(size=(2, 5, 3))
    before = net.parameters.copy()
    fit(net, x, y, MSE(), SGD(0.1), epochs=1, batch_size=None, shuffle=False)
    step = (before - net.parameters) / 0.1
    net.parameters[:] = before
    leaves = [leaf for leaf in net.leaves() if isinstance(leaf, Dropout)]

    def loss():
        for leaf in leaves:
            leaf.draws = 0, 0
        return MSE().forward(y, net.forward(x)).mean()

    want = np.zeros(len(before))
    for i in range(len(before)):
        values = []
        for move in (1e-6, -1e-6):
            net.parameters[i] = before[i] + move
            values.append(loss())
        net.parameters[i] = before[i]
        want[i] = (values[0] - values[1]) / 2e-6
    np.testing.assert_allclose(step, want, rtol=1e-6, atol=1e-8)


class Guest(PassThrough):
    """A class with a network of its own inside."""

    def __init__(self, *modules):
        self.net = Sequential(*modules)

    def forward(self, X):
        return self.net.forward(X)

    def backward_delta(self, input, delta):
        return self.net.backward_delta(input, delta)


@pytest.mark.parametrize("kind", [Sequential, Spoken, Looped, Guest])
def test_a_mode_that_is_changed_between_forward_and_backward_is_seen_inside_a_class(kind):
    norm, x = BatchNorm(3), np.random.default_rng(0).normal(size=(6, 3))
    net = Sequential(kind(Linear(3, 3, rng=0), norm), Tanh())
    net.forward(x)
    norm.eval()
    np.testing.assert_array_equal(net.backward_delta(x, x), copy.deepcopy(net).backward_delta(x, x))


@pytest.mark.parametrize("dtype", [np.float16, np.longdouble])
def test_arrays_of_other_types_move_as_float64_does(dtype):
    nets = [Sequential(DictLinear(3, 2)), Sequential(DictLinear(3, 2))]
    held = nets[0][0]._parameters
    held.update({name: array.astype(dtype) for name, array in held.items()})
    x, y = np.random.default_rng(0).normal(size=(8, 3)), np.zeros((8, 2))
    for net in nets:
        fit(net, x, y, MSE(), Adam(0.1), epochs=1, batch_size=None)
    for name, array in nets[1][0]._parameters.items():
        assert held[name].dtype == dtype
        np.testing.assert_allclose(held[name].astype(float), array, rtol=2e-3, atol=2e-3)


def test_of_what_a_stranger_keeps_the_arrays_that_are_not_finite_are_put_back_alone():
    layer = DictLinear(2, 2)
    layer.seen, layer.lengths, layer.notes = np.zeros(2), np.arange(3), ["a", {"b": 1}]
    net = Sequential(Linear(2, 2, rng=0), layer)
    weight, before = layer._parameters["W"].copy(), net[0].weight.copy()
    kept = Kept(net)
    layer._parameters["W"][0, 0], layer.seen[:], layer.lengths[:] = np.nan, 1.0, 7
    layer.notes.append("c")
    net[0].weight[...] = np.inf
    kept.restore_what_is_not_finite()
    np.testing.assert_array_equal(layer._parameters["W"], weight)
    np.testing.assert_array_equal(net[0].weight, before)
    np.testing.assert_array_equal(layer.seen, [1.0, 1.0])
    np.testing.assert_array_equal(layer.lengths, [7, 7, 7])
    assert layer.notes == ["a", {"b": 1}, "c"]


def test_a_list_of_parameters_is_counted_and_refused_where_numbers_are_to_be_written():
    class InAList(PassThrough):
        _parameters = [[0.5, 1.5], [2.0, 0.0]]

    net = Sequential(Linear(2, 2, rng=0), InAList())
    assert "10 parameters" in str(net.summary(2))
    before = net[0].weight.copy()
    said = message(TypeError, net.load_state_dict, {name: np.zeros_like(a) for name, a in net.state_dict().items()})
    assert said == "Sequential: 1.parameters is of type list, expected an array that can be written to"
    assert np.array_equal(net[0].weight, before)
