"""What each loss gives, worked out by hand, by a plain loop, or from another definition."""

import math

import numpy as np
import pytest
from scipy.special import rel_entr
from sklearn.metrics import hinge_loss

from modnet import (
    BCE,
    MAE,
    MSE,
    NLL,
    BCEWithLogits,
    CrossEntropy,
    Hinge,
    Huber,
    KLDivergence,
    LogSoftmax,
    MultiMargin,
    Perceptron,
    Poisson,
)
from modnet.discovery import all_losses
from modnet.loss import ClassLoss

WRITTEN_OUT = [MAE, Huber, KLDivergence, MultiMargin]
CASES = [pytest.param(*case, id=f"{case[0]}-{i}") for kind in WRITTEN_OUT for i, case in enumerate(kind.examples())]
CLASSES = [kind for kind in all_losses() if issubclass(kind, ClassLoss)]


def written_out(loss, y, yhat):
    """Example by example and number by number, in plain Python."""
    losses = []
    for i in range(len(yhat)):
        truth, guess = np.ravel(y[i]), np.ravel(yhat[i])
        if isinstance(loss, MAE):
            losses.append(sum(abs(a - b) for a, b in zip(guess, truth)))
        elif isinstance(loss, Huber):
            errors = [abs(a - b) for a, b in zip(guess, truth)]
            losses.append(sum(e * e / 2 if e <= loss.delta else loss.delta * (e - loss.delta / 2) for e in errors))
        elif isinstance(loss, KLDivergence):
            losses.append(sum(rel_entr(t, p) for t, p in zip(truth, guess)))
        else:
            rows = yhat[i].reshape(-1, yhat.shape[-1])
            labels = np.ravel(y[i]) if np.ndim(y) < yhat.ndim else np.reshape(y[i], rows.shape).argmax(1)
            losses.append(sum(max(0, s[j] - s[c] + loss.margin) for s, c in zip(rows, labels) for j in range(len(s)) if j != c))
    return np.array(losses)


@pytest.mark.parametrize(("loss", "y", "yhat"), CASES)
def test_the_loss_is_that_of_a_plain_loop(loss, y, yhat):
    np.testing.assert_allclose(loss.forward(y, yhat), written_out(loss, y, yhat), rtol=1e-13, atol=1e-15)
    assert loss(y, yhat) == pytest.approx(written_out(loss, y, yhat).mean(), rel=1e-13)


@pytest.mark.parametrize("loss", [MAE(), Huber(), KLDivergence()])
def test_a_nan_in_the_prediction_comes_out(loss):
    y, yhat = np.array([[0.5, 0.5], [0.5, 0.5]]), np.array([[0.5, np.nan], [0.3, 0.7]])
    assert np.isnan(loss.forward(y, yhat)).tolist() == [True, False]
    assert np.isnan(loss.backward(y, yhat)).tolist() == [[False, True], [False, False]]


def test_squared_error_is_summed_over_the_features():
    y, yhat = [[1.0, 2.0, 3.0], [0.0, 0.0, 0.0]], [[2.0, 0.0, 3.5], [0.0, 1.0, 0.0]]
    np.testing.assert_array_equal(MSE().forward(y, yhat), [1 + 4 + 0.25, 1])
    np.testing.assert_array_equal(MSE().backward(y, yhat), [[2, -4, 1], [0, 2, 0]])
    assert MSE()(y, yhat) == 3.125


def test_categorical_cross_entropy_of_the_lecture():
    probabilities = np.array([[0.1, 0.2, 0.7]])
    for y in ([2], [[0, 0, 1]]):
        assert NLL()(y, np.log(probabilities)) == pytest.approx(-math.log(0.7), rel=1e-15)
        assert round(NLL()(y, np.log(probabilities)), 2) == 0.36
        assert round(CrossEntropy()(y, np.log(probabilities) + 5), 2) == 0.36  # scores may be shifted
    np.testing.assert_array_equal(NLL().backward([2], np.log(probabilities)), [[0, 0, -1]])
    np.testing.assert_allclose(CrossEntropy().backward([2], np.log(probabilities)), [[0.1, 0.2, -0.3]], rtol=1e-14)


