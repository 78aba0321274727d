"""Callbacks: when they are called, what they see, and what they may do."""

import copy
from itertools import pairwise

import numpy as np
import pytest
from fit_cases import classes, descend, network, regression, stopper
from helpers import message

from modnet import (
    MSE,
    BatchNorm,
    Callback,
    CrossEntropy,
    Dropout,
    Embedding,
    Flatten,
    GaussianNoise,
    Linear,
    Residual,
    Sequential,
    Tanh,
    fit,
    predict,
)
from modnet.optim import SGD, Adam


class Log(Callback):
    def __init__(self, name, log):
        self.name, self.log = name, log

    def on_fit_begin(self, training):
        self.log.append((self.name, "begin", training.epoch, training.step, training.history.epochs))

    def on_epoch_end(self, training):
        self.log.append((self.name, "epoch", training.epoch, training.step, training.history.epochs))

    def on_fit_end(self, training):
        self.log.append((self.name, "end", training.epoch, training.step, training.history.epochs))


class LogBatches(Log):
    def on_batch_end(self, training):
        self.log.append((self.name, "batch", training.epoch, training.step, training.history.epochs))


def test_callbacks_come_in_order_and_see_the_training():
    X, y = regression(10)
    log = []
    fit(
        Sequential(Linear(3, 1)), X, y, loss=MSE(), optimizer=SGD(1e-3), epochs=2, batch_size=6,
        callbacks=[LogBatches("a", log), Log("b", log), lambda training: log.append(("f", training.epoch))],
    )  # fmt: skip
    assert log == [
        ("a", "begin", 0, 0, 0), ("b", "begin", 0, 0, 0),
        ("a", "batch", 1, 1, 0), ("a", "batch", 1, 2, 0),
        ("a", "epoch", 1, 2, 1), ("b", "epoch", 1, 2, 1), ("f", 1),
        ("a", "batch", 2, 3, 1), ("a", "batch", 2, 4, 1),
        ("a", "epoch", 2, 4, 2), ("b", "epoch", 2, 4, 2), ("f", 2),
        ("a", "end", 2, 4, 2), ("b", "end", 2, 4, 2),
    ]  # fmt: skip


def test_the_compiled_path_counts_steps_and_epochs_alike():
    X, y = regression(10)
    log = []
    fit(Sequential(Linear(3, 1)), X, y, loss=MSE(), optimizer=SGD(1e-3), epochs=2, batch_size=6, callbacks=[Log("b", log)])
    assert log == [("b", "begin", 0, 0, 0), ("b", "epoch", 1, 2, 1), ("b", "epoch", 2, 4, 2), ("b", "end", 2, 4, 2)]


def test_a_callback_sees_the_objects_of_the_fit():
    X, y = regression(10)
    net, loss, optimizer, seen = network(outputs=1), MSE(), SGD(1e-3), []
    history = fit(net, X, y, loss=loss, optimizer=optimizer, epochs=1, callbacks=[seen.append])
    (training,) = seen
    assert (training.net, training.loss, training.optimizer) == (net, loss, optimizer)
    assert training.history is history


@pytest.mark.parametrize("on_the_object", [False, True])
def test_at_the_end_of_a_batch_a_callback_sees_parameters_move(on_the_object):
    X, y = regression(10)
    net, seen = network(outputs=1), []

    def look(training):
        seen.append(net.parameters.copy())

    watcher = Callback()
    if on_the_object:
        watcher.on_batch_end = look
    else:
        watcher = type("Own", (Callback,), {"on_batch_end": lambda self, training: look(training)})()
    fit(net, X, y, loss=MSE(), optimizer=SGD(1e-2), epochs=1, batch_size=2, callbacks=[watcher])
    assert len(seen) == 5
    assert all(not np.array_equal(a, b) for a, b in pairwise(seen))
    assert np.array_equal(seen[-1], net.parameters)


