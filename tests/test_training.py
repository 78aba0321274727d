"""fit and predict: against loops written out in numpy, on the compiled path and on the one in Python."""

import hashlib
import json
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import modnet
from modnet import (
    BCE,
    MSE,
    Callback,
    CrossEntropy,
    Linear,
    Loss,
    Module,
    Sequential,
    Tanh,
    TrainingWarning,
    fit,
    predict,
)
from modnet.kernels import kernel
from modnet.module import KernelModule
from modnet.optim import SGD, Adam

ROOT = Path(modnet.__file__).parent.parent


class WatchesBatches(Callback):
    """Makes fit take the path in Python, and does nothing."""

    def on_batch_end(self, training):
        pass


@pytest.fixture(params=["compiled", "python"])
def path(request):
    """The callbacks that make fit take one path or the other."""
    return [WatchesBatches()] if request.param == "python" else []


class StudentLinear:
    """The handout's methods and nothing else."""

    def __init__(self, weight):
        self._parameters = np.array(weight)
        self._gradient = None

    def forward(self, X):
        return X @ self._parameters

    def zero_grad(self):
        self._gradient = np.zeros_like(self._parameters)

    def backward_update_gradient(self, input, delta):
        self._gradient += input.T @ delta

    def backward_delta(self, input, delta):
        return delta @ self._parameters.T

    def update_parameters(self, gradient_step=1e-3):
        self._parameters = self._parameters - gradient_step * self._gradient


class StudentNet:
    """A network of a student's own, over a list of modules."""

    def __init__(self, *modules):
        self.modules = list(modules)

    def forward(self, X):
        self.inputs = []
        for module in self.modules:
            self.inputs.append(X)
            X = module.forward(X)
        return X

    def zero_grad(self):
        for module in self.modules:
            module.zero_grad()

    def backward_update_gradient(self, input, delta):
        self.forward(input)
        for module, x in zip(reversed(self.modules), reversed(self.inputs), strict=True):
            module.backward_update_gradient(x, delta)
            delta = module.backward_delta(x, delta)

    def update_parameters(self, gradient_step=1e-3):
        for module in self.modules:
            module.update_parameters(gradient_step)


class RecordingLoss(Loss):
    """Squared error that notes the targets of every call; its name is that of the example in the first column."""

    def __init__(self):
        self.costs, self.slopes = [], []

    def forward(self, y, yhat):
        self.costs.append(y[:, 0].tolist())
        return ((y - yhat) ** 2).sum(axis=1)

    def backward(self, y, yhat):
        self.slopes.append(y[:, 0].tolist())
        return 2 * (yhat - y)


class Mode(Module):
    """Passes everything on, and notes the mode it did so in."""

    def __init__(self):
        self.seen = []

    def forward(self, X):
        self.seen.append((self.training, len(X)))
        return X

    def backward_delta(self, input, delta):
        return delta


def regression(n=23, features=3, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, features))
    return X, X @ rng.normal(size=(features, 1)) + rng.normal(size=(n, 1))


def classes(n=30, features=3, count=3, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, features)), rng.integers(0, count, n)


def network(features=3, outputs=3, hidden=5):
    return Sequential(Linear(features, hidden, rng=0), Tanh(), Linear(hidden, outputs, rng=1))


def message(error, call, *args, **options):
    """Return the message of the error that the call must raise; it is a single line."""
    with pytest.raises(error) as raised:
        call(*args, **options)
    text = str(raised.value)
    assert "\n" not in text
    return text


def descend(X, y, W, b, order, batch, lr, weights=None):
    """One epoch of minibatch descent of squared error for X W + b; the mean weighted cost as it was met."""
    weights = np.ones(len(X)) if weights is None else weights
    total = 0.0
    for at in range(0, len(X), batch):
        rows = order[at : at + batch]
        x, t, w = X[rows], y[rows], weights[rows, None]
        gap = x @ W + b - t
        total += float((w * gap**2).sum())
        delta = 2 * w * gap / len(rows)
        W -= lr * x.T @ delta
        b -= lr * delta.sum(axis=0)
    return total / len(X)


# Minibatches


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("batch_size", [1, 5, 23, 100, None])
def test_an_epoch_is_descent_by_batches_the_last_one_short(path, batch_size, weighted):
    X, y = regression()
    weights = np.random.default_rng(2).random(23) if weighted else None
    layer = Linear(3, 1, rng=0)
    W, b = layer.weight.copy(), layer.bias.copy()
    costs = [descend(X, y, W, b, np.arange(23), batch_size or 23, 0.05, weights) for _ in range(3)]
    history = fit(
        Sequential(layer), X, y, loss=MSE(), optimizer=SGD(0.05), epochs=3, batch_size=batch_size, shuffle=False,
        sample_weight=weights, callbacks=path,
    )  # fmt: skip
    assert layer.weight == pytest.approx(W, rel=1e-10)
    assert layer.bias == pytest.approx(b, rel=1e-10)
    assert history.loss == pytest.approx(costs, rel=1e-10)


@pytest.mark.parametrize(
    ("batch_size", "sizes"), [(5, [5, 5, 5, 5, 3]), (23, [23]), (100, [23]), (None, [23]), (1, [1] * 23)]
)
def test_each_example_comes_once_an_epoch(batch_size, sizes):
    X, y = regression()
    y[:, 0] = np.arange(23)
    loss = RecordingLoss()
    fit(Sequential(Linear(3, 1)), X, y, loss=loss, optimizer=SGD(1e-6), epochs=4, batch_size=batch_size, rng=0)
    epochs = [loss.slopes[i : i + len(sizes)] for i in range(0, len(loss.slopes), len(sizes))]
    assert [[len(batch) for batch in epoch] for epoch in epochs] == [sizes] * 4
    orders = [[example for batch in epoch for example in batch] for epoch in epochs]
    assert all(sorted(order) == list(range(23)) for order in orders)
    assert len({tuple(order) for order in [*orders, list(range(23))]}) == 5  # each in an order of its own


def test_without_shuffle_examples_come_as_they_lie():
    X, y = regression()
    y[:, 0] = np.arange(23)
    loss = RecordingLoss()
    fit(Sequential(Linear(3, 1)), X, y, loss=loss, optimizer=SGD(1e-6), epochs=2, batch_size=10, shuffle=False)
    assert [example for batch in loss.slopes for example in batch] == 2 * list(range(23))


