"""Learning rates that change: their formulas, and that fit, the compiled walk and loops by hand all follow them."""

import copy
import math
import pickle
from itertools import pairwise

import numpy as np
import pytest

from modnet import MSE, NLL, Callback, Linear, Sequential, Softmax, Tanh, TrainingWarning, fit
from modnet.optim import (
    SGD,
    Adam,
    CosineDecay,
    ExponentialDecay,
    RandomSearch,
    ReduceOnPlateau,
    Rprop,
    Schedule,
    StepDecay,
    Warmup,
)


class Inverse(Schedule):
    """A schedule of one's own."""

    def at(self, t):
        return self.lr / (1 + t)


SCHEDULES = [
    StepDecay(0.1, every=2, factor=0.5),
    StepDecay(0.1, every=3, factor=0.5, per="step"),
    ExponentialDecay(0.1, factor=0.7),
    ExponentialDecay(0.1, factor=0.97, per="step"),
    CosineDecay(0.1, over=4, lowest=0.01),
    CosineDecay(0.1, over=15, per="step"),
    Warmup(5, then=0.1),
    Warmup(7, then=CosineDecay(0.1, over=3)),
    Warmup(2, then=ReduceOnPlateau(0.1, factor=0.5, patience=0, threshold=0.05)),
    ReduceOnPlateau(0.1, factor=0.5, patience=0, threshold=0.05),
    Inverse(0.1),
    Inverse(0.1, per="step"),
]


class EveryBatch(Callback):
    """Its presence makes fit run in Python; it looks at the rate that every step had."""

    def __init__(self):
        self.rates = []

    def on_batch_end(self, training):
        self.rates.append(training.optimizer.flat_group().settings[0, 0])  # what the step was taken with


def data(n=50):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 3))
    return X, np.sin(X[:, :1]) + X[:, 1:2] * X[:, 2:]


def network():
    return Sequential(Linear(3, 5, rng=0), Tanh(), Linear(5, 1, rng=1))


def rates_by_hand(schedule, epochs, steps_an_epoch, losses=()):
    optimizer, found = SGD(schedule).attach(Linear(1, 1, rng=0)), []
    for epoch in range(epochs):
        for _ in range(steps_an_epoch):
            found.append(optimizer.lr)
            optimizer.step()
        optimizer.epoch_end(losses[epoch] if len(losses) else None)
    return np.array(found)


def test_step_decay_falls_at_once():
    assert rates_by_hand(StepDecay(0.8, every=2, factor=0.5), 5, 2).tolist() == [0.8] * 4 + [0.4] * 4 + [0.2] * 2
    assert rates_by_hand(StepDecay(0.8, every=3, factor=0.5, per="step"), 2, 4).tolist() == [0.8] * 3 + [0.4] * 3 + [0.2] * 2


def test_exponential_decay_multiplies_after_every_epoch():
    expected = [0.5 * 0.9**epoch for epoch in range(4) for _ in range(3)]
    np.testing.assert_allclose(rates_by_hand(ExponentialDecay(0.5, 0.9), 4, 3), expected, rtol=1e-14)


def test_cosine_decay_is_half_a_wave_and_then_stays():
    expected = [0.1 + 0.4 * (1 + math.cos(math.pi * min(t, 4) / 4)) for t in range(7)]
    np.testing.assert_allclose(rates_by_hand(CosineDecay(0.9, over=4, lowest=0.1), 7, 1), expected, rtol=1e-14)


def test_warmup_climbs_evenly_by_steps_whatever_comes_then():
    assert rates_by_hand(Warmup(4, then=0.8), 2, 3).tolist() == pytest.approx([0.2, 0.4, 0.6, 0.8, 0.8, 0.8], rel=1e-14)
    after = rates_by_hand(Warmup(4, then=StepDecay(0.8, every=1, factor=0.5)), 2, 3)
    assert after.tolist() == pytest.approx([0.2, 0.4, 0.6, 0.4, 0.4, 0.4], rel=1e-14)


def plateau_by_the_book(losses, lr, factor, patience, threshold, lowest):
    """From the whole list each time: how many reductions came before each epoch."""
    rates, rate, best, last_good = [], lr, math.inf, -1
    for epoch, loss in enumerate(losses):
        rates.append(rate)
        if loss < best - (threshold * abs(best) if math.isfinite(best) else 0):
            best, last_good = loss, epoch
        elif epoch - last_good > patience:
            rate, last_good = max(rate * factor, lowest), epoch
    return rates


