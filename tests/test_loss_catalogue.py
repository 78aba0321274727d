"""MAE, Huber, KLDivergence and MultiMargin; label smoothing and soft targets; weights that balance classes."""

import numpy as np
import pytest
from scipy.special import rel_entr
from sklearn.metrics import hinge_loss

import modnet
from modnet import MAE, MSE, CrossEntropy, Huber, KLDivergence, Linear, MultiMargin, Sequential

CATALOGUE = [MAE, Huber, KLDivergence, MultiMargin]
CASES = [pytest.param(*case, id=f"{case[0]}-{i}") for kind in CATALOGUE for i, case in enumerate(kind.examples())]


def central_differences(loss, y, yhat, h=1e-6):
    found = np.empty_like(yhat)
    for place in np.ndindex(yhat.shape):
        up, down = yhat.copy(), yhat.copy()
        up[place] += h
        down[place] -= h
        found[place] = (loss.forward(y, up)[place[0]] - loss.forward(y, down)[place[0]]) / (2 * h)
    return found


def naive_cost(loss, y, yhat):
    """Example by example and number by number, in plain Python."""
    costs = []
    for i in range(len(yhat)):
        truth, guess = np.ravel(y[i]), np.ravel(yhat[i])
        if isinstance(loss, MAE):
            costs.append(sum(abs(a - b) for a, b in zip(guess, truth)))
        elif isinstance(loss, Huber):
            errors = [abs(a - b) for a, b in zip(guess, truth)]
            costs.append(sum(e * e / 2 if e <= loss.delta else loss.delta * (e - loss.delta / 2) for e in errors))
        elif isinstance(loss, KLDivergence):
            costs.append(sum(rel_entr(t, p) for t, p in zip(truth, guess)))
        else:
            rows = yhat[i].reshape(-1, yhat.shape[-1])
            labels = np.ravel(y[i]) if np.ndim(y) < yhat.ndim else np.reshape(y[i], rows.shape).argmax(1)
            costs.append(
                sum(max(0, s[j] - s[c] + loss.margin) for s, c in zip(rows, labels) for j in range(len(s)) if j != c)
            )
    return np.array(costs)


@pytest.mark.parametrize(("loss", "y", "yhat"), CASES)
def test_the_cost_is_that_of_a_plain_loop(loss, y, yhat):
    np.testing.assert_allclose(loss.forward(y, yhat), naive_cost(loss, y, yhat), rtol=1e-13, atol=1e-15)
    assert loss(y, yhat) == pytest.approx(naive_cost(loss, y, yhat).mean(), rel=1e-13)


@pytest.mark.parametrize(("loss", "y", "yhat"), CASES)
def test_the_slope_is_the_derivative_of_the_cost(loss, y, yhat):
    slope = loss.backward(y, yhat)
    assert slope.shape == yhat.shape
    np.testing.assert_allclose(slope, central_differences(loss, y, yhat), rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize(("loss", "y", "yhat"), CASES)
def test_float32_predictions_give_float32_costs_and_slopes(loss, y, yhat):
    single = yhat.astype(np.float32)
    assert loss.forward(y, single).dtype == loss.backward(y, single).dtype == np.float32
    np.testing.assert_allclose(loss.forward(y, single), loss.forward(y, yhat), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(loss.backward(y, single), loss.backward(y, yhat), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("loss", [MAE(), Huber(), KLDivergence()])
def test_a_nan_in_the_prediction_comes_out(loss):
    y, yhat = np.array([[0.5, 0.5], [0.5, 0.5]]), np.array([[0.5, np.nan], [0.3, 0.7]])
    assert np.isnan(loss.forward(y, yhat)).tolist() == [True, False]
    assert np.isnan(loss.backward(y, yhat)).tolist() == [[False, True], [False, False]]


def test_a_nan_score_makes_the_margin_cost_nan():
    assert np.isnan(MultiMargin().forward([0, 0], [[1.0, np.nan, 0.0], [1.0, 0.0, 0.0]])).tolist() == [True, False]


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


def test_the_margin_cost_is_the_lectures():
    scores = np.array([[3.0, 1.0, 2.5]])
    assert MultiMargin(0.0).forward([0], scores).tolist() == [0.0]
    assert MultiMargin(1.0).forward([0], scores).tolist() == [0.5]
    assert MultiMargin(2.0).forward([0], scores).tolist() == [1.5]
    assert MultiMargin(1.0).forward([1], scores).tolist() == [(3 - 1 + 1) + (2.5 - 1 + 1)]
    assert MultiMargin(1.0).backward([1], scores).tolist() == [[1.0, -2.0, 1.0]]


def test_the_margin_cost_of_two_classes_is_the_hinge():
    rng = np.random.default_rng(3)
    score, y = rng.normal(size=20), rng.integers(0, 2, 20)
    two = np.stack([np.zeros(20), score], 1)
    assert MultiMargin(1.0)(y, two) == pytest.approx(hinge_loss(y, score), rel=1e-14)


def test_margin_zero_rests_on_the_border_where_one_does_not():
    tie = np.zeros((1, 3))
    assert MultiMargin(0.0).backward([0], tie).tolist() == [[0.0, 0.0, 0.0]]
    assert MultiMargin(1.0).backward([0], tie).tolist() == [[-2.0, 1.0, 1.0]]


def test_one_hot_rows_are_labels_to_the_margin_cost_and_mixed_rows_are_refused():
    rng = np.random.default_rng(4)
    scores, y = rng.normal(size=(6, 3)), rng.integers(0, 3, 6)
    loss = MultiMargin()
    assert np.array_equal(loss.forward(np.eye(3)[y], scores), loss.forward(y, scores))
    assert np.array_equal(loss.backward(np.eye(3)[y], scores), loss.backward(y, scores))
    with pytest.raises(ValueError, match=r"y has the row \[0.5 0.5 0. \], expected labels, or rows with a single 1"):
        loss.forward([[0.5, 0.5, 0.0]], scores[:1])


def test_the_margin_cost_counts_its_hits():
    scores = np.array([[3.0, 1.0, 2.5], [0.0, 1.0, 2.5]])
    assert MultiMargin().hits([0, 1], scores).tolist() == [1.0, 0.0]
    both = MultiMargin().hits([[0, 1]], scores[None])
    assert both.tolist() == [0.5]


@pytest.mark.parametrize("loss", [MAE(), Huber(), KLDivergence()])
def test_a_cost_of_distances_counts_no_hits(loss):
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
        ([[1, 0], [0, 1]], r"y has shape \(2, 2\), expected labels \(n,\), n at least 1; .*argmax"),
        ([], r"y has shape \(0,\)"),
        ([0.5, 1.0], "y holds 0.5, expected whole numbers"),
        ([0.0, np.nan], "y holds nan, expected whole numbers"),
        (["a", "b"], "y holds text"),
    ],
)
def test_balanced_weights_take_labels_only(y, message):
    with pytest.raises((ValueError, TypeError), match=message):
        modnet.balanced_weights(y)