def test_shuffling_puts_every_example_everywhere():
    X, y = regression(8)
    y[:, 0] = np.arange(8)
    loss = RecordingLoss()
    fit(Sequential(Linear(3, 1)), X, y, loss=loss, optimizer=SGD(1e-9), epochs=1600, batch_size=8, rng=0)
    orders = np.array(loss.slopes, dtype=int)
    counts = np.array([np.bincount(column, minlength=8) for column in orders.T])
    # 200 expected each, with a standard deviation of 13.2
    assert np.abs(counts - 200).max() < 60


def cases():
    X, labels = classes()
    values, y = regression(30)
    weights = np.random.default_rng(3).random(30)
    return [
        (X, labels, CrossEntropy, lambda: Adam(0.05), {}, 3),
        (X, labels, CrossEntropy, lambda: SGD(0.1, momentum=0.9), {"sample_weight": weights, "validation": 0.3}, 3),
        (values, y, MSE, lambda: SGD(0.01), {"batch_size": 7}, 1),
        (values, (y > 0) * 1.0, BCE, lambda: Adam(0.01, clip_norm=0.1), {"validation": (values[:9], (y[:9] > 0) * 1.0)}, 1),
    ]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", range(4))
def test_both_paths_leave_the_same_parameters_and_history(case, dtype):
    X, y, loss, optimizer, options, outputs = cases()[case]
    results = []
    for callbacks in ([], [WatchesBatches()]):
        net = network(outputs=outputs)
        if loss is BCE:
            net.append(modnet.Sigmoid())
        net.astype(dtype)
        history = fit(net, X, y, loss=loss(), optimizer=optimizer(), epochs=5, rng=4, callbacks=callbacks, **options)
        results.append((net.parameters.copy(), history))
    (compiled, first), (python, second) = results
    assert np.array_equal(compiled, python)
    # Sums over a batch are taken in another order.
    tolerance = {"rel": 1e-12 if dtype == "float64" else 1e-6}
    assert first.loss == pytest.approx(second.loss, **tolerance)
    assert first.validation_loss == pytest.approx(second.validation_loss, **tolerance)
    assert {name: pytest.approx(values, rel=1e-12) for name, values in first.metrics.items()} == second.metrics
    assert not np.array_equal(compiled[:5], network(outputs=outputs).parameters[:5])


# Validation


def test_a_share_is_drawn_once_and_not_trained_on():
    X, y = regression(40)
    y[:, 0] = np.arange(40)
    loss = RecordingLoss()
    history = fit(
        Sequential(Linear(3, 1)), X, y, loss=loss, optimizer=SGD(1e-6), epochs=3, batch_size=40, validation=0.25, rng=0
    )
    trained = [set(batch) for batch in loss.slopes]
    assert [len(batch) for batch in loss.slopes] == [30, 30, 30]
    assert trained[0] == trained[1] == trained[2]
    held_out = [set(batch) for batch in loss.costs if set(batch) != trained[0]]
    assert held_out == [set(range(40)) - trained[0]] * 3
    assert held_out[0] != set(range(10))
    assert history.epochs == len(history.validation_loss) == 3


@pytest.mark.parametrize("batch_size", [4, 100])
def test_validation_figures_are_those_of_the_network_after_the_epoch(path, batch_size):
    X, y = classes()
    Xv, yv = classes(11, seed=1)
    net, seen = network(), []

    def look(training):
        scores = predict(net, Xv)
        log = np.log(np.exp(scores).sum(axis=1)) - scores[np.arange(11), yv]
        seen.append((log.mean(), (scores.argmax(axis=1) == yv).mean()))

    history = fit(
        net, X, y, loss=CrossEntropy(), optimizer=Adam(0.05), epochs=4, batch_size=batch_size, validation=(Xv, yv),
        callbacks=[*path, look], rng=0,
    )  # fmt: skip
    assert history.validation_loss == pytest.approx([cost for cost, _ in seen], rel=1e-12)
    assert history.metrics["validation_accuracy"] == pytest.approx([share for _, share in seen], rel=1e-12)
    assert len(set(history.validation_loss)) == 4


def test_weights_count_in_a_validation_share(path):
    X, y = regression(20)
    weights = np.random.default_rng(1).random(20)
    layer = Linear(3, 1, rng=0)
    whole = weights * ((X @ layer.weight + layer.bias - y) ** 2)[:, 0]
    history = fit(
        Sequential(layer), X, y, loss=MSE(), optimizer=SGD(1e-12), epochs=1, validation=0.5, sample_weight=weights,
        callbacks=path, rng=0,
    )  # fmt: skip
    assert (history.loss[0] + history.validation_loss[0]) / 2 == pytest.approx(whole.mean(), rel=1e-6)
    assert history.loss[0] != pytest.approx(history.validation_loss[0], rel=1e-2)


def test_training_is_in_training_mode_validation_and_predict_in_evaluation_mode():
    X, y = regression()
    mode = Mode()
    net = Sequential(mode, Linear(3, 1))
    fit(net, X, y, loss=MSE(), optimizer=SGD(1e-3), epochs=2, batch_size=20, validation=(X[:7], y[:7]))
    # Before anything is changed, one batch shows what shape comes out.
    assert mode.seen == [(False, 20)] + 2 * [(True, 20), (True, 3), (False, 7)]


@pytest.mark.parametrize("before", [True, False])
def test_modes_are_as_before_whatever_ends_the_training(before):
    X, y = regression()
    mode = Mode()
    net = Sequential(Sequential(mode), Linear(3, 1))
    net.train() if before else net.eval()
    frozen = mode.training = not before

    def modes():
        return [net.training, net[0].training, mode.training]

    def fails(training):
        assert modes() == [True, True, True]
        raise RuntimeError("mine")

    def interrupts(training):
        raise KeyboardInterrupt

    expected = [before, before, frozen]
    fit(net, X, y, loss=MSE(), optimizer=SGD(1e-3), epochs=1)
    assert modes() == expected
    with pytest.raises(RuntimeError, match="mine"):
        fit(net, X, y, loss=MSE(), optimizer=SGD(1e-3), epochs=1, callbacks=[fails])
    assert modes() == expected
    with pytest.warns(TrainingWarning, match="interrupted"):
        fit(net, X, y, loss=MSE(), optimizer=SGD(1e-3), epochs=1, callbacks=[interrupts])
    assert modes() == expected
    predict(net, X)
    assert modes() == expected


# Patience


def overfit(patience, callbacks, net, epochs=500):
    """Training whose validation loss first falls, then rises: targets of validation are not those of training."""
    X = np.linspace(-1, 1, 20).reshape(-1, 1)
    kept = []
    history = fit(
        net, X, 3 * X, loss=MSE(), optimizer=SGD(0.05), epochs=epochs, batch_size=20, validation=(X, X),
        patience=patience, callbacks=[*callbacks, lambda training: kept.append(np.copy(weight_of(net)))],
    )  # fmt: skip
    return history, kept


