"""BatchNorm and LayerNorm: against loops, central differences and numbers worked out by hand, in both modes and both paths."""

import copy
import math
import pickle

import numpy as np
import pytest
from helpers import PassThrough, before_forward, forward_again, message

import modnet
from modnet import MSE, BatchNorm, Concat, CrossEntropy, LayerNorm, Linear, ReLU, Residual, Sequential, Tanh
from modnet.optim import SGD, Adam

DTYPES = [np.float32, np.float64]


def naive_batch_norm(x, weight, bias, eps):
    """Feature by feature, with exact sums: outputs, means and both variances."""
    rows = x.reshape(-1, x.shape[-1])
    out, means, variances = np.empty(rows.shape), [], []
    for j in range(rows.shape[1]):
        column = rows[:, j].tolist()
        mean = math.fsum(column) / len(column)
        squares = math.fsum((v - mean) ** 2 for v in column)
        for i, v in enumerate(column):
            out[i, j] = (v - mean) / math.sqrt(squares / len(column) + eps) * weight[j] + bias[j]
        means.append(mean)
        variances.append(squares / (len(column) - 1) if len(column) > 1 else math.nan)
    return out.reshape(x.shape), np.array(means), np.array(variances)


def differences(f, array, delta, h=1e-5):
    """d sum(delta * f()) / d array, by central differences at each entry."""
    found = np.empty(array.shape)
    for at in np.ndindex(array.shape):
        before = array[at]
        values = []
        for step in (h, -h):
            array[at] = before + step
            values.append(float(np.sum(delta * f())))
        array[at] = before
        found[at] = (values[0] - values[1]) / (2 * h)
    return found


def drawn(kind, features, seed=0, **options):
    module = kind(features, **options)
    module.parameters[:] = np.random.default_rng(seed).normal(size=module.parameters.size)
    return module


# What is computed


