"""Optimizers: the update rules against plain numpy, clipping, and what attach takes charge of."""

import copy
import inspect
import math

import numpy as np
import pytest
from helpers import BiasBeside, DictLinear, MatrixLinear, PassThrough, StudentTanh, VectorLinear, message, take_step

import modnet
from modnet import MSE, Linear, Sequential, Tanh, fit
from modnet.discovery import all_optimizers
from modnet.optim import SGD, Adadelta, Adagrad, Adam, Adamax, AdamW, NAdam, Optimizer, RandomSearch, RMSprop, Rprop

OPTIMIZERS = all_optimizers()
CASES = [pytest.param(kind, i, id=f"{kind.__name__}-{i}") for kind in OPTIMIZERS for i in range(len(kind.examples()))]


every_example = pytest.mark.parametrize(("kind", "index"), CASES)
every_example_with_a_gradient = pytest.mark.parametrize(("kind", "index"), [c for c in CASES if not c.values[0].needs_loss])


def test_discovery_finds_the_optimizers_that_the_package_names():
    names = [kind.__name__ for kind in OPTIMIZERS]
    assert set(names) <= set(modnet.optim.__all__)
    assert {"SGD", "Adam"} <= set(names)
    assert names == sorted(names)
    assert Optimizer not in OPTIMIZERS


@every_example
def test_what_a_rule_is_made_with_is_fixed_but_for_its_rate(kind, index):
    optimizer = kind.examples()[index]
    for name in {*inspect.signature(kind).parameters, *kind.layout.settings} - {"lr", "clip_norm", "rng"}:
        with pytest.raises(AttributeError, match=name):
            setattr(optimizer, name, getattr(optimizer, name))


# Update rules


def slope(p):
    """The gradient of a bumpy function."""
    return 0.5 * p + np.sin(3 * p) + 0.1


def bumps(p):
    """The function that `slope` is the gradient of."""
    return float(np.sum(0.25 * p**2 - np.cos(3 * p) / 3 + 0.1 * p))


def by_modnet(optimizer, start, steps=50, net=None):
    net = net or Sequential(Linear(len(start), 1, bias=False))
    net.parameters[:] = start
    optimizer.attach(net)
    path = []
    for _ in range(steps):
        net.gradient[:] = slope(net.parameters)
        take_step(optimizer, lambda: bumps(net.parameters))
        path.append(net.parameters.copy())
    return np.array(path)


def test_the_defaults_are_those_of_the_papers():
    adam = Adam()
    assert (adam.lr, adam.beta1, adam.beta2, adam.eps, adam.weight_decay) == (1e-3, 0.9, 0.999, 1e-8, 0)
    assert (adam.clip_norm, adam.steps, adam.epochs, adam.net) == (None, 0, 0, None)
    assert SGD(0.5).lr == 0.5
    with pytest.raises(TypeError, match="lr"):
        SGD()


PAPERS = {
    "Adadelta": {"lr": 1.0, "rho": 0.9, "eps": 1e-6, "weight_decay": 0},
    "Adagrad": {"lr": 1e-2, "lr_decay": 0, "eps": 1e-10, "weight_decay": 0},
    "Adam": {"lr": 1e-3, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "weight_decay": 0},
    "AdamW": {"lr": 1e-3, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "weight_decay": 1e-2},
    "Adamax": {"lr": 2e-3, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "weight_decay": 0},
    "CosineDecay": {"lowest": 0, "per": "epoch"},
    "ExponentialDecay": {"per": "epoch"},
    "NAdam": {"lr": 2e-3, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "weight_decay": 0, "momentum_decay": 4e-3},
    "RMSprop": {"lr": 1e-2, "alpha": 0.99, "eps": 1e-8, "momentum": 0, "centered": False, "weight_decay": 0},
    "RandomSearch": {"rng": None},
    "ReduceOnPlateau": {"factor": 0.1, "patience": 10, "threshold": 1e-4, "lowest": 0},
    "Rprop": {"lr": 1e-2, "etas": (0.5, 1.2), "step_sizes": (1e-6, 50)},
    "SGD": {"momentum": 0, "nesterov": False, "weight_decay": 0},
    "StepDecay": {"factor": 0.1, "per": "epoch"},
}


@pytest.mark.parametrize("name", PAPERS)
def test_what_is_left_out_is_what_pytorch_and_the_papers_take(name):
    parameters = inspect.signature(getattr(modnet.optim, name)).parameters.values()
    found = {p.name: p.default for p in parameters if p.default is not p.empty and p.name != "clip_norm"}
    assert found == PAPERS[name]


