"""Every loss of the library, found by discovery, on its own examples; then what each of them costs, by hand."""

import copy
import math
import pickle

import numpy as np
import pytest
from helpers import NotSmooth, along, directions, layouts, message, on_smooth_input, placements

import modnet
from modnet import BCE, MSE, NLL, BCEWithLogits, CrossEntropy, Hinge, Perceptron
from modnet.discovery import all_losses
from modnet.loss import ClassLoss, KernelLoss, Loss

LOSSES = all_losses()
CASES = [pytest.param(kind, i, id=f"{kind.__name__}-{i}") for kind in LOSSES for i in range(len(kind.examples()))]
CLASSES = [kind for kind in LOSSES if issubclass(kind, ClassLoss)]
SUMS = [kind for kind in LOSSES if not issubclass(kind, ClassLoss)]

every_example = pytest.mark.parametrize(("kind", "index"), CASES)
every_loss = pytest.mark.parametrize("kind", LOSSES, ids=lambda kind: kind.__name__)
every_class_loss = pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)


def case(kind, index):
    loss, y, yhat = kind.examples()[index]
    return loss, np.array(y), np.array(yhat)


def answers(loss, y, yhat):
    hits = loss.hits(y, yhat)
    return [loss.forward(y, yhat), loss.backward(y, yhat)] + [hits] * (hits is not None)


def assert_same(got, want):
    for g, w in zip(got, want, strict=True):
        assert g.dtype == w.dtype
        np.testing.assert_array_equal(g, w)


def takes_probabilities(kind):
    """Whether predictions are probabilities, as far as the examples show."""
    predictions = [yhat for _, _, yhat in kind.examples()]
    return all(yhat.min() > 0 and yhat.max() < 1 for yhat in predictions)


# Discovery


def test_discovery_finds_the_losses_that_the_package_names():
    assert [kind.__name__ for kind in LOSSES] == sorted(modnet.losses.__all__, key=str)
    for kind in LOSSES:
        assert getattr(modnet, kind.__name__) is getattr(modnet.losses, kind.__name__) is kind
    assert not {Loss, KernelLoss, ClassLoss} & set(LOSSES)


@every_loss
def test_the_examples_have_one_several_and_many_axes(kind):
    axes = {yhat.ndim for _, _, yhat in kind.examples()}
    assert {2, 3} <= axes
    assert 1 in axes or issubclass(kind, ClassLoss)
    assert 1 in {len(yhat) for _, _, yhat in kind.examples()}


# Derivatives


@every_example
def test_backward_is_the_derivative_of_each_examples_cost(kind, index):
    loss, y, yhat = case(kind, index)

    def check(rng):
        prediction = yhat + 1e-3 * rng.normal(size=yhat.shape)  # another one where this is at a kink
        slope = loss.backward(y, prediction)
        assert slope.shape == prediction.shape
        size = np.abs(loss.forward(y, prediction)).max() + 1
        for direction in directions(prediction.shape, rng):
            want = along(lambda: loss.forward(y, prediction), prediction, direction)
            got = (slope * direction).reshape(len(y), -1).sum(axis=1)
            np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-11 * size)

    on_smooth_input(check)


def test_the_check_above_refuses_a_kink():
    score = np.full((1, 1), 1e-4)  # the kink is at 0; a difference centred on it would not see it
    with pytest.raises(NotSmooth):
        along(lambda: Perceptron().forward([[1]], score), score, np.ones((1, 1)))


@every_example
def test_forward_is_a_cost_for_each_example_and_the_call_their_mean(kind, index):
    loss, y, yhat = case(kind, index)
    costs = loss.forward(y, yhat)
    assert costs.shape == (len(yhat),)
    assert type(loss(y, yhat)) is float
    assert loss(y, yhat) == pytest.approx(costs.mean(), rel=1e-14)


@every_example
def test_an_examples_cost_and_derivative_depend_on_it_alone(kind, index):
    loss, y, yhat = case(kind, index)
    costs, slope = loss.forward(y, yhat), loss.backward(y, yhat)
    for i in range(len(yhat)):
        np.testing.assert_allclose(loss.forward(y[i : i + 1], yhat[i : i + 1]), costs[i : i + 1], rtol=1e-13, atol=1e-15)
        np.testing.assert_allclose(loss.backward(y[i : i + 1], yhat[i : i + 1]), slope[i : i + 1], rtol=1e-13, atol=1e-15)
    order = np.arange(len(yhat))[::-1]
    np.testing.assert_allclose(loss.forward(y[order], yhat[order]), costs[order], rtol=1e-13, atol=1e-15)


