"""Every loss of the library, found by discovery, on its own examples."""

import copy
import pickle

import numpy as np
import pytest
from helpers import NotSmooth, along, directions, layouts, on_smooth_input, placements

import modnet
from modnet import Perceptron, Poisson
from modnet.discovery import all_losses
from modnet.kernels.compiled import enter_loss, enter_loss_backward
from modnet.loss import ClassLoss, Loss

LOSSES = all_losses()
CASES = [pytest.param(kind, i, id=f"{kind.__name__}-{i}") for kind in LOSSES for i in range(len(kind.examples()))]

every_example = pytest.mark.parametrize(("kind", "index"), CASES)
every_loss = pytest.mark.parametrize("kind", LOSSES, ids=lambda kind: kind.__name__)


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
    assert not {Loss, ClassLoss} & set(LOSSES)


@every_loss
def test_the_examples_have_one_several_and_many_axes(kind):
    axes = {yhat.ndim for _, _, yhat in kind.examples()}
    assert {2, 3} <= axes
    assert 1 in axes or issubclass(kind, ClassLoss)
    assert 1 in {len(yhat) for _, _, yhat in kind.examples()}


# Derivatives


@every_example
def test_backward_is_the_derivative_of_each_examples_loss(kind, index):
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
def test_forward_is_a_loss_for_each_example_and_the_call_their_mean(kind, index):
    loss, y, yhat = case(kind, index)
    losses = loss.forward(y, yhat)
    assert losses.shape == (len(yhat),)
    assert type(loss(y, yhat)) is float
    assert loss(y, yhat) == pytest.approx(losses.mean(), rel=1e-14)


@every_example
def test_an_examples_loss_and_derivative_depend_on_it_alone(kind, index):
    loss, y, yhat = case(kind, index)
    losses, slope = loss.forward(y, yhat), loss.backward(y, yhat)
    for i in range(len(yhat)):
        np.testing.assert_allclose(loss.forward(y[i : i + 1], yhat[i : i + 1]), losses[i : i + 1], rtol=1e-13, atol=1e-15)
        np.testing.assert_allclose(loss.backward(y[i : i + 1], yhat[i : i + 1]), slope[i : i + 1], rtol=1e-13, atol=1e-15)
    order = np.arange(len(yhat))[::-1]
    np.testing.assert_allclose(loss.forward(y[order], yhat[order]), losses[order], rtol=1e-13, atol=1e-15)


@every_example
def test_losses_add_up_over_the_axes_of_an_example(kind, index):
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
def test_losses_and_derivatives_stay_finite_at_the_largest_predictions(kind, index, dtype):
    loss, y, yhat = case(kind, index)
    rng = np.random.default_rng(index)
    if takes_probabilities(kind):
        ends = (0.0, 1.0)
    else:
        ends = (-1e4, 80.0 if kind is Poisson else 1e4)  # Poisson is exp of the prediction
    for prediction in (rng.choice(ends, yhat.shape), np.full(yhat.shape, ends[0]), np.full(yhat.shape, ends[1])):
        for array in answers(loss, y, prediction.astype(dtype)):
            assert np.isfinite(array).all()


@every_example
def test_a_nan_comes_out_of_its_own_example_and_of_no_other(kind, index):
    loss, y, yhat = case(kind, index)
    clean = loss.forward(y, yhat)
    # An entry that the loss depends on: what NLL gives to a wrong class does not count.
    at = int(np.argmax(np.abs(loss.backward(y, yhat)[0])))
    yhat[:1].flat[at] = np.nan
    losses = loss.forward(y, yhat)
    assert np.isnan(losses[0])
    np.testing.assert_allclose(losses[1:], clean[1:], rtol=1e-13)


@pytest.mark.needs_jit
@every_example
def test_results_do_not_depend_on_where_arrays_lie(kind, index):
    loss, y, yhat = case(kind, index)
    target, z = loss.targets(y, yhat.shape, yhat.dtype)
    prediction, settings = yhat.reshape(len(yhat), -1), loss.setting_words().ctypes.data
    forward, backward = kind.forward.address(kind, yhat.dtype), kind.backward.address(kind, yhat.dtype)
    found = set()
    # A loop on arrays so near each other that they might overlap is not vectorised, and may then add up in another order.
    for near_y, near, delta, losses in placements([target, prediction, prediction, np.zeros(len(y))]):
        enter_loss(forward, near_y, near, losses, z.address, settings)
        enter_loss_backward(backward, near_y, near, delta, z.address, settings)
        found.add((losses.tobytes(), delta.tobytes()))
    np.testing.assert_array_equal(losses, loss.forward(y, yhat))
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
