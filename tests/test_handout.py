"""The statement's names and conventions, against plain numpy written here as a student would."""

import copy
import inspect
import itertools
import pickle
import re

import numpy as np
import pytest

import modnet
from modnet import handout
from modnet.handout import (
    SGD,
    AutoEncodeur,
    AvgPool1D,
    BCELoss,
    CELoss,
    Conv1D,
    CrossEntropieLoss,
    Flatten,
    Linear,
    LogSoftmax,
    Loss,
    MaxPool1D,
    Module,
    MSELoss,
    Optim,
    ReLU,
    Sequentiel,
    Sigmoide,
    Softmax,
    TanH,
    gen_arti,
    load_usps,
    make_grid,
    plot_data,
    plot_frontiere,
)


class StudentLinear:
    """The statement's methods and nothing else: no base class, and no gradient until zero_grad."""

    def __init__(self, weight):
        self._parameters = np.array(weight)
        self._gradient = None

    def zero_grad(self):
        self._gradient = np.zeros_like(self._parameters)

    def forward(self, X):
        return X @ self._parameters

    def update_parameters(self, gradient_step=1e-3):
        self._parameters = self._parameters - gradient_step * self._gradient

    def backward_update_gradient(self, input, delta):
        self._gradient = self._gradient + input.T @ delta

    def backward_delta(self, input, delta):
        return delta @ self._parameters.T


class StudentTanh(Module):
    def __init__(self):
        super().__init__()

    def forward(self, X):
        return np.tanh(X)

    def backward_delta(self, input, delta):
        return delta * (1 - np.tanh(input) ** 2)


class StudentScale(Module):
    """A student's module on our base class: zero_grad and update_parameters are inherited."""

    def __init__(self, features):
        super().__init__()
        self._parameters = np.ones(features)

    def forward(self, X):
        return X * self._parameters

    def backward_update_gradient(self, input, delta):
        self._gradient += (input * delta).sum(axis=0)

    def backward_delta(self, input, delta):
        return delta * self._parameters


class StudentMSE(Loss):
    def forward(self, y, yhat):
        return ((y - yhat) ** 2).sum(axis=1)

    def backward(self, y, yhat):
        return 2 * (yhat - y)


class StudentNet:
    """A container of a student's own, over a plain list."""

    def __init__(self, *modules):
        self.modules = list(modules)

    def forward(self, X):
        self.inputs = []
        for module in self.modules:
            self.inputs.append(X)
            X = module.forward(X)
        return X

    def zero_grad(self):
        for module in self.modules:
            module.zero_grad()

    def backward_update_gradient(self, input, delta):
        for module, x in zip(reversed(self.modules), reversed(self.inputs), strict=True):
            module.backward_update_gradient(x, delta)
            delta = module.backward_delta(x, delta)

    def update_parameters(self, gradient_step=1e-3):
        for module in self.modules:
            module.update_parameters(gradient_step)


def numbers(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def slopes(f, x, h=1e-6):
    """Central differences of the sum of f by every element of x."""
    found = np.zeros_like(x)
    for place in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[place] += h
        down[place] -= h
        found[place] = (np.sum(f(up)) - np.sum(f(down))) / (2 * h)
    return found


def message(error, call, *args, **options):
    """Return the message of the error that the call must raise; it is a single line."""
    with pytest.raises(error) as raised:
        call(*args, **options)
    text = str(raised.value)
    assert "\n" not in text
    return text


# Names


def test_the_names_are_those_of_the_statement():
    promised = (
        "Loss Module MSELoss Linear TanH Sigmoide Sequentiel Optim SGD Softmax LogSoftmax CELoss CrossEntropieLoss BCELoss "
        "AutoEncodeur Conv1D MaxPool1D AvgPool1D Flatten ReLU gen_arti make_grid plot_data plot_frontiere load_usps"
    )
    assert set(promised.split()) <= set(handout.__all__)
    assert all(hasattr(handout, name) for name in handout.__all__)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("Linear", ["input", "output", "bias"]),
        ("Optim", ["net", "loss", "eps"]),
        ("Conv1D", ["k_size", "chan_in", "chan_out", "stride", "bias"]),
        ("AutoEncodeur", ["encoder", "decoder"]),
        ("SGD", ["net", "X", "y", "batch_size", "iterations", "loss", "eps", "rng"]),
        ("gen_arti", ["centerx", "centery", "sigma", "nbex", "data_type", "epsilon"]),
        ("make_grid", ["data", "xmin", "xmax", "ymin", "ymax", "step"]),
        ("plot_data", ["data", "labels"]),
        ("plot_frontiere", ["data", "f", "step"]),
        ("load_usps", ["file"]),
    ],
)
def test_arguments_have_the_statements_names_and_order(name, arguments):
    assert list(inspect.signature(getattr(handout, name)).parameters) == arguments


def test_modules_and_losses_are_of_the_base_classes():
    plain = (Linear(2, 1), TanH(), Sigmoide(), Softmax(), LogSoftmax(), Flatten(), ReLU(), Sequentiel())
    for module in (*plain, Conv1D(2, 1, 1), MaxPool1D(2, 2), AvgPool1D(2, 2), AutoEncodeur(TanH(), TanH())):
        assert isinstance(module, Module)
    for loss in (MSELoss(), CELoss(), CrossEntropieLoss(), BCELoss()):
        assert isinstance(loss, Loss)


def test_what_is_printed_has_the_names_of_the_handout():
    net = Sequentiel(Linear(2, 3), TanH(), Linear(3, 1, bias=True), Sigmoide())
    assert repr(net) == (
        "Sequentiel(\n  [0] Linear(2 -> 3)\n  [1] TanH()\n  [2] Linear(3 -> 1, bias=True)\n  [3] Sigmoide()\n)"
    )
    assert [repr(loss) for loss in (MSELoss(), CELoss(), CrossEntropieLoss(), BCELoss())] == [
        "MSELoss()", "CELoss()", "CrossEntropieLoss()", "BCELoss()",
    ]  # fmt: skip


