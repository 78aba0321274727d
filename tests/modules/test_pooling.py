"""Pooling against loops over the definition, and the cases that loops written by hand get wrong.

That deltas are those of central differences, and all else that holds for any module, is in test_module_contract.
"""

import numpy as np
import pytest
from helpers import PassThrough, message

from modnet import (
    AvgPool1D,
    AvgPool2D,
    Conv1D,
    Conv2D,
    CrossEntropy,
    Flatten,
    GlobalAvgPool,
    GlobalMaxPool,
    Linear,
    MaxPool1D,
    MaxPool2D,
    ReLU,
    Sequential,
    fit,
    optim,
)
from modnet.module import ShapeError

MAXIMA = [pair for kind in (MaxPool1D, MaxPool2D, GlobalMaxPool) for pair in kind.examples()]
MEANS = [pair for kind in (AvgPool1D, AvgPool2D, GlobalAvgPool) for pair in kind.examples()]
ALL = MAXIMA + MEANS


def name(value):
    return repr(value) if hasattr(value, "forward") else None


def windows(module, x):
    """For every window, in order: its place in the output and the places in x that it sees, row by row."""
    if isinstance(module, GlobalMaxPool | GlobalAvgPool):
        yield (), list(np.ndindex(x.shape[1:-1]))
        return
    k_size, stride, padding = ((v if isinstance(v, tuple) else (v,)) for v in (module.k_size, module.stride, module.padding))
    lengths = x.shape[1:-1]
    for o in np.ndindex(*((n + 2 * p - k) // s + 1 for n, k, s, p in zip(lengths, k_size, stride, padding))):
        starts = [o_ * s - p for o_, s, p in zip(o, stride, padding)]
        places = [tuple(i + t_ for i, t_ in zip(starts, t)) for t in np.ndindex(*k_size)]
        yield o, [place for place in places if all(0 <= i < n for i, n in zip(place, lengths))]


def window_size(module, x):
    return len(list(np.ndindex(x.shape[1:-1]))) if isinstance(module, GlobalAvgPool) else np.prod(module.k_size)


def naive(module, x, delta):
    """Output and dL/dx, with a loop for everything."""
    out, dx = np.zeros(delta.shape), np.zeros(x.shape)
    largest = "Max" in type(module).__name__
    for o, places in windows(module, x):
        for e in range(len(x)):
            for c in range(x.shape[-1]):
                values = [x[(e, *place, c)] for place in places]
                if largest:
                    best = max(values)
                    out[(e, *o, c)] = best
                    dx[(e, *places[values.index(best)], c)] += delta[(e, *o, c)]
                else:
                    out[(e, *o, c)] = sum(values) / window_size(module, x)
                    for place in places:
                        dx[(e, *place, c)] += delta[(e, *o, c)] / window_size(module, x)
    return out, dx


@pytest.mark.parametrize(("module", "shape"), ALL, ids=name)
# Whole numbers from a few are full of ties.
@pytest.mark.parametrize("draw", ["normal", "ties", "zeros"])
def test_forward_and_delta_are_their_definitions(module, shape, draw):
    rng = np.random.default_rng(0)
    x = {"normal": rng.normal(size=shape), "ties": rng.integers(-1, 2, shape) * 1.0, "zeros": np.zeros(shape)}[draw]
    out = module.forward(x)
    assert out.shape == (shape[0], *module.output_shape(shape[1:]))
    delta = rng.normal(size=out.shape)
    expected, dx = naive(module, x, delta)
    np.testing.assert_allclose(out, expected, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(module.backward_delta(x, delta), dx, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(("module", "shape"), MAXIMA, ids=name)
class TestEveryMaximum:
    def test_a_nan_comes_out_of_every_window_that_sees_it(self, module, shape):
        rng = np.random.default_rng(6)
        for where in ([0] * len(shape), [n - 1 for n in shape], [n // 2 for n in shape]):
            x = rng.normal(size=shape)
            x[tuple(where)] = np.nan
            out, seen = module.forward(x), np.zeros((shape[0], *module.output_shape(shape[1:])), bool)
            for o, places in windows(module, x):
                seen[(where[0], *o, where[-1])] = tuple(where[1:-1]) in places
            np.testing.assert_array_equal(np.isnan(out), seen)
            # Its delta goes to the NaN, and nowhere is delta lost.
            dx = module.backward_delta(x, np.ones(out.shape))
            assert dx[tuple(where)] == seen.sum()
            assert dx.sum() == out.size

    def test_infinities_are_numbers_like_others(self, module, shape):
        x = np.full(shape, -np.inf)
        out = module.forward(x)
        assert (out == -np.inf).all()
        np.testing.assert_array_equal(module.backward_delta(x, np.ones(out.shape)), naive(module, x, np.ones(out.shape))[1])
        x[0, 0] = np.inf
        np.testing.assert_array_equal(module.forward(x), naive(module, x, np.ones(out.shape))[0])

    def test_a_delta_that_is_not_finite_stays_where_it_belongs(self, module, shape):
        x = np.random.default_rng(7).normal(size=shape)
        delta = np.ones(module.forward(x).shape)
        delta.flat[0] = np.nan
        np.testing.assert_array_equal(module.backward_delta(x, delta), naive(module, x, delta)[1])


def test_a_tie_sends_its_delta_to_the_first():
    x = np.array([[[0.0, 5], [0, 5], [0, 1], [0, 1]]])
    dx = MaxPool1D(2).backward_delta(x, np.array([[[1.0, 2], [3, 4]]]))
    np.testing.assert_array_equal(dx[0], [[1, 2], [0, 0], [3, 4], [0, 0]])
    image = np.array([[0.0, 7], [7, 7]]).reshape(1, 2, 2, 1)
    np.testing.assert_array_equal(MaxPool2D(2).backward_delta(image, [[[[1.0]]]])[0, ..., 0], [[0, 1], [0, 0]])
    np.testing.assert_array_equal(GlobalMaxPool().backward_delta(image, [[1.0]])[0, ..., 0], [[0, 1], [0, 0]])


def test_minus_zero_ties_with_zero():
    x = np.array([-0.0, 0.0]).reshape(1, 2, 1)
    np.testing.assert_array_equal(MaxPool1D(2).backward_delta(x, [[[1.0]]])[0, :, 0], [1, 0])


def test_windows_that_overlap_add_their_deltas():
    x = np.array([1.0, 9, 2, 3]).reshape(1, 4, 1)
    dx = MaxPool1D(2, stride=1).backward_delta(x, np.array([1.0, 10, 100]).reshape(1, 3, 1))
    np.testing.assert_array_equal(dx[0, :, 0], [0, 11, 0, 100])


def test_what_is_left_over_at_the_right_edge_is_dropped():
    x = np.array([1.0, 2, 3, 4, 99]).reshape(1, 5, 1)
    np.testing.assert_array_equal(MaxPool1D(2).forward(x)[0, :, 0], [2, 4])
    assert MaxPool1D(2).backward_delta(x, np.ones((1, 2, 1)))[0, 4, 0] == 0
    assert AvgPool2D(2).forward(np.ones((3, 5, 7, 2))).shape == (3, 2, 3, 2)


def test_padding_never_wins_a_maximum_and_counts_in_a_mean():
    x = np.array([-3.0, -1, -2]).reshape(1, 3, 1)
    np.testing.assert_array_equal(MaxPool1D(2, stride=1, padding=1).forward(x)[0, :, 0], [-3, -1, -1, -2])
    np.testing.assert_array_equal(AvgPool1D(2, stride=1, padding=1).forward(x)[0, :, 0], [-1.5, -2, -1.5, -1])


def test_stride_is_k_size_unless_given():
    assert MaxPool1D(3).stride == 3
    assert AvgPool2D((2, 3)).stride == (2, 3)
    assert AvgPool2D((2, 3), 1).stride == (1, 1)


def test_global_pooling_is_that_over_all_axes_between():
    x = np.random.default_rng(8).normal(size=(3, 4, 5, 6, 2))
    np.testing.assert_array_equal(GlobalMaxPool().forward(x), x.max(axis=(1, 2, 3)))
    np.testing.assert_allclose(GlobalAvgPool().forward(x), x.mean(axis=(1, 2, 3)), rtol=1e-12)


def test_repr_says_what_was_asked_for():
    assert repr(MaxPool1D(2)) == repr(MaxPool1D(2, 2)) == "MaxPool1D(k_size=2)"
    assert repr(MaxPool2D(3, 1)) == "MaxPool2D(k_size=3, stride=1)"
    assert repr(AvgPool2D((2, 3), (2, 3), (0, 1))) == "AvgPool2D(k_size=(2, 3), padding=(0, 1))"
    assert repr(GlobalAvgPool()) == "GlobalAvgPool()"


# --- in a network ---------------------------------------------------------------------------------------------------------


def signal_network():
    return [Conv1D(3, 1, 4, rng=0), MaxPool1D(3, 2), AvgPool1D(2, 1, 1), Flatten(), Linear(24, 3, rng=1)]


def image_network():
    return [
        Conv2D(2, 2, 5, rng=0), ReLU(), MaxPool2D((2, 3), 2, (1, 0)), AvgPool2D(2, 1), Conv2D(1, 5, 7, rng=1), GlobalAvgPool(),
        Linear(7, 3, rng=2),
    ]  # fmt: skip


def global_network():
    return [Conv2D(3, 2, 8, rng=0), GlobalMaxPool(), Linear(8, 3, rng=1)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("modules", "shape"), [(signal_network, (14, 1)), (image_network, (8, 9, 2)), (global_network, (6, 5, 2))]
)
def test_fit_learns_the_same_on_both_paths(modules, shape):
    rng = np.random.default_rng(9)
    X, y = rng.integers(0, 3, (40, *shape)), rng.integers(0, 3, 40)
    compiled, python = Sequential(modules()), Sequential([*modules(), PassThrough()])
    assert compiled.compiled
    assert not python.compiled
    for net in (compiled, python):
        fit(net, X, y, loss=CrossEntropy(), optimizer=optim.SGD(0.05), epochs=3, batch_size=16, rng=0)
    np.testing.assert_allclose(compiled.parameters, python.parameters, rtol=1e-9, atol=1e-9)
    assert not np.array_equal(compiled.parameters, Sequential(modules()).parameters)


# --- what is refused ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [MaxPool1D, MaxPool2D, AvgPool1D, AvgPool2D])
@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        ({"k_size": 0}, ValueError, "k_size is 0, expected at least 1"),
        ({"k_size": None}, TypeError, "k_size is None, expected a whole number"),
        ({"stride": 0}, ValueError, "stride is 0, expected at least 1"),
        ({"stride": 1.5}, TypeError, "stride is 1.5, expected a whole number"),
        ({"padding": -1}, ValueError, "padding is -1, expected at least 0"),
    ],
)
def test_bad_arguments_are_refused_at_once(kind, arguments, error, said):
    assert message(error, kind, **{"k_size": 2, **arguments}) == f"{kind.__name__}: {said}"


@pytest.mark.parametrize("kind", [MaxPool1D, MaxPool2D, AvgPool1D, AvgPool2D])
def test_a_window_that_could_see_nothing_but_padding_is_refused(kind):
    for k_size, padding in ((2, 2), (1, 1), (3, 7)):
        with pytest.raises(ValueError, match=r"padding is .* and k_size .*, expected padding less than k_size"):
            kind(k_size, 1, padding)
    if kind.axes == 2:
        with pytest.raises(ValueError, match=r"padding is \(0, 1\) and k_size \(4, 1\), expected padding less than k_size"):
            kind((4, 1), 1, (0, 1))


ADVICE = ": the channels are the last axis, X[..., None] adds one"
REFUSED = [
    (MaxPool1D(2), (5, 8), f"(batch, length, channels){ADVICE}"),
    (AvgPool2D(2), (5, 8, 8), f"(batch, height, width, channels){ADVICE}"),
    (MaxPool1D(2), (5, 8, 8, 1), "(batch, length, channels)"),
    (GlobalMaxPool(), (5, 8), f"(batch, ..., channels), with at least one axis between and none of length 0{ADVICE}"),
    (GlobalAvgPool(), (5,), "(batch, ..., channels), with at least one axis between and none of length 0"),
    (GlobalMaxPool(), (5, 3, 0, 2), "(batch, ..., channels), with at least one axis between and none of length 0"),
    (MaxPool1D(2, 1, 1), (5, 0, 1), "(batch, length of 1 or more, channels), so that a window fits in"),
    (MaxPool1D(9), (5, 8, 1), "(batch, length of 9 or more, channels), so that a window fits in"),
    (AvgPool2D(3, 1, 1), (5, 1, 0, 4), "(batch, height of 1 or more, width of 1 or more, channels), so that a window fits in"),
]


@pytest.mark.parametrize(("module", "shape", "expected"), REFUSED, ids=name)
def test_an_input_that_does_not_fit_is_refused_by_name_and_place(module, shape, expected):
    text = f"{module}: input has shape {shape}, expected {expected}"
    assert message(ShapeError, module.forward, np.zeros(shape)) == text
    assert message(ShapeError, Sequential(ReLU(), module).forward, np.zeros(shape)) == f"Sequential[1] {text}"