@pytest.mark.parametrize("shift", [0.0, -1.5, -10.0], ids=["above 0", "around 0", "below 0"])
@pytest.mark.parametrize("seed", range(5))
def test_reduce_on_plateau_falls_after_patience_epochs_without_a_lower_loss(seed, shift):
    losses = np.random.default_rng(seed).uniform(1, 2, 40) * np.linspace(2, 1, 40) + shift
    schedule = ReduceOnPlateau(0.1, factor=0.5, patience=3, threshold=0.01, lowest=0.004)
    expected = plateau_by_the_book(losses, 0.1, 0.5, 3, 0.01, 0.004)
    np.testing.assert_allclose(rates_by_hand(schedule, 40, 1, losses), expected, rtol=1e-14)
    assert min(expected) == 0.004


@pytest.mark.parametrize(
    ("losses", "falls"),
    [
        ([-1.0, -1.005, -1.01, -1.01], [False, True, True, True]),  # no better by a hundredth of 1
        ([-1.0, -1.02, -1.04, -1.06], [False] * 4),
        ([1.0, 0.985, 0.97, 0.95], [False] * 4),
        ([0.0, -1e-9, -2e-9, -3e-9], [False] * 4),  # a hundredth of 0 is 0
        ([0.0, 0.0, 0.0], [False, True, True]),
    ],
)
def test_the_margin_of_a_plateau_is_a_share_of_the_size_of_the_lowest_loss(losses, falls):
    schedule = ReduceOnPlateau(1.0, factor=0.5, patience=0, threshold=0.01)
    memory, rates = schedule.begin(), [1.0]
    for loss in losses:
        schedule.epoch_end(loss, memory)
        rates.append(float(schedule.rates(0, np.arange(1), memory)[0]))
    assert [after < before for before, after in pairwise(rates)] == falls


@pytest.mark.filterwarnings("ignore:fit. NLL.. takes log-probabilities")
@pytest.mark.parametrize("callbacks", [[], [EveryBatch()]], ids=["compiled", "python"])
def test_fit_sees_a_plateau_below_zero(callbacks):
    X = np.random.default_rng(0).normal(size=(64, 3))
    y = np.random.default_rng(1).integers(0, 2, 64)
    net, loss = Sequential(Linear(3, 2, rng=0), Softmax()), NLL()  # minus the probability of the class
    optimizer = SGD(ReduceOnPlateau(1e-6, factor=0.5, patience=1))
    history = fit(net, X, y, loss=loss, optimizer=optimizer, epochs=9, rng=0, callbacks=callbacks)
    assert max(history.loss) < 0
    assert history.metrics["lr"] == [1e-6] * 3 + [5e-7] * 2 + [2.5e-7] * 2 + [1.25e-7] * 2


def test_reduce_on_plateau_wants_the_loss():
    optimizer = SGD(ReduceOnPlateau(0.1)).attach(Linear(1, 1))
    with pytest.raises(ValueError, match="epoch_end came without a loss, expected"):
        optimizer.epoch_end()
    assert optimizer.epochs == 0


@pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)
@pytest.mark.parametrize("kind", [SGD, Adam])
def test_fit_gives_the_same_parameters_on_both_paths(schedule, kind):
    X, y = data()
    results = []
    for callbacks in ([], [EveryBatch()]):
        net = network()
        history = fit(net, X, y, loss=MSE(), optimizer=kind(schedule), epochs=6, batch_size=16, rng=0, callbacks=callbacks)
        results.append((net.parameters.copy(), history.metrics["lr"]))
    assert np.array_equal(results[0][0], results[1][0])
    assert results[0][1] == results[1][1]
    assert len(set(results[0][1])) > 1


@pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)
def test_the_rates_of_fit_are_those_by_hand(schedule):
    X, y = data()
    watcher, net = EveryBatch(), network()
    history = fit(net, X, y, loss=MSE(), optimizer=SGD(schedule), epochs=6, batch_size=16, rng=0, callbacks=[watcher])
    expected = rates_by_hand(schedule, 6, 4, history.loss)
    np.testing.assert_allclose(watcher.rates, expected, rtol=1e-14)
    np.testing.assert_allclose(history.metrics["lr"], expected[::4], rtol=1e-14)


def test_the_next_rates_begin_at_the_step_that_comes():
    optimizer = SGD(ExponentialDecay(0.1, factor=0.9, per="step")).attach(Linear(1, 1))
    for steps in range(4):
        np.testing.assert_allclose(optimizer.rates(5), 0.1 * 0.9 ** (steps + np.arange(5)), rtol=1e-14)
        optimizer.step()


