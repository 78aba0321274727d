"""What an optimizer keeps is whole: a training goes on from a pickle, a copy or a state as if it had never been interrupted."""

import copy
import pickle

import numpy as np
import pytest
from helpers import DictLinear, message, take_step

from modnet import MSE, BatchNorm, Callback, Dropout, Linear, Sequential, Tanh, fit
from modnet.discovery import all_optimizers
from modnet.engine.snapshot import NUMBERS
from modnet.optim import (
    SGD,
    Adam,
    CosineDecay,
    ExponentialDecay,
    NAdam,
    RandomSearch,
    ReduceOnPlateau,
    Schedule,
    StepDecay,
    Warmup,
)


class Inverse(Schedule):
    """A schedule of one's own."""

    def at(self, t):
        return self.lr / (1 + t)


SCHEDULES = [
    StepDecay(0.05, every=3, factor=0.5),
    StepDecay(0.05, every=7, factor=0.5, per="step"),
    ExponentialDecay(0.05, factor=0.7),
    CosineDecay(0.05, over=3),
    Warmup(9, then=0.05),
    Warmup(7, then=CosineDecay(0.05, over=10, per="step")),
    Warmup(2, then=ReduceOnPlateau(0.05, factor=0.5, patience=0, threshold=0.2)),
    ReduceOnPlateau(0.05, factor=0.5, patience=0, threshold=0.2),
    Inverse(0.05),
]
EXAMPLES = [pytest.param(o, id=f"{type(o).__name__}-{i}") for kind in all_optimizers() for i, o in enumerate(kind.examples())]
SCHEDULED = [kind(schedule) for schedule in SCHEDULES for kind in (SGD, Adam)] + [RandomSearch(SCHEDULES[-2], rng=1)]
CASES = [*EXAMPLES, *(pytest.param(o, id=repr(o)) for o in SCHEDULED)]

every_case = pytest.mark.parametrize("optimizer", CASES)


class EveryBatch(Callback):
    """Its presence makes fit run in Python."""

    def on_batch_end(self, training):
        pass


RNG = np.random.default_rng(0)
X = RNG.normal(size=(20, 3))
Y = np.sin(X[:, :1]) + X[:, 1:2] * X[:, 2:]
RATES = {0: 0.5, 4: 0.0}


def network():
    """It keeps statistics and draws masks."""
    return Sequential(
        Linear(3, 5, rng=0), BatchNorm(5), Tanh(), Dropout(0.2, rng=1), Linear(5, 4, rng=1), Tanh(), Linear(4, 1, rng=2)
    )


def with_a_student():
    return Sequential(Linear(3, 5, rng=0), Tanh(), DictLinear(5, 4, 1), Tanh(), Linear(4, 1, rng=2))


def compiled(net, optimizer, epochs=2, **options):
    fit(net, X, Y, loss=MSE(), optimizer=optimizer, epochs=epochs, batch_size=8, shuffle=False, progress=False, **options)


def explicit(net, optimizer):
    compiled(net, optimizer, callbacks=[EveryBatch()])


def by_hand(net, optimizer):
    loss = MSE()
    for _ in range(2):
        seen = []
        for at in range(0, 20, 8):
            x, y = X[at : at + 8], Y[at : at + 8]
            yhat = net.forward(x)
            seen.append(loss(y, yhat))
            net.zero_grad()
            net.backward_update_gradient(x, loss.backward(y, yhat) / len(x))
            take_step(optimizer, lambda x=x, y=y: loss(y, net.forward(x)))
        optimizer.epoch_end(float(np.mean(seen)))


every_path = pytest.mark.parametrize("train", [compiled, explicit, by_hand], ids=lambda f: f.__name__)


def pickled_together(net, optimizer):
    return pickle.loads(pickle.dumps((net, optimizer)))


def deep_copied_together(net, optimizer):
    return copy.deepcopy((net, optimizer))


def pickled_alone(net, optimizer):
    again = pickle.loads(pickle.dumps(optimizer))  # takes its network along
    return again.net, again


def state_restored(net, optimizer):
    again = copy.deepcopy(net)
    other = optimizer.fresh().attach(again, RATES)
    other.load_state_dict(pickle.loads(pickle.dumps(optimizer.state_dict())))
    return again, other


WAYS = [pickled_together, deep_copied_together, pickled_alone, state_restored]