@every_example_with_a_gradient
def test_one_parameter_moves_as_it_does_beside_others(kind, index):
    one, two = kind.examples()[index], kind.examples()[index]
    if one.clip_norm is None:  # which sees them together
        np.testing.assert_array_equal(by_modnet(one, [0.7])[:, 0], by_modnet(two, [0.7, 0.7])[:, 1])


def test_a_network_that_has_got_a_module_since_is_refused():
    net = Sequential(Linear(2, 2, rng=0)).astype("float32").astype("float64")
    optimizer = SGD(0.1).attach(net)
    net.append(Tanh())
    with pytest.raises(ValueError, match="changed by append or astype since attach"):
        optimizer.step()


def test_nothing_to_clip_is_no_error():
    SGD(0.1, clip_norm=1.0).attach(Sequential(Tanh())).step()


def test_the_first_step_of_adam_is_of_size_lr_whatever_the_gradient():
    net = Sequential(Linear(3, 1, bias=False))
    net.parameters[:] = 0
    adam = Adam(0.01).attach(net)
    net.gradient[:] = [1e-3, -1.0, 1e6]
    adam.step()
    np.testing.assert_allclose(net.parameters, [-0.01, 0.01, -0.01], rtol=1e-4)


@every_example
def test_a_step_lowers_the_loss_and_leaves_the_gradient_within_its_clip(kind, index):
    optimizer = kind.examples()[index]
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(32, 3)), rng.normal(size=(32, 2))
    net = Sequential(Linear(3, 4, rng=0), Tanh(), Linear(4, 2, rng=1))
    before = MSE()(y, net.forward(X))
    optimizer.attach(net)
    for _ in range(30):
        net.zero_grad()
        net.backward_update_gradient(X, MSE().backward(y, net.forward(X)) / len(X))
        take_step(optimizer, lambda: MSE()(y, net.forward(X)))
        if optimizer.clip_norm is not None and not optimizer.needs_loss:
            assert np.linalg.norm(net.gradient) <= optimizer.clip_norm * (1 + 1e-12)
    assert optimizer.steps == 30
    assert MSE()(y, net.forward(X)) < before


# Clipping