def weight_of(net):
    return (net[0] if isinstance(net, Sequential) else net.modules[0])._parameters


def test_patience_stops_and_puts_the_best_parameters_back(path):
    net = Sequential(Linear(1, 1, rng=0))
    net[0].weight[:] = -2.0
    history, kept = overfit(7, path, net)
    best = int(np.argmin(history.validation_loss))
    assert 5 < best < 490
    assert history.epochs == best + 1 + 7
    assert history.best_epoch == best + 1
    assert np.array_equal(net.parameters, kept[best])
    assert not np.array_equal(net.parameters, kept[-1])
    assert history.stopped_because == "no lower validation loss in 7 epochs"


@pytest.mark.parametrize("own_net", [False, True])
def test_patience_puts_back_the_parameters_of_plain_classes_in_the_same_objects(own_net):
    layer = StudentLinear([[-2.0]])
    net = StudentNet(layer) if own_net else Sequential(layer)
    history, kept = overfit(3, [], net)
    best = int(np.argmin(history.validation_loss))
    assert history.best_epoch == best + 1 < history.epochs
    assert np.array_equal(layer._parameters, kept[best])
    assert (net.modules[0] if own_net else net[0]) is layer
    assert predict(net, [[1.0]]) == pytest.approx(kept[best], rel=1e-12)


def test_patience_puts_back_the_librarys_modules_in_a_network_of_somebodys_own():
    layer = Linear(1, 1, bias=False, rng=0)
    layer.weight[:] = -2.0
    net = StudentNet(layer)
    history, kept = overfit(3, [], net)
    assert net.modules[0] is layer
    assert np.array_equal(layer.parameters, kept[history.best_epoch - 1])
    assert history.best_epoch < history.epochs


def test_with_patience_the_best_parameters_come_back_also_where_all_epochs_were_done(path):
    net = Sequential(Linear(1, 1, rng=0))
    net[0].weight[:] = -2.0
    history, kept = overfit(10_000, path, net, epochs=60)
    best = int(np.argmin(history.validation_loss))
    assert best < 59
    assert history.epochs == 60
    assert np.array_equal(net.parameters, kept[best])


# Sample weights


def test_whole_weights_are_repeated_examples(path):
    X, y = regression(10)
    counts = np.array([1, 2, 0, 3, 1, 1, 0, 4, 2, 1])
    repeated = np.repeat(np.arange(10), counts)
    nets = [network(outputs=1), network(outputs=1)]
    fit(nets[0], X, y, loss=MSE(), optimizer=Adam(0.01), epochs=20, batch_size=None, callbacks=path,
        sample_weight=counts * 10 / counts.sum())  # fmt: skip
    fit(nets[1], X[repeated], y[repeated], loss=MSE(), optimizer=Adam(0.01), epochs=20, batch_size=None, callbacks=path)
    assert nets[0].parameters == pytest.approx(nets[1].parameters, rel=1e-8)
    assert not np.allclose(nets[0].parameters, network(outputs=1).parameters)


# Callbacks


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


def stopper(event, at):
    def stop(self, training):
        if (training.step if event == "on_batch_end" else training.epoch) >= at:
            training.stop("enough")

    return type("Stopper", (Callback,), {event: stop})()


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


def test_a_network_changed_by_a_callback_is_an_error(path):
    X, y = regression(10)
    said = message(ValueError, fit, network(outputs=1), X, y, loss=MSE(), optimizer=SGD(0.05), epochs=2,
                   callbacks=[*path, lambda training: training.net.append(Tanh())])  # fmt: skip
    assert said == (
        "SGD(lr=0.05): the network was changed by append or astype since attach, expected optimizer.attach(net) again"
    )


# What y may be


@pytest.mark.parametrize(
    ("y", "error", "said"),
    [
        (np.array(["cat", "dog", "owl"]), TypeError,
         "CrossEntropy(): y holds text such as 'cat', expected integers 0 to C-1; "
         "number the classes with classes, y = np.unique(y, return_inverse=True)"),
        (["cat", "dog", "owl"], TypeError,
         "CrossEntropy(): y holds text such as 'cat', expected integers 0 to C-1; "
         "number the classes with classes, y = np.unique(y, return_inverse=True)"),
        (np.array(["cat", "dog", "owl"], dtype=object), TypeError,
         "CrossEntropy(): y holds text such as 'cat', expected integers 0 to C-1; "
         "number the classes with classes, y = np.unique(y, return_inverse=True)"),
        ([0.0, 1.0, 2.0], TypeError,
         "CrossEntropy(): y holds float64 labels, expected integers 0 to 2; convert whole numbers with y.astype(int)"),
        ([0, 1, 3], ValueError,
         "CrossEntropy(): y holds the label 3, expected 0 to 2, one for each of the 3 columns of yhat"),
        ([0, 1, -1], ValueError,
         "CrossEntropy(): y holds the label -1, expected 0 to 2, one for each of the 3 columns of yhat"),
        ([[0], [1], [2]], ValueError,
         "CrossEntropy(): y has shape (3, 1) and yhat (3, 3), expected labels (3,) or rows (3, 3); flatten y with y[..., 0]"),
        ([0, 1], ValueError, "fit: X has 3 examples and y 2, expected as many"),
        (0, ValueError, "fit: X has 3 examples and y is a single value, expected as many"),
        (None, ValueError, "fit: X has 3 examples and y is None, expected as many"),
        ([[1], [1, 2], [1]], ValueError, "fit: y has rows of different lengths, expected a rectangular array"),
        ([0.0, np.nan, 1.0], ValueError, "fit: y[1] is nan, expected finite numbers"),
        ([0, None, 1], TypeError, "CrossEntropy(): y holds objects (dtype object), expected real numbers"),
    ],
)  # fmt: skip
def test_labels_that_are_no_classes_are_refused(path, y, error, said):
    X = np.random.default_rng(0).normal(size=(3, 3))
    assert message(error, fit, network(), X, y, loss=CrossEntropy(), optimizer=SGD(0.1), callbacks=path) == said


def test_a_column_meets_a_vector_with_advice(path):
    X, y = regression(4)
    said = message(ValueError, fit, network(outputs=1), X, y[:, 0], loss=MSE(), optimizer=SGD(0.1), callbacks=path)
    assert said == "MSE(): y has shape (4,) and yhat (4, 1), expected the same; reshape y with y.reshape(-1, 1)"


