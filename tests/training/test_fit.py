"""fit: against loops written out in numpy, on the compiled path and on the one in Python."""

import copy
import hashlib
from collections import Counter

import numpy as np
import pytest
from fit_cases import Mode, RecordingLoss, StudentLinear, StudentNet, classes, descend, network, regression
from helpers import assert_derivatives, message, run_script

from modnet import (
    MAE,
    MSE,
    BatchNorm,
    CrossEntropy,
    Dropout,
    Embedding,
    Flatten,
    Linear,
    Loss,
    Residual,
    Sequential,
    Tanh,
    TrainingWarning,
    fit,
    predict,
)
from modnet.engine.walk import shuffle
from modnet.optim import SGD, Adam

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
    # Each in an order of its own, unless a batch is everything.
    assert len({tuple(order) for order in [*orders, list(range(23))]}) == (5 if len(sizes) > 1 else 1)


def test_an_epoch_comes_in_every_order_equally_often():
    orders = Counter()
    bits, order = np.random.default_rng(0).integers(1, 2**63, 1, dtype=np.uint64), np.arange(4)
    for _ in range(12_000):
        order[:] = range(4)
        shuffle.call(order, bits)
        orders[tuple(order)] += 1
    assert len(orders) == 24
    assert sum((count - 500) ** 2 / 500 for count in orders.values()) < 60  # chi-square of 23: above it once in 30,000


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
    with pytest.warns(TrainingWarning, match="the loss did not fall"):
        fit(Sequential(Linear(3, 1)), X, y, loss=loss, optimizer=SGD(1e-9), epochs=1600, batch_size=4, rng=0)
    orders = np.array(loss.slopes, dtype=int).reshape(1600, 8)
    counts = np.array([np.bincount(column, minlength=8) for column in orders.T])
    # 200 expected each, with a standard deviation of 13.2
    assert np.abs(counts - 200).max() < 60


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


# What is frozen


FROZEN = {
    "rate 0": lambda net: Adam(0.05).attach(net, rates={0: 0.0}),
    "rate 0, and evaluation": lambda net: (net[0].eval(), Adam(0.05).attach(net, rates={0: 0.0}))[1],
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("freeze", FROZEN.values(), ids=FROZEN)
def test_a_frozen_normalisation_is_a_fixed_one(path, freeze, dtype):
    X, y = regression()
    norm = BatchNorm(3).astype(dtype)
    for _ in range(5):
        norm.forward(3 * X + 1)
    net = Sequential(norm, Linear(3, 4, rng=0).astype(dtype), Tanh(), Linear(4, 1, rng=1).astype(dtype))
    rest = copy.deepcopy(net[1:])
    before = [array.copy() for array in (norm.running_mean, norm.running_var, norm.parameters)]
    normalised = predict(norm, X)
    fit(net, X, y, loss=MSE(), optimizer=freeze(net), epochs=3, batch_size=5, rng=0, callbacks=path)
    fit(rest, normalised, y, loss=MSE(), optimizer=Adam(0.05), epochs=3, batch_size=5, rng=0, callbacks=path)
    for now, then in zip((norm.running_mean, norm.running_var, norm.parameters), before, strict=True):
        np.testing.assert_array_equal(now, then)
    np.testing.assert_array_equal(net[1:].parameters, rest.parameters)
    # The next optimizer trains it again.
    fit(net, X, y, loss=MSE(), optimizer=Adam(0.05), epochs=1, callbacks=path)
    assert (norm.parameters != before[2]).all()
    assert (norm.running_mean != before[0]).all() == norm.training


def test_modules_in_evaluation_learn_but_keep_their_statistics(path):
    X, y = regression()
    net = Sequential(BatchNorm(3), Dropout(0.5, rng=0), Linear(3, 1, rng=0))
    net[0].eval()
    net[1].eval()
    before = net[0].parameters.copy(), predict(net, X)
    history = fit(net, X, y, loss=MSE(), optimizer=SGD(0.01), epochs=1, batch_size=None, callbacks=path)
    assert history.loss == pytest.approx([((before[1] - y) ** 2).mean()], rel=1e-12)
    np.testing.assert_array_equal(net[0].running_mean, 0)
    np.testing.assert_array_equal(net[0].running_var, 1)
    assert (net[0].parameters != before[0]).all()
    assert [net.training, net[0].training, net[1].training, net[2].training] == [True, False, False, True]


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
         "CrossEntropy(): y holds float64 labels, expected integers 0 to 2; convert whole numbers with np.asarray(y).astype(int)"),
        ([0, 1, 3], ValueError,
         "CrossEntropy(): y holds the label 3, expected 0 to 2, one for each of the 3 columns of yhat"),
        ([0, 1, -1], ValueError,
         "CrossEntropy(): y holds the label -1, expected 0 to 2, one for each of the 3 columns of yhat; "
             "if it marks positions that do not count, CrossEntropy(ignore_index=-1) leaves them out"),
        ([[0], [1], [2]], ValueError,
         "CrossEntropy(): y has shape (3, 1) and yhat (3, 3), expected labels (3,) or rows (3, 3); flatten y with np.asarray(y)[..., 0]"),
        ([0, 1], ValueError, "fit: X has 3 examples but y has 2; y needs one value per example"),
        (0, ValueError, "fit: X has 3 examples but y is a single value; y needs one value per example"),
        (None, ValueError, "fit: X has 3 examples but y is None; y needs one value per example"),
        ([[1], [1, 2], [1]], ValueError, "fit: y has rows of different lengths, expected a rectangular array"),
        ([0.0, np.nan, 1.0], ValueError, "fit: y[1] is nan, expected finite numbers"),
        ([0, None, 1], ValueError,
         "fit: y[1] is missing (None), expected a number; leave such examples out: "
         "keep = np.not_equal(np.asarray(y, object), None), then np.asarray(y)[keep], and the same of the other arrays"),
    ],
)  # fmt: skip
def test_labels_that_are_no_classes_are_refused(path, y, error, said):
    X = np.random.default_rng(0).normal(size=(3, 3))
    assert message(error, fit, network(), X, y, loss=CrossEntropy(), optimizer=SGD(0.1), callbacks=path) == said


