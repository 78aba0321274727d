"""Flat vectors begin at multiples of 64 bytes: where numpy puts an array must not decide how fast a network trains."""

import copy
import pickle

import numpy as np
import pytest

from modnet import MSE, BatchNorm, Linear, ReLU, Residual, Sequential, fit
from modnet.arrays import aligned, aligned_copy
from modnet.optim import Adam

# Placed by numpy, one array in four begins at a multiple of 64 bytes: what holds for so many holds by chance 1 time in 10^19.
REPEATED = range(32)


def network(seed=0):
    return Sequential(Linear(3, 5, rng=seed), BatchNorm(5), Residual(Linear(5, 5, rng=seed), ReLU()), Linear(5, 1, rng=seed))


def data(dtype=np.float64):
    rng = np.random.default_rng(0)
    return rng.normal(size=(20, 3)).astype(dtype), rng.normal(size=(20, 1)).astype(dtype)


def are_aligned(*arrays):
    return all(array.ctypes.data % 64 == 0 and array.flags.carray for array in arrays)


def vectors(net):
    return net._storage.params, net._storage.grad, net._storage.state


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [0, 1, 17, (3, 5), (0, 4)])
def test_aligned_gives_zeros_that_begin_at_a_multiple_of_64_bytes(shape, dtype):
    found = [aligned(shape, dtype) for _ in REPEATED]
    assert are_aligned(*found)
    for array in found:
        np.testing.assert_array_equal(array, np.zeros(shape, dtype), strict=True)


def test_an_aligned_copy_has_the_numbers_and_none_of_the_memory():
    array = np.arange(40.0)[1::3]
    found = [aligned_copy(array) for _ in REPEATED] + [aligned_copy(array, np.float32) for _ in REPEATED]
    assert are_aligned(*found)
    for copied in found:
        np.testing.assert_array_equal(copied, array)
        assert not np.shares_memory(copied, array)
    assert {copied.dtype.type for copied in found} == {np.float64, np.float32}


def changed(net, how):
    if how == "astype":
        return net.astype("float32").astype("float64").astype("float32")
    if how == "append":
        return net.append(Linear(1, 2, rng=0)) or net
    if how == "deepcopy":
        return copy.deepcopy(net)
    if how == "pickle":
        return pickle.loads(pickle.dumps(net))
    return net


@pytest.mark.parametrize("how", ["as built", "astype", "append", "deepcopy", "pickle"])
def test_the_flat_vectors_of_a_network_are_aligned(how):
    nets = [changed(network(), how) for _ in REPEATED]
    assert are_aligned(*(vector for net in nets for vector in vectors(net)))
    for net in nets:  # and the modules still read the network's
        assert all(np.shares_memory(array, net.parameters) for array in net.named_parameters().values())


def test_a_module_by_itself_is_aligned_too():
    layers = [BatchNorm(7) for _ in REPEATED] + [copy.deepcopy(BatchNorm(7).astype("float32")) for _ in REPEATED]
    assert are_aligned(*(vector for layer in layers for vector in vectors(layer)))


def test_the_moments_of_an_optimizer_are_aligned_also_after_restore():
    for _ in REPEATED:
        net = network()
        optimizer = Adam(lr=0.1).attach(net)
        net.gradient[:] = 1.0
        optimizer.step()
        assert are_aligned(optimizer.flat_group().moments)
        kept = pickle.loads(pickle.dumps(optimizer.state()))
        other = Adam(lr=0.1).attach(copy.deepcopy(net))
        other.restore(kept)
        moments = other.flat_group().moments
        assert are_aligned(moments)
        np.testing.assert_array_equal(moments, optimizer.flat_group().moments)
        assert not np.shares_memory(moments, kept["groups"][0]["moments"])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_workspaces_are_aligned_whatever_the_batch(dtype):
    net = network().astype(dtype)
    X, _ = data(dtype)
    for batch in range(2, 20):
        net.forward(X[:batch])
        table, _ = net.table((3,), np.dtype(dtype))
        assert table.capacity == batch
        assert are_aligned(table.values, table.deltas, table.scratch, table.seen)
    assert table.scratch.size  # Residual adds two deltas


def test_what_an_epoch_works_on_is_aligned(monkeypatch):
    import modnet.training

    runners = []
    begin = modnet.training._CompiledRunner.__init__

    def watched(self, *arguments):
        begin(self, *arguments)
        runners.append(self)

    monkeypatch.setattr(modnet.training._CompiledRunner, "__init__", watched)
    X, y = data()
    for size in (2, 3, 4, 5, 6, 8, 10, 17, 18, 20):
        fit(network(), X, y, loss=MSE(), optimizer=Adam(), epochs=1, batch_size=size, progress=False)
    assert len(runners) == 10
    for runner in runners:
        assert are_aligned(runner.batch_y, runner.cost, runner.previous, runner.previous_state)