@pytest.mark.parametrize("shape", [(5, 3), (2, 1), (3, 2, 4), (2, 3, 2, 2), (40, 17)], ids=str)
def test_batch_norm_in_training_is_the_loop_over_features(shape):
    rng = np.random.default_rng(1)
    module = drawn(BatchNorm, shape[-1], eps=1e-3, momentum=0.25)
    module.running_mean, module.running_var = rng.normal(size=shape[-1]), rng.uniform(1, 2, shape[-1])
    before = module.running_mean.copy(), module.running_var.copy()
    x = rng.normal(3, 2, shape)
    want, mean, var = naive_batch_norm(x, module.weight, module.bias, 1e-3)
    np.testing.assert_allclose(module.forward(x), want, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(module.running_mean, 0.75 * before[0] + 0.25 * mean, rtol=1e-13)
    np.testing.assert_allclose(module.running_var, 0.75 * before[1] + 0.25 * var, rtol=1e-13)


def test_batch_norm_has_pytorchs_conventions_in_numbers():
    module = BatchNorm(1)
    assert (module.momentum, module.eps) == (0.1, 1e-5)
    np.testing.assert_array_equal([module.weight, module.bias, module.running_mean, module.running_var], [[1], [0], [0], [1]])
    # mean 2, squares 1 + 1: the batch is scaled by the variance 1, the running one moves to 2. eps is inside the root.
    out = module.forward([[1.0], [3.0]])
    np.testing.assert_allclose(out, [[-1 / math.sqrt(1 + 1e-5)], [1 / math.sqrt(1 + 1e-5)]], rtol=1e-15)
    np.testing.assert_allclose(module.running_mean, [0.2], rtol=1e-15)
    np.testing.assert_allclose(module.running_var, [1.1], rtol=1e-15)
    module.forward([[1.0], [3.0]])
    np.testing.assert_allclose(module.running_mean, [0.2 * 0.9 + 0.2], rtol=1e-15)
    np.testing.assert_allclose(module.running_var, [1.1 * 0.9 + 0.2], rtol=1e-15)
    module.running_mean, module.running_var, module.eps = [5.0], [3.0], 1.0
    module.weight, module.bias = [10.0], [7.0]
    np.testing.assert_array_equal(module.eval().forward([[9.0]]), [[27.0]])  # (9 - 5) / sqrt(3 + 1) * 10 + 7


@pytest.mark.parametrize("momentum", [0.0, 1.0])
def test_momentum_at_its_ends_keeps_all_or_nothing(momentum):
    module = BatchNorm(2, momentum=momentum)
    module.forward([[1.0, 2.0], [3.0, 6.0]])
    want = ([2.0, 4.0], [2.0, 8.0]) if momentum else ([0.0, 0.0], [1.0, 1.0])
    np.testing.assert_allclose([module.running_mean, module.running_var], want, rtol=1e-15)


def test_a_feature_without_variance_gives_its_bias():
    module = drawn(BatchNorm, 2)
    out = module.forward(np.full((4, 2), 12345.5))
    np.testing.assert_array_equal(out, np.tile(module.bias, (4, 1)))
    layer = drawn(LayerNorm, 3)
    np.testing.assert_array_equal(layer.forward([[7.25, 7.25, 7.25]]), [layer.bias])


@pytest.mark.parametrize("shape", [(4, 3), (1, 5), (2, 3, 4), (3, 1)], ids=str)
def test_layer_norm_is_batch_norms_loop_on_each_row_turned(shape):
    module = drawn(LayerNorm, shape[-1], eps=1e-2)
    x = np.random.default_rng(2).normal(-4, 3, shape)
    rows = x.reshape(-1, shape[-1])
    want = []
    for row in rows:
        scaled, _, _ = naive_batch_norm(row[:, None], [1.0], [0.0], 1e-2)
        want.append(scaled[:, 0] * module.weight + module.bias)
    np.testing.assert_allclose(module.forward(x), np.reshape(want, shape), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("kind", [BatchNorm, LayerNorm])
@pytest.mark.parametrize("dtype", DTYPES)
def test_statistics_survive_a_mean_much_larger_than_the_spread(kind, dtype):
    rng = np.random.default_rng(3)
    x = (4096 + rng.integers(-8, 9, (64, 64)) / 8).astype(dtype)  # exact in both types
    module = kind(64).astype(dtype)
    axis = 0 if kind is BatchNorm else 1
    exact = x.astype(np.float64)
    want = (exact - exact.mean(axis, keepdims=True)) / np.sqrt(exact.var(axis, keepdims=True) + 1e-5)
    out = module.forward(x)
    assert out.dtype == dtype
    np.testing.assert_allclose(out, want, rtol=0, atol=1e-6 if dtype is np.float32 else 1e-11)


@pytest.mark.parametrize("kind", [BatchNorm, LayerNorm])
@pytest.mark.parametrize(
    ("mean", "spread", "eps"),
    [(0, 1, 1e-5), (4096.1, 1, 1e-5), (1e6, 1, 1e-5), (-3, 100, 1e-2), (0, 1e25, 1e-5), (0, 1e-25, 1e-60)],
)
def test_sums_in_float32_are_as_good_as_its_numbers(kind, mean, spread, eps):
    """Of more numbers, and more rows, than are added up at a time; no sum may depend on the mean, nor overflow."""
    rng = np.random.default_rng(12)
    shape = (300, 43) if kind is BatchNorm else (43, 601)
    single = kind(shape[1]).astype(np.float32)
    single.eps, single.parameters[:] = eps, rng.normal(size=single.parameters.size)
    double = copy.deepcopy(single).astype(np.float64)
    x, delta = (mean + spread * rng.normal(size=shape)).astype(np.float32), rng.normal(size=shape).astype(np.float32)
    exact, axis = x.astype(np.float64), 0 if kind is BatchNorm else 1
    want = (exact - exact.mean(axis, keepdims=True)) / np.sqrt(exact.var(axis, keepdims=True) + eps)
    np.testing.assert_allclose(single.forward(x), want * single.weight + single.bias, rtol=0, atol=2e-6)
    got, want = ([m.backward_delta(x, delta), m.backward_update_gradient(x, delta), m.gradient][::2] for m in (single, double))
    for g, w in zip(got, want, strict=True):
        np.testing.assert_allclose(g, w, rtol=0, atol=1e-6 * np.abs(w).max())


# Derivatives


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("shape", [(5, 3), (2, 2), (3, 2, 4), (2, 1)], ids=str)
def test_batch_norm_backward_is_the_central_difference_in_both_modes(shape, training):
    rng = np.random.default_rng(4)
    module = drawn(BatchNorm, shape[-1], eps=1e-2)
    module.forward(rng.normal(2, 3, shape))
    if not training:
        module.eval()
    x, delta = rng.normal(1, 2, shape), rng.normal(size=shape)
    state = copy.deepcopy((module.running_mean, module.running_var))
    dx = module.backward_delta(x, delta)
    module.backward_update_gradient(x, delta)
    np.testing.assert_array_equal((module.running_mean, module.running_var), state)  # backward keeps no statistics
    before = before_forward(module)
    np.testing.assert_allclose(dx, differences(lambda: forward_again(module, before, x), x, delta), rtol=1e-6, atol=1e-8)
    want = differences(lambda: forward_again(module, before, x), module.parameters, delta)
    np.testing.assert_allclose(module.gradient, want, rtol=1e-7, atol=1e-8)
    assert np.array_equal((module.running_mean, module.running_var), state) is not training


def test_in_training_every_example_is_in_every_output():
    module = BatchNorm(1)
    x = np.array([[0.0], [1.0], [5.0]])
    delta = np.array([[1.0], [0.0], [0.0]])
    dx = module.backward_delta(x, delta)
    assert (dx != 0).all()
    assert dx.sum() == pytest.approx(0, abs=1e-15)  # shifting all examples changes nothing
    np.testing.assert_array_equal(module.eval().backward_delta(x, delta) != 0, [[True], [False], [False]])


@pytest.mark.parametrize("shape", [(4, 3), (2, 3, 5), (1, 2)], ids=str)
def test_layer_norm_backward_is_the_central_difference(shape):
    rng = np.random.default_rng(5)
    module = drawn(LayerNorm, shape[-1], eps=1e-2)
    x, delta = rng.normal(1, 2, shape), rng.normal(size=shape)
    dx = module.backward_delta(x, delta)
    module.backward_update_gradient(x, delta)
    np.testing.assert_allclose(dx, differences(lambda: module.forward(x), x, delta), rtol=1e-6, atol=1e-8)
    want = differences(lambda: module.forward(x), module.parameters, delta)
    np.testing.assert_allclose(module.gradient, want, rtol=1e-7, atol=1e-8)


def test_backward_takes_the_statistics_of_the_input_it_is_given():
    rng = np.random.default_rng(6)
    module = drawn(BatchNorm, 3)
    x, other, delta = rng.normal(size=(4, 3)), rng.normal(7, 5, (6, 3)), rng.normal(size=(4, 3))
    before = module.backward_delta(x, delta)
    module.forward(other)
    np.testing.assert_array_equal(module.backward_delta(x, delta), before)


# Modes


def test_train_and_eval_reach_every_depth():
    inner = BatchNorm(2)
    net = Sequential(Linear(2, 2, rng=0), Concat(Residual(Sequential(inner)), Linear(2, 1, rng=1)))
    assert inner.training
    x = np.random.default_rng(0).normal(size=(6, 2))
    net.eval()
    assert not inner.training
    before = inner.running_mean.copy()
    alone = np.concatenate([net.forward(x[i : i + 1]) for i in range(6)])
    np.testing.assert_allclose(net.forward(x), alone, rtol=1e-12)  # in evaluation no example sees another
    np.testing.assert_array_equal(inner.running_mean, before)
    net.train()
    assert inner.training
    net.forward(x)
    assert (inner.running_mean != before).all()


@pytest.mark.parametrize("plain", [False, True], ids=["table", "python walk"])
def test_a_forward_that_backward_repeats_keeps_no_statistics(plain):
    rng = np.random.default_rng(7)
    net = Sequential(Linear(3, 4, rng=0), BatchNorm(4), Tanh(), *[PassThrough()] * plain, Linear(4, 2, rng=1))
    assert net.compiled is not plain
    x, other, delta = rng.normal(size=(5, 3)), rng.normal(size=(5, 3)), rng.normal(size=(5, 2))
    net.backward_update_gradient(x, delta)  # no forward before
    np.testing.assert_array_equal(net[1].running_mean, 0)
    net.forward(x)
    kept = net[1].running_mean.copy()
    want = net.backward_delta(x, delta)
    net.backward_delta(other, delta)
    np.testing.assert_array_equal(net.backward_delta(x, delta), want)
    np.testing.assert_array_equal(net[1].running_mean, kept)
    assert net[1].training


def test_a_network_with_batch_norm_is_the_modules_one_by_one():
    rng = np.random.default_rng(8)
    a, norm, b = Linear(3, 4, rng=0), drawn(BatchNorm, 4), drawn(LayerNorm, 4)
    twin = copy.deepcopy(norm)
    net = Sequential(a, norm, b)
    x, delta = rng.normal(size=(6, 3)), rng.normal(size=(6, 4))
    h = a.forward(x)
    g = twin.forward(h)
    np.testing.assert_array_equal(net.forward(x), b.forward(g))
    np.testing.assert_array_equal(norm.running_var, twin.running_var)
    d = twin.backward_delta(h, b.backward_delta(g, delta))
    np.testing.assert_array_equal(net.backward_delta(x, delta), a.backward_delta(x, d))


def test_a_batch_norm_used_twice_keeps_statistics_of_both_uses():
    norm = BatchNorm(2, momentum=0.5)
    net = Sequential(norm, Linear(2, 2, rng=0), norm)
    x, delta = np.random.default_rng(9).normal(3, 2, (5, 2)), np.random.default_rng(10).normal(size=(5, 2))
    net.forward(x)
    assert net.parameters.size == 4 + 6
    lone = BatchNorm(2, momentum=0.5)
    lone.forward(net[1].forward(lone.forward(x)))
    np.testing.assert_allclose(norm.running_mean, lone.running_mean, rtol=1e-13)
    net.zero_grad()
    net.backward_update_gradient(x, delta)
    before = before_forward(net)
    want = differences(lambda: forward_again(net, before, x), net.parameters, delta)
    np.testing.assert_allclose(net.gradient, want, rtol=1e-6, atol=1e-7)


# A batch of one


def test_one_value_in_training_is_refused_and_nothing_moves():
    module = BatchNorm(3)
    words = (
        "BatchNorm(3): a batch of one in training mode, expected at least two: one value has no variance; "
        "in fit choose a batch_size that leaves no single example over"
    )
    for call in (
        lambda: module.forward(np.ones((1, 3))),
        lambda: module.backward_delta(np.ones((1, 3)), np.ones((1, 3))),
        lambda: module.backward_update_gradient(np.ones((1, 1, 3)), np.ones((1, 1, 3))),
    ):
        assert message(ValueError, call) == words
    np.testing.assert_array_equal(module.running_var, 1)
    assert np.isfinite(module.forward(np.ones((1, 2, 3)))).all()  # two values a feature are enough
    assert np.isfinite(module.eval().forward(np.ones((1, 3)))).all()


@pytest.mark.parametrize("plain", [False, True], ids=["table", "python walk"])
def test_in_a_network_the_error_says_the_place(plain):
    net = Sequential(Linear(3, 3, rng=0), Residual(Sequential(BatchNorm(3))), *[PassThrough()] * plain)
    assert message(ValueError, net.forward, np.ones((1, 3))).startswith("Sequential[1][0][0] BatchNorm(3): a batch of one")


@pytest.mark.parametrize("callbacks", [(), "batches"])
def test_fit_refuses_a_last_batch_of_one_before_it_trains(callbacks):
    class Watcher(modnet.Callback):
        def on_batch_end(self, training):
            pass

    net = Sequential(Linear(3, 4, rng=0), BatchNorm(4), Linear(4, 2, rng=1))
    before = net.parameters.copy(), net.storage.state.copy()
    x, y = np.random.default_rng(0).normal(size=(33, 3)), np.arange(33) % 2
    options = {"loss": CrossEntropy(), "optimizer": SGD(0.1), "epochs": 2, "rng": 0}
    with pytest.raises(ValueError, match=r"fit: Sequential\[1\] BatchNorm\(4\): a batch of one in training mode"):
        modnet.fit(net, x, y, **options, callbacks=[Watcher()] if callbacks else ())
    np.testing.assert_array_equal(net.parameters, before[0])
    np.testing.assert_array_equal(net.storage.state, before[1])
    assert modnet.fit(net, x, y, **options, batch_size=11, validation=(x[:1], y[:1])).epochs == 2


# Training


def data(n=90):
    rng = np.random.default_rng(11)
    return rng.normal(2, 3, (n, 4)), rng.integers(0, 3, n)


def network(*more):
    return Sequential(
        Linear(4, 6, rng=0), BatchNorm(6), ReLU(), Residual(Linear(6, 6, rng=1), LayerNorm(6)), *more, Linear(6, 3, rng=2)
    )


@pytest.mark.parametrize("dtype", DTYPES)
def test_both_paths_of_fit_leave_the_same_parameters_and_statistics(dtype):
    X, y = data()
    found = []
    for net in (network().astype(dtype), network(PassThrough()).astype(dtype)):
        history = modnet.fit(
            net, X, y, loss=CrossEntropy(), optimizer=Adam(0.01), epochs=4, batch_size=16, validation=0.2, rng=3
        )
        found.append((net.parameters.copy(), net.storage.state.copy(), history.loss, history.validation_loss))
    for compiled, python in zip(*(f[:2] for f in found), strict=True):
        np.testing.assert_array_equal(compiled, python)
    for compiled, python in zip(*(f[2:] for f in found), strict=True):  # the two add losses up in another order
        np.testing.assert_allclose(compiled, python, rtol=1e-6 if dtype is np.float32 else 1e-14)
    assert found[0][1].dtype == dtype
    assert not np.array_equal(found[0][1][:6], np.zeros(6))


def test_validation_uses_the_running_statistics():
    X, y = data()
    net = network()
    history = modnet.fit(
        net, X, y, loss=CrossEntropy(), optimizer=SGD(0.05), epochs=1, batch_size=45, validation=(X[:20], y[:20]), rng=0
    )
    assert net.training
    net.eval()
    assert history.validation_loss[-1] == pytest.approx(CrossEntropy()(y[:20], net.forward(X[:20])), rel=1e-12)
    one_by_one = modnet.predict(net, X[:20], batch_size=1)
    np.testing.assert_allclose(one_by_one, net.forward(X[:20]), rtol=1e-12)


@pytest.mark.parametrize("plain", [False, True], ids=["compiled", "python"])
def test_statistics_stay_finite_where_a_training_diverges(plain):
    x = np.random.default_rng(0).normal(size=(40, 2))
    net = Sequential(Linear(2, 2, rng=0), BatchNorm(2), Linear(2, 1, rng=1), *[PassThrough()] * plain)
    with pytest.warns(modnet.TrainingWarning, match="diverged"):
        modnet.fit(net, x, x[:, :1] * 1e150, loss=MSE(), optimizer=SGD(1e250), epochs=3, batch_size=8, rng=0)
    assert np.isfinite(net.parameters).all()
    assert np.isfinite(net.storage.state).all()


@pytest.mark.parametrize("again", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))], ids=["deepcopy", "pickle"])
def test_a_copy_has_statistics_of_its_own(again):
    net = network()
    X, _ = data()
    net.forward(X)
    twin = again(net)
    np.testing.assert_array_equal(twin[1].running_var, net[1].running_var)
    assert twin.eval()[1].training is False
    assert net[1].training is True
    np.testing.assert_array_equal(twin.forward(X), net.eval().forward(X))
    twin.train().forward(X)
    assert not np.array_equal(twin[1].running_mean, net[1].running_mean)