def numbers(net):
    """All that a network holds and that training changes."""
    storage = net.storage
    theirs = [array for module in net if isinstance(module, DictLinear) for array in module._parameters.values()]
    return [storage.parameters.copy(), storage.state.copy(), storage.draws.copy(), *theirs]


def assert_same(mine, theirs):
    for a, b in zip(numbers(mine[0]), numbers(theirs[0]), strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_equal(mine[1].state_dict(), theirs[1].state_dict())
    assert mine[1].lr == theirs[1].lr


@every_path
@every_case
def test_training_goes_on_from_every_kind_of_copy_as_if_it_had_not_stopped(optimizer, train):
    def started():
        net, mine = network(), copy.deepcopy(optimizer)
        train(net, mine.attach(net, RATES))
        return net, mine

    whole = started()
    train(*whole)
    assert (whole[1].steps, whole[1].epochs) == (12, 4)
    for way in WAYS:
        net, mine = started()
        again = way(net, mine)
        assert again[1].net is again[0] is not net
        assert_same(again, (net, mine))
        train(*again)
        assert_same(again, whole)
        train(net, mine)  # the original is not disturbed by what its copy has done
        assert_same((net, mine), whole)


@pytest.mark.parametrize("way", WAYS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("optimizer", [Adam(0.05), SGD(0.1), NAdam(0.05, clip_norm=0.5)], ids=repr)
def test_networks_with_students_modules_go_on_too(optimizer, way):
    def started():
        net, mine = with_a_student(), copy.deepcopy(optimizer)
        explicit(net, mine.attach(net, RATES))
        return net, mine

    whole, (net, mine) = started(), started()
    explicit(*whole)
    again = way(net, mine)
    explicit(*again)
    assert_same(again, whole)
    explicit(net, mine)
    assert_same((net, mine), whole)


@every_case
def test_a_copy_has_moments_of_its_own_on_the_same_network(optimizer):
    net, mine = network(), copy.deepcopy(optimizer)
    compiled(net, mine.attach(net, RATES))
    twin, before = copy.copy(mine), copy.deepcopy(mine.state_dict())
    assert twin.net is mine.net is net
    np.testing.assert_equal(twin.state_dict(), before)
    by_hand(net, twin)  # moves the network, its own moments, its own steps, its own place in the schedule
    np.testing.assert_equal(mine.state_dict(), before)
    assert (mine.steps, mine.epochs, twin.steps, twin.epochs) == (6, 2, 12, 4)


def test_a_copy_leaves_students_modules_where_they_are():
    net = with_a_student()
    mine = Adam(0.1).attach(net)
    twin = copy.copy(mine)
    before = copy.deepcopy(net[2]._parameters)
    explicit(net, twin)
    assert twin.net is net
    assert all((net[2]._parameters[name] != before[name]).any() for name in before)
    assert (mine.steps, twin.steps) == (0, 6)


@every_case
def test_an_optimizer_without_a_network_is_copied_without_one(optimizer):
    for twin in (copy.copy(optimizer), copy.deepcopy(optimizer), pickle.loads(pickle.dumps(optimizer)), optimizer.fresh()):
        assert type(twin) is type(optimizer)
        assert twin is not optimizer
        assert repr(twin) == repr(optimizer)
        assert (twin.net, twin.steps, twin.epochs) == (None, 0, 0)


@pytest.mark.parametrize("optimizer", [case for case in CASES if not case.values[0].needs_loss])  # which go on drawing
@pytest.mark.parametrize("train", [compiled, explicit], ids=lambda f: f.__name__)
def test_forget_is_attach_with_the_same_rates(optimizer, train):
    ends = []
    for forgets in (True, False):
        net, mine = network(), copy.deepcopy(optimizer)
        mine.attach(net, RATES)
        if forgets:
            train(net, mine)
            fresh = network().storage
            for name in NUMBERS:
                getattr(net.storage, name)[:] = getattr(fresh, name)
            mine.forget()
            assert mine.steps == mine.epochs == 0
        train(net, mine)
        ends.append(net.parameters.copy())
    np.testing.assert_array_equal(*ends)


def test_fit_goes_on_and_attach_forgets():
    net, optimizer = network(), Adam(0.01)
    for _ in range(2):
        compiled(net, optimizer, epochs=1)
    assert optimizer.steps == 6
    assert optimizer.flat_group().moments.any()
    assert optimizer.attach(net).steps == 0
    assert not optimizer.flat_group().moments.any()


# States


def test_a_state_holds_what_was_set_since():
    net = network()
    mine = SGD(ExponentialDecay(0.1, 0.5), momentum=0.9, clip_norm=1.0).attach(net)
    compiled(net, mine)
    mine.lr, mine.clip_norm = 0.3, 0.2  # which ends the schedule
    again = SGD(ExponentialDecay(0.1, 0.5), momentum=0.9, clip_norm=1.0).attach(copy.deepcopy(net))
    again.load_state_dict(mine.state_dict())
    assert (again.lr, again.clip_norm, again.schedule) == (0.3, 0.2, None)
    compiled(net, mine)
    compiled(again.net, again)
    assert_same((again.net, again), (net, mine))


@every_case
def test_what_is_no_state_is_refused_and_changes_nothing(optimizer):
    net, mine = network(), copy.deepcopy(optimizer)
    compiled(net, mine.attach(net))
    before, name = copy.deepcopy(mine.state_dict()), repr(mine)
    incomplete = [{k: v for k, v in before.items() if k != key} for key in before]
    for bad in (None, {}, [], 3, "state", *incomplete):
        text = message(ValueError, mine.load_state_dict, bad)
        assert text.startswith(f"{name}: load_state_dict got ")
        assert text.endswith(", expected what optimizer.state_dict() returned")
    other = SGD(0.1, momentum=0.5) if not isinstance(mine, SGD) else Adam(0.1)
    theirs = {**before, **other.attach(Linear(3, 4)).state_dict()}
    assert message(ValueError, mine.load_state_dict, theirs) == (
        f"{name}: load_state_dict got the state of {type(other).__name__}, expected one of {type(mine).__name__}"
    )
    np.testing.assert_equal(mine.state_dict(), before)


@pytest.mark.parametrize("value", [-1.0, np.nan, np.inf, None, np.zeros(3), 1j, "x"], ids=str)
def test_a_state_whose_settings_are_out_of_their_range_is_refused_and_changes_nothing(value):
    optimizer = Adam(0.1).attach(Linear(3, 4, rng=0))
    before = copy.deepcopy(optimizer.state_dict())
    settings = np.full(len(before["settings"]), value) if np.ndim(value) == 0 else value
    with pytest.raises((ValueError, TypeError), match="Adam"):
        optimizer.load_state_dict({**before, "settings": settings})
    np.testing.assert_equal(optimizer.state_dict(), before)


@pytest.mark.parametrize("other", [Linear(3, 5, rng=0), DictLinear(3, 4), Sequential(Tanh())], ids=["larger", "dict", "empty"])
def test_the_state_for_another_network_is_refused_and_changes_nothing(other):
    net = Linear(3, 4, rng=0)
    optimizer = Adam(0.1).attach(net)
    net.gradient[:] = 1.0
    optimizer.step()
    before = copy.deepcopy(optimizer.state_dict())
    text = message(ValueError, optimizer.load_state_dict, Adam(0.1).attach(other).state_dict())
    assert text.startswith(
        ("Adam(lr=0.1): load_state_dict got the state of another", "Adam(lr=0.1): load_state_dict got the moments of another")
    )
    np.testing.assert_equal(optimizer.state_dict(), before)


def test_the_state_of_another_schedule_is_refused_and_changes_nothing():
    net = Linear(3, 4, rng=0)
    state = SGD(ReduceOnPlateau(0.1)).attach(net).state_dict()
    optimizer = SGD(0.1).attach(net)
    assert message(ValueError, optimizer.load_state_dict, state) == (
        "SGD(lr=0.1): load_state_dict got the state of an optimizer with a schedule, expected the same schedule as lr"
    )
    optimizer = SGD(StepDecay(0.1, every=2)).attach(net)
    before = copy.deepcopy(optimizer.state_dict())
    message(ValueError, optimizer.load_state_dict, state)
    np.testing.assert_equal(optimizer.state_dict(), before)


def test_a_state_from_before_the_first_epoch_has_ended_is_taken():
    net = Linear(2, 1, rng=0)
    adam = Adam(0.1).attach(net)
    net.gradient[:] = 1
    adam.step()
    other = Adam(0.1).attach(net)
    other.load_state_dict(adam.state_dict())
    assert (other.steps, other.epochs) == (1, 0)
