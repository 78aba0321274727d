"""Learning rates of their own for modules, and modules that are frozen."""

import copy

import numpy as np
import pytest

from modnet import MSE, Callback, Linear, Module, Sequential, Tanh, fit
from modnet.optim import SGD, Adadelta, Adagrad, Adam, Adamax, AdamW, NAdam, RandomSearch, RMSprop, Rprop, StepDecay, Warmup

KINDS = [SGD, Adadelta, Adagrad, Adam, AdamW, Adamax, NAdam, RMSprop, Rprop]
CASES = [pytest.param(o, id=f"{type(o).__name__}-{i}") for kind in KINDS for i, o in enumerate(kind.examples())]


class EveryBatch(Callback):
    """Its presence makes fit run in Python."""

    def on_batch_end(self, training):
        pass


def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 3))
    return X, np.sin(X[:, :1]) + X[:, 1:2] * X[:, 2:]


def network():
    return Sequential(
        Linear(3, 4, rng=0), Tanh(), Sequential(Linear(4, 5, rng=1), Tanh(), Linear(5, 4, rng=2)), Linear(4, 1, rng=3)
    )


def trained(optimizer, rates, path="compiled", epochs=3):
    net = network()
    X, y = data()
    optimizer = copy.deepcopy(optimizer).attach(net, rates(net) if callable(rates) else rates)
    callbacks = [EveryBatch()] if path == "python" else []
    fit(net, X, y, loss=MSE(), optimizer=optimizer, epochs=epochs, batch_size=16, rng=3, callbacks=callbacks)
    return net


@pytest.mark.parametrize("optimizer", CASES)
@pytest.mark.parametrize("rates", [{0: 0.0}, {2: 0.0}, {0: 0.1, 2: 0.0, 3: 3.0}, {-1: 0.5}], ids=str)
def test_both_paths_give_the_same_parameters(optimizer, rates):
    compiled, explicit = trained(optimizer, rates), trained(optimizer, rates, "python")
    assert np.array_equal(compiled.parameters, explicit.parameters)


@pytest.mark.parametrize("optimizer", [*CASES, pytest.param(AdamW(0.1, weight_decay=1.0), id="heavy")])
@pytest.mark.parametrize("path", ["compiled", "python"])
def test_what_is_frozen_does_not_move_at_all(optimizer, path):
    net, start = trained(optimizer, {0: 0.0, 2: 0.0}, path), network()
    for place, (name, array) in zip((0, 0, 2, 2, 2, 2, 3, 3), net.named_parameters().items(), strict=True):
        assert np.array_equal(array, start.named_parameters()[name]) == (place != 3), name


@pytest.mark.parametrize("optimizer", [SGD(0.05), SGD(0.02, momentum=0.9), Adam(0.01), AdamW(0.01), Rprop(0.01)], ids=repr)
def test_a_factor_is_a_learning_rate_of_its_own(optimizer):
    """Each piece moves as it would if the whole network had its rate, its gradient being the same."""
    nets, gradients = [], np.random.default_rng(1).normal(size=(10, network().parameters.size))
    for factor in (1.0, 0.25, None):
        net = network()
        mine = copy.deepcopy(optimizer)
        if factor is not None:
            mine = type(mine)(mine.lr * factor, **({"momentum": mine.momentum} if isinstance(mine, SGD) else {}))
        mine.attach(net, {2: 0.25} if factor is None else None)
        for gradient in gradients:
            net.gradient[:] = gradient
            mine.step()
        nets.append(net)
    full, quarter, mixed = nets
    for place in (0, 3):
        assert np.array_equal(mixed[place].parameters, full[place].parameters)
    assert np.array_equal(mixed[2].parameters, quarter[2].parameters)
    assert not np.array_equal(full[2].parameters, quarter[2].parameters)


def test_factor_one_everywhere_is_no_factor():
    plain, named = trained(Adam(0.01), None), trained(Adam(0.01), {0: 1.0, 2: 1.0})
    assert np.array_equal(plain.parameters, named.parameters)


def test_a_module_names_itself_as_well_as_its_place():
    assert np.array_equal(
        trained(Adam(0.01), {0: 0.5, 2: 0.0}).parameters,
        trained(Adam(0.01), lambda net: {net[0]: 0.5, net[2]: 0.0}).parameters,
    )


def test_a_module_inside_a_container_can_be_named_and_the_later_entry_wins():
    net, start = trained(Adam(0.01), lambda net: {net[2]: 0.0, net[2][2]: 0.5}), network()
    assert np.array_equal(net[2][0].parameters, start[2][0].parameters)
    assert not np.array_equal(net[2][2].parameters, start[2][2].parameters)
    again = trained(Adam(0.01), lambda net: {net[2][2]: 0.5, net[2]: 0.0})
    assert np.array_equal(again[2].parameters, start[2].parameters)


def test_a_module_that_stands_twice_has_one_rate():
    shared = Linear(3, 3, rng=0)
    net = Sequential(shared, Tanh(), shared, Tanh(), Linear(3, 1, rng=1))
    before = shared.parameters.copy()
    X, y = data()
    fit(net, X, y, loss=MSE(), optimizer=SGD(0.1).attach(net, {2: 0.0}), epochs=2, rng=0)
    assert np.array_equal(shared.parameters, before)
    assert not np.array_equal(net[4].parameters, Linear(3, 1, rng=1).parameters)


def test_a_part_of_a_network_can_be_trained_with_rates():
    net = network()
    part, before = net[2:], net.parameters.copy()
    optimizer = SGD(0.1).attach(part, {0: 0.0})
    net.gradient[:] = 1.0
    optimizer.step()
    moved = net.parameters != before
    expected = np.concatenate([np.zeros(16), np.zeros(25 + 24), np.ones(5)]).astype(bool)
    assert np.array_equal(moved, expected)