@pytest.mark.parametrize(
    ("event", "at", "epochs", "steps"),
    [("on_fit_begin", 0, 0, 0), ("on_batch_end", 1, 1, 1), ("on_batch_end", 6, 2, 6), ("on_epoch_end", 3, 3, 15)],
)
def test_stop_ends_the_training_there(event, at, epochs, steps):
    X, y = regression(10)
    seen = []
    history = fit(
        network(outputs=1), X, y, loss=MSE(), optimizer=SGD(1e-3), epochs=9, batch_size=2,
        callbacks=[stopper(event, at), type("End", (Callback,), {"on_fit_end": lambda self, t: seen.append(t.step)})()],
    )  # fmt: skip
    assert history.epochs == epochs
    assert seen == [steps]
    assert history.stopped_because == "enough"


def test_a_stop_in_the_middle_of_an_epoch_leaves_the_mean_loss_of_what_was_met():
    X, y = regression(10)
    layer = Linear(3, 1, rng=0)
    costs = ((X @ layer.weight + layer.bias - y) ** 2)[:6, 0]
    history = fit(
        Sequential(layer), X, y, loss=MSE(), optimizer=SGD(1e-12), epochs=9, batch_size=3, shuffle=False,
        callbacks=[stopper("on_batch_end", 2)],
    )  # fmt: skip
    assert history.loss == pytest.approx([costs.mean()], rel=1e-6)


def test_a_stop_without_a_reason_stops():
    X, y = regression(10)
    history = fit(Sequential(Linear(3, 1)), X, y, loss=MSE(), optimizer=SGD(1e-3), epochs=9,
                  callbacks=[lambda training: training.stop("")])  # fmt: skip
    assert history.epochs == 1
    assert history.stopped_because == "a callback stopped it"


def test_a_callback_may_change_the_learning_rate_and_use_the_network(path):
    X, y = regression(10)
    layer = Linear(3, 1, rng=0)
    W, b = layer.weight.copy(), layer.bias.copy()
    for rate in (0.05, 0.025):
        descend(X, y, W, b, np.arange(10), 4, rate)

    def halve(training):
        training.optimizer.lr /= 2
        predict(training.net, X)
        training.net.forward(X[:2])

    fit(Sequential(layer), X, y, loss=MSE(), optimizer=SGD(0.05), epochs=2, batch_size=4, shuffle=False,
        callbacks=[*path, halve])  # fmt: skip
    assert layer.weight == pytest.approx(W, rel=1e-10)


# What a callback must not disturb


def noisy():
    return Sequential(
        Linear(3, 8, rng=0), Dropout(0.5, rng=1), BatchNorm(8), Tanh(), GaussianNoise(0.2, rng=2),
        Residual(Linear(8, 8, rng=3), Dropout(0.3, rng=4)), Linear(8, 3, rng=5),
    )  # fmt: skip


class EveryBatch(Callback):
    """Does something after every batch; makes fit take the path in Python."""

    def __init__(self, act):
        self.act = act

    def on_batch_end(self, training):
        self.act(training)


def left_by(net, X, y, *callbacks, epochs=4, **options):
    """The numbers that a fit leaves: parameters, then running statistics."""
    options = {"loss": CrossEntropy(), "batch_size": 8, "rng": 7, **options}
    fit(net, X, y, optimizer=Adam(0.02), epochs=epochs, callbacks=callbacks, **options)
    return net.storage.parameters.copy(), net.storage.state.copy()


MODES = {
    "eval()": lambda training: training.net.eval(),
    "training = False": lambda training: setattr(training.net, "training", False),
    "train()": lambda training: training.net.train(),
}


