"""What y may be: labels, rows, numbers; and what the messages advise if it is something else."""

import numpy as np
import pytest
from helpers import message

from modnet import (
    BCE,
    NLL,
    BCEWithLogits,
    Conv1D,
    CrossEntropy,
    Flatten,
    Hinge,
    Linear,
    Perceptron,
    Sequential,
    fit,
)
from modnet.discovery import all_losses
from modnet.loss import ClassLoss
from modnet.optim import SGD

CLASSES = [kind for kind in all_losses() if issubclass(kind, ClassLoss)]
SUMS = [kind for kind in all_losses() if not issubclass(kind, ClassLoss)]

every_class_loss = pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)


def answers(loss, y, yhat):
    return [loss.forward(y, yhat), loss.backward(y, yhat), loss.hits(y, yhat)]


@every_class_loss
def test_labels_and_their_one_hot_rows_mean_the_same(kind):
    rng = np.random.default_rng(0)
    for shape in ((6, 4), (3, 2, 5), (1, 2)):
        yhat = rng.normal(size=shape)
        labels = rng.integers(0, shape[-1], shape[:-1])
        rows = np.eye(shape[-1])[labels]
        for got, want in zip(answers(kind(), labels, yhat), answers(kind(), rows, yhat), strict=True):
            np.testing.assert_allclose(got, want, rtol=1e-13, atol=1e-15)


IGNORE_ADVICE = {
    kind: f"; if it marks positions that do not count, {kind.__name__}(ignore_index=-1) leaves them out"
    for kind in (CrossEntropy, NLL)
}


@every_class_loss
def test_labels_must_be_integers_from_zero_to_the_number_of_classes(kind):
    name, yhat = repr(kind()), np.zeros((3, 2))
    assert message(ValueError, kind().forward, [0, 1, 2], yhat) == (
        f"{name}: y holds the label 2, expected 0 to 1, one for each of the 2 columns of yhat"
    )
    assert message(ValueError, kind().backward, [0, 1, -1], yhat) == (
        f"{name}: y holds the label -1, expected 0 to 1, one for each of the 2 columns of yhat"
        + IGNORE_ADVICE.get(kind, "")
    )
    assert message(TypeError, kind().forward, [0.0, 1.0, 1.0], yhat) == (
        f"{name}: y holds float64 labels, expected integers 0 to 1; convert whole numbers with np.asarray(y).astype(int)"
    )
    assert message(TypeError, kind().forward, [0.0, 0.5, 1.0], yhat) == (
        f"{name}: y holds float64 labels, expected integers 0 to 1, and 0.5 is none"
    )
    # What is advised gives labels that are taken.
    for labels, advised in (([-1, 1, 1], "(np.asarray(y) > 0).astype(int)"), ([1, 2, 1], "np.asarray(y) - 1")):
        assert message(ValueError, kind().forward, labels, yhat).endswith(f"take {advised}")
        assert kind().forward(eval(advised, {"np": np, "y": labels}), yhat).shape == (3,)
    assert "an output for each class, or take BCEWithLogits()" in message(ValueError, kind().forward, [0, 1, 1], yhat[:, :1])
    for words in (["cat", "dog", "cat"], np.array(["cat", "dog", "cat"], object), np.array([b"cat", b"dog", b"cat"])):
        text = message(TypeError, kind().forward, words, yhat)
        assert text.startswith(f"{name}: y holds text such as ")
        assert text.endswith(
            ", expected integers 0 to C-1; number the classes with classes, y = np.unique(y, return_inverse=True)"
        )
        numbered = np.unique(words, return_inverse=True)[1]
        assert kind().forward(numbered, yhat).shape == (3,)


@every_class_loss
def test_labels_must_be_one_for_each_row_of_scores(kind):
    name = repr(kind())
    assert message(ValueError, kind().forward, [[0], [1]], np.zeros((2, 3))) == (
        f"{name}: y has shape (2, 1) and yhat (2, 3), expected labels (2,) or rows (2, 3); flatten y with np.asarray(y)[..., 0]"
    )
    assert message(ValueError, kind().forward, [0, 1], np.zeros((3, 3))) == (
        f"{name}: y has shape (2,) and yhat (3, 3), expected labels (3,) or rows (3, 3)"
    )
    assert message(ValueError, kind().forward, [0, 1], np.zeros(2)) == (
        f"{name}: yhat has shape (2,), expected (batch, ..., classes)"
    )


