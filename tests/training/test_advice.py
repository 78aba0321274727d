"""What fit says by itself, without trials: what is certain, what the cause of a divergence is, and a loss that did not fall."""

import copy
import warnings

import numpy as np
import pytest

from modnet import (
    BCE,
    MSE,
    NLL,
    BCEWithLogits,
    CrossEntropy,
    KLDivergence,
    Linear,
    LogSoftmax,
    ReLU,
    Sequential,
    Sigmoid,
    Softmax,
    Tanh,
    TrainingWarning,
    fit,
)
from modnet.handout import CELoss
from modnet.optim import SGD, Adam

X = np.random.default_rng(0).normal(size=(64, 3))
LABELS = (X[:, 0] > 0).astype(int)


def said(net, loss, y, optimizer=None, inputs=X, **options):
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        history = fit(net, inputs, y, loss, optimizer or SGD(0.1), **{"epochs": 3, "rng": 0, "progress": False, **options})
    assert all(w.category is TrainingWarning and w.filename == __file__ for w in told)
    assert [str(w.message).removeprefix("fit: ") for w in told if "diverged" not in str(w.message)] == [
        note for note in history.notes if not history.stopped_because.startswith("diverged")
    ]
    return [str(w.message) for w in told], history


@pytest.mark.parametrize(
    ("end", "loss", "y", "contained", "instead"),
    [
        (Softmax(), CrossEntropy(), LABELS, "softmax", "NLL() after LogSoftmax()"),
        (Sigmoid(), CrossEntropy(), LABELS, "softmax", "NLL() after LogSoftmax()"),
        (Sigmoid(), BCEWithLogits(), np.eye(2)[LABELS], "sigmoid", "BCE()"),
    ],
)
def test_the_softmax_that_the_loss_contains_is_named_once(end, loss, y, contained, instead):
    told, history = said(Sequential(Linear(3, 2, rng=0), end), loss, y)
    assert len(told) == 1
    assert f"ends with {end}, and {loss} contains the {contained}: leave it out of the network, or take {instead};" in told[0]
    assert "leave it out of the network" in repr(history)


@pytest.mark.parametrize(
    ("net", "loss", "y"),
    [
        (Sequential(Linear(3, 2, rng=0), LogSoftmax()), CrossEntropy(), LABELS),
        (Sequential(Linear(3, 2, rng=0), Softmax(), Linear(2, 2, rng=1)), CrossEntropy(), LABELS),
        (Sequential(Linear(3, 1, rng=0), Sigmoid()), BCE(), LABELS[:, None] * 1.0),
        (Sequential(Linear(3, 2, rng=0), Softmax()), KLDivergence(), np.eye(2)[LABELS]),
    ],
)
def test_what_is_right_is_not_spoken_of(net, loss, y):
    assert said(net, loss, y)[0] == []


@pytest.mark.parametrize(
    ("end", "loss", "y", "note"),
    [
        ([], NLL(), LABELS, "NLL() takes log-probabilities, of which none is above 0, and the network gives "),
        ([Softmax()], NLL(), LABELS, "NLL() takes log-probabilities, of which none is above 0, and the network gives "),
        ([], CrossEntropy(), np.c_[LABELS, np.ones(64)], "y has rows such as [1.0, 1.0], and CrossEntropy() takes rows of prob"),
        ([], CrossEntropy(), 2 * np.eye(2)[LABELS] - 1, "y has rows such as [-1.0, 1.0], and CrossEntropy() takes rows of pro"),
        ([], CrossEntropy(), 0.2 * np.eye(2)[LABELS] + 0.4, None),
        ([], CrossEntropy(), np.eye(2)[LABELS] * (X[:, 1:2] > 0), None),  # a row of zeros does not count
        ([Softmax()], CELoss(), LABELS, None),  # the handout has it so
        ([Linear(2, 1, rng=0)], CrossEntropy(), LABELS[:, None], "the network has one output, and CrossEntropy() wants one for"),
    ],
)
def test_targets_and_ends_that_mean_something_else_to_the_loss(end, loss, y, note):
    told, _ = said(Sequential(Linear(3, 2, rng=0), *end), loss, y)
    assert [text.removeprefix("fit: ").startswith(note or "-") for text in told] == ([True] if note else [])