def test_a_schedule_that_stays_changes_nothing():
    X, y = data()
    nets = [network(), network()]
    for net, lr in zip(nets, (0.05, StepDecay(0.05, every=100))):
        history = fit(net, X, y, loss=MSE(), optimizer=SGD(lr, momentum=0.9), epochs=5, rng=0)
        assert history.metrics["lr"] == [0.05] * 5
    assert np.array_equal(nets[0].parameters, nets[1].parameters)


def test_the_plateau_is_of_the_validation_loss_if_there_is_one():
    X, y = data(60)
    far = (X[:9], y[:9] + 1e3)  # its loss hardly moves, so it is a plateau at once
    optimizer = SGD(ReduceOnPlateau(0.01, factor=0.5, patience=0, threshold=0.1))
    history = fit(network(), X, y, loss=MSE(), optimizer=optimizer, epochs=4, validation=far, rng=0)
    assert history.metrics["lr"] == [0.01, 0.01, 0.005, 0.0025]
    assert optimizer.lr == 0.00125


def test_a_second_fit_goes_on_in_the_schedule_and_attach_begins_it_again():
    X, y = data()
    optimizer, net = SGD(ExponentialDecay(0.1, 0.5)), network()
    options = {"loss": MSE(), "optimizer": optimizer, "epochs": 2, "rng": 0}
    assert fit(net, X, y, **options).metrics["lr"] == [0.1, 0.05]
    assert fit(net, X, y, **options).metrics["lr"] == [0.025, 0.0125]
    assert (optimizer.epochs, optimizer.steps) == (4, 8)
    optimizer.attach(net)
    assert fit(net, X, y, **options).metrics["lr"] == [0.1, 0.05]


def test_one_schedule_serves_two_optimizers():
    schedule = ReduceOnPlateau(0.1, factor=0.5, patience=0)
    first, second = SGD(schedule).attach(Linear(1, 1)), SGD(schedule).attach(Linear(1, 1))
    for _ in range(3):
        first.epoch_end(1.0)
    assert (first.lr, second.lr) == (0.025, 0.1)


def test_setting_lr_ends_the_schedule():
    optimizer = SGD(ExponentialDecay(0.1, 0.5)).attach(Linear(1, 1))
    optimizer.epoch_end()
    assert optimizer.lr == 0.05
    optimizer.lr = 0.3
    optimizer.epoch_end()
    assert optimizer.lr == 0.3
    assert optimizer.schedule is None


def test_a_callback_may_set_lr_between_epochs_on_both_paths():
    X, y = data()
    results = []
    for extra in ([], [EveryBatch()]):
        net = network()

        def halve(training):
            training.optimizer.lr /= 2

        fit(net, X, y, loss=MSE(), optimizer=SGD(0.1), epochs=5, rng=0, callbacks=[halve, *extra])
        results.append(net.parameters.copy())
    net = network()
    fit(net, X, y, loss=MSE(), optimizer=SGD(ExponentialDecay(0.1, 0.5)), epochs=5, rng=0)
    assert np.array_equal(results[0], results[1])
    assert np.array_equal(results[0], net.parameters)


@pytest.mark.parametrize("callbacks", [[], [EveryBatch()]], ids=["compiled", "python"])
def test_a_rate_of_zero_moves_nothing_and_a_whole_fit_of_it_is_told(callbacks):
    X, y = data()
    net, optimizer = network(), SGD(CosineDecay(0.1, over=1), weight_decay=0.1)
    options = {"loss": MSE(), "optimizer": optimizer, "rng": 0, "callbacks": callbacks}
    fit(net, X, y, epochs=1, **options)
    after_one = net.parameters.copy()
    with pytest.warns(TrainingWarning) as told:
        fit(net, X, y, epochs=3, **options)
    assert [str(warning.message) for warning in told] == [
        f"fit: the learning rate was 0 in all 6 steps, so nothing was learned; the schedule of {optimizer!r} has ended: "
        "attach the optimizer again, or set its lr"
    ]
    assert np.array_equal(net.parameters, after_one)
    optimizer.attach(net)  # what the message advises
    fit(net, X, y, epochs=4, **options)  # one epoch that moves is enough
    assert not np.array_equal(net.parameters, after_one)
    optimizer.lr = 0.1
    fit(net, X, y, epochs=1, **options)


def test_the_history_has_a_rate_for_every_epoch_and_shows_it_once_it_has_changed():
    X, y = data()
    for extra in ([], [EveryBatch()]):

        def lower(training):
            if training.epoch in (2, 3):
                training.optimizer.lr = 0.1 / training.epoch

        history = fit(network(), X, y, loss=MSE(), optimizer=SGD(0.1), epochs=5, rng=0, callbacks=[lower, *extra])
        assert history.metrics["lr"] == [0.1, 0.1, 0.1 / 2, 0.1 / 3, 0.1 / 3]
        assert history.last()["lr"] == 0.1 / 3
    same = fit(network(), X, y, loss=MSE(), optimizer=SGD(0.1), epochs=5, rng=0)
    assert same.metrics["lr"] == [0.1] * 5
    assert "lr" not in same.shown()
    assert "lr" not in repr(same)
    assert "lr 0.03333" in repr(history)


