"""Flat vectors begin at multiples of 64 bytes: where numpy puts an array must not decide how fast a network trains."""

import copy
import pickle

import numpy as np
import pytest

from modnet import MSE, BatchNorm, Dropout, Huber, Linear, ReLU, Residual, Sequential, fit
from modnet.discovery import all_optimizers
from modnet.engine import run
from modnet.engine.snapshot import Kept
from modnet.kernels.memory import aligned, aligned_copy
from modnet.optim import Adam
from modnet.training.compiled import CompiledRunner

# Placed by numpy, one array in four begins at a multiple of 64 bytes: what holds for so many holds by chance 1 time in 10^19.
REPEATED = range(32)
OPTIMIZERS = [
    pytest.param(o, id=f"{type(o).__name__}-{i}")
    for kind in all_optimizers()
    for i, o in enumerate(kind.examples())
    if not o.needs_loss
]


def network(seed=0):
    return Sequential(
        Linear(3, 5, rng=seed), BatchNorm(5), Dropout(0.1), Residual(Linear(5, 5, rng=seed), ReLU()), Linear(5, 1, rng=seed)
    )


def data(dtype=np.float64):
    rng = np.random.default_rng(0)
    return rng.normal(size=(20, 3)).astype(dtype), rng.normal(size=(20, 1)).astype(dtype)


def are_aligned(*arrays):
    """Whether all begin at a multiple of 64 bytes; where an empty array begins does not matter."""
    return all(array.flags.carray and (array.ctypes.data % 64 == 0 or not array.size) for array in arrays)


def blocks(storage):
    return storage.parameters, storage.gradient, storage.state, storage.settings


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [0, 1, 17])
def test_aligned_gives_zeros_that_begin_at_a_multiple_of_64_bytes(size, dtype):
    found = [aligned(size, dtype) for _ in REPEATED]
    assert are_aligned(*found)
    for array in found:
        np.testing.assert_array_equal(array, np.zeros(size, dtype), strict=True)


@pytest.mark.parametrize("array", [np.arange(40.0)[1::3], np.arange(15.0).reshape(3, 5).T, np.zeros((0, 4))], ids=np.shape)
def test_an_aligned_copy_has_the_numbers_and_none_of_the_memory(array):
    found = [aligned_copy(array) for _ in REPEATED] + [aligned_copy(array, np.float32) for _ in REPEATED]
    assert are_aligned(*found)
    for copied in found:
        np.testing.assert_array_equal(copied, array)
        assert not np.shares_memory(copied, array)
    assert {copied.dtype.type for copied in found} == {np.float64, np.float32}


def restored(net):
    Kept(net).restore()
    return net


CHANGES = {
    "as built": lambda net: net,
    "astype": lambda net: net.astype("float32").astype("float64").astype("float32"),
    "append": lambda net: net.append(Linear(1, 2, rng=0)) or net,
    "deepcopy": copy.deepcopy,
    "pickle": lambda net: pickle.loads(pickle.dumps(net)),
    "a slice, pickled": lambda net: pickle.loads(pickle.dumps(Sequential(*copy.deepcopy(net[3:])))),
    "restore": restored,
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_the_blocks_of_a_network_are_aligned(change):
    nets = [change(network()) for _ in REPEATED]
    assert are_aligned(*(block for net in nets for block in blocks(net.storage)))
    for net in nets:  # and the modules still read the network's
        assert all(np.shares_memory(array, net.parameters) for array in net.named_parameters().values())


@pytest.mark.parametrize("change", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m)), lambda m: m.astype("float32")])
def test_the_blocks_of_a_module_by_itself_are_aligned_too(change):
    layers = [BatchNorm(7) for _ in REPEATED] + [change(BatchNorm(7)) for _ in REPEATED]
    assert are_aligned(*(block for layer in layers for block in blocks(layer.storage)))


def test_the_settings_of_a_loss_are_aligned():
    losses = [Huber() for _ in REPEATED] + [copy.deepcopy(Huber(0.5)) for _ in REPEATED]
    losses += [pickle.loads(pickle.dumps(Huber(0.5))) for _ in REPEATED]
    assert are_aligned(*(loss.setting_words() for loss in losses))


def taken_on(optimizer, net):
    optimizer = copy.deepcopy(optimizer).attach(net)
    net.gradient[:] = 1.0
    optimizer.step()
    return optimizer


def moments_begin_aligned(optimizer):
    """Whether the memory of the moments does, and each name in it."""
    group, itemsize = optimizer.flat_group(), optimizer.net.dtype.itemsize
    places = [int(group.z[0][f"{name}_at"]) * itemsize for name in optimizer.moments()]
    return are_aligned(group.moments, group.settings) and len(set(places)) == len(places) and not any(p % 64 for p in places)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_the_moments_of_each_name_are_aligned_also_in_copies(optimizer, dtype):
    for _ in REPEATED:
        mine = taken_on(optimizer, network().astype(dtype))
        twins = [copy.copy(mine), copy.deepcopy(mine), pickle.loads(pickle.dumps(mine))]
        for twin in twins:
            twin.check_attached()  # a copy is bound to its network when it is first used
        assert all(moments_begin_aligned(one) for one in (mine, *twins))


def test_the_moments_of_an_optimizer_are_aligned_after_restore():
    for _ in REPEATED:
        mine = taken_on(Adam(lr=0.1), network())
        kept = pickle.loads(pickle.dumps(mine.state_dict()))
        other = Adam(lr=0.1).attach(copy.deepcopy(mine.net))
        other.load_state_dict(kept)
        assert moments_begin_aligned(other)
        moments = other.flat_group().moments
        np.testing.assert_array_equal(moments, mine.flat_group().moments)
        assert not np.shares_memory(moments, kept["groups"][0]["moments"])


def workspace_blocks(workspace):
    return workspace.values, workspace.deltas, workspace.scratch, workspace.seen, workspace.seen_settings


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_workspaces_are_aligned_whatever_the_batch(dtype):
    net = network().astype(dtype)
    program = run.program_of(net, (3,), np.dtype(dtype))
    for batch in range(1, 34):
        workspace = run.Workspace(program, batch)
        assert workspace.capacity == batch
        assert are_aligned(*workspace_blocks(workspace))
    assert workspace.scratch.size  # Residual adds two deltas


def test_what_an_epoch_works_on_is_aligned(monkeypatch):
    runners = []
    begin = CompiledRunner.__init__

    def watched(self, *arguments):
        begin(self, *arguments)
        runners.append(self)

    monkeypatch.setattr(CompiledRunner, "__init__", watched)
    X, y = data()
    for size in (2, 3, 4, 5, 6, 8, 10, 17, 18, 20):
        fit(network(), X, y, loss=MSE(), optimizer=Adam(), epochs=1, batch_size=size, progress=False)
    assert len(runners) == 10
    for runner in runners:
        assert are_aligned(runner.block.batch_y, runner.block.losses, runner.previous, *workspace_blocks(runner.workspace))
