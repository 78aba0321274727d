"""Weights of examples that make classes count alike."""

import numpy as np
import pytest

import modnet
from modnet import CrossEntropy, Linear, Sequential


def test_balanced_weights_make_every_class_weigh_alike():
    y = np.repeat([3, 5, 9], [1, 4, 15])
    weights = modnet.balanced_weights(y)
    sums = [weights[y == c].sum() for c in (3, 5, 9)]
    np.testing.assert_allclose(sums, 20 / 3, rtol=1e-14)
    assert weights.mean() == pytest.approx(1, rel=1e-14)
    assert len(set(weights[y == 9])) == 1


def test_balanced_weights_move_the_border_towards_the_larger_class():
    rng = np.random.default_rng(7)
    y = np.repeat([0, 1], [190, 10])
    X = rng.normal(size=(200, 1)) + np.where(y == 0, -0.4, 0.4)[:, None]

    def recall_of_the_rare(weights):
        net = Sequential(Linear(1, 2, rng=0))
        optimizer = modnet.optim.SGD(0.5)
        modnet.fit(net, X, y, loss=CrossEntropy(), optimizer=optimizer, epochs=60, rng=0, sample_weight=weights)
        return (modnet.predict(net, X).argmax(1) == y)[y == 1].mean()

    assert recall_of_the_rare(modnet.balanced_weights(y)) > 0.6 > 0.4 > recall_of_the_rare(None)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (
            [[1, 0], [0, 1]],
            r"y has shape \(2, 2\), expected labels \(n,\), n at least 1; "
            r"from one-hot rows, take np.asarray\(y\).argmax\(axis=1\)$",
        ),
        ([], r"y has shape \(0,\)"),
        ([0.5, 1.0], "y holds 0.5, expected whole numbers"),
        ([0.0, np.nan], "y holds nan, expected whole numbers"),
        (["a", "b"], "y holds text"),
    ],
)
def test_balanced_weights_take_labels_only(y, message):
    with pytest.raises((ValueError, TypeError), match=message):
        modnet.balanced_weights(y)