def test_a_callback_that_sets_lr_ends_a_schedule():
    X, y = data()

    def hold(training):
        if training.epoch == 3:
            training.optimizer.lr = 0.01

    history = fit(network(), X, y, loss=MSE(), optimizer=SGD(ExponentialDecay(0.1, 0.5)), epochs=5, rng=0, callbacks=[hold])
    assert history.metrics["lr"] == [0.1, 0.05, 0.025, 0.01, 0.01]


def test_sigma_of_random_search_may_follow_a_schedule():
    optimizer = RandomSearch(ExponentialDecay(0.4, 0.5), rng=0).attach(Linear(1, 1))
    optimizer.epoch_end()
    assert optimizer.sigma == 0.2
    assert repr(optimizer) == "RandomSearch(sigma=ExponentialDecay(lr=0.4, factor=0.5), rng=0)"


def test_rprop_takes_no_schedule():
    with pytest.raises(TypeError, match=r"^Rprop: lr is StepDecay\(.*\), expected a number, the first step"):
        Rprop(StepDecay(0.1, 2))


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (-0.1, r"the schedule gave the rates \[-0.1\], expected 1 finite numbers, none negative$"),
        (np.nan, r"the schedule gave the rates \[nan\], expected 1 finite numbers, none negative$"),
        (np.inf, r"the schedule gave the rates \[inf\], expected 1 finite numbers, none negative$"),
    ],
)
def test_rates_that_make_no_sense_are_refused(bad, message):
    class Broken(Schedule):
        def at(self, t):
            return bad

    layer = Linear(1, 1, rng=0)
    before = layer.parameters.copy()
    with pytest.raises(ValueError, match=message):
        SGD(Broken(0.1)).attach(layer).step()
    assert np.array_equal(layer.parameters, before)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: StepDecay(0, 1), "StepDecay: lr is 0, expected a positive number"),
        (lambda: StepDecay(0.1, 0), "StepDecay: every is 0, expected at least 1"),
        (lambda: StepDecay(0.1, 1.5), "StepDecay: every is 1.5, expected a whole number"),
        (lambda: StepDecay(0.1, 1, factor=0), "StepDecay: factor is 0, expected a positive number"),
        (lambda: StepDecay(0.1, 1, per="batch"), "StepDecay: per is 'batch', expected 'epoch' or 'step'"),
        (lambda: ExponentialDecay(0.1, -0.5), "ExponentialDecay: factor is -0.5, expected a positive number"),
        (lambda: CosineDecay(0.1, 0), "CosineDecay: over is 0, expected at least 1"),
        (lambda: CosineDecay(0.1, 5, lowest=0.2), "CosineDecay: lowest is 0.2, expected from 0 to lr, 0.1"),
        (lambda: Warmup(0, 0.1), "Warmup: steps is 0, expected at least 1"),
        (lambda: Warmup(5, "fast"), "Warmup: then is 'fast', expected a positive number or a schedule"),
        (lambda: ReduceOnPlateau(0.1, factor=1.0), "ReduceOnPlateau: factor is 1.0, expected a number between 0 and 1"),
        (lambda: ReduceOnPlateau(0.1, patience=-1), "ReduceOnPlateau: patience is -1, expected at least 0"),
        (lambda: SGD("fast"), "SGD: lr is 'fast', expected a positive number or a schedule"),
        (lambda: SGD(StepDecay), r"SGD: lr is the class StepDecay, expected an object: StepDecay\(...\)"),
    ],
)
def test_settings_without_a_meaning_are_refused(make, message):
    with pytest.raises((ValueError, TypeError), match=f"^{message}"):
        make()


@pytest.mark.parametrize("schedule", [s for s in SCHEDULES if not isinstance(s, Inverse)], ids=repr)
def test_a_schedule_is_what_it_says_and_can_be_pickled(schedule):
    names = {kind.__name__: kind for kind in (StepDecay, ExponentialDecay, CosineDecay, Warmup, ReduceOnPlateau)}
    for again in (eval(repr(schedule), names), pickle.loads(pickle.dumps(schedule)), copy.deepcopy(schedule)):
        losses = np.linspace(1, 0.9, 5)
        assert np.array_equal(rates_by_hand(again, 5, 3, losses), rates_by_hand(schedule, 5, 3, losses))