# Losses


def test_mse_is_the_squared_distance_of_each_row():
    y, yhat = numbers((4, 3)), numbers((4, 3), 1)
    value = MSELoss().forward(y, yhat)
    assert value.shape == (4,)
    assert value == pytest.approx([sum((a - b) ** 2 for a, b in zip(r, s, strict=True)) for r, s in zip(y, yhat, strict=True)])
    assert np.array_equal(MSELoss().backward(y, yhat), 2 * (yhat - y))


def test_ce_is_minus_the_prediction_for_the_true_class():
    yhat = numbers((5, 3))
    y = np.array([0, 2, 1, 1, 0])
    assert np.array_equal(CELoss().forward(y, yhat), [-yhat[i, y[i]] for i in range(5)])
    assert np.array_equal(CELoss().backward(y, yhat), -np.eye(3)[y])
    assert np.array_equal(CELoss().forward(np.eye(3)[y], yhat), CELoss().forward(y, yhat))


@pytest.mark.parametrize("one_hot", [False, True])
def test_the_fused_cross_entropy_is_log_softmax_then_ce(one_hot):
    yhat = 3 * numbers((6, 4))
    labels = np.array([3, 0, 1, 2, 2, 0])
    y = np.eye(4, dtype=int)[labels] if one_hot else labels
    plain = [np.log(np.exp(row).sum()) - row[c] for row, c in zip(yhat, labels, strict=True)]
    fused = CrossEntropieLoss().forward(y, yhat)
    assert fused.shape == (6,)
    assert fused == pytest.approx(plain, rel=1e-12)
    assert fused == pytest.approx(CELoss().forward(y, LogSoftmax().forward(yhat)), rel=1e-12)
    softmax = np.exp(yhat) / np.exp(yhat).sum(axis=1, keepdims=True)
    assert CrossEntropieLoss().backward(y, yhat) == pytest.approx(softmax - np.eye(4)[labels], abs=1e-14)
    chained = LogSoftmax().backward_delta(yhat, CELoss().backward(y, LogSoftmax().forward(yhat)))
    assert CrossEntropieLoss().backward(y, yhat) == pytest.approx(chained, abs=1e-14)


def test_the_fused_cross_entropy_is_exact_where_exp_overflows():
    assert np.array_equal(CrossEntropieLoss().forward([1, 0], [[1e4, 0.0], [1e4, 0.0]]), [1e4, 0.0])


def test_bce_clips_the_logarithm_at_minus_100():
    y, p = np.array([[1.0, 0.0, 1.0]]), np.array([[0.0, 1.0, 0.5]])
    assert BCELoss().forward(y, p) == pytest.approx([100 + 100 + np.log(2)])
    inner = np.array([[0.2, 0.9], [0.6, 0.3]])
    truth = np.array([[0.0, 1.0], [1.0, 0.0]])
    assert BCELoss().backward(truth, inner) == pytest.approx(slopes(lambda p: BCELoss().forward(truth, p), inner), rel=1e-6)


# Linear


def test_linear_is_drawn_from_numpys_global_generator_between_minus_1_and_1():
    np.random.seed(1)
    first, second = Linear(3, 4), Linear(100, 50)
    stream = np.random.RandomState(1)
    assert np.array_equal(first._parameters, stream.uniform(-1, 1, (3, 4)))
    assert np.array_equal(second._parameters, stream.uniform(-1, 1, (100, 50)))
    assert -1 < second._parameters.min() < -0.99
    assert 0.99 < second._parameters.max() < 1


def test_the_bias_is_apart_and_drawn_after_the_weight():
    np.random.seed(1)
    layer = Linear(3, 4, bias=True)
    stream = np.random.RandomState(1)
    assert np.array_equal(layer._parameters, stream.uniform(-1, 1, (3, 4)))
    assert np.array_equal(layer.bias, stream.uniform(-1, 1, 4))
    assert Linear(3, 4).bias is None


@pytest.mark.parametrize("bias", [False, True])
def test_linear_adds_the_sum_over_the_batch_to_matrices_of_the_statements_shape(bias):
    layer, x, delta = Linear(3, 2, bias=bias), numbers((5, 3)), numbers((5, 2), 1)
    assert layer._parameters.shape == layer._gradient.shape == (3, 2)
    expected = sum(np.outer(x[i], delta[i]) for i in range(5))
    layer.zero_grad()
    layer.backward_update_gradient(x, delta)
    assert layer._gradient == pytest.approx(expected, rel=1e-12)
    layer.backward_update_gradient(x, delta)
    assert layer._gradient == pytest.approx(2 * expected, rel=1e-12)
    if bias:
        assert layer.bias_gradient == pytest.approx(2 * delta.sum(axis=0), rel=1e-12)
    assert layer.backward_delta(x, delta) == pytest.approx(delta @ layer._parameters.T, rel=1e-12)
    assert layer.forward(x) == pytest.approx(x @ layer._parameters + (layer.bias if bias else 0), rel=1e-12)
    layer.zero_grad()
    assert not layer._gradient.any()
    assert not layer.gradient.any()


def test_update_parameters_moves_the_weight_and_the_bias():
    layer, x, delta = Linear(3, 2, bias=True), numbers((5, 3)), numbers((5, 2), 1)
    weight, bias = layer._parameters.copy(), layer.bias.copy()
    layer.zero_grad()
    layer.backward_update_gradient(x, delta)
    layer.update_parameters(gradient_step=0.1)
    assert layer._parameters == pytest.approx(weight - 0.1 * x.T @ delta, rel=1e-12)
    assert layer.bias == pytest.approx(bias - 0.1 * delta.sum(axis=0), rel=1e-12)