def test_scores_for_a_loss_of_probabilities_are_refused_before_anything_changes():
    net = Sequential(Linear(3, 1, rng=0))
    before, optimizer = net.parameters.copy(), SGD(0.1)
    with pytest.raises(ValueError, match=r"expected probabilities from 0 to 1; end the network with Sigmoid\(\), or take BCEWithL"):
        fit(net, X, LABELS[:, None] * 1.0, BCE(), optimizer, epochs=3)
    np.testing.assert_array_equal(net.parameters, before)
    assert optimizer.net is None
    with pytest.raises(ValueError, match=r"of log-probabilities take np.exp"):
        KLDivergence().forward([[0.5, 0.5]], np.log([[0.5, 0.5]]))
    # Rounding is no score, and NaN stays NaN.
    assert np.isfinite(KLDivergence().forward([[1.0]], [[1 + 1e-15]])).all()
    assert np.isnan(BCE().forward([[1.0]], [[np.nan]])).all()


@pytest.mark.parametrize("watched", [False, True])
def test_a_prediction_that_leaves_the_probabilities_later_ends_the_training_as_nan_does(watched):
    from modnet import Callback

    class Watch(Callback):
        def on_batch_end(self, training):
            pass

    net = Sequential(Linear(1, 1, rng=0))
    net[0].weight[:], net[0].bias[:] = 0.1, 0.5
    inputs = np.linspace(-1, 1, 32)[:, None]
    told, history = said(
        net, BCE(), (inputs > 0) * 1.0, SGD(1.0), inputs, epochs=20, callbacks=[Watch()] if watched else []
    )
    assert history.stopped_because.startswith("diverged")
    assert "end the network with Sigmoid(), or take BCEWithLogits()" in told[-1]


def test_the_advice_after_a_divergence_fits_its_cause():
    def net():
        return Sequential(Linear(3, 16, rng=0), ReLU(), Linear(16, 1, rng=1))

    y = (X @ [1.0, 2.0, 3.0])[:, None]
    assert "the targets y reach" in said(net(), MSE(), 1e5 * y + 3e6, SGD(0.01), epochs=50)[0][0]
    assert "the inputs X reach" in said(net(), MSE(), y, SGD(0.1), 1e4 * X, epochs=50)[0][0]
    assert "try a smaller lr" in said(net(), MSE(), y, SGD(50.0), epochs=50)[0][0]


def test_one_class_only_is_said_of_labels_and_not_of_a_few_examples():
    told, history = said(Sequential(Linear(3, 2, rng=0)), CrossEntropy(), 0 * LABELS)
    assert "one class only" in told[0]
    assert "one class only" in history.notes[0]
    assert "one class only" in said(Sequential(Linear(3, 2, rng=0)), CrossEntropy(), 0 * LABELS[:10], inputs=X[:10])[0][0]
    assert said(Sequential(Linear(3, 2, rng=0)), CrossEntropy(), 0 * LABELS[:9], inputs=X[:9])[0] == []
    assert said(Sequential(Linear(3, 1, rng=0)), MSE(), np.ones((64, 1)))[0] == []


def test_a_loss_that_did_not_fall_points_to_check_training():
    told, history = said(Sequential(Linear(3, 2, rng=0)), CrossEntropy(), LABELS * 0 + (X[:, 0] ** 2 > 0.5), SGD(1e-9), epochs=60)
    assert "the loss did not fall" in told[0]
    assert "check_training" in repr(history)
    # The loss is w^2 + 1, and each step makes w 1.01 times as far from 0.
    y = np.array([[-1.0], [1.0]] * 4)
    told, history = said(Linear(1, 1, bias=False, init=1.0), MSE(), y, SGD(1.005), inputs=np.ones((8, 1)), epochs=100)
    assert f"the loss did not fall: 2 in the first epoch, {1.0201**99 + 1:.4g} in the last of 100" in told[0]