@pytest.mark.parametrize("kind", SUMS, ids=lambda kind: kind.__name__)
def test_y_and_yhat_must_have_one_shape(kind):
    loss, y, yhat = next(example for example in kind.examples() if example[2].ndim == 1)
    n = len(y)
    for given, predicted, advice in ((y, yhat[:, None], "-1, 1"), (y[:, None], yhat, "-1")):
        assert message(ValueError, loss.forward, given, predicted) == (
            f"{loss!r}: y has shape {given.shape} and yhat {predicted.shape}, expected the same; "
            f"reshape y with np.asarray(y).reshape({advice})"
        )
    assert message(ValueError, loss.backward, y, yhat[: n - 1]) == (
        f"{loss!r}: y has shape ({n},) and yhat ({n - 1},), expected the same"
    )


@pytest.mark.parametrize("kind", [BCE, BCEWithLogits], ids=lambda kind: kind.__name__)
def test_binary_targets_lie_between_zero_and_one(kind):
    name, yhat = repr(kind()), [0.5, 0.5]
    assert message(ValueError, kind().forward, [-1, 0.5], yhat) == f"{name}: y holds -1, expected labels 0 and 1, or between"
    assert message(ValueError, kind().backward, [0, 1.5], yhat) == f"{name}: y holds 1.5, expected labels 0 and 1, or between"
    assert kind().forward([0.25, 1], yhat).shape == (2,)


@pytest.mark.parametrize("kind", [Hinge, Perceptron], ids=lambda kind: kind.__name__)
def test_sides_are_minus_one_and_one(kind):
    name, yhat = repr(kind()), [0.5, 0.5]
    assert message(ValueError, kind().forward, [0, 1], yhat) == (
        f"{name}: y holds 0, expected labels -1 and 1; from 0 and 1, take np.where(np.asarray(y) == 1, 1, -1)"
    )
    assert message(ValueError, kind().forward, [2, 1], yhat) == f"{name}: y holds 2, expected labels -1 and 1"


@pytest.mark.parametrize("kind", SUMS, ids=lambda kind: kind.__name__)
def test_classes_where_numbers_are_expected_are_told_what_takes_them(kind):
    yhat, y = np.full((4, 3), 0.5), np.array([0, 2, 1, 1])
    said = message(ValueError, kind().forward, y, yhat)
    assert said.endswith("; if y holds classes, take CrossEntropy(), or rows: np.eye(3)[np.asarray(y, int)]")
    assert CrossEntropy().forward(y, yhat).shape == (4,)
    rows = np.eye(3)[np.asarray(y, int)]
    if not isinstance(kind(), (Hinge, Perceptron)):  # of which each column is a question with the answers -1 and 1
        assert kind().forward(rows, yhat).shape == (4,)
    assert message(ValueError, kind().forward, [0.5, 2, 1, 1], yhat).endswith("expected the same")


@pytest.mark.parametrize("kind", [BCE, BCEWithLogits])
def test_labels_of_two_sides_are_told_how_to_become_0_and_1(kind):
    y, yhat = np.array([[-1], [1]]), np.full((2, 1), 0.5)
    assert message(ValueError, kind().forward, y, yhat) == (
        f"{kind()}: y holds -1, expected labels 0 and 1, or between; from -1 and 1, take (np.asarray(y) + 1) / 2"
    )
    assert kind().forward((np.asarray(y) + 1) / 2, yhat).shape == (2,)
    assert message(ValueError, kind().forward, [[-1], [3]], yhat).endswith("or between")


def test_a_network_that_answers_for_every_position_is_told_of_flatten():
    X, y = np.zeros((6, 8, 1)), np.arange(6) % 3
    said = message(ValueError, fit, Sequential(Conv1D(3, 1, 4), Linear(4, 3)), X, y, CrossEntropy(), SGD(0.1))
    assert said.endswith("rows (6, 6, 3); for one answer an example, put Flatten() before the last Linear")
    fit(Sequential(Conv1D(3, 1, 4), Flatten(), Linear(24, 3)), X, y, CrossEntropy(), SGD(0.1), epochs=1)