def test_cross_entropy_of_soft_and_smoothed_truth():
    z = np.array([[0.0, math.log(3)]])  # probabilities 1/4 and 3/4
    quarter, three = math.log(4), math.log(4 / 3)
    assert CrossEntropy()([[0.5, 0.5]], z) == pytest.approx((quarter + three) / 2, rel=1e-14)
    assert CrossEntropy(label_smoothing=0.2)([1], z) == pytest.approx(0.1 * quarter + 0.9 * three, rel=1e-14)
    np.testing.assert_allclose(CrossEntropy(0.2).backward([1], z), [[0.25 - 0.1, 0.75 - 0.9]], rtol=1e-14)
    # Rows need not sum to one.
    assert CrossEntropy()([[2.0, 1.0]], z) == pytest.approx(2 * quarter + three, rel=1e-14)
    np.testing.assert_allclose(CrossEntropy().backward([[2.0, 1.0]], z), [[0.75 - 2, 2.25 - 1]], rtol=1e-14)
    assert repr(CrossEntropy(0.2)) == "CrossEntropy(label_smoothing=0.2)"


def test_cross_entropy_is_exact_at_ten_thousand():
    np.testing.assert_array_equal(CrossEntropy().forward([0, 1], [[1e4, -1e4], [1e4, -1e4]]), [0, 2e4])
    np.testing.assert_array_equal(CrossEntropy().backward([0, 1], [[1e4, -1e4], [1e4, -1e4]]), [[0, 0], [1, -1]])


def test_binary_cross_entropy_and_its_clipped_logarithm():
    y, p = np.array([1.0, 0.0, 1.0, 0.25]), np.array([0.5, 0.9, 0.0, 0.5])
    np.testing.assert_allclose(BCE().forward(y, p), [math.log(2), -math.log(0.1), 100, math.log(2)], rtol=1e-14)
    np.testing.assert_allclose(BCE().backward(y, p), [-2, 10, -1e12, 1], rtol=1e-14)
    np.testing.assert_array_equal(BCE().forward([1.0, 0.0], [1.0, 0.0]), [0, 0])
    np.testing.assert_array_equal(BCE().backward([1.0, 0.0], [1.0, 0.0]), [0, 0])


def test_binary_cross_entropy_of_scores():
    y, z = np.array([1.0, 0.0, 1.0, 0.0]), np.array([0.0, math.log(3), -1e4, -1e4])
    np.testing.assert_allclose(BCEWithLogits().forward(y, z), [math.log(2), math.log(4), 1e4, 0], rtol=1e-14)
    np.testing.assert_allclose(BCEWithLogits().backward(y, z), [-0.5, 0.75, -1, 0], rtol=1e-14)
    z = np.linspace(-20, 20, 41)
    soft = np.full(41, 0.3)
    p = 1 / (1 + np.exp(-z))
    np.testing.assert_allclose(BCEWithLogits().forward(soft, z), BCE().forward(soft, p), rtol=1e-7)


def test_the_perceptron_pays_on_the_wrong_side_and_moves_at_zero():
    y, s = [1, 1, -1, -1, 1, -1], [2.0, -3.0, 0.5, -1.0, 0.0, 0.0]
    np.testing.assert_array_equal(Perceptron().forward(y, s), [0, 3, 0.5, 0, 0, 0])
    np.testing.assert_array_equal(Perceptron().backward(y, s), [0, -1, 1, 0, -1, 1])


def test_the_hinge_pays_below_one():
    y, s = [1, 1, -1, -1, 1], [2.0, 0.25, 0.5, -3.0, 1.0]
    np.testing.assert_array_equal(Hinge().forward(y, s), [0, 0.75, 1.5, 0, 0])
    np.testing.assert_array_equal(Hinge().backward(y, s), [0, -1, 1, 0, 0])