@pytest.mark.parametrize("act", MODES.values(), ids=MODES)
@pytest.mark.parametrize("when", ["epochs", "batches"])
def test_every_epoch_is_in_training_mode_whatever_mode_a_callback_leaves(path, act, when):
    X, y = classes(30)
    want = left_by(noisy(), X, y, *path, validation=(X[:7], y[:7]))
    callback = act if when == "epochs" else EveryBatch(act)
    net = noisy().eval()
    for one, two in zip(left_by(net, X, y, *path, callback, validation=(X[:7], y[:7])), want, strict=True):
        np.testing.assert_array_equal(one, two)
    assert not net.training


def test_a_module_that_a_callback_puts_into_evaluation_stays_so(path):
    X, y = classes(30)
    net, seen = noisy(), []

    def freeze(training):
        if training.epoch == 2:
            net[2].eval()
        seen.append(net[2].running_mean.copy())

    left_by(net, X, y, *path, freeze)
    assert (seen[0] != seen[1]).any()
    np.testing.assert_array_equal(seen[1], seen[3])
    assert net[2].training  # as before the fit


LOOKS = {
    "predict": lambda net, X: predict(net, X),
    "predict of a slice": lambda net, X: predict(net[:4], X),
    "forward in evaluation": lambda net, X: net.eval().forward(X),
    "forward of a copy": lambda net, X: copy.deepcopy(net).forward(X),
    "a backward for the input": lambda net, X: net.backward_delta(X, np.ones((len(X), 3))),
    "a gradient": lambda net, X: net.backward(X, np.ones((len(X), 3))),
    "a summary": lambda net, X: net.summary(3),
    "a fit of a copy": lambda net, X: fit(
        copy.deepcopy(net), X, X, loss=MSE(), optimizer=Adam(0.1), epochs=1, shuffle=False, progress=False
    ),
}


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
@pytest.mark.parametrize("when", ["epochs", "batches"])
def test_looking_at_a_network_changes_nothing_in_what_fit_leaves(path, look, when):
    X, y = classes(30)
    want = left_by(noisy(), X, y, *path)
    seen = []

    def act(training):
        look(training.net, X[:5])
        seen.append(training.step)

    for one, two in zip(left_by(noisy(), X, y, *path, act if when == "epochs" else EveryBatch(act)), want, strict=True):
        np.testing.assert_array_equal(one, two)
    assert seen


@pytest.mark.parametrize("when", ["epochs", "batches"])
def test_a_forward_in_training_draws_without_disturbing_the_draws_of_fit(path, when):
    X, y = classes(30)
    want, _ = left_by(noisy(), X, y, *path)
    outs = []

    def act(training):
        outs.append(training.net.forward(X[:5]))

    parameters, _ = left_by(noisy(), X, y, *path, act if when == "epochs" else EveryBatch(act))
    np.testing.assert_array_equal(parameters, want)
    assert (outs[0] != outs[1]).any()


@pytest.mark.parametrize("look", [LOOKS["predict"], lambda net, X: net.eval().forward(X) is not net.train()])
def test_looking_at_a_network_between_two_fits_changes_nothing(path, look):
    X, y = classes(30)
    found = []
    for between in (lambda net, X: None, look):
        net = noisy()
        left_by(net, X, y, *path, epochs=2)
        between(net, X)
        found.append(left_by(net, X, y, *path, epochs=2))
    for one, two in zip(*found, strict=True):
        np.testing.assert_array_equal(one, two)


# What was checked is what is read


def words():
    """A network over words, with data, validation data and labels, all of whole numbers."""
    rng = np.random.default_rng(0)
    net = Sequential(Embedding(6, 4, rng=0), Flatten(), Tanh(), Linear(12, 3, rng=1))
    return net, rng.integers(0, 6, (30, 3)), rng.integers(0, 3, 30), rng.integers(0, 6, (9, 3)), rng.integers(0, 3, 9)