@pytest.mark.parametrize("dtype", [np.int8, np.uint16, np.int64, bool])
def test_labels_of_any_integer_type_are_classes(path, dtype):
    X, y = classes(count=2)
    nets = [network(outputs=2), network(outputs=2)]
    for net, labels in zip(nets, (y, y.astype(dtype)), strict=True):
        fit(net, X, labels, loss=CrossEntropy(), optimizer=SGD(0.1), epochs=2, rng=0, callbacks=path)
    assert np.array_equal(nets[0].parameters, nets[1].parameters)


@pytest.mark.parametrize(
    "change",
    [
        lambda a: a.tolist(),
        lambda a: a.astype(np.int16),
        lambda a: a.astype(">f8"),
        np.asfortranarray,
        lambda a: np.repeat(a, 2, axis=0)[::2],
        lambda a: np.frombuffer(a.tobytes()).reshape(a.shape),
    ],
    ids=["list", "integers", "big-endian", "fortran", "strided", "read-only"],
)
def test_data_in_any_form_just_works(path, change):
    rng = np.random.default_rng(0)
    X, y = rng.integers(-9, 9, (12, 3)).astype(float), rng.integers(-9, 9, (12, 1)).astype(float)
    nets = [network(outputs=1), network(outputs=1)]
    for net, form in zip(nets, (lambda a: a, change), strict=True):
        fit(net, form(X), form(y), loss=MSE(), optimizer=SGD(1e-3), epochs=2, rng=0, validation=0.2, callbacks=path)
    assert np.array_equal(nets[0].parameters, nets[1].parameters)


def test_a_loss_that_returns_its_derivative_in_fortran_order_trains_alike():
    class Fortran(Loss):
        def forward(self, y, yhat):
            return ((y - yhat) ** 2).sum(axis=(1, 2))

        def backward(self, y, yhat):
            return np.asfortranarray(2 * (yhat - y))

    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(8, 4, 3)), rng.normal(size=(8, 4, 1))
    nets = [network(outputs=1), network(outputs=1)]
    for net, loss in zip(nets, (MSE(), Fortran()), strict=True):
        fit(net, X, y, loss=loss, optimizer=SGD(0.01), epochs=2, batch_size=4, rng=0)
    assert nets[1].parameters == pytest.approx(nets[0].parameters, rel=1e-10)


# History


def test_history_has_the_figures_of_every_epoch(path):
    X, y = classes()
    seen = []
    history = fit(
        network(), X, y, loss=CrossEntropy(), optimizer=Adam(0.05), epochs=5, validation=0.2, rng=0,
        callbacks=[*path, lambda training: seen.append(training.history.last())],
    )  # fmt: skip
    names = ["loss", "validation_loss", "accuracy", "validation_accuracy"]
    assert all(list(figures) == names for figures in seen)
    assert history.loss == [figures["loss"] for figures in seen]
    assert history.validation_loss == [figures["validation_loss"] for figures in seen]
    assert history.metrics == {name: [figures[name] for figures in seen] for name in names[2:]}
    assert all(type(value) is float for value in (*history.loss, *history.metrics["accuracy"]))
    assert history.epochs == 5
    assert history.best_epoch is None
    assert history.stopped_because == "all 5 epochs done"


def test_accuracy_is_the_share_of_right_answers_as_they_were_met(path):
    X, y = classes()
    net = network()
    right = (predict(net, X).argmax(axis=1) == y).mean()
    history = fit(net, X, y, loss=CrossEntropy(), optimizer=SGD(1e-12), epochs=1, batch_size=7, callbacks=path)
    assert history.metrics == {"accuracy": [pytest.approx(right, rel=1e-12)]}
    assert 0 < right < 1


def test_without_classes_and_validation_history_is_the_loss_alone(path):
    X, y = regression()
    history = fit(network(outputs=1), X, y, loss=MSE(), optimizer=SGD(0.01), epochs=2, callbacks=path)
    assert history.metrics == {}
    assert history.validation_loss == []
    assert repr(history) == f"History(2 epochs: loss {history.loss[-1]:.4g}; all 2 epochs done)"


def test_an_optimizer_goes_on_where_an_earlier_fit_of_the_network_ended(path):
    X, y = regression()
    nets = [network(outputs=1), network(outputs=1)]
    optimizer = Adam(0.01)
    for _ in range(2):
        fit(nets[0], X, y, loss=MSE(), optimizer=optimizer, epochs=2, shuffle=False, callbacks=path)
    fit(nets[1], X, y, loss=MSE(), optimizer=Adam(0.01), epochs=4, shuffle=False, callbacks=path)
    assert np.array_equal(nets[0].parameters, nets[1].parameters)


# The progress bar


def bar_text(capsys, path, progress, epochs=3):
    X, y = classes()
    history = fit(
        network(), X, y, loss=CrossEntropy(), optimizer=Adam(0.05), epochs=epochs, validation=0.2, rng=0, progress=progress,
        callbacks=path,
    )  # fmt: skip
    out, err = capsys.readouterr()
    assert out == ""
    return history, err


def test_a_bar_asked_for_shows_epochs_figures_and_time_left(capsys, path):
    history, text = bar_text(capsys, path, True)
    last = text.split("\r")[-1]
    assert last.startswith("epoch 3/3 |")
    assert "00:00 < 00:00" in last
    for name, value in (("loss", history.loss[-1]), ("acc", history.metrics["accuracy"][-1]),
                        ("val loss", history.validation_loss[-1]),
                        ("val acc", history.metrics["validation_accuracy"][-1])):  # fmt: skip
        assert f"{name} {value:.4g}" in last


def test_no_bar_where_it_is_not_wanted_or_nobody_looks(capsys, path):
    assert bar_text(capsys, path, False)[1] == ""
    assert bar_text(capsys, path, None)[1] == ""


def test_a_bar_in_a_terminal(capsys, monkeypatch, path):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert "epoch 3/3" in bar_text(capsys, path, None)[1]


def test_a_bar_stands_where_training_stopped(capsys):
    X, y = classes()
    fit(network(), X, y, loss=CrossEntropy(), optimizer=SGD(0.1), epochs=9, progress=True,
        callbacks=[stopper("on_epoch_end", 4)])  # fmt: skip
    assert capsys.readouterr().err.split("\r")[-1].startswith("epoch 4/9 |")


# Seeds and other processes

SCRIPT = """
import numpy as np
from modnet import CrossEntropy, Linear, ReLU, Sequential, fit
from modnet.optim import Adam

def train(dtype, rng):
    data = np.random.default_rng(0)
    X, y = data.normal(size=(50, 4)), data.integers(0, 3, 50)
    net = Sequential(Linear(4, 20, rng=1), ReLU(), Linear(20, 3, rng=2)).astype(dtype)
    fit(net, X, y, loss=CrossEntropy(), optimizer=Adam(0.01), epochs=10, batch_size=8, validation=0.2, rng=rng)
    return net.parameters
"""


