"""`fit` has two paths, the compiled epoch and the same steps in Python: whatever is trained, both leave the same parameters.

By discovery: a module, loss or optimizer written later is trained here on both with nobody adding it. Two things send `fit`
into Python: a callback that watches batches (the network's own walks stay compiled), and a plain class in the network (the rows
before and after it are then walked by themselves).
"""

import copy
from itertools import pairwise

import numpy as np
import pytest
from helpers import PassThrough, example_input, watch_paths

from modnet import (
    BCE,
    MSE,
    NLL,
    Callback,
    CrossEntropy,
    Flatten,
    Hinge,
    Linear,
    LogSoftmax,
    ReLU,
    Sequential,
    Sigmoid,
    Tanh,
    fit,
)
from modnet.discovery import all_losses, all_modules, all_optimizers
from modnet.optim import SGD, Adam

N, BATCH = 8, 3  # the last batch is short


def cases(kinds):
    return [pytest.param(kind, i, id=f"{kind.__name__}-{i}") for kind in kinds for i in range(len(kind.examples()))]


def firsts(kinds):
    return [pytest.param(kind, 0, id=kind.__name__) for kind in kinds]


class Watcher(Callback):
    """Watches every batch, and does nothing."""

    def on_batch_end(self, training):
        pass


def train(net, X, y, loss, optimizer, **options):
    settings = {"epochs": 3, "batch_size": BATCH, "rng": 7, **options}
    return fit(net, X, y, loss=loss, optimizer=optimizer, **settings)


def assert_paths_agree(monkeypatch, net, X, y, loss, optimizer, rtol=0.0, compiled=True, **options):
    """Train copies on each path and compare all they leave."""
    beside = Sequential(*copy.deepcopy(net), PassThrough())
    nets = [net, copy.deepcopy(net), beside]
    callbacks = [(), (Watcher(),), ()]
    paths, histories, taken = watch_paths(monkeypatch), [], []
    for each, watchers in zip(nets, callbacks, strict=True):
        paths.clear()
        histories.append(train(each, X, y, loss, copy.deepcopy(optimizer), callbacks=watchers, **options))
        taken.append(set(paths))
    assert taken == [{"compiled" if compiled else "python"}, {"python"}, {"python"}]
    for each, history in zip(nets[1:], histories[1:], strict=True):
        for name in ("parameters", "gradient", "state"):
            want, got = getattr(net.storage, name), getattr(each.storage, name)
            assert got.dtype == want.dtype
            np.testing.assert_allclose(got, want, rtol=rtol, atol=rtol * 0.1, err_msg=name)
        for name in ("loss", "validation_loss"):
            np.testing.assert_allclose(getattr(history, name), getattr(histories[0], name), rtol=max(rtol, 1e-13))
        assert history.metrics.keys() == histories[0].metrics.keys()
        for name, values in history.metrics.items():
            np.testing.assert_allclose(values, histories[0].metrics[name], rtol=1e-13)
    return histories[0]


def network_around(kind, index, rng):
    """A network with one of a module's examples between two others, so that its delta counts too, and an input."""
    module, shape = kind.examples()[index]
    front = list(module.shares_parameters_of)  # its output fits
    if front:
        X = rng.normal(size=(N, *shape[1:-1], front[0].in_features))
    else:
        X = example_input(module, (N, *shape[1:]), rng)
        if X.dtype.kind == "f" and X.ndim > 1:
            front = [Linear(shape[-1], shape[-1], rng=1)]
    net = Sequential(*front, module)
    features = net.forward(X).shape[1:]
    if features:
        net.append(Linear(features[-1], 2, rng=2))
    if not net.parameters.size:
        pytest.skip("takes and gives one number an example: no layer with parameters stands beside it")
    return net, X


@pytest.mark.parametrize(("kind", "index"), cases(all_modules()))
def test_every_module_trains_alike_on_both_paths(monkeypatch, kind, index):
    rng = np.random.default_rng(index)
    net, X = network_around(kind, index, rng)
    y = rng.normal(size=net.forward(X).shape)
    before = net.parameters.copy()
    assert_paths_agree(monkeypatch, net, X, y, MSE(), SGD(0.02), compiled=net.compiled)
    assert (net.parameters != before).any()
    assert np.isfinite(net.parameters).all()


@pytest.mark.parametrize(("kind", "index"), firsts(all_modules()))
def test_every_module_trains_alike_on_both_paths_in_float32(monkeypatch, kind, index):
    rng = np.random.default_rng(index)
    net, X = network_around(kind, index, rng)
    net.astype("float32")
    X = X.astype(np.float32) if X.dtype.kind == "f" else X
    y = rng.normal(size=net.forward(X).shape)
    assert_paths_agree(monkeypatch, net, X, y, MSE(), SGD(0.02), compiled=net.compiled)
    assert net.parameters.dtype == np.float32


def loss_problem(kind, index, rng):
    """A network whose output has the shape of one of a loss's examples, with inputs and targets."""
    loss, y, yhat = kind.examples()[index]
    if yhat.ndim == 1:
        y, yhat = y[:, None], yhat[:, None]
    y = np.resize(y, (N, *y.shape[1:]))
    probabilities = all(example.min() > 0 and example.max() < 1 for _, _, example in kind.examples())
    end = [Sigmoid()] * probabilities + [LogSoftmax()] * issubclass(kind, NLL)
    net = Sequential(Linear(3, 4, rng=1), Tanh(), Linear(4, yhat.shape[-1], rng=2), *end)
    return loss, net, rng.normal(size=(N, *yhat.shape[1:-1], 3)), y