def test_hits_count_what_is_predicted_right():
    np.testing.assert_array_equal(CrossEntropy().hits([0, 1, 1], [[2, 1], [2, 1], [0, 1]]), [1, 0, 1])
    np.testing.assert_array_equal(NLL().hits([[1.0, 0.0], [0.2, 0.8]], [[2, 1], [2, 1]]), [1, 0])
    np.testing.assert_array_equal(CrossEntropy().hits([[0, 1]], [[[2, 1], [2, 1]]]), [0.5])
    np.testing.assert_array_equal(BCE().hits([1, 0, 1], [0.6, 0.6, 0.5]), [1, 0, 0])
    np.testing.assert_array_equal(BCEWithLogits().hits([[1, 0], [1, 1]], [[0.1, -0.1], [0.1, -0.1]]), [1, 0])
    np.testing.assert_array_equal(Hinge().hits([1, -1, 1], [0.1, -0.1, 0.0]), [1, 1, 0])
    np.testing.assert_array_equal(Perceptron().hits([1, -1, 1], [0.1, 0.1, -3]), [1, 0, 0])
    assert MSE().hits([1.0], [1.0]) is None


def test_absolute_error_has_slope_zero_where_it_is_zero():
    assert MAE().backward([1.0, 1.0, 1.0], [1.0, 1.5, 0.5]).tolist() == [0.0, 1.0, -1.0]


def test_huber_is_half_of_the_square_for_a_large_delta_and_the_absolute_error_for_a_small_one():
    rng = np.random.default_rng(1)
    y, yhat = rng.normal(size=(6, 3)), rng.normal(size=(6, 3))
    np.testing.assert_allclose(Huber(1e3).forward(y, yhat), MSE().forward(y, yhat) / 2, rtol=1e-14)
    np.testing.assert_allclose(Huber(1e-9).forward(y, yhat) / 1e-9, MAE().forward(y, yhat), rtol=1e-7)


def test_huber_and_its_slope_are_continuous_where_the_pieces_meet():
    loss, around = Huber(0.7), np.array([0.7 - 1e-9, 0.7, 0.7 + 1e-9])
    np.testing.assert_allclose(loss.forward(np.zeros(3), around), 0.245, rtol=1e-8)
    np.testing.assert_allclose(loss.backward(np.zeros(3), -around), -0.7, rtol=1e-8)


def test_divergence_is_zero_between_equals_and_takes_zero_log_zero_as_zero():
    p = np.array([[0.25, 0.75, 0.0]])
    assert KLDivergence().forward(p, p).tolist() == [0.0]
    assert KLDivergence().backward(p, p).tolist() == [[-1.0, -1.0, 0.0]]


def test_divergence_of_the_impossible_is_bounded():
    assert KLDivergence().forward([[1.0, 0.0]], [[0.0, 1.0]]).tolist() == [100.0]
    assert KLDivergence().backward([[1.0, 0.0]], [[0.0, 1.0]]).tolist() == [[-1e12, 0.0]]


def test_divergence_is_cross_entropy_less_the_entropy_of_the_truth():
    rng = np.random.default_rng(2)
    truth, scores = rng.dirichlet(np.ones(4), 5), rng.normal(size=(5, 4))
    p = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    entropy = -(truth * np.log(truth)).sum(1)
    np.testing.assert_allclose(
        KLDivergence().forward(truth, p), CrossEntropy().forward(truth, scores) - entropy, rtol=1e-12, atol=1e-14
    )


def test_divergence_refuses_what_is_no_probability():
    with pytest.raises(ValueError, match=r"^KLDivergence\(\): y holds 1.5, expected probabilities from 0 to 1$"):
        KLDivergence().forward([[1.5, 0.0]], [[0.5, 0.5]])


def test_the_margin_loss_is_the_lectures():
    scores = np.array([[3.0, 1.0, 2.5]])
    assert MultiMargin(0.0).forward([0], scores).tolist() == [0.0]
    assert MultiMargin(1.0).forward([0], scores).tolist() == [0.5]
    assert MultiMargin(2.0).forward([0], scores).tolist() == [1.5]
    assert MultiMargin(1.0).forward([1], scores).tolist() == [(3 - 1 + 1) + (2.5 - 1 + 1)]
    assert MultiMargin(1.0).backward([1], scores).tolist() == [[1.0, -2.0, 1.0]]