def test_a_loss_of_soft_labels_that_did_not_fall_points_to_check_training():
    rng = np.random.default_rng(0)
    soft = np.eye(2)[(X[:, 0] ** 2 > 0.5) * 1] * 0.8 + rng.uniform(0, 0.1, (len(X), 1)) * [1, 0]
    soft /= soft.sum(axis=1, keepdims=True)
    assert "the loss did not fall" in said(Sequential(Linear(3, 2, rng=0)), CrossEntropy(), soft, SGD(1e-9), epochs=60)[0][0]


def test_a_loss_that_takes_no_constant_prediction_is_not_compared_with_one():
    class Picky(MSE):
        def forward(self, y, yhat):
            if not np.ptp(yhat):
                raise ValueError("a constant")
            return super().forward(y, yhat)

    assert said(Sequential(Linear(3, 1, rng=0)), Picky(), X[:, :1] ** 2, SGD(1e-9), epochs=60)[0] == []


@pytest.mark.parametrize(("end", "low", "high", "warns"), [
    (Sigmoid(), -1.0, 1.0, "gives numbers from 0 to 1, and the targets y reach from -1 to 1"),
    (ReLU(), -1.0, 1.0, "gives no number below 0"),
    (Tanh(), 5.0, 9.0, "leave it out, or scale y into that range"),
    (Tanh(), -1.05, 1.05, ""), (ReLU(), -0.05, 2.0, ""), (Linear(1, 1, rng=1), -9.0, 9.0, ""),
    (Softmax(), 0.0, 1.0, "over one number, which is always 1"),
])  # fmt: skip
def test_targets_that_the_last_activation_cannot_give_are_named_before_the_first_step(end, low, high, warns):
    y = np.linspace(low, high, len(X))[:, None]
    told, _ = said(Sequential(Linear(3, 1, rng=0), end), MSE(), y, SGD(1e-3))
    assert warns in told[0] if warns else told == []


def test_columns_and_targets_that_are_large_are_named_if_nothing_was_learned():
    net = Sequential(Linear(3, 8, rng=0), Tanh(), Linear(8, 1, rng=1))
    told, _ = said(net, MSE(), 5e3 * X[:, :1], SGD(1e-9), 1e3 * X, epochs=60)
    assert "the targets y reach" in told[0]
    assert "; the inputs X reach" in told[0]
    assert told[0].endswith("says why")


def test_a_loss_that_fell_no_further_than_a_constant_answer_points_there_too():
    y = (X @ [1.0, 2.0, 3.0])[:, None] + 1000
    told, _ = said(Sequential(Linear(3, 8, rng=0), Tanh(), Linear(8, 1, rng=1), Tanh()), MSE(), y, SGD(0.01), epochs=60)
    assert "no better than always giving the same answer" in told[-1]
    rng = np.random.default_rng(1)
    noise = rng.integers(0, 2, 64)
    net = Sequential(Linear(3, 2, rng=0))
    net[0].weight[...] = 3.0 * rng.normal(size=(3, 2))
    same = copy.deepcopy(net)
    share = noise.mean()
    entropy = -share * np.log(share) - (1 - share) * np.log(1 - share)
    told, history = said(net, CrossEntropy(), noise, SGD(1e-3, momentum=0.9), epochs=60)
    assert f"the loss ended at {history.loss[-1]:.4g} after 60 epochs" in told[0]
    assert len({f"{loss:.4g}" for loss in (history.loss[1], *history.loss[-2:])}) == 3
    assert f"which has {entropy:.4g}" in told[0]
    weights = rng.uniform(0.5, 1.5, 64)  # the constant answer is then another one
    assert said(same, CrossEntropy(), noise, SGD(1e-3, momentum=0.9), epochs=60, sample_weight=weights)[0] == []


def test_a_training_that_has_nothing_left_to_learn_is_not_spoken_of():
    net = Sequential(Linear(3, 2, rng=0))
    fit(net, X, LABELS, CrossEntropy(), Adam(0.1), epochs=200, rng=0)
    assert said(net, CrossEntropy(), LABELS, SGD(1e-9), epochs=60)[0] == []
    y = X[:, :1] * 2 + 0.5
    net = Sequential(Linear(3, 1, rng=0))
    fit(net, X, y, MSE(), Adam(0.1), epochs=300, rng=0)
    assert said(net, MSE(), y, SGD(1e-9), epochs=60)[0] == []