def test_a_seed_gives_the_same_parameters_to_the_bit_in_another_process():
    space = {}
    exec(SCRIPT, space)
    here = [hashlib.sha256(space["train"](dtype, 5).tobytes()).hexdigest() for dtype in ("float32", "float64")]
    there = run(SCRIPT + """
import hashlib
for dtype in ("float32", "float64"):
    print(hashlib.sha256(train(dtype, 5).tobytes()).hexdigest())
""")  # fmt: skip
    assert there.split() == here
    assert hashlib.sha256(space["train"]("float64", 6).tobytes()).hexdigest() not in here


def test_a_generator_and_its_seed_are_the_same():
    space = {}
    exec(SCRIPT, space)
    assert np.array_equal(space["train"]("float64", 5), space["train"]("float64", np.random.default_rng(5)))


def test_without_a_seed_each_fit_is_its_own():
    space = {}
    exec(SCRIPT, space)
    assert not np.array_equal(space["train"]("float64", None), space["train"]("float64", None))


def test_numpys_global_generator_is_left_alone(path):
    X, y = classes()
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    fit(network(), X, y, loss=CrossEntropy(), optimizer=Adam(0.05), epochs=2, validation=0.2, callbacks=path)
    assert np.array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def run(code, **environment):
    """What a script prints, run by itself."""
    variables = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=120, env=variables, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# Divergence


def burst(net, lr, path=(), optimizer=None, **options):
    """Train on inputs 1 and targets 0, where each step multiplies a single weight by 1 - 2 lr."""
    options = {"epochs": 9, "batch_size": 7, "loss": MSE(), **options}
    with pytest.warns(TrainingWarning) as warned, np.errstate(all="ignore"):
        history = fit(net, np.ones((20, 1)), np.zeros((20, 1)), optimizer=optimizer or SGD(lr), callbacks=path, **options)
    assert len(warned) == 1
    assert warned[0].filename == __file__
    return history, str(warned[0].message)


def ours():
    layer = Linear(1, 1, bias=False, rng=0)
    layer.weight[:] = 1.0
    return Sequential(layer), lambda: layer.weight.item()


def theirs():
    layer = StudentLinear([[1.0]])
    return Sequential(layer), lambda: layer._parameters.item()


def all_theirs():
    layer = StudentLinear([[1.0]])
    return StudentNet(layer), lambda: layer._parameters.item()


def ours_in_theirs():
    net, weight = ours()
    return StudentNet(net[0]), weight


NETS = pytest.mark.parametrize("make", [ours, theirs, all_theirs, ours_in_theirs])
ADVICE = "try a smaller lr, or inputs scaled to about -1 to 1"


@NETS
def test_an_infinite_loss_stops_at_its_batch_before_the_step(make, path):
    # A factor of -1e20 a step: the costs are 1, 1e40, ... 1e280, and the ninth would be 1e320.
    net, weight = make()
    history, said = burst(net, 0.5e20, path)
    assert said == (
        "fit: diverged: the loss became inf at epoch 3, batch 3 of 3; the network has its last finite parameters; " + ADVICE
    )
    assert history.stopped_because == "diverged: the loss became inf at epoch 3, batch 3 of 3"
    assert history.loss == pytest.approx([6e80 / 20, 6e200 / 20], rel=1e-6)
    assert history.epochs == 2
    assert weight() == pytest.approx(1e160, rel=1e-6)


@NETS
@pytest.mark.parametrize(("batch_size", "place"), [(7, "inf at epoch 1, batch 2 of 3"), (None, "nan at epoch 1, batch 1 of 1")])
def test_a_step_to_infinity_is_taken_back(make, path, batch_size, place):
    net, weight = make()
    history, said = burst(net, 1e308, path, batch_size=batch_size)
    assert f"diverged: the loss became {place}; the network has its last finite parameters" in said
    assert history.epochs == 0
    assert weight() == 1.0


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("make", [lambda lr: SGD(lr, momentum=0.9), Adam])
def test_after_divergence_the_network_and_the_optimizer_can_be_used_again(path, make, dtype):
    X, y = regression()
    nets = [network(outputs=1).astype(dtype) for _ in range(2)]
    optimizer = make(1e300)
    with pytest.warns(TrainingWarning, match="diverged"):
        fit(nets[0], X, y, loss=MSE(), optimizer=optimizer, epochs=50, callbacks=path, batch_size=5, rng=0)
    assert np.isfinite(nets[0].parameters).all()
    nets[0].parameters[:] = nets[1].parameters
    optimizer.lr = 0.01
    for net, used in zip(nets, (optimizer, make(0.01)), strict=True):
        fit(net, X, y, loss=MSE(), optimizer=used, epochs=3, callbacks=path, rng=0)
    assert np.array_equal(nets[0].parameters, nets[1].parameters)


def test_an_infinite_validation_loss_stops(path):
    net, weight = ours()
    history, said = burst(net, 1e-3, path, validation=(np.full((3, 1), 1e200), np.zeros((3, 1))))
    assert said.startswith("fit: diverged: validation loss became inf at epoch 1; the network has its last finite")
    assert history.epochs == len(history.validation_loss) == 0
    assert 0 < weight() < 1


def test_with_patience_divergence_leaves_the_best_parameters(path):
    net, weight = ours()
    history, said = burst(net, 0.5e20, path, patience=5, validation=(np.full((1, 1), 1e-90), np.full((1, 1), 1.0)))
    assert "the best parameters are back" in said
    assert history.best_epoch == 1
    assert weight() == pytest.approx(-1e60, rel=1e-6)


@kernel("forward")
def _powers(x, out, params, state, sizes, hyper):
    state[0] += x[0, 0] ** hyper[0]
    out[:, :] = x


@kernel("backward")
def _passed_on(x, out, delta, dx, params, state, sizes, hyper):
    dx[:, :] = delta


class Statistics(KernelModule):
    """Keeps a sum of powers over all it has seen, as a normalisation keeps its means."""

    forward_kernel, backward_kernel = _powers, _passed_on

    def __init__(self, power):
        super().__init__(state={"total": (1,)}, hyper=[power])