def test_the_margin_loss_of_two_classes_is_the_hinge():
    rng = np.random.default_rng(3)
    score, y = rng.normal(size=20), rng.integers(0, 2, 20)
    two = np.stack([np.zeros(20), score], 1)
    assert MultiMargin(1.0)(y, two) == pytest.approx(hinge_loss(y, score), rel=1e-14)


def test_margin_zero_rests_on_the_border_and_margin_one_does_not():
    tie = np.zeros((1, 3))
    assert MultiMargin(0.0).backward([0], tie).tolist() == [[0.0, 0.0, 0.0]]
    assert MultiMargin(1.0).backward([0], tie).tolist() == [[-2.0, 1.0, 1.0]]


def test_one_hot_rows_are_labels_to_the_margin_loss_and_mixed_rows_are_refused():
    rng = np.random.default_rng(4)
    scores, y = rng.normal(size=(6, 3)), rng.integers(0, 3, 6)
    loss = MultiMargin()
    assert np.array_equal(loss.forward(np.eye(3)[y], scores), loss.forward(y, scores))
    assert np.array_equal(loss.backward(np.eye(3)[y], scores), loss.backward(y, scores))
    with pytest.raises(ValueError, match=r"y has the row \[0.5 0.5 0. \], expected labels, or rows with a single 1"):
        loss.forward([[0.5, 0.5, 0.0]], scores[:1])


def test_the_margin_loss_counts_its_hits():
    scores = np.array([[3.0, 1.0, 2.5], [0.0, 1.0, 2.5]])
    assert MultiMargin().hits([0, 1], scores).tolist() == [1.0, 0.0]
    both = MultiMargin().hits([[0, 1]], scores[None])
    assert both.tolist() == [0.5]


@pytest.mark.parametrize("loss", [MAE(), Huber(), KLDivergence()])
def test_a_loss_of_distances_counts_no_hits(loss):
    assert loss.hits([[0.5]], [[0.5]]) is None


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Huber(0), "Huber: delta is 0, expected a positive number"),
        (lambda: Huber("1"), "Huber: delta is '1', expected a positive number"),
        (lambda: MultiMargin(-1), "MultiMargin: margin is -1, expected a number that is not negative"),
        (lambda: MultiMargin(np.inf), "MultiMargin: margin is inf, expected a number that is not negative"),
    ],
)
def test_settings_without_a_meaning_are_refused(make, message):
    with pytest.raises((ValueError, TypeError), match=message):
        make()


def test_losses_say_their_settings():
    assert [repr(loss) for loss in (MAE(), Huber(0.5), KLDivergence(), MultiMargin(2))] == [
        "MAE()", "Huber(delta=0.5)", "KLDivergence()", "MultiMargin(margin=2)",
    ]  # fmt: skip


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_label_smoothing_spreads_a_share_of_the_truth_over_all_classes(smoothing):
    rng = np.random.default_rng(5)
    scores, y = rng.normal(size=(7, 4)), rng.integers(0, 4, 7)
    log_p = scores - np.log(np.exp(scores).sum(1, keepdims=True))
    truth = (1 - smoothing) * np.eye(4)[y] + smoothing / 4
    loss = CrossEntropy(label_smoothing=smoothing)
    np.testing.assert_allclose(loss.forward(y, scores), -(truth * log_p).sum(1), rtol=1e-13)
    np.testing.assert_allclose(loss.backward(y, scores), np.exp(log_p) - truth, rtol=1e-12, atol=1e-14)