def test_the_gradient_of_what_is_frozen_counts_for_nothing_in_clip_norm():
    net = network()
    optimizer = SGD(1.0, clip_norm=1.0).attach(net, {0: 0.0, 2: 0.0})
    net.gradient[:] = 100.0
    net[3].gradient[:] = 0.1
    before = net.parameters.copy()
    optimizer.step()
    np.testing.assert_allclose(before[-5:] - net.parameters[-5:], 0.1, rtol=1e-12)


def test_clip_norm_is_that_of_all_that_moves_whatever_its_rate():
    net = network()
    optimizer = SGD(1.0, clip_norm=1.0).attach(net, {0: 0.5})
    rng = np.random.default_rng(0)
    net.gradient[:] = rng.normal(size=net.gradient.size)
    gradient, before = net.gradient.copy(), net.parameters.copy()
    optimizer.step()
    expected = gradient / np.linalg.norm(gradient) * np.where(np.arange(gradient.size) < 16, 0.5, 1.0)
    np.testing.assert_allclose(before - net.parameters, expected, rtol=1e-12)


def test_factors_multiply_a_schedule():
    net = network()
    optimizer = SGD(Warmup(2, then=StepDecay(0.4, every=1, factor=0.5))).attach(net, {0: 0.1})
    for rate, ends in ((0.2, False), (0.4, True), (0.2, False)):
        net.gradient[:] = 1.0
        before = net.parameters.copy()
        optimizer.step()
        np.testing.assert_allclose((before - net.parameters)[[0, -1]], [rate * 0.1, rate], rtol=1e-12)
        if ends:
            optimizer.epoch_end()


def test_a_frozen_network_counts_its_steps_and_stays():
    X, y = data()
    for callbacks in ([], [EveryBatch()]):
        net, start = network(), network().parameters
        optimizer = AdamW(0.1).attach(net, {net: 0.0})
        fit(net, X, y, loss=MSE(), optimizer=optimizer, epochs=2, batch_size=16, callbacks=callbacks)
        assert np.array_equal(net.parameters, start)
        assert optimizer.steps == 6


def test_random_search_moves_by_its_factors():
    net = Sequential(Linear(50, 40, rng=0), Linear(40, 50, rng=1), Linear(50, 1, rng=2))
    before = net.parameters.copy()
    falling = iter([1.0, 0.0])
    RandomSearch(0.2, rng=0).attach(net, {0: 0.0, 1: 0.5}).step(lambda: next(falling))
    moves = net.parameters - before
    assert not moves[:2040].any()
    assert moves[2040:4090].std() == pytest.approx(0.1, rel=0.05)
    assert moves[4090:].std() == pytest.approx(0.2, rel=0.4)


class Student(Module):
    """A plain numpy layer."""

    def __init__(self, n, m, seed):
        self._parameters = np.random.default_rng(seed).normal(size=(n, m))
        self.zero_grad()

    def forward(self, X):
        return X @ self._parameters

    def backward_update_gradient(self, input, delta):
        self._gradient += input.T @ delta

    def backward_delta(self, input, delta):
        return delta @ self._parameters.T


@pytest.mark.parametrize("optimizer", [SGD(0.05), Adam(0.05), AdamW(0.05, clip_norm=0.1)], ids=repr)
def test_plain_classes_have_rates_too(optimizer):
    def mixed():
        return Sequential(Student(3, 4, 0), Tanh(), Linear(4, 4, rng=1), Tanh(), Student(4, 1, 2))

    X, y = data()
    moved = []
    for rates in ({0: 0.0, 2: 0.0}, {0: 0.5}):
        net, start = mixed(), mixed()
        fit(net, X, y, loss=MSE(), optimizer=copy.deepcopy(optimizer).attach(net, rates), epochs=1, batch_size=None)
        moved.append([abs(net[i]._parameters - start[i]._parameters).max() for i in (0, 2, 4)])
    assert moved[0][:2] == [0, 0] < [moved[0][2]]
    net, start = mixed(), mixed()
    fit(net, X, y, loss=MSE(), optimizer=copy.deepcopy(optimizer).attach(net), epochs=1, batch_size=None)
    whole = abs(net[0]._parameters - start[0]._parameters).max()
    assert moved[1][0] == pytest.approx(whole / 2, rel=1e-9)


def test_attach_again_without_rates_sets_everything_free():
    net = network()
    optimizer = SGD(0.1).attach(net, {0: 0.0})
    optimizer.attach(net)
    before = net.parameters.copy()
    net.gradient[:] = 1.0
    optimizer.step()
    assert (net.parameters != before).all()


@pytest.mark.parametrize(
    ("rates", "message"),
    [
        ({7: 0.1}, "rates has the place 7, expected one of the network's 4 modules"),
        ({1: 0.1}, r"rates has Tanh\(\), which has no parameters, expected a module with some"),
        ({"0.weight": 0.1}, "rates has '0.weight', expected a module of the network, or its place"),
        ({Linear(3, 4): 0.1}, r"rates has Linear\(3 -> 4\), expected a module of the network, or its place"),
        ({0: -1}, r"rates\[0\] is -1, expected a factor that is not negative"),
        ({0: None}, r"rates\[0\] is None, expected a factor that is not negative"),
        ([0.1, 0.2], r"rates is \[0.1, 0.2\], expected a dict"),
    ],
)
def test_rates_that_name_nothing_are_refused_and_change_nothing(rates, message):
    net = network()
    optimizer = SGD(0.1).attach(net)
    groups = optimizer._groups
    with pytest.raises((ValueError, TypeError), match=r"^SGD\(lr=0.1\): " + message):
        optimizer.attach(network(), rates)
    assert optimizer.net is net
    assert optimizer._groups is groups