@pytest.mark.parametrize(("kind", "index"), cases(all_losses()))
def test_every_loss_trains_alike_on_both_paths(monkeypatch, kind, index):
    loss, net, X, y = loss_problem(kind, index, np.random.default_rng(index))
    before = net.parameters.copy()
    history = assert_paths_agree(monkeypatch, net, X, y, loss, SGD(0.1), validation=0.4)  # 5 train, in 3 and 2
    assert ("accuracy" in history.metrics) == (type(loss).operations[2] is not None)
    assert (net.parameters != before).any()


@pytest.mark.parametrize(("kind", "index"), firsts(all_losses()))
def test_every_loss_trains_alike_on_both_paths_in_float32(monkeypatch, kind, index):
    loss, net, X, y = loss_problem(kind, index, np.random.default_rng(index))
    assert_paths_agree(monkeypatch, net.astype("float32"), X.astype(np.float32), y, loss, SGD(0.1))


@pytest.mark.parametrize(("kind", "index"), cases(all_optimizers()))
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_every_optimizer_trains_alike_on_both_paths(monkeypatch, kind, index, dtype):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(N, 3)).astype(dtype), rng.normal(size=(N, 2)).astype(dtype)
    net = Sequential(Linear(3, 4, rng=1), Tanh(), Linear(4, 2, rng=2)).astype(dtype)
    optimizer = kind.examples()[index]
    # The norm of the gradient of a network with a plain class in it is added up by numpy, in another order.
    rounding = {"float64": 1e-13, "float32": 1e-5}[dtype] if optimizer.clip_norm else 0.0
    assert_paths_agree(monkeypatch, net, X, y, MSE(), optimizer, rtol=rounding, compiled=kind.is_compiled)


def classifier():
    return Sequential(Linear(3, 5, rng=1), ReLU(), Linear(5, 3, rng=2))


OPTIONS = {
    "all at once": {"batch_size": None},
    "one by one": {"batch_size": 1},
    "in order": {"shuffle": False},
    "weighted": {"sample_weight": np.linspace(0, 2, 20)},
    "weighted, with a share for validation": {"sample_weight": np.linspace(0, 2, 20), "validation": 0.3},
    "with patience": {"validation": 0.3, "patience": 2, "epochs": 30},
    "with the mean of all": {"batch_size": 20, "shuffle": False},
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_every_way_to_fit_is_the_same_on_both_paths(monkeypatch, options):
    rng = np.random.default_rng(3)
    X, y = rng.normal(size=(20, 3)), rng.integers(0, 3, 20)
    assert_paths_agree(monkeypatch, classifier(), X, y, CrossEntropy(), Adam(0.05), **options)


def test_a_pair_for_validation_is_the_same_on_both_paths(monkeypatch):
    rng = np.random.default_rng(3)
    X, y = rng.normal(size=(20, 3)), rng.integers(0, 3, 20)
    held_out = rng.normal(size=(7, 3)), rng.integers(0, 3, 7)
    history = assert_paths_agree(monkeypatch, classifier(), X, y, CrossEntropy(), Adam(0.05), validation=held_out)
    assert len(history.validation_loss) == 3


@pytest.mark.parametrize("given", [np.float32, np.int64, ">f8", np.float16], ids=str)
def test_data_of_any_type_train_alike_on_both_paths(monkeypatch, given):
    rng = np.random.default_rng(3)
    X, y = np.rint(4 * rng.normal(size=(10, 3))), rng.integers(0, 2, (10, 1))
    net = Sequential(Linear(3, 4, rng=1), Tanh(), Linear(4, 1, rng=2), Sigmoid())
    twin = copy.deepcopy(net)
    assert_paths_agree(monkeypatch, net, np.asfortranarray(X.astype(given)), y, BCE(), SGD(0.1))
    train(twin, X, y.astype(float), BCE(), SGD(0.1))
    np.testing.assert_array_equal(net.parameters, twin.parameters)


def tied():
    shared = Linear(4, 4, rng=1)
    return Sequential(Linear(4, 4, rng=0), shared, Tanh(), shared)


def images():
    return Sequential(Tanh(), Flatten(), Linear(4, 4, rng=0))


def deep():
    return Sequential(Sequential(Linear(4, 3, rng=0), Sequential(Tanh())), Sequential(), Sequential(Linear(3, 4, rng=1)))


@pytest.mark.parametrize("make", [tied, images, deep])
def test_every_shape_of_network_trains_alike_on_both_paths(monkeypatch, make):
    rng = np.random.default_rng(3)
    X = rng.normal(size=(10, 2, 2) if make is images else (10, 4))
    assert_paths_agree(monkeypatch, make(), X, np.where(rng.random((10, 4)) > 0.5, 1, -1), Hinge(), SGD(0.1, momentum=0.9))


def test_a_watcher_sees_every_step_on_the_path_in_python(monkeypatch):
    seen, paths = [], watch_paths(monkeypatch)

    class Noting(Callback):
        def on_batch_end(self, training):
            seen.append((training.epoch, training.step, training.net.parameters.copy()))

    rng = np.random.default_rng(3)
    X, y = rng.normal(size=(N, 3)), rng.integers(0, 3, N)
    train(classifier(), X, y, CrossEntropy(), SGD(0.1), callbacks=[Noting()], epochs=2)
    assert [(epoch, step) for epoch, step, _ in seen] == [(1, 1), (1, 2), (1, 3), (2, 4), (2, 5), (2, 6)]
    assert all((a[2] != b[2]).any() for a, b in pairwise(seen))
    # The compiled path ends where the watched one does.
    net = classifier()
    train(net, X, y, CrossEntropy(), SGD(0.1), epochs=2)
    np.testing.assert_array_equal(net.parameters, seen[-1][2])
    assert paths == ["python", "python", "compiled", "compiled"]