@pytest.mark.parametrize("value", [-(10**6), 10**6])
@pytest.mark.parametrize("which", range(4), ids=["X", "y", "validation X", "validation y"])
def test_whole_numbers_that_a_callback_overwrites_are_read_as_they_were_checked(path, which, value):
    net, *arrays = words()
    want = left_by(net, *arrays[:2], *path, validation=tuple(arrays[2:]))
    net, *arrays = words()
    arrays = [array.astype(float) if i % 2 == 0 else array for i, array in enumerate(arrays)]  # needs no copy

    def overwrite(training):
        arrays[which][:] = value

    class Early(Callback):
        def on_fit_begin(self, training):
            overwrite(training)

    found = left_by(net, *arrays[:2], *path, Early(), overwrite, validation=tuple(arrays[2:]))
    np.testing.assert_array_equal(found[0], want[0])


# What is refused at that moment


def other_network():
    return Sequential(Linear(3, 5, rng=9), Tanh(), Linear(5, 3, rng=8))


CHANGES = {
    "append": lambda net: net.append(Tanh()),
    "insert": lambda net: net.insert(0, Tanh()),
    "replace": lambda net: net.__setitem__(1, Sequential(Tanh())),
    "pop": lambda net: net.pop(),
    "convert": lambda net: net.astype("float32"),
    "convert and back": lambda net: net.astype("float32").astype("float64"),
    "nest": lambda net: kept.append(Sequential(net)),
}
kept = []


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("when", ["at the beginning", "after the first epoch", "after the last epoch", "after a batch"])
def test_a_network_that_a_callback_changes_is_refused(path, change, when):
    X, y = classes(10)
    net = network()

    class Changing(Callback):
        def on_fit_begin(self, training):
            if when == "at the beginning":
                change(net)

        def on_epoch_end(self, training):
            if training.epoch == {"after the first epoch": 1, "after the last epoch": 2}.get(when):
                change(net)

    callbacks = [EveryBatch(lambda training: change(net))] if when == "after a batch" else [Changing()]
    text = message(ValueError, fit, net, X, y, loss=CrossEntropy(), optimizer=SGD(0.05), epochs=2, batch_size=4, patience=1,
                   validation=0.2, callbacks=[*path, *callbacks])  # fmt: skip
    assert text == "SGD(lr=0.05): the network was changed by append or astype since attach; call optimizer.attach(net) again"
    assert net.training
    kept.clear()
    assert np.isfinite(predict(net, X)).all()


@pytest.mark.parametrize("when", ["epochs", "batches"])
def test_an_optimizer_that_a_callback_attaches_elsewhere_is_refused(path, when):
    X, y = classes(10)
    net, other, steps = network(), other_network(), []

    def attach(training):
        training.optimizer.attach(other)
        steps.append(training.step)

    before = other.parameters.copy()
    callback = attach if when == "epochs" else EveryBatch(attach)
    text = message(ValueError, fit, net, X, y, loss=CrossEntropy(), optimizer=SGD(0.05), epochs=3, batch_size=4,
                   callbacks=[*path, callback])  # fmt: skip
    assert text == "fit: a callback attached SGD(lr=0.05) to another network; give that network an optimizer of its own"
    assert len(steps) == 1
    np.testing.assert_array_equal(other.parameters, before)


@pytest.mark.parametrize(
    ("name", "value", "more"),
    [
        ("net", other_network(), ""),
        ("loss", MSE(), ""),
        ("optimizer", SGD(1.0), ", or set training.optimizer.lr"),
        ("optimizer", None, ", or set training.optimizer.lr"),
    ],
    ids=str,
)
def test_what_is_trained_cannot_be_replaced(path, name, value, more):
    X, y = classes(10)
    said = []

    def replace(training):
        try:
            setattr(training, name, value)
        except AttributeError as error:
            said.append(str(error))
        setattr(training, name, getattr(training, name))  # with itself it may

    fit(network(), X, y, loss=CrossEntropy(), optimizer=SGD(0.05), epochs=2, callbacks=[*path, replace])
    text = f"Training: {name} cannot be replaced while fit is running; stop with training.stop() and call fit again{more}"
    assert said == [text, text]
