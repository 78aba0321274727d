"""Several epochs in one walk: what they leave is what the same epochs leave in Python, one by one."""

import copy

import numpy as np
import pytest
from fit_cases import WatchesBatches

from modnet import MSE, BatchNorm, CrossEntropy, Dropout, Linear, ReLU, Sequential, TrainingWarning, fit
from modnet.optim import SGD, Adam
from modnet.training.compiled import CompiledRunner

RNG = np.random.default_rng(0)
X, LABELS, Y = RNG.normal(size=(23, 3)), RNG.integers(0, 4, 23), RNG.normal(size=(23, 4))


@pytest.fixture
def walks(monkeypatch):
    """How many batches each compiled walk has done; of at most seven epochs, whatever time they take."""
    done, walk = [], CompiledRunner._walk
    monkeypatch.setattr(CompiledRunner, "_epochs_a_slice", lambda self, batches: 7)

    def note(self, first, last):
        done.append(walk(self, first, last))
        return done[-1]

    monkeypatch.setattr(CompiledRunner, "_walk", note)
    return done


def network(*between):
    return Sequential(Linear(3, 8, rng=0), *between, ReLU(), Linear(8, 4, rng=1))


def both(net, loss, y, optimizer, **options):
    """What is left on each path: the network, the optimizer and the history."""
    found = []
    for callbacks in ([], [WatchesBatches()]):
        own, moved = copy.deepcopy(net), copy.deepcopy(optimizer)
        found.append((own, moved, fit(own, X, y, loss=loss, optimizer=moved, rng=3, callbacks=callbacks, **options)))
    return found


def assert_alike(compiled, python):
    for name in ("parameters", "gradient", "state", "draws"):
        np.testing.assert_array_equal(getattr(compiled[0].storage, name), getattr(python[0].storage, name), err_msg=name)
    assert (compiled[1].steps, compiled[1].epochs) == (python[1].steps, python[1].epochs)
    assert compiled[2].to_dict() == {**python[2].to_dict(), "loss": pytest.approx(python[2].loss, rel=1e-13)}


@pytest.mark.parametrize("batch_size", [5, None])
@pytest.mark.parametrize("between", [(), (BatchNorm(8), Dropout(0.3, rng=4))])
def test_they_leave_what_single_ones_leave(walks, between, batch_size):
    options = {"epochs": 40, "batch_size": batch_size, "sample_weight": np.linspace(0, 2, 23)}
    compiled, python = both(network(*between), CrossEntropy(), LABELS, Adam(0.01, clip_norm=0.5), **options)
    batches = 5 if batch_size else 1
    assert walks == [7 * batches] * 5 + [5 * batches]
    assert_alike(compiled, python)
    assert len(compiled[2].metrics["accuracy"]) == 40


@pytest.mark.parametrize("batch_size", [5, None])
@pytest.mark.parametrize("lr", [2.0, 3.0, 1e10, 1e45])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_divergence_in_a_later_one_is_told_and_taken_back(walks, dtype, lr, batch_size):
    with pytest.warns(TrainingWarning, match="diverged"):
        compiled, python = both(network().astype(dtype), MSE(), Y, SGD(lr), epochs=300, batch_size=batch_size)
    assert_alike(compiled, python)
    assert np.isfinite(compiled[0].parameters).all()


def test_an_interruption_leaves_the_epochs_that_are_done(walks, monkeypatch):
    walk = CompiledRunner._walk

    def interrupted(self, first, last):
        done = walk(self, first, last)
        if len(walks) == 3:
            raise KeyboardInterrupt
        return done

    monkeypatch.setattr(CompiledRunner, "_walk", interrupted)
    net, optimizer = network(), SGD(0.01)
    with pytest.warns(TrainingWarning, match="interrupted"):
        history = fit(net, X, Y, loss=MSE(), optimizer=optimizer, epochs=50, batch_size=5, rng=0)
    assert (history.epochs, optimizer.epochs) == (20, 20)  # the last one's figures were not taken
    assert history.stopped_because == "interrupted in epoch 21"
    assert optimizer.steps == 105