@pytest.mark.parametrize(("power", "place"), [(2, "inf at epoch 3, batch 3 of 3"), (4, "nan at epoch 2, batch 3 of 3")])
def test_divergence_leaves_finite_statistics(path, power, place):
    # The sum of squares bursts in the batch in which the loss does, the sum of fourth powers in the epoch before.
    layer, statistics = Linear(1, 1, bias=False, rng=0), Statistics(power)
    layer.weight[:] = 1.0
    _, said = burst(Sequential(layer, statistics), 0.5e20, path)
    assert f"diverged: the loss became {place};" in said
    assert 1 < statistics._storage.state[0] < np.inf
    assert np.isfinite(layer.weight).all()


# Ctrl-C


class Interrupting(list):
    """A list that Ctrl-C strikes when it is appended to for the third time."""

    def append(self, value):
        if len(self) == 2:
            raise KeyboardInterrupt
        super().append(value)


@pytest.mark.parametrize("where", ["loss", "validation_loss", "accuracy", "validation_accuracy"])
def test_an_interrupted_epoch_leaves_no_half_of_itself_in_the_history(path, where):
    X, y = classes()

    def prepare(training):
        for name in ("accuracy", "validation_accuracy"):
            training.history.metrics[name] = []
        if where.endswith("loss"):
            setattr(training.history, where, Interrupting())
        else:
            training.history.metrics[where] = Interrupting()

    begin = type("Begin", (Callback,), {"on_fit_begin": lambda self, training: prepare(training)})()
    with pytest.warns(TrainingWarning) as warned:
        history = fit(
            network(), X, y, loss=CrossEntropy(), optimizer=Adam(0.05), epochs=9, validation=0.2, callbacks=[*path, begin]
        )
    assert str(warned[0].message) == "fit: interrupted in epoch 3; the network has its last finite parameters"
    columns = [history.loss, history.validation_loss, *history.metrics.values()]
    assert [len(column) for column in columns] == [2, 2, 2, 2]


def test_ctrl_c_in_a_forward_of_the_third_batch_leaves_two_steps():
    class Interrupted(MSE):
        calls = 0

        def forward(self, y, yhat):
            self.calls += 1
            if self.calls == 3:
                raise KeyboardInterrupt
            return super().forward(y, yhat)

    X, y = regression(20)
    layer, ended = Linear(3, 1, rng=0), []
    W, b = layer.weight.copy(), layer.bias.copy()
    descend(X[:10], y[:10], W, b, np.arange(10), 5, 0.05)
    with pytest.warns(TrainingWarning, match="interrupted in epoch 1"):
        history = fit(
            Sequential(layer), X, y, loss=Interrupted(), optimizer=SGD(0.05), epochs=3, batch_size=5, shuffle=False,
            callbacks=[type("End", (Callback,), {"on_fit_end": lambda self, training: ended.append(training.step)})()],
        )  # fmt: skip
    assert history.epochs == 0
    assert layer.weight == pytest.approx(W, rel=1e-10)
    assert ended == [2]


def test_ctrl_c_with_patience_leaves_the_best_parameters(path):
    net = Sequential(Linear(1, 1, rng=0))
    net[0].weight[:] = -2.0
    kept = []

    def interrupt(training):
        kept.append(net.parameters.copy())
        losses = training.history.validation_loss
        if len(losses) > np.argmin(losses) + 3:
            raise KeyboardInterrupt

    with pytest.warns(TrainingWarning, match="the best parameters are back"):
        history, _ = overfit(100, [*path, interrupt], net)
    assert history.best_epoch == np.argmin(history.validation_loss) + 1 == history.epochs - 3
    assert np.array_equal(net.parameters, kept[history.best_epoch - 1])


INTERRUPTED = """
import json, os, signal, sys, threading, warnings
import numpy as np
from modnet import Callback, MSE, Linear, Sequential, Tanh, fit, predict
from modnet.optim import Adam

signal.signal(signal.SIGINT, signal.default_int_handler)  # a background process may have been told to ignore it
warnings.simplefilter("ignore")

class CtrlC(Callback):
    def __init__(self, epoch):
        self.epoch = epoch

    def on_fit_begin(self, training):
        self.on_epoch_end(training)

    def on_epoch_end(self, training):
        if training.epoch == self.epoch:
            threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()

class Batches(Callback):
    def on_batch_end(self, training):
        pass

X = np.random.default_rng(0).normal(size=(100_000, 2))
# Small epochs without end; one long epoch; a long validation; small epochs in Python.
for n, held, batch, at, more in (
    (50, 50, 10, 2, []), (100_000, 10, 1, 0, []), (50, 100_000, 1, 0, []), (50, 50, 10, 2, [Batches()]),
):
    net = Sequential(Linear(2, 200, rng=0), Tanh(), Linear(200, 200, rng=0), Tanh(), Linear(200, 1, rng=0)).eval()
    x, h = X[:n], X[:held]
    history = fit(net, x, x[:, :1], loss=MSE(), optimizer=Adam(1e-4), epochs=10**9, batch_size=batch,
                  validation=(h, h[:, :1]), callbacks=[CtrlC(at), *more])
    print(json.dumps({
        "stopped": history.stopped_because, "epochs": history.epochs, "validation": len(history.validation_loss),
        "finite": bool(np.isfinite(net.parameters).all()), "out": predict(net, X[:3]).shape, "training": net.training,
    }), flush=True)
"""


def test_ctrl_c_returns_with_the_history_so_far_and_a_usable_network():
    results = [json.loads(line) for line in run(INTERRUPTED).splitlines()]
    assert len(results) == 4
    for result, least in zip(results, (2, 0, 0, 2), strict=True):
        epochs = result["epochs"]
        assert result == {
            "stopped": f"interrupted in epoch {epochs + 1}", "epochs": epochs, "validation": epochs, "finite": True,
            "out": [3, 1], "training": False,
        }  # fmt: skip
        assert epochs >= least


# predict


def test_predict_runs_in_batches_of_the_size_asked_for():
    mode = Mode()
    net = Sequential(mode, Linear(3, 2, rng=0))
    X, _ = regression(23)
    whole = X @ net[1].weight + net[1].bias
    assert predict(net, X) == pytest.approx(whole, rel=1e-12)
    assert predict(net, X, batch_size=10) == pytest.approx(whole, rel=1e-12)
    assert predict(net, X, batch_size=100) == pytest.approx(whole, rel=1e-12)
    assert mode.seen == [(False, 23), (False, 10), (False, 10), (False, 3), (False, 23)]


def test_predict_leaves_the_mode_as_it_was_also_where_it_fails():
    net = Sequential(Mode(), Linear(3, 2))
    for mode in (True, False):
        net.train() if mode else net.eval()
        predict(net, np.ones((2, 3)))
        assert (net.training, net[0].training) == (mode, mode)
        with pytest.raises(ValueError, match="expected"):
            predict(net, np.ones((2, 4)))
        assert (net.training, net[0].training) == (mode, mode)