def test_a_column_meets_a_vector_with_advice(path):
    X, y = regression(4)
    said = message(ValueError, fit, network(outputs=1), X, y[:, 0], loss=MSE(), optimizer=SGD(0.1), callbacks=path)
    assert said == "MSE(): y has shape (4,) and yhat (4, 1), expected the same; reshape y with np.asarray(y).reshape(-1, 1)"


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


def test_an_optimizer_goes_on_where_an_earlier_fit_of_the_network_ended(path):
    X, y = regression()
    nets = [network(outputs=1), network(outputs=1)]
    optimizer = Adam(0.01)
    for _ in range(2):
        fit(nets[0], X, y, loss=MSE(), optimizer=optimizer, epochs=2, shuffle=False, callbacks=path)
    fit(nets[1], X, y, loss=MSE(), optimizer=Adam(0.01), epochs=4, shuffle=False, callbacks=path)
    assert np.array_equal(nets[0].parameters, nets[1].parameters)


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
    there = run_script(SCRIPT + """
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
    before = np.random.get_state()[1].copy()
    fit(network(), X, y, loss=CrossEntropy(), optimizer=Adam(0.05), epochs=2, validation=0.2, callbacks=path)
    assert np.array_equal(np.random.get_state()[1], before)


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
        ({"validation": (1, 2, 3, 4)}, ValueError, "fit: validation has 4 parts, expected a pair (X, y), or (X, y, weights)"),
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
        ({"X": np.full((12, 3), 1j)}, TypeError, "fit: X holds complex numbers (dtype complex128), expected real numbers; take X.real"),
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


class Halves(Sequential):
    """Writes the operations of the chain anew, on top of it, but not the two halves of backward as one."""

    def forward(self, X):
        return 2 * super().forward(X)

    def backward_update_gradient(self, input, delta):
        super().backward_update_gradient(input, 2 * delta)

    def backward_delta(self, input, delta):
        return super().backward_delta(input, 2 * delta)


class Doubled(Halves):
    """Writes that too."""

    def backward(self, input, delta):
        return super().backward(input, 2 * delta)


@pytest.mark.parametrize("kind", [Halves, Doubled])
@pytest.mark.parametrize("nested", [False, True])
def test_a_subclass_of_sequential_keeps_its_own_operations(nested, kind):
    X, y = regression()
    layer = Linear(3, 1, bias=False, rng=0)
    W = layer.weight.copy()
    net = Sequential(kind(layer)) if nested else kind(layer)
    assert net.forward(X) == pytest.approx(2 * X @ W)
    history = fit(net, X, y, loss=MSE(), optimizer=SGD(0.01), epochs=1, batch_size=None)
    gap = 2 * X @ W - y
    assert history.loss == pytest.approx([(gap**2).mean()])
    assert layer.weight == pytest.approx(W - 0.01 * 2 * X.T @ (2 * gap) / 23)


@pytest.mark.parametrize("kind", [Halves, Doubled])
def test_a_subclass_of_sequential_inside_a_network_has_the_derivatives_of_its_own_operations(kind):
    net = Sequential(Linear(3, 4, rng=0), kind(Tanh(), Linear(4, 2, rng=1)), Residual(kind(Linear(2, 2, rng=2))))
    assert_derivatives(net, np.random.default_rng(0).normal(size=(5, 3)))
    assert_derivatives(kind(Embedding(3, 2, rng=0), Flatten(), Linear(4, 1, rng=1)), np.array([[0, 2], [1, 1]]), by_input=False)


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
        (Scalar(), "Scalar: forward returned shape (), expected (10,), the loss of each example"),
        (Broadcast(), "Broadcast: backward returned shape (10,), expected the shape of yhat, (10, 1)"),
    ):
        assert message(ValueError, fit, network(outputs=1), X, y, loss=loss, optimizer=SGD(0.1), batch_size=10) == expected


def test_a_derivative_of_whole_numbers_moves_parameters_as_one_of_floats():
    class Signs(Loss):
        def forward(self, y, yhat):
            return np.abs(yhat - y).sum(axis=1)

        def backward(self, y, yhat):
            return np.sign(yhat - y).astype(int)

    X, y = regression()
    nets = [Linear(3, 1, rng=0) for _ in range(2)]
    for net, loss in zip(nets, (Signs(), MAE())):
        fit(net, X, y, loss, SGD(0.1), epochs=2, batch_size=10, rng=0)
    np.testing.assert_allclose(nets[0].parameters, nets[1].parameters, rtol=1e-12)