@pytest.mark.parametrize("in_a_network", [False, True])
def test_parameters_and_gradient_can_be_assigned_and_moved_by_hand(in_a_network):
    layer, x = Linear(2, 3), numbers((4, 2))
    if in_a_network:
        Sequentiel(Linear(2, 2), layer)
    layer._parameters = np.arange(6.0).reshape(2, 3)
    layer._gradient = np.ones((2, 3))
    layer._parameters -= 0.5 * layer._gradient
    assert np.array_equal(layer._parameters, np.arange(6.0).reshape(2, 3) - 0.5)
    assert layer.forward(x) == pytest.approx(x @ (np.arange(6.0).reshape(2, 3) - 0.5))
    said = message(ValueError, setattr, layer, "_parameters", np.ones((3, 2)))
    assert said == "Linear(2 -> 3): weight is given shape (3, 2), expected (2, 3)"


def test_a_wrong_shape_is_named():
    net = Sequentiel(Linear(2, 3), TanH(), Linear(3, 1))
    said = message(ValueError, net.forward, np.ones((4, 3)))
    assert re.fullmatch(r"Sequenti(al|el)\[0\] Linear\(2 -> 3\): input has shape \(4, 3\), expected \(batch, 2\)", said)


# Convolutions and pooling


def naive_conv(x, W, stride):
    """(batch, length, chan_in), (k_size, chan_in, chan_out) -> (batch, (length - k_size) // stride + 1, chan_out)."""
    out = np.zeros((len(x), (x.shape[1] - len(W)) // stride + 1, W.shape[2]))
    for b, o, t, c, m in np.ndindex(*out.shape[:2], *W.shape):
        out[b, o, m] += x[b, o * stride + t, c] * W[t, c, m]
    return out


def naive_conv_gradients(x, W, delta, stride):
    """dL/dW, summed over the batch, and dL/dx."""
    dW, dx = np.zeros_like(W), np.zeros_like(x)
    for b, o, t, c, m in np.ndindex(*delta.shape[:2], *W.shape):
        dW[t, c, m] += x[b, o * stride + t, c] * delta[b, o, m]
        dx[b, o * stride + t, c] += W[t, c, m] * delta[b, o, m]
    return dW, dx


def naive_max_pool(x, k_size, stride, delta=None):
    """The largest of each window; or, given delta, dL/dx, the first of equals taking it all."""
    count = (x.shape[1] - k_size) // stride + 1
    out, dx = np.zeros((len(x), count, x.shape[2])), np.zeros_like(x)
    for b, o, c in np.ndindex(*out.shape):
        window = list(x[b, o * stride : o * stride + k_size, c])
        out[b, o, c] = max(window)
        if delta is not None:
            dx[b, o * stride + window.index(max(window)), c] += delta[b, o, c]
    return out if delta is None else dx


def test_conv1d_is_a_tenth_of_uniform_from_numpys_global_generator():
    np.random.seed(1)
    first, second, after = Conv1D(3, 1, 32), Conv1D(5, 32, 4, 2), Linear(2, 3)
    stream = np.random.RandomState(1)
    assert np.array_equal(first._parameters, 0.1 * stream.uniform(-1, 1, (3, 1, 32)))
    assert np.array_equal(second._parameters, 0.1 * stream.uniform(-1, 1, (5, 32, 4)))
    assert np.array_equal(after._parameters, stream.uniform(-1, 1, (2, 3)))
    assert first.bias is None
    assert first.parameters.size == 3 * 32


@pytest.mark.parametrize(("k_size", "chan_in", "chan_out", "stride", "length"), [
    (3, 1, 32, 1, 16), (3, 2, 4, 2, 10), (2, 3, 2, 3, 9), (5, 2, 3, 1, 5), (1, 2, 2, 2, 4),
])  # fmt: skip
def test_conv1d_is_the_loops_with_parameters_of_the_statements_shape(k_size, chan_in, chan_out, stride, length):
    np.random.seed(1)
    layer, x = Conv1D(k_size, chan_in, chan_out, stride), numbers((3, length, chan_in))
    W = 0.1 * np.random.RandomState(1).uniform(-1, 1, (k_size, chan_in, chan_out))
    expected = naive_conv(x, W, stride)
    assert expected.shape == (3, (length - k_size) // stride + 1, chan_out)
    assert layer.forward(x) == pytest.approx(expected, rel=1e-12, abs=1e-14)
    delta = numbers(expected.shape, 1)
    dW, dx = naive_conv_gradients(x, W, delta, stride)
    layer.zero_grad()
    layer.backward_update_gradient(x, delta)
    assert layer._parameters.shape == layer._gradient.shape == (k_size, chan_in, chan_out)
    assert layer._gradient == pytest.approx(dW, rel=1e-10, abs=1e-12)
    layer.backward_update_gradient(x, delta)
    assert layer._gradient == pytest.approx(2 * dW, rel=1e-10, abs=1e-12)
    assert layer.backward_delta(x, delta) == pytest.approx(dx, rel=1e-10, abs=1e-12)
    layer.update_parameters(0.5)
    assert layer._parameters == pytest.approx(W - dW, rel=1e-10, abs=1e-12)


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_max_pool_gives_ties_to_the_first_and_average_pool_to_all(stride):
    x = np.random.default_rng(0).integers(0, 2, (2, 9, 3)).astype(float)  # of zeros and ones: ties everywhere
    pooled = naive_max_pool(x, 2, stride)
    delta = numbers(pooled.shape, 1)
    assert np.array_equal(MaxPool1D(2, stride).forward(x), pooled)
    assert MaxPool1D(2, stride).backward_delta(x, delta) == pytest.approx(naive_max_pool(x, 2, stride, delta), rel=1e-12)
    means = np.stack([x[:, o * stride : o * stride + 2].mean(axis=1) for o in range(pooled.shape[1])], axis=1)
    assert AvgPool1D(2, stride).forward(x) == pytest.approx(means, rel=1e-12)
    assert AvgPool1D(2, stride).backward_delta(x, delta) == pytest.approx(
        slopes(lambda v: delta * AvgPool1D(2, stride).forward(v), x), abs=1e-8
    )


def test_a_step_of_the_reference_network_is_that_of_plain_numpy():
    x, y = np.random.default_rng(0).integers(0, 3, (2, 256, 1)) / 2, np.array([3, 7])
    np.random.seed(1)
    net = Sequentiel(Conv1D(3, 1, 32), MaxPool1D(2, 2), Flatten(), Linear(4064, 100), ReLU(), Linear(100, 10))
    stream = np.random.RandomState(1)
    W1, W2, W3 = 0.1 * stream.uniform(-1, 1, (3, 1, 32)), stream.uniform(-1, 1, (4064, 100)), stream.uniform(-1, 1, (100, 10))

    h1 = naive_conv(x, W1, 1)
    h2 = naive_max_pool(h1, 2, 2).reshape(2, 4064)
    h3 = h2 @ W2
    h4 = np.maximum(h3, 0)
    yhat = h4 @ W3
    assert net.forward(x) == pytest.approx(yhat, rel=1e-10)
    exp = np.exp(yhat - yhat.max(axis=1, keepdims=True))
    softmax = exp / exp.sum(axis=1, keepdims=True)
    value = -np.log(softmax[[0, 1], y]).mean()
    delta5 = (softmax - np.eye(10)[y]) / 2
    delta3 = (delta5 @ W3.T) * (h3 > 0)
    delta1 = naive_max_pool(h1, 2, 2, (delta3 @ W2.T).reshape(2, 127, 32))
    dW1, _ = naive_conv_gradients(x, W1, delta1, 1)

    assert Optim(net, CrossEntropieLoss(), 0.01).step(x, y) == pytest.approx(value, rel=1e-9)
    assert net[0]._parameters == pytest.approx(W1 - 0.01 * dW1, rel=1e-8, abs=1e-12)
    assert net[3]._parameters == pytest.approx(W2 - 0.01 * h2.T @ delta3, rel=1e-8, abs=1e-12)
    assert net[5]._parameters == pytest.approx(W3 - 0.01 * h4.T @ delta5, rel=1e-8, abs=1e-12)


def test_digits_without_a_channel_are_named():
    said = message(ValueError, Conv1D(3, 1, 32).forward, np.ones((4, 256)))
    assert said.startswith("Conv1D(1 -> 32, k_size=3): input has shape (4, 256), expected (batch, length, 1)")


# AutoEncodeur


def test_an_auto_encoder_is_its_encoder_then_its_decoder():
    down, up = Linear(6, 2, bias=True), Linear(2, 6, bias=True)
    x = numbers((5, 6))
    net = AutoEncodeur(Sequentiel(down, TanH()), [up, Sigmoide()])
    code = np.tanh(x @ down._parameters + down.bias)
    assert net.code(x) == pytest.approx(code, rel=1e-12)
    assert net.decoder.forward(code) == pytest.approx(1 / (1 + np.exp(-(code @ up._parameters + up.bias))), rel=1e-12)
    assert np.array_equal(net.forward(x), net.decoder.forward(net.code(x)))
    assert net.add(TanH()) is net
    assert len(net) == 2
    assert net.forward(x) == pytest.approx(np.tanh(net.decoder[:2].forward(code)), rel=1e-12)


@pytest.mark.parametrize("own", [False, True])
def test_an_auto_encoder_trains_as_the_same_modules_in_one_row(own):
    x = np.random.default_rng(0).random((20, 6))
    first, second = numbers((6, 2), 1), numbers((2, 6), 2)

    def linear(W):
        layer = StudentLinear(W) if own else Linear(*W.shape)
        layer._parameters = W.copy()
        return layer

    row = [linear(first), TanH(), linear(second), Sigmoide()]
    plain = Sequentiel(row)
    losses = SGD(plain, x, x, 8, 15, BCELoss(), 0.3, rng=4)
    parts = [linear(first), TanH()], [linear(second), Sigmoide()]
    net = AutoEncodeur(*parts)
    assert SGD(net, x, x, 8, 15, BCELoss(), 0.3, rng=4) == pytest.approx(losses, rel=1e-10)
    assert losses[-1] < losses[0]
    assert parts[0][0]._parameters == pytest.approx(row[0]._parameters, rel=1e-10)
    assert net.code(x) == pytest.approx(np.tanh(x @ row[0]._parameters), rel=1e-10)
    assert Optim(net, BCELoss(), 0.3).step(x, x) == pytest.approx(Optim(plain, BCELoss(), 0.3).step(x, x), rel=1e-10)
    assert parts[1][0]._parameters == pytest.approx(row[2]._parameters, rel=1e-10)


def test_a_tied_decoder_adds_to_the_gradient_of_the_encoder():
    x = np.random.default_rng(0).random((4, 5))
    layer = Linear(5, 2)
    net = AutoEncodeur([layer, TanH()], [modnet.Tied(layer), Sigmoide()])
    W = layer._parameters.copy()

    def total(W):
        return ((1 / (1 + np.exp(-np.tanh(x @ W) @ W.T)) - x) ** 2).sum()

    net.zero_grad()
    net.backward_update_gradient(x, MSELoss().backward(x, net.forward(x)))
    assert layer._gradient == pytest.approx(slopes(total, W), abs=1e-7)


# Sequentiel


def test_a_network_is_made_from_arguments_a_list_or_one_by_one():
    modules = [Linear(2, 3), TanH(), Linear(3, 1)]
    x = numbers((5, 2))
    expected = np.tanh(x @ modules[0]._parameters) @ modules[2]._parameters
    assert Sequentiel(*modules).forward(x) == pytest.approx(expected, rel=1e-12)
    assert Sequentiel([Linear(2, 3), TanH()]).forward(x).shape == (5, 3)
    one_by_one = Sequentiel()
    first, second = Linear(2, 3), Linear(3, 1)
    assert one_by_one.add(first) is one_by_one
    one_by_one.append(TanH())
    one_by_one.add(second)
    assert len(one_by_one) == 3
    assert one_by_one.forward(x) == pytest.approx(np.tanh(x @ first._parameters) @ second._parameters, rel=1e-12)


# Training by hand


def test_linear_regression_by_hand_finds_the_least_squares():
    np.random.seed(1)
    X = np.column_stack([numbers((50, 2)), np.ones(50)])
    y = X @ [[2.0], [-1.0], [0.5]] + 0.01 * numbers((50, 1), 2)
    layer, loss = Linear(3, 1), MSELoss()
    for _ in range(300):
        yhat = layer.forward(X)
        layer.zero_grad()
        layer.backward_update_gradient(X, loss.backward(y, yhat))
        layer.update_parameters(gradient_step=5e-3)
    assert layer._parameters == pytest.approx(np.linalg.lstsq(X, y)[0], abs=1e-6)


def by_hand(net, loss, X, y, eps, steps):
    """The statement's loop over a list of modules, the mean over the batch."""
    for _ in range(steps):
        values = [X]
        for module in net:
            values.append(module.forward(values[-1]))
        for module in net:
            module.zero_grad()
        delta = loss.backward(y, values[-1]) / len(X)
        for module, x in zip(reversed(net), reversed(values[:-1]), strict=True):
            module.backward_update_gradient(x, delta)
            delta = module.backward_delta(x, delta)
        for module in net:
            module.update_parameters(eps)


def test_optim_and_sgd_take_the_steps_of_the_loop_by_hand():
    X, y = numbers((12, 2)), (numbers((12, 1), 1) > 0) * 1.0
    first, second = np.random.default_rng(2).uniform(-1, 1, (2, 4)), np.random.default_rng(3).uniform(-1, 1, (4, 1))

    def modules(linear):
        found = [linear(2, 4), TanH(), linear(4, 1), Sigmoide()]
        found[0]._parameters, found[2]._parameters = first.copy(), second.copy()
        return found

    reference = modules(Linear)
    by_hand(reference, MSELoss(), X, y, 0.5, 20)
    expected = [reference[0]._parameters, reference[2]._parameters]
    assert not np.allclose(expected[0], first)

    stepped = modules(Linear)
    optim = Optim(Sequentiel(stepped), MSELoss(), 0.5)
    losses = [optim.step(X, y) for _ in range(20)]
    whole = modules(Linear)
    passes = SGD(Sequentiel(whole), X, y, 12, 20, MSELoss(), 0.5)
    own = modules(lambda n, m: StudentLinear(np.zeros((n, m))))
    own_passes = SGD(Sequentiel(own), X, y, batch_size=12, iterations=20, loss=StudentMSE(), eps=0.5)
    for trained in (stepped, whole, own):
        assert trained[0]._parameters == pytest.approx(expected[0], rel=1e-10)
        assert trained[2]._parameters == pytest.approx(expected[1], rel=1e-10)
    assert passes == pytest.approx(losses, rel=1e-10)
    assert own_passes == pytest.approx(losses, rel=1e-10)


def test_batches_of_any_size_are_divided_by_their_own():
    X, y = numbers((7, 2)), numbers((7, 1), 1)
    once, twice = Linear(2, 1), Linear(2, 1)
    twice._parameters = once._parameters
    Optim(once, MSELoss(), 0.1).step(X, y)
    Optim(twice, MSELoss(), 0.1).step(np.concatenate([X, X]), np.concatenate([y, y]))
    assert twice._parameters == pytest.approx(once._parameters, rel=1e-12)


def test_sgd_gives_the_mean_loss_of_each_pass():
    X, y = numbers((10, 2)), numbers((10, 1), 1)
    net = Linear(2, 1)
    expected = ((X @ net._parameters - y) ** 2).mean()
    losses = SGD(Sequentiel(net), X, y, 3, 5, eps=1e-12)
    assert losses == pytest.approx([expected] * 5, rel=1e-6)


def test_the_two_class_problem_of_the_statement_is_learnt():
    np.random.seed(1)
    X, y = gen_arti(data_type=1, nbex=400)
    labels = (y + 1) / 2
    net = Sequentiel(Linear(2, 8, bias=True), TanH(), Linear(8, 1, bias=True), Sigmoide())
    losses = SGD(net, X, labels, 20, 300, BCELoss(), 0.3)
    assert losses[-1] < 0.1 < losses[0]
    assert ((net.forward(X) > 0.5) == (labels > 0.5)).mean() > 0.97


def test_a_seed_fixes_a_whole_script():
    def script():
        np.random.seed(1)
        X, y = gen_arti(nbex=60)
        net = Sequentiel(Linear(2, 3), TanH(), Linear(3, 1))
        return SGD(net, X, y, 7, 4, eps=0.05), net.parameters.copy()

    (losses, parameters), (again, same) = script(), script()
    assert losses == again
    assert np.array_equal(parameters, same)


def test_a_generator_of_its_own_leaves_numpys_alone():
    X, y = numbers((10, 2)), numbers((10, 1), 1)
    net = Sequentiel(Linear(2, 1))
    before = np.random.get_state()[1].copy()
    SGD(net, X, y, 3, 2, rng=0)
    assert np.array_equal(np.random.get_state()[1], before)


# Students' classes


@pytest.mark.parametrize("own_net", [False, True])
def test_a_students_classes_train_like_ours(own_net):
    X, y = numbers((30, 2)), numbers((30, 1), 1)
    first, second = numbers((2, 5), 2), numbers((5, 1), 3)
    ours = Linear(2, 5), TanH(), StudentScale(5), Linear(5, 1)
    ours[0]._parameters, ours[3]._parameters = first, second
    theirs = [StudentLinear(first), StudentTanh(), StudentScale(5), StudentLinear(second)]
    net = StudentNet(*theirs) if own_net else Sequentiel(theirs)
    losses = SGD(Sequentiel(*ours), X, y, 8, 10, MSELoss(), 0.02, rng=5)
    assert SGD(net, X, y, 8, 10, StudentMSE(), 0.02, rng=5) == pytest.approx(losses, rel=1e-9)
    assert theirs[0]._parameters == pytest.approx(ours[0]._parameters, rel=1e-9)
    assert theirs[2]._parameters == pytest.approx(ours[2]._parameters, rel=1e-9)
    assert not np.allclose(theirs[2]._parameters, 1)


def test_our_classes_can_be_derived_from():
    class Doubled(Linear):
        def forward(self, X):
            return 2 * super().forward(X)

        def backward_update_gradient(self, input, delta):
            super().backward_update_gradient(input, 2 * delta)

        def backward_delta(self, input, delta):
            return super().backward_delta(input, 2 * delta)

    class Shifted(MSELoss):
        def forward(self, y, yhat):
            return super().forward(y, yhat) + 1

    X, y = numbers((10, 2)), numbers((10, 1), 1)
    layer = Doubled(2, 1)
    W = layer._parameters.copy()
    losses = SGD(Sequentiel(layer), X, y, 10, 1, Shifted(), 0.1)
    assert losses == pytest.approx([((2 * X @ W - y) ** 2).mean() + 1], rel=1e-12)
    assert layer._parameters == pytest.approx(W - 0.1 * 2 * X.T @ (2 * (2 * X @ W - y)) / 10, rel=1e-12)


# Errors


@pytest.mark.parametrize(
    ("error", "call", "said"),
    [
        (TypeError, lambda: Optim(Linear, MSELoss(), 0.1), "Optim: net is the class Linear, expected an object: Linear(...)"),
        (TypeError, lambda: Optim(Linear(1, 1), MSELoss, 0.1),
         "Optim: loss is the class MSELoss, expected an object: MSELoss(...)"),
        (TypeError, lambda: Optim(Linear(1, 1), 3, 0.1),
         "Optim: loss is of type int, which has no method forward, expected a loss such as MSELoss()"),
        (ValueError, lambda: Optim(Linear(1, 1), MSELoss(), -0.1), "Optim: eps is -0.1, expected a positive number"),
        (ValueError, lambda: SGD(Linear(1, 1), [[1.0]], [[1.0]], 0, 1), "SGD: batch_size is 0, expected at least 1"),
        (ValueError, lambda: SGD(Linear(1, 1), [[1.0]], [[1.0]], 1, 0), "SGD: iterations is 0, expected at least 1"),
        (ValueError, lambda: SGD(Linear(1, 1), [[1.0]], [[1.0]], 1, 1, eps=0), "SGD: eps is 0, expected a positive number"),
        (TypeError, lambda: SGD([Linear(1, 1)], [[1.0]], [[1.0]], 1, 1),
         "SGD: net is of type list, which has no method forward, expected a network"),
        (ValueError, lambda: gen_arti(data_type=3), "gen_arti: data_type is 3, expected 0, 1 or 2"),
        (ValueError, lambda: gen_arti(sigma=-1), "gen_arti: sigma is -1, expected a variance, 0 or more"),
        (ValueError, lambda: make_grid(step=1), "make_grid: step is 1, expected at least 2"),
        (ValueError, lambda: plot_data(np.ones((3, 3))), "plot_data: data has shape (3, 3), expected (n, 2)"),
        (ValueError, lambda: plot_data(np.ones((3, 2)), [1, 2]), "plot_data: labels has shape (2,), expected (3,) or (3, 1)"),
        (ValueError, lambda: plot_frontiere(np.ones((3, 2)), lambda grid: 1, step=3),
         "plot_frontiere: f returned shape (), expected (9,) or (9, classes)"),
    ],
)  # fmt: skip
def test_errors_say_what_came_and_what_was_expected(error, call, said):
    assert message(error, call) == said


# The course's tools


@pytest.mark.parametrize("data_type", [0, 1])
def test_gaussians_have_sigma_for_variance_around_mirrored_centres(data_type):
    np.random.seed(1)
    X, y = gen_arti(centerx=2, centery=3, sigma=0.25, nbex=40_000, data_type=data_type, epsilon=0)
    assert X.shape == (40_000, 2)
    assert y.shape == (40_000, 1)
    y = y[:, 0]
    assert (y == 1).sum() == (y == -1).sum() == 20_000
    centers = {0: {1: [(2, 3)], -1: [(-2, -3)]}, 1: {1: [(2, 3), (-2, -3)], -1: [(-2, 3), (2, -3)]}}[data_type]
    for label, places in centers.items():
        for place in places:
            near = X[(y == label) & (np.sign(X) == np.sign(place)).all(axis=1)]
            assert len(near) == pytest.approx(20_000 / len(places), rel=0.01)
            assert near.mean(axis=0) == pytest.approx(place, abs=0.02)
            assert near.var(axis=0) == pytest.approx([0.25, 0.25], rel=0.05)


def test_the_default_points_are_the_courses_for_a_seed():
    np.random.seed(3)
    X, y = gen_arti(nbex=10)
    stream = np.random.RandomState(3)
    root = np.sqrt(0.1)
    clean = np.concatenate([1 + root * stream.standard_normal((5, 2)), -1 + root * stream.standard_normal((5, 2))])
    clean[:, 0] += stream.normal(0, 0.02, 10)
    clean[:, 1] += stream.normal(0, 0.02, 10)
    order = stream.permutation(10)
    assert pytest.approx(clean[order], rel=1e-12) == X
    assert np.array_equal(y[:, 0], np.where(order < 5, 1, -1))


def test_the_checkerboard_changes_its_label_from_square_to_square():
    np.random.seed(1)
    X, y = gen_arti(nbex=2000, data_type=2, epsilon=0)
    assert np.abs(X).max() <= 4
    for point, label in zip(X, y[:, 0], strict=True):
        column, row = int(np.floor(point[0])), int(np.floor(point[1]))
        assert label == (1 if (column + row) % 2 else -1)
    noisy, _ = gen_arti(nbex=2000, data_type=2, epsilon=0.5)
    assert np.abs(noisy).max() > 4


@pytest.mark.parametrize("data_type", [0, 1, 2])
@pytest.mark.parametrize("nbex", [1, 7, 10])
def test_every_number_of_examples_is_given(data_type, nbex):
    X, y = gen_arti(nbex=nbex, data_type=data_type)
    assert X.shape == (nbex, 2)
    assert y.shape == (nbex, 1)
    assert set(np.unique(y)) <= {-1.0, 1.0}
    if data_type < 2:
        assert abs(y.sum()) <= 2


def test_usps_files_are_read(tmp_path):
    file = tmp_path / "digits.txt"
    pixels = np.random.default_rng(0).integers(0, 3, (3, 256))
    rows = [" ".join(map(str, (label, *row))) for label, row in zip((7, 0, 9), pixels, strict=True)]
    file.write_text("\n".join(["10 256", *rows, "-1"]), encoding="utf-8")
    X, y = load_usps(file)
    assert np.array_equal(X, pixels)
    assert np.array_equal(y, [7, 0, 9])


def test_a_grid_covers_the_bounds():
    grid, x, y = make_grid(xmin=0, xmax=4, ymin=10, ymax=12, step=5)
    assert x.shape == y.shape == (5, 5)
    assert np.array_equal(x[0], [0, 1, 2, 3, 4])
    assert np.array_equal(y[:, 0], [10, 10.5, 11, 11.5, 12])
    assert np.array_equal(grid, np.c_[x.ravel(), y.ravel()])
    data = numbers((30, 2))
    grid, x, y = make_grid(data)
    assert grid.shape == (400, 2)
    assert np.array_equal(grid.min(axis=0), data.min(axis=0))
    assert np.array_equal(grid.max(axis=0), data.max(axis=0))


@pytest.fixture
def axes():
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, found = pyplot.subplots()
    yield found
    pyplot.close(figure)


def test_points_are_drawn_a_colour_for_each_class(axes):
    data, labels = numbers((30, 2)), np.repeat([-1, 1, 5], 10).reshape(-1, 1)
    assert plot_data(data, labels) is axes
    assert [len(c.get_offsets()) for c in axes.collections] == [10, 10, 10]
    assert len({tuple(c.get_facecolor()[0]) for c in axes.collections}) == 3
    drawn = np.concatenate([c.get_offsets() for c in axes.collections])
    assert np.array_equal(drawn, data)
    assert axes.get_legend_handles_labels()[1] == ["-1", "1", "5"]


def test_points_without_labels_are_drawn(axes):
    plot_data(numbers((30, 2)))
    assert len(axes.collections[0].get_offsets()) == 30


def coloured(axes, point):
    """Which filled region of the last contours drawn has the point inside, in the order of its levels."""
    inside = [path.contains_point(point) for path in axes.collections[-1].get_paths()]
    assert sum(inside) == 1
    return inside.index(True)


@pytest.mark.parametrize(
    "f",
    [
        lambda grid: grid[:, 0] - 0.1,
        lambda grid: (grid[:, :1] - 0.1) * 1000,
        lambda grid: np.where(grid[:, 0] > 0.1, 1, -1),
        lambda grid: grid[:, 0] > 0.1,
        lambda grid: np.where(grid[:, 0] > 0.1, 1.0, -1.0),
        lambda grid: np.c_[0.1 - grid[:, 0], grid[:, 0] - 0.1],
    ],
)
def test_the_frontier_parts_the_plane_where_the_decision_changes(axes, f):
    assert plot_frontiere([[-1.0, -1.0], [1.0, 1.0]], f, step=41) is axes
    assert [coloured(axes, p) for p in ((-0.9, 0.5), (0.0, 0.0), (0.2, 0.0), (0.9, -0.5))] == [0, 0, 1, 1]


def test_a_frontier_of_three_classes_and_of_one_is_drawn(axes):
    plot_frontiere([[-1.0, -1.0], [1.0, 1.0]], lambda grid: np.c_[-grid[:, 0], grid[:, 0], 0 * grid[:, 0] + 0.4], step=41)
    assert [coloured(axes, p) for p in ((-0.9, 0.5), (0.0, 0.0), (0.9, -0.5))] == [0, 2, 1]
    plot_frontiere([[-1.0, -1.0], [1.0, 1.0]], lambda grid: np.full(len(grid), 7), step=5)
    assert coloured(axes, (0, 0)) == 0


def test_a_trained_network_is_a_decision_function(axes):
    np.random.seed(1)
    X, y = gen_arti(nbex=100)
    net = Sequentiel(Linear(2, 1))
    SGD(net, X, y, 10, 50, eps=0.05)
    plot_data(X, y)
    plot_frontiere(X, net.forward)
    assert coloured(axes, (-1, -1)) == 0
    assert coloured(axes, (1, 1)) == 1


def test_the_handout_shares_the_librarys_contract():
    assert handout.Module is modnet.Module
    assert handout.Loss is modnet.Loss


# --- scripts as they are ---------------------------------------------------------------------------------------------


def test_second_spellings_are_the_same_objects():
    pairs = {"Sigmoid": Sigmoide, "Tanh": TanH, "ReLu": ReLU, "SoftMax": Softmax, "LogSoftMax": LogSoftmax, "MSE": MSELoss,
             "BCE": BCELoss, "Sequential": Sequentiel, "AutoEncoder": AutoEncodeur}  # fmt: skip
    assert all(getattr(handout, name) is thing for name, thing in pairs.items())
    layer = Linear(input_dim=3, output_dim=2, biais=True)
    assert layer._parameters.shape == (3, 2)
    assert layer.bias.shape == (2,)
    assert Conv1D(kernel_size=3, in_channels=1, out_channels=2, biais=True).bias.shape == (2,)
    with pytest.raises(TypeError, match="biais and bias are the same"):
        Linear(3, 2, bias=True, biais=False)
    with pytest.raises(TypeError, match="unexpected keyword argument 'inputs'"):
        Linear(inputs=3, output=2)


class ReadsMemory:
    """A network that keeps nothing itself: it reads each layer's input, its output and its delta from the layer."""

    def __init__(self, *modules):
        self.modules = modules

    def forward(self, X):
        for m in self.modules:
            X = m.forward(X)
        return X

    def zero_grad(self):
        for m in self.modules:
            m.zero_grad()

    def backward_update_gradient(self, input, delta):
        for m in self.modules[::-1]:
            m.backward_update_gradient(m._input, delta)
            m.backward_delta(m._input, delta)
            delta = m._delta

    def backward_delta(self, input, delta):
        self.backward_update_gradient(input, delta)
        return self.modules[0]._delta

    def update_parameters(self, gradient_step=1e-3):
        for m in self.modules:
            m.update_parameters(gradient_step)


def test_a_network_that_reads_layers_memory_has_the_gradients_of_ours():
    rng = np.random.default_rng(0)
    X, delta = rng.normal(size=(4, 6, 2)), rng.normal(size=(4, 3))
    layers = [Conv1D(2, 2, 3), ReLU(), MaxPool1D(2, 1), Flatten(), Linear(12, 3), TanH(), Sigmoide(), LogSoftmax(), Softmax()]
    theirs, ours = ReadsMemory(*layers), Sequentiel(*layers)
    out = theirs.forward(X)
    assert layers[0]._input is X
    assert all(before._forward is after._input for before, after in itertools.pairwise(layers))
    assert layers[-1]._forward is out
    theirs.backward_update_gradient(X, delta)
    found = [layers[0]._gradient.copy(), layers[4]._gradient.copy()]
    ours.zero_grad()
    ours.forward(X)
    ours.backward_update_gradient(X, delta)
    np.testing.assert_allclose(found[0], layers[0]._gradient, rtol=1e-12)
    np.testing.assert_allclose(found[1], layers[4]._gradient, rtol=1e-12)
    np.testing.assert_allclose(layers[0]._delta, ours.backward_delta(X, delta), rtol=1e-12)


def test_layers_memory_is_not_part_of_copies_and_does_not_slow_training():
    layer = Linear(2, 1)
    assert layer._input is None
    layer.forward(np.ones((3, 2)))
    assert copy.deepcopy(layer)._input is None
    assert pickle.loads(pickle.dumps(layer))._forward is None
    assert Linear.forward.address(Linear, np.dtype(float)) == modnet.Linear.forward.address(modnet.Linear, np.dtype(float))
    assert Linear.is_compiled


def test_a_layer_that_is_given_no_input_says_where_it_is():
    with pytest.raises(TypeError, match=r"TanH\(\): backward_delta was given None for the input.*layer._input"):
        TanH().backward_delta(None, np.ones((2, 2)))
    for layer, delta in ((Linear(3, 2), np.ones((4, 2))), (Conv1D(2, 1, 2), np.ones((4, 3, 2)))):
        for operation in (layer.backward_delta, layer.backward_update_gradient):
            with pytest.raises(TypeError, match=f"{operation.__name__} was given None for the input.*layer._input"):
                operation(None, delta)


def test_two_networks_of_ones_own_make_an_auto_encoder():
    np.random.seed(0)
    X = np.random.normal(size=(5, 4))
    encoder, decoder = ReadsMemory(Linear(4, 2), TanH()), ReadsMemory(Linear(2, 4))
    net = AutoEncodeur(encodeur=encoder, decodeur=decoder)
    np.testing.assert_array_equal(net.forward(X), decoder.forward(encoder.forward(X)))
    before = encoder.modules[0]._parameters.copy()
    losses = SGD(net, X, X, 5, 30, eps=0.05)
    assert losses[-1] < losses[0]
    assert not np.array_equal(before, encoder.modules[0]._parameters)


def test_the_derivative_of_bce_is_the_one_sided_slope_at_0_and_1():
    y, h = np.array([[1.0], [0.0], [1.0], [0.0], [0.3]]), 1e-6
    yhat = np.array([[1.0], [0.0], [0.5], [0.5], [0.7]])
    loss, inner = BCELoss(), np.array([[-h], [h], [h], [h], [h]])  # towards the middle
    slope = (loss.forward(y, yhat + inner) - loss.forward(y, yhat)) / inner[:, 0]
    np.testing.assert_allclose(loss.backward(y, yhat)[:, 0], slope, rtol=1e-4)


@pytest.mark.parametrize("layer", [Softmax(), LogSoftmax(), Linear(3, 2), Conv1D(2, 1, 2)])
def test_a_layer_that_refuses_the_last_example_says_that_it_may_be_meant_as_the_last_output(layer):
    out = Sequentiel(Linear(2, 3), Sigmoide()).forward(np.ones((4, 2)))
    for ask in (layer.forward, lambda row: layer.backward_delta(row, row)):
        with pytest.raises(ValueError, match=r"expected .*If input is net.forward\(x\)\[-1\], leave out the \[-1\]"):
            ask(out[-1])
    with pytest.raises(ValueError, match="expected") as caught:
        layer.forward(np.ones((4, 3, 2, 5)) if isinstance(layer, Conv1D) else np.ones((0, 3)))
    assert "[-1]" not in str(caught.value)


@pytest.mark.parametrize("kind", [TanH, Sigmoide, ReLU])
def test_an_activation_that_takes_the_last_example_warns_of_it_but_not_in_a_loop_over_examples(kind):
    out = Sequentiel(Linear(2, 3)).forward(np.ones((4, 2)))
    with pytest.warns(UserWarning, match=r"given one example, the last of 4\. If it is net.forward\(x\)\[-1\]"):
        kind().forward(out[-1])
    layer = kind()
    for row in (*out, out, out[-1:], np.linspace(-1, 1, 5)):  # no warning, which would be an error here
        layer.forward(row)


@pytest.mark.parametrize(("loss", "y"), [(MSELoss(), np.ones((4, 3))), (CELoss(), [0, 1, 2, 0]), (BCELoss(), np.ones((4, 3)))])
def test_the_last_example_in_place_of_the_last_output_is_noticed(loss, y):
    net = Sequentiel(Linear(2, 3), Sigmoide())
    with pytest.raises(ValueError, match=r"leave out the \[-1\]"):
        loss.backward(y, net.forward(np.ones((4, 2)))[-1])
    with pytest.raises(ValueError, match="expected") as caught:
        loss.forward(y, np.ones((5, 3)))
    assert "[-1]" not in str(caught.value)