def test_predict_takes_single_modules_and_networks_of_a_students_own():
    X, _ = regression()
    layer, own = Linear(3, 2, rng=0), StudentNet(StudentLinear(np.eye(3)))
    assert predict(layer, X) == pytest.approx(X @ layer.weight + layer.bias, rel=1e-12)
    assert np.array_equal(predict(own, X, batch_size=4), X)
    assert predict(network().astype("float32"), X).dtype == np.float32


class Nothing(Module):
    def forward(self, X):
        return None


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda: predict(network(), np.empty((0, 3))), ValueError,
         "predict: X has shape (0, 3): the batch is empty, expected at least one example"),
        (lambda: predict(network(), [["a"]]), TypeError, "predict: X holds text (dtype <U1), expected real numbers"),
        (lambda: predict(network(), np.ones((2, 3)), batch_size=0), ValueError,
         "predict: batch_size is 0, expected at least 1"),
        (lambda: predict(Linear, np.ones((2, 3))), TypeError,
         "predict: net is Linear, expected a network such as Sequential(...)"),
        (lambda: predict(Nothing(), np.ones((2, 3))), ValueError,
         "Nothing: forward returned None, expected an array (2, ...)"),
    ],
)  # fmt: skip
def test_predict_refuses_what_it_cannot_use(call, error, said):
    assert message(error, call) == said


# What fit refuses, it leaves alone


class HiddenBias(StudentLinear):
    """Keeps a second array, which only its own update_parameters moves."""

    def __init__(self, weight):
        super().__init__(weight)
        self._bias = np.zeros(1)
        self._gradient = np.zeros_like(self._parameters)

    def update_parameters(self, gradient_step=1e-3):
        super().update_parameters(gradient_step)
        self._bias = self._bias - gradient_step


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        ({"epochs": 0}, ValueError, "fit: epochs is 0, expected at least 1"),
        ({"epochs": 1.5}, TypeError, "fit: epochs is 1.5, expected a whole number"),
        ({"batch_size": 0}, ValueError, "fit: batch_size is 0, expected at least 1"),
        ({"batch_size": True}, TypeError, "fit: batch_size is True, expected a whole number"),
        ({"rng": "seed"}, TypeError, "fit: rng is 'seed', expected an int, a numpy.random.Generator or None"),
        ({"patience": 0, "validation": 0.5}, ValueError, "fit: patience is 0, expected at least 1"),
        ({"patience": 3}, ValueError,
         "fit: patience without validation, expected validation data: a share such as 0.2, or (X, y)"),
        ({"validation": 1.0}, ValueError, "fit: validation is 1.0, expected a share between 0 and 1, or a pair (X, y)"),
        ({"validation": 0.99}, ValueError, "fit: validation takes 12 of 12 examples, expected some left to train on"),
        ({"validation": np.ones((12, 3))}, TypeError,
         "fit: validation is array([[1., 1., 1.], [1., 1., 1.], [1., 1., 1.], [1., 1.,..., "
         "expected a share between 0 and 1, or a pair (X, y)"),
        ({"validation": (1, 2, 3)}, ValueError, "fit: validation has 3 parts, expected a pair (X, y)"),
        ({"validation": (np.ones((2, 4)), [0, 1])}, ValueError,
         "fit: validation X has shape (2, 4) and X (12, 3), expected equal but for the batch"),
        ({"validation": (np.ones((2, 3)), [0, 7])}, ValueError,
         "CrossEntropy(): y holds the label 7, expected 0 to 2, one for each of the 3 columns of yhat"),
        ({"sample_weight": np.ones(11)}, ValueError, "fit: sample_weight has shape (11,), expected (12,)"),
        ({"sample_weight": -np.ones(12)}, ValueError,
         "fit: sample_weight has values from -1 to -1, expected none below 0 and some above"),
        ({"sample_weight": np.zeros(12)}, ValueError,
         "fit: sample_weight has values from 0 to 0, expected none below 0 and some above"),
        ({"callbacks": print}, TypeError,
         "fit: callbacks is <built-in function print>, expected a list of functions or Callback objects"),
        ({"callbacks": [3]}, TypeError,
         "fit: a callback is 3, expected a function of the training, or a Callback object"),
        ({"loss": CrossEntropy}, TypeError, "fit: loss is CrossEntropy, expected a loss object such as CrossEntropy()"),
        ({"optimizer": Adam}, TypeError, "fit: optimizer is Adam, expected an optimizer object such as Adam(lr=1e-3)"),
        ({"net": Sequential}, TypeError, "fit: net is Sequential, expected a network such as Sequential(...)"),
        ({"X": np.ones((12, 4))}, ValueError,
         "Sequential[0] Linear(3 -> 5): input has shape (12, 4), expected (batch, 3)"),
        ({"X": np.full((12, 3), np.inf)}, ValueError, "fit: X[0, 0] is inf, expected finite numbers"),
        ({"X": np.empty((0, 3))}, ValueError,
         "fit: X has shape (0, 3): the batch is empty, expected at least one example"),
        ({"X": np.full((12, 3), 1j)}, TypeError, "fit: X holds complex numbers (dtype complex128), expected real numbers"),
        # The bad label comes last, in a batch that the path in Python would reach after steps.
        ({"y": [0] * 11 + [3]}, ValueError,
         "CrossEntropy(): y holds the label 3, expected 0 to 2, one for each of the 3 columns of yhat"),
    ],
)  # fmt: skip
def test_what_fit_refuses_changes_nothing(path, change, error, said):
    X, y = classes(12)
    net, optimizer, source = network(), Adam(0.01), np.random.default_rng(0)
    fit(net, X, y, loss=CrossEntropy(), optimizer=optimizer, epochs=1)
    parameters, gradient, draws = net.parameters.copy(), net.gradient.copy(), source.bit_generator.state
    asked = {
        "net": net, "X": X, "y": y, "loss": CrossEntropy(), "optimizer": optimizer, "rng": source, "callbacks": path,
        "batch_size": 5, "shuffle": False, **change,
    }  # fmt: skip
    assert message(error, fit, **asked) == said
    assert np.array_equal(net.parameters, parameters)
    assert np.array_equal(net.gradient, gradient)
    assert source.bit_generator.state == draws
    assert net.training
    assert (optimizer.net, optimizer.steps) == (net, 1)


