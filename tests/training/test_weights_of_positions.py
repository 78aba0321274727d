"""Padding: labels that are ignored, and weights for each position. Both are compared with the same sequences written out."""

import numpy as np
import pytest
from fit_cases import WatchesBatches
from helpers import message

from modnet import MSE, NLL, CrossEntropy, Embedding, Linear, LogSoftmax, Sequential, evaluate, fit, predict
from modnet.optim import SGD

RNG = np.random.default_rng(0)
WORDS = RNG.integers(0, 5, (7, 4))
TAGS = RNG.integers(0, 3, (7, 4))
REAL = np.arange(4) < RNG.integers(1, 5, 7)[:, None]  # the first words of each sequence
PADDED = np.where(REAL, TAGS, -1)


def tagger():
    return Sequential(Embedding(5, 3, rng=0), Linear(3, 3, rng=1))


def trained(path, loss, y, net=None, **options):
    net = tagger() if net is None else net
    history = fit(net, WORDS, y, loss, SGD(0.5), epochs=2, batch_size=3, rng=0, progress=False, callbacks=path, **options)
    return net.parameters.copy(), history


def by_hand(epochs=2, weights=REAL, order=None):
    """The steps of `trained` without shuffling: the sum over the real words, divided by the sequences of the batch."""
    net, losses = tagger(), []
    for _ in range(epochs):
        total = 0.0
        for at in range(0, len(WORDS), 3):
            x, t, w = WORDS[at : at + 3], TAGS[at : at + 3], weights[at : at + 3]
            scores = net.forward(x)
            p = np.exp(scores - scores.max(-1, keepdims=True))
            p /= p.sum(-1, keepdims=True)
            total -= float((w * np.log(np.take_along_axis(p, t[..., None], -1)[..., 0])).sum())
            delta = (p - np.eye(3)[t]) * w[..., None] / len(x)
            net.zero_grad()
            net.backward_update_gradient(x, delta)
            net.parameters[:] -= 0.5 * net.gradient
        losses.append(total / len(WORDS))
    return net.parameters.copy(), losses


def test_what_is_ignored_does_not_count(path):
    end, history = trained(path, CrossEntropy(ignore_index=-1), PADDED, shuffle=False)
    want, losses = by_hand()
    np.testing.assert_allclose(end, want, rtol=1e-12)
    np.testing.assert_allclose(history.loss, losses, rtol=1e-12)


def test_weights_of_positions_do_the_same(path):
    weights = REAL * np.linspace(0.5, 2.0, REAL.size).reshape(REAL.shape)
    end, history = trained(path, CrossEntropy(), TAGS, sample_weight=weights, shuffle=False)
    want, losses = by_hand(weights=weights)
    np.testing.assert_allclose(end, want, rtol=1e-12)
    np.testing.assert_allclose(history.loss, losses, rtol=1e-12)


def test_accuracy_leaves_padding_out(path):
    """With a rate of almost 0 the accuracy as it is met is that of the network, over the real words."""
    right = (predict(tagger(), WORDS).argmax(-1) == TAGS)[REAL].mean()
    assert 0 < right < 1
    half = np.where(REAL, 0.5, 0.0)
    for loss, y, options in (
        (CrossEntropy(ignore_index=-1), PADDED, {}),
        (CrossEntropy(), TAGS, {"sample_weight": half}),
        (CrossEntropy(ignore_index=-1), PADDED, {"sample_weight": half}),
        (CrossEntropy(ignore_index=-1), PADDED, {"sample_weight": np.ones(len(WORDS))}),
    ):
        net = tagger()
        weights = options.get("sample_weight")
        validation = (WORDS, y) if weights is None else (WORDS, y, weights)
        history = fit(net, WORDS, y, loss, SGD(1e-12), epochs=1, batch_size=3, progress=False, callbacks=path,
                      validation=validation, **options)  # fmt: skip
        assert history.metrics["accuracy"] == [pytest.approx(right, abs=1e-9)]
        assert history.metrics["validation_accuracy"] == [pytest.approx(right, abs=1e-9)]
        figures = evaluate(tagger(), WORDS, y, loss=loss, metrics=["accuracy"], sample_weight=weights)
        assert figures == {"loss": pytest.approx(history.validation_loss[0]), "accuracy": pytest.approx(right)}


def test_a_validation_set_has_weights_of_its_own(path):
    weights = np.linspace(0, 3, len(WORDS))
    _, history = trained(path, CrossEntropy(), TAGS, validation=(WORDS, TAGS, weights))
    net = tagger()
    trained(path, CrossEntropy(), TAGS, net)
    assert history.validation_loss[-1] == pytest.approx(
        float(np.mean(weights * CrossEntropy().forward(TAGS, predict(net, WORDS)))), rel=1e-12
    )


def test_ignored_labels_may_be_all_of_an_example():
    loss, scores = CrossEntropy(ignore_index=2), np.random.default_rng(1).normal(size=(3, 4))
    y = np.array([2, 0, 2])
    np.testing.assert_array_equal(loss.forward(y, scores)[[0, 2]], 0)
    assert loss.forward(y, scores)[1] == CrossEntropy().forward([0], scores[1:2])[0]
    np.testing.assert_array_equal(loss.backward(y, scores)[[0, 2]], 0)


def test_every_weight_has_a_position():
    X, y = WORDS, TAGS
    text = message(ValueError, fit, tagger(), X, y, CrossEntropy(), SGD(0.1), sample_weight=np.ones((7, 3)))
    assert text == "fit: sample_weight has shape (7, 3), expected (7,) or one for each position, (7, 4)"
    text = message(ValueError, fit, Linear(2, 3), np.ones((4, 2)), [0, 1, 2, 0], CrossEntropy(), SGD(0.1),
                   sample_weight=np.ones((4, 3)))  # fmt: skip
    assert text == "fit: sample_weight has shape (4, 3), expected (4,)"
    # A weight of each number that is predicted is a position, too.
    net = Linear(2, 3, rng=0)
    fit(net, np.ones((4, 2)), np.zeros((4, 3)), MSE(), SGD(0.1), sample_weight=np.array([[1, 0, 0]] * 4), epochs=3,
        progress=False)  # fmt: skip
    fresh = Linear(2, 3, rng=0)
    np.testing.assert_array_equal(net.weight[:, 1:], fresh.weight[:, 1:])
    assert (net.weight[:, 0] != fresh.weight[:, 0]).all()


@pytest.mark.parametrize("wrong", [1.5, "x", True])
def test_an_ignored_label_is_a_whole_number(wrong):
    assert message(TypeError, NLL, wrong) == f"NLL: ignore_index is {wrong!r}, expected a whole number or None"
    assert repr(NLL(-100)) == "NLL(ignore_index=-100)"


def test_log_probabilities_are_ignored_alike():
    net = Sequential(Embedding(5, 3, rng=0), Linear(3, 3, rng=1), LogSoftmax())
    end, _ = trained([WatchesBatches()], NLL(ignore_index=-1), PADDED, net, shuffle=False)
    np.testing.assert_allclose(end, by_hand()[0], rtol=1e-12)