def test_clipping_bounds_the_norm_of_the_whole_gradient():
    net = Sequential(Linear(1, 1, rng=0), Linear(1, 1, rng=1))
    sgd = SGD(1.0, clip_norm=1.0).attach(net)
    assert sgd.clip_norm == 1.0
    for gradient, want in (
        ([3, 0, 4, 0], [0.6, 0, 0.8, 0]),
        ([0.6, 0, 0.8, 0], [0.6, 0, 0.8, 0]),
        ([0.1, 0, 0, 0], [0.1, 0, 0, 0]),
        ([0, 0, 0, 0], [0, 0, 0, 0]),
    ):
        before = net.parameters.copy()
        net.gradient[:] = gradient
        sgd.step()
        np.testing.assert_allclose(before - net.parameters, want, rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize("linear", [MatrixLinear, VectorLinear, DictLinear])
def test_clipping_takes_students_gradients_into_the_same_norm(linear):
    net = Sequential(Linear(2, 2, bias=False), linear(2, 2), StudentTanh())
    net.zero_grad()
    net.gradient[:] = 3
    theirs = net[1]._gradient if isinstance(net[1]._gradient, dict) else {"all": net[1]._gradient}
    for array in theirs.values():
        array[...] = 4
    count = sum(array.size for array in theirs.values())
    norm = math.sqrt(9 * 4 + 16 * count)
    ours_before, before = net.parameters.copy(), copy.deepcopy(net[1]._parameters)
    SGD(1.0, clip_norm=2.0).attach(net).step()
    np.testing.assert_allclose(ours_before - net.parameters, 3 * 2 / norm, rtol=1e-13)
    after = net[1]._parameters
    for name in theirs:
        moved = before[name] - after[name] if isinstance(before, dict) else before - after
        np.testing.assert_allclose(moved, 4 * 2 / norm, rtol=1e-13)


class Different:
    """The lecture's operator min(a |x - y|, 1): one parameter, a number."""

    def __init__(self):
        self._parameters = np.array(0.25)
        self.zero_grad()

    def zero_grad(self):
        self._gradient = 0.0

    def forward(self, X):
        return np.minimum(self._parameters * np.abs(X[:, :1] - X[:, 1:]), 1)

    def backward_update_gradient(self, input, delta):
        distance = np.abs(input[:, :1] - input[:, 1:])
        self._gradient = self._gradient + np.sum(delta * distance * (self._parameters * distance < 1))

    def backward_delta(self, input, delta):
        distance = input[:, :1] - input[:, 1:]
        slope = delta * self._parameters * np.sign(distance) * (self._parameters * np.abs(distance) < 1)
        return np.concatenate([slope, -slope], axis=1)

    def update_parameters(self, gradient_step=1e-3):
        self._parameters = self._parameters - gradient_step * self._gradient


@pytest.mark.parametrize("wrap", [Sequential, lambda module: module], ids=["in Sequential", "alone"])
def test_a_parameter_that_is_one_number_is_moved_and_clipped(wrap):
    X, y = np.array([[4.0, 2], [6, -3], [1, 1], [3, 3]]), np.array([[1.0], [1], [0], [0]])
    module = Different()
    history = fit(wrap(module), X, y, loss=MSE(), optimizer=Adam(0.05), epochs=100, rng=0)
    assert history.loss[-1] < 1e-3
    assert float(module._parameters) > 0.48  # half of the distance 2 of (4, 2) is enough
    optimizer = SGD(1.0, clip_norm=0.25).attach(wrap(module))
    module._parameters, module._gradient = np.array(0.0), np.float64(-8.0)
    optimizer.step()
    assert float(module._parameters) == 0.25


def test_gradients_that_are_numbers_in_a_dict_are_clipped_together():
    module = Different()
    module._parameters, module._gradient = {"a": np.array(0.0), "b": np.zeros(1)}, {"a": -3.0, "b": [4.0]}
    SGD(1.0, momentum=0.5, clip_norm=2.5).attach(module).step()
    np.testing.assert_allclose([float(module._parameters["a"]), module._parameters["b"][0]], [1.5, -2.0], rtol=1e-15)


@pytest.mark.parametrize("extra", [(), (MatrixLinear(1, 1),)], ids=["ours", "mixed"])
def test_clipping_a_float32_gradient_whose_square_overflows(extra):
    net = Sequential(Linear(1, 1, rng=0), *copy.deepcopy(extra)).astype("float32")
    net.zero_grad()
    net.parameters[:] = 0
    net.gradient[:] = [3e25, -4e25]
    SGD(1.0, clip_norm=1.0).attach(net).step()
    np.testing.assert_allclose(net.parameters, [-0.6, 0.8], rtol=1e-6)


@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("students", [(), (MatrixLinear(2, 2),)], ids=["ours", "mixed"])
@every_example_with_a_gradient
def test_clipping_refuses_a_gradient_that_is_not_finite_and_changes_nothing(kind, index, students, bad):
    optimizer = kind.examples()[index]
    net = Sequential(Linear(2, 2, rng=0), *copy.deepcopy(students))
    optimizer.clip_norm = 1.0
    optimizer.attach(net)
    for value in (1.0, bad):
        net.zero_grad()
        net.gradient[:] = 1.0
        net.gradient[0] = value
        gradient, numbers, kept = net.gradient.copy(), copy.deepcopy([m._parameters for m in net]), optimizer.state_dict()
        if value is not bad:
            optimizer.step()
            continue
        norm = "nan" if np.isnan(bad) else "inf"
        assert message(ValueError, optimizer.step) == (
            f"{optimizer!r}: the norm of the gradient is {norm}, so clip_norm cannot scale it; no step was taken. "
            "modnet.watch.locate_nan(net, X, y, loss) says where it comes from"
        )
        np.testing.assert_array_equal(net.gradient, gradient)
        np.testing.assert_equal([m._parameters for m in net], numbers)
        np.testing.assert_equal(optimizer.state_dict(), kept)


# Attaching


def test_a_step_before_attach_is_refused():
    assert message(ValueError, Adam().step) == "Adam(lr=0.001): step before attach; call optimizer.attach(net) first"


def test_attach_wants_a_network():
    said = "SGD(lr=0.1): attach got {}, expected a network: optimizer.attach(net)"
    assert message(TypeError, SGD(0.1).attach, Linear) == said.format("<class 'modnet.modules.linear.Linear'>")
    assert message(TypeError, SGD(0.1).attach, None) == said.format("None")
    optimizer = SGD(0.1)
    net = Sequential(Linear(1, 1, rng=0))
    assert optimizer.attach(net) is optimizer
    message(TypeError, optimizer.attach, 3)
    assert optimizer.net is net
    optimizer.step()


CHANGES = {"append": lambda net: net.append(Tanh()), "astype": lambda net: net.astype("float32")}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_network_changed_since_attach_is_refused_until_attached_again(change):
    net = Sequential(Linear(2, 1, rng=0))
    sgd = SGD(0.1).attach(net)
    change(net)
    net.gradient[:] = 1
    before = net.parameters.copy()
    assert message(ValueError, sgd.step) == (
        "SGD(lr=0.1): the network was changed by append or astype since attach; call optimizer.attach(net) again"
    )
    np.testing.assert_array_equal(net.parameters, before)
    sgd.attach(net).step()
    np.testing.assert_allclose(net.parameters, before - 0.1, rtol=1e-6)


@every_example_with_a_gradient  # the others go on drawing where they were
def test_attach_forgets_earlier_steps(kind, index):
    optimizer = kind.examples()[index]
    first = by_modnet(optimizer, np.ones(4), steps=7)
    assert optimizer.steps == 7
    np.testing.assert_array_equal(by_modnet(optimizer, np.ones(4), steps=7), first)


@every_example
def test_a_module_alone_and_a_slice_are_moved_as_a_network_is(kind, index):
    start = np.random.default_rng(1).normal(size=5)
    want = by_modnet(kind.examples()[index], start, steps=5)
    alone = Linear(5, 1, bias=False)
    np.testing.assert_array_equal(by_modnet(kind.examples()[index], start, steps=5, net=alone), want)
    whole = Sequential(Linear(2, 5, rng=0), Tanh(), Linear(5, 1, bias=False))
    front = whole[0].parameters.copy()
    np.testing.assert_array_equal(by_modnet(kind.examples()[index], start, steps=5, net=whole[2:]), want)
    np.testing.assert_array_equal(whole[0].parameters, front)


def test_a_network_of_plain_classes_alone_has_no_flat_vector():
    net = Sequential(MatrixLinear(2, 1), PassThrough())
    adam = Adam(0.1).attach(net)
    net.zero_grad()
    net[0]._gradient[:] = 1
    before = net[0]._parameters.copy()
    adam.step()
    np.testing.assert_allclose(net[0]._parameters, before - 0.1, rtol=1e-6)
    alone = MatrixLinear(2, 1)
    alone.zero_grad()
    SGD(0.5).attach(alone).step()


def test_plain_sgd_asks_a_students_module_to_move_itself():
    calls = []

    class Watched(BiasBeside):
        def update_parameters(self, gradient_step=1e-3):
            calls.append(gradient_step)
            super().update_parameters(gradient_step)

    net = Sequential(Watched(2, 1), Linear(1, 1, rng=0))
    net.zero_grad()
    SGD(0.25).attach(net).step()
    assert calls == [0.25]


def test_students_parameters_must_be_arrays_of_floats_with_gradients_of_their_shape():
    module = MatrixLinear(2, 1)
    net = Sequential(module)
    adam = Adam(0.1).attach(net)
    module._parameters = np.ones((2, 1), int)
    module._gradient = np.ones((2, 1))
    expected = "Adam(lr=0.1): MatrixLinear._parameters is an array of int64, expected an array of floats"
    assert message(TypeError, adam.step) == expected
    module._parameters = np.ones((2, 1))
    module._gradient = np.ones(2)
    assert message(ValueError, adam.step) == (
        "Adam(lr=0.1): MatrixLinear._parameters has shape (2, 1) and its gradient (2,), expected the same"
    )
    dictionary = DictLinear(2, 1)
    adam.attach(Sequential(dictionary))
    dictionary._gradient = {"W": np.ones((2, 1)), "b": np.ones((1, 1))}
    dictionary._parameters["b"] = [1.0]
    before = dictionary._parameters["W"].copy()
    assert message(TypeError, adam.step) == "Adam(lr=0.1): DictLinear._parameters['b'] is list, expected an array of floats"
    np.testing.assert_array_equal(dictionary._parameters["W"], before)


def test_the_learning_rate_may_change_between_steps():
    net = Sequential(Linear(1, 1, bias=False, rng=0), MatrixLinear(1, 1))
    net.zero_grad()
    sgd = SGD(0.5).attach(net)
    for lr in (0.5, 0.25, 0.125):
        sgd.lr = lr
        assert sgd.lr == lr
        ours, theirs = net.parameters.copy(), net[1]._parameters.copy()
        net.gradient[:] = net[1]._gradient[:] = 1
        sgd.step()
        assert ours - net.parameters == pytest.approx(lr)
        assert theirs - net[1]._parameters == pytest.approx(lr)
    assert message(ValueError, setattr, sgd, "lr", 0) == "SGD: lr is 0, expected a positive number or a schedule"
    assert sgd.lr == 0.125


@every_example
def test_two_fits_go_on_where_one_would(kind, index):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(10, 3)), rng.normal(size=(10, 1))
    results = []
    for epochs in ((6,), (2, 4)):
        net = Sequential(Linear(3, 4, rng=0), Tanh(), Linear(4, 1, rng=1))
        optimizer = kind.examples()[index]
        for some in epochs:
            fit(net, X, y, loss=MSE(), optimizer=optimizer, epochs=some, batch_size=4, shuffle=False)
        assert optimizer.steps == 18
        results.append(net.parameters.copy())
    np.testing.assert_array_equal(*results)