@every_example
def test_costs_add_up_over_the_axes_of_an_example(kind, index):
    loss, y, yhat = case(kind, index)
    if yhat.ndim < 3:
        yhat = np.stack([yhat, yhat], axis=1)
        y = np.stack([y, y], axis=1)
    parts = [(y[:, p], yhat[:, p]) for p in range(yhat.shape[1])]
    np.testing.assert_allclose(loss.forward(y, yhat), sum(loss.forward(*part) for part in parts), rtol=1e-12, atol=1e-14)
    whole = loss.backward(y, yhat)
    for p, part in enumerate(parts):
        np.testing.assert_allclose(whole[:, p], loss.backward(*part), rtol=1e-12, atol=1e-14)


# What comes in


@every_example
def test_y_and_yhat_are_never_written_to(kind, index):
    loss, y, yhat = case(kind, index)
    want = answers(loss, y.copy(), yhat.copy())
    y_before, yhat_before = y.copy(), yhat.copy()
    y.flags.writeable = yhat.flags.writeable = False
    got = answers(loss, y, yhat)
    assert_same(got, want)
    np.testing.assert_array_equal(y, y_before)
    np.testing.assert_array_equal(yhat, yhat_before)
    assert not any(np.shares_memory(array, given) for array in got for given in (y, yhat))


@every_example
def test_every_layout_of_the_same_numbers_gives_the_same(kind, index):
    loss, y, yhat = case(kind, index)
    want = answers(loss, y, yhat)
    targets = layouts(y)
    for name, given in layouts(yhat).items():
        assert_same(answers(loss, targets[name], given), want)


@every_loss
def test_every_kind_of_integer_gives_what_the_same_floats_give(kind):
    for index in range(len(kind.examples())):
        loss, y, yhat = case(kind, index)
        whole = np.rint(yhat) if takes_probabilities(kind) else np.rint(3 * yhat)
        want = answers(loss, y, whole)
        assert_same(answers(loss, y, whole.astype(np.int64)), want)
        if (y == np.rint(y)).all():
            signed = (np.int8, np.int32, ">i8", np.float16) if y.dtype.kind == "f" else (np.int8, np.int32, ">i8")
            for dtype in signed if y.min() < 0 else (*signed, np.uint8, np.uint64):
                assert_same(answers(loss, y.astype(dtype), whole), want)


@every_example
def test_float32_stays_float32_and_is_near_float64(kind, index):
    loss, y, yhat = case(kind, index)
    single = yhat.astype(np.float32)
    target = y.astype(np.float32) if y.dtype.kind == "f" else y
    got, want = answers(loss, target, single), answers(loss, y, yhat)
    assert {array.dtype for array in got} == {np.dtype(np.float32)}
    assert {array.dtype for array in want} == {np.dtype(np.float64)}
    for g, w in zip(got, want, strict=True):
        np.testing.assert_allclose(g, w, rtol=2e-5, atol=2e-6)
    assert_same(answers(loss, y, single), got)  # it is yhat's type that counts


@every_example
@pytest.mark.parametrize("dtype", [np.float64, np.float32], ids=["float64", "float32"])
def test_costs_and_derivatives_stay_finite_at_the_largest_predictions(kind, index, dtype):
    loss, y, yhat = case(kind, index)
    rng = np.random.default_rng(index)
    if takes_probabilities(kind):
        ends = (0.0, 1.0)
    else:
        ends = (-1e4, 1e4)
    for prediction in (rng.choice(ends, yhat.shape), np.full(yhat.shape, ends[0]), np.full(yhat.shape, ends[1])):
        for array in answers(loss, y, prediction.astype(dtype)):
            assert np.isfinite(array).all()


@every_example
def test_a_nan_comes_out_of_its_own_example_and_of_no_other(kind, index):
    loss, y, yhat = case(kind, index)
    clean = loss.forward(y, yhat)
    # Where the cost depends on the prediction: what NLL gives to a wrong class does not count.
    at = int(np.argmax(np.abs(loss.backward(y, yhat)[0])))
    yhat[:1].flat[at] = np.nan
    costs = loss.forward(y, yhat)
    assert np.isnan(costs[0])
    np.testing.assert_allclose(costs[1:], clean[1:], rtol=1e-13)