@pytest.mark.parametrize("bad", [{"y": [0] * 11 + [3]}, {"X": np.ones((12, 4))}, {"net": Sequential(HiddenBias(np.eye(3)))}])
def test_an_optimizer_stays_with_its_network_where_another_is_refused(path, bad):
    X, y = classes(12)
    net, optimizer = network(), Adam(0.01)
    fit(net, X, y, loss=CrossEntropy(), optimizer=optimizer, epochs=1)
    with pytest.raises((ValueError, TypeError)):
        fit(**{"net": network(), "X": X, "y": y, **bad}, loss=CrossEntropy(), optimizer=optimizer, callbacks=path)
    assert (optimizer.net, optimizer.steps) == (net, 1)


# Networks of all kinds


def test_a_slice_of_a_network_trains_its_own_part_alone():
    X, y = regression(features=5)
    net, twin = network(outputs=1), network(outputs=1)
    part = net[1:]
    fit(part, X, y, loss=MSE(), optimizer=SGD(0.05), epochs=3, rng=0)
    alone = Sequential(Tanh(), Linear(5, 1, rng=1))
    fit(alone, X, y, loss=MSE(), optimizer=SGD(0.05), epochs=3, rng=0)
    assert np.array_equal(net[0].parameters, twin[0].parameters)
    assert net[2].parameters == pytest.approx(alone.parameters, rel=1e-12)


def test_a_slice_follows_its_network_through_append_and_astype():
    net = network()
    part, x = net[1:], np.ones((2, 5))
    net.append(Linear(3, 2, rng=2))
    net[2].weight[:] = 1.0
    net[2].bias[:] = 0.0
    assert part.forward(x) == pytest.approx(np.full((2, 3), 5 * np.tanh(1.0)))
    part.parameters[:] = 0.0
    assert not net[2].weight.any()
    before = part.forward(x)
    net.astype("float32").astype("float64")
    net[2].bias[:] = 1.0
    assert np.array_equal(before, np.zeros((2, 3)))
    assert np.array_equal(part.forward(x), np.ones((2, 3)))
    assert net.astype("float32")[0:1].dtype == part.dtype == np.float32


class Doubled(Sequential):
    """Writes the operations of the chain anew, on top of it."""

    def forward(self, X):
        return 2 * super().forward(X)

    def backward(self, input, delta):
        return super().backward(input, 2 * delta)

    def backward_update_gradient(self, input, delta):
        super().backward_update_gradient(input, 2 * delta)

    def backward_delta(self, input, delta):
        return super().backward_delta(input, 2 * delta)


@pytest.mark.parametrize("nested", [False, True])
def test_a_subclass_of_sequential_keeps_its_own_operations(nested):
    X, y = regression()
    layer = Linear(3, 1, bias=False, rng=0)
    W = layer.weight.copy()
    net = Sequential(Doubled(layer)) if nested else Doubled(layer)
    assert net.forward(X) == pytest.approx(2 * X @ W)
    history = fit(net, X, y, loss=MSE(), optimizer=SGD(0.01), epochs=1, batch_size=None)
    gap = 2 * X @ W - y
    assert history.loss == pytest.approx([(gap**2).mean()])
    assert layer.weight == pytest.approx(W - 0.01 * 2 * X.T @ (2 * gap) / 23)


def test_nested_networks_and_a_module_at_two_places_train_on_both_paths(path):
    X, y = regression()
    layer, last = Linear(3, 3, rng=5), Linear(3, 1, rng=6)
    W, b, V, c = (array.copy() for array in (layer.weight, layer.bias, last.weight, last.bias))
    for _ in range(3):
        h = np.tanh(X @ W + b)
        z = h @ W + b
        delta = 2 * (z @ V + c - y) / len(X)
        dz = delta @ V.T
        dx = dz @ W.T * (1 - h**2)
        V, c = V - 0.05 * z.T @ delta, c - 0.05 * delta.sum(axis=0)
        W, b = W - 0.05 * (h.T @ dz + X.T @ dx), b - 0.05 * (dz + dx).sum(axis=0)
    net = Sequential(Sequential(layer, Tanh()), layer, last)
    fit(net, X, y, loss=MSE(), optimizer=SGD(0.05), epochs=3, batch_size=None, callbacks=path)
    assert layer.weight == pytest.approx(W, rel=1e-9)
    assert layer.bias == pytest.approx(b, rel=1e-9)
    assert last.weight == pytest.approx(V, rel=1e-9)


def test_a_single_module_can_be_trained():
    X, y = regression()
    layer = Linear(3, 1, rng=0)
    W, b = layer.weight.copy(), layer.bias.copy()
    descend(X, y, W, b, np.arange(23), 10, 0.05)
    fit(layer, X, y, loss=MSE(), optimizer=SGD(0.05), epochs=1, batch_size=10, shuffle=False)
    assert layer.weight == pytest.approx(W, rel=1e-10)


@pytest.mark.parametrize("own_net", [False, True])
def test_plain_classes_train_as_the_librarys_own(own_net):
    X, y = regression()
    first, second = np.random.default_rng(1).normal(size=(3, 4)), np.random.default_rng(2).normal(size=(4, 1))
    ours = [Linear(3, 4, bias=False), Tanh(), Linear(4, 1, bias=False)]
    ours[0].weight[:], ours[2].weight[:] = first, second
    plain = [StudentLinear(first), Tanh(), StudentLinear(second)]
    histories = [
        fit(net, X, y, loss=MSE(), optimizer=SGD(0.02), epochs=4, batch_size=5, rng=3, validation=0.2)
        for net in (Sequential(ours), StudentNet(*plain) if own_net else Sequential(plain))
    ]
    assert plain[0]._parameters == pytest.approx(ours[0].weight, rel=1e-9)
    assert plain[2]._parameters == pytest.approx(ours[2].weight, rel=1e-9)
    assert histories[1].loss == pytest.approx(histories[0].loss, rel=1e-9)
    assert histories[1].validation_loss == pytest.approx(histories[0].validation_loss, rel=1e-9)


def test_a_loss_of_wrong_shape_is_named():
    class Scalar(Loss):
        def forward(self, y, yhat):
            return np.mean((y - yhat) ** 2)

        def backward(self, y, yhat):
            return 2 * (yhat - y)

    class Broadcast(RecordingLoss):
        def backward(self, y, yhat):
            return (yhat - y).sum(axis=1)

    X, y = regression()
    for loss, expected in (
        (Scalar(), "Scalar: forward returned shape (), expected (10,), the cost of each example"),
        (Broadcast(), "Broadcast: backward returned shape (10,), expected (10, 1), that of yhat"),
    ):
        assert message(ValueError, fit, network(outputs=1), X, y, loss=loss, optimizer=SGD(0.1), batch_size=10) == expected
