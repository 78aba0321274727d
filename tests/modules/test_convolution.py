"""Convolutions and their transposes against loops over the definition and scipy.signal, and sizes past every block.

That gradients are those of central differences, and all else that holds for any module, is in test_module_contract.
"""

import itertools

import numpy as np
import pytest
from helpers import PassThrough, message
from scipy import signal

from modnet import (
    Conv1D,
    Conv2D,
    ConvTranspose1D,
    ConvTranspose2D,
    CrossEntropy,
    Flatten,
    Linear,
    MaxPool1D,
    MaxPool2D,
    ReLU,
    Sequential,
    fit,
    optim,
)
from modnet.module import ShapeError

CONVOLUTIONS = [pair for kind in (Conv1D, Conv2D) for pair in kind.examples()]
TRANSPOSED = [pair for kind in (ConvTranspose1D, ConvTranspose2D) for pair in kind.examples()]
ALL = CONVOLUTIONS + TRANSPOSED


def name(value):
    return repr(value) if hasattr(value, "forward") else None


def settings_of(module):
    """Window, stride and padding as tuples, one entry an axis."""
    return [v if isinstance(v, tuple) else (v,) for v in (module.k_size, module.stride, module.padding)]


def naive_convolution(module, x):
    """Equation (1) of modnet.modules.conv, with a loop for every letter in it."""
    windows, strides, pads = settings_of(module)
    lengths = x.shape[1:-1]
    counts = [(n + 2 * p - k) // s + 1 for n, k, s, p in zip(lengths, windows, strides, pads)]
    out = np.zeros((len(x), *counts, module.weight.shape[-1]))
    for o in np.ndindex(*counts):
        for t in np.ndindex(*windows):
            i = tuple(o_ * s + t_ - p for o_, s, t_, p in zip(o, strides, t, pads))
            if all(0 <= i_ < n for i_, n in zip(i, lengths)):
                for c, m in np.ndindex(*module.weight.shape[-2:]):
                    out[(slice(None), *o, m)] += x[(slice(None), *i, c)] * module.weight[(*t, c, m)]
    return out if module.bias is None else out + module.bias


def naive_transposed(module, x):
    """Equation (1) of modnet.modules.conv_transpose: every number writes its window, and what is outside is cut off."""
    windows, strides, pads = settings_of(module)
    lengths = x.shape[1:-1]
    counts = [(n - 1) * s + k - 2 * p for n, k, s, p in zip(lengths, windows, strides, pads)]
    out = np.zeros((len(x), *counts, module.weight.shape[-2]))
    for o in np.ndindex(*lengths):
        for t in np.ndindex(*windows):
            i = tuple(o_ * s + t_ - p for o_, s, t_, p in zip(o, strides, t, pads))
            if all(0 <= i_ < n for i_, n in zip(i, counts)):
                for m, c in np.ndindex(*module.weight.shape[-2:]):
                    out[(slice(None), *i, m)] += x[(slice(None), *o, c)] * module.weight[(*t, m, c)]
    return out if module.bias is None else out + module.bias


def naive(module, x):
    return (naive_transposed if "Transpose" in type(module).__name__ else naive_convolution)(module, x)


@pytest.mark.parametrize(("module", "shape"), ALL, ids=name)
def test_forward_is_its_definition(module, shape):
    x = np.random.default_rng(0).normal(size=shape)
    out = module.forward(x)
    assert out.shape == (shape[0], *module.output_shape(shape[1:]))
    np.testing.assert_allclose(out, naive(module, x), rtol=1e-12, atol=1e-12)


# --- what a window sees -------------------------------------------------------------------------------------------------


def test_a_signal_by_hand():
    layer = Conv1D(3, 1, 2, stride=2)
    layer.weight = np.array([[[1, 0]], [[2, 1]], [[3, 0]]])
    layer.bias = np.array([0, 10])
    x = np.array([[[1], [2], [3], [4], [5], [6]]])
    # The windows are 1 2 3 and 3 4 5; the 6 is left over.
    np.testing.assert_array_equal(layer.forward(x), [[[14, 12], [26, 14]]])
    layer.zero_grad()
    layer.backward_update_gradient(x, np.array([[[1, 1], [10, 100]]]))
    np.testing.assert_array_equal(layer.weight_gradient[:, 0], [[31, 301], [42, 402], [53, 503]])
    np.testing.assert_array_equal(layer.bias_gradient, [11, 101])
    dx = layer.backward_delta(x, np.array([[[1, 1], [10, 100]]]))
    np.testing.assert_array_equal(dx[0, :, 0], [1, 3, 3 + 10, 20 + 100, 30, 0])


def test_the_handout_layer_without_bias():
    rng = np.random.RandomState(1)
    layer = Conv1D(3, 2, 4, 2, bias=False)
    layer.weight = 0.1 * rng.uniform(-1, 1, (3, 2, 4))
    x = rng.uniform(-1, 1, (5, 8, 2))
    expected = np.stack([np.tensordot(x[:, o : o + 3], layer.weight, axes=2) for o in (0, 2, 4)], axis=1)
    np.testing.assert_allclose(layer.forward(x), expected, rtol=1e-12)
    assert layer.bias is None
    assert layer.parameters.size == 24


@pytest.mark.parametrize("padding", [0, 1, 2, 7])
def test_one_channel_is_scipys_correlation(padding):
    rng = np.random.default_rng(6)
    x, padded = rng.normal(size=(3, 11)), ((0, 0), (padding, padding))
    line = Conv1D(4, 1, 1, padding=padding, bias=False, rng=0)
    for row, out in zip(np.pad(x, padded), line.forward(x[..., None])):
        np.testing.assert_allclose(out[:, 0], signal.correlate(row, line.weight[:, 0, 0], "valid"), rtol=1e-10, atol=1e-12)
    image = rng.normal(size=(6, 9))
    plane = Conv2D((3, 2), 1, 1, padding=padding, bias=False, rng=1)
    expected = signal.correlate(np.pad(image, padding), plane.weight[:, :, 0, 0], "valid")
    np.testing.assert_allclose(plane.forward(image[None, ..., None])[0, ..., 0], expected, rtol=1e-10, atol=1e-12)


def test_a_signal_is_an_image_one_pixel_wide_or_high():
    x = np.random.default_rng(7).normal(size=(2, 9, 3))
    line = Conv1D(3, 3, 4, stride=2, padding=1, rng=0)
    for axis, k_size, stride, padding in ((2, (3, 1), (2, 1), (1, 0)), (1, (1, 3), (1, 2), (0, 1))):
        plane = Conv2D(k_size, 3, 4, stride, padding)
        plane.parameters[:] = line.parameters
        out = plane.forward(np.expand_dims(x, axis))
        np.testing.assert_allclose(out.squeeze(axis), line.forward(x), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    ("convolution", "shape"), [(m, s) for m, s in CONVOLUTIONS if "bias" not in m.named_parameters()], ids=name
)
def test_the_transpose_is_the_adjoint(convolution, shape):
    # <conv(x), z> = <x, transpose(z)> for all x and z, with one and the same weight.
    rng = np.random.default_rng(8)
    x = rng.normal(size=shape)
    out = convolution.forward(x)
    z = rng.normal(size=out.shape)
    kind = ConvTranspose1D if x.ndim == 3 else ConvTranspose2D
    back = kind(
        convolution.k_size, out.shape[-1], x.shape[-1], convolution.stride, convolution.padding, bias=False
    )
    back.weight = convolution.weight
    written = back.forward(z)
    # What is left over at the right edge is in no window: the transpose does not know of it.
    seen = x[tuple(slice(n) for n in written.shape)]
    assert (convolution.forward(seen) * z).sum() == pytest.approx((seen * written).sum(), rel=1e-12)


def test_a_nan_reaches_the_windows_that_see_it_and_no_others():
    x = np.zeros((2, 6, 7, 3))
    x[1, 2, 3, 1] = np.nan
    out = Conv2D(3, 3, 2, padding=1, rng=0).forward(x)
    seen = np.zeros(out.shape, bool)
    seen[1, 1:4, 2:5] = True
    np.testing.assert_array_equal(np.isnan(out), seen)


# --- sizes past the edges of blocks and tiles ---------------------------------------------------------------------------


def windows_of(x, module):
    """(batch, windows along each axis ..., channels, window ...), by numpy's views."""
    k_size, stride, padding = settings_of(module)
    axes = tuple(range(1, x.ndim - 1))
    padded = np.pad(x, ((0, 0), *((p, p) for p in padding), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, k_size, axes)
    return windows[(slice(None), *(slice(None, None, s) for s in stride))]


LARGE = [
    (Conv1D(3, 1, 2, rng=0), (3, 2500, 1)),  # more windows than a block has
    (Conv1D(7, 40, 5, stride=2, padding=3, rng=1), (2, 901, 40)),  # blocks of few windows
    (Conv2D(3, 5, 33, padding=1, rng=2), (70, 4, 4, 5)),  # many examples a block, and a short last one
    (Conv2D((2, 5), 3, 65, stride=(2, 1), padding=(1, 4), rng=3), (3, 37, 41, 3)),
    (Conv2D(3, 300, 20, stride=2, padding=1, rng=4), (2, 9, 9, 300)),  # a window longer than a pass over b
    (Conv2D(5, 2, 6, rng=5), (9, 30, 120, 2)),
]


@pytest.mark.slow
@pytest.mark.parametrize(("module", "shape"), LARGE, ids=name)
def test_blocks_and_tiles_fit_together(module, shape):
    rng = np.random.default_rng(9)
    x = rng.normal(size=shape)
    windows, axes = windows_of(x, module), "uv"[: x.ndim - 2]
    weight = f"{axes}cm"
    out = module.forward(x)
    np.testing.assert_allclose(
        out, np.einsum(f"...c{axes},{weight}->...m", windows, module.weight, optimize=True) + module.bias, rtol=1e-9, atol=1e-10
    )
    delta = rng.normal(size=out.shape)
    module.zero_grad()
    module.backward_update_gradient(x, delta)
    outputs = "xy"[: x.ndim - 2]
    expected = np.einsum(f"b{outputs}c{axes},b{outputs}m->{weight}", windows, delta, optimize=True)
    np.testing.assert_allclose(module.weight_gradient, expected, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(module.bias_gradient, delta.sum(tuple(range(delta.ndim - 1))), rtol=1e-9, atol=1e-9)
    # backward_delta is linear, and the adjoint of forward without its bias.
    dx, direction = module.backward_delta(x, delta), rng.normal(size=shape)
    change = module.forward(direction) - module.bias
    assert (dx * direction).sum() == pytest.approx((delta * change).sum(), rel=1e-9, abs=1e-8)
    one = np.zeros(shape)
    for place in ([0] * x.ndim, [n - 1 for n in shape], [n // 2 for n in shape]):
        one[tuple(place)] = 1.0
        assert dx[tuple(place)] == pytest.approx((delta * (module.forward(one) - module.bias)).sum(), rel=1e-9, abs=1e-9)
        one[tuple(place)] = 0.0


# --- in a network ---------------------------------------------------------------------------------------------------------


def reference_network():
    return [Conv1D(3, 1, 32, rng=0), MaxPool1D(2, 2), Flatten(), Linear(4064, 100, rng=1), ReLU(), Linear(100, 10, rng=2)]


def small_image_network():
    return [
        Conv2D(3, 1, 4, padding=1, rng=0), ReLU(), MaxPool2D(2), Conv2D((2, 3), 4, 6, stride=2, rng=1),
        ConvTranspose2D(3, 6, 2, stride=2, padding=1, rng=2), Flatten(), Linear(18, 3, rng=3),
    ]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    ("modules", "shape", "classes"), [(reference_network, (48, 256, 1), 10), (small_image_network, (40, 10, 12, 1), 3)]
)
def test_fit_learns_the_same_on_both_paths(modules, shape, classes, dtype):
    rng = np.random.default_rng(10)
    X, y = rng.normal(size=shape), rng.integers(0, classes, shape[0])
    compiled, python = Sequential(modules()), Sequential([*modules(), PassThrough()])
    assert compiled.compiled
    assert not python.compiled
    histories = [
        fit(net.astype(dtype), X, y, loss=CrossEntropy(), optimizer=optim.SGD(0.05), epochs=3, batch_size=16, rng=0)
        for net in (compiled, python)
    ]
    assert histories[0].loss[-1] < histories[0].loss[0]
    tolerance = 1e-9 if dtype == "float64" else 1e-4
    np.testing.assert_allclose(compiled.parameters, python.parameters, rtol=tolerance, atol=tolerance)


def test_the_reference_network_has_the_statements_sizes():
    net = Sequential(reference_network())
    assert net[0].forward(np.zeros((2, 256, 1))).shape == (2, 254, 32)
    assert net.forward(np.zeros((2, 256, 1))).shape == (2, 10)


def test_a_transpose_of_stride_two_undoes_the_halving_of_a_length():
    x = np.zeros((1, 8, 3))
    halved = Conv1D(4, 3, 5, stride=2, padding=1, rng=0).forward(x)
    assert halved.shape == (1, 4, 5)
    assert ConvTranspose1D(4, 5, 3, stride=2, padding=1, rng=1).forward(halved).shape == x.shape


def test_parameters_are_drawn_by_fan_in():
    for kind, k_size, window in ((Conv1D, 3, 3), (ConvTranspose2D, (2, 5), 10)):
        layer = kind(k_size, 12, 50, rng=0)
        bound = (window * 12) ** -0.5
        assert abs(layer.parameters).max() <= bound
        assert abs(layer.weight).max() > 0.99 * bound
        np.testing.assert_array_equal(layer.weight, kind(k_size, 12, 50, rng=0).weight)


def test_repr_says_what_was_asked_for():
    assert repr(Conv1D(3, 1, 32)) == "Conv1D(1 -> 32, k_size=3)"
    assert repr(Conv2D((3, 5), 1, 6, 2, (1, 2), bias=False)) == (
        "Conv2D(1 -> 6, k_size=(3, 5), stride=2, padding=(1, 2), bias=False)"
    )
    assert repr(ConvTranspose2D((4, 4), 8, 2, stride=2)) == "ConvTranspose2D(8 -> 2, k_size=4, stride=2)"


# --- what is refused ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Conv1D, Conv2D, ConvTranspose1D, ConvTranspose2D])
@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        ({"k_size": 0}, ValueError, "k_size is 0, expected at least 1"),
        ({"k_size": 2.5}, TypeError, "k_size is 2.5, expected a whole number"),
        ({"k_size": "3"}, TypeError, "k_size is '3', expected a whole number"),
        ({"stride": 0}, ValueError, "stride is 0, expected at least 1"),
        ({"stride": -1}, ValueError, "stride is -1, expected at least 1"),
        ({"stride": True}, TypeError, "stride is True, expected a whole number"),
        ({"padding": -1}, ValueError, "padding is -1, expected at least 0"),
        ({"chan_in": 0}, ValueError, "chan_in is 0, expected at least 1"),
        ({"chan_out": None}, TypeError, "chan_out is None, expected a whole number"),
        ({"rng": "seed"}, TypeError, "rng is 'seed', expected an int, a numpy.random.Generator or None"),
    ],
)
def test_bad_arguments_are_refused_at_once(kind, arguments, error, said):
    options = {"k_size": 3, "chan_in": 1, "chan_out": 2, **arguments}
    assert message(error, kind, **options) == f"{kind.__name__}: {said}"


def test_pairs_are_for_images():
    with pytest.raises(TypeError, match=r"^Conv1D: k_size is \(3, 3\), expected a whole number$"):
        Conv1D((3, 3), 1, 2)
    with pytest.raises(ValueError, match=r"^Conv2D: stride is \(1, 1, 1\), expected an int or a pair$"):
        Conv2D(3, 1, 2, stride=(1, 1, 1))
    with pytest.raises(ValueError, match=r"^ConvTranspose2D: padding is -2, expected at least 0$"):
        ConvTranspose2D(3, 1, 2, padding=(0, -2))


REFUSED = [
    (Conv1D(3, 1, 2), (5, 8), "(batch, length, 1): the channels are the last axis, X[..., None] adds one"),
    (Conv2D(3, 1, 2), (5, 8, 8), "(batch, height, width, 1): the channels are the last axis, X[..., None] adds one"),
    (ConvTranspose1D(3, 1, 2), (5, 8), "(batch, length, 1): the channels are the last axis, X[..., None] adds one"),
    (Conv1D(3, 4, 2), (5, 8, 3), "(batch, length, 4)"),
    (Conv1D(3, 4, 2), (5, 8, 8, 4), "(batch, length, 4)"),
    (Conv2D(3, 4, 2), (5, 4), "(batch, height, width, 4)"),
    (ConvTranspose2D(3, 4, 2), (5, 8, 8, 3), "(batch, height, width, 4)"),
    (Conv1D(5, 1, 2), (5, 4, 1), "(batch, length of 5 or more, 1), so that a window fits in"),
    (Conv1D(5, 1, 2, padding=1), (5, 2, 1), "(batch, length of 3 or more, 1), so that a window fits in"),
    (Conv1D(2, 1, 2, padding=4), (5, 0, 1), "(batch, length of 1 or more, 1), so that a window fits in"),
    (
        Conv2D((2, 5), 1, 2), (5, 4, 4, 1), "(batch, height of 2 or more, width of 5 or more, 1), so that a window fits in",
    ),
    (
        ConvTranspose1D(3, 1, 2), (5, 0, 1),
        "(batch, length of 1 or more, 1), so that padding leaves something of the output",
    ),
    (
        ConvTranspose1D(3, 1, 2, stride=2, padding=3), (5, 2, 1),
        "(batch, length of 3 or more, 1), so that padding leaves something of the output",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("module", "shape", "expected"), REFUSED, ids=name)
def test_an_input_that_does_not_fit_is_refused_by_name_and_place(module, shape, expected):
    text = f"{module}: input has shape {shape}, expected {expected}"
    assert message(ShapeError, module.forward, np.zeros(shape)) == text
    assert message(ShapeError, Sequential(ReLU(), module).forward, np.zeros(shape)) == f"Sequential[1] {text}"


@pytest.mark.parametrize(("k", "s", "p"), [*itertools.product((1, 2, 5), (1, 2, 3), (0, 1, 4))])
def test_the_least_length_said_is_the_least_that_is_taken(k, s, p):
    for module in (Conv1D(k, 1, 1, s, p), ConvTranspose1D(k, 1, 1, s, p)):
        refused = []
        for length in range(1, 12):
            try:
                assert module.forward(np.zeros((1, length, 1))).size > 0
            except ValueError as error:
                refused.append(length)
                said = int(str(error).split("length of ")[1].split()[0])
        assert refused == list(range(1, len(refused) + 1))
        assert not refused or said == refused[-1] + 1


def test_channels_that_do_not_meet_are_refused_when_the_network_is_built():
    with pytest.raises(ValueError, match=r"Conv1D\(3 -> 4, k_size=2\): takes 3 features, but .*Conv1D\(1 -> 2.* gives 2$"):
        Sequential(Conv1D(3, 1, 2), ReLU(), MaxPool1D(2), Conv1D(2, 3, 4))
    net = Sequential(Conv1D(3, 1, 2), Flatten(), Linear(10, 3))
    with pytest.raises(ValueError, match=r"^Sequential\[2\] Linear\(10 -> 3\): input has shape \(4, 12\), expected"):
        net.forward(np.zeros((4, 8, 1)))


def test_a_delta_of_another_shape_is_refused_and_changes_nothing():
    layer = Conv1D(3, 1, 2, rng=0)
    x = np.zeros((4, 8, 1))
    layer.zero_grad()
    for call in (layer.backward_update_gradient, layer.backward_delta):
        with pytest.raises(ValueError, match=r"delta has shape \(4, 5, 2\), expected the output's shape, \(4, 6, 2\)"):
            call(x, np.ones((4, 5, 2)))
    assert not layer.gradient.any()