def test_soft_targets_of_cross_entropy_may_be_any_rows():
    rng = np.random.default_rng(6)
    scores, truth = rng.normal(size=(5, 3)), rng.dirichlet(np.ones(3), 5)
    truth[0] = [0.0, 2.0, 0.5]  # weights that do not add up to one
    log_p = scores - np.log(np.exp(scores).sum(1, keepdims=True))
    loss = CrossEntropy()
    np.testing.assert_allclose(loss.forward(truth, scores), -(truth * log_p).sum(1), rtol=1e-13)
    expected = np.exp(log_p) * truth.sum(1, keepdims=True) - truth
    np.testing.assert_allclose(loss.backward(truth, scores), expected, rtol=1e-12, atol=1e-14)


# Infinite scores: 0 log 0 is 0


@pytest.mark.parametrize("dtype", [np.float64, np.float32], ids=["float64", "float32"])
@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_a_wrong_class_with_score_minus_infinity_adds_nothing_to_labels_and_rows_alike(kind, dtype):
    scores = np.array([[-np.inf, 0.5, 2.0], [1.0, -np.inf, -np.inf]], dtype)
    if kind is NLL:
        scores = LogSoftmax().forward(scores)
    without = np.where(np.isinf(scores), -1e4, scores).astype(dtype)
    for y in (np.array([1, 0]), np.eye(3)[[1, 0]]):
        for method in ("forward", "backward", "hits"):
            found, near = (getattr(kind(), method)(y, s) for s in (scores, without))
            assert np.isfinite(found).all()
            np.testing.assert_allclose(found, near, rtol=1e-6)


def test_the_true_class_with_score_minus_infinity_has_an_infinite_loss():
    scores = [[-np.inf, 0.0], [0.0, -np.inf]]
    for y in ([0, 0], [[1.0, 0.0], [1.0, 0.0]], [[0.5, 0.5], [1.0, 0.0]]):
        assert CrossEntropy().forward(y, scores).tolist() == [np.inf, 0.0]
        assert NLL().forward(y, scores).tolist() == [np.inf, 0.0]
    np.testing.assert_array_equal(CrossEntropy().backward([[1.0, 0.0]], [[-np.inf, 0.0]]), [[-1.0, 1.0]])
    assert CrossEntropy(label_smoothing=0.1).forward([1], scores[:1]).tolist() == [np.inf]


@pytest.mark.parametrize("dtype", [np.float64, np.float32], ids=["float64", "float32"])
def test_binary_scores_may_be_infinite(dtype):
    scores = np.array([np.inf, -np.inf, np.inf, -np.inf, np.inf, -np.inf], dtype)
    y = [1, 0, 0, 1, 0.5, 0.5]
    assert BCEWithLogits().forward(y, scores).tolist() == [0, 0, np.inf, np.inf, np.inf, np.inf]
    assert BCEWithLogits().backward(y, scores).tolist() == [0, 0, 1, -1, 0.5, -0.5]
    assert BCEWithLogits().hits(y[:4], scores[:4]).tolist() == [1, 1, 0, 0]


def test_sides_with_infinite_scores():
    y, scores = [1, -1, 1], [np.inf, -np.inf, -np.inf]
    for loss in (Hinge(), Perceptron()):
        assert loss.forward(y, scores).tolist() == [0, 0, np.inf]
        assert loss.backward(y, scores).tolist() == [0, 0, -1]


def test_poisson_is_half_scikit_learns_deviance_and_is_least_at_the_logarithm():
    from sklearn.metrics import mean_poisson_deviance

    y, rate = np.array([0.0, 1.0, 4.0, 2.5]), np.array([0.3, 2.0, 3.0, 2.5])
    assert Poisson()(y, np.log(rate)) == pytest.approx(mean_poisson_deviance(y, rate) / 2, rel=1e-13)
    np.testing.assert_allclose(Poisson().backward(y, np.log(rate)), rate - y, rtol=1e-13)
    assert Poisson().forward([2.5, 0.0], [np.log(2.5), -800.0]) == pytest.approx(0.0, abs=1e-15)
    with pytest.raises(ValueError, match="Poisson\\(\\): y holds -1, expected numbers that are not negative"):
        Poisson().forward([-1.0], [0.0])