@pytest.mark.needs_jit
@every_example
def test_results_do_not_depend_on_where_arrays_lie(kind, index):
    loss, y, yhat = case(kind, index)
    prediction, target, sizes = loss._take(y, yhat)
    found = set()
    # A loop on arrays so near each other that they might overlap is not vectorised, and may then add up in another order.
    for near_y, near, slope, cost in placements([target, prediction, prediction, np.zeros(len(y))]):
        loss.cost_kernel.call(near_y, near, cost, sizes, loss._hyper)
        loss.slope_kernel.call(near_y, near, slope, sizes, loss._hyper)
        found.add((cost.tobytes(), slope.tobytes()))
    assert len(found) == 1


# As an object


@every_example
def test_repr_copies_and_pickling(kind, index):
    loss, y, yhat = case(kind, index)
    assert repr(loss).startswith(kind.__name__ + "(")
    assert repr(loss).endswith(")")
    assert "\n" not in repr(loss)
    for twin in (copy.deepcopy(loss), pickle.loads(pickle.dumps(loss))):
        assert type(twin) is kind
        assert repr(twin) == repr(loss)
        assert_same(answers(twin, y, yhat), answers(loss, y, yhat))


# Labels


@every_class_loss
def test_labels_and_their_one_hot_rows_cost_the_same(kind):
    rng = np.random.default_rng(0)
    for shape in ((6, 4), (3, 2, 5), (1, 2)):
        yhat = rng.normal(size=shape)
        labels = rng.integers(0, shape[-1], shape[:-1])
        rows = np.eye(shape[-1])[labels]
        for got, want in zip(answers(kind(), labels, yhat), answers(kind(), rows, yhat), strict=True):
            np.testing.assert_allclose(got, want, rtol=1e-13, atol=1e-15)


@every_class_loss
def test_labels_must_be_integers_from_zero_to_the_number_of_classes(kind):
    name, yhat = repr(kind()), np.zeros((3, 2))
    assert message(ValueError, kind().forward, [0, 1, 2], yhat) == (
        f"{name}: y holds the label 2, expected 0 to 1, one for each of the 2 columns of yhat"
    )
    assert message(ValueError, kind().backward, [0, 1, -1], yhat) == (
        f"{name}: y holds the label -1, expected 0 to 1, one for each of the 2 columns of yhat"
    )
    assert message(TypeError, kind().forward, [0.0, 1.0, 1.0], yhat) == (
        f"{name}: y holds float64 labels, expected integers 0 to 1; convert whole numbers with y.astype(int)"
    )
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
        f"{name}: y has shape (2, 1) and yhat (2, 3), expected labels (2,) or rows (2, 3); flatten y with y[..., 0]"
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
            f"reshape y with y.reshape({advice})"
        )
    assert message(ValueError, loss.backward, y, yhat[: n - 1]) == (
        f"{loss!r}: y has shape ({n},) and yhat ({n - 1},), expected the same"
    )


@pytest.mark.parametrize("kind", [BCE, BCEWithLogits], ids=lambda kind: kind.__name__)
def test_binary_targets_lie_between_zero_and_one(kind):
    name, yhat = repr(kind()), [0.5, 0.5]
    assert message(ValueError, kind().forward, [-1, 1], yhat) == f"{name}: y holds -1, expected labels 0 and 1, or between"
    assert message(ValueError, kind().backward, [0, 1.5], yhat) == f"{name}: y holds 1.5, expected labels 0 and 1, or between"
    assert kind().forward([0.25, 1], yhat).shape == (2,)


@pytest.mark.parametrize("kind", [Hinge, Perceptron], ids=lambda kind: kind.__name__)
def test_sides_are_minus_one_and_one(kind):
    name, yhat = repr(kind()), [0.5, 0.5]
    assert message(ValueError, kind().forward, [0, 1], yhat) == (
        f"{name}: y holds 0, expected labels -1 and 1; from 0 and 1, take 2 * y - 1"
    )
    assert message(ValueError, kind().forward, [2, 1], yhat) == f"{name}: y holds 2, expected labels -1 and 1"


# Costs by hand


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