@every_example
def test_fit_is_the_loop_by_hand(kind, index):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(10, 3)), rng.normal(size=(10, 1))
    nets = [Sequential(Linear(3, 4, rng=0), Tanh(), Linear(4, 1, rng=1)) for _ in range(2)]
    fit(nets[0], X, y, loss=MSE(), optimizer=kind.examples()[index], epochs=3, batch_size=4, shuffle=False)
    net, optimizer = nets[1], kind.examples()[index].attach(nets[1])
    for _ in range(3):
        for at in range(0, 10, 4):
            bx, by = X[at : at + 4], y[at : at + 4]
            net.zero_grad()
            net.backward_update_gradient(bx, MSE().backward(by, net.forward(bx)) / len(bx))
            take_step(optimizer, lambda bx=bx, by=by: MSE()(by, net.forward(bx)))
    np.testing.assert_allclose(net.parameters, nets[0].parameters, rtol=1e-12)


# Settings


RATE = "a positive number or a schedule"


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: SGD(0), ValueError, f"SGD: lr is 0, expected {RATE}"),
        (lambda: SGD(-1.0), ValueError, f"SGD: lr is -1.0, expected {RATE}"),
        (lambda: SGD(np.nan), ValueError, f"SGD: lr is nan, expected {RATE}"),
        (lambda: SGD("0.1"), TypeError, f"SGD: lr is '0.1', expected {RATE}"),
        (lambda: SGD(True), TypeError, f"SGD: lr is True, expected {RATE}"),
        (lambda: SGD(0.1, momentum=1), ValueError, "SGD: momentum is 1, expected from 0 up to 1"),
        (lambda: SGD(0.1, nesterov=True), ValueError, "SGD: nesterov without momentum, expected momentum above 0"),
        (lambda: SGD(0.1, momentum=0.9, nesterov=1), TypeError, "SGD: nesterov is 1, expected True or False"),
        (lambda: SGD(0.1, weight_decay=-1), ValueError, "SGD: weight_decay is -1, expected a number that is not negative"),
        (lambda: SGD(0.1, clip_norm=0), ValueError, "SGD: clip_norm is 0, expected a positive number, or None"),
        (lambda: Adam(np.inf), ValueError, f"Adam: lr is inf, expected {RATE}"),
        (lambda: Adam(beta1=1.0), ValueError, "Adam: beta1 is 1.0, expected from 0 up to 1"),
        (lambda: Adam(beta2=-0.5), ValueError, "Adam: beta2 is -0.5, expected from 0 up to 1"),
        (lambda: Adam(eps=0), ValueError, "Adam: eps is 0, expected a positive number"),
        (lambda: Adam(weight_decay=np.inf), ValueError, "Adam: weight_decay is inf, expected a number that is not negative"),
        (lambda: AdamW(weight_decay=-1), ValueError, "AdamW: weight_decay is -1, expected a number that is not negative"),
        (lambda: Adamax(eps=0), ValueError, "Adamax: eps is 0, expected a positive number"),
        (
            lambda: NAdam(momentum_decay=-0.1),
            ValueError,
            "NAdam: momentum_decay is -0.1, expected a number that is not negative",
        ),
        (lambda: NAdam(beta2="x"), TypeError, "NAdam: beta2 is 'x', expected from 0 up to 1"),
        (lambda: Adagrad(lr_decay=-1), ValueError, "Adagrad: lr_decay is -1, expected a number that is not negative"),
        (lambda: RMSprop(alpha=1.5), ValueError, "RMSprop: alpha is 1.5, expected from 0 up to 1"),
        (lambda: RMSprop(momentum=1.0), ValueError, "RMSprop: momentum is 1.0, expected from 0 up to 1"),
        (lambda: Adadelta(rho=-0.1), ValueError, "Adadelta: rho is -0.1, expected from 0 up to 1"),
        (lambda: Adadelta(lr=0), ValueError, f"Adadelta: lr is 0, expected {RATE}"),
        (lambda: Rprop(etas=(0.5, 0.9)), ValueError, "Rprop: etas[1] is 0.9, expected a number above 1"),
        (lambda: Rprop(etas=(1.5, 2)), ValueError, "Rprop: etas[0] is 1.5, expected a number between 0 and 1"),
        (lambda: Rprop(etas=0.5), TypeError, "Rprop: etas is 0.5, expected a pair of numbers"),
        (lambda: Rprop(step_sizes=(0, 1)), ValueError, "Rprop: step_sizes[0] is 0, expected a positive number"),
        (lambda: Rprop(step_sizes=(1e-2, 1e-3)), ValueError, "Rprop: step_sizes[1] is 0.001, expected at least 0.01"),
        (lambda: Rprop(clip_norm=0), ValueError, "Rprop: clip_norm is 0, expected a positive number, or None"),
        (lambda: RandomSearch(0), ValueError, f"RandomSearch: lr is 0, expected {RATE}"),
        (
            lambda: RandomSearch(0.1, rng="x"),
            TypeError,
            "RandomSearch: rng is 'x', expected an int, a numpy.random.Generator or None",
        ),
    ],
)
def test_settings_without_meaning_are_refused(make, error, text):
    assert message(error, make) == text