# Arguments


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: BatchNorm(0), ValueError, "BatchNorm: features is 0, expected at least 1"),
        (lambda: BatchNorm(2.0), TypeError, "BatchNorm: features is 2.0, expected a whole number"),
        (lambda: BatchNorm(2, momentum=1.5), ValueError, "BatchNorm: momentum is 1.5, expected a number from 0 to 1"),
        (lambda: BatchNorm(2, momentum=None), TypeError, "BatchNorm: momentum is None, expected a number from 0 to 1"),
        (lambda: BatchNorm(2, eps=0), ValueError, "BatchNorm: eps is 0, expected a positive number"),
        (lambda: LayerNorm(-1), ValueError, "LayerNorm: features is -1, expected at least 1"),
        (lambda: LayerNorm(3, eps=-1e-5), ValueError, "LayerNorm: eps is -1e-05, expected a positive number"),
        (
            lambda: BatchNorm(3).forward(np.ones((2, 4))),
            ValueError,
            "BatchNorm(3): input has shape (2, 4), expected (batch, 3)",
        ),
        (
            lambda: LayerNorm(3).forward(np.ones((2, 5, 4))),
            ValueError,
            "LayerNorm(3): input has shape (2, 5, 4), expected (batch, ..., 3)",
        ),
        (
            lambda: LayerNorm(1).forward(np.ones(2)),
            ValueError,
            "LayerNorm(1): input has shape (2,), expected (batch, 1); make a column of single numbers: np.asarray(input).reshape(-1, 1)",
        ),
        (
            lambda: Sequential(Linear(2, 3), ReLU(), BatchNorm(4)),
            ValueError,
            "Sequential[2] BatchNorm(4): takes 4 features, but Sequential[0] Linear(2 -> 3) gives 3",
        ),
        (
            lambda: Sequential(LayerNorm(3), Linear(4, 2)),
            ValueError,
            "Sequential[1] Linear(4 -> 2): takes 4 features, but Sequential[0] LayerNorm(3) gives 3",
        ),
    ],
)
def test_hostile_arguments_are_refused_in_one_line(make, error, words):
    assert message(error, make) == words


def test_repr_says_what_is_not_the_default():
    assert repr(BatchNorm(3)) == "BatchNorm(3)"
    assert repr(BatchNorm(3, momentum=0.5, eps=1e-3)) == "BatchNorm(3, momentum=0.5, eps=0.001)"
    assert repr(LayerNorm(2, eps=1e-6)) == "LayerNorm(2, eps=1e-06)"