def test_settings_are_read_by_their_names_and_cannot_be_changed_but_for_lr_and_clip_norm():
    optimizer = NAdam(0.1, 0.8, 0.9, 1e-4, 0.2, 0.3)
    read = [optimizer.lr, optimizer.beta1, optimizer.beta2, optimizer.eps, optimizer.weight_decay, optimizer.momentum_decay]
    assert read == [0.1, 0.8, 0.9, 1e-4, 0.2, 0.3]
    text = message(AttributeError, setattr, optimizer, "beta1", 0.5)
    assert text == f"{optimizer}: beta1 cannot be changed; make a new NAdam(..., beta1=0.5)"
    text = message(AttributeError, setattr, optimizer, "steps", 3)
    assert text == f"{optimizer}: steps is counted by its steps and cannot be set; attach counts from 0 again"
    optimizer.lr, optimizer.clip_norm = 0.2, 3.0
    assert (optimizer.lr, optimizer.clip_norm, optimizer.beta1) == (0.2, 3.0, 0.8)
    optimizer.clip_norm = None
    assert optimizer.clip_norm is None


@pytest.mark.parametrize(
    ("optimizer", "text"),
    [
        (SGD(0.1), "SGD(lr=0.1)"),
        (SGD(0.1, momentum=0.9, nesterov=True), "SGD(lr=0.1, momentum=0.9, nesterov=True)"),
        (AdamW(), "AdamW(lr=0.001)"),
        (NAdam(momentum_decay=0.1, clip_norm=2), "NAdam(lr=0.002, momentum_decay=0.1, clip_norm=2)"),
        (RMSprop(centered=True), "RMSprop(lr=0.01, centered=True)"),
        (Rprop(etas=(0.4, 1.3)), "Rprop(lr=0.01, etas=(0.4, 1.3))"),
        (RandomSearch(0.1, rng=3), "RandomSearch(sigma=0.1, rng=3)"),
    ],
)
def test_an_optimizer_says_what_is_not_default(optimizer, text):
    assert repr(optimizer) == text


def test_fit_refuses_a_class_instead_of_an_optimizer():
    net = Sequential(Linear(1, 1, rng=0))
    text = message(TypeError, fit, net, [[0.0]], [[0.0]], loss=MSE(), optimizer=NAdam)
    assert text == "fit: optimizer is NAdam, expected an optimizer object such as NAdam(lr=1e-3)"
